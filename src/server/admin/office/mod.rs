//! Accounts of people who look after the server, over HTTP: logging in and out, one's own account, those of others.
//!
//! Decisions are those of the room `accounts`, rows those of the store. What is here is what lies between: the pool in
//! which passwords are hashed, the keys that access tokens are signed with, what passkeys are asked, cookies, bodies.

mod cookie;
mod factor;
mod invitations;
mod login;
mod login_passkey;
mod me;
mod own_passkeys;
mod passkeys;
mod people;
mod pool;
mod proof;
mod signing;

use super::caller::{Caller, Who};
use super::guard::Objection;
use super::problem::Problem;
use crate::accounts::AccountName;
use crate::accounts::lockout::Lockout;
use crate::accounts::opaque::Opaque;
use crate::moment::Moment;
use crate::private::Private;
use crate::server::limits::Network;
use crate::server::metrics::Logins;
use crate::server::store::now_ms;
use crate::store::{By, Invitation, Store, StoreError};
use axum::http::StatusCode;
use ipnet::IpNet;
use parking_lot::Mutex;
use pool::HashPool;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use signing::Signing;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use passkeys::Passkeys;

/// How long an invitation is good, in ms: a weekend (ASVS 6.4.1).
const INVITATION_MS: i64 = 3 * 24 * 3600 * 1000;

/// Who knows the accounts.
#[derive(Debug)]
pub(super) struct Office {
    store: Store,
    signing: Signing,
    pool: HashPool,
    logins: Arc<Logins>,
    passkeys: Passkeys,
    random: Arc<Mutex<StdRng>>,
    by_password: Mutex<Lockout<(AccountName, Private<IpNet>)>>,
    by_account: Mutex<Lockout<(i64, Guessed)>>,
    /// Whether there were accounts when that was last looked at. Never goes back: they are disabled, and not deleted.
    had_accounts: Mutex<Option<bool>>,
    start: Instant,
}

/// What is guessed by somebody who has shown something already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guessed {
    /// The password, within a session.
    Password,
    /// A code or a passkey, after the password.
    Code,
}

/// Whether anybody has an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accounts {
    Some,
    None,
    /// There was none when the store could last be asked.
    NoneBefore,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// The addresses whose tries are counted together.
    fn range(self) -> Private<IpNet> {
        Private::new(Network::of(self.0).range())
    }
}

impl Office {
    pub(super) fn new(
        store: Store,
        hashes_at_once: u32,
        logins: Arc<Logins>,
        passkeys: Passkeys,
    ) -> Self {
        let random = StdRng::try_from_rng(&mut SysRng)
            .expect("an operating system without randomness can't run a server");
        let random = Arc::new(Mutex::new(random));
        Self {
            signing: Signing::new(store.clone(), Arc::clone(&random)),
            store,
            pool: HashPool::new(hashes_at_once, Arc::clone(&logins)),
            logins,
            passkeys,
            random,
            by_password: Mutex::default(),
            by_account: Mutex::default(),
            had_accounts: Mutex::new(None),
            start: Instant::now(),
        }
    }

    /// Whether anybody has an account, so that everybody must show who they are.
    pub(super) async fn accounts(&self) -> Result<Accounts, Objection> {
        let before = *self.had_accounts.lock();
        if before == Some(true) {
            return Ok(Accounts::Some);
        }
        match self.store.has_accounts().await {
            Ok(found) => {
                *self.had_accounts.lock() = Some(found);
                Ok(if found {
                    Accounts::Some
                } else {
                    Accounts::None
                })
            }
            Err(error) if before.is_none() => Err(away(&error)),
            Err(_) => Ok(Accounts::NoneBefore),
        }
    }

    /// Whose access token it is. What they may do is asked of the store each time, so that what is taken from an
    /// account is gone at once and not when its tokens end (ASVS 7.4.1, 8.3.2).
    pub(super) async fn identify(&self, token: &str) -> Result<Caller, Objection> {
        let now_ms = now_ms();
        let access = self.signing.check(token, now_ms).await;
        let access = access.map_err(|refused| match refused {
            signing::Refused::NotGood(why) => Objection::Access(why),
            signing::Refused::Store(error) => away(&error),
        })?;
        let session = match self.store.session(access.session).await {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(%error, "an access token is taken by its word");
                return Ok(Caller::Unsure);
            }
        };
        let is_theirs = |account: i64| account == access.account;
        let session = session
            .filter(|session| is_theirs(session.account) && session.is_alive(now_ms))
            .ok_or(Objection::LoggedOut)?;
        Ok(Caller::Account(Who {
            account: session.account,
            name: session.name,
            role: session.role,
            standing: session.standing,
            session: session.id,
        }))
    }

    fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn draw(&self) -> Opaque {
        Opaque::draw(&mut *self.random.lock())
    }

    /// An invitation and the code of it.
    fn invite(&self, now_ms: i64) -> (Invitation, Opaque) {
        let code = self.draw();
        let invitation = Invitation {
            digest: code.digest(),
            expires_at_ms: now_ms + INVITATION_MS,
        };
        (invitation, code)
    }
}

/// All that is about accounts.
pub(super) fn routes() -> OpenApiRouter<Arc<super::api::Desk>> {
    OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(login::login_factor))
        .routes(routes!(login_passkey::begin_login_passkey))
        .routes(routes!(login_passkey::login_passkey))
        .routes(routes!(login::refresh))
        .routes(routes!(login::logout))
        .routes(routes!(login::logout_everywhere))
        .routes(routes!(me::me))
        .routes(routes!(me::change_password))
        .routes(routes!(me::sessions))
        .routes(routes!(me::end_session))
        .routes(routes!(factor::begin_factor))
        .routes(routes!(factor::confirm_factor))
        .routes(routes!(factor::renew_codes))
        .routes(routes!(own_passkeys::passkeys, own_passkeys::begin_passkey))
        .routes(routes!(own_passkeys::confirm_passkey))
        .routes(routes!(own_passkeys::ask_for_passkey))
        .routes(routes!(own_passkeys::remove_passkey))
        .routes(routes!(people::accounts, people::create))
        .routes(routes!(people::account, people::change))
        .routes(routes!(people::reset))
        .routes(routes!(people::end_sessions))
        .routes(routes!(invitations::invitation, invitations::take))
}

/// Somebody who does something now.
fn by(actor: &str) -> By<'_> {
    By {
        actor,
        at_ms: now_ms(),
    }
}

fn away(error: &StoreError) -> Objection {
    tracing::warn!(%error, "accounts can't be looked at");
    let retry_after_ms = error.retry_after_ms().unwrap_or(5000);
    Objection::Store {
        retry_after_s: retry_after_ms.div_ceil(1000),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::NotFound(_) => StatusCode::NOT_FOUND,
            StoreError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            StoreError::Unacceptable(_) => StatusCode::CONFLICT,
            StoreError::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            StoreError::Off | StoreError::Away { .. } | StoreError::Crossed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "the store failed");
            return Self::new(status, "the store failed; the server's log says how");
        }
        let problem = Self::new(status, error.to_string());
        match error.retry_after_ms() {
            Some(ms) => problem.retry_after(ms.div_ceil(1000)),
            None => problem,
        }
    }
}

/// There are no accounts where nothing is kept.
pub(super) fn none() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "there are no accounts here: the server keeps nothing (store.url is off)",
    )
}

/// What is not to be told to the log, from a body.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password)]
struct Hidden(String);

impl From<Hidden> for Private<String> {
    fn from(Hidden(text): Hidden) -> Self {
        Self::new(text)
    }
}
