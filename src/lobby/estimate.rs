//! How long it usually takes to find somebody, by how long it took others lately.

use crate::geo::{CellId, Place, PrivacyGrid};
use crate::moment::Moment;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The side of a cell whose people are taken together: at most some 2 000 cells on earth.
const CELL_KM: f64 = 500.0;

/// How many completed waits are kept of each cell.
const SAMPLES_MAX: usize = 64;

/// With fewer there is no answer: it would say more of single people than of the place.
const SAMPLES_MIN: usize = 16;

/// Older waits say nothing of now.
const AGE_MAX: Duration = Duration::from_mins(30);

/// How long a wait usually takes, in whole seconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Half of all waits were no longer.
    pub p50_s: u64,
    /// Nine of ten waits were no longer.
    pub p90_s: u64,
}

/// The waits that ended in a chat lately, by coarse cell.
#[derive(Debug)]
pub(super) struct Completions {
    grid: PrivacyGrid,
    /// When each wait ended and how many ms it had lasted, oldest first.
    cells: HashMap<CellId, VecDeque<(Moment, u64)>>,
}

impl Default for Completions {
    fn default() -> Self {
        Self {
            grid: PrivacyGrid::new(CELL_KM).expect("the constant is a valid cell size"),
            cells: HashMap::new(),
        }
    }
}

impl Completions {
    pub(super) fn record(&mut self, now: Moment, place: &Place, waited_ms: u64) {
        let cell = self.grid.cell(place.position());
        let samples = self.cells.entry(cell).or_default();
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((now, waited_ms));
    }

    pub(super) fn estimate(&self, now: Moment, place: &Place) -> Option<Estimate> {
        let samples = self.cells.get(&self.grid.cell(place.position()))?;
        let is_recent = |(at, _): &&(Moment, u64)| now <= *at + AGE_MAX;
        let mut waits: Vec<_> = samples
            .iter()
            .filter(is_recent)
            .map(|(_, ms)| *ms)
            .collect();
        if waits.len() < SAMPLES_MIN {
            return None;
        }
        waits.sort_unstable();
        // Nearest rank: the smallest wait that at least this share of all does not exceed.
        let percentile_s = |percent: usize| {
            let rank = (waits.len() * percent).div_ceil(100);
            waits[rank - 1].div_ceil(1000)
        };
        Some(Estimate {
            p50_s: percentile_s(50),
            p90_s: percentile_s(90),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Position;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(Position::new(lat, lon).unwrap())
    }

    #[test]
    fn enough_recent_waits_near_by_make_an_estimate() {
        let (here, elsewhere) = (place(48.0, 2.0), place(-33.0, 151.0));
        let now = Moment::from_millis(1000);
        let mut completions = Completions::default();
        for seconds in 1..=15 {
            completions.record(now, &here, seconds * 1000);
        }
        assert_eq!(completions.estimate(now, &here), None);
        completions.record(now, &here, 15_001);
        let estimate = Some(Estimate {
            p50_s: 8,
            p90_s: 15,
        });
        assert_eq!(completions.estimate(now, &here), estimate);
        assert_eq!(completions.estimate(now, &elsewhere), None);
        assert_eq!(completions.estimate(now + AGE_MAX, &here), estimate);
        let late = now + AGE_MAX + Duration::from_millis(1);
        assert_eq!(completions.estimate(late, &here), None);
    }

    #[test]
    fn only_the_last_waits_count() {
        let here = place(48.0, 2.0);
        let mut completions = Completions::default();
        for wait_ms in (0..200).map(|i| if i < 136 { 90_000 } else { 1000 }) {
            completions.record(Moment::START, &here, wait_ms);
        }
        let estimate = completions.estimate(Moment::START, &here).unwrap();
        assert_eq!((estimate.p50_s, estimate.p90_s), (1, 1));
    }
}
