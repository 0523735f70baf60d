//! The time to a match when an eligible partner already waits.
//!
//! **Who waits.** 10,000 people of the crowd of cities of whom no two could be matched: so look rooms that
//! match at once. They read and answer pings. After each match both leave, and the one who had waited joins
//! again at the same place, so the room stays as full as it was.
//!
//! **Who arrives.** For each arrival the next of those who wait is chosen, and the newcomer joins where they
//! are, with their range. Whoever else could be matched with the newcomer could be with them too, and nobody
//! can; so it is known who must be met, and that is checked. Newcomers are connections of their own that are
//! open already and come again and again, but never twice to the same partner.
//!
//! **When.** First in a closed loop, so many at once, each followed by the next when both have left: that is
//! saturation. Then in an open loop at half of that rate, at random moments that were fixed before. A time
//! counts from that moment, whatever held the load or the server up since, until `matched` was read; so a
//! server that stalls is not asked less often while it does.
//!
//! Somebody who was not heard from for two seconds is pinged before they are matched. That is the usual case
//! here, and the way there and back is part of the time.

use crate::support::is_test_run;
use crate::support::link::{Link, is_of_type};
use crate::support::program::{Kind, Program};
use crate::{Threads, Times, Usage};
use parking_lot::Mutex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::select;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use whisperchat::config::Config;
use whisperchat::geo::{Place, Range};
use whisperchat::matching::WaitingRoom;
use whisperchat::swarm::{Crowd, Person};

/// What is wanted.
const P50_MAX: Duration = Duration::from_millis(1);
const P99_MAX: Duration = Duration::from_millis(5);

const SEED: u64 = 1;

/// How long one match may take before the bench fails.
const MATCH_MAX: Duration = Duration::from_mins(1);

/// Sizes of a run.
struct Extent {
    waiters: usize,
    /// Has no divisor in common with `waiters`, so the same two meet only after their product of arrivals.
    newcomers: usize,
    closed_arrivals: usize,
    /// Arrivals at once in the closed loop.
    closed_at_once: usize,
    open_s: f64,
    open_arrivals_max: usize,
}

impl Extent {
    fn of_this_run() -> Self {
        if is_test_run() {
            Self {
                waiters: 40,
                newcomers: 7,
                closed_arrivals: 60,
                closed_at_once: 4,
                open_s: 0.1,
                open_arrivals_max: 60,
            }
        } else {
            Self {
                waiters: 10_000,
                newcomers: 997,
                closed_arrivals: 20_000,
                closed_at_once: 64,
                open_s: 15.0,
                open_arrivals_max: 100_000,
            }
        }
    }
}

/// Somebody who waits.
struct Waiter {
    /// Their `join`, and that of whoever is to meet them.
    join: String,
    /// How a `matched` names them.
    name_field: String,
    /// Has a permit while they wait and nobody is on the way to them.
    is_free: Semaphore,
    /// When the arrival that is on the way to them was to be.
    intended: Mutex<Instant>,
}

/// An arrival.
struct Order {
    waiter: Arc<Waiter>,
    intended: Instant,
}

/// What a phase has shown.
struct Figures {
    newcomers: Times,
    waiters: Times,
    /// How late the load itself sent each `join`.
    lag: Times,
}

impl Figures {
    fn new() -> Self {
        Self {
            newcomers: Times::new(),
            waiters: Times::new(),
            lag: Times::new(),
        }
    }
}

/// Everybody, and the server they are connected to.
struct Scene {
    waiters: Vec<Arc<Waiter>>,
    newcomers: Vec<mpsc::Sender<Order>>,
    figures: Arc<Mutex<Figures>>,
    /// Hears of each arrival whose two have left again.
    ended: mpsc::Receiver<()>,
    clients: JoinSet<io::Result<()>>,
    /// Arrivals so far.
    arrivals: usize,
}

