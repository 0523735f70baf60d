//! A tree made for this room: what could be gained over `rstar`, see docs/decisions/0001-tree.md.

mod rounding;
mod tree;

use super::{Contender, PersonId};
use rounding::{tree_point, tree_range_m};
use tree::{LeafId, Tree};
use whisperchat::geo::{Place, Range, is_within};

#[derive(Default)]
pub(crate) struct OwnTree {
    tree: Tree<PersonId>,
    /// By person; those who do not wait are left as they were.
    people: Vec<Option<Person>>,
    next_turn: u64,
}

#[derive(Clone, Copy)]
struct Person {
    place: Place,
    range: Range,
    turn: u64,
    leaf: LeafId,
}

impl OwnTree {
    fn put_in(&mut self, who: PersonId, place: Place, range: Range, turn: u64) {
        let index = who as usize;
        if self.people.len() <= index {
            self.people.resize(index + 1, None);
        }
        self.people[index] = Some(Person {
            place,
            range,
            turn,
            leaf: LeafId::NOWHERE,
        });
        let (point, range_m) = (tree_point(place.ecef()), tree_range_m(range));
        let people = &mut self.people;
        self.tree.insert(point, range_m, who, |moved, leaf| {
            note_leaf(people, moved, leaf);
        });
    }

    fn take_out(&mut self, who: PersonId) -> Person {
        let person = self.people[who as usize].take();
        let person = person.expect("who leaves has waited");
        let people = &mut self.people;
        self.tree.remove(person.leaf, who, |moved, leaf| {
            note_leaf(people, moved, leaf);
        });
        person
    }
}

fn note_leaf(people: &mut [Option<Person>], who: PersonId, leaf: LeafId) {
    if let Some(person) = &mut people[who as usize] {
        person.leaf = leaf;
    }
}

impl Contender for OwnTree {
    const NAME: &'static str = "own tree";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.put_in(who, place, range, turn);
    }

    fn remove(&mut self, who: PersonId) {
        self.take_out(who);
    }

    fn change(&mut self, who: PersonId, place: Place, range: Range) {
        let Person { turn, .. } = self.take_out(who);
        self.put_in(who, place, range, turn);
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let mut best = (f64::INFINITY, u64::MAX, None);
        let mut reach_m = tree_range_m(range);
        self.tree.search(tree_point(place.ecef()), reach_m, |who| {
            let other = self.people[who as usize].expect("who is in the tree waits");
            let chord_sq = other.place.chord_sq(place);
            if (chord_sq, other.turn) < (best.0, best.1)
                && is_within(place, &other.place, range.min(other.range))
            {
                reach_m = reach_m.min((chord_sq.sqrt() as f32).next_up());
                best = (chord_sq, other.turn, Some(who));
            }
            reach_m
        });
        best.2
    }
}
