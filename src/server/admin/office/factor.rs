//! Second factors: enrolling one, and other recovery codes.

use super::super::api::Desk;
use super::super::caller::{Caller, Who};
use super::super::problem::{Body, Problem};
use super::passkeys::Asked;
use super::{Guessed, Hidden, Office, by, now_ms};
use crate::accounts::opaque::Digest;
use crate::accounts::recovery::RecoveryCode;
use crate::accounts::totp::Secret;
use crate::private::Private;
use crate::store::{Account, Confirmed};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use webauthn_rs::prelude::PublicKeyCredential;

/// How long enrolling may take, in ms.
const ENROLLING_MS: i64 = 15 * 60 * 1000;

/// That it is still oneself (ASVS 7.5.1).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// One's password.
    password: Hidden,
    /// A code of the authenticator, or a recovery code; this or a passkey is needed if there is a second factor in use.
    #[serde(default)]
    code: Option<Hidden>,
    /// A passkey, as `POST /api/v1/me/passkeys/ask` has asked for it: what `navigator.credentials.get()` returned, by
    /// its `toJSON()`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    passkey: Option<PublicKeyCredential>,
}

/// A kind of second factor.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FactorKind {
    /// Codes of an authenticator (RFC 6238).
    Totp,
    /// Passkeys (Web Authentication).
    Passkey,
}

impl FactorKind {
    /// Those of an account.
    pub(super) fn of(account: &Account) -> Vec<Self> {
        let totp = account.has_totp.then_some(Self::Totp);
        let passkey = account.has_passkey.then_some(Self::Passkey);
        totp.into_iter().chain(passkey).collect()
    }
}

/// What an authenticator must know.
#[derive(Serialize, ToSchema)]
pub(super) struct Enrolling {
    /// To type: 32 letters and digits.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// To scan or to open.
    uri: String,
    /// For how long a code of it can be shown to take it into use.
    expires_in_s: i64,
}

/// A code that the authenticator shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    code: Hidden,
}

/// For when the authenticator is lost: each good once, and shown only now.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// Begin to enrol a second factor: TOTP (RFC 6238), for any authenticator.
///
/// It is in use when a code of it was shown. The one before it, if there is one, stays in use until then. Passkeys stay
/// beside it.
#[utoipa::path(post, path = "/api/v1/me/factor", tag = "accounts", request_body = Again,
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = OK, body = Enrolling),
        (status = FORBIDDEN, description = "The password or the code is wrong", body = Problem),
        (status = CONFLICT, description = "It is the token that was shown, which has no account", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
    ))]
pub(super) async fn begin_factor(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(again): Body<Again>,
) -> Result<Json<Enrolling>, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    office.confirm(who, again).await?;
    let secret = Secret::draw(&mut *office.random.lock());
    office
        .store
        .begin_factor(who.account, &secret, by(&who.actor()))
        .await?;
    Ok(Json(Enrolling {
        secret: secret.to_base32(),
        uri: secret.to_uri(&who.name),
        expires_in_s: ENROLLING_MS / 1000,
    }))
}

/// Take a second factor into use by a code of it.
///
/// It takes the place of the one before, with recovery codes of its own. All other sessions of the account end.
#[utoipa::path(post, path = "/api/v1/me/factor/confirm", tag = "accounts", request_body = Code,
    extensions(("x-permission" = json!("enrol"))),
    responses(
        (status = OK, body = RecoveryCodes),
        (status = FORBIDDEN, description = "The code is wrong", body = Problem),
        (status = CONFLICT, description = "None is being enrolled", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries", body = Problem),
    ))]
