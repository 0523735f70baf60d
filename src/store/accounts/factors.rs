//! Second factors, and the codes for who has lost theirs.

use super::{By, end_sessions_but};
use crate::accounts::opaque::Digest;
use crate::accounts::totp::{Secret, Step};
use crate::store::row::Read;
use crate::store::transaction::{Level, Tx, retried};
use crate::store::{Store, StoreError, audit, sql};
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFactor {
    /// Its number.
    pub id: i64,
    /// What its owner's authenticator knows.
    pub secret: Secret,
    /// Since when there is it.
    pub created_at_ms: i64,
    /// The step of the last code that was used.
    pub last_step: Option<Step>,
}

/// A factor whose owner has shown a code of it.
#[derive(Debug, Clone, Copy)]
pub struct Confirmed<'a> {
    /// Whose.
    pub account: i64,
    /// Which.
    pub factor: i64,
    /// The step of the code.
    pub step: Step,
    /// In which session: it has shown all there is to show now, and all others end.
    pub session: i64,
    /// What stands for the recovery codes.
    pub codes: &'a [Digest],
}

impl KeptFactor {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let secret: Vec<u8> = row.get("secret")?;
        let last_step: Option<i64> = row.get("last_step")?;
        let broken = || StoreError::Database(sqlx::Error::Decode("a secret has 20 bytes".into()));
        Ok(Self {
            id: row.get("id")?,
            secret: Secret::from_bytes(&secret).ok_or_else(broken)?,
            created_at_ms: row.get("created_at_ms")?,
            last_step: last_step.map(Step),
        })
    }
}

impl Store {
    /// The factor that an account has in use, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn factor(&self, account: i64) -> Result<Option<KeptFactor>, StoreError> {
        self.one_factor(sql::FACTOR, account).await
    }

    /// The factor that somebody has begun to enrol.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn factor_enrolling(&self, account: i64) -> Result<Option<KeptFactor>, StoreError> {
        self.one_factor(sql::FACTOR_ENROLLING, account).await
    }

    async fn one_factor(
        &self,
        statement: &'static str,
        account: i64,
    ) -> Result<Option<KeptFactor>, StoreError> {
        let row = sqlx::query(statement)
            .bind(account)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(KeptFactor::read).transpose()
    }

    /// Begins to enrol a factor, in the place of one that was never confirmed.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn begin_factor(
        &self,
        account: i64,
        secret: &Secret,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        retried(|| self.try_begin_factor(account, secret, by)).await
    }

    /// Serializable: what is taken away need not be there, and there must be one at most.
    async fn try_begin_factor(
        &self,
        account: i64,
        secret: &Secret,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(Level::Serializable).await?;
        run(&mut tx, sql::DROP_FACTOR_ENROLLING, account).await?;
        let connection: &mut AnyConnection = &mut tx;
        sqlx::query(sql::ADD_FACTOR)
            .bind(account)
            .bind(secret.as_bytes().to_vec())
            .bind(by.at_ms)
            .fetch_one(connection)
            .await?;
        audit::add(&mut tx, &by.entry("factor.begin", account, json!({}))).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes a factor into use in the place of the one before, with recovery codes in the place of those before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if another one was begun meanwhile; [`StoreError::Away`].
    pub async fn confirm_factor(
        &self,
        confirmed: Confirmed<'_>,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        retried(|| self.try_confirm_factor(confirmed, by)).await
    }

    /// Serializable: an account has one factor in use at most.
    async fn try_confirm_factor(
        &self,
        confirmed: Confirmed<'_>,
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let account = confirmed.account;
        let mut tx = self.begin(Level::Serializable).await?;
        // So that a session that begins by the password alone is found below, or finds this.
        run(&mut tx, sql::TOUCH_ACCOUNT, account).await?;
        run(&mut tx, sql::DROP_FACTOR, account).await?;
        let connection: &mut AnyConnection = &mut tx;
        let owner: Option<i64> = sqlx::query_scalar(sql::CONFIRM_FACTOR)
            .bind(confirmed.factor)
            .bind(by.at_ms)
            .bind(confirmed.step.0)
            .fetch_optional(connection)
            .await?;
        owner
            .filter(|owner| *owner == account)
            .ok_or(StoreError::NotFound("factor"))?;
        replace_codes(&mut tx, account, confirmed.codes).await?;
        run(&mut tx, sql::PROVE_SESSION, confirmed.session).await?;
        end_sessions_but(&mut tx, account, confirmed.session, by.at_ms).await?;
        audit::add(&mut tx, &by.entry("factor.confirm", account, json!({}))).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes a code of a factor as used. Returns whether it was the first of its step, or of a later one: of two who
    /// show the same code at once, one is.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn use_step(&self, factor: i64, step: Step) -> Result<bool, StoreError> {
        // Read committed: the statement decides by the row. What it returns comes before it is kept, so that only the
        // commit says that it is.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let used: Option<i64> = sqlx::query_scalar(sql::USE_STEP)
            .bind(factor)
            .bind(step.0)
            .fetch_optional(connection)
            .await?;
        tx.commit().await?;
        Ok(used.is_some())
    }

    /// Takes a recovery code as used, and returns how many are left; nothing if it is none of the account's, or was
    /// used before.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn use_recovery_code(
        &self,
        account: i64,
        digest: &Digest,
        by: By<'_>,
    ) -> Result<Option<i64>, StoreError> {
        // Read committed: of two who use it at once, the second waits for the first's row and finds it used.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        let used: Option<i64> = sqlx::query_scalar(sql::USE_RECOVERY_CODE)
            .bind(account)
            .bind(digest.to_vec())
            .bind(by.at_ms)
            .fetch_optional(connection)
            .await?;
        if used.is_none() {
            return Ok(None);
        }
        let connection: &mut AnyConnection = &mut tx;
        let left: i64 = sqlx::query_scalar(sql::RECOVERY_CODES_LEFT)
            .bind(account)
            .fetch_one(connection)
            .await?;
        let detail = json!({"left": left});
        audit::add(&mut tx, &by.entry("factor.recover", account, detail)).await?;
        tx.commit().await?;
        Ok(Some(left))
    }

    /// Gives other recovery codes in the place of those that were left.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn replace_recovery_codes(
        &self,
        account: i64,
        codes: &[Digest],
        by: By<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin(Level::ReadCommitted).await?;
        replace_codes(&mut tx, account, codes).await?;
        audit::add(&mut tx, &by.entry("factor.codes", account, json!({}))).await?;
        tx.commit().await?;
        Ok(())
    }

    /// How many recovery codes are left.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn recovery_codes_left(&self, account: i64) -> Result<i64, StoreError> {
        let left = sqlx::query_scalar(sql::RECOVERY_CODES_LEFT)
            .bind(account)
            .fetch_one(self.pool())
            .await?;
        Ok(left)
    }
}

pub(super) async fn run(tx: &mut Tx, statement: &'static str, id: i64) -> Result<(), StoreError> {
    let connection: &mut AnyConnection = tx;
    sqlx::query(statement).bind(id).execute(connection).await?;
    Ok(())
}

pub(super) async fn replace_codes(
    tx: &mut Tx,
    account: i64,
    codes: &[Digest],
) -> Result<(), StoreError> {
    run(tx, sql::DROP_RECOVERY_CODES, account).await?;
    for code in codes {
        let connection: &mut AnyConnection = tx;
        sqlx::query(sql::ADD_RECOVERY_CODE)
            .bind(account)
            .bind(code.to_vec())
            .execute(connection)
            .await?;
    }
    Ok(())
}
