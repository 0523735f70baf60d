//! The last messages of a chat as both people saw them, for a report.

use super::Side;
use crate::private::Private;
use std::collections::VecDeque;
use std::fmt;

/// How many messages of a chat are kept for a report, both sides together.
pub const TRANSCRIPT_MESSAGES_MAX: usize = 20;

/// How many bytes those may take; long messages leave room for fewer.
pub const TRANSCRIPT_BYTES_MAX: usize = 32 * 1024;

/// Before each text: who said it, when, and its length in bytes.
const HEADER_BYTES: usize = 1 + 8 + 4;

/// One message of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who said it.
    pub from: Side,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub text: Private<String>,
}

/// The last messages, oldest first, one after the other in a ring of bytes: to keep one more costs no memory of its own.
#[derive(Default)]
pub(super) struct Transcript {
    ring: VecDeque<u8>,
    messages: usize,
}

impl Transcript {
    /// Keeps a message, and forgets the oldest where that is too much. A message that is too long by itself is left out.
    pub(super) fn push(&mut self, from: Side, at_ms: u64, text: &str) {
        let size = HEADER_BYTES + text.len();
        if size > TRANSCRIPT_BYTES_MAX {
            return;
        }
        while self.messages == TRANSCRIPT_MESSAGES_MAX
            || self.ring.len() + size > TRANSCRIPT_BYTES_MAX
        {
            self.pop();
        }
        // Shorter than the ring's bound, which is far below what the four bytes hold.
        let length = text.len() as u32;
        self.ring.push_back(from as u8);
        self.ring.extend(at_ms.to_le_bytes());
        self.ring.extend(length.to_le_bytes());
        self.ring.extend(text.as_bytes());
        self.messages += 1;
    }

    /// All of it, oldest first.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut bytes = self.ring.iter().copied();
        let mut lines = Vec::with_capacity(self.messages);
        for _ in 0..self.messages {
            let header = take(&mut bytes);
            let text: Vec<u8> = bytes.by_ref().take(header.length).collect();
            lines.push(Line {
                from: header.from,
                at_ms: header.at_ms,
                text: Private::new(String::from_utf8_lossy(&text).into_owned()),
            });
        }
        lines
    }

    fn pop(&mut self) {
        let header = take(&mut self.ring.iter().copied());
        self.ring.drain(..HEADER_BYTES + header.length);
        self.messages -= 1;
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} messages)", self.messages)
    }
}

struct Header {
    from: Side,
    at_ms: u64,
    length: usize,
}

/// The header that comes next. What is read was written by [`Transcript::push`], so it is all there.
fn take(bytes: &mut impl Iterator<Item = u8>) -> Header {
    let from = match bytes.next() {
        Some(0) => Side::First,
        _ => Side::Second,
    };
    let at_ms = u64::from_le_bytes(array(bytes));
    let length = u32::from_le_bytes(array(bytes)) as usize;
    Header {
        from,
        at_ms,
        length,
    }
}

fn array<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> [u8; N] {
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(transcript: &Transcript) -> Vec<(Side, u64, String)> {
        let lines = transcript.lines().into_iter();
        lines
            .map(|line| (line.from, line.at_ms, (*line.text).clone()))
            .collect()
    }

    #[test]
    fn the_last_twenty_messages_of_both_are_there_in_order() {
        let mut transcript = Transcript::default();
        for number in 0..25 {
            let from = if number % 2 == 0 {
                Side::First
            } else {
                Side::Second
            };
            transcript.push(from, 1000 + number, &format!("é{number}"));
        }
        let kept = texts(&transcript);
        assert_eq!(kept.len(), TRANSCRIPT_MESSAGES_MAX);
        assert_eq!(kept[0], (Side::Second, 1005, "é5".to_owned()));
        assert_eq!(kept[19], (Side::First, 1024, "é24".to_owned()));
    }

    #[test]
    fn long_messages_push_out_the_oldest_and_never_take_more_than_the_bound() {
        let mut transcript = Transcript::default();
        let long = "x".repeat(8000);
        for number in 0..10 {
            transcript.push(Side::First, number, &long);
            assert!(transcript.ring.len() <= TRANSCRIPT_BYTES_MAX);
        }
        let kept: Vec<_> = texts(&transcript)
            .into_iter()
            .map(|(_, at_ms, _)| at_ms)
            .collect();
        assert_eq!(kept, [6, 7, 8, 9]);
        // One that could never fit is not kept, and takes nothing with it.
        transcript.push(Side::Second, 99, &"x".repeat(TRANSCRIPT_BYTES_MAX));
        assert_eq!(texts(&transcript).len(), 4);
    }

    #[test]
    fn nothing_that_was_said_is_printed() {
        let mut transcript = Transcript::default();
        transcript.push(Side::First, 0, "secret");
        let printed = format!("{transcript:?} {:?}", transcript.lines());
        assert!(!printed.contains("secret"), "{printed}");
    }
}
