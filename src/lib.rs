#![doc = "WhisperChat pairs people who are each within the other's range."]

pub mod geo;
pub mod matching;
pub mod moment;
pub mod swarm;
