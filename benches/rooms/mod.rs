//! Rooms as they are when they are used, of any size and crowd, and who comes to them.
//!
//! A room that pairs people at once is *quiet*: nobody in it could be matched with anybody else in it, for
//! they would have been. So most rooms here are filled with people of a crowd for whom nobody eligible
//! waits. That is a matter of chance that takes longer the fuller the room is: rooms are filled once, kept
//! in the target directory, and shared by all contenders and benches.
//!
//! Two kinds of crowds can't fill a quiet room as they are:
//!
//! - Near the poles and along the meridian there is no place for so many with ranges of 1 km and more. Their
//!   ranges are halved, everybody's alike and the newcomers' too, until there is.
//! - In a stadium and at one point, whoever comes could meet whoever is there. If people wait there all the
//!   same, then because they avoid each other, having met, blocked or refused each other. There ranges are 1
//!   to 10 m, nobody looks for a partner inside, and newcomers come from outside, 320 to 500 m from the
//!   middle, and would go 50 km. None of them finds anybody.

#![allow(dead_code, unused_imports, reason = "each bench uses a part of it")]

mod covered;

use crate::support::{is_test_run, target_dir};
use covered::Covered;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::f64::consts::TAU;
use std::io;
use std::path::PathBuf;
use std::time::Instant;
use whisperchat::geo::{Place, Position, Range};
use whisperchat::matching::WaitingRoom;
use whisperchat::swarm::Crowd;

/// The seed of those who wait, and of those who come.
const SEED_WAITING: u64 = 1;
const SEED_COMING: u64 = 2;

/// If there are more draws than so many for each person who has found a place, ranges are halved.
const DRAWS_MAX: usize = 20;

/// So many draws more are made in any case: the first people fill a good part of a room.
const DRAWS_MIN: usize = 2000;

/// After so many draws for each person who waits, it pays to know where nobody needs to look.
const COVERED_AFTER: usize = 6;

/// How far from the middle of a stadium newcomers stand, in metres.
const OUTSIDE_M: std::ops::Range<f64> = 320.0..500.0;

/// How far they would go, in km: more than across the stadium, and the median of the crowd's ranges.
const OUTSIDE_RANGE_KM: f64 = 50.0;

/// About the length of a degree of latitude in the stadium, in metres.
const DEGREE_M: f64 = 111_200.0;

/// Who waits in a room, and how they came to.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// The name of the crowd in tables and plots.
    pub(crate) name: &'static str,
    crowd: fn(u64) -> Crowd,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Nobody could be matched.
    Quiet,
    /// The same, with ranges as small as it takes.
    QuietShrunk,
    /// As before, moved to the date line.
    DateLine,
    /// All avoid each other; newcomers come from outside.
    Excluding,
}

const fn scene(name: &'static str, crowd: fn(u64) -> Crowd, kind: Kind) -> Scene {
    Scene { name, crowd, kind }
}

/// The crowds that are timed.
pub(crate) const SCENES: [Scene; 7] = [
    scene("uniform", Crowd::uniform, Kind::Quiet),
    scene("cities", Crowd::cities, Kind::Quiet),
    scene("mixed", Crowd::mixed, Kind::Quiet),
    scene("stadium", Crowd::stadium, Kind::Excluding),
    scene("meridian", Crowd::meridian, Kind::QuietShrunk),
    scene("poles", Crowd::poles, Kind::QuietShrunk),
    scene("one_point", Crowd::one_point, Kind::Excluding),
];

/// A crowd in which answers are compared only: the meridian's, scattered over half a degree to either side
/// of the date line.
pub(crate) const DATE_LINE: Scene = scene("date_line", Crowd::meridian, Kind::DateLine);

/// How large rooms are in a run that only shows that benches work.
const SIZE_TEST: usize = 1000;

/// What `ROOM_SIZE_MAX` is if it isn't set.
const SIZE_MAX: usize = 100_000;

/// Those of the sizes that are to be done.
pub(crate) fn sizes(all: &[usize]) -> Vec<usize> {
    if is_test_run() {
        return vec![SIZE_TEST];
    }
    let size_max = std::env::var("ROOM_SIZE_MAX").map_or(SIZE_MAX, |text| {
        let digits = text.replace('_', "");
        digits.parse().expect("ROOM_SIZE_MAX is a number of people")
    });
    all.iter()
        .copied()
        .filter(|size| *size <= size_max)
        .collect()
}

