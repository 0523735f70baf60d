//! One's own passkeys: enrolling one, those there are, removing one.

use super::super::api::Desk;
use super::super::caller::Caller;
use super::super::problem::{Body, Problem};
use super::super::resource::{bad, number};
use super::by;
use super::factor::Again;
use super::passkeys::{Asked, PasskeyAsked, PasskeyEnrolling, write};
use crate::accounts::passkey::{PasskeyName, digest};
use crate::store::{KeptPasskey, NewPasskey};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use webauthn_rs::prelude::RegisterPublicKeyCredential;

/// A passkey that a browser has made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyMade {
    /// 1 to 40 characters, for its owner to know it by.
    #[schema(example = "my phone")]
    name: String,
    /// What `navigator.credentials.create()` returned, by its `toJSON()`.
    #[schema(value_type = Object)]
    credential: RegisterPublicKeyCredential,
}

/// A passkey that is in use from now on.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyEnrolled {
    id: i64,
    /// For when all second factors are lost: each good once, and shown only now; `null` if there were some already.
    recovery_codes: Option<Vec<String>>,
}

/// One's passkeys.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeysShown {
    /// In the order in which they were made; 10 at most.
    passkeys: Vec<PasskeyShown>,
}

/// A passkey. Times are in ms since the Unix epoch.
#[derive(Serialize, ToSchema)]
struct PasskeyShown {
    id: i64,
    /// What its owner calls it.
    name: String,
    created_at_ms: i64,
    /// `null` if it was never shown.
    last_used_at_ms: Option<i64>,
}

impl From<KeptPasskey> for PasskeyShown {
    fn from(kept: KeptPasskey) -> Self {
        Self {
            id: kept.id,
            name: kept.name.to_string(),
            created_at_ms: kept.created_at_ms,
            last_used_at_ms: kept.last_used_at_ms,
        }
    }
}

/// One's passkeys.
#[utoipa::path(get, path = "/api/v1/me/passkeys", tag = "accounts", extensions(("x-permission" = json!("own"))), responses(
    (status = OK, body = PasskeysShown),
    (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
))]
pub(super) async fn passkeys(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<PasskeysShown>, Problem> {
    let who = caller.who()?;
    let kept = desk.office()?.store.passkeys(who.account).await?;
    Ok(Json(PasskeysShown {
        passkeys: kept.into_iter().map(PasskeyShown::from).collect(),
    }))
}

/// Begin to enrol a passkey, as a second factor beside the others.
///
/// It is in use when the browser's answer was taken. Only the last that was begun in a session can be.
#[utoipa::path(post, path = "/api/v1/me/passkeys", tag = "accounts", request_body = Again,
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = OK, body = PasskeyEnrolling),
        (status = FORBIDDEN, description = "The password or the factor is wrong", body = Problem),
        (status = CONFLICT, description = "`admin.origin` is not set, or there is no account", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
    ))]
pub(super) async fn begin_passkey(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(again): Body<Again>,
) -> Result<Json<PasskeyEnrolling>, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    office.confirm(who, again).await?;
    let account = office.store.account(who.account).await?;
    let kept = office.store.passkeys(who.account).await?;
    let begun = office
        .passkeys
        .begin_enrolling(who, &account, &kept, office.now())?;
    Ok(Json(begun))
}

/// Take a passkey into use by what the browser made.
///
/// All other sessions of the account end. With the first second factor come recovery codes.
#[utoipa::path(post, path = "/api/v1/me/passkeys/confirm", tag = "accounts", request_body = PasskeyMade,
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = OK, body = PasskeyEnrolled),
        (status = BAD_REQUEST, description = "Not a name, or not what a browser makes", body = Problem),
        (status = FORBIDDEN, description = "It was not made for what was asked", body = Problem),
        (status = CONFLICT, description = "None is being enrolled, it is known already, or there are 10", body = Problem),
    ))]
pub(super) async fn confirm_passkey(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<PasskeyMade>,
) -> Result<Json<PasskeyEnrolled>, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    let name: PasskeyName = body.name.parse().map_err(bad)?;
    let passkey = office
        .passkeys
        .enrolled(who, &body.credential, office.now())?;
    let (codes, digests) = office.draw_codes();
    let new = NewPasskey {
        account: who.account,
        name: &name,
        digest: digest(passkey.cred_id()),
        credential: write(&passkey)?,
        session: who.session,
        codes: &digests,
    };
    let added = office.store.add_passkey(&new, by(&who.actor())).await?;
    Ok(Json(PasskeyEnrolled {
        id: added.id,
        recovery_codes: added.are_codes_new.then(|| codes.into_words()),
    }))
}

/// Be asked for a passkey, to show that it is still oneself.
#[utoipa::path(post, path = "/api/v1/me/passkeys/ask", tag = "accounts",
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = OK, body = PasskeyAsked),
        (status = CONFLICT, description = "There is no passkey, no account, or no `admin.origin`", body = Problem),
    ))]
pub(super) async fn ask_for_passkey(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<PasskeyAsked>, Problem> {
    let who = caller.who()?;
    let asked = Asked::Again(who.session);
    let office = desk.office()?;
    Ok(Json(office.ask_for_passkey(who.account, asked).await?))
}

/// Remove one of one's passkeys.
///
/// All other sessions of the account end. The only second factor of a role that takes one stays.
#[utoipa::path(post, path = "/api/v1/me/passkeys/{id}/remove", tag = "accounts", request_body = Again,
    extensions(("x-permission" = json!("own"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = NO_CONTENT, description = "It is good no more"),
        (status = FORBIDDEN, description = "The password or the factor is wrong", body = Problem),
        (status = NOT_FOUND, description = "One has none of this number", body = Problem),
        (status = CONFLICT, description = "It is the only second factor, or there is no account", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
    ))]
pub(super) async fn remove_passkey(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(again): Body<Again>,
) -> Result<StatusCode, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    let id = number(&id, "passkey")?;
    office.confirm(who, again).await?;
    office
        .store
        .remove_passkey(who.account, id, who.session, by(&who.actor()))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
