//! Where the database is, and its connections.

use super::{Kind, StoreError};
use crate::private::Private;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::error::DatabaseError;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
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

/// What to do where the embedded database can't be had.
const OTHER_FOLDER: &str =
    "set store.folder to a folder that the server may write to, or store.url to off";
const OTHER_OWNER: &str = "give it, and what lies beside it, to whoever the server runs as (chown), or run this as its \
    owner";
const OTHER_FILE: &str =
    "put back a backup, as docs/store.md says, or move the file away to begin with an empty one";

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// Nowhere.
    Off,
    /// In a folder, but nothing says in which.
    Unknown,
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
            Self::Off | Self::Unknown | Self::Url(_) => None,
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
        StoreAt::Unknown => Err(StoreError::Unknown),
        StoreAt::Folder(folder) => {
            let pool = connect_sqlite(folder, options, opening).await?;
            Ok((pool, Kind::Sqlite))
        }
        StoreAt::Url(url) => {
            let pool = connect_postgres(url, options, opening).await?;
            Ok((pool, Kind::Postgres))
        }
    }
}

async fn connect_sqlite(
    folder: &Path,
    options: AnyPoolOptions,
    opening: &Opening,
) -> Result<AnyPool, StoreError> {
    let file = folder.join(FILE_NAME);
    let refused_for = |cause: &dyn ToString, advice| StoreError::Open {
        what: format!("in {}", file.display()),
        cause: cause.to_string(),
        advice,
    };
    let refused = |cause: &dyn ToString| refused_for(cause, OTHER_FOLDER);
    make_file(folder, &file).map_err(|cause| match whose(&file, &cause) {
        Some(cause) => refused_for(&cause, OTHER_OWNER),
        None => refused(&cause),
    })?;
    let url = sqlite_url(&file).map_err(|cause| refused(&cause))?;
    let first = try_once(&url, SQLITE_PRAGMAS, opening.timeout).await;
    first.map_err(|cause| {
        if is_no_database(&cause) {
            refused_for(&cause, OTHER_FILE)
        } else {
            refused(&cause)
        }
    })?;
    let options = options
        .max_connections(SQLITE_CONNECTIONS)
        .idle_timeout(None)
        .max_lifetime(None);
    let pool = beginning_with(options, SQLITE_PRAGMAS.into()).connect_lazy(&url);
    pool.map_err(|cause| refused(&cause))
}

async fn connect_postgres(
    url: &str,
    options: AnyPoolOptions,
    opening: &Opening,
) -> Result<AnyPool, StoreError> {
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
    pool.map_err(|cause| refused(&cause))
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
/// files beside it the same mode, and the same owner.
fn make_file(folder: &Path, file: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    open_file(file)?;
    Ok(())
}

/// Opens a file beside the database, or the database, and makes it where it isn't there. Then it belongs to whoever
/// the folder belongs to, if that can be done: root may be the first to ask for a store that is another user's.
pub(super) fn open_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    match options.clone().create_new(true).open(file) {
        Ok(made) => {
            if let Some(Ok(folder)) = file.parent().map(std::fs::metadata) {
                // Nobody but root can give a file away; that of others stays theirs.
                let _ = fchown(&made, Some(folder.uid()), Some(folder.gid()));
            }
            Ok(made)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(file),
        Err(error) => Err(error),
    }
}

/// What keeps from a file that is there and belongs to somebody else, if that is it.
fn whose(file: &Path, cause: &io::Error) -> Option<String> {
    let is_denied = cause.kind() == io::ErrorKind::PermissionDenied;
    let owner = std::fs::metadata(file).ok().filter(|_| is_denied)?.uid();
    Some(format!("{cause}: the file belongs to user {owner}"))
}

/// Whether SQLite finds that the file is none of its own, or is damaged: NOTADB, CORRUPT.
fn is_no_database(cause: &sqlx::Error) -> bool {
    let code = cause.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["26", "11"].contains(&&*code))
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
    fn a_file_that_is_somebody_elses_is_said_to_be_theirs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let owner = file.path().metadata().unwrap().uid();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let words = whose(file.path(), &denied).unwrap();
        assert!(
            words.ends_with(&format!("belongs to user {owner}")),
            "{words}"
        );
        assert!(whose(Path::new("/nowhere/at/all"), &denied).is_none());
        let other = io::Error::from(io::ErrorKind::StorageFull);
        assert!(whose(file.path(), &other).is_none());
    }

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
