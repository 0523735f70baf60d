//! Who must be matched with whom, by comparing everybody with everybody.
//!
//! Written from the matching promise alone and sharing no code with the matcher: coordinates and the rules
//! are its own, distances are asked of the geodesic's library directly.

use geographiclib_rs::{Geodesic, InverseGeodesic};

/// WGS-84's equatorial radius in metres and its flattening (NIMA TR8350.2, table 3.1).
const EQUATORIAL_RADIUS_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// Somebody as they describe themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest {
    /// Which one of the crowd, in the order of joining.
    pub(crate) number: usize,
    pub(crate) lat: f64,
    pub(crate) lon: f64,
    pub(crate) range_km: f64,
}

/// After being passed over so often by people it was eligible for, a guest goes first.
const PASSED_OVER_MAX: u32 = 8;

/// Who waits, in the order of joining.
pub(crate) struct Oracle {
    geodesic: Geodesic,
    waiting: Vec<Guest>,
    /// How often each of them was passed over.
    passed_over: Vec<u32>,
    /// How often somebody went first because of that.
    pub(crate) overdue: usize,
    /// How often two were equally near, so that the longer wait had to decide.
    pub(crate) ties: usize,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self {
            geodesic: Geodesic::wgs84(),
            waiting: Vec::new(),
            passed_over: Vec::new(),
            overdue: 0,
            ties: 0,
        }
    }

    /// Who must be matched with a guest who joins now; without anybody, the guest waits.
    pub(crate) fn join(&mut self, guest: Guest) -> Option<Guest> {
        let eligible: Vec<usize> = (0..self.waiting.len())
            .filter(|place| self.is_eligible(&guest, &self.waiting[*place]))
            .collect();
        let overdue = eligible
            .iter()
            .find(|place| self.passed_over[**place] >= PASSED_OVER_MAX);
        let taken = match overdue {
            // In the order of joining: the first of several has waited longest.
            Some(place) => {
                self.overdue += 1;
                Some(*place)
            }
            None => self.nearest(&guest, &eligible),
        };
        let Some(taken) = taken else {
            self.waiting.push(guest);
            self.passed_over.push(0);
            return None;
        };
        for place in eligible.into_iter().filter(|place| *place != taken) {
            self.passed_over[place] += 1;
        }
        self.passed_over.remove(taken);
        Some(self.waiting.remove(taken))
    }

    fn nearest(&mut self, guest: &Guest, eligible: &[usize]) -> Option<usize> {
        let mut nearest: Option<(f64, usize)> = None;
        for place in eligible {
            let chord_m = chord_m(guest, &self.waiting[*place]);
            match nearest {
                // In the order of joining: the first of those equally near has waited longest.
                Some((nearest_m, _)) if chord_m == nearest_m => self.ties += 1,
                Some((nearest_m, _)) if chord_m > nearest_m => {}
                _ => nearest = Some((chord_m, *place)),
            }
        }
        nearest.map(|(_, place)| place)
    }

    /// Two who wait although they could be matched, if there are any.
    pub(crate) fn left_waiting_in_vain(&self) -> Option<(Guest, Guest)> {
        let pairs = (1..self.waiting.len()).flat_map(|later| {
            let (before, after) = self.waiting.split_at(later);
            before.iter().map(|earlier| (*earlier, after[0]))
        });
        pairs
            .into_iter()
            .find(|(one, other)| self.is_eligible(one, other))
    }

    pub(crate) fn is_waiting(&self, number: usize) -> bool {
        self.waiting.iter().any(|guest| guest.number == number)
    }

    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// The distance over the surface.
    pub(crate) fn distance_km(&self, one: &Guest, other: &Guest) -> f64 {
        let metres: f64 = self
            .geodesic
            .inverse(one.lat, one.lon, other.lat, other.lon);
        metres / 1000.0
    }

    /// Whether each is in the other's range.
    pub(crate) fn is_eligible(&self, one: &Guest, other: &Guest) -> bool {
        self.distance_km(one, other) <= one.range_km.min(other.range_km)
    }
}

/// The straight line through the earth.
fn chord_m(one: &Guest, other: &Guest) -> f64 {
    let ([x, y, z], [to_x, to_y, to_z]) = (geocentric_m(one), geocentric_m(other));
    ((x - to_x).powi(2) + (y - to_y).powi(2) + (z - to_z).powi(2)).sqrt()
}

fn geocentric_m(guest: &Guest) -> [f64; 3] {
    let (lat, lon) = (guest.lat.to_radians(), guest.lon.to_radians());
    let eccentricity_squared = FLATTENING * (2.0 - FLATTENING);
    let prime_vertical_m =
        EQUATORIAL_RADIUS_M / (1.0 - eccentricity_squared * lat.sin().powi(2)).sqrt();
    [
        prime_vertical_m * lat.cos() * lon.cos(),
        prime_vertical_m * lat.cos() * lon.sin(),
        prime_vertical_m * (1.0 - eccentricity_squared) * lat.sin(),
    ]
}

#[test]
fn the_oracle_agrees_with_what_is_known() {
    let at = |lat, lon, range_km| Guest {
        number: 0,
        lat,
        lon,
        range_km,
    };
    let mut oracle = Oracle::new();
    // A degree of the equator, and from pole to pole: twice the quarter meridian, through the earth twice
    // the polar radius.
    let degree_km = oracle.distance_km(&at(0.0, 0.0, 1.0), &at(0.0, 1.0, 1.0));
    assert!((degree_km - 111.319_491).abs() < 1e-6, "{degree_km}");
    let poles = (at(90.0, 0.0, 1.0), at(-90.0, 0.0, 1.0));
    let around_km = oracle.distance_km(&poles.0, &poles.1);
    assert!((around_km - 20_003.931_459).abs() < 1e-6, "{around_km}");
    let through_m = chord_m(&poles.0, &poles.1);
    assert!(
        (through_m - 2.0 * 6_356_752.314_245).abs() < 1e-5,
        "{through_m}"
    );
    // Each in the other's range, both ways round.
    let (near, far) = (at(0.0, 0.0, 111.0), at(0.0, 1.0, 112.0));
    assert!(!oracle.is_eligible(&near, &far) && !oracle.is_eligible(&far, &near));
    // Two who exclude each other wait; the first of two equally near is taken.
    assert!(oracle.join(at(0.5, 0.0, 60.0)).is_none());
    assert!(oracle.join(at(-0.5, 0.0, 60.0)).is_none());
    let taken = oracle.join(at(0.0, 0.0, 60.0)).expect("both are in range");
    assert_eq!((taken.lat, oracle.ties, oracle.waiting_len()), (0.5, 1, 1));
}
