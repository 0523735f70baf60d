//! A hash grid of H3 cells with `h3o`, as services build it: everybody is in the hash map of each of
//! several resolutions, under the cell they stand in. A search looks into the cell of the seeker and the
//! six around it, from the finest resolution to coarser ones, until it has found somebody nearer than what
//! those seven cells surely cover, or they cover the seeker's range. If even the coarsest don't, it looks at
//! everybody.

use super::{Contender, PersonId};
use h3o::{CellIndex, LatLng, Resolution};
use std::collections::HashMap;
use whisperchat::geo::{Place, Range, is_within};

/// Every other resolution: edges of 0.2 km, 1.4 km, 10 km, 69 km, 483 km, and the coarsest, 1281 km. All of
/// them would make insertion dearer and searches little shorter.
const RESOLUTIONS: [Resolution; 6] = [
    Resolution::Nine,
    Resolution::Seven,
    Resolution::Five,
    Resolution::Three,
    Resolution::One,
    Resolution::Zero,
];

/// What a cell and its neighbours cover around a point of the cell, as a share of the average edge.
///
/// In a plane it is one edge. On earth cells are distorted, most of all near the twelve pentagons; half an
/// edge leaves room for that, and the comparison with the oracle tests it.
const COVERED_EDGES: f64 = 0.5;

#[derive(Default)]
pub(crate) struct H3Cells {
    cells: [HashMap<CellIndex, Vec<PersonId>>; RESOLUTIONS.len()],
    /// By person; `None` for those who don't wait.
    waiting: Vec<Option<Waiting>>,
    next_turn: u64,
}

#[derive(Clone)]
struct Waiting {
    place: Place,
    range: Range,
    turn: u64,
}

struct Best {
    chord_sq: f64,
    turn: u64,
    who: PersonId,
}

fn lat_lng(place: &Place) -> LatLng {
    let position = place.position();
    LatLng::new(position.lat_deg(), position.lon_deg()).expect("a position is finite")
}

/// What the seven cells of a resolution cover, in metres of straight line.
fn covered_m(resolution: Resolution) -> f64 {
    resolution.edge_length_m() * COVERED_EDGES
}

impl H3Cells {
    fn closer(
        &self,
        who: PersonId,
        place: &Place,
        range: Range,
        best: Option<Best>,
    ) -> Option<Best> {
        let other = self.waiting[who as usize]
            .as_ref()
            .expect("who is in a cell waits");
        let chord_sq = place.chord_sq(&other.place);
        let is_closer = best
            .as_ref()
            .is_none_or(|best| (chord_sq, other.turn) < (best.chord_sq, best.turn));
        if is_closer && is_within(place, &other.place, range.min(other.range)) {
            let turn = other.turn;
            return Some(Best {
                chord_sq,
                turn,
                who,
            });
        }
        best
    }
}

impl Contender for H3Cells {
    const NAME: &'static str = "H3 cells";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        if self.waiting.len() <= who as usize {
            self.waiting.resize(who as usize + 1, None);
        }
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting[who as usize] = Some(Waiting { place, range, turn });
        let lat_lng = lat_lng(&place);
        for (cells, resolution) in self.cells.iter_mut().zip(RESOLUTIONS) {
            cells
                .entry(lat_lng.to_cell(resolution))
                .or_default()
                .push(who);
        }
    }

    fn remove(&mut self, who: PersonId) {
        let waiting = self.waiting[who as usize].take();
        let lat_lng = lat_lng(&waiting.expect("who leaves has waited").place);
        for (cells, resolution) in self.cells.iter_mut().zip(RESOLUTIONS) {
            let cell = lat_lng.to_cell(resolution);
            let people = cells.get_mut(&cell).expect("who waits is in a cell");
            let index = people.iter().position(|other| *other == who);
            people.swap_remove(index.expect("who waits is in a cell"));
            if people.is_empty() {
                cells.remove(&cell);
            }
        }
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let lat_lng = lat_lng(place);
        let mut best = None;
        for (cells, resolution) in self.cells.iter().zip(RESOLUTIONS) {
            let here = lat_lng.to_cell(resolution);
            for cell in here.grid_disk::<Vec<_>>(1) {
                for who in cells.get(&cell).into_iter().flatten() {
                    best = self.closer(*who, place, range, best);
                }
            }
            let covered_m = covered_m(resolution);
            let is_nearest = best
                .as_ref()
                .is_some_and(|best| best.chord_sq < covered_m * covered_m);
            if is_nearest || covered_m > range.metres() {
                return best.map(|best| best.who);
            }
        }
        for cell in self.cells[RESOLUTIONS.len() - 1].values() {
            for who in cell {
                best = self.closer(*who, place, range, best);
            }
        }
        best.map(|best| best.who)
    }
}
