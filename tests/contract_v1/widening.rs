//! Ranges that grow with waiting, for those who allow it.

use crate::PARIS;
use crate::common::{Pair, Place, Server, V1, join, with};
use serde_json::{Value, json};

/// Doubles quickly.
const QUICK: [(&str, &str); 4] = [
    ("matching.widen_step_s", "0.1"),
    ("matching.widen_factor", "2"),
    ("matching.heard_within_s", "60"),
    ("matching.rematch_cooloff_s", "0"),
];

fn widening(place: Place, range_km: f64, max_range_km: f64) -> Value {
    with(join(place, range_km), json!({"max_range_km": max_range_km}))
}

fn check_told(waiting: &Value, range_km: f64) {
    assert_eq!(waiting["range_km"].as_f64(), Some(range_km), "{waiting}");
    assert_eq!(waiting.get("id"), None, "{waiting}");
    assert_eq!(waiting.get("requeued"), None, "{waiting}");
    assert!(waiting["waited_ms"].is_u64(), "{waiting}");
    assert!(waiting["nearby"].is_string(), "{waiting}");
    assert!(waiting.get("estimate_s").is_some(), "{waiting}");
}

/// The client must be told of these ranges, one after another.
async fn expect_widened(client: &mut V1, ranges_km: &[f64]) {
    for range_km in ranges_km {
        check_told(&client.expect("waiting").await, *range_km);
    }
}

#[tokio::test]
async fn who_allows_it_is_widened_step_by_step_up_to_the_limit_and_told() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    let waiting = ann.ask(widening(PARIS, 10.0, 65.0), "waiting").await;
    assert_eq!(waiting["range_km"], 10.0);
    let mut waited_ms = 0;
    for range_km in [20.0, 40.0, 65.0] {
        let waiting = ann.expect("waiting").await;
        check_told(&waiting, range_km);
        let before_ms = waited_ms;
        waited_ms = waiting["waited_ms"].as_u64().unwrap_or_default();
        assert!(waited_ms >= before_ms + 100, "{waiting} after {before_ms}");
    }
    assert_eq!(ann.expect_still_waiting().await["range_km"], 65.0);
}

#[tokio::test]
async fn who_does_not_allow_it_is_not_widened() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    let mut bob = V1::connect(&server).await;
    let mut clock = V1::connect(&server).await;
    ann.join(PARIS, 10.0).await;
    bob.ask(widening((0.0, 0.0), 10.0, 10.0), "waiting").await;
    clock
        .ask(widening((40.0, 0.0), 10.0, 30.0), "waiting")
        .await;
    expect_widened(&mut clock, &[20.0, 30.0]).await;
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.expect_still_waiting().await["range_km"], 10.0);
    }
}

#[tokio::test]
async fn each_side_widens_only_itself() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    let mut bob = V1::connect(&server).await;
    ann.ask(widening((0.0, 0.0), 10.0, 80.0), "waiting").await;
    bob.join((0.0, 0.4), 10.0).await;
    expect_widened(&mut ann, &[20.0, 40.0, 80.0]).await;
    assert_eq!(bob.expect_still_waiting().await["range_km"], 10.0);
    ann.expect_still_waiting().await;
    // The other reaches as far now.
    let update = json!({"type": "update", "range_km": 60});
    bob.ask(update, "waiting").await;
    ann.expect("matched").await;
    assert_eq!(bob.expect("matched").await["distance"], "region");
}

