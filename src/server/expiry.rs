//! Connections that end when their tokens do.
//!
//! Each stands once in a wheel of its own, however often its token is renewed: when its turn comes, it is
//! put where it belongs by then. A connection without a token has no place in it and costs nothing.

use super::outbox::Outbox;
use std::sync::{Arc, Weak};

/// Slots of one second. Who is gone is forgotten within as many.
const SLOTS: usize = 64;

/// A hashed timing wheel that turns once a second, as that of the pings does.
#[derive(Debug)]
pub(super) struct Expiries {
    slots: [Vec<Weak<Outbox>>; SLOTS],
    at: usize,
}

impl Default for Expiries {
    fn default() -> Self {
        Self {
            slots: [const { Vec::new() }; SLOTS],
            at: 0,
        }
    }
}

impl Expiries {
    /// Looks after a connection from its first token on.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>, now_s: u32) {
        self.put(Arc::downgrade(outbox), outbox.ends_at_s(), now_s);
    }

    /// A second has passed: ends those whose time is over. O(connections with tokens / [`SLOTS`]).
    pub(super) fn turn(&mut self, now_s: u32) {
        self.at = (self.at + 1) % SLOTS;
        for watched in std::mem::take(&mut self.slots[self.at]) {
            let Some(outbox) = watched.upgrade() else {
                continue;
            };
            let ends_at_s = outbox.ends_at_s();
            if ends_at_s <= now_s {
                outbox.hang_up_expired();
            } else {
                self.put(watched, ends_at_s, now_s);
            }
        }
    }

    fn put(&mut self, watched: Weak<Outbox>, ends_at_s: u32, now_s: u32) {
        let after = (ends_at_s.saturating_sub(now_s) as usize).clamp(1, SLOTS - 1);
        self.slots[(self.at + after) % SLOTS].push(watched);
    }
}
