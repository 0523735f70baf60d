//! The matching promise: who is paired with whom, when, and who never is.

use crate::PARIS;
use crate::common::{Pair, Place, Server, V1, join, joined, with};
use geographiclib_rs::{Geodesic, InverseGeodesic};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Length of one degree of the equator of the WGS-84 ellipsoid (its radius is 6,378,137 m).
const EQUATOR_DEGREE_KM: f64 = 6_378.137 * std::f64::consts::PI / 180.0;

fn distance_km(a: Place, b: Place) -> f64 {
    let metres: f64 = Geodesic::wgs84().inverse(a.0, a.1, b.0, b.1);
    metres / 1000.0
}

/// A place on the equator, this far east of the prime meridian.
fn east_km(km: f64) -> Place {
    (0.0, km / EQUATOR_DEGREE_KM)
}

fn update_range(range_km: f64) -> Value {
    json!({"type": "update", "range_km": range_km})
}

fn update_position(place: Place) -> Value {
    json!({"type": "update", "position": {"lat": place.0, "lon": place.1}})
}

async fn idle_pair(server: &Server) -> Pair {
    Pair {
        ann: V1::connect(server).await,
        bob: V1::connect(server).await,
    }
}

/// Whether a client that waits is matched by now; it is left waiting or idle.
async fn was_matched(client: &mut V1) -> Option<Value> {
    client.send(json!({"type": "update"})).await;
    let answer = client.next_json().await;
    if answer["type"] == "waiting" {
        client.ask(json!({"type": "cancel"}), "idle").await;
        return None;
    }
    assert_eq!(answer["type"], "matched");
    client.expect_error("wrong_state").await;
    client.ask(json!({"type": "leave"}), "idle").await;
    Some(answer)
}

#[tokio::test]
async fn each_must_be_within_the_range_of_the_other() {
    let server = Server::exact(&[]);
    for (anns_km, bobs_km, is_match) in [
        (100.0, 5.0, false),
        (5.0, 100.0, false),
        (49.0, 49.0, false),
        (51.0, 51.0, true),
        (51.0, 20_000.0, true),
    ] {
        let mut pair = idle_pair(&server).await;
        pair.ann.join(east_km(0.0), anns_km).await;
        pair.bob.join(east_km(50.0), bobs_km).await;
        if is_match {
            pair.expect_matched().await;
            pair.part().await;
        } else {
            pair.expect_still_waiting().await;
        }
        pair.ann.close().await;
        pair.bob.close().await;
    }
}

