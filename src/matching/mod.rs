//! Who is matched with whom: the waiting room and the rules of pairing.
//!
//! In come people with a place, a range and whom they have just met; out come pairs. Everything here is
//! pure: time comes in as a parameter, and nothing is known of sessions, names or sockets.
//!
//! - [`WaitingRoom`] finds the nearest person who is within reach both ways, by an R*-tree.
//! - [`Ticket`] is one person's place in it.
//! - [`Matchmaker`] adds the rules beyond distance: who avoids whom, and who was passed over too often.
//!
//! ```
//! use whisperchat::geo::{Place, Position, Range};
//! use whisperchat::matching::WaitingRoom;
//!
//! let place = |lat, lon| Position::new(lat, lon).map(Place::new);
//! let mut room = WaitingRoom::new();
//! room.insert(place(48.86, 2.35)?, Range::from_km(50.0)?, "ann");
//! room.insert(place(48.80, 2.12)?, Range::from_km(5.0)?, "bob");
//!
//! // From Versailles, Bob is nearer, but would not go as far as Saint-Germain; Ann would.
//! let seeker = (place(48.90, 2.09)?, Range::from_km(100.0)?);
//! let found = room.nearest_eligible(&seeker.0, seeker.1, |_, _| true).unwrap();
//! assert_eq!(room.get(found).unwrap().who, "ann");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acquaintances;
mod envelope;
mod matchmaker;
mod neighbourhood;
mod ticket;
mod waiting_room;

pub use acquaintances::{Acquaintances, BLOCKED_MAX, RECENT_PARTNERS_MAX, TooManyBlocked};
pub use matchmaker::{Arrival, Candidate, Matchmaker, PASSED_OVER_MAX, Pair, Withdrawn};
pub use neighbourhood::Nearby;
pub use ticket::{Ticket, TicketId};
pub use waiting_room::WaitingRoom;
