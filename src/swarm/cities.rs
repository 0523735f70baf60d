//! The world's cities, from a table that is part of the program.

use crate::geo::Position;
use std::sync::LazyLock;

/// Cities by [GeoNames](https://www.geonames.org), CC BY 4.0; `data/README.md` says how it is made.
static TABLE: &str = include_str!("../../data/cities.tsv");

static CITIES: LazyLock<Vec<City>> = LazyLock::new(|| {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    // The table is compiled in, and a test reads all of it.
    rows.map(|row| City::from_row(row).expect("a row of the table is a city"))
        .collect()
});

/// A city of the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct City {
    /// Its name as the source has it, often the local one in Latin letters. Not unique.
    pub name: &'static str,
    /// Its country's code of two letters, ISO 3166-1.
    pub country: &'static str,
    /// Its centre, at most 0.8 km off by rounding.
    pub position: Position,
    /// How many people live there; above zero.
    pub population: u32,
}

impl City {
    /// Reads a line of the table: five fields between tabs.
    fn from_row(row: &'static str) -> Option<Self> {
        let mut fields = row.split('\t');
        let city = Self {
            name: fields.next()?,
            country: fields.next()?,
            position: Position::new(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)
                .ok()?,
            population: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(city)
    }
}

/// The 34,003 cities of the world with about 15,000 people or more, and some smaller capitals, most
/// people first.
///
/// Source: [GeoNames](https://www.geonames.org), CC BY 4.0. Some large cities are listed along with
/// their districts. The first call reads the table, which takes some milliseconds.
///
/// ```
/// use whisperchat::swarm::cities;
/// let paris = cities().iter().find(|city| city.name == "Paris").unwrap();
/// assert_eq!(paris.country, "FR");
/// assert!(paris.population > 2_000_000);
/// ```
pub fn cities() -> &'static [City] {
    &CITIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, Range, is_within};

    #[test]
    fn every_row_is_a_city_and_the_largest_come_first() {
        assert_eq!(cities().len(), 34_003);
        assert!(cities().is_sorted_by(|a, b| a.population >= b.population));
        for city in cities() {
            assert!(!city.name.is_empty());
            assert!(city.population > 0, "{}", city.name);
            let capitals = city.country.bytes().all(|b| b.is_ascii_uppercase());
            assert!(city.country.len() == 2 && capitals, "{}", city.name);
        }
    }

    #[test]
    fn known_cities_are_where_they_are() {
        // Their centres as any atlas has them; 10 km leave room for what it calls the centre.
        let known = [
            ("Tokyo", "JP", 35.69, 139.69),
            ("Sydney", "AU", -33.87, 151.21),
            ("Nairobi", "KE", -1.29, 36.82),
            ("Bogotá", "CO", 4.61, -74.08),
            ("Longyearbyen", "SJ", 78.22, 15.64),
        ];
        for (name, country, lat, lon) in known {
            let city = cities()
                .iter()
                .find(|city| (city.name, city.country) == (name, country))
                .unwrap();
            let expected = Place::new(Position::new(lat, lon).unwrap());
            let near = Range::from_km(10.0).unwrap();
            assert!(
                is_within(&Place::new(city.position), &expected, near),
                "{name}"
            );
        }
    }

    #[test]
    fn a_row_that_is_no_city_is_refused() {
        let refused = [
            "",
            "Here\tXX\t1.5\t2.5",
            "Here\tXX\t1.5\t2.5\t7\tmore",
            "Here\tXX\t91\t2.5\t7",
            "Here\tXX\t1.5\teast\t7",
            "Here\tXX\t1.5\t2.5\t-7",
        ];
        for row in refused {
            assert_eq!(City::from_row(row), None, "{row}");
        }
        assert!(City::from_row("Here\tXX\t1.5\t2.5\t7").is_some());
    }
}
