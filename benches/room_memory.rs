//! How much memory a person who waits takes in the room, all in: `cargo bench --bench room_memory`.
//!
//! By an allocator that counts what is asked for. Tables and slabs that double when they are full are counted
//! as large as they are. A room is measured after it was filled one by one, and again after a tenth of its
//! people were replaced, which is when trees are at their worst. Rooms of 100,000 are done, and of a million
//! if `ROOM_SIZE_MAX` is as much.

mod contenders;
mod rooms;
mod support;

use contenders::{Contender, World, for_each_contender};
use rooms::{Room, Whereabouts, scene_named};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use whisperchat::matching::{Acquaintances, Candidate, Matchmaker, WaitingRoom};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What lives of the bytes asked for since the region began.
fn live_bytes(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

fn print_row(room: &Room, what: &str, filled: usize, replaced: Option<usize>) {
    let size = room.people.len();
    let each = |bytes: usize| format!("{:.0}", bytes as f64 / size as f64);
    let replaced = replaced.map(each).unwrap_or_default();
    println!(
        "| {} | {size} | {what} | {} | {replaced} |",
        room.scene.name,
        each(filled)
    );
}

/// The waiting room by itself, and what the matchmaker keeps beside it.
fn measure_own(room: &Room) {
    let mut newcomers = room.newcomers();
    let replacements: Vec<Whereabouts> = room
        .people
        .iter()
        .step_by(10)
        .filter_map(|_| Some(newcomers.next()?.stays))
        .collect();
    let mut tickets = Vec::with_capacity(room.people.len());
    let region = Region::new(ALLOCATOR);
    let mut waiting = WaitingRoom::<u32>::new();
    for (who, (place, range)) in room.people.iter().enumerate() {
        tickets.push(waiting.insert(*place, *range, who as u32));
    }
    let filled = live_bytes(&region);
    for (index, (place, range)) in replacements.into_iter().enumerate() {
        waiting.remove(tickets[index * 10]);
        waiting.insert(place, range, 0);
    }
    print_row(
        room,
        "this room, by itself",
        filled,
        Some(live_bytes(&region)),
    );
    drop(waiting);
    let region = Region::new(ALLOCATOR);
    let mut matchmaker = Matchmaker::<u64>::new();
    for (who, (place, range)) in room.people.iter().enumerate() {
        let candidate = Candidate::new(who as u64, Acquaintances::default());
        let ticket = matchmaker.ticket(candidate, *place, *range);
        matchmaker.admit(ticket);
    }
    print_row(room, "the matchmaker around it", live_bytes(&region), None);
}

fn measure<C: Contender>(room: &Room) {
    if room.people.len() > C::SIZE_MAX {
        return;
    }
    let region = Region::new(ALLOCATOR);
    let mut world = World::<C>::new(room);
    // The world has a list of the people, which is not the contender's.
    let list = size_of_val(&*world.people);
    let filled = live_bytes(&region) - list;
    for _ in 0..room.people.len() / 10 {
        world.step();
    }
    print_row(room, C::NAME, filled, Some(live_bytes(&region) - list));
}

fn main() {
    let sizes = rooms::sizes(&[100_000, 1_000_000]);
    println!("\nBytes for each who waits\n");
    println!("| crowd | waiting | | filled | a tenth replaced |");
    println!("|---|---|---|---|---|");
    for scene in ["uniform", "cities", "mixed"] {
        for &size in &sizes {
            let room = Room::filled(scene_named(scene), size);
            measure_own(&room);
            for_each_contender!(measure(&room));
        }
    }
}
