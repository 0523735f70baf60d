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
    ] {
        told(&server, line).await;
    }
    pair.ann.cut();
    told(&server, "sessions_away 1").await;
    told(&server, "sessions{state=\"chatting\"} 2").await;
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
