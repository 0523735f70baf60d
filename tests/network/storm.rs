//! One run: the server, its clients, and what happens to the network between them.

use crate::client::live;
use crate::ledger::{End, Ledger, Mood, Tally};
use crate::person::Shared;
use crate::simulated::Simulated;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use turmoil::{Builder, Sim};
use whisperchat::config::Config;
use whisperchat::server::{Census, Server};

const CLIENTS: usize = 12;

const PING_S: u32 = 2;
const PONG_S: u32 = 2;
pub(crate) const RESUME_WINDOW_S: u32 = 8;
const DRAIN_S: f64 = 2.0;
const STOP_S: f64 = 6.0;

const STORM: Duration = Duration::from_secs(40);
/// Long enough for everybody to notice that a connection is dead, to come back, and to find somebody.
const CALM: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(3);

const TICK: Duration = Duration::from_millis(10);

/// The wheel turns once a second, and looks at everybody in whole seconds; messages take a moment.
const NOTICED: Duration = Duration::from_secs((PING_S + PONG_S + 2) as u64);

/// Lines of the log that are printed when something fails.
const LINES_MAX: usize = 400;

/// What is known after a run.
pub(crate) struct Weathered {
    pub(crate) tally: Tally,
    pub(crate) log: Vec<String>,
}

/// What can happen to a client or to its link.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Everything is lost, in both directions.
    Cut,
    /// What the client sends is lost.
    CutToServer,
    /// What the server sends is lost.
    CutFromServer,
    /// Everything waits, and comes at once in the end.
    Hold,
    /// Everything takes long.
    Slow,
    /// The client ends; its connection is closed.
    Crash,
    /// The client's machine is gone, and says nothing.
    Vanish,
}

const FAULTS: [Fault; 7] = [
    Fault::Cut,
    Fault::CutToServer,
    Fault::CutFromServer,
    Fault::Hold,
    Fault::Slow,
    Fault::Crash,
    Fault::Vanish,
];

/// How a run ends.
#[derive(Debug, Clone, Copy)]
enum Finale {
    /// All clients are gone, and then the server stops.
    Empty,
    /// The server stops while everybody chats.
    Drain,
    /// The server stops in the middle of the storm.
    DrainInStorm,
}

/// A link or client with something wrong, and until when.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    fault: Fault,
    until: Duration,
}

/// Counts who is there, once the server has begun.
type Count = Rc<RefCell<Option<Box<dyn Fn() -> Census>>>>;

struct Weather<'a> {
    sim: Sim<'a>,
    ledger: Shared,
    random: StdRng,
    troubles: [Option<Trouble>; CLIENTS],
    /// When something next happens to each client.
    next_at: [Duration; CLIENTS],
    stop: CancellationToken,
    census: Count,
    has_stopped: Rc<Cell<bool>>,
}

/// Runs one seed.
pub(crate) fn weather(seed: u64) -> Weathered {
    let ledger = Rc::new(RefCell::new(Ledger::new(seed)));
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut weather = Weather::new(seed, &ledger);
        weather.run(match seed % 3 {
            0 => Finale::Empty,
            1 => Finale::Drain,
            _ => Finale::DrainInStorm,
        });
    }));
    let mut ledger = ledger.borrow_mut();
    let log = std::mem::take(&mut ledger.log);
    if let Err(panic) = run {
        for line in &log[log.len().saturating_sub(LINES_MAX)..] {
            println!("{line}");
        }
        println!("NETWORK_FIRST={seed} NETWORK_SEEDS=1");
        resume_unwind(panic);
    }
    let tally = std::mem::take(&mut ledger.tally);
    Weathered { tally, log }
}

fn config() -> Config {
    let mut config = Config::default();
    // All clients come from few addresses, again and again.
    config.rates.exempt = vec!["0.0.0.0/0".parse().expect("it is a network")];
    config.privacy.position_grid_km = 0.0;
    config.matching.rematch_cooloff_s = 0.0;
    config.matching.confirm_s = 1.0;
    config.matching.heard_within_s = 1.0;
    let limits = &mut config.limits;
    limits.ping_s = PING_S;
    limits.pong_s = PONG_S;
    limits.resume_window_s = RESUME_WINDOW_S;
    limits.first_message_s = 5.0;
    limits.close_s = 2.0;
    limits.drain_s = DRAIN_S;
    limits.stop_s = STOP_S;
    config
}

