//! How busy it is around somebody, in words.

use crate::geo::{CellId, Place, PrivacyGrid};
use std::collections::HashMap;

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

/// Counts the people who wait in each coarse cell. Holds a cell only while somebody waits in it.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    grid: PrivacyGrid,
    waiting: HashMap<CellId, usize>,
}

impl Default for Neighbourhood {
    fn default() -> Self {
        Self {
            grid: PrivacyGrid::new(CELL_KM).expect("the constant is a valid cell size"),
            waiting: HashMap::new(),
        }
    }
}

impl Neighbourhood {
    pub(super) fn enter(&mut self, place: &Place) {
        *self.waiting.entry(self.cell(place)).or_default() += 1;
    }

    pub(super) fn leave(&mut self, place: &Place) {
        let cell = self.cell(place);
        let count = self.waiting.get_mut(&cell).expect("who leaves has entered");
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&cell);
        }
    }

    /// How many wait in the cell of this place.
    pub(super) fn count(&self, place: &Place) -> usize {
        self.waiting.get(&self.cell(place)).copied().unwrap_or(0)
    }

    fn cell(&self, place: &Place) -> CellId {
        self.grid.cell(place.position())
    }
}
