//! Time-based one-time passwords (RFC 6238): six digits that change every 30 seconds.
//!
//! SHA-1, as that is what every authenticator does; no collision of it helps to find a code. A code is good for its
//! own 30 seconds and those before and after it, as clocks differ (RFC 6238, section 5.2), and once: the step that
//! it was of is kept, and neither it nor an earlier one is good again (ASVS 6.5.1).

use super::AccountName;
use crate::private::Private;
use rand::CryptoRng;
use std::fmt;
use totp_rs::{Algorithm, Builder, Totp};

/// A secret's length: RFC 4226, section 4, recommends that of SHA-1's output.
const SECRET_BYTES: usize = 20;

/// How long a code is shown, in seconds.
const STEP_S: u64 = 30;

/// How many steps a clock may be off.
const SKEW_STEPS: u16 = 1;

const DIGITS: u8 = 6;

/// Who the code is for, as authenticators show it.
const ISSUER: &str = "WhisperChat";

/// What an authenticator and the server share. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Private<[u8; SECRET_BYTES]>);

/// The number of a span of 30 seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub i64);

impl Secret {
    /// Draws one (ASVS 6.5.3).
    pub fn draw(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        random.fill_bytes(&mut bytes);
        Self(Private::new(bytes))
    }

    /// Reads what was kept. `None` if it never was one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Private::new(bytes)))
    }

    /// What is to be kept.
    pub fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The secret for who types it: 32 letters and digits (RFC 4648, section 6).
    pub fn to_base32(&self) -> String {
        self.totp().secret().to_base32()
    }

    /// The secret for who scans it, as authenticators read it
    /// (<https://github.com/google/google-authenticator/wiki/Key-Uri-Format>).
    pub fn to_uri(&self, name: &AccountName) -> String {
        // Neither has a character that would have to be written otherwise.
        let (name, secret) = (name.as_str(), self.to_base32());
        format!("otpauth://totp/{ISSUER}:{name}?secret={secret}&issuer={ISSUER}")
    }

    /// The step that a code is of, if it is good at this time, in s since the Unix epoch, and of a later step than
    /// the last that was used.
    pub fn check(&self, code: &str, now_s: i64, last: Option<Step>) -> Option<Step> {
        let is_code =
            code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
        let now_s = u64::try_from(now_s).ok().filter(|_| is_code)?;
        let step = self.totp().check(code, now_s)?;
        let step = Step(i64::try_from(step).ok()?);
        (last.is_none_or(|last| last < step)).then_some(step)
    }

    fn totp(&self) -> Totp {
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW_STEPS)
            .with_step_duration(STEP_S)
            .with_secret(*self.0);
        // A secret of 160 bits and six digits are what the RFCs ask for.
        builder.build().expect("all is as the RFCs have it")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    /// The secret of RFC 6238, appendix B.
    fn of_the_rfc() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        // The last six of the eight digits there.
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = of_the_rfc().check(code, at_s, None);
            assert_eq!(step, Some(Step(at_s / 30)), "{at_s}");
        }
    }

    #[test]
    fn asvs_6_5_5_a_code_is_good_for_its_step_and_those_beside_it() {
        let good: Vec<_> = (0..200)
            .filter(|&at_s| of_the_rfc().check("287082", at_s, None).is_some())
            .collect();
        assert_eq!(good, (0..90).collect::<Vec<_>>());
    }

    #[test]
    fn asvs_6_5_1_a_code_is_good_once_and_none_before_it_is_afterwards() {
        let secret = of_the_rfc();
        let used = secret.check("287082", 59, None).unwrap();
        assert_eq!(secret.check("287082", 59, Some(used)), None);
        assert_eq!(secret.check("287082", 80, Some(used)), None);
        assert_eq!(secret.check("287082", 59, Some(Step(used.0 + 1))), None);
        assert!(secret.check("287082", 59, Some(Step(used.0 - 1))).is_some());
    }

    #[test]
    fn nothing_but_six_digits_is_a_code() {
        for code in [
            "",
            "28708",
            "0287082",
            "287082 ",
            "287 082",
            "٢٨٧٠٨٢",
            "+87082",
        ] {
            assert_eq!(of_the_rfc().check(code, 59, None), None, "{code:?}");
        }
        assert_eq!(of_the_rfc().check("287082", -1, None), None);
    }

    #[test]
    fn a_secret_is_told_to_authenticators_and_not_to_the_log() {
        let name = "ann.b".parse().unwrap();
        let secret = of_the_rfc();
        assert_eq!(
            secret.to_uri(&name),
            "otpauth://totp/WhisperChat:ann.b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=WhisperChat"
        );
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        let mut random = StdRng::seed_from_u64(1);
        assert_ne!(Secret::draw(&mut random), Secret::draw(&mut random));
    }
}
