//! Where nobody needs to look for a place any more: what makes filling a quiet room bearable.
//!
//! In a room that is nearly full, almost all who come would be matched, most of them with somebody who goes
//! 10 km or more. For each of some distances there is a set of the cells of a grid of degrees that lie
//! within this distance of somebody who goes so far. Whoever goes so far too and stands in such a cell would
//! be matched, which one look into a hash table tells. All others are for the room to answer.

use std::collections::HashSet;
use whisperchat::geo::{Place, Position, Range, is_within};

/// The distances, in metres. Nothing finer: those with small ranges are the many in the end, and the few who
/// come for whom they matter can ask the room.
const DISTANCES_M: [f64; 4] = [10_000.0, 50_000.0, 100_000.0, 500_000.0];

/// How many cells there are on the way from the middle of a circle to its edge.
const CELLS: f64 = 6.0;

/// Beyond this latitude cells are too narrow to be of use.
const LAT_MAX_DEG: f64 = 75.0;

/// The length of a degree of latitude, in metres, roughly.
const DEGREE_M: f64 = 111_000.0;

pub(crate) struct Covered {
    layers: [Layer; DISTANCES_M.len()],
}

struct Layer {
    distance: Range,
    cell_deg: f64,
    cells: HashSet<(i32, i32)>,
}

impl Default for Covered {
    fn default() -> Self {
        let layers = DISTANCES_M.map(|distance_m| Layer {
            distance: Range::from_km(distance_m / 1000.0).expect("the constants are ranges"),
            cell_deg: distance_m / CELLS / DEGREE_M,
            cells: HashSet::new(),
        });
        Self { layers }
    }
}

impl Covered {
    /// Whether somebody would certainly be matched. If not, they may be all the same.
    pub(crate) fn would_match(&self, position: Position, range: Range) -> bool {
        let mut layers = self
            .layers
            .iter()
            .take_while(|layer| layer.distance <= range);
        layers.any(|layer| layer.cells.contains(&layer.cell(position)))
    }

    /// Somebody waits.
    pub(crate) fn add(&mut self, place: &Place, range: Range) {
        if place.position().lat_deg().abs() < LAT_MAX_DEG {
            for layer in &mut self.layers {
                if layer.distance <= range {
                    layer.add(place);
                }
            }
        }
    }
}

impl Layer {
    fn cell(&self, position: Position) -> (i32, i32) {
        let index = |degrees: f64| (degrees / self.cell_deg).floor() as i32;
        (index(position.lat_deg()), index(position.lon_deg()))
    }

    /// The cells that lie within the distance with all four corners, and so as a whole: circles are convex,
    /// and the edges of cells nearly straight. A hundredth is left for that.
    fn add(&mut self, place: &Place) {
        let (row, column) = self.cell(place.position());
        let rows = CELLS as i32 + 1;
        let columns = (CELLS / place.position().lat_deg().to_radians().cos()) as i32 + 1;
        let reach = Range::from_km(self.distance.km() * 0.99).expect("smaller than a range");
        let is_near = |row: i32, column: i32| {
            let (row, column) = (f64::from(row), f64::from(column));
            Position::new(row * self.cell_deg, column * self.cell_deg)
                .is_ok_and(|corner| is_within(&Place::new(corner), place, reach))
        };
        let corners_in = |row: i32| -> Vec<bool> {
            let columns = column - columns..=column + columns + 1;
            columns.map(|column| is_near(row, column)).collect()
        };
        let mut below = corners_in(row - rows);
        for row in row - rows..=row + rows {
            let above = corners_in(row + 1);
            let corners = below.windows(2).zip(above.windows(2));
            for (column, (below, above)) in (column - columns..).zip(corners) {
                if below == [true, true] && above == [true, true] {
                    self.cells.insert((row, column));
                }
            }
            below = above;
        }
    }
}
