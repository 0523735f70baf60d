//! What the lobby keeps of one session.

use super::{Event, Profile, ResumeToken};
use crate::geo::{Place, Range};
use crate::matching::{Acquaintances, TicketId, Withdrawn};
use crate::moment::Moment;
use crate::pace::Pace;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many chats of a session can still be blocked or reported.
pub const CHATS_REMEMBERED_MAX: usize = 64;

slotmap::new_key_type! {
    /// Names a session in its lobby. Never used again for another session.
    pub struct SessionId;
}

impl SessionId {
    /// Reads a session's name as it was written. `None` if it never was one.
    pub fn parse(text: &str) -> Option<Self> {
        let id = u64::from_str_radix(text, 16).ok()?;
        let id = Self::from(slotmap::KeyData::from_ffi(id));
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", slotmap::Key::data(self).as_ffi())
    }
}

/// Names a chat. Opaque, and different for each chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChatId(pub(super) u64);

impl ChatId {
    /// Reads a chat's name as it was written. `None` if it never was one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex
            .then(|| u64::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }

    #[cfg(test)]
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
    pub(super) link: Link,
    /// What it waits for, or last waited for; `Next` takes it up again.
    pub(super) criteria: Option<Box<Criteria>>,
    /// What others know it by: itself, or an earlier session of the same person.
    pub(super) known_as: SessionId,
    /// Whether it meets only others of whom that is so, from the next time on that it waits.
    pub(super) is_apart: bool,
    /// Whether it is held back for a while, from the next time on that it waits.
    pub(super) is_slow: bool,
    /// Whom it should not meet, by what they are known as. Empty while waiting: then the ticket has them.
    pub(super) known: Acquaintances<SessionId>,
    /// Its last chats and with whom, by what they are known as, oldest first; at most
    /// [`CHATS_REMEMBERED_MAX`].
    pub(super) chats: VecDeque<(ChatId, SessionId)>,
    pub(super) token: ResumeToken,
    pub(super) moves: Moves,
    /// When the lobby looks at it next; always what [`Session::next_deadline`] said last.
    pub(super) deadline: Option<Moment>,
}

/// A session's connection.
#[derive(Debug)]
pub(super) enum Link {
    /// There is one.
    Connected {
        /// Whether the session waits for another connection when this one is lost.
        is_resumable: bool,
        /// When the server ends it, if the server stops.
        drains_at: Option<Moment>,
    },
    /// It was lost; another one may take its place.
    Away {
        /// When the session is given up.
        until: Moment,
        /// How it became idle in the meantime, if it did.
        missed: Option<Event>,
    },
}

/// Where in its life a session is.
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
    pub(super) stand: Stand,
    /// The ticket while it is not in the room: always, unless `stand` is [`Stand::InRoom`].
    pub(super) withdrawn: Option<Box<Withdrawn<SessionId>>>,
    pub(super) since: Moment,
    /// When it comes into the room: at once, or after a while if it is held back.
    pub(super) enters_at: Moment,
    pub(super) give_up_at: Option<Moment>,
    pub(super) expires_at: Moment,
    /// When the range is widened next.
    pub(super) widen_at: Option<Moment>,
    /// The range in force: between that of the criteria and its limit.
    pub(super) range: Range,
}

/// Where somebody stands who waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stand {
    /// In the waiting room, to be found.
    InRoom {
        ticket: TicketId,
        /// When a cool-off with somebody ends who may be waiting too.
        look_again_at: Option<Moment>,
    },
    /// A partner was found, and both connections must be heard from before either is told.
    Confirming(Confirming),
    /// Not in the room before it is time for that. Nobody is told.
    HeldBack,
    /// Away, so nobody could be matched with them; but their turn is kept.
    Suspended,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Confirming {
    pub(super) partner: SessionId,
    pub(super) is_heard: bool,
    /// The same for both.
    pub(super) by: Moment,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Chatting {
    pub(super) chat: ChatId,
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

/// What limits how somebody moves.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) often: Pace,
    pub(super) far: Pace,
}

/// A state's word, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateName {
    /// Neither waiting nor chatting.
    Idle,
    /// Waiting for a partner; also while a match is being confirmed.
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
    pub(super) fn new(
        id: SessionId,
        token: ResumeToken,
        is_resumable: bool,
        first_message_by: Moment,
    ) -> Self {
        Self {
            state: State::Idle {
                first_message_by: Some(first_message_by),
            },
            link: Link::Connected {
                is_resumable,
                drains_at: None,
            },
            criteria: None,
            known_as: id,
            is_apart: false,
            is_slow: false,
            known: Acquaintances::default(),
            chats: VecDeque::new(),
            token,
            moves: Moves::default(),
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

    pub(super) fn is_away(&self) -> bool {
        matches!(self.link, Link::Away { .. })
    }

    /// When the server ends its connection, if the server stops.
    pub(super) fn drains_at(&self) -> Option<Moment> {
        match self.link {
            Link::Connected { drains_at, .. } => drains_at,
            Link::Away { .. } => None,
        }
    }

    /// The criteria of a session that waits or has waited.
    pub(super) fn criteria(&self) -> &Criteria {
        self.criteria.as_ref().expect("who waits has criteria")
    }

    /// The waiting of a session that waits.
    pub(super) fn waiting_mut(&mut self) -> &mut Waiting {
        match &mut self.state {
            State::Waiting(waiting) => waiting,
            other => unreachable!("waiting, not {other:?}"),
        }
    }

    pub(super) fn confirming(&self) -> Option<Confirming> {
        match &self.state {
            State::Waiting(Waiting {
                stand: Stand::Confirming(confirming),
                ..
            }) => Some(*confirming),
            _ => None,
        }
    }

    pub(super) fn remember_chat(&mut self, chat: ChatId, partner: SessionId) {
        if self.chats.len() == CHATS_REMEMBERED_MAX {
            self.chats.pop_front();
        }
        self.chats.push_back((chat, partner));
    }

    /// With whom a chat was, by what they are known as.
    pub(super) fn partner_in(&self, chat: ChatId) -> Option<SessionId> {
        self.chats
            .iter()
            .find(|(known, _)| *known == chat)
            .map(|(_, partner)| *partner)
    }

    /// When the lobby must look at this session without being told anything.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let of_link = match self.link {
            Link::Connected { .. } => self.drains_at(),
            Link::Away { until, .. } => Some(until),
        };
        of_link.into_iter().chain(self.state.next_deadline()).min()
    }
}

impl State {
    /// Idle, after something was said.
    pub(super) const IDLE: Self = Self::Idle {
        first_message_by: None,
    };

    fn next_deadline(&self) -> Option<Moment> {
        match self {
            Self::Idle { first_message_by } => *first_message_by,
            Self::Waiting(waiting) => Some(waiting.next_deadline()),
            Self::Chatting(_) => None,
        }
    }
}

impl Waiting {
    fn next_deadline(&self) -> Moment {
        let more = match self.stand {
            // A match that is being confirmed comes first; the rest is looked at after it.
            Stand::Confirming(confirming) => return confirming.by,
            Stand::InRoom { look_again_at, .. } => [look_again_at, self.widen_at],
            Stand::HeldBack => [Some(self.enters_at), self.widen_at],
            Stand::Suspended => [None, None],
        };
        more.into_iter()
            .chain([self.give_up_at])
            .flatten()
            .fold(self.expires_at, Moment::min)
    }
}
