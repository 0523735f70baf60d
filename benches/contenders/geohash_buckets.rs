//! Geohash buckets with the `geohash` crate, as many services find who is near: positions as strings in a
//! sorted map, where those of one cell share a prefix, and a search in the seeker's cell and the eight
//! around it, from fine cells to coarse ones.
//!
//! Cells are as many degrees wide everywhere, so they shrink to nothing at the poles, and the neighbour of
//! the northernmost cells to the north are the southernmost. What is beyond a pole is missed, and all that
//! nine cells don't cover. The precision is chosen for the seeker's latitude, which many don't; without
//! it, as much is missed everywhere but near the equator.

use super::{Contender, PersonId};
use geohash::{Coord, encode, neighbors};
use std::collections::BTreeMap;
use whisperchat::geo::{Place, Range, is_within};

/// The precisions that are searched, in characters, with the cell's height and width in degrees: each
/// character stands for five bits, which alternate between longitude and latitude.
const PRECISIONS: [(usize, f64, f64); 7] = [
    (7, 180.0 / 131_072.0, 360.0 / 262_144.0),
    (6, 180.0 / 32_768.0, 360.0 / 32_768.0),
    (5, 180.0 / 4096.0, 360.0 / 8192.0),
    (4, 180.0 / 1024.0, 360.0 / 1024.0),
    (3, 180.0 / 128.0, 360.0 / 256.0),
    (2, 180.0 / 32.0, 360.0 / 32.0),
    (1, 180.0 / 4.0, 360.0 / 8.0),
];

/// How long the hashes in the map are: cells of about a metre.
const LENGTH: usize = 10;

/// The shortest degree of a meridian, in metres (at the equator), rounded down.
const DEGREE_M: f64 = 110_574.0;

type Hash = [u8; LENGTH];

#[derive(Default)]
pub(crate) struct GeohashBuckets {
    cells: BTreeMap<(Hash, PersonId), Waiting>,
    /// By person; `None` for those who don't wait.
    hashes: Vec<Option<Hash>>,
    next_turn: u64,
}

struct Waiting {
    place: Place,
    range: Range,
    turn: u64,
}

type Best = (f64, u64, Option<PersonId>);

fn coord(place: &Place) -> Coord {
    let position = place.position();
    Coord {
        x: position.lon_deg(),
        y: position.lat_deg(),
    }
}

fn hash(place: &Place) -> Hash {
    let text = encode(coord(place), LENGTH).expect("positions are in bounds");
    text.as_bytes()
        .try_into()
        .expect("as long as was asked for")
}

/// The first and the last hash that begin like this.
fn bounds(prefix: &str) -> (Hash, Hash) {
    let (mut first, mut last) = ([0; LENGTH], [u8::MAX; LENGTH]);
    first[..prefix.len()].copy_from_slice(prefix.as_bytes());
    last[..prefix.len()].copy_from_slice(prefix.as_bytes());
    (first, last)
}

/// How far nine cells reach at least from any point of the one in the middle, at this latitude.
fn covered_m(lat_deg: f64, height_deg: f64, width_deg: f64) -> f64 {
    // A cell further towards the pole is narrower. Beyond the pole there is nothing.
    let outer_deg = (lat_deg.abs() + 2.0 * height_deg).min(90.0);
    let width_m = width_deg * DEGREE_M * outer_deg.to_radians().cos();
    width_m.min(height_deg * DEGREE_M)
}

impl GeohashBuckets {
    fn search(&self, cell: &str, place: &Place, range: Range, mut best: Best) -> Best {
        let (first, last) = bounds(cell);
        let in_cell = self.cells.range((first, 0)..=(last, PersonId::MAX));
        for ((_, who), other) in in_cell {
            let chord_sq = place.chord_sq(&other.place);
            if (chord_sq, other.turn) < (best.0, best.1)
                && is_within(place, &other.place, range.min(other.range))
            {
                best = (chord_sq, other.turn, Some(*who));
            }
        }
        best
    }
}

impl Contender for GeohashBuckets {
    const NAME: &'static str = "geohash buckets";

    const IS_EXACT: bool = false;

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        if self.hashes.len() <= who as usize {
            self.hashes.resize(who as usize + 1, None);
        }
        let hash = hash(&place);
        self.hashes[who as usize] = Some(hash);
        let turn = self.next_turn;
        self.next_turn += 1;
        self.cells
            .insert((hash, who), Waiting { place, range, turn });
    }

    fn remove(&mut self, who: PersonId) {
        let hash = self.hashes[who as usize].take();
        let removed = self
            .cells
            .remove(&(hash.expect("who leaves has waited"), who));
        assert!(removed.is_some(), "who waits is in a cell");
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let lat_deg = place.position().lat_deg();
        let mut best = (f64::INFINITY, u64::MAX, None);
        for (precision, height_deg, width_deg) in PRECISIONS {
            let covered_m = covered_m(lat_deg, height_deg, width_deg);
            let here = encode(coord(place), precision).expect("positions are in bounds");
            let around = neighbors(&here).expect("a hash that was just made");
            let mut cells = [
                here, around.n, around.ne, around.e, around.se, around.s, around.sw, around.w,
                around.nw,
            ];
            // Near a pole, and of the coarsest, some are the same.
            cells.sort_unstable();
            for (index, cell) in cells.iter().enumerate() {
                if index == 0 || cells[index - 1] != *cell {
                    best = self.search(cell, place, range, best);
                }
            }
            if covered_m >= range.metres() || best.0 <= covered_m * covered_m {
                break;
            }
        }
        best.2
    }
}
