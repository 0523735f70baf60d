//! Whom to call, how they know whose call it is, and what their answer means.

use super::body::body;
use super::retry;
use crate::config::{self, seconds};
use crate::server::outbound::{Outbound, OutboundError};
use crate::store::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use ring::hmac;
use std::io;
use std::time::Duration;

/// For how much longer than an answer may take a call is this server's: by then what came of it is noted, or the store is away.
const LEASE_SLACK: Duration = Duration::from_secs(5);

/// Who is called.
#[derive(Debug)]
pub(in crate::server) struct Endpoint {
    uri: Uri,
    key: hmac::Key,
    outbound: Outbound,
    lease_ms: i64,
}

/// What has come of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no such call any more.
    Unwanted(String),
    /// It is to be tried again.
    Failed {
        /// Why, for the log.
        reason: String,
        /// How long the receiver asks to be left alone, in ms.
        rest_ms: Option<i64>,
    },
}

impl Endpoint {
    /// Whom these settings name, if anybody.
    ///
    /// # Errors
    /// If the secret's file can't be read, or what is there is no secret.
    pub(in crate::server) fn read(config: &config::Webhook) -> io::Result<Option<Self>> {
        let (Some(url), Some(key)) = (&config.url, config.read_key()?) else {
            return Ok(None);
        };
        let limit = seconds(config.timeout_s);
        let lease_ms = (limit + LEASE_SLACK).as_millis();
        Ok(Some(Self {
            uri: url.parse().map_err(io::Error::other)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            outbound: Outbound::new(limit),
            // No setting allows as much.
            lease_ms: i64::try_from(lease_ms).unwrap_or(i64::MAX),
        }))
    }

    /// For how long who tries a call has it, in ms.
    pub(super) fn lease_ms(&self) -> i64 {
        self.lease_ms
    }

    /// Tries a call.
    pub(super) async fn send(&self, call: &Call, now_ms: i64) -> Outcome {
        match self.request(call, now_ms / 1000) {
            Ok(request) => outcome(&self.outbound.send(request).await),
            // A name that is no header: not of this program.
            Err(error) => Outcome::Unwanted(error.to_string()),
        }
    }

    fn request(&self, call: &Call, now_s: i64) -> Result<Request<Bytes>, hyper::http::Error> {
        let body = body(call);
        Request::post(&self.uri)
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("whisperchat/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", &call.name)
            .header("webhook-timestamp", now_s)
            .header(
                "webhook-signature",
                signature(&self.key, &call.name, now_s, &body),
            )
            .body(body)
    }
}

/// Of the id, when it is sent, and the body (Standard Webhooks 1.0.0, "Signature scheme").
fn signature(key: &hmac::Key, id: &str, now_s: i64, body: &[u8]) -> String {
    let mut signed = hmac::Context::with_key(key);
    signed.update(format!("{id}.{now_s}.").as_bytes());
    signed.update(body);
    format!("v1,{}", STANDARD.encode(signed.sign()))
}

/// Anything but 2xx has failed, redirects too (Standard Webhooks 1.0.0, "Delivery success and failure").
fn outcome(answer: &Result<Response<Bytes>, OutboundError>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            return Outcome::Failed {
                reason: error.to_string(),
                rest_ms: None,
            };
        }
    };
    let status = answer.status();
    if status.is_success() {
        return Outcome::Delivered;
    }
    let reason = format!("the receiver answers {status}");
    if status == StatusCode::GONE {
        return Outcome::Unwanted(reason);
    }
    let asks_for_rest = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let retry_after = answer.headers().get(RETRY_AFTER);
    let rest_ms = retry_after
        .filter(|_| asks_for_rest.contains(&status))
        .and_then(|value| retry::rest_ms(value.to_str().ok()?));
    Outcome::Failed { reason, rest_ms }
}

#[cfg(test)]
mod tests {
    use super::super::body::tests::call;
    use super::*;

    /// From the specification's own test ("sign function works", libraries/javascript/src/webhook.test.ts).
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_call_tried_again_is_the_same_but_for_when() {
        let config = config::Webhook {
            url: Some("https://desk.example/reports".to_owned()),
            secret: Some("twenty-four-characters-!".to_owned().into()),
            ..config::Webhook::default()
        };
        let endpoint = Endpoint::read(&config).unwrap().unwrap();
        let again = Call { tries: 2, ..call() };
        let [first, second] =
            [(call(), 1), (again, 9)].map(|(call, now_s)| endpoint.request(&call, now_s).unwrap());
        assert_eq!(first.body(), second.body());
        assert_eq!(first.headers()["webhook-id"], "msg_1");
        assert_eq!(second.headers()["webhook-id"], "msg_1");
        assert_eq!(second.headers()["webhook-timestamp"], "9");
        assert_ne!(
            first.headers()["webhook-signature"],
            second.headers()["webhook-signature"]
        );
        assert_eq!(endpoint.lease_ms(), 15_000);
    }

    #[test]
    fn answers_are_read_as_the_specification_has_it() {
        let answered = |status: u16, retry_after: &str| {
            let answer = Response::builder().status(status);
            let answer = answer.header(RETRY_AFTER, retry_after).body(Bytes::new());
            outcome(&Ok(answer.unwrap()))
        };
        for status in [200, 202, 204] {
            assert_eq!(answered(status, "5"), Outcome::Delivered, "{status}");
        }
        assert!(matches!(answered(410, "5"), Outcome::Unwanted(_)));
        for (status, rest) in [
            (301, None),
            (404, None),
            (500, None),
            (429, Some(5000)),
            (503, Some(5000)),
        ] {
            let Outcome::Failed { rest_ms, reason } = answered(status, "5") else {
                panic!("{status}");
            };
            assert_eq!(rest_ms, rest, "{status}");
            assert!(reason.contains(&status.to_string()), "{reason}");
        }
    }
}