/// The scene of this name.
pub(crate) fn scene_named(name: &str) -> Scene {
    let found = SCENES.into_iter().find(|scene| scene.name == name);
    found.expect("one of the seven")
}

/// Where somebody is and how far they would go.
pub(crate) type Whereabouts = (Place, Range);

/// A room that is full.
pub(crate) struct Room {
    pub(crate) scene: Scene,
    /// Who waits, in the order in which they came.
    pub(crate) people: Vec<Whereabouts>,
    /// How often everybody's range was halved.
    pub(crate) halvings: u32,
}

/// Somebody who comes to a room.
#[derive(Clone, Copy)]
pub(crate) struct Newcomer {
    /// Whom they look for.
    pub(crate) seeks: Whereabouts,
    /// Who waits if they find nobody: themselves, or another of the crowd if they don't belong to it.
    pub(crate) stays: Whereabouts,
}

/// An endless row of those who come, the same for every contender.
#[derive(Clone)]
pub(crate) struct Newcomers(Drawn);

/// An endless row of people of a scene.
#[derive(Clone)]
struct Drawn {
    scene: Scene,
    crowd: Crowd,
    /// For what the scene adds to the crowd.
    rng: Xoshiro256PlusPlus,
    halvings: u32,
}

impl Room {
    /// Fills a room, or reads who was in it the last time.
    pub(crate) fn filled(scene: Scene, size: usize) -> Self {
        let start = Instant::now();
        if let Ok(room) = Self::read(scene, size) {
            return room;
        }
        eprintln!("{}: looking for {size} people who wait", scene.name);
        let room = Self::fill(scene, size);
        eprintln!(
            "{}: found after {:.1} s",
            scene.name,
            start.elapsed().as_secs_f32()
        );
        if let Err(error) = room.write() {
            eprintln!("{}: can't be kept: {error}", scene.name);
        }
        room
    }

    pub(crate) fn newcomers(&self) -> Newcomers {
        Newcomers(Drawn::new(self.scene, SEED_COMING, self.halvings))
    }

    /// How often ranges were halved to fill the room, if it has been filled.
    pub(crate) fn halvings_of(scene: Scene, size: usize) -> Option<u32> {
        Some(Self::read(scene, size).ok()?.halvings)
    }

    fn fill(scene: Scene, size: usize) -> Self {
        let mut halvings = 0;
        loop {
            let people = match scene.kind {
                Kind::Excluding => {
                    let drawn = Drawn::new(scene, SEED_WAITING, 0);
                    Some(drawn.map(whereabouts).take(size).collect())
                }
                Kind::Quiet => quiet(scene, size, halvings, usize::MAX),
                Kind::QuietShrunk | Kind::DateLine => quiet(scene, size, halvings, DRAWS_MAX),
            };
            if let Some(people) = people {
                return Self {
                    scene,
                    people,
                    halvings,
                };
            }
            halvings += 1;
        }
    }

    /// The file says first whom it was drawn from, so that people of another crowd are not taken for these.
    fn head(scene: Scene, halvings: u32) -> [f64; 4] {
        let mut drawn = Drawn::new(scene, SEED_WAITING, halvings);
        let (position, range) = drawn.next().expect("a crowd has no end");
        let (lat_deg, lon_deg) = (position.lat_deg(), position.lon_deg());
        [lat_deg, lon_deg, range.metres(), halvings.into()]
    }

    fn path(scene: Scene, size: usize) -> PathBuf {
        target_dir().join(format!("rooms/{}-{size}", scene.name))
    }

    fn write(&self) -> io::Result<()> {
        let path = Self::path(self.scene, self.people.len());
        let mut bytes = Vec::with_capacity(32 + 24 * self.people.len());
        let numbers = self.people.iter().flat_map(|(place, range)| {
            let position = place.position();
            [position.lat_deg(), position.lon_deg(), range.metres()]
        });
        for number in Self::head(self.scene, self.halvings)
            .into_iter()
            .chain(numbers)
        {
            bytes.extend(number.to_le_bytes());
        }
        std::fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        // Written elsewhere first: a bench that is ended meanwhile must not leave half a room.
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(unfinished, path)
    }

    fn read(scene: Scene, size: usize) -> io::Result<Self> {
        let bytes = std::fs::read(Self::path(scene, size))?;
        let numbers: Vec<f64> = bytes
            .chunks_exact(8)
            .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight of them")))
            .collect();
        let unfit = || io::Error::other("another crowd's");
        let (head, people) = numbers.split_first_chunk::<4>().ok_or_else(unfit)?;
        let halvings = head[3] as u32;
        if *head != Self::head(scene, halvings) || people.len() != size * 3 {
            return Err(unfit());
        }
        let people = people
            .chunks_exact(3)
            .map(|person| {
                let position = Position::new(person[0], person[1]).map_err(io::Error::other)?;
                let range = Range::from_km(person[2] / 1000.0).map_err(io::Error::other)?;
                Ok((Place::new(position), range))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            scene,
            people,
            halvings,
        })
    }
}

