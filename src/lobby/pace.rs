//! How often something may happen.

use crate::moment::Moment;
use std::time::Duration;

/// The generic cell rate algorithm (ITU-T I.371): each use costs some time, and uses may run ahead of the
/// clock by a burst. One number per limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// When everything that was used so far is paid for.
    paid_at: Moment,
}

impl Pace {
    /// How many ms too early a use of this cost would be; 0 if it is allowed.
    pub(super) fn early_ms(self, now: Moment, burst: Duration) -> u64 {
        self.paid_at.millis_since(now + burst)
    }

    pub(super) fn spend(&mut self, now: Moment, cost: Duration) {
        self.paid_at = self.paid_at.max(now) + cost;
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
}
