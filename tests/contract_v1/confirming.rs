//! Matches that are shown only after both connections were heard from.
//!
//! In most of these tests somebody is silent: connected, reading, and answering no ping. Whoever was heard
//! from in the same millisecond needs no ping, so the silent ones are given time to have been silent.

use crate::PARIS;
use crate::common::{Classic, Frame, Raw, Server, V1, join, joined, with};
use serde_json::{Value, json};

/// Nobody counts as heard from without being asked, and who is asked has little time.
const IMPATIENT: [(&str, &str); 2] = [
    ("matching.heard_within_s", "0"),
    ("matching.confirm_s", "0.3"),
];
/// Nobody counts as heard from without being asked, and the tests take what time they need.
const PATIENT: [(&str, &str); 3] = [
    ("matching.heard_within_s", "0"),
    ("matching.confirm_s", "60"),
    ("matching.rematch_cooloff_s", "0"),
];

/// Waits until everybody who has joined so far has been silent for a while.
async fn silence(server: &Server) {
    let mut witness = joined(server, (-60.0, 0.0), 2.0).await;
    witness.wait_a_while().await;
    witness.close().await;
}

/// Somebody who waits and is silent.
async fn silent(server: &Server) -> Raw {
    let raw = Raw::joined(server, PARIS, 10.0).await;
    silence(server).await;
    raw
}

/// Somebody silent and somebody who was to be matched with them and now waits for a sign of life.
async fn confirming(server: &Server) -> (Raw, V1) {
    let mut ann = silent(server).await;
    let bob = joined(server, PARIS, 10.0).await;
    ann.expect_ping().await;
    (ann, bob)
}

fn assert_requeued(waiting: &Value) {
    assert_eq!(waiting["requeued"], true, "{waiting}");
}

#[tokio::test]
async fn whoever_does_not_answer_is_closed_and_the_other_waits_on_with_its_age() {
    let server = Server::start(&IMPATIENT);
    let mut ann = silent(&server).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    let waiting = bob.expect("waiting").await;
    assert_requeued(&waiting);
    assert_eq!(waiting.get("id"), None, "{waiting}");
    assert_eq!(waiting["range_km"], 10.0);
    assert!(waiting["waited_ms"].as_u64() >= Some(300), "{waiting}");
    // Nothing but the ping, so no match either.
    ann.expect_ping().await;
    assert_eq!(ann.expect_close().await, 4201);

    let still = bob.expect_still_waiting().await;
    assert_eq!(still.get("requeued"), None, "{still}");
    assert!(still["waited_ms"].as_u64() >= waiting["waited_ms"].as_u64());
    let mut carl = joined(&server, PARIS, 10.0).await;
    tokio::join!(carl.expect("matched"), bob.expect("matched"));
}

#[tokio::test]
async fn who_lost_a_partner_before_the_chat_is_looked_at_again_at_once() {
    let server = Server::start(&IMPATIENT);
    let mut ann = silent(&server).await;
    // Reach Bob, whose place is between, but not each other.
    let mut carl = joined(&server, (PARIS.0 + 0.2, PARIS.1), 15.0).await;
    let mut bob = joined(&server, (PARIS.0 + 0.08, PARIS.1), 20.0).await;
    assert_requeued(&bob.expect("waiting").await);
    tokio::join!(bob.expect("matched"), carl.expect("matched"));
    ann.expect_ping().await;
    assert_eq!(ann.expect_close().await, 4201);
}

#[tokio::test]
async fn two_silent_ones_are_both_closed_and_neither_is_shown_a_match() {
    let server = Server::start(&IMPATIENT);
    let mut ann = silent(&server).await;
    let mut bob = Raw::joined(&server, PARIS, 10.0).await;
    ann.expect_ping().await;
    assert_eq!(ann.expect_close().await, 4201);
    let next = bob.next_frame("a ping, a requeued wait or the end").await;
    if String::from_utf8_lossy(&next.payload).contains("waiting") {
        // He was heard from in the very millisecond of the match, so only Ann was silent.
        return;
    }
    assert_eq!(bob.expect_close().await, 4201);
}

