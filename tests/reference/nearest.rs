//! Who is to be taken: the nearest within reach both ways, and of those at the same place the one who has
//! waited longest.

use super::earth::{Degrees, Reach, chord_m, reach};
use std::fmt::Debug;

/// Straight lines that differ by less than this, in metres, may be found equal or not: coordinates are
/// known to a few nanometres.
const TIE_M: f64 = 1e-7;

/// Somebody as the rules see them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<Id> {
    pub(crate) id: Id,
    pub(crate) at: Degrees,
    pub(crate) range_m: f64,
    /// Lower has waited longer.
    pub(crate) turn: u64,
}

/// Whether two are within reach of each other.
pub(crate) fn mutual_reach<A, B>(a: &Standing<A>, b: &Standing<B>) -> Reach {
    reach(a.at, b.at, a.range_m.min(b.range_m))
}

/// Whether `chosen` is a right answer to who of `others` is to be taken for `seeker`.
///
/// # Errors
/// A sentence that says why not.
pub(crate) fn check_choice<A, Id: Copy + PartialEq + Debug>(
    seeker: &Standing<A>,
    others: &[Standing<Id>],
    chosen: Option<Id>,
) -> Result<(), String> {
    let surely_within = || {
        others
            .iter()
            .filter(|other| mutual_reach(seeker, other) == Reach::Within)
    };
    let distance_m = |other: &Standing<Id>| chord_m(seeker.at, other.at);
    let Some(chosen) = chosen else {
        return match surely_within().next() {
            None => Ok(()),
            Some(other) => Err(format!("nobody was taken, though {other:?} could be")),
        };
    };
    let Some(taken) = others.iter().find(|other| other.id == chosen) else {
        return Err(format!("{chosen:?} was taken, who is not eligible"));
    };
    if mutual_reach(seeker, taken) == Reach::Beyond {
        return Err(format!("{taken:?} was taken from out of reach"));
    }
    let better = surely_within().find(|other| {
        distance_m(other) < distance_m(taken) - TIE_M
            || (other.at == taken.at && other.turn < taken.turn)
    });
    match better {
        None => Ok(()),
        Some(better) => Err(format!("{taken:?} was taken before {better:?}")),
    }
}
