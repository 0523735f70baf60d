//! A run as a whole: starts the processes, tells them when the scenario begins, and puts together what
//! they have seen.

mod bottleneck;
mod process;

use super::clock::{Clock, SECOND_NS, ns, seconds};
use super::options::Scenario;
use super::outcome::{Ending, Moment, Outcome, Second, ServerUsage};
use super::plan::Plan;
use super::probe::{ProbeError, probe};
use super::share::Share;
use super::tally::Gauges;
use super::tokens::Tokens;
use super::usage::{Process, Usage};
use super::worker::{Assignment, Order};
use bottleneck::{bottlenecks, cores};
use process::{News, Worker, start};

pub use process::{WORKER, work};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Parts on their way from the processes.
const PARTS_MAX: usize = 256;

/// How much later than everybody has connected the scenario begins at the latest.
const READY_MAX_NS: u64 = 30 * SECOND_NS;

/// The scenario begins so much after it was said, so that no process hears of it too late.
const BEGIN_AFTER_NS: u64 = SECOND_NS / 20;

/// How long processes may take to end.
const ENDING_MAX_NS: u64 = 30 * SECOND_NS;

/// A run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Because of the server.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A process of the swarm could not be started.
    #[error("a process of the swarm could not be started: {0}")]
    Start(#[from] io::Error),
    /// The process that was named can't be looked at.
    #[error("--server-pid {0}: there is no such process, or it may not be looked at")]
    NoSuchProcess(u32),
}

/// Runs a plan to its end, or until it is stopped, with people who show `tokens`; every second `show` is told what was seen.
///
/// # Errors
/// [`RunError`] if it can't even begin.
pub async fn run(
    plan: &Plan,
    tokens: &Tokens,
    server_pid: Option<u32>,
    stop: CancellationToken,
    show: impl FnMut(&Moment),
) -> Result<Outcome, RunError> {
    let bounds = probe(plan, tokens).await?;
    let server = match server_pid {
        Some(pid) => Some(Process::of_pid(pid).ok_or(RunError::NoSuchProcess(pid))?),
        None => Process::listening_at(plan.server.address()),
    };
    let (news, hearing) = mpsc::channel(PARTS_MAX);
    let clock = Clock::start();
    let mut workers = Vec::new();
    for process in 0..plan.processes {
        let assignment = Assignment {
            plan: plan.clone(),
            tokens: tokens.clone(),
            share: Share {
                process,
                processes: plan.processes,
                group: plan.people(bounds).group(),
            },
            bounds,
            clock,
        };
        workers.push(start(assignment, news.clone()).await?);
    }
    let usage = server.and_then(Process::usage);
    let fleet = Fleet {
        clock,
        workers,
        hearing,
        server,
        usage_first: usage,
        usage_last: usage.map(|usage| (0, usage)),
        usage_at_begin: None,
        usage_at_end: None,
        resident_max_bytes: usage.map_or(0, |usage| usage.resident_bytes),
        begin_ns: None,
        end_ns: None,
        second: Second::default(),
        second_ns: 0,
        outcome: Outcome::new(plan.clone()),
        show,
    };
    Ok(fleet.run(stop).await)
}

struct Fleet<F> {
    clock: Clock,
    workers: Vec<Worker>,
    hearing: mpsc::Receiver<News>,
    server: Option<Process>,
    usage_first: Option<Usage>,
    usage_last: Option<(u64, Usage)>,
    usage_at_begin: Option<(u64, f64)>,
    usage_at_end: Option<(u64, f64)>,
    resident_max_bytes: u64,
    begin_ns: Option<u64>,
    /// When the scenario ended, or was stopped.
    end_ns: Option<u64>,
    second: Second,
    second_ns: u64,
    outcome: Outcome,
    show: F,
}

