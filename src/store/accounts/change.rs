//! Making accounts, and changing those of others.

use super::invitations::{self, Invitation};
use super::{Account, By, account_now, end_sessions_but, stale_or_gone};
use crate::accounts::{AccountName, Role};
use crate::store::once::{self, Once, Turn};
use crate::store::transaction::{Level, Tx, retried};
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// What it is called.
    pub name: AccountName,
    /// What it is for.
    pub role: Role,
    /// What its owner takes it by.
    pub invitation: Invitation,
}

/// An account that was made by a key, now or before.
#[derive(Debug, Clone)]
pub struct MadeAccount {
    /// The account as it is now.
    pub account: Account,
    /// Whether its owner takes it by the invitation that was asked with.
    pub is_invited: bool,
}

/// What is to become of an account.
#[derive(Debug, Clone, Copy)]
pub struct AccountChange {
    /// Which.
    pub id: i64,
    /// As whoever changes it has seen it.
    pub version: i64,
    /// Another role.
    pub role: Option<Role>,
    /// Whether it lets nobody in.
    pub is_disabled: Option<bool>,
    /// Whether to refuse if no admin were left who can log in.
    pub keeps_an_admin: bool,
}

impl Store {
    /// Makes an account that can be taken by an invitation.
    ///
    /// # Errors
    /// [`StoreError::Unacceptable`] if there is one of this name; [`StoreError::Away`].
    pub async fn add_account(&self, new: &NewAccount, by: By<'_>) -> Result<Account, StoreError> {
        // One statement decides: a name is there once.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let account = add(&mut tx, new, by).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// The same, once by a key: who asks again by it gets the account that was made then. As long as nobody has touched
    /// that, its owner is invited anew, for the code of before is nowhere to be had.
    ///
    /// # Errors
    /// As [`add_account`](Self::add_account); [`StoreError::KeyReused`] if something else was asked by this key.
    pub async fn add_account_once(
        &self,
        new: &NewAccount,
        once: &Once<'_>,
        by: By<'_>,
    ) -> Result<MadeAccount, StoreError> {
        retried(|| self.try_add_account_once(new, once, by)).await
    }

    async fn try_add_account_once(
        &self,
        new: &NewAccount,
        once: &Once<'_>,
        by: By<'_>,
    ) -> Result<MadeAccount, StoreError> {
        // The key decides, by the index on what is unique, and then the name.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        match once::claim(&mut tx, once).await? {
            Turn::First(claim) => {
                let account = add(&mut tx, new, by).await?;
                once::remember(&mut tx, claim, account.id).await?;
                tx.commit().await?;
                Ok(MadeAccount {
                    account,
                    is_invited: true,
                })
            }
            Turn::Made(id) => invite_again(tx, id, &new.invitation, by).await,
        }
    }

