//! The whole thing: a crowd joins one after another over real sockets, half in each dialect, is matched as
//! a brute-force oracle predicts, chats in pairs all at once, and goes.
//!
//! A failure prints its seed; `CROWD_SEED=… cargo test --test crowd` draws the same crowd again.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod oracle;

use client::{Client, Told, chat, name_of};
use common::Server;
use oracle::{Guest, Oracle};
use std::collections::HashMap;
use tokio::task::JoinSet;
use whisperchat::swarm::Crowd;

/// How many join.
const GUESTS: usize = 2000;

/// One in this many groups of three meets on the equator, so that the wait must decide between two who are
/// equally near.
const TRIO_EVERY: usize = 40;

/// Sockets of all clients, and some for everything else.
const DESCRIPTORS: u64 = GUESTS as u64 + 100;

/// The crowd of a seed, in the order of joining.
fn guests(seed: u64) -> Vec<Guest> {
    let mut guests: Vec<_> = Crowd::cities(seed)
        .take(GUESTS)
        .enumerate()
        .map(|(number, person)| Guest {
            number,
            lat: person.position.lat_deg(),
            lon: person.position.lon_deg(),
            range_km: person.range.km(),
        })
        .collect();
    for (number, trio) in guests.chunks_exact_mut(3).step_by(TRIO_EVERY).enumerate() {
        // Half a degree of latitude is 55.3 km: the outer two reach the middle, but not each other.
        let lon = -(number as f64) * 4.0;
        for (guest, lat) in trio.iter_mut().zip([0.5, -0.5, 0.0]) {
            (guest.lat, guest.lon, guest.range_km) = (lat, lon, 60.0);
        }
    }
    guests
}

fn seed() -> u64 {
    std::env::var("CROWD_SEED").map_or_else(
        |_| rand::random(),
        |seed| seed.parse().expect("CROWD_SEED is a whole number"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_matched_as_predicted_and_chats() {
    let seed = seed();
    println!("CROWD_SEED={seed}");
    let descriptors = rlimit::increase_nofile_limit(DESCRIPTORS).expect("the limit can be asked");
    assert!(
        descriptors >= DESCRIPTORS,
        "{DESCRIPTORS} open files are needed, {descriptors} are allowed (ulimit -Hn)"
    );
    let server = Server::exact(&[]);
    let mut oracle = Oracle::new();
    let mut waiting: HashMap<usize, Client> = HashMap::new();
    let mut pairs = Vec::new();
    for guest in guests(seed) {
        // Every second by dialect, and pairs of them, so that all ways of meeting come up.
        let mut client = Client::joined(&server, guest, guest.number % 2 == 1).await;
        let predicted = oracle.join(guest);
        // Whoever was found is heard from first: a match is shown when both were.
        let partner = predicted.map(|partner| waiting.remove(&partner.number).expect("it waits"));
        if let Some(mut partner) = partner {
            let told = partner.told().await;
            check(&oracle, &partner, Some(&guest), told.as_ref());
            let told = client.told().await;
            check(&oracle, &client, predicted.as_ref(), told.as_ref());
            pairs.push((client, partner));
        } else {
            let told = client.told().await;
            check(&oracle, &client, None, told.as_ref());
            waiting.insert(guest.number, client);
        }
    }
    check_variety(&oracle, &pairs);
    if let Some((one, other)) = oracle.left_waiting_in_vain() {
        panic!("both wait, each in range of the other: {one:?}, {other:?}");
    }
    assert!(waiting.keys().all(|number| oracle.is_waiting(*number)));
    assert_eq!(waiting.len(), oracle.waiting_len());

    let mut goings = JoinSet::new();
    for (one, other) in pairs {
        goings.spawn(chat(one, other));
    }
    while let Some(gone) = goings.join_next().await {
        // What was wrong has been printed where it happened.
        gone.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    }
    // Those who wait have not been told anything while the others came, chatted and left.
    for (_, client) in waiting {
        client.give_up().await;
    }
    assert!(server.stop().await.success());
}

/// What a client was told of its match is what the oracle has predicted.
fn check(oracle: &Oracle, client: &Client, predicted: Option<&Guest>, told: Option<&Told>) {
    let guest = &client.guest;
    let expected = predicted.map(|partner| Told {
        partner: name_of(partner),
        distance: (!client.is_classic()).then(|| match oracle.distance_km(guest, partner) {
            ..10.0 => "near".to_owned(),
            ..100.0 => "region".to_owned(),
            _ => "far".to_owned(),
        }),
    });
    let describe = |partner: &Guest| {
        let away_km = oracle.distance_km(guest, partner);
        format!("{partner:?}, {away_km} km away")
    };
    assert!(
        told == expected.as_ref(),
        "{guest:?} was told {told:?}\n  and should have been told {expected:?}: {}",
        predicted.map_or("nobody eligible waits".to_owned(), describe)
    );
}

/// The crowd was one that could have shown mistakes.
fn check_variety(oracle: &Oracle, pairs: &[(Client, Client)]) {
    let of_kind = |classics: usize| {
        let count = |pair: &&(Client, Client)| {
            usize::from(pair.0.is_classic()) + usize::from(pair.1.is_classic()) == classics
        };
        pairs.iter().filter(count).count()
    };
    let kinds = [of_kind(0), of_kind(1), of_kind(2)];
    println!(
        "{kinds:?} pairs with 0, 1, 2 classic clients, {} wait, {} ties, {} overdue",
        oracle.waiting_len(),
        oracle.ties,
        oracle.overdue
    );
    assert!(kinds.iter().all(|count| *count >= 20), "{kinds:?}");
    assert!(oracle.waiting_len() >= 100);
    assert!(oracle.ties >= 1);
}
