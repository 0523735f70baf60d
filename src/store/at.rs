//! Where the database is, and its connections.

use super::{Kind, StoreError};
use crate::private::Private;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What the database is called in its folder.
const FILE_NAME: &str = "whisperchat.db";

/// SQLite has one writer at a time, so more connections than a few readers would only wait for each other.
const SQLITE_CONNECTIONS: u32 = 4;

/// What each connection to SQLite begins with. Waiting for a lock comes first, for the others may need one. A
/// commit is on the disk when it returns (FULL), in a log beside the file (WAL), so that readers don't wait for it;
/// what is deleted is overwritten.
const SQLITE_PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON";

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// Nowhere.
    Off,
    /// In this folder, as a file of SQLite.
    Folder(PathBuf),
    /// At this URL, `postgres://user:password@host:port/database`.
    Url(Private<String>),
}

/// How it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// How many connections there may be to PostgreSQL.
    pub connections: u32,
    /// How long getting a connection, a lock or an answer may take.
    pub timeout: Duration,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            connections: 8,
            timeout: Duration::from_secs(5),
        }
    }
}

impl StoreAt {
    /// The file of the database, if it is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(FILE_NAME)),
            Self::Off | Self::Url(_) => None,
        }
    }
}

/// Connects once, so that what is wrong shows at once and in its own words, and then as often as is needed.
pub(super) async fn connect(
    at: &StoreAt,
    opening: &Opening,
) -> Result<(AnyPool, Kind), StoreError> {
    install_default_drivers();
    let options = AnyPoolOptions::new().acquire_timeout(opening.timeout);
    match at {
        StoreAt::Off => Err(StoreError::Off),
        StoreAt::Folder(folder) => {
            let file = folder.join(FILE_NAME);
            let refused = |cause: &dyn ToString| StoreError::Open {
                what: format!("in {}", file.display()),
                cause: cause.to_string(),
                advice: "set store.folder to a folder that the server may write to, or store.url to off",
            };
            make_file(folder, &file).map_err(|cause| refused(&cause))?;
            let url = sqlite_url(&file).map_err(|cause| refused(&cause))?;
            let first = try_once(&url, SQLITE_PRAGMAS, opening.timeout).await;
            first.map_err(|cause| refused(&cause))?;
            let options = options
                .max_connections(SQLITE_CONNECTIONS)
                .idle_timeout(None)
                .max_lifetime(None);
            let pool = beginning_with(options, SQLITE_PRAGMAS.into()).connect_lazy(&url);
            Ok((pool.map_err(|cause| refused(&cause))?, Kind::Sqlite))
        }
        StoreAt::Url(url) => {
            let refused = |cause: &dyn ToString| StoreError::Open {
                what: "at store.url".to_owned(),
                cause: cause.to_string(),
                advice: "see that PostgreSQL runs and has the user and the database that it names, or set \
                    store.url to auto or off",
            };
            let settings = postgres_settings(opening.timeout);
            let first = try_once(url, &settings, opening.timeout).await;
            first.map_err(|cause| refused(&cause))?;
            let options = options.max_connections(opening.connections);
            let pool = beginning_with(options, settings.into()).connect_lazy(url);
            Ok((pool.map_err(|cause| refused(&cause))?, Kind::Postgres))
        }
    }
}

/// Connects, and disconnects.
async fn try_once(url: &str, statements: &str, limit: Duration) -> Result<(), sqlx::Error> {
    let doing = async {
        let mut connection = AnyConnection::connect(url).await?;
        prepare(&mut connection, statements.into()).await?;
        connection.close().await
    };
    let done = timeout(limit, doing).await;
    done.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

fn beginning_with(options: AnyPoolOptions, statements: Arc<str>) -> AnyPoolOptions {
    options
        .after_connect(move |connection, _| Box::pin(prepare(connection, Arc::clone(&statements))))
}

async fn prepare(connection: &mut AnyConnection, statements: Arc<str>) -> Result<(), sqlx::Error> {
    // Made of numbers of our own.
    connection.execute(AssertSqlSafe(statements)).await?;
    Ok(())
}

/// What each connection to PostgreSQL begins with. A server that is gone while it holds locks lets go of them, and
/// a commit is on the disk when it returns, whatever the database's own default is.
fn postgres_settings(timeout: Duration) -> String {
    let timeout_ms = timeout.as_millis();
    format!(
        "SET statement_timeout = {timeout_ms}; SET lock_timeout = {timeout_ms}; \
         SET idle_in_transaction_session_timeout = {timeout_ms}; SET synchronous_commit = on; \
         SET client_min_messages = warning"
    )
}

/// Makes the folder and the file where they are not there, so that nobody else may read them. SQLite gives its
/// files beside it the same mode.
fn make_file(folder: &Path, file: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    Ok(())
}

/// The file as a URL, whatever its name holds. A name that is not absolute would begin with a host there.
fn sqlite_url(file: &Path) -> io::Result<String> {
    let file = std::path::absolute(file)?;
    let mut url = "sqlite://".to_owned();
    for byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_can_have_any_name() {
        let url = sqlite_url(Path::new("/var/lib/a b/?mode=ro&#é"));
        let expected = "sqlite:///var/lib/a%20b/%3Fmode%3Dro%26%23%C3%A9";
        assert_eq!(url.unwrap(), expected);
        let url = sqlite_url(Path::new("here/x.db")).unwrap();
        assert!(url.starts_with("sqlite:///"), "{url}");
        assert!(url.ends_with("/here/x.db"), "{url}");
    }
}
