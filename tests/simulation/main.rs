//! Whole worlds under virtual time: the real rooms, hundreds of honest clients of both dialects, and a hostile
//! network between them, all drawn from one seed. After every step the promises of the wire contract are
//! checked against a model that knows what was sent and told, and nothing else.
//!
//! `cargo test` runs 500 seeds. Others:
//!
//! ```text
//! SIMULATION_SEEDS=20000 SIMULATION_FIRST=500 cargo test --release --test simulation -- --nocapture
//! ```
//!
//! - `SIMULATION_SEEDS`: how many seeds; 500 if unset
//! - `SIMULATION_FIRST`: the first; 0 if unset
//! - `SIMULATION_THREADS`: how many run at once; one for each core if unset
//! - `SIMULATION_SHRINK`: 0 runs all seeds, and prints only the promise that each breaks
//!
//! A seed that breaks a promise is printed with the promise, made as small as it will go, and its script told.
//! `SIMULATION_SEEDS=1 SIMULATION_FIRST=` and the seed replays it.
#![expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds, indices and sizes of a small world"
)]

mod chat;
mod checks;
mod client;
mod closing;
mod counts;
mod model;
mod network;
mod resuming;
mod setting;
mod shrink;
mod talking;
mod telling;
mod violation;
mod wire;
mod world;

use counts::Counts;
use setting::Setting;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::Plan;

fn plan(seed: u64) -> Plan {
    let clients = Setting::draw(seed).clients;
    Plan {
        seed,
        clients: (0..clients).collect(),
        acts_max: u64::MAX,
        is_traced: false,
    }
}

/// Runs a seed. What it broke is told in full if it broke anything.
fn run(seed: u64) -> Result<Counts, String> {
    let whole = plan(seed);
    shrink::run(&whole).map_err(|failure| {
        let violation = &failure.violation;
        if number("SIMULATION_SHRINK", 1) == 0 {
            return format!(
                "seed {seed} breaks \"{}\": {}",
                violation.rule, violation.what
            );
        }
        let small = shrink::shrink(whole, &failure);
        let told = shrink::run(&Plan {
            is_traced: true,
            ..small.clone()
        });
        let (what, script) = told.map_or_else(
            |failure| (failure.violation.what, failure.trace.join("\n")),
            |_| ("it does not when it is traced".to_owned(), String::new()),
        );
        format!(
            "seed {seed} breaks \"{}\": {}\n\
             shrunk to clients {:?}, {} acts, under {:?}:\n{script}\n{what}",
            violation.rule,
            violation.what,
            small.clients,
            small.acts_max,
            Setting::draw(seed)
        )
    })
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a whole number")),
        Err(_) => default,
    }
}

#[test]
fn every_promise_holds_in_every_world() {
    let (first, seeds) = (
        number("SIMULATION_FIRST", 0),
        number("SIMULATION_SEEDS", 500),
    );
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let (next, start) = (AtomicU64::new(first), Instant::now());
    let total = Mutex::new(Counts::default());
    let goes_on = number("SIMULATION_SHRINK", 1) == 0;
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..number("SIMULATION_THREADS", cores) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_enough = !goes_on && !broken.lock().unwrap().is_empty();
                    if seed >= first + seeds || is_enough {
                        return;
                    }
                    match run(seed) {
                        Ok(counts) => total.lock().unwrap().add(counts),
                        Err(story) => broken.lock().unwrap().push(story),
                    }
                }
            });
        }
    });
    println!(
        "seeds {first}..{}: {}, in {:.1} s",
        first + seeds,
        total.into_inner().unwrap(),
        start.elapsed().as_secs_f64()
    );
    let stories = broken.into_inner().unwrap();
    assert!(stories.is_empty(), "{}", stories.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    let traced = Plan {
        is_traced: true,
        ..plan(7)
    };
    let run = || world::World::replay(traced.clone());
    assert!(run().len() > 100);
    assert!(run() == run());
}
