//! What the wire contract promises to the app of the original server.

mod common;

use common::{Classic, Place, Server, V1, join, joined, with};
use serde_json::{Value, json};

const PARIS: Place = (48.85, 2.35);
const TOKYO: Place = (35.6762, 139.6503);

/// What anybody is told of somebody else.
fn stranger(username: &str) -> Value {
    json!({
        "username": username,
        "location": {"lat": 0.0, "long": 0.0},
        "range": 0,
    })
}

/// A frame that tells of somebody else.
fn frame(kind: &str, username: &str, body: &str) -> Value {
    json!({"type": kind, "from": stranger(username), "body": body})
}

async fn chatting(server: &Server) -> (Classic, Classic) {
    let mut ann = Classic::bound(server, "ann", PARIS, 50).await;
    let mut bob = Classic::bound(server, "bob", PARIS, 50).await;
    expect_connected(&mut ann, &mut bob).await;
    (ann, bob)
}

async fn expect_connected(ann: &mut Classic, bob: &mut Classic) {
    assert_eq!(ann.expect("connected").await, frame("connected", "bob", ""));
    assert_eq!(bob.expect("connected").await, frame("connected", "ann", ""));
}

/// A v1 client named Vera in a chat with a classic one named bob.
async fn mixed(server: &Server) -> (V1, Classic) {
    let mut vera = V1::connect(server).await;
    let wish = json!({"name": "Vera", "interests": ["chess"]});
    vera.ask(with(join(PARIS, 50.0), wish), "waiting").await;
    let mut bob = Classic::bound(server, "bob", PARIS, 50).await;
    let matched = vera.expect("matched").await;
    assert_eq!(
        matched["partner"],
        json!({"name": "bob", "shared_interests": []})
    );
    assert_eq!(matched["distance"], "near");
    assert_eq!(
        bob.expect("connected").await,
        frame("connected", "Vera", "")
    );
    (vera, bob)
}

#[tokio::test]
async fn a_bind_may_be_written_in_many_ways() {
    let server = Server::start(&[]);
    for bind in [
        r#"{"type":"bind","from":{"username":"ann","location":{"lat":48.85,"long":2.35},"range":50},"body":""}"#,
        r#" { "type" : "bind" , "from" : { "username" : "ann" , "location" : { "lat" : 48.85 , "long" : 2.35 } , "range" : 50 } , "body" : "" } "#,
        "{\n\t\"type\": \"bind\",\r\n\t\"from\": {\"username\": \"ann\", \"location\": {\"lat\": 48.85, \"long\": 2.35}, \"range\": 50},\n\t\"body\": \"\"\n}\n",
        r#"{"type":"bind","from":{"username":"ann","location":{"lat":48.85,"long":2.35},"range":50}}"#,
        r#"{"type":"bind","from":{"username":"ann","location":{"lat":48.85,"long":2.35},"range":50},"body":"hello"}"#,
        r#"{"body":"","from":{"range":50,"location":{"long":2.35,"lat":48.85},"username":"ann"},"type":"bind"}"#,
        r#"{"type":"bind","version":3,"from":{"username":"ann","age":[1],"location":{"lat":48.85,"long":2.35,"alt":null},"range":50},"body":""}"#,
    ] {
        let mut ann = Classic::connect(&server).await;
        ann.send(bind).await;
        ann.expect_quiet().await;
        let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
        expect_connected(&mut ann, &mut bob).await;
        ann.close().await;
        bob.close().await;
    }
}

#[tokio::test]
async fn whole_degrees_are_read_and_written_with_a_decimal_point() {
    let server = Server::exact(&[]);
    for (lat, long) in [
        ("1", "2"),
        ("0", "-179"),
        ("-90", "0"),
        ("7.5", "3"),
        ("1e-7", "-1e-7"),
    ] {
        let bind = format!(
            r#"{{"type":"bind","from":{{"username":"ann","location":{{"lat":{lat},"long":{long}}},"range":50}}}}"#
        );
        let place = (
            lat.parse().expect("a number"),
            long.parse().expect("a number"),
        );
        let mut ann = Classic::connect(&server).await;
        ann.send(&bind).await;
        let mut bob = Classic::bound(&server, "bob", place, 40).await;
        expect_connected(&mut ann, &mut bob).await;
        ann.send("hi").await;
        let own = ann.expect_client("ann", "hi").await;
        let location = json!({"lat": place.0, "long": place.1});
        assert_eq!(
            own,
            json!({"username": "ann", "location": location, "range": 50})
        );
        assert_eq!(bob.expect_client("ann", "hi").await, stranger("ann"));
        ann.close().await;
        bob.close().await;
    }
}

