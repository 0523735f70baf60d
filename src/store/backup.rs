//! A copy of the embedded database while everything goes on.

use super::{Kind, Store, StoreError, sql};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

impl Store {
    /// Writes a copy of the database as it is at this moment into a new file that only its owner can read, and
    /// returns when it is on the disk. Nobody waits for it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unacceptable`] for PostgreSQL, which has `pg_dump`; [`StoreError::Backup`] if the file is there
    /// already or can't be written. Nothing is left of it then.
    pub async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        if self.kind == Kind::Postgres {
            return Err(StoreError::Unacceptable(
                "PostgreSQL is backed up by its own pg_dump",
            ));
        }
        let refused = |cause: &dyn ToString| StoreError::Backup {
            path: path.to_owned(),
            cause: cause.to_string(),
        };
        make(path).map_err(|cause| refused(&cause))?;
        let outcome = self.copy_into(path, &refused).await;
        if outcome.is_err() {
            // It is what has just been made here.
            let _ = fs::remove_file(path);
        }
        outcome
    }

    async fn copy_into(
        &self,
        path: &Path,
        refused: impl Fn(&dyn ToString) -> StoreError,
    ) -> Result<(), StoreError> {
        let whole = std::path::absolute(path).map_err(|cause| refused(&cause))?;
        let name = whole
            .to_str()
            .ok_or_else(|| refused(&"its name is not UTF-8"))?;
        let query = sqlx::query(sql::BACKUP).bind(name);
        query
            .execute(self.pool())
            .await
            .map_err(|cause| refused(&cause))?;
        let synced = tokio::task::spawn_blocking(move || sync(&whole)).await;
        synced
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|cause| refused(&cause))
    }
}

/// An empty file, which SQLite takes as if it were not there, for the sake of its mode.
fn make(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

/// The file and its name in its folder are on the disk.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
