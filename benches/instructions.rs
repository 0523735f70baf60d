//! How many instructions the operations of the waiting room take, by valgrind's count, which holds still on a
//! noisy machine: `scripts/check-instructions` runs this and compares it with the baseline in the repository.
//!
//! Each figure is for [`REPEATED`] of one operation in a room of 10,000 people from the world's cities, always
//! the same.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "gungraun's macros make public items"
)]

mod contenders;
mod rooms;
mod support;

use gungraun::prelude::*;
use rooms::{Newcomer, Room, Whereabouts, scene_named};
use std::hint::black_box;
use whisperchat::geo::{Place, Position, Range};
use whisperchat::matching::{TicketId, WaitingRoom};

const SIZE: usize = 10_000;
const REPEATED: usize = 1000;

/// A room, everybody's tickets, and who comes next.
struct Prepared {
    room: WaitingRoom<u32>,
    tickets: Vec<TicketId>,
    newcomers: Vec<Newcomer>,
    changes: Vec<Whereabouts>,
}

fn prepare() -> Prepared {
    let filled = Room::filled(scene_named("cities"), SIZE);
    let mut room = WaitingRoom::new();
    let tickets = (0..)
        .zip(&filled.people)
        .map(|(who, (place, range))| room.insert(*place, *range, who))
        .collect();
    let changes = filled.people.iter().take(REPEATED).enumerate();
    Prepared {
        room,
        tickets,
        newcomers: filled.newcomers().take(REPEATED).collect(),
        changes: changes.map(changed).collect(),
    }
}

/// Every other moves half a kilometre, the rest go half as far again.
fn changed((index, (place, range)): (usize, &Whereabouts)) -> Whereabouts {
    if index % 2 == 0 {
        let position = place.position();
        let lat_deg = position.lat_deg() - 0.0045_f64.copysign(position.lat_deg());
        let moved = Position::new(lat_deg, position.lon_deg()).expect("nearer to the equator");
        (Place::new(moved), *range)
    } else {
        let farther = Range::from_km(range.km() * 1.5);
        (*place, farther.unwrap_or(Range::PLANET))
    }
}

#[library_benchmark]
#[bench::cities(prepare())]
fn query(prepared: Prepared) -> Prepared {
    for Newcomer { seeks, .. } in &prepared.newcomers {
        let (place, range) = seeks;
        black_box(prepared.room.nearest_eligible(place, *range, |_, _| true));
    }
    prepared
}

#[library_benchmark]
#[bench::cities(prepare())]
fn insert(mut prepared: Prepared) -> Prepared {
    for Newcomer { stays, .. } in &prepared.newcomers {
        let (place, range) = stays;
        black_box(prepared.room.insert(*place, *range, 0));
    }
    prepared
}

#[library_benchmark]
#[bench::cities(prepare())]
fn remove(mut prepared: Prepared) -> Prepared {
    for ticket in &prepared.tickets[..REPEATED] {
        black_box(prepared.room.remove(*ticket));
    }
    prepared
}

#[library_benchmark]
#[bench::cities(prepare())]
fn change(mut prepared: Prepared) -> Prepared {
    for (ticket, (place, range)) in prepared.tickets.iter().zip(&prepared.changes) {
        black_box(prepared.room.change(*ticket, *place, *range));
    }
    prepared
}

library_benchmark_group!(
    name = waiting_room,
    benchmarks = [query, insert, remove, change]
);

// The room is read from where other benches have left it, if they have.
main!(
    config = LibraryBenchmarkConfig::default().pass_through_env("CARGO_TARGET_DIR"),
    library_benchmark_groups = waiting_room
);
