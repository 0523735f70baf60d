//! The time of a run, the same in all of its processes.

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nanoseconds of a second.
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// Tells nanoseconds since the start of a run.
///
/// By the system's monotonic clock, which all processes of a machine read alike, so a message that was
/// meant to be said in one process can be timed in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    origin_ns: u64,
}

impl Clock {
    /// A run that starts now.
    pub(super) fn start() -> Self {
        Self {
            origin_ns: system_ns(),
        }
    }

    /// Nanoseconds since the start.
    pub(super) fn now_ns(self) -> u64 {
        system_ns().saturating_sub(self.origin_ns)
    }

    /// A moment of the run as the system's clock has it.
    pub(super) fn on_system(self, at_ns: u64) -> Duration {
        Duration::from_nanos(self.origin_ns.saturating_add(at_ns))
    }
}

fn system_ns() -> u64 {
    // Refused are only clocks that don't exist; every Unix has this one.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a monotonic clock");
    u64::try_from(Duration::from(now).as_nanos()).expect("no machine runs for centuries")
}

/// Seconds as nanoseconds; below zero counts as zero.
pub(super) fn ns(seconds: f64) -> u64 {
    (seconds * SECOND_NS as f64) as u64
}

/// Nanoseconds as seconds.
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / SECOND_NS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_another_process_tells_the_same_time() {
        let clock = Clock::start();
        let sent = serde_json::to_string(&clock).unwrap();
        let copy: Clock = serde_json::from_str(&sent).unwrap();
        let before = clock.now_ns();
        let between = copy.now_ns();
        assert!(before <= between && between <= clock.now_ns());
        assert!(between < 60 * SECOND_NS, "it starts at zero");
    }
}
