//! A hash grid for each class of ranges: the strongest rival known.
//!
//! People whose ranges lie between the same two powers of two are in one class. Each class has a grid of
//! cubes in geocentric space, as wide as the largest range of the class, so there are no poles and no date
//! line. A search looks at the cubes within the smaller of the seeker's range and the class's: at most 27
//! of a class, of which those that miss the earth's surface are skipped by arithmetic. It lives off a
//! property of a room that pairs people at once: those of one class can't stand close together, so a
//! cube holds a few.

use super::{Contender, PersonId};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use whisperchat::geo::{Place, Range, WGS84_A_M, WGS84_B_M, is_within};

/// The smallest cubes, so that three indices fit a key: 2²¹ of 8 m are more than the earth is wide.
const CLASS_MIN: usize = 3;

/// 2²⁵ m are more than the largest range.
const CLASS_MAX: usize = 25;

/// Cubes begin here in each direction, further out than anybody is.
const ORIGIN_M: f64 = -8_388_608.0;

/// What rounding to `f32` can add to a distance, in metres.
const ROUNDED_M: f32 = 1.0;

const NOBODY: PersonId = PersonId::MAX;

#[derive(Default)]
pub(crate) struct RangeGrid {
    classes: [Class; CLASS_MAX - CLASS_MIN + 1],
    /// By person; those who do not wait are left as they were.
    people: Vec<Person>,
    next_turn: u64,
}

#[derive(Default)]
struct Class {
    cubes: HashMap<u64, Entry, BuildHasherDefault<Multiply>>,
}

/// Who is first in a cube, in the precision of the search; the others are chained behind.
#[derive(Clone, Copy)]
struct Entry {
    point: [f32; 3],
    range_m: f32,
    who: PersonId,
    next: PersonId,
}

struct Person {
    entry: Entry,
    place: Place,
    range: Range,
    turn: u64,
}

/// One multiplication, the high bits folded down: keys are small numbers side by side.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64");
    }

    fn write_u64(&mut self, key: u64) {
        let product = u128::from(key) * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

fn class_of(range: Range) -> usize {
    (CLASS_MIN..CLASS_MAX)
        .find(|class| range.metres() <= (1u64 << class) as f64)
        .unwrap_or(CLASS_MAX)
}

fn key(index: [u32; 3]) -> u64 {
    index
        .into_iter()
        .fold(0, |key, index| key << 21 | u64::from(index))
}

/// The cube that a point lies in.
fn cube(place: &Place, class: usize) -> [u32; 3] {
    let ecef = place.ecef();
    [ecef.x, ecef.y, ecef.z].map(|at| ((at - ORIGIN_M) / side_m(class)) as u32)
}

fn side_m(class: usize) -> f64 {
    (1u64 << class) as f64
}

fn point(place: &Place) -> [f32; 3] {
    let ecef = place.ecef();
    [ecef.x as f32, ecef.y as f32, ecef.z as f32]
}

/// The nearest so far.
struct Best {
    chord_sq: f64,
    turn: u64,
    who: PersonId,
}

struct Seeker<'a> {
    place: &'a Place,
    range: Range,
    point: [f32; 3],
    /// Nothing further is of interest.
    reach_m: f64,
    best: Best,
}

