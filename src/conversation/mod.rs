//! What two people say to each other: numbers for messages, each message once, acknowledgements, and what one
//! of them may have missed.
//!
//! In come what one side says and what it has seen, out come the numbers to tell them by. Delivery is the
//! caller's, who must pass messages on in the order in which they were numbered. Two sessions share a
//! conversation and nobody else does, so whoever drives it can give each its own small lock.

mod kept;
mod seen;
mod transcript;

use crate::lobby::MessageId;
use crate::private::Private;
use kept::Kept;
use seen::SeenIds;
use transcript::Transcript;

pub use kept::{KEPT_BYTES_MAX, KEPT_MESSAGES_MAX, Message};
pub use seen::SEEN_IDS_MAX;
pub use transcript::{Line, TRANSCRIPT_BYTES_MAX, TRANSCRIPT_MESSAGES_MAX};

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
    /// What was said last, if a report may ask for it.
    transcript: Option<Transcript>,
}

/// The messages from one side to the other.
#[derive(Debug, Default)]
struct Direction {
    /// The number of the last message; they count from 1 without gaps.
    last_seq: u64,
    /// Everything up to this was acknowledged; never above `last_seq`.
    acknowledged_seq: u64,
    seen: SeenIds,
    /// What was not acknowledged, if the receiver may ask for it again.
    kept: Option<Kept>,
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
    /// With nothing said yet. What is said to a side that can resume is kept until it is acknowledged: the
    /// last [`KEPT_MESSAGES_MAX`] messages of at most [`KEPT_BYTES_MAX`].
    pub fn new(can_resume: [bool; 2]) -> Self {
        let mut conversation = Self::default();
        for side in [Side::First, Side::Second] {
            conversation.said_to_mut(side).kept = can_resume[side as usize].then(Kept::default);
        }
        conversation
    }

    /// The same, with what was said last kept for a report: at most [`TRANSCRIPT_MESSAGES_MAX`] messages of
    /// [`TRANSCRIPT_BYTES_MAX`] together, until the conversation is dropped.
    #[must_use]
    pub fn with_transcript(self) -> Self {
        Self {
            transcript: Some(Transcript::default()),
            ..self
        }
    }

    /// What was said last by both, oldest first; nothing if it is not kept.
    pub fn transcript(&self) -> Vec<Line> {
        self.transcript
            .as_ref()
            .map_or_else(Vec::new, Transcript::lines)
    }

    /// One side says something: numbers it, or finds its number again if it said the same `id` before.
    /// `at_ms` is when, in milliseconds since the Unix epoch.
    ///
    /// The last [`SEEN_IDS_MAX`] ids of each side are remembered.
    ///
    /// # Errors
    /// [`ConversationError::Closed`] if the chat is over.
    pub fn say(
        &mut self,
        from: Side,
        id: Option<&MessageId>,
        text: &str,
        at_ms: u64,
    ) -> Result<Numbered, ConversationError> {
        self.check_open()?;
        let direction = &mut self.said_by[from as usize];
        let unseen = match id.map(|id| direction.seen.seq_of(id)) {
            Some(Ok(seq)) => {
                return Ok(Numbered {
                    seq,
                    is_repeated: true,
                });
            }
            Some(Err(unseen)) => Some(unseen),
            None => None,
        };
        direction.last_seq += 1;
        let seq = direction.last_seq;
        if let Some(unseen) = unseen {
            direction.seen.remember(unseen, seq);
        }
        if let Some(kept) = &mut direction.kept {
            kept.push(Message {
                seq,
                text: Private::new(text.into()),
                at_ms,
            });
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.push(from, at_ms, text);
        }
        Ok(Numbered {
            seq,
            is_repeated: false,
        })
    }

    /// Whether one side has said something under this `id` before, as far as ids are remembered.
    pub fn has_accepted(&self, from: Side, id: &MessageId) -> bool {
        self.said_by[from as usize].seen.seq_of(id).is_ok()
    }

