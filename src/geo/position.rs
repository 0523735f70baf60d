//! A validated position in degrees.

use std::fmt;

/// A position on earth: geodetic latitude and longitude in degrees, WGS-84.
///
/// Always finite and in bounds: latitude −90…90, longitude −180…180. `Debug` doesn't show where it is,
/// so that no log line can.
#[derive(Clone, Copy, PartialEq)]
pub struct Position {
    lat_deg: f64,
    lon_deg: f64,
}

/// Why a pair of numbers is not a position.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PositionError {
    /// The latitude is not a number between −90 and 90.
    #[error("lat must be a number of degrees from -90 to 90")]
    Latitude,
    /// The longitude is not a number between −180 and 180.
    #[error("lon must be a number of degrees from -180 to 180")]
    Longitude,
}

impl Position {
    /// Makes a position from degrees north and degrees east.
    ///
    /// # Errors
    /// [`PositionError`] names the coordinate that is not finite or out of bounds.
    ///
    /// ```
    /// use whisperchat::geo::{Position, PositionError};
    /// assert!(Position::new(-90.0, 180.0).is_ok());
    /// assert_eq!(Position::new(f64::NAN, 0.0), Err(PositionError::Latitude));
    /// assert_eq!(Position::new(0.0, 180.1), Err(PositionError::Longitude));
    /// ```
    pub fn new(lat_deg: f64, lon_deg: f64) -> Result<Self, PositionError> {
        // A NaN is in no range, so both checks refuse it too.
        if !(-90.0..=90.0).contains(&lat_deg) {
            return Err(PositionError::Latitude);
        }
        if !(-180.0..=180.0).contains(&lon_deg) {
            return Err(PositionError::Longitude);
        }
        Ok(Self { lat_deg, lon_deg })
    }

    /// Degrees north of the equator, −90…90.
    pub fn lat_deg(self) -> f64 {
        self.lat_deg
    }

    /// Degrees east of Greenwich, −180…180.
    pub fn lon_deg(self) -> f64 {
        self.lon_deg
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_everything_else_is_refused() {
        for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, -0.0)] {
            assert!(Position::new(lat, lon).is_ok(), "{lat}, {lon}");
        }
        for lat in [f64::NAN, f64::INFINITY, -90.000_001, 91.0] {
            assert_eq!(Position::new(lat, 0.0), Err(PositionError::Latitude));
        }
        for lon in [f64::NAN, f64::NEG_INFINITY, 180.000_001, -1e300] {
            assert_eq!(Position::new(0.0, lon), Err(PositionError::Longitude));
        }
    }

    #[test]
    fn debug_does_not_show_the_place() {
        let shown = format!("{:?}", Position::new(48.8566, 2.3522).unwrap());
        assert!(!shown.contains("48"), "{shown}");
    }
}
