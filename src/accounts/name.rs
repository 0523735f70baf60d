//! Names of accounts.

use std::fmt;
use std::str::FromStr;

/// The longest name, in characters.
const CHARS_MAX: usize = 32;

/// Names that are the first to be tried by who guesses (ASVS 6.3.2: there are no default accounts).
const GUESSED: &[&str] = &["admin", "administrator", "root", "sa", "user", "test"];

/// What somebody who looks after the server is called: 2 to 32 of `a-z`, `0-9`, `.`, `_` and `-`, a letter first.
///
/// Capitals are read as small letters, so that no two names look alike. It is no secret, but it stands for a person:
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(String);

/// That something is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// It has other characters, or too many, or too few.
    #[error("a name is 2 to 32 of a-z, 0-9, `.`, `_` and `-`, and begins with a letter")]
    Form,
    /// It is tried by everybody who guesses.
    #[error("this name is the first that a guesser would try: take one of a person")]
    Guessed,
}

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a name that nobody should have. Only asked when an account is made.
    ///
    /// # Errors
    /// `NotAName::Guessed` if so.
    pub fn check_new(&self) -> Result<(), NotAName> {
        if GUESSED.contains(&self.0.as_str()) {
            return Err(NotAName::Guessed);
        }
        Ok(())
    }
}

impl FromStr for AccountName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let name = text.trim().to_ascii_lowercase();
        let is_taken =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_name = (2..=CHARS_MAX).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(is_taken);
        if is_name {
            Ok(Self(name))
        } else {
            Err(NotAName::Form)
        }
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_one() {
        let name: AccountName = " Ann.B-2 ".parse().unwrap();
        assert_eq!(name.as_str(), "ann.b-2");
        assert_eq!(name, "ann.b-2".parse().unwrap());
    }

    #[test]
    fn other_scripts_spaces_and_markup_are_no_names() {
        let long = "a".repeat(33);
        for text in [
            "", "a", "2ann", ".ann", "ann b", "аnn", "ann\n", "<b>ann", "ann:1", "änn", &long,
        ] {
            let outcome = text.parse::<AccountName>();
            // A line's end is trimmed away, as a hand that pastes leaves it there.
            assert_eq!(outcome.is_ok(), text == "ann\n", "{text:?}");
        }
    }

    #[test]
    fn asvs_6_3_2_names_that_everybody_guesses_are_not_given() {
        for name in ["admin", "Root", "test"] {
            let name: AccountName = name.parse().unwrap();
            assert_eq!(name.check_new(), Err(NotAName::Guessed));
        }
        assert_eq!("ann".parse::<AccountName>().unwrap().check_new(), Ok(()));
    }
}