impl<F: FnMut(&Moment)> Fleet<F> {
    async fn run(mut self, stop: CancellationToken) -> Outcome {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut is_stopped = false;
        while !self.workers.iter().all(|worker| worker.has_ended) {
            tokio::select! {
                news = self.hearing.recv() => match news {
                    Some(news) => self.hear(news).await,
                    None => break,
                },
                _ = ticks.tick() => self.end_second(),
                () = stop.cancelled(), if !is_stopped => {
                    is_stopped = true;
                    self.outcome.ending = Ending::Interrupted;
                    let now_ns = self.clock.now_ns();
                    self.end_ns = Some(self.end_ns.map_or(now_ns, |end_ns| end_ns.min(now_ns)));
                    self.order(Order::Stop).await;
                }
            }
            if self.is_overdue() {
                self.outcome.ending = Ending::Broken;
                let remark = "a process of the swarm did not end in time, and was ended";
                self.outcome.remarks.push(remark.to_owned());
                break;
            }
        }
        self.look_at_server();
        self.conclude()
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Part(index, part) => {
                self.outcome.add(&part);
                self.second.add(&part);
                let end_ns = self.end_ns;
                let worker = &mut self.workers[index];
                worker.gauges = part.gauges;
                worker.is_ready = part.is_ready;
                worker.has_told_all |= part.is_last;
                worker.used = (part.at_ns, part.cpu_s);
                if end_ns.is_some_and(|end_ns| part.at_ns >= end_ns) {
                    worker.used_at_end.get_or_insert(worker.used);
                }
            }
            News::Ended(index) => {
                self.workers[index].has_ended = true;
                if !self.workers[index].has_told_all {
                    self.outcome.ending = Ending::Broken;
                    let remark = format!("process {index} of the swarm ended before its time");
                    self.outcome.remarks.push(remark);
                }
            }
        }
        if self.begin_ns.is_none() {
            self.begin_if_ready().await;
        }
    }

    async fn begin_if_ready(&mut self) {
        let plan = &self.outcome.plan;
        let now_ns = self.clock.now_ns();
        let is_ready = self.workers.iter().all(|worker| worker.is_ready);
        let latest_ns = ns(plan.ramp_s) + READY_MAX_NS;
        if !is_ready && (now_ns < latest_ns || plan.scenario == Scenario::Crowd) {
            return;
        }
        if !is_ready {
            let Gauges {
                connected,
                waiting,
                chatting,
            } = self.gauges();
            self.outcome.remarks.push(format!(
                "not everybody was in place when the scenario began: {connected} connected, {waiting} \
                 waiting, {chatting} chatting"
            ));
        }
        let at_ns = now_ns + BEGIN_AFTER_NS;
        let end_ns = at_ns + ns(self.outcome.plan.duration_s);
        self.begin_ns = Some(at_ns);
        self.end_ns = Some(
            self.end_ns
                .map_or(end_ns, |stopped_ns| stopped_ns.min(end_ns)),
        );
        for worker in &mut self.workers {
            worker.used_at_begin = Some(worker.used);
        }
        self.look_at_server();
        self.usage_at_begin = self.usage_last.map(|(at_ns, usage)| (at_ns, usage.cpu_s));
        self.order(Order::Begin { at_ns }).await;
    }

    async fn order(&mut self, order: Order) {
        for worker in &mut self.workers {
            worker.order(order).await;
        }
    }

    fn gauges(&self) -> Gauges {
        let mut sum = Gauges::default();
        for worker in &self.workers {
            sum.merge(&worker.gauges);
        }
        sum
    }

    fn is_overdue(&self) -> bool {
        self.end_ns
            .is_some_and(|end_ns| self.clock.now_ns() > end_ns + ENDING_MAX_NS)
    }

    fn end_second(&mut self) {
        let now_ns = self.clock.now_ns();
        let took_s = seconds(now_ns - self.second_ns);
        let gauges = self.gauges();
        let mut moment = self.second.end(now_ns, took_s, gauges);
        self.second_ns = now_ns;
        if let Some((usage, cores)) = self.look_at_server() {
            moment.server_bytes = Some(usage.resident_bytes);
            moment.server_cores = cores;
        }
        // Saying goodbye is not part of the picture, and the rates of a second that is mostly that are no rates.
        if self
            .end_ns
            .is_none_or(|end_ns| now_ns < end_ns + SECOND_NS / 4)
        {
            (self.show)(&moment);
            self.outcome.add_moment(moment);
        }
    }

    /// What the server uses now, and how many processors since the last look.
    fn look_at_server(&mut self) -> Option<(Usage, Option<f64>)> {
        let now_ns = self.clock.now_ns();
        let usage = self.server?.usage()?;
        let before = self.usage_last.replace((now_ns, usage));
        self.resident_max_bytes = self.resident_max_bytes.max(usage.resident_bytes);
        if self.end_ns.is_some_and(|end_ns| now_ns >= end_ns) {
            self.usage_at_end.get_or_insert((now_ns, usage.cpu_s));
        }
        let cores =
            before.map(|(at_ns, before)| cores((at_ns, before.cpu_s), (now_ns, usage.cpu_s)));
        Some((usage, cores))
    }

    fn conclude(mut self) -> Outcome {
        let end_ns = self.end_ns.unwrap_or(self.clock.now_ns());
        let Some(begin_ns) = self.begin_ns else {
            return self.outcome;
        };
        self.outcome.seconds = seconds(end_ns.saturating_sub(begin_ns));
        self.outcome.swarm_cores = self
            .workers
            .iter()
            .map(|worker| {
                let begin = worker.used_at_begin.unwrap_or_default();
                cores(begin, worker.used_at_end.unwrap_or(worker.used))
            })
            .collect();
        if let (Some(server), Some(first), Some((last_ns, last)), Some(begin)) = (
            self.server,
            self.usage_first,
            self.usage_last,
            self.usage_at_begin,
        ) {
            self.outcome.server = Some(ServerUsage {
                pid: server.pid(),
                cores: cores(begin, self.usage_at_end.unwrap_or((last_ns, last.cpu_s))),
                resident_first_bytes: first.resident_bytes,
                resident_max_bytes: self.resident_max_bytes,
            });
        }
        let remarks = bottlenecks(&self.outcome);
        self.outcome.remarks.extend(remarks);
        self.outcome
    }
}
