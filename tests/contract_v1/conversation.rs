//! What two people say to each other: once, in order, numbered, acknowledged.

use crate::PARIS;
use crate::common::{Pair, Server};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many ids of messages are remembered.
const IDS_REMEMBERED: usize = 256;

fn say(id: &str, text: &str) -> Value {
    json!({"type": "say", "id": id, "text": text})
}

fn epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_millis() as u64
}

#[tokio::test]
async fn what_is_said_is_numbered_from_1_in_each_direction() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for number in 1..=20 {
        let text = format!("ann {number}");
        assert_eq!(ann.say(&text).await, number);
        assert_eq!(bob.expect_said(&text).await, number);
        if number % 2 == 0 {
            let text = format!("bob {number}");
            assert_eq!(bob.say(&text).await, number / 2);
            assert_eq!(ann.expect_said(&text).await, number / 2);
        }
    }
}

#[tokio::test]
async fn a_new_chat_counts_from_1_again() {
    let server = Server::start(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    let first = pair.ann.say("first").await;
    pair.bob.expect_said("first").await;
    pair.ann.ask(json!({"type": "leave"}), "idle").await;
    pair.bob.expect("partner_left").await;
    pair.meet(PARIS).await;
    let again = pair.ann.say("again").await;
    assert_eq!((first, again), (1, 1));
    assert_eq!(pair.bob.expect_said("again").await, 1);
}

#[tokio::test]
async fn a_message_says_when_it_came() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    let before_ms = epoch_ms();
    ann.say("hello").await;
    let said = bob.expect("said").await;
    let at_ms = said["at"].as_u64().unwrap_or_default();
    assert!(
        (before_ms..=epoch_ms()).contains(&at_ms),
        "{said} from {before_ms}"
    );
}

#[tokio::test]
async fn text_arrives_as_it_was_said() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for text in [
        "x",
        "  spaces around  ",
        "two\nlines\tand a tab",
        r#"{"type":"leave"} "quoted" \ back / slash"#,
        "<script>alert('&amp;')</script>",
        "مرحبا, שלום, 你好, e\u{301}, 👩‍👩‍👧‍👦",
        &"a".repeat(2000),
        &"😀".repeat(2000),
    ] {
        ann.say(text).await;
        bob.expect_said(text).await;
    }
    ann.send_text(r#"{"type":"say","text":"\ud83d\ude00\u00e9\u000a"}"#)
        .await;
    ann.expect("accepted").await;
    bob.expect_said("😀é\n").await;
}

#[tokio::test]
async fn a_repeated_id_is_accepted_again_and_shown_once() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for (id, text, seq) in [
        ("x", "one", 1),
        ("y", "two", 2),
        ("x", "one", 1),
        ("y", "two", 2),
        ("x", "one", 1),
        ("z", "three", 3),
    ] {
        ann.send(say(id, text)).await;
        let accepted = ann.expect("accepted").await;
        assert_eq!(accepted["id"], id);
        assert_eq!(accepted["seq"], seq, "{accepted}");
    }
    for (text, seq) in [("one", 1), ("two", 2), ("three", 3)] {
        assert_eq!(bob.expect_said(text).await, seq);
    }
    bob.send(say("x", "mine")).await;
    assert_eq!(
        bob.expect("accepted").await["seq"],
        1,
        "ids are each side's own"
    );
    ann.expect_said("mine").await;
}

#[tokio::test]
async fn an_id_is_remembered_for_256_messages() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for number in 1..=IDS_REMEMBERED {
        let text = number.to_string();
        ann.send(say(&text, &text)).await;
        assert_eq!(ann.expect("accepted").await["seq"], number);
        bob.expect_said(&text).await;
    }
    for number in [1, IDS_REMEMBERED] {
        let text = number.to_string();
        ann.send(say(&text, &text)).await;
        assert_eq!(ann.expect("accepted").await["seq"], number);
    }
    bob.expect_quiet().await;
}

