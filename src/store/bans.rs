//! Who is kept out, or apart, and until when.

use super::audit;
use super::once::{self, Once, Turn};
use super::page::{page, rows_to_fetch};
use super::row::{Read, fits};
use super::transaction::{Level, Tx, retried};
use super::{Cursor, NewAudit, Page, Store, StoreError, Subject, sql};
use crate::private::Private;
use serde_json::json;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::error::DatabaseError;

/// The most bytes of a reason and of what can be done about it.
const SENTENCE_MAX_BYTES: usize = 4096;

/// The most bytes of every other text.
const WORD_MAX_BYTES: usize = 800;

/// What is done about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// They are kept out.
    Ban,
    /// They meet only each other.
    Shadow,
    /// They wait longer.
    Slow,
}

/// A ban, or a milder measure, as it is made. It is about a subject, an address range, or both at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    /// What is done.
    pub measure: Measure,
    /// To whom.
    pub subject: Option<Subject>,
    /// To whom comes from there, such as `192.0.2.0/24`.
    pub network: Option<Private<String>>,
    /// Why, in a sentence that they may read.
    pub reason: String,
    /// What they can do about it, in a sentence.
    pub appeal: Option<String>,
    /// The report that led to it.
    pub report: Option<i64>,
    /// When it begins.
    pub created_at_ms: i64,
    /// Who does it: an account, or a rule.
    pub created_by: String,
    /// When it ends; never, if unset.
    pub expires_at_ms: Option<i64>,
}

/// A ban, or a milder measure, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Its number.
    pub id: i64,
    /// What is done.
    pub measure: Measure,
    /// To whom.
    pub subject: Option<Subject>,
    /// To whom comes from there.
    pub network: Option<Private<String>>,
    /// Why.
    pub reason: String,
    /// What they can do about it.
    pub appeal: Option<String>,
    /// The report that led to it, as long as that is kept.
    pub report: Option<i64>,
    /// When it began.
    pub created_at_ms: i64,
    /// Who did it.
    pub created_by: String,
    /// When it ends; never, if unset.
    pub expires_at_ms: Option<i64>,
    /// When it was lifted.
    pub lifted_at_ms: Option<i64>,
    /// Who lifted it.
    pub lifted_by: Option<String>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// Which bans are wanted; all of those that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BanFilter {
    /// Those in force at this moment.
    pub in_force_at_ms: Option<i64>,
    /// About whom.
    pub subject: Option<Subject>,
    /// About this address range, written exactly so.
    pub network: Option<String>,
}

impl Ban {
    /// Whether it holds at this moment: it has neither ended nor been lifted.
    pub fn is_in_force(&self, at_ms: i64) -> bool {
        self.lifted_at_ms.is_none() && self.expires_at_ms.is_none_or(|end| end > at_ms)
    }
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ban, Self::Shadow, Self::Slow];

    /// As a word: `ban`, `shadow`, `slow`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Shadow => "shadow",
            Self::Slow => "slow",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.word() == word)
    }
}

impl Store {
    /// Bans, with its entry in the audit log.
    ///
    /// # Errors
    /// [`StoreError::Unacceptable`] if it is about nobody, or a text is too long; [`StoreError::NotFound`] if its
    /// report is not there; [`StoreError::Away`].
    pub async fn add_ban(&self, new: &NewBan) -> Result<Ban, StoreError> {
        // Nothing is decided by what is there.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let ban = add(&mut tx, new).await?;
        tx.commit().await?;
        Ok(ban)
    }

    /// The same, once by a key: who asks again by it gets the ban that was made then, as it is now.
    ///
    /// # Errors
    /// As [`add_ban`](Self::add_ban); [`StoreError::KeyReused`] if something else was asked by this key;
    /// [`StoreError::NotFound`] if the ban was made and is kept no more.
    pub async fn add_ban_once(&self, new: &NewBan, once: &Once<'_>) -> Result<Ban, StoreError> {
        retried(|| self.try_add_ban_once(new, once)).await
    }

