//! What is kept of somebody: shown to them, or forgotten, when they ask.

use super::audit;
use super::transaction::{Level, Tx, retried};
use super::{Ban, BanFilter, NewAudit, PAGE_MAX, Report, Store, StoreError, Subject, sql};
use serde_json::{Value, json};
use sqlx::AnyConnection;

/// What was forgotten, and what was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Reports that they made: who made them, their note and the evidence are gone.
    pub reports_by: u64,
    /// Reports of them: who is meant and the evidence are gone.
    pub reports_of: u64,
    /// Bans that had ended or been lifted: they are gone.
    pub bans: u64,
    /// Bans in force: they stay until they end, and with them the reports that they stand on.
    pub bans_kept: u64,
    /// Reports that stay with them.
    pub reports_kept: u64,
}

impl Store {
    /// What is kept of somebody, as JSON for them: the reports that they made, when and why they were reported and
    /// what came of it, their bans, and how many calls of the webhook wait to tell of any of it. What others said of them,
    /// and who those are, is not theirs and not in it.
    /// At most [`PAGE_MAX`] of each; `is_complete` says whether that is all.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn export(&self, subject: Subject) -> Result<Value, StoreError> {
        let made = self.reports_about(sql::REPORTS_BY, subject).await?;
        let of_them = self.reports_about(sql::REPORTS_OF, subject).await?;
        let filter = BanFilter {
            subject: Some(subject),
            ..BanFilter::default()
        };
        let bans = self.bans(&filter, None, PAGE_MAX).await?;
        let calls: i64 = sqlx::query_scalar(sql::CALLS_ABOUT_COUNT)
            .bind(subject.to_vec())
            .fetch_one(self.pool())
            .await?;
        let is_complete = [made.len(), of_them.len()]
            .iter()
            .all(|count| *count < PAGE_MAX as usize);
        Ok(json!({
            "subject": subject.to_string(),
            "is_complete": is_complete && bans.next.is_none(),
            "reports_made": made.iter().map(as_made).collect::<Vec<_>>(),
            "reports_of_them": of_them.iter().map(as_meant).collect::<Vec<_>>(),
            "bans": bans.rows.iter().map(as_banned).collect::<Vec<_>>(),
            "webhook_calls_waiting": calls,
        }))
    }

    async fn reports_about(
        &self,
        statement: &'static str,
        subject: Subject,
    ) -> Result<Vec<Report>, StoreError> {
        let query = sqlx::query(statement).bind(subject.to_vec());
        let query = query.bind(i64::from(PAGE_MAX));
        let rows = query.fetch_all(self.pool()).await?;
        rows.iter().map(Report::read).collect()
    }

    /// Forgets somebody, as far as nobody else is to be kept safe from them: who made their reports, whom reports
    /// of them mean, what was said, and bans that are over. Bans in force stay until they end, with the reports
    /// that led to them. The audit log keeps that it was done, and not of whom.
    ///
    /// # Errors
    /// [`StoreError::Away`]; [`StoreError::Crossed`] if too much was done about them at the same time.
    pub async fn erase(
        &self,
        subject: Subject,
        by: &str,
        at_ms: i64,
    ) -> Result<Erased, StoreError> {
        retried(|| self.forget(subject, by, at_ms)).await
    }

    async fn forget(&self, subject: Subject, by: &str, at_ms: i64) -> Result<Erased, StoreError> {
        // Which reports stay is decided by bans that are not touched, and what is counted must be what was done.
        let mut tx = self.begin(Level::Serializable).await?;
        let who = subject.to_vec();
        let erased = Erased {
            reports_by: change(&mut tx, sql::FORGET_REPORTER, &who, None).await?,
            reports_of: change(&mut tx, sql::FORGET_REPORTED, &who, Some(at_ms)).await?,
            reports_kept: count(&mut tx, sql::REPORTS_OF_COUNT, &who).await?,
            bans: change(&mut tx, sql::FORGET_BANS, &who, Some(at_ms)).await?,
            bans_kept: count(&mut tx, sql::BANS_OF_COUNT, &who).await?,
        };
        let entry = NewAudit {
            at_ms,
            actor: by.to_owned(),
            action: "person.erase".to_owned(),
            target: "person".to_owned(),
            detail: json!({
                "reports_by": erased.reports_by,
                "reports_of": erased.reports_of,
                "reports_kept": erased.reports_kept,
                "bans": erased.bans,
                "bans_kept": erased.bans_kept,
            }),
        };
        audit::add(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(erased)
    }
}

async fn change(
    tx: &mut Tx,
    statement: &'static str,
    who: &[u8],
    at_ms: Option<i64>,
) -> Result<u64, StoreError> {
    let connection: &mut AnyConnection = tx;
    let query = sqlx::query(statement).bind(who.to_vec());
    let query = match at_ms {
        Some(at_ms) => query.bind(at_ms),
        None => query,
    };
    Ok(query.execute(connection).await?.rows_affected())
}

async fn count(tx: &mut Tx, statement: &'static str, who: &[u8]) -> Result<u64, StoreError> {
    let connection: &mut AnyConnection = tx;
    let query = sqlx::query_scalar(statement).bind(who.to_vec());
    let count: i64 = query.fetch_one(connection).await?;
    Ok(count.unsigned_abs())
}

fn as_made(report: &Report) -> Value {
    let evidence = report.evidence.as_deref();
    json!({
        "at_ms": report.at_ms,
        "chat": report.chat,
        "reason": report.reason,
        "note": report.note.as_deref(),
        "network": report.reporter_network.as_deref(),
        "evidence": evidence.map(|text| parsed(text)),
        "state": report.state.word(),
    })
}

fn as_meant(report: &Report) -> Value {
    json!({
        "at_ms": report.at_ms,
        "reason": report.reason,
        "network": report.reported_network.as_deref(),
        "state": report.state.word(),
    })
}

fn as_banned(ban: &Ban) -> Value {
    json!({
        "measure": ban.measure.word(),
        "network": ban.network.as_deref(),
        "reason": ban.reason,
        "appeal": ban.appeal,
        "created_at_ms": ban.created_at_ms,
        "expires_at_ms": ban.expires_at_ms,
        "lifted_at_ms": ban.lifted_at_ms,
    })
}

/// JSON as it is, anything else as text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