impl Seeker<'_> {
    fn look_at(&mut self, entry: &Entry, people: &[Person]) {
        let sum: f32 = (0..3)
            .map(|axis| (entry.point[axis] - self.point[axis]).powi(2))
            .sum();
        let limit = (self.reach_m as f32).min(entry.range_m) * 1.000_001 + ROUNDED_M;
        if sum > limit * limit * 1.000_001 {
            return;
        }
        let other = &people[entry.who as usize];
        let chord_sq = self.place.chord_sq(&other.place);
        if (chord_sq, other.turn) < (self.best.chord_sq, self.best.turn)
            && is_within(self.place, &other.place, self.range.min(other.range))
        {
            self.reach_m = chord_sq.sqrt();
            self.best = Best {
                chord_sq,
                turn: other.turn,
                who: entry.who,
            };
        }
    }

    fn look_into(&mut self, class: &Class, index: [u32; 3], people: &[Person]) {
        let Some(first) = class.cubes.get(&key(index)) else {
            return;
        };
        self.look_at(first, people);
        let mut next = first.next;
        while next != NOBODY {
            let entry = &people[next as usize].entry;
            self.look_at(entry, people);
            next = entry.next;
        }
    }

    /// The nearest cube first, then those around it that are within reach and meet the surface.
    fn search(&mut self, number: usize, class: &Class, people: &[Person]) {
        let home = cube(self.place, number);
        self.look_into(class, home, people);
        let side_m = side_m(number);
        let ecef = self.place.ecef();
        let at = [ecef.x, ecef.y, ecef.z].map(|at| at - ORIGIN_M);
        let radius_m = self.reach_m.min(side_m) + 1e-3;
        let first = at.map(|at| ((at - radius_m) / side_m).max(0.0) as u32);
        let last = at.map(|at| ((at + radius_m) / side_m) as u32);
        for x in first[0]..=last[0] {
            for y in first[1]..=last[1] {
                for z in first[2]..=last[2] {
                    let index = [x, y, z];
                    if index != home && self.may_hold(index, side_m, at) {
                        self.look_into(class, index, people);
                    }
                }
            }
        }
    }

    /// Whether a cube is within reach and touches the shell that the surface of the earth lies in.
    fn may_hold(&self, index: [u32; 3], side_m: f64, at: [f64; 3]) -> bool {
        let (mut away_sq, mut nearest_sq, mut furthest_sq) = (0.0, 0.0, 0.0);
        for axis in 0..3 {
            let lower = f64::from(index[axis]) * side_m;
            let upper = lower + side_m;
            let away = (lower - at[axis]).max(at[axis] - upper).max(0.0);
            away_sq += away * away;
            let (lower, upper) = (lower + ORIGIN_M, upper + ORIGIN_M);
            let nearest = lower.max(-upper).max(0.0);
            nearest_sq += nearest * nearest;
            let furthest = upper.max(-lower);
            furthest_sq += furthest * furthest;
        }
        let reach_m = self.reach_m.min(side_m) + 1e-3;
        away_sq <= reach_m * reach_m
            && nearest_sq <= (WGS84_A_M + 1.0).powi(2)
            && furthest_sq >= (WGS84_B_M - 1.0).powi(2)
    }
}

impl Contender for RangeGrid {
    const NAME: &'static str = "range-class grid";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        let turn = self.next_turn;
        self.next_turn += 1;
        let class = class_of(range);
        let mut entry = Entry {
            point: point(&place),
            range_m: (range.metres() as f32).next_up(),
            who,
            next: NOBODY,
        };
        let first = self.classes[class - CLASS_MIN]
            .cubes
            .entry(key(cube(&place, class)))
            .or_insert(entry);
        if first.who != who {
            entry.next = first.next;
            first.next = who;
        }
        let person = Person {
            entry,
            place,
            range,
            turn,
        };
        let index = who as usize;
        if index < self.people.len() {
            self.people[index] = person;
        } else {
            assert_eq!(index, self.people.len(), "people are numbered as they come");
            self.people.push(person);
        }
    }

    fn remove(&mut self, who: PersonId) {
        let Person {
            entry,
            place,
            range,
            ..
        } = &self.people[who as usize];
        let (after, class) = (entry.next, class_of(*range));
        let key = key(cube(place, class));
        let cubes = &mut self.classes[class - CLASS_MIN].cubes;
        let first = cubes.get_mut(&key).expect("who leaves has waited");
        if first.who == who {
            match first.next {
                NOBODY => {
                    cubes.remove(&key);
                }
                next => *first = self.people[next as usize].entry,
            }
            return;
        }
        if first.next == who {
            first.next = after;
            return;
        }
        let mut before = first.next;
        while self.people[before as usize].entry.next != who {
            before = self.people[before as usize].entry.next;
        }
        self.people[before as usize].entry.next = after;
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let mut seeker = Seeker {
            place,
            range,
            point: point(place),
            reach_m: range.metres(),
            best: Best {
                chord_sq: f64::INFINITY,
                turn: u64::MAX,
                who: NOBODY,
            },
        };
        for (index, class) in self.classes.iter().enumerate() {
            if !class.cubes.is_empty() {
                seeker.search(index + CLASS_MIN, class, &self.people);
            }
        }
        (seeker.best.who != NOBODY).then_some(seeker.best.who)
    }
}
