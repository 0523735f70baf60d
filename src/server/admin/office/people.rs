//! Accounts of others.

use super::super::api::Desk;
use super::super::caller::Caller;
use super::super::once::Making;
use super::super::problem::{Body, Problem};
use super::super::resource::{Params, bad, made, number, page, seen, with_tag};
use super::{by, now_ms};
use crate::accounts::opaque::Opaque;
use crate::accounts::{AccountName, Role};
use crate::store::{Account, AccountChange, Invitation, MadeAccount, NewAccount};
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Which accounts are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsAsked {
    after: Option<String>,
    limit: Option<u32>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountShown {
    id: i64,
    name: String,
    /// `viewer`, `moderator` or `admin`.
    #[schema(example = "moderator")]
    role: &'static str,
    state: AccountState,
    /// Whether it has a second factor.
    has_factor: bool,
    /// In ms since the Unix epoch.
    created_at_ms: i64,
    /// The same as its `ETag`.
    version: i64,
}

/// What can be done with an account.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AccountState {
    /// Nobody has taken it yet.
    Invited,
    /// Its owner can log in.
    Active,
    /// It lets nobody in.
    Disabled,
}

/// Accounts in the order in which they were made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountsShown {
    accounts: Vec<AccountShown>,
    /// What to ask for with `after` to see more; `null` after the last.
    next: Option<String>,
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccountAsked {
    /// 2 to 32 of `a-z`, `0-9`, `.`, `_` and `-`, a letter first.
    #[schema(example = "ann")]
    name: String,
    /// `viewer`, `moderator` or `admin`.
    #[schema(example = "moderator")]
    role: String,
}

/// What is to become of an account. What is not there stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeAsked {
    /// `viewer`, `moderator` or `admin`.
    #[serde(default)]
    role: Option<String>,
    /// Whether it lets nobody in. Its sessions end then.
    #[serde(default)]
    disabled: Option<bool>,
}

/// An account, and the code by which its owner takes it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvitationShown {
    account: AccountShown,
    /// Shown only now. Good once, for three days: `/#invitation=` and the code on the board. `null` if this is asked again by
    /// the same `Idempotency-Key` when the account was taken or changed already.
    invitation: Option<String>,
    /// In ms since the Unix epoch; `null` with the invitation.
    expires_at_ms: Option<i64>,
}

/// How many sessions have ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    sessions: u64,
}

impl From<Account> for AccountShown {
    fn from(account: Account) -> Self {
        let state = match &account.password {
            _ if account.is_disabled() => AccountState::Disabled,
            None => AccountState::Invited,
            Some(_) => AccountState::Active,
        };
        Self {
            id: account.id,
            name: account.name.as_str().to_owned(),
            role: account.role.as_str(),
            state,
            has_factor: account.has_factor(),
            created_at_ms: account.created_at_ms,
            version: account.version,
        }
    }
}

impl InvitationShown {
    fn new(account: Account, invited: Option<(&Invitation, &Opaque)>) -> Self {
        Self {
            account: account.into(),
            invitation: invited.map(|(_, code)| code.to_wire()),
            expires_at_ms: invited.map(|(invitation, _)| invitation.expires_at_ms),
        }
    }
}

/// All accounts, in the order in which they were made.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts",
    extensions(("x-permission" = json!("accounts"))),
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 100"),
    ),
    responses(
        (status = OK, body = AccountsShown),
        (status = BAD_REQUEST, description = "Not such parameters", body = Problem),
    ))]
