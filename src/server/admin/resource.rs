//! What things that can be listed and changed have in common: pages, versions, numbers.

use super::guard;
use super::problem::Problem;
use crate::store::Cursor;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

/// The longest page, and how long one is unless that is asked for.
pub(super) const PAGE_MAX: u32 = 100;

/// The parameters of a request: what stands behind the `?` of its address.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // PostgreSQL has no place for it in a text, so nothing that is kept has it.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(bad("a parameter must not hold a NUL"));
        }
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(params)| Self(params))
            .map_err(|why| bad(unread(&why.body_text())))
    }
}

/// What is wrong with the parameters, for people: the library says what its parser of numbers met.
fn unread(text: &str) -> String {
    let why = text.trim_start_matches("Failed to deserialize query string: ");
    match why.split_once(": ") {
        Some((name, why))
            if ["integer", "digit", "number"]
                .iter()
                .any(|it| why.contains(it)) =>
        {
            format!("`{name}` must be a whole number")
        }
        _ => why.to_owned(),
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageAsked {
    pub(super) after: Option<Cursor>,
    pub(super) limit: u32,
}

/// Reads `after` and `limit`.
pub(super) fn page(after: Option<&str>, limit: Option<u32>) -> Result<PageAsked, Problem> {
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(bad(format!("`limit` must be 1 to {PAGE_MAX}")));
    }
    let after = word("after", after, "`next` of the page before", |text| {
        text.parse().ok()
    })?;
    Ok(PageAsked { after, limit })
}

/// Reads a parameter that has to be what `read` understands.
pub(super) fn word<T>(
    name: &str,
    given: Option<&str>,
    allowed: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = given else {
        return Ok(None);
    };
    let read = read(text).ok_or_else(|| bad(format!("`{name}` must be {allowed}")))?;
    Ok(Some(read))
}

pub(super) fn bad(why: impl Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why.to_string())
}

/// The number in a path.
pub(super) fn number(id: &str, what: &str) -> Result<i64, Problem> {
    let unknown = |_| Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}"));
    id.parse().map_err(unknown)
}

/// The number of a thing to be changed, and the version of it that whoever changes it has seen.
pub(super) fn seen(id: &str, what: &str, headers: &HeaderMap) -> Result<(i64, i64), Problem> {
    Ok((number(id, what)?, version(headers)?))
}

/// The version in `If-Match` (RFC 9110, section 13.1.1).
fn version(headers: &HeaderMap) -> Result<i64, Problem> {
    let Some(tag) = guard::text(headers, &header::IF_MATCH) else {
        let message = "say by `If-Match` which version you have seen: the `ETag` of GET";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, message));
    };
    let version = tag.trim().trim_matches('"').parse();
    version.map_err(|_| {
        let message = "it has no such `ETag`: it has changed, or never had it";
        Problem::new(StatusCode::PRECONDITION_FAILED, message)
    })
}

/// A thing as it is now, with its version as `ETag`.
pub(super) fn with_tag(version: i64, body: impl Serialize) -> Response {
    let tag = HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes");
    ([(header::ETAG, tag)], Json(body)).into_response()
}

/// The same for one that was just made, and where it is.
pub(super) fn made(version: i64, location: &str, body: impl Serialize) -> Response {
    let mut response = with_tag(version, body);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Asked {
        limit: Option<u32>,
        after: Option<String>,
    }

    #[test]
    fn a_parameter_that_can_not_be_read_is_named_in_plain_words() {
        for (query, expected) in [
            ("limit=many", "`limit` must be a whole number"),
            ("limit=", "`limit` must be a whole number"),
            ("limit=99999999999", "`limit` must be a whole number"),
            (
                "limti=1",
                "unknown field `limti`, expected `limit` or `after`",
            ),
        ] {
            let uri = format!("/?{query}").parse().unwrap();
            let error = Query::<Asked>::try_from_uri(&uri).unwrap_err();
            let words = unread(&error.body_text());
            assert!(words.ends_with(expected), "{words}");
            assert!(!words.contains("deserialize"), "{words}");
        }
    }
}
