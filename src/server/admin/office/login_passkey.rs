//! The second step of logging in, by a passkey.

use super::super::api::Desk;
use super::super::problem::{Body, Problem};
use super::cookie::Jar;
use super::login::LoggedIn;
use super::passkeys::{Asked, PasskeyAsked};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;
use webauthn_rs::prelude::PublicKeyCredential;

/// That a passkey is to be shown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginPasskeyBegun {
    /// What the first step answered.
    factor_token: String,
}

/// The second step, by a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginPasskey {
    /// What the first step answered.
    factor_token: String,
    /// What `navigator.credentials.get()` returned, by its `toJSON()`.
    #[schema(value_type = Object)]
    credential: PublicKeyCredential,
    /// As in the first step.
    #[serde(default)]
    cookie: bool,
}

/// Log in: be asked for a passkey.
///
/// Only the last that was asked for can be shown, for five minutes, to the same server.
#[utoipa::path(post, path = "/api/v1/login/passkey/begin", tag = "accounts", request_body = LoginPasskeyBegun,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = OK, body = PasskeyAsked),
        (status = BAD_REQUEST, description = "Not what is asked for", body = Problem),
        (status = UNAUTHORIZED, description = "The first step was too long ago", body = Problem),
        (status = CONFLICT, description = "There is no passkey, or no `admin.origin`", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn begin_login_passkey(
    State(desk): State<Arc<Desk>>,
    Body(begun): Body<LoginPasskeyBegun>,
) -> Result<Json<PasskeyAsked>, Problem> {
    let office = desk.office()?;
    let (account, _) = office.after_password(&begun.factor_token).await?;
    let asked = Asked::LoggingIn(account.id);
    Ok(Json(office.ask_for_passkey(account.id, asked).await?))
}

/// Log in: the second step, by a passkey.
///
/// Whether it is taken or not, what was signed is good once.
#[utoipa::path(post, path = "/api/v1/login/passkey", tag = "accounts", request_body = LoginPasskey,
    extensions(("x-permission" = json!("public"))),
    responses(
        (status = OK, body = LoggedIn),
        (status = BAD_REQUEST, description = "Not what is asked for", body = Problem),
        (status = UNAUTHORIZED, description = "The passkey was refused, or a step was too long ago", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away", body = Problem),
    ))]
pub(super) async fn login_passkey(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Body(login): Body<LoginPasskey>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let (account, kept) = office.after_password(&login.factor_token).await?;
    let asked = Asked::LoggingIn(account.id);
    office
        .check_passkey(&account, asked, &login.credential)
        .await?;
    let jar = login.cookie.then(|| Jar::of(&headers));
    office.begin(&account, kept, true, jar).await
}
