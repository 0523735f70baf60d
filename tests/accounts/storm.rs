//! A storm of logins.

use crate::common::{Pair, Place};
use crate::operators::Office;
use std::time::{Duration, Instant};

const PARIS: Place = (48.8566, 2.3522);

/// How long a message and its acknowledgement take, so many times.
async fn relays(pair: &mut Pair, count: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..count {
        let start = Instant::now();
        let text = format!("hello {number}");
        pair.ann.say(&text).await;
        pair.bob.expect_said(&text).await;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    took
}

/// 200 at once, of which the pool takes a few and sends the others away; who chats goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_is_bounded_and_chat_goes_on() {
    let office = Office::open(&[("rates.messages.per_minute", "0")]).await;
    office.account("ann", "viewer").await;
    let mut pair = Pair::chatting(&office.server, PARIS).await;
    let calm = relays(&mut pair, 200).await;
    let office = std::sync::Arc::new(office);
    let storm = (0..200).map(|number| {
        let office = std::sync::Arc::clone(&office);
        tokio::spawn(async move {
            office
                .try_log_in(&format!("nobody{number}"), "not that one")
                .await
        })
    });
    let storm: Vec<_> = storm.collect();
    let rough = relays(&mut pair, 200).await;
    let (mut refused, mut sent_away) = (0, 0);
    for login in storm {
        let answer = login.await.expect("it is answered");
        match answer.status {
            401 => refused += 1,
            429 => {
                assert!(answer.retry_after.is_some(), "{answer:?}");
                sent_away += 1;
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert_eq!(refused + sent_away, 200);
    let p99 = |took: &[Duration]| took[took.len() * 99 / 100];
    println!(
        "{refused} hashed, {sent_away} sent away; relay p99 {:?} calm, {:?} in the storm",
        p99(&calm),
        p99(&rough)
    );
    // One processor of several hashes; nobody waits as long as a hash takes in a row of them.
    assert!(
        p99(&rough) < Duration::from_millis(250),
        "{:?}",
        p99(&rough)
    );
    // It is over: whoever comes now is let in.
    office.log_in("ann").await;
}
