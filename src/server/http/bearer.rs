//! Tokens in the request for an upgrade (RFC 6750): in a header, or among the subprotocols, for browsers can
//! set nothing else. Never in the address, which ends up in logs and histories.

use super::{Answer, sentence};
use crate::dialect::Dialect;
use crate::server::auth::{Admission, Verifier};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

/// What comes before a token among the subprotocols.
const SUBPROTOCOL_PREFIX: &[u8] = b"bearer.";

/// Names of what is taken for a token in a query string.
const QUERY_NAMES: &[&str] = &[
    "access_token",
    "token",
    "auth",
    "authorization",
    "bearer",
    "jwt",
];

/// Whether somebody may connect, or may until the first message.
pub(super) fn admit<B>(
    request: &Request<B>,
    dialect: Dialect,
    verifier: Option<&Verifier>,
) -> Result<Admission, Box<Answer>> {
    let bad = |message| Err(Box::new(sentence(StatusCode::BAD_REQUEST, message)));
    if request.uri().query().is_some_and(has_token) {
        return bad(
            "A token must not be part of the address. Send it in the Authorization header.",
        );
    }
    let Some(verifier) = verifier else {
        return Ok(Admission::Open);
    };
    let mut tokens = tokens(request.headers());
    let token = tokens.next();
    if tokens.next().is_some() {
        return bad("There must be one token, in the Authorization header or as a subprotocol.");
    }
    match (token, dialect) {
        (Some(token), _) => {
            let verified = str::from_utf8(token)
                .map_or(Err("the token is not text"), |token| verifier.verify(token));
            verified
                .map(Admission::Granted)
                .map_err(|denial| Box::new(unauthorized(denial)))
        }
        (None, Dialect::V1) => Ok(Admission::Pending),
        // Its first message has no place for one.
        (None, Dialect::Classic) => {
            let message = "This server asks for a token in the Authorization header.";
            let refusal = sentence(StatusCode::UNAUTHORIZED, message);
            let challenge = HeaderValue::from_static("Bearer");
            Err(Box::new(challenging(refusal, challenge)))
        }
    }
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        QUERY_NAMES
            .iter()
            .any(|token| name.eq_ignore_ascii_case(token))
    })
}

/// All tokens in a request's head.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let in_header = headers.get_all(header::AUTHORIZATION).iter();
    let in_header = in_header.filter_map(|value| {
        let (scheme, token) = value.as_bytes().split_first_chunk::<7>()?;
        scheme
            .eq_ignore_ascii_case(b"Bearer ")
            .then(|| token.trim_ascii())
    });
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered = offered
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|offer| offer.trim_ascii().strip_prefix(SUBPROTOCOL_PREFIX));
    in_header.chain(offered)
}

fn unauthorized(denial: &'static str) -> Answer {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{denial}\"");
    let challenge = challenge.replace('`', "'");
    let challenge = HeaderValue::try_from(challenge).expect("denials are plain words");
    challenging(sentence(StatusCode::UNAUTHORIZED, denial), challenge)
}

fn challenging(mut refusal: Answer, challenge: HeaderValue) -> Answer {
    refusal
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    refusal
}
