//! What a service manager is told, if one started the server and wants to know: `sd_notify(3)`.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is said to anybody.

use crate::server::Census;
use sd_notify::NotifyState;
use std::time::Duration;

/// The server listens, or goes on with new settings.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The settings are being read again; [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager can't be told of the reload"),
    }
}

/// The server takes leave of its clients.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the server is alive, twice in the time in which it has to, for as long as it can answer for its
/// own lobby. Ends at once if nobody wants to know.
pub(super) async fn keep_alive(census: impl Fn() -> Census) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut turns = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        turns.tick().await;
        census();
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager can't be told");
    }
}
