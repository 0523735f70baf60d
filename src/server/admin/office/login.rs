//! Logging in, going on, logging out.

use super::super::api::Desk;
use super::super::caller::{Caller, actor};
use super::super::problem::{Body, Problem};
use super::cookie::Jar;
use super::factor::FactorKind;
use super::me::Me;
use super::proof::{refused_code, wrong_password};
use super::{Hidden, Office, Peer, by, now_ms};
use crate::accounts::Standing;
use crate::accounts::opaque::Opaque;
use crate::accounts::refresh;
use crate::accounts::token::{ACCESS_S, Access, FACTOR_S, FirstStep};
use crate::private::Private;
use crate::server::metrics::Login as Outcome;
use crate::store::{Account, NewSession, SessionRow, Turned};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// What the account is called.
    #[schema(example = "ann")]
    name: String,
    password: Hidden,
    /// Whether to get the refresh token as a cookie, as a browser does, and not in the body.
    #[serde(default)]
    cookie: bool,
}

/// The second step, where an account has a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginFactor {
    /// What the first step answered.
    factor_token: String,
    /// Six digits of the authenticator, or a recovery code.
    code: Hidden,
    /// As in the first step.
    #[serde(default)]
    cookie: bool,
}

/// A refresh token, unless it comes as a cookie.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    #[serde(default)]
    refresh_token: Option<Hidden>,
}

/// How far the login is.
#[derive(Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum LoggedIn {
    /// A second factor is to follow: a code, or a passkey.
    Factor {
        /// To show with it.
        factor_token: String,
        /// Which there are. A recovery code is taken in the place of any.
        factors: Vec<FactorKind>,
        /// For how long that can be done.
        expires_in_s: i64,
    },
    /// That was all.
    Done(Tokens),
}

/// What somebody who is logged in shows from now on.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// To show with each request: `Authorization: Bearer …`.
    access_token: String,
    /// For how long it is good.
    expires_in_s: i64,
    /// Good once, for another access token and another of these; not there if it was given as a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    account: Me,
}

/// What all tokens of a session have in common, and what one has alone.
struct RefreshToken {
    family: Opaque,
    turn: Opaque,
}

impl RefreshToken {
    fn parse(text: &str) -> Option<Self> {
        let (family, turn) = text.split_once('.')?;
        Some(Self {
            family: Opaque::parse(family)?,
            turn: Opaque::parse(turn)?,
        })
    }

    fn to_wire(&self) -> String {
        format!("{}.{}", self.family.to_wire(), self.turn.to_wire())
    }
}

/// Log in: the first step, and the only one for whoever has no second factor.
///
/// A wrong password, a name that nobody has and an account that is disabled are answered alike, and take as long. After
/// five wrong tries from a range of addresses, waits begin.
#[utoipa::path(post, path = "/api/v1/login", tag = "accounts", request_body = Login,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = OK, body = LoggedIn),
        (status = BAD_REQUEST, description = "Not what is asked for", body = Problem),
        (status = UNAUTHORIZED, description = "The name or the password is wrong", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn login(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let account = office
        .check_password(login.name, login.password.0, peer)
        .await?;
    let kept = account.password.clone().ok_or_else(wrong_password)?;
    if account.has_factor() {
        let step = FirstStep::new(account.id, &kept);
        let factor_token = office.signing.sign_factor(&step, now_ms()).await?;
        office.logins.ended(Outcome::Factor);
        let answer = LoggedIn::Factor {
            factor_token,
            factors: FactorKind::of(&account),
            expires_in_s: FACTOR_S,
        };
        return Ok(Json(answer).into_response());
    }
    let jar = login.cookie.then(|| Jar::of(&headers));
    office.leave(jar, &headers).await?;
    office.begin(&account, kept, false, jar).await
}

/// Log in: the second step, by a code of the authenticator or a recovery code.
///
/// Each code is good once.
#[utoipa::path(post, path = "/api/v1/login/factor", tag = "accounts", request_body = LoginFactor,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = OK, body = LoggedIn),
        (status = BAD_REQUEST, description = "Not what is asked for", body = Problem),
        (status = UNAUTHORIZED, description = "The code is wrong, or the first step was too long ago", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn login_factor(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Body(login): Body<LoginFactor>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let (account, kept) = office.after_password(&login.factor_token).await?;
    let checked = office.check_code(&account, &login.code.0).await;
    if let Some(outcome) = checked.as_ref().err().and_then(refused_code) {
        office.logins.ended(outcome);
    }
    checked?;
    let jar = login.cookie.then(|| Jar::of(&headers));
    office.leave(jar, &headers).await?;
    office.begin(&account, kept, true, jar).await
}

/// Go on: another access token, and another refresh token in the place of this one.
///
/// A refresh token that was used before ends the session, for it is in two hands.
#[utoipa::path(post, path = "/api/v1/refresh", tag = "accounts", request_body = Refresh,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = OK, body = Tokens),
        (status = UNAUTHORIZED, description = "Not a token, not any more, or used before", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn refresh(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Body(body): Body<Refresh>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let (token, jar) = shown(&headers, body);
    let token = token.ok_or_else(|| log_in_again("there is no session of this refresh token"))?;
    let next = office.draw();
    let digests = [&token.family, &token.turn, &next].map(Opaque::digest);
    let [family, turn, next_turn] = &digests;
    let turned = office
        .store
        .turn_session(family, turn, next_turn, now_ms())
        .await?;
    let session = match turned {
        Turned::On(session) => session,
        Turned::Over => return Err(log_in_again("the session of this refresh token has ended")),
        Turned::Reused(session) => {
            tracing::warn!(account = session.account, "a refresh token was shown twice");
            office.logins.refresh_was_reused();
            let message = "the refresh token was used before, so somebody else may have it: the session has ended";
            return Err(log_in_again(message));
        }
    };
    let token = RefreshToken {
        family: token.family,
        turn: next,
    };
    let tokens = office.tokens(&session, token.to_wire(), jar).await?;
    Ok(answer(tokens, jar, &token))
}

/// Log out: the session of the refresh token ends.
#[utoipa::path(post, path = "/api/v1/logout", tag = "accounts", request_body = Refresh,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = NO_CONTENT, description = "There is no such session any more"),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn logout(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Body(body): Body<Refresh>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let (shown, _) = shown(&headers, body);
    office.end_session_of(shown).await?;
    Ok(forget(Jar::of(&headers)))
}

/// Log out everywhere: all sessions of one's account end.
#[utoipa::path(post, path = "/api/v1/logout-everywhere", tag = "accounts",
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = NO_CONTENT, description = "They have ended"),
        (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
    ))]
