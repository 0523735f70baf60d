//! What is to happen when, fixed beforehand: the open loop.

use super::clock::{SECOND_NS, ns};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

/// What somebody is due to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Connect for the first time.
    Arrive,
    /// Ask to be let into the waiting room.
    Join,
    /// Say the next thing in the chat.
    Say,
    /// Acknowledge what was heard.
    Ack,
    /// End the chat.
    Part,
    /// Stop waiting.
    GiveUp,
    /// Lose the connection.
    Drop,
    /// Connect again.
    Return,
    /// Stop waiting for the server to close.
    Abandon,
}

/// An entry of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// When it was meant to happen.
    pub(super) at_ns: u64,
    /// Who, by their place in this process.
    pub(super) who: u32,
    /// In which part of their life; in another one nothing is to happen any more.
    pub(super) stage: u32,
    pub(super) due: Due,
}

/// Everything that is to happen, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// At most a handful for each person.
    entries: BinaryHeap<Reverse<Entry>>,
}

impl Schedule {
    pub(super) fn insert(&mut self, entry: Entry) {
        self.entries.push(Reverse(entry));
    }

    /// When the next is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse(entry)| entry.at_ns)
    }

    /// The first of those that are due.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<Entry> {
        let Reverse(first) = self.entries.peek()?;
        if first.at_ns > now_ns {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| entry)
    }
}

/// How often something happens, per second: the same all the time, or changing evenly from one rate to
/// another over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// At the start, per second; finite, not below zero.
    pub(super) from: f64,
    /// At the end, per second; finite, not below zero. One of the two is above zero.
    pub(super) to: f64,
}

/// The text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number per second above 0, such as 500, or two for a ramp, such as 100..2000")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| RateError);
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(text)?, number(text)?),
        };
        let is_rate = |rate: f64| (0.0..=1e9).contains(&rate);
        if is_rate(from) && is_rate(to) && from + to > 0.0 {
            Ok(Self { from, to })
        } else {
            Err(RateError)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}..{}", self.from, self.to)
        }
    }
}

impl Rate {
    /// The same rate all the time.
    pub(super) fn steady(per_s: f64) -> Self {
        Self {
            from: per_s,
            to: per_s,
        }
    }

    /// The share of this rate that falls to one of so many.
    #[must_use]
    pub(super) fn shared(self, among: f64) -> Self {
        Self {
            from: self.from / among,
            to: self.to / among,
        }
    }

    /// How many happen in a run of so many seconds.
    pub(super) fn count(self, seconds: f64) -> f64 {
        f64::midpoint(self.from, self.to) * seconds
    }

    /// After how many seconds of a run of `over_s` as many have happened as `count`, which need not be
    /// whole; `None` if that is after the run.
    ///
    /// Until t there are from·t + (to − from)·t² / 2·over; this is solved for t in the form that loses no
    /// digits when both rates are nearly equal.
    pub(super) fn time_of(self, count: f64, over_s: f64) -> Option<f64> {
        let slope = (self.to - self.from) / over_s;
        let root = (self.from * self.from + 2.0 * slope * count).sqrt();
        // A ramp from zero has its zeroth at once, which the division can't tell.
        let seconds = if count == 0.0 {
            0.0
        } else {
            2.0 * count / (self.from + root)
        };
        // Rates that fall to zero never reach some counts, and the root of what is below zero is no number.
        (seconds < over_s).then_some(seconds)
    }
}

/// The moments of a Poisson process whose rate follows a [`Rate`], one after the other.
#[derive(Debug)]
pub(super) struct Arrivals {
    rate: Rate,
    over_s: f64,
    /// Arrivals that were expected until the last one.
    expected: f64,
    rng: Xoshiro256PlusPlus,
}

impl Arrivals {
    pub(super) fn new(rate: Rate, over_s: f64, rng: Xoshiro256PlusPlus) -> Self {
        Self {
            rate,
            over_s,
            expected: 0.0,
            rng,
        }
    }
}

impl Iterator for Arrivals {
    /// Nanoseconds since the start.
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // Gaps of a process of rate one; 1 − x is above 0.
        self.expected += -(1.0 - self.rng.random::<f64>()).ln();
        self.rate.time_of(self.expected, self.over_s).map(ns)
    }
}

/// When the `index`th of so many comes, spread evenly.
pub(super) fn spread_ns(index: u32, of: u32, over_s: f64) -> u64 {
    (over_s * SECOND_NS as f64 * f64::from(index) / f64::from(of.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn what_is_due_comes_in_order_and_not_early() {
        let mut schedule = Schedule::default();
        for (at_ns, who) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
            schedule.insert(Entry {
                at_ns,
                who,
                stage: 0,
                due: Due::Say,
            });
        }
        assert_eq!(schedule.next_ns(), Some(10));
        assert_eq!(schedule.take_due(9), None);
        let due: Vec<_> = std::iter::from_fn(|| schedule.take_due(20))
            .map(|entry| entry.who)
            .collect();
        assert_eq!(due, [2, 4, 3]);
        assert_eq!(schedule.next_ns(), Some(30));
    }

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for text in ["500", "0.5", "100..2000", "2000..0"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in [
            "", "-1", "fast", "1..", "..1", "0", "0..0", "inf", "NaN", "1..2..3",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }

    #[test]
    fn a_steady_rate_spaces_evenly() {
        let rate = Rate::steady(4.0);
        assert_eq!(rate.time_of(1.0, 10.0), Some(0.25));
        assert_eq!(rate.time_of(39.0, 10.0), Some(9.75));
        assert_eq!(rate.time_of(40.0, 10.0), None);
    }

    #[test]
    fn a_ramp_has_happened_as_often_as_its_mean_says() {
        for (from, to) in [(0.0, 100.0), (100.0, 0.0), (10.0, 30.0), (50.0, 50.000_001)] {
            let rate = Rate { from, to };
            let count = (0..10_000)
                .take_while(|count| rate.time_of(f64::from(*count), 20.0).is_some())
                .count() as f64;
            assert!((count - rate.count(20.0)).abs() <= 1.0, "{rate}: {count}");
        }
        // Half of the time of a ramp from zero sees a quarter of it.
        let rate: Rate = "0..100".parse().unwrap();
        let quarter = rate.time_of(250.0, 20.0).unwrap();
        assert!((quarter - 10.0).abs() < 1e-9, "{quarter}");
    }

    #[test]
    fn arrivals_are_as_many_as_the_rate_says_and_the_same_for_a_seed() {
        let arrivals = |seed| {
            let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            Arrivals::new("0..2000".parse().unwrap(), 10.0, rng).collect::<Vec<_>>()
        };
        let first = arrivals(1);
        assert_eq!(first, arrivals(1));
        assert_ne!(first, arrivals(2));
        assert!(first.is_sorted());
        // Five standard deviations of 10,000 are 500.
        assert!((9500..10_500).contains(&first.len()), "{}", first.len());
    }
}
