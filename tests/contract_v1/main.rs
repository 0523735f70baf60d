//! What the wire contract promises to clients that speak v1.

#[path = "../common/mod.rs"]
mod common;

mod blocks;
mod confirming;
mod conversation;
mod draining;
mod fairness;
mod fields;
mod life;
mod liveness;
mod matching;
mod moves;
mod pressure;
mod resume;
mod session;
mod widening;

use common::Place;

const PARIS: Place = (48.8566, 2.3522);
const TOKYO: Place = (35.6762, 139.6503);
