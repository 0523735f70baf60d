//! The lobby against a plain model of the contract: whatever people do and however late it is woken, each
//! is told the right things in the right order, and nobody waits while an eligible partner waits.
//!
//! - `steps`: what can happen, done to both
//! - `model`: what must come of it
//! - `effects`: reads what the lobby did

mod effects;
mod model;
#[path = "../reference/mod.rs"]
mod reference;
mod steps;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use reference::earth::Degrees;
use std::time::Duration;
use steps::{Change, Step, Wish, World};
use whisperchat::geo::PrivacyGrid;
use whisperchat::lobby::Settings;
use whisperchat::matching::RECENT_PARTNERS_MAX;

const NAMES: &[&str] = &["ann", "bob", "Zoë", "🦀"];
const INTERESTS: &[&str] = &["chess", "Chess", "GO", "go", "échecs", "ÉCHECS"];
const RANGES_KM: &[f64] = &[0.001, 1.0, 10.0, 500.0, 20_040.0];

/// Few enough points that people meet, in clusters so that ranges matter: a town, the date line, a pole.
fn somewhere() -> impl Strategy<Value = Degrees> {
    let cluster = select(&[(48.85, 2.35), (-16.0, 179.995), (89.995, 0.0)][..]);
    let step = || (0..4).prop_map(|n| f64::from(n) * 0.004);
    (cluster, step(), step()).prop_map(|((lat, lon), north, east)| Degrees {
        lat: lat + north.min(90.0 - lat),
        lon: if lon + east > 180.0 {
            lon + east - 360.0
        } else {
            lon + east
        },
    })
}

fn range_km() -> impl Strategy<Value = f64> {
    prop_oneof![select(RANGES_KM), 0.1..=100.0]
}

fn interests() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(INTERESTS, 0..=3)
}

fn give_up_ms() -> impl Strategy<Value = u64> {
    prop_oneof![1..100_u64, 1000..=40_000_u64]
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        somewhere(),
        range_km(),
        weighted(0.3, range_km()),
        weighted(0.7, select(NAMES)),
        interests(),
        weighted(0.3, give_up_ms()),
    )
        .prop_map(
            |(at, range_km, range_max_km, name, interests, give_up_ms)| Wish {
                at,
                range_km,
                range_max_km,
                name,
                interests,
                give_up_ms,
            },
        )
}