fn whereabouts((position, range): (Position, Range)) -> Whereabouts {
    (Place::new(position), range)
}

/// So many people of the crowd of whom no two could be matched, or `None` if that takes too many draws for each.
fn quiet(scene: Scene, size: usize, halvings: u32, draws_max: usize) -> Option<Vec<Whereabouts>> {
    let mut room = WaitingRoom::new();
    let mut covered: Option<Covered> = None;
    let mut people = Vec::with_capacity(size);
    let mut reported = Instant::now();
    for (draw, (position, range)) in Drawn::new(scene, SEED_WAITING, halvings).enumerate() {
        if people.len() == size {
            return Some(people);
        }
        if draw
            > draws_max
                .saturating_mul(people.len())
                .saturating_add(DRAWS_MIN)
        {
            break;
        }
        if draw % 1_000_000 == 0 && reported.elapsed().as_secs() >= 10 {
            eprintln!(
                "{}: {} of {size} after {draw} draws",
                scene.name,
                people.len()
            );
            reported = Instant::now();
        }
        let is_covered = |covered: &Covered| covered.would_match(position, range);
        if covered.as_ref().is_some_and(is_covered) {
            continue;
        }
        let place = Place::new(position);
        if room.nearest_eligible(&place, range, |_, ()| true).is_none() {
            room.insert(place, range, ());
            people.push((place, range));
            if let Some(covered) = &mut covered {
                covered.add(&place, range);
            }
        } else if covered.is_none() && draw > COVERED_AFTER * (people.len() + 100) {
            let mut new = Covered::default();
            for (place, range) in &people {
                new.add(place, *range);
            }
            covered = Some(new);
        }
    }
    None
}

fn outside_range() -> Range {
    Range::from_km(OUTSIDE_RANGE_KM).expect("the constant is a range")
}

impl Drawn {
    fn new(scene: Scene, seed: u64, halvings: u32) -> Self {
        Self {
            scene,
            crowd: (scene.crowd)(seed),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            halvings,
        }
    }

    fn near_the_date_line(&mut self, lat_deg: f64) -> Position {
        let east_deg = self.rng.random_range(-0.5..0.5);
        let lon_deg = if east_deg < 0.0 {
            180.0 + east_deg
        } else {
            east_deg - 180.0
        };
        Position::new(lat_deg, lon_deg).expect("degrees in bounds")
    }

    /// Where somebody stands who is outside of the stadium.
    fn outside(&mut self) -> Place {
        let mut crowd = Crowd::one_point(SEED_WAITING);
        let middle = crowd.next().expect("a crowd has no end").position;
        let distance_m = self.rng.random_range(OUTSIDE_M);
        let (sin, cos) = self.rng.random_range(0.0..TAU).sin_cos();
        let lat_deg = middle.lat_deg() + distance_m * sin / DEGREE_M;
        let lon_degree_m = DEGREE_M * lat_deg.to_radians().cos();
        let lon_deg = middle.lon_deg() + distance_m * cos / lon_degree_m;
        Place::new(Position::new(lat_deg, lon_deg).expect("degrees in bounds"))
    }
}

impl Iterator for Drawn {
    type Item = (Position, Range);

    fn next(&mut self) -> Option<Self::Item> {
        let person = self.crowd.next()?;
        let position = match self.scene.kind {
            Kind::DateLine => self.near_the_date_line(person.position.lat_deg()),
            _ => person.position,
        };
        let km = match self.scene.kind {
            Kind::Excluding => self.rng.random_range(0.001..0.01),
            _ => person.range.km() / f64::from(1_u32 << self.halvings),
        };
        let range = Range::from_km(km).expect("no larger than a range, and above zero");
        Some((position, range))
    }
}

impl Iterator for Newcomers {
    type Item = Newcomer;

    fn next(&mut self) -> Option<Newcomer> {
        let stays = whereabouts(self.0.next()?);
        let seeks = match self.0.scene.kind {
            Kind::Excluding => (self.0.outside(), outside_range()),
            _ => stays,
        };
        Some(Newcomer { seeks, stays })
    }
}
