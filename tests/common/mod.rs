//! What the tests of the wire contract share: the server as a process, and clients of it that know the
//! contract and nothing else.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its part of this"
)]

mod classic;
mod command;
mod http;
mod raw;
mod server;
mod socket;
mod v1;

pub(crate) use classic::Classic;
pub(crate) use command::{EXIT_USAGE, outcome, whisperchat};
pub(crate) use http::{ACCEPT, KEY, Request, Response};
pub(crate) use raw::{Frame, Raw, Received};
pub(crate) use server::Server;
pub(crate) use v1::{Pair, Place, V1, join, joined, resume, with};

use std::time::Duration;

/// How long anything may take before the test that waits for it fails: far more than it ever takes.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// Waits for `future`, and fails naming `what` if it takes longer than [`WAIT`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(WAIT, future).await else {
        panic!("waited {WAIT:?} in vain for {what}");
    };
    value
}

/// Waits until something is so.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