    /// One side has shown everything up to `seq` to its person. Returns whether that is news to the
    /// other side.
    ///
    /// # Errors
    /// [`ConversationError::NotSaidYet`] if nothing with this number was said,
    /// [`ConversationError::Closed`] if the chat is over.
    pub fn acknowledge(&mut self, by: Side, seq: u64) -> Result<bool, ConversationError> {
        self.check_open()?;
        self.check_said(by, seq)?;
        let direction = self.said_to_mut(by);
        let is_news = seq > direction.acknowledged_seq;
        direction.acknowledged_seq = direction.acknowledged_seq.max(seq);
        if let Some(kept) = &mut direction.kept {
            kept.forget_up_to(seq);
        }
        Ok(is_news)
    }

    /// Whether anything with this number was said to a side; 0 always was.
    ///
    /// # Errors
    /// [`ConversationError::NotSaidYet`] if nothing was.
    pub fn check_said(&self, to: Side, seq: u64) -> Result<(), ConversationError> {
        let last_seq = self.said_by[to.other() as usize].last_seq;
        if seq > last_seq {
            Err(ConversationError::NotSaidYet { last_seq })
        } else {
            Ok(())
        }
    }

    /// The number of the last message to a side; 0 if there is none.
    pub fn said_seq(&self, to: Side) -> u64 {
        self.said_by[to.other() as usize].last_seq
    }

    /// What one side has missed that has seen everything up to `last_seq`, which was said: all messages
    /// after it in order, or `None` if not all of them are kept.
    pub fn missed(&self, by: Side, last_seq: u64) -> Option<impl Iterator<Item = &Message>> {
        let direction = &self.said_by[by.other() as usize];
        direction.kept.as_ref()?.after(last_seq, direction.last_seq)
    }

    /// Up to which number the other side has acknowledged what one side has said.
    pub fn acknowledged_seq(&self, from: Side) -> u64 {
        self.said_by[from as usize].acknowledged_seq
    }

