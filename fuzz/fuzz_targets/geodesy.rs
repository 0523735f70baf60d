//! Distances, their bounds, the range rule and the privacy grid anywhere on earth, against the geodesic and
//! coordinates by other formulas.
#![no_main]

mod draw;
#[path = "../../tests/reference/mod.rs"]
mod reference;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use reference::earth::{self, Degrees, Reach};
use whisperchat::geo::{
    Place, Position, PrivacyGrid, Proximity, Range, geodesic_m, is_within, proximity,
};

/// The geodesic is known to 15 nm, from either end; a chord to a few times that.
const GEODESIC_M: f64 = 5e-8;
const CHORD_M: f64 = 1e-6;

/// How far a position is moved at most, in sides of a cell.
const MOVED_CELLS: f64 = 0.9;

fuzz_target!(|bytes: &[u8]| {
    // An input that ends early has been checked as far as it went.
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(bytes: &mut Unstructured) -> Result<()> {
    let a = place(bytes)?;
    let b = match bytes.int_in_range(0..=2)? {
        0 => draw::near(bytes, a)?,
        1 => draw::near(bytes, antipode(a))?,
        _ => place(bytes)?,
    };
    let range_km = draw::range_km(bytes)?;
    let grid_km = draw::range_km(bytes)?;
    check_distance(a, b);
    check_redaction(a);
    let distance_km = earth::geodesic_m(a, b) / 1000.0;
    for range_km in [
        range_km,
        distance_km,
        distance_km.next_down(),
        distance_km.next_up(),
    ] {
        if let Ok(range) = Range::from_km(range_km) {
            check_range(a, b, range);
            assert!(format!("{range:?}").ends_with(" km)"));
        }
    }
    if let Ok(grid) = PrivacyGrid::new(grid_km) {
        check_grid(a, b, grid);
    }
    Ok(())
}

/// A landmark or somewhere near it, or any two numbers that are a position.
fn place(bytes: &mut Unstructured) -> Result<Degrees> {
    if bytes.ratio(3, 4)? {
        return draw::place(bytes);
    }
    let (lat, lon): (f64, f64) = (bytes.arbitrary()?, bytes.arbitrary()?);
    let is_on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    let position = Position::new(lat, lon);
    assert_eq!(position.is_ok(), is_on_earth, "{lat} {lon}");
    Ok(position.map_or(Degrees { lat: 0.0, lon: 0.0 }, Degrees::from))
}

fn antipode(at: Degrees) -> Degrees {
    Degrees {
        lat: -at.lat,
        lon: if at.lon > 0.0 {
            at.lon - 180.0
        } else {
            at.lon + 180.0
        },
    }
}

fn check_distance(a: Degrees, b: Degrees) {
    let [from, to] = [a, b].map(|at| Place::new(at.into()));
    let distance_m = geodesic_m(&from, &to);
    assert_eq!(distance_m.to_bits(), geodesic_m(&to, &from).to_bits());
    assert!((distance_m - earth::geodesic_m(a, b)).abs() <= GEODESIC_M);
    let chord_m = from.chord_sq(&to).sqrt();
    assert!(
        (chord_m - earth::chord_m(a, b)).abs() <= CHORD_M,
        "{a:?} {b:?}"
    );
    assert!(chord_m <= distance_m + CHORD_M, "{a:?} {b:?}");
}

fn check_range(a: Degrees, b: Degrees, range: Range) {
    let [from, to] = [a, b].map(|at| Place::new(at.into()));
    let reach = earth::reach(a, b, range.metres());
    match proximity(&from, &to, range) {
        Proximity::Within => assert_ne!(reach, Reach::Beyond, "{a:?} {b:?} {range:?}"),
        Proximity::Beyond => assert_ne!(reach, Reach::Within, "{a:?} {b:?} {range:?}"),
        Proximity::Unclear => {}
    }
    let is_near = is_within(&from, &to, range);
    assert_eq!(is_near, is_within(&to, &from, range));
    if reach != Reach::Borderline {
        assert_eq!(is_near, reach == Reach::Within, "{a:?} {b:?} {range:?}");
    }
}

/// Where somebody is can't be printed by accident.
fn check_redaction(at: Degrees) {
    let position = Position::from(at);
    let printed = format!("{position:?} {:?}", Place::new(position));
    assert!(!printed.contains(|char: char| char.is_ascii_digit()));
    assert_eq!(PrivacyGrid::OFF.snap(position), position);
    assert_eq!(
        PrivacyGrid::new(0.0).map(|grid| grid.cell(position)),
        Ok(PrivacyGrid::OFF.cell(at.into()))
    );
}

fn check_grid(a: Degrees, b: Degrees, grid: PrivacyGrid) {
    let snapped = [a, b].map(|at| grid.snap(at.into()));
    for (at, snapped) in [a, b].into_iter().zip(snapped) {
        assert_eq!(grid.snap(snapped), snapped, "{at:?}");
        let moved_m = earth::geodesic_m(at, snapped.into());
        let moved_max_m = grid.cell_km() * 1000.0 * MOVED_CELLS;
        assert!(moved_m <= moved_max_m, "{at:?} is moved by {moved_m} m");
    }
    let [one, other] = [a, b].map(|at| grid.cell(at.into()));
    assert_eq!(one == other, snapped[0] == snapped[1], "{a:?} {b:?}");
}
