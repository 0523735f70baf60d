//! Clients that take nothing of what is sent to them.
//!
//! Only connections whose socket is full are looked after, so the others cost nothing here.

use super::outbox::Outbox;
use crate::dialect::CloseCode;
use crate::moment::Moment;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The connections that can't send at the moment.
#[derive(Debug)]
pub(super) struct Stalls {
    /// Each at most once.
    watched: Mutex<Vec<Weak<Outbox>>>,
    max_ms: AtomicU64,
}

impl Stalls {
    /// Nobody may stall for longer than this.
    pub(super) fn new(max: Duration) -> Self {
        Self {
            watched: Mutex::default(),
            max_ms: AtomicU64::new(whole_ms(max)),
        }
    }

    /// Nobody may stall for longer than this from now on.
    pub(super) fn reconfigure(&self, max: Duration) {
        self.max_ms.store(whole_ms(max), Ordering::Relaxed);
    }

    /// A connection's socket has taken what it could, and there is more.
    pub(super) fn stalled(&self, outbox: &Arc<Outbox>, now: Moment) {
        if outbox.stalls(now) {
            self.watched.lock().push(Arc::downgrade(outbox));
        }
    }

    /// Ends those that have stalled for too long, and forgets those that no longer do. O(stalled).
    pub(super) fn look(&self, now: Moment) {
        let max_ms = self.max_ms.load(Ordering::Relaxed);
        self.watched.lock().retain(|outbox| {
            let Some(outbox) = outbox.upgrade() else {
                return false;
            };
            match outbox.stalled_ms(now) {
                None => false,
                Some(ms) if ms < max_ms => true,
                Some(_) => {
                    outbox.hang_up(CloseCode::TooSlow, "nothing was read for too long");
                    false
                }
            }
        });
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::outbox::{OutboxBounds, Taken};
    use super::*;
    use crate::dialect::Dialect;
    use crate::lobby::SessionId;
    use crate::server::limits::Network;
    use std::task::{Context, Waker};

    fn at_s(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn is_over(outbox: &Outbox) -> bool {
        let taken = outbox.take(&Context::from_waker(Waker::noop()));
        matches!(taken, Taken::LastFrames(_, CloseCode::TooSlow))
    }

    #[test]
    fn who_takes_nothing_is_given_up_and_who_takes_a_little_is_not() {
        let bounds = OutboxBounds {
            bytes: 1000,
            events: 10,
        };
        let connection = || {
            let session = SessionId::default();
            Arc::new(Outbox::new(
                Dialect::V1,
                bounds,
                session,
                Network::NOWHERE,
                Moment::START,
            ))
        };
        let stalls = Stalls::new(Duration::from_secs(10));
        let (deaf, slow, quick, gone) = (connection(), connection(), connection(), connection());
        for outbox in [&deaf, &slow, &quick, &gone] {
            stalls.stalled(outbox, at_s(0));
        }
        drop(gone);
        quick.flows();
        stalls.look(at_s(5));
        assert_eq!(stalls.watched.lock().len(), 2);
        // It has taken a little, and there is more again.
        slow.flows();
        stalls.stalled(&slow, at_s(6));
        assert_eq!(stalls.watched.lock().len(), 2, "each at most once");
        stalls.look(at_s(10));
        assert!(is_over(&deaf));
        assert!(!is_over(&slow) && !is_over(&quick));
        stalls.look(at_s(16));
        assert!(is_over(&slow));
        stalls.stalled(&quick, at_s(20));
        stalls.look(at_s(29));
        assert!(!is_over(&quick));
        stalls.look(at_s(30));
        assert!(is_over(&quick), "it is watched again");
        assert!(stalls.watched.lock().is_empty());
    }
}
