//! From the welcome to the farewell: what holds whatever the session is doing.

use crate::common::{Frame, Pair, Raw, Server, V1, join, joined, with};
use crate::{PARIS, TOKYO};
use serde_json::{Value, json};

const SPACINGS: [&str; 3] = [
    r#"{"type":"cancel"}"#,
    " { \"type\" :\t\"cancel\" } ",
    "{\r\n\"type\":\n\"cancel\"\n}\n",
];

#[tokio::test]
async fn the_welcome_comes_first_and_tells_the_limits() {
    let server = Server::start(&[
        ("limits.max_message_bytes", "1024"),
        ("privacy.min_range_km", "0.5"),
        ("privacy.position_grid_km", "3"),
        ("matching.max_range_km", "500"),
    ]);
    let welcome = V1::connect(&server).await.welcome;
    assert_eq!(welcome["protocol"], 1);
    for text in ["server", "session", "resume_token"] {
        assert!(welcome[text].is_string(), "{text} in {welcome}");
    }
    assert!(
        welcome["server"].as_str().is_some_and(|s| s.contains('/')),
        "{welcome}"
    );
    assert_ne!(welcome["session"], "");
    assert!(welcome["resume_window_s"].is_number(), "{welcome}");
    assert!(welcome["ping_s"].is_number(), "{welcome}");
    let limits = &welcome["limits"];
    assert_eq!(limits["max_message_bytes"], 1024);
    assert_eq!(limits["max_text_chars"], 2000);
    for (limit, value) in [
        ("min_range_km", 0.5),
        ("max_range_km", 500.0),
        ("position_grid_km", 3.0),
    ] {
        assert_eq!(limits[limit].as_f64(), Some(value), "{limit} in {welcome}");
    }
}

#[tokio::test]
async fn by_default_messages_may_have_8_kib_and_positions_are_coarse() {
    let server = Server::start(&[]);
    let welcome = V1::connect(&server).await.welcome;
    assert_eq!(welcome["limits"]["max_message_bytes"], 8192);
    let grid_km = welcome["limits"]["position_grid_km"].as_f64();
    assert!(grid_km.is_some_and(|km| km > 0.0), "{welcome}");
}

#[tokio::test]
async fn every_connection_has_a_session_of_its_own() {
    let server = Server::start(&[]);
    let ann = V1::connect(&server).await;
    let bob = V1::connect(&server).await;
    assert_ne!(ann.welcome["session"], bob.welcome["session"]);
}

#[tokio::test]
async fn an_answer_carries_an_id_only_if_it_was_asked_with_one() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    for id in ["1", "a b", "ü", &"é".repeat(64)] {
        ann.send(with(join(PARIS, 10.0), json!({"id": id}))).await;
        assert_eq!(ann.expect("waiting").await["id"], id);
        ann.send(json!({"type": "cancel", "id": id})).await;
        assert_eq!(ann.expect("idle").await["id"], id);
        ann.send(json!({"type": "leave", "id": id})).await;
        assert_eq!(ann.expect_error("wrong_state").await["id"], id);
    }
    ann.send(join(PARIS, 10.0)).await;
    assert_eq!(ann.expect("waiting").await.get("id"), None);
    ann.send(json!({"type": "cancel"})).await;
    assert_eq!(ann.expect("idle").await.get("id"), None);
    ann.send(json!({"type": "leave"})).await;
    assert_eq!(ann.expect_error("wrong_state").await.get("id"), None);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let server = Server::start(&[]);
    let unknown = json!({"mood": "good", "extra": [1, {"deep": null}], "seq": "one", "text": 5});
    let mut ann = V1::connect(&server).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    let mut wish = with(join(PARIS, 10.0), unknown.clone());
    wish["position"]["altitude"] = json!("high");
    ann.ask(wish, "waiting").await;
    ann.expect("matched").await;
    bob.expect("matched").await;
    let say = json!({"type": "say", "text": "hello", "seq": -1, "mood": "good"});
    ann.ask(say, "accepted").await;
    bob.expect_said("hello").await;
    ann.ask(with(json!({"type": "leave"}), unknown), "idle")
        .await;
}

