//! The tables, from every earlier version to now. Migrations are part of the program; each runs once, in order, in a
//! transaction with the note that it has run, so that a start that is interrupted goes on where it was.

use super::at::open_file;
use super::{Kind, Opening, Store, StoreAt, StoreError};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Executor as _, SqlSafeStr as _};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A step from one version to the next, for each database.
struct Step {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// The file of a step, for each database.
macro_rules! step {
    ($file:literal, $name:literal) => {
        Step {
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../migrations/postgres/", $file)),
        }
    };
}

/// All steps; the first is number 1. One that was released is never changed.
const STEPS: &[Step] = &[
    step!("0001_store.sql", "store"),
    step!("0002_accounts.sql", "accounts"),
    step!("0003_webhook.sql", "webhook"),
    step!("0004_passkeys.sql", "passkeys"),
    step!("0005_idempotency.sql", "idempotency"),
];

/// Which lock file keeps two programs from changing one file's tables at once. PostgreSQL has locks for that.
const LOCK_NAME: &str = "whisperchat.lock";

/// How long to wait before asking for the lock again.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Migrations may take as long as they need, unlike everything else, and wait for another server's.
const UNHURRIED: &str =
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// The number of the newest step.
pub(super) fn newest() -> i64 {
    // A list written down here is no longer than an i64 counts.
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// All steps for a database.
pub(super) fn migrator(kind: Kind) -> Migrator {
    let migrations = STEPS.iter().zip(1..).map(|(step, version)| {
        let text = match kind {
            Kind::Sqlite => step.sqlite,
            Kind::Postgres => step.postgres,
        };
        let kind = MigrationType::Simple;
        Migration::new(version, step.name.into(), kind, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Brings the tables to this version.
pub(super) async fn run(store: &Store, at: &StoreAt, opening: &Opening) -> Result<(), StoreError> {
    let migrator = migrator(store.kind);
    let mut connection = store.pool.acquire().await?;
    let _lock = match at {
        StoreAt::Folder(folder) => Some(lock(folder, opening.timeout).await?),
        StoreAt::Url(_) | StoreAt::Off | StoreAt::Unknown => {
            connection.execute(UNHURRIED).await?;
            None
        }
    };
    // What `run` does; its own future can't be shown to be `Send`, and a server opens its store on any thread.
    let outcome = migrator.run_direct(None, &mut *connection, false).await;
    // With its settings, and with its lock if it failed.
    connection.close().await?;
    outcome.map_err(explained)
}

/// Takes the folder's lock, which is given back when the file is dropped, or the process ends in whatever way.
async fn lock(folder: &Path, patience: Duration) -> Result<File, StoreError> {
    let path = folder.join(LOCK_NAME);
    let refused = |cause: &dyn ToString| StoreError::Open {
        what: format!("in {}", folder.display()),
        cause: format!("{}: {}", path.display(), cause.to_string()),
        advice: "see that the server may write to the folder, and that no other one is changing it",
    };
    let file = open_file(&path).map_err(|cause| refused(&cause))?;
    let taken = timeout(patience, async {
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => sleep(LOCK_RETRY).await,
                Err(TryLockError::Error(cause)) => return Err(refused(&cause)),
                Ok(()) => return Ok(()),
            }
        }
    });
    taken
        .await
        .unwrap_or_else(|_| Err(refused(&"another program holds it")))?;
    Ok(file)
}

fn explained(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) if found > newest() => StoreError::Newer {
            found,
            known: newest(),
        },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            StoreError::Changed { version }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => StoreError::Database(sqlx::Error::Migrate(Box::new(other))),
    }
}
