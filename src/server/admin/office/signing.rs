//! The keys that access tokens are signed with: kept in the store, so that all servers of it take each other's tokens,
//! and replaced now and then.

use crate::accounts::token::{Access, FirstStep, KEY_MS, Keyring, NotGood, OVERLAP_MS, draw_seed};
use crate::store::{Key, Store, StoreError};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use std::sync::Arc;

/// What the store calls them.
const PURPOSE: &str = "access";

/// How old what is known of the keys may be, in ms: another server may have added one.
const FRESH_MS: i64 = 60_000;

/// How soon it is worth looking again for a key that is not known, in ms.
const PATIENCE_MS: i64 = 1000;

/// Signs and checks.
#[derive(Debug)]
pub(super) struct Signing {
    store: Store,
    random: Arc<Mutex<StdRng>>,
    known: ArcSwapOption<Known>,
}

/// Keys, as they were when they were last looked at.
#[derive(Debug)]
struct Known {
    keyring: Keyring,
    looked_ms: i64,
}

/// Why a token is not taken.
#[derive(Debug)]
pub(super) enum Refused {
    NotGood(NotGood),
    Store(StoreError),
}

impl Signing {
    pub(super) fn new(store: Store, random: Arc<Mutex<StdRng>>) -> Self {
        Self {
            store,
            random,
            known: ArcSwapOption::empty(),
        }
    }

    /// Whom an access token lets in.
    pub(super) async fn check(&self, token: &str, now_ms: i64) -> Result<Access, Refused> {
        let known = self.known(now_ms).await.map_err(Refused::Store)?;
        let now_s = now_ms / 1000;
        let checked = known.keyring.check_access(token, now_s);
        if checked != Err(NotGood::UnknownKey) || now_ms - known.looked_ms < PATIENCE_MS {
            return checked.map_err(Refused::NotGood);
        }
        // Another server may have signed it by a key that is newer than what is known here.
        let known = self.look(now_ms).await.map_err(Refused::Store)?;
        let checked = known.keyring.check_access(token, now_s);
        checked.map_err(Refused::NotGood)
    }

    pub(super) async fn sign_access(
        &self,
        access: Access,
        now_ms: i64,
    ) -> Result<String, StoreError> {
        let known = self.known(now_ms).await?;
        Ok(known.keyring.sign_access(access, now_ms / 1000))
    }

    pub(super) async fn sign_factor(
        &self,
        step: &FirstStep,
        now_ms: i64,
    ) -> Result<String, StoreError> {
        let known = self.known(now_ms).await?;
        Ok(known.keyring.sign_factor(step, now_ms / 1000))
    }

    pub(super) async fn check_factor(
        &self,
        token: &str,
        now_ms: i64,
    ) -> Result<Result<FirstStep, NotGood>, StoreError> {
        let known = self.known(now_ms).await?;
        Ok(known.keyring.check_factor(token, now_ms / 1000))
    }

    async fn known(&self, now_ms: i64) -> Result<Arc<Known>, StoreError> {
        let known = self.known.load_full();
        if let Some(known) = known {
            if now_ms - known.looked_ms < FRESH_MS {
                return Ok(known);
            }
            // What is known is good enough while the store is away.
            return Ok(self.look(now_ms).await.unwrap_or(known));
        }
        self.look(now_ms).await
    }

    /// Looks at the keys in the store, and adds one if there is none, or the newest is old.
    async fn look(&self, now_ms: i64) -> Result<Arc<Known>, StoreError> {
        let seed = draw_seed(&mut *self.random.lock());
        let newest = self.store.key_or_add(PURPOSE, &seed, now_ms).await?;
        if now_ms - newest.created_at_ms >= KEY_MS {
            // Two servers may both do so: then the key of the first is good for as long as the old one.
            let seed = draw_seed(&mut *self.random.lock());
            let until_ms = now_ms + OVERLAP_MS;
            self.store
                .replace_keys(PURPOSE, &seed, now_ms, until_ms)
                .await?;
        }
        let keys = self.store.keys(PURPOSE).await?;
        let is_good = |key: &&Key| {
            key.retired_at_ms
                .is_none_or(|retired_ms| now_ms < retired_ms)
        };
        let seeds = keys.iter().filter(is_good);
        let seeds = seeds.map(|key| (key.id.to_string(), key.secret.as_slice()));
        let keyring = Keyring::new(seeds).ok_or_else(broken)?;
        let known = Arc::new(Known {
            keyring,
            looked_ms: now_ms,
        });
        self.known.store(Some(Arc::clone(&known)));
        Ok(known)
    }
}

/// Somebody else's hand in the tables.
fn broken() -> StoreError {
    StoreError::Unacceptable("a key of access tokens is no key")
}
