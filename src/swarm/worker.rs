//! One process of a run: everybody of its share, on one thread.

mod engine;

use super::alarm::Alarm;
use super::clock::{Clock, SECOND_NS};
use super::people::Bounds;
use super::plan::Plan;
use super::share::Share;
use super::tally::Part;
use super::tokens::Tokens;
use engine::Engine;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often a process tells what it has seen.
pub(super) const PART_EVERY: Duration = Duration::from_millis(250);

/// How long what was said may still take after the end of the scenario, and after a run was stopped.
const SETTLE_MAX_NS: u64 = 10 * SECOND_NS;
const SETTLE_STOPPED_MAX_NS: u64 = SECOND_NS;

/// How often it is looked at whether everything has come.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

/// How long the server is waited for when everybody has said goodbye.
const GOODBYE_MAX_NS: u64 = 2 * SECOND_NS;

/// What a process is to do, sent to it first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) plan: Plan,
    pub(super) tokens: Tokens,
    pub(super) share: Share,
    pub(super) bounds: Bounds,
    pub(super) clock: Clock,
}

/// What a process is told later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The scenario begins.
    Begin { at_ns: u64 },
    /// The run ends before its time.
    Stop,
}

/// Runs a share to its end, or until it is told to stop, or nobody can tell any more.
pub(super) async fn run(
    assignment: Assignment,
    orders: mpsc::Receiver<Order>,
    tell: impl FnMut(Part) -> io::Result<()>,
) -> io::Result<()> {
    let clock = assignment.clock;
    let work = Work {
        clock,
        alarm: Alarm::new(clock)?,
        engine: Engine::new(assignment),
        orders,
        tell,
    };
    LocalSet::new().run_until(work.run()).await
}

struct Work<F> {
    clock: Clock,
    alarm: Alarm,
    engine: Engine,
    orders: mpsc::Receiver<Order>,
    tell: F,
}

impl<F: FnMut(Part) -> io::Result<()>> Work<F> {
    async fn run(mut self) -> io::Result<()> {
        let is_stopped = self.act().await?;
        let settle_max_ns = if is_stopped {
            SETTLE_STOPPED_MAX_NS
        } else {
            SETTLE_MAX_NS
        };
        self.engine.end();
        self.until(settle_max_ns, Engine::has_settled).await?;
        if !is_stopped {
            self.engine.check_all_came();
        }
        self.engine.part_all();
        self.until(GOODBYE_MAX_NS, Engine::is_deserted).await?;
        self.tell(true)
    }

    /// Does what is due when it is, until the end. Returns whether it was told to stop.
    async fn act(&mut self) -> io::Result<bool> {
        let mut ticks = interval(PART_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let now_ns = self.clock.now_ns();
            if self.engine.end_ns() <= now_ns {
                return Ok(false);
            }
            let is_due = self.engine.next_ns().is_some_and(|at_ns| at_ns <= now_ns);
            if is_due {
                self.engine.run_due();
            }
            let next_ns = self.engine.next_ns();
            tokio::select! {
                biased;
                order = self.orders.recv() => {
                    if self.obey(order) {
                        return Ok(true);
                    }
                }
                _ = ticks.tick() => self.tell(false)?,
                // Whoever has something to read comes in between, however much is due.
                () = yield_now(), if is_due => {}
                rung = self.alarm.ring_at(next_ns), if !is_due => rung?,
                () = self.engine.rearmed(), if !is_due => {}
            }
        }
    }

    /// Returns whether this is the end.
    fn obey(&mut self, order: Option<Order>) -> bool {
        match order {
            Some(Order::Begin { at_ns }) => {
                self.engine.begin(at_ns);
                false
            }
            Some(Order::Stop) | None => true,
        }
    }

    /// Goes on with what is due, but for a while only.
    async fn until(&mut self, max_ns: u64, is_so: fn(&Engine) -> bool) -> io::Result<()> {
        let deadline_ns = self.clock.now_ns() + max_ns;
        let mut ticks = interval(PART_EVERY);
        while !is_so(&self.engine) && self.clock.now_ns() < deadline_ns {
            self.engine.run_due();
            tokio::select! {
                _ = ticks.tick() => self.tell(false)?,
                () = sleep(SETTLE_EVERY) => {}
            }
        }
        Ok(())
    }

    fn tell(&mut self, is_last: bool) -> io::Result<()> {
        let part = Part {
            at_ns: self.clock.now_ns(),
            cpu_s: cpu_s(),
            is_last,
            ..self.engine.take_part()
        };
        (self.tell)(part)
    }
}

/// The processor time that this process has used so far.
fn cpu_s() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0.0;
    };
    let all = usage.user_time() + usage.system_time();
    all.num_microseconds() as f64 / 1e6
}
