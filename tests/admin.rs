//! The operators' listener over real sockets: who gets in, what it shows, what it does.

mod common;

use common::{Pair, Place, Request, Server, V1, join};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const PARIS: Place = (48.8566, 2.3522);
const TOKYO: Place = (35.68, 139.69);
const TOKEN: &str = "a-token-that-nobody-guesses";
const ADDRESS_OF_ALL: &str = "0.0.0.0:0";

/// A server whose operators connect at a port of their own.
async fn server(settings: &[(&str, &str)]) -> (Server, SocketAddr) {
    let server = Server::start(&[&[("admin_listen", "127.0.0.1:0")], settings].concat());
    let admin = server.admin_address().await;
    (server, admin)
}

/// The answer to a request with these header lines besides `Host`: status and body.
async fn ask(admin: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let request = Request::get("").start_line(&format!("{line} HTTP/1.1"));
    headers
        .iter()
        .fold(request, |request, (name, value)| request.with(name, value))
        .body(body)
        .ask(admin)
        .await
}

async fn get(admin: SocketAddr, path: &str) -> (u16, Value) {
    let (status, body) = ask(admin, &format!("GET {path}"), &[], "").await;
    (status, serde_json::from_str(&body).expect("it is JSON"))
}

async fn post(admin: SocketAddr, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("Content-Type", "application/json")];
    let (status, body) = ask(admin, &format!("POST {path}"), &headers, &body.to_string()).await;
    (status, serde_json::from_str(&body).expect("it is JSON"))
}

#[tokio::test]
async fn a_usual_port_that_is_taken_is_done_without_and_said_once() {
    // Held by this test or by any other server on this machine: taken in any case.
    let _taken = TcpListener::bind("127.0.0.1:9090");
    let servers = [(); 3].map(|()| Server::start(&[]));
    for server in &servers {
        let printed = server.printed("operators can't connect").await;
        assert!(printed.contains("127.0.0.1:9090"), "{printed}");
        assert_eq!(printed.matches("operators can't connect").count(), 1);
        let printed = server.printed("Ctrl-C stops").await;
        assert!(!printed.contains("for operators"), "{printed}");
        V1::connect(server).await.close().await;
    }
}

#[tokio::test]
async fn off_is_nowhere_and_says_nothing() {
    let server = Server::start(&[("admin_listen", "off")]);
    let printed = server.printed("Ctrl-C stops").await;
    assert!(!printed.contains("operators"), "{printed}");
    assert!(server.stop().await.success());
}

