//! Any lives of sessions, however late the lobby is woken, against a plain model of the contract.
#![no_main]

mod draw;
#[path = "../../tests/lobby_model/effects.rs"]
mod effects;
#[path = "../../tests/lobby_model/model.rs"]
mod model;
#[path = "../../tests/reference/mod.rs"]
mod reference;
#[path = "../../tests/lobby_model/steps.rs"]
mod steps;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use steps::{Change, Step, Wish, World};
use whisperchat::geo::PrivacyGrid;
use whisperchat::lobby::Settings;

/// Each step compares everybody who waits with everybody else.
const STEPS_MAX: usize = 200;

const NAMES: [&str; 3] = ["ann", "bob", "Zoë"];
const INTERESTS: [&str; 4] = ["chess", "Chess", "go", "GO"];

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let Ok(settings) = settings(&mut bytes) else {
        return;
    };
    let mut world = World::new(settings);
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = step(&mut bytes) else {
            break;
        };
        world.apply(step);
    }
    world.end();
});

fn settings(bytes: &mut Unstructured) -> Result<Settings> {
    Ok(Settings {
        grid: *bytes.choose(&[
            PrivacyGrid::OFF,
            PrivacyGrid::new(1.0).expect("a cell of 1 km is allowed"),
        ])?,
        cool_off: Duration::from_millis(*bytes.choose(&[0, 2, 5000, 60_000])?),
        wait_max: Duration::from_mins(1),
        first_message: Duration::from_secs(10),
        reconnect_spread: Duration::from_secs(5),
        ..steps::settings()
    })
}

fn step(bytes: &mut Unstructured) -> Result<Step> {
    let who = draw::index(bytes)?;
    Ok(match bytes.int_in_range(0..=18)? {
        0..=2 => Step::Connect,
        3 => Step::Speak { who },
        4..=7 => Step::Join {
            who,
            wish: wish(bytes)?,
        },
        8..=9 => Step::Update {
            who,
            change: change(bytes)?,
        },
        10 => Step::Cancel { who },
        11 => Step::Leave { who },
        12..=13 => Step::Next { who },
        14 => Step::Disconnect {
            who,
            is_lost: bytes.arbitrary()?,
        },
        15 => Step::Block {
            who,
            chat: draw::index(bytes)?,
        },
        16 => Step::Report {
            who,
            chat: draw::index(bytes)?,
        },
        17 => Step::Slow {
            who,
            is_slow: bytes.arbitrary()?,
        },
        _ => Step::Pass {
            ms: u64::from(bytes.arbitrary::<u16>()?),
            is_late: bytes.arbitrary()?,
        },
    })
}

fn wish(bytes: &mut Unstructured) -> Result<Wish> {
    Ok(Wish {
        at: draw::place(bytes)?,
        range_km: draw::range_km(bytes)?,
        range_max_km: maybe(bytes, draw::range_km)?,
        name: maybe(bytes, name)?,
        interests: interests(bytes)?,
        give_up_ms: maybe(bytes, give_up_ms)?,
    })
}

fn change(bytes: &mut Unstructured) -> Result<Change> {
    Ok(Change {
        at: maybe(bytes, draw::place)?,
        range_km: maybe(bytes, draw::range_km)?,
        range_max_km: maybe(bytes, draw::range_km)?,
        name: maybe(bytes, name)?,
        interests: maybe(bytes, interests)?,
        give_up_ms: maybe(bytes, give_up_ms)?,
    })
}

fn maybe<T>(
    bytes: &mut Unstructured,
    draw: fn(&mut Unstructured) -> Result<T>,
) -> Result<Option<T>> {
    bytes.arbitrary::<bool>()?.then(|| draw(bytes)).transpose()
}

fn name(bytes: &mut Unstructured) -> Result<&'static str> {
    bytes.choose(&NAMES).copied()
}

fn interests(bytes: &mut Unstructured) -> Result<Vec<&'static str>> {
    let chosen: u8 = bytes.arbitrary()?;
    let is_chosen = |index: &usize| chosen >> index & 1 == 1;
    Ok((0..INTERESTS.len())
        .filter(is_chosen)
        .map(|index| INTERESTS[index])
        .collect())
}

fn give_up_ms(bytes: &mut Unstructured) -> Result<u64> {
    Ok(1 + u64::from(bytes.arbitrary::<u16>()?))
}
