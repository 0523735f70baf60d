//! A database of its own for each test, and a way into it beside the store.

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Where PostgreSQL is, as the URL of a database in which others can be made.
const POSTGRES: &str = "WHISPERCHAT_TEST_POSTGRES";

/// An empty database.
pub(crate) struct Fresh {
    folder: TempDir,
    /// PostgreSQL's, and that of the same database by another name for its server.
    url: Option<String>,
}

impl Fresh {
    /// A folder for a file of SQLite.
    pub(crate) fn sqlite() -> Self {
        install_default_drivers();
        Self {
            folder: tempfile::tempdir().expect("folders can be made"),
            url: None,
        }
    }

    /// A database of PostgreSQL. It goes with the server that the tests are run beside.
    pub(crate) async fn postgres() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let fresh = Self::sqlite();
        let server = std::env::var(POSTGRES).expect(
            "WHISPERCHAT_TEST_POSTGRES is the URL of a database: run this by scripts/with-postgres",
        );
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{next}", std::process::id());
        let mut connection = AnyConnection::connect(&server).await.expect("it is there");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.expect("it can be made");
        connection.close().await.expect("it is let go");
        let (place, options) = server.split_once('?').unwrap_or((&server, ""));
        let (place, _) = place.rsplit_once('/').expect("it names a database");
        Self {
            url: Some(format!("{place}/{name}?{options}")),
            ..fresh
        }
    }

    /// A folder of this test's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL, if it is PostgreSQL's.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// A connection to it beside the store's, when the store has made it.
    pub(crate) async fn beside(&self) -> AnyConnection {
        let file = self.folder().join("whisperchat.db");
        let file = format!("sqlite://{}", file.display());
        let url = self.url().unwrap_or(&file);
        AnyConnection::connect(url).await.expect("it is there")
    }
}
