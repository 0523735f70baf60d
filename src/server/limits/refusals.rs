//! How often which limit was reached.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a limit that was reached is not logged again: an attack must not fill the disk.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What can be refused because it is too much, or because of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Connections of one address at once.
    AddressConnections,
    /// New WebSockets of one address.
    AddressRate,
    /// New WebSockets of everybody together.
    NodeRate,
    /// WebSockets at once.
    NodeConnections,
    /// Messages of one session.
    Messages,
    /// Signs of typing of one session.
    Typing,
    /// `join`, `next`, `update`, `report` and `auth` of one session.
    Joins,
    /// Changes of position of one session.
    Moves,
    /// Errors of one connection within a minute.
    Errors,
    /// Pages of other origins.
    Origin,
    /// Headers of proxies that could not be read.
    Proxy,
    /// Outboxes that were full, or of which nothing was taken for too long.
    Outbox,
    /// Who is banned.
    Bans,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::AddressConnections,
        Self::AddressRate,
        Self::NodeRate,
        Self::NodeConnections,
        Self::Messages,
        Self::Typing,
        Self::Joins,
        Self::Moves,
        Self::Errors,
        Self::Origin,
        Self::Proxy,
        Self::Outbox,
        Self::Bans,
    ];

    /// One word, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressConnections => "address_connections",
            Self::AddressRate => "address_rate",
            Self::NodeRate => "node_rate",
            Self::NodeConnections => "node_connections",
            Self::Messages => "messages",
            Self::Typing => "typing",
            Self::Joins => "joins",
            Self::Moves => "moves",
            Self::Errors => "errors",
            Self::Origin => "origin",
            Self::Proxy => "proxy",
            Self::Outbox => "outbox",
            Self::Bans => "bans",
        }
    }
}

/// Counts of what was refused since the start, by limit.
#[derive(Debug)]
pub struct Refusals {
    tallies: [Tally; Limit::ALL.len()],
    start: Instant,
}

#[derive(Debug, Default)]
struct Tally {
    refused: AtomicU64,
    /// In a dry run.
    let_pass: AtomicU64,
    /// Until when nothing is logged, in ms since the start.
    quiet_until_ms: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            tallies: Default::default(),
            start: Instant::now(),
        }
    }
}

impl Refusals {
    /// How many were refused.
    pub fn refused(&self, limit: Limit) -> u64 {
        self.tally(limit).refused.load(Ordering::Relaxed)
    }

    /// How many would have been refused, but the limit is a dry run.
    pub fn passed(&self, limit: Limit) -> u64 {
        self.tally(limit).let_pass.load(Ordering::Relaxed)
    }

    pub(in crate::server) fn refuse(&self, limit: Limit) {
        self.tally(limit).refused.fetch_add(1, Ordering::Relaxed);
        self.log(limit);
    }

    pub(in crate::server) fn let_pass(&self, limit: Limit) {
        self.tally(limit).let_pass.fetch_add(1, Ordering::Relaxed);
        self.log(limit);
    }

    /// Counts one that is too much, and says whether it is refused.
    pub(in crate::server) fn is_refused(&self, limit: Limit, is_dry_run: bool) -> bool {
        if is_dry_run {
            self.let_pass(limit);
        } else {
            self.refuse(limit);
        }
        !is_dry_run
    }

    fn tally(&self, limit: Limit) -> &Tally {
        &self.tallies[limit as usize]
    }

    /// Says that a limit was reached, the first time and then not too often. Nobody is named.
    fn log(&self, limit: Limit) {
        let whole_ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let now_ms = whole_ms(self.start.elapsed());
        let tally = self.tally(limit);
        let quiet_until_ms = tally.quiet_until_ms.load(Ordering::Relaxed);
        let speaks = now_ms >= quiet_until_ms
            && tally
                .quiet_until_ms
                .compare_exchange(
                    quiet_until_ms,
                    now_ms + whole_ms(LOG_EVERY),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        if speaks {
            tracing::warn!(
                limit = limit.name(),
                refused = self.refused(limit),
                let_pass = self.passed(limit),
                "a limit was reached"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_own_count_and_name() {
        let refusals = Refusals::default();
        for (number, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, number);
            assert!(refusals.is_refused(limit, false));
            assert!(!refusals.is_refused(limit, true));
            assert_eq!((refusals.refused(limit), refusals.passed(limit)), (1, 1));
        }
        let mut names = Limit::ALL.map(Limit::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
