//! The waiting room against its rivals: `cargo bench --bench waiting_room`.
//!
//! For each crowd and each number of people who wait, the same people do the same things in every
//! contender; `rooms` says who they are. What is timed:
//!
//! - `arrivals`: life as it is. Somebody arrives and looks for a partner. If there is one, both leave, and the
//!   one who waited arrives again and waits; if not, the newcomer waits and somebody else gives up. So an
//!   arrival is a query and an insertion or a removal, and the room stays as full as it is.
//! - `query`, `insert`, `remove`, `change`: one of these at a time. A change is one of place or range of
//!   somebody who waits: every other moves half a kilometre, the rest go half as far again.
//!
//! In rooms of 10,000 and less, every contender's answers are compared with those of the scan before anything
//! is timed. Who claims to be exact and isn't ends the bench.
//!
//! Rooms of up to 100,000 are done, or of `ROOM_SIZE_MAX` if that is set. Criterion's filters choose among
//! the rest: `cargo bench --bench waiting_room -- '^arrivals/cities/'`.

mod contenders;
mod rooms;
mod support;

use contenders::{
    Contender, PersonId, Scan, ThisRoom, World, error_rate, for_each_contender, names,
};
use criterion::{BenchmarkId, Criterion, Throughput};
use rooms::{DATE_LINE, Room, SCENES, Scene, Whereabouts};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use whisperchat::geo::{Place, Position, Range};

const SIZES: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];

/// In rooms up to this size, answers are compared.
const COMPARED_MAX: usize = 10_000;

const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_secs(1);

/// How many people are let in before they are let out, or the other way round.
const BATCH_MAX: u64 = 256;

const OPERATIONS: [&str; 5] = ["arrivals", "query", "insert", "remove", "change"];

/// How often each contender was wrong, as a share, by contender and crowd.
type ErrorRates = BTreeMap<(&'static str, &'static str), f64>;

/// A room that is filled when it is first needed: a filter may leave it out.
struct LazyRoom {
    scene: Scene,
    size: usize,
    filled: OnceCell<Room>,
}

impl LazyRoom {
    fn new(scene: Scene, size: usize) -> Self {
        let filled = OnceCell::new();
        Self {
            scene,
            size,
            filled,
        }
    }

    fn get(&self) -> &Room {
        self.filled
            .get_or_init(|| Room::filled(self.scene, self.size))
    }
}

/// So many repetitions of one operation, and how long they took.
fn repeat<C: Contender>(world: &mut World<C>, operation: &str, count: u64) -> Duration {
    match operation {
        "arrivals" => repeat_arrivals(world, count),
        "query" => repeat_queries(world, count),
        "change" => repeat_changes(world, count),
        "insert" => in_batches(world, count).0,
        "remove" => in_batches(world, count).1,
        _ => unreachable!("one of the five"),
    }
}

fn repeat_arrivals<C: Contender>(world: &mut World<C>, count: u64) -> Duration {
    let before = world.arrivals;
    let start = Instant::now();
    while ((world.arrivals - before) as u64) < count {
        world.step();
    }
    // The last step may have counted one arrival too many.
    let arrivals = (world.arrivals - before) as f64;
    start.elapsed().mul_f64(count as f64 / arrivals)
}

fn repeat_queries<C: Contender>(world: &mut World<C>, count: u64) -> Duration {
    let newcomers: Vec<_> = (0..count.min(10_000)).map(|_| world.newcomer()).collect();
    let start = Instant::now();
    for newcomer in newcomers.iter().cycle().take(count as usize) {
        std::hint::black_box(world.ask(newcomer));
    }
    start.elapsed()
}

/// Lets people in and out again, and returns how long each took.
fn in_batches<C: Contender>(world: &mut World<C>, count: u64) -> (Duration, Duration) {
    let mut sum = (Duration::ZERO, Duration::ZERO);
    let mut done = 0;
    while done < count {
        let batch = (count - done).min(BATCH_MAX) as usize;
        let people: Vec<Whereabouts> = (0..batch).map(|_| world.newcomer().stays).collect();
        let start = Instant::now();
        for (index, whereabouts) in people.into_iter().enumerate() {
            world.let_in(index, whereabouts);
        }
        sum.0 += start.elapsed();
        let start = Instant::now();
        for index in 0..batch {
            world.let_out(index);
        }
        sum.1 += start.elapsed();
        done += batch as u64;
    }
    sum
}

fn repeat_changes<C: Contender>(world: &mut World<C>, count: u64) -> Duration {
    let mut sum = Duration::ZERO;
    let mut done = 0;
    while done < count {
        let batch = (count - done).min(BATCH_MAX);
        let changes: Vec<(PersonId, Whereabouts)> = (done..done + batch)
            .map(|index| {
                let who = world.anybody(index as usize);
                let (place, range) = world.people[who as usize];
                let changed = if index % 2 == 0 {
                    (half_a_kilometre_on(&place), range)
                } else {
                    (place, half_as_far_again(range))
                };
                (who, changed)
            })
            .collect();
        let start = Instant::now();
        for (who, (place, range)) in &changes {
            world.room.change(*who, *place, *range);
        }
        sum += start.elapsed();
        for (who, _) in changes {
            let (place, range) = world.people[who as usize];
            world.room.change(who, place, range);
        }
        done += batch;
    }
    sum
}

fn half_a_kilometre_on(place: &Place) -> Place {
    let position = place.position();
    let towards_equator_deg = -0.0045_f64.copysign(position.lat_deg());
    let lat_deg = position.lat_deg() + towards_equator_deg;
    Place::new(Position::new(lat_deg, position.lon_deg()).expect("nearer to the equator"))
}

