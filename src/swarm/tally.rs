//! What a run has counted and timed: gathered in each process, sent in parts, merged.

use super::violation::Violation;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Digits that times are kept to.
const DIGITS: u8 = 3;

/// Longer times count as this.
const TIME_MAX_NS: u64 = 3600 * super::clock::SECOND_NS;

/// Kinds of errors that are counted apart; what comes after that is counted together.
const ERROR_KINDS_MAX: usize = 64;

/// Violations that are told word by word; the others are only counted.
const EXAMPLES_MAX: usize = 20;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// From the moment a connection was meant to be made until it could be used.
    Connect,
    /// From the moment the later of two was meant to join until each is told.
    Match,
    /// From the moment somebody was meant to join until they have a partner.
    Wait,
    /// From the moment a message was meant to be said until the partner has it.
    Relay,
    /// From the moment a message was meant to be said until its sender is told that it was accepted.
    Accepted,
    /// From the moment somebody was meant to come back until their session goes on.
    Resume,
    /// From the moment a partner was reported until that was answered.
    Report,
    /// How late the swarm itself was.
    Lag,
}

impl Metric {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Match,
        Self::Wait,
        Self::Relay,
        Self::Accepted,
        Self::Resume,
        Self::Report,
        Self::Lag,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Match => "match",
            Self::Wait => "wait",
            Self::Relay => "relay",
            Self::Accepted => "accepted",
            Self::Resume => "resume",
            Self::Report => "report",
            Self::Lag => "lag",
        }
    }
}

/// Times of every metric.
#[derive(Debug, Clone)]
pub(super) struct Times([Histogram<u64>; Metric::ALL.len()]);

impl Default for Times {
    fn default() -> Self {
        // Refused are only digits beyond five.
        Self(Metric::ALL.map(|_| Histogram::new(DIGITS).expect("three digits are allowed")))
    }
}

impl Times {
    pub(super) fn of(&self, metric: Metric) -> &Histogram<u64> {
        &self.0[metric as usize]
    }

    pub(super) fn record(&mut self, metric: Metric, ns: u64) {
        self.record_many(metric, ns, 1);
    }

    fn record_many(&mut self, metric: Metric, ns: u64, count: u64) {
        // It grows as needed, and the longest is known.
        let _ = self.0[metric as usize].record_n(ns.min(TIME_MAX_NS), count);
    }

    /// Adds what another process has recorded.
    pub(super) fn merge(&mut self, packed: &PackedTimes) {
        for (metric, values) in packed {
            for (ns, count) in values {
                self.record_many(*metric, *ns, *count);
            }
        }
    }

    /// Takes everything, so that the next part begins empty.
    fn take(&mut self) -> PackedTimes {
        let mut packed = Vec::new();
        for metric in Metric::ALL {
            let times = &mut self.0[metric as usize];
            if times.is_empty() {
                continue;
            }
            let values = times.iter_recorded();
            packed.push((
                metric,
                values
                    .map(|value| (value.value_iterated_to(), value.count_at_value()))
                    .collect(),
            ));
            times.reset();
        }
        packed
    }
}

/// Times as they are sent: each value with how often it came.
type PackedTimes = Vec<(Metric, Vec<(u64, u64)>)>;

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People who were meant to come.
    pub arrivals: u64,
    /// Connections that could be used, those of people who came back included.
    pub connections: u64,
    /// How often somebody was told that they have a partner.
    pub matches: u64,
    /// Messages said.
    pub said: u64,
    /// Messages that reached the partner.
    pub heard: u64,
    /// Messages that were not said because there was no chat at that time, or too much was unsent.
    pub unsaid: u64,
    /// Sessions that went on over a new connection.
    pub resumed: u64,
    /// Connections that were cut on purpose.
    pub cut: u64,
    /// People who went because nobody was there for them.
    pub gave_up: u64,
    /// People who tried to connect and were never let in.
    pub left_out: u64,
    /// Pairs whose partners were in different processes, so that only a part of what is checked could be.
    pub apart: u64,
}

impl Counts {
    pub(super) fn merge(&mut self, other: &Self) {
        let Self {
            arrivals,
            connections,
            matches,
            said,
            heard,
            unsaid,
            resumed,
            cut,
            gave_up,
            left_out,
            apart,
        } = self;
        *arrivals += other.arrivals;
        *connections += other.connections;
        *matches += other.matches;
        *said += other.said;
        *heard += other.heard;
        *unsaid += other.unsaid;
        *resumed += other.resumed;
        *cut += other.cut;
        *gave_up += other.gave_up;
        *left_out += other.left_out;
        *apart += other.apart;
    }
}

/// How many people are in which state at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Have a connection.
    pub connected: u64,
    /// Wait for a partner.
    pub waiting: u64,
    /// Are in a chat.
    pub chatting: u64,
}

impl Gauges {
    pub(super) fn merge(&mut self, other: &Self) {
        self.connected += other.connected;
        self.waiting += other.waiting;
        self.chatting += other.chatting;
    }
}

/// What went wrong, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors(BTreeMap<String, u64>);

