//! A service that keeps failing is left alone for a moment, so that not everybody waits for it in vain; and whoever reads
//! the log hears once that it fails, and once that it is back.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// After so many failures in a row it is left alone.
const FAILURES_MAX: u32 = 5;

/// For so long; then one asks at a time, until there is an answer again.
pub(super) const REST: Duration = Duration::from_secs(1);

/// How often at most it is said that it fails: one that fails now and then must not fill the disk.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// How the service has done of late.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    /// Failures in a row.
    failures: u32,
    /// Until when it is left alone, once there were too many of them.
    rests_until: Option<Instant>,
    /// Whether it was said that it fails, and not yet that it is back.
    is_said: bool,
    /// When it was last said that it fails.
    said_at: Option<Instant>,
}

impl Circuit {
    /// Whether it is asked now, by somebody who waits for `limit` at most.
    pub(super) fn lets_ask(&self, now: Instant, limit: Duration) -> bool {
        let mut lately = self.0.lock();
        if lately.failures < FAILURES_MAX {
            return true;
        }
        if lately.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        // Nobody else asks before the outcome, or before that would have come.
        lately.rests_until = Some(now + limit + REST);
        true
    }

    /// It has answered. Returns whether that is to be said.
    pub(super) fn answered(&self) -> bool {
        let mut lately = self.0.lock();
        lately.failures = 0;
        std::mem::take(&mut lately.is_said)
    }

    /// It has not. Returns whether that is to be said.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut lately = self.0.lock();
        lately.failures = lately.failures.saturating_add(1);
        lately.rests_until = Some(now + REST);
        let was_quiet = |at: Instant| now.saturating_duration_since(at) >= SAID_EVERY;
        if lately.is_said || !lately.said_at.is_none_or(was_quiet) {
            return false;
        }
        lately.is_said = true;
        lately.said_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    #[test]
    fn after_failures_in_a_row_one_asks_at_a_time_until_there_is_an_answer() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        for _ in 0..2 {
            for _ in 1..FAILURES_MAX {
                circuit.failed(start);
                assert!(circuit.lets_ask(start, LIMIT));
            }
            circuit.answered();
        }
        for _ in 0..FAILURES_MAX {
            assert!(circuit.lets_ask(start, LIMIT));
            circuit.failed(start);
        }
        assert!(!circuit.lets_ask(start, LIMIT));
        let rested = start + REST;
        assert!(circuit.lets_ask(rested, LIMIT));
        assert!(!circuit.lets_ask(rested, LIMIT), "one is enough");
        circuit.failed(rested);
        assert!(!circuit.lets_ask(rested, LIMIT));
        assert!(circuit.lets_ask(rested + REST, LIMIT));
        circuit.answered();
        for _ in 0..2 {
            assert!(circuit.lets_ask(rested + REST, LIMIT));
        }
    }

    #[test]
    fn one_who_asked_and_never_came_back_keeps_nobody_from_asking_for_good() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            circuit.failed(start);
        }
        let rested = start + REST;
        assert!(circuit.lets_ask(rested, LIMIT));
        assert!(!circuit.lets_ask(rested + LIMIT, LIMIT));
        assert!(circuit.lets_ask(rested + LIMIT + REST, LIMIT));
    }

    #[test]
    fn failing_and_being_back_are_said_once_each_and_not_too_often() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        assert!(!circuit.answered(), "nothing was wrong");
        assert!(circuit.failed(start));
        assert!(!circuit.failed(start));
        assert!(circuit.answered());
        assert!(!circuit.answered());
        assert!(!circuit.failed(start + SAID_EVERY / 2));
        assert!(!circuit.answered(), "nobody heard that it failed");
        assert!(circuit.failed(start + SAID_EVERY));
    }
}