pub(super) async fn confirm_factor(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<Code>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    let now_ms = now_ms();
    let factor = office.store.factor_enrolling(who.account).await?;
    let factor = factor.filter(|factor| now_ms < factor.created_at_ms + ENROLLING_MS);
    let factor = factor.ok_or_else(|| {
        let message =
            "no second factor is being enrolled, or it was begun too long ago: begin again";
        Problem::new(StatusCode::CONFLICT, message)
    })?;
    let looking = async { Ok(factor.secret.check(body.code.0.trim(), now_ms / 1000, None)) };
    let step = office.guessed(who.account, Guessed::Code, looking).await?;
    let step = step.ok_or_else(|| {
        let message = "the code is wrong: see that the authenticator's clock is right";
        Problem::new(StatusCode::FORBIDDEN, message)
    })?;
    let (codes, digests) = office.draw_codes();
    let confirmed = Confirmed {
        account: who.account,
        factor: factor.id,
        step,
        session: who.session,
        codes: &digests,
    };
    office
        .store
        .confirm_factor(confirmed, by(&who.actor()))
        .await?;
    Ok(Json(codes))
}

/// Get other recovery codes in the place of those that are left.
#[utoipa::path(post, path = "/api/v1/me/recovery-codes", tag = "accounts", request_body = Again,
    extensions(("x-permission" = json!("own"))),
    responses(
        (status = OK, body = RecoveryCodes),
        (status = FORBIDDEN, description = "The password or the code is wrong", body = Problem),
        (status = CONFLICT, description = "There is no second factor, or no account", body = Problem),
        (status = TOO_MANY_REQUESTS, description = "Too many tries, or too many people at once", body = Problem),
    ))]
pub(super) async fn renew_codes(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(again): Body<Again>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let office = desk.office()?;
    let who = caller.who()?;
    if !office.store.account(who.account).await?.has_factor() {
        let message = "there is no second factor that could be lost";
        return Err(Problem::new(StatusCode::CONFLICT, message));
    }
    office.confirm(who, again).await?;
    let (codes, digests) = office.draw_codes();
    office
        .store
        .replace_recovery_codes(who.account, &digests, by(&who.actor()))
        .await?;
    Ok(Json(codes))
}

impl RecoveryCodes {
    pub(super) fn into_words(self) -> Vec<String> {
        self.recovery_codes
    }
}

impl Office {
    pub(super) fn draw_codes(&self) -> (RecoveryCodes, Vec<Digest>) {
        let codes = RecoveryCode::draw_all(&mut *self.random.lock());
        let digests = codes.iter().map(RecoveryCode::digest).collect();
        let recovery_codes = codes.iter().map(RecoveryCode::to_words).collect();
        (RecoveryCodes { recovery_codes }, digests)
    }

    /// Whether it is still the one who logged in: by the password, and a factor that is in use if there is one.
    pub(super) async fn confirm(&self, who: &Who, again: Again) -> Result<(), Problem> {
        self.confirm_password(who, again.password.0).await?;
        let account = self.store.account(who.account).await?;
        if !account.has_factor() {
            return Ok(());
        }
        let checked = match (again.code, again.passkey) {
            (Some(Hidden(code)), _) => self.check_code(&account, &code).await,
            (None, Some(passkey)) => {
                let asked = Asked::Again(who.session);
                self.check_passkey(&account, asked, &passkey).await
            }
            (None, None) => {
                let message = "there is a second factor in use: show a code of it as well, a passkey, or a recovery code";
                return Err(Problem::new(StatusCode::FORBIDDEN, message));
            }
        };
        checked.map_err(Problem::into_forbidden)
    }

    /// Whether it is still the one who logged in, by the password. Returns what is kept of it. Tries count for the
    /// account: a stranger doesn't get so far.
    pub(super) async fn confirm_password(
        &self,
        who: &Who,
        password: String,
    ) -> Result<Private<String>, Problem> {
        let looking = async {
            let account = self.store.account(who.account).await?;
            let kept = account.password.unwrap_or_default();
            let is_right = self.is_password(kept.clone(), password).await?;
            Ok(is_right.then_some(kept))
        };
        let kept = self
            .guessed(who.account, Guessed::Password, looking)
            .await?;
        kept.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "the password is wrong"))
    }
}
