//! What keeps a server decent: guest passes, bans and reports. It is there if the server has a store.
//!
//! - `passes`: what proves that somebody was here before
//! - `guests`: what is remembered of them when they have gone
//! - `bans`: who is kept out, looked up in memory
//! - `reports`: from a person's report to the store
//! - `rules`: what happens by itself to who is reported
//!
//! Nobody who chats waits for the store: bans are in memory, and a report is answered when it is kept.

mod bans;
mod guests;
mod passes;
mod reports;
mod rules;

use super::limits::Network;
use super::store;
use super::webhook::Webhook;
use crate::config::Moderation;
use crate::lobby::Event;
use crate::store::{Ban, Key, Measure, PAGE_MAX, Store, StoreError, Writer};
use arc_swap::ArcSwap;
use passes::Passes;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::sync::Arc;
use std::time::Duration;

#[doc(hidden)]
pub use bans::Bans;
pub(super) use guests::{Guest, Guests};
pub(super) use passes::Pass;
pub(super) use reports::Case;

/// What the store calls the keys of passes.
const PURPOSE: &str = "pass";

/// How often is looked for what other servers on the same store have changed.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// How much further back each look goes than the last. A change is seen when it is committed, and bears the time at which its
/// server began with it: as much earlier as weighing and writing may take together, thrice `store.timeout_s`, and as much as the
/// clocks of two servers may be apart.
const REFRESH_OVERLAP_MS: i64 = 300_000;

/// How far back reports count that are shown beside one: 30 days.
pub(super) const AGAINST_MS: i64 = 30 * 86_400_000;

/// All of it.
#[derive(Debug)]
pub(super) struct Safety {
    pub(super) bans: Bans,
    pub(super) passes: Passes,
    /// Who is told of reports.
    pub(super) webhook: Webhook,
    writer: Writer,
    /// Those in force.
    rules: ArcSwap<Moderation>,
    acted: rules::Acted,
    evidence: reports::Evidence,
    /// What has changed until then is known.
    loaded_ms: i64,
}

/// Somebody who may not be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Banned {
    /// Why, in a sentence for them.
    pub(super) sentence: Arc<str>,
}

impl Safety {
    /// Reads the keys and the bans.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub(super) async fn load(
        writer: Writer,
        rules: &Moderation,
        webhook: Webhook,
    ) -> Result<Self, StoreError> {
        let store = writer.store();
        let at_ms = store::now_ms();
        let passes = Passes::new(&keys(store, at_ms).await?);
        let bans = Bans::default();
        let mut after = None;
        loop {
            let page = store.bans_in_force(at_ms, after, PAGE_MAX).await?;
            for ban in &page.rows {
                bans.apply(ban, at_ms);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Self {
            bans,
            passes,
            webhook,
            writer,
            rules: ArcSwap::from_pointee(rules.clone()),
            acted: rules::Acted::default(),
            evidence: reports::Evidence::default(),
            loaded_ms: at_ms,
        })
    }

    /// Goes on by these rules.
    pub(super) fn reconfigure(&self, rules: &Moderation) {
        self.rules.store(Arc::new(rules.clone()));
    }

    /// Who comes with this pass, if with any. One that is not good is as good as none: they are new then.
    pub(super) fn guest(&self, pass: Option<&str>, network: Network) -> Guest {
        let now_ms = store::now_ms();
        let known = pass.and_then(|pass| self.passes.open(pass, now_ms));
        Guest::new(known.unwrap_or_else(|| Pass::new(now_ms)), network)
    }

    /// Whether somebody may not be here: this guest, if it is known who it is, from there.
    pub(super) fn banned(&self, guest: Option<&Guest>, network: Network) -> Option<Banned> {
        let subject = guest.map(|guest| &guest.pass.subject);
        self.bans
            .find(Measure::Ban, subject, network, store::now_ms())
    }

    /// Whether a measure is in force about somebody who comes from there.
    pub(super) fn is_under(&self, measure: Measure, guest: &Guest, network: Network) -> bool {
        let subject = Some(&guest.pass.subject);
        let found = self.bans.find(measure, subject, network, store::now_ms());
        found.is_some()
    }

    /// The pass that goes with what somebody is told, if they are owed one and there is room for it.
    pub(super) fn pass_with(&self, event: &Event, guest: &mut Guest) -> Option<String> {
        let is_time = guest.owes_pass && matches!(event, Event::Waiting { .. });
        if !is_time {
            return None;
        }
        guest.owes_pass = false;
        self.passes.seal(&guest.pass, store::now_ms())
    }

    /// Takes up what has changed in the store, for as long as it is polled; `banned` is told of bans that are new here.
    pub(super) async fn refresh(&self, banned: impl Fn(&[Ban])) {
        let mut ticks = tokio::time::interval(REFRESH_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut since_ms = self.loaded_ms;
        loop {
            ticks.tick().await;
            let now_ms = store::now_ms();
            let since = since_ms - REFRESH_OVERLAP_MS;
            // While the store is away, nothing changes here; the next look goes back as far.
            if self.take_up_since(since, now_ms, &banned).await.is_ok() {
                since_ms = now_ms;
            }
            self.bans.forget_ended(now_ms);
        }
    }

    /// Takes up the bans that have changed since a moment, page by page.
    async fn take_up_since(
        &self,
        since_ms: i64,
        now_ms: i64,
        banned: impl Fn(&[Ban]),
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let store = self.writer.store();
            let mut page = store.bans_changed(since_ms, after, PAGE_MAX).await?;
            page.rows.retain(|ban| self.bans.apply(ban, now_ms));
            if !page.rows.is_empty() {
                banned(&page.rows);
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// The keys of passes, of which there is one at least.
async fn keys(store: &Store, at_ms: i64) -> Result<Vec<Key>, StoreError> {
    let mut secret = [0; passes::KEY_BYTES];
    SysRng
        .try_fill_bytes(&mut secret)
        .expect("an operating system without randomness can't run a server");
    store.key_or_add(PURPOSE, &secret, at_ms).await?;
    store.keys(PURPOSE).await
}
