//! Which passwords are taken, and what is kept of them.
//!
//! Rules are those of NIST SP 800-63B-4, section 3.1.1, and ASVS 6.2: long rather than odd. Any characters, in any
//! mix, as they are typed; nothing is cut off, and no password runs out. What is refused is what everybody tries
//! first: the most common ones, the name of the account, the name of the program.
//!
//! Kept is an Argon2id hash in the form of a PHC string, which says by which parameters it was made, so that they
//! can rise: whoever logs in next gets a new hash.

use super::{AccountName, Role};
use crate::private::Private;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

/// The fewest characters where a second factor is asked for besides (ASVS 6.2.1).
const CHARS_MIN_WITH_FACTOR: usize = 8;

/// The fewest where the password is all there is.
const CHARS_MIN_ALONE: usize = 15;

/// The most characters: more than ASVS 6.2.9 asks for, and few enough that nobody can have the server read a book.
const CHARS_MAX: usize = 128;

/// The most bytes of these characters.
const BYTES_MAX: usize = CHARS_MAX * 4;

/// Words that anybody who guesses here tries (ASVS 6.1.2).
const CONTEXT: &[&str] = &["whisperchat", "whisper chat", "whisper-chat", "wh1sperchat"];

/// A name of fewer characters is part of many words.
const NAME_CHARS_MIN: usize = 4;

/// Memory of a hash in KiB, passes and lanes, of the choices that OWASP's Password Storage Cheat Sheet has for
/// Argon2id the one that most servers can spare: m = 19 MiB, t = 2, p = 1.
const PARAMS: Params = match Params::new(19 * 1024, 2, 1, Some(HASH_BYTES)) {
    Ok(params) => params,
    Err(_) => panic!("these are within the bounds"),
};

const HASH_BYTES: usize = 32;

/// A salt's length: RFC 9106, section 3.1, recommends 16 bytes.
pub const SALT_BYTES: usize = 16;

/// A hash that no password has, by the parameters of now: who names an account that is not there is made to wait as
/// long as who names one that is (ASVS 6.3.8).
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
    $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The most common passwords of 8 characters and more, the most common first; data/README.md says whose list it is.
const COMMON: &str = include_str!("../../data/common-passwords.txt");

static COMMON_SET: LazyLock<HashSet<&'static str>> = LazyLock::new(|| COMMON.lines().collect());

/// A password as it was typed. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Private<String>);

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is too short for somebody of this role.
    #[error("the password must have {0} characters or more; any will do, so take a few words")]
    Short(usize),
    /// It is too long.
    #[error("the password must have at most {CHARS_MAX} characters")]
    Long,
    /// Everybody tries it.
    #[error("this password is among the most common ones, which are tried first: take another")]
    Common,
    /// It has a word in it that is tried here.
    #[error(
        "the password must not have the account's name in it, where that has {NAME_CHARS_MIN} characters or more, nor \
         the program's"
    )]
    Context,
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not the one.
    Wrong,
    /// It is.
    Right {
        /// Whether its hash was made by lesser parameters, and is to be replaced.
        is_outdated: bool,
    },
}

impl Password {
    /// A password that somebody claims to be theirs. Longer ones than any are cut short here, so that none of them is
    /// right.
    pub fn claimed(text: String) -> Self {
        let text = if text.len() > BYTES_MAX {
            String::new()
        } else {
            text
        };
        Self(Private::new(text))
    }

    /// A password that somebody wants to have from now on.
    ///
    /// # Errors
    /// [`Unfit`] says what is wrong with it.
    pub fn chosen(text: String, name: &AccountName, role: Role) -> Result<Self, Unfit> {
        let min = if role.needs_factor() {
            CHARS_MIN_WITH_FACTOR
        } else {
            CHARS_MIN_ALONE
        };
        let chars = text.chars().count();
        if chars < min {
            return Err(Unfit::Short(min));
        }
        if chars > CHARS_MAX {
            return Err(Unfit::Long);
        }
        let small = text.to_lowercase();
        if COMMON_SET.contains(small.as_str()) {
            return Err(Unfit::Common);
        }
        let name = name.as_str();
        let has_name = name.len() >= NAME_CHARS_MIN && small.contains(name);
        if has_name || CONTEXT.iter().any(|word| small.contains(word)) {
            return Err(Unfit::Context);
        }
        Ok(Self(Private::new(text)))
    }

    /// What is to be kept of it: about 100 characters. Takes 19 MiB and some tens of milliseconds.
    pub fn hash(&self, salt: [u8; SALT_BYTES]) -> String {
        let hashed = hasher().hash_password_with_salt(self.0.as_bytes(), &salt);
        // A salt of 16 bytes, a password of less than 4 GiB and these parameters are within its bounds.
        hashed.expect("all is within bounds").to_string()
    }

