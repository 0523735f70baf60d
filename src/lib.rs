#![doc = "WhisperChat pairs people who are each within the other's range."]

pub mod cli;
pub mod config;
pub mod conversation;
pub mod dialect;
pub mod geo;
pub mod lobby;
pub mod matching;
pub mod moment;
pub mod private;
pub mod server;
pub mod swarm;
