//! The audit log: who did what, when, to what. Rows are only ever added; the tables themselves refuse anything else,
//! but for the sweeper's removal of old ones.

use super::page::{page, rows_to_fetch};
use super::row::{Read, fits};
use super::transaction::{Level, Tx};
use super::{Cursor, Page, Store, StoreError, sql};
use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// The most bytes of who, what, and to what.
const TEXT_MAX_BYTES: usize = 800;

/// The most bytes of all else, as JSON.
const DETAIL_MAX_BYTES: usize = 16_384;

/// What somebody did, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at_ms: i64,
    /// Who: an account, a rule, or the command line.
    pub actor: String,
    /// What, as a word with dots, such as `report.decide`.
    pub action: String,
    /// To what, such as `report:42`.
    pub target: String,
    /// All else there is to say, without personal data.
    pub detail: Value,
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Later entries have higher ones.
    pub id: i64,
    /// When.
    pub at_ms: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// All else.
    pub detail: Value,
}

impl Store {
    /// Writes down what somebody did that changed nothing else in the store; changes write their own entry. Returns
    /// its id.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn add_audit(&self, entry: &NewAudit) -> Result<i64, StoreError> {
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let id = add(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The log from its newest entry backwards, of one actor or of all.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn audit(
        &self,
        actor: Option<&str>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let after = after.map_or(i64::MAX, |cursor| cursor.id);
        let query = match actor {
            Some(actor) => sqlx::query(sql::AUDIT_OF_ACTOR).bind(actor),
            None => sqlx::query(sql::AUDIT),
        };
        let query = query.bind(after).bind(rows_to_fetch(limit));
        let rows = query.fetch_all(self.pool()).await?;
        let entries = rows.iter().map(AuditEntry::read);
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(page(entries, limit, |entry| Cursor {
            key: entry.at_ms,
            id: entry.id,
        }))
    }
}

impl AuditEntry {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let detail: String = row.get("detail")?;
        let detail = serde_json::from_str(&detail);
        Ok(Self {
            id: row.get("id")?,
            at_ms: row.get("at_ms")?,
            actor: row.get("actor")?,
            action: row.get("action")?,
            target: row.get("target")?,
            detail: detail.map_err(StoreError::unreadable)?,
        })
    }
}

/// Writes an entry as a part of the change that it tells of.
pub(super) async fn add(tx: &mut Tx, entry: &NewAudit) -> Result<i64, StoreError> {
    for text in [&entry.actor, &entry.action, &entry.target] {
        fits(text, TEXT_MAX_BYTES)?;
    }
    let detail = entry.detail.to_string();
    fits(&detail, DETAIL_MAX_BYTES)?;
    let connection: &mut AnyConnection = tx;
    let id = sqlx::query_scalar(sql::ADD_AUDIT)
        .bind(entry.at_ms)
        .bind(&entry.actor)
        .bind(&entry.action)
        .bind(&entry.target)
        .bind(detail)
        .fetch_one(connection)
        .await?;
    Ok(id)
}
