//! What resumes a session.

use super::SessionId;
use slotmap::Key as _;
use std::fmt;

/// Names a session and proves that it is one's own: 128 random bits, good for one use.
///
/// `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct ResumeToken {
    session: SessionId,
    secret: u128,
}

/// A token's length on the wire.
const HEX_CHARS: usize = 16 + 32;

impl ResumeToken {
    pub(super) fn new(session: SessionId, secret: u128) -> Self {
        Self { session, secret }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Reads a token as it was written. `None` if it never was one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == HEX_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (session, secret) = text.split_at_checked(16).filter(|_| is_hex)?;
        let session = u64::from_str_radix(session, 16).ok()?;
        Some(Self {
            session: slotmap::KeyData::from_ffi(session).into(),
            secret: u128::from_str_radix(secret, 16).ok()?,
        })
    }

    /// The token on the wire: 48 hexadecimal digits.
    pub fn to_wire(self) -> String {
        format!("{:016x}{:032x}", self.session.data().as_ffi(), self.secret)
    }
}

/// Compares without a branch on the secret, so that time tells nothing of it.
impl PartialEq for ResumeToken {
    fn eq(&self, other: &Self) -> bool {
        let halves = |secret: u128| [secret as u64, (secret >> 64) as u64];
        let [low, high] = halves(self.secret ^ other.secret);
        self.session == other.session && std::hint::black_box(low | high) == 0
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let token = ResumeToken::new(slotmap::KeyData::from_ffi(0x1_0000_0007).into(), 5);
        assert_eq!(ResumeToken::parse(&token.to_wire()), Some(token));
        let wire = token.to_wire();
        for text in [
            "",
            "x",
            &wire[1..],
            &format!("{wire}0"),
            &wire.replace('5', "g"),
        ] {
            assert_eq!(ResumeToken::parse(text), None, "{text}");
        }
        let signed = format!("+{}", &wire[1..]);
        assert_eq!(ResumeToken::parse(&signed), None);
        assert!(!format!("{token:?}").contains('5'));
    }

    #[test]
    fn another_secret_is_another_token() {
        let session = slotmap::KeyData::from_ffi(0x1_0000_0007).into();
        for bit in 0..128 {
            assert_ne!(
                ResumeToken::new(session, 7),
                ResumeToken::new(session, 7 ^ (1 << bit))
            );
        }
    }
}
