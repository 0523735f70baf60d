//! What somebody learns who tries hard to find out where another person is.
//!
//! The attacker has any number of sessions, puts them where it likes with any range that the server accepts,
//! and sees whether they are matched with the victim, who keeps asking for the next partner. From each of
//! several beacons it halves its way to the smallest range that reaches the victim, to a centimetre, and
//! then solves for the place that has these distances. Nothing else the server says depends on the place
//! more finely than this.
//!
//! Against exact positions that finds the victim to a metre. Against the grid it finds the middle of the
//! victim's cell, which is what it would have guessed without trying: over a square, the middle is 0.3826
//! of a side away from a random point on average.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;
use whisperchat::geo::{Place, Position, PrivacyGrid, Range, geodesic_m};
use whisperchat::lobby::{
    Command, Departure, Effect, Event, Join, Lobby, Profile, SessionId, Settings,
};
use whisperchat::moment::Moment;

const CELL_KM: f64 = 1.0;
/// The smallest range that the server accepts by default.
const RANGE_MIN_KM: f64 = 2.0;
const VICTIMS: usize = 200;
const BEACONS: usize = 32;
/// 20 km halved so often leaves 2 cm.
const HALVINGS: usize = 20;
/// The average distance of a random point of a square from its middle, in sides:
/// (√2 + ln(1 + √2)) / 6.
const MIDDLE_OF_SQUARE: f64 = 0.3826;
const KM_PER_DEGREE: f64 = 111.2;

/// The lobby with one victim in it.
struct World {
    lobby: Lobby,
    now: Moment,
    victim: SessionId,
    probes: usize,
}

impl World {
    fn new(grid: PrivacyGrid, at: Position, seed: u64) -> Self {
        let settings = Settings {
            grid,
            ..Settings::default()
        };
        let mut lobby = Lobby::new(settings, StdRng::seed_from_u64(seed));
        let now = Moment::from_millis(1000);
        let victim = lobby.connect(now, false);
        let mut world = Self {
            lobby,
            now,
            victim,
            probes: 0,
        };
        world.settle();
        world.join(victim, at, 20_000.0);
        world
    }

    fn join(&mut self, who: SessionId, at: Position, range_km: f64) -> Vec<Effect> {
        let join = Join {
            position: at,
            range: Range::from_km(range_km).expect("a valid range"),
            range_max: None,
            profile: Profile::default(),
            give_up: None,
        };
        self.command(who, Command::Join(join))
    }

    fn command(&mut self, who: SessionId, command: Command) -> Vec<Effect> {
        let done = self.lobby.handle(self.now, who, command, None);
        done.expect("it is possible now");
        self.settle()
    }

    /// Carries out what the lobby wants; everybody is alive.
    fn settle(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut probed = Vec::new();
        while let Some(effect) = self.lobby.poll_effect() {
            if let Effect::Probe { session } = effect {
                probed.push(session);
            }
            effects.push(effect);
        }
        for session in probed {
            self.lobby.heard(self.now, session);
            effects.extend(self.settle());
        }
        effects
    }

    /// Whether a fresh session at a place is matched with the victim, who then asks for the next partner.
    fn reaches(&mut self, from: Position, range_km: f64) -> bool {
        self.probes += 1;
        self.now = self.now + Duration::from_secs(1);
        let spy = self.lobby.connect(self.now, false);
        self.settle();
        let effects = self.join(spy, from, range_km);
        let is_matched = effects.iter().any(|effect| {
            matches!(effect, Effect::Tell { to, event: Event::Matched(_), .. } if *to == spy)
        });
        self.lobby.disconnect(self.now, spy, Departure::Left);
        self.settle();
        if is_matched {
            self.command(self.victim, Command::Next);
        }
        is_matched
    }

    /// The distance from a beacon to the victim, in m, by halving the range.
    fn distance_m(&mut self, beacon: Position) -> f64 {
        let (mut low_km, mut high_km) = (RANGE_MIN_KM, 22.0);
        for _ in 0..HALVINGS {
            let middle_km = f64::midpoint(low_km, high_km);
            if self.reaches(beacon, middle_km) {
                high_km = middle_km;
            } else {
                low_km = middle_km;
            }
        }
        f64::midpoint(low_km, high_km) * 1000.0
    }
}

