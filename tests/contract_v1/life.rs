//! Idle, waiting, chatting and idle again: what is allowed when, and what is told.

use crate::common::{Pair, Raw, Server, V1, join, joined, with};
use crate::{PARIS, TOKYO};
use serde_json::{Value, json};

fn check_waiting(waiting: &Value, range_km: f64) {
    assert_eq!(waiting["range_km"].as_f64(), Some(range_km), "{waiting}");
    assert!(waiting["waited_ms"].is_u64(), "{waiting}");
    let nearby = waiting["nearby"].as_str().unwrap_or_default();
    assert!(
        ["none", "few", "some", "many"].contains(&nearby),
        "{waiting}"
    );
    let estimate_s = waiting
        .get("estimate_s")
        .expect("estimate_s is never left out");
    let is_estimate = estimate_s["p50"].is_number() && estimate_s["p90"].is_number();
    assert!(estimate_s.is_null() || is_estimate, "{waiting}");
}

fn messages(kinds: &[&str]) -> Vec<Value> {
    let message = |kind: &&str| match *kind {
        "join" => join(PARIS, 10.0),
        "update" => json!({"type": "update", "range_km": 20}),
        "say" => json!({"type": "say", "text": "hello"}),
        "ack" => json!({"type": "ack", "seq": 1}),
        "typing" => json!({"type": "typing", "on": true}),
        kind => json!({"type": kind}),
    };
    kinds.iter().map(message).collect()
}

#[tokio::test]
async fn a_join_is_answered_by_waiting_even_if_somebody_is_there() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let waiting = ann.join(PARIS, 10.0).await;
    check_waiting(&waiting, 10.0);
    assert_eq!(waiting["nearby"], "none");
    ann.expect_quiet().await;

    let mut bob = V1::connect(&server).await;
    check_waiting(&bob.join(PARIS, 20.5).await, 20.5);
    let matched = [ann.expect("matched").await, bob.expect("matched").await];
    for told in &matched {
        assert!(
            told["chat"].as_str().is_some_and(|chat| !chat.is_empty()),
            "{told}"
        );
        assert!(told["partner"].is_object(), "{told}");
        assert_eq!(told["distance"], "near");
        assert_eq!(told.get("id"), None, "{told}");
    }
}

#[tokio::test]
async fn both_are_told_names_and_shared_interests_but_never_where_the_other_is() {
    let server = Server::exact(&[]);
    let mut ann = V1::connect(&server).await;
    let mut bob = V1::connect(&server).await;
    let anns = json!({"name": "  Ann B. ", "interests": ["music", " hiking", "chess"]});
    let bobs = json!({"name": "Bob", "interests": ["chess", "cooking", "  music "]});
    ann.ask(with(join((48.8566, 2.3522), 7.75), anns), "waiting")
        .await;
    bob.ask(with(join((48.8577, 2.3533), 8.25), bobs), "waiting")
        .await;
    for (client, partner) in [(&mut ann, "Bob"), (&mut bob, "Ann B.")] {
        let mut matched = client.expect("matched").await;
        assert_eq!(matched["partner"]["name"], partner);
        let text = matched.to_string();
        for figure in ["48.85", "2.35", "7.75", "8.25"] {
            assert!(!text.contains(figure), "{figure} in {text}");
        }
        let shared = matched["partner"]["shared_interests"].as_array_mut();
        let shared = shared.expect("shared interests are a list");
        shared.sort_by_key(Value::to_string);
        assert_eq!(json!(shared), json!(["chess", "music"]));
    }
}

