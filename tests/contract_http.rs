//! What the wire contract promises before a connection is a WebSocket.

mod common;

use common::{ACCEPT, Classic, KEY, Request, Server, V1, WAIT};
use std::time::Instant;

const V1_PATH: &str = "/v1/ws";
const PATHS: [&str; 2] = [V1_PATH, "/"];
const SUBPROTOCOL: &str = "whisperchat.v1.json";

#[tokio::test]
async fn an_upgrade_answers_the_key_and_starts_with_a_welcome() {
    let server = Server::start(&[]);
    let (response, mut raw) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(response.status, 101);
    assert_eq!(response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
    let upgrade = response.header("Upgrade").unwrap_or_default();
    assert!(upgrade.eq_ignore_ascii_case("websocket"), "{response:?}");
    let connection = response.header("Connection").unwrap_or_default();
    assert!(connection.eq_ignore_ascii_case("upgrade"), "{response:?}");
    raw.expect("welcome").await;
}

#[tokio::test]
async fn an_upgrade_may_be_spelt_in_every_way_http_allows() {
    let server = Server::start(&[]);
    let spellings = [
        Request::upgrade(V1_PATH).but("Connection", "keep-alive, Upgrade"),
        Request::upgrade(V1_PATH).but("Connection", "upgrade"),
        Request::upgrade(V1_PATH).but("Upgrade", "WebSocket"),
        Request::upgrade(V1_PATH)
            .without("Sec-WebSocket-Key")
            .with("sec-websocket-key", KEY),
    ];
    for (number, request) in spellings.iter().enumerate() {
        let (response, mut raw) = request.send(&server).await;
        assert_eq!(response.status, 101, "spelling {number}: {response:?}");
        raw.expect("welcome").await;
    }
}

#[tokio::test]
async fn the_offered_subprotocol_is_echoed_alone() {
    let server = Server::start(&[]);
    let offers = [
        Request::upgrade(V1_PATH).with("Sec-WebSocket-Protocol", SUBPROTOCOL),
        Request::upgrade(V1_PATH).with("Sec-WebSocket-Protocol", "chat, whisperchat.v1.json"),
        Request::upgrade(V1_PATH).with("Sec-WebSocket-Protocol", "whisperchat.v1.json,chat"),
        Request::upgrade(V1_PATH)
            .with("Sec-WebSocket-Protocol", "chat")
            .with("Sec-WebSocket-Protocol", SUBPROTOCOL),
    ];
    for (number, request) in offers.iter().enumerate() {
        let (response, mut raw) = request.send(&server).await;
        assert_eq!(response.status, 101, "offer {number}: {response:?}");
        let chosen = response.header("Sec-WebSocket-Protocol");
        assert_eq!(chosen, Some(SUBPROTOCOL), "offer {number}");
        raw.expect("welcome").await;
    }
}

#[tokio::test]
async fn subprotocols_without_ours_are_refused() {
    let server = Server::start(&[]);
    for offer in [
        "chat",
        "whisperchat.v2.json",
        "whisperchat.v1",
        "WHISPERCHAT.V1.JSON",
        "mqtt, soap",
    ] {
        let request = Request::upgrade(V1_PATH).with("Sec-WebSocket-Protocol", offer);
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, 400, "offered {offer:?}");
    }
}

#[tokio::test]
async fn without_a_subprotocol_v1_is_spoken_and_none_is_named() {
    let server = Server::start(&[]);
    let (response, mut raw) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(response.status, 101);
    assert_eq!(response.header("Sec-WebSocket-Protocol"), None);
    let welcome = raw.expect("welcome").await;
    assert_eq!(welcome["protocol"], 1);
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let server = Server::start(&[]);
    for path in ["/v2/ws", "/v1", "/ws", "/v1/ws/more", "/V1/WS"] {
        let (response, _) = Request::upgrade(path).send(&server).await;
        assert_eq!(response.status, 404, "upgrading at {path}");
        let (response, _) = Request::get(path).send(&server).await;
        assert_eq!(response.status, 404, "getting {path}");
    }
}

#[tokio::test]
async fn a_key_that_is_missing_twice_or_not_16_bytes_is_refused() {
    let server = Server::start(&[]);
    for path in PATHS {
        let good = Request::upgrade(path);
        let bad = [
            ("missing", good.clone().without("Sec-WebSocket-Key")),
            ("twice", good.clone().with("Sec-WebSocket-Key", KEY)),
            ("empty", good.clone().but("Sec-WebSocket-Key", "")),
            (
                "no base64",
                good.clone()
                    .but("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!=="),
            ),
            (
                "15 bytes",
                good.clone()
                    .but("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"),
            ),
            (
                "17 bytes",
                good.clone()
                    .but("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA="),
            ),
        ];
        for (name, request) in bad {
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, 400, "a key that is {name} at {path}");
        }
    }
}

#[tokio::test]
async fn another_version_is_told_which_one_is_spoken() {
    let server = Server::start(&[]);
    for path in PATHS {
        for version in ["8", "12", "14", "013", "130", "thirteen"] {
            let request = Request::upgrade(path).but("Sec-WebSocket-Version", version);
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, 426, "version {version:?} at {path}");
            let spoken = response.header("Sec-WebSocket-Version");
            assert_eq!(spoken, Some("13"), "version {version:?} at {path}");
        }
    }
}