#[test]
fn where_others_can_reach_it_a_token_must_be_set() {
    let (code, stdout, stderr) = Server::refused(&[("admin_listen", ADDRESS_OF_ALL)]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    for expected in [
        "WHISPERCHAT_ADMIN_LISTEN",
        "0.0.0.0:0",
        "admin.token",
        "off",
    ] {
        assert!(stderr.contains(expected), "no {expected} in {stderr}");
    }
    let short = "tooshort";
    let (code, _, stderr) = Server::refused(&[("admin.token", short)]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("16 to 1024"), "{stderr}");
    assert!(!stderr.contains(short), "a secret is not shown: {stderr}");
    let (code, _, stderr) = Server::refused(&[("admin.token_file", "/nowhere/token")]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nowhere/token"), "{stderr}");
}

#[tokio::test]
async fn where_others_can_reach_it_everything_needs_the_token() {
    let mut file = tempfile::NamedTempFile::new().expect("files can be made");
    writeln!(file, "  {TOKEN}").expect("files can be written");
    let path = file.path().to_str().expect("names are plain");
    let server = Server::start(&[("admin_listen", ADDRESS_OF_ALL), ("admin.token_file", path)]);
    let printed = server.printed("for operators: ").await;
    let (_, rest) = printed.split_once("http://0.0.0.0:").expect("it is said");
    let port = rest.split('/').next().and_then(|port| port.parse().ok());
    let admin = SocketAddr::from(([127, 0, 0, 1], port.expect("a port follows")));
    for path in [
        "/livez",
        "/readyz",
        "/config",
        "/metrics",
        "/api/v1/status",
        "/nothing",
    ] {
        let line = format!("GET {path}");
        for shown in [None, Some("Bearer another-token-of-27-chars-"), Some(TOKEN)] {
            let headers: Vec<_> = shown
                .map(|shown| ("Authorization", shown))
                .into_iter()
                .collect();
            let (status, body) = ask(admin, &line, &headers, "").await;
            assert_eq!(status, 401, "{path}: {body}");
        }
    }
    let bearer = format!("Bearer {TOKEN}");
    // Under whatever name it is known: the token is what counts.
    let headers = [("Authorization", bearer.as_str()), ("Host", "chat.example")];
    assert_eq!(ask(admin, "GET /readyz", &headers, "").await.0, 200);
    let (status, config) = ask(admin, "GET /config", &headers, "").await;
    assert_eq!(status, 200);
    assert!(!config.contains(TOKEN), "{config}");
}

#[tokio::test]
async fn pages_in_a_browser_on_this_machine_get_nothing() {
    let (_server, admin) = server(&[]).await;
    let json = ("Content-Type", "application/json");
    for headers in [
        &[("Host", "evil.example"), json][..],
        &[("Origin", "https://evil.example"), json],
        &[("Origin", "null"), json],
    ] {
        for line in ["GET /config", "POST /api/v1/drain"] {
            assert_eq!(ask(admin, line, headers, "{}").await.0, 403, "{headers:?}");
        }
    }
    // What a page can send without asking first.
    let plain = [("Content-Type", "text/plain")];
    for headers in [&plain[..], &[]] {
        assert_eq!(ask(admin, "POST /api/v1/drain", headers, "{}").await.0, 415);
    }
    assert_eq!(get(admin, "/api/v1/status").await.1["state"], "ready");
}

#[tokio::test]
async fn the_settings_in_force_are_shown_without_secrets() {
    let (_server, admin) = server(&[("admin.token", TOKEN), ("limits.max_connections", "7")]).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let (status, config) = ask(admin, "GET /config", &headers, "").await;
    assert_eq!(status, 200, "{config}");
    assert!(!config.contains(TOKEN), "{config}");
    let config: Value = serde_json::from_str(&config).expect("it is JSON");
    assert_eq!(config["limits"]["max_connections"], 7);
    assert_eq!(config["admin"]["token"], "(hidden)");
    // On this machine, whether it lives is no secret.
    assert_eq!(get(admin, "/livez").await.0, 200);
    assert_eq!(ask(admin, "GET /config", &[], "").await.0, 401);
}

#[tokio::test]
async fn a_drain_sends_away_whom_it_can_until_it_is_called_off() {
    // Of 200, 64 go at once and as many in each second after it.
    const CROWD: usize = 200;
    const LAST_TURN_MS: u64 = 4000;
    let (server, admin) = server(&[("limits.drain_s", "600")]).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(V1::connect(&server).await);
    }
    let (status, answer) = post(admin, "/api/v1/drain", &json!({})).await;
    assert_eq!(
        (status, &answer["state"]),
        (200, &json!("draining")),
        "{answer}"
    );
    assert_eq!(
        get(admin, "/readyz").await,
        (503, json!({"status": "draining"}))
    );
    assert_eq!(get(admin, "/livez").await.0, 200);
    let (refused, _) = Request::upgrade("/v1/ws").send(&server).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some(), "{refused:?}");
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    let mut gone = crowd.remove(0);
    assert_eq!(gone.expect_close().await.0, 4200);
    let (status, _) = post(admin, "/api/v1/drain", &json!({})).await;
    assert_eq!(status, 200, "once more changes nothing");

    let (status, answer) = post(admin, "/api/v1/drain/cancel", &json!({})).await;
    assert_eq!(
        (status, &answer["state"]),
        (200, &json!("ready")),
        "{answer}"
    );
    let left = answer["sessions"].as_u64().expect("a number");
    assert!((1..CROWD as u64).contains(&left), "{answer}");
    assert_eq!(get(admin, "/readyz").await.0, 200);
    // Whoever is left stays beyond their turn, and was told once.
    let mut last = crowd.pop().expect("a crowd has a last");
    let mut waiting = last.ask(join(PARIS, 5.0), "waiting").await;
    while waiting["waited_ms"].as_u64().expect("a number") < LAST_TURN_MS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        waiting = last.ask(json!({"type": "update"}), "waiting").await;
    }
    let mut ann = V1::connect(&server).await;
    ann.join(PARIS, 5.0).await;
    ann.expect("matched").await;
    last.expect("matched").await;
    assert_eq!(get(admin, "/api/v1/status").await.1["sessions"], left + 1);
}

