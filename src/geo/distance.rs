//! Whether two places are within a range of each other: the exact answer, usually at a low price.

use super::ecef::{WGS84_A_M, WGS84_B_M};
use super::{Place, Range};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use std::sync::LazyLock;

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// The smallest radius of curvature anywhere on the WGS-84 ellipsoid, in metres: b²/a, that of the
/// meridian where it crosses the equator.
pub const MIN_CURVATURE_RADIUS_M: f64 = WGS84_B_M * WGS84_B_M / WGS84_A_M;

/// Half of a meridian ellipse of WGS-84, from pole to pole, in metres, rounded up. No two points are
/// further apart: of the two ways between them that follow their meridians over one pole or over the
/// other, which together make two half meridians, the shorter is at most one.
///
/// Source: twice the quarter meridian 10 001 965.729 m, Karney (2013), "Algorithms for geodesics",
/// J. Geodesy 87, 43–55.
pub const HALF_MERIDIAN_M: f64 = 20_003_931.459;

/// What rounding can add to or take from a chord or an arc, in metres, generously: coordinates of up
/// to 6.4 · 10⁶ m are a few units of 10⁻⁹ off, and the bounds below work on sums of a few of them.
const ROUNDING_M: f64 = 1e-6;

/// Distances this close to the range, in metres, count as equal to it, and so as within. The geodesic
/// itself is only known to 15 nm (Karney 2013), and a range in km that was made from a distance in
/// metres has been rounded twice.
const EQUAL_M: f64 = 1e-7;

/// The length of the shortest path along the surface between two places, in metres.
///
/// The geodesic on the WGS-84 ellipsoid by Karney's method, right everywhere including near-antipodal
/// points, to 15 nm. Costs about a microsecond; [`is_within`] rarely needs it. The same for both
/// orders of its arguments, bit for bit.
///
/// ```
/// use whisperchat::geo::{Place, Position, geodesic_m};
/// let jfk = Place::new(Position::new(40.6, -73.8)?);
/// let lhr = Place::new(Position::new(51.6, -0.5)?);
/// assert!((geodesic_m(&jfk, &lhr) - 5_551_759.400).abs() < 0.001);
/// # Ok::<(), whisperchat::geo::PositionError>(())
/// ```
pub fn geodesic_m(a: &Place, b: &Place) -> f64 {
    let key = |place: &Place| (place.position().lat_deg(), place.position().lon_deg());
    let ((lat1, lon1), (lat2, lon2)) = if key(a) <= key(b) {
        (key(a), key(b))
    } else {
        (key(b), key(a))
    };
    WGS84.inverse(lat1, lon1, lat2, lon2)
}

/// What the straight-line distance alone says about a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proximity {
    /// Certainly in range.
    Within,
    /// Certainly out of range.
    Beyond,
    /// Only the geodesic can tell.
    Unclear,
}

/// Bounds the geodesic distance s of two places by their chord c, and compares it with a range.
///
/// **Beyond** if c > range. A straight line is the shortest way between two points, so c ≤ s.
///
/// **Within** if 2ρ·asin(c / 2ρ) ≤ range, where ρ is [`MIN_CURVATURE_RADIUS_M`] and c ≤ 2ρ. This is
/// Schur's comparison theorem: of two arcs of the same length, the one that is nowhere more curved
/// has the longer chord, as long as the more curved one is a plane convex arc, here that of a circle
/// of radius ρ, which asks for s ≤ πρ. A geodesic's curvature in space is the surface's normal
/// curvature in its direction, never above 1/ρ. So c ≥ 2ρ·sin(s / 2ρ), which solved for s is the bound.
///
/// That leaves s > πρ, nearly antipodal points. There c > 2ρ, so the bound is not used: going along
/// the ellipse in the plane through both points and the centre takes at most aθ for a central angle
/// θ, so s > πρ means θ > πρ/a = π(1 − e²), that is π − θ < 0.0211; and as each point is at least b
/// from the centre, c ≥ 2b·sin(θ/2) ≥ 2b·cos(0.0106) > 12 712 km, where 2ρ < 12 671 km.
///
/// **Within** also if the range is at least [`HALF_MERIDIAN_M`], which reaches everybody.
///
/// Otherwise **unclear**, a strip a few metres wide at 100 km. No geodesic is computed here.
pub fn proximity(a: &Place, b: &Place, range: Range) -> Proximity {
    let range_m = range.metres();
    let chord_sq = a.chord_sq(b);
    let beyond_m = range_m + ROUNDING_M;
    if chord_sq > beyond_m * beyond_m {
        return Proximity::Beyond;
    }
    if range_m >= HALF_MERIDIAN_M {
        return Proximity::Within;
    }
    let diameter_m = 2.0 * MIN_CURVATURE_RADIUS_M;
    let chord_m = chord_sq.sqrt() + ROUNDING_M;
    if chord_m < diameter_m {
        let longest_m = diameter_m * (chord_m / diameter_m).asin() + ROUNDING_M;
        if longest_m <= range_m {
            return Proximity::Within;
        }
    }
    Proximity::Unclear
}