/// Runs both phases and prints what they have shown.
pub(crate) async fn measure(threads: Threads) -> io::Result<()> {
    let extent = Extent::of_this_run();
    let program = Program::start(Kind::WhisperChat, threads.server);
    let mut scene = Scene::set(&extent, program.address).await?;

    let usage = Usage::start(&program);
    let start = Instant::now();
    scene
        .closed_loop(extent.closed_arrivals, extent.closed_at_once)
        .await?;
    let saturation = extent.closed_arrivals as f64 / start.elapsed().as_secs_f64();
    println!("\n## Time to a match\n");
    println!(
        "{} wait. Closed loop, {} at once: {saturation:.0} matches/s; {}.",
        extent.waiters,
        extent.closed_at_once,
        usage.describe(&program, threads)
    );
    let closed = scene.take_figures();

    let rate = saturation / 2.0;
    let count = ((rate * extent.open_s) as usize).clamp(1, extent.open_arrivals_max);
    let usage = Usage::start(&program);
    scene.open_loop(count, rate).await?;
    println!(
        "Open loop: {count} arrivals at {rate:.0}/s; {}.",
        usage.describe(&program, threads)
    );
    print_table(&closed, &scene.take_figures());
    // The connections end before the server, for an end of theirs is a failure.
    scene.clients.shutdown().await;
    Ok(())
}

fn print_table(closed: &Figures, open: &Figures) {
    println!("\n| from the moment intended, in ms | p50 | p90 | p99 | p99.9 | longest |");
    println!("|---|---|---|---|---|---|");
    let any = Duration::MAX;
    let row = |name: &str, cells: String| println!("| {name} | {cells} |");
    row(
        "until the newcomer is told",
        open.newcomers.cells(P50_MAX, P99_MAX),
    );
    row(
        "until who waited is told",
        open.waiters.cells(P50_MAX, P99_MAX),
    );
    row("of it, until the load had sent", open.lag.cells(any, any));
    row(
        "saturated: until the newcomer is told",
        closed.newcomers.cells(any, any),
    );
    if open.lag.at(0.99) > open.newcomers.at(0.99) / 2 {
        println!(
            "\n**The load is the bottleneck**: half of the tail had passed before it had sent."
        );
    }
}

impl Scene {
    /// Connects everybody; those who wait have been told so when this returns.
    async fn set(extent: &Extent, address: SocketAddr) -> io::Result<Self> {
        let figures = Arc::new(Mutex::new(Figures::new()));
        let mut clients = JoinSet::new();
        let mut waiters = Vec::new();
        for (number, person) in quiet_people(extent.waiters).into_iter().enumerate() {
            let waiter = Arc::new(Waiter::new(number, &person));
            let (mut link, _) = Link::connect(address).await?;
            waiter.sit_down(&mut link).await?;
            clients.spawn(wait_again_and_again(
                link,
                Arc::clone(&waiter),
                Arc::clone(&figures),
            ));
            waiters.push(waiter);
        }
        let (end, ended) = mpsc::channel(extent.closed_at_once);
        let mut newcomers = Vec::new();
        for _ in 0..extent.newcomers {
            let (mut link, _) = Link::connect(address).await?;
            // Harmless, and somebody who says nothing for long is sent away.
            link.say(r#"{"type":"cancel"}"#).await?;
            link.expect("idle").await?;
            let (order, orders) = mpsc::channel(extent.open_arrivals_max);
            let end = end.clone();
            clients.spawn(come_and_go(link, orders, Arc::clone(&figures), end));
            newcomers.push(order);
        }
        Ok(Self {
            waiters,
            newcomers,
            figures,
            ended,
            clients,
            arrivals: 0,
        })
    }

    fn next_order(&mut self, intended: Instant) -> (mpsc::Sender<Order>, Order) {
        let [newcomer, waiter] =
            [self.newcomers.len(), self.waiters.len()].map(|count| self.arrivals % count);
        self.arrivals += 1;
        assert!(
            self.arrivals <= self.newcomers.len() * self.waiters.len(),
            "nobody meets somebody twice"
        );
        let waiter = Arc::clone(&self.waiters[waiter]);
        (self.newcomers[newcomer].clone(), Order { waiter, intended })
    }

    async fn closed_loop(&mut self, count: usize, at_once: usize) -> io::Result<()> {
        for begun in 0..count {
            if begun >= at_once {
                self.one_ended().await?;
            }
            let (newcomer, order) = self.next_order(Instant::now());
            newcomer.try_send(order).map_err(io::Error::other)?;
        }
        for _ in 0..at_once.min(count) {
            self.one_ended().await?;
        }
        Ok(())
    }

    async fn open_loop(&mut self, count: usize, rate: f64) -> io::Result<()> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
        // A moment from now, so that the first are not late already.
        let mut intended = Instant::now() + Duration::from_millis(20);
        let mut schedule = Vec::with_capacity(count);
        for _ in 0..count {
            // Gaps of a Poisson process; 1 − x is above 0.
            let gap_s = -(1.0 - rng.random::<f64>()).ln() / rate;
            intended += Duration::from_secs_f64(gap_s);
            schedule.push(self.next_order(intended));
        }
        // A thread of its own: timers of the runtime are a millisecond coarse.
        let clock = thread::spawn(move || {
            for (newcomer, order) in schedule {
                thread::sleep(order.intended.saturating_duration_since(Instant::now()));
                newcomer.try_send(order).map_err(io::Error::other)?;
            }
            Ok::<_, io::Error>(())
        });
        for _ in 0..count {
            self.one_ended().await?;
        }
        clock.join().expect("the clock does not panic")
    }