#[tokio::test]
async fn who_was_taken_for_dead_may_resume_with_its_age() {
    let server = Server::start(&IMPATIENT);
    let mut ann = Raw::connect_v1(&server).await;
    ann.raw.send_text(&join(PARIS, 10.0).to_string()).await;
    ann.raw.expect("waiting").await;
    silence(&server).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    assert_requeued(&bob.expect("waiting").await);
    ann.raw.expect_ping().await;
    assert_eq!(ann.raw.expect_close().await, 4201);
    let (mut ann, resumed) = V1::resumed(&server, &ann.token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
}

#[tokio::test]
async fn a_pong_or_anything_else_is_a_sign_of_life() {
    let server = Server::start(&PATIENT);
    for sign in [
        Frame::pong(""),
        Frame::pong("unasked"),
        Frame::ping("me?"),
        Frame::text(r#"{"type":"nonsense"}"#),
    ] {
        let (mut ann, mut bob) = confirming(&server).await;
        bob.expect_quiet().await;
        ann.send(&sign.bytes()).await;
        ann.expect("matched").await;
        bob.expect("matched").await;
        bob.close().await;
    }
}

#[tokio::test]
async fn neither_is_shown_a_match_before_both_were_heard() {
    let server = Server::start(&PATIENT);
    let mut ann = silent(&server).await;
    let mut bob = Raw::joined(&server, PARIS, 10.0).await;
    ann.expect_ping().await;
    bob.send(&Frame::ping("I am here").bytes()).await;
    loop {
        let frame = bob.next_frame("the pong").await;
        assert!(!frame.payload.starts_with(b"{"), "told {frame:?}");
        if frame.payload == b"I am here" {
            break;
        }
    }
    ann.send(&Frame::pong("").bytes()).await;
    ann.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn whoever_cancels_meanwhile_is_idle_and_the_other_waits_on() {
    let server = Server::start(&PATIENT);
    let (mut ann, mut bob) = confirming(&server).await;
    let idle = bob.ask(json!({"type": "cancel"}), "idle").await;
    assert_eq!(idle["reason"], "cancelled");
    assert_requeued(&ann.expect("waiting").await);
    ann.send(&Frame::pong("").bytes()).await;
    bob.expect_quiet().await;
    let mut carl = joined(&server, PARIS, 10.0).await;
    tokio::join!(carl.expect("matched"), ann.answer_pings_until("matched"));
}

#[tokio::test]
async fn whoever_is_asked_and_cancels_leaves_the_other_waiting() {
    let server = Server::start(&PATIENT);
    let mut ann = joined(&server, PARIS, 10.0).await;
    silence(&server).await;
    let mut bob = Raw::joined(&server, PARIS, 10.0).await;
    silence(&server).await;
    ann.send(json!({"type": "cancel"})).await;
    // The cancel is itself a sign of life, so the match may have been shown before it.
    match ann.next_json().await["type"].as_str() {
        Some("idle") => {
            let frame = bob
                .next_frame("a requeued wait, perhaps after a ping")
                .await;
            let text = String::from_utf8_lossy(&frame.payload).into_owned();
            if !text.contains("waiting") {
                assert_requeued(&bob.expect("waiting").await);
            }
        }
        Some("matched") => drop(ann.expect_error("wrong_state").await),
        other => panic!("got {other:?}"),
    }
}

#[tokio::test]
async fn an_update_undoes_the_match_and_both_are_looked_at_again() {
    let server = Server::start(&PATIENT);
    let (mut ann, mut bob) = confirming(&server).await;
    let away = json!({"type": "update", "position": {"lat": 0.0, "lon": 0.0}});
    let waiting = bob.ask(away, "waiting").await;
    assert_eq!(waiting.get("requeued"), None, "{waiting}");
    assert_requeued(&ann.expect("waiting").await);
    silence(&server).await;

    let back = json!({"type": "update", "position": {"lat": PARIS.0, "lon": PARIS.1}});
    bob.ask(back, "waiting").await;
    ann.answer_ping().await;
    ann.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn a_lost_connection_undoes_the_match() {
    let server = Server::start(&PATIENT);
    let (mut ann, bob) = confirming(&server).await;
    let token = bob.lose().await;
    assert_requeued(&ann.expect("waiting").await);
    ann.send(&Frame::ping("alone").bytes()).await;
    ann.expect_pong(b"alone").await;
    silence(&server).await;
    let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    ann.answer_ping().await;
    ann.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn a_lost_connection_of_the_silent_one_frees_the_other() {
    let server = Server::start(&PATIENT);
    let (ann, mut bob) = confirming(&server).await;
    drop(ann);
    assert_requeued(&bob.expect("waiting").await);
    let mut carl = joined(&server, PARIS, 10.0).await;
    tokio::join!(carl.expect("matched"), bob.expect("matched"));
}

#[tokio::test]
async fn a_resume_is_a_sign_of_life() {
    let server = Server::start(&PATIENT);
    let mut ann = Raw::connect_v1(&server).await;
    ann.raw.send_text(&join(PARIS, 10.0).to_string()).await;
    ann.raw.expect("waiting").await;
    silence(&server).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    ann.raw.expect_ping().await;
    let (mut new, resumed) = V1::resumed(&server, &ann.token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    assert_eq!(ann.raw.expect_close().await, 4002);
    new.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn a_block_undoes_the_match_for_ever() {
    let server = Server::start(&PATIENT);
    let (mut ann, mut bob) = confirming(&server).await;
    ann.send(&Frame::pong("").bytes()).await;
    ann.expect("matched").await;
    let chat = bob.expect("matched").await["chat"].clone();
    ann.send_text(r#"{"type":"next"}"#).await;
    ann.expect("waiting").await;
    bob.expect("partner_left").await;
    silence(&server).await;

    bob.join(PARIS, 10.0).await;
    ann.expect_ping().await;
    let block = json!({"type": "block", "chat": chat});
    bob.ask(block, "blocked").await;
    assert_requeued(&ann.expect("waiting").await);
    ann.send(&Frame::pong("").bytes()).await;
    bob.expect_still_waiting().await;
    // Ann has waited longer.
    let mut carl = joined(&server, PARIS, 10.0).await;
    tokio::join!(carl.expect("matched"), ann.answer_pings_until("matched"));
}

#[tokio::test]
async fn while_a_match_is_confirmed_the_session_still_waits() {
    let server = Server::start(&PATIENT);
    let (mut ann, mut bob) = confirming(&server).await;
    for message in ["leave", "next"] {
        bob.refused(json!({"type": message}), "wrong_state").await;
    }
    bob.refused(join(PARIS, 10.0), "wrong_state").await;
    bob.refused(json!({"type": "say", "text": "hello"}), "wrong_state")
        .await;
    ann.send(&Frame::pong("").bytes()).await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn who_gives_up_meanwhile_is_matched_or_idle_but_not_both() {
    let server = Server::start(&PATIENT);
    let mut ann = silent(&server).await;
    let mut bob = V1::connect(&server).await;
    let wish = with(join(PARIS, 10.0), json!({"give_up_s": 1}));
    bob.ask(wish, "waiting").await;
    ann.answer_ping().await;
    ann.expect("matched").await;
    bob.expect("matched").await;
    Raw::send_text(&mut ann, r#"{"type":"say","text":"still there"}"#).await;
    bob.expect_said("still there").await;
}

#[tokio::test]
async fn a_silent_classic_client_is_closed_too() {
    let server = Server::start(&IMPATIENT);
    let mut ann = Raw::bound(&server, PARIS, 10).await;
    silence(&server).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    assert_requeued(&bob.expect("waiting").await);
    ann.expect_ping().await;
    assert_eq!(ann.expect_close().await, 4201);
    let mut carl = Classic::bound(&server, "carl", PARIS, 10).await;
    tokio::join!(carl.expect("connected"), bob.expect("matched"));
}

#[tokio::test]
async fn a_classic_client_whose_match_came_to_nothing_is_told_nothing_and_waits_on() {
    let server = Server::start(&IMPATIENT);
    let mut ann = silent(&server).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 10).await;
    ann.expect_ping().await;
    assert_eq!(ann.expect_close().await, 4201);
    bob.expect_quiet().await;
    let mut carl = Classic::bound(&server, "carl", PARIS, 10).await;
    tokio::join!(carl.expect("connected"), bob.expect("connected"));
}

#[tokio::test]
async fn a_classic_client_answers_like_any_other() {
    let server = Server::start(&PATIENT);
    let mut ann = Raw::bound(&server, PARIS, 10).await;
    silence(&server).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 10).await;
    ann.expect_ping().await;
    bob.expect_quiet().await;
    ann.send(&Frame::pong("").bytes()).await;
    ann.expect("connected").await;
    bob.expect("connected").await;
}
