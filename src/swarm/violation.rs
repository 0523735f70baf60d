//! What no server may do, as people of a run notice it.

use std::fmt;

/// A promise of the contract that was broken. People are named by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Violation {
    /// Two were matched of whom one would not go that far.
    OutOfRange {
        one: u32,
        other: u32,
        apart_km: f64,
        allowed_km: f64,
    },
    /// Matched with somebody who is not of this run.
    Stranger { who: u32 },
    /// Matched with oneself.
    Oneself { who: u32 },
    /// Matched without having asked for it.
    Unasked { who: u32 },
    /// One was told of a chat with somebody to whom another partner was shown.
    NotMutual { who: u32, partner: u32 },
    /// A message outside a chat.
    NoChat { who: u32 },
    /// A message that nobody of this run has written like that.
    Altered { who: u32 },
    /// A message from somebody other than the partner, or for somebody else.
    NotThePartner {
        who: u32,
        partner: u32,
        from: u32,
        to: u32,
    },
    /// A message again.
    Twice { who: u32, from: u32, number: u32 },
    /// `seq` does not count messages from one without gaps.
    Misnumbered { who: u32, expected: u32, seq: u32 },
    /// Messages that were said and never came.
    Missing { who: u32, from: u32, count: u32 },
    /// Something was accepted that was not next, or delivered that was not said.
    Acceptance {
        who: u32,
        number: u32,
        what: &'static str,
    },
    /// Something that the dialect does not have.
    Gibberish { who: u32, reason: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange {
                one,
                other,
                apart_km,
                allowed_km,
            } => write!(
                f,
                "{one} and {other} were matched, {apart_km:.3} km apart, where {allowed_km} km are the \
                 most that both allow"
            ),
            Self::Stranger { who } => {
                write!(f, "{who} was matched with somebody who is not of this run")
            }
            Self::Oneself { who } => write!(f, "{who} was matched with themselves"),
            Self::Unasked { who } => write!(f, "{who} was matched without waiting"),
            Self::NotMutual { who, partner } => write!(
                f,
                "{who} was matched with {partner}, to whom somebody else was shown in the same chat"
            ),
            Self::NoChat { who } => write!(f, "{who} got a message outside a chat"),
            Self::Altered { who } => {
                write!(f, "{who} got a message that nobody of this run has written")
            }
            Self::NotThePartner {
                who,
                partner,
                from,
                to,
            } => write!(
                f,
                "{who}, who talks with {partner}, got a message from {from} for {to}"
            ),
            Self::Twice { who, from, number } => {
                write!(
                    f,
                    "{who} got message {number} from {from} twice or out of order"
                )
            }
            Self::Misnumbered { who, expected, seq } => {
                write!(
                    f,
                    "{who} got a message with seq {seq} where {expected} was next"
                )
            }
            Self::Missing { who, from, count } => {
                write!(f, "{who} never got {count} message(s) from {from}")
            }
            Self::Acceptance { who, number, what } => {
                write!(f, "{who} was told of {number} as {what}, which was not so")
            }
            Self::Gibberish { who, reason } => {
                write!(
                    f,
                    "{who} was told something that is not of the dialect: {reason}"
                )
            }
        }
    }
}
