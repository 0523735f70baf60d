//! Messages that a service is asked about before they are passed on.

use crate::common::{Classic, Pair, Place, Request, Server, V1, joined};
use crate::service::{HELD, SENTENCE, Service, url};
use crate::{PARIS, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TOKYO: Place = (35.68, 139.69);
const TOKEN: &str = "what-the-service-is-shown";

/// Longer than anything takes here, however busy the machine is.
const PATIENT: (&str, &str) = ("message_check.timeout_ms", "10000");
const REFUSES: (&str, &str) = ("message_check.when_away", "refuse");
const WATCHED: (&str, &str) = ("admin_listen", "127.0.0.1:0");

/// A server that asks this service.
fn checked(service: &Service, more: &[(&str, &str)]) -> Server {
    checked_at(&service.url(), more)
}

fn checked_at(url: &str, more: &[(&str, &str)]) -> Server {
    Server::start(&[&[("message_check.url", url), PATIENT], more].concat())
}

fn say(text: &str) -> Value {
    json!({"type": "say", "text": text})
}

fn say_as(id: &str, text: &str) -> Value {
    json!({"type": "say", "text": text, "id": id})
}

/// The next message must accept one of this id, under this number.
async fn expect_accepted(client: &mut V1, id: &str, seq: u64) {
    let accepted = client.expect("accepted").await;
    assert_eq!(
        (&accepted["id"], &accepted["seq"]),
        (&json!(id), &json!(seq))
    );
}

fn retry_after_ms(error: &Value) -> u64 {
    let ms = error["retry_after_ms"].as_u64();
    ms.unwrap_or_else(|| panic!("{error} does not say when to try again"))
}

/// Waits until a figure is told, as `name{labels} value`.
async fn told(server: &Server, line: &str) {
    let admin = server.admin_address().await;
    let wanted = format!("whisperchat_{line}\n");
    until(line, async || {
        let (_, figures) = Request::get("/metrics").ask(admin).await;
        figures.contains(&wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_found_good_is_passed_on_and_what_is_not_is_refused_with_a_sentence() {
    let service = Service::start().await;
    let more = [
        ("message_check.token", TOKEN),
        ("log.level", "trace"),
        WATCHED,
    ];
    let server = checked(&service, &more);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    assert_eq!(pair.ann.say("hello").await, 1);
    assert_eq!(pair.bob.expect_said("hello").await, 1);
    let error = pair
        .ann
        .refused(say("refused: 555 0100"), "bad_field")
        .await;
    let told_why = format!("`text` was refused: {SENTENCE}");
    assert_eq!(error["message"], told_why);
    assert_eq!(error.get("retry_after_ms"), None, "{error}");
    let error = pair
        .ann
        .refused(say("refused without a word"), "bad_field")
        .await;
    assert!(error["message"].as_str().unwrap().contains("`text`"));
    // It does not count as said.
    assert_eq!(pair.ann.say("sorry").await, 2);
    assert_eq!(pair.bob.expect_said("sorry").await, 2);
    pair.expect_undisturbed().await;

    let mut ids = BTreeSet::new();
    for asked in service.asked() {
        let body = asked.body.as_object().expect("an object");
        let keys: Vec<_> = body.keys().map(String::as_str).collect();
        assert_eq!(keys, ["chat", "id", "text"], "and nothing else");
        assert_eq!(body["chat"], chat);
        ids.insert(body["id"].to_string());
        let head = &asked.head;
        assert!(head.starts_with("post /check http/1.1\r\n"), "{head}");
        let shown = format!("\r\nauthorization: bearer {TOKEN}\r\n");
        assert!(head.contains(&shown), "{head}");
        assert!(
            head.contains("\r\ncontent-type: application/json\r\n"),
            "{head}"
        );
    }
    assert_eq!(ids.len(), 6);
    for line in [
        "message_checks_total{outcome=\"passed\"} 4",
        "message_checks_total{outcome=\"refused\"} 2",
        "message_checks_total{outcome=\"away\"} 0",
        "message_check_seconds_count 6",
        "errors_total{code=\"bad_field\"} 2",
    ] {
        told(&server, line).await;
    }
    let printed = server.printed("listens on").await;
    for personal in ["555 0100", "sorry", TOKEN, SENTENCE] {
        assert!(!printed.contains(personal), "{printed}");
    }
}

#[tokio::test]
async fn in_the_classic_dialect_what_is_refused_is_shown_to_neither() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 10).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    tokio::join!(ann.expect("connected"), bob.expect("matched"));
    for text in ["hello", "refused: 555 0100", "bye"] {
        ann.send(text).await;
    }
    for (number, text) in [(1, "hello"), (2, "bye")] {
        ann.expect_client("ann", text).await;
        assert_eq!(bob.expect_said(text).await, number);
    }
    bob.refused(say("refused: 555 0100"), "bad_field").await;
    bob.say("bye").await;
    ann.expect_client("stranger", "bye").await;
}

#[tokio::test]
async fn nobody_is_told_anything_before_the_verdict_and_nothing_else_waits_for_it() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    service.asked_about(HELD).await;
    pair.ann.expect_quiet().await;
    pair.bob.expect_quiet().await;
    pair.ann.send(json!({"type": "typing", "on": true})).await;
    pair.bob.expect("typing").await;
    pair.bob.say("are you there?").await;
    pair.ann.expect_said("are you there?").await;
    service.release();
    expect_accepted(&mut pair.ann, "m1", 1).await;
    pair.bob.expect_said(HELD).await;
    pair.bob.send(json!({"type": "ack", "seq": 1})).await;
    assert_eq!(pair.ann.expect("delivered").await["seq"], 1);
}

/// Reads until so many were accepted and so many were said, and holds both to their order.
async fn expect_all_in_order(client: &mut V1, own: &str, others: &str, count: usize) {
    let (mut accepted, mut said) = (Vec::new(), Vec::new());
    while accepted.len() < count || said.len() < count {
        let message = client.next_json().await;
        let seq = message["seq"].as_u64().expect("a number");
        match message["type"].as_str() {
            Some("accepted") => accepted.push((seq, message["id"].to_string())),
            Some("said") => said.push((seq, message["text"].to_string())),
            _ => client.fail(format!("wanted what was said, got {message}")),
        }
    }
    let expected = |who: &str| -> Vec<_> {
        let numbers = 1..=count;
        numbers
            .map(|n| (n as u64, json!(format!("late {who} {n}")).to_string()))
            .collect()
    };
    assert_eq!(accepted, expected(own));
    assert_eq!(said, expected(others));
}

#[tokio::test]
async fn many_that_are_thought_about_for_different_times_arrive_in_order_and_once() {
    const MANY: usize = 60;
    let service = Service::start().await;
    let server = checked(&service, &[("message_check.waiting_max", "256")]);
    let (mut here, mut there) = (
        Pair::chatting(&server, PARIS).await,
        Pair::chatting(&server, TOKYO).await,
    );
    let everybody = || ["ann", "bob", "eve", "joe"].into_iter();
    let mut clients = [&mut here.ann, &mut here.bob, &mut there.ann, &mut there.bob];
    for number in 1..=MANY {
        for (client, name) in clients.iter_mut().zip(everybody()) {
            let text = format!("late {name} {number}");
            client.send(say_as(&text, &text)).await;
        }
    }
    let others = ["bob", "ann", "joe", "eve"];
    for ((client, own), other) in clients.iter_mut().zip(everybody()).zip(others) {
        expect_all_in_order(client, own, other, MANY).await;
    }
    here.expect_undisturbed().await;
    there.expect_undisturbed().await;
}

#[tokio::test]
async fn what_was_said_in_one_chat_never_reaches_the_next() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    pair.ann.send(say_as("m2", "and this")).await;
    service.asked_about(HELD).await;
    pair.bob.ask(json!({"type": "leave"}), "idle").await;
    pair.ann.expect("partner_left").await;
    pair.ann.ask(json!({"type": "next"}), "waiting").await;
    let mut eve = joined(&server, PARIS, 10.0).await;
    tokio::join!(pair.ann.expect("matched"), eve.expect("matched"));
    service.release();
    let outside = pair.bob.refused(say("anybody?"), "wrong_state").await;
    for id in ["m1", "m2"] {
        let error = pair.ann.expect_error("wrong_state").await;
        assert_eq!(
            (&error["id"], &error["message"]),
            (&json!(id), &outside["message"])
        );
    }
    eve.expect_quiet().await;
    assert_eq!(pair.ann.say("hello, eve").await, 1);
    assert_eq!(eve.expect_said("hello, eve").await, 1);
    assert_eq!(service.texts(), [HELD, "hello, eve"]);
}

#[tokio::test]
async fn what_a_classic_client_said_in_one_chat_never_reaches_the_next() {
    let service = Service::start().await;
    let server = checked(&service, &[WATCHED]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 10).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    tokio::join!(ann.expect("connected"), bob.expect("matched"));
    ann.send(HELD).await;
    service.asked_about(HELD).await;
    bob.ask(json!({"type": "leave"}), "idle").await;
    ann.expect("disconnected").await;
    ann.bind("ann", PARIS, 10).await;
    let mut eve = joined(&server, PARIS, 10.0).await;
    tokio::join!(ann.expect("connected"), eve.expect("matched"));
    service.release();
    told(&server, "errors_total{code=\"wrong_state\"} 1").await;
    ann.expect_quiet().await;
    eve.expect_quiet().await;
    ann.send("hello, eve").await;
    assert_eq!(eve.expect_said("hello, eve").await, 1);
    ann.expect_client("ann", "hello, eve").await;
}

#[tokio::test]
async fn while_the_service_is_away_messages_pass_unchecked_if_the_settings_say_so() {
    let address = Service::nowhere().await;
    let server = checked_at(&url(address), &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..5 {
        pair.expect_undisturbed().await;
    }
    let service = Service::at(address).await;
    until("the service to be asked again", async || {
        pair.expect_undisturbed().await;
        (!service.asked().is_empty()).then_some(())
    })
    .await;
    let printed = server.printed("messages are checked again").await;
    let complaints = printed.matches("messages can't be checked").count();
    assert_eq!(complaints, 1, "{printed}");
    pair.ann.refused(say("refused"), "bad_field").await;
}

#[tokio::test]
async fn while_the_service_is_away_messages_are_refused_for_now_if_the_settings_say_so() {
    let address = Service::nowhere().await;
    let server = checked_at(&url(address), &[REFUSES]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    // More than the errors that would end a connection.
    for _ in 0..30 {
        let error = pair.ann.refused(say("hello"), "rate_limited").await;
        assert!(retry_after_ms(&error) > 0);
    }
    pair.bob.expect_quiet().await;
    let _service = Service::at(address).await;
    until("it to be accepted", async || {
        pair.ann.send(say_as("m1", "hello")).await;
        let answer = pair.ann.next_json().await;
        assert_eq!(answer["id"], "m1");
        (answer["type"] == "accepted").then_some(())
    })
    .await;
    assert_eq!(pair.bob.expect_said("hello").await, 1);
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn whatever_is_no_verdict_counts_as_away() {
    let service = Service::start().await;
    let server = checked(&service, &[REFUSES]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for answer in [
        r#"503 Service Unavailable|{"verdict":"pass"}"#,
        r#"201 Created|{"verdict":"pass"}"#,
        "204 No Content|",
        "302 Found|",
        "200 OK|",
        "200 OK|{}",
        "200 OK|pass",
        r#"200 OK|"pass""#,
        r#"200 OK|{"verdict":"maybe"}"#,
        r#"200 OK|{"verdict":true}"#,
        r#"200 OK|{"verdict":"refuse","message":7}"#,
        r#"200 OK|{"verdict":"pass""#,
    ] {
        let text = format!("answer {answer}");
        pair.ann.refused(say(&text), "rate_limited").await;
        pair.ann.say("hello").await;
        pair.bob.expect_said("hello").await;
    }
}

#[tokio::test]
async fn who_is_too_slow_counts_as_away() {
    for (when_away, is_said) in [("pass", true), ("refuse", false)] {
        let service = Service::start().await;
        let more = [
            ("message_check.timeout_ms", "100"),
            ("message_check.when_away", when_away),
            WATCHED,
        ];
        let server = checked(&service, &more);
        let mut pair = Pair::chatting(&server, PARIS).await;
        if is_said {
            pair.ann.say(HELD).await;
            pair.bob.expect_said(HELD).await;
        } else {
            pair.ann.refused(say(HELD), "rate_limited").await;
        }
        told(&server, "message_checks_total{outcome=\"away\"} 1").await;
        // What it says too late makes no difference.
        service.release();
        pair.ann.expect_quiet().await;
        pair.bob.expect_quiet().await;
    }
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone() {
    let service = Service::start().await;
    let server = checked(&service, &[REFUSES]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..20 {
        let fails = say("answer 500 Internal Server Error|");
        pair.ann.refused(fails, "rate_limited").await;
    }
    let asked = service.asked().len();
    assert!((5..15).contains(&asked), "asked {asked} times");
    until("it to be asked again", async || {
        let (ann, say) = (&mut pair.ann, say_as("m1", "hello"));
        ann.send(say).await;
        (ann.next_json().await["type"] == "accepted").then_some(())
    })
    .await;
    pair.bob.expect_said("hello").await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn more_than_may_wait_are_refused_for_now() {
    let service = Service::start().await;
    let server = checked(&service, &[("message_check.waiting_max", "2")]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    pair.ann.send(say_as("m2", "two")).await;
    service.asked_about(HELD).await;
    pair.ann.send(say_as("m3", "three")).await;
    let error = pair.ann.expect_error("rate_limited").await;
    assert_eq!(error["id"], "m3");
    assert!(retry_after_ms(&error) > 0);
    // What waits already is not too much.
    pair.ann.send(say_as("m1", HELD)).await;
    pair.ann.expect_quiet().await;
    // The other side has room of its own.
    pair.bob.say("hello?").await;
    pair.ann.expect_said("hello?").await;
    service.release();
    expect_accepted(&mut pair.ann, "m1", 1).await;
    expect_accepted(&mut pair.ann, "m2", 2).await;
    pair.ann.send(say_as("m3", "three")).await;
    expect_accepted(&mut pair.ann, "m3", 3).await;
    for text in [HELD, "two", "three"] {
        pair.bob.expect_said(text).await;
    }
}

#[tokio::test]
async fn one_whose_checks_hang_holds_up_nobody_else() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut stuck = Pair::chatting(&server, PARIS).await;
    let mut others = Pair::chatting(&server, TOKYO).await;
    stuck.ann.send(say_as("m1", HELD)).await;
    service.asked_about(HELD).await;
    for _ in 0..10 {
        others.expect_undisturbed().await;
    }
    stuck.bob.expect_quiet().await;
    service.release();
    expect_accepted(&mut stuck.ann, "m1", 1).await;
    stuck.bob.expect_said(HELD).await;
}

#[tokio::test]
async fn no_more_are_asked_about_at_once_than_may_be() {
    let service = Service::start().await;
    let server = checked(&service, &[("message_check.checks_at_once", "1")]);
    let mut first = Pair::chatting(&server, PARIS).await;
    let mut second = Pair::chatting(&server, TOKYO).await;
    first.ann.send(say_as("m1", HELD)).await;
    service.asked_about(HELD).await;
    second.ann.send(say_as("m1", "hello")).await;
    second.ann.expect_quiet().await;
    assert_eq!(service.texts(), [HELD]);
    service.release();
    for pair in [&mut first, &mut second] {
        expect_accepted(&mut pair.ann, "m1", 1).await;
    }
    second.bob.expect_said("hello").await;
}

#[tokio::test]
async fn what_is_said_twice_during_a_check_arrives_once_and_is_answered_twice() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..2 {
        pair.ann.send(say_as("m1", HELD)).await;
    }
    service.asked_about(HELD).await;
    pair.ann.expect_quiet().await;
    service.release();
    for _ in 0..2 {
        expect_accepted(&mut pair.ann, "m1", 1).await;
    }
    pair.bob.expect_said(HELD).await;
    pair.bob.expect_quiet().await;
    assert_eq!(service.texts(), [HELD], "of what was accepted nobody asks");
}

#[tokio::test]
async fn what_was_refused_is_checked_anew_when_it_is_said_again() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..2 {
        pair.ann.send(say_as("m1", "refused")).await;
        let error = pair.ann.expect_error("bad_field").await;
        assert_eq!(error["id"], "m1");
    }
    assert_eq!(service.texts(), ["refused", "refused"]);
    pair.ann.send(say_as("m1", "put otherwise")).await;
    expect_accepted(&mut pair.ann, "m1", 1).await;
    pair.bob.expect_said("put otherwise").await;
}

#[tokio::test]
async fn who_is_away_when_the_verdict_comes_has_said_it_all_the_same() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    service.asked_about(HELD).await;
    let token = pair.ann.lose().await;
    pair.bob.expect("partner_away").await;
    service.release();
    assert_eq!(pair.bob.expect_said(HELD).await, 1);
    let (mut ann, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["recovered"], true);
    pair.bob.expect("partner_back").await;
    ann.send(say_as("m1", HELD)).await;
    expect_accepted(&mut ann, "m1", 1).await;
    pair.bob.expect_quiet().await;
}

#[tokio::test]
async fn who_comes_back_during_a_check_and_says_it_again_is_heard_once_and_in_order() {
    let service = Service::start().await;
    let server = checked(&service, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    pair.ann.send(say_as("m2", "refused")).await;
    pair.ann.send(say_as("m3", "three")).await;
    service.asked_about(HELD).await;
    let token = pair.ann.lose().await;
    pair.bob.expect("partner_away").await;
    let (mut ann, _) = V1::resumed(&server, &token, 0).await;
    pair.bob.expect("partner_back").await;
    for (id, text) in [("m1", HELD), ("m3", "three"), ("m4", "four")] {
        ann.send(say_as(id, text)).await;
    }
    ann.expect_quiet().await;
    service.release();
    expect_accepted(&mut ann, "m1", 1).await;
    assert_eq!(ann.expect_error("bad_field").await["id"], "m2");
    for (id, seq) in [("m3", 2), ("m1", 1), ("m3", 2), ("m4", 3)] {
        expect_accepted(&mut ann, id, seq).await;
    }
    for text in [HELD, "three", "four"] {
        pair.bob.expect_said(text).await;
    }
    pair.bob.expect_quiet().await;
}

#[tokio::test]
async fn who_has_gone_for_good_says_nothing_more() {
    let service = Service::start().await;
    let server = checked(&service, &[WATCHED]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    pair.ann.send(say_as("m1", HELD)).await;
    service.asked_about(HELD).await;
    pair.ann.close().await;
    pair.bob.expect("partner_left").await;
    service.release();
    told(&server, "message_checks_total{outcome=\"passed\"} 1").await;
    pair.bob.expect_quiet().await;
    pair.bob.ask(json!({"type": "next"}), "waiting").await;
    let mut eve = joined(&server, PARIS, 10.0).await;
    tokio::join!(pair.bob.expect("matched"), eve.expect("matched"));
    eve.say("hello").await;
    assert_eq!(pair.bob.expect_said("hello").await, 1);
}

#[tokio::test]
async fn what_is_done_while_it_is_away_and_what_it_is_shown_change_without_a_restart() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().expect("folders can be made");
    let path = folder.path().join("whisperchat.toml");
    let url = service.url();
    let write = |more: &str| {
        let text = format!("[message_check]\nurl = \"{url}\"\n{more}");
        std::fs::write(&path, text).expect("files can be written");
    };
    write("timeout_ms = 10000\n");
    let server = Server::with_file(&path, &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    let fails = "answer 500 Internal Server Error|";
    pair.ann.say(fails).await;
    pair.bob.expect_said(fails).await;
    write(&format!(
        "timeout_ms = 10000\nwhen_away = \"refuse\"\ntoken = \"{TOKEN}\"\n"
    ));
    server.signal("-HUP");
    let changed = r#"changed="message_check.token, message_check.when_away""#;
    server.printed(changed).await;
    pair.ann.refused(say(fails), "rate_limited").await;
    let shown = |asked: &crate::service::Asked| asked.head.contains(TOKEN);
    let shown: Vec<_> = service.asked().iter().map(shown).collect();
    assert_eq!(shown, [false, true]);
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_words() {
    for (key, value, words) in [
        (
            "message_check.url",
            "ftp://check",
            "must be http:// or https://",
        ),
        (
            "message_check.url",
            "http://user:pass@check",
            "must be http:// or https://",
        ),
        (
            "message_check.timeout_ms",
            "5",
            "must be 10 to 10000 whole ms, not 5",
        ),
        (
            "message_check.when_away",
            "maybe",
            "must be pass or refuse, not \"maybe\"",
        ),
        ("message_check.waiting_max", "0", "must be 1 to 256, not 0"),
        ("message_check.checks_at_once", "0", "must be 1 to 1024"),
        ("message_check.token", "short", "must be 16 to 1024 visible"),
        (
            "message_check.token_file",
            "/nowhere/at/all",
            "must be a file that can be read",
        ),
    ] {
        let (code, _, stderr) = Server::refused(&[(key, value)]);
        assert_eq!(code, Some(2), "{key}: {stderr}");
        assert!(stderr.contains(words), "{key}: {stderr}");
        assert!(!stderr.contains("short"), "a secret is not shown: {stderr}");
    }
}
