//! The numbers of the messages to one side of a chat, as they are told: each the one after the last.

/// What was told last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sequence {
    last: u64,
}

impl Sequence {
    /// Everything up to a number was told.
    pub(super) fn after(last: u64) -> Self {
        Self { last }
    }

    /// The next is told. Returns whether none was left out before it, and it was not told before.
    pub(super) fn goes_on(&mut self, seq: u64) -> bool {
        let follows = self.last.checked_add(1) == Some(seq);
        self.last = seq;
        follows
    }

    /// Whether this is what was told last.
    pub(super) fn ends_at(self, seq: u64) -> bool {
        self.last == seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_left_out_or_comes_again_is_noticed_once() {
        let mut sequence = Sequence::default();
        let goes_on = [1, 2, 4, 5, 5, 6].map(|seq| sequence.goes_on(seq));
        assert_eq!(goes_on, [true, true, false, true, false, true]);
        assert!(sequence.ends_at(6));
        assert!(Sequence::after(6).goes_on(7));
    }
}
