//! Connections that are lost, and sessions that go on over others.

use crate::PARIS;
use crate::common::{Classic, Pair, Server, V1, join, joined, resume, with};
use serde_json::{Value, json};

/// How many messages are kept for one who is away.
const KEPT_MESSAGES: u64 = 128;
/// How many bytes of text are kept.
const KEPT_BYTES: usize = 64 * 1024;

/// The fields of a chat in `resumed`, as `matched` had them.
fn chat_fields(message: &Value) -> [Value; 3] {
    ["chat", "partner", "distance"].map(|field| message[field].clone())
}

/// Bob's connection is lost and Ann is told; returns Ann and Bob's token.
async fn bob_away(pair: Pair) -> (V1, Value) {
    let Pair { mut ann, bob } = pair;
    let token = bob.lose().await;
    ann.expect("partner_away").await;
    (ann, token)
}

/// Says something; whatever else has come is left to be read.
async fn say_all(client: &mut V1, texts: impl Iterator<Item = String>) {
    for text in texts {
        client.say(&text).await;
    }
}

#[tokio::test]
async fn an_idle_session_goes_on_and_its_token_is_renewed() {
    let server = Server::start(&[]);
    let mut before = joined(&server, PARIS, 10.0).await;
    before.ask(json!({"type": "cancel"}), "idle").await;
    let session = before.welcome["session"].clone();
    let mut token = before.lose().await;
    for _ in 0..3 {
        let (mut after, resumed) = V1::resumed(&server, &token, 0).await;
        assert_eq!(resumed["session"], session);
        assert_ne!(after.welcome["session"], session);
        assert_eq!(resumed["state"], "idle");
        assert_eq!(resumed["recovered"], true);
        assert_eq!(resumed.get("chat"), None, "{resumed}");
        assert!(resumed["resume_token"].is_string(), "{resumed}");
        assert_ne!(resumed["resume_token"], token);
        assert_ne!(resumed["resume_token"], after.welcome["resume_token"]);
        after.expect_quiet().await;
        token = after.lose().await;
    }
    let (mut after, _) = V1::resumed(&server, &token, 0).await;
    after.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn a_session_that_said_nothing_yet_can_be_resumed() {
    let server = Server::start(&[("limits.first_message_s", "1")]);
    let token = V1::connect(&server).await.lose().await;
    let (mut after, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "idle");
    after.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn the_fresh_session_of_a_connection_that_resumes_is_discarded() {
    let server = Server::start(&[]);
    let token = V1::connect(&server).await.lose().await;
    let (after, _) = V1::resumed(&server, &token, 0).await;
    let mut other = V1::connect(&server).await;
    let fresh = resume(&after.welcome["resume_token"], 0);
    other.refused(fresh, "bad_token").await;
}

#[tokio::test]
async fn a_waiting_session_keeps_its_place_and_its_age() {
    let server = Server::exact(&[]);
    let mut first = joined(&server, (0.0, -0.04), 6.0).await;
    first.wait_a_while().await;
    let mut second = joined(&server, (0.0, 0.04), 6.0).await;
    second.wait_a_while().await;
    let waited_ms = first.expect_still_waiting().await["waited_ms"].as_u64();
    let token = first.lose().await;

    let (mut first, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    assert_eq!(resumed["recovered"], true);
    assert_eq!(resumed.get("chat"), None, "{resumed}");
    let waiting = first.ask(json!({"type": "update"}), "waiting").await;
    assert!(waiting["waited_ms"].as_u64() >= waited_ms, "{waiting}");
    assert_eq!(waiting["range_km"], 6.0);

    // Both are equally near to who comes now.
    let mut newcomer = joined(&server, (0.0, 0.0), 6.0).await;
    newcomer.expect("matched").await;
    first.expect("matched").await;
    second.expect_still_waiting().await;
}

#[tokio::test]
async fn who_is_away_is_matched_with_nobody_and_looked_at_on_return() {
    let server = Server::start(&[]);
    let token = joined(&server, PARIS, 10.0).await.lose().await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect_still_waiting().await;
    let (mut ann, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    ann.expect("matched").await;
    bob.expect("matched").await;
}

#[tokio::test]
async fn what_was_missed_comes_in_order_once_and_the_chat_goes_on() {
    let server = Server::start(&[]);
    let mut pair = Pair {
        ann: V1::connect(&server).await,
        bob: V1::connect(&server).await,
    };
    let names = json!({"name": "Ann", "interests": ["chess"]});
    let anns = with(join(PARIS, 10.0), names);
    pair.ann.ask(anns, "waiting").await;
    let bobs = with(join(PARIS, 10.0), json!({"interests": ["chess"]}));
    pair.bob.ask(bobs, "waiting").await;
    let (_, bob_matched) = pair.expect_matched().await;
    pair.ann.say("1").await;
    pair.bob.expect_said("1").await;
    pair.bob.say("mine").await;
    pair.ann.expect_said("mine").await;

    let (mut ann, token) = bob_away(pair).await;
    say_all(&mut ann, (2..=20).map(|number| number.to_string())).await;
    let (mut bob, resumed) = V1::resumed(&server, &token, 1).await;
    assert_eq!(resumed["state"], "chatting");
    assert_eq!(resumed["recovered"], true);
    assert_eq!(chat_fields(&resumed), chat_fields(&bob_matched));
    for number in 2..=20 {
        assert_eq!(bob.expect_said(&number.to_string()).await, number);
    }
    bob.expect_quiet().await;
    ann.expect("partner_back").await;

    assert_eq!(ann.say("21").await, 21);
    assert_eq!(bob.expect_said("21").await, 21);
    assert_eq!(bob.say("mine again").await, 2);
    assert_eq!(ann.expect_said("mine again").await, 2);
}

#[tokio::test]
async fn what_was_shown_but_not_seen_comes_again() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for text in ["1", "2", "3"] {
        pair.ann.say(text).await;
        pair.bob.expect_said(text).await;
    }
    let (_ann, token) = bob_away(pair).await;
    let (mut bob, _) = V1::resumed(&server, &token, 1).await;
    for (seq, text) in [(2, "2"), (3, "3")] {
        assert_eq!(bob.expect_said(text).await, seq);
    }
    bob.expect_quiet().await;
}

#[tokio::test]
async fn a_message_keeps_the_time_at_which_it_was_said() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.say("hello").await;
    let said = pair.bob.expect("said").await;
    let (_ann, token) = bob_away(pair).await;
    let (mut bob, _) = V1::resumed(&server, &token, 0).await;
    assert_eq!(bob.expect("said").await, said);
}

#[tokio::test]
async fn up_to_128_messages_are_kept_and_one_more_leaves_a_gap() {
    let server = Server::start(&[]);
    for is_gap in [false, true] {
        let pair = Pair::chatting(&server, PARIS).await;
        let (mut ann, token) = bob_away(pair).await;
        let last = KEPT_MESSAGES + u64::from(is_gap);
        say_all(&mut ann, (1..=last).map(|number| number.to_string())).await;
        let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
        assert_eq!(resumed["recovered"], !is_gap, "{resumed}");
        assert_eq!(resumed["state"], "chatting");
        if !is_gap {
            for number in 1..=last {
                assert_eq!(bob.expect_said(&number.to_string()).await, number);
            }
        }
        bob.expect_quiet().await;
        ann.expect("partner_back").await;
        ann.say("and now").await;
        assert_eq!(bob.expect_said("and now").await, last + 1);
    }
}

#[tokio::test]
async fn up_to_64_kib_are_kept_and_one_byte_more_leaves_a_gap() {
    const LONG: &str = "\u{1f600}";
    let server = Server::start(&[]);
    let longest = LONG.repeat(2000);
    let rest = "x".repeat(KEPT_BYTES % longest.len());
    for is_gap in [false, true] {
        let pair = Pair::chatting(&server, PARIS).await;
        let (mut ann, token) = bob_away(pair).await;
        let mut texts = vec![longest.clone(); KEPT_BYTES / longest.len()];
        texts.push(rest.clone() + if is_gap { "x" } else { "" });
        say_all(&mut ann, texts.clone().into_iter()).await;
        let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
        assert_eq!(resumed["recovered"], !is_gap, "{resumed}");
        if !is_gap {
            for text in &texts {
                bob.expect_said(text).await;
            }
        }
        bob.expect_quiet().await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_takes_no_room() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for number in 1..=KEPT_MESSAGES {
        pair.ann.say(&number.to_string()).await;
        pair.bob.expect_said(&number.to_string()).await;
    }
    let ack = json!({"type": "ack", "seq": KEPT_MESSAGES});
    pair.bob.send(ack).await;
    pair.ann.expect("delivered").await;
    let (mut ann, token) = bob_away(pair).await;
    let more = KEPT_MESSAGES + 1..=2 * KEPT_MESSAGES;
    say_all(&mut ann, more.clone().map(|number| number.to_string())).await;
    let (mut bob, resumed) = V1::resumed(&server, &token, KEPT_MESSAGES).await;
    assert_eq!(resumed["recovered"], true);
    for number in more {
        assert_eq!(bob.expect_said(&number.to_string()).await, number);
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_and_the_connection_goes_on_as_a_fresh_session() {
    let server = Server::start(&[]);
    let elsewhere = Server::start(&[]);
    let foreign = V1::connect(&elsewhere).await.token.clone();
    let spent = V1::connect(&server).await.lose().await;
    let (_successor, _) = V1::resumed(&server, &spent, 0).await;
    let bob = joined(&server, PARIS, 10.0).await;
    let mut guess = bob.token.as_str().expect("a token is text").to_owned();
    let last = guess.pop().expect("a token is not empty");
    guess.push(if last == '0' { '1' } else { '0' });
    for token in [
        foreign,
        spent,
        json!(guess),
        bob.welcome["session"].clone(),
        json!(""),
        json!("token"),
        json!("f".repeat(48)),
        json!("é".repeat(24)),
        json!("0".repeat(1000)),
    ] {
        let mut ann = V1::connect(&server).await;
        ann.refused(resume(&token, 0), "bad_token").await;
        ann.refused(resume(&bob.token, 0), "wrong_state").await;
        ann.join((0.0, 0.0), 10.0).await;
    }
    let mut own = V1::connect(&server).await;
    let token = own.token.clone();
    own.refused(resume(&token, 0), "bad_token").await;
    own.join((40.0, 40.0), 10.0).await;
}

#[tokio::test]
async fn the_fields_of_a_resume_are_checked() {
    let server = Server::start(&[]);
    for (message, field) in [
        (json!({"type": "resume", "last_seq": 0}), "token"),
        (
            json!({"type": "resume", "token": 5, "last_seq": 0}),
            "token",
        ),
        (
            json!({"type": "resume", "token": null, "last_seq": 0}),
            "token",
        ),
        (json!({"type": "resume", "token": "x"}), "last_seq"),
        (resume(&json!("x"), 0), ""),
        (
            json!({"type": "resume", "token": "x", "last_seq": -1}),
            "last_seq",
        ),
        (
            json!({"type": "resume", "token": "x", "last_seq": 0.5}),
            "last_seq",
        ),
        (
            json!({"type": "resume", "token": "x", "last_seq": "0"}),
            "last_seq",
        ),
        (
            json!({"type": "resume", "token": "x", "last_seq": null}),
            "last_seq",
        ),
    ] {
        let mut ann = V1::connect(&server).await;
        if field.is_empty() {
            ann.refused(message, "bad_token").await;
        } else {
            let error = ann.refused(message.clone(), "bad_field").await;
            let words = error["message"].as_str().unwrap_or_default();
            assert!(words.contains(field), "{error} for {message}");
        }
    }
}

#[tokio::test]
async fn nothing_can_have_been_seen_that_was_not_said() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.say("1").await;
    pair.bob.expect_said("1").await;
    let (mut ann, token) = bob_away(pair).await;
    ann.say("2").await;
    let mut fresh = V1::connect(&server).await;
    fresh.refused(resume(&token, 3), "bad_token").await;
    fresh.join((0.0, 0.0), 10.0).await;
    // A slip spends nothing.
    let (mut bob, resumed) = V1::resumed(&server, &token, 2).await;
    assert_eq!(resumed["recovered"], true);
    bob.expect_quiet().await;
    ann.expect("partner_back").await;

    let token = joined(&server, (0.0, 40.0), 10.0).await.lose().await;
    let mut fresh = V1::connect(&server).await;
    fresh.refused(resume(&token, 1), "bad_token").await;
}

#[tokio::test]
async fn only_the_first_message_of_a_connection_resumes() {
    let server = Server::start(&[]);
    let token = V1::connect(&server).await.lose().await;
    for first in [
        json!({"type": "cancel"}),
        json!({"type": "nonsense"}),
        join((0.0, 0.0), 10.0),
    ] {
        let mut ann = V1::connect(&server).await;
        ann.send(first).await;
        ann.next_json().await;
        ann.refused(resume(&token, 0), "wrong_state").await;
    }
    let (mut ann, _) = V1::resumed(&server, &token, 0).await;
    let again = ann.token.clone();
    ann.refused(resume(&again, 0), "wrong_state").await;
}

#[tokio::test]
async fn a_second_connection_takes_over_and_the_partner_sees_nothing() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.say("1").await;
    pair.bob.expect_said("1").await;
    let Pair {
        mut ann,
        bob: mut old,
    } = pair;
    for seq in [2, 4, 6] {
        let (mut new, resumed) = V1::resumed(&server, &old.token, seq - 1).await;
        assert_eq!(resumed["state"], "chatting");
        assert_eq!(old.expect_close().await.0, 4002);
        ann.expect_quiet().await;
        for seq in [seq, seq + 1] {
            assert_eq!(ann.say("to the new one").await, seq);
            assert_eq!(new.expect_said("to the new one").await, seq);
        }
        new.say("from the new one").await;
        ann.expect_said("from the new one").await;
        old = new;
    }
}

#[tokio::test]
async fn idle_and_waiting_sessions_can_be_taken_over_too() {
    let server = Server::start(&[]);
    let mut idle = V1::connect(&server).await;
    let (mut new, resumed) = V1::resumed(&server, &idle.token, 0).await;
    assert_eq!(resumed["state"], "idle");
    assert_eq!(idle.expect_close().await.0, 4002);
    new.join(PARIS, 10.0).await;
    let (mut newer, resumed) = V1::resumed(&server, &new.token, 0).await;
    assert_eq!(resumed["state"], "waiting");
    assert_eq!(new.expect_close().await.0, 4002);
    newer.expect_still_waiting().await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect("matched").await;
    newer.expect("matched").await;
}

#[tokio::test]
async fn who_does_not_come_back_in_time_is_lost() {
    let server = Server::start(&[("limits.resume_window_s", "1")]);
    let pair = Pair::chatting(&server, PARIS).await;
    assert_eq!(pair.ann.welcome["resume_window_s"], 1);
    let (mut ann, token) = bob_away(pair).await;
    assert_eq!(ann.expect("partner_left").await["reason"], "lost");
    let mut late = V1::connect(&server).await;
    late.refused(resume(&token, 0), "bad_token").await;
    ann.join(PARIS, 10.0).await;
    late.join(PARIS, 10.0).await;
    ann.expect("matched").await;
}

#[tokio::test]
async fn without_a_window_nothing_is_resumed() {
    let server = Server::start(&[("limits.resume_window_s", "0")]);
    let Pair { mut ann, bob } = Pair::chatting(&server, PARIS).await;
    let token = bob.lose().await;
    assert_eq!(ann.expect("partner_left").await["reason"], "lost");
    let mut late = V1::connect(&server).await;
    late.refused(resume(&token, 0), "bad_token").await;
}

#[tokio::test]
async fn no_more_sessions_are_kept_than_allowed() {
    let server = Server::start(&[("limits.max_away", "1")]);
    let mut chats = Vec::new();
    for _ in 0..2 {
        chats.push(Pair::chatting(&server, PARIS).await);
    }
    let (mut ann, mut other) = (chats.remove(0), chats.remove(0));
    let token = ann.bob.lose().await;
    ann.ann.expect("partner_away").await;
    let too_many = other.bob.lose().await;
    assert_eq!(other.ann.expect("partner_left").await["reason"], "lost");
    let mut late = V1::connect(&server).await;
    late.refused(resume(&too_many, 0), "bad_token").await;
    V1::resumed(&server, &token, 0).await;
    ann.ann.expect("partner_back").await;
}

#[tokio::test]
async fn who_closes_on_purpose_cannot_be_resumed() {
    let server = Server::start(&[]);
    let Pair { mut ann, bob } = Pair::chatting(&server, PARIS).await;
    let token = bob.token.clone();
    bob.close().await;
    ann.expect("partner_left").await;
    let mut late = V1::connect(&server).await;
    late.refused(resume(&token, 0), "bad_token").await;
}

#[tokio::test]
async fn a_partner_who_left_meanwhile_is_told_after_what_it_said() {
    let server = Server::start(&[]);
    let pair = Pair::chatting(&server, PARIS).await;
    let (mut ann, token) = bob_away(pair).await;
    ann.say("good").await;
    ann.say("bye").await;
    ann.ask(json!({"type": "leave"}), "idle").await;
    let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "idle");
    assert_eq!(resumed["recovered"], true);
    assert_eq!(bob.expect_said("good").await, 1);
    assert_eq!(bob.expect_said("bye").await, 2);
    assert_eq!(bob.expect("partner_left").await["reason"], "left");
    bob.expect_quiet().await;
    bob.join((0.0, 0.0), 10.0).await;
    ann.expect_quiet().await;
}

#[tokio::test]
async fn who_gave_up_while_away_is_told_on_return() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let mut clock = V1::connect(&server).await;
    let wish = |lat| with(join((lat, 0.0), 10.0), json!({"give_up_s": 1}));
    ann.ask(wish(0.0), "waiting").await;
    let token = ann.lose().await;
    // Gives up later than Ann.
    clock.ask(wish(40.0), "waiting").await;
    clock.expect("idle").await;
    let (mut ann, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "idle");
    assert_eq!(ann.expect("idle").await["reason"], "gave_up");
}

#[tokio::test]
async fn both_may_be_away_at_once() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.say("to bob").await;
    pair.bob.expect_said("to bob").await;
    let (mut ann, bobs_token) = bob_away(pair).await;
    ann.say("to bob again").await;
    let anns_token = ann.lose().await;

    let (mut ann, resumed) = V1::resumed(&server, &anns_token, 0).await;
    assert_eq!(resumed["state"], "chatting");
    ann.expect("partner_away").await;
    ann.expect_quiet().await;
    let (mut bob, _) = V1::resumed(&server, &bobs_token, 1).await;
    assert_eq!(bob.expect_said("to bob again").await, 2);
    ann.expect("partner_back").await;
    Pair { ann, bob }.expect_undisturbed().await;
}

