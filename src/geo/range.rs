//! How far a person would go.

use std::fmt;

/// The largest range that is accepted, in km.
///
/// No two points on earth are further apart than 20 003.93 km (half a meridian), so a range of this
/// size reaches everybody; it leaves room for the round figures people write for "everywhere".
pub const MAX_RANGE_KM: f64 = 20_040.0;

/// How far a person would go, as a distance along the surface of the earth.
///
/// Always finite, above zero and at most [`MAX_RANGE_KM`]. Kept in metres.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Range {
    metres: f64,
}

/// The number is not a range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a range must be a number of km above 0 and at most {MAX_RANGE_KM}")]
pub struct RangeError;

impl Range {
    /// A range that reaches everybody.
    pub const PLANET: Self = Self {
        metres: MAX_RANGE_KM * 1000.0,
    };

    /// Makes a range from kilometres.
    ///
    /// # Errors
    /// [`RangeError`] if `km` is not finite, not above zero, or above [`MAX_RANGE_KM`].
    ///
    /// ```
    /// use whisperchat::geo::Range;
    /// assert_eq!(Range::from_km(0.5)?.metres(), 500.0);
    /// assert!(Range::from_km(0.0).is_err());
    /// assert!(Range::from_km(f64::INFINITY).is_err());
    /// # Ok::<(), whisperchat::geo::RangeError>(())
    /// ```
    pub fn from_km(km: f64) -> Result<Self, RangeError> {
        // A NaN fails both comparisons.
        if km > 0.0 && km <= MAX_RANGE_KM {
            Ok(Self {
                metres: km * 1000.0,
            })
        } else {
            Err(RangeError)
        }
    }

    /// The range in metres.
    pub fn metres(self) -> f64 {
        self.metres
    }

    /// The range in kilometres.
    pub fn km(self) -> f64 {
        self.metres / 1000.0
    }

    /// The smaller of two ranges: what both people agree to.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.metres < self.metres {
            other
        } else {
            self
        }
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Range({} km)", self.km())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_range() {
        for km in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, 20_040.1] {
            assert!(Range::from_km(km).is_err(), "{km}");
        }
        assert_eq!(Range::from_km(MAX_RANGE_KM), Ok(Range::PLANET));
    }

    #[test]
    fn the_smaller_of_two_is_what_both_agree_to() {
        let (near, far) = (Range::from_km(1.0).unwrap(), Range::from_km(9.0).unwrap());
        assert_eq!(near.min(far), near);
        assert_eq!(far.min(near), near);
    }
}
