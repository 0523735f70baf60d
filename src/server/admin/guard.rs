//! Who may ask for anything here.
//!
//! On loopback, the danger is the browser of somebody at this machine, which any page in the world can send
//! here: under a name of the page's own that it has point here (DNS rebinding), or by requests that need no
//! answer (CSRF). So `Host` must name this machine, `Origin` must be this listener's own, and what changes
//! anything must be JSON, which a page of another origin can't send without asking first.
//!
//! Whoever asks shows the token of the settings or an access token, neither of which a browser sends by itself. Only
//! on loopback, and only as long as there is neither a token nor an account, does nobody have to. The board's own
//! files, in which there is nothing to know, are given to anybody: the page asks people to log in, and shows what they
//! get with each question. What somebody may do then is said by the route's rule and by nothing else.

use super::board;
use super::caller::Caller;
use super::office::{Accounts, Office};
use super::problem::Problem;
use super::rules::{Rule, Rules};
use crate::accounts::Permission;
use crate::accounts::token::NotGood;
use crate::private::Private;
use crate::server::http::only;
use arc_swap::ArcSwapOption;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

/// How soon the store may say again who may do what, in s.
const UNSURE_RETRY_S: u64 = 5;

/// What a request must show besides where it comes from.
#[derive(Debug)]
pub(in crate::server) struct Guard {
    is_loopback: bool,
    token: ArcSwapOption<Private<String>>,
}

/// The guard with what it asks.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) guard: Arc<Guard>,
    pub(super) rules: Rules,
    /// Who knows the accounts; nobody without a store.
    pub(super) office: Option<Arc<Office>>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objection {
    Host,
    Origin,
    Token,
    Access(NotGood),
    LoggedOut,
    /// The role is not one of those that may.
    Role(Permission),
    MustEnrol,
    NotJson,
    /// It can't be found out now.
    Store {
        retry_after_s: u64,
    },
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    /// The token of the settings.
    Token,
    /// Something else.
    Bearer(&'a str),
}

/// What it takes to ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// To be let in at all: there is nothing there, or only the board's files.
    Entry,
    Rule(Rule),
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

    /// Whether nobody has to show anything, as long as there are no accounts.
    fn is_open(&self) -> bool {
        self.is_loopback && self.token.load().is_none()
    }

    fn check_source(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Objection> {
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
        Ok(())
    }

    fn shown<'a>(&self, headers: &'a HeaderMap) -> Shown<'a> {
        let shown = text(headers, &header::AUTHORIZATION).and_then(|value| {
            let (scheme, shown) = value.split_once(' ')?;
            let shown = shown.trim();
            let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !shown.is_empty();
            is_bearer.then_some(shown)
        });
        let Some(shown) = shown else {
            return Shown::Nothing;
        };
        // Takes the same time wherever the first difference is; only the length can be found out.
        let is_right =
            |token: &Private<String>| bool::from(shown.as_bytes().ct_eq(token.as_bytes()));
        match &*self.token.load() {
            Some(token) if is_right(token) => Shown::Token,
            _ => Shown::Bearer(shown),
        }
    }
}

impl Gate {
    async fn let_in(&self, parts: &Parts) -> Result<Option<Caller>, Objection> {
        self.guard.check_source(&parts.uri, &parts.headers)?;
        let path = parts.extensions.get::<MatchedPath>();
        let need = self.need(&parts.method, path.map(MatchedPath::as_str));
        let caller = match need {
            Need::Nothing | Need::Rule(Rule::Public) => None,
            Need::Rule(Rule::Probe) if self.guard.is_loopback => None,
            Need::Entry | Need::Rule(_) => Some(self.identify(&parts.headers).await?),
        };
        if let (Some(caller), Need::Rule(Rule::Needs(permission))) = (&caller, need)
            && !caller.may(permission)
        {
            return Err(match caller {
                Caller::Unsure => Objection::Store {
                    retry_after_s: UNSURE_RETRY_S,
                },
                _ if caller.must_enrol() => Objection::MustEnrol,
                _ => Objection::Role(permission),
            });
        }
        if !is_reading(&parts.method) && !is_json(&parts.headers) {
            return Err(Objection::NotJson);
        }
        Ok(caller)
    }

