//! Nobody is passed over for ever; and what who waits is told of the place.

use crate::common::{Pair, Place, Server, V1, join, joined, with};
use serde_json::{Value, json};
use std::time::Duration;

/// How often somebody is passed over before they go first.
const PASSED_OVER_MAX: usize = 8;

/// A place on the equator; a hundredth of a degree is 1.1 km.
fn east(degrees: f64) -> Place {
    (0.0, degrees)
}

#[tokio::test]
async fn who_was_passed_over_8_times_goes_first() {
    let server = Server::exact(&[]);
    // The first and whoever stands at 0.10 exclude each other; who comes at 0.06 reaches both, and is
    // nearer to 0.10.
    let mut first = joined(&server, east(0.0), 8.0).await;
    for _ in 0..PASSED_OVER_MAX {
        let mut nearer = joined(&server, east(0.1), 8.0).await;
        let mut newcomer = joined(&server, east(0.06), 8.0).await;
        newcomer.expect("matched").await;
        nearer.expect("matched").await;
        first.expect_still_waiting().await;
        newcomer.close().await;
        nearer.close().await;
    }
    let mut nearer = joined(&server, east(0.1), 8.0).await;
    let mut newcomer = joined(&server, east(0.06), 8.0).await;
    tokio::join!(newcomer.expect("matched"), first.expect("matched"));
    nearer.expect_still_waiting().await;
}

#[tokio::test]
async fn only_those_are_passed_over_who_could_have_been_taken() {
    let server = Server::exact(&[]);
    let mut out_of_reach = joined(&server, east(0.0), 5.0).await;
    let mut far = joined(&server, east(0.2), 100.0).await;
    for _ in 0..=PASSED_OVER_MAX {
        let mut nearer = joined(&server, east(0.1), 6.0).await;
        let mut newcomer = joined(&server, east(0.06), 8.0).await;
        newcomer.expect("matched").await;
        nearer.expect("matched").await;
        newcomer.close().await;
        nearer.close().await;
    }
    out_of_reach.expect_still_waiting().await;
    far.expect_still_waiting().await;
}

#[tokio::test]
async fn being_passed_over_is_not_forgotten_by_an_update_or_a_resume() {
    let server = Server::exact(&[]);
    let mut first = joined(&server, east(0.0), 8.0).await;
    for round in 0..PASSED_OVER_MAX {
        let mut nearer = joined(&server, east(0.1), 8.0).await;
        let mut newcomer = joined(&server, east(0.06), 8.0).await;
        newcomer.expect("matched").await;
        nearer.expect("matched").await;
        newcomer.close().await;
        nearer.close().await;
        if round == 3 {
            let update = json!({"type": "update", "range_km": 8.1});
            first.ask(update, "waiting").await;
        } else if round == 5 {
            let token = first.lose().await;
            first = V1::resumed(&server, &token, 0).await.0;
        }
    }
    let mut nearer = joined(&server, east(0.1), 8.0).await;
    let mut newcomer = joined(&server, east(0.06), 8.0).await;
    tokio::join!(newcomer.expect("matched"), first.expect("matched"));
    nearer.expect_still_waiting().await;
}

#[tokio::test]
async fn there_is_an_estimate_when_enough_have_been_matched_near_by() {
    const PAIRS: usize = 8;
    let server = Server::start(&[]);
    for number in 0..PAIRS {
        let mut ann = V1::connect(&server).await;
        let waiting = ann.join((48.0, 2.0), 10.0).await;
        assert_eq!(waiting["estimate_s"], Value::Null, "after {number} pairs");
        let mut bob = joined(&server, (48.0, 2.0), 10.0).await;
        tokio::join!(ann.expect("matched"), bob.expect("matched"));
        ann.close().await;
        bob.close().await;
    }
    let mut here = V1::connect(&server).await;
    let estimate_s = here.join((48.0, 2.0), 10.0).await["estimate_s"].clone();
    let seconds = ["p50", "p90"].map(|key| estimate_s[key].as_f64());
    let [Some(p50), Some(p90)] = seconds else {
        panic!("wanted p50 and p90, got {estimate_s}");
    };
    assert!(0.0 <= p50 && p50 <= p90 && p90 < 20.0, "{estimate_s}");
    let mut elsewhere = V1::connect(&server).await;
    let waiting = elsewhere.join((-30.0, 150.0), 10.0).await;
    assert_eq!(waiting["estimate_s"], Value::Null);
}

#[tokio::test]
async fn how_many_wait_near_by_is_told_in_words_and_late() {
    let server = Server::exact(&[]);
    let places = [
        ("none", 0, 10.3),
        ("few", 4, 20.3),
        ("some", 5, 30.3),
        ("many", 20, 40.3),
    ];
    let mut crowd = Vec::new();
    let mut observers = Vec::new();
    for (_, others, lon) in places {
        let mut observer = joined(&server, east(lon), 0.1).await;
        for number in 1..=others {
            // 220 m from each other, and none reaches so far.
            let place = east(lon + f64::from(number) * 0.002);
            crowd.push(joined(&server, place, 0.1).await);
        }
        let waiting = observer.expect_still_waiting().await;
        assert_eq!(waiting["nearby"], "none", "those who have just come");
        observers.push(observer);
    }
    for (mut observer, (nearby, others, _)) in observers.into_iter().zip(places) {
        for attempt in 0.. {
            let waiting = observer.expect_still_waiting().await;
            if waiting["nearby"] == nearby {
                break;
            }
            assert_eq!(waiting["nearby"], "none", "with {others} others");
            assert!(attempt < 400, "never heard of {others} others");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn how_long_to_wait_is_bounded_and_may_change() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    for give_up_s in [json!(0.5), json!(0), json!(3601), json!("1"), json!(-1)] {
        let wish = with(join(east(0.0), 10.0), json!({"give_up_s": give_up_s}));
        ann.refused(wish, "bad_field").await;
    }
    ann.join(east(0.0), 10.0).await;
    let update = json!({"type": "update", "give_up_s": 1});
    ann.ask(update, "waiting").await;
    assert_eq!(ann.expect("idle").await["reason"], "gave_up");
}

#[tokio::test]
async fn the_cool_off_holds_through_next() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, east(0.0)).await;
    pair.ann.ask(json!({"type": "next"}), "waiting").await;
    pair.bob.expect("partner_left").await;
    pair.bob.ask(json!({"type": "next"}), "waiting").await;
    pair.expect_still_waiting().await;
}
