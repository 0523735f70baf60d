//! What people report of each other, and what was decided.

use super::bans::{self, Ban, NewBan};
use super::page::{page, rows_to_fetch};
use super::row::{Read, fits};
use super::transaction::{Level, Tx, retried};
use super::{Cursor, NewAudit, NewCall, Page, Store, StoreError, Subject, sql};
use super::{audit, calls};
use crate::private::Private;
use serde::Serialize;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor};

/// The most bytes of evidence: twenty messages of 2000 characters, written as JSON with all of them escaped, are
/// less.
const EVIDENCE_MAX_BYTES: usize = 512 * 1024;

/// The most bytes of what the reporter wrote beside it.
const NOTE_MAX_BYTES: usize = 8192;

/// The most bytes of every other text.
const WORD_MAX_BYTES: usize = 512;

/// A report, as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// Who reports what, as text that is the same when the same is reported again, such as the session's and the
    /// chat's ids together. Reports that are alike in it are kept as one: as long as nobody has decided, the last reason and
    /// note count, and the first evidence.
    pub once: String,
    /// When.
    pub at_ms: i64,
    /// The chat.
    pub chat: String,
    /// Why, as a word of the wire contract.
    pub reason: String,
    /// What the reporter wrote beside it.
    pub note: Option<Private<String>>,
    /// Who reports.
    pub reporter: Option<Subject>,
    /// From where, as an address range such as `192.0.2.0/24`.
    pub reporter_network: Option<Private<String>>,
    /// Who is reported.
    pub reported: Option<Subject>,
    /// From where.
    pub reported_network: Option<Private<String>>,
    /// What was said, as the reporter saw it: JSON text.
    pub evidence: Option<Private<String>>,
    /// How much it weighs, in thousandths: 1000 is one.
    pub weight: i64,
    /// The call of the webhook that is to tell of it, if anybody is to be told. It is kept with the report, and once as it is.
    pub call: Option<NewCall>,
}

/// A report as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its number.
    pub id: i64,
    /// When it was made.
    pub at_ms: i64,
    /// The chat.
    pub chat: String,
    /// Why.
    pub reason: String,
    /// What the reporter wrote beside it.
    pub note: Option<Private<String>>,
    /// Who reported.
    pub reporter: Option<Subject>,
    /// From where.
    pub reporter_network: Option<Private<String>>,
    /// Who was reported.
    pub reported: Option<Subject>,
    /// From where.
    pub reported_network: Option<Private<String>>,
    /// What was said, as the reporter saw it: JSON text.
    pub evidence: Option<Private<String>>,
    /// How much it weighs, in thousandths.
    pub weight: i64,
    /// What has become of it.
    pub state: ReportState,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at_ms: Option<i64>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// What has become of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportState {
    /// Nobody has decided.
    Open,
    /// It was right.
    Upheld,
    /// It was not.
    Dismissed,
}

/// That a report is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The number of the report, of the first one if it was made before.
    pub id: i64,
    /// Whether it was not there before.
    pub is_new: bool,
    /// Whether a call was to tell of it and is not kept, for [`CALLS_MAX`](super::CALLS_MAX) wait already.
    pub is_call_dropped: bool,
}

/// Which reports are wanted; all of those that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// What has become of it.
    pub state: Option<ReportState>,
    /// Who was reported.
    pub reported: Option<Subject>,
    /// Why.
    pub reason: Option<String>,
}

/// Which reports come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReportOrder {
    /// The newest.
    #[default]
    Newest,
    /// The heaviest, and of those that weigh the same the newest.
    Worst,
    /// The oldest.
    Oldest,
}

/// What is decided of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The report's number.
    pub report: i64,
    /// The report's version as it was looked at.
    pub version: i64,
    /// What it is to be.
    pub state: ReportState,
    /// What follows, if anything. It is linked to the report.
    pub ban: Option<NewBan>,
    /// Who decides.
    pub by: String,
    /// When.
    pub at_ms: i64,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The report as it is now.
    pub report: Report,
    /// What followed.
    pub ban: Option<Ban>,
    /// What had followed before, and is lifted.
    pub lifted: Vec<Ban>,
}

/// How much speaks against somebody. Reports that were dismissed don't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Gravity {
    /// How many reports.
    pub reports: i64,
    /// By how many different people, those without an id left out.
    pub reporters: i64,
    /// From how many different address ranges, those that are not known left out.
    pub networks: i64,
    /// Their weights together, in thousandths.
    pub weight: i64,
}

