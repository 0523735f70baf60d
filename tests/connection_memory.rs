//! What a connection costs, in bytes of the heap, counted by the allocator: with a baseline in the repository that
//! growth is held against. Alone in its process, so that nothing else is counted.
//!
//! `CONNECTION_MEMORY=write cargo test --test connection_memory` writes what is measured into the baseline.

#[path = "../benches/support/client.rs"]
#[allow(dead_code, reason = "this uses a part of it")]
mod client;
#[path = "../benches/support/places.rs"]
#[allow(dead_code, reason = "this uses a part of it")]
mod places;

use client::Client;
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use whisperchat::config::{AdminListen, Config};
use whisperchat::server::Server;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Connections at two counts. The one is twice the other, so that tables that double are as full at both.
const COUNTS: [usize; 2] = [1000, 2000];

/// More than this above the baseline fails.
const GROWTH_MAX: f64 = 0.05;

/// The heap has settled when it is the same in so many readings.
const READINGS_SAME: usize = 10;
const READING: Duration = Duration::from_millis(20);
const SETTLED_MAX: Duration = Duration::from_secs(20);

const BASELINE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/connection-memory-baseline.json"
);

/// Live bytes of the heap.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cost {
    /// For each connection that waits: its task, its session, its ticket and its place in the tree.
    waiting: f64,
    /// For each pair that chats: two connections, and what each has said once and seen.
    chatting_pair: f64,
}

/// A server on one thread, so that things happen in the same order each time.
struct House {
    address: SocketAddr,
    stop: CancellationToken,
}

impl House {
    fn open() -> Self {
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin_listen: AdminListen::Off,
            ..Config::default()
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (address, addresses) = mpsc::channel();
        spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(config).await.unwrap();
                address.send(server.local_addr().unwrap()).unwrap();
                server.run(stopped).await;
            });
        });
        Self {
            address: addresses.recv().unwrap(),
            stop,
        }
    }

    /// Somebody who has been told that they wait.
    fn waiting(&self, place: usize) -> Client {
        let mut client = Client::connect(self.address, "/v1/ws").unwrap();
        client.expect(r#"{"type":"welcome""#).unwrap();
        client.say(&places::join(place)).unwrap();
        client.expect(r#"{"type":"waiting""#).unwrap();
        client
    }

    /// Two who have both said something, and acknowledged what the other said.
    fn chatting(&self, place: usize) -> [Client; 2] {
        let mut pair = [self.waiting(place), self.waiting(place)];
        for client in &mut pair {
            client.expect(r#"{"type":"matched""#).unwrap();
        }
        for (speaker, hearer) in [(0, 1), (1, 0)] {
            pair[speaker]
                .say(r#"{"type":"say","id":"1","text":"hello there"}"#)
                .unwrap();
            pair[speaker].expect(r#"{"type":"accepted""#).unwrap();
            pair[hearer].expect(r#"{"type":"said""#).unwrap();
            pair[hearer].say(r#"{"type":"ack","seq":1}"#).unwrap();
            pair[speaker].expect(r#"{"type":"delivered""#).unwrap();
        }
        pair
    }

    /// The live bytes that come with each more of something, once there are many.
    fn bytes_each<T>(&self, come: impl Fn(&Self, usize) -> T, counts: [usize; 2]) -> f64 {
        let mut present = Vec::with_capacity(counts[1]);
        let [few, many] = counts.map(|count| {
            while present.len() < count {
                present.push(come(self, present.len()));
            }
            settled_bytes()
        });
        (many - few) / (counts[1] - counts[0]) as f64
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn live_bytes() -> f64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

/// The live bytes once they stay as they are.
fn settled_bytes() -> f64 {
    let start = Instant::now();
    let mut live = live_bytes();
    let mut same = 0;
    while same < READINGS_SAME {
        assert!(start.elapsed() < SETTLED_MAX, "the heap does not settle");
        sleep(READING);
        let now = live_bytes();
        same = if now == live { same + 1 } else { 0 };
        live = now;
    }
    live
}

fn measured() -> Cost {
    let waiting = House::open().bytes_each(House::waiting, COUNTS);
    let pairs = COUNTS.map(|count| count / 2);
    let chatting_pair = House::open().bytes_each(House::chatting, pairs);
    Cost {
        waiting: waiting.round(),
        chatting_pair: chatting_pair.round(),
    }
}

#[test]
fn a_connection_costs_no_more_than_it_did() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let now = measured();
    if std::env::var("CONNECTION_MEMORY").is_ok_and(|value| value == "write") {
        let text = serde_json::to_string_pretty(&now).unwrap() + "\n";
        fs::write(BASELINE, text).unwrap();
    }
    let text = fs::read_to_string(BASELINE).expect("the repository has a baseline");
    let before: Cost = serde_json::from_str(&text).unwrap();
    for (what, before, now) in [
        ("a connection that waits", before.waiting, now.waiting),
        ("a pair that chats", before.chatting_pair, now.chatting_pair),
    ] {
        let growth = now / before - 1.0;
        println!(
            "{what}: {before} bytes of heap before, {now} now ({:+.1} %)",
            growth * 100.0
        );
        assert!(
            now > 100.0,
            "{what} can't cost as little as {now} bytes: nothing was measured"
        );
        assert!(
            growth <= GROWTH_MAX,
            "{what} costs {now} bytes of heap, more than {} % above the baseline of {before}. If that is meant, run \
             CONNECTION_MEMORY=write cargo test --test connection_memory and say in the commit what for.",
            GROWTH_MAX * 100.0
        );
    }
}
