//! The figures for Prometheus over real sockets, and the documentation that names them.

mod common;

use common::{Pair, Place, Request, Server, V1, join, within};
use serde_json::json;
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PARIS: Place = (48.8566, 2.3522);
const TOKYO: Place = (35.68, 139.69);

/// Everything that `/metrics` tells.
async fn scrape(server: &Server) -> String {
    let admin = server.admin_address().await;
    let mut stream = within("a connection", TcpStream::connect(admin))
        .await
        .expect("operators can connect");
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the server reads");
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer))
        .await
        .expect("the answer is text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    answer
}

/// Waits until a line is told, as `name{labels} value`.
async fn told(server: &Server, line: &str) {
    let wanted = format!("whisperchat_{line}\n");
    within(line, async {
        while !scrape(server).await.contains(&wanted) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn server() -> Server {
    Server::start(&[
        ("admin_listen", "127.0.0.1:0"),
        ("log.ends_per_second", "3"),
    ])
}

#[tokio::test]
async fn what_people_do_is_counted_and_nobody_is_named() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    let ann_joins = common::with(join(PARIS, 5.0), json!({"name": "ann-of-paris"}));
    ann.ask(ann_joins, "waiting").await;
    ann.send_text("[]").await;
    ann.expect_error("bad_json").await;
    told(&server, "connections 1").await;
    told(&server, "sessions{state=\"waiting\"} 1").await;
    told(&server, "waiting_room 1").await;
    told(&server, "message_size_bytes_count 2").await;
    told(&server, "errors_total{code=\"bad_json\"} 1").await;
    let all = scrape(&server).await;
    for personal in ["ann", "48.8", "2.35", &ann.welcome["session"].to_string()] {
        let values = all.lines().filter(|line| !line.starts_with('#'));
        let labels = values.filter_map(|line| line.split_once('{'));
        let named: Vec<_> = labels.filter(|(_, rest)| rest.contains(personal)).collect();
        assert!(named.is_empty(), "{named:?}");
    }

    let request = Request::upgrade("/v1/ws").with("Origin", "https://evil.example");
    assert_eq!(request.send(&server).await.0.status, 403);
    told(&server, "refused_total{limit=\"origin\"} 1").await;
    ann.close().await;
    told(
        &server,
        "connections_ended_total{code=\"1000\",by=\"client\"} 1",
    )
    .await;
    told(&server, "connection_seconds_count 1").await;
}

#[tokio::test]
async fn sessions_are_told_by_what_they_do_and_matches_by_what_became_of_them() {
    let server = server();
    let _idle = V1::connect(&server).await;
    let _waiting = common::joined(&server, TOKYO, 5.0).await;
    let pair = Pair::chatting(&server, PARIS).await;
    for line in [
        "sessions{state=\"idle\"} 1",
        "sessions{state=\"waiting\"} 1",
        "sessions{state=\"chatting\"} 2",
        "sessions_away 0",
        "time_to_match_seconds_count 2",
        "confirm_seconds_count 1",
        "matches_found_total 1",
        "matches_undone_total 0",
        "rule_violations_total{rule=\"range\"} 0",
        "rule_violations_total{rule=\"avoided\"} 0",
        "rule_violations_total{rule=\"heard\"} 0",
        "rule_violations_total{rule=\"sequence\"} 0",
        // Three searches: in an empty room, with one person far away in it, and with that and the partner.
        "search_candidates_count 3",
        "search_candidates_bucket{le=\"0\"} 1",
        "search_candidates_bucket{le=\"1\"} 2",
        "search_candidates_sum 3.0",
    ] {
        told(&server, line).await;
    }
    pair.ann.cut();
    told(&server, "sessions_away 1").await;
    told(&server, "sessions{state=\"chatting\"} 2").await;
}

/// What is told as a number on the line of this name.
fn value(told: &str, name: &str) -> f64 {
    let mark = format!("whisperchat_{name} ");
    let line = told.lines().find_map(|line| line.strip_prefix(&mark));
    line.expect("it is told").parse().expect("a number")
}

#[tokio::test]
async fn messages_are_timed_now_and_then_and_all_that_is_written_is_measured() {
    let server = server();
    let mut pair = Pair::chatting(&server, PARIS).await;
    let before = scrape(&server).await;
    let mut said = 0;
    // Threads that have passed on none yet follow their first.
    while said < 200 || value(&scrape(&server).await, "relay_seconds_count") < 3.0 {
        assert!(said < 2000, "hardly any is followed");
        for _ in 0..20 {
            let seq = pair.ann.say("hello").await;
            assert_eq!(pair.bob.expect_said("hello").await, seq);
            said += 1;
        }
    }
    let told = scrape(&server).await;
    let (count, sum) = (
        value(&told, "relay_seconds_count"),
        value(&told, "relay_seconds_sum"),
    );
    assert!(count <= 2.0 + f64::from(said) / 10.0, "{count} of {said}");
    assert!(sum > 0.0 && sum < 1.0 * count, "{sum} s");

    // Each message is written to one and answered to the other.
    let written = |told: &str| value(told, "outbox_bytes_count");
    let bytes = |told: &str| value(told, "outbox_bytes_sum");
    let more = bytes(&told) - bytes(&before);
    let least = "hello".len() as f64 * f64::from(said);
    assert!(more > least, "{more} bytes, {said} messages");
    assert!(written(&told) - written(&before) >= f64::from(said));
    assert_eq!(
        value(&told, "rule_violations_total{rule=\"sequence\"}"),
        0.0
    );
}

#[tokio::test]
async fn who_comes_back_and_who_says_it_twice_leave_no_gap() {
    let server = server();
    let mut pair = Pair::chatting(&server, PARIS).await;
    let token = pair.bob.lose().await;
    pair.ann.expect("partner_away").await;
    for seq in 1..=3 {
        let say = json!({"type": "say", "text": "again", "id": format!("m{seq}")});
        for _ in 0..2 {
            pair.ann.send(say.clone()).await;
            assert_eq!(pair.ann.expect("accepted").await["seq"], seq);
        }
    }
    let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["recovered"], true);
    for seq in 1..=3 {
        assert_eq!(bob.expect_said("again").await, seq);
    }
    pair.ann.expect("partner_back").await;
    pair.ann.say("more").await;
    assert_eq!(bob.expect_said("more").await, 4);
    told(&server, "rule_violations_total{rule=\"sequence\"} 0").await;
}

#[tokio::test]
async fn ends_of_connections_are_logged_up_to_a_number_and_the_rest_counted() {
    let server = server();
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(V1::connect(&server).await);
    }
    for client in crowd {
        client.cut();
    }
    let printed = server
        .printed("more connections have ended than are logged")
        .await;
    assert!(printed.contains("connection ended code=1006"), "{printed}");
    assert!(printed.contains("duration_ms="), "{printed}");
    told(
        &server,
        "connections_ended_total{code=\"1006\",by=\"nobody\"} 40",
    )
    .await;
}

#[tokio::test]
async fn the_documentation_names_exactly_what_is_told() {
    let told = scrape(&server()).await;
    let told: BTreeSet<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let rows = include_str!("../docs/metrics.md")
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            Some(format!("{name} {}", cells[2]))
        });
    let documented: Vec<_> = rows.collect();
    let documented: BTreeSet<_> = documented.iter().map(String::as_str).collect();
    assert_eq!(told, documented);
}
