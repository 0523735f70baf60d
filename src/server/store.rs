//! The store beside the server: how it is, and the end of what has been kept for long enough.

use super::listen::Shared;
use crate::store::WriterStatus;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often to look for rows that have been kept for long enough.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// How long to rest between two sweeps when one was not enough, so that others are served in between.
const SWEEP_REST: Duration = Duration::from_secs(1);

/// How long letting go of the store may take when the server stops: what is acknowledged is on the disk already.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is no reason to fall over.
    let millis = since_epoch.unwrap_or_default().as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}

impl Shared {
    /// How the store is, if there is one.
    pub(super) fn store_status(&self) -> Option<WriterStatus> {
        Some(self.store.as_ref()?.status())
    }
}

/// Removes what has been kept for long enough, for as long as it is polled.
pub(super) async fn sweep(shared: &Shared) {
    let Some(writer) = &shared.store else { return };
    loop {
        let retention = {
            let config = shared.config();
            config.store.retention(&config.webhook)
        };
        let rest = match writer.store().sweep(now_ms(), &retention).await {
            Ok(swept) => {
                tracing::debug!(?swept, "swept the store");
                if let Some(safety) = &shared.rules.hub.safety {
                    safety.webhook.gave_up(swept.calls);
                }
                if swept.is_more {
                    SWEEP_REST
                } else {
                    SWEEP_EVERY
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the store was not swept");
                SWEEP_EVERY
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// Lets go of the store.
pub(super) async fn close(shared: &Shared) {
    let Some(writer) = &shared.store else { return };
    if tokio::time::timeout(CLOSE_MAX, writer.store().close())
        .await
        .is_err()
    {
        tracing::warn!("the store was not closed in time");
    }
}