#[tokio::test]
async fn without_interests_none_are_shared() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, PARIS, 10.0).await;
    let mut bob = V1::connect(&server).await;
    let bobs = json!({"name": "Bob", "interests": ["chess"]});
    bob.ask(with(join(PARIS, 10.0), bobs), "waiting").await;
    for client in [&mut ann, &mut bob] {
        let matched = client.expect("matched").await;
        assert_eq!(matched["partner"]["shared_interests"], json!([]));
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let wish = json!({"name": "Ann", "interests": ["chess"]});
    ann.ask(with(join(PARIS, 10.0), wish), "waiting").await;
    for (change, range_km) in [
        (json!({"name": "Anna"}), 10.0),
        (json!({"range_km": 20}), 20.0),
        (json!({"position": {"lat": 48.85, "lon": 2.34}}), 20.0),
        (json!({"interests": ["chess", "music"]}), 20.0),
        (json!({"give_up_s": 3600}), 20.0),
    ] {
        let update = with(json!({"type": "update"}), change);
        check_waiting(&ann.ask(update, "waiting").await, range_km);
    }
    let mut bob = V1::connect(&server).await;
    let wish = with(join(PARIS, 10.0), json!({"interests": ["music", "chess"]}));
    bob.ask(wish, "waiting").await;
    let partner = bob.expect("matched").await["partner"].clone();
    assert_eq!(partner["name"], "Anna");
    let shared = partner["shared_interests"].as_array().map(Vec::len);
    assert_eq!(shared, Some(2), "{partner}");
}

#[tokio::test]
async fn an_update_to_an_empty_name_takes_the_name_away() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let wish = json!({"name": "Ann"});
    ann.ask(with(join(PARIS, 10.0), wish), "waiting").await;
    ann.ask(json!({"type": "update", "name": " "}), "waiting")
        .await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    assert_eq!(bob.expect("matched").await["partner"]["name"], Value::Null);
}

#[tokio::test]
async fn who_waits_is_told_for_how_long_and_an_update_does_not_start_it_anew() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let mut waited_ms = ann.join(PARIS, 10.0).await["waited_ms"].as_u64();
    while waited_ms < Some(5) {
        let waiting = ann
            .ask(json!({"type": "update", "range_km": 11}), "waiting")
            .await;
        let now_ms = waiting["waited_ms"].as_u64();
        assert!(now_ms >= waited_ms, "{now_ms:?} after {waited_ms:?}");
        waited_ms = now_ms;
    }
}

#[tokio::test]
async fn a_cancelled_wait_is_over_and_cancelling_again_does_no_harm() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    for _ in 0..2 {
        let idle = ann.ask(json!({"type": "cancel"}), "idle").await;
        assert_eq!(idle["reason"], "cancelled");
    }
    ann.join(PARIS, 10.0).await;
    for _ in 0..2 {
        let idle = ann.ask(json!({"type": "cancel"}), "idle").await;
        assert_eq!(idle["reason"], "cancelled");
    }
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect_still_waiting().await;
    ann.expect_quiet().await;
    ann.join(PARIS, 10.0).await;
    ann.expect("matched").await;
}

#[tokio::test]
async fn who_gives_up_after_a_while_is_idle_and_matched_with_nobody() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let wish = with(join(PARIS, 10.0), json!({"give_up_s": 1}));
    ann.ask(wish, "waiting").await;
    let idle = ann.expect("idle").await;
    assert_eq!(idle["reason"], "gave_up");
    assert_eq!(idle.get("id"), None, "{idle}");
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect_still_waiting().await;
    ann.join(PARIS, 10.0).await;
    ann.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn who_waits_longer_than_the_server_allows_is_idle() {
    let server = Server::start(&[("matching.max_wait_s", "1")]);
    let mut ann = joined(&server, PARIS, 10.0).await;
    assert_eq!(ann.expect("idle").await["reason"], "expired");
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn an_idle_session_refuses_what_needs_waiting_or_a_chat() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    for message in messages(&["update", "say", "ack", "typing", "leave", "next"]) {
        ann.refused(message, "wrong_state").await;
    }
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn a_waiting_session_refuses_what_needs_idleness_or_a_chat() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, PARIS, 10.0).await;
    for message in messages(&["join", "say", "ack", "typing", "leave", "next"]) {
        ann.refused(message, "wrong_state").await;
        ann.expect_still_waiting().await;
    }
}

#[tokio::test]
async fn a_chatting_session_refuses_what_needs_idleness_or_waiting() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for message in messages(&["join", "update", "cancel"]) {
        pair.ann.refused(message, "wrong_state").await;
        pair.expect_undisturbed().await;
    }
}

