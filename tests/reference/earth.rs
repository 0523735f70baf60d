//! Coordinates and distances on WGS-84, by other formulas than the crate's or straight from the library
//! that knows geodesics.

use geographiclib_rs::{Geodesic, InverseGeodesic};
use std::sync::LazyLock;
use whisperchat::geo::Position;

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// The crate promises that a distance counts as equal to a range up to 10⁻⁷ m above it. Half of that is
/// surely in range and one and a half of it surely isn't: the geodesic is known to 15 nm.
const SURELY_WITHIN_M: f64 = 0.5e-7;
const SURELY_BEYOND_M: f64 = 1.5e-7;

/// Latitude and longitude. Unlike a [`Position`], which is personal, this shows where it is when a test fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Degrees {
    pub(crate) lat: f64,
    pub(crate) lon: f64,
}

impl From<Degrees> for Position {
    fn from(Degrees { lat, lon }: Degrees) -> Self {
        Self::new(lat, lon).expect("tests stand on earth")
    }
}

impl From<Position> for Degrees {
    fn from(position: Position) -> Self {
        Self {
            lat: position.lat_deg(),
            lon: position.lon_deg(),
        }
    }
}

/// What the range rule says of two positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    Beyond,
    /// A tenth of a micrometre decides, which is more than the rule promises: both answers are right.
    Borderline,
    Within,
}

/// The length of the geodesic, in metres.
pub(crate) fn geodesic_m(a: Degrees, b: Degrees) -> f64 {
    WGS84.inverse(a.lat, a.lon, b.lat, b.lon)
}

pub(crate) fn reach(a: Degrees, b: Degrees, range_m: f64) -> Reach {
    let geodesic_m = geodesic_m(a, b);
    if geodesic_m <= range_m + SURELY_WITHIN_M {
        Reach::Within
    } else if geodesic_m > range_m + SURELY_BEYOND_M {
        Reach::Beyond
    } else {
        Reach::Borderline
    }
}

/// The straight line through the earth, in metres.
pub(crate) fn chord_m(a: Degrees, b: Degrees) -> f64 {
    let ([ax, ay, az], [bx, by, bz]) = (ecef_m(a), ecef_m(b));
    (ax - bx).hypot(ay - by).hypot(az - bz)
}

/// By the reduced latitude β, tan β = (1 − f) tan φ: the ellipse's own parameter, so that
/// x = a cos β and z = b sin β in the plane of a meridian.
fn ecef_m(at: Degrees) -> [f64; 3] {
    const A_M: f64 = 6_378_137.0;
    const FLATTENING: f64 = 1.0 / 298.257_223_563;
    let (sin_lat, cos_lat) = at.lat.to_radians().sin_cos();
    let (sin_beta, cos_beta) = ((1.0 - FLATTENING) * sin_lat).atan2(cos_lat).sin_cos();
    let (sin_lon, cos_lon) = at.lon.to_radians().sin_cos();
    [
        A_M * cos_beta * cos_lon,
        A_M * cos_beta * sin_lon,
        A_M * (1.0 - FLATTENING) * sin_beta,
    ]
}
