//! Arithmetic that comes out the same on every machine, to the last bit: the platform's `sin` and `exp` may not.

use super::at;
use crate::geo::{Position, WGS84_A_M, WGS84_B_M};

/// The position so many metres to the north along the meridian and then to the east along the parallel.
///
/// As parallels shrink towards the pole, the geodesic differs from the hypotenuse by a share of about
/// distance · tan(latitude) / 12 742 km: under 2 % wherever a crowd's people can be. Wraps over the date line.
pub(super) fn offset(from: Position, east_m: f64, north_m: f64) -> Position {
    let (meridian_m, _) = curvature_radii_m(cos_deg(from.lat_deg()));
    let lat_deg = from.lat_deg() + (north_m / meridian_m).to_degrees();
    let cos_lat = cos_deg(lat_deg);
    let (_, prime_vertical_m) = curvature_radii_m(cos_lat);
    let lon_deg = from.lon_deg() + (east_m / (prime_vertical_m * cos_lat)).to_degrees();
    at(lat_deg, wrap_deg(lon_deg))
}

/// A longitude that has left −180…180 by less than a turn, brought back.
fn wrap_deg(lon_deg: f64) -> f64 {
    if lon_deg > 180.0 {
        lon_deg - 360.0
    } else if lon_deg < -180.0 {
        lon_deg + 360.0
    } else {
        lon_deg
    }
}

/// The radii of curvature of WGS-84 along the meridian and across it, at a latitude with this cosine.
///
/// M = a(1 − e²) / w³ and N = a / w, with w² = 1 − e² sin² φ; e.g. Snyder, Map Projections (1987),
/// equations 4-18 and 4-20.
fn curvature_radii_m(cos_lat: f64) -> (f64, f64) {
    let one_less_e2 = (WGS84_B_M / WGS84_A_M) * (WGS84_B_M / WGS84_A_M);
    let w2 = 1.0 - (1.0 - one_less_e2) * (1.0 - cos_lat * cos_lat);
    let w = w2.sqrt();
    (WGS84_A_M * one_less_e2 / (w2 * w), WGS84_A_M / w)
}

/// The cosine of −90…90°, by its Taylor series. The platform's may differ in the last bit elsewhere.
pub(super) fn cos_deg(deg: f64) -> f64 {
    let x = deg.to_radians();
    let (mut sum, mut term) = (1.0, 1.0);
    // The next term would be (π/2)²⁴ / 24! < 10⁻¹⁸.
    for n in (2..=22).step_by(2) {
        term *= -x * x / f64::from(n * (n - 1));
        sum += term;
    }
    sum
}

/// e to the power of 0…4, by its Taylor series, for the same reason.
pub(super) fn exp(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    // The next term would be 4³² / 32! < 10⁻¹⁶.
    for n in 1..32 {
        term *= x / f64::from(n);
        sum += term;
    }
    sum
}
