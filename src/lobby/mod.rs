//! The life of every session, from the first connection to the last: idle → waiting → confirming →
//! chatting → idle.
//!
//! One state machine without I/O. In come `(now, session, command)`, out come [`Effect`]s: events to tell
//! sessions, chats to open and close, connections to probe and to end. It never sees a socket, a clock or a
//! source of randomness of its own. The contract with whoever drives it: **make one change, then drain
//! [`Lobby::poll_effect`], then make the next; and call [`Lobby::handle_timeout`] when
//! [`Lobby::poll_timeout`] says so.**
//!
//! The messages of a chat don't come through here; they are the [`conversation`](crate::conversation)'s.
//!
//! - `machine`: what comes in, and which part answers it
//! - `waiting`: joining, changing, widening, giving up
//! - `pairing`: a match from being found to being shown, or undone
//! - `chatting`: the end of chats, blocks, reports
//! - `absence`: connections lost and sessions resumed; the stop
//! - `portrait`: what operators may know of one session

mod absence;
mod chatting;
mod command;
mod deadlines;
mod estimate;
mod event;
mod machine;
mod pairing;
mod portrait;
mod profile;
mod session;
mod tally;
mod token;
mod waiting;

pub use command::{Command, Join, Report, ReportReason, Seen, Update};
pub use estimate::Estimate;
pub use event::{
    Distance, Effect, Event, Farewell, IdleReason, Matched, MessageId, PartnerLeftReason, Refusal,
    Resumed,
};
pub use machine::{Departure, Lobby, Settings};
pub use portrait::Portrait;
pub use profile::{Name, Partner, Profile};
pub use session::{CHATS_REMEMBERED_MAX, ChatId, SessionId, StateName};
pub use tally::{Broken, Doing, Tally};
pub use token::ResumeToken;