fn half_as_far_again(range: Range) -> Range {
    Range::from_km(range.km() * 1.5).unwrap_or(Range::PLANET)
}

fn time<C: Contender>(criterion: &mut Criterion, room: &LazyRoom, rates: &mut ErrorRates) {
    let scene = room.scene.name;
    if room.size > C::SIZE_MAX || C::cannot_hold(scene).is_some() {
        return;
    }
    let mut world = None;
    for operation in OPERATIONS {
        let mut group = criterion.benchmark_group(format!("{operation}/{scene}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(C::NAME, room.size), |bencher| {
            let world = world.get_or_insert_with(|| {
                compare::<C>(room, rates);
                World::<C>::new(room.get())
            });
            bencher.iter_custom(|count| repeat(world, operation, count));
        });
        group.finish();
    }
}

fn compare<C: Contender>(room: &LazyRoom, rates: &mut ErrorRates) {
    if room.size > COMPARED_MAX || C::NAME == Scan::NAME {
        return;
    }
    let rate = error_rate::<C>(room.get());
    let scene = room.scene.name;
    assert!(
        !C::IS_EXACT || rate == 0.0,
        "{}, {scene}: wrong in {rate}",
        C::NAME
    );
    rates.insert((C::NAME, scene), rate);
}

fn compare_at_the_date_line<C: Contender>(room: &LazyRoom, rates: &mut ErrorRates) {
    compare::<C>(room, rates);
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .without_plots()
        .configure_from_args();
    let sizes = rooms::sizes(&SIZES);
    announce(&sizes);
    let mut rates = ErrorRates::new();
    for scene in SCENES {
        for &size in &sizes {
            eprintln!("{}, {size} waiting", scene.name);
            let room = LazyRoom::new(scene, size);
            for_each_contender!(time(&mut criterion, &room, &mut rates));
        }
    }
    if !rates.is_empty() {
        let room = LazyRoom::new(DATE_LINE, SIZES[0]);
        for_each_contender!(compare_at_the_date_line(&room, &mut rates));
    }
    criterion.final_summary();
    if !support::is_test_run() {
        print_errors(&rates);
        print_halvings(&sizes);
        for operation in OPERATIONS {
            print_times(operation, &sizes);
        }
    }
}

/// Says what there is to do, before it is done.
fn announce(sizes: &[usize]) {
    fn count<C: Contender>(sizes: &[usize], sum: &mut u32) {
        let is_possible = |scene: &Scene| C::cannot_hold(scene.name).is_none();
        let scenes = SCENES.iter().filter(|scene| is_possible(scene)).count();
        let sizes = sizes.iter().filter(|size| **size <= C::SIZE_MAX).count();
        *sum += (scenes * sizes * OPERATIONS.len()) as u32;
    }
    let mut sum = 0;
    for_each_contender!(count(sizes, &mut sum));
    // Building the rooms, and what is not timed between batches, takes about as long again.
    let minutes = ((WARM_UP + MEASUREMENT) * sum * 2).as_secs() / 60;
    eprintln!(
        "Without a filter, {sum} benchmarks in rooms of up to {} people: about {minutes} minutes, and once \
         some more to fill the rooms. ROOM_SIZE_MAX=1000000 does larger ones, ROOM_SIZE_MAX=10000 only \
         smaller ones.",
        sizes.last().copied().unwrap_or_default()
    );
}

fn print_errors(rates: &ErrorRates) {
    println!("\nWrong answers, in percent of arrivals:\n");
    let scenes: Vec<_> = SCENES
        .iter()
        .chain([&DATE_LINE])
        .map(|scene| scene.name)
        .collect();
    println!(
        "| | {} |\n|---|{}",
        scenes.join(" | "),
        "---|".repeat(scenes.len())
    );
    for name in names() {
        let cells = scenes.iter().map(|scene| {
            let rate = rates.get(&(name, *scene));
            rate.map_or_else(String::new, |rate| format!("{:.1}", rate * 100.0))
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn print_halvings(sizes: &[usize]) {
    for scene in SCENES {
        for &size in sizes {
            let halvings = Room::halvings_of(scene, size).unwrap_or(0);
            if halvings > 0 {
                println!(
                    "\nRanges of {size} of {}: 1/{}",
                    scene.name,
                    1_u32 << halvings
                );
            }
        }
    }
}

fn median_ns(operation: &str, scene: &str, contender: &str, size: usize) -> Option<f64> {
    support::ratios::median_ns(
        &format!("{operation}/{scene}"),
        contender,
        &size.to_string(),
    )
}

/// A table of this room's time and the rivals' as multiples of it.
fn print_times(operation: &str, sizes: &[usize]) {
    let rivals: Vec<_> = names()
        .into_iter()
        .filter(|name| *name != ThisRoom::NAME)
        .collect();
    println!("\n{operation}: this room's time, and that of the others as a multiple\n");
    println!("| crowd | waiting | µs | {} |", rivals.join(" | "));
    println!("|---|---|---|{}", "---|".repeat(rivals.len()));
    for scene in SCENES {
        for &size in sizes {
            let Some(own_ns) = median_ns(operation, scene.name, ThisRoom::NAME, size) else {
                continue;
            };
            let cells = rivals.iter().map(|rival| {
                median_ns(operation, scene.name, rival, size)
                    .map_or_else(String::new, |ns| format!("{:.2}", ns / own_ns))
            });
            let cells = cells.collect::<Vec<_>>().join(" | ");
            println!(
                "| {} | {size} | {:.2} | {cells} |",
                scene.name,
                own_ns / 1000.0
            );
        }
    }
}