#[tokio::test]
async fn text_reaches_both_in_one_order_and_tells_neither_where_the_other_is() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = chatting(&server).await;
    for number in 0..20 {
        let text = format!("message {number}");
        if number % 3 == 0 {
            bob.send(&text).await;
            bob.expect_client("bob", &text).await;
            assert_eq!(ann.expect("client").await, frame("client", "bob", &text));
        } else {
            ann.send(&text).await;
            ann.expect_client("ann", &text).await;
            assert_eq!(bob.expect("client").await, frame("client", "ann", &text));
        }
    }
    ann.send("one").await;
    ann.send("two").await;
    for client in [&mut ann, &mut bob] {
        client.expect_client("ann", "one").await;
        client.expect_client("ann", "two").await;
    }
}

#[tokio::test]
async fn who_sent_a_text_is_told_its_own_place_and_range() {
    let server = Server::start(&[]);
    let (mut ann, _bob) = chatting(&server).await;
    ann.send("hi").await;
    let own = ann.expect_client("ann", "hi").await;
    assert_eq!(own["range"], 50);
    for (key, degrees) in [("lat", PARIS.0), ("long", PARIS.1)] {
        let told = own["location"][key].as_f64().unwrap_or_default();
        assert!((told - degrees).abs() < 0.05, "{key} of {own}");
    }
}

#[tokio::test]
async fn whatever_the_text_is_it_is_chat() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = chatting(&server).await;
    let bind = Classic::bind_text("mallory", TOKYO, 500);
    for text in [
        "",
        " ",
        "{}",
        "{\"type\":",
        r#"{"type":"leave"}"#,
        r#"{"type":"disconnected","from":{},"body":""}"#,
        &bind,
        "a \"quoted\" word, a \\ and a /",
        "two\nlines\r\n\tand a tab, \u{0}, \u{7f}",
        "مرحبا, שלום, 你好, 👩‍👩‍👧‍👦, \u{202e}",
        &"😀".repeat(2000),
    ] {
        ann.send(text).await;
        ann.expect_client("ann", text).await;
        bob.expect_client("ann", text).await;
    }
}

#[tokio::test]
async fn usernames_arrive_as_they_are() {
    let server = Server::start(&[]);
    let mut ann = Classic::bound(&server, "Ann \"Ü\" 😀", PARIS, 50).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    let connected = bob.expect("connected").await;
    assert_eq!(connected["from"], stranger("Ann \"Ü\" 😀"));
    ann.expect("connected").await;
}

#[tokio::test]
async fn text_sent_while_waiting_is_dropped() {
    let server = Server::start(&[]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 50).await;
    ann.send("is anybody there?").await;
    ann.send("").await;
    ann.send("{}").await;
    ann.expect_quiet().await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    expect_connected(&mut ann, &mut bob).await;
    ann.send("hi").await;
    ann.expect_client("ann", "hi").await;
    bob.expect_client("ann", "hi").await;
}

#[tokio::test]
async fn who_is_left_is_told_and_may_bind_again() {
    let server = Server::start(&[]);
    let (mut ann, bob) = chatting(&server).await;
    bob.cut();
    assert_eq!(
        ann.expect("disconnected").await,
        frame("disconnected", "bob", "")
    );
    ann.bind("ann", PARIS, 50).await;
    ann.expect_quiet().await;

    let mut carl = Classic::bound(&server, "carl", PARIS, 50).await;
    assert_eq!(
        ann.expect("connected").await,
        frame("connected", "carl", "")
    );
    assert_eq!(
        carl.expect("connected").await,
        frame("connected", "ann", "")
    );
    carl.close().await;
    assert_eq!(
        ann.expect("disconnected").await,
        frame("disconnected", "carl", "")
    );
    ann.bind("anna", TOKYO, 20).await;

    let mut dora = Classic::bound(&server, "dora", TOKYO, 50).await;
    assert_eq!(
        dora.expect("connected").await,
        frame("connected", "anna", "")
    );
    ann.expect("connected").await;
    ann.send("hi").await;
    assert_eq!(ann.expect_client("anna", "hi").await["range"], 20);
    dora.expect_client("anna", "hi").await;
}

