//! Passkeys: second factors that sign, several for an account.
//!
//! What a credential says is read and checked above. Here it is a text, with what one statement must decide by: whose
//! it is, and how often it had signed.

use super::factors::{replace_codes, run};
use super::{Account, By, account_now, end_sessions_but};
use crate::accounts::opaque::Digest;
use crate::accounts::passkey::{PASSKEYS_MAX, PasskeyName};
use crate::private::Private;
use crate::store::row::Read;
use crate::store::transaction::{Level, Tx, retried};
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPasskey {
    /// Its number.
    pub id: i64,
    /// What its owner calls it.
    pub name: Private<String>,
    /// The public key and what goes with it.
    pub credential: Private<String>,
    /// Since when there is it.
    pub created_at_ms: i64,
    /// When it was last shown, if it ever was.
    pub last_used_at_ms: Option<i64>,
}

/// A passkey that its owner has just made.
#[derive(Debug, Clone)]
pub struct NewPasskey<'a> {
    /// Whose.
    pub account: i64,
    /// What it is called.
    pub name: &'a PasskeyName,
    /// What stands for the credential's id.
    pub digest: Digest,
    /// The public key and what goes with it.
    pub credential: Private<String>,
    /// In which session: it has shown all there is to show now, and all others end.
    pub session: i64,
    /// What stands for recovery codes, if there are none yet.
    pub codes: &'a [Digest],
}

/// What became of a passkey that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedPasskey {
    /// Its number.
    pub id: i64,
    /// Whether the recovery codes are good, as there were none before.
    pub are_codes_new: bool,
}

/// A passkey that was shown, and has signed what it was to sign.
#[derive(Debug, Clone)]
pub struct UsedPasskey {
    /// Whose.
    pub account: i64,
    /// What stands for the credential's id.
    pub digest: Digest,
    /// What is to be kept of it from now on.
    pub credential: Private<String>,
    /// How often it has signed, as it says; 0 if it does not count.
    pub counter: u32,
}

impl KeptPasskey {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        Ok(Self {
            id: row.get("id")?,
            name: Private::new(row.get("name")?),
            credential: Private::new(row.get("credential")?),
            created_at_ms: row.get("created_at_ms")?,
            last_used_at_ms: row.get("last_used_at_ms")?,
        })
    }
}