    async fn try_add_ban_once(&self, new: &NewBan, once: &Once<'_>) -> Result<Ban, StoreError> {
        // The key decides, by the index on what is unique.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let ban = match once::claim(&mut tx, once).await? {
            Turn::First(claim) => {
                let ban = add(&mut tx, new).await?;
                once::remember(&mut tx, claim, ban.id).await?;
                ban
            }
            Turn::Made(id) => ban_now(&mut tx, id).await?,
        };
        tx.commit().await?;
        Ok(ban)
    }

    /// One ban.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Away`].
    pub async fn ban(&self, id: i64) -> Result<Ban, StoreError> {
        let query = sqlx::query(sql::BAN).bind(id);
        let row = query.fetch_optional(self.pool()).await?;
        Ban::read(&row.ok_or(StoreError::NotFound("ban"))?)
    }

    /// Ends a ban, with its entry in the audit log.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if it has been lifted or changed since the caller looked; [`StoreError::NotFound`];
    /// [`StoreError::Away`].
    pub async fn lift_ban(
        &self,
        id: i64,
        version: i64,
        by: &str,
        at_ms: i64,
    ) -> Result<Ban, StoreError> {
        retried(|| self.lift(id, version, by, at_ms)).await
    }

    async fn lift(&self, id: i64, version: i64, by: &str, at_ms: i64) -> Result<Ban, StoreError> {
        // One statement takes the row at the version that was seen.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let ban = set_lifted(&mut tx, id, version, by, at_ms).await?;
        write_down_lifting(&mut tx, id, by, at_ms).await?;
        tx.commit().await?;
        Ok(ban)
    }

    /// Which measures one actor has taken about somebody since a moment, those included that have ended since.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn measures_by(
        &self,
        actor: &str,
        subject: Subject,
        since_ms: i64,
    ) -> Result<Vec<Measure>, StoreError> {
        let query = sqlx::query_scalar(sql::MEASURES_BY).bind(subject.to_vec());
        let words: Vec<String> = query
            .bind(actor)
            .bind(since_ms)
            .fetch_all(self.pool())
            .await?;
        let read = |word: &String| {
            Measure::from_word(word).ok_or_else(|| StoreError::odd("measure", word))
        };
        words.iter().map(read).collect()
    }

    /// Bans from the newest backwards.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn bans(
        &self,
        filter: &BanFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Ban>, StoreError> {
        let rows = sqlx::query(sql::BANS)
            .bind(filter.subject.map(Subject::to_vec))
            .bind(filter.network.as_deref())
            .bind(filter.in_force_at_ms)
            .bind(after.unwrap_or(Cursor::LAST).id)
            .bind(rows_to_fetch(limit))
            .fetch_all(self.pool())
            .await?;
        bans_page(&rows, limit)
    }

    /// All bans in force at a moment, in the order in which they were made: what a server that starts reads, page
    /// by page. Costs a walk over the rows of each page.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn bans_in_force(
        &self,
        at_ms: i64,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Ban>, StoreError> {
        self.bans_after(sql::BANS_IN_FORCE, at_ms, after, limit)
            .await
    }

    /// All bans that were made or lifted since a moment, by whatever server, in the order in which they were made.
    /// Who asks again and again goes back a little further each time: a change is seen only when it is committed,
    /// which may be seconds after the time that it has.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub async fn bans_changed(
        &self,
        since_ms: i64,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Ban>, StoreError> {
        self.bans_after(sql::BANS_CHANGED, since_ms, after, limit)
            .await
    }

    async fn bans_after(
        &self,
        statement: &'static str,
        at_ms: i64,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Ban>, StoreError> {
        let rows = sqlx::query(statement)
            .bind(at_ms)
            .bind(after.unwrap_or(Cursor::FIRST).id)
            .bind(rows_to_fetch(limit))
            .fetch_all(self.pool())
            .await?;
        bans_page(&rows, limit)
    }
}

/// Lifts all that has followed from a report by somebody's decision, as a part of a transaction.
pub(super) async fn lift_those_of_report(
    tx: &mut Tx,
    report: i64,
    by: &str,
    at_ms: i64,
) -> Result<Vec<Ban>, StoreError> {
    let connection: &mut AnyConnection = tx;
    let query = sqlx::query(sql::LIFT_BANS_OF_REPORT).bind(report);
    let rows = query.bind(at_ms).bind(by).fetch_all(connection).await?;
    let bans = rows.iter().map(Ban::read).collect::<Result<Vec<_>, _>>()?;
    for ban in &bans {
        write_down_lifting(tx, ban.id, by, at_ms).await?;
    }
    Ok(bans)
}

async fn write_down_lifting(tx: &mut Tx, id: i64, by: &str, at_ms: i64) -> Result<(), StoreError> {
    let entry = NewAudit {
        at_ms,
        actor: by.to_owned(),
        action: "ban.lift".to_owned(),
        target: format!("ban:{id}"),
        detail: json!({}),
    };
    audit::add(tx, &entry).await.map(drop)
}

