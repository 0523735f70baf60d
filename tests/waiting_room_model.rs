//! The waiting room against a list of everybody in it: any sequence of arrivals, departures, moves and
//! searches must find whom looking at everybody finds.

mod reference;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use reference::earth::Degrees;
use reference::room::{Operation, RoomPair, Wish};
use whisperchat::geo::{MAX_RANGE_KM, Range};
use whisperchat::swarm::Crowd;

/// Where rules that work elsewhere break: poles, both names of the date line, the equator, and pairs of
/// antipodes.
const LANDMARKS_DEG: [(f64, f64); 10] = [
    (90.0, 0.0),
    (90.0, 137.0),
    (-90.0, 0.0),
    (0.0, 0.0),
    (0.0, 180.0),
    (0.0, -180.0),
    (-16.0, 180.0),
    (-16.0, -180.0),
    (48.85, 2.35),
    (-48.85, -177.65),
];

fn anywhere() -> impl Strategy<Value = Degrees> {
    let landmark = || proptest::sample::select(LANDMARKS_DEG.as_slice());
    // From a tenth of a metre to everyday distances.
    let nudge_deg = || prop_oneof![-1e-6..=1e-6_f64, -1e-3..=1e-3_f64, -1.0..=1.0_f64];
    prop_oneof![
        3 => landmark(),
        5 => (landmark(), nudge_deg(), nudge_deg()).prop_map(|((lat, lon), north, east): ((f64, f64), _, _)| {
            ((lat + north).clamp(-90.0, 90.0), wrapped_deg(lon + east))
        }),
        2 => (-90.0..=90.0, -180.0..=180.0),
    ]
    .prop_map(|(lat, lon)| Degrees { lat, lon })
}

fn wrapped_deg(lon: f64) -> f64 {
    if lon.abs() > 180.0 {
        lon - 360.0_f64.copysign(lon)
    } else {
        lon
    }
}

/// From a metre to the whole planet, each order of magnitude as often.
fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        6 => (-3.0..=4.3).prop_map(|log: f64| Wish::Km(10.0_f64.powf(log).min(MAX_RANGE_KM))),
        1 => Just(Wish::Km(MAX_RANGE_KM)),
        2 => any::<usize>().prop_map(Wish::JustTo),
        1 => any::<usize>().prop_map(Wish::JustShortOf),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let refused = prop_oneof![2 => Just(0), 1 => any::<u8>()];
    prop_oneof![
        6 => (anywhere(), wish()).prop_map(|(at, range)| Operation::Insert { at, range }),
        2 => any::<usize>().prop_map(|index| Operation::Remove { index }),
        1 => Just(Operation::RemoveAgain),
        2 => (any::<usize>(), anywhere(), wish())
            .prop_map(|(index, at, range)| Operation::Change { index, at, range }),
        5 => (anywhere(), wish(), refused)
            .prop_map(|(at, range, refused)| Operation::Seek { at, range, refused }),
    ]
}

/// Seeds of failures are kept here and tried first the next time.
fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("proptest-regressions/waiting_room_model.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::with_cases(1024)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_finds_whom_a_list_finds(operations in vec(operation(), 1..200)) {
        let mut pair = RoomPair::default();
        for operation in &operations {
            pair.apply(operation);
        }
        pair.assert_alike();
    }

    /// Small rooms, where every step is checked.
    #[test]
    fn every_step_keeps_the_invariants(operations in vec(operation(), 1..60)) {
        let mut pair = RoomPair::default();
        for operation in &operations {
            pair.apply(operation);
            pair.assert_alike();
        }
    }
}

/// A room of a few hundred from each crowd, as it fills, moves, seeks and empties.
#[test]
fn every_crowd_finds_whom_a_list_finds() {
    let crowds = [
        Crowd::cities(1),
        Crowd::uniform(2),
        Crowd::mixed(3),
        Crowd::stadium(4),
        Crowd::meridian(5),
        Crowd::poles(6),
        Crowd::one_point(7),
    ];
    for mut crowd in crowds {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
        let mut pair = RoomPair::default();
        for person in crowd.by_ref().take(600) {
            pair.insert(person.position.into(), person.range);
        }
        pair.assert_alike();
        for person in crowd.by_ref().take(400) {
            pair.seek(person.position.into(), person.range, rng.random());
            let index = rng.random_range(0..600);
            match rng.random_range(0..4) {
                0 => pair.insert(person.position.into(), person.range),
                1 => pair.change(index, person.position.into(), person.range),
                _ => pair.remove(index),
            }
        }
        pair.assert_alike();
    }
}

/// An index by place can't tell these apart: it must neither lose one nor take the wrong one out, and the
/// one who has waited longest comes first.
#[test]
fn thousands_at_one_point_leave_one_by_one_in_any_order() {
    let people = 4000;
    let here = Degrees {
        lat: 48.9245,
        lon: 2.3601,
    };
    let range = Range::from_km(1.0).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut pair = RoomPair::default();
    for _ in 0..people {
        pair.insert(here, range);
    }
    for left in (1..=people).rev() {
        if left % 100 == 0 {
            pair.seek(here, range, 0);
            pair.seek(here, range, 0b0101_0101);
            pair.assert_alike();
        }
        // Half of the time it is the one whom a search would find.
        pair.remove(if rng.random() {
            0
        } else {
            rng.random_range(0..left)
        });
    }
    pair.seek(here, range, 0);
    pair.assert_alike();
}
