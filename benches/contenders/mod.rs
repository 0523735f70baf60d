//! The waiting room and its rivals behind one interface, so that the same people do the same things in
//! each. All who can give the same answers; the bench checks that before it times anything, and says of
//! the others how often they are wrong.
//!
//! A new one is a file here, and a line in [`for_each_contender`].

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each bench uses a part of it"
)]

mod geohash_buckets;
mod h3_cells;
mod kd_tree;
mod own_tree;
mod plain_rstar;
mod range_grid;
mod rstar_4d;
mod scan;
mod this_room;
mod world;

use whisperchat::geo::{Place, Range};

pub(crate) use geohash_buckets::GeohashBuckets;
pub(crate) use h3_cells::H3Cells;
pub(crate) use kd_tree::KdTree;
pub(crate) use own_tree::OwnTree;
pub(crate) use plain_rstar::PlainRstar;
pub(crate) use range_grid::RangeGrid;
pub(crate) use rstar_4d::Rstar4d;
pub(crate) use scan::Scan;
pub(crate) use this_room::ThisRoom;
pub(crate) use world::{World, error_rate};

/// Somebody in a crowd, by index.
pub(crate) type PersonId = u32;

/// Something that finds the nearest person within reach both ways.
pub(crate) trait Contender: Default {
    /// Its name in tables and plots.
    const NAME: &'static str;

    /// Whether its answers are always those of the scan.
    const IS_EXACT: bool = true;

    /// Rooms of more people are not timed.
    const SIZE_MAX: usize = usize::MAX;

    /// Why it can't be filled with people of the crowd of this name, if it can't.
    fn cannot_hold(_crowd: &str) -> Option<&'static str> {
        None
    }

    /// Lets somebody wait, behind everybody else.
    fn insert(&mut self, who: PersonId, place: Place, range: Range);

    /// Takes somebody out who waits.
    fn remove(&mut self, who: PersonId);

    /// Moves somebody who waits or changes their range. Those who can't do it in place take them out and
    /// let them in again, behind everybody else.
    fn change(&mut self, who: PersonId, place: Place, range: Range) {
        self.remove(who);
        self.insert(who, place, range);
    }

    /// Who is nearest of those within reach both ways; at equal distance, who has waited longest.
    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId>;
}

/// Calls a function that is generic over a contender for each of them in turn, this room first.
macro_rules! for_each_contender {
    ($function:ident $arguments:tt) => {
        $crate::contenders::for_each_contender!(@call $function $arguments:
            ThisRoom OwnTree RangeGrid PlainRstar Rstar4d KdTree H3Cells GeohashBuckets Scan)
    };
    (@call $function:ident $arguments:tt: $($contender:ident)*) => {
        $($function::<$crate::contenders::$contender> $arguments;)*
    };
}
pub(crate) use for_each_contender;

/// The names of all of them, in the same order.
pub(crate) fn names() -> Vec<&'static str> {
    fn push<C: Contender>(names: &mut Vec<&'static str>) {
        names.push(C::NAME);
    }
    let mut names = Vec::new();
    for_each_contender!(push(&mut names));
    names
}
