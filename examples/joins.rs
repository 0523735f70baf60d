//! Joins at random through the waiting room, each held against the rule by brute force:
//!
//! ```text
//! cargo run --release --example joins -- --joins 100000000 --seed 1
//! ```
//!
//! People of every crowd come to rooms of several sizes. Whoever comes is to be paired with the nearest of
//! those who are within reach both ways and whom they don't avoid, and with nobody only if there is nobody.
//! An oracle says who that is: it looks at everybody, measures by the geodesic from `geographiclib-rs`, and
//! shares no code with the room. Some of those who wait leave, move, or change their range, and look again.
//!
//! In half of the rooms most people avoid each other, as those do who have met or blocked each other: else
//! nobody would ever wait in a stadium. At the end of each room, everybody left in it is compared with
//! everybody else: no two may be eligible.
//!
//! Threads take rooms in turn, and what happens in a room depends on the seed and the room's number only. A
//! violation is printed with both, and ends the program with status 1.

use clap::Parser;
use geographiclib_rs::{Geodesic, InverseGeodesic};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::cell::Cell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use whisperchat::geo::{Place, Position, Range};
use whisperchat::matching::{TicketId, WaitingRoom};
use whisperchat::swarm::{Crowd, Person};

/// Checks joins in the waiting room against the rule.
#[derive(Parser)]
struct Args {
    /// How many joins, of all crowds together
    #[arg(long, default_value_t = 1_000_000)]
    joins: u64,

    /// Decides who comes when
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many threads share the work
    #[arg(long, default_value_t = 1)]
    threads: u64,
}

type Draw = fn(u64) -> Crowd;

const CROWDS: [(&str, Draw); 7] = [
    ("uniform", Crowd::uniform),
    ("cities", Crowd::cities),
    ("mixed", Crowd::mixed),
    ("stadium", Crowd::stadium),
    ("meridian", Crowd::meridian),
    ("poles", Crowd::poles),
    ("one_point", Crowd::one_point),
];

/// How many people a room holds before somebody gives up for each who comes.
const SIZES: [usize; 3] = [30, 300, 1500];

/// One pair in so many is willing to meet; 1 is everybody.
const WILLING: [u64; 2] = [1, 200];

/// How many joins there are in one room.
const JOINS_IN_A_ROOM: u64 = 20_000;

/// One in so many who come is somebody who waits already, and has moved or changed their range.
const CHANGED: u32 = 8;

/// Distances this close to a range count as within it, in metres; what the room promises too.
const EQUAL_M: f64 = 1e-7;

/// No two points of WGS-84 are further apart than half a meridian, in metres.
const FARTHEST_M: f64 = 20_003_931.5;