#[tokio::test]
async fn a_missing_version_is_refused() {
    let server = Server::start(&[]);
    for path in PATHS {
        let request = Request::upgrade(path).without("Sec-WebSocket-Version");
        let (response, _) = request.send(&server).await;
        assert!([400, 426].contains(&response.status), "{path} {response:?}");
    }
}

#[tokio::test]
async fn a_request_for_v1_that_is_no_upgrade_is_told_to_upgrade() {
    let server = Server::start(&[]);
    let requests = [
        ("plain", Request::get(V1_PATH)),
        ("no Upgrade", Request::upgrade(V1_PATH).without("Upgrade")),
        (
            "no Connection",
            Request::upgrade(V1_PATH).without("Connection"),
        ),
        ("other", Request::upgrade(V1_PATH).but("Upgrade", "foo/2")),
    ];
    for (name, request) in requests {
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, 426, "{name}");
        let upgrade = response.header("Upgrade").unwrap_or_default();
        assert!(
            upgrade.eq_ignore_ascii_case("websocket"),
            "{name}: {response:?}"
        );
    }
}

#[tokio::test]
async fn only_a_get_of_http_1_1_upgrades() {
    let server = Server::start(&[]);
    for line in [
        "POST /v1/ws HTTP/1.1",
        "HEAD /v1/ws HTTP/1.1",
        "GET /v1/ws HTTP/1.0",
    ] {
        let request = Request::upgrade(V1_PATH).start_line(line);
        let (response, _) = request.send(&server).await;
        let status = response.status;
        assert!((400..500).contains(&status), "{line}: {response:?}");
    }
}

#[tokio::test]
async fn compression_is_not_negotiated() {
    let server = Server::start(&[]);
    for path in PATHS {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame",
        ] {
            let request = Request::upgrade(path).with("Sec-WebSocket-Extensions", offer);
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, 101, "offered {offer:?} at {path}");
            let extensions = response.header("Sec-WebSocket-Extensions");
            assert_eq!(extensions, None, "offered {offer:?} at {path}");
        }
    }
}

#[tokio::test]
async fn a_foreign_origin_is_forbidden() {
    let server = Server::start(&[]);
    let own = format!("http://{}", server.address());
    let foreign = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        "nonsense".to_owned(),
        format!("{own}.evil.example"),
        format!("http://evil.example/?{own}"),
    ];
    for path in PATHS {
        for origin in &foreign {
            let request = Request::upgrade(path).with("Origin", origin);
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, 403, "from {origin} at {path}");
        }
    }
}

#[tokio::test]
async fn pages_of_the_same_host_and_programs_may_connect() {
    let server = Server::start(&[]);
    let address = server.address().to_string();
    let port = server.address().port();
    let hosts = [
        address,
        format!("localhost:{port}"),
        "chat.example".to_owned(),
    ];
    for path in PATHS {
        for host in &hosts {
            let request = Request::upgrade(path).with("Host", host);
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, 101, "a program at {host}{path}");
            for scheme in ["http", "https"] {
                let origin = format!("{scheme}://{host}");
                let request = request.clone().with("Origin", &origin);
                let (response, _) = request.send(&server).await;
                assert_eq!(response.status, 101, "from {origin} at {host}{path}");
            }
        }
    }
}

#[tokio::test]
async fn pages_that_the_operator_allows_may_connect() {
    let settings = [("security.allowed_origins", r#"["https://chat.example"]"#)];
    let server = Server::start(&settings);
    for path in PATHS {
        for (origin, status) in [
            ("https://chat.example", 101),
            ("http://chat.example", 403),
            ("https://chat.example.evil.example", 403),
        ] {
            let request = Request::upgrade(path).with("Origin", origin);
            let (response, _) = request.send(&server).await;
            assert_eq!(response.status, status, "from {origin} at {path}");
        }
    }
}

#[tokio::test]
async fn the_root_without_an_upgrade_is_the_web_page() {
    let server = Server::start(&[]);
    let request = Request::get("/").with("Connection", "close");
    let (response, mut raw) = request.send(&server).await;
    assert_eq!(response.status, 200);
    let kind = response.header("Content-Type").unwrap_or_default();
    assert!(kind.starts_with("text/html"), "{response:?}");
    let page = raw.read_to_end().await;
    let page = String::from_utf8_lossy(&page).to_lowercase();
    assert!(page.contains("<html"), "{page}");
}

#[tokio::test]
async fn beyond_the_connection_limit_upgrades_are_put_off_until_somebody_leaves() {
    let server = Server::start(&[("limits.max_connections", "2")]);
    let ann = V1::connect(&server).await;
    let mut bob = V1::connect(&server).await;
    for path in PATHS {
        let (response, _) = Request::upgrade(path).send(&server).await;
        assert!(
            [429, 503].contains(&response.status),
            "{path}: {response:?}"
        );
        let seconds = response.header("Retry-After").map(str::parse::<u32>);
        assert!(matches!(seconds, Some(Ok(1..))), "{path}: {response:?}");
    }
    bob.expect_quiet().await;

    ann.close().await;
    let asked = Instant::now();
    loop {
        let (response, _raw) = Request::upgrade(V1_PATH).send(&server).await;
        if response.status == 101 {
            break;
        }
        assert!(
            asked.elapsed() < WAIT,
            "the place of who left is not given on"
        );
    }
}

#[tokio::test]
async fn both_dialects_are_spoken_on_one_port() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let mut bob = Classic::connect(&server).await;
    ann.expect_quiet().await;
    bob.expect_quiet().await;
}
