//! People who don't want to meet again, and people the operators should know of.

use crate::PARIS;
use crate::common::{Pair, Server, V1, join, joined, with};
use serde_json::{Value, json};

/// Whoever is not blocked is met again at once.
const NO_COOL_OFF: [(&str, &str); 1] = [("matching.rematch_cooloff_s", "0")];

fn block(chat: &Value) -> Value {
    json!({"type": "block", "chat": chat})
}

fn report(chat: &Value, reason: &str) -> Value {
    json!({"type": "report", "chat": chat, "reason": reason})
}

/// Proves that the two, both idle, are not paired, while each is with others.
async fn expect_kept_apart(server: &Server, pair: &mut Pair) {
    pair.ann.join(PARIS, 10.0).await;
    pair.bob.join(PARIS, 10.0).await;
    pair.expect_still_waiting().await;
    for client in [&mut pair.ann, &mut pair.bob] {
        let mut other = joined(server, PARIS, 10.0).await;
        tokio::join!(other.expect("matched"), client.expect("matched"));
        other.close().await;
        client.expect("partner_left").await;
    }
}

#[tokio::test]
async fn a_block_ends_the_chat_and_keeps_the_two_apart() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    let blocked = pair.ann.ask(block(&chat), "blocked").await;
    assert_eq!(blocked["chat"], chat);
    let idle = pair.ann.expect("idle").await;
    assert_eq!(idle["reason"], "left");
    assert_eq!(idle.get("id"), None, "{idle}");
    assert_eq!(pair.bob.expect("partner_left").await["reason"], "blocked");
    pair.bob.expect_quiet().await;
    expect_kept_apart(&server, &mut pair).await;
}

#[tokio::test]
async fn either_may_block_and_both_may() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.bob.ask(block(&chat), "blocked").await;
    pair.bob.expect("idle").await;
    pair.ann.expect("partner_left").await;
    for _ in 0..2 {
        pair.ann.ask(block(&chat), "blocked").await;
    }
    pair.ann.expect_quiet().await;
    pair.bob.expect_quiet().await;
    expect_kept_apart(&server, &mut pair).await;
}

#[tokio::test]
async fn a_past_chat_can_be_blocked_when_idle_and_nobody_is_told() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.part().await;
    pair.bob.ask(block(&chat), "blocked").await;
    pair.bob.expect_quiet().await;
    pair.ann.expect_quiet().await;
    expect_kept_apart(&server, &mut pair).await;
}

#[tokio::test]
async fn a_past_chat_can_be_blocked_while_waiting() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.part().await;
    pair.bob.join(PARIS, 10.0).await;
    pair.bob.ask(block(&chat), "blocked").await;
    pair.bob.expect_still_waiting().await;
    pair.ann.join(PARIS, 10.0).await;
    pair.expect_still_waiting().await;
}

#[tokio::test]
async fn a_past_chat_can_be_blocked_during_another() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut first, chat) = Pair::in_chat(&server, PARIS).await;
    first.part().await;
    let mut second = Pair {
        ann: first.bob,
        bob: V1::connect(&server).await,
    };
    second.meet(PARIS).await;
    second.ann.ask(block(&chat), "blocked").await;
    second.expect_undisturbed().await;
    second.part().await;
    let mut pair = Pair {
        ann: first.ann,
        bob: second.ann,
    };
    expect_kept_apart(&server, &mut pair).await;
}

#[tokio::test]
async fn a_block_of_one_keeps_nobody_else_away() {
    let server = Server::start(&NO_COOL_OFF);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.ann.ask(block(&chat), "blocked").await;
    pair.ann.expect("idle").await;
    pair.bob.expect("partner_left").await;
    let mut others = Pair {
        ann: pair.ann,
        bob: V1::connect(&server).await,
    };
    for _ in 0..2 {
        others.meet(PARIS).await;
        others.part().await;
    }
}

