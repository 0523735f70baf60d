//! Where people are and how far apart: positions on the WGS-84 ellipsoid, straight-line and
//! geodesic distances, and the privacy grid.
//!
//! In come degrees and kilometres from outside, out come validated values in metres. Everything
//! here is pure: no clock, no randomness, no allocation. It knows nothing of tickets or sessions.
//!
//! ```
//! use whisperchat::geo::{Place, Position, Range, is_within};
//!
//! let paris = Place::new(Position::new(48.8566, 2.3522)?);
//! let versailles = Place::new(Position::new(48.8049, 2.1204)?);
//! assert!(is_within(&paris, &versailles, Range::from_km(20.0)?));
//! assert!(!is_within(&paris, &versailles, Range::from_km(15.0)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod distance;
mod ecef;
mod grid;
mod position;
mod range;

pub use distance::{
    HALF_MERIDIAN_M, MIN_CURVATURE_RADIUS_M, Proximity, geodesic_m, is_within, proximity,
};
pub use ecef::{Ecef, Place, WGS84_A_M, WGS84_B_M};
pub use grid::{CellId, GridError, PrivacyGrid};
pub use position::{Position, PositionError};
pub use range::{MAX_RANGE_KM, Range, RangeError};
