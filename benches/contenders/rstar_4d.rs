//! `rstar` with the range as a fourth dimension: a library's index, used with thought instead of changed.
//!
//! "Within reach of both" is no box in four dimensions, for how far the range must go depends on the
//! distance. But of those whom a smaller box around the seeker did not show, each is further away than that
//! box reaches, and so their range must be larger. Growing the box step by step makes two-sided pruning out
//! of box queries:
//!
//! ```text
//! |x − x₀|, |y − y₀|, |z − z₀| ≤ dᵢ    and    range ≥ dᵢ₋₁,    dᵢ = 4 dᵢ₋₁
//! ```

use super::{Contender, PersonId};
use rstar::primitives::GeomWithData;
use rstar::{AABB, RTree};
use std::collections::HashMap;
use whisperchat::geo::{Place, Range, is_within};

/// How far apart in the fourth dimension two ranges are of which one is twice the other.
///
/// Ranges in metres would be as long as the earth is wide, and the tree would be split by range first. This
/// way it is split by place, and ranges matter where people stand close together.
const DOUBLING_M: f64 = 1000.0;

/// Half the side of the first box.
const FIRST_M: f64 = 500.0;

/// By how much a box is larger than the one before.
const GROWTH: f64 = 4.0;

/// Boxes are a metre larger than they need be, so that rounding can't matter.
const ROUNDING_M: f64 = 1.0;

#[derive(Default)]
pub(crate) struct Rstar4d {
    tree: RTree<Entry>,
    waiting: HashMap<PersonId, (Place, Range, u64)>,
    next_turn: u64,
}

type Entry = GeomWithData<[f64; 4], Waiting>;

#[derive(Clone, Copy, PartialEq)]
struct Waiting {
    place: Place,
    range: Range,
    who: PersonId,
    turn: u64,
}

fn entry(who: PersonId, (place, range, turn): (Place, Range, u64)) -> Entry {
    let ecef = place.ecef();
    let waiting = Waiting {
        place,
        range,
        who,
        turn,
    };
    Entry::new([ecef.x, ecef.y, ecef.z, fourth(range.metres())], waiting)
}

/// Where a range is in the fourth dimension. Grows with the range, so boxes can ask for "at least".
fn fourth(range_m: f64) -> f64 {
    range_m.log2() * DOUBLING_M
}

/// Everybody less than `half_m` away along each axis, whose range is at least `range_min_m`.
fn around(place: &Place, half_m: f64, range_min_m: f64) -> AABB<[f64; 4]> {
    let ecef = place.ecef();
    let half_m = half_m + ROUNDING_M;
    AABB::from_corners(
        [
            ecef.x - half_m,
            ecef.y - half_m,
            ecef.z - half_m,
            fourth(range_min_m),
        ],
        [ecef.x + half_m, ecef.y + half_m, ecef.z + half_m, f64::MAX],
    )
}

impl Contender for Rstar4d {
    const NAME: &'static str = "rstar 4-D";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        let waiting = (place, range, self.next_turn);
        self.next_turn += 1;
        self.waiting.insert(who, waiting);
        self.tree.insert(entry(who, waiting));
    }

    fn remove(&mut self, who: PersonId) {
        let waiting = self.waiting.remove(&who).expect("who leaves has waited");
        self.tree.remove(&entry(who, waiting));
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let (mut half_m, mut range_min_m) = (FIRST_M.min(range.metres()), 0.0);
        loop {
            let mut best = (f64::INFINITY, u64::MAX, None);
            let envelope = around(place, half_m, range_min_m);
            for entry in self.tree.locate_in_envelope(envelope) {
                let other = &entry.data;
                let chord_sq = place.chord_sq(&other.place);
                if (chord_sq, other.turn) < (best.0, best.1)
                    && is_within(place, &other.place, range.min(other.range))
                {
                    best = (chord_sq, other.turn, Some(other.who));
                }
            }
            // Outside of the box somebody nearer could stand only if the best is in one of its corners.
            if best.0 <= half_m * half_m || half_m >= range.metres() {
                return best.2;
            }
            if best.2.is_some() {
                half_m = best.0.sqrt() + ROUNDING_M;
            } else {
                // All within this distance have been seen, so the others' ranges must be larger to matter.
                range_min_m = half_m - ROUNDING_M;
                half_m = (half_m * GROWTH).min(range.metres());
            }
        }
    }
}
