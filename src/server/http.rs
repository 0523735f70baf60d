//! HTTP: routes, and the rules of the upgrade to WebSocket (RFC 6455, section 4.2).

mod bearer;

use super::auth::Admission;
use super::connection::Begun;
use super::limits::{Guest, Limit, Network, Turned, Visit};
use super::listen::{Seat, Shared};
use super::safety::Banned;
use super::{frames, page, proxy};
use crate::config::{Security, origin, seconds};
use crate::dialect::{CloseCode, Dialect, v1};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, is_upgrade_request, upgrade};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Bytes that a request's head may have; more is answered with 431.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// After how many seconds a client that found the server full may try again.
const RETRY_AFTER_S: &str = "5";

/// A connection that has become a WebSocket.
pub(super) struct Upgraded<S> {
    pub(super) stream: S,
    /// What the client sent right after the request.
    pub(super) early: Bytes,
    pub(super) dialect: Dialect,
    /// When the connection was accepted, if anybody wants to know.
    pub(super) began: Option<SystemTime>,
    pub(super) admission: Admission,
    /// Where the client comes from.
    pub(super) network: Network,
    pub(super) seat: Seat,
    pub(super) visit: Visit,
}

impl<S> Upgraded<S> {
    /// The connection that begins, and what is held for as long as it lasts.
    pub(super) fn begin(self) -> (Begun<S>, (Seat, Visit)) {
        let begun = Begun {
            stream: self.stream,
            early: self.early,
            dialect: self.dialect,
            admission: self.admission,
            network: self.network,
            is_limited: self.visit.is_limited(),
        };
        (begun, (self.seat, self.visit))
    }
}

/// An upgrade that has been agreed to but not answered yet.
struct Agreed {
    upgrade: UpgradeFut,
    dialect: Dialect,
    admission: Admission,
    network: Network,
    banned: Option<Banned>,
    seat: Seat,
}

