//! Who may ask for anything here.
//!
//! On loopback, the danger is the browser of somebody at this machine, which any page in the world can send
//! here: under a name of the page's own that it has point here (DNS rebinding), or by requests that need no
//! answer (CSRF). So `Host` must name this machine, `Origin` must be this listener's own, and what changes
//! anything must be JSON, which a page of another origin can't send without asking first. Elsewhere a token is
//! needed, which no browser sends by itself. So the board's own files, in which there is nothing to know, are given
//! to anybody: the page asks for the token and shows it with each question.

use super::{Problem, board};
use crate::private::Private;
use crate::server::http::only;
use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

/// What a request must show.
#[derive(Debug)]
pub(in crate::server) struct Guard {
    is_loopback: bool,
    token: ArcSwapOption<Private<String>>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objection {
    Host,
    Origin,
    Token,
    NotJson,
}

impl Guard {
    pub(super) fn new(is_loopback: bool, token: Option<Private<String>>) -> Self {
        Self {
            is_loopback,
            token: ArcSwapOption::from_pointee(token),
        }
    }

    /// Asks for this token from now on. Returns whether it is another one.
    pub(in crate::server) fn renew(&self, token: Option<Private<String>>) -> bool {
        let before = self.token.swap(token.map(Arc::new));
        before != self.token.load_full()
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Objection> {
        let host = text(headers, &header::HOST).ok_or(Objection::Host)?;
        let named = uri.authority().map_or(host, |authority| authority.as_str());
        if self.is_loopback && ![host, named].into_iter().all(names_this_machine) {
            return Err(Objection::Host);
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = text(headers, &header::ORIGIN).ok_or(Objection::Origin)?;
            let (_, authority) = origin.split_once("://").ok_or(Objection::Origin)?;
            if !authority.eq_ignore_ascii_case(host) {
                return Err(Objection::Origin);
            }
        }
        let is_reading = matches!(*method, Method::GET | Method::HEAD);
        // Who is on this machine may see whether the server lives.
        let is_open = self.is_loopback && matches!(uri.path(), "/livez" | "/readyz")
            || is_reading && board::has(uri.path());
        if !is_open && !self.is_token_right(headers) {
            return Err(Objection::Token);
        }
        if !is_reading && !is_json(headers) {
            return Err(Objection::NotJson);
        }
        Ok(())
    }

    fn is_token_right(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &*self.token.load() else {
            return self.is_loopback;
        };
        let shown = text(headers, &header::AUTHORIZATION).and_then(|value| {
            let (scheme, shown) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
        });
        // Takes the same time wherever the first difference is; only the length can be found out.
        shown.is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.as_bytes())))
    }
}

/// Lets a request through, or answers it.
pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    match guard.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(objection) => objection.answer(),
    }
}

impl Objection {
    fn answer(self) -> Response {
        let (status, message) = match self {
            Self::Host => (
                StatusCode::FORBIDDEN,
                "`Host` must name this machine: an address, or localhost",
            ),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                "pages of other origins may not ask for anything here",
            ),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "the token is missing or wrong: `Authorization: Bearer …`",
            ),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "what changes anything must be `Content-Type: application/json`",
            ),
        };
        let mut answer = Problem::new(status, message).into_response();
        if self == Self::Token {
            let challenge = header::HeaderValue::from_static("Bearer realm=\"whisperchat\"");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

/// The value of a header that must not come twice.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    only(headers, name)?.to_str().ok()
}

fn names_this_machine(authority: &str) -> bool {
    let bare = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE).is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}

/// Says in the description how a token is shown.
pub(super) struct TokenScheme;

impl utoipa::Modify for TokenScheme {
    fn modify(&self, openapi: &mut OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "Needed if `admin.token` or `admin.token_file` is set.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        // Either: none where no token is set.
        openapi.security = Some(vec![
            SecurityRequirement::default(),
            SecurityRequirement::new("token", [""; 0]),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "sixteen-or-more-characters";

    fn check(
        guard: &Guard,
        request: (&str, &str),
        lines: &[(&str, &str)],
    ) -> Result<(), Objection> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let (method, uri) = request;
        guard.check(&method.parse().unwrap(), &uri.parse().unwrap(), &headers)
    }

    fn local() -> Guard {
        Guard::new(true, None)
    }

    const GET: (&str, &str) = ("GET", "/config");
    const POST: (&str, &str) = ("POST", "/api/drain");
    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in [
            "127.0.0.1:9090",
            "127.8.9.1",
            "localhost:1",
            "LocalHost",
            "[::1]:9090",
        ] {
            assert_eq!(check(&local(), GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:9090",
            "127.0.0.1.evil.example",
            "10.0.0.1:9090",
            "[::2]",
            "",
        ] {
            let outcome = check(&local(), GET, &[("host", host)]);
            assert_eq!(outcome, Err(Objection::Host), "{host}");
        }
        assert_eq!(check(&local(), GET, &[]), Err(Objection::Host));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(check(&local(), GET, &twice), Err(Objection::Host));
        let absolute = ("GET", "http://evil.example/config");
        assert_eq!(
            check(&local(), absolute, &[("host", "localhost")]),
            Err(Objection::Host)
        );
    }

    #[test]
    fn pages_of_others_are_turned_away() {
        let host = ("host", "localhost:9090");
        let own = ("origin", "http://localhost:9090");
        assert_eq!(check(&local(), POST, &[host, own, JSON]), Ok(()));
        for origin in ["https://evil.example", "http://localhost:8080", "null", ""] {
            let outcome = check(&local(), POST, &[host, ("origin", origin), JSON]);
            assert_eq!(outcome, Err(Objection::Origin), "{origin}");
        }
    }

    #[test]
    fn what_changes_anything_is_json() {
        let host = ("host", "localhost:9090");
        assert_eq!(check(&local(), POST, &[host, JSON]), Ok(()));
        assert_eq!(check(&local(), POST, &[host]), Err(Objection::NotJson));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            let outcome = check(&local(), POST, &[host, ("content-type", kind)]);
            assert_eq!(outcome, Err(Objection::NotJson), "{kind}");
        }
    }

    #[test]
    fn a_token_is_asked_for_wherever_there_is_one() {
        let host = ("host", "localhost:9090");
        let right = format!("Bearer {TOKEN}");
        for is_loopback in [true, false] {
            let guard = Guard::new(is_loopback, Some(Private::new(TOKEN.to_owned())));
            assert_eq!(
                check(&guard, GET, &[host, ("authorization", &right)]),
                Ok(())
            );
            for wrong in [
                "Bearer",
                "Bearer ",
                "Basic x",
                TOKEN,
                "Bearer sixteen-or-more-characterz",
            ] {
                let outcome = check(&guard, GET, &[host, ("authorization", wrong)]);
                assert_eq!(outcome, Err(Objection::Token), "{wrong}");
            }
            assert_eq!(check(&guard, GET, &[host]), Err(Objection::Token));
            let probed = check(&guard, ("GET", "/readyz"), &[host]);
            assert_eq!(probed.is_ok(), is_loopback);
        }
        // The settings don't allow it; nobody gets in all the same.
        let open = Guard::new(false, None);
        assert_eq!(check(&open, GET, &[host]), Err(Objection::Token));
    }
}
