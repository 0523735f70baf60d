//! Arrivals in a room of N people, against rivals: `cargo bench --bench waiting_room`.
//!
//! The room is in the state that it is in when it is used: nobody in it could be matched with anybody else
//! in it, for they would have been matched. So it is filled with people from the crowd for whom nobody
//! eligible waits. Then, keeping it at N:
//!
//! - somebody arrives; if somebody eligible waits, the two are paired and leave the room, and the one who
//!   waited arrives again (finds nobody, and waits);
//! - if nobody does, the newcomer waits, and somebody of those who wait gives up and leaves.
//!
//! Each of these arrivals is a query and an insertion or a removal. What is timed is one arrival.

mod contenders;
mod support;

use contenders::{Contender, PersonId, PlainRstar, Scan, ThisRoom};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use std::cell::OnceCell;
use std::time::{Duration, Instant};
use whisperchat::geo::{Place, Range};
use whisperchat::swarm::{Crowd, Person};

/// Larger rooms are not searched by the scan: it would take minutes to say what is known.
const SCAN_MAX: usize = 100_000;

/// In rooms up to this size, all contenders' answers are compared before they are timed, for so many
/// arrivals.
const COMPARED_MAX: usize = 10_000;
const COMPARED_ARRIVALS: usize = 1000;

/// A crowd from a seed.
type Draw = fn(u64) -> Crowd;

const CROWDS: [(&str, Draw); 3] = [
    ("uniform", Crowd::uniform),
    ("cities", Crowd::cities),
    ("mixed", Crowd::mixed),
];

/// People who wait, those who have waited before, and those to come.
struct World<C> {
    room: C,
    people: Vec<(Place, Range)>,
    waiting: Vec<PersonId>,
    crowd: Crowd,
    arrivals: usize,
}

fn place_of(person: &Person) -> (Place, Range) {
    (Place::new(person.position), person.range)
}

/// A room that nobody in it could be matched in. Filled when it is first asked for.
struct QuietRoom {
    name: &'static str,
    crowd: Draw,
    size: usize,
    filled: OnceCell<(Vec<(Place, Range)>, Crowd)>,
}

impl QuietRoom {
    /// The people in it, and the crowd that the next ones come from.
    fn filled(&self) -> (&[(Place, Range)], &Crowd) {
        let (people, crowd) = self.filled.get_or_init(|| {
            let start = Instant::now();
            let filled = quiet_people((self.crowd)(1), self.size);
            let seconds = start.elapsed().as_secs_f32();
            eprintln!(
                "{}: {} people wait, after {seconds:.1} s",
                self.name, self.size
            );
            if self.size <= COMPARED_MAX {
                compare(&filled.0, &filled.1);
            }
            filled
        });
        (people, crowd)
    }
}

fn quiet_people(mut crowd: Crowd, size: usize) -> (Vec<(Place, Range)>, Crowd) {
    let mut room = ThisRoom::default();
    let mut people = Vec::with_capacity(size);
    while people.len() < size {
        let (place, range) = place_of(&crowd.next().expect("a crowd has no end"));
        if room.nearest(&place, range).is_none() {
            room.insert(people.len() as PersonId, place, range);
            people.push((place, range));
        }
    }
    (people, crowd)
}

impl<C: Contender> World<C> {
    fn new(people: &[(Place, Range)], crowd: &Crowd) -> Self {
        let mut room = C::default();
        for (who, (place, range)) in people.iter().enumerate() {
            room.insert(who as PersonId, *place, *range);
        }
        Self {
            room,
            people: people.to_vec(),
            waiting: (0..people.len() as PersonId).collect(),
            crowd: crowd.clone(),
            arrivals: 0,
        }
    }

    /// One newcomer and what follows. Returns whom they met.
    fn step(&mut self) -> Option<PersonId> {
        let (place, range) = place_of(&self.crowd.next().expect("a crowd has no end"));
        let found = self.room.nearest(&place, range);
        self.arrivals += 1;
        if let Some(who) = found {
            self.room.remove(who);
            let (place, range) = self.people[who as usize];
            assert!(
                self.room.nearest(&place, range).is_none(),
                "the room is quiet"
            );
            self.room.insert(who, place, range);
            self.arrivals += 1;
        } else {
            // The newcomer takes the place of somebody who gives up, chosen by the count of arrivals.
            let index = self.arrivals.wrapping_mul(0x9E37_79B9) % self.waiting.len();
            let leaver = self.waiting[index];
            self.room.remove(leaver);
            self.people[leaver as usize] = (place, range);
            self.room.insert(leaver, place, range);
        }
        found
    }
}

/// Everybody gives the same answers, or the bench ends.
fn compare(people: &[(Place, Range)], crowd: &Crowd) {
    let mut room = World::<ThisRoom>::new(people, crowd);
    let mut scan = World::<Scan>::new(people, crowd);
    let mut plain = World::<PlainRstar>::new(people, crowd);
    for arrival in 0..COMPARED_ARRIVALS {
        let expected = scan.step();
        assert_eq!(room.step(), expected, "this room, arrival {arrival}");
        assert_eq!(plain.step(), expected, "plain rstar, arrival {arrival}");
    }
}

fn time<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>, room: &QuietRoom) {
    let mut world = None;
    group.bench_function(BenchmarkId::new(C::NAME, room.size), |bencher| {
        let world = world.get_or_insert_with(|| {
            let (people, crowd) = room.filled();
            World::<C>::new(people, crowd)
        });
        bencher.iter_custom(|arrivals| {
            let before = world.arrivals;
            let start = Instant::now();
            while world.arrivals - before < arrivals as usize {
                world.step();
            }
            // The last step may have counted one arrival too many.
            start
                .elapsed()
                .mul_f64(arrivals as f64 / (world.arrivals - before) as f64)
        });
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let sizes: &[usize] = if support::is_test_run() {
        &[1000]
    } else {
        &[1000, 10_000, 100_000, 1_000_000]
    };
    for (name, crowd) in CROWDS {
        let mut group = criterion.benchmark_group(format!("arrivals/{name}"));
        group.throughput(Throughput::Elements(1));
        for &size in sizes {
            let room = QuietRoom {
                name,
                crowd,
                size,
                filled: OnceCell::new(),
            };
            time::<ThisRoom>(&mut group, &room);
            time::<PlainRstar>(&mut group, &room);
            if size <= SCAN_MAX {
                time::<Scan>(&mut group, &room);
            }
        }
        group.finish();
    }
    criterion.final_summary();
    if !support::is_test_run() {
        print_ratios(sizes);
    }
}

fn print_ratios(sizes: &[usize]) {
    println!("\n| crowd | waiting | arrivals/s | against plain rstar | against the scan |");
    println!("|---|---|---|---|---|");
    for (name, _) in CROWDS {
        for size in sizes {
            let median = |contender| {
                let group = format!("arrivals/{name}");
                support::ratios::median_ns(&group, contender, &size.to_string())
            };
            let Some(own_ns) = median(ThisRoom::NAME) else {
                continue;
            };
            let ratio = |contender| {
                median(contender).map_or_else(String::new, |ns| format!("{:.1} ×", ns / own_ns))
            };
            let (plain, scan) = (ratio(PlainRstar::NAME), ratio(Scan::NAME));
            let per_second = 1e9 / own_ns;
            println!("| {name} | {size} | {per_second:.0} | {plain} | {scan} |");
        }
    }
}
