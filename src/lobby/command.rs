//! What a session can ask of the lobby.

use super::{ChatId, Name, Profile};
use crate::geo::{Position, Range};
use crate::private::Private;
use compact_str::CompactString;
use std::time::Duration;

/// One request of a session.
#[derive(Debug, Clone)]
pub enum Command {
    /// Wait for somebody. Only when idle.
    Join(Join),
    /// Change what was said in `Join`, keeping the place in the queue. Only while waiting.
    Update(Update),
    /// Stop waiting. Harmless when idle.
    Cancel,
    /// End the chat. Only in a chat.
    Leave,
    /// Wait again by the same criteria, ending the chat if one is going on. In a chat, or idle after one.
    Next,
    /// Never be paired again with the partner of this chat, current or past.
    Block(ChatId),
    /// Tell the operators of this chat, current or past.
    Report(Report),
}

impl Command {
    /// The word for it, as in the refusals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Update(_) => "update",
            Self::Cancel => "cancel",
            Self::Leave => "leave",
            Self::Next => "next",
            Self::Block(_) => "block",
            Self::Report(_) => "report",
        }
    }
}

/// How far a client that resumes has seen a chat of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The chat it was in when it last heard anything. If it doesn't say, the session's last.
    pub chat: Option<ChatId>,
    /// The highest number seen there; 0 for none.
    pub last_seq: u64,
}

/// What somebody wants to wait for.
#[derive(Debug, Clone)]
pub struct Join {
    /// Where they are. Snapped to the privacy grid before it is kept.
    pub position: Position,
    /// How far they would go.
    pub range: Range,
    /// How far they would go after waiting for long; at least `range`.
    pub range_max: Option<Range>,
    /// What the partner sees.
    pub profile: Profile,
    /// How long they would wait.
    pub give_up: Option<Duration>,
}

/// What has changed; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// A new position.
    pub position: Option<Position>,
    /// A new range.
    pub range: Option<Range>,
    /// A new limit to widening.
    pub range_max: Option<Range>,
    /// A new name.
    pub name: Option<Name>,
    /// New interests, instead of all earlier ones.
    pub interests: Option<Vec<Name>>,
    /// How long they would wait from now.
    pub give_up: Option<Duration>,
}

/// Something the operators should know of a partner.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In which chat.
    pub chat: ChatId,
    /// What.
    pub reason: ReportReason,
    /// In the reporter's own words.
    pub note: Option<Private<CompactString>>,
    /// Whether the reporter agrees that the last messages of the chat are kept with it.
    pub evidence: bool,
}

/// What a partner is reported for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportReason {
    /// Advertising and the like.
    Spam,
    /// Insults, harassment.
    Abuse,
    /// Unwanted sexual content.
    Sexual,
    /// Somebody under age.
    Minor,
    /// A threat.
    Threat,
    /// Anything else.
    Other,
}

impl ReportReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Spam,
        Self::Abuse,
        Self::Sexual,
        Self::Minor,
        Self::Threat,
        Self::Other,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Sexual => "sexual",
            Self::Minor => "minor",
            Self::Threat => "threat",
            Self::Other => "other",
        }
    }
}