impl Store {
    /// The passkeys of an account, in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn passkeys(&self, account: i64) -> Result<Vec<KeptPasskey>, StoreError> {
        let rows = sqlx::query(sql::PASSKEYS)
            .bind(account)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(KeptPasskey::read).collect()
    }

    /// Takes a passkey into use beside the others, with recovery codes if there are none.
    ///
    /// # Errors
    /// [`StoreError::Unacceptable`] if there are as many as there may be, or it is somebody's already;
    /// [`StoreError::NotFound`] if the session has ended meanwhile; [`StoreError::Away`].
    pub async fn add_passkey(
        &self,
        new: &NewPasskey<'_>,
        by: By<'_>,
    ) -> Result<AddedPasskey, StoreError> {
        retried(|| self.try_add_passkey(new, by)).await
    }

    /// Serializable: how many there are, and whether there are codes, is decided by rows that are not changed.
    async fn try_add_passkey(
        &self,
        new: &NewPasskey<'_>,
        by: By<'_>,
    ) -> Result<AddedPasskey, StoreError> {
        let account = new.account;
        let mut tx = self.begin(Level::Serializable).await?;
        // So that a session that begins by the password alone is found below, or finds this.
        run(&mut tx, sql::TOUCH_ACCOUNT, account).await?;
        prove_session(&mut tx, new.session).await?;
        let id = insert(&mut tx, new, by).await?;
        let connection: &mut AnyConnection = &mut tx;
        let codes: i64 = sqlx::query_scalar(sql::RECOVERY_CODES_LEFT)
            .bind(account)
            .fetch_one(connection)
            .await?;
        let are_codes_new = codes == 0;
        if are_codes_new {
            replace_codes(&mut tx, account, new.codes).await?;
        }
        end_sessions_but(&mut tx, account, new.session, by.at_ms).await?;
        let detail = json!({"passkey": id});
        audit::add(&mut tx, &by.entry("passkey.add", account, detail)).await?;
        tx.commit().await?;
        Ok(AddedPasskey { id, are_codes_new })
    }

    /// Takes what a passkey has signed as shown. Returns whether it is good: not if the passkey is gone by now, or has
    /// signed more often before, so that of two that are the same one is.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn use_passkey(&self, used: &UsedPasskey, by: By<'_>) -> Result<bool, StoreError> {
        // Read committed: the statement decides by the row.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let id: Option<i64> = sqlx::query_scalar(sql::USE_PASSKEY)
            .bind(used.account)
            .bind(used.digest.to_vec())
            .bind(used.credential.as_str())
            .bind(i64::from(used.counter))
            .bind(by.at_ms)
            .fetch_optional(connection)
            .await?;
        tx.commit().await?;
        Ok(id.is_some())
    }

    /// Notes that a passkey has signed no more often than before, so that there may be two of it.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn doubt_passkey(
        &self,
        account: i64,
        digest: &Digest,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let id: Option<i64> = sqlx::query_scalar(sql::PASSKEY_OF_DIGEST)
            .bind(account)
            .bind(digest.to_vec())
            .fetch_optional(connection)
            .await?;
        if let Some(id) = id {
            let detail = json!({"passkey": id});
            audit::add(&mut tx, &by.entry("passkey.doubt", account, detail)).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Removes a passkey, and ends all sessions but one. With the last factor go the recovery codes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the account has none of this number; [`StoreError::Unacceptable`] if it is the only
    /// factor, and the role takes one; [`StoreError::Away`].
    pub async fn remove_passkey(
        &self,
        account: i64,
        passkey: i64,
        session: i64,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        retried(|| self.try_remove_passkey(account, passkey, session, by)).await
    }

    /// Serializable: of two that are removed at once, each would leave the other.
    async fn try_remove_passkey(
        &self,
        account: i64,
        passkey: i64,
        session: i64,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(Level::Serializable).await?;
        let connection: &mut AnyConnection = &mut tx;
        let removed: Option<i64> = sqlx::query_scalar(sql::REMOVE_PASSKEY)
            .bind(account)
            .bind(passkey)
            .fetch_optional(connection)
            .await?;
        removed.ok_or(StoreError::NotFound("passkey"))?;
        let left = account_now(&mut tx, account).await?;
        check_factor_left(&left)?;
        if !left.has_factor() {
            run(&mut tx, sql::DROP_RECOVERY_CODES, account).await?;
            run(&mut tx, sql::UNPROVE_SESSION, session).await?;
        }
        end_sessions_but(&mut tx, account, session, by.at_ms).await?;
        let detail = json!({"passkey": passkey});
        audit::add(&mut tx, &by.entry("passkey.remove", account, detail)).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// It may have ended meanwhile, as by a reset, whose new owner must not find somebody else's passkey.
async fn prove_session(tx: &mut Tx, session: i64) -> Result<(), StoreError> {
    let connection: &mut AnyConnection = tx;
    let proven = sqlx::query(sql::PROVE_SESSION)
        .bind(session)
        .execute(connection)
        .await?;
    if proven.rows_affected() == 0 {
        return Err(StoreError::NotFound("session"));
    }
    Ok(())
}

/// Beside at most so many.
async fn insert(tx: &mut Tx, new: &NewPasskey<'_>, by: By<'_>) -> Result<i64, StoreError> {
    let connection: &mut AnyConnection = tx;
    let before = sqlx::query(sql::PASSKEYS)
        .bind(new.account)
        .fetch_all(connection)
        .await?;
    if before.len() >= PASSKEYS_MAX {
        return Err(StoreError::Unacceptable(
            "an account has 10 passkeys at most: remove one first",
        ));
    }
    let connection: &mut AnyConnection = tx;
    let id: Option<i64> = sqlx::query_scalar(sql::ADD_PASSKEY)
        .bind(new.account)
        .bind(new.name.as_str())
        .bind(new.digest.to_vec())
        .bind(new.credential.as_str())
        .bind(by.at_ms)
        .fetch_optional(connection)
        .await?;
    id.ok_or(StoreError::Unacceptable(
        "this passkey is known already: make another one",
    ))
}

fn check_factor_left(account: &Account) -> Result<(), StoreError> {
    if account.role.needs_factor() && !account.has_factor() {
        return Err(StoreError::Unacceptable(
            "it is the only second factor, and the role takes one: enrol another one first",
        ));
    }
    Ok(())
}