fn change() -> impl Strategy<Value = Change> {
    (
        weighted(0.5, somewhere()),
        weighted(0.5, range_km()),
        weighted(0.1, range_km()),
        weighted(0.2, select(NAMES)),
        weighted(0.2, interests()),
        weighted(0.2, give_up_ms()),
    )
        .prop_map(
            |(at, range_km, range_max_km, name, interests, give_up_ms)| Change {
                at,
                range_km,
                range_max_km,
                name,
                interests,
                give_up_ms,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let who = any::<usize>;
    prop_oneof![
        5 => Just(Step::Connect),
        1 => who().prop_map(|who| Step::Speak { who }),
        12 => (who(), wish()).prop_map(|(who, wish)| Step::Join { who, wish }),
        5 => (who(), change()).prop_map(|(who, change)| Step::Update { who, change }),
        2 => who().prop_map(|who| Step::Cancel { who }),
        3 => who().prop_map(|who| Step::Leave { who }),
        5 => who().prop_map(|who| Step::Next { who }),
        2 => (who(), any::<usize>()).prop_map(|(who, chat)| Step::Block { who, chat }),
        1 => (who(), any::<usize>()).prop_map(|(who, chat)| Step::Report { who, chat }),
        2 => (who(), any::<bool>()).prop_map(|(who, is_slow)| Step::Slow { who, is_slow }),
        2 => (who(), any::<bool>()).prop_map(|(who, is_lost)| Step::Disconnect { who, is_lost }),
        4 => (prop_oneof![0..50_u64, 0..30_000_u64], any::<bool>())
            .prop_map(|(ms, is_late)| Step::Pass { ms, is_late }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let cool_off_ms = select(&[0, 2, 5000, 60_000][..]);
    let grid_km = select(&[0.0, 1.0][..]);
    (cool_off_ms, grid_km).prop_map(|(cool_off_ms, grid_km)| Settings {
        grid: PrivacyGrid::new(grid_km).unwrap(),
        cool_off: Duration::from_millis(cool_off_ms),
        wait_max: Duration::from_mins(1),
        first_message: Duration::from_secs(10),
        reconnect_spread: Duration::from_secs(5),
        ..steps::settings()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_step_keeps_the_contract(settings in settings(), steps in vec(step(), 1..150)) {
        let mut world = World::new(settings);
        for step in steps {
            world.apply(step);
        }
        world.end();
    }
}

/// Who is held back is found by nobody and finds nobody until then, each time that they wait.
#[test]
fn who_is_slowed_comes_into_the_room_later_than_they_wait() {
    let wish = |range_km| Wish {
        at: Degrees { lat: 0.0, lon: 0.0 },
        range_km,
        range_max_km: None,
        name: None,
        interests: Vec::new(),
        give_up_ms: None,
    };
    let pass = |ms| Step::Pass { ms, is_late: false };
    let mut world = World::new(Settings {
        grid: PrivacyGrid::OFF,
        cool_off: Duration::ZERO,
        wait_max: Duration::from_mins(1),
        first_message: Duration::from_mins(1),
        reconnect_spread: Duration::ZERO,
        ..steps::settings()
    });
    let slow = 0;
    for _ in 0..4 {
        world.apply(Step::Connect);
    }
    world.apply(Step::Slow {
        who: slow,
        is_slow: true,
    });
    for (who, range_km) in [(slow, 0.001), (1, 5.0)] {
        let wish = wish(range_km);
        world.apply(Step::Join { who, wish });
    }
    assert_eq!(world.waiting_len(), 1, "the other one");
    world.apply(Step::Join {
        who: 2,
        wish: wish(5.0),
    });
    assert_eq!(world.waiting_len(), 0, "the others have met");
    world.apply(Step::Join {
        who: 3,
        wish: wish(5.0),
    });
    // A change makes it no shorter.
    world.apply(pass(2500));
    world.apply(Step::Update {
        who: slow,
        change: Change {
            at: None,
            range_km: Some(5.0),
            range_max_km: None,
            name: None,
            interests: None,
            give_up_ms: None,
        },
    });
    assert_eq!(world.waiting_len(), 1);
    world.apply(pass(2));
    assert_eq!(world.waiting_len(), 0, "they have met");
    // And the next time again.
    for who in [3, slow] {
        world.apply(Step::Next { who });
    }
    assert_eq!(world.waiting_len(), 1);
    world.end();
}

/// Who has met too many to remember them all is still avoided by those who remember.
#[test]
fn a_cool_off_holds_as_long_as_one_of_the_two_remembers() {
    let wish = || Wish {
        at: Degrees { lat: 0.0, lon: 0.0 },
        range_km: 5.0,
        range_max_km: None,
        name: None,
        interests: Vec::new(),
        give_up_ms: None,
    };
    let mut world = World::new(Settings {
        grid: PrivacyGrid::OFF,
        cool_off: Duration::from_secs(10),
        wait_max: Duration::from_mins(1),
        first_message: Duration::from_mins(1),
        reconnect_spread: Duration::ZERO,
        ..steps::settings()
    });
    let popular = 0;
    world.apply(Step::Connect);
    world.apply(Step::Join {
        who: popular,
        wish: wish(),
    });
    for who in 1..=RECENT_PARTNERS_MAX + 1 {
        world.apply(Step::Connect);
        world.apply(Step::Join { who, wish: wish() });
        world.apply(Step::Next { who: popular });
    }
    // The first of them is forgotten by now: whoever of the two comes second must not be paired.
    world.apply(Step::Next { who: 1 });
    assert_eq!(world.waiting_len(), 2);
    world.apply(Step::Cancel { who: popular });
    world.apply(Step::Next { who: popular });
    assert_eq!(world.waiting_len(), 2);
    world.apply(Step::Pass {
        ms: 10_000,
        is_late: false,
    });
    assert_eq!(world.waiting_len(), 0);
    world.end();
}
