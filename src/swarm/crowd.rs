//! Crowds: people drawn at random, the same ones for the same seed.

mod exact;

use super::cities;
use crate::geo::{Position, Range, WGS84_A_M, WGS84_B_M};
use exact::{cos_deg, exp, offset};
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::f64::consts::{LN_2, LN_10};
use std::sync::LazyLock;

/// The ranges that people choose, each in km with its share in percent.
///
/// An assumption, not a survey: a form that offers 10, 50, 100 and 500 km, and the few who write
/// 1 km or "everywhere" themselves.
pub const RANGES_KM: [(f64, u32); 6] = [
    (1.0, 3),
    (10.0, 20),
    (50.0, 30),
    (100.0, 30),
    (500.0, 15),
    (20_000.0, 2),
];

/// Where [`Crowd::stadium`] and [`Crowd::one_point`] are: the Stade de France, in degrees.
const STADIUM_DEG: (f64, f64) = (48.9245, 2.3601);

/// How far from its centre people stand in a stadium. A metre under the 300 promised, where flat
/// offsets are right to a centimetre.
const STADIUM_RADIUS_M: f64 = 299.0;

/// How far from the pole people are.
const POLE_RADIUS_M: f64 = 100_000.0;

/// A city's spread in metres for the fourth root of one person.
///
/// Cities grow denser as they grow, so their width grows more slowly than the square root of their
/// people. With the fourth root, this gives 2.3 km for 15 000 people, 6.7 km for a million and 15 km for
/// the largest city, 25 million, whose middle then has some 18 000 people per km².
const CITY_SPREAD_M: f64 = 212.0;

/// The chance of each city, by its population. Finding one is a binary search.
static CITY_INDEX: LazyLock<WeightedIndex<u64>> = LazyLock::new(|| {
    let populations = cities().iter().map(|city| u64::from(city.population));
    // Refused are only an empty table, negative weights and a sum above 64 bits.
    WeightedIndex::new(populations).expect("cities have people")
});

static RANGE_INDEX: LazyLock<WeightedIndex<u32>> = LazyLock::new(|| {
    // As above; the shares are in the constant.
    WeightedIndex::new(RANGES_KM.map(|(_, percent)| percent)).expect("ranges have shares")
});

/// Somebody who could be waiting: where they are, and how far they would go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    /// Where they are.
    pub position: Position,
    /// How far they would go.
    pub range: Range,
}

/// An endless row of people, each drawn independently of the others.
///
/// The same seed gives the same people on every machine, so a seed in a report replays it: numbers come
/// from xoshiro256++, which is portable, and from there on only from operations that IEEE 754 defines to
/// the last bit (no `sin` or `exp` of the platform). Another version of this program, or of `rand`, may
/// draw others. Not random enough for secrets.
///
/// Except for [`Crowd::mixed`], ranges are those of [`RANGES_KM`]. A person costs well under a
/// microsecond; from cities, one binary search among 34,003.
///
/// ```
/// use whisperchat::swarm::Crowd;
/// let crowd: Vec<_> = Crowd::cities(7).take(1000).collect();
/// assert!(crowd.iter().eq(&Crowd::cities(7).take(1000).collect::<Vec<_>>()));
/// ```
#[derive(Debug, Clone)]
pub struct Crowd {
    kind: Kind,
    rng: Xoshiro256PlusPlus,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Cities,
    Uniform,
    Mixed,
    Stadium,
    Meridian,
    Poles,
    OnePoint,
}

impl Crowd {
    /// People where people live: in each of the [`cities`] as many as its share of all their
    /// population, scattered around its centre on a bell curve each way.
    ///
    /// Its standard deviation is 212 m times the fourth root of the population: 2.3 km for a small town,
    /// 15 km for the largest city. Nobody is more than 6 of them away in either direction.
    pub fn cities(seed: u64) -> Self {
        Self::new(Kind::Cities, seed)
    }

    /// People anywhere on earth, as many on every km² of a sphere, oceans and poles included.
    pub fn uniform(seed: u64) -> Self {
        Self::new(Kind::Uniform, seed)
    }

    /// People in cities of whom half would hardly go anywhere: ranges of 1 to 10 m for one half, 10 to
    /// 500 km for the other, log-uniform.
    ///
    /// Almost everybody nearby is out of reach then, by their own range. Hard for a search that looks at
    /// the seeker's range only.
    pub fn mixed(seed: u64) -> Self {
        Self::new(Kind::Mixed, seed)
    }

    /// People within 300 m of one point (48.9245° N, 2.3601° E), as many on every m².
    pub fn stadium(seed: u64) -> Self {
        Self::new(Kind::Stadium, seed)
    }

