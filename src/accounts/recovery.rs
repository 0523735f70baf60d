//! Recovery codes: ten words for whoever has lost their second factor, each good once.
//!
//! A code has 120 random bits, more than the 112 from which one round of SHA-256 is enough to keep (ASVS 6.5.2).

use super::opaque::{Digest, sha256};
use rand::CryptoRng;
use std::fmt;

/// How many somebody gets.
pub const CODES: usize = 10;

/// Crockford's alphabet without the letters that are mistaken for digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const CHARS: usize = 24;

/// Characters between two dashes.
const GROUP: usize = 6;

/// A code. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode([u8; CHARS]);

impl RecoveryCode {
    /// Draws all that somebody gets.
    pub fn draw_all(random: &mut impl CryptoRng) -> Vec<Self> {
        (0..CODES).map(|_| Self::draw(random)).collect()
    }

    fn draw(random: &mut impl CryptoRng) -> Self {
        let mut chars = [0; CHARS];
        random.fill_bytes(&mut chars);
        for char in &mut chars {
            // 256 is a multiple of 32: each is as likely as any other.
            *char = ALPHABET[usize::from(*char % 32)];
        }
        Self(chars)
    }

    /// Reads one as a hand has typed it: capitals, spaces and dashes don't matter. `None` if it never was one.
    pub fn parse(text: &str) -> Option<Self> {
        // Longer ones need not be looked at.
        if text.len() > 2 * CHARS {
            return None;
        }
        let is_space = |byte: &u8| b" -".contains(byte);
        let small = text
            .bytes()
            .filter(|byte| !is_space(byte))
            .map(|byte| byte.to_ascii_lowercase());
        let chars: Vec<u8> = small.collect();
        if !chars.iter().all(|char| ALPHABET.contains(char)) {
            return None;
        }
        chars.try_into().ok().map(Self)
    }

    /// The code for its holder: four groups of six.
    pub fn to_words(&self) -> String {
        let groups = self.0.chunks(GROUP).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-")
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        sha256(&self.0)
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use std::collections::HashSet;

    fn codes() -> Vec<RecoveryCode> {
        RecoveryCode::draw_all(&mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn asvs_6_5_2_ten_codes_of_120_bits_that_differ() {
        let words: HashSet<_> = codes().iter().map(RecoveryCode::to_words).collect();
        assert_eq!(words.len(), CODES);
        for word in words {
            assert_eq!(word.len(), CHARS + 3, "{word}");
        }
    }

    #[test]
    fn a_code_is_read_as_a_hand_types_it() {
        let code = &codes()[0];
        let words = code.to_words();
        for typed in [
            words.clone(),
            words.to_uppercase(),
            words.replace('-', " "),
            words.replace('-', ""),
            format!(" {words} "),
        ] {
            assert_eq!(RecoveryCode::parse(&typed).as_ref(), Some(code), "{typed}");
        }
        for typed in [
            "",
            "123456",
            &words[1..],
            &words.replace(&words[..1], "u"),
            &words.repeat(3),
        ] {
            assert_eq!(RecoveryCode::parse(typed), None, "{typed}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(..)");
    }
}
