//! How many people are where, so coarsely that nobody is found by it.

use crate::geo::{CellId, Position, PrivacyGrid};
use crate::moment::Moment;
use crate::server::hub::Hub;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// The side of a cell. Cells get narrower and wider by up to a third where their bands are cut to fit; so all
/// have the area of at least 100 by 100 km.
const CELL_KM: f64 = 150.0;

/// Cells with fewer people are not told.
const PEOPLE_MIN: u64 = 5;

/// Counting everybody holds up joins and matches for a moment, and what changes from one count to the next
/// tells more than the counts; so it is not done more often.
const FRESH_MS: u64 = 10_000;

/// How many people wait or chat where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Regions {
    /// Cells with at least 5 people, the fullest first.
    regions: Vec<Region>,
    /// How many people are in all the other cells together.
    elsewhere: u64,
}

/// A part of the world, of at least 100 by 100 km.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Region {
    /// The latitude of its middle, in degrees.
    lat: f64,
    /// The longitude of its middle, in degrees.
    lon: f64,
    /// How many people wait or chat there.
    people: u64,
}

/// Counts, not too often.
#[derive(Debug, Default)]
pub(super) struct Survey(Mutex<Option<(Moment, Regions)>>);

impl Survey {
    /// The last count, or a new one.
    pub(super) fn take(&self, hub: &Hub) -> Regions {
        let mut last = self.0.lock();
        let now = hub.now();
        if let Some((at, regions)) = &*last
            && now.millis_since(*at) < FRESH_MS
        {
            return regions.clone();
        }
        let regions = Regions::of(&hub.positions());
        *last = Some((now, regions.clone()));
        regions
    }
}

impl Regions {
    fn of(positions: &[Position]) -> Self {
        let grid = PrivacyGrid::new(CELL_KM).expect("150 km is a cell size");
        let mut cells: HashMap<CellId, (Position, u64)> = HashMap::new();
        for position in positions {
            let cell = cells.entry(grid.cell(*position));
            cell.or_insert_with(|| (grid.snap(*position), 0)).1 += 1;
        }
        let mut elsewhere = 0;
        let mut regions = Vec::new();
        for (middle, people) in cells.into_values() {
            if people < PEOPLE_MIN {
                elsewhere += people;
            } else {
                regions.push(Region {
                    lat: middle.lat_deg(),
                    lon: middle.lon_deg(),
                    people,
                });
            }
        }
        regions.sort_by(|a, b| {
            let by_place = a.lat.total_cmp(&b.lat).then(a.lon.total_cmp(&b.lon));
            b.people.cmp(&a.people).then(by_place)
        });
        Self { regions, elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    #[test]
    fn few_people_are_not_told_apart_from_others() {
        let positions = [vec![at(48.85, 2.35); 4], vec![at(35.68, 139.69); 6]].concat();
        let counted = Regions::of(&positions);
        assert_eq!(counted.elsewhere, 4);
        let [tokyo] = &counted.regions[..] else {
            panic!("{counted:?}");
        };
        assert_eq!(tokyo.people, 6);
        assert!((tokyo.lat - 35.68).abs() < 1.0 && (tokyo.lon - 139.69).abs() < 1.5);
    }

    proptest! {
        /// By the cell's corners, on a sphere.
        #[test]
        fn every_cell_has_the_area_of_100_by_100_km(lat in -90.0..=90.0f64) {
            let grid = PrivacyGrid::new(CELL_KM).unwrap();
            let bands = 133.0;
            let middle = grid.snap(at(lat, 0.0));
            let half_height_deg = 90.0 / bands;
            // The next cell's middle to the east, or this one's again where all are one.
            let mut lon = middle.lon_deg();
            while grid.cell(at(middle.lat_deg(), lon)) == grid.cell(middle) && lon < 179.0 {
                lon += 0.01;
            }
            let width_deg = 2.0 * (lon - 0.01 - middle.lon_deg());
            let south = (middle.lat_deg() - half_height_deg).to_radians().sin();
            let north = (middle.lat_deg() + half_height_deg).to_radians().sin();
            let area_km2 = 6371.0f64.powi(2) * (north - south) * width_deg.to_radians();
            prop_assert!(area_km2 > 10_000.0, "{area_km2} km² at {lat}");
        }
    }
}
