//! The obvious matcher: look at everybody. Cheap comparisons first, as anybody would write it who cares.

use super::{Contender, PersonId};
use std::collections::HashMap;
use whisperchat::geo::{Place, Range, is_within};

#[derive(Default)]
pub(crate) struct Scan {
    waiting: Vec<Waiting>,
    index: HashMap<PersonId, usize>,
    next_turn: u64,
}

struct Waiting {
    place: Place,
    range: Range,
    who: PersonId,
    turn: u64,
}

impl Contender for Scan {
    const NAME: &'static str = "scan";

    /// Above, it would take minutes to say what is known.
    const SIZE_MAX: usize = 100_000;

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        self.index.insert(who, self.waiting.len());
        self.waiting.push(Waiting {
            place,
            range,
            who,
            turn: self.next_turn,
        });
        self.next_turn += 1;
    }

    fn remove(&mut self, who: PersonId) {
        let index = self.index.remove(&who).expect("who leaves has waited");
        self.waiting.swap_remove(index);
        if let Some(moved) = self.waiting.get(index) {
            self.index.insert(moved.who, index);
        }
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let mut best = (f64::INFINITY, u64::MAX, None);
        for other in &self.waiting {
            let chord_sq = place.chord_sq(&other.place);
            if (chord_sq, other.turn) >= (best.0, best.1) {
                continue;
            }
            if is_within(place, &other.place, range.min(other.range)) {
                best = (chord_sq, other.turn, Some(other.who));
            }
        }
        best.2
    }
}