    /// Waits for the end of one arrival, or for the first failure of anybody.
    async fn one_ended(&mut self) -> io::Result<()> {
        let one = async {
            select! {
                ended = self.ended.recv() => ended.ok_or_else(|| io::Error::other("nobody is left")),
                failed = self.clients.join_next() => match failed {
                    Some(Ok(Err(error))) => Err(error),
                    _ => Err(io::Error::other("a client has ended")),
                },
            }
        };
        timeout(MATCH_MAX, one).await?
    }

    fn take_figures(&self) -> Figures {
        std::mem::replace(&mut *self.figures.lock(), Figures::new())
    }
}

impl Waiter {
    fn new(number: usize, person: &Person) -> Self {
        let (lat, lon) = (person.position.lat_deg(), person.position.lon_deg());
        let range_km = person.range.km();
        let name_field = format!(r#""name":"{number}""#);
        Self {
            join: format!(
                r#"{{"type":"join","position":{{"lat":{lat},"lon":{lon}}},"range_km":{range_km},{name_field}}}"#
            ),
            name_field,
            is_free: Semaphore::new(0),
            intended: Mutex::new(Instant::now()),
        }
    }

    /// Joins and is told to wait.
    async fn sit_down(&self, link: &mut Link) -> io::Result<()> {
        link.say(&self.join).await?;
        link.expect("waiting").await?;
        self.is_free.add_permits(1);
        Ok(())
    }
}

async fn wait_again_and_again(
    mut link: Link,
    waiter: Arc<Waiter>,
    figures: Arc<Mutex<Figures>>,
) -> io::Result<()> {
    loop {
        link.expect("matched").await?;
        let time = waiter.intended.lock().elapsed();
        figures.lock().waiters.record(time);
        link.expect("partner_left").await?;
        waiter.sit_down(&mut link).await?;
    }
}

async fn come_and_go(
    mut link: Link,
    mut orders: mpsc::Receiver<Order>,
    figures: Arc<Mutex<Figures>>,
    ended: mpsc::Sender<()>,
) -> io::Result<()> {
    loop {
        let Order { waiter, intended } = select! {
            order = orders.recv() => match order {
                Some(order) => order,
                None => return Ok(()),
            },
            text = link.next() => {
                return Err(io::Error::other(format!("nobody asked for {}", text?)));
            }
        };
        let permit = waiter.is_free.acquire().await;
        permit.expect("nobody closes it").forget();
        *waiter.intended.lock() = intended;
        let lag = intended.elapsed();
        link.say(&waiter.join).await?;
        link.expect("waiting").await?;
        let matched = link.next().await?;
        let time = intended.elapsed();
        if !is_of_type(&matched, "matched") || !matched.contains(&waiter.name_field) {
            let wanted = &waiter.name_field;
            return Err(io::Error::other(format!("wanted {wanted}, got {matched}")));
        }
        {
            let mut figures = figures.lock();
            figures.lag.record(lag);
            figures.newcomers.record(time);
        }
        link.say(r#"{"type":"leave"}"#).await?;
        link.expect("idle").await?;
        ended.send(()).await.map_err(io::Error::other)?;
    }
}

/// People of the cities of whom no two could be matched, as the server stores them.
fn quiet_people(count: usize) -> Vec<Person> {
    let config = Config::default();
    let grid = config.grid();
    let range_min = Range::from_km(config.privacy.min_range_km).expect("a default is in bounds");
    let mut room = WaitingRoom::new();
    let mut people = Vec::new();
    let mut crowd = Crowd::cities(SEED);
    while people.len() < count {
        let mut person = crowd.next().expect("a crowd has no end");
        if person.range.km() < range_min.km() {
            person.range = range_min;
        }
        let place = Place::new(grid.snap(person.position));
        if room
            .nearest_eligible(&place, person.range, |_, ()| true)
            .is_none()
        {
            room.insert(place, person.range, ());
            people.push(person);
        }
    }
    people
}