#[tokio::test]
async fn after_a_chat_a_session_refuses_what_needs_one() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.say("hello").await;
    pair.bob.expect_said("hello").await;
    pair.ann.ask(json!({"type": "leave"}), "idle").await;
    pair.bob.expect("partner_left").await;
    for client in [&mut pair.ann, &mut pair.bob] {
        for message in messages(&["update", "say", "ack", "typing", "leave"]) {
            client.refused(message, "wrong_state").await;
        }
    }
    pair.bob.join(PARIS, 10.0).await;
    pair.ann.join(TOKYO, 10.0).await;
}

#[tokio::test]
async fn who_leaves_is_idle_and_the_partner_is_told_once() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    let idle = ann.ask(json!({"type": "leave"}), "idle").await;
    assert_eq!(idle["reason"], "left");
    assert_eq!(bob.expect("partner_left").await["reason"], "left");
    bob.join(TOKYO, 10.0).await;
    ann.join(PARIS, 10.0).await;
    ann.expect_quiet().await;
    bob.expect_quiet().await;
}

#[tokio::test]
async fn a_cut_connection_ends_the_chat_if_it_cannot_be_resumed() {
    let server = Server::start(&[("limits.resume_window_s", "0")]);
    let Pair { ann, mut bob } = Pair::chatting(&server, PARIS).await;
    ann.cut();
    assert_eq!(bob.expect("partner_left").await["reason"], "lost");
    bob.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn a_closed_connection_ends_the_chat() {
    let server = Server::start(&[]);
    let Pair { ann, mut bob } = Pair::chatting(&server, PARIS).await;
    ann.close().await;
    let left = bob.expect("partner_left").await;
    let reason = left["reason"].as_str().unwrap_or_default();
    assert!(["left", "lost"].contains(&reason), "{left}");
}

#[tokio::test]
async fn who_is_gone_is_matched_with_nobody() {
    let server = Server::start(&[]);
    let ann = joined(&server, PARIS, 10.0).await;
    ann.close().await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect_still_waiting().await;
}

#[tokio::test]
async fn a_connection_cut_within_a_frame_is_lost() {
    let server = Server::start(&[("limits.resume_window_s", "0")]);
    let mut raw = Raw::upgraded(&server, "/v1/ws").await;
    raw.send_text(&join(PARIS, 10.0).to_string()).await;
    raw.expect("waiting").await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect("matched").await;
    raw.expect("matched").await;
    raw.send(&[0x81, 0xff, 0x00]).await;
    drop(raw);
    assert_eq!(bob.expect("partner_left").await["reason"], "lost");
}

#[tokio::test]
async fn next_leaves_a_chat_and_waits_with_the_same_criteria() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let wish = with(
        join(PARIS, 10.0),
        json!({"name": "Ann", "interests": ["chess"]}),
    );
    ann.ask(wish, "waiting").await;
    ann.ask(json!({"type": "update", "range_km": 12.5}), "waiting")
        .await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    let first_chat = ann.expect("matched").await["chat"].clone();
    bob.expect("matched").await;

    let waiting = ann.ask(json!({"type": "next"}), "waiting").await;
    check_waiting(&waiting, 12.5);
    assert_eq!(bob.expect("partner_left").await["reason"], "left");
    ann.expect_still_waiting().await;

    let mut carl = V1::connect(&server).await;
    let wish = with(join(PARIS, 10.0), json!({"interests": ["chess"]}));
    carl.ask(wish, "waiting").await;
    let partner = carl.expect("matched").await["partner"].clone();
    assert_eq!(
        partner,
        json!({"name": "Ann", "shared_interests": ["chess"]})
    );
    let second_chat = ann.expect("matched").await["chat"].clone();
    assert_ne!(first_chat, second_chat);
    bob.expect_quiet().await;
}

#[tokio::test]
async fn next_after_a_chat_waits_with_the_same_criteria() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    ann.ask(json!({"type": "leave"}), "idle").await;
    bob.expect("partner_left").await;
    for client in [&mut ann, &mut bob] {
        let waiting = client.ask(json!({"type": "next"}), "waiting").await;
        check_waiting(&waiting, 10.0);
    }
    ann.expect_still_waiting().await;
    bob.expect_still_waiting().await;

    let mut carl = joined(&server, PARIS, 10.0).await;
    carl.expect("matched").await;
}
