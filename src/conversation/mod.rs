//! What two people say to each other: numbers for messages, each message once, acknowledgements.
//!
//! In come what one side says and what it has seen, out come the numbers to tell them by. It keeps no
//! text: delivery is the caller's, who must pass messages on in the order in which they were numbered.
//! Two sessions share a conversation and nobody else does, so whoever drives it can give each its own
//! small lock.

mod seen;

use crate::lobby::MessageId;
use seen::SeenIds;

pub use seen::SEEN_IDS_MAX;

/// One of the two people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first of the two.
    First,
    /// The second.
    Second,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// A chat's messages in both directions.
#[derive(Debug, Default)]
pub struct Conversation {
    /// What each side has said.
    said_by: [Direction; 2],
    is_closed: bool,
}

/// The messages from one side to the other.
#[derive(Debug, Default)]
struct Direction {
    /// The number of the last message; they count from 1 without gaps.
    last_seq: u64,
    /// Everything up to this was acknowledged; never above `last_seq`.
    acknowledged_seq: u64,
    seen: SeenIds,
}

/// A message has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Its number among the messages to the receiver, from 1.
    pub seq: u64,
    /// Whether this message was already accepted under the same id: it must not be shown again.
    pub is_repeated: bool,
}

/// Why the conversation refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// The chat is over.
    #[error("the chat is over")]
    Closed,
    /// An acknowledgement of something that was never said.
    #[error("`seq` must be at most {last_seq}, the last message of this chat so far")]
    NotSaidYet {
        /// The number of the last message to the acknowledging side.
        last_seq: u64,
    },
}

impl Conversation {
    /// With nothing said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One side says something: numbers it, or finds its number again if it said the same `id` before.
    ///
    /// The last [`SEEN_IDS_MAX`] ids of each side are remembered.
    ///
    /// # Errors
    /// [`ConversationError::Closed`] if the chat is over.
    pub fn say(
        &mut self,
        from: Side,
        id: Option<&MessageId>,
    ) -> Result<Numbered, ConversationError> {
        self.check_open()?;
        let direction = &mut self.said_by[from as usize];
        if let Some(seq) = id.and_then(|id| direction.seen.seq_of(id)) {
            return Ok(Numbered {
                seq,
                is_repeated: true,
            });
        }
        direction.last_seq += 1;
        let seq = direction.last_seq;
        if let Some(id) = id {
            direction.seen.remember(id.clone(), seq);
        }
        Ok(Numbered {
            seq,
            is_repeated: false,
        })
    }

    /// One side has shown everything up to `seq` to its person. Returns whether that is news to the
    /// other side.
    ///
    /// # Errors
    /// [`ConversationError::NotSaidYet`] if nothing with this number was said,
    /// [`ConversationError::Closed`] if the chat is over.
    pub fn acknowledge(&mut self, by: Side, seq: u64) -> Result<bool, ConversationError> {
        self.check_open()?;
        let direction = &mut self.said_by[by.other() as usize];
        if seq > direction.last_seq {
            return Err(ConversationError::NotSaidYet {
                last_seq: direction.last_seq,
            });
        }
        let is_news = seq > direction.acknowledged_seq;
        direction.acknowledged_seq = direction.acknowledged_seq.max(seq);
        Ok(is_news)
    }

    /// Whether the chat goes on.
    ///
    /// # Errors
    /// [`ConversationError::Closed`] if the chat is over.
    pub fn check_open(&self) -> Result<(), ConversationError> {
        if self.is_closed {
            Err(ConversationError::Closed)
        } else {
            Ok(())
        }
    }

    /// The chat is over; nothing is accepted from now on.
    pub fn close(&mut self) {
        self.is_closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(seq: u64) -> Numbered {
        Numbered {
            seq,
            is_repeated: false,
        }
    }

    #[test]
    fn each_direction_counts_from_one_without_gaps() {
        let mut conversation = Conversation::new();
        assert_eq!(conversation.say(Side::First, None), Ok(fresh(1)));
        assert_eq!(
            conversation.say(Side::First, Some(&"a".into())),
            Ok(fresh(2))
        );
        assert_eq!(
            conversation.say(Side::Second, Some(&"a".into())),
            Ok(fresh(1))
        );
        assert_eq!(conversation.say(Side::First, None), Ok(fresh(3)));
    }

    #[test]
    fn the_same_id_is_the_same_message() {
        let mut conversation = Conversation::new();
        let id = MessageId::from("x");
        assert_eq!(conversation.say(Side::First, Some(&id)), Ok(fresh(1)));
        assert_eq!(conversation.say(Side::First, None), Ok(fresh(2)));
        let again = conversation.say(Side::First, Some(&id)).unwrap();
        assert_eq!((again.seq, again.is_repeated), (1, true));
        assert_eq!(conversation.say(Side::First, None), Ok(fresh(3)));
    }

    #[test]
    fn the_last_256_ids_are_remembered() {
        let mut conversation = Conversation::new();
        let id = |i: usize| MessageId::from(format!("m{i}"));
        for i in 0..=SEEN_IDS_MAX {
            conversation.say(Side::First, Some(&id(i))).unwrap();
        }
        assert!(
            conversation
                .say(Side::First, Some(&id(1)))
                .unwrap()
                .is_repeated
        );
        assert!(
            !conversation
                .say(Side::First, Some(&id(0)))
                .unwrap()
                .is_repeated
        );
    }

    #[test]
    fn acknowledgements_are_news_once_and_never_from_the_future() {
        let mut conversation = Conversation::new();
        assert_eq!(conversation.acknowledge(Side::Second, 0), Ok(false));
        let future = Err(ConversationError::NotSaidYet { last_seq: 0 });
        assert_eq!(conversation.acknowledge(Side::Second, 1), future);
        conversation.say(Side::First, None).unwrap();
        conversation.say(Side::First, None).unwrap();
        assert_eq!(conversation.acknowledge(Side::Second, 2), Ok(true));
        assert_eq!(conversation.acknowledge(Side::Second, 2), Ok(false));
        assert_eq!(conversation.acknowledge(Side::Second, 1), Ok(false));
    }

    #[test]
    fn nothing_is_accepted_after_the_end() {
        let mut conversation = Conversation::new();
        conversation.close();
        let closed = ConversationError::Closed;
        assert_eq!(conversation.say(Side::First, None), Err(closed));
        assert_eq!(conversation.acknowledge(Side::First, 0), Err(closed));
    }
}