    fn need(&self, method: &Method, path: Option<&str>) -> Need {
        let Some(path) = path else {
            return Need::Entry;
        };
        match self.rules.find(method, path) {
            Some(rule) => Need::Rule(rule),
            None if board::has(path) && is_reading(method) => Need::Nothing,
            None => Need::Entry,
        }
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, Objection> {
        let shown = self.guard.shown(headers);
        if shown == Shown::Token {
            return Ok(Caller::Token);
        }
        if let Some(office) = &self.office {
            let accounts = office.accounts().await?;
            if accounts == Accounts::Some {
                return match shown {
                    Shown::Bearer(token) => office.identify(token).await,
                    Shown::Nothing | Shown::Token => Err(Objection::Token),
                };
            }
            if accounts == Accounts::NoneBefore && self.guard.is_open() {
                return Ok(Caller::Unsure);
            }
        }
        if self.guard.is_open() {
            Ok(Caller::Anybody)
        } else {
            Err(Objection::Token)
        }
    }
}

/// Lets a request through, or answers it.
pub(super) async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.let_in(&parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
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
                "the token is missing or wrong: `Authorization: Bearer …`, with that of `admin.token`, or where there are \
                 accounts with the access token that POST /api/v1/login gives",
            ),
            Self::Access(NotGood::NotOne) => (
                StatusCode::UNAUTHORIZED,
                "the token is wrong: it is neither that of the settings nor an access token",
            ),
            Self::Access(NotGood::UnknownKey) => (
                StatusCode::UNAUTHORIZED,
                "the access token is signed by a key that is not known here",
            ),
            Self::Access(NotGood::Expired) => (
                StatusCode::UNAUTHORIZED,
                "the access token has expired: POST /api/v1/refresh gives another",
            ),
            Self::LoggedOut => (
                StatusCode::UNAUTHORIZED,
                "the session that the access token is of has ended: log in again",
            ),
            Self::Role(permission) => (StatusCode::FORBIDDEN, not_for_role(permission)),
            Self::MustEnrol => (
                StatusCode::FORBIDDEN,
                "your role takes a second factor: enrol one first, by POST /api/v1/me/factor or /api/v1/me/passkeys",
            ),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "what changes anything must be `Content-Type: application/json`",
            ),
            Self::Store { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the store is away, so it can't be said who may do this; try again",
            ),
        };
        let mut problem = Problem::new(status, message);
        if let Self::Store { retry_after_s } = self {
            problem = problem.retry_after(retry_after_s);
        }
        let mut answer = problem.into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3: why, if something was shown.
            let challenge = match self {
                Self::Token => "Bearer realm=\"whisperchat\"",
                _ => "Bearer realm=\"whisperchat\", error=\"invalid_token\"",
            };
            let headers = answer.headers_mut();
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        answer
    }
}

/// What somebody is told whose role may not, and which may.
fn not_for_role(permission: Permission) -> &'static str {
    match permission {
        Permission::Enrol | Permission::Own | Permission::Look => "your role may not do this",
        Permission::Moderate => {
            "your role may not do this: it takes the permission `moderate`, which a moderator or admin has"
        }
        Permission::Steer => {
            "your role may not do this: it takes the permission `steer`, which an admin has"
        }
        Permission::ManageAccounts => {
            "your role may not do this: it takes the permission `accounts`, which an admin has"
        }
    }
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The value of a header that must not come twice.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    only(headers, name)?.to_str().ok()
}