    /// People along the meridian of Greenwich, from pole to pole, as many on every degree.
    ///
    /// All in one plane: boxes around them have no volume.
    pub fn meridian(seed: u64) -> Self {
        Self::new(Kind::Meridian, seed)
    }

    /// People within 100 km of a pole, half of them at either, as many on every km².
    pub fn poles(seed: u64) -> Self {
        Self::new(Kind::Poles, seed)
    }

    /// People who all are at the same point (48.9245° N, 2.3601° E).
    pub fn one_point(seed: u64) -> Self {
        Self::new(Kind::OnePoint, seed)
    }

    fn new(kind: Kind, seed: u64) -> Self {
        Self {
            kind,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    fn position(&mut self) -> Position {
        match self.kind {
            Kind::Cities | Kind::Mixed => self.in_a_city(),
            Kind::Uniform => self.anywhere(),
            Kind::Stadium => {
                let (x, y) = self.in_unit_disc();
                offset(stadium(), x * STADIUM_RADIUS_M, y * STADIUM_RADIUS_M)
            }
            Kind::Meridian => at(self.between(-90.0, 90.0), 0.0),
            Kind::Poles => self.near_a_pole(),
            Kind::OnePoint => stadium(),
        }
    }

    fn range(&mut self) -> Range {
        let km = match self.kind {
            Kind::Mixed => self.tiny_or_wide_km(),
            _ => RANGES_KM[self.rng.sample(&*RANGE_INDEX)].0,
        };
        // All of them lie between 1 m and 20 000 km.
        Range::from_km(km).expect("drawn from the ranges allowed")
    }

    /// 1 to 10 m for one half, 10 to 500 km for the other.
    fn tiny_or_wide_km(&mut self) -> f64 {
        if self.rng.random::<bool>() {
            0.001 * self.log_uniform(LN_10)
        } else {
            // 500 over 10 is 50, that is 10² / 2.
            10.0 * self.log_uniform(2.0 * LN_10 - LN_2)
        }
    }

    fn in_a_city(&mut self) -> Position {
        let city = &cities()[self.rng.sample(&*CITY_INDEX)];
        let spread_m = city_spread_m(city.population);
        let (east, north) = (self.bell(), self.bell());
        offset(city.position, east * spread_m, north * spread_m)
    }

    /// A parallel is as long as the cosine of its latitude, so that is the share of latitudes kept.
    fn anywhere(&mut self) -> Position {
        loop {
            let lat_deg = self.between(-90.0, 90.0);
            // Keeps 2/π of all tries: the chance that 100 fail is under 10⁻⁴³.
            if self.rng.random::<f64>() < cos_deg(lat_deg) {
                return at(lat_deg, self.between(-180.0, 180.0));
            }
        }
    }

    fn near_a_pole(&mut self) -> Position {
        // The root makes the area within each distance grow as it should.
        let distance_m = POLE_RADIUS_M * self.rng.random::<f64>().sqrt();
        // A meridian's radius of curvature is largest at the poles, a²/b, so nobody is further than this.
        let from_pole_deg = (distance_m / (WGS84_A_M * WGS84_A_M / WGS84_B_M)).to_degrees();
        let lat_deg = 90.0 - from_pole_deg;
        let is_north = self.rng.random::<bool>();
        at(
            if is_north { lat_deg } else { -lat_deg },
            self.between(-180.0, 180.0),
        )
    }

    /// Evenly from the disc of radius 1: points of the square around it, until one is inside.
    fn in_unit_disc(&mut self) -> (f64, f64) {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            // Keeps π/4 of all tries.
            if x * x + y * y <= 1.0 {
                return (x, y);
            }
        }
    }

    /// Nearly normal, mean 0, standard deviation 1, within ±6: the sum of twelve uniform numbers,
    /// whose variance is 1/12 each. Sums are the same on every machine; the usual methods need a logarithm.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// From 1 to e to the power of `ln_max`, evenly in its logarithm.
    fn log_uniform(&mut self, ln_max: f64) -> f64 {
        exp(self.between(0.0, ln_max))
    }

    /// Evenly from `low` to `high`.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.random::<f64>()
    }
}

impl Iterator for Crowd {
    type Item = Person;

    /// The next person; there always is one.
    fn next(&mut self) -> Option<Person> {
        Some(Person {
            position: self.position(),
            range: self.range(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// How far a city's people are from its centre in each direction, as a standard deviation in metres.
fn city_spread_m(population: u32) -> f64 {
    CITY_SPREAD_M * f64::from(population).sqrt().sqrt()
}

fn stadium() -> Position {
    at(STADIUM_DEG.0, STADIUM_DEG.1)
}

fn at(lat_deg: f64, lon_deg: f64) -> Position {
    // Whoever calls has drawn or wrapped them into bounds.
    Position::new(lat_deg, lon_deg).expect("degrees in bounds")
}

#[cfg(test)]
mod tests;
