//! Requests that make something, and may be sent again by whoever has heard nothing: `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! What is not right with a key is answered as section 2.7 of the draft has it: 400 for what is no key, 422 for one that
//! was used with another body. 409, for one whose first request goes on, is never answered: the store has the second wait
//! for the first.

use super::guard::text;
use super::problem::{Problem, bytes, read};
use super::resource::bad;
use crate::accounts::opaque::Digest;
use crate::store::Once;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName};
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;

/// Where the key is.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key, in characters: a UUID has 36.
const KEY_CHARS_MAX: usize = 255;

/// The JSON of a body that asks for something to be made, and by which key, if by any.
pub(super) struct Making<T> {
    pub(super) asked: T,
    pub(super) key: Option<Key>,
}

/// A key, and what stands for the body that came with it.
pub(super) struct Key {
    text: String,
    digest: Digest,
}

impl Key {
    /// What the store knows it by.
    pub(super) fn once<'a>(&'a self, route: &'a str, actor: &'a str, at_ms: i64) -> Once<'a> {
        Once {
            actor,
            route,
            key: &self.text,
            digest: self.digest,
            at_ms,
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Making<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let text = key(request.headers())?;
        let bytes = bytes(request, state).await?;
        let mut sum = Digest::default();
        sum.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Ok(Self {
            asked: read(&bytes)?,
            key: text.map(|text| Key { text, digest: sum }),
        })
    }
}

/// The key of a request: as the draft has it a string in quotes (RFC 9651, section 3.3.3); without them it is the same.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if !headers.contains_key(&HEADER) {
        return Ok(None);
    }
    let given = text(headers, &HEADER).unwrap_or_default().trim();
    let inside = given
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let key = inside.unwrap_or(given);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    if !(1..=KEY_CHARS_MAX).contains(&key.len()) || !key.bytes().all(is_plain) {
        return Err(bad(format!(
            "`Idempotency-Key` must be there once and have 1 to {KEY_CHARS_MAX} visible ASCII characters, \
             neither quotes nor backslashes in it, such as a UUID"
        )));
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_key(values: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        assert!(matches!(read_key(&[]), Ok(None)));
        for given in ["a-key", "\"a-key\"", "  a-key "] {
            let key = read_key(&[given]);
            assert!(
                matches!(&key, Ok(Some(key)) if key == "a-key"),
                "{given}: {key:?}"
            );
        }
        assert!(read_key(&[&"x".repeat(255)]).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for given in [
            "", "\"\"", "\"", "a key", "a\"key", "a\\key", "\"a;b", "a\tb",
        ] {
            assert!(read_key(&[given]).is_err(), "{given}");
        }
        assert!(read_key(&[&"x".repeat(256)]).is_err());
        assert!(read_key(&["one", "other"]).is_err());
    }
}
