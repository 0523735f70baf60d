//! What can go wrong.

use sqlx::error::DatabaseError;
use std::path::PathBuf;

/// After how many ms it is worth asking again when the database is away.
pub(super) const RETRY_AFTER_MS: u64 = 5000;

/// Why the store didn't do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is to be no store.
    #[error("there is no store: store.url is off")]
    Off,
    /// There is to be one in the usual folder, and nothing says which that is.
    #[error(
        "there is no store: HOME is not set to an absolute path, so nothing says where to keep it; set store.folder"
    )]
    Unknown,
    /// The database can't be had.
    #[error("cannot open the store {what}: {cause}; {advice}")]
    Open {
        /// A file, or that it is the database of `store.url`. Never the URL, which may hold a password.
        what: String,
        /// Why, in the words of who knows.
        cause: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A later version of the program has changed the tables.
    #[error(
        "the store is of a newer version: it has migration {found}, this program knows up to {known}; run the \
         version that wrote it, or put back a backup from before"
    )]
    Newer {
        /// The number of the migration that it has.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A migration that was run is not the one of this program.
    #[error(
        "the store was made by another program: its migration {version} is not this program's; run the version \
         that wrote it, or put back a backup"
    )]
    Changed {
        /// The migration's number.
        version: i64,
    },
    /// The database doesn't answer, or can't keep anything at the moment: its disk is full, it restarts, too much
    /// waits already. What was asked may yet have been done; to ask again does it only once.
    #[error("the store is away; try again in {retry_after_ms} ms ({cause})")]
    Away {
        /// When it is worth trying again.
        retry_after_ms: u64,
        /// Why, for the log. Nothing of a row.
        cause: String,
    },
    /// Two changes met, and this one gave way, as often as it was tried.
    #[error("too many change the same at the same time; try again")]
    Crossed,
    /// There is no such row.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The row is not as the caller has seen it: somebody else was faster.
    #[error("it has changed since: it is at version {now} now")]
    Stale {
        /// Its version now.
        now: i64,
    },
    /// What is asked by this key is not what was asked by it before.
    #[error("this key was used for another request already: take a new one")]
    KeyReused,
    /// A value can't be kept as it is.
    #[error("{0}")]
    Unacceptable(&'static str),
    /// A backup can't be written.
    #[error("cannot write a backup to {}: {cause}", .path.display())]
    Backup {
        /// Where it was to go.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// What the database says is not what it should: a bug here, or somebody else's hand in the tables.
    #[error("the store's database: {0}")]
    Database(sqlx::Error),
}

impl StoreError {
    /// Whether asking again later may help, and after how many ms.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Away { retry_after_ms, .. } => Some(*retry_after_ms),
            Self::Crossed => Some(RETRY_AFTER_MS),
            _ => None,
        }
    }

    /// A row that can't be read.
    pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Database(sqlx::Error::Decode(error.into()))
    }

    /// A word in a row that this program doesn't know.
    pub(super) fn odd(what: &str, word: &str) -> Self {
        let error = format!("{what} is {word:?}, which this program does not know");
        Self::Database(sqlx::Error::Decode(error.into()))
    }

    /// Whether it is the database that can't, and not what it was asked.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    pub(super) fn away(cause: impl Into<String>) -> Self {
        Self::Away {
            retry_after_ms: RETRY_AFTER_MS,
            cause: cause.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_crossed(&error) {
            Self::Crossed
        } else if is_away(&error) {
            Self::away(error.to_string())
        } else {
            Self::Database(error)
        }
    }
}

/// Whether PostgreSQL has let another transaction go first: a serialization failure or a deadlock.
fn is_crossed(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    let code = database.and_then(DatabaseError::code);
    code.is_some_and(|code| ["40001", "40P01"].contains(&&*code))
}

/// Whether it is the database that can't, and not what it was asked.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_away_code(&code)),
        _ => false,
    }
}

/// SQLSTATEs have five characters; SQLite's extended codes are numbers of at most four digits.
fn is_away_code(code: &str) -> bool {
    if code.len() == 5 {
        return is_away_sqlstate(code);
    }
    let code: u32 = code.parse().unwrap_or_default();
    // The primary code: <https://sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes>.
    // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
    [5, 6, 7, 8, 10, 13, 14, 15].contains(&(code & 0xff))
}

/// PostgreSQL's classes (Appendix A of its manual): connection, resources, operator, system;
/// and read-only, as a standby is, and a lock that was not had in time.
fn is_away_sqlstate(code: &str) -> bool {
    let is_of_class = |class| ["08", "53", "57", "58"].contains(&class);
    code.get(..2).is_some_and(is_of_class) || ["25006", "55P03"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_lost_connection_are_away_and_a_mistake_is_not() {
        // SQLITE_FULL, SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE; disk full, shutdown, read-only.
        for code in ["13", "517", "778", "53100", "57P01", "25006"] {
            assert!(is_away_code(code), "{code}");
        }
        // SQLITE_ERROR, SQLITE_CONSTRAINT_UNIQUE, SQLITE_CORRUPT; syntax, unique.
        for code in ["1", "2067", "11", "42601", "23505"] {
            assert!(!is_away_code(code), "{code}");
        }
    }
}
