//! What the lobby tells sessions, and what it asks of whoever drives it.

use super::{ChatId, Partner, SessionId, StateName};
use crate::geo::Range;
use crate::matching::Nearby;
use compact_str::CompactString;

/// The name a client gave its message, to find the answer by. 1–64 characters, opaque.
pub type MessageId = CompactString;

/// What the lobby wants done. To be carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell a session something.
    Tell {
        /// Whom.
        to: SessionId,
        /// What.
        event: Event,
        /// The message that this is the direct answer to, if it has a name.
        answers: Option<MessageId>,
    },
    /// Let two sessions talk.
    OpenChat {
        /// The new chat.
        chat: ChatId,
        /// The two.
        between: [SessionId; 2],
    },
    /// Two sessions talk no longer; nothing that is said from now on is accepted.
    CloseChat {
        /// The two.
        between: [SessionId; 2],
    },
    /// End a session's connection, after everything it has been told.
    Close {
        /// Whose.
        session: SessionId,
        /// Why.
        farewell: Farewell,
    },
}

/// Why the lobby ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Nothing was said within the time allowed.
    NoFirstMessage,
    /// The server stops.
    GoingAway,
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
        /// Whether this comes after a partner was lost before the chat began.
        requeued: bool,
    },
    /// The session has a partner.
    Matched {
        /// The chat's name.
        chat: ChatId,
        /// Who the partner is.
        partner: Partner,
        /// How far away.
        distance: Distance,
    },
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
    /// The server stops; the connection ends in a moment.
    GoingAway {
        /// When to come back.
        reconnect_after_ms: u64,
    },
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
    /// The connection was lost.
    Lost,
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
