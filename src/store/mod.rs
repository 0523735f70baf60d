//! What must outlast the process: reports, bans, the audit log, keys, in a database.
//!
//! One text of SQL for two databases: SQLite, a file that the server makes for itself, and PostgreSQL, for who
//! has several servers. What goes in are plain values and the time; what comes out are rows. It never sees a
//! socket of a person, a session or a rule: what a report means and whom a ban keeps out is decided above.
//!
//! - `at`: where the database is, and the file with its modes
//! - `migrations`: the tables, from every earlier version to now
//! - `sql`: every statement, so that a test can have both databases read all of them
//! - `reports`, `bans`, `audit`, `keys`: the tables, each with its rows and what can be done with them
//! - `calls`: calls of the webhook that wait to be delivered
//! - `accounts`: people who look after the server, their factors and sessions
//! - `once`: what is made once, however often it is asked for
//! - `people`: what is kept of somebody, shown or forgotten on their request
//! - `sweep`: rows that have been kept for long enough
//! - `backup`: a copy while everything goes on
//! - `writer`: writes that chatting doesn't wait for
//!
//! Who chats goes through a [`Writer`], which is bounded, never waits long, and says when the database is away.
//! Who looks after the server asks the [`Store`] itself. Every change that a person makes is one transaction with
//! its entry in the audit log. Times are milliseconds since the epoch, told by the caller.

mod accounts;
mod at;
mod audit;
mod backup;
mod bans;
mod calls;
mod error;
mod keys;
mod migrations;
mod once;
mod page;
mod people;
mod reports;
mod row;
mod sql;
mod subject;
mod sweep;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use sqlx::AnyPool;

pub use accounts::{
    Account, AccountChange, AddedPasskey, By, Confirmed, Invitation, KeptFactor, KeptPasskey,
    MadeAccount, NewAccount, NewPasskey, NewSession, PasswordChange, SessionRow, Turned,
    UsedPasskey,
};
pub use at::{Opening, StoreAt};
pub use audit::{AuditEntry, NewAudit};
pub use bans::{Ban, BanFilter, Measure, NewBan};
pub use calls::{CALLS_MAX, Call, NewCall};
pub use error::StoreError;
pub use keys::Key;
pub use once::Once;
pub use page::{Cursor, PAGE_MAX, Page};
pub use people::Erased;
pub use reports::{
    Added, Decided, Decision, Gravity, NewReport, Report, ReportFilter, ReportOrder, ReportState,
};
pub use subject::{NotASubject, Subject};
pub use sweep::{Retention, Swept};
pub use writer::{Writer, WriterStatus};

/// Which of the two databases it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// An open database with the tables of this version. Cheap to clone; all clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
}

impl Store {
    /// Opens the database, makes it if it is a file that isn't there, and brings its tables to this version.
    ///
    /// # Errors
    /// [`StoreError::Off`] if there is to be none, [`StoreError::Unknown`] if nothing says where; [`StoreError::Open`] if it can't be had, with what to do;
    /// [`StoreError::Newer`] and [`StoreError::Changed`] if it isn't one that this version understands.
    pub async fn open(at: &StoreAt, opening: &Opening) -> Result<Self, StoreError> {
        let (pool, kind) = at::connect(at, opening).await?;
        let store = Self { pool, kind };
        match migrations::run(&store, at, opening).await {
            Ok(()) => Ok(store),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Away`] if it doesn't.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query(sql::PING).fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Ends all connections, when what is being done with them is done. Nothing can be asked afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// What the database is called.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "SQLite",
            Kind::Postgres => "PostgreSQL",
        }
    }
}