#[tokio::test]
async fn ids_are_remembered_across_a_resume() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    let say = |id: &str| json!({"type": "say", "id": id, "text": id});
    for (id, seq) in [("x", 1), ("y", 2)] {
        pair.bob.send(say(id)).await;
        assert_eq!(pair.bob.expect("accepted").await["seq"], seq);
        assert_eq!(pair.ann.expect_said(id).await, seq);
    }
    let (mut ann, token) = bob_away(pair).await;
    let (mut bob, _) = V1::resumed(&server, &token, 0).await;
    ann.expect("partner_back").await;
    for (id, seq) in [("y", 2), ("x", 1), ("z", 3)] {
        bob.send(say(id)).await;
        let accepted = bob.expect("accepted").await;
        assert_eq!(
            (&accepted["id"], &accepted["seq"]),
            (&json!(id), &json!(seq))
        );
    }
    assert_eq!(ann.expect_said("z").await, 3);
    ann.expect_quiet().await;
}

#[tokio::test]
async fn an_acknowledgement_is_not_lost_with_the_connection() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for text in ["1", "2"] {
        pair.bob.say(text).await;
        pair.ann.expect_said(text).await;
    }
    let (mut ann, token) = bob_away(pair).await;
    ann.send(json!({"type": "ack", "seq": 2})).await;
    ann.say("hello").await;
    let (mut bob, _) = V1::resumed(&server, &token, 0).await;
    bob.expect_said("hello").await;
    assert_eq!(bob.expect("delivered").await["seq"], 2);
    ann.expect("partner_back").await;
    bob.send(json!({"type": "ack", "seq": 1})).await;
    assert_eq!(ann.expect("delivered").await["seq"], 1);
}

