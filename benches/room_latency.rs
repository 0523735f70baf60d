//! How long single queries and arrivals take, not on average but at worst:
//! `cargo bench --bench room_latency`.
//!
//! - The nearest eligible person, and an arrival with what follows, in rooms of the crowds that people
//!   really form: percentiles for this room and its rivals.
//! - The stadium, through the `Matchmaker`: 50,000 people within 300 m whose ranges all exclude whoever comes;
//!   then 50,000 of whom nearly all block or have just met whoever comes.
//! - How many geodesics a query asks for.
//!
//! Each operation is timed by itself. Reading the clock twice is part of each figure: some 20 to 50 ns. Rooms
//! of 100,000 are done, and of a million if `ROOM_SIZE_MAX` is as much. A word as argument chooses the parts
//! whose names it is in: `query`, `arrival`, `stadium`, `geodesic`.

mod contenders;
mod rooms;
mod support;

use contenders::{Contender, World, for_each_contender};
use hdrhistogram::Histogram;
use rooms::{Newcomers, Room, scene_named};
use std::hint::black_box;
use std::time::{Duration, Instant};
use support::is_test_run;
use whisperchat::geo::{Place, Proximity, Range, proximity};
use whisperchat::matching::{Acquaintances, Arrival, Candidate, Matchmaker, WaitingRoom};
use whisperchat::moment::Moment;

/// Crowds in which a newcomer meets somebody or doesn't, as in life.
const SCENES: [&str; 3] = ["uniform", "cities", "mixed"];

/// So often an operation is timed, unless it takes so long altogether.
const REPEATED: usize = 200_000;
const LASTS_MAX: Duration = Duration::from_secs(5);

/// How many people are in the stadium, and how often somebody comes.
const STADIUM: usize = 50_000;
const STADIUM_ARRIVALS: usize = 5000;

/// Who comes to the stadium: so many, again and again. Everybody there remembers all of them, the most that
/// can be remembered of people just met; but one in so many remembers nobody.
const COMING: u64 = 16;
const FORGETFUL: usize = 5000;

/// How many queries are looked at for geodesics.
const GEODESIC_QUERIES: usize = 100_000;

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are possible")
}

/// Times single calls until there are enough, each between what must happen before it and after it.
fn time_each<S, T, R>(
    state: &mut S,
    mut before: impl FnMut(&mut S) -> T,
    mut timed: impl FnMut(&mut S, T) -> R,
    mut after: impl FnMut(&mut S, R),
    count: usize,
) -> Histogram<u64> {
    let mut histogram = histogram();
    let began = Instant::now();
    for _ in 0..count {
        let prepared = before(state);
        let start = Instant::now();
        let result = timed(state, prepared);
        let ns = start.elapsed().as_nanos();
        after(state, result);
        let ns = u64::try_from(ns).expect("it took less than five centuries");
        histogram.record(ns).expect("histograms grow");
        if began.elapsed() > LASTS_MAX {
            break;
        }
    }
    histogram
}

fn print_head(what: &str, columns: &str) {
    println!("\n{what}, in µs\n");
    println!("| {columns} | p50 | p90 | p99 | p99.9 | max | timed |");
    println!(
        "|{}---|---|---|---|---|---|",
        "---|".repeat(columns.split('|').count())
    );
}

fn print_row(what: &str, histogram: &Histogram<u64>) {
    let micros = |ns: u64| format!("{:.2}", ns as f64 / 1000.0);
    let quantiles = [0.5, 0.9, 0.99, 0.999].map(|q| micros(histogram.value_at_quantile(q)));
    let (max, count) = (micros(histogram.max()), histogram.len());
    println!("| {what} | {} | {max} | {count} |", quantiles.join(" | "));
}

fn print_contender<C: Contender>(room: &Room, histogram: &Histogram<u64>) {
    let (crowd, size) = (room.scene.name, room.people.len());
    print_row(&format!("{crowd} | {size} | {}", C::NAME), histogram);
}

fn queries<C: Contender>(room: &Room) {
    if room.people.len() > C::SIZE_MAX {
        return;
    }
    let mut world = World::<C>::new(room);
    let histogram = time_each(
        &mut world,
        World::newcomer,
        |world, newcomer| black_box(world.ask(&newcomer)),
        |_, _| (),
        repeated(),
    );
    print_contender::<C>(room, &histogram);
}

fn arrivals<C: Contender>(room: &Room) {
    if room.people.len() > C::SIZE_MAX {
        return;
    }
    let mut world = World::<C>::new(room);
    let histogram = time_each(
        &mut world,
        World::newcomer,
        |world, newcomer| {
            let found = world.ask(&newcomer);
            world.act(&newcomer, found);
        },
        |_, ()| (),
        repeated(),
    );
    print_contender::<C>(room, &histogram);
}

fn repeated() -> usize {
    if is_test_run() { 100 } else { REPEATED }
}

/// Lets people wait who don't look for anybody, with what they remember.
fn admit(
    matchmaker: &mut Matchmaker<u64>,
    room: &Room,
    range: impl Fn(Range) -> Range,
    known: impl Fn(usize) -> Acquaintances<u64>,
) {
    for (index, (place, range_in_scene)) in room.people.iter().enumerate() {
        let candidate = Candidate::new(COMING + index as u64, known(index));
        let ticket = matchmaker.ticket(candidate, *place, range(*range_in_scene));
        matchmaker.admit(ticket);
    }
}

