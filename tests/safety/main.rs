//! Guest passes, reports, bans and the webhook, over sockets, with a store in a folder of its own; and messages that are
//! checked.

#[path = "../common/mod.rs"]
mod common;

mod api;
mod bans;
mod message_check;
mod passes;
mod reports;
mod rules;
mod service;
mod slow;
mod webhook;

use common::{Server, V1, join, until, with};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
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
        let server = serve(&folder, settings);
        let at = StoreAt::Folder(folder.path().to_owned());
        let store = Store::open(&at, &Opening::default()).await;
        Self {
            server,
            store: store.expect("the server has made it"),
            folder,
        }
    }

    /// Kills the server as the system would, and starts it again on the same store.
    fn kill_and_start(&mut self, settings: &[(&str, &str)]) {
        self.server.signal("-KILL");
        self.server = serve(&self.folder, settings);
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

/// A server that keeps its store there.
fn serve(folder: &TempDir, settings: &[(&str, &str)]) -> Server {
    let path = folder.path().to_str().expect("its path is text");
    let mut all = vec![("store.folder", path)];
    all.extend_from_slice(settings);
    Server::start(&all)
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