impl ReportState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Upheld, Self::Dismissed];

    /// As a word: `open`, `upheld`, `dismissed`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Upheld => "upheld",
            Self::Dismissed => "dismissed",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl Store {
    /// Keeps a report. Who chats reports through a [`Writer`](super::Writer) instead.
    ///
    /// # Errors
    /// [`StoreError::Away`]; [`StoreError::Unacceptable`] if a text is too long.
    pub async fn add_report(&self, new: &NewReport) -> Result<Added, StoreError> {
        // Of two that are the same at once, the second waits for the first by the index on what is unique.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let added = add(&mut tx, new).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// One report.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Away`].
    pub async fn report(&self, id: i64) -> Result<Report, StoreError> {
        let row = sqlx::query(sql::REPORT).bind(id);
        let row = row.fetch_optional(self.pool()).await?;
        Report::read(&row.ok_or(StoreError::NotFound("report"))?)
    }

    /// Reports in an order, at most `limit` and [`PAGE_MAX`](super::PAGE_MAX) of them, after where a page ended.
    /// What comes meanwhile shifts nothing.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn reports(
        &self,
        filter: &ReportFilter,
        order: ReportOrder,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Report>, StoreError> {
        let after = after.unwrap_or(match order {
            ReportOrder::Newest | ReportOrder::Worst => Cursor::LAST,
            ReportOrder::Oldest => Cursor::FIRST,
        });
        let query = sqlx::query(statement(order, filter.state.is_some()))
            .bind(filter.reported.map(Subject::to_vec))
            .bind(filter.reason.as_deref())
            .bind(after.key)
            .bind(after.id)
            .bind(rows_to_fetch(limit));
        let query = match filter.state {
            Some(state) => query.bind(state.word()),
            None => query,
        };
        let rows = query.fetch_all(self.pool()).await?;
        let reports = rows.iter().map(Report::read).collect::<Result<_, _>>()?;
        Ok(page(reports, limit, |report| Cursor {
            key: match order {
                ReportOrder::Newest | ReportOrder::Oldest => report.at_ms,
                ReportOrder::Worst => report.weight,
            },
            id: report.id,
        }))
    }

    /// Decides about a report, with the ban that follows and both entries of the audit log, or does nothing at all.
    /// What was decided can be decided anew: unless it is upheld again, the bans are lifted that followed before.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if somebody else has decided since the caller looked; [`StoreError::NotFound`];
    /// [`StoreError::Away`].
    pub async fn decide_report(&self, decision: &Decision) -> Result<Decided, StoreError> {
        retried(|| self.decide(decision)).await
    }

    async fn decide(&self, decision: &Decision) -> Result<Decided, StoreError> {
        // One statement takes the row at the version that was seen: of two who decide at the same time the second
        // finds another version.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let report = set_state(&mut tx, decision).await?;
        let ban = match &decision.ban {
            Some(new) => {
                let mut new = new.clone();
                new.report = Some(report.id);
                Some(bans::add(&mut tx, &new).await?)
            }
            None => None,
        };
        let lifted = if decision.state == ReportState::Upheld {
            Vec::new()
        } else {
            bans::lift_those_of_report(&mut tx, report.id, &decision.by, decision.at_ms).await?
        };
        let entry = NewAudit {
            at_ms: decision.at_ms,
            actor: decision.by.clone(),
            action: "report.decide".to_owned(),
            target: format!("report:{}", report.id),
            detail: json!({
                "state": decision.state.word(),
                "ban": ban.as_ref().map(|ban| ban.id),
            }),
        };
        audit::add(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(Decided {
            report,
            ban,
            lifted,
        })
    }

    /// How much speaks against somebody since then.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn weight_of_reports(
        &self,
        subject: Subject,
        since_ms: i64,
    ) -> Result<Gravity, StoreError> {
        gravity(self.pool(), subject, since_ms).await
    }
}

/// How much speaks against somebody since then, as a part of something else.
pub(super) async fn gravity(
    executor: impl Executor<'_, Database = Any>,
    subject: Subject,
    since_ms: i64,
) -> Result<Gravity, StoreError> {
    let query = sqlx::query(sql::GRAVITY).bind(subject.to_vec());
    let row = query.bind(since_ms).fetch_one(executor).await?;
    let row = Read(&row);
    Ok(Gravity {
        reports: row.get("reports")?,
        reporters: row.get("reporters")?,
        networks: row.get("networks")?,
        weight: row.get("weight")?,
    })
}

fn statement(order: ReportOrder, is_in_state: bool) -> &'static str {
    match (order, is_in_state) {
        (ReportOrder::Newest, false) => sql::REPORTS_NEWEST,
        (ReportOrder::Oldest, false) => sql::REPORTS_OLDEST,
        (ReportOrder::Worst, false) => sql::REPORTS_WORST,
        (ReportOrder::Newest, true) => sql::REPORTS_IN_STATE_NEWEST,
        (ReportOrder::Oldest, true) => sql::REPORTS_IN_STATE_OLDEST,
        (ReportOrder::Worst, true) => sql::REPORTS_IN_STATE_WORST,
    }
}

