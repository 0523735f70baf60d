//! What a run has shown, as a whole and over time.

use super::clock::seconds;
use super::condition::{Condition, Verdict};
use super::plan::Plan;
use super::tally::{Counts, Errors, Gauges, Metric, Part, Times, Violations};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

/// Moments that are kept: a day of seconds. Later ones are left out of the picture.
const MOMENTS_MAX: usize = 86_400;

/// What a run has shown.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was to be done.
    pub plan: Plan,
    /// How it ended.
    pub ending: Ending,
    /// How long the scenario lasted.
    pub seconds: f64,
    pub(super) times: Times,
    /// What was counted.
    pub counts: Counts,
    /// What went wrong.
    pub errors: Errors,
    /// What the server may never do, and did.
    pub violations: Violations,
    /// Second by second.
    pub moments: Vec<Moment>,
    /// The server's process, if it could be seen.
    pub server: Option<ServerUsage>,
    /// How many processors each process of the swarm has used on average during the scenario.
    pub swarm_cores: Vec<f64>,
    /// What to know when reading the figures, such as that the swarm was the bottleneck.
    pub remarks: Vec<String>,
    /// What became of the conditions.
    pub verdicts: Vec<Verdict>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// As planned.
    Complete,
    /// It was stopped before its time.
    Interrupted,
    /// A process of the swarm has failed.
    Broken,
}

/// What the server's process has used during the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ServerUsage {
    /// Its number.
    pub pid: u32,
    /// Processors used on average.
    pub cores: f64,
    /// Resident memory before anybody came, in bytes.
    pub resident_first_bytes: u64,
    /// The most resident memory that was seen, in bytes.
    pub resident_max_bytes: u64,
}

/// Some quantiles of times within a second, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many times there were.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// One in a hundred takes longer.
    pub p99_ms: f64,
}

/// What was seen within a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Moment {
    /// Its end, in seconds since the run began.
    pub at_s: f64,
    /// Who was where at its end.
    pub gauges: Gauges,
    /// Connections made per second.
    pub connections_per_s: f64,
    /// People matched per second.
    pub matches_per_s: f64,
    /// Messages said per second.
    pub said_per_s: f64,
    /// Messages heard per second.
    pub heard_per_s: f64,
    /// Errors in it.
    pub errors: u64,
    /// Violations in it.
    pub violations: u64,
    /// Times to connect.
    pub connect: Quantiles,
    /// Times to match.
    #[serde(rename = "match")]
    pub matching: Quantiles,
    /// Times to relay.
    pub relay: Quantiles,
    /// The server's resident memory, in bytes.
    pub server_bytes: Option<u64>,
    /// Processors that the server used.
    pub server_cores: Option<f64>,
}

/// What all processes have told within a second.
#[derive(Debug, Default)]
pub(super) struct Second {
    times: Times,
    counts: Counts,
    errors: u64,
    violations: u64,
}

impl Second {
    pub(super) fn add(&mut self, part: &Part) {
        self.times.merge(&part.times);
        self.counts.merge(&part.counts);
        self.errors += part.errors.count("");
        self.violations += part.violations.count;
    }

    /// What it comes to; begins the next one.
    pub(super) fn end(&mut self, at_ns: u64, took_s: f64, gauges: Gauges) -> Moment {
        let Self {
            times,
            counts,
            errors,
            violations,
        } = std::mem::take(self);
        let per_s = |count: u64| count as f64 / took_s.max(1e-3);
        let quantiles = |metric| {
            let times = times.of(metric);
            Quantiles {
                count: times.len(),
                p50_ms: ms(times, 0.5),
                p99_ms: ms(times, 0.99),
            }
        };
        Moment {
            at_s: seconds(at_ns),
            gauges,
            connections_per_s: per_s(counts.connections),
            matches_per_s: per_s(counts.matches),
            said_per_s: per_s(counts.said),
            heard_per_s: per_s(counts.heard),
            errors,
            violations,
            connect: quantiles(Metric::Connect),
            matching: quantiles(Metric::Match),
            relay: quantiles(Metric::Relay),
            server_bytes: None,
            server_cores: None,
        }
    }
}

/// A quantile in ms; 0 of nothing.
pub(super) fn ms(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e6
}

impl Outcome {
    /// Of a run that has not begun.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            ending: Ending::Complete,
            seconds: 0.0,
            times: Times::default(),
            counts: Counts::default(),
            errors: Errors::default(),
            violations: Violations::default(),
            moments: Vec::new(),
            server: None,
            swarm_cores: Vec::new(),
            remarks: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, part: &Part) {
        self.times.merge(&part.times);
        self.counts.merge(&part.counts);
        self.errors.merge(&part.errors);
        self.violations.merge(&part.violations);
    }

    pub(super) fn add_moment(&mut self, moment: Moment) {
        if self.moments.len() < MOMENTS_MAX {
            self.moments.push(moment);
        }
    }

    /// Compares what was measured with conditions.
    pub fn judge(&mut self, conditions: &[Condition]) {
        let verdicts = conditions
            .iter()
            .map(|condition| condition.judge(self))
            .collect();
        self.verdicts = verdicts;
    }

    /// A page to look at, whole in one file.
    pub fn to_html(&self) -> String {
        super::page::page(self)
    }

    /// Whether the run shows a failure: a broken promise, people who were never let in, a process that ended, a
    /// condition that holds.
    pub fn has_failed(&self) -> bool {
        self.violations.count > 0
            || self.ending == Ending::Broken
            || self.has_left_out()
            || self.verdicts.iter().any(|verdict| verdict.holds)
    }

    /// Whether people were never let in who had to be.
    pub(super) fn has_left_out(&self) -> bool {
        self.counts.left_out > 0 && !self.plan.allows_refused
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> Value {
        let times: serde_json::Map<_, _> = Metric::ALL
            .into_iter()
            .map(|metric| (metric.name().to_owned(), summary(self.times.of(metric))))
            .collect();
        let errors: serde_json::Map<_, _> = self
            .errors
            .iter()
            .map(|(kind, count)| (kind.to_owned(), json!(count)))
            .collect();
        json!({
            "whisperchat": env!("CARGO_PKG_VERSION"),
            "plan": self.plan,
            "ending": self.ending,
            "has_failed": self.has_failed(),
            "seconds": self.seconds,
            "times_ms": times,
            "counts": self.counts,
            "errors": errors,
            "violations": self.violations,
            "server": self.server,
            "swarm": {"cores": self.swarm_cores},
            "remarks": self.remarks,
            "conditions": self.verdicts,
            "moments": self.moments,
        })
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        use super::options::{Options, Scenario};
        use super::plan::Machine;
        let options = Options {
            scenario: Some(Scenario::Chat),
            ..Options::default()
        };
        let machine = Machine {
            open_files: 20_000,
            ports: 28_000,
        };
        Self::new(Plan::new(&options, machine).expect("the defaults are good"))
    }
}

fn summary(times: &Histogram<u64>) -> Value {
    json!({
        "count": times.len(),
        "mean": times.mean() / 1e6,
        "p50": ms(times, 0.5),
        "p90": ms(times, 0.9),
        "p99": ms(times, 0.99),
        "p99.9": ms(times, 0.999),
        "max": times.max() as f64 / 1e6,
    })
}
