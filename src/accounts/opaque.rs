//! What only its holder knows: refresh tokens and codes of invitations.
//!
//! 256 random bits can't be guessed and come from no dictionary, so one round of SHA-256 is enough to keep (ASVS
//! 6.5.2, 7.2.3): who reads the store can't use what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use ring::digest::{SHA256, digest};
use std::fmt;

const BYTES: usize = 32;

/// What is kept of it, and found by it.
pub type Digest = [u8; 32];

/// 256 random bits. `Debug` does not show them.
pub struct Opaque([u8; BYTES]);

impl Opaque {
    /// Draws one.
    pub fn draw(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; BYTES];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads one as it was written. `None` if it never was one.
    pub fn parse(text: &str) -> Option<Self> {
        // Longer ones need not be looked at.
        if text.len() != 43 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The text that its holder shows: 43 characters of the alphabet for URLs (RFC 4648, section 5).
    pub fn to_wire(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        sha256(&self.0)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut kept = [0; 32];
    kept.copy_from_slice(digest(&SHA256, bytes).as_ref());
    kept
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn asvs_7_2_3_what_is_kept_is_not_what_is_shown() {
        let mut random = StdRng::seed_from_u64(1);
        let (one, other) = (Opaque::draw(&mut random), Opaque::draw(&mut random));
        assert_ne!(one.digest(), other.digest());
        let read = Opaque::parse(&one.to_wire()).unwrap();
        assert_eq!(read.digest(), one.digest());
        assert_ne!(&read.0, &one.digest());
        assert_eq!(format!("{one:?}"), "Opaque(..)");
    }

    #[test]
    fn nothing_else_is_one() {
        let wire = Opaque::draw(&mut StdRng::seed_from_u64(2)).to_wire();
        for text in [
            "",
            "a",
            &wire[1..],
            &format!("{wire}A"),
            &wire.replace(&wire[..1], "+"),
        ] {
            assert!(Opaque::parse(text).is_none(), "{text}");
        }
    }
}
