//! What the lobby keeps of one session.

use super::Profile;
use crate::geo::{Place, Range};
use crate::matching::{RecentPartners, TicketId};
use crate::moment::Moment;
use std::fmt;
use std::time::Duration;

slotmap::new_key_type! {
    /// Names a session in its lobby. Never used again for another session.
    pub struct SessionId;
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", slotmap::Key::data(self).as_ffi())
    }
}

/// Names a chat. Opaque, and different for each chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChatId(pub(super) u64);

#[cfg(test)]
impl ChatId {
    pub(crate) fn for_tests(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One session: its state, and what outlasts a state.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: State,
    /// What it waits for, or last waited for; `Next` takes it up again.
    pub(super) criteria: Option<Box<Criteria>>,
    /// Whom it has met lately. Empty while waiting: then the ticket has them.
    pub(super) recent: RecentPartners<SessionId>,
    /// Whether it has had a chat, so that `Next` makes sense.
    pub(super) has_chatted: bool,
    /// When the lobby looks at it next; always what [`Session::next_deadline`] said last.
    pub(super) deadline: Option<Moment>,
}

/// Where in its life a session is. Between waiting and chatting lies the confirming of a match, which
/// needs both connections to be heard from; until then a pair goes straight from one to the other in
/// `Lobby::pair`, the only place that makes chats.
#[derive(Debug)]
pub(super) enum State {
    Idle {
        /// When the first message must have come; `None` once it has.
        first_message_by: Option<Moment>,
    },
    Waiting(Waiting),
    Chatting(Chatting),
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: TicketId,
    pub(super) since: Moment,
    pub(super) give_up_at: Option<Moment>,
    pub(super) expires_at: Moment,
    /// When a cool-off with somebody ends who may be waiting too.
    pub(super) look_again_at: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Chatting {
    pub(super) partner: SessionId,
}

/// What somebody waits for, with the position already snapped.
#[derive(Debug, Clone)]
pub(super) struct Criteria {
    pub(super) place: Place,
    pub(super) range: Range,
    pub(super) range_max: Option<Range>,
    pub(super) profile: Profile,
    pub(super) give_up: Option<Duration>,
}

/// A state's word, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateName {
    /// Neither waiting nor chatting.
    Idle,
    /// In the waiting room.
    Waiting,
    /// In a chat.
    Chatting,
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Chatting => "in a chat",
        })
    }
}

impl Session {
    pub(super) fn new(first_message_by: Moment) -> Self {
        Self {
            state: State::Idle {
                first_message_by: Some(first_message_by),
            },
            criteria: None,
            recent: RecentPartners::default(),
            has_chatted: false,
            deadline: None,
        }
    }

    pub(super) fn state_name(&self) -> StateName {
        match self.state {
            State::Idle { .. } => StateName::Idle,
            State::Waiting(_) => StateName::Waiting,
            State::Chatting(_) => StateName::Chatting,
        }
    }

    /// When the lobby must look at this session without being told anything.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Idle { first_message_by } => *first_message_by,
            State::Waiting(waiting) => [waiting.give_up_at, waiting.look_again_at]
                .into_iter()
                .flatten()
                .chain([waiting.expires_at])
                .min(),
            State::Chatting(_) => None,
        }
    }
}