#[tokio::test]
async fn a_stop_cannot_be_called_off_and_a_drain_can_become_one() {
    let (server, admin) = server(&[("limits.drain_s", "600"), ("limits.stop_s", "600")]).await;
    let mut crowd = Vec::new();
    for _ in 0..70 {
        crowd.push(V1::connect(&server).await);
    }
    post(admin, "/api/v1/drain", &json!({})).await;
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    server.terminate();
    server.printed("stopping").await;
    for path in ["/api/v1/drain", "/api/v1/drain/cancel"] {
        let (status, answer) = post(admin, path, &json!({})).await;
        assert_eq!(status, 409, "{answer}");
    }
    assert_eq!(get(admin, "/readyz").await.1["status"], "stopping");
    for client in &mut crowd {
        assert_eq!(client.expect_close().await.0, 4200);
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_session_is_ended_by_its_name_and_its_partner_is_told() {
    let (server, admin) = server(&[]).await;
    let Pair { mut ann, mut bob } = Pair::chatting(&server, PARIS).await;
    let name = ann.welcome["session"]
        .as_str()
        .expect("a string")
        .to_owned();
    let path = format!("/api/v1/sessions/{name}/disconnect");
    let (status, answer) = post(admin, &path, &json!({})).await;
    assert_eq!((status, answer), (200, json!({"session": name})));
    assert_eq!(ann.expect_close().await.0, 4000);
    assert_eq!(bob.expect("partner_left").await["reason"], "removed");
    // It can't be resumed, or ended again.
    let mut back = V1::connect(&server).await;
    back.refused(common::resume(&ann.token, 0), "bad_token")
        .await;
    assert_eq!(post(admin, &path, &json!({})).await.0, 404);
    for never in ["ann", "-1", "0x10", "10000000000000000"] {
        let path = format!("/api/v1/sessions/{never}/disconnect");
        assert_eq!(post(admin, &path, &json!({})).await.0, 400, "{never}");
    }
}

#[tokio::test]
async fn who_was_reported_can_be_told_from_the_log_and_ended() {
    let (server, admin) = server(&[]).await;
    let (mut pair, chat) = Pair::in_chat(&server, TOKYO).await;
    let report = json!({"type": "report", "chat": chat, "reason": "threat"});
    pair.ann.ask(report, "reported").await;
    let printed = server.printed("a partner was reported").await;
    let line = printed.lines().find(|line| line.contains("was reported"));
    let (_, rest) = line
        .expect("it is there")
        .split_once("of=")
        .expect("it says whom");
    let reported = rest.split_whitespace().next().expect("a name");
    assert_eq!(pair.bob.welcome["session"], reported);
    let path = format!("/api/v1/sessions/{reported}/disconnect");
    assert_eq!(post(admin, &path, &json!({})).await.0, 200);
    assert_eq!(pair.bob.expect_close().await.0, 4000);
    assert_eq!(pair.ann.expect("partner_left").await["reason"], "removed");
}

#[tokio::test]
async fn the_level_of_the_log_changes_while_the_server_runs() {
    let (server, admin) = server(&[]).await;
    assert_eq!(
        get(admin, "/api/v1/log-level").await,
        (200, json!({"level": "info"}))
    );
    for (level, word) in [
        (json!("loud=loud=loud"), "debug"),
        (json!("debu"), "must be off, error"),
        (json!(""), "must be off, error"),
        (json!(3), "string"),
    ] {
        let (status, answer) = post(admin, "/api/v1/log-level", &json!({"level": level})).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains(word), "{answer}");
    }
    let (status, _) = post(admin, "/api/v1/log-level", &json!({"level": "debug"})).await;
    assert_eq!(status, 200);
    assert_eq!(get(admin, "/config").await.1["log"]["level"], "debug");
    // Half a request is worth a line for who debugs.
    let mut raw = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    raw.write_all(b"GET / HT").await.expect("it reads");
    drop(raw);
    server.printed("HTTP connection ended").await;
}

#[tokio::test]
async fn whoever_is_no_terminal_reads_the_log_as_json() {
    let (server, admin) = server(&[("log.format", "auto")]).await;
    post(admin, "/api/v1/drain", &json!({})).await;
    let printed = server.printed("an operator drains").await;
    let line = printed
        .lines()
        .find(|line| line.contains("an operator drains"));
    let line: Value = serde_json::from_str(line.expect("it was waited for")).expect("it is JSON");
    assert_eq!(line["level"], "INFO", "{line}");
    assert_eq!(line["sessions"], 0, "{line}");
}

#[tokio::test]
async fn people_are_counted_by_parts_of_the_world_and_few_are_not_told() {
    let (server, admin) = server(&[]).await;
    let mut people = Vec::new();
    // All in range of nobody: each in a cell of the privacy grid of their own.
    for person in 0..9 {
        let (place, count) = if person < 5 {
            (PARIS, person)
        } else {
            (TOKYO, person - 5)
        };
        let mut client = V1::connect(&server).await;
        let apart = f64::from(count) * 0.04;
        client
            .ask(join((place.0 + apart, place.1), 2.0), "waiting")
            .await;
        people.push(client);
    }
    let (status, counted) = get(admin, "/api/v1/regions").await;
    assert_eq!(status, 200);
    assert_eq!(counted["elsewhere"], 4, "{counted}");
    let regions = counted["regions"].as_array().expect("a list");
    assert_eq!(regions.len(), 1, "{counted}");
    assert_eq!(regions[0]["people"], 5);
    let lat = regions[0]["lat"].as_f64().expect("a number");
    assert!((lat - PARIS.0).abs() < 1.0, "{counted}");
}

#[tokio::test]
async fn the_last_hours_are_told_in_steps_to_whoever_comes_later() {
    let (server, admin) = server(&[("admin.history_step_s", "1")]).await;
    let Pair { ann, bob: _bob } = Pair::chatting(&server, PARIS).await;
    ann.close().await;
    // The steps until all of it is told.
    let (mut since_ms, mut counted) = (0, [0, 0, 0]);
    let sum = |column: &Value| -> u64 {
        let counts = column.as_array().map(Vec::as_slice).unwrap_or_default();
        counts.iter().filter_map(Value::as_u64).sum()
    };
    let mut steps = Value::Null;
    common::within("steps with all of it", async {
        while counted != [2, 1, 1] {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let path = format!("/api/v1/history?since_ms={since_ms}");
            steps = get(admin, &path).await.1;
            let Some(last) = steps["at_ms"].as_array().expect("a list").last() else {
                continue;
            };
            let last = last.as_u64().expect("a number");
            assert!(last > since_ms, "{steps}");
            since_ms = last;
            for (count, column) in counted.iter_mut().zip([
                &steps["connections_begun"],
                &steps["matches"],
                &steps["ended"]["1000"],
            ]) {
                *count += sum(column);
            }
        }
    })
    .await;
    // All of it again, and each column as long.
    let (status, all) = get(admin, "/api/v1/history").await;
    assert_eq!((status, &all["step_s"]), (200, &json!(1)));
    assert_eq!(sum(&all["connections_begun"]), 2);
    assert_eq!(sum(&all["matches"]), 1);
    let long = all["at_ms"].as_array().expect("a list").len();
    let matched = all["time_to_match_ms"]["p99"].as_array().expect("a list");
    assert_eq!(matched.len(), long);
    assert!(matched.iter().any(Value::is_u64), "{all}");
    for ended in all["ended"].as_object().expect("an object").values() {
        assert_eq!(ended.as_array().expect("a list").len(), long);
    }
    for query in ["since_ms=soon", "since_ms=-1", "since=1"] {
        let (status, answer) = get(admin, &format!("/api/v1/history?{query}")).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer.to_string().contains("since_ms"), "{answer}");
    }
}

