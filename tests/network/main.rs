//! The whole server on a simulated network that fails in every way: links that lose everything, in both
//! directions or in one, that stand still and then deliver all at once, that slow down; clients that vanish,
//! with a word or without; a stop in the middle of it. Time is simulated too, so minutes pass in moments.
//!
//! Everything follows from a seed. `NETWORK_FIRST` is the first, `NETWORK_SEEDS` how many; a failure prints
//! its seed and what happened before it, and `NETWORK_FIRST=n NETWORK_SEEDS=1` does it again.

mod client;
mod ledger;
mod person;
mod simulated;
mod storm;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds that are run unless told otherwise.
const SEEDS: u64 = 20;

/// Panics since the tests began. A task's own would otherwise be seen only by who waits for the task.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn number_from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| {
        let number = number.parse();
        number.unwrap_or_else(|_| panic!("{name} is a whole number"))
    })
}

#[test]
fn the_contract_holds_whatever_the_network_does() {
    let print_panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print_panic(panic);
    }));
    let first = number_from_env("NETWORK_FIRST", 1);
    let seeds = number_from_env("NETWORK_SEEDS", SEEDS);
    let mut totals = ledger::Tally::default();
    for seed in first..first + seeds {
        let weathered = storm::weather(seed);
        let panics = PANICS.load(Ordering::Relaxed);
        assert_eq!(panics, 0, "NETWORK_FIRST={seed}: something panicked");
        totals.add(&weathered.tally);
    }
    println!("{seeds} seeds from {first}: {totals:?}");
    totals.assert_variety();
}

#[test]
fn a_seed_replays() {
    let logs = [7, 7].map(|seed| storm::weather(seed).log);
    let [one, other] = &logs;
    let differ = one.iter().zip(other).find(|(one, other)| one != other);
    assert_eq!(differ, None);
    assert_eq!(one.len(), other.len());
}
