//! The end of rows that have been kept for long enough.

use super::transaction::Level;
use super::{Store, StoreError, sql};
use sqlx::AnyConnection;

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Reports, decided or not, after they were made, in ms.
    pub reports_ms: i64,
    /// Bans after they ended or were lifted, in ms.
    pub bans_ms: i64,
    /// Entries of the audit log, in ms.
    pub audit_ms: i64,
    /// Calls of the webhook after they were made, in ms: for how long they are tried.
    pub calls_ms: i64,
}

/// How many rows are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Reports.
    pub reports: u64,
    /// Bans.
    pub bans: u64,
    /// Entries of the audit log.
    pub audit: u64,
    /// Keys whose time was over.
    pub keys: u64,
    /// Calls of the webhook that were not delivered in time.
    pub calls: u64,
    /// Whether there may be more than one sweep removes, so that another is worth while at once.
    pub is_more: bool,
}

/// How many rows one transaction removes: others wait no longer than that takes.
const BATCH_ROWS: i64 = 500;

/// How many such transactions one sweep has for each table.
const BATCHES_MAX: usize = 40;

/// How long sessions of operators are kept after they were last used, and invitations after they have run out, in ms:
/// long enough to see what happened.
const ACCOUNTS_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// How long it is remembered what was made by which key, in ms: longer than anybody tries again.
const IDEMPOTENCY_KEYS_MS: i64 = 24 * 60 * 60 * 1000;

/// When nothing of the audit log may be removed.
const NEVER: i64 = 0;

impl Store {
    /// Removes what has been kept for long enough, a batch at a time, and no more than a bounded number of batches.
    ///
    /// # Errors
    /// [`StoreError::Away`]; what was removed by then is gone.
    pub async fn sweep(&self, now_ms: i64, retention: &Retention) -> Result<Swept, StoreError> {
        let before = |kept_ms: i64| now_ms.saturating_sub(kept_ms);
        // Before the reports, with which they would go uncounted.
        let (calls, more_calls) = self
            .sweep_table(sql::SWEEP_CALLS, before(retention.calls_ms), false)
            .await?;
        let (reports, more_reports) = self
            .sweep_table(sql::SWEEP_REPORTS, before(retention.reports_ms), false)
            .await?;
        let (bans, more_bans) = self
            .sweep_table(sql::SWEEP_BANS, before(retention.bans_ms), false)
            .await?;
        let (audit, more_audit) = self
            .sweep_table(sql::SWEEP_AUDIT, before(retention.audit_ms), true)
            .await?;
        let (_, more_made) = self
            .sweep_table(
                sql::SWEEP_IDEMPOTENCY_KEYS,
                before(IDEMPOTENCY_KEYS_MS),
                false,
            )
            .await?;
        for statement in [sql::SWEEP_INVITATIONS, sql::SWEEP_SESSIONS] {
            // Operators are few, and so are these.
            let query = sqlx::query(statement).bind(before(ACCOUNTS_MS));
            query.execute(self.pool()).await?;
        }
        let keys = sqlx::query(sql::SWEEP_KEYS).bind(now_ms);
        Ok(Swept {
            reports,
            bans,
            audit,
            keys: keys.execute(self.pool()).await?.rows_affected(),
            calls,
            is_more: more_reports || more_bans || more_audit || more_made || more_calls,
        })
    }

    /// How many rows are gone, and whether there are more.
    async fn sweep_table(
        &self,
        statement: &'static str,
        before_ms: i64,
        is_audit: bool,
    ) -> Result<(u64, bool), StoreError> {
        let mut swept = 0;
        for _ in 0..BATCHES_MAX {
            let batch = self.sweep_batch(statement, before_ms, is_audit).await?;
            swept += batch;
            if batch < BATCH_ROWS as u64 {
                return Ok((swept, false));
            }
        }
        Ok((swept, true))
    }

    async fn sweep_batch(
        &self,
        statement: &'static str,
        before_ms: i64,
        is_audit: bool,
    ) -> Result<u64, StoreError> {
        // What is this old is changed by nobody, and two sweepers take turns at the bound.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let connection: &mut AnyConnection = &mut tx;
        if is_audit {
            let query = sqlx::query(sql::SET_AUDIT_BOUND).bind(before_ms);
            query.execute(&mut *connection).await?;
        }
        let query = sqlx::query(statement).bind(before_ms).bind(BATCH_ROWS);
        let swept = query.execute(&mut *connection).await?.rows_affected();
        if is_audit {
            let query = sqlx::query(sql::SET_AUDIT_BOUND).bind(NEVER);
            query.execute(connection).await?;
        }
        tx.commit().await?;
        Ok(swept)
    }
}
