//! Geocentric coordinates: where a position is in space.

use super::Position;
use std::fmt;

/// Semi-major axis of the WGS-84 ellipsoid in metres (NGA.STND.0036, table 3.1).
pub const WGS84_A_M: f64 = 6_378_137.0;

/// Flattening of the WGS-84 ellipsoid (NGA.STND.0036, table 3.1).
const WGS84_F: f64 = 1.0 / 298.257_223_563;

/// Semi-minor axis of the WGS-84 ellipsoid in metres: a(1 − f).
pub const WGS84_B_M: f64 = WGS84_A_M * (1.0 - WGS84_F);

/// First eccentricity squared: f(2 − f).
const WGS84_E2: f64 = WGS84_F * (2.0 - WGS84_F);

/// A point in space, in metres from the centre of the earth ("earth-centred, earth-fixed").
///
/// x goes through (0°, 0°), y through (0°, 90° E), z through the north pole. There is no pole, no date
/// line and no wrap-around here, which is why the waiting room is indexed in these coordinates.
/// Accurate to a few nanometres, the rounding of `f64` at that size.
#[derive(Clone, Copy, PartialEq)]
pub struct Ecef {
    /// Metres towards latitude 0, longitude 0.
    pub x: f64,
    /// Metres towards latitude 0, longitude 90 east.
    pub y: f64,
    /// Metres towards the north pole.
    pub z: f64,
}

impl Ecef {
    /// The squared straight-line distance to another point, in m².
    pub fn chord_sq(&self, other: &Self) -> f64 {
        let (dx, dy, dz) = (self.x - other.x, self.y - other.y, self.z - other.z);
        dx * dx + dy * dy + dz * dz
    }
}

/// The point of the ellipsoid's surface at a position (height 0).
///
/// Formula: e.g. NGA.STND.0036, section 4.2.
impl From<Position> for Ecef {
    fn from(position: Position) -> Self {
        let (sin_lat, cos_lat) = position.lat_deg().to_radians().sin_cos();
        let (sin_lon, cos_lon) = position.lon_deg().to_radians().sin_cos();
        let prime_vertical = WGS84_A_M / (1.0 - WGS84_E2 * sin_lat * sin_lat).sqrt();
        Self {
            x: prime_vertical * cos_lat * cos_lon,
            y: prime_vertical * cos_lat * sin_lon,
            z: prime_vertical * (1.0 - WGS84_E2) * sin_lat,
        }
    }
}

impl fmt::Debug for Ecef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ecef(redacted)")
    }
}

/// A position together with its geocentric coordinates, which are worked out once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    position: Position,
    ecef: Ecef,
}

impl Place {
    /// Works out where in space a position is.
    pub fn new(position: Position) -> Self {
        Self {
            position,
            ecef: position.into(),
        }
    }

    /// Latitude and longitude.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Geocentric coordinates.
    pub fn ecef(&self) -> &Ecef {
        &self.ecef
    }

    /// The squared straight-line distance to another place, in m².
    pub fn chord_sq(&self, other: &Self) -> f64 {
        self.ecef.chord_sq(&other.ecef)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ecef(lat: f64, lon: f64) -> Ecef {
        Position::new(lat, lon).unwrap().into()
    }

    #[test]
    fn the_axes_meet_the_surface_where_they_should() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-8;
        assert!(near(ecef(0.0, 0.0).x, WGS84_A_M));
        assert!(near(ecef(0.0, 90.0).y, WGS84_A_M));
        assert!(near(ecef(90.0, 0.0).z, WGS84_B_M));
        assert!(near(ecef(-90.0, 77.0).z, -WGS84_B_M));
    }

    /// Reference value: EPSG Guidance Note 7-2 (IOGP 373-7-2), section 4.1.1, geographic/geocentric
    /// conversion of 53°48'33.820"N 2°07'46.380"E at height 73 m, reduced here to height 0 by taking
    /// the height along the ellipsoid's normal away.
    #[test]
    fn agrees_with_the_epsg_example() {
        let (lat, lon) = (
            53.0 + 48.0 / 60.0 + 33.820 / 3600.0,
            2.0 + 7.0 / 60.0 + 46.380 / 3600.0,
        );
        let (sin_lat, cos_lat) = f64::to_radians(lat).sin_cos();
        let (sin_lon, cos_lon) = f64::to_radians(lon).sin_cos();
        let point = ecef(lat, lon);
        let expected = [3_771_793.968, 140_253.342, 5_124_304.349];
        let got = [
            point.x + 73.0 * cos_lat * cos_lon,
            point.y + 73.0 * cos_lat * sin_lon,
            point.z + 73.0 * sin_lat,
        ];
        for (got, expected) in got.into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-3, "{got} against {expected}");
        }
    }

    #[test]
    fn both_names_of_the_date_line_are_one_point() {
        let chord_sq = ecef(10.0, 180.0).chord_sq(&ecef(10.0, -180.0));
        assert!(chord_sq.sqrt() < 1e-8, "{chord_sq}");
    }
}
