//! The table: a row for each contestant in each room.

use crate::player::{Contestant, Tally};
use crate::support::median;
use std::fmt;

pub(crate) const HEAD: &str = "\
| crowd | waiting | | p50, µs | p99, µs | of it a bare round trip | arrivals/s, one at a time | 64 at once | \
this room ÷ it, one at a time | 64 at once | against the rule | not the nearest |
|---|---|---|---|---|---|---|---|---|---|---|---|";

/// What was measured of one contestant in one room, a value for each round.
pub(crate) struct Row {
    name: &'static str,
    /// Arrivals a second.
    pub(crate) one_at_a_time: Vec<Option<f64>>,
    pub(crate) at_once: Vec<Option<f64>>,
    pub(crate) round_trips_us: Vec<f64>,
    p50_us: f64,
    p99_us: f64,
    /// This room's rate in the same round, divided by the contestant's.
    ratio_one: Option<f64>,
    ratio_at_once: Option<f64>,
    tally: Tally,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            one_at_a_time: Vec::new(),
            at_once: Vec::new(),
            round_trips_us: Vec::new(),
            p50_us: 0.0,
            p99_us: 0.0,
            ratio_one: None,
            ratio_at_once: None,
            tally: Tally::default(),
        }
    }

    /// Sums up the rounds. `own` are this room's rates.
    pub(crate) fn finish(&mut self, contestant: &dyn Contestant, own: &[Option<f64>]) {
        let quantile_us = |quantile| contestant.times().value_at_quantile(quantile) as f64 / 1e3;
        self.p50_us = quantile_us(0.5);
        self.p99_us = quantile_us(0.99);
        self.ratio_one = ratio(own, &self.one_at_a_time);
        self.ratio_at_once = ratio(own, &self.at_once);
        self.tally = contestant.tally();
    }
}

fn ratio(own: &[Option<f64>], others: &[Option<f64>]) -> Option<f64> {
    let rounds = own.iter().zip(others);
    present(rounds.map(|(own, other)| Some((*own)? / (*other)?)))
}

/// The median of those that are there.
fn present(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| median(values))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |value: Option<f64>| match value {
            None => String::new(),
            Some(value) if value < 10.0 => format!("{value:.1}"),
            Some(value) => format!("{value:.0}"),
        };
        let share = |count: u64| match count {
            0 => "0".into(),
            count => format!("{:.2} %", 100.0 * count as f64 / self.tally.arrivals as f64),
        };
        write!(
            f,
            "| {} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.p50_us,
            self.p99_us,
            median(self.round_trips_us.clone()),
            cell(present(self.one_at_a_time.iter().copied())),
            cell(present(self.at_once.iter().copied())),
            cell(self.ratio_one),
            cell(self.ratio_at_once),
            share(self.tally.against_the_rule),
            share(self.tally.not_the_nearest),
        )
    }
}
