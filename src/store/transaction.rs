//! Transactions, and what to do when two meet.

use super::{Kind, Store, StoreError};
use sqlx::AnyPool;
use std::time::Duration;
use tokio::time::sleep;

/// A transaction; rolled back if it is dropped.
pub(super) type Tx = sqlx::Transaction<'static, sqlx::Any>;

/// How often a change is tried that met another one. Each time one of those that meet goes through, so that many
/// in a row mean a crowd, and then it is better to ask again later.
const ATTEMPTS_MAX: usize = 8;

/// What a transaction must not notice of others.
///
/// SQLite has one writer at a time, and a transaction that is going to write takes its place at once (IMMEDIATE), so
/// that what it reads can't be old by the time it writes: there, all are serializable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Each statement sees what is committed when it begins. Enough where one statement decides by a row's version
    /// whether the change still fits, for PostgreSQL looks at the version again when it has the row.
    ReadCommitted,
    /// As if nobody else did anything meanwhile. For what is decided by rows that are not changed, or not there.
    Serializable,
}

impl Store {
    /// Begins a transaction that is going to write.
    pub(super) async fn begin(&self, level: Level) -> Result<Tx, StoreError> {
        let statement = match (self.kind, level) {
            (Kind::Sqlite, _) => "BEGIN IMMEDIATE",
            (Kind::Postgres, Level::ReadCommitted) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            (Kind::Postgres, Level::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        };
        Ok(self.pool.begin_with(statement).await?)
    }

    /// For what only reads, or is one statement.
    pub(super) fn pool(&self) -> &AnyPool {
        &self.pool
    }
}

/// Tries a whole transaction again when it met another: PostgreSQL lets one of the two go through and refuses the
/// other (a serialization failure or a deadlock), which then finds what the first has done.
pub(super) async fn retried<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for attempted in 0..ATTEMPTS_MAX - 1 {
        match attempt().await {
            // The other one may not be through yet, and would be met again.
            Err(StoreError::Crossed) => sleep(Duration::from_millis(1 << attempted)).await,
            outcome => return outcome,
        }
    }
    attempt().await
}