#[tokio::test]
async fn a_block_outlasts_the_cool_off() {
    let server = Server::start(&[("matching.rematch_cooloff_s", "1")]);
    let (mut blocked, chat) = Pair::in_chat(&server, PARIS).await;
    let mut witnesses = Pair::chatting(&server, (0.0, 0.0)).await;
    blocked.ann.ask(block(&chat), "blocked").await;
    blocked.ann.expect("idle").await;
    blocked.bob.expect("partner_left").await;
    witnesses.part().await;
    for pair in [&mut blocked, &mut witnesses] {
        for client in [&mut pair.ann, &mut pair.bob] {
            client.ask(json!({"type": "next"}), "waiting").await;
        }
    }
    // Their cool-off began later.
    witnesses.expect_matched().await;
    blocked.expect_still_waiting().await;
}

#[tokio::test]
async fn only_chats_of_this_session_can_be_blocked_or_reported() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    let mut carl = joined(&server, (0.0, 0.0), 10.0).await;
    let unknown = [
        json!(""),
        json!("no such chat"),
        json!("0000000000000000"),
        json!("ffffffffffffffff"),
        json!("é".repeat(8)),
        json!("0".repeat(1000)),
    ];
    for chat in unknown.iter().chain([&chat]) {
        carl.refused(block(chat), "not_found").await;
        carl.refused(report(chat, "spam"), "not_found").await;
    }
    carl.expect_still_waiting().await;
    pair.ann.refused(block(&unknown[2]), "not_found").await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn the_fields_of_a_block_are_checked() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    for bad in [
        json!(null),
        json!(5),
        json!([chat]),
        json!({"chat": chat}),
        json!(true),
    ] {
        let error = pair.ann.refused(block(&bad), "bad_field").await;
        let words = error["message"].as_str().unwrap_or_default();
        assert!(words.contains("chat"), "{error}");
    }
    pair.ann
        .refused(json!({"type": "block"}), "bad_field")
        .await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn a_partner_is_reported_for_any_reason_and_not_told() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    let reasons = ["spam", "abuse", "sexual", "minor", "threat", "other"];
    for reason in reasons {
        let reported = pair.ann.ask(report(&chat, reason), "reported").await;
        assert_eq!(reported["chat"], chat);
    }
    for note in ["", "x", "two\nlines, \u{202e} and more", &"😀".repeat(500)] {
        let noted = with(report(&chat, "other"), json!({"note": note}));
        pair.ann.ask(noted, "reported").await;
    }
    pair.bob.expect_quiet().await;
    pair.expect_undisturbed().await;
    pair.part().await;
    pair.bob.ask(report(&chat, "abuse"), "reported").await;
    pair.bob.join((0.0, 0.0), 10.0).await;
    pair.bob.ask(report(&chat, "abuse"), "reported").await;
    pair.bob.expect_still_waiting().await;
}

#[tokio::test]
async fn the_fields_of_a_report_are_checked() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    for (bad, field) in [
        (json!({"reason": "boring"}), "reason"),
        (json!({"reason": "Spam"}), "reason"),
        (json!({"reason": ""}), "reason"),
        (json!({"reason": 1}), "reason"),
        (json!({"reason": null}), "reason"),
        (json!({"note": 5}), "note"),
        (json!({"note": ["x"]}), "note"),
        (json!({"note": "x".repeat(501)}), "note"),
        (json!({"chat": 5}), "chat"),
        (json!({"chat": null}), "chat"),
    ] {
        let message = with(report(&chat, "spam"), bad);
        let error = pair.ann.refused(message, "bad_field").await;
        let words = error["message"].as_str().unwrap_or_default();
        assert!(words.contains(field), "{error}");
    }
    let without = json!({"type": "report", "chat": chat});
    pair.ann.refused(without, "bad_field").await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn a_session_that_met_nobody_has_nobody_to_block() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    ann.refused(block(&json!("0123456789abcdef")), "not_found")
        .await;
    ann.ask(join(PARIS, 10.0), "waiting").await;
}
