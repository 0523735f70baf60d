//! What the lobby tells sessions, and what it asks of whoever drives it.

use super::{ChatId, Estimate, Partner, Report, ResumeToken, Seen, SessionId, StateName};
use crate::geo::Range;
use crate::matching::{Acquaintances, Nearby};
use compact_str::CompactString;

/// The name a client gave its message, to find the answer by. 1–64 characters, opaque.
pub type MessageId = CompactString;

/// What the lobby wants done. To be carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell a session something, over the connection that it has.
    Tell {
        /// Whom.
        to: SessionId,
        /// What.
        event: Event,
        /// The message that this is the direct answer to, if it has a name.
        answers: Option<MessageId>,
    },
    /// Find out whether a session's connection is alive: call [`heard`](super::Lobby::heard) as soon as
    /// anything has come from it within [`Settings::heard_within`](super::Settings), and ping it if
    /// nothing has.
    Probe {
        /// Whose.
        session: SessionId,
    },
    /// Let two sessions talk.
    OpenChat {
        /// The new chat.
        chat: ChatId,
        /// The two.
        between: [SessionId; 2],
        /// How long each of them had waited.
        waited_ms: [u64; 2],
        /// How long ago they were found for each other.
        confirmed_ms: u64,
    },
    /// Two sessions talk no longer; nothing that is said from now on is accepted. What one who is away has
    /// not seen yet is kept until it comes back or is forgotten.
    CloseChat {
        /// The two.
        between: [SessionId; 2],
    },
    /// A session is resumed: the connection of `fresh`, a session that exists no more, is its own from now
    /// on. It is to be told so, and then what it has missed of its chat.
    Resume {
        /// The session.
        session: SessionId,
        /// Whose connection it takes over.
        fresh: SessionId,
        /// What the client has seen.
        seen: Seen,
        /// What it is told.
        resumed: Resumed,
        /// The message that this is the direct answer to, if it has a name.
        answers: Option<MessageId>,
    },
    /// End a session's connection, after everything it has been told. The lobby hears no more of it.
    Close {
        /// Whose.
        session: SessionId,
        /// Why.
        farewell: Farewell,
    },
    /// A session exists no more; whatever is kept for it can go.
    Forget {
        /// Which.
        session: SessionId,
        /// What others know it by.
        known_as: SessionId,
        /// Whom it knows, should the same person come again.
        known: Acquaintances<SessionId>,
        /// Whether it was ever in a chat, so that somebody may know it.
        has_met: bool,
    },
    /// Somebody reports a partner. To be answered by [`Event::Reported`] as soon as that is safe.
    Report {
        /// Who.
        by: SessionId,
        /// Whom, by what they are known as. Their session may be over.
        of: SessionId,
        /// What.
        report: Report,
        /// The name of the message that this was.
        answers: Option<MessageId>,
    },
}

/// Why the lobby ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Nothing was said within the time allowed.
    NoFirstMessage,
    /// It did not answer when it was to be matched.
    NoPong,
    /// Its session goes on over another connection.
    Replaced,
    /// The server stops.
    GoingAway,
    /// An operator ended its session.
    Removed,
}

/// Something a session is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The session waits.
    Waiting {
        /// The range in force.
        range: Range,
        /// How long already.
        waited_ms: u64,
        /// How many others wait around there.
        nearby: Nearby,
        /// How long it usually takes around there, if that is known.
        estimate: Option<Estimate>,
        /// Whether this comes after a partner was lost before the chat began.
        requeued: bool,
    },
    /// The session has a partner.
    Matched(Matched),
    /// The partner's connection was lost, and may come back.
    PartnerAway,
    /// The partner's connection has come back.
    PartnerBack,
    /// The partner has gone; the session is idle.
    PartnerLeft {
        /// Why.
        reason: PartnerLeftReason,
    },
    /// The session is idle.
    Idle {
        /// Why.
        reason: IdleReason,
    },
    /// The partner of this chat is never met again.
    Blocked {
        /// Which chat.
        chat: ChatId,
    },
    /// The operators were told of this chat.
    Reported {
        /// Which chat.
        chat: ChatId,
    },
    /// The server stops; the connection ends in a moment.
    GoingAway {
        /// When to come back.
        reconnect_after_ms: u64,
    },
}

/// With whom a session has been matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The chat's name.
    pub chat: ChatId,
    /// Who the partner is.
    pub partner: Partner,
    /// How far away.
    pub distance: Distance,
}

/// What a session is told that goes on over a new connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumed {
    /// In which state it is.
    pub state: StateName,
    /// What resumes it next time.
    pub token: ResumeToken,
    /// Its chat, if it is in one.
    pub matched: Option<Matched>,
}

/// How far away a partner is, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// Under 10 km.
    Near,
    /// Under 100 km.
    Region,
    /// 100 km and more.
    Far,
}

impl From<f64> for Distance {
    /// From a distance in metres.
    fn from(metres: f64) -> Self {
        if metres < 10_000.0 {
            Self::Near
        } else if metres < 100_000.0 {
            Self::Region
        } else {
            Self::Far
        }
    }
}

/// Why a partner has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartnerLeftReason {
    /// On purpose.
    Left,
    /// The connection was lost and has not come back in time.
    Lost,
    /// It does not want to meet this session again.
    Blocked,
    /// An operator ended its session.
    Removed,
}

/// Why a session is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleReason {
    /// It asked to stop waiting.
    Cancelled,
    /// It left its chat.
    Left,
    /// It waited as long as it wanted to.
    GaveUp,
    /// It waited as long as anybody may.
    Expired,
}

/// Why a command was refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The command does not fit the session's state.
    #[error("`{command}` is possible only when {allowed}; this session is {state}")]
    WrongState {
        /// The command.
        command: &'static str,
        /// In which states it is possible.
        allowed: &'static str,
        /// The state the session is in.
        state: StateName,
    },
    /// The largest range is below the range.
    #[error("`max_range_km` must be at least `range_km`, which is {range_km}")]
    RangeMaxBelowRange {
        /// The range in force.
        range_km: f64,
    },
    /// The session has moved too often or too far.
    #[error("a position can't change so often, and for long no faster than an airliner flies")]
    MovedTooFast {
        /// When this move would be possible.
        retry_after_ms: u64,
    },
    /// The chat is none of this session's, or one of long ago.
    #[error("`chat` must be one of this session's last {chats_max} chats", chats_max = super::CHATS_REMEMBERED_MAX)]
    NoSuchChat,
    /// The session has blocked too many others.
    #[error(transparent)]
    TooManyBlocked(#[from] crate::matching::TooManyBlocked),
    /// The token is not, or no longer, good for anything.
    #[error(
        "this token resumes nothing: it was used before, its time is over, or it never was one"
    )]
    BadToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_words() {
        let cases = [
            (0.0, Distance::Near),
            (9_999.9, Distance::Near),
            (10_000.0, Distance::Region),
            (99_999.9, Distance::Region),
            (100_000.0, Distance::Far),
            (2e7, Distance::Far),
        ];
        for (metres, expected) in cases {
            assert_eq!(Distance::from(metres), expected, "{metres}");
        }
    }
}
