//! The stop: everyone is told, connections end bit by bit, and nothing that was accepted is lost.

use crate::common::{Classic, Pair, Raw, Request, Server, V1, joined};
use crate::{PARIS, TOKYO};
use std::time::Instant;

/// More connections than end within the first two seconds.
const CROWD: usize = 200;

async fn crowd(server: &Server) -> Vec<V1> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(V1::connect(server).await);
    }
    crowd
}

#[tokio::test]
async fn everyone_is_told_at_once_and_connections_end_in_batches() {
    const SPREAD_S: u64 = 7;
    let server = Server::start(&[
        ("limits.drain_s", "2"),
        ("limits.reconnect_spread_s", &SPREAD_S.to_string()),
    ]);
    let mut crowd = crowd(&server).await;
    server.terminate();
    let mut pauses_ms = Vec::new();
    for client in &mut crowd {
        let pause_ms = client.expect("going_away").await["reconnect_after_ms"].as_u64();
        let pause_ms = pause_ms.expect("a number of ms");
        assert!(pause_ms <= SPREAD_S * 1000, "{pause_ms}");
        pauses_ms.push(pause_ms);
    }
    // Of 200 that are spread evenly, some are in each half.
    let early = pauses_ms.iter().filter(|ms| **ms < SPREAD_S * 500).count();
    assert!((1..CROWD).contains(&early), "{pauses_ms:?}");

    let told = Instant::now();
    let mut ends_s = Vec::new();
    for client in &mut crowd {
        assert_eq!(client.expect_close().await.0, 4200);
        ends_s.push(told.elapsed().as_secs_f64());
    }
    let last_s = ends_s.iter().copied().fold(0.0, f64::max);
    assert!(last_s >= 0.5, "all within {last_s} s");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_chat_goes_on_until_its_turn_and_nothing_accepted_is_lost() {
    let server = Server::start(&[("limits.drain_s", "3")]);
    let _crowd = crowd(&server).await;
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    server.terminate();
    ann.expect("going_away").await;
    bob.expect("going_away").await;
    let mut accepted = 0;
    for text in ["one", "two", "three"] {
        accepted = ann.say(text).await;
        bob.expect_said(text).await;
    }
    assert_eq!(accepted, 3);
    // The last words, said without waiting for anything.
    for text in ["four", "five"] {
        ann.say(text).await;
    }
    let (messages, code) = bob.drain_until_close().await;
    assert_eq!(code, 4200);
    let texts: Vec<_> = messages.iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["four", "five"]);
    let (messages, code) = ann.drain_until_close().await;
    assert_eq!(code, 4200);
    assert_eq!(messages, [] as [serde_json::Value; 0], "both go together");
}

#[tokio::test]
async fn what_was_said_to_one_who_is_away_is_answered_as_its_loss() {
    for is_first_away in [true, false] {
        let server = Server::start(&[]);
        let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
        if is_first_away {
            std::mem::swap(&mut ann, &mut bob);
        }
        bob.lose().await;
        ann.expect("partner_away").await;
        ann.say("are you there?").await;
        server.terminate();
        ann.expect("going_away").await;
        assert_eq!(ann.expect("partner_left").await["reason"], "lost");
        assert_eq!(ann.expect_close().await.0, 4200);
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let server = Server::start(&[("limits.drain_s", "600"), ("limits.stop_s", "600")]);
    let mut crowd = crowd(&server).await;
    server.terminate();
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    server.terminate();
    let status = server.ended().await;
    assert_ne!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn the_stop_is_over_when_its_time_is() {
    let server = Server::start(&[("limits.drain_s", "600"), ("limits.stop_s", "1")]);
    let mut crowd = crowd(&server).await;
    server.terminate();
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn meanwhile_nobody_new_is_let_in_and_the_server_is_not_ready() {
    let server = Server::start(&[
        ("limits.drain_s", "30"),
        ("limits.stop_s", "60"),
        ("admin_listen", "127.0.0.1:0"),
    ]);
    let admin = server.admin_address().await;
    let (ready, _) = Request::get("/readyz").send_to(admin).await;
    assert_eq!(ready.status, 200);
    let mut crowd = crowd(&server).await;
    server.terminate();
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    let (ready, _) = Request::get("/readyz").send_to(admin).await;
    assert_eq!(ready.status, 503);
    let (alive, _) = Request::get("/livez").send_to(admin).await;
    assert_eq!(alive.status, 200);
    for path in ["/v1/ws", "/"] {
        let (refused, _) = Request::upgrade(path).send(&server).await;
        assert_eq!(refused.status, 503);
        assert!(refused.header("Retry-After").is_some(), "{refused:?}");
    }
}

#[tokio::test]
async fn classic_clients_are_closed_with_the_code_they_know() {
    let server = Server::start(&[]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 50).await;
    let mut vera = joined(&server, TOKYO, 50.0).await;
    let mut raw = Raw::bound(&server, (0.0, 0.0), 50).await;
    server.terminate();
    assert_eq!(ann.expect_close().await.0, 1001);
    assert_eq!(raw.expect_close().await, 1001);
    assert_eq!(vera.drain_until_close().await.1, 4200);
}