    /// Changes what an account is for, or whether it lets anybody in. The sessions of one that doesn't end (ASVS
    /// 7.4.2).
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`]; [`StoreError::Unacceptable`] if no admin were left;
    /// [`StoreError::Away`].
    pub async fn change_account(
        &self,
        change: AccountChange,
        by: By<'_>,
    ) -> Result<Account, StoreError> {
        retried(|| self.try_change_account(change, by)).await
    }

    /// Serializable: whether an admin is left is decided by rows that are not changed. Two admins who remove each
    /// other at the same time would each see the other there.
    async fn try_change_account(
        &self,
        change: AccountChange,
        by: By<'_>,
    ) -> Result<Account, StoreError> {
        let mut tx = self.begin(Level::Serializable).await?;
        let before = account_now(&mut tx, change.id).await?;
        let role = change.role.unwrap_or(before.role);
        let is_alone = before.password.is_some() && !before.has_factor();
        if role == Role::Viewer && before.role != Role::Viewer && is_alone {
            return Err(StoreError::Unacceptable(
                "its password may be too short to be all there is, as a viewer's is: reset the account first",
            ));
        }
        let disabled_at_ms = match change.is_disabled {
            Some(true) => before.disabled_at_ms.or(Some(by.at_ms)),
            Some(false) => None,
            None => before.disabled_at_ms,
        };
        let connection: &mut AnyConnection = &mut tx;
        let changed: Option<i64> = sqlx::query_scalar(sql::CHANGE_ACCOUNT)
            .bind(change.id)
            .bind(change.version)
            .bind(role.as_str())
            .bind(disabled_at_ms)
            .fetch_optional(connection)
            .await?;
        if changed.is_none() {
            return Err(stale_or_gone(&mut tx, change.id).await);
        }
        if change.keeps_an_admin {
            check_admin_left(&mut tx, &before).await?;
        }
        let is_disabled = disabled_at_ms.is_some();
        if is_disabled {
            end_sessions_but(&mut tx, change.id, 0, by.at_ms).await?;
        }
        let detail = json!({"role": role.as_str(), "disabled": is_disabled});
        audit::add(&mut tx, &by.entry("account.change", change.id, detail)).await?;
        let account = account_now(&mut tx, change.id).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// Takes from an account its password, its second factors and its sessions, and invites its owner anew (ASVS 6.4.6:
    /// nobody chooses a password for somebody else). A disabled one is enabled by it.
    ///
    /// # Errors
    /// As [`change_account`](Self::change_account).
    pub async fn reset_account(
        &self,
        change: AccountChange,
        invitation: &Invitation,
        by: By<'_>,
    ) -> Result<Account, StoreError> {
        retried(|| self.try_reset_account(change, invitation, by)).await
    }

    /// Serializable for the same reason as a change.
    async fn try_reset_account(
        &self,
        change: AccountChange,
        invitation: &Invitation,
        by: By<'_>,
    ) -> Result<Account, StoreError> {
        let mut tx = self.begin(Level::Serializable).await?;
        let before = account_now(&mut tx, change.id).await?;
        let connection: &mut AnyConnection = &mut tx;
        let changed: Option<i64> = sqlx::query_scalar(sql::EMPTY_ACCOUNT)
            .bind(change.id)
            .bind(change.version)
            .fetch_optional(connection)
            .await?;
        if changed.is_none() {
            return Err(stale_or_gone(&mut tx, change.id).await);
        }
        if change.keeps_an_admin {
            check_admin_left(&mut tx, &before).await?;
        }
        for statement in [
            sql::DROP_FACTOR,
            sql::DROP_FACTOR_ENROLLING,
            sql::DROP_PASSKEYS,
            sql::DROP_RECOVERY_CODES,
        ] {
            let connection: &mut AnyConnection = &mut tx;
            sqlx::query(statement)
                .bind(change.id)
                .execute(connection)
                .await?;
        }
        end_sessions_but(&mut tx, change.id, 0, by.at_ms).await?;
        invitations::add(&mut tx, change.id, invitation, by).await?;
        audit::add(&mut tx, &by.entry("account.reset", change.id, json!({}))).await?;
        let account = account_now(&mut tx, change.id).await?;
        tx.commit().await?;
        Ok(account)
    }
}

/// Makes an account as a part of a transaction.
async fn add(tx: &mut Tx, new: &NewAccount, by: By<'_>) -> Result<Account, StoreError> {
    let connection: &mut AnyConnection = tx;
    let id: Option<i64> = sqlx::query_scalar(sql::ADD_ACCOUNT)
        .bind(new.name.as_str())
        .bind(new.role.as_str())
        .bind(by.at_ms)
        .fetch_optional(connection)
        .await?;
    let id = id.ok_or(StoreError::Unacceptable(
        "there is an account of this name already",
    ))?;
    invitations::add(tx, id, &new.invitation, by).await?;
    let detail = json!({"name": new.name.as_str(), "role": new.role.as_str()});
    audit::add(tx, &by.entry("account.create", id, detail)).await?;
    account_now(tx, id).await
}

/// Invites the owner of an account anew, if it is still as it was made; else changes nothing.
async fn invite_again(
    mut tx: Tx,
    id: i64,
    invitation: &Invitation,
    by: By<'_>,
) -> Result<MadeAccount, StoreError> {
    // The invitation first and then the account, in the order of whoever takes it: they wait, and don't cross.
    invitations::add(&mut tx, id, invitation, by).await?;
    let connection: &mut AnyConnection = &mut tx;
    let held: Option<i64> = sqlx::query_scalar(sql::HOLD_NEW_ACCOUNT)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let account = account_now(&mut tx, id).await?;
    if held.is_some() {
        audit::add(&mut tx, &by.entry("account.invite", id, json!({}))).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(MadeAccount {
        account,
        is_invited: held.is_some(),
    })
}

/// Only asked if there was one before: who has none can't lose the last.
async fn check_admin_left(tx: &mut Tx, before: &Account) -> Result<(), StoreError> {
    let was_one = before.role == Role::Admin && !before.is_disabled() && before.password.is_some();
    if !was_one {
        return Ok(());
    }
    let connection: &mut AnyConnection = tx;
    let left: i64 = sqlx::query_scalar(sql::ADMINS_LEFT)
        .fetch_one(connection)
        .await?;
    if left == 0 {
        return Err(StoreError::Unacceptable(
            "no admin would be left who can log in; make another one first",
        ));
    }
    Ok(())
}
