//! Stopping when the system, or a person at a terminal, asks for it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by the first SIGINT or SIGTERM, after `at_first`; the second ends the process at once, after
/// `at_second`.
pub(super) fn stop_on_signal(
    at_first: impl Fn() + Send + 'static,
    at_second: impl Fn() + Send + 'static,
) -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        for is_second in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_second {
                at_second();
                std::process::exit(1);
            }
            at_first();
            stopping.cancel();
        }
    });
    Ok(stop)
}
