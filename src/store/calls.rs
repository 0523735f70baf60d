//! Calls of the webhook that wait to be delivered, each telling of a report.
//!
//! A call holds nothing of a person: what it tells is read from its report whenever it is tried. So who is forgotten in
//! reports is forgotten here, and a call goes with its report. A server that tries one has it for a while, as long as
//! nobody else is to; if it doesn't say what came of it by then, whoever looks next has it.

use super::reports::gravity;
use super::row::{Read, fits};
use super::transaction::Tx;
use super::{Gravity, NewReport, Store, StoreError, Subject, sql};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// How many calls may wait. A report that comes when there are so many is kept, and nobody is called for it. What several
/// servers keep at the same moment may exceed it.
pub const CALLS_MAX: u32 = 100_000;

/// The most bytes of a call's name.
const NAME_MAX_BYTES: usize = 64;

/// How often in a row a look for a call may meet other servers, of which each has taken one.
const CLAIMS_MAX: usize = 16;

/// A call that is to tell of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// What its receiver knows it by, however often it is tried.
    pub name: String,
    /// Since when what speaks against who is reported counts, in the figures that it tells.
    pub against_since_ms: i64,
}

/// A call that somebody has taken to try it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub id: i64,
    /// What its receiver knows it by.
    pub name: String,
    /// How often it was tried, with this time.
    pub tries: i64,
    /// The number of the report that it tells of.
    pub report: i64,
    /// When the report was made.
    pub at_ms: i64,
    /// In which chat.
    pub chat: String,
    /// Why.
    pub reason: String,
    /// Who reported.
    pub reporter: Option<Subject>,
    /// Who was reported.
    pub reported: Option<Subject>,
    /// How much the report weighs, in thousandths.
    pub weight: i64,
    /// Whether what was said is kept with it.
    pub has_evidence: bool,
    /// What spoke against who was reported when the report was made, with it. Nothing if it isn't known who that is.
    pub against: Option<Gravity>,
}

impl Store {
    /// Takes the call that has been due for longest, of those made since then, until a moment before which nobody else has it.
    /// `None` if none is due.
    ///
    /// # Errors
    /// [`StoreError::Away`]; the call may be taken all the same.
    pub async fn claim_call(
        &self,
        now_ms: i64,
        made_since_ms: i64,
        until_ms: i64,
    ) -> Result<Option<Call>, StoreError> {
        for _ in 0..CLAIMS_MAX {
            // Most looks find nothing, and SQLite has only one pen.
            let due = sqlx::query_scalar(sql::CALL_DUE).bind(now_ms);
            let due = due.bind(made_since_ms).fetch_optional(self.pool()).await?;
            let Some(id): Option<i64> = due else {
                return Ok(None);
            };
            let claim = sqlx::query(sql::CLAIM_CALL).bind(id).bind(now_ms);
            let claimed = claim.bind(until_ms).execute(self.pool()).await?;
            // Another server may have been faster, and its report may be gone by now.
            if claimed.rows_affected() == 1
                && let Some(call) = self.call(id).await?
            {
                return Ok(Some(call));
            }
        }
        Ok(None)
    }

    async fn call(&self, id: i64) -> Result<Option<Call>, StoreError> {
        let row = sqlx::query(sql::CALL).bind(id);
        let row = row.fetch_optional(self.pool()).await?;
        row.as_ref().map(Call::read).transpose()
    }

    /// A call that was taken is to be tried again, and not before that moment. Nothing happens if another has it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn put_off_call(&self, call: &Call, until_ms: i64) -> Result<(), StoreError> {
        let query = sqlx::query(sql::PUT_OFF_CALL).bind(call.id);
        let query = query.bind(call.tries).bind(until_ms);
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// A call is over: it was delivered, or is not wanted.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn end_call(&self, id: i64) -> Result<(), StoreError> {
        let query = sqlx::query(sql::END_CALL).bind(id);
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// How many calls wait, those that somebody tries included. O(calls).
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn calls_waiting(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(sql::CALLS_COUNT)
            .fetch_one(self.pool())
            .await?;
        Ok(count.unsigned_abs())
    }
}

impl Call {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let reported = row.subject("reported")?;
        let has_evidence: i64 = row.get("has_evidence")?;
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            tries: row.get("tries")?,
            report: row.get("report")?,
            at_ms: row.get("at_ms")?,
            chat: row.get("chat")?,
            reason: row.get("reason")?,
            reporter: row.subject("reporter")?,
            reported,
            weight: row.get("weight")?,
            has_evidence: has_evidence != 0,
            // Of nobody any more, if they were forgotten meanwhile.
            against: match reported {
                Some(_) => against(row)?,
                None => None,
            },
        })
    }
}

fn against(row: Read<'_>) -> Result<Option<Gravity>, StoreError> {
    let Some(reports) = row.get("against_reports")? else {
        return Ok(None);
    };
    Ok(Some(Gravity {
        reports,
        reporters: row.get("against_reporters")?,
        networks: row.get("against_networks")?,
        weight: row.get("against_weight")?,
    }))
}

/// Keeps a call with its report. Whether there was room for it.
pub(super) async fn add(
    tx: &mut Tx,
    new: &NewCall,
    id: i64,
    report: &NewReport,
) -> Result<bool, StoreError> {
    fits(&new.name, NAME_MAX_BYTES)?;
    let connection: &mut AnyConnection = tx;
    let count: i64 = sqlx::query_scalar(sql::CALLS_COUNT)
        .fetch_one(&mut *connection)
        .await?;
    if count >= i64::from(CALLS_MAX) {
        return Ok(false);
    }
    let against = match report.reported {
        Some(subject) => Some(gravity(&mut *connection, subject, new.against_since_ms).await?),
        None => None,
    };
    let query = sqlx::query(sql::ADD_CALL)
        .bind(&new.name)
        .bind(id)
        .bind(report.at_ms)
        .bind(against.map(|against| against.reports))
        .bind(against.map(|against| against.reporters))
        .bind(against.map(|against| against.networks))
        .bind(against.map(|against| against.weight));
    query.execute(connection).await?;
    Ok(true)
}
