//! Passwords of accounts, which only their owners change.

use super::{By, end_sessions_but};
use crate::private::Private;
use crate::store::transaction::Level;
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;

/// Another hash in the place of the one that was checked.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub account: i64,
    /// The hash that was checked.
    pub before: Private<String>,
    /// The hash from now on.
    pub after: Private<String>,
}

impl Store {
    /// Puts another password in the place of one, and ends all sessions but one (ASVS 7.4.3).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is another one by now, or the account lets nobody in; [`StoreError::Away`].
    pub async fn change_password(
        &self,
        change: &PasswordChange,
        session: i64,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        self.replace_password(change, "account.password", Some(session), by)
            .await
    }

    /// Keeps the same password by better parameters.
    ///
    /// # Errors
    /// As [`change_password`](Self::change_password).
    pub async fn rehash_password(
        &self,
        change: &PasswordChange,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        self.replace_password(change, "account.rehash", None, by)
            .await
    }

    /// Read committed: the statement changes the row only if its hash is still the one that was checked.
    async fn replace_password(
        &self,
        change: &PasswordChange,
        action: &str,
        kept: Option<i64>,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let id = change.account;
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let changed: Option<i64> = sqlx::query_scalar(sql::CHANGE_PASSWORD)
            .bind(id)
            .bind(change.before.as_str())
            .bind(change.after.as_str())
            .fetch_optional(connection)
            .await?;
        changed.ok_or(StoreError::NotFound("account"))?;
        if let Some(kept) = kept {
            end_sessions_but(&mut tx, id, kept, by.at_ms).await?;
        }
        audit::add(&mut tx, &by.entry(action, id, json!({}))).await?;
        tx.commit().await?;
        Ok(())
    }
}