fn offset(from: Position, north_km: f64, east_km: f64) -> Position {
    let lat = from.lat_deg() + north_km / KM_PER_DEGREE;
    let lon = from.lon_deg() + east_km / KM_PER_DEGREE / lat.to_radians().cos();
    let lon = (lon + 180.0).rem_euclid(360.0) - 180.0;
    Position::new(lat, lon).expect("far from the poles")
}

fn apart_m(a: Position, b: Position) -> f64 {
    geodesic_m(&Place::new(a), &Place::new(b))
}

/// Finds the victim, knowing it to be within some km of a place. Least squares over the distances from the
/// beacons by trying the four neighbours at ever smaller steps.
fn locate(world: &mut World, around: Position) -> Position {
    let beacons: Vec<_> = (0..BEACONS)
        .map(|number| {
            let angle = number as f64 / BEACONS as f64 * std::f64::consts::TAU;
            let beacon = offset(around, 10.0 * angle.cos(), 10.0 * angle.sin());
            (beacon, world.distance_m(as_kept(beacon)))
        })
        .collect();
    let misfit = |guess: Position| -> f64 {
        let squares = beacons
            .iter()
            .map(|(beacon, distance_m)| (apart_m(as_kept(*beacon), guess) - distance_m).powi(2));
        squares.sum()
    };
    let (mut best, mut step_km) = (around, 4.0);
    while step_km > 1e-4 {
        let around_best = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]
            .map(|(north, east)| offset(best, north * step_km, east * step_km));
        let better = around_best
            .into_iter()
            .min_by(|a, b| misfit(*a).total_cmp(&misfit(*b)))
            .filter(|neighbour| misfit(*neighbour) < misfit(best));
        match better {
            Some(neighbour) => best = neighbour,
            None => step_km /= 2.0,
        }
    }
    best
}

/// The attacker knows the grid, so it puts its beacons where they are kept as they are.
fn as_kept(position: Position) -> Position {
    PrivacyGrid::new(CELL_KM)
        .expect("a valid cell")
        .snap(position)
}

/// Average error of the attack in km, of guessing the middle of the cell, and how many probes one took.
fn attack(grid: PrivacyGrid, victims: usize) -> (f64, f64, usize) {
    let mut random = StdRng::seed_from_u64(2026);
    let cells = PrivacyGrid::new(CELL_KM).expect("a valid cell");
    let (mut attack_m, mut middle_m, mut probes) = (0.0, 0.0, 0);
    for seed in 0..victims {
        // Evenly over the earth between 70° south and north.
        let highest = 70_f64.to_radians().sin();
        let lat = random.random_range(-highest..highest).asin().to_degrees();
        let victim = Position::new(lat, random.random_range(-180.0..180.0)).expect("on earth");
        let (north, east) = (
            random.random_range(-3.0..3.0),
            random.random_range(-3.0..3.0),
        );
        let mut world = World::new(grid, victim, seed as u64);
        let found = locate(&mut world, offset(victim, north, east));
        attack_m += apart_m(found, victim);
        middle_m += apart_m(cells.snap(victim), victim);
        probes = world.probes;
    }
    let average_km = |sum_m: f64| sum_m / victims as f64 / 1000.0;
    (average_km(attack_m), average_km(middle_m), probes)
}

#[test]
fn an_attacker_does_no_better_than_guessing_the_middle_of_the_cell() {
    let grid = PrivacyGrid::new(CELL_KM).expect("a valid cell");
    let (attack_km, middle_km, probes) = attack(grid, VICTIMS);
    println!(
        "{VICTIMS} victims, {probes} probes each: attack {attack_km:.4} km, middle {middle_km:.4} km"
    );
    // What the solver gains or loses by rounding.
    let slack_km = 0.001;
    assert!(attack_km >= middle_km - slack_km, "{attack_km} km");
    // The victims are random enough, and cells are squares enough, for the theory to hold within 10%.
    assert!(
        (middle_km / CELL_KM / MIDDLE_OF_SQUARE - 1.0).abs() < 0.1,
        "{middle_km} km"
    );
    // The attack is a good one: it does find the cell.
    assert!(attack_km < middle_km + slack_km, "{attack_km} km");
}

#[test]
fn the_same_attack_finds_anybody_whose_position_is_kept_exactly() {
    let (attack_km, _, _) = attack(PrivacyGrid::OFF, VICTIMS / 10);
    println!("without the grid: {attack_km:.4} km");
    assert!(attack_km < 0.005, "{attack_km} km");
}