#[tokio::test]
async fn the_range_is_exact_everywhere_on_earth() {
    let server = Server::exact(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = idle_pair(&server).await;
    let places: [(&str, Place, Place); 14] = [
        ("Paris and London", (48.8566, 2.3522), (51.5074, -0.1278)),
        (
            "Sydney and New York",
            (-33.8688, 151.2093),
            (40.7128, -74.006),
        ),
        ("a street apart", (60.1699, 24.9384), (60.1799, 24.9484)),
        ("on the equator", (0.0, 0.0), (0.0, 1.0)),
        ("on a meridian", (-20.0, 30.0), (70.0, 30.0)),
        ("across the date line", (10.0, 179.9), (10.0, -179.9)),
        ("on the date line", (-17.0, 180.0), (-17.5, -180.0)),
        ("across the north pole", (89.9, 0.0), (89.9, 180.0)),
        ("at the north pole", (90.0, 0.0), (89.95, 77.0)),
        ("at the south pole", (-90.0, 13.0), (-89.95, -100.0)),
        ("from pole to pole", (90.0, 0.0), (-90.0, 0.0)),
        ("nearly antipodes", (0.0, 0.0), (0.5, 179.5)),
        ("antipodes on the equator", (0.0, 0.0), (0.0, 180.0)),
        ("antipodes", (45.0, 10.0), (-45.0, -170.0)),
    ];
    for (name, anns, bobs) in places {
        let apart_km = distance_km(anns, bobs);
        for margin_km in [1e-3, 1e-6] {
            println!("{name}, {apart_km} km apart, give or take {margin_km}");
            let (short_km, long_km) = (apart_km - margin_km, apart_km + margin_km);

            pair.ann.join(anns, short_km).await;
            pair.bob.join(bobs, 20_040.0).await;
            pair.expect_still_waiting().await;
            pair.ann.ask(update_range(long_km), "waiting").await;
            pair.expect_matched().await;
            pair.part().await;

            pair.ann.join(anns, 20_040.0).await;
            pair.bob.join(bobs, short_km).await;
            pair.expect_still_waiting().await;
            pair.bob.ask(update_range(long_km), "waiting").await;
            pair.expect_matched().await;
            pair.part().await;

            pair.ann.join(anns, long_km).await;
            pair.bob.join(bobs, long_km).await;
            pair.expect_matched().await;
            pair.part().await;
        }
    }
}

#[tokio::test]
async fn one_place_has_many_coordinates() {
    let server = Server::exact(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = idle_pair(&server).await;
    for (anns, bobs) in [
        ((12.0, 34.0), (12.0, 34.0)),
        ((0.0, 0.0), (-0.0, -0.0)),
        ((12.0, 180.0), (12.0, -180.0)),
        ((90.0, 0.0), (90.0, 123.0)),
        ((-90.0, -180.0), (-90.0, 42.0)),
    ] {
        pair.ann.join(anns, 0.1).await;
        pair.bob.join(bobs, 0.1).await;
        pair.expect_matched().await;
        pair.part().await;
    }
}

#[tokio::test]
async fn distance_is_told_in_three_steps() {
    let server = Server::exact(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = idle_pair(&server).await;
    for (apart_km, distance) in [
        (0.0, "near"),
        (9.99, "near"),
        (10.01, "region"),
        (99.99, "region"),
        (100.01, "far"),
        (15_000.0, "far"),
    ] {
        pair.ann.join(east_km(0.0), 20_000.0).await;
        pair.bob.join(east_km(apart_km), 20_000.0).await;
        let (ann, bob) = pair.expect_matched().await;
        for matched in [ann, bob] {
            assert_eq!(matched["distance"], distance, "{apart_km} km");
        }
        pair.part().await;
    }
}

#[tokio::test]
async fn positions_are_stored_on_the_grid_and_judged_there() {
    const PAIRS: u32 = 12;
    let server = Server::start(&[
        ("privacy.position_grid_km", "50"),
        ("privacy.min_range_km", "1"),
    ]);
    let mut snapped = 0;
    for number in 0..PAIRS {
        let (lat, lon) = (
            2.3 * f64::from(number) + 1.0,
            5.3 * f64::from(number) + 20.0,
        );
        let bobs = (lat, lon + 0.12);
        assert!(distance_km((lat, lon), bobs) > 11.0);
        let mut ann = joined(&server, (lat, lon), 1.0).await;
        let mut bob = joined(&server, bobs, 1.0).await;
        if let Some(matched) = was_matched(&mut bob).await {
            assert_eq!(matched["distance"], "near");
            assert_eq!(ann.expect("matched").await["distance"], "near");
            snapped += 1;
        }
        ann.close().await;
    }
    assert!(
        snapped > 0,
        "no two of {PAIRS} pairs 11 km apart share a cell of 50 km"
    );
}

#[tokio::test]
async fn without_a_grid_positions_are_judged_as_they_are() {
    let server = Server::exact(&[]);
    let mut pair = idle_pair(&server).await;
    pair.ann.join(east_km(0.0), 0.1).await;
    pair.bob.join(east_km(0.101), 0.1).await;
    pair.expect_still_waiting().await;
    pair.bob
        .ask(update_position(east_km(0.099)), "waiting")
        .await;
    pair.expect_matched().await;
}

#[tokio::test]
async fn whoever_moves_or_widens_is_looked_at_at_once() {
    let server = Server::exact(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = idle_pair(&server).await;
    for change in [
        update_position(east_km(40.0)),
        with(update_position(east_km(20.0)), json!({"range_km": 30})),
    ] {
        pair.ann.join(east_km(0.0), 50.0).await;
        pair.bob.join(east_km(60.0), 50.0).await;
        pair.expect_still_waiting().await;
        pair.bob.ask(change, "waiting").await;
        pair.expect_matched().await;
        pair.part().await;
    }
    pair.ann.join(east_km(0.0), 50.0).await;
    pair.bob.join(east_km(40.0), 30.0).await;
    pair.expect_still_waiting().await;
    pair.bob.ask(update_range(41.0), "waiting").await;
    pair.expect_matched().await;
}

#[tokio::test]
async fn whoever_moves_away_or_narrows_is_out_of_reach() {
    let server = Server::exact(&[]);
    for change in [update_position(east_km(60.0)), update_range(5.0)] {
        let mut ann = joined(&server, east_km(0.0), 50.0).await;
        ann.ask(change, "waiting").await;
        let mut bob = joined(&server, east_km(6.0), 50.0).await;
        bob.expect_still_waiting().await;
        ann.expect_still_waiting().await;
        ann.close().await;
        bob.close().await;
    }
}

#[tokio::test]
async fn the_nearest_of_the_eligible_is_taken() {
    let server = Server::exact(&[]);
    let mut far = joined(&server, east_km(-5.0), 6.0).await;
    let mut near = joined(&server, east_km(3.0), 6.0).await;
    let mut nearest_but_choosy = joined(&server, east_km(-0.5), 0.2).await;
    far.wait_a_while().await;
    let mut newcomer = joined(&server, east_km(0.0), 6.0).await;
    newcomer.expect("matched").await;
    near.expect("matched").await;
    far.expect_still_waiting().await;
    nearest_but_choosy.expect_still_waiting().await;
}

#[tokio::test]
async fn of_two_equally_near_the_one_who_waited_longer_is_taken() {
    let server = Server::exact(&[]);
    for side_km in [5.0, -5.0] {
        let mut first = joined(&server, east_km(side_km), 6.0).await;
        first.wait_a_while().await;
        let mut second = joined(&server, east_km(-side_km), 6.0).await;
        let mut newcomer = joined(&server, east_km(0.0), 6.0).await;
        newcomer.expect("matched").await;
        first.expect("matched").await;
        second.expect_still_waiting().await;
        second.close().await;
    }
}

#[tokio::test]
async fn an_update_keeps_the_place_in_the_queue() {
    let server = Server::exact(&[]);
    for side_km in [5.0, -5.0] {
        let mut first = joined(&server, east_km(3.0 * side_km), 4.0).await;
        first.wait_a_while().await;
        let mut second = joined(&server, east_km(-side_km), 6.0).await;
        second.wait_a_while().await;
        first.ask(update_range(6.0), "waiting").await;
        first
            .ask(update_position(east_km(side_km)), "waiting")
            .await;
        let mut newcomer = joined(&server, east_km(0.0), 6.0).await;
        newcomer.expect("matched").await;
        first.expect("matched").await;
        second.expect_still_waiting().await;
        second.close().await;
    }
}

#[tokio::test]
async fn partners_are_not_paired_again_inside_the_cool_off() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.part().await;
    pair.ann.join(PARIS, 10.0).await;
    pair.bob.join(PARIS, 10.0).await;
    pair.expect_still_waiting().await;
    pair.ann.ask(update_range(20.0), "waiting").await;
    pair.bob
        .ask(update_position((48.86, 2.35)), "waiting")
        .await;
    pair.expect_still_waiting().await;

    let mut carl = joined(&server, PARIS, 10.0).await;
    carl.expect("matched").await;
}

#[tokio::test]
async fn partners_who_keep_waiting_are_paired_when_the_cool_off_is_over() {
    const COOL_OFF: Duration = Duration::from_secs(1);
    let server = Server::start(&[("matching.rematch_cooloff_s", "1")]);
    for again in [join(PARIS, 10.0), json!({"type": "next"})] {
        let mut pair = Pair::chatting(&server, PARIS).await;
        let parting = Instant::now();
        pair.part().await;
        pair.ann.ask(again.clone(), "waiting").await;
        pair.bob.ask(again, "waiting").await;
        pair.expect_matched().await;
        let apart = parting.elapsed();
        assert!(apart >= COOL_OFF, "paired again after {apart:?}");
    }
}

#[tokio::test]
async fn everybody_in_a_crowd_is_paired_with_exactly_one() {
    const CROWD: usize = 40;
    let server = Server::exact(&[]);
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut client = V1::connect(&server).await;
        let wish = with(join(PARIS, 10.0), json!({"name": number.to_string()}));
        client.ask(wish, "waiting").await;
        crowd.push(client);
    }
    let mut partners = Vec::new();
    for client in &mut crowd {
        let name = client.expect("matched").await["partner"]["name"].clone();
        let name = name.as_str().and_then(|name| name.parse::<usize>().ok());
        partners.push(name.expect("the partner's name is its number"));
    }
    for (number, &partner) in partners.iter().enumerate() {
        assert_eq!(
            partners[partner], number,
            "{number} was paired with {partner}"
        );
        assert_ne!(partner, number);
    }
}