#[tokio::test]
async fn an_id_counts_inside_one_chat_only() {
    let server = Server::start(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say("x", "first")).await;
    pair.ann.expect("accepted").await;
    pair.bob.expect_said("first").await;
    pair.ann.ask(json!({"type": "leave"}), "idle").await;
    pair.bob.expect("partner_left").await;
    pair.meet(PARIS).await;
    pair.ann.send(say("x", "second")).await;
    pair.ann.expect("accepted").await;
    pair.bob.expect_said("second").await;
}

#[tokio::test]
async fn without_an_id_every_message_is_new() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for seq in 1..=3 {
        ann.send(json!({"type": "say", "text": "hello"})).await;
        let accepted = ann.expect("accepted").await;
        assert_eq!(accepted["seq"], seq);
        assert_eq!(accepted.get("id"), None, "{accepted}");
        assert_eq!(bob.expect_said("hello").await, seq);
    }
}

#[tokio::test]
async fn a_refused_message_takes_no_number() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    assert_eq!(ann.say("one").await, 1);
    ann.send(say("x", "")).await;
    ann.expect_error("bad_field").await;
    ann.send(say("x", "two")).await;
    assert_eq!(ann.expect("accepted").await["seq"], 2);
    bob.expect_said("one").await;
    assert_eq!(bob.expect_said("two").await, 2);
}

#[tokio::test]
async fn an_acknowledgement_tells_the_sender_up_to_where() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for text in ["one", "two", "three"] {
        ann.say(text).await;
        bob.expect_said(text).await;
    }
    for seq in [2, 3] {
        bob.send(json!({"type": "ack", "seq": seq})).await;
        assert_eq!(ann.expect("delivered").await["seq"], seq);
    }
    bob.expect_quiet().await;
    bob.say("mine").await;
    ann.expect_said("mine").await;
    ann.send(json!({"type": "ack", "seq": 1})).await;
    assert_eq!(bob.expect("delivered").await["seq"], 1);
}

#[tokio::test]
async fn what_was_not_said_yet_cannot_be_acknowledged() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    bob.refused(json!({"type": "ack", "seq": 1}), "bad_field")
        .await;
    ann.say("one").await;
    bob.expect_said("one").await;
    let error = bob
        .refused(json!({"type": "ack", "seq": 2}), "bad_field")
        .await;
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("seq")),
        "{error}"
    );
    ann.refused(json!({"type": "ack", "seq": 1}), "bad_field")
        .await;
    ann.expect_quiet().await;
    bob.send(json!({"type": "ack", "seq": 1})).await;
    assert_eq!(ann.expect("delivered").await["seq"], 1);
}

#[tokio::test]
async fn typing_is_told_to_the_partner_alone() {
    let server = Server::start(&[]);
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    for on in [true, false] {
        ann.send(json!({"type": "typing", "on": on, "id": "t"}))
            .await;
        let typing = bob.expect("typing").await;
        assert_eq!(typing["on"], on);
        assert_eq!(typing.get("id"), None, "{typing}");
    }
    ann.expect_quiet().await;
    assert_eq!(ann.say("done").await, 1);
}

#[tokio::test]
async fn what_was_accepted_is_shown_before_the_farewell() {
    const COUNT: usize = 50;
    for leaves in [true, false] {
        let server = Server::start(&[("limits.resume_window_s", "0")]);
        let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
        for number in 1..=COUNT {
            ann.say(&number.to_string()).await;
        }
        let reason = if leaves {
            ann.ask(json!({"type": "leave"}), "idle").await;
            "left"
        } else {
            ann.cut();
            "lost"
        };
        for number in 1..=COUNT {
            bob.expect_said(&number.to_string()).await;
        }
        assert_eq!(bob.expect("partner_left").await["reason"], reason);
    }
}

#[tokio::test]
async fn chats_do_not_hear_each_other() {
    let server = Server::start(&[]);
    let mut here = Pair::chatting(&server, PARIS).await;
    let mut there = Pair::chatting(&server, PARIS).await;
    here.ann.say("here").await;
    there.ann.say("there").await;
    here.bob.expect_said("here").await;
    there.bob.expect_said("there").await;
    for client in [&mut here.ann, &mut here.bob, &mut there.ann, &mut there.bob] {
        client.expect_quiet().await;
    }
}
