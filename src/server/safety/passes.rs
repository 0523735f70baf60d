//! Guest passes: what proves that somebody was here before, and says nothing else.
//!
//! A pass is an id drawn at random and two times, sealed with a key of the server (ChaCha20-Poly1305, RFC 8439): nobody else
//! can make one, read one, or see that two are the same person's. Each `join` gets a new one in the place of the one it has
//! shown.

use crate::store::{Key, Subject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

/// How long a key is.
pub(super) const KEY_BYTES: usize = 32;

/// For how long after it was given a pass is good: half a year.
const GOOD_FOR_S: u32 = 183 * 86_400;

/// How much later than now a pass may say that it was given: clocks of several servers differ.
const AHEAD_S: u32 = 300;

/// Which key, as the store numbers them.
const NUMBER_BYTES: usize = 4;

/// The id, when it was first given, and when this pass was.
const PLAIN_BYTES: usize = 16 + 4 + 4;

const TAG_BYTES: usize = 16;

const SEALED_BYTES: usize = NUMBER_BYTES + NONCE_LEN + PLAIN_BYTES + TAG_BYTES;

/// Binds what is sealed to what it is for.
const PURPOSE: &[u8] = b"whisperchat guest pass 1";

/// What a pass says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Pass {
    /// Whose it is.
    pub(in crate::server) subject: Subject,
    /// When they were first given one, in s since the Unix epoch.
    pub(in crate::server) first_s: u32,
}

/// The keys that passes are sealed with; the newest first.
pub(in crate::server) struct Passes(Vec<(u32, LessSafeKey)>);

impl fmt::Debug for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passes({} keys)", self.0.len())
    }
}

impl Pass {
    /// For somebody who has none.
    pub(super) fn new(now_ms: i64) -> Self {
        let mut id = [0; 16];
        SysRng
            .try_fill_bytes(&mut id)
            .expect("an operating system without randomness can't run a server");
        Self {
            subject: Subject(id),
            first_s: seconds(now_ms),
        }
    }
}

impl Passes {
    /// With the keys of the store, the newest first. Those that are no keys are left out.
    pub(super) fn new(keys: &[Key]) -> Self {
        let key = |key: &Key| {
            let sealing = UnboundKey::new(&CHACHA20_POLY1305, &key.secret).ok()?;
            Some((u32::try_from(key.id).ok()?, LessSafeKey::new(sealing)))
        };
        Self(keys.iter().filter_map(key).collect())
    }

    /// The pass as it is given now: 75 characters. Each time they are others. `None` if there is no key.
    pub(in crate::server) fn seal(&self, pass: &Pass, now_ms: i64) -> Option<String> {
        let (number, key) = self.0.first()?;
        // Drawn at random: of 2^36 passes sealed with one key, the chance that two share it is 2^-25.
        let mut nonce = [0; NONCE_LEN];
        SysRng.try_fill_bytes(&mut nonce).ok()?;
        let mut plain = Vec::with_capacity(PLAIN_BYTES + TAG_BYTES);
        plain.extend(pass.subject.0);
        plain.extend(pass.first_s.to_le_bytes());
        plain.extend(seconds(now_ms).to_le_bytes());
        let sealed_with = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(sealed_with, Aad::from(PURPOSE), &mut plain)
            .ok()?;
        let mut sealed = Vec::with_capacity(SEALED_BYTES);
        sealed.extend(number.to_le_bytes());
        sealed.extend(nonce);
        sealed.extend(plain);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What a pass says, if this server or one with the same store gave it, and not too long ago.
    pub(super) fn open(&self, text: &str, now_ms: i64) -> Option<Pass> {
        // Longer text is none, and not worth decoding.
        if text.len() != SEALED_BYTES.div_ceil(3) * 4 - 1 {
            return None;
        }
        let sealed: [u8; SEALED_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (number, rest) = sealed.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let number = u32::from_le_bytes(*number);
        let (_, key) = self.0.iter().find(|(known, _)| *known == number)?;
        let mut rest = rest.to_vec();
        let plain = key.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(PURPOSE),
            &mut rest,
        );
        let (id, times) = plain.ok()?.split_first_chunk()?;
        let (first_s, times) = times.split_first_chunk()?;
        let (given_s, _) = times.split_first_chunk()?;
        let given_s = u32::from_le_bytes(*given_s);
        let now_s = seconds(now_ms);
        let is_good =
            given_s <= now_s.saturating_add(AHEAD_S) && now_s <= given_s.saturating_add(GOOD_FOR_S);
        is_good.then_some(Pass {
            subject: Subject(*id),
            first_s: u32::from_le_bytes(*first_s),
        })
    }
}

/// Whole seconds since the Unix epoch; they last until the year 2106.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::Private;

    const NOW_MS: i64 = 1_800_000_000_000;
    const DAY_MS: i64 = 86_400_000;

    fn passes(secrets: &[(i64, u8)]) -> Passes {
        let key = |(id, byte): &(i64, u8)| Key {
            id: *id,
            purpose: "pass".to_owned(),
            secret: Private::new(vec![*byte; KEY_BYTES]),
            created_at_ms: 0,
            retired_at_ms: None,
        };
        Passes::new(&secrets.iter().map(key).collect::<Vec<_>>())
    }

    fn pass() -> Pass {
        Pass {
            subject: Subject([7; 16]),
            first_s: 1_700_000_000,
        }
    }

    #[test]
    fn a_pass_is_read_back_and_never_the_same_twice() {
        let passes = passes(&[(1, 5)]);
        let given = [(); 2].map(|()| passes.seal(&pass(), NOW_MS).unwrap());
        assert_ne!(given[0], given[1]);
        for text in &given {
            assert_eq!(text.len(), 75);
            assert_eq!(passes.open(text, NOW_MS), Some(pass()));
        }
    }

    #[test]
    fn passes_of_earlier_keys_are_good_and_those_of_other_servers_are_none() {
        let before = passes(&[(1, 5)]);
        let given = before.seal(&pass(), NOW_MS).unwrap();
        let renewed = passes(&[(2, 6), (1, 5)]);
        assert_eq!(renewed.open(&given, NOW_MS), Some(pass()));
        assert_eq!(passes(&[(1, 6)]).open(&given, NOW_MS), None);
        assert_eq!(passes(&[(2, 5)]).open(&given, NOW_MS), None);
        assert_eq!(passes(&[]).open(&given, NOW_MS), None);
    }

    #[test]
    fn a_pass_that_was_changed_anywhere_is_none() {
        let passes = passes(&[(1, 5)]);
        let given = passes.seal(&pass(), NOW_MS).unwrap();
        for at in 0..given.len() {
            let mut other = given.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(passes.open(&other, NOW_MS), None, "changed at {at}");
        }
        for text in ["", "A", &given[1..], &format!("{given}A"), &"é".repeat(37)] {
            assert_eq!(passes.open(text, NOW_MS), None, "{text}");
        }
    }

    #[test]
    fn a_pass_is_good_for_half_a_year_and_none_from_the_future() {
        let passes = passes(&[(1, 5)]);
        let given = passes.seal(&pass(), NOW_MS).unwrap();
        assert!(passes.open(&given, NOW_MS + 182 * DAY_MS).is_some());
        assert!(passes.open(&given, NOW_MS + 184 * DAY_MS).is_none());
        assert!(passes.open(&given, NOW_MS - 60_000).is_some());
        assert!(passes.open(&given, NOW_MS - DAY_MS).is_none());
    }
}
