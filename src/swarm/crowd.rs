//! Crowds: people drawn at random, the same ones for the same seed.

use super::cities;
use crate::geo::{Position, Range, WGS84_A_M, WGS84_B_M};
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

/// The position so many metres to the north along the meridian and then to the east along the parallel.
///
/// As parallels shrink towards the pole, the geodesic differs from the hypotenuse by a share of about
/// distance · tan(latitude) / 12 742 km: under 2 % wherever a crowd's people can be. Wraps over the date line.
fn offset(from: Position, east_m: f64, north_m: f64) -> Position {
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
fn cos_deg(deg: f64) -> f64 {
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
fn exp(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    // The next term would be 4³² / 32! < 10⁻¹⁶.
    for n in 1..32 {
        term *= x / f64::from(n);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, geodesic_m, is_within};

    type Draw = fn(u64) -> Crowd;

    const CROWDS: [(&str, Draw); 7] = [
        ("cities", Crowd::cities),
        ("uniform", Crowd::uniform),
        ("mixed", Crowd::mixed),
        ("stadium", Crowd::stadium),
        ("meridian", Crowd::meridian),
        ("poles", Crowd::poles),
        ("one_point", Crowd::one_point),
    ];

    fn distance_m(a: Position, b: Position) -> f64 {
        geodesic_m(&Place::new(a), &Place::new(b))
    }

    fn share(people: &[Person], is_one: impl Fn(&Person) -> bool) -> f64 {
        people.iter().filter(|person| is_one(person)).count() as f64 / people.len() as f64
    }

    fn people(draw: Draw, count: usize) -> Vec<Person> {
        draw(1).take(count).collect()
    }

    #[test]
    fn a_seed_draws_the_same_people_and_another_others() {
        for (name, draw) in CROWDS {
            let of = |seed| draw(seed).take(500).collect::<Vec<_>>();
            assert!(of(1) == of(1), "{name}");
            assert!(of(1) != of(2), "{name}");
        }
    }

    /// Fails when a crowd changes, on this machine or on another: figures measured with the old one are
    /// then no longer comparable.
    #[test]
    fn seed_1_draws_whom_it_always_drew() {
        let fold = |sum: u64, number: f64| {
            (sum ^ number.to_bits())
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(31)
        };
        let drawn = CROWDS.map(|(name, draw)| {
            let sum = draw(1)
                .take(1000)
                .fold(0, |sum, Person { position, range }| {
                    let sum = fold(fold(sum, position.lat_deg()), position.lon_deg());
                    fold(sum, range.metres())
                });
            (name, format!("{sum:016x}"))
        });
        let expected = [
            ("cities", "82060fb9cf4192d0"),
            ("uniform", "84c85d80d98d4edf"),
            ("mixed", "e1e6dd43758cac74"),
            ("stadium", "986c1fe6b542d3e2"),
            ("meridian", "b7fe6e8430d1a004"),
            ("poles", "e64a252067265db7"),
            ("one_point", "1339a8f5e2048c74"),
        ];
        assert_eq!(drawn, expected.map(|(name, sum)| (name, sum.to_owned())));
    }

    #[test]
    fn ranges_are_chosen_as_often_as_said() {
        assert_eq!(
            RANGES_KM.map(|(_, percent)| percent).iter().sum::<u32>(),
            100
        );
        for (name, draw) in CROWDS.into_iter().filter(|(name, _)| *name != "mixed") {
            let people = people(draw, 50_000);
            // Shares add up to one only if there are no other ranges.
            let mut all = 0.0;
            for (km, percent) in RANGES_KM {
                let share = share(&people, |person| {
                    person.range == Range::from_km(km).unwrap()
                });
                // Five standard deviations of the most frequent are 0.0102.
                assert!(
                    (share - f64::from(percent) / 100.0).abs() < 0.011,
                    "{name}, {km} km"
                );
                all += share;
            }
            assert!((all - 1.0).abs() < 1e-9, "{name}: {all}");
        }
    }

    #[test]
    fn half_of_a_mixed_crowd_stays_and_the_rest_spreads_evenly_over_the_scale() {
        let people = people(Crowd::mixed, 50_000);
        let within = |low_km: f64, high_km: f64| {
            share(&people, |person| {
                (low_km * (1.0 - 1e-9)..=high_km * (1.0 + 1e-9)).contains(&person.range.km())
            })
        };
        let (tiny, wide) = (within(0.001, 0.010), within(10.0, 500.0));
        assert!((tiny + wide - 1.0).abs() < 1e-9, "{tiny} + {wide}");
        // Of each half, half is below the geometric mean of its bounds.
        let quarters = [
            tiny - 0.25,
            within(0.001, 0.001 * 10f64.sqrt()),
            wide - 0.25,
            within(10.0, 5000f64.sqrt()),
        ];
        for quarter in quarters {
            assert!((quarter - 0.25).abs() < 0.012, "{quarters:?}");
        }
    }

    #[test]
    fn cities_are_drawn_by_their_population() {
        let total: f64 = cities().iter().map(|city| f64::from(city.population)).sum();
        let draws = 400_000;
        let mut counts = vec![0.0; cities().len()];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for _ in 0..draws {
            counts[rng.sample(&*CITY_INDEX)] += 1.0;
        }
        for (city, count) in cities().iter().zip(&counts).take(100) {
            let expected = f64::from(draws) * f64::from(city.population) / total;
            // The chance of five standard deviations is 10⁻⁶ each.
            assert!(
                (count - expected).abs() < 5.0 * expected.sqrt(),
                "{}",
                city.name
            );
        }
        // All the small ones together: the second half of the table has few people, but has them.
        let half = cities().len() / 2;
        let expected: f64 = cities()[half..]
            .iter()
            .map(|city| f64::from(city.population))
            .sum();
        let share = counts[half..].iter().sum::<f64>() / f64::from(draws);
        assert!((share - expected / total).abs() < 0.003, "{share}");
    }

    #[test]
    fn regions_have_their_share_of_the_world() {
        let people = people(Crowd::cities, 200_000);
        let near = Range::from_km(150.0).unwrap();
        let total: f64 = cities().iter().map(|city| f64::from(city.population)).sum();
        for name in ["Tokyo", "Moscow", "Lima", "Istanbul"] {
            let centre = cities().iter().find(|city| city.name == name).unwrap();
            let centre = Place::new(centre.position);
            let is_near = |position: Position| is_within(&centre, &position.into(), near);
            let living: f64 = cities()
                .iter()
                .filter(|city| is_near(city.position))
                .map(|city| f64::from(city.population))
                .sum();
            let drawn = share(&people, |person| is_near(person.position));
            // A fifth is more than chance and the few who cross the edge together.
            let ratio = drawn / (living / total);
            assert!((0.8..1.2).contains(&ratio), "{name}: {ratio}");
        }
    }

    #[test]
    fn people_scatter_around_their_city_by_its_spread_at_every_latitude() {
        let mut crowd = Crowd::cities(1);
        for name in ["Longyearbyen", "Murmansk", "Shanghai", "Quito", "Ushuaia"] {
            let city = cities().iter().find(|city| city.name == name).unwrap();
            let spread_m = city_spread_m(city.population);
            let count = 20_000;
            let square_sum: f64 = (0..count)
                .map(|_| {
                    let (east, north) = (crowd.bell(), crowd.bell());
                    let there = offset(city.position, east * spread_m, north * spread_m);
                    distance_m(city.position, there).powi(2)
                })
                .sum();
            let ratio = (square_sum / f64::from(count) / 2.0).sqrt() / spread_m;
            assert!((0.98..1.02).contains(&ratio), "{name}: {ratio}");
        }
    }

    #[test]
    fn spreads_grow_from_town_to_metropolis() {
        for (population, low_m, high_m) in [
            (15_000, 2_300.0, 2_400.0),
            (1_000_000, 6_600.0, 6_800.0),
            (cities()[0].population, 14_900.0, 15_000.0),
        ] {
            let spread_m = city_spread_m(population);
            assert!(
                (low_m..high_m).contains(&spread_m),
                "{population}: {spread_m}"
            );
        }
    }

    #[test]
    fn offsets_are_as_long_as_said_even_over_the_date_line() {
        // The hypotenuse ignores that parallels shrink towards the pole, which grows with the square
        // of the distance: 6 spreads of a city of 25 million on the equator, of a village at 80°.
        for (lat, reach_m) in [
            (0.0, 90_000.0),
            (45.0, 90_000.0),
            (-60.0, 60_000.0),
            (80.0, 15_000.0),
        ] {
            for lon in [0.0, 179.99, -179.99, 180.0] {
                let from = at(lat, lon);
                for (east, north) in [
                    (1.0, 0.0),
                    (-1.0, 0.0),
                    (0.0, 1.0),
                    (0.0, -1.0),
                    (0.6, -0.8),
                ] {
                    let there = offset(from, east * reach_m, north * reach_m);
                    let ratio = distance_m(from, there) / reach_m;
                    assert!(
                        (0.98..1.02).contains(&ratio),
                        "{lat}, {lon}, {east}, {north}: {ratio}"
                    );
                }
            }
        }
        assert!(offset(at(-16.0, 179.99), 5_000.0, 0.0).lon_deg() < -179.9);
        assert!(offset(at(-16.0, -179.99), -5_000.0, 0.0).lon_deg() > 179.9);
    }

    #[test]
    fn offsets_are_right_for_the_furthest_people_of_every_city() {
        for city in cities() {
            let reach_m = 6.0 * city_spread_m(city.population);
            let poleward_m = reach_m.copysign(city.position.lat_deg());
            let corner = offset(city.position, reach_m, poleward_m);
            let ratio = distance_m(city.position, corner) / reach_m.hypot(reach_m);
            assert!((0.98..1.02).contains(&ratio), "{}: {ratio}", city.name);
        }
    }

    #[test]
    fn a_uniform_crowd_is_as_dense_everywhere() {
        let people = people(Crowd::uniform, 100_000);
        // Zones between parallels have areas as their sines differ.
        for (low, high) in [
            (-90.0f64, -45.0f64),
            (-45.0, 0.0),
            (0.0, 30.0),
            (30.0, 60.0),
            (60.0, 90.0),
        ] {
            let expected = (high.to_radians().sin() - low.to_radians().sin()) / 2.0;
            let share = share(&people, |p| (low..high).contains(&p.position.lat_deg()));
            assert!((share - expected).abs() < 0.008, "{low} to {high}: {share}");
        }
        for low in [-180.0, -90.0, 0.0, 90.0] {
            let share = share(&people, |p| {
                (low..low + 90.0).contains(&p.position.lon_deg())
            });
            assert!((share - 0.25).abs() < 0.008, "from {low}: {share}");
        }
    }

    #[test]
    fn a_stadium_is_full_up_to_300_m() {
        let people = people(Crowd::stadium, 20_000);
        let beyond = |metres| share(&people, |p| distance_m(p.position, stadium()) > metres);
        assert!(beyond(300.0) == 0.0);
        // As much as the area between the circles.
        for metres in [100.0, 200.0, 290.0] {
            let expected = 1.0 - (metres / STADIUM_RADIUS_M).powi(2);
            assert!((beyond(metres) - expected).abs() < 0.02, "{metres} m");
        }
        let to_the_west = share(&people, |p| p.position.lon_deg() < STADIUM_DEG.1);
        let to_the_south = share(&people, |p| p.position.lat_deg() < STADIUM_DEG.0);
        assert!((to_the_west - 0.5).abs() < 0.02 && (to_the_south - 0.5).abs() < 0.02);
    }

    #[test]
    fn both_poles_are_full_up_to_100_km() {
        let people = people(Crowd::poles, 20_000);
        let north = share(&people, |p| p.position.lat_deg() > 0.0);
        assert!((north - 0.5).abs() < 0.02, "{north}");
        let beyond = |metres| {
            share(&people, |p| {
                let pole = at(90.0f64.copysign(p.position.lat_deg()), 0.0);
                distance_m(p.position, pole) > metres
            })
        };
        assert!(beyond(100_000.0) == 0.0);
        assert!((beyond(50_000.0) - 0.75).abs() < 0.02);
        let east = share(&people, |p| p.position.lon_deg() > 0.0);
        assert!((east - 0.5).abs() < 0.02, "{east}");
    }

    #[test]
    fn a_meridian_is_full_from_pole_to_pole() {
        let people = people(Crowd::meridian, 20_000);
        assert!(people.iter().all(|p| p.position.lon_deg() == 0.0));
        for low in [-90.0, -45.0, 0.0, 45.0] {
            let share = share(&people, |p| {
                (low..low + 45.0).contains(&p.position.lat_deg())
            });
            assert!((share - 0.25).abs() < 0.02, "from {low}: {share}");
        }
    }

    #[test]
    fn one_point_is_one_point() {
        let people = people(Crowd::one_point, 1000);
        assert!(people.iter().all(|p| p.position == stadium()));
    }

    #[test]
    fn the_series_agree_with_the_platform() {
        for step in 0..=1000 {
            let deg = f64::from(step) * 0.18 - 90.0;
            assert!(
                (cos_deg(deg) - deg.to_radians().cos()).abs() < 1e-15,
                "{deg}"
            );
            let x = f64::from(step) * 0.004;
            assert!((exp(x) / x.exp() - 1.0).abs() < 2e-15, "{x}");
        }
    }
}
