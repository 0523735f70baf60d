//! Passkeys (Web Authentication, <https://www.w3.org/TR/webauthn-3/>): what they are called, how many there may be, and
//! what was asked of them and not answered yet.
//!
//! A passkey signs a challenge that the server has drawn for this one time. What goes with a challenge is kept here
//! until it is answered, once: whatever the answer is, another takes another challenge, so that nothing that was signed
//! is good a second time (ASVS 6.5.1). What was signed is checked by the server.

use super::opaque::{Digest, sha256};
use crate::moment::Moment;
use crate::private::Private;
use std::collections::HashMap;
use std::hash::Hash;
use std::str::FromStr;
use std::time::Duration;

/// How many an account has at most.
pub const PASSKEYS_MAX: usize = 10;

/// How long a challenge can be answered: as long as the specification recommends, for people who have to find their
/// key, or to type slowly.
pub const CHALLENGE_LASTS: Duration = Duration::from_mins(5);

/// How many challenges wait for an answer at once. At this many, the oldest is forgotten.
const WAITING_MAX: usize = 1024;

/// How many characters a name has at most.
const NAME_CHARS_MAX: usize = 40;

/// What the owner of a passkey calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName(Private<String>);

/// That something is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a passkey's name has 1 to 40 characters, none of which is a control character")]
pub struct NotAPasskeyName;

impl PasskeyName {
    /// The name as it was given, without space around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PasskeyName {
    type Err = NotAPasskeyName;

    fn from_str(text: &str) -> Result<Self, NotAPasskeyName> {
        let name = text.trim();
        let is_good = (1..=NAME_CHARS_MAX).contains(&name.chars().count())
            && !name.chars().any(char::is_control);
        let name = is_good.then(|| Self(Private::new(name.to_owned())));
        name.ok_or(NotAPasskeyName)
    }
}

/// What stands for a credential's id in the store.
pub fn digest(credential_id: &[u8]) -> Digest {
    sha256(credential_id)
}

/// What authenticators know an account by: the same each time, so that a new passkey takes the place of an old one
/// there, and without a word of whose it is (Web Authentication, section 14.6.1).
pub fn user_handle(account: i64, created_at_ms: i64) -> [u8; 16] {
    let text = format!("whisperchat account {account} of {created_at_ms}");
    let mut handle = [0; 16];
    handle.copy_from_slice(&sha256(text.as_bytes())[..16]);
    handle
}

/// Challenges that wait for an answer, at most one for each of those who are asked.
#[derive(Debug)]
pub struct Challenges<K, T> {
    waiting: HashMap<K, (Moment, T)>,
}

impl<K, T> Default for Challenges<K, T> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash + Clone, T> Challenges<K, T> {
    /// Keeps what goes with a challenge, in the place of the one before.
    pub fn put(&mut self, whose: K, challenge: T, now: Moment) {
        if !self.waiting.contains_key(&whose) {
            self.make_room(now);
        }
        self.waiting.insert(whose, (now, challenge));
    }

    /// Takes out what goes with the challenge that somebody answers. Nothing if there is none, or it was too long ago.
    pub fn take(&mut self, whose: &K, now: Moment) -> Option<T> {
        let (since, challenge) = self.waiting.remove(whose)?;
        is_fresh(since, now).then_some(challenge)
    }

    /// Costs a look at everybody, but only when there is no room.
    fn make_room(&mut self, now: Moment) {
        if self.waiting.len() < WAITING_MAX {
            return;
        }
        self.waiting.retain(|_, (since, _)| is_fresh(*since, now));
        if self.waiting.len() < WAITING_MAX {
            return;
        }
        let oldest = self.waiting.iter().min_by_key(|(_, (since, _))| *since);
        if let Some(whose) = oldest.map(|(whose, _)| whose.clone()) {
            self.waiting.remove(&whose);
        }
    }
}

fn is_fresh(since: Moment, now: Moment) -> bool {
    now < since + CHALLENGE_LASTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn asvs_6_5_1_a_challenge_is_answered_once() {
        let mut challenges = Challenges::default();
        challenges.put("ann", 1, at(0));
        assert_eq!(challenges.take(&"bob", at(1)), None);
        assert_eq!(challenges.take(&"ann", at(1)), Some(1));
        assert_eq!(challenges.take(&"ann", at(1)), None);
    }

    #[test]
    fn asvs_6_5_5_a_challenge_is_answered_within_five_minutes() {
        let mut challenges = Challenges::default();
        challenges.put("ann", 1, at(0));
        challenges.put("bob", 2, at(0));
        assert_eq!(challenges.take(&"ann", at(299)), Some(1));
        assert_eq!(challenges.take(&"bob", at(300)), None);
    }

    #[test]
    fn only_the_last_challenge_of_somebody_can_be_answered() {
        let mut challenges = Challenges::default();
        challenges.put("ann", 1, at(0));
        challenges.put("ann", 2, at(1));
        assert_eq!(challenges.take(&"ann", at(2)), Some(2));
        assert_eq!(challenges.take(&"ann", at(2)), None);
    }

    #[test]
    fn only_so_many_wait_the_latest_of_them() {
        let mut challenges = Challenges::default();
        for who in 0..WAITING_MAX as u64 + 10 {
            challenges.put(who, who, Moment::from_millis(who));
            assert!(challenges.waiting.len() <= WAITING_MAX);
        }
        let now = Moment::from_millis(WAITING_MAX as u64 + 10);
        assert_eq!(challenges.take(&9, now), None);
        assert_eq!(challenges.take(&10, now), Some(10));
        // Hours on, those of before make room by themselves.
        challenges.put(0, 0, at(9999));
        challenges.put(1, 1, at(9999));
        assert!(
            challenges.waiting.len() <= 2,
            "{}",
            challenges.waiting.len()
        );
    }

    #[test]
    fn a_name_is_a_few_words() {
        let name: PasskeyName = "  Ann’s phone ".parse().unwrap();
        assert_eq!(name.as_str(), "Ann’s phone");
        assert!(!format!("{name:?}").contains("Ann"));
        for no_name in ["", "   ", "a\nb", &"x".repeat(41)] {
            let outcome: Result<PasskeyName, _> = no_name.parse();
            assert_eq!(outcome, Err(NotAPasskeyName), "{no_name:?}");
        }
        assert!("ü".repeat(40).parse::<PasskeyName>().is_ok());
    }

    #[test]
    fn a_user_handle_is_one_account_s_and_stays() {
        assert_eq!(user_handle(1, 2), user_handle(1, 2));
        assert_ne!(user_handle(1, 2), user_handle(2, 2));
        assert_ne!(user_handle(1, 2), user_handle(1, 3));
    }
}
