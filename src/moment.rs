//! Time as the rooms see it: a number that comes in from outside.

use std::ops::Add;
use std::time::Duration;

/// A point in time: milliseconds since a start that whoever feeds the rooms has chosen.
///
/// The rooms never read a clock. They are told the time with each command, so a test, a simulation or
/// a replay can tell them any time it likes, as long as it never runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The start.
    pub const START: Self = Self(0);

    /// A moment that never comes: the last that can be told, 584 million years after the start.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment this many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds since an earlier moment; 0 if it is not earlier.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Rounded up to whole milliseconds, so that a deadline is never reached early.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(
            self.0
                .saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_never_early_and_never_wrap() {
        let start = Moment::from_millis(5);
        assert_eq!(start + Duration::from_micros(1), Moment::from_millis(6));
        assert_eq!(start + Duration::from_millis(2), Moment::from_millis(7));
        assert_eq!(start + Duration::MAX, Moment::from_millis(u64::MAX));
        assert_eq!(Moment::START.millis_since(start), 0);
    }
}