pub(super) async fn accounts(
    State(desk): State<Arc<Desk>>,
    Params(asked): Params<AccountsAsked>,
) -> Result<Json<AccountsShown>, Problem> {
    let page = page(asked.after.as_deref(), asked.limit)?;
    let page = desk
        .office()?
        .store
        .accounts(page.after, page.limit)
        .await?;
    Ok(Json(AccountsShown {
        accounts: page.rows.into_iter().map(AccountShown::from).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

/// Make an account, and invite its owner.
///
/// Codes of invitations are not kept. Asked again by the same key, this gives another one, and the one before is good no more.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccountAsked,
    extensions(("x-permission" = json!("accounts"))),
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 visible characters: asked again by the same key, this makes no other account")),
    responses(
        (status = CREATED, description = "By a key that was used before, the account that was made then", body = InvitationShown),
        (status = BAD_REQUEST, description = "Not a name, not a role, or not a key", body = Problem),
        (status = CONFLICT, description = "There is one of this name", body = Problem),
        (status = UNPROCESSABLE_ENTITY, description = "The key was used with another body", body = Problem),
    ))]
pub(super) async fn create(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    making: Making<NewAccountAsked>,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let asked = making.asked;
    let name: AccountName = asked.name.parse().map_err(bad)?;
    name.check_new().map_err(bad)?;
    let (invitation, code) = office.invite(now_ms());
    let new = NewAccount {
        name,
        role: asked.role.parse().map_err(bad)?,
        invitation,
    };
    let actor = caller.actor();
    let by = by(&actor);
    let MadeAccount {
        account,
        is_invited,
    } = match &making.key {
        Some(key) => {
            let once = key.once("POST /api/v1/accounts", &actor, by.at_ms);
            office.store.add_account_once(&new, &once, by).await?
        }
        None => MadeAccount {
            account: office.store.add_account(&new, by).await?,
            is_invited: true,
        },
    };
    let location = format!("/api/v1/accounts/{}", account.id);
    let version = account.version;
    let made_now = is_invited.then_some((&invitation, &code));
    let shown = InvitationShown::new(account, made_now);
    Ok(made(version, &location, shown))
}

/// One account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", tag = "accounts",
    extensions(("x-permission" = json!("accounts"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = OK, description = "With its version as `ETag`", body = AccountShown),
        (status = NOT_FOUND, description = "There is no such account", body = Problem),
    ))]
pub(super) async fn account(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let account = desk
        .office()?
        .store
        .account(number(&id, "account")?)
        .await?;
    Ok(with_tag(account.version, AccountShown::from(account)))
}

/// Change what an account is for, or whether it lets anybody in.
///
/// The last admin who can log in stays one.
#[utoipa::path(patch, path = "/api/v1/accounts/{id}", tag = "accounts", request_body = ChangeAsked,
    extensions(("x-permission" = json!("accounts"))),
    params(
        ("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The `ETag` of the account as you have seen it"),
    ),
    responses(
        (status = OK, body = AccountShown),
        (status = BAD_REQUEST, description = "Not a role", body = Problem),
        (status = NOT_FOUND, description = "There is no such account", body = Problem),
        (status = CONFLICT, description = "No admin would be left", body = Problem),
        (status = PRECONDITION_FAILED, description = "It has changed since", body = Problem),
        (status = PRECONDITION_REQUIRED, description = "There is no `If-Match`", body = Problem),
    ))]
pub(super) async fn change(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(asked): Body<ChangeAsked>,
) -> Result<Response, Problem> {
    let role: Option<Role> = asked
        .role
        .map(|role| role.parse())
        .transpose()
        .map_err(bad)?;
    let (id, version) = seen(&id, "account", &headers)?;
    let change = AccountChange {
        id,
        version,
        role,
        is_disabled: asked.disabled,
        keeps_an_admin: true,
    };
    let account = desk
        .office()?
        .store
        .change_account(change, by(&caller.actor()))
        .await?;
    Ok(with_tag(account.version, AccountShown::from(account)))
}

/// Take from an account its password, its second factors and its sessions, and invite its owner anew.
///
/// For whoever has lost them. A disabled account is enabled by it.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/reset", tag = "accounts",
    extensions(("x-permission" = json!("accounts"))),
    params(
        ("id" = i64, Path, description = "Its number"),
        ("If-Match" = String, Header, description = "The `ETag` of the account as you have seen it"),
    ),
    responses(
        (status = OK, body = InvitationShown),
        (status = NOT_FOUND, description = "There is no such account", body = Problem),
        (status = CONFLICT, description = "No admin would be left", body = Problem),
        (status = PRECONDITION_FAILED, description = "It has changed since", body = Problem),
        (status = PRECONDITION_REQUIRED, description = "There is no `If-Match`", body = Problem),
    ))]
pub(super) async fn reset(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let office = desk.office()?;
    let (invitation, code) = office.invite(now_ms());
    let (id, version) = seen(&id, "account", &headers)?;
    let change = AccountChange {
        id,
        version,
        role: None,
        is_disabled: None,
        keeps_an_admin: true,
    };
    let account = office
        .store
        .reset_account(change, &invitation, by(&caller.actor()))
        .await?;
    let version = account.version;
    let shown = InvitationShown::new(account, Some((&invitation, &code)));
    Ok(with_tag(version, shown))
}

/// End all sessions of an account.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/logout", tag = "accounts",
    extensions(("x-permission" = json!("accounts"))),
    params(("id" = i64, Path, description = "Its number")),
    responses(
        (status = OK, body = Ended),
        (status = NOT_FOUND, description = "There is no such account", body = Problem),
    ))]
pub(super) async fn end_sessions(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Ended>, Problem> {
    let office = desk.office()?;
    let account = office.store.account(number(&id, "account")?).await?;
    let sessions = office
        .store
        .end_sessions(account.id, by(&caller.actor()))
        .await?;
    Ok(Json(Ended { sessions }))
}
