//! Names of people and texts of messages, made so that whoever gets one can tell whether they should have.

use std::fmt::Write as _;

/// The shortest message: what the checks need.
pub(super) const LETTER_MIN_BYTES: usize = 52;

/// What the rest of a message is filled with.
const FILLING: u8 = b'.';

/// Digits of a moment: 48 bits of nanoseconds are 78 hours.
const MOMENT_DIGITS: usize = 12;

/// What a run is called in the names of its people, so that those of another run are known as strangers.
pub(super) type RunTag = u16;

/// What somebody is called.
pub(super) fn name(tag: RunTag, number: u32) -> String {
    format!("{tag:04x}-{number:x}")
}

/// Whose name this is; `None` if nobody of this run is called that.
pub(super) fn number_of(tag: RunTag, name: &str) -> Option<u32> {
    let (run, number) = name.split_once('-')?;
    let number = u32::from_str_radix(number, 16).ok()?;
    // Numbers can be written in several ways; only one of them is a name.
    (u16::from_str_radix(run, 16) == Ok(tag) && self::name(tag, number) == name).then_some(number)
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    /// Who says it, and to whom.
    pub(super) from: u32,
    pub(super) to: u32,
    /// Counts what is said in one chat by one side, from 1.
    pub(super) number: u32,
    /// When it was meant to be said.
    pub(super) intended_ns: u64,
    /// Since when the sender had been waiting before this chat.
    pub(super) since_ns: u64,
}

impl Letter {
    /// Writes the text: numbers in hexadecimal, filled up to so many bytes.
    pub(super) fn text(&self, tag: RunTag, bytes: usize) -> String {
        let Self {
            from,
            to,
            number,
            intended_ns,
            since_ns,
        } = self;
        let mut text = String::with_capacity(bytes.max(LETTER_MIN_BYTES));
        write!(
            text,
            "{tag:04x}{from:08x}{to:08x}{number:08x}{intended_ns:012x}{since_ns:012x}"
        )
        .expect("a string takes everything");
        while text.len() < bytes {
            text.push(char::from(FILLING));
        }
        text
    }

    /// Reads a text; `None` if it is not exactly what somebody of this run has written.
    pub(super) fn read(tag: RunTag, text: &str) -> Option<Self> {
        let (head, filling) = text.split_at_checked(LETTER_MIN_BYTES)?;
        let mut rest = head;
        let mut field = |digits: usize| {
            let (field, after) = rest.split_at_checked(digits)?;
            rest = after;
            u64::from_str_radix(field, 16).ok()
        };
        let run = field(4)?;
        let [from, to, number] = [field(8)?, field(8)?, field(8)?].map(|field| field as u32);
        let letter = Self {
            from,
            to,
            number,
            intended_ns: field(MOMENT_DIGITS)?,
            since_ns: field(MOMENT_DIGITS)?,
        };
        let is_whole = run == u64::from(tag) && filling.bytes().all(|byte| byte == FILLING);
        is_whole.then_some(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: RunTag = 0x00ab;

    #[test]
    fn a_name_tells_who_it_is() {
        for number in [0, 1, 0x00ab_cdef, u32::MAX] {
            let name = name(TAG, number);
            assert_eq!(number_of(TAG, &name), Some(number), "{name}");
            assert_eq!(number_of(TAG + 1, &name), None, "another run's");
            assert!(name.chars().count() <= 32);
        }
        for stranger in [
            "",
            "ann",
            "00ab",
            "00ab-",
            "00ab-xyz",
            "00ab-0001",
            "ab-1",
            "00ab-+1",
        ] {
            assert_eq!(number_of(TAG, stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_message_reads_as_it_was_written_whatever_its_size() {
        let letter = Letter {
            from: 7,
            to: u32::MAX,
            number: 12,
            intended_ns: 123_456_789_012,
            since_ns: 0,
        };
        for bytes in [0, LETTER_MIN_BYTES, 64, 2000] {
            let text = letter.text(TAG, bytes);
            assert_eq!(text.len(), bytes.max(LETTER_MIN_BYTES));
            assert_eq!(Letter::read(TAG, &text), Some(letter));
        }
    }

    #[test]
    fn what_was_altered_is_noticed() {
        let text = Letter {
            from: 1,
            to: 2,
            number: 3,
            intended_ns: 4,
            since_ns: 5,
        }
        .text(TAG, 64);
        assert_eq!(Letter::read(TAG + 1, &text), None);
        assert_eq!(Letter::read(TAG, &text[..51]), None);
        assert_eq!(Letter::read(TAG, &text.replace("..", ".,")), None);
        assert_eq!(Letter::read(TAG, &format!("{text} ")), None);
        assert_eq!(Letter::read(TAG, &text.replacen('0', "é", 1)), None);
    }
}