/// Answers requests until the connection ends or becomes a WebSocket.
pub(super) async fn converse<S>(
    stream: S,
    guest: Guest,
    began: Option<SystemTime>,
    shared: &Arc<Shared>,
) -> Option<Upgraded<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let agreed = Mutex::new(None);
    let guest = Mutex::new(guest);
    let service = service_fn(|request| {
        let response = respond(request, shared, &guest, &agreed);
        async move { Ok::<_, Infallible>(response) }
    });
    // Who comes while the server stops gets one answer; a shutdown now would leave them without.
    let is_stopping = shared.roster.stopping().is_cancelled();
    let served = {
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(!is_stopping)
            .header_read_timeout(seconds(shared.config().limits.request_head_s))
            .max_buf_size(HEAD_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut serving = pin!(serving);
        tokio::select! {
            served = serving.as_mut() => served,
            () = shared.roster.stopping().cancelled(), if !is_stopping => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    };
    if let Err(error) = served {
        // Not even if an upgrade was agreed to: its answer was not sent, so it would be waited for forever.
        tracing::debug!(%error, "HTTP connection ended");
        return None;
    }
    let Agreed {
        upgrade,
        dialect,
        admission,
        network,
        banned,
        seat,
    } = agreed.into_inner()?;
    let upgraded = upgrade.await.ok()?.into_inner().into_inner();
    let parts = upgraded.downcast::<TokioIo<S>>().ok()?;
    if let Some(banned) = banned {
        let limit = seconds(shared.config().limits.close_s);
        let said = say_goodbye(
            parts.io.into_inner(),
            dialect.removed_code(),
            &banned.sentence,
        );
        // Whatever comes of it, there is nobody to be told.
        let _ = timeout(limit, said).await;
        return None;
    }
    Some(Upgraded {
        stream: parts.io.into_inner(),
        early: parts.read_buf,
        dialect,
        began,
        admission,
        network,
        seat,
        visit: guest.into_inner().into_visit(),
    })
}

/// Ends a WebSocket that has just begun, without a session: says why, and waits until the client has closed its side, so that
/// what was said arrives.
async fn say_goodbye<S>(mut stream: S, code: CloseCode, why: &str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut last = Vec::new();
    frames::append_close(code, why, &mut last);
    stream.write_all(&last).await?;
    stream.shutdown().await?;
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

type Answer = Response<Full<Bytes>>;

fn respond(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    guest: &Mutex<Guest>,
    agreed: &Mutex<Option<Agreed>>,
) -> Answer {
    let answer = if guest.lock().is_refused() {
        turned(Turned::crowded())
    } else {
        route(request, shared, guest, agreed)
    };
    page::secured(answer)
}

fn route(
    mut request: Request<Incoming>,
    shared: &Arc<Shared>,
    guest: &Mutex<Guest>,
    agreed: &Mutex<Option<Agreed>>,
) -> Answer {
    let dialect = match request.uri().path() {
        "/" => Some(Dialect::Classic),
        "/v1/ws" => Some(Dialect::V1),
        _ => None,
    };
    match dialect {
        Some(dialect) if is_upgrade_request(&request) => {
            match agree(&mut request, dialect, shared, &mut guest.lock()) {
                Ok((answer, made)) => {
                    *agreed.lock() = Some(made);
                    answer
                }
                Err(refusal) => *refusal,
            }
        }
        Some(Dialect::V1) => why_no_upgrade(request.headers(), shared),
        _ => page_or_not_found(&request),
    }
}

/// What a request that asks for no upgrade is told: what stands in the way of one, if anything does. Browsers hide from pages
/// why no WebSocket came about, so the page asks here.
fn why_no_upgrade(headers: &HeaderMap, shared: &Arc<Shared>) -> Answer {
    if !is_origin_allowed(headers, &shared.config().security) {
        return foreign();
    }
    if shared.seat().is_none() {
        return full();
    }
    with_header(
        sentence(StatusCode::UPGRADE_REQUIRED, "This is a WebSocket address."),
        header::UPGRADE,
        "websocket",
    )
}

fn foreign() -> Answer {
    let message = "Pages of this origin may not connect to this server.";
    sentence(StatusCode::FORBIDDEN, message)
}

fn full() -> Answer {
    let message = "The server is full or stopping. Try again in a moment.";
    let refusal = sentence(StatusCode::SERVICE_UNAVAILABLE, message);
    with_header(refusal, header::RETRY_AFTER, RETRY_AFTER_S)
}

fn page_or_not_found(request: &Request<Incoming>) -> Answer {
    let Some(file) = page::file(request.uri().path(), request.headers()) else {
        return sentence(StatusCode::NOT_FOUND, "There is nothing at this address.");
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        file
    } else {
        let refusal = sentence(StatusCode::METHOD_NOT_ALLOWED, "This can only be read.");
        with_header(refusal, header::ALLOW, "GET, HEAD")
    }
}

/// Checks everything that is to be checked before a WebSocket is agreed to, and keeps a seat for it.
fn agree(
    request: &mut Request<Incoming>,
    dialect: Dialect,
    shared: &Arc<Shared>,
    guest: &mut Guest,
) -> Result<(Answer, Agreed), Box<Answer>> {
    let bad = |message| Err(Box::new(sentence(StatusCode::BAD_REQUEST, message)));
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return bad("A WebSocket begins with a GET request of HTTP/1.1.");
    }
    let headers = request.headers();
    if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let refusal = sentence(
            StatusCode::UPGRADE_REQUIRED,
            "Sec-WebSocket-Version must be 13.",
        );
        return Err(Box::new(with_header(
            refusal,
            header::SEC_WEBSOCKET_VERSION,
            "13",
        )));
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY);
    if key
        .and_then(|key| STANDARD.decode(key).ok())
        .is_none_or(|key| key.len() != 16)
    {
        return bad("There must be one Sec-WebSocket-Key, 16 bytes in base64.");
    }
    let refusals = &shared.rules.hub.refusals;
    let config = shared.config();
    let security = &config.security;
    if !is_origin_allowed(headers, security) {
        refusals.refuse(Limit::Origin);
        return Err(Box::new(foreign()));
    }
    let subprotocol = match (dialect, offers_v1(headers)) {
        (Dialect::Classic, _) | (Dialect::V1, None) => None,
        (Dialect::V1, Some(true)) => Some(v1::SUBPROTOCOL),
        (Dialect::V1, Some(false)) => {
            return bad("The only subprotocol spoken here is whisperchat.v1.json.");
        }
    };
    let requester = proxy::requester(guest.address(), headers, security);
    if let Err(refusal) = guest.upgrade(requester) {
        return Err(Box::new(turned(refusal)));
    }
    let verifier = shared.rules.credentials.verifier();
    let admission = bearer::admit(request, dialect, verifier.as_deref())?;
    let Some(seat) = shared.seat() else {
        refusals.refuse(Limit::NodeConnections);
        return Err(Box::new(full()));
    };
    let Ok((answer, upgrade)) = upgrade(request) else {
        return bad("This is not a WebSocket handshake.");
    };
    let mut answer = answer.map(|_| Full::default());
    if let Some(subprotocol) = subprotocol {
        answer = with_header(answer, header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    let network = Network::of(requester.to_canonical());
    // Browsers hide from pages why there is no WebSocket, so there is one, to say why it ends.
    let banned = shared.rules.hub.keeps_out(network);
    let made = Agreed {
        upgrade,
        dialect,
        admission,
        network,
        banned,
        seat,
    };
    Ok((answer, made))
}

/// The answer to who is one too many. The connection ends, so that it is not kept for nothing.
fn turned(refusal: Turned) -> Answer {
    let (status, message, wait) = match refusal {
        Turned::Address(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many connections from this address. Try again later.",
            wait,
        ),
        Turned::Node(wait) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many connect at this moment. Try again in a moment.",
            wait,
        ),
    };
    let mut answer = with_header(sentence(status, message), header::CONNECTION, "close");
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// The value of a header that must be there exactly once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Whether this protocol is among the offered ones; `None` if none is offered.
fn offers_v1(headers: &HeaderMap) -> Option<bool> {
    let mut offers = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|offer| !offer.is_empty())
        .peekable();
    offers.peek()?;
    Some(offers.any(|offer| offer == v1::SUBPROTOCOL.as_bytes()))
}

/// Programs send no `Origin`. Browsers do, and a page may connect if it comes from this server (its origin
/// has the host that was asked for) or is allowed by the settings.
fn is_origin_allowed(headers: &HeaderMap, security: &Security) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return security.allow_no_origin;
    }
    let Some(origin) =
        only(headers, &header::ORIGIN).and_then(|origin| str::from_utf8(origin.as_bytes()).ok())
    else {
        return false;
    };
    let allowed = &security.allowed_origins;
    if allowed
        .iter()
        .any(|pattern| origin::matches(pattern, origin))
    {
        return true;
    }
    let Some((scheme @ ("http" | "https"), _)) = origin.split_once("://") else {
        return false;
    };
    let host = only(headers, &header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        origin::without_default_port(&format!("{scheme}://{host}"))
            == origin::without_default_port(origin)
    })
}