#[tokio::test]
async fn one_session_is_shown_without_who_it_is() {
    let (server, admin) = server(&[]).await;
    let mut ann = V1::connect(&server).await;
    let session = ann.welcome["session"].clone();
    let path = format!("/api/v1/sessions/{}", session.as_str().expect("a string"));
    let (status, shown) = get(admin, &path).await;
    assert_eq!((status, &shown["does"]), (200, &json!("idle")), "{shown}");
    let named = common::with(join(PARIS, 5.0), json!({"name": "ann-of-paris"}));
    ann.ask(named, "waiting").await;
    let (_, shown) = get(admin, &path).await;
    assert_eq!(
        (&shown["session"], &shown["does"]),
        (&session, &json!("waiting"))
    );
    assert_eq!(shown["connection"]["dialect"], "v1");
    assert!(shown["waited_ms"].is_u64(), "{shown}");
    for personal in [
        "ann-of-paris",
        "48.8",
        "2.35",
        "127.0.0.1",
        ann.token.as_str().expect("a token"),
    ] {
        assert!(!shown.to_string().contains(personal), "{personal}: {shown}");
    }
    let mut bob = V1::connect(&server).await;
    bob.join(PARIS, 5.0).await;
    bob.expect("matched").await;
    ann.expect("matched").await;
    let (_, shown) = get(admin, &path).await;
    assert_eq!(
        (&shown["does"], &shown["chats"]),
        (&json!("chatting"), &json!(1))
    );
    // Its connection breaks: it is away for a while.
    drop(ann);
    common::within("it is away", async {
        while get(admin, &path).await.1["given_up_in_ms"].is_null() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (_, shown) = get(admin, &path).await;
    assert_eq!(shown["connection"], Value::Null);
    assert_eq!(
        post(admin, &format!("{path}/disconnect"), &json!({}))
            .await
            .0,
        200
    );
    assert_eq!(get(admin, &path).await.0, 404);
    let (status, answer) = get(admin, "/api/v1/sessions/ann").await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn a_drain_says_how_far_it_is() {
    let (server, admin) = server(&[("limits.drain_s", "600")]).await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(V1::connect(&server).await);
    }
    assert_eq!(get(admin, "/api/v1/status").await.1["drain"], Value::Null);
    post(admin, "/api/v1/drain", &json!({})).await;
    for client in &mut crowd {
        client.expect("going_away").await;
    }
    // Once more changes nothing of what it was at the beginning.
    let (_, status) = post(admin, "/api/v1/drain", &json!({})).await;
    assert_eq!(status["drain"]["connections_before"], 3, "{status}");
    assert!(status["drain"]["lasts_ms"].is_u64(), "{status}");
    assert_eq!(status["totals"]["connections_begun"], 3);
    let (_, status) = post(admin, "/api/v1/drain/cancel", &json!({})).await;
    assert_eq!(status["drain"], Value::Null, "{status}");
}

#[tokio::test]
async fn the_board_is_given_to_anybody_and_what_it_asks_for_is_not() {
    let (_server, admin) = server(&[("admin.token", TOKEN)]).await;
    let (status, page) = ask(admin, "GET /", &[], "").await;
    assert_eq!(status, 200);
    // Everything that the page names is there, and runs under the page's policy.
    let named: Vec<_> = page
        .split('"')
        .filter(|text| text.starts_with('/') && text.contains('.'))
        .collect();
    assert!(named.len() >= 5, "{named:?}");
    for path in named {
        assert_eq!(
            ask(admin, &format!("GET {path}"), &[], "").await.0,
            200,
            "{path}"
        );
    }
    assert!(
        !page.contains("style=") && !page.contains("<style"),
        "{page}"
    );
    let (head, _) = Request::get("/").send_to(admin).await;
    for (name, value) in [
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; ",
        ),
        ("X-Frame-Options", "DENY"),
        ("Content-Type", "text/html"),
    ] {
        let sent = head.header(name).unwrap_or_default();
        assert!(sent.starts_with(value), "{name}: {sent}");
    }
    assert_eq!(ask(admin, "GET /api/v1/history", &[], "").await.0, 401);
    assert_eq!(ask(admin, "POST /", &[], "").await.0, 401);
    // Neither another name for this machine nor another page gets as far as that.
    for header in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        assert_eq!(
            ask(admin, "GET /", &[header], "").await.0,
            403,
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in_and_all_of_it_is_served() {
    let (_server, admin) = server(&[]).await;
    let (status, served) = get(admin, "/openapi.json").await;
    assert_eq!(status, 200);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let pretty = serde_json::to_string_pretty(&served).expect("it is JSON");
        std::fs::write(path, pretty + "\n").expect("docs can be written");
    }
    let checked_in = std::fs::read_to_string(path).expect("it is there");
    let checked_in: Value = serde_json::from_str(&checked_in).expect("it is JSON");
    assert_eq!(
        served, checked_in,
        "UPDATE_DOCS=1 cargo test --test admin the_description writes docs/openapi.json anew"
    );
    for (path, methods) in served["paths"].as_object().expect("an object") {
        assert!(
            include_str!("../docs/admin.md").contains(&format!("{path}`")),
            "docs/admin.md does not have {path}"
        );
        for method in methods.as_object().expect("an object").keys() {
            let line = format!(
                "{} {}",
                method.to_uppercase(),
                path.replace("{session}", "1")
            );
            let json = [("Content-Type", "application/json")];
            let (status, body) = ask(admin, &line, &json, "").await;
            assert!(![405, 500].contains(&status), "{line}: {status} {body}");
            assert!(!body.contains("nothing here"), "{line}: {body}");
        }
    }
    assert_eq!(ask(admin, "GET /api/v1/drain", &[], "").await.0, 405);
    assert_eq!(get(admin, "/nothing").await.0, 404);
}

#[tokio::test]
async fn those_who_ask_and_do_not_read_take_nobodys_place_for_long() {
    let (_server, admin) = server(&[]).await;
    let request = "GET /vendor/countries-110m.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let requests = request.repeat(200);
    let mut hangs = Vec::new();
    // As many as there may be.
    for _ in 0..64 {
        let mut stream = TcpStream::connect(admin).await.expect("it listens");
        // What finds no room waits with the one who does not read.
        let _ = stream.try_write(requests.as_bytes());
        stream.flush().await.expect("it is there");
        hangs.push(stream);
    }
    assert_eq!(get(admin, "/livez").await.0, 200);
    drop(hangs);
}
