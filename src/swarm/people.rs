//! Who somebody of a run is, known from their number alone: so every process knows everybody, and can tell
//! who may be matched with whom.

use super::options::Scenario;
use super::{Crowd, Person};
use crate::geo::{MAX_RANGE_KM, Place, Position, PrivacyGrid, Range, geodesic_m, is_within};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How much further apart than their ranges two may be whose server's grid and formula are not known: a
/// sphere's distances are off by up to 0.6 %.
const UNKNOWN_TOLERANCE: f64 = 1.01;

/// No two of so many points of the lattice are closer together than this over the root of their number,
/// on a sphere of radius 1.
const LATTICE_SPACING: f64 = 3.0;

/// The earth's polar radius, rounded down.
const EARTH_RADIUS_KM: f64 = 6356.0;

/// A stored position is at most this share of the grid's cell away from the real one.
const SNAP_SHARE: f64 = 0.9;

/// Somebody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Guest {
    pub(super) number: u32,
    pub(super) position: Position,
    /// As the server counts it: within its bounds.
    pub(super) range: Range,
    pub(super) is_classic: bool,
}

/// What somebody is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Waits, and is met by nobody.
    Hermit,
    /// Comes, meets, talks, and goes or looks for somebody else.
    Visitor,
    /// Talks with always the same partner.
    Talker,
    /// Says a lot to somebody who doesn't read it.
    Flooder,
    /// Stops reading once in a chat.
    Idler,
}

/// What the server does with positions and ranges, as far as it says.
#[allow(clippy::struct_field_names, reason = "units stand in names")]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Bounds {
    pub(super) range_min_km: f64,
    pub(super) range_max_km: f64,
    /// Unknown of a server that speaks only the classic dialect.
    pub(super) grid_km: Option<f64>,
}

impl Bounds {
    /// Of a server that says nothing of itself.
    pub(super) const UNKNOWN: Self = Self {
        range_min_km: 1.0,
        range_max_km: MAX_RANGE_KM,
        grid_km: None,
    };
}

/// Everybody who could come.
#[derive(Debug, Clone)]
pub(super) struct People {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) connections: u32,
    pub(super) classic_share: f64,
    pub(super) slow_share: f64,
    pub(super) bounds: Bounds,
}