/// Whether the geodesic distance between two places is at most a range. Equality is within.
///
/// Exact, by the bounds of [`proximity`] where they decide, by [`geodesic_m`] where they don't.
pub fn is_within(a: &Place, b: &Place, range: Range) -> bool {
    match proximity(a, b, range) {
        Proximity::Within => true,
        Proximity::Beyond => false,
        Proximity::Unclear => geodesic_m(a, b) <= range.metres() + EQUAL_M,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Position;
    use proptest::prelude::*;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(Position::new(lat, lon).unwrap())
    }

    /// Reference lines with their source; metres.
    #[test]
    fn geodesics_agree_with_published_values() {
        let cases = [
            // Karney (2013), the example of a short line: phi1 = -30.12345 deg,
            // phi2 = -30.12344 deg, lambda12 = 0.00005 deg gives s12 = 4.944208 m.
            (-30.12345, 0.0, -30.12344, 0.00005, 4.944_208, 1e-6),
            // Karney (2013), the example of a nearly antipodal line: phi1 = -30, phi2 = 29.9,
            // lambda12 = 179.8 gives s12 = 19 989 832.827610 m.
            (-30.0, 0.0, 29.9, 179.8, 19_989_832.827_610, 1e-5),
            // GeographicLib's GeodSolve manual: JFK to LHR.
            (40.6, -73.8, 51.6, -0.5, 5_551_759.400, 1e-3),
            // Pole to pole is half a meridian; Karney (2013): twice 10 001 965.729 m.
            (90.0, 0.0, -90.0, 0.0, 20_003_931.458_6, 1e-3),
            // A quarter of the equator, a * pi / 2.
            (0.0, 0.0, 0.0, 90.0, 10_018_754.171_394, 1e-5),
            // Across the date line, 2 degrees of the equator, a * pi / 90.
            (0.0, 179.0, 0.0, -179.0, 222_638.981_586_5, 1e-5),
        ];
        for (lat1, lon1, lat2, lon2, expected, tolerance) in cases {
            let got = geodesic_m(&place(lat1, lon1), &place(lat2, lon2));
            assert!(
                (got - expected).abs() <= tolerance,
                "{got} against {expected}"
            );
        }
    }

    #[test]
    fn half_a_meridian_is_rounded_up() {
        let pole_to_pole = geodesic_m(&place(90.0, 0.0), &place(-90.0, 0.0));
        assert!(HALF_MERIDIAN_M >= pole_to_pole);
        assert!(HALF_MERIDIAN_M - pole_to_pole < 0.001);
    }

    #[test]
    fn a_range_made_from_the_distance_is_within() {
        for (lat, lon) in [
            (48.8566, 2.3522),
            (48.9, 2.3),
            (-33.0, 151.0),
            (-48.8, -177.6),
        ] {
            let (here, there) = (place(48.85, 2.35), place(lat, lon));
            let metres = geodesic_m(&here, &there);
            assert!(is_within(
                &here,
                &there,
                Range::from_km(metres / 1000.0).unwrap()
            ));
            let shorter = Range::from_km((metres - 0.001) / 1000.0).unwrap();
            assert!(!is_within(&here, &there, shorter));
        }
    }

    #[test]
    fn the_same_place_is_within_any_range() {
        let here = place(12.0, 34.0);
        assert!(is_within(&here, &here, Range::from_km(1e-9).unwrap()));
    }

    /// Pairs of every kind: anywhere, close by, and nearly antipodal.
    fn pairs() -> impl Strategy<Value = (f64, f64, f64, f64)> {
        let lat =
            || prop_oneof![4 => -90.0..=90.0f64, 1 => Just(90.0), 1 => Just(-90.0), 1 => Just(0.0)];
        let lon = || prop_oneof![4 => -180.0..=180.0f64, 1 => Just(180.0), 1 => Just(-180.0)];
        let nudge = || prop_oneof![-1e-6..=1e-6f64, -0.01..=0.01f64, -2.0..=2.0f64];
        prop_oneof![
            (lat(), lon(), lat(), lon()),
            (lat(), lon(), nudge(), nudge()).prop_map(|(lat, lon, dlat, dlon)| {
                (lat, lon, (lat + dlat).clamp(-90.0, 90.0), wrap(lon + dlon))
            }),
            (lat(), lon(), nudge(), nudge()).prop_map(|(lat, lon, dlat, dlon)| {
                (
                    lat,
                    lon,
                    (-lat + dlat).clamp(-90.0, 90.0),
                    wrap(lon + 180.0 + dlon),
                )
            }),
        ]
    }

    fn wrap(lon: f64) -> f64 {
        (lon + 180.0).rem_euclid(360.0) - 180.0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_chord_never_exceeds_the_geodesic((lat1, lon1, lat2, lon2) in pairs()) {
            let (a, b) = (place(lat1, lon1), place(lat2, lon2));
            prop_assert!(a.chord_sq(&b).sqrt() <= geodesic_m(&a, &b) + ROUNDING_M);
        }

        #[test]
        fn the_arc_over_the_chord_is_never_shorter_than_the_geodesic(
            (lat1, lon1, lat2, lon2) in pairs()
        ) {
            let (a, b) = (place(lat1, lon1), place(lat2, lon2));
            let (chord_m, geodesic) = (a.chord_sq(&b).sqrt(), geodesic_m(&a, &b));
            let diameter_m = 2.0 * MIN_CURVATURE_RADIUS_M;
            if chord_m < diameter_m {
                let arc = diameter_m * (chord_m / diameter_m).asin();
                prop_assert!(geodesic <= arc + ROUNDING_M, "{} > {}", geodesic, arc);
            } else {
                prop_assert!(geodesic > 12_000_000.0);
            }
            prop_assert!(geodesic <= HALF_MERIDIAN_M);
        }

        #[test]
        fn the_bounds_agree_with_the_geodesic(
            (lat1, lon1, lat2, lon2) in pairs(),
            factor in prop_oneof![0.0..=2.0, 0.9999..=1.0001, 0.999_999_99..=1.000_000_01],
        ) {
            let (a, b) = (place(lat1, lon1), place(lat2, lon2));
            let geodesic = geodesic_m(&a, &b);
            let Ok(range) = Range::from_km(geodesic * factor / 1000.0) else { return Ok(()) };
            match proximity(&a, &b, range) {
                Proximity::Within => prop_assert!(geodesic <= range.metres()),
                Proximity::Beyond => prop_assert!(geodesic > range.metres()),
                Proximity::Unclear => {}
            }
            prop_assert_eq!(is_within(&a, &b, range), is_within(&b, &a, range));
        }
    }

    #[test]
    fn the_geodesic_is_rarely_needed_at_everyday_distances() {
        let here = place(48.85, 2.35);
        let range = Range::from_km(100.0).unwrap();
        let unclear = (0..10_000)
            .filter(|i| {
                // Points on a ray that crosses the range's edge, 0 to 200 km out, 20 m apart.
                let there = place(48.85 + f64::from(*i) * 20.0 / 111_200.0, 2.35);
                proximity(&here, &there, range) == Proximity::Unclear
            })
            .count();
        assert!(unclear <= 2, "{unclear} of 10000 needed the geodesic");
    }
}
