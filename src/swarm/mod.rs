//! Load: crowds of people to test, measure and drive the server with.
//!
//! In goes a seed, out come people, each with a position and a range, as many as are asked for:
//! [`Crowd`] draws them, most of its kinds from the world's [`cities`]. Tests, benches and load use the
//! same crowds, so that a figure from one can be compared with another. Nothing here is to be used for
//! serving people.

mod cities;
mod crowd;

pub use cities::{City, cities};
pub use crowd::{Crowd, Person, RANGES_KM};