#[tokio::test]
async fn typing_is_not_told_later() {
    let server = Server::start(&[]);
    let pair = Pair::chatting(&server, PARIS).await;
    let (mut ann, token) = bob_away(pair).await;
    ann.send(json!({"type": "typing", "on": true})).await;
    ann.expect_quiet().await;
    let (mut bob, _) = V1::resumed(&server, &token, 0).await;
    bob.expect_quiet().await;
    ann.expect("partner_back").await;
    ann.send(json!({"type": "typing", "on": false})).await;
    assert_eq!(bob.expect("typing").await["on"], false);
}

#[tokio::test]
async fn what_a_session_knows_of_others_outlasts_its_connection() {
    let server = Server::start(&[("matching.rematch_cooloff_s", "0")]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.part().await;
    let Pair {
        ann: mut other,
        bob,
    } = pair;
    let chat = {
        // Meets again, now to find out what the chat is called.
        let mut pair = Pair { ann: other, bob };
        let (_, matched) = pair.meet(PARIS).await;
        pair.part().await;
        other = pair.ann;
        let token = pair.bob.lose().await;
        let (mut bob, _) = V1::resumed(&server, &token, 0).await;
        let block = json!({"type": "block", "chat": matched["chat"]});
        let blocked = bob.ask(block, "blocked").await;
        assert_eq!(blocked["chat"], matched["chat"]);
        let token = bob.lose().await;
        V1::resumed(&server, &token, 0).await.0
    };
    let mut pair = Pair {
        ann: other,
        bob: chat,
    };
    for client in [&mut pair.ann, &mut pair.bob] {
        client.ask(json!({"type": "next"}), "waiting").await;
    }
    pair.expect_still_waiting().await;
}

#[tokio::test]
async fn a_classic_partner_sees_nothing_of_a_resume() {
    let server = Server::start(&[]);
    let mut vera = joined(&server, PARIS, 50.0).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    vera.expect("matched").await;
    bob.expect("connected").await;
    bob.send("1").await;
    bob.expect_client("bob", "1").await;
    vera.expect_said("1").await;
    let token = vera.lose().await;
    bob.expect_quiet().await;
    for text in ["2", "3"] {
        bob.send(text).await;
        bob.expect_client("bob", text).await;
    }
    let (mut vera, resumed) = V1::resumed(&server, &token, 1).await;
    assert_eq!(resumed["partner"]["name"], "bob");
    for (seq, text) in [(2, "2"), (3, "3")] {
        assert_eq!(vera.expect_said(text).await, seq);
    }
    bob.expect_quiet().await;
    vera.say("back").await;
    bob.expect("client").await;
}

#[tokio::test]
async fn a_classic_partner_is_told_when_nobody_comes_back() {
    let server = Server::start(&[("limits.resume_window_s", "1")]);
    let mut vera = joined(&server, PARIS, 50.0).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    vera.expect("matched").await;
    bob.expect("connected").await;
    vera.lose().await;
    bob.expect("disconnected").await;
}

#[tokio::test]
async fn probing_tokens_ends_like_any_other_error() {
    let server = Server::start(&[("limits.errors_per_minute", "3")]);
    let mut ann = V1::connect(&server).await;
    for code in ["bad_token", "wrong_state"] {
        ann.refused(resume(&json!("f".repeat(48)), 0), code).await;
    }
    ann.send(resume(&json!("f".repeat(48)), 0)).await;
    assert_eq!(ann.drain_until_close().await.1, 4001);
}

/// What a client says that knows which chat it was in.
fn resume_in(token: &Value, chat: &Value, last_seq: u64) -> Value {
    with(resume(token, last_seq), json!({"chat": chat}))
}

/// Bob's connection is lost right after he asked for somebody else, and before he reads that Cleo is there,
/// who says `words`. Returns Cleo, Bob's token, the chat that Bob knows of, and his chat with Cleo.
async fn lost_with_an_unseen_match(server: &Server, words: &[&str]) -> (V1, Value, Value, Value) {
    let (mut pair, known) = Pair::in_chat(server, PARIS).await;
    for text in ["1", "2"] {
        pair.ann.say(text).await;
        pair.bob.expect_said(text).await;
    }
    let mut cleo = joined(server, PARIS, 10.0).await;
    pair.bob.send(json!({"type": "next"})).await;
    let unseen = cleo.expect("matched").await["chat"].clone();
    assert_ne!(unseen, known);
    say_all(&mut cleo, words.iter().map(|word| (*word).to_owned())).await;
    let token = pair.bob.lose().await;
    cleo.expect("partner_away").await;
    (cleo, token, known, unseen)
}

#[tokio::test]
async fn what_was_seen_of_one_chat_is_not_taken_for_another() {
    let server = Server::start(&[]);
    let (mut cleo, token, known, unseen) = lost_with_an_unseen_match(&server, &["a", "b"]).await;
    let mut bob = V1::connect(&server).await;
    let resumed = bob.ask(resume_in(&token, &known, 2), "resumed").await;
    assert_eq!(resumed["state"], "chatting");
    assert_eq!(resumed["chat"], unseen);
    assert_eq!(resumed["recovered"], true);
    bob.expect_said("a").await;
    bob.expect_said("b").await;
    cleo.expect("partner_back").await;
    bob.say("c").await;
    cleo.expect_said("c").await;
}

#[tokio::test]
async fn a_number_of_the_chat_before_is_not_from_the_future() {
    let server = Server::start(&[]);
    let (_cleo, token, ..) = lost_with_an_unseen_match(&server, &["a"]).await;
    let mut early = V1::connect(&server).await;
    early.refused(resume(&token, 3), "bad_token").await;
    let (mut bob, resumed) = V1::resumed(&server, &token, 2).await;
    assert_eq!(resumed["state"], "chatting");
    bob.expect_said("a").await;
}

#[tokio::test]
async fn who_did_not_hear_how_the_chat_ended_hears_it_again() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.ann.say("1").await;
    pair.bob.expect_said("1").await;
    pair.ann.say("2").await;
    pair.ann.ask(json!({"type": "leave"}), "idle").await;
    // What has come since is on a connection that is lost before it is read, twice.
    let mut token = pair.bob.lose().await;
    for _ in 0..2 {
        let mut bob = V1::connect(&server).await;
        let resumed = bob.ask(resume_in(&token, &chat, 1), "resumed").await;
        assert_eq!(resumed["state"], "idle");
        assert_eq!(resumed["recovered"], true);
        assert_eq!(bob.expect_said("2").await, 2);
        assert_eq!(bob.expect("partner_left").await["reason"], "left");
        token = resumed["resume_token"].clone();
        bob.lose().await;
    }
    // Who says nothing of it has heard it.
    let (mut bob, resumed) = V1::resumed(&server, &token, 2).await;
    assert_eq!(resumed["state"], "idle");
    bob.expect_quiet().await;
    bob.join(PARIS, 10.0).await;
    let token = bob.lose().await;
    let mut bob = V1::connect(&server).await;
    let resumed = bob.ask(resume_in(&token, &chat, 1), "resumed").await;
    assert_eq!(resumed["state"], "waiting");
    bob.expect_quiet().await;
}

#[tokio::test]
async fn a_chat_that_is_none_of_the_session_s_is_not_found() {
    let server = Server::start(&[]);
    let (pair, _) = Pair::in_chat(&server, PARIS).await;
    let (_ann, token) = bob_away(pair).await;
    let mut bob = V1::connect(&server).await;
    let foreign = resume_in(&token, &json!("0123456789abcdef"), 0);
    bob.refused(foreign, "not_found").await;
    let mut bob = V1::connect(&server).await;
    bob.refused(resume_in(&token, &json!("x"), 0), "not_found")
        .await;
    let mut bob = V1::connect(&server).await;
    bob.refused(resume_in(&token, &json!(5), 0), "bad_field")
        .await;
    let (_, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["state"], "chatting");
}
