//! WhisperChat pairs people who are near each other, by each one's own idea of near, and lets them talk.
//!
//! A client connects by WebSocket, says where it is and how far it would go, and waits. As soon as two
//! waiting clients are each within the *other's* range they are matched and chat in private, until one
//! leaves.
//!
//! # The rooms
//! ```text
//! socket → connection → dialect (decode) → Command ─┬→ Lobby ───────→ Event → dialect (encode) → outbox → socket
//!                                                   └→ Conversation ──────────┘
//! ```
//! - [`geo`]: positions, distances, the privacy grid
//! - [`matching`]: the waiting room (an R*-tree pruned by both sides' ranges) and the rules of pairing
//! - [`lobby`]: the life of every session, one state machine without I/O
//! - [`conversation`]: what two people say: numbers, acknowledgements
//! - [`dialect`]: bytes ↔ commands and events
//! - [`accounts`]: people who look after the server: what they may do, and how they prove who they are
//! - [`store`]: what must outlast the process, in a database
//! - [`server`]: sockets, HTTP, frames; the thin shell
//! - [`config`], [`cli`]: settings and the command line
//! - [`swarm`]: crowds to test and measure with, and the load generator
//!
//! All but the last five are pure: no clock, no socket, no randomness of their own. [`matching`] and [`geo`]
//! are of use without a server:
//!
//! ```
//! use whisperchat::geo::{Place, Position, Range};
//! use whisperchat::matching::WaitingRoom;
//!
//! let mut room = WaitingRoom::new();
//! room.insert(Place::new(Position::new(48.86, 2.35)?), Range::from_km(50.0)?, "ann");
//! let bob = Place::new(Position::new(48.80, 2.12)?);
//! let found = room.nearest_eligible(&bob, Range::from_km(20.0)?, |_, _| true);
//! assert_eq!(room.get(found.unwrap()).unwrap().who, "ann");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod accounts;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod dialect;
pub mod distribution;
pub mod geo;
pub mod lobby;
pub mod matching;
pub mod moment;
pub mod pace;
pub mod private;
pub mod server;
mod signatures;
pub mod store;
pub mod swarm;
