//! Guest passes, reports and bans, over sockets, with a store in a folder of its own.

#[path = "../common/mod.rs"]
mod common;

mod api;
mod bans;
mod passes;
mod reports;
mod rules;
mod slow;

use common::{Server, V1, join, with};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use whisperchat::store::{Opening, Store, StoreAt};

const PARIS: common::Place = (48.8566, 2.3522);

/// A server with a store, and the store as another process sees it.
struct House {
    server: Server,
    store: Store,
    folder: TempDir,
}

impl House {
    /// With these settings besides.
    async fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("there is room for a folder");
        let path = folder.path().to_str().expect("its path is text");
        let mut all = vec![("store.folder", path)];
        all.extend_from_slice(settings);
        let server = Server::start(&all);
        let at = StoreAt::Folder(folder.path().to_owned());
        let store = Store::open(&at, &Opening::default()).await;
        Self {
            server,
            store: store.expect("the server has made it"),
            folder,
        }
    }

    /// A client that has joined with a pass, or without, and the pass that it was given.
    async fn guest(&self, pass: Option<&str>) -> (V1, String) {
        let mut client = V1::connect(&self.server).await;
        let pass = client_pass(&mut client, pass).await;
        (client, pass)
    }

    /// Two who chat, and the passes they were given.
    async fn pair(&self) -> (V1, V1, [String; 2], Value) {
        let (mut ann, of_ann) = self.guest(None).await;
        let (mut bob, of_bob) = self.guest(None).await;
        let (matched, _) = tokio::join!(ann.expect("matched"), bob.expect("matched"));
        let chat = matched["chat"].clone();
        (ann, bob, [of_ann, of_bob], chat)
    }
}

/// Joins with a pass, or without, and returns the pass that was given.
async fn client_pass(client: &mut V1, pass: Option<&str>) -> String {
    let mut asks = join(PARIS, 10.0);
    if let Some(pass) = pass {
        asks = with(asks, json!({"pass": pass}));
    }
    let waiting = client.ask(asks, "waiting").await;
    match waiting["pass"].as_str() {
        Some(pass) => pass.to_owned(),
        None => client.fail(format!("no pass in {waiting}")),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("it is after 1970").as_millis())
        .expect("and before the year 292278994")
}

/// Waits until something is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    common::within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