impl Errors {
    /// Each kind and how often it came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(kind, count)| (kind.as_str(), *count))
    }

    /// How many there were of all kinds that begin like this.
    pub(super) fn count(&self, kind: &str) -> u64 {
        let is_of_kind = |(name, _): &(&str, u64)| {
            name.strip_prefix(kind)
                .is_some_and(|rest| kind.is_empty() || rest.is_empty() || rest.starts_with('.'))
        };
        self.iter().filter(is_of_kind).map(|(_, count)| count).sum()
    }

    fn add(&mut self, kind: &str, count: u64) {
        if let Some(known) = self.0.get_mut(kind) {
            *known += count;
        } else if self.0.len() < ERROR_KINDS_MAX {
            self.0.insert(kind.to_owned(), count);
        } else {
            *self.0.entry("other".to_owned()).or_default() += count;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (kind, count) in other.iter() {
            self.add(kind, count);
        }
    }
}

/// Promises that were broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// How many.
    pub count: u64,
    /// The first of them, in words.
    pub examples: Vec<String>,
}

impl Violations {
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        let free = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples
            .extend(other.examples.iter().take(free).cloned());
    }
}

/// What a process has seen since its last part.
#[derive(Debug, Default)]
pub(super) struct Tally {
    times: Times,
    pub(super) counts: Counts,
    errors: Errors,
    violations: Violations,
}

/// A part of what a process has seen, as it is sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Part {
    /// When in the run.
    pub(super) at_ns: u64,
    pub(super) gauges: Gauges,
    pub(super) counts: Counts,
    pub(super) times: PackedTimes,
    pub(super) errors: Errors,
    pub(super) violations: Violations,
    /// The processor time that the process has used so far.
    pub(super) cpu_s: f64,
    /// Whether everybody is where they have to be for the scenario to begin.
    pub(super) is_ready: bool,
    /// Nothing comes after this one.
    pub(super) is_last: bool,
}

impl Tally {
    pub(super) fn time(&mut self, metric: Metric, ns: u64) {
        self.times.record(metric, ns);
    }

    pub(super) fn error(&mut self, kind: &str) {
        self.errors.add(kind, 1);
    }

    pub(super) fn violation(&mut self, violation: &Violation) {
        self.violations.count += 1;
        if self.violations.examples.len() < EXAMPLES_MAX {
            self.violations.examples.push(violation.to_string());
        }
    }

    /// Everything since the last time.
    pub(super) fn take(&mut self) -> Part {
        Part {
            counts: std::mem::take(&mut self.counts),
            times: self.times.take(),
            errors: std::mem::take(&mut self.errors),
            violations: std::mem::take(&mut self.violations),
            ..Part::default()
        }
    }

    #[cfg(test)]
    pub(super) fn violations(&self) -> &[String] {
        &self.violations.examples
    }

    #[cfg(test)]
    pub(super) fn errors(&self) -> &Errors {
        &self.errors
    }

    #[cfg(test)]
    pub(super) fn timed(&self, metric: Metric) -> u64 {
        self.times.of(metric).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// What one histogram would have said is what many parts of many processes say together.
    #[test]
    fn parts_merge_into_what_one_histogram_would_hold() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut whole = Times::default();
        let mut merged = Times::default();
        for _ in 0..5 {
            let mut tally = Tally::default();
            for _ in 0..2000 {
                let ns = 1 << rng.random_range(0..40);
                let ns = ns + rng.random_range(0..ns);
                whole.record(Metric::Relay, ns);
                tally.time(Metric::Relay, ns);
            }
            let sent = serde_json::to_string(&tally.take()).unwrap();
            let part: Part = serde_json::from_str(&sent).unwrap();
            merged.merge(&part.times);
            assert!(tally.take().times.is_empty(), "nothing is sent twice");
        }
        let (whole, merged) = (whole.of(Metric::Relay), merged.of(Metric::Relay));
        assert_eq!(merged.len(), 10_000);
        for quantile in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let [one, other] = [whole, merged].map(|times| times.value_at_quantile(quantile));
            assert_eq!(one, other, "{quantile}");
        }
    }

    #[test]
    fn counts_and_violations_add_up() {
        let mut tally = Tally::default();
        tally.counts.said = 3;
        for _ in 0..30 {
            tally.violation(&Violation::NoChat { who: 1 });
        }
        let part = tally.take();
        let mut violations = part.violations.clone();
        violations.merge(&part.violations);
        assert_eq!(
            (violations.count, violations.examples.len()),
            (60, EXAMPLES_MAX)
        );
        let mut counts = part.counts;
        counts.merge(&part.counts);
        assert_eq!(counts.said, 6);
    }

    #[test]
    fn errors_are_counted_by_kind_and_a_server_can_not_invent_ever_more() {
        let mut errors = Errors::default();
        for number in 0..1000 {
            errors.add(&format!("error.{number}"), 1);
        }
        errors.add("close.4100", 2);
        assert_eq!(errors.count(""), 1002);
        assert_eq!(errors.count("error"), ERROR_KINDS_MAX as u64);
        assert_eq!(errors.count("error.1"), 1);
        assert_eq!(errors.iter().count(), ERROR_KINDS_MAX + 1);
    }
}
