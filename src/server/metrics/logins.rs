//! What is counted of those who log in to look after the server.

use super::count;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What came of a step of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Login {
    /// A session has begun.
    Done,
    /// The password was right, and a second factor is to follow.
    Factor,
    /// The name or the password was wrong.
    Wrong,
    /// What was shown of a second factor was wrong, after the right password.
    FactorWrong,
    /// After too many wrong ones, it came too early to be looked at.
    Locked,
    /// Too many waited to be hashed.
    Busy,
}

impl Login {
    pub(super) const ALL: [Self; 6] = [
        Self::Done,
        Self::Factor,
        Self::Wrong,
        Self::FactorWrong,
        Self::Locked,
        Self::Busy,
    ];

    /// One word, for labels.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Factor => "factor",
            Self::Wrong => "wrong",
            Self::FactorWrong => "factor_wrong",
            Self::Locked => "locked",
            Self::Busy => "busy",
        }
    }
}

/// Counts of logins, and of the hashes that they take.
#[derive(Debug, Default)]
pub(in crate::server) struct Logins {
    outcomes: [AtomicU64; Login::ALL.len()],
    refresh_reused: AtomicU64,
    hashes_done: AtomicU64,
    hashes_refused: AtomicU64,
    hashes_waiting: AtomicUsize,
}

/// Somebody whose hash waits for its turn, for as long as this is held.
#[derive(Debug)]
pub(in crate::server) struct WaitingHash<'a>(&'a Logins);

impl Drop for WaitingHash<'_> {
    fn drop(&mut self) {
        self.0.hashes_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Logins {
    /// A step of logging in has ended so.
    pub(in crate::server) fn ended(&self, login: Login) {
        count(&self.outcomes[login as usize]);
    }

    /// A refresh token was shown that had been used before.
    pub(in crate::server) fn refresh_was_reused(&self) {
        count(&self.refresh_reused);
    }

    /// A hash waits for its turn.
    pub(in crate::server) fn hash_waits(&self) -> WaitingHash<'_> {
        self.hashes_waiting.fetch_add(1, Ordering::Relaxed);
        WaitingHash(self)
    }

    /// A hash was made.
    pub(in crate::server) fn hash_is_done(&self) {
        count(&self.hashes_done);
    }

    /// A hash was not made, because too many waited.
    pub(in crate::server) fn hash_is_refused(&self) {
        count(&self.hashes_refused);
    }

    pub(super) fn count_of(&self, login: Login) -> u64 {
        self.outcomes[login as usize].load(Ordering::Relaxed)
    }

    pub(super) fn reused(&self) -> u64 {
        self.refresh_reused.load(Ordering::Relaxed)
    }

    /// Those that were made, and those that were refused.
    pub(super) fn hashes(&self) -> (u64, u64) {
        let [done, refused] = [&self.hashes_done, &self.hashes_refused];
        (
            done.load(Ordering::Relaxed),
            refused.load(Ordering::Relaxed),
        )
    }

    pub(super) fn waiting(&self) -> usize {
        self.hashes_waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_count_and_word() {
        let logins = Logins::default();
        for login in Login::ALL {
            logins.ended(login);
            assert_eq!(logins.count_of(login), 1);
        }
        let mut words = Login::ALL.map(Login::word);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
    }

    #[test]
    fn a_hash_waits_as_long_as_somebody_waits_for_it() {
        let logins = Logins::default();
        let (one, other) = (logins.hash_waits(), logins.hash_waits());
        assert_eq!(logins.waiting(), 2);
        drop(one);
        assert_eq!(logins.waiting(), 1);
        drop(other);
        assert_eq!(logins.waiting(), 0);
    }
}
