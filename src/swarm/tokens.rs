//! Tokens that people show when they connect, to a server that asks for them.

use crate::private::Private;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::str::FromStr;
use std::sync::Arc;

/// A request's head has no room for a longer one.
const TOKEN_MAX_BYTES: usize = 4096;

/// One for each of the most people that a run can have.
const TOKENS_MAX: usize = 1_000_000;

/// Tokens as they stand in a file, one on each line; people take them in turn. None for a server that asks for none.
///
/// They are no part of a plan, which is written into outcomes. Serialized they are only for processes of a run.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<[Private<String>]>);

/// The text has no tokens that could be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// There is nothing in it.
    #[error("there is no token in it: write one on each line")]
    Empty,
    /// There are too many.
    #[error("there are more than {TOKENS_MAX} tokens in it")]
    TooMany,
    /// A line that is no token. It is not shown, as it may be a secret.
    #[error("line {0} is no token: those are up to {TOKEN_MAX_BYTES} letters, digits, -, _ and .")]
    NoToken(usize),
}

impl Tokens {
    /// What somebody shows, if anybody shows anything.
    pub(super) fn of(&self, number: u32) -> Option<Private<&str>> {
        let index = (number as usize).checked_rem(self.0.len())?;
        Some(Private::new(self.0[index].as_str()))
    }
}

impl FromStr for Tokens {
    type Err = TokensError;

    fn from_str(text: &str) -> Result<Self, TokensError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let mut tokens = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let token = line.trim();
            if token.is_empty() {
                continue;
            }
            if token.len() > TOKEN_MAX_BYTES || !token.bytes().all(is_plain) {
                return Err(TokensError::NoToken(index + 1));
            }
            if tokens.len() == TOKENS_MAX {
                return Err(TokensError::TooMany);
            }
            tokens.push(Private::new(token.to_owned()));
        }
        if tokens.is_empty() {
            return Err(TokensError::Empty);
        }
        Ok(Self(tokens.into()))
    }
}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|token| token.as_str()))
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tokens = Vec::<String>::deserialize(deserializer)?;
        Ok(Self(tokens.into_iter().map(Private::new).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_take_tokens_in_turn() {
        let tokens: Tokens = " a.b.c\n\nd.e.f \n".parse().unwrap();
        let shown = [0, 1, 2, 3].map(|number| *tokens.of(number).unwrap());
        assert_eq!(shown, ["a.b.c", "d.e.f", "a.b.c", "d.e.f"]);
        assert!(Tokens::default().of(1).is_none());
        assert!(!format!("{tokens:?}").contains("a.b.c"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        let refused = |text: &str| text.parse::<Tokens>().unwrap_err();
        assert_eq!(refused(" \n"), TokensError::Empty);
        assert_eq!(refused("a.b.c\nBearer x"), TokensError::NoToken(2));
        assert_eq!(refused("a\"b"), TokensError::NoToken(1));
        assert_eq!(refused(&"a".repeat(5000)), TokensError::NoToken(1));
    }
}
