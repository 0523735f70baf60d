//! One's own account.

use super::super::api::Desk;
use super::super::caller::Caller;
use super::super::problem::{Body, Problem};
use super::factor::FactorKind;
use super::{Hidden, by, now_ms};
use crate::accounts::password::Password;
use crate::accounts::{Role, refresh};
use crate::private::Private;
use crate::store::PasswordChange;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// The account's name; `null` for the token of the settings, and where nobody has an account.
    name: Option<String>,
    /// `viewer`, `moderator` or `admin`.
    #[schema(example = "moderator")]
    role: &'static str,
    /// Whether a second factor must be enrolled before anything else.
    must_enrol: bool,
    /// When the session ends unless it is refreshed, in ms since the Unix epoch; `null` if it is none.
    session_ends_at_ms: Option<i64>,
    /// Which second factors are in use; `null` where that was not asked for.
    factors: Option<Vec<FactorKind>>,
    /// How many recovery codes are left; `null` where that was not asked for.
    recovery_codes: Option<i64>,
}

/// One password for another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The one of now.
    password: Hidden,
    /// The one from now on.
    new_password: Hidden,
}

/// Where one is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    /// The one that was used last first.
    sessions: Vec<SessionShown>,
}

/// A session. Times are in ms since the Unix epoch.
#[derive(Debug, Serialize, ToSchema)]
struct SessionShown {
    id: i64,
    /// Whether it is the one that asks.
    is_this: bool,
    began_at_ms: i64,
    /// When it was last refreshed.
    refreshed_at_ms: i64,
    /// When it ends unless it is refreshed.
    ends_at_ms: i64,
}

impl Me {
    pub(super) fn of_account(name: &str, role: Role, must_enrol: bool, ends_at_ms: i64) -> Self {
        Self {
            name: Some(name.to_owned()),
            role: role.as_str(),
            must_enrol,
            session_ends_at_ms: Some(ends_at_ms),
            factors: None,
            recovery_codes: None,
        }
    }
}

/// Who one is, and what one may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "accounts", extensions(("x-permission" = json!("enrol"))), responses(
    (status = OK, body = Me),
))]
pub(super) async fn me(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Me>, Problem> {
    let Caller::Account(who) = &caller else {
        return Ok(Json(Me {
            name: None,
            role: Role::Admin.as_str(),
            must_enrol: false,
            session_ends_at_ms: None,
            factors: None,
            recovery_codes: None,
        }));
    };
    let office = desk.office()?;
    let session = office.store.session(who.session).await?;
    let ends_at_ms =
        session.map(|session| refresh::ends_ms(session.began_at_ms, session.refreshed_at_ms));
    let account = office.store.account(who.account).await?;
    let recovery_codes = office.store.recovery_codes_left(who.account).await?;
    Ok(Json(Me {
        name: Some(who.name.as_str().to_owned()),
        role: who.role.as_str(),
        must_enrol: caller.must_enrol(),
        session_ends_at_ms: ends_at_ms,
        factors: Some(FactorKind::of(&account)),
        recovery_codes: Some(recovery_codes),
    }))
}

/// Change one's password.
///
/// All other sessions of the account end.
#[utoipa::path(post, path = "/api/v1/me/password", tag = "accounts", request_body = NewPassword,
    extensions(("x-permission" = json!("own"))),
    responses(
        (status = NO_CONTENT, description = "It is in force"),
        (status = BAD_REQUEST, description = "The new one is not taken", body = Problem),
        (status = FORBIDDEN, description = "The one of now is wrong", body = Problem),
        (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
    ))]
pub(super) async fn change_password(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    let new = Password::chosen(body.new_password.0, &who.name, who.role);
    let new = new.map_err(|unfit| Problem::new(StatusCode::BAD_REQUEST, unfit.to_string()))?;
    let before = office.confirm_password(who, body.password.0).await?;
    let change = PasswordChange {
        account: who.account,
        before,
        after: Private::new(office.hash(new).await?),
    };
    office
        .store
        .change_password(&change, who.session, by(&who.actor()))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where one is logged in.
#[utoipa::path(get, path = "/api/v1/me/sessions", tag = "accounts", extensions(("x-permission" = json!("own"))), responses(
    (status = OK, body = Sessions),
    (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
))]
pub(super) async fn sessions(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Sessions>, Problem> {
    let who = caller.who()?;
    let rows = desk
        .office()?
        .store
        .sessions_of(who.account, now_ms())
        .await?;
    let shown = rows.into_iter().map(|row| SessionShown {
        id: row.id,
        is_this: row.id == who.session,
        began_at_ms: row.began_at_ms,
        refreshed_at_ms: row.refreshed_at_ms,
        ends_at_ms: refresh::ends_ms(row.began_at_ms, row.refreshed_at_ms),
    });
    Ok(Json(Sessions {
        sessions: shown.collect(),
    }))
}

/// End one of one's own sessions.
#[utoipa::path(post, path = "/api/v1/me/sessions/{id}/logout", tag = "accounts",
    extensions(("x-permission" = json!("own"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = NO_CONTENT, description = "It has ended"),
        (status = NOT_FOUND, description = "There is none of this number that is one's own and goes on", body = Problem),
        (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
    ))]
pub(super) async fn end_session(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let who = caller.who()?;
    let office = desk.office()?;
    let own = office.store.sessions_of(who.account, now_ms()).await?;
    let session = own.iter().find(|row| row.id.to_string() == id);
    let session =
        session.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "you have no such session"))?;
    office
        .store
        .end_session(session.id, by(&who.actor()))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