    /// Whether it is the one that this was kept of; `None` for an account that is not there, or has no password. It
    /// takes as long either way.
    pub fn check(&self, kept: Option<&str>) -> Verdict {
        let parsed = PasswordHash::new(kept.unwrap_or(NOBODYS));
        let Ok(parsed) = parsed else {
            return Verdict::Wrong;
        };
        let is_right = hasher().verify_password(self.0.as_bytes(), &parsed).is_ok();
        if !is_right || kept.is_none() {
            return Verdict::Wrong;
        }
        Verdict::Right {
            is_outdated: is_outdated(&parsed),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

/// Whether a hash was made by less memory or fewer passes, or otherwise than by Argon2id.
fn is_outdated(hash: &PasswordHash) -> bool {
    let Ok(params) = Params::try_from(hash) else {
        return true;
    };
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || params.m_cost() < PARAMS.m_cost()
        || params.t_cost() < PARAMS.t_cost()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> AccountName {
        "anna.b".parse().unwrap()
    }

    fn chosen(text: &str, role: Role) -> Result<Password, Unfit> {
        Password::chosen(text.to_owned(), &name(), role)
    }

    #[test]
    fn asvs_6_2_1_short_ones_are_refused_by_characters_not_bytes() {
        assert_eq!(chosen("ßßßßßßß", Role::Admin), Err(Unfit::Short(8)));
        assert!(chosen("ßßßßßßß!", Role::Admin).is_ok());
        // Without a second factor it is all there is.
        assert_eq!(
            chosen("fourteen chars", Role::Viewer),
            Err(Unfit::Short(15))
        );
        assert!(chosen("fifteen chars ok", Role::Viewer).is_ok());
    }

    #[test]
    fn asvs_6_2_9_long_ones_are_taken_up_to_128_characters() {
        assert!(chosen(&"🦀".repeat(128), Role::Viewer).is_ok());
        assert_eq!(chosen(&"x".repeat(129), Role::Viewer), Err(Unfit::Long));
    }

    #[test]
    fn asvs_6_2_4_the_most_common_ones_are_refused_whatever_their_case() {
        assert!(COMMON.lines().count() >= 3000);
        assert!(COMMON.lines().all(|line| line.chars().count() >= 8));
        for text in ["password", "PassWord", "qwertyuiop", "1234567890"] {
            assert_eq!(chosen(text, Role::Admin), Err(Unfit::Common), "{text}");
        }
    }

    #[test]
    fn asvs_6_2_5_any_mix_of_characters_is_taken() {
        for text in ["aaaaaaaaab", "        x", "48151623421", "ключ от двери"] {
            assert!(chosen(text, Role::Admin).is_ok(), "{text}");
        }
    }

    #[test]
    fn asvs_6_2_11_names_of_the_account_and_the_program_are_refused() {
        for text in ["xxAnna.Bxx", "my WhisperChat pass"] {
            assert_eq!(chosen(text, Role::Admin), Err(Unfit::Context), "{text}");
        }
        // A short name is part of many words.
        let al: AccountName = "al".parse().unwrap();
        assert!(Password::chosen("also a walrus".to_owned(), &al, Role::Admin).is_ok());
    }

    #[test]
    fn asvs_6_2_8_it_is_checked_exactly_as_it_was_typed() {
        let typed = " Päss Wörd 123 ";
        let kept = chosen(typed, Role::Admin).unwrap().hash([7; SALT_BYTES]);
        let check = |text: &str| Password::claimed(text.to_owned()).check(Some(&kept));
        assert_eq!(check(typed), Verdict::Right { is_outdated: false });
        for text in [
            typed.trim(),
            &typed.to_lowercase(),
            &typed[..typed.len() - 1],
            "",
        ] {
            assert_eq!(check(text), Verdict::Wrong, "{text:?}");
        }
    }

    #[test]
    fn the_same_password_is_kept_in_another_way_each_time() {
        let password = chosen("correct horse", Role::Admin).unwrap();
        let [one, other] = [[1; SALT_BYTES], [2; SALT_BYTES]].map(|salt| password.hash(salt));
        assert_ne!(one, other);
        // As OWASP's cheat sheet has it.
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_eq!(format!("{password:?}"), "Password(..)");
    }

    #[test]
    fn asvs_6_3_8_nobodys_hash_costs_as_much_as_anybodys() {
        let parsed = PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(Params::try_from(&parsed).unwrap(), PARAMS);
        assert!(!is_outdated(&parsed));
        assert_eq!(Password::claimed(String::new()).check(None), Verdict::Wrong);
    }

    #[test]
    fn a_hash_by_lesser_parameters_is_right_and_outdated() {
        let lesser = Params::new(8 * 1024, 1, 1, None).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, lesser);
        let kept = hasher.hash_password_with_salt(b"correct horse", &[3; SALT_BYTES]);
        let kept = kept.unwrap().to_string();
        let password = Password::claimed("correct horse".to_owned());
        assert_eq!(
            password.check(Some(&kept)),
            Verdict::Right { is_outdated: true }
        );
        assert_eq!(password.check(Some("no hash")), Verdict::Wrong);
    }
}
