//! What clients of the two dialects say and hear.
//!
//! Written from the wire contract and sharing nothing with the server: fields may come in any order, and
//! what isn't known is passed over.

mod classic;
mod v1;

use super::people::Guest;
use std::borrow::Cow;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    Classic,
}

/// Something a client has to say.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say<'a> {
    /// To be let into the waiting room.
    Join {
        guest: &'a Guest,
        name: &'a str,
    },
    /// The number of the message in the chat is its `id` as well.
    Text {
        number: u32,
        text: &'a str,
    },
    Ack {
        seq: u32,
    },
    /// Somebody else, by the same criteria.
    Next,
    Leave,
    /// The operators should know of a chat; its last messages may be shown.
    Report {
        chat: &'a str,
    },
    Cancel,
    /// To go on with a session.
    Resume {
        token: &'a str,
        last_seq: u32,
        chat: Option<&'a str>,
    },
}

/// What a server has said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard<'a> {
    Welcome(Welcome<'a>),
    Waiting,
    Matched {
        /// Classic clients are not told.
        chat: Option<Cow<'a, str>>,
        partner: Cow<'a, str>,
    },
    Said {
        /// Classic messages are not numbered.
        seq: Option<u32>,
        /// v1 clients are not told, for it is always the partner.
        from: Option<Cow<'a, str>>,
        text: Cow<'a, str>,
    },
    Accepted {
        number: Option<u32>,
        seq: u32,
    },
    Delivered {
        seq: u32,
    },
    PartnerAway,
    PartnerBack,
    PartnerLeft,
    Idle,
    Reported,
    Resumed(Resumed<'a>),
    GoingAway {
        reconnect_after_ms: u64,
    },
    Error {
        code: Cow<'a, str>,
        /// Of the message that was refused.
        number: Option<u32>,
    },
    /// Something else that the contract allows.
    Other,
}

/// What a v1 server says first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Welcome<'a> {
    pub(super) resume_token: Cow<'a, str>,
    pub(super) range_min_km: f64,
    pub(super) range_max_km: f64,
    pub(super) grid_km: f64,
    pub(super) text_max_chars: u64,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resumed<'a> {
    pub(super) resume_token: Cow<'a, str>,
    pub(super) has_recovered: bool,
    pub(super) state: ResumedState,
    pub(super) chat: Option<Cow<'a, str>>,
    pub(super) partner: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResumedState {
    Idle,
    Waiting,
    Chatting,
}

/// What a server has said is not of the dialect: why, in a few words without what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Gibberish(&'static str);

impl Dialect {
    /// Where servers speak it.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::V1 => "/v1/ws",
            Self::Classic => "/",
        }
    }

    /// What `say` is in this dialect; `None` where it has no words for it.
    pub(super) fn text(self, say: Say<'_>) -> Option<Cow<'_, str>> {
        match self {
            Self::V1 => Some(Cow::Owned(v1::text(say))),
            Self::Classic => classic::text(say),
        }
    }

    /// # Errors
    /// [`Gibberish`] if it is not of the dialect.
    pub(super) fn read(self, text: &str) -> Result<Heard<'_>, Gibberish> {
        match self {
            Self::V1 => v1::read(text),
            Self::Classic => classic::read(text),
        }
    }
}
