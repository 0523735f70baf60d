//! The life of every session, from the first connection to the last: idle → waiting → chatting → idle.
//!
//! One state machine without I/O. In come `(now, session, command)`, out come [`Effect`]s: events to tell
//! sessions, chats to open and close, connections to end. It never sees a socket, a clock or a source of
//! randomness of its own. The contract with whoever drives it: **make one change, then drain
//! [`Lobby::poll_effect`], then make the next; and call [`Lobby::handle_timeout`] when
//! [`Lobby::poll_timeout`] says so.**
//!
//! The messages of a chat don't come through here; they are the [`conversation`](crate::conversation)'s.

mod command;
mod deadlines;
mod event;
mod machine;
mod profile;
mod session;

pub use command::{Command, Join, Update};
pub use event::{
    Distance, Effect, Event, Farewell, IdleReason, MessageId, PartnerLeftReason, Refusal,
};
pub use machine::{Lobby, Settings};
pub use profile::{Name, Partner, Profile};
pub use session::{ChatId, SessionId, StateName};