#[tokio::test]
async fn who_leaves_while_waiting_is_matched_with_nobody() {
    let server = Server::start(&[]);
    Classic::bound(&server, "ann", PARIS, 50)
        .await
        .close()
        .await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    bob.expect_quiet().await;
    let mut carl = Classic::bound(&server, "carl", PARIS, 50).await;
    let connected = frame("connected", "carl", "");
    assert_eq!(bob.expect("connected").await, connected);
    carl.expect("connected").await;
}

#[tokio::test]
async fn each_must_be_within_the_range_of_the_other() {
    let server = Server::start(&[]);
    let mut near_only = Classic::bound(&server, "ann", (0.0, 0.0), 50).await;
    let mut anywhere = Classic::bound(&server, "bob", (0.0, 1.0), 500).await;
    near_only.expect_quiet().await;
    anywhere.expect_quiet().await;
    let mut carl = Classic::bound(&server, "carl", (0.0, 0.0), 50).await;
    assert_eq!(
        carl.expect("connected").await,
        frame("connected", "ann", "")
    );
    near_only.expect("connected").await;
    anywhere.expect_quiet().await;
}

#[tokio::test]
async fn a_malformed_bind_closes_with_1008_and_says_why() {
    let server = Server::start(&[]);
    let mut witnesses = chatting(&server).await;
    let from = |from: &str| format!(r#"{{"type":"bind","from":{from},"body":""}}"#);
    let located = |location: &str, range: &str| {
        from(&format!(
            r#"{{"username":"ann","location":{location},"range":{range}}}"#
        ))
    };
    let paris = r#"{"lat":48.85,"long":2.35}"#;
    for bind in [
        String::new(),
        "hello".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"type":"bind"}"#.to_owned(),
        located(paris, "50").replace("bind", "client"),
        located(paris, "50").replace(r#""type":"bind","#, ""),
        located(paris, "50").replace(r#""bind""#, "5"),
        located(paris, "50") + "}",
        from("null"),
        from("[]"),
        from("\"ann\""),
        from("{}"),
        from(&format!(r#"{{"location":{paris},"range":50}}"#)),
        from(&format!(
            r#"{{"username":5,"location":{paris},"range":50}}"#
        )),
        from(&format!(
            r#"{{"username":null,"location":{paris},"range":50}}"#
        )),
        from(r#"{"username":"ann","range":50}"#),
        from(&format!(r#"{{"username":"ann","location":{paris}}}"#)),
        located("null", "50"),
        located("[48.85,2.35]", "50"),
        located("{}", "50"),
        located(r#"{"lat":48.85}"#, "50"),
        located(r#"{"long":2.35}"#, "50"),
        located(r#"{"lat":48.85,"lon":2.35}"#, "50"),
        located(r#"{"lat":"48.85","long":2.35}"#, "50"),
        located(r#"{"lat":null,"long":2.35}"#, "50"),
        located(r#"{"lat":90.1,"long":2.35}"#, "50"),
        located(r#"{"lat":48.85,"long":-180.1}"#, "50"),
        located(r#"{"lat":1e999,"long":2.35}"#, "50"),
        located(r#"{"lat":NaN,"long":2.35}"#, "50"),
        located(paris, "\"50\""),
        located(paris, "null"),
        located(paris, "true"),
        located(paris, "-1"),
        located(paris, "1e999"),
    ] {
        let mut client = Classic::connect(&server).await;
        client.send(&bind).await;
        let (code, reason) = client.expect_close().await;
        assert_eq!(code, 1008, "for {bind}");
        assert!(reason.trim().contains(' '), "told {reason:?} for {bind}");
    }
    witnesses.0.send("hi").await;
    witnesses.0.expect_client("ann", "hi").await;
    witnesses.1.expect_client("ann", "hi").await;
}

#[tokio::test]
async fn a_malformed_bind_after_a_chat_closes_as_well() {
    let server = Server::start(&[]);
    let (mut ann, bob) = chatting(&server).await;
    bob.close().await;
    ann.expect("disconnected").await;
    ann.send(r#"{"type":"bind","from":{}}"#).await;
    assert_eq!(ann.expect_close().await.0, 1008);
}

#[tokio::test]
async fn the_two_dialects_chat_with_each_other() {
    let server = Server::start(&[]);
    let (mut vera, mut bob) = mixed(&server).await;
    for (number, text) in (1..).zip(["hello", r#"{"type":"leave"}"#, "two\nlines 😀"]) {
        assert_eq!(vera.say(text).await, number);
        assert_eq!(bob.expect("client").await, frame("client", "Vera", text));
        bob.send(text).await;
        bob.expect_client("bob", text).await;
        assert_eq!(vera.expect_said(text).await, number);
    }
    vera.send(json!({"type": "ack", "seq": 3})).await;
    vera.send(json!({"type": "typing", "on": true})).await;
    vera.expect_quiet().await;
    bob.expect_quiet().await;
}

#[tokio::test]
async fn a_classic_client_that_waits_is_found_by_a_v1_client() {
    let server = Server::start(&[]);
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    let mut nameless = joined(&server, PARIS, 50.0).await;
    let matched = nameless.expect("matched").await;
    assert_eq!(matched["partner"]["name"], "bob");
    let connected = bob.expect("connected").await;
    let location = json!({"lat": 0.0, "long": 0.0});
    assert_eq!(connected["from"]["location"], location);
    assert_eq!(connected["from"]["range"], 0);
}

#[tokio::test]
async fn a_v1_client_that_leaves_is_told_to_a_classic_one() {
    let server = Server::start(&[]);
    for message in ["leave", "next"] {
        let (mut vera, mut bob) = mixed(&server).await;
        vera.send(json!({"type": message})).await;
        let told = bob.expect("disconnected").await;
        assert_eq!(told, frame("disconnected", "Vera", ""), "after {message}");
        bob.bind("bob", TOKYO, 50).await;
        bob.expect_quiet().await;
        bob.close().await;
        vera.close().await;
    }
}

#[tokio::test]
async fn a_classic_client_that_is_cut_off_is_lost_to_a_v1_one() {
    let server = Server::start(&[]);
    let (mut vera, bob) = mixed(&server).await;
    bob.cut();
    assert_eq!(vera.expect("partner_left").await["reason"], "lost");
}

#[tokio::test]
async fn the_range_of_each_counts_between_dialects() {
    let server = Server::start(&[]);
    let mut vera = joined(&server, (0.0, 0.0), 50.0).await;
    let mut bob = Classic::bound(&server, "bob", (0.0, 1.0), 500).await;
    vera.expect_still_waiting().await;
    bob.expect_quiet().await;
    vera.ask(json!({"type": "update", "range_km": 500}), "waiting")
        .await;
    assert_eq!(vera.expect("matched").await["distance"], "far");
    bob.expect("connected").await;
}

#[tokio::test]
async fn a_stop_closes_idle_waiting_and_chatting_clients() {
    let server = Server::start(&[]);
    let (ann, bob) = chatting(&server).await;
    let idle = Classic::connect(&server).await;
    let waiting = Classic::bound(&server, "carl", TOKYO, 50).await;
    server.terminate();
    for mut client in [idle, waiting, ann, bob] {
        let (code, _) = client.expect_close().await;
        assert!([1001, 4200].contains(&code), "closed with {code}");
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test]
async fn a_v1_client_that_blocks_a_classic_one_is_gone_for_it() {
    let server = Server::start(&[("matching.rematch_cooloff_s", "0")]);
    let mut vera = joined(&server, PARIS, 50.0).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    let chat = vera.expect("matched").await["chat"].clone();
    bob.expect("connected").await;
    vera.ask(json!({"type": "block", "chat": chat}), "blocked")
        .await;
    vera.expect("idle").await;
    bob.expect("disconnected").await;
    bob.bind("bob", PARIS, 50).await;
    bob.expect_quiet().await;
    vera.join(PARIS, 50.0).await;
    vera.expect_still_waiting().await;
    bob.expect_quiet().await;
}

#[tokio::test]
async fn a_classic_client_that_was_cut_off_cannot_come_back_to_its_chat() {
    let server = Server::start(&[]);
    let (mut ann, bob) = chatting(&server).await;
    bob.lose().await;
    ann.expect("disconnected").await;
    let mut bob = Classic::bound(&server, "bob", TOKYO, 50).await;
    bob.expect_quiet().await;
    ann.expect_quiet().await;
}

#[tokio::test]
async fn classic_partners_are_not_paired_again_while_they_stay_connected() {
    let server = Server::start(&[]);
    let mut vera = joined(&server, PARIS, 50.0).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    vera.expect("matched").await;
    bob.expect("connected").await;
    vera.ask(json!({"type": "next"}), "waiting").await;
    bob.expect("disconnected").await;
    bob.bind("bob", PARIS, 50).await;
    bob.expect_quiet().await;
    vera.expect_still_waiting().await;
}