impl Report {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let state: String = row.get("state")?;
        Ok(Self {
            id: row.get("id")?,
            at_ms: row.get("at_ms")?,
            chat: row.get("chat")?,
            reason: row.get("reason")?,
            note: row.private("note")?,
            reporter: row.subject("reporter")?,
            reporter_network: row.private("reporter_network")?,
            reported: row.subject("reported")?,
            reported_network: row.private("reported_network")?,
            evidence: row.private("evidence")?,
            weight: row.get("weight")?,
            state: ReportState::from_word(&state)
                .ok_or_else(|| StoreError::odd("state", &state))?,
            decided_by: row.get("decided_by")?,
            decided_at_ms: row.get("decided_at_ms")?,
            version: row.get("version")?,
        })
    }
}

impl NewReport {
    fn check(&self) -> Result<(), StoreError> {
        let words = [Some(&self.once), Some(&self.chat), Some(&self.reason)];
        let networks = [&self.reporter_network, &self.reported_network];
        let networks = networks.map(|network| network.as_deref());
        for word in words.into_iter().chain(networks).flatten() {
            fits(word, WORD_MAX_BYTES)?;
        }
        if let Some(note) = self.note.as_deref() {
            fits(note, NOTE_MAX_BYTES)?;
        }
        if let Some(evidence) = self.evidence.as_deref() {
            fits(evidence, EVIDENCE_MAX_BYTES)?;
        }
        Ok(())
    }
}

/// Keeps a report as a part of a transaction, and with it the call that is to tell of it.
pub(super) async fn add(tx: &mut Tx, new: &NewReport) -> Result<Added, StoreError> {
    new.check()?;
    let connection: &mut AnyConnection = tx;
    let id: Option<i64> = sqlx::query_scalar(sql::ADD_REPORT)
        .bind(&new.once)
        .bind(new.at_ms)
        .bind(&new.chat)
        .bind(&new.reason)
        .bind(new.note.as_deref())
        .bind(new.reporter.map(Subject::to_vec))
        .bind(new.reporter_network.as_deref())
        .bind(new.reported.map(Subject::to_vec))
        .bind(new.reported_network.as_deref())
        .bind(new.evidence.as_deref())
        .bind(new.weight)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(id) = id else {
        sqlx::query(sql::COMPLETE_REPORT)
            .bind(&new.once)
            .bind(&new.reason)
            .bind(new.note.as_deref())
            .bind(new.evidence.as_deref())
            .execute(&mut *connection)
            .await?;
        let query = sqlx::query_scalar(sql::REPORT_MADE_ONCE).bind(&new.once);
        return Ok(Added {
            id: query.fetch_one(connection).await?,
            is_new: false,
            is_call_dropped: false,
        });
    };
    let is_call_dropped = match &new.call {
        Some(call) => !calls::add(tx, call, id, new).await?,
        None => false,
    };
    Ok(Added {
        id,
        is_new: true,
        is_call_dropped,
    })
}

/// Takes the report as the caller has seen it to its new state.
async fn set_state(tx: &mut Tx, decision: &Decision) -> Result<Report, StoreError> {
    let connection: &mut AnyConnection = tx;
    let row = sqlx::query(sql::DECIDE_REPORT)
        .bind(decision.report)
        .bind(decision.version)
        .bind(decision.state.word())
        .bind(&decision.by)
        .bind(decision.at_ms)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        return Report::read(&row);
    }
    let query = sqlx::query_scalar(sql::REPORT_VERSION).bind(decision.report);
    match query.fetch_optional(connection).await? {
        Some(now) => Err(StoreError::Stale { now }),
        None => Err(StoreError::NotFound("report")),
    }
}
