//! `rstar` as its documentation suggests: points in three dimensions, neighbours by distance, and a filter
//! for the other side's range.

use super::{Contender, PersonId};
use rstar::primitives::GeomWithData;
use rstar::{PointDistance, RTree};
use std::collections::HashMap;
use whisperchat::geo::{Place, Range, is_within};

#[derive(Default)]
pub(crate) struct PlainRstar {
    tree: RTree<Entry>,
    waiting: HashMap<PersonId, (Place, Range, u64)>,
    next_turn: u64,
}

type Entry = GeomWithData<[f64; 3], Waiting>;

#[derive(Clone, Copy, PartialEq)]
struct Waiting {
    place: Place,
    range: Range,
    who: PersonId,
    turn: u64,
}

fn point(place: &Place) -> [f64; 3] {
    let ecef = place.ecef();
    [ecef.x, ecef.y, ecef.z]
}

impl Contender for PlainRstar {
    const NAME: &'static str = "plain rstar";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting.insert(who, (place, range, turn));
        let waiting = Waiting {
            place,
            range,
            who,
            turn,
        };
        self.tree.insert(Entry::new(point(&place), waiting));
    }

    fn remove(&mut self, who: PersonId) {
        let (place, range, turn) = self.waiting.remove(&who).expect("who leaves has waited");
        let waiting = Waiting {
            place,
            range,
            who,
            turn,
        };
        self.tree.remove(&Entry::new(point(&place), waiting));
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let from = point(place);
        let reach_sq = (range.metres() + 1.0).powi(2);
        let mut best: Option<(f64, &Waiting)> = None;
        for entry in self.tree.nearest_neighbor_iter(from) {
            let chord_sq = entry.distance_2(&from);
            // Neighbours come nearest first; those at the distance of the best may have waited longer.
            if chord_sq > best.map_or(reach_sq, |(chord_sq, _)| chord_sq) {
                break;
            }
            let other = &entry.data;
            if best.is_some_and(|(_, best)| best.turn < other.turn) {
                continue;
            }
            if is_within(place, &other.place, range.min(other.range)) {
                best = Some((chord_sq, other));
            }
        }
        best.map(|(_, waiting)| waiting.who)
    }
}
