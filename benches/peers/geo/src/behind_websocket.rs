//! This room where people meet it: the whole server, with a WebSocket for each who waits.
//!
//! A newcomer joins where somebody waits and with their range, so the two meet; the newcomer leaves, and the
//! one who waited is told, joins again, finds nobody and waits. That is two arrivals, as most of the trace's
//! steps are. Whoever is to be met was not heard from for two seconds or more is pinged first, and has to
//! answer. One arrival is all of it: a message read as JSON and checked, a session, a search, a chat, and
//! answers to two sockets.

use crate::player::{Bounds, Contestant, Tally};
use crate::support::link::Link;
use crate::trace::Person;
use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// How long anything may take before the bench fails.
const WAIT: Duration = Duration::from_secs(30);

/// Positions and ranges as they are; nobody is kept from meeting somebody again; and as the load is not
/// there to answer between two rounds, nobody is pinged who is not being matched.
const SETTINGS: [&str; 5] = [
    "privacy.position_grid_km=0",
    "privacy.min_range_km=0.0001",
    "matching.rematch_cooloff_s=0",
    "limits.ping_s=0",
    "store.url=off",
];

/// A running server. Ended when dropped.
struct Program {
    child: Child,
    address: SocketAddr,
    /// Held, so that what the server prints never fails.
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(binary: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let mut child = command
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            ensure!(
                stdout.read_line(&mut line)? > 0,
                "the server ended before it listened"
            );
            if let Some((_, rest)) = line.split_once("http://") {
                let end = rest.find(|char: char| !(char.is_ascii_digit() || ".:".contains(char)));
                break rest[..end.unwrap_or(rest.len())].parse()?;
            }
        };
        Ok(Self {
            child,
            address,
            _stdout: stdout,
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who waits.
struct Waiter {
    /// Their `join`, and that of whoever is to meet them.
    join: String,
    /// How a `matched` names them.
    name_field: String,
    /// They wait again.
    is_back: Notify,
}

/// What everybody's tasks share.
struct Shared {
    waiters: Vec<Rc<Waiter>>,
    /// Who is met next.
    next: Cell<usize>,
    times: RefCell<Histogram<u64>>,
    is_timed: Cell<bool>,
    arrivals: Cell<u64>,
}

pub(crate) struct BehindWebSocket {
    shared: Rc<Shared>,
    newcomers: Vec<Link>,
    times: Histogram<u64>,
    /// Dropped before the server: that connections end is a failure to their tasks.
    tasks: LocalSet,
    runtime: Runtime,
    _program: Program,
}

impl BehindWebSocket {
    /// Starts the server and connects everybody, and so many newcomers.
    pub(crate) fn start(binary: &Path, people: &[Person], newcomers: usize) -> Result<Self> {
        let start = Instant::now();
        let program = Program::start(binary)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tasks = LocalSet::new();
        let waiters = people
            .iter()
            .map(|person| Rc::new(Waiter::new(person)))
            .collect();
        let shared = Rc::new(Shared {
            waiters,
            next: Cell::new(0),
            times: RefCell::new(Histogram::new(3)?),
            is_timed: Cell::new(false),
            arrivals: Cell::new(0),
        });
        let address = program.address;
        let newcomers = tasks.block_on(&runtime, async {
            for waiter in &shared.waiters {
                let (mut link, _) = Link::connect(address).await?;
                link.say(&waiter.join).await?;
                link.expect("waiting").await?;
                tokio::task::spawn_local(wait(link, Rc::clone(waiter), Rc::clone(&shared)));
            }
            let mut links = Vec::new();
            for _ in 0..newcomers {
                let (mut link, _) = Link::connect(address).await?;
                // Harmless, and somebody who says nothing for long is sent away.
                link.say(r#"{"type":"cancel"}"#).await?;
                link.expect("idle").await?;
                links.push(link);
            }
            Ok::<_, std::io::Error>(links)
        })?;
        eprintln!(
            "whisperchat: {} wait after {:.1} s",
            people.len(),
            start.elapsed().as_secs_f64()
        );
        Ok(Self {
            shared,
            newcomers,
            times: Histogram::new(3)?,
            tasks,
            runtime,
            _program: program,
        })
    }
}

impl Waiter {
    fn new(person: &Person) -> Self {
        let (lat, lon) = person.degrees();
        let range_km = person.range.km();
        let name_field = format!(r#""name":"{}""#, person.id);
        Self {
            join: format!(
                r#"{{"type":"join","position":{{"lat":{lat},"lon":{lon}}},"range_km":{range_km},{name_field}}}"#
            ),
            name_field,
            is_back: Notify::new(),
        }
    }
}

impl Shared {
    fn next_waiter(&self) -> Rc<Waiter> {
        let next = self.next.get();
        self.next.set((next + 1) % self.waiters.len());
        Rc::clone(&self.waiters[next])
    }

    fn arrived(&self, since: Instant) {
        self.arrivals.set(self.arrivals.get() + 1);
        if self.is_timed.get() {
            *self.times.borrow_mut() += since.elapsed().as_nanos() as u64;
        }
    }
}

/// Waits, meets somebody, and waits again. A failure shows as somebody who doesn't come back.
async fn wait(mut link: Link, waiter: Rc<Waiter>, shared: Rc<Shared>) -> std::io::Result<()> {
    loop {
        link.expect("matched").await?;
        link.expect("partner_left").await?;
        let start = Instant::now();
        link.say(&waiter.join).await?;
        link.expect("waiting").await?;
        shared.arrived(start);
        waiter.is_back.notify_one();
    }
}

/// Comes, meets whom they should, and leaves, until the round is over.
async fn come_and_go(link: &mut Link, shared: &Shared, end: Instant, bounds: Bounds) -> Result<()> {
    while Instant::now() < end && shared.arrivals.get() < bounds.arrivals {
        let waiter = shared.next_waiter();
        let start = Instant::now();
        link.say(&waiter.join).await?;
        link.expect("waiting").await?;
        let matched = link.expect("matched").await?;
        shared.arrived(start);
        ensure!(
            matched.contains(&waiter.name_field),
            "somebody else was met"
        );
        link.say(r#"{"type":"leave"}"#).await?;
        link.expect("idle").await?;
        waiter.is_back.notified().await;
    }
    Ok(())
}

impl Contestant for BehindWebSocket {
    fn name(&self) -> &'static str {
        "this room, behind its WebSocket"
    }

    fn round(&mut self, at_once: usize, bounds: Bounds) -> Result<Option<f64>> {
        let shared = &self.shared;
        shared.arrivals.set(0);
        shared.is_timed.set(at_once == 1);
        let start = Instant::now();
        let end = start + bounds.time;
        let coming = self.newcomers[..at_once]
            .iter_mut()
            .map(|link| come_and_go(link, shared, end, bounds));
        let all = async { timeout(bounds.time + WAIT, try_join_all(coming)).await };
        self.tasks.block_on(&self.runtime, all)??;
        self.times.add(&*shared.times.borrow())?;
        shared.times.borrow_mut().reset();
        Ok(Some(
            shared.arrivals.get() as f64 / start.elapsed().as_secs_f64(),
        ))
    }

    fn times(&self) -> &Histogram<u64> {
        &self.times
    }

    fn tally(&self) -> Tally {
        // Meeting anybody but whom they should ends the bench.
        Tally {
            arrivals: self.times.len(),
            ..Tally::default()
        }
    }

    fn bare_round_trip(&mut self) -> Result<()> {
        let link = &mut self.newcomers[0];
        self.tasks.block_on(&self.runtime, async {
            link.say(r#"{"type":"cancel"}"#).await?;
            link.expect("idle").await
        })?;
        Ok(())
    }
}
