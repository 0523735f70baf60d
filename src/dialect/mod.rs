//! What is said on the wire: bytes ↔ commands and events, one file for each dialect.
//!
//! [`v1`] is for everything new, [`classic`] for the app of the original server. Both are pure: text in,
//! requests or refusals out; events in, text out. A new dialect is a new file and an arm in [`Speaker`].

pub mod classic;
mod close;
mod field;
pub mod v1;

use crate::conversation::ConversationError;
use crate::lobby::{Event, MessageId, Refusal, Resumed};
use std::borrow::Cow;

pub use close::CloseCode;

/// The longest text of one message, in Unicode characters.
pub const TEXT_MAX_CHARS: usize = 2000;

/// The longest sentence that somebody is told why a text was refused, in Unicode characters.
const REFUSED_WHY_MAX_CHARS: usize = 200;

/// The bounds that the operator sets; everything else is fixed by the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The smallest range that is accepted, in km.
    pub range_min_km: f64,
    /// The largest range that is accepted, in km.
    pub range_max_km: f64,
}

/// Which dialect a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON messages with acknowledgements, for everything new.
    V1,
    /// The dialect of the original server's app.
    Classic,
}

impl Dialect {
    /// The code to close with when somebody is banned, or an operator ended their session.
    pub fn removed_code(self) -> CloseCode {
        match self {
            Self::V1 => CloseCode::Banned,
            Self::Classic => CloseCode::Policy,
        }
    }
}

/// The codes of the `error` message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not a JSON object.
    BadJson,
    /// No such message.
    UnknownType,
    /// A field is missing, of the wrong type or out of bounds.
    BadField,
    /// Not possible in the session's state.
    WrongState,
    /// Too much in too short a time.
    RateLimited,
    /// No such thing in this session.
    NotFound,
    /// The token is not, or no longer, good for anything.
    BadToken,
}

/// A refusal on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct WireError {
    /// What kind of error, for programs.
    pub code: ErrorCode,
    /// A sentence that a developer understands.
    pub message: Cow<'static, str>,
    /// The name of the message that was refused.
    pub answers: Option<MessageId>,
    /// When it would be possible, if waiting helps.
    pub retry_after_ms: Option<u64>,
}

impl WireError {
    /// A refusal of the message of this name.
    pub fn new(
        code: ErrorCode,
        message: impl Into<Cow<'static, str>>,
        answers: Option<MessageId>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            answers,
            retry_after_ms: None,
        }
    }

    /// The lobby refused a command.
    pub fn from_refusal(refusal: &Refusal, answers: Option<MessageId>) -> Self {
        let (code, retry_after_ms) = match refusal {
            Refusal::WrongState { .. } | Refusal::TooManyBlocked(_) => {
                (ErrorCode::WrongState, None)
            }
            Refusal::RangeMaxBelowRange { .. } => (ErrorCode::BadField, None),
            Refusal::MovedTooFast { retry_after_ms } => {
                (ErrorCode::RateLimited, Some(*retry_after_ms))
            }
            Refusal::NoSuchChat => (ErrorCode::NotFound, None),
            Refusal::BadToken => (ErrorCode::BadToken, None),
        };
        Self {
            retry_after_ms,
            ..Self::new(code, refusal.to_string(), answers)
        }
    }

    /// The conversation refused something.
    pub fn from_conversation(error: ConversationError, answers: Option<MessageId>) -> Self {
        let code = match error {
            ConversationError::Closed => ErrorCode::WrongState,
            ConversationError::NotSaidYet { .. } => ErrorCode::BadField,
        };
        Self::new(code, error.to_string(), answers)
    }

    /// Too much of the kind in too short a time.
    pub fn rate_limited(retry_after_ms: u64, answers: Option<MessageId>) -> Self {
        let message = "too many messages of this kind in too short a time";
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(ErrorCode::RateLimited, message, answers)
        }
    }

    /// What was said is not passed on. Of why, as whoever decided that puts it, as much is told as has room, without
    /// characters that disturb the text around it.
    pub fn text_refused(why: Option<&str>, answers: Option<MessageId>) -> Self {
        let why: String = why
            .unwrap_or_default()
            .chars()
            .filter(|char| !field::is_disturbing(*char))
            .take(REFUSED_WHY_MAX_CHARS)
            .collect();
        let message = match why.trim() {
            "" => "`text` was refused: this server passes nothing like that on".to_owned(),
            why => format!("`text` was refused: {why}"),
        };
        Self::new(ErrorCode::BadField, message, answers)
    }

    /// Something for a chat was sent outside one.
    pub fn not_in_a_chat(command: &str, answers: Option<MessageId>) -> Self {
        let message =
            format!("`{command}` is possible only in a chat; this session has no partner");
        Self::new(ErrorCode::WrongState, message, answers)
    }
}

