//! What somebody shows: a password, a code. Here is where tries are counted, and where hashing waits for its turn.

use super::super::caller::actor;
use super::super::problem::Problem;
use super::{Guessed, Office, Peer, by, now_ms};
use crate::accounts::AccountName;
use crate::accounts::lockout::Lockout;
use crate::accounts::opaque::Digest;
use crate::accounts::password::{Password, SALT_BYTES, Verdict};
use crate::accounts::recovery::RecoveryCode;
use crate::private::Private;
use crate::server::metrics::Login;
use crate::store::{Account, PasswordChange};
use axum::http::StatusCode;
use parking_lot::Mutex;
use rand::Rng as _;
use std::hash::Hash;
use std::time::Duration;

impl Office {
    /// The account of this name, if this is its password. It takes as long if not.
    pub(super) async fn check_password(
        &self,
        name: String,
        password: String,
        peer: Peer,
    ) -> Result<Account, Problem> {
        // What is no name is no account's, and is made to wait as well.
        let named: Option<AccountName> = name.parse().ok();
        let key = named.clone().map(|name| (name, peer.range()));
        let claimed = Password::claimed(password);
        let looking = self.look_at_password(named, claimed, peer);
        let right = match &key {
            Some(key) => {
                let locked = || self.logins.ended(Login::Locked);
                self.counted(&self.by_password, key, locked, looking)
                    .await?
            }
            None => looking.await?,
        };
        let Some((account, is_outdated, claimed)) = right else {
            tracing::info!("a login was refused");
            self.logins.ended(Login::Wrong);
            return Err(wrong_password());
        };
        if !is_outdated {
            return Ok(account);
        }
        self.rehash(account, claimed).await
    }

    /// The account of this name, if it may be used and this is its password, and whether that is kept by lesser parameters.
    async fn look_at_password(
        &self,
        name: Option<AccountName>,
        claimed: Password,
        peer: Peer,
    ) -> Result<Option<(Account, bool, Password)>, Problem> {
        let account = match &name {
            Some(name) => self.store.account_named(name).await?,
            None => None,
        };
        let kept = account
            .as_ref()
            .and_then(|account| account.password.clone());
        let check = move || (claimed.check(kept.as_deref().map(String::as_str)), claimed);
        let checked = self.pool.run_for(peer.range(), check).await;
        let (verdict, claimed) = checked.inspect_err(|_| self.logins.ended(Login::Busy))?;
        let account = account.filter(|account| !account.is_disabled());
        Ok(match (verdict, account) {
            (Verdict::Right { is_outdated }, Some(account)) => {
                Some((account, is_outdated, claimed))
            }
            _ => None,
        })
    }

    /// Makes a try that counts. One that is right, with something to show for it, has those before forgotten; one of which
    /// nobody found out, because too many were there or the store was away, is taken back; one that comes too early is not
    /// made.
    async fn counted<K: Eq + Hash + Clone, T>(
        &self,
        tried: &Mutex<Lockout<K>>,
        who: &K,
        too_early: impl FnOnce(),
        trying: impl Future<Output = Result<Option<T>, Problem>>,
    ) -> Result<Option<T>, Problem> {
        let counted = tried.lock().try_now(who, self.now());
        let counted = counted.map_err(|wait| {
            too_early();
            too_many(wait)
        })?;
        let outcome = trying.await;
        match &outcome {
            Ok(Some(_)) => tried.lock().forgive(who),
            Ok(None) => {}
            Err(_) => tried.lock().undo(who, counted),
        }
        outcome
    }

    /// The same for somebody who has shown something of this account already.
    pub(super) async fn guessed<T>(
        &self,
        account: i64,
        what: Guessed,
        trying: impl Future<Output = Result<Option<T>, Problem>>,
    ) -> Result<Option<T>, Problem> {
        let who = (account, what);
        self.counted(&self.by_account, &who, || (), trying).await
    }

    /// Keeps the password by the parameters of now. What can't be done now is done the next time.
    async fn rehash(&self, mut account: Account, password: Password) -> Result<Account, Problem> {
        let Some(before) = account.password.clone() else {
            return Ok(account);
        };
        let after = Private::new(self.hash(password).await?);
        let change = PasswordChange {
            account: account.id,
            before,
            after: after.clone(),
        };
        let actor = actor(&account.name);
        match self.store.rehash_password(&change, by(&actor)).await {
            Ok(()) => account.password = Some(after),
            Err(error) => tracing::warn!(%error, "a password is still kept by lesser parameters"),
        }
        Ok(account)
    }

    /// What is to be kept of a password.
    pub(super) async fn hash(&self, password: Password) -> Result<String, Problem> {
        let mut salt = [0; SALT_BYTES];
        self.random.lock().fill_bytes(&mut salt);
        Ok(self.pool.run(move || password.hash(salt)).await?)
    }

    /// Whether a password is that of an account, for somebody who is logged in and is asked again.
    pub(super) async fn is_password(
        &self,
        kept: Private<String>,
        password: String,
    ) -> Result<bool, Problem> {
        let claimed = Password::claimed(password);
        let verdict = self.pool.run(move || claimed.check(Some(&kept))).await?;
        Ok(verdict != Verdict::Wrong)
    }

    /// Takes a code of the account's authenticator, or a recovery code, as used.
    pub(super) async fn check_code(&self, account: &Account, code: &str) -> Result<(), Problem> {
        let using = async { Ok(self.use_code(account, code).await?.then_some(())) };
        let used = self.guessed(account.id, Guessed::Code, using).await?;
        used.ok_or_else(|| {
            tracing::warn!(
                account = account.id,
                "a second factor was refused after the right password"
            );
            wrong_code()
        })
    }

    async fn use_code(&self, account: &Account, code: &str) -> Result<bool, Problem> {
        let now_ms = now_ms();
        if let Some(recovery) = RecoveryCode::parse(code) {
            let digest: Digest = recovery.digest();
            let actor = actor(&account.name);
            let left = self
                .store
                .use_recovery_code(account.id, &digest, by(&actor))
                .await?;
            return Ok(left.is_some());
        }
        let Some(factor) = self.store.factor(account.id).await? else {
            return Ok(false);
        };
        let code = code.trim();
        let Some(step) = factor.secret.check(code, now_ms / 1000, factor.last_step) else {
            return Ok(false);
        };
        Ok(self.store.use_step(factor.id, step).await?)
    }
}

/// What came of a login whose second step was refused, if that was because of what was shown.
pub(super) fn refused_code(problem: &Problem) -> Option<Login> {
    match problem.status() {
        StatusCode::UNAUTHORIZED => Some(Login::FactorWrong),
        StatusCode::TOO_MANY_REQUESTS => Some(Login::Locked),
        _ => None,
    }
}

pub(super) fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = format!("too many wrong tries; try again in {seconds} s");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(seconds)
}

pub(super) fn wrong_password() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "the name or the password is wrong",
    )
}

fn wrong_code() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "the code is wrong, or was used already",
    )
}
