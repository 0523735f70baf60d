//! Taking an account by an invitation.

use super::super::api::Desk;
use super::super::caller::actor;
use super::super::problem::{Body, Problem};
use super::{Hidden, by, now_ms};
use crate::accounts::opaque::{Digest, Opaque};
use crate::accounts::password::Password;
use crate::private::Private;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The password that is to be one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    password: Hidden,
}

/// Whom an invitation is for.
#[derive(Serialize, ToSchema)]
pub(super) struct Invited {
    /// What the account is called.
    name: String,
    /// What it is for.
    #[schema(example = "moderator")]
    role: &'static str,
}

/// Whom an invitation is for.
#[utoipa::path(get, path = "/api/v1/invitations/{code}", tag = "accounts",
    extensions(("x-permission" = json!("public"))),
    params(("code" = String, Path, description = "As whoever invites has got it")),
    responses(
        (status = OK, body = Invited),
        (status = NOT_FOUND, description = "It was used, or has run out, or never was one", body = Problem),
    ))]
pub(super) async fn invitation(
    State(desk): State<Arc<Desk>>,
    Path(code): Path<String>,
) -> Result<Json<Invited>, Problem> {
    let account = desk
        .office()?
        .store
        .invited(&digest(&code)?, now_ms())
        .await;
    let account = account.map_err(not_good)?;
    Ok(Json(Invited {
        name: account.name.as_str().to_owned(),
        role: account.role.as_str(),
    }))
}

/// Take an account: give it its password.
///
/// An invitation is good once, for three days. Log in afterwards.
#[utoipa::path(post, path = "/api/v1/invitations/{code}", tag = "accounts", request_body = First,
    extensions(("x-permission" = json!("public"))),
    params(("code" = String, Path, description = "As whoever invites has got it")),
    responses(
        (status = OK, body = Invited),
        (status = BAD_REQUEST, description = "The password is not taken", body = Problem),
        (status = NOT_FOUND, description = "It was used, or has run out, or never was one", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many people at once", body = Problem),
    ))]
pub(super) async fn take(
    State(desk): State<Arc<Desk>>,
    Path(code): Path<String>,
    Body(first): Body<First>,
) -> Result<Json<Invited>, Problem> {
    let office = desk.office()?;
    let digest = digest(&code)?;
    let account = office
        .store
        .invited(&digest, now_ms())
        .await
        .map_err(not_good)?;
    let password = Password::chosen(first.password.0, &account.name, account.role);
    let password =
        password.map_err(|unfit| Problem::new(StatusCode::BAD_REQUEST, unfit.to_string()))?;
    let kept = Private::new(office.hash(password).await?);
    let actor = actor(&account.name);
    let account = office
        .store
        .take_invitation(&digest, &kept, by(&actor))
        .await;
    let account = account.map_err(not_good)?;
    Ok(Json(Invited {
        name: account.name.as_str().to_owned(),
        role: account.role.as_str(),
    }))
}

fn digest(code: &str) -> Result<Digest, Problem> {
    let code = Opaque::parse(code);
    code.map(|code| code.digest()).ok_or_else(unknown)
}

fn not_good(error: crate::store::StoreError) -> Problem {
    match error {
        crate::store::StoreError::NotFound(_) => unknown(),
        other => other.into(),
    }
}

fn unknown() -> Problem {
    let message = "this invitation was used, has run out, or never was one: ask for another";
    Problem::new(StatusCode::NOT_FOUND, message)
}
