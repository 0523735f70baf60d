//! Why something was not done, in the form that programs know: problem details (RFC 9457).

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, RefOr};

/// What such a body is called.
const KIND: &str = "application/problem+json";

/// The same for other bodies, as a description has it unless told otherwise.
const JSON: &str = "application/json";

/// Why something was not done: problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Conflict")]
    title: &'static str,
    /// The answer's status.
    #[schema(example = 409)]
    status: u16,
    /// A sentence for people.
    detail: String,
    /// After how many seconds it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        // It was made of one.
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same for somebody who is let in, and only didn't show well enough that it is still they: 401 would have
    /// their program log in anew.
    pub(super) fn into_forbidden(self) -> Self {
        if self.status != StatusCode::UNAUTHORIZED.as_u16() {
            return self;
        }
        Self::new(StatusCode::FORBIDDEN, self.detail)
    }

    /// The same, and when it is worth trying again.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        // Words and numbers can always be written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, KIND)], body).into_response();
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The JSON of a request's body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = bytes(request, state).await?;
        read(&bytes).map(Self)
    }
}

/// A request's body.
pub(super) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let bytes = Bytes::from_request(request, state).await;
    bytes.map_err(|rejection| unread(&rejection))
}

/// Reads a body. What is wrong with it is said by where and what, and nothing of what is there.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let read = serde_json::from_slice(bytes);
    read.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, unfit(&error)))
}

fn unread(rejection: &BytesRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}

/// What is wrong with a body, without a value of it: that may be a password, and the library's messages quote them.
fn unfit(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if !error.is_data() {
        return format!(
            "the body is not JSON, at line {} column {}",
            error.line(),
            error.column()
        );
    }
    // "missing field `name` at …", "invalid type: string \"secret\", expected u64 at …"
    let expected = message.rfind("expected ").map(|start| &message[start..]);
    let missing = message
        .starts_with("missing field")
        .then_some(message.as_str());
    let said = missing.or(expected).unwrap_or("other values");
    format!(
        "the body is not what is asked for: {}",
        with_plain_types(said)
    )
}

/// The types of Rust, as whoever writes JSON calls them.
fn with_plain_types(text: &str) -> String {
    const TYPES: [(&str, &str); 6] = [
        ("i32", "a whole number"),
        ("i64", "a whole number"),
        ("u32", "a whole number, not below 0"),
        ("u64", "a whole number, not below 0"),
        ("f64", "a number"),
        ("a boolean", "true or false"),
    ];
    let plain = |text: String, (name, plain): &(&str, &str)| {
        text.replace(&format!("expected {name}"), &format!("expected {plain}"))
    };
    TYPES.iter().fold(text.to_owned(), plain)
}

/// Has a description say of every problem that it is one.
pub(super) fn name_problems(description: &mut OpenApi) {
    for item in description.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            for (status, response) in &mut operation.responses.responses {
                let is_problem = status.starts_with(['4', '5']);
                if let (true, RefOr::T(response)) = (is_problem, response)
                    && let Some(content) = response.content.swap_remove(JSON)
                {
                    response.content.insert(KIND.to_owned(), content);
                }
            }
        }
    }
}

/// What can be done at a path, by its methods.
pub(super) fn operations_mut(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut utoipa::openapi::path::Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Wanted {
        name: String,
        count: u64,
    }

    fn complaint(body: &str) -> String {
        unfit(&serde_json::from_str::<Wanted>(body).unwrap_err())
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_without_its_values() {
        for (body, said) in [
            (r#"{"name": "hush"#, "not JSON"),
            (r#"{"name": "hush"}"#, "missing field `count`"),
            (
                r#"{"name": "a", "count": "hush"}"#,
                "expected a whole number, not below 0",
            ),
            (
                r#"{"name": "a", "count": "hush, expected hush"}"#,
                "expected a whole number",
            ),
            (r#"{"name": ["hush"], "count": 1}"#, "expected a string"),
        ] {
            let complaint = complaint(body);
            assert!(complaint.contains(said), "{complaint}");
            assert!(!complaint.contains("hush"), "{complaint}");
        }
        let complaint = complaint(r#"{"nam": "a"}"#);
        assert!(
            complaint.contains("expected `name` or `count`"),
            "{complaint}"
        );
    }
}
