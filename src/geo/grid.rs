//! The privacy grid: positions are moved to the middle of their cell before anything stores them.

use super::{HALF_MERIDIAN_M, Position};

/// A grid of cells of nearly equal size all over the earth.
///
/// The earth is cut into bands of latitude one cell high, and each band into as many cells as fit its
/// length, so that cells are about as wide as high everywhere: at the equator, on either side of the
/// date line (where cells of every band begin), and at the poles, which are the common corner of three
/// cells. The grid is fixed to the earth, so any number of visits from one cell looks the same.
///
/// Positions are moved by at most 0.9 of a cell's side (0.71 away from the poles).
///
/// ```
/// use whisperchat::geo::{Position, PrivacyGrid};
/// let grid = PrivacyGrid::new(1.0)?;
/// let home = grid.snap(Position::new(48.85660, 2.35220)?);
/// let next_door = grid.snap(Position::new(48.85661, 2.35221)?);
/// assert_eq!(home, next_door);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrivacyGrid {
    cell_km: f64,
    /// Bands from pole to pole; 0 if the grid is off.
    bands: u32,
}

/// The number is not a cell size.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a grid's cells must be 0.01 to 1000 km, or 0 for no grid")]
pub struct GridError;

/// One cell of one grid: its band from the south and its place in the band from the date line
/// eastwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId {
    band: u32,
    column: u32,
}

impl PrivacyGrid {
    /// No grid: positions are kept as they are.
    pub const OFF: Self = Self {
        cell_km: 0.0,
        bands: 0,
    };

    /// A grid with cells of about this many km a side; 0 for none.
    ///
    /// # Errors
    /// [`GridError`] if the size is neither 0 nor 0.01…1000 km.
    pub fn new(cell_km: f64) -> Result<Self, GridError> {
        if cell_km == 0.0 {
            return Ok(Self::OFF);
        }
        if !(0.01..=1000.0).contains(&cell_km) {
            return Err(GridError);
        }
        let bands = (HALF_MERIDIAN_M / 1000.0 / cell_km).round() as u32;
        Ok(Self { cell_km, bands })
    }

    /// A cell's side in km, as asked for; 0 if the grid is off.
    pub fn cell_km(&self) -> f64 {
        self.cell_km
    }

    /// The middle of the cell that a position lies in; the position itself if the grid is off.
    #[must_use]
    pub fn snap(&self, position: Position) -> Position {
        if self.bands == 0 {
            return position;
        }
        let CellId { band, column } = self.cell(position);
        let middle = |index: u32, of: u32| (f64::from(index) + 0.5) / f64::from(of);
        let lat = middle(band, self.bands) * 180.0 - 90.0;
        let lon = middle(column, self.columns(band)) * 360.0 - 180.0;
        Position::new(lat, lon).expect("the middle of a cell is on earth")
    }

    /// The cell that a position lies in. The same for every position if the grid is off.
    pub fn cell(&self, position: Position) -> CellId {
        let index =
            |fraction: f64, of: u32| ((fraction * f64::from(of)) as u32).min(of.saturating_sub(1));
        let band = index((position.lat_deg() + 90.0) / 180.0, self.bands);
        // The two names of the date line are one meridian.
        let lon_deg = if position.lon_deg() >= 180.0 {
            -180.0
        } else {
            position.lon_deg()
        };
        let column = index((lon_deg + 180.0) / 360.0, self.columns(band));
        CellId { band, column }
    }

    /// How many cells a band is cut into, by the length of the parallel in its middle.
    fn columns(&self, band: u32) -> u32 {
        if self.bands == 0 {
            return 0;
        }
        let from_pole = (f64::from(band) + 0.5) / f64::from(self.bands) * std::f64::consts::PI;
        // A parallel is 2 sin(angle from the pole) half meridians long on a sphere, which is within
        // one percent on the ellipsoid.
        let columns = 2.0 * from_pole.sin() * f64::from(self.bands);
        (columns.round() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, geodesic_m};
    use proptest::prelude::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        for km in [-1.0, 0.001, 1000.1, f64::NAN, f64::INFINITY] {
            assert_eq!(PrivacyGrid::new(km), Err(GridError), "{km}");
        }
        assert_eq!(PrivacyGrid::new(0.0), Ok(PrivacyGrid::OFF));
    }

    #[test]
    fn without_a_grid_positions_stay() {
        assert_eq!(PrivacyGrid::OFF.snap(at(1.5, -2.5)), at(1.5, -2.5));
    }

    #[test]
    fn the_edges_of_the_map_have_cells_too() {
        let grid = PrivacyGrid::new(1.0).unwrap();
        assert_eq!(grid.cell(at(10.0, 180.0)), grid.cell(at(10.0, -180.0)));
        // A pole has every longitude; each lies in one of the three cells that meet there.
        let mut cells: Vec<_> = (0..360)
            .map(|lon| grid.cell(at(90.0, f64::from(lon) - 180.0)))
            .collect();
        cells.dedup();
        assert_eq!(cells.len(), 3);
    }

    #[test]
    fn cells_are_of_near_equal_area_everywhere() {
        for cell_km in [0.5, 1.0, 10.0, 100.0] {
            let grid = PrivacyGrid::new(cell_km).unwrap();
            for band in 0..grid.bands {
                let edge =
                    |i: u32| (f64::from(i) / f64::from(grid.bands) * 180.0 - 90.0).to_radians();
                // Area of a zone of the sphere with the earth's mean radius, over its cells.
                let zone = 2.0
                    * std::f64::consts::PI
                    * 6371.0
                    * 6371.0
                    * (edge(band + 1).sin() - edge(band).sin());
                let ratio = zone / f64::from(grid.columns(band)) / (cell_km * cell_km);
                assert!(
                    (0.9..1.1).contains(&ratio),
                    "{cell_km} km, band {band}: {ratio}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_snapped_position_stays_in_its_cell_and_near(
            lat in -90.0..=90.0f64,
            lon in -180.0..=180.0f64,
            cell_km in prop_oneof![Just(0.5), Just(1.0), Just(7.3), Just(100.0)],
        ) {
            let grid = PrivacyGrid::new(cell_km).unwrap();
            let snapped = grid.snap(at(lat, lon));
            prop_assert_eq!(grid.cell(snapped), grid.cell(at(lat, lon)));
            prop_assert_eq!(grid.snap(snapped), snapped);
            let moved_km = geodesic_m(&Place::new(snapped), &Place::new(at(lat, lon))) / 1000.0;
            prop_assert!(moved_km <= 0.9 * cell_km, "moved {} of {} km", moved_km, cell_km);
        }
    }
}
