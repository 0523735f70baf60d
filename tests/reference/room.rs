//! A waiting room that is a list, side by side with the real one.

use super::earth::{Degrees, geodesic_m};
use super::nearest::{Standing, check_choice};
use std::collections::HashSet;
use whisperchat::geo::{Place, Position, Range};
use whisperchat::matching::{TicketId, WaitingRoom};

/// The shortest range that is asked for: a millimetre.
const RANGE_MIN_KM: f64 = 1e-6;

/// One thing done to a room. People are named by an index that counts round those who wait.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Insert {
        at: Degrees,
        range: Wish,
    },
    Remove {
        index: usize,
    },
    RemoveAgain,
    Change {
        index: usize,
        at: Degrees,
        range: Wish,
    },
    Seek {
        at: Degrees,
        range: Wish,
        refused: u8,
    },
}

/// A range, by itself or by whom it just reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Km(f64),
    /// Exactly as far as this person is: in range.
    JustTo(usize),
    /// A millimetre less: out of range.
    JustShortOf(usize),
}

/// A real room and the list of who should be in it.
#[derive(Default)]
pub(crate) struct RoomPair {
    room: WaitingRoom<u64>,
    /// Oldest first. `turn` is also the number the room keeps of each.
    waiting: Vec<Standing<TicketId>>,
    turns: u64,
    last_removed: Option<TicketId>,
}

impl RoomPair {
    /// Does it to both, and panics where they differ.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Insert { at, range } => self.insert(at, self.range(at, range)),
            Operation::Remove { index } => self.remove(index),
            Operation::RemoveAgain => self.remove_again(),
            Operation::Change { index, at, range } => {
                self.change(index, at, self.range(at, range));
            }
            Operation::Seek { at, range, refused } => {
                self.seek(at, self.range(at, range), refused);
            }
        }
        assert_eq!(self.room.len(), self.waiting.len());
        assert_eq!(self.room.is_empty(), self.waiting.is_empty());
    }

    /// Checks that the room holds exactly who is on the list, as they are there.
    pub(crate) fn assert_alike(&self) {
        self.room.assert_invariants();
        assert_eq!(self.room.iter().count(), self.waiting.len());
        for person in &self.waiting {
            let ticket = self.room.get(person.id).expect("who waits has a ticket");
            assert_eq!(ticket.who, person.turn);
            assert_eq!(ticket.place().position(), Position::from(person.at));
            assert_eq!(ticket.range.metres(), person.range_m);
        }
    }

    pub(crate) fn insert(&mut self, at: Degrees, range: Range) {
        let turn = self.turns;
        self.turns += 1;
        let id = self.room.insert(place(at), range, turn);
        assert!(
            self.waiting.iter().all(|other| other.id != id),
            "a ticket's name is new"
        );
        assert_ne!(
            self.last_removed,
            Some(id),
            "a ticket's name is never used again"
        );
        self.waiting.push(Standing {
            id,
            at,
            range_m: range.metres(),
            turn,
        });
    }

    pub(crate) fn remove(&mut self, index: usize) {
        let Some(index) = self.wrapped(index) else {
            return;
        };
        let gone = self.waiting.remove(index);
        let ticket = self.room.remove(gone.id).expect("who waits has a ticket");
        assert_eq!(ticket.who, gone.turn);
        assert!(self.room.get(gone.id).is_none());
        self.last_removed = Some(gone.id);
    }

    fn remove_again(&mut self) {
        if let Some(gone) = self.last_removed {
            assert!(self.room.remove(gone).is_none(), "nobody leaves twice");
        }
    }

    pub(crate) fn change(&mut self, index: usize, at: Degrees, range: Range) {
        let Some(index) = self.wrapped(index) else {
            if let Some(gone) = self.last_removed {
                assert!(!self.room.change(gone, place(at), range));
            }
            return;
        };
        let person = &mut self.waiting[index];
        person.at = at;
        person.range_m = range.metres();
        assert!(self.room.change(person.id, place(at), range));
    }

    /// Asks for the nearest eligible. `refused` holds a bit for each eighth of the people: those are not
    /// eligible.
    pub(crate) fn seek(&self, at: Degrees, range: Range, refused: u8) {
        let is_eligible = |who: u64| refused >> (who % 8) & 1 == 0;
        let mut asked = HashSet::new();
        let found = self.room.nearest_eligible(&place(at), range, |id, who| {
            assert!(asked.insert(id), "each is asked about once");
            assert_eq!(self.room.get(id).map(|ticket| ticket.who), Some(*who));
            is_eligible(*who)
        });
        let eligible: Vec<_> = self
            .waiting
            .iter()
            .filter(|person| is_eligible(person.turn))
            .copied()
            .collect();
        let seeker = Standing {
            id: (),
            at,
            range_m: range.metres(),
            turn: u64::MAX,
        };
        if let Err(why) = check_choice(&seeker, &eligible, found) {
            panic!("from {at:?} within {range:?}: {why}");
        }
    }

    fn range(&self, from: Degrees, wish: Wish) -> Range {
        let to = |index| {
            self.wrapped(index).map_or(1.0, |index| {
                geodesic_m(from, self.waiting[index].at) / 1000.0
            })
        };
        let km = match wish {
            Wish::Km(km) => km,
            Wish::JustTo(index) => to(index),
            Wish::JustShortOf(index) => to(index) - 1e-6,
        };
        Range::from_km(km.max(RANGE_MIN_KM)).expect("nobody is further away than ranges reach")
    }

    fn wrapped(&self, index: usize) -> Option<usize> {
        index.checked_rem(self.waiting.len())
    }
}

fn place(at: Degrees) -> Place {
    Place::new(at.into())
}
