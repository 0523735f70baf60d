//! A storm of logins.

use crate::common::{Pair, Place, within};
use crate::figures::figure;
use crate::operators::{Answer, Office, PASSWORD, TOKEN};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PARIS: Place = (48.8566, 2.3522);

/// How many log in at once.
const STORM: u8 = 200;

/// How often they do until the pool was full, before the test gives up.
const WAVES_MAX: usize = 20;

/// Both say something, and hear it in the order in which it was said. Returns how long a message and its acknowledgement
/// took, of each.
async fn talk(pair: &mut Pair, rounds: u64, from: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in from..from + rounds {
        for is_anns in [true, false] {
            let (one, other) = if is_anns {
                (&mut pair.ann, &mut pair.bob)
            } else {
                (&mut pair.bob, &mut pair.ann)
            };
            let text = format!("{number}, by ann: {is_anns}");
            let start = Instant::now();
            let said = one.say(&text).await;
            let heard = other.expect_said(&text).await;
            took.push(start.elapsed());
            assert_eq!(said, heard, "{text}");
        }
    }
    took
}

/// A wrong password from one of many addresses, each in a range of its own.
async fn guess(office: &Office, number: u8) -> Answer {
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, number, 1));
    let body = json!({"name": format!("nobody{number}"), "password": "not that one"}).to_string();
    office
        .ask_from(from, "POST", "/api/v1/login", None, &[], &body)
        .await
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// 200 at once, of which the pool takes a few and sends the others away; who chats goes on meanwhile. How long messages take is
/// printed and decides nothing: benches/server/run --only=logins measures it.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_is_bounded_and_chat_goes_on() {
    let settings = [("rates.messages.per_minute", "0"), ("admin.token", TOKEN)];
    let office = Arc::new(Office::open(&settings).await);
    office.account("ann", "viewer").await;
    let mut pair = Pair::chatting(&office.server, PARIS).await;
    let (mut calm, mut rough) = (talk(&mut pair, 100, 0).await, Vec::new());
    let (mut refused, mut sent_away) = (0.0, 0.0);
    for _ in 0..WAVES_MAX {
        let mut storm = JoinSet::new();
        for number in 0..STORM {
            let office = Arc::clone(&office);
            storm.spawn(async move { guess(&office, number).await });
        }
        // As long as it lasts, and all of it.
        while !storm.is_empty() {
            let said = 100 + rough.len() as u64 / 2;
            rough.extend(talk(&mut pair, 1, said).await);
            while let Some(answer) = storm.try_join_next() {
                let answer = answer.expect("it is answered");
                match answer.status {
                    401 => refused += 1.0,
                    429 => {
                        let wait = answer.retry_after.as_deref().map(str::parse::<u32>);
                        assert!(matches!(wait, Some(Ok(1..))), "{answer:?}");
                        sent_away += 1.0;
                    }
                    other => panic!("{other}: {answer:?}"),
                }
            }
        }
        if sent_away > 0.0 {
            break;
        }
    }
    assert!(sent_away > 0.0, "the pool was never full");
    assert!(refused > 0.0, "it took nobody");
    println!(
        "{refused} hashed, {sent_away} sent away; a message and its acknowledgement, p99: {:?} calm, {:?} in the storm",
        p99(&mut calm),
        p99(&mut rough)
    );
    // Nothing of it was hashed beyond the pool's bound, and nobody waits any more.
    let outcome = |outcome: &str| format!("logins_total{{outcome=\"{outcome}\"}}");
    assert_eq!(figure(&office, &outcome("wrong")).await, refused);
    assert_eq!(figure(&office, &outcome("busy")).await, sent_away);
    let not_hashed = "password_hashes_total{outcome=\"refused\"}";
    assert_eq!(figure(&office, not_hashed).await, sent_away);
    // It is over: whoever comes now is let in.
    office.log_in("ann").await;
    pair.expect_undisturbed().await;
}

/// Whoever was told that too many log in has guessed nothing: they wait for nobody's wrong tries but their own.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_sent_away_for_others_is_not_made_to_wait_as_if_they_had_guessed() {
    // More than the free tries.
    const SENT_AWAY: usize = 8;
    let office = Arc::new(Office::open(&[]).await);
    office.account("ann", "viewer").await;
    let mut others = JoinSet::new();
    let mut sent_away = 0;
    let storm = async {
        for number in 0_u32.. {
            // From the addresses of ann, of whom no more than a few may have a place in the pool.
            while others.len() < 16 {
                let office = Arc::clone(&office);
                let name = format!("nobody{number}-{}", others.len());
                others.spawn(async move { office.try_log_in(&name, "not that one").await });
            }
            let answer = office.try_log_in("ann", PASSWORD).await;
            match answer.status {
                // It forgives what was before.
                200 => sent_away = 0,
                429 => sent_away += 1,
                other => panic!("{other}: {answer:?}"),
            }
            let text = answer.body.to_string();
            assert!(!text.contains("wrong tries"), "{text}");
            if sent_away == SENT_AWAY {
                return;
            }
            while others.try_join_next().is_some() {}
        }
    };
    within("ann to be sent away so often in a row", storm).await;
    while others.join_next().await.is_some() {}
    office.log_in("ann").await;
}
