//! What may be known of one session: nothing of who, where or what it talks about.

use super::machine::Lobby;
use super::session::{Link, SessionId, State, StateName};
use crate::moment::Moment;

/// What one session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portrait {
    /// Its state.
    pub state: StateName,
    /// Whether it waits and a match is being confirmed.
    pub is_confirming: bool,
    /// Since when it waits, if it does.
    pub waiting_since: Option<Moment>,
    /// When it is given up, if its connection was lost.
    pub away_until: Option<Moment>,
    /// How many of its chats can still be blocked or reported, at most
    /// [`CHATS_REMEMBERED_MAX`](super::CHATS_REMEMBERED_MAX).
    pub chats: usize,
}

impl Lobby {
    /// What a session does, if it is here.
    pub fn portrait(&self, session: SessionId) -> Option<Portrait> {
        let session = self.sessions.get(session)?;
        Some(Portrait {
            state: session.state_name(),
            is_confirming: session.confirming().is_some(),
            waiting_since: match &session.state {
                State::Waiting(waiting) => Some(waiting.since),
                State::Idle { .. } | State::Chatting(_) => None,
            },
            away_until: match session.link {
                Link::Away { until, .. } => Some(until),
                Link::Connected { .. } => None,
            },
            chats: session.chats.len(),
        })
    }
}