#[tokio::test]
async fn white_space_and_the_order_of_fields_do_not_matter() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    for text in SPACINGS {
        ann.join(PARIS, 10.0).await;
        ann.send_text(text).await;
        assert_eq!(ann.expect("idle").await["reason"], "cancelled");
    }
    ann.send_text(r#"{"range_km":1e1,"position":{"lon":2,"lat":4.8E1},"id":"x","type":"join"}"#)
        .await;
    assert_eq!(ann.expect("waiting").await["id"], "x");
}

#[tokio::test]
async fn a_token_that_resumes_nothing_is_refused_and_the_connection_stays() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let resume = json!({"type": "resume", "token": "no such token", "last_seq": 0});
    ann.refused(resume, "bad_token").await;
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn errors_do_not_end_the_connection_until_there_were_20_within_a_minute() {
    let server = Server::start(&[]);
    let mut witnesses = Pair::chatting(&server, TOKYO).await;
    let mut ann = joined(&server, PARIS, 10.0).await;
    for number in 0..19 {
        match number % 4 {
            0 => drop(
                ann.refused(json!({"type": "nonsense"}), "unknown_type")
                    .await,
            ),
            1 => drop(ann.refused(json!({"type": "leave"}), "wrong_state").await),
            2 => drop(
                ann.refused(json!({"type": "update", "name": 5}), "bad_field")
                    .await,
            ),
            _ => {
                ann.send_text("nonsense").await;
                ann.expect_error("bad_json").await;
            }
        }
    }
    ann.expect_still_waiting().await;
    ann.send(json!({"type": "leave"})).await;
    let (last, code) = ann.drain_until_close().await;
    assert_eq!(code, 4001);
    let errors = last.iter().filter(|m| m["type"] == "error").count();
    assert!(errors == last.len() && errors <= 1, "{last:?}");
    witnesses.expect_undisturbed().await;
}

#[tokio::test]
async fn what_is_sent_after_too_many_errors_is_not_done() {
    let server = Server::start(&[]);
    let mut bob = joined(&server, PARIS, 10.0).await;
    let mut raw = Raw::upgraded(&server, "/v1/ws").await;
    let nonsense = (0..20).map(|_| Frame::text("nonsense"));
    let frames: Vec<_> = nonsense
        .chain([Frame::text(join(PARIS, 10.0).to_string())])
        .collect();
    raw.send(&Frame::concat(&frames)).await;
    raw.read_to_end().await;
    bob.expect_still_waiting().await;
}

#[tokio::test]
async fn everyone_is_told_when_the_server_stops() {
    let server = Server::start(&[]);
    let idle = V1::connect(&server).await;
    let waiting = joined(&server, PARIS, 10.0).await;
    let Pair { ann, bob } = Pair::chatting(&server, TOKYO).await;
    server.terminate();
    for (name, mut client) in [
        ("idle", idle),
        ("waiting", waiting),
        ("ann", ann),
        ("bob", bob),
    ] {
        let farewell = client.expect("going_away").await;
        let pause_ms = &farewell["reconnect_after_ms"];
        assert!(pause_ms.is_u64(), "{name} was told {farewell}");
        assert_eq!(client.expect_close().await.0, 4200, "{name}");
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn returns_after_a_stop_are_spread() {
    let server = Server::start(&[("limits.reconnect_spread_s", "1000")]);
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(V1::connect(&server).await);
    }
    server.terminate();
    let mut pauses: Vec<Value> = Vec::new();
    for client in &mut clients {
        pauses.push(client.expect("going_away").await["reconnect_after_ms"].clone());
    }
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
}

#[tokio::test]
async fn a_server_without_connections_stops_at_once() {
    let status = Server::start(&[]).stop().await;
    assert_eq!(status.code(), Some(0), "{status}");
}