    fn said_to_mut(&mut self, side: Side) -> &mut Direction {
        &mut self.said_by[side.other() as usize]
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

    /// The chat is over, because `leaver` left it; nothing is accepted from now on. What the other side has
    /// not acknowledged is kept for it.
    pub fn close(&mut self, leaver: Side) {
        self.is_closed = true;
        self.said_to_mut(leaver).kept = None;
        for direction in &mut self.said_by {
            direction.seen = SeenIds::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(
        conversation: &mut Conversation,
        from: Side,
        id: Option<&MessageId>,
    ) -> Result<Numbered, ConversationError> {
        conversation.say(from, id, "hello", 0)
    }

    fn fresh(seq: u64) -> Numbered {
        Numbered {
            seq,
            is_repeated: false,
        }
    }

    #[test]
    fn each_direction_counts_from_one_without_gaps() {
        let mut conversation = Conversation::new([true; 2]);
        assert_eq!(say(&mut conversation, Side::First, None), Ok(fresh(1)));
        assert_eq!(
            say(&mut conversation, Side::First, Some(&"a".into())),
            Ok(fresh(2))
        );
        assert_eq!(
            say(&mut conversation, Side::Second, Some(&"a".into())),
            Ok(fresh(1))
        );
        assert_eq!(say(&mut conversation, Side::First, None), Ok(fresh(3)));
    }

    #[test]
    fn the_same_id_is_the_same_message() {
        let mut conversation = Conversation::new([true; 2]);
        let id = MessageId::from("x");
        assert_eq!(say(&mut conversation, Side::First, Some(&id)), Ok(fresh(1)));
        assert_eq!(say(&mut conversation, Side::First, None), Ok(fresh(2)));
        let again = say(&mut conversation, Side::First, Some(&id)).unwrap();
        assert_eq!((again.seq, again.is_repeated), (1, true));
        assert!(conversation.has_accepted(Side::First, &id));
        assert!(!conversation.has_accepted(Side::Second, &id));
        assert_eq!(say(&mut conversation, Side::First, None), Ok(fresh(3)));
    }

    #[test]
    fn the_last_256_ids_are_remembered() {
        let mut conversation = Conversation::new([true; 2]);
        let id = |i: usize| MessageId::from(format!("m{i}"));
        for i in 0..=SEEN_IDS_MAX {
            say(&mut conversation, Side::First, Some(&id(i))).unwrap();
        }
        assert!(
            say(&mut conversation, Side::First, Some(&id(1)))
                .unwrap()
                .is_repeated
        );
        assert!(
            !say(&mut conversation, Side::First, Some(&id(0)))
                .unwrap()
                .is_repeated
        );
    }

    #[test]
    fn acknowledgements_are_news_once_and_never_from_the_future() {
        let mut conversation = Conversation::new([true; 2]);
        assert_eq!(conversation.acknowledge(Side::Second, 0), Ok(false));
        let future = Err(ConversationError::NotSaidYet { last_seq: 0 });
        assert_eq!(conversation.acknowledge(Side::Second, 1), future);
        say(&mut conversation, Side::First, None).unwrap();
        say(&mut conversation, Side::First, None).unwrap();
        assert_eq!(conversation.acknowledge(Side::Second, 2), Ok(true));
        assert_eq!(conversation.acknowledge(Side::Second, 2), Ok(false));
        assert_eq!(conversation.acknowledge(Side::Second, 1), Ok(false));
    }

    #[test]
    fn nothing_is_accepted_after_the_end() {
        let mut conversation = Conversation::new([true; 2]);
        conversation.close(Side::First);
        let closed = ConversationError::Closed;
        assert_eq!(say(&mut conversation, Side::First, None), Err(closed));
        assert_eq!(conversation.acknowledge(Side::First, 0), Err(closed));
    }

    fn missed(conversation: &Conversation, last_seq: u64) -> Option<Vec<u64>> {
        let missed = conversation.missed(Side::Second, last_seq)?;
        Some(missed.map(|message| message.seq).collect())
    }

    #[test]
    fn what_was_missed_is_kept_until_it_is_acknowledged() {
        let mut conversation = Conversation::new([false, true]);
        assert_eq!(missed(&conversation, 0), Some(vec![]));
        for _ in 0..4 {
            say(&mut conversation, Side::First, None).unwrap();
        }
        assert_eq!(missed(&conversation, 0), Some(vec![1, 2, 3, 4]));
        assert_eq!(missed(&conversation, 3), Some(vec![4]));
        assert_eq!(missed(&conversation, 4), Some(vec![]));
        conversation.acknowledge(Side::Second, 2).unwrap();
        assert_eq!(missed(&conversation, 2), Some(vec![3, 4]));
        assert_eq!(missed(&conversation, 1), None);
        conversation.close(Side::First);
        assert_eq!(missed(&conversation, 2), Some(vec![3, 4]));
        conversation.check_said(Side::Second, 4).unwrap();
        conversation.check_said(Side::Second, 5).unwrap_err();
        assert!(conversation.missed(Side::First, 0).is_none());
    }

    #[test]
    fn too_many_messages_or_bytes_leave_a_gap_and_nothing_partial() {
        let mut conversation = Conversation::new([true; 2]);
        for _ in 0..=KEPT_MESSAGES_MAX {
            say(&mut conversation, Side::First, None).unwrap();
        }
        assert_eq!(missed(&conversation, 0), None);
        let kept = missed(&conversation, 1).unwrap();
        assert_eq!(kept.len(), KEPT_MESSAGES_MAX);

        let mut conversation = Conversation::new([true; 2]);
        let half = "x".repeat(KEPT_BYTES_MAX / 2);
        for text in [&half, &half, "y"] {
            conversation.say(Side::First, None, text, 0).unwrap();
        }
        assert_eq!(missed(&conversation, 0), None);
        assert_eq!(missed(&conversation, 1), Some(vec![2, 3]));
    }
}