/// Everybody but a few remembers all who come: half of them blocked, half just met.
fn remembering(index: usize) -> Acquaintances<u64> {
    let mut known = Acquaintances::default();
    if !index.is_multiple_of(FORGETFUL) {
        for who in 0..COMING / 2 {
            known.block(who).expect("fewer than can be blocked");
        }
        for who in COMING / 2..COMING {
            known.met(who, Moment::from_millis(1000));
        }
    }
    known
}

/// Times arrivals in a stadium, which is as before after each.
fn time_arrivals(
    matchmaker: Matchmaker<u64>,
    newcomers: Newcomers,
    is_inside: bool,
) -> Histogram<u64> {
    let mut who = 0;
    time_each(
        &mut (matchmaker, newcomers),
        |(matchmaker, newcomers)| {
            let newcomer = newcomers.next().expect("they never end");
            let (inside, outside) = (newcomer.stays.0, newcomer.seeks.0);
            who = (who + 1) % COMING;
            let candidate = Candidate::new(who, Acquaintances::default());
            let place = if is_inside { inside } else { outside };
            matchmaker.ticket(candidate, place, Range::PLANET)
        },
        |(matchmaker, _), ticket| matchmaker.arrive(ticket, Moment::START),
        |(matchmaker, _), arrival| match arrival {
            Arrival::Waits(ticket) => {
                assert!(!is_inside, "somebody remembers nobody");
                matchmaker.withdraw(ticket);
            }
            Arrival::Paired([_, found]) => {
                assert!(is_inside, "all ranges exclude who is outside");
                matchmaker.admit(*found);
            }
        },
        if is_test_run() { 10 } else { STADIUM_ARRIVALS },
    )
}

fn stadium() {
    let size = if is_test_run() { 1000 } else { STADIUM };
    let room = Room::filled(scene_named("stadium"), size);
    print_head("An arrival in a stadium", "stadium | people");
    let mut matchmaker = Matchmaker::new();
    admit(
        &mut matchmaker,
        &room,
        |range| range,
        |_| Acquaintances::default(),
    );
    let histogram = time_arrivals(matchmaker, room.newcomers(), false);
    print_row(
        &format!("all ranges exclude the newcomer | {size}"),
        &histogram,
    );
    let mut matchmaker = Matchmaker::new();
    admit(&mut matchmaker, &room, |_| Range::PLANET, remembering);
    let histogram = time_arrivals(matchmaker, room.newcomers(), true);
    print_row(
        &format!("nearly all avoid the newcomer | {size}"),
        &histogram,
    );
}

/// How often the room can't tell by the chord whether somebody is within reach.
fn geodesics(room: &Room) {
    let mut waiting = WaitingRoom::new();
    for (place, range) in &room.people {
        waiting.insert(*place, *range, (*place, *range));
    }
    let mut histogram = histogram();
    let queries = if is_test_run() { 100 } else { GEODESIC_QUERIES };
    for newcomer in room.newcomers().take(queries) {
        let (place, range) = newcomer.seeks;
        let mut unclear = 0;
        // The room asks this of everybody whose distance it is going to compare with both ranges.
        let count = |_, (other, other_range): &(Place, Range)| {
            let both = range.min(*other_range);
            unclear += u64::from(proximity(&place, other, both) == Proximity::Unclear);
            true
        };
        black_box(waiting.nearest_eligible(&place, range, count));
        histogram.record(unclear).expect("a count of people");
    }
    let share = |more_than: u64| {
        let none = histogram.count_between(0, more_than);
        100.0 * (1.0 - none as f64 / histogram.len() as f64)
    };
    println!(
        "| {} | {} | {} | {:.3} % | {:.5} | {} |",
        room.scene.name,
        room.people.len(),
        histogram.value_at_quantile(0.5),
        share(0),
        histogram.mean(),
        histogram.max()
    );
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |part: &str| words.is_empty() || words.iter().any(|word| part.contains(word));
    let sizes = rooms::sizes(&[100_000, 1_000_000]);
    eprintln!(
        "Each row takes up to {} s; rooms of up to {:?}",
        LASTS_MAX.as_secs(),
        sizes.last()
    );
    if is_wanted("query") {
        print_head("The nearest eligible", "crowd | waiting | contender");
        in_each_room(&sizes, |room| {
            for_each_contender!(queries(room));
        });
    }
    if is_wanted("arrival") {
        print_head("An arrival and what follows", "crowd | waiting | contender");
        in_each_room(&sizes, |room| {
            for_each_contender!(arrivals(room));
        });
    }
    if is_wanted("stadium") {
        stadium();
    }
    if is_wanted("geodesic") {
        println!("\nGeodesics asked for by a query\n");
        println!("| crowd | waiting | median | queries that ask | mean | max |");
        println!("|---|---|---|---|---|---|");
        in_each_room(&sizes, geodesics);
    }
}

fn in_each_room(sizes: &[usize], mut run: impl FnMut(&Room)) {
    for scene in SCENES {
        for &size in sizes {
            run(&Room::filled(scene_named(scene), size));
        }
    }
}