pub(super) async fn logout_everywhere(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    office
        .store
        .end_sessions(who.account, by(&who.actor()))
        .await?;
    Ok(forget(Jar::of(&headers)))
}

impl Office {
    /// Ends the session of a refresh token, if there is one.
    async fn end_session_of(&self, shown: Option<RefreshToken>) -> Result<(), Problem> {
        let Some(token) = shown else {
            return Ok(());
        };
        let family = token.family.digest();
        if let Some(session) = self.store.session_of(&family, now_ms()).await? {
            let owner = actor(&session.name);
            self.store.end_session(session.id, by(&owner)).await?;
        }
        Ok(())
    }

    /// Ends the session that a browser has, whose place the one takes that is about to begin (ASVS 7.2.4).
    async fn leave(&self, jar: Option<Jar>, headers: &HeaderMap) -> Result<(), Problem> {
        let shown = jar.and_then(|jar| jar.find(headers));
        self.end_session_of(shown.and_then(RefreshToken::parse))
            .await
    }

    /// Whose password was shown in the first step, and what is kept of it.
    pub(super) async fn after_password(
        &self,
        factor_token: &str,
    ) -> Result<(Account, Private<String>), Problem> {
        let step = self.signing.check_factor(factor_token, now_ms()).await?;
        let step = step.map_err(|_| begin_again())?;
        let account = self.store.account(step.account).await?;
        let kept = account.password.clone().ok_or_else(begin_again)?;
        // Another password, or no factor any more: what was shown in the first step says nothing now.
        let is_as_then = FirstStep::new(account.id, &kept) == step;
        if !is_as_then || account.is_disabled() || !account.has_factor() {
            return Err(begin_again());
        }
        Ok((account, kept))
    }

    /// Begins a session of somebody who has shown all they have.
    pub(super) async fn begin(
        &self,
        account: &Account,
        password: Private<String>,
        with_factor: bool,
        jar: Option<Jar>,
    ) -> Result<Response, Problem> {
        let token = RefreshToken {
            family: self.draw(),
            turn: self.draw(),
        };
        let new = NewSession {
            account: account.id,
            password,
            with_factor,
            family: token.family.digest(),
            turn: token.turn.digest(),
        };
        let begun = self
            .store
            .begin_session(&new, by(&actor(&account.name)))
            .await?;
        // It was disabled, or its password changed, while this went on.
        let session = begun.ok_or_else(wrong_password)?;
        let session = self
            .store
            .session(session)
            .await?
            .ok_or_else(wrong_password)?;
        let tokens = self.tokens(&session, token.to_wire(), jar).await?;
        self.logins.ended(Outcome::Done);
        Ok(answer(LoggedIn::Done(tokens), jar, &token))
    }

    async fn tokens(
        &self,
        session: &SessionRow,
        refresh_token: String,
        jar: Option<Jar>,
    ) -> Result<Tokens, Problem> {
        let access = Access {
            account: session.account,
            session: session.id,
            role: session.role,
            standing: session.standing,
        };
        let now_ms = now_ms();
        Ok(Tokens {
            access_token: self.signing.sign_access(access, now_ms).await?,
            expires_in_s: ACCESS_S,
            refresh_token: jar.is_none().then_some(refresh_token),
            account: Me::of_account(
                session.name.as_str(),
                session.role,
                session.standing == Standing::MustEnrol,
                refresh::ends_ms(session.began_at_ms, now_ms),
            ),
        })
    }
}

/// The refresh token that was shown, if it is one, and the jar that the next goes into, if it came from there.
fn shown(headers: &HeaderMap, body: Refresh) -> (Option<RefreshToken>, Option<Jar>) {
    if let Some(Hidden(text)) = body.refresh_token {
        return (RefreshToken::parse(&text), None);
    }
    let jar = Jar::of(headers);
    (jar.find(headers).and_then(RefreshToken::parse), Some(jar))
}

fn answer(body: impl Serialize, jar: Option<Jar>, token: &RefreshToken) -> Response {
    let mut response = Json(body).into_response();
    if let Some(jar) = jar {
        let headers = response.headers_mut();
        headers.insert(header::SET_COOKIE, jar.put(&token.to_wire()));
    }
    response
}

fn forget(jar: Jar) -> Response {
    (
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, jar.take_away())],
    )
        .into_response()
}

fn begin_again() -> Problem {
    log_in_again("the password was shown too long ago, or is another one by now")
}

fn log_in_again(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, format!("{why}: log in again"))
}
