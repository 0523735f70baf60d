//! Codes by which somebody takes an account: good once, and not for long (ASVS 6.4.1).

use super::{Account, By, account_now};
use crate::accounts::opaque::Digest;
use crate::private::Private;
use crate::store::transaction::{Level, Tx};
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;

/// An invitation, as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Invitation {
    /// What stands for its code.
    pub digest: Digest,
    /// Until when it is good, in ms since the Unix epoch.
    pub expires_at_ms: i64,
}

impl Store {
    /// Whom an invitation is for, if it is good at this time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not; [`StoreError::Away`].
    pub async fn invited(&self, digest: &Digest, now_ms: i64) -> Result<Account, StoreError> {
        let row = sqlx::query(sql::INVITED)
            .bind(digest.to_vec())
            .bind(now_ms)
            .fetch_optional(self.pool())
            .await?;
        Account::read(&row.ok_or(StoreError::NotFound("invitation"))?)
    }

    /// Takes an account by an invitation, and gives it its first password.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not good, or not any more; [`StoreError::Away`].
    pub async fn take_invitation(
        &self,
        digest: &Digest,
        password: &Private<String>,
        by: By<'_>,
    ) -> Result<Account, StoreError> {
        // Read committed: of two who use it at once, the second waits for the first's row and finds it used.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let id: Option<i64> = sqlx::query_scalar(sql::USE_INVITATION)
            .bind(digest.to_vec())
            .bind(by.at_ms)
            .fetch_optional(connection)
            .await?;
        let id = id.ok_or(StoreError::NotFound("invitation"))?;
        let connection: &mut AnyConnection = &mut tx;
        let taken: Option<i64> = sqlx::query_scalar(sql::FIRST_PASSWORD)
            .bind(id)
            .bind(password.as_str())
            .fetch_optional(connection)
            .await?;
        // A disabled account is taken by nobody.
        taken.ok_or(StoreError::NotFound("invitation"))?;
        audit::add(&mut tx, &by.entry("account.take", id, json!({}))).await?;
        let account = account_now(&mut tx, id).await?;
        tx.commit().await?;
        Ok(account)
    }
}

/// Adds one in the place of those that nobody has used.
pub(super) async fn add(
    tx: &mut Tx,
    account: i64,
    invitation: &Invitation,
    by: By<'_>,
) -> Result<(), StoreError> {
    let connection: &mut AnyConnection = tx;
    sqlx::query(sql::DROP_INVITATIONS)
        .bind(account)
        .execute(&mut *connection)
        .await?;
    sqlx::query(sql::ADD_INVITATION)
        .bind(invitation.digest.to_vec())
        .bind(account)
        .bind(by.at_ms)
        .bind(invitation.expires_at_ms)
        .execute(connection)
        .await?;
    Ok(())
}