/// A ban in the middle of a transaction, as it is now.
async fn ban_now(tx: &mut Tx, id: i64) -> Result<Ban, StoreError> {
    let connection: &mut AnyConnection = tx;
    let query = sqlx::query(sql::BAN).bind(id);
    let row = query.fetch_optional(connection).await?;
    Ban::read(&row.ok_or(StoreError::NotFound("ban"))?)
}

fn bans_page(rows: &[AnyRow], limit: u32) -> Result<Page<Ban>, StoreError> {
    let bans = rows.iter().map(Ban::read).collect::<Result<_, _>>()?;
    Ok(page(bans, limit, |ban| Cursor {
        key: ban.created_at_ms,
        id: ban.id,
    }))
}

impl Ban {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let row = Read(row);
        let measure: String = row.get("measure")?;
        Ok(Self {
            id: row.get("id")?,
            measure: Measure::from_word(&measure)
                .ok_or_else(|| StoreError::odd("measure", &measure))?,
            subject: row.subject("subject")?,
            network: row.private("network")?,
            reason: row.get("reason")?,
            appeal: row.get("appeal")?,
            report: row.get("report")?,
            created_at_ms: row.get("created_at_ms")?,
            created_by: row.get("created_by")?,
            expires_at_ms: row.get("expires_at_ms")?,
            lifted_at_ms: row.get("lifted_at_ms")?,
            lifted_by: row.get("lifted_by")?,
            version: row.get("version")?,
        })
    }
}

impl NewBan {
    fn check(&self) -> Result<(), StoreError> {
        if self.subject.is_none() && self.network.is_none() {
            return Err(StoreError::Unacceptable("a ban must be about somebody"));
        }
        for sentence in [Some(&self.reason), self.appeal.as_ref()]
            .into_iter()
            .flatten()
        {
            fits(sentence, SENTENCE_MAX_BYTES)?;
        }
        for word in [self.network.as_deref(), Some(&self.created_by)]
            .into_iter()
            .flatten()
        {
            fits(word, WORD_MAX_BYTES)?;
        }
        Ok(())
    }
}

/// Bans as a part of a transaction, with its entry in the audit log.
pub(super) async fn add(tx: &mut Tx, new: &NewBan) -> Result<Ban, StoreError> {
    new.check()?;
    let connection: &mut AnyConnection = tx;
    let row = sqlx::query(sql::ADD_BAN)
        .bind(new.measure.word())
        .bind(new.subject.map(Subject::to_vec))
        .bind(new.network.as_deref())
        .bind(&new.reason)
        .bind(new.appeal.as_deref())
        .bind(new.report)
        .bind(new.created_at_ms)
        .bind(&new.created_by)
        .bind(new.expires_at_ms)
        .fetch_one(connection)
        .await
        .map_err(without_report)?;
    let ban = Ban::read(&row)?;
    // Nothing of whom it is about: the log outlasts the ban.
    let entry = NewAudit {
        at_ms: ban.created_at_ms,
        actor: ban.created_by.clone(),
        action: "ban.add".to_owned(),
        target: format!("ban:{}", ban.id),
        detail: json!({
            "measure": ban.measure.word(),
            "report": ban.report,
            "expires_at_ms": ban.expires_at_ms,
        }),
    };
    audit::add(tx, &entry).await?;
    Ok(ban)
}

/// The one key of another table that a ban has is its report's.
fn without_report(error: sqlx::Error) -> StoreError {
    let database = error.as_database_error();
    if database.is_some_and(DatabaseError::is_foreign_key_violation) {
        StoreError::NotFound("report")
    } else {
        error.into()
    }
}

async fn set_lifted(
    tx: &mut Tx,
    id: i64,
    version: i64,
    by: &str,
    at_ms: i64,
) -> Result<Ban, StoreError> {
    let connection: &mut AnyConnection = tx;
    let row = sqlx::query(sql::LIFT_BAN)
        .bind(id)
        .bind(version)
        .bind(at_ms)
        .bind(by)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        return Ban::read(&row);
    }
    let query = sqlx::query_scalar(sql::BAN_VERSION).bind(id);
    match query.fetch_optional(connection).await? {
        Some(now) => Err(StoreError::Stale { now }),
        None => Err(StoreError::NotFound("ban")),
    }
}