/// Randomness of somebody's own; `purpose` keeps its uses apart.
pub(super) fn rng_of(seed: u64, number: u32, purpose: u64) -> Xoshiro256PlusPlus {
    // Odd multipliers keep neighbours apart; the seeding mixes the rest.
    let mixed = seed
        .wrapping_add(u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(purpose.wrapping_mul(0xD1B5_4A32_D192_ED03));
    Xoshiro256PlusPlus::seed_from_u64(mixed)
}

impl People {
    /// How many belong together and have to be in the same process.
    pub(super) fn group(&self) -> u32 {
        match self.scenario {
            Scenario::Chat | Scenario::Storm | Scenario::Slow => 2,
            Scenario::Idle | Scenario::Crowd | Scenario::Stadium => 1,
        }
    }

    /// Who has this number.
    pub(super) fn guest(&self, number: u32) -> Guest {
        let mut rng = rng_of(self.seed, number, 1);
        let is_classic = rng.random::<f64>() < self.classic_share;
        let person = self.person(number, rng.random());
        Guest {
            number,
            position: person.position,
            range: self.kept(person.range, is_classic),
            is_classic,
        }
    }

    pub(super) fn role(&self, number: u32) -> Role {
        match self.scenario {
            Scenario::Idle => Role::Hermit,
            Scenario::Crowd | Scenario::Stadium => Role::Visitor,
            Scenario::Chat | Scenario::Storm => Role::Talker,
            Scenario::Slow if !self.is_slow_pair(number / 2) => Role::Talker,
            Scenario::Slow if number.is_multiple_of(2) => Role::Idler,
            Scenario::Slow => Role::Flooder,
        }
    }

    /// How many talk with each other at the rate that was asked for.
    pub(super) fn talkers(&self) -> u32 {
        match self.scenario {
            Scenario::Slow => {
                let pairs = self.connections / 2;
                2 * (pairs - slow_pairs(pairs, self.slow_share))
            }
            _ => self.connections,
        }
    }

    /// How far two are apart, in km, if that is further than either would go; `None` for a good match.
    pub(super) fn too_far_km(&self, one: u32, other: u32) -> Option<f64> {
        let (one, other) = (self.guest(one), self.guest(other));
        let grid = self.bounds.grid_km.map(PrivacyGrid::new);
        let range = one.range.min(other.range);
        let (grid, range) = match grid {
            Some(Ok(grid)) => (grid, range),
            // Longer than the longest range is as good as that.
            _ => (
                PrivacyGrid::OFF,
                Range::from_km(range.km() * UNKNOWN_TOLERANCE).unwrap_or(Range::PLANET),
            ),
        };
        let place = |guest: &Guest| Place::new(grid.snap(guest.position));
        let (one, other) = (place(&one), place(&other));
        (!is_within(&one, &other, range)).then(|| geodesic_m(&one, &other) / 1000.0)
    }

    /// Whether people who are to be out of everybody's reach are.
    pub(super) fn are_apart(&self) -> bool {
        let places = match self.scenario {
            Scenario::Crowd | Scenario::Stadium => return true,
            _ => self.connections / self.group(),
        };
        let spacing_km = LATTICE_SPACING * EARTH_RADIUS_KM / f64::from(places).sqrt();
        let reach_km = self.narrowest().km() * UNKNOWN_TOLERANCE
            + 2.0 * SNAP_SHARE * self.bounds.grid_km.unwrap_or(1.0);
        places <= 1 || spacing_km > reach_km
    }

    fn is_slow_pair(&self, pair: u32) -> bool {
        // Spread evenly among all pairs, as many as the share says.
        slow_pairs(pair + 1, self.slow_share) > slow_pairs(pair, self.slow_share)
    }

    fn person(&self, number: u32, seed: u64) -> Person {
        let drawn = match self.scenario {
            Scenario::Crowd => Crowd::cities(seed).next(),
            Scenario::Stadium => Crowd::stadium(seed).next(),
            _ => None,
        };
        drawn.unwrap_or_else(|| Person {
            position: lattice(number / self.group(), self.connections / self.group()),
            range: self.narrowest(),
        })
    }

    /// The smallest range that every client can ask for.
    fn narrowest(&self) -> Range {
        self.kept(Range::from_km(1.0).expect("1 km is a range"), true)
    }

    /// What the server makes of a range. Classic clients can only say whole km.
    fn kept(&self, range: Range, is_classic: bool) -> Range {
        let bounds = &self.bounds;
        let km = range.km().max(bounds.range_min_km).min(bounds.range_max_km);
        let km = if is_classic { km.ceil() } else { km };
        Range::from_km(km.min(MAX_RANGE_KM)).unwrap_or(range)
    }
}

fn slow_pairs(of: u32, share: f64) -> u32 {
    (f64::from(of) * share).round() as u32
}

/// The `index`th of so many points that are spread evenly over the earth, on a spiral that turns by the
/// golden ratio each time (a Fibonacci lattice; e.g. Swinbank and Purser, 2006).
fn lattice(index: u32, of: u32) -> Position {
    let height = 1.0 - (2.0 * f64::from(index) + 1.0) / f64::from(of.max(1));
    let turns = f64::from(index) * ((5.0_f64.sqrt() - 1.0) / 2.0);
    let lat_deg = height.clamp(-1.0, 1.0).asin().to_degrees();
    let lon_deg = turns.fract() * 360.0 - 180.0;
    Position::new(lat_deg, lon_deg).expect("an arc sine and a fraction of a turn are in bounds")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Bounds = Bounds {
        range_min_km: 2.0,
        range_max_km: MAX_RANGE_KM,
        grid_km: Some(1.0),
    };

    fn people(scenario: Scenario, connections: u32) -> People {
        People {
            scenario,
            seed: 1,
            connections,
            classic_share: 0.5,
            slow_share: 0.25,
            bounds: EXACT,
        }
    }

    #[test]
    fn a_number_is_always_the_same_person() {
        for scenario in Scenario::ALL {
            let (one, other) = (people(scenario, 1000), people(scenario, 1000));
            assert!((0..100).all(|number| one.guest(number) == other.guest(number)));
            let classic = (0..1000).filter(|n| one.guest(*n).is_classic).count();
            assert!((400..600).contains(&classic), "{classic}");
        }
    }

    #[test]
    fn hermits_are_out_of_everybodys_reach() {
        let people = people(Scenario::Idle, 2000);
        assert!(people.are_apart());
        for one in (0..2000).step_by(97) {
            for other in 0..2000 {
                assert_eq!(one != other, people.too_far_km(one, other).is_some());
            }
        }
        let mut wide = people;
        wide.bounds.range_min_km = 1000.0;
        assert!(!wide.are_apart());
    }

    #[test]
    fn partners_of_a_pair_reach_each_other_and_nobody_else() {
        let people = people(Scenario::Chat, 2000);
        assert!(people.are_apart());
        for one in (0..2000).step_by(101) {
            for other in 0..2000 {
                let is_good = people.too_far_km(one, other).is_none();
                assert_eq!(is_good, one / 2 == other / 2, "{one} and {other}");
            }
        }
    }

    #[test]
    fn ranges_are_what_the_server_keeps() {
        let people = people(Scenario::Crowd, 1000);
        for number in 0..1000 {
            let guest = people.guest(number);
            assert!(guest.range.km() >= 2.0);
            assert!(!guest.is_classic || guest.range.km().fract() == 0.0);
        }
    }

    #[test]
    fn the_share_of_slow_pairs_is_what_was_asked_for() {
        let people = people(Scenario::Slow, 400);
        let count = |role| (0..400).filter(|n| people.role(*n) == role).count();
        assert_eq!(count(Role::Idler), 50);
        assert_eq!(count(Role::Flooder), 50);
        assert_eq!(count(Role::Talker), people.talkers() as usize);
    }

    #[test]
    fn in_a_stadium_everybody_reaches_everybody() {
        let people = people(Scenario::Stadium, 100);
        for (one, other) in (0..100).zip(1..100) {
            assert_eq!(people.too_far_km(one, other), None);
        }
    }
}
