//! Telling somebody of reports: the operator's own software, where the settings name it (`webhook.url`). The form is that of
//! Standard Webhooks 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks>).
//!
//! A call is kept in the transaction that keeps its report, and stays in the store until it is delivered or nobody wants it
//! any more, so that no end of this process loses one. Each is taken by one server at a time. What fails is tried again, with
//! the same id and the same body. What was delivered is delivered again if the store doesn't hear of it: its receiver knows the
//! id. Nobody who chats or reports waits for any of it.
//!
//! - `body`: what is told of a report
//! - `endpoint`: whom to call, how calls are signed, and what an answer means
//! - `retry`: when to try again

mod body;
mod endpoint;
mod retry;

use super::listen::Shared;
use super::outbound::Complaint;
use super::safety::AGAINST_MS;
use super::store::now_ms;
use crate::store::{Added, Call, NewCall, Store};
use arc_swap::ArcSwapOption;
use endpoint::Outcome;
use futures_util::future::join_all;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};

pub(super) use endpoint::Endpoint;

/// How many calls are under way at once at most.
const SENDS_MAX: usize = 4;

/// How often the store is asked for calls that nobody here has heard of: of other servers, and those to be tried again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whom to call, and what has come of it.
#[derive(Debug, Default)]
pub(super) struct Webhook {
    /// Unset: nobody.
    endpoint: ArcSwapOption<Endpoint>,
    /// Rung when there may be something to do.
    bell: Notify,
    /// Held by who looks for something to do.
    lookout: Mutex<()>,
    /// Until when the receiver has asked to be left alone, in ms since the epoch.
    rests_until_ms: AtomicI64,
    complaint: Complaint,
    waiting: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

/// What has come of calls, and how many wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebhookFigures {
    pub(super) waiting: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) given_up: u64,
    pub(super) dropped: u64,
}

impl Webhook {
    pub(super) fn new(endpoint: Option<Endpoint>) -> Self {
        Self {
            endpoint: ArcSwapOption::from_pointee(endpoint),
            ..Self::default()
        }
    }

    /// Goes on with this endpoint.
    pub(super) fn renew(&self, endpoint: Option<Endpoint>) {
        self.endpoint.store(endpoint.map(Arc::new));
        self.rests_until_ms.store(0, Ordering::Relaxed);
        self.bell.notify_one();
    }

    /// The call that is to tell of a report that is made now, if anybody is called.
    pub(super) fn new_call(&self, at_ms: i64) -> Option<NewCall> {
        self.endpoint.load().as_ref()?;
        let mut id = [0; 16];
        SysRng
            .try_fill_bytes(&mut id)
            .expect("an operating system without randomness can't run a server");
        Some(NewCall {
            name: format!("msg_{:032x}", u128::from_be_bytes(id)),
            against_since_ms: at_ms - AGAINST_MS,
        })
    }

    /// A report was kept.
    pub(super) fn kept(&self, added: &Added) {
        if added.is_call_dropped {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.bell.notify_one();
        }
    }

    /// So many calls were tried for long enough, and are gone.
    pub(super) fn gave_up(&self, calls: u64) {
        if calls > 0 {
            self.given_up.fetch_add(calls, Ordering::Relaxed);
            tracing::warn!(calls, "reports were not delivered within webhook.keep_h");
        }
    }

    /// What has come of calls so far.
    pub(super) fn figures(&self) -> WebhookFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookFigures {
            waiting: read(&self.waiting),
            delivered: read(&self.delivered),
            failed: read(&self.failed),
            given_up: read(&self.given_up),
            dropped: read(&self.dropped),
        }
    }

    /// Says once that nothing can be delivered, and once that it can again.
    fn report(&self, reason: Option<&str>) {
        if !self.complaint.is_news(reason.is_some()) {
            return;
        }
        if let Some(reason) = reason {
            tracing::warn!(reason, "reports can't be delivered to webhook.url");
        } else {
            tracing::info!("reports are delivered to webhook.url again");
        }
    }
}

/// Delivers what waits, for as long as it is polled.
pub(super) async fn deliver(shared: &Shared) {
    let (Some(safety), Some(writer)) = (&shared.rules.hub.safety, &shared.store) else {
        return;
    };
    let courier = Courier {
        webhook: &safety.webhook,
        store: writer.store(),
        shared,
    };
    let couriers = join_all((0..SENDS_MAX).map(|_| courier.run()));
    tokio::join!(couriers, courier.count());
}

/// Who takes calls out of the store, and to their receiver.
struct Courier<'a> {
    webhook: &'a Webhook,
    store: &'a Store,
    shared: &'a Shared,
}

impl Courier<'_> {
    async fn run(&self) {
        loop {
            let (endpoint, call) = self.next().await;
            let outcome = endpoint.send(&call, now_ms()).await;
            self.settle(&call, outcome).await;
        }
    }

    /// Waits for a call that is to be tried. One looks for all, so that the store is not asked more often than it has to be.
    async fn next(&self) -> (Arc<Endpoint>, Call) {
        let _lookout = self.webhook.lookout.lock().await;
        loop {
            let endpoint = self.webhook.endpoint.load_full();
            if let Some(endpoint) = endpoint
                && let Some(call) = self.claim(&endpoint, now_ms()).await
            {
                return (endpoint, call);
            }
            // Whichever is first.
            let _ = timeout(LOOK_EVERY, self.webhook.bell.notified()).await;
        }
    }

    /// Counts what waits, not too often: it takes as long as there are many. All who call may be busy meanwhile.
    async fn count(&self) {
        loop {
            if self.webhook.endpoint.load().is_some()
                && let Ok(waiting) = self.store.calls_waiting().await
            {
                self.webhook.waiting.store(waiting, Ordering::Relaxed);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn claim(&self, endpoint: &Endpoint, now_ms: i64) -> Option<Call> {
        if now_ms < self.webhook.rests_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let keep_ms = {
            let config = self.shared.config();
            config.store.retention(&config.webhook).calls_ms
        };
        let until_ms = now_ms + endpoint.lease_ms();
        let claimed = self.store.claim_call(now_ms, now_ms - keep_ms, until_ms);
        claimed.await.unwrap_or_else(|error| {
            // While the store is away nobody can do anything, and it says so itself.
            if !error.is_away() {
                self.webhook.report(Some(&error.to_string()));
            }
            None
        })
    }

    /// Notes what has come of a call. If the store doesn't take the note, the call is tried again when nobody has it any more.
    async fn settle(&self, call: &Call, outcome: Outcome) {
        let webhook = self.webhook;
        let noted = match outcome {
            Outcome::Delivered => {
                webhook.delivered.fetch_add(1, Ordering::Relaxed);
                webhook.report(None);
                self.store.end_call(call.id).await
            }
            Outcome::Unwanted(reason) => {
                webhook.given_up.fetch_add(1, Ordering::Relaxed);
                webhook.report(Some(&reason));
                self.store.end_call(call.id).await
            }
            Outcome::Failed { reason, rest_ms } => {
                webhook.failed.fetch_add(1, Ordering::Relaxed);
                webhook.report(Some(&reason));
                let now_ms = now_ms();
                let rest_ms = rest_ms.unwrap_or(0);
                let rests_until_ms = &webhook.rests_until_ms;
                rests_until_ms.fetch_max(now_ms + rest_ms, Ordering::Relaxed);
                let wait_ms = retry::wait_ms(call.tries, &mut rand::rng()).max(rest_ms);
                self.store.put_off_call(call, now_ms + wait_ms).await
            }
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "what came of a call was not noted");
        }
    }
}