/// An answer for people who look at it with a browser or curl.
fn sentence(status: StatusCode, message: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(message.as_bytes())));
    *answer.status_mut() = status;
    with_header(answer, header::CONTENT_TYPE, "text/plain; charset=utf-8")
}

fn with_header(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origin: &str, host: &str, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::HOST, host.parse().unwrap());
        let security = Security {
            allowed_origins: allowed.iter().map(|origin| (*origin).to_owned()).collect(),
            ..Security::default()
        };
        is_origin_allowed(&headers, &security)
    }

    #[test]
    fn pages_of_the_same_host_may_connect() {
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://chat.example", "chat.example"),
            ("https://Chat.Example", "chat.example:443"),
            ("http://chat.example:80", "chat.example"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(allows(origin, host, &[]), "{origin} at {host}");
        }
    }

    #[test]
    fn other_pages_may_not_unless_allowed_by_name() {
        for origin in [
            "https://evil.example",
            "https://chat.example.evil.example",
            "https://chat.example:444",
            "null",
            "file://",
            "",
        ] {
            assert!(
                !allows(origin, "chat.example", &["https://friend.example"]),
                "{origin}"
            );
        }
        assert!(allows(
            "https://friend.example",
            "chat.example",
            &["https://friend.example"]
        ));
        assert!(allows("null", "chat.example", &["*"]));
    }

    #[test]
    fn two_origins_are_none() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "chat.example".parse().unwrap());
        for origin in ["http://chat.example", "https://evil.example"] {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        assert!(!is_origin_allowed(&headers, &Security::default()));
    }

    #[test]
    fn offers_are_read_from_all_headers_and_lists() {
        let offers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_static(value);
                headers.append(header::SEC_WEBSOCKET_PROTOCOL, value);
            }
            offers_v1(&headers)
        };
        assert_eq!(offers(&[]), None);
        assert_eq!(offers(&[" , "]), None);
        assert_eq!(offers(&["chat"]), Some(false));
        assert_eq!(offers(&["chat, whisperchat.v1.json"]), Some(true));
        assert_eq!(offers(&["chat", "whisperchat.v1.json"]), Some(true));
        assert_eq!(offers(&["whisperchat.v1.jsonx"]), Some(false));
    }
}
