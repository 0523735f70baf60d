//! What the wire contract promises to clients that speak v1.

#[path = "../common/mod.rs"]
mod common;

mod conversation;
mod draining;
mod fields;
mod life;
mod liveness;
mod matching;
mod pressure;
mod session;

use common::Place;

const PARIS: Place = (48.8566, 2.3522);
const TOKYO: Place = (35.6762, 139.6503);