/// A room and how many joins are made in it.
struct Room {
    number: u64,
    crowd: (&'static str, Draw),
    size: usize,
    willing: u64,
    joins: u64,
}

/// Somebody as the oracle sees them.
struct Known {
    ticket: TicketId,
    /// Their name, for who avoids whom.
    name: u64,
    position: Position,
    range_m: f64,
    /// Straight-line coordinates, of the oracle's own reckoning.
    point: [f64; 3],
    turn: u64,
}

#[derive(Default)]
struct Counts {
    joins: u64,
    pairs: u64,
    geodesics: u64,
    most_waiting: usize,
}

struct Oracle {
    geodesic: Geodesic,
    waiting: Vec<Known>,
    willing: u64,
    geodesics: Cell<u64>,
}

/// What the oracle objects to.
#[derive(Debug)]
#[expect(dead_code, reason = "shown when the program ends")]
enum Violation {
    /// Names of two who were matched and must not be.
    NotEligible(u64, u64),
    /// Names of who came, who was found, and who would have been right.
    NotNearest(u64, u64, u64),
    /// Names of two who could be matched and wait.
    LeftWaiting(u64, u64),
}

/// A point on the ellipsoid with half axes a = 6378137 m and b = a (1 − 1 / 298.257223563), by its parametric
/// latitude β: tan β = (1 − f) tan φ.
fn point(position: Position) -> [f64; 3] {
    const A: f64 = 6_378_137.0;
    const B: f64 = A * (1.0 - 1.0 / 298.257_223_563);
    let (lat, lon) = (
        position.lat_deg().to_radians(),
        position.lon_deg().to_radians(),
    );
    let beta = (B / A * lat.sin()).atan2(lat.cos());
    [
        A * beta.cos() * lon.cos(),
        A * beta.cos() * lon.sin(),
        B * beta.sin(),
    ]
}

fn chord_m(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    let square = |axis: usize| (a[axis] - b[axis]) * (a[axis] - b[axis]);
    (square(0) + square(1) + square(2)).sqrt()
}

/// Whether two people would meet. The same for both orders; depends on nothing but their names.
fn are_willing(a: u64, b: u64, one_in: u64) -> bool {
    let mixed = ((a.min(b) << 32) ^ a.max(b)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    a != b && (mixed >> 32).is_multiple_of(one_in)
}

impl Oracle {
    /// Whether the distance along the surface is at most a range. Far from the edge a straight line tells:
    /// the way along the surface is never shorter, and up to 6000 km never longer by a tenth (on a sphere of
    /// the smallest radius of curvature, 6335 km, it is 4.3 %).
    fn is_within(&self, a: Position, b: Position, chord_m: f64, range_m: f64) -> bool {
        if chord_m > range_m + 0.001 {
            return false;
        }
        if range_m > FARTHEST_M || (chord_m < 6_000_000.0 && chord_m * 1.1 < range_m) {
            return true;
        }
        self.geodesics.set(self.geodesics.get() + 1);
        let inverse = |a: Position, b: Position| -> f64 {
            self.geodesic
                .inverse(a.lat_deg(), a.lon_deg(), b.lat_deg(), b.lon_deg())
        };
        inverse(a, b) <= range_m + EQUAL_M
    }

    /// The index of the nearest who is eligible, and who has waited longest of several.
    fn nearest(&self, name: u64, position: Position, range_m: f64) -> Option<usize> {
        let from = point(position);
        let mut candidates: Vec<(f64, u64, usize)> = Vec::new();
        for (index, other) in self.waiting.iter().enumerate() {
            let chord_m = chord_m(&from, &other.point);
            if chord_m <= range_m.min(other.range_m) + 0.001
                && are_willing(name, other.name, self.willing)
            {
                candidates.push((chord_m, other.turn, index));
            }
        }
        candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        candidates.into_iter().find_map(|(chord_m, _, index)| {
            let other = &self.waiting[index];
            let (there, range_m) = (other.position, range_m.min(other.range_m));
            self.is_within(position, there, chord_m, range_m)
                .then_some(index)
        })
    }

    /// Two of those who wait and could be matched, by name.
    fn eligible_pair(&self) -> Option<(u64, u64)> {
        (0..self.waiting.len()).find_map(|index| {
            let (name, position) = (self.waiting[index].name, self.waiting[index].position);
            let other = self.nearest(name, position, self.waiting[index].range_m)?;
            Some((name, self.waiting[other].name))
        })
    }
}

/// What happens in one room.
struct Life {
    room: WaitingRoom<u64>,
    oracle: Oracle,
    rng: Xoshiro256PlusPlus,
    crowd: Crowd,
    names: u64,
    counts: Counts,
}

impl Life {
    fn new(room: &Room, seed: u64) -> Self {
        // Rooms of one seed differ, and none is that of another seed and number.
        let seed = seed.wrapping_mul(1 << 32).wrapping_add(room.number);
        Self {
            room: WaitingRoom::new(),
            oracle: Oracle {
                geodesic: Geodesic::wgs84(),
                waiting: Vec::new(),
                willing: room.willing,
                geodesics: Cell::new(0),
            },
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            crowd: (room.crowd.1)(seed),
            names: 0,
            counts: Counts::default(),
        }
    }

    fn run(mut self, room: &Room) -> Result<Counts, Violation> {
        while self.counts.joins < room.joins {
            self.counts.joins += 1;
            let person = self.crowd.next().expect("a crowd has no end");
            let waiting = self.oracle.waiting.len();
            if waiting > 0 && self.rng.random_range(0..CHANGED) == 0 {
                let index = self.rng.random_range(0..waiting);
                self.change(index, &person)?;
            } else {
                self.join(&person)?;
            }
            if self.oracle.waiting.len() > room.size {
                let index = self.rng.random_range(0..self.oracle.waiting.len());
                self.leave(index);
            }
            let waiting = self.oracle.waiting.len();
            self.counts.most_waiting = self.counts.most_waiting.max(waiting);
        }
        if let Some((a, b)) = self.oracle.eligible_pair() {
            return Err(Violation::LeftWaiting(a, b));
        }
        self.room.assert_invariants();
        self.counts.geodesics = self.oracle.geodesics.get();
        Ok(self.counts)
    }

    /// Somebody comes, and waits if they are not matched.
    fn join(&mut self, person: &Person) -> Result<(), Violation> {
        let name = self.names;
        self.names += 1;
        if let Some(found) = self.partner(name, person)? {
            self.leave(found);
            self.counts.pairs += 1;
            return Ok(());
        }
        let place = Place::new(person.position);
        let ticket = self.room.insert(place, person.range, name);
        self.oracle.waiting.push(Known {
            ticket,
            name,
            position: person.position,
            range_m: person.range.metres(),
            point: point(person.position),
            turn: name,
        });
        Ok(())
    }

    /// Somebody who waits is somewhere else now, or would go as far as somebody else, and looks again.
    fn change(&mut self, index: usize, person: &Person) -> Result<(), Violation> {
        let known = &mut self.oracle.waiting[index];
        let (ticket, name) = (known.ticket, known.name);
        let kept = if self.rng.random() {
            (person.position, known.range_m)
        } else {
            (known.position, person.range.metres())
        };
        (known.position, known.range_m) = kept;
        known.point = point(known.position);
        let range = Range::from_km(known.range_m / 1000.0).expect("somebody's range");
        known.range_m = range.metres();
        let changed = Person {
            position: known.position,
            range,
        };
        let is_waiting = self
            .room
            .change(ticket, Place::new(changed.position), range);
        assert!(is_waiting, "who is known to wait has a ticket");
        if let Some(found) = self.partner(name, &changed)? {
            // Indexes change as people leave, so the later one goes first.
            self.leave(found.max(index));
            self.leave(found.min(index));
            self.counts.pairs += 1;
        }
        Ok(())
    }

    /// Whom the room finds, by the oracle's index, if the oracle agrees.
    fn partner(&mut self, name: u64, person: &Person) -> Result<Option<usize>, Violation> {
        let (place, willing) = (Place::new(person.position), self.oracle.willing);
        let found = self
            .room
            .nearest_eligible(&place, person.range, |_, other| {
                are_willing(name, *other, willing)
            });
        let (position, range_m) = (person.position, person.range.metres());
        let seeker = (name, position, range_m);
        let expected = self.oracle.nearest(name, position, range_m);
        let Some(found) = found else {
            return match expected {
                None => Ok(None),
                Some(other) => Err(Violation::LeftWaiting(
                    name,
                    self.oracle.waiting[other].name,
                )),
            };
        };
        let mut waiting = self.oracle.waiting.iter();
        let found = waiting.position(|known| known.ticket == found);
        let found = found.expect("who is in the room is known");
        match expected {
            Some(expected) if self.is_as_near(seeker, found, expected) => Ok(Some(found)),
            Some(expected) => Err(Violation::NotNearest(
                name,
                self.oracle.waiting[found].name,
                self.oracle.waiting[expected].name,
            )),
            None => Err(Violation::NotEligible(
                name,
                self.oracle.waiting[found].name,
            )),
        }
    }

    /// Whether somebody eligible is as near as the nearest. A micrometre is left to the rounding of two ways to
    /// reckon coordinates; of several at the same place, only who has waited longest will do.
    fn is_as_near(&self, seeker: (u64, Position, f64), found: usize, nearest: usize) -> bool {
        if found == nearest {
            return true;
        }
        let (name, position, range_m) = seeker;
        let from = point(position);
        let (found, nearest) = (&self.oracle.waiting[found], &self.oracle.waiting[nearest]);
        let found_m = chord_m(&from, &found.point);
        let difference_m = found_m - chord_m(&from, &nearest.point);
        let range_m = range_m.min(found.range_m);
        found.position != nearest.position
            && difference_m.abs() < 1e-6
            && are_willing(name, found.name, self.oracle.willing)
            && (self.oracle).is_within(position, found.position, found_m, range_m)
    }

    fn leave(&mut self, index: usize) {
        let known = self.oracle.waiting.swap_remove(index);
        let removed = self.room.remove(known.ticket);
        assert!(removed.is_some(), "who is known to wait has a ticket");
    }
}

/// The rooms of a run: all combinations in turn, until there are enough joins.
fn rooms(joins: u64) -> impl Iterator<Item = Room> {
    (0..joins.div_ceil(JOINS_IN_A_ROOM)).map(move |number| {
        let kind = number as usize;
        let (size, willing) = (kind / CROWDS.len(), kind / CROWDS.len() / SIZES.len());
        Room {
            number,
            crowd: CROWDS[kind % CROWDS.len()],
            size: SIZES[size % SIZES.len()],
            willing: WILLING[willing % WILLING.len()],
            joins: JOINS_IN_A_ROOM.min(joins - number * JOINS_IN_A_ROOM),
        }
    })
}

/// One thread's share of the rooms, the counts by crowd.
fn check(args: &Args, share: u64, done: &AtomicU64, start: Instant) -> [Counts; CROWDS.len()] {
    let mut sums: [Counts; CROWDS.len()] = Default::default();
    let mut reported = Instant::now();
    for room in rooms(args.joins).filter(|room| room.number % args.threads == share) {
        let counts = Life::new(&room, args.seed)
            .run(&room)
            .unwrap_or_else(|violation| {
                eprintln!(
                    "seed {}, room {}, {}: {violation:?}",
                    args.seed, room.number, room.crowd.0
                );
                std::process::exit(1);
            });
        let sum = &mut sums[room.number as usize % CROWDS.len()];
        sum.add(&counts);
        let joins = done.fetch_add(counts.joins, Ordering::Relaxed) + counts.joins;
        if share == 0 && reported.elapsed() > Duration::from_secs(10) {
            reported = Instant::now();
            eprintln!(
                "{joins} of {} after {:.0} s",
                args.joins,
                start.elapsed().as_secs_f32()
            );
        }
    }
    sums
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.joins += other.joins;
        self.pairs += other.pairs;
        self.geodesics += other.geodesics;
        self.most_waiting = self.most_waiting.max(other.most_waiting);
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.threads == 0 {
        eprintln!("--threads must be at least 1");
        return ExitCode::FAILURE;
    }
    let (start, done) = (Instant::now(), AtomicU64::new(0));
    let mut sums: [Counts; CROWDS.len()] = Default::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|share| {
                let (args, done) = (&args, &done);
                scope.spawn(move || check(args, share, done, start))
            })
            .collect();
        for thread in threads {
            let counts = thread.join().expect("a thread that fails ends the program");
            for (sum, counts) in sums.iter_mut().zip(&counts) {
                sum.add(counts);
            }
        }
    });
    println!("| crowd | joins | pairs | most waiting | geodesics the oracle asked for |");
    println!("|---|---|---|---|---|");
    for ((name, _), sum) in CROWDS.iter().zip(&sums) {
        let Counts {
            joins,
            pairs,
            geodesics,
            most_waiting,
        } = sum;
        println!("| {name} | {joins} | {pairs} | {most_waiting} | {geodesics} |");
    }
    println!(
        "\n{} joins with seed {} in {:.0} s: 0 violations, nobody eligible left waiting",
        sums.iter().map(|sum| sum.joins).sum::<u64>(),
        args.seed,
        start.elapsed().as_secs_f32()
    );
    ExitCode::SUCCESS
}
