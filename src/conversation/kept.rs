//! Messages that their receiver may have missed.

use crate::private::Private;
use std::collections::VecDeque;

/// How many messages are kept of each direction.
pub const KEPT_MESSAGES_MAX: usize = 128;

/// How many bytes of text are kept of each direction.
pub const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A message as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub seq: u64,
    /// What was said.
    pub text: Private<Box<str>>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The last messages of one direction that were not acknowledged, without gaps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    messages: VecDeque<Message>,
    text_bytes: usize,
}

impl Kept {
    /// Keeps a message, and forgets the oldest where that is too much.
    pub(super) fn push(&mut self, message: Message) {
        self.text_bytes += message.text.len();
        self.messages.push_back(message);
        while self.messages.len() > KEPT_MESSAGES_MAX || self.text_bytes > KEPT_BYTES_MAX {
            self.pop_front();
        }
    }

    /// Forgets everything up to a number.
    pub(super) fn forget_up_to(&mut self, seq: u64) {
        while self.messages.front().is_some_and(|first| first.seq <= seq) {
            self.pop_front();
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    /// All messages after a number, if they are all here; `last_seq` is the last there is.
    pub(super) fn after(
        &self,
        seq: u64,
        last_seq: u64,
    ) -> Option<impl Iterator<Item = &Message> + use<'_>> {
        let first_seq = self
            .messages
            .front()
            .map_or(last_seq + 1, |first| first.seq);
        (first_seq <= seq + 1).then(|| self.messages.iter().skip_while(move |m| m.seq <= seq))
    }

    fn pop_front(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.text_bytes -= message.text.len();
        }
    }
}
