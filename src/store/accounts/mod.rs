//! Accounts of people who look after the server: who they are, and what they prove it with.
//!
//! Kept of each is a name, a role, the hash of a password, the secret of a second factor, passkeys, and when their
//! sessions began. Digests stand for what only its holder knows. An account is never deleted, so that the audit log goes on
//! saying who did what; a disabled one lets nobody in.
//!
//! Which of two changes at the same time goes through is said beside each transaction.

mod change;
mod factors;
mod invitations;
mod passkeys;
mod passwords;
mod sessions;

use super::page::{page, rows_to_fetch};
use super::row::Read;
use super::transaction::Tx;
use super::{Cursor, NewAudit, Page, Store, StoreError, sql};
use crate::accounts::{AccountName, Role};
use crate::private::Private;
use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use std::str::FromStr;

pub use change::{AccountChange, MadeAccount, NewAccount};
pub use factors::{Confirmed, KeptFactor};
pub use invitations::Invitation;
pub use passkeys::{AddedPasskey, KeptPasskey, NewPasskey, UsedPasskey};
pub use passwords::PasswordChange;
pub use sessions::{NewSession, SessionRow, Turned};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: AccountName,
    /// What it is for.
    pub role: Role,
    /// The hash of its password; none until an invitation was taken.
    pub password: Option<Private<String>>,
    /// Whether an authenticator shows codes for it.
    pub has_totp: bool,
    /// Whether it has passkeys.
    pub has_passkey: bool,
    /// Since when there is it.
    pub created_at_ms: i64,
    /// Since when it lets nobody in.
    pub disabled_at_ms: Option<i64>,
    /// Goes up with each change by somebody else.
    pub version: i64,
}

/// Who changes something, and when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// As the audit log has it: `account:ann`, `token`, `command line`.
    pub actor: &'a str,
    /// When, in ms since the Unix epoch.
    pub at_ms: i64,
}

impl By<'_> {
    /// An entry for the audit log.
    fn entry(self, action: &str, account: i64, detail: Value) -> NewAudit {
        NewAudit {
            at_ms: self.at_ms,
            actor: self.actor.to_owned(),
            action: action.to_owned(),
            target: format!("account:{account}"),
            detail,
        }
    }
}

impl Account {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let (totps, passkeys): (i64, i64) = (row.get("totps")?, row.get("passkeys")?);
        Ok(Self {
            id: row.get("id")?,
            name: word(row, "name")?,
            role: word(row, "role")?,
            password: row.private("password")?,
            has_totp: totps > 0,
            has_passkey: passkeys > 0,
            created_at_ms: row.get("created_at_ms")?,
            disabled_at_ms: row.get("disabled_at_ms")?,
            version: row.get("version")?,
        })
    }

    /// Whether it has a second factor that is in use, of either kind.
    pub fn has_factor(&self) -> bool {
        self.has_totp || self.has_passkey
    }

    /// Whether it lets nobody in.
    pub fn is_disabled(&self) -> bool {
        self.disabled_at_ms.is_some()
    }
}

impl Store {
    /// Whether there is any account, disabled ones included.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn has_accounts(&self) -> Result<bool, StoreError> {
        let count: i64 = sqlx::query_scalar(sql::ANY_ACCOUNT)
            .fetch_one(self.pool())
            .await?;
        Ok(count > 0)
    }

    /// An account by its number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Away`].
    pub async fn account(&self, id: i64) -> Result<Account, StoreError> {
        let row = sqlx::query(sql::ACCOUNT)
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        Account::read(&row.ok_or(StoreError::NotFound("account"))?)
    }

    /// An account by its name; none if there is none of this name.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn account_named(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(sql::ACCOUNT_NAMED)
            .bind(name.as_str())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(Account::read).transpose()
    }

    /// All accounts in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn accounts(
        &self,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Account>, StoreError> {
        let rows = sqlx::query(sql::ACCOUNTS)
            .bind(after.map_or(0, |cursor| cursor.id))
            .bind(rows_to_fetch(limit))
            .fetch_all(self.pool())
            .await?;
        let rows = rows.iter().map(Account::read);
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(page(rows, limit, |account: &Account| Cursor {
            key: account.id,
            id: account.id,
        }))
    }
}

/// A column that holds one of a few words, or a name.
fn word<T: FromStr>(row: Read<'_>, name: &str) -> Result<T, StoreError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(name)?;
    let word = text.parse();
    word.map_err(|error: T::Err| StoreError::Database(sqlx::Error::Decode(error.into())))
}

/// The account in the middle of a transaction, as it is now.
async fn account_now(tx: &mut Tx, id: i64) -> Result<Account, StoreError> {
    let connection: &mut AnyConnection = tx;
    let row = sqlx::query(sql::ACCOUNT)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Account::read(&row.ok_or(StoreError::NotFound("account"))?)
}

/// Why a change of this version of an account found nothing to change.
async fn stale_or_gone(tx: &mut Tx, id: i64) -> StoreError {
    let connection: &mut AnyConnection = tx;
    let version = sqlx::query_scalar(sql::ACCOUNT_VERSION)
        .bind(id)
        .fetch_optional(connection)
        .await;
    match version {
        Ok(Some(now)) => StoreError::Stale { now },
        Ok(None) => StoreError::NotFound("account"),
        Err(error) => error.into(),
    }
}

/// Ends the sessions of an account, all but one; `0` is none.
async fn end_sessions_but(tx: &mut Tx, id: i64, kept: i64, at_ms: i64) -> Result<u64, StoreError> {
    let connection: &mut AnyConnection = tx;
    let ended = sqlx::query(sql::END_SESSIONS)
        .bind(id)
        .bind(kept)
        .bind(at_ms)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected())
}