#[tokio::test]
async fn two_are_matched_as_soon_as_both_reach_each_other() {
    let server = Server::start(&QUICK);
    let mut pair = Pair {
        ann: V1::connect(&server).await,
        bob: V1::connect(&server).await,
    };
    // 45 km apart: four steps.
    let anns = widening((0.0, 0.0), 5.0, 1000.0);
    pair.ann.ask(anns, "waiting").await;
    let bobs = widening((0.0, 0.4), 5.0, 1000.0);
    pair.bob.ask(bobs, "waiting").await;
    let reach = [10.0, 20.0, 40.0, 80.0];
    expect_widened(&mut pair.ann, &reach).await;
    expect_widened(&mut pair.bob, &reach[..3]).await;
    // Who reaches last is told so first.
    expect_widened(&mut pair.bob, &reach[3..]).await;
    while let "waiting" = pair.ann.next_json().await["type"]
        .as_str()
        .unwrap_or_default()
    {}
    pair.bob.expect("matched").await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn a_new_range_is_in_force_at_once_and_widens_from_there() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    ann.ask(widening(PARIS, 10.0, 40.0), "waiting").await;
    expect_widened(&mut ann, &[20.0, 40.0]).await;
    for (update, in_force, then) in [
        (json!({"range_km": 15}), 15.0, &[30.0, 40.0][..]),
        (json!({"max_range_km": 100}), 40.0, &[80.0, 100.0]),
        (json!({"max_range_km": 30}), 30.0, &[]),
        (
            json!({"range_km": 5, "max_range_km": 20}),
            5.0,
            &[10.0, 20.0],
        ),
        (json!({"range_km": 200}), 200.0, &[]),
    ] {
        let update = with(json!({"type": "update"}), update);
        let waiting = ann.ask(update.clone(), "waiting").await;
        assert_eq!(waiting["range_km"].as_f64(), Some(in_force), "{update}");
        expect_widened(&mut ann, then).await;
    }
    assert_eq!(ann.expect_still_waiting().await["range_km"], 200.0);
}

#[tokio::test]
async fn a_limit_below_the_range_is_refused() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let error = ann.refused(widening(PARIS, 10.0, 9.5), "bad_field").await;
    let words = error["message"].as_str().unwrap_or_default();
    assert!(words.contains("max_range_km"), "{error}");
    ann.ask(widening(PARIS, 10.0, 10.0), "waiting").await;
    for change in [
        json!({"max_range_km": 9}),
        json!({"range_km": 30, "max_range_km": 20}),
        json!({"max_range_km": "far"}),
        json!({"max_range_km": 1e6}),
    ] {
        let update = with(json!({"type": "update"}), change);
        ann.refused(update, "bad_field").await;
        assert_eq!(ann.expect_still_waiting().await["range_km"], 10.0);
    }
}

#[tokio::test]
async fn next_starts_with_the_range_asked_for() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    let mut bob = V1::connect(&server).await;
    ann.ask(widening((0.0, 0.0), 10.0, 80.0), "waiting").await;
    expect_widened(&mut ann, &[20.0, 40.0, 80.0]).await;
    bob.join((0.0, 0.4), 100.0).await;
    ann.expect("matched").await;
    bob.expect("matched").await;
    bob.ask(json!({"type": "leave"}), "idle").await;
    ann.expect("partner_left").await;
    let waiting = ann.ask(json!({"type": "next"}), "waiting").await;
    assert_eq!(waiting["range_km"], 10.0);
    expect_widened(&mut ann, &[20.0, 40.0, 80.0]).await;
}

#[tokio::test]
async fn who_is_away_finds_the_range_widened_on_return() {
    let server = Server::start(&QUICK);
    let mut ann = V1::connect(&server).await;
    let mut clock = V1::connect(&server).await;
    ann.ask(widening(PARIS, 10.0, 20.0), "waiting").await;
    let token = ann.lose().await;
    clock.ask(widening((0.0, 0.0), 10.0, 20.0), "waiting").await;
    expect_widened(&mut clock, &[20.0]).await;
    let (mut ann, _) = V1::resumed(&server, &token, 0).await;
    // Now, or already when the first question is answered.
    let mut range_km = 0.0;
    while range_km < 20.0 {
        let waiting = ann.expect("waiting").await;
        range_km = waiting["range_km"].as_f64().unwrap_or_default();
    }
}
