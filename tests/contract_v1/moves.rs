//! How often and how far somebody may move while they wait.

use crate::common::{Pair, Place, Server, V1, joined};
use serde_json::{Value, json};

fn to(place: Place) -> Value {
    json!({"type": "update", "position": {"lat": place.0, "lon": place.1}})
}

fn retry_after_ms(error: &Value) -> u64 {
    error["retry_after_ms"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn a_burst_of_moves_is_refused_and_changes_nothing() {
    let server = Server::exact(&[("limits.moves_burst", "2")]);
    let mut ann = joined(&server, (0.0, 0.0), 10.0).await;
    for lon in [0.1, 0.2] {
        ann.ask(to((0.0, lon)), "waiting").await;
    }
    let mut too_soon = to((0.0, 50.0));
    too_soon["range_km"] = json!(99);
    let error = ann.refused(too_soon, "rate_limited").await;
    assert!((1..=1000).contains(&retry_after_ms(&error)), "{error}");
    assert_eq!(ann.expect_still_waiting().await["range_km"], 10.0);

    let mut there = joined(&server, (0.0, 50.0), 10.0).await;
    there.expect_still_waiting().await;
    let mut here = joined(&server, (0.0, 0.2), 10.0).await;
    here.expect("matched").await;
    ann.expect("matched").await;
}

#[tokio::test]
async fn who_waits_as_long_as_told_may_move_again() {
    let server = Server::exact(&[("limits.moves_burst", "1")]);
    let mut ann = joined(&server, (0.0, 0.0), 10.0).await;
    ann.ask(to((0.0, 1.0)), "waiting").await;
    let error = ann.refused(to((0.0, 2.0)), "rate_limited").await;
    let pause = std::time::Duration::from_millis(retry_after_ms(&error));
    tokio::time::sleep(pause).await;
    ann.ask(to((0.0, 2.0)), "waiting").await;
}

#[tokio::test]
async fn other_changes_are_not_moves_and_neither_are_steps_inside_a_cell() {
    let server = Server::start(&[
        ("limits.moves_burst", "1"),
        ("privacy.position_grid_km", "50"),
    ]);
    let mut ann = joined(&server, (48.0, 2.0), 10.0).await;
    for number in 0..20 {
        let nearly_there = (48.0 + f64::from(number) * 1e-5, 2.0);
        ann.ask(to(nearly_there), "waiting").await;
        let reach = json!({"type": "update", "range_km": 10 + number});
        ann.ask(reach, "waiting").await;
    }
}

#[tokio::test]
async fn nobody_flies_around_the_earth_for_long() {
    let server = Server::exact(&[("limits.moves_burst", "1000")]);
    let mut ann = joined(&server, (0.0, 0.0), 10.0).await;
    // Each flight is 20 000 km; an airliner takes most of a day.
    let mut flights = 0;
    let error = loop {
        let lon = if flights % 2 == 0 { 179.0 } else { 0.0 };
        ann.send(to((0.0, lon))).await;
        let answer = ann.next_json().await;
        if answer["type"] == "error" {
            break answer;
        }
        flights += 1;
        assert!(flights < 100, "still flying");
    };
    assert_eq!(error["code"], "rate_limited");
    assert!(
        flights >= 1,
        "one's first idea of where one is may be wrong"
    );
    assert!(retry_after_ms(&error) > 10_000, "{error}");
}

#[tokio::test]
async fn a_move_that_is_refused_undoes_no_match() {
    let server = Server::exact(&[("limits.moves_burst", "1")]);
    let mut pair = Pair {
        ann: joined(&server, (0.0, 0.0), 10.0).await,
        bob: V1::connect(&server).await,
    };
    pair.ann.ask(to((0.0, 1.0)), "waiting").await;
    pair.ann.refused(to((0.0, 2.0)), "rate_limited").await;
    pair.bob.join((0.0, 1.0), 10.0).await;
    pair.expect_matched().await;
    pair.expect_undisturbed().await;
}