pub(super) fn names_this_machine(authority: &str) -> bool {
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
                "That of `admin.token`, or an access token of somebody who is logged in. Needed if there is either a \
                 token or an account.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        // Either: none where there is neither.
        openapi.security = Some(vec![
            SecurityRequirement::default(),
            SecurityRequirement::new("token", [""; 0]),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Role, Standing};

    const TOKEN: &str = "sixteen-or-more-characters";

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    /// What comes of asking where there are no accounts.
    fn check(
        guard: Guard,
        (method, uri): (&str, &str),
        lines: &[(&str, &str)],
    ) -> Result<(), Objection> {
        let gate = Gate {
            guard: Arc::new(guard),
            rules: Rules::of(super::super::description()),
            office: None,
        };
        let method: Method = method.parse().unwrap();
        let uri: Uri = uri.parse().unwrap();
        let headers = headers(lines);
        gate.guard.check_source(&uri, &headers)?;
        match gate.need(&method, Some(uri.path())) {
            Need::Nothing => return Ok(()),
            Need::Rule(Rule::Probe) if gate.guard.is_loopback => return Ok(()),
            _ => {}
        }
        // Without accounts nothing is waited for.
        let asked = std::pin::pin!(gate.identify(&headers));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(caller) = asked.poll(&mut context) else {
            panic!("it waits for something");
        };
        caller?;
        if !is_reading(&method) && !is_json(&headers) {
            return Err(Objection::NotJson);
        }
        Ok(())
    }

    fn local() -> Guard {
        Guard::new(true, None)
    }

    const GET: (&str, &str) = ("GET", "/config");
    const POST: (&str, &str) = ("POST", "/api/v1/drain");
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
            assert_eq!(check(local(), GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:9090",
            "127.0.0.1.evil.example",
            "10.0.0.1:9090",
            "[::2]",
            "",
        ] {
            let outcome = check(local(), GET, &[("host", host)]);
            assert_eq!(outcome, Err(Objection::Host), "{host}");
        }
        assert_eq!(check(local(), GET, &[]), Err(Objection::Host));
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(check(local(), GET, &twice), Err(Objection::Host));
        let absolute = ("GET", "http://evil.example/config");
        assert_eq!(
            check(local(), absolute, &[("host", "localhost")]),
            Err(Objection::Host)
        );
    }

    #[test]
    fn pages_of_others_are_turned_away() {
        let host = ("host", "localhost:9090");
        let own = ("origin", "http://localhost:9090");
        assert_eq!(check(local(), POST, &[host, own, JSON]), Ok(()));
        for origin in ["https://evil.example", "http://localhost:8080", "null", ""] {
            let outcome = check(local(), POST, &[host, ("origin", origin), JSON]);
            assert_eq!(outcome, Err(Objection::Origin), "{origin}");
        }
    }

    #[test]
    fn whoever_may_not_is_told_what_it_takes_and_who_may() {
        let has_all = |permission| {
            Role::ALL
                .iter()
                .all(|role| role.may(Standing::Full, permission))
        };
        for permission in Permission::ALL.into_iter().filter(|it| !has_all(*it)) {
            let words = not_for_role(permission);
            assert!(
                words.contains(&format!("`{}`", permission.as_str())),
                "{words}"
            );
            for role in Role::ALL {
                let may = role.may(Standing::Full, permission);
                assert_eq!(words.contains(role.as_str()), may, "{role}: {words}");
            }
        }
    }

    #[test]
    fn what_changes_anything_is_json() {
        let host = ("host", "localhost:9090");
        assert_eq!(check(local(), POST, &[host, JSON]), Ok(()));
        assert_eq!(check(local(), POST, &[host]), Err(Objection::NotJson));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            let outcome = check(local(), POST, &[host, ("content-type", kind)]);
            assert_eq!(outcome, Err(Objection::NotJson), "{kind}");
        }
    }

    #[test]
    fn a_token_is_asked_for_wherever_there_is_one() {
        let host = ("host", "localhost:9090");
        let right = format!("Bearer {TOKEN}");
        for is_loopback in [true, false] {
            let guard = || Guard::new(is_loopback, Some(Private::new(TOKEN.to_owned())));
            assert_eq!(
                check(guard(), GET, &[host, ("authorization", &right)]),
                Ok(())
            );
            for wrong in [
                "Bearer",
                "Bearer ",
                "Basic x",
                TOKEN,
                "Bearer sixteen-or-more-characterz",
            ] {
                let outcome = check(guard(), GET, &[host, ("authorization", wrong)]);
                assert_eq!(outcome, Err(Objection::Token), "{wrong}");
            }
            assert_eq!(check(guard(), GET, &[host]), Err(Objection::Token));
            let probed = check(guard(), ("GET", "/readyz"), &[host]);
            assert_eq!(probed.is_ok(), is_loopback);
        }
        // The settings don't allow it; nobody gets in all the same.
        let open = Guard::new(false, None);
        assert_eq!(check(open, GET, &[host]), Err(Objection::Token));
    }
}
