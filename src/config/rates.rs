//! How often things may happen.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often things may happen: per session, per address, and for the whole server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Messages said in chats, per session.
    pub messages: Rate,
    /// Signs of typing, per session.
    pub typing: Rate,
    /// `join`, `next`, `update`, `report` and `auth`, per session.
    pub joins: Rate,
    /// New WebSockets, per address.
    pub address: Rate,
    /// New WebSockets of everybody together.
    pub node: Rate,
    /// Networks to which none of these limits apply, nor that of connections per address.
    pub exempt: Vec<IpNet>,
}

/// A leaky bucket: so many at once, and then so many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many at once, 1…1000000.
    pub burst: u32,
    /// How many a minute for long, at most 60000; 0: no limit at all.
    pub per_minute: f64,
    /// Only count and log what is too much, and let it pass.
    pub dry_run: bool,
}

impl Rate {
    const fn new(burst: u32, per_minute: f64) -> Self {
        Self {
            burst,
            per_minute,
            dry_run: false,
        }
    }

    /// How long one use takes to be made good; `None` if there is no limit.
    pub(crate) fn cost(self) -> Option<Duration> {
        every(self.per_minute)
    }
}

/// After how long something may happen again that may happen so many times a minute; `None`, for 0, if there
/// is no limit.
pub(crate) fn every(per_minute: f64) -> Option<Duration> {
    (per_minute > 0.0).then(|| Duration::from_secs_f64(60.0 / per_minute))
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // Far above what fingers do, pasting included; far below what fills a partner's outbox.
            messages: Rate::new(100, 1200.0),
            // A client that tells of every key pressed stays below this.
            typing: Rate::new(60, 600.0),
            // Somebody who skips through partners needs one each few seconds.
            joins: Rate::new(30, 120.0),
            // 32 in 10 minutes: a household that goes through a tunnel and comes back.
            address: Rate::new(32, 3.2),
            // All who return after a restart, spread over seconds.
            node: Rate::new(10_000, 60_000.0),
            exempt: ["127.0.0.0/8", "::1/128"]
                .map(|network| network.parse().expect("it is a network"))
                .to_vec(),
        }
    }
}
