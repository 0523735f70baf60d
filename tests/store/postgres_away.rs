//! A PostgreSQL that goes away and comes back, seen through a socket that can be cut.

use crate::common::{Request, Server, within};
use crate::fresh::Fresh;
use crate::{all_reports, report};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use whisperchat::private::Private;
use whisperchat::store::{Opening, Store, StoreAt, Writer};

/// A way to the database's socket through one in a folder of its own. Dropped, it cuts everything and refuses.
struct Way {
    _open: JoinSet<()>,
    socket: PathBuf,
}

impl Way {
    /// `folder` is where it is to be found, `behind` where the database is.
    fn open(folder: &Path, behind: &Path) -> Self {
        // The name of PostgreSQL's sockets is a part of how it is connected to.
        let name = behind
            .read_dir()
            .expect("it is a folder")
            .find_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let is_it = name
                    .strip_prefix(".s.PGSQL.")
                    .is_some_and(|port| port.parse::<u16>().is_ok());
                is_it.then_some(name)
            });
        let name = name.expect("its socket is there");
        let (socket, behind) = (folder.join(&name), behind.join(&name));
        let listener = UnixListener::bind(&socket).expect("nothing is there");
        let mut open = JoinSet::new();
        open.spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let behind = behind.clone();
                pairs.spawn(async move {
                    let mut far = UnixStream::connect(behind).await.expect("it runs");
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self {
            _open: open,
            socket,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A fresh database by its way: the way's folder, the folder of its socket, and its URL by that way.
async fn behind_a_way() -> (Fresh, PathBuf, String) {
    let fresh = Fresh::postgres().await;
    let url = fresh.url().expect("it is PostgreSQL's");
    let (place, behind) = url
        .split_once("?host=")
        .expect("scripts/with-postgres names a folder with a socket");
    let behind = PathBuf::from(behind);
    let by_way = format!("{place}?host={}", fresh.folder().display());
    (fresh, behind, by_way)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run starts one"]
async fn postgres_that_comes_back_is_used_again_and_has_all_that_was_acknowledged() {
    let (fresh, behind, url) = behind_a_way().await;
    let mut way = Way::open(fresh.folder(), &behind);
    let opening = Opening {
        timeout: Duration::from_secs(1),
        ..Opening::default()
    };
    let at = StoreAt::Url(Private::new(url));
    let store = Store::open(&at, &opening).await.unwrap();
    let writer = Writer::start(store.clone(), 64, opening.timeout);
    let mut acknowledged = 0;
    for round in 0..3 {
        for number in 0..5 {
            let new = report(round * 100 + number);
            writer.add_report(new).await.unwrap();
            acknowledged += 1;
        }
        drop(way);
        let error = writer.add_report(report(round * 100 + 50)).await;
        assert!(error.unwrap_err().is_away());
        assert!(store.ping().await.unwrap_err().is_away());
        way = Way::open(fresh.folder(), &behind);
        let back = async {
            while writer.add_report(report(round * 100 + 60)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("it to be back", back).await;
        acknowledged += 1;
    }
    // The one that was refused may have been kept in its second try at the latest.
    let kept = all_reports(&store).await.len();
    assert!((acknowledged..=acknowledged + 3).contains(&kept), "{kept}");
    drop(way);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run starts one"]
async fn postgres_that_is_away_is_told_to_operators_and_people_go_on() {
    let (fresh, behind, url) = behind_a_way().await;
    let way = Way::open(fresh.folder(), &behind);
    let server = Server::start(&[
        ("admin_listen", "127.0.0.1:0"),
        ("store.url", &url),
        ("store.timeout_s", "1"),
    ]);
    let admin = server.admin_address().await;
    let told = async |state: &str| {
        let wanted = format!(r#""store":"{state}""#);
        within(&wanted, async {
            loop {
                let ready = Request::get("/readyz").ask(admin).await;
                assert_eq!(ready.0, 200, "people can connect all the same");
                if ready.1.contains(&wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    told("up").await;
    drop(way);
    told("away").await;
    let figures = Request::get("/metrics").ask(admin).await.1;
    assert!(figures.contains("whisperchat_store_up 0"), "{figures}");
    let status = Request::get("/api/v1/status").ask(admin).await;
    assert_eq!(status.0, 200, "operators can look: {}", status.1);
    let drain = Request::get("")
        .start_line("POST /api/v1/drain HTTP/1.1")
        .with("Content-Type", "application/json");
    let steering = drain.body("{}").ask(admin).await;
    assert_eq!(
        steering.0, 503,
        "who may steer can't be said: {}",
        steering.1
    );
    crate::common::Pair::chatting(&server, (48.8566, 2.3522)).await;
    let _way = Way::open(fresh.folder(), &behind);
    told("up").await;
}
