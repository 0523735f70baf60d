//! How often something may happen, of which there is so much that each costs only a number.
//!
//! Limits of sessions and connections are held here. What is kept by address, in a table that many tasks
//! share, is `governor`'s: it is the same algorithm with the clock and the lock inside.

use crate::moment::Moment;
use std::time::Duration;

/// The generic cell rate algorithm (ITU-T I.371): each use costs some time, and uses may run ahead of the
/// clock by a burst. One number per limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// When everything that was used so far is paid for.
    paid_at: Moment,
}

impl Pace {
    /// How many ms too early a use of this cost would be; 0 if it is allowed.
    pub fn early_ms(self, now: Moment, burst: Duration) -> u64 {
        self.paid_at.millis_since(now + burst)
    }

    /// Something was used.
    pub fn spend(&mut self, now: Moment, cost: Duration) {
        self.paid_at = self.paid_at.max(now) + cost;
    }
}

/// What many paces are held to: so many uses at once, then one each so long.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    cost: Duration,
    slack: Duration,
}

impl Allowance {
    /// At least one use is allowed at once.
    pub fn new(burst: u32, cost: Duration) -> Self {
        Self {
            cost,
            slack: cost.saturating_mul(burst.saturating_sub(1)),
        }
    }

    /// How many ms too early one more use would be; 0 if it is allowed.
    pub fn early_ms(self, pace: Pace, now: Moment) -> u64 {
        pace.early_ms(now, self.slack)
    }

    /// One more use.
    pub fn spend(self, pace: &mut Pace, now: Moment) {
        pace.spend(now, self.cost);
    }

    /// One more use, if it is allowed; otherwise in how many ms it would be.
    pub fn try_spend(self, pace: &mut Pace, now: Moment) -> Result<(), u64> {
        match self.early_ms(*pace, now) {
            0 => {
                self.spend(pace, now);
                Ok(())
            }
            early_ms => Err(early_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let (cost, burst) = (Duration::from_secs(1), Duration::from_secs(2));
        let mut pace = Pace::default();
        let now = Moment::from_millis(500);
        for _ in 0..3 {
            assert_eq!(pace.early_ms(now, burst), 0);
            pace.spend(now, cost);
        }
        assert_eq!(pace.early_ms(now, burst), 1000);
        assert_eq!(pace.early_ms(Moment::from_millis(1499), burst), 1);
        assert_eq!(pace.early_ms(Moment::from_millis(1500), burst), 0);
    }

    #[test]
    fn an_allowance_is_a_burst_and_a_rate() {
        let allowance = Allowance::new(3, Duration::from_millis(50));
        let mut pace = Pace::default();
        let start = Moment::from_millis(1000);
        for _ in 0..3 {
            assert_eq!(allowance.try_spend(&mut pace, start), Ok(()));
        }
        assert_eq!(allowance.try_spend(&mut pace, start), Err(50));
        // What was refused cost nothing.
        let later = Moment::from_millis(1050);
        assert_eq!(allowance.try_spend(&mut pace, later), Ok(()));
        assert_eq!(allowance.try_spend(&mut pace, later), Err(50));
    }
}
