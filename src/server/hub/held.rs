//! Messages that wait to be checked. They stand in their chat, each side's in the order in which they were said: so none is
//! said in another chat or before another, whatever becomes of the connections meanwhile.

use super::{ChatSeat, Hub, Talk};
use crate::dialect::WireError;
use crate::lobby::{ChatId, MessageId};
use crate::private::Private;
use crate::server::message_check::Verdict;
use crate::server::metrics::Stopwatch;
use crate::server::outbox::Outbox;
use std::sync::{Arc, Weak};
use thin_vec::ThinVec;

/// A message that waits.
#[derive(Debug)]
pub(in crate::server) struct Held {
    pub(in crate::server) id: Option<MessageId>,
    text: Private<String>,
    /// The connection that it came over.
    from: Weak<Outbox>,
}

impl Held {
    pub(in crate::server) fn new(id: Option<MessageId>, text: &str, from: &Arc<Outbox>) -> Self {
        Self {
            id,
            text: Private::new(text.to_owned()),
            from: Arc::downgrade(from),
        }
    }
}

/// The messages of one side that wait, in order; the first is being decided on. Has no memory of its own while empty.
pub(super) type HeldOfSide = ThinVec<Held>;

/// The message that is decided on next.
#[derive(Debug)]
pub(in crate::server) struct Turn {
    pub(in crate::server) chat: ChatId,
    /// What is to be found out about; nothing if that makes no difference, for the chat is over, or this was accepted
    /// before under the same id.
    pub(in crate::server) text: Option<Private<String>>,
}

/// What came of a message, and what comes next.
#[derive(Debug)]
pub(in crate::server) struct Decided {
    /// Why it was not said, and who is to be told so, if they are still there.
    pub(in crate::server) refused: Option<(WireError, Option<Arc<Outbox>>)>,
    pub(in crate::server) next: Option<Turn>,
}

/// That as many messages wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct TooManyHeld;

impl ChatSeat {
    /// Lets a message of this side wait. If it is the only one, it is its turn, and who is told so must decide on it and on
    /// all that come after it, until none is left.
    pub(in crate::server) fn hold(
        &self,
        held: Held,
        held_max: usize,
    ) -> Result<Option<Turn>, TooManyHeld> {
        let mut talk = self.chat.talk.lock();
        let all = &mut talk.held[self.side as usize];
        if all.len() >= held_max {
            // Who has come back says again what was not accepted: the one that waits answers for both.
            let is_held = held.id.is_some() && all.iter().any(|other| other.id == held.id);
            return if is_held { Ok(None) } else { Err(TooManyHeld) };
        }
        all.push(held);
        let is_only = all.len() == 1;
        Ok(if is_only { self.turn(&talk) } else { None })
    }

    /// Says the message whose turn it was, or doesn't, and lets the next have its turn.
    pub(in crate::server) fn decide(&self, hub: &Hub, verdict: Verdict) -> Decided {
        let mut talk = self.chat.talk.lock();
        let all = &mut talk.held[self.side as usize];
        let Held { id, text, from } = all.remove(0);
        if all.is_empty() {
            *all = HeldOfSide::new();
        }
        let error = match verdict.refusal(id.as_ref()) {
            Some(error) if talk.conversation.check_open().is_ok() => Some(error),
            Some(_) => Some(WireError::not_in_a_chat("say", id)),
            None => {
                let found_at = Stopwatch::read_now();
                let said = self.say_in(&mut talk, hub, found_at, id.as_ref(), &text);
                said.err().map(|_| WireError::not_in_a_chat("say", id))
            }
        };
        let refused = error.map(|error| {
            let own = talk.outboxes[self.side as usize].clone();
            (error, own.or_else(|| from.upgrade()))
        });
        Decided {
            refused,
            next: self.turn(&talk),
        }
    }

    fn turn(&self, talk: &Talk) -> Option<Turn> {
        let Held { id, text, .. } = talk.held[self.side as usize].first()?;
        let conversation = &talk.conversation;
        let was_accepted = |id| conversation.has_accepted(self.side, id);
        let is_decided =
            conversation.check_open().is_err() || id.as_ref().is_some_and(was_accepted);
        Some(Turn {
            chat: self.chat.id,
            text: (!is_decided).then(|| text.clone()),
        })
    }
}