fn client(number: usize) -> String {
    format!("client-{number}")
}

impl Weather<'_> {
    fn new(seed: u64, ledger: &Shared) -> Self {
        let mut sim = Builder::new()
            .rng_seed(seed)
            .simulation_duration(Duration::from_mins(10))
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(80))
            .tcp_capacity(512)
            .build();
        let stop = CancellationToken::new();
        let census = Rc::default();
        let has_stopped = Rc::new(Cell::new(false));
        sim.host("server", {
            let (stop, census, has_stopped) =
                (stop.clone(), Rc::clone(&census), Rc::clone(&has_stopped));
            move || {
                let (stop, census, has_stopped): (_, Count, _) =
                    (stop.clone(), Rc::clone(&census), Rc::clone(&has_stopped));
                async move {
                    let listener = turmoil::net::TcpListener::bind("0.0.0.0:80").await?;
                    let random = StdRng::seed_from_u64(seed);
                    let server = Server::with_listener(config(), Simulated(listener), random);
                    let count: Box<dyn Fn() -> Census> = Box::new(server.census());
                    *census.borrow_mut() = Some(count);
                    server.run(stop).await;
                    has_stopped.set(true);
                    Ok(())
                }
            }
        });
        for number in 0..CLIENTS {
            let ledger = Rc::clone(ledger);
            sim.host(client(number), move || live(number, Rc::clone(&ledger)));
        }
        let mut weather = Self {
            sim,
            ledger: Rc::clone(ledger),
            random: StdRng::seed_from_u64(!seed),
            troubles: [None; CLIENTS],
            next_at: [Duration::ZERO; CLIENTS],
            stop,
            census,
            has_stopped,
        };
        for number in 0..CLIENTS {
            weather.next_at[number] = weather.some_time(1000, 8000);
        }
        weather
    }

    fn run(&mut self, finale: Finale) {
        self.mood(Mood::Stormy);
        self.storm_until(STORM);
        if let Finale::DrainInStorm = finale {
            self.drain();
            return;
        }
        self.mood(Mood::Calm);
        for number in 0..CLIENTS {
            self.repair(number);
        }
        self.pass(CALM);
        if let Finale::Drain = finale {
            self.drain();
            self.ledger.borrow().assert_settled();
            return;
        }
        self.mood(Mood::Quiet);
        self.pass(QUIET);
        self.ledger.borrow().assert_settled();
        let census = self.census();
        assert_eq!((census.connections, census.sessions), (CLIENTS, CLIENTS));
        assert_eq!(census.waiting, 0, "all are in range of each other");
        assert_eq!(self.ledger.borrow().chatting_len(), CLIENTS);
        self.leave();
    }

    /// Everybody vanishes or ends. Nothing is left of them once they can't come back.
    fn leave(&mut self) {
        self.mood(Mood::Leaving);
        for number in 0..CLIENTS {
            let fault = [Fault::Crash, Fault::Vanish][number % 2];
            self.strike(number, fault, Duration::MAX);
        }
        self.pass(NOTICED + Duration::from_secs((RESUME_WINDOW_S + 3).into()));
        assert_eq!(self.census(), Census::default(), "something is left");
        self.stop.cancel();
        self.pass(Duration::from_millis(500));
        assert!(
            self.has_stopped.get(),
            "nobody is there, and it does not stop"
        );
    }

    fn drain(&mut self) {
        let begun = self.sim.elapsed();
        self.stop.cancel();
        while !self.has_stopped.get() {
            self.step();
            let took = self.sim.elapsed().saturating_sub(begun);
            assert!(
                took <= Duration::from_secs_f64(STOP_S + 0.1),
                "it does not stop"
            );
        }
        for number in 0..CLIENTS {
            self.repair(number);
        }
        self.mood(Mood::Leaving);
        self.pass(Duration::from_secs(10));
        assert_eq!(self.census().connections, 0);
    }

    fn census(&self) -> Census {
        let census = self.census.borrow();
        census.as_ref().expect("the server has begun")()
    }

    fn mood(&mut self, mood: Mood) {
        self.ledger.borrow_mut().mood = mood;
    }

    fn some_time(&mut self, min_ms: u64, max_ms: u64) -> Duration {
        Duration::from_millis(self.random.random_range(min_ms..max_ms))
    }

    fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            panic!("{error}");
        }
        self.ledger
            .borrow()
            .assert_nothing_overdue(self.sim.elapsed());
    }

    fn pass(&mut self, time: Duration) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.step();
        }
    }

    fn storm_until(&mut self, until: Duration) {
        while self.sim.elapsed() < until {
            let now = self.sim.elapsed();
            for number in 0..CLIENTS {
                if self.troubles[number].is_some_and(|trouble| trouble.until <= now) {
                    self.repair(number);
                    self.next_at[number] = now + self.some_time(500, 12_000);
                }
                if self.troubles[number].is_none() && self.next_at[number] <= now {
                    let fault = FAULTS[self.random.random_range(0..FAULTS.len())];
                    let lasts = self.some_time(200, 14_000);
                    self.strike(number, fault, lasts);
                }
            }
            self.step();
        }
    }

    fn strike(&mut self, number: usize, fault: Fault, lasts: Duration) {
        let now = self.sim.elapsed();
        let name = client(number);
        let mut ledger = self.ledger.borrow_mut();
        ledger.tally.faults += 1;
        ledger.log.push(format!(
            "{:>7} ms {name}: {fault:?} for {lasts:?}",
            now.as_millis()
        ));
        // It may not learn of its partner's fate for now.
        let life = ledger.latest(number);
        ledger.offline(life);
        let is_for_good = matches!(fault, Fault::Crash | Fault::Vanish);
        if is_for_good || (matches!(fault, Fault::Cut) && lasts > NOTICED) {
            ledger.cut_off(life, now + NOTICED);
        }
        drop(ledger);
        let sim = &mut self.sim;
        match fault {
            Fault::Cut => sim.partition(&*name, "server"),
            Fault::CutToServer => sim.partition_oneway(&*name, "server"),
            Fault::CutFromServer => sim.partition_oneway("server", &*name),
            Fault::Hold => sim.hold(&*name, "server"),
            Fault::Slow => {
                sim.set_link_max_message_latency(&*name, "server", Duration::from_millis(1500));
            }
            Fault::Crash => sim.crash(&*name),
            Fault::Vanish => {
                sim.partition(&*name, "server");
                sim.crash(&*name);
            }
        }
        if is_for_good {
            self.ledger.borrow_mut().ended(life, End::Over);
        }
        let until = now.saturating_add(lasts);
        self.troubles[number] = Some(Trouble { fault, until });
    }

    fn repair(&mut self, number: usize) {
        let Some(trouble) = self.troubles[number].take() else {
            return;
        };
        let name = client(number);
        let now = self.sim.elapsed();
        let line = format!(
            "{:>7} ms {name}: {:?} is over",
            now.as_millis(),
            trouble.fault
        );
        let mut ledger = self.ledger.borrow_mut();
        ledger.log.push(line);
        let life = ledger.latest(number);
        ledger.repaired(life);
        drop(ledger);
        let sim = &mut self.sim;
        match trouble.fault {
            Fault::Hold => sim.release(&*name, "server"),
            Fault::Slow => {
                sim.set_link_max_message_latency(&*name, "server", Duration::from_millis(80));
            }
            Fault::Crash => sim.bounce(&*name),
            Fault::Cut | Fault::CutToServer | Fault::CutFromServer => {
                sim.repair(&*name, "server");
            }
            Fault::Vanish => {
                sim.repair(&*name, "server");
                sim.bounce(&*name);
            }
        }
    }
}
