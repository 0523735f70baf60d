//! How busy it is around somebody, in words.

use crate::geo::{CellId, Position, PrivacyGrid};
use crate::moment::Moment;
use std::collections::HashMap;
use std::time::Duration;

/// The side of a cell in which people are counted. Far larger than any privacy cell, so the answer says
/// which part of a country is busy and no more.
const CELL_KM: f64 = 100.0;

/// Roughly how many others wait in the same part of the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearby {
    /// Nobody.
    None,
    /// 1 to 4.
    Few,
    /// 5 to 19.
    Some,
    /// 20 or more.
    Many,
}

impl From<usize> for Nearby {
    fn from(others: usize) -> Self {
        match others {
            0 => Self::None,
            1..5 => Self::Few,
            5..20 => Self::Some,
            20.. => Self::Many,
        }
    }
}

/// How old an answer may be. People who come and go show only after that, so that nobody can be told by
/// asking before and after.
const REFRESH: Duration = Duration::from_secs(10);

/// Counts the people who wait in each coarse cell. Holds a cell only while somebody waits in it.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    grid: PrivacyGrid,
    waiting: HashMap<CellId, usize>,
    /// The counts as they were a while ago; what is answered from.
    published: HashMap<CellId, usize>,
    published_at: Moment,
}

impl Default for Neighbourhood {
    fn default() -> Self {
        Self {
            grid: PrivacyGrid::new(CELL_KM).expect("the constant is a valid cell size"),
            waiting: HashMap::new(),
            published: HashMap::new(),
            published_at: Moment::START,
        }
    }
}

impl Neighbourhood {
    pub(super) fn enter(&mut self, at: Position) {
        *self.waiting.entry(self.cell(at)).or_default() += 1;
    }

    pub(super) fn leave(&mut self, at: Position) {
        let cell = self.cell(at);
        let count = self.waiting.get_mut(&cell).expect("who leaves has entered");
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&cell);
        }
    }

    /// How many others waited in the cell of this position a while ago, for somebody who has waited since a
    /// moment. O(cells) once in a while.
    pub(super) fn nearby(&mut self, at: Position, since: Moment, now: Moment) -> Nearby {
        if now >= self.published_at + REFRESH {
            self.published.clone_from(&self.waiting);
            self.published_at = now;
        }
        let count = self.published.get(&self.cell(at)).copied();
        let itself = usize::from(since < self.published_at);
        Nearby::from(count.unwrap_or(0).saturating_sub(itself))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn cell(&self, at: Position) -> CellId {
        self.grid.cell(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_is_counted_after_a_while_and_never_by_themselves() {
        let here = Position::new(48.0, 2.0).unwrap();
        let mut neighbourhood = Neighbourhood::default();
        let at = Moment::from_millis;
        for _ in 0..2 {
            neighbourhood.enter(here);
        }
        assert_eq!(neighbourhood.nearby(here, at(5), at(9_999)), Nearby::None);
        assert_eq!(neighbourhood.nearby(here, at(5), at(10_000)), Nearby::Few);
        neighbourhood.leave(here);
        assert_eq!(neighbourhood.nearby(here, at(5), at(19_999)), Nearby::Few);
        assert_eq!(neighbourhood.nearby(here, at(5), at(20_000)), Nearby::None);
        // Who comes now was not counted, so one is another.
        assert_eq!(
            neighbourhood.nearby(here, at(20_000), at(20_001)),
            Nearby::Few
        );
    }
}
