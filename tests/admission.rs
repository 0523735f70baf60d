//! Who may come and how much they may do: limits per address, for the whole server and per session, and whose
//! address it is behind proxies. Loopback is exempt by default, so these tests ask for it not to be.

mod common;

use common::{Classic, Frame, Pair, Place, Raw, Request, Response, Server, V1, join, within};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::time::Duration;

const V1_PATH: &str = "/v1/ws";
const PARIS: Place = (48.8566, 2.3522);

/// Nobody is exempt.
const ALL: (&str, &str) = ("rates.exempt", "[]");

/// What comes from this machine comes from a proxy that says in each request whose it is.
const BEHIND: (&str, &str) = ("security.trusted_proxies", r#"["127.0.0.0/8"]"#);

fn retry_after_s(response: &Response) -> u64 {
    let seconds = response.header("Retry-After").map(str::parse);
    seconds
        .unwrap_or_else(|| panic!("no Retry-After: {response:?}"))
        .expect("a number of seconds")
}

async fn upgrade_for(server: &Server, address: &str) -> (Response, Raw) {
    let request = Request::upgrade(V1_PATH).with("X-Forwarded-For", address);
    request.send(server).await
}

#[tokio::test]
async fn new_websockets_of_an_address_have_a_burst_and_a_rate() {
    let server = Server::start(&[
        ALL,
        ("rates.address.burst", "2"),
        ("rates.address.per_minute", "60"),
    ]);
    for path in [V1_PATH, "/"] {
        let (response, _) = Request::upgrade(path).send(&server).await;
        assert_eq!(response.status, 101);
    }
    let (response, mut raw) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(response.status, 429);
    assert_eq!(retry_after_s(&response), 1);
    raw.read_to_end().await;
    let (page, _) = Request::get("/").send(&server).await;
    assert_eq!(page.status, 200, "a page is no WebSocket");
    server.printed("limit=\"address_rate\"").await;
    within("the rate to allow one more", async {
        while Request::upgrade(V1_PATH).send(&server).await.0.status != 101 {}
    })
    .await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_at_once() {
    let server = Server::start(&[ALL, ("limits.address_connections", "2")]);
    let ann = V1::connect(&server).await;
    let (answer, kept_alive) = Request::get("/nothing").send(&server).await;
    assert_eq!(answer.status, 404);
    let (response, mut third) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(response.status, 429);
    assert!(retry_after_s(&response) > 0);
    third.read_to_end().await;
    let (page, mut fourth) = Request::get("/").send(&server).await;
    assert_eq!(page.status, 429);
    fourth.read_to_end().await;
    drop((ann, kept_alive));
    within("a place to be free", async {
        while Request::upgrade(V1_PATH).send(&server).await.0.status != 101 {}
    })
    .await;
}

#[tokio::test]
async fn far_too_many_connections_of_an_address_are_not_answered() {
    let server = Server::start(&[
        ALL,
        ("limits.address_connections", "2"),
        ("limits.request_head_s", "60"),
    ]);
    let mut ends = FuturesUnordered::new();
    for _ in 0..7 {
        let mut silent = Raw::connect(&server).await;
        ends.push(async move { silent.read_to_end().await });
    }
    // Of the other four, two would be answered, and two would be refused with an answer.
    for _ in 0..3 {
        assert_eq!(ends.next().await, Some(Vec::new()));
    }
    drop(ends);
    within("a place to be free", async {
        loop {
            let mut raw = Raw::connect(&server).await;
            let request = b"GET /icon.svg HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
            raw.send(request).await;
            if raw.read_to_end().await.starts_with(b"HTTP/1.1 200 ") {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn loopback_is_exempt_by_default() {
    let server = Server::start(&[
        ("rates.address.burst", "1"),
        ("rates.node.burst", "1"),
        ("rates.messages.burst", "1"),
        ("limits.address_connections", "1"),
    ]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for number in 0..100 {
        pair.ann.say(&number.to_string()).await;
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_lets_pass() {
    let server = Server::start(&[
        ALL,
        ("rates.address.burst", "1"),
        ("rates.address.dry_run", "true"),
        ("rates.node.burst", "1"),
        ("rates.node.per_minute", "1"),
        ("rates.node.dry_run", "true"),
        ("rates.messages.burst", "1"),
        ("rates.messages.dry_run", "true"),
        ("limits.address_connections", "1"),
        ("limits.address_connections_dry_run", "true"),
        ("limits.errors_per_minute", "1"),
        ("limits.errors_dry_run", "true"),
    ]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for text in ["one", "two", "three"] {
        pair.ann.say(text).await;
    }
    pair.ann
        .refused(json!({"type": "sing"}), "unknown_type")
        .await;
    pair.ann.say("four").await;
    for limit in [
        "address_rate",
        "node_rate",
        "messages",
        "address_connections",
        "errors",
    ] {
        server
            .printed(&format!("limit={limit:?} refused=0 let_pass=1"))
            .await;
    }
}

#[tokio::test]
async fn moves_can_be_a_dry_run_and_have_a_rate() {
    let to = |lon: f64| json!({"type": "update", "position": {"lat": 0.0, "lon": lon}});
    let dry = Server::exact(&[
        ("limits.moves_burst", "1"),
        ("limits.moves_dry_run", "true"),
    ]);
    let mut ann = common::joined(&dry, (0.0, 0.0), 10.0).await;
    for lon in [1.0, 2.0, 3.0] {
        ann.ask(to(lon), "waiting").await;
    }
    dry.printed("limit=\"moves\"").await;
    let slow = Server::exact(&[
        ("limits.moves_burst", "1"),
        ("limits.moves_per_minute", "0.5"),
    ]);
    let mut ann = common::joined(&slow, (0.0, 0.0), 10.0).await;
    ann.ask(to(1.0), "waiting").await;
    let error = ann.refused(to(2.0), "rate_limited").await;
    let wait_ms = error["retry_after_ms"].as_u64();
    assert!(
        wait_ms.is_some_and(|ms| (60_000..=120_000).contains(&ms)),
        "{error}"
    );
}

#[tokio::test]
async fn new_websockets_of_everybody_together_have_a_rate() {
    let server = Server::start(&[
        ALL,
        BEHIND,
        ("rates.node.burst", "2"),
        ("rates.node.per_minute", "6"),
    ]);
    let mut statuses = Vec::new();
    for number in 1..=3 {
        let (response, _) = upgrade_for(&server, &format!("198.51.100.{number}")).await;
        if response.status == 503 {
            assert!((1..=10).contains(&retry_after_s(&response)), "{response:?}");
        }
        statuses.push(response.status);
    }
    assert_eq!(statuses, [101, 101, 503]);
}

fn retry_after_ms(error: &Value) -> u64 {
    error["retry_after_ms"]
        .as_u64()
        .expect("when it would be possible")
}

#[tokio::test]
async fn a_session_that_says_too_much_is_told_when_it_may_go_on() {
    let server = Server::start(&[
        ALL,
        ("rates.messages.burst", "3"),
        ("rates.messages.per_minute", "120"),
        ("rates.typing.burst", "1"),
        ("rates.joins.burst", "1"),
        ("rates.joins.per_minute", "6"),
    ]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for text in ["one", "two", "three"] {
        pair.ann.say(text).await;
        pair.bob.expect_said(text).await;
    }
    let say = json!({"type": "say", "text": "four"});
    let error = pair.ann.refused(say, "rate_limited").await;
    assert!((1..=500).contains(&retry_after_ms(&error)), "{error}");
    // The partner has limits of its own, and each kind of message has.
    pair.bob.say("hello").await;
    pair.ann.expect_said("hello").await;
    let typing = json!({"type": "typing", "on": true});
    pair.ann.send(typing.clone()).await;
    pair.bob.expect("typing").await;
    pair.ann.refused(typing, "rate_limited").await;
    tokio::time::sleep(Duration::from_millis(retry_after_ms(&error))).await;
    pair.ann.say("four").await;
    pair.bob.expect_said("four").await;
    // `join` was the one that is allowed; leaving is never too much.
    let error = pair
        .ann
        .refused(json!({"type": "next"}), "rate_limited")
        .await;
    assert!((1..=10_000).contains(&retry_after_ms(&error)), "{error}");
    pair.ann.ask(json!({"type": "leave"}), "idle").await;
}

#[tokio::test]
async fn who_does_not_heed_what_it_is_told_is_closed() {
    let server = Server::start(&[
        ALL,
        ("rates.messages.burst", "1"),
        ("rates.messages.per_minute", "1"),
    ]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..30 {
        pair.ann.send_text(r#"{"type":"say","text":"flood"}"#).await;
    }
    let (told, code) = pair.ann.drain_until_close().await;
    assert_eq!(code, 4001);
    let errors = told
        .iter()
        .filter(|it| it["code"] == "rate_limited")
        .count();
    assert_eq!(errors, 20);
    pair.bob.expect_said("flood").await;
    pair.bob.expect("partner_left").await;
}

#[tokio::test]
async fn a_classic_client_that_says_too_much_is_closed_with_4102() {
    let server = Server::start(&[ALL, ("rates.messages.burst", "2")]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 10).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 10).await;
    ann.expect("connected").await;
    bob.expect("connected").await;
    for text in ["one", "two"] {
        ann.send(text).await;
        ann.expect_client("ann", text).await;
        bob.expect_client("ann", text).await;
    }
    ann.send("three").await;
    assert_eq!(ann.expect_close().await.0, 4102);
    bob.expect("disconnected").await;
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_request_it_is_and_nobody_else_does() {
    let settings = [
        ALL,
        ("rates.address.burst", "1"),
        ("rates.address.per_minute", "0.1"),
    ];
    let trusting = Server::start(&[settings[0], settings[1], settings[2], BEHIND]);
    let cases = [
        ("198.51.100.1", 101),
        ("198.51.100.1", 429),
        ("198.51.100.2", 101),
        // Further left stands what the client said.
        ("203.0.113.7, 198.51.100.2", 429),
        ("198.51.100.1, 198.51.100.3", 101),
        // A proxy before the proxy.
        ("198.51.100.3, 127.0.0.9", 429),
        // The two are of one network of 64 bits, the third is not.
        ("2001:db8:1:2::1", 101),
        ("2001:db8:1:2:8000::1", 429),
        ("2001:db8:1:3::1", 101),
    ];
    for (number, (address, status)) in cases.into_iter().enumerate() {
        let (response, _) = upgrade_for(&trusting, address).await;
        assert_eq!(response.status, status, "case {number}: {address}");
    }

    let sceptical = Server::start(&settings);
    for (address, status) in [("198.51.100.1", 101), ("198.51.100.2", 429)] {
        let (response, _) = upgrade_for(&sceptical, address).await;
        assert_eq!(response.status, status, "it is nobody's word: {address}");
    }
}

#[tokio::test]
async fn the_header_that_is_not_named_is_not_read() {
    let server = Server::start(&[
        ALL,
        BEHIND,
        ("security.forwarded_header", "forwarded"),
        ("rates.address.burst", "1"),
        ("rates.address.per_minute", "0.1"),
    ]);
    let cases = [
        ("for=198.51.100.1", 101),
        ("for=\"198.51.100.1:81\";proto=https", 429),
    ];
    for (number, (forwarded, status)) in cases.into_iter().enumerate() {
        let request = Request::upgrade(V1_PATH)
            .with("Forwarded", forwarded)
            .with("X-Forwarded-For", &format!("203.0.113.{number}"));
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, status, "{forwarded}");
    }
}

#[tokio::test]
async fn connections_of_an_address_behind_a_proxy_are_counted_for_it() {
    let server = Server::start(&[ALL, BEHIND, ("limits.address_connections", "2")]);
    let mut held = Vec::new();
    for _ in 0..2 {
        let (response, raw) = upgrade_for(&server, "198.51.100.1").await;
        assert_eq!(response.status, 101);
        held.push(raw);
    }
    assert_eq!(upgrade_for(&server, "198.51.100.1").await.0.status, 429);
    assert_eq!(upgrade_for(&server, "198.51.100.2").await.0.status, 101);
    held.pop();
    within("a place to be free", async {
        while upgrade_for(&server, "198.51.100.1").await.0.status != 101 {}
    })
    .await;
}

/// A header of version 2 for a connection from this address.
fn proxy_v2(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x12, 0x34, 0, 80]);
    header
}

#[tokio::test]
async fn a_proxy_header_says_whose_connection_it_is() {
    let server = Server::start(&[
        ALL,
        ("security.proxy_protocol_from", r#"["127.0.0.0/8"]"#),
        ("rates.address.burst", "1"),
        ("rates.address.per_minute", "0.1"),
    ]);
    let v1 = |address: &str| format!("PROXY TCP4 {address} 127.0.0.1 4660 80\r\n").into_bytes();
    let cases = [
        (v1("198.51.100.1"), 101),
        (proxy_v2([198, 51, 100, 1]), 429),
        (proxy_v2([198, 51, 100, 2]), 101),
        (v1("198.51.100.2"), 429),
        // The proxy for itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), 101),
    ];
    for (number, (header, status)) in cases.into_iter().enumerate() {
        let mut raw = Raw::connect(&server).await;
        raw.send(&header).await;
        let (response, _) = Request::upgrade(V1_PATH).send_over(raw).await;
        assert_eq!(response.status, status, "case {number}");
    }
    for no_header in [
        "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        "PROXY TCP4 nonsense\r\n",
    ] {
        let mut raw = Raw::connect(&server).await;
        raw.send(no_header.as_bytes()).await;
        assert_eq!(raw.read_to_end().await, [] as [u8; 0], "{no_header}");
    }
    server.printed("limit=\"proxy\"").await;
}

#[tokio::test]
async fn a_proxy_header_from_elsewhere_is_no_request() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server).await;
    raw.send(b"PROXY TCP4 198.51.100.1 127.0.0.1 4660 80\r\n")
        .await;
    let (response, _) = Request::upgrade(V1_PATH).send_over(raw).await;
    assert_eq!(response.status, 400);
}

#[tokio::test]
async fn new_limits_are_in_force_after_a_reload() {
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    let write = |text: &str| std::fs::write(file.path(), text).expect("it can be written");
    write("[rates]\nexempt = []\n[rates.address]\nburst = 100\n[rates.messages]\nburst = 100\n");
    let server = Server::with_file(file.path(), &[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    write(
        "[rates]\nexempt = []\n[rates.address]\nburst = 1\n[rates.messages]\nburst = 1\nper_minute = 1\n",
    );
    server.signal("-HUP");
    server.printed("rates.messages").await;
    pair.ann.say("two").await;
    let say = json!({"type": "say", "text": "three"});
    pair.ann.refused(say, "rate_limited").await;
    let statuses = [
        Request::upgrade(V1_PATH).send(&server).await.0.status,
        Request::upgrade(V1_PATH).send(&server).await.0.status,
    ];
    assert_eq!(statuses, [101, 429]);
}

#[tokio::test]
async fn who_takes_nothing_of_what_is_sent_is_given_up_in_time() {
    /// More than the kernel keeps for a socket, and less than the outbox may hold.
    const MESSAGES: usize = 7000;
    let server = Server::start(&[
        ("limits.write_stall_s", "1"),
        ("limits.close_s", "0.1"),
        ("limits.outbox_bytes", "16777216"),
        ("limits.outbox_events", "65536"),
        ("limits.resume_window_s", "0"),
    ]);
    let mut deaf = Raw::deaf_v1(&server).await.raw;
    deaf.send_text(&join(PARIS, 10.0).to_string()).await;
    deaf.expect("waiting").await;
    let mut talker = Raw::upgraded(&server, V1_PATH).await;
    talker.send_text(&join(PARIS, 10.0).to_string()).await;
    talker.expect("waiting").await;
    talker.expect("matched").await;
    let say = Frame::text(json!({"type": "say", "text": "x".repeat(2000)}).to_string()).bytes();
    let mut accepted = 0;
    let left = loop {
        if accepted < MESSAGES {
            talker.send(&say).await;
        }
        let answer = talker.next_json().await;
        if answer["type"] != "accepted" {
            break answer;
        }
        accepted += 1;
        if accepted == MESSAGES {
            break talker.next_json().await;
        }
    };
    assert_eq!(
        (&left["type"], &left["reason"]),
        (&json!("partner_left"), &json!("lost"))
    );
    server.printed("limit=\"outbox\"").await;
}

/// How many files a process may have open from now on.
#[cfg(target_os = "linux")]
fn set_open_files(server: &Server, soft: u64) {
    let limit = format!("--nofile={soft}:");
    let pid = server.pid().to_string();
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status()
        .expect("prlimit(1) is part of util-linux");
    assert!(status.success(), "{status}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_runs_out_of_open_files_says_so_once_and_goes_on() {
    const COMPLAINT: &str = "cannot accept connections";
    let server = Server::with_open_files(1024, &[]);
    let mut witnesses = Pair::chatting(&server, PARIS).await;
    // As if something else of the process had opened the rest.
    set_open_files(&server, 8);
    let mut knocking = Vec::new();
    for _ in 0..20 {
        knocking.push(Raw::connect(&server).await);
    }
    let printed = server.printed(COMPLAINT).await;
    assert!(printed.contains("Too many open files"), "{printed}");
    // Accepting is tried again ten times a second, and those who are in are served meanwhile.
    let since = std::time::Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        witnesses.expect_undisturbed().await;
    }
    set_open_files(&server, 1024);
    for raw in knocking {
        let (response, _) = Request::upgrade(V1_PATH).send_over(raw).await;
        assert_eq!(response.status, 101, "who knocked is let in");
    }
    let printed = server.printed(COMPLAINT).await;
    assert_eq!(printed.matches(COMPLAINT).count(), 1, "{printed}");
    assert!(server.stop().await.success());
}
