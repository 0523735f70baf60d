//! The rules once more, the slow way: what the fast rooms are held against.
//!
//! Nothing here calls the code it is compared with. Coordinates and distances are worked out anew
//! ([`earth`]), the nearest is found by looking at everybody ([`nearest`]), and a waiting room is a list
//! ([`room`]).
#![allow(dead_code, reason = "each test and fuzz target uses its part of this")]

pub(crate) mod earth;
pub(crate) mod nearest;
pub(crate) mod room;
pub(crate) mod wire;
