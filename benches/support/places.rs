//! Places that are far apart.

/// How many places there are.
pub(crate) const PLACES_MAX: usize = 120 * 360;

/// The range of whoever stands at a place, in km: the smallest that the server takes by default.
const RANGE_KM: u32 = 2;

/// A v1 `join` at one of the places. Whoever joins at one place never meets anybody of another: between
/// them lies a degree, which is 55 km or more up to a latitude of 60°, and ranges are 2 km.
pub(crate) fn join(place: usize) -> String {
    assert!(place < PLACES_MAX, "there are {PLACES_MAX} places");
    let (row, column) = ((place / 360) as f64, (place % 360) as f64);
    let (lat, lon) = (row - 59.5, column - 179.5);
    format!(
        r#"{{"type":"join","position":{{"lat":{lat},"lon":{lon}}},"range_km":{RANGE_KM},"name":"ann"}}"#
    )
}