/// Everything a connection can be told.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// The first thing on a connection.
    Welcome(&'a v1::Welcome<'a>),
    /// From the lobby.
    Lobby(&'a Event, Option<&'a MessageId>),
    /// From the lobby, that the session waits, and a guest pass to keep from now on.
    Pass {
        /// [`Event::Waiting`].
        event: &'a Event,
        /// The message that this answers, if it has a name.
        answers: Option<&'a MessageId>,
        /// The pass.
        pass: &'a str,
    },
    /// The session goes on over this connection.
    Resumed {
        /// The session.
        session: &'a str,
        /// Where it stands.
        resumed: &'a Resumed,
        /// Whether what was missed of its chat follows.
        recovered: bool,
        /// The message that this answers, if it has a name.
        answers: Option<&'a MessageId>,
    },
    /// The partner said something.
    Said {
        /// Its number.
        seq: u64,
        /// What.
        text: &'a str,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// What this side said is held for the partner.
    Accepted {
        /// The name the client gave it.
        id: Option<&'a MessageId>,
        /// Its number.
        seq: u64,
        /// What it was, if this is the first time it was accepted.
        text: Option<&'a str>,
    },
    /// The partner has seen everything up to this number.
    Delivered {
        /// The number.
        seq: u64,
    },
    /// The partner types, or has stopped.
    Typing {
        /// Which of the two.
        on: bool,
    },
    /// The client's token is good.
    Authenticated {
        /// When it expires, in milliseconds since the Unix epoch; never, if none was asked for.
        expires_at_ms: Option<u64>,
        /// The message that this answers, if it has a name.
        answers: Option<&'a MessageId>,
    },
    /// Something was refused.
    Error(&'a WireError),
}

/// What came of putting something into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// One text frame's payload was written.
    Frame,
    /// The dialect has no word for it; nothing was written.
    Nothing,
    /// The dialect can only say it by ending the connection.
    HangUp(CloseCode, &'static str),
}

/// One connection's side of the dialect: encodes what it is told, and knows what it must remember for it.
#[derive(Debug)]
pub enum Speaker {
    /// Needs no memory.
    V1,
    /// Repeats who is who in every frame.
    Classic(Box<classic::Speaker>),
}

impl Speaker {
    /// For a connection that speaks this dialect.
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::V1 => Self::V1,
            Dialect::Classic => Self::Classic(Box::default()),
        }
    }

    /// Appends the payload of one text frame to `out`, or nothing.
    pub fn speak(&mut self, outgoing: Outgoing<'_>, out: &mut Vec<u8>) -> Spoken {
        match self {
            Self::V1 => {
                v1::encode(outgoing, out);
                Spoken::Frame
            }
            Self::Classic(speaker) => speaker.speak(outgoing, out),
        }
    }

    /// The code to close with when the server stops.
    pub fn going_away_code(&self) -> CloseCode {
        match self {
            Self::V1 => CloseCode::GoingAway,
            Self::Classic(_) => CloseCode::Away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_text_was_refused_is_told_in_plain_text_that_has_an_end() {
        let told = |why| WireError::text_refused(why, None).message;
        assert_eq!(
            told(Some(" No \u{202e}numbers,\n please. ")),
            "`text` was refused: No numbers, please."
        );
        for nothing in [None, Some(""), Some("\n")] {
            assert_eq!(
                told(nothing),
                "`text` was refused: this server passes nothing like that on"
            );
        }
        let long = told(Some(&"é".repeat(10_000)));
        assert_eq!(long.matches('é').count(), REFUSED_WHY_MAX_CHARS);
    }
}
