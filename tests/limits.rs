//! What clients that stall, flood or lie about sizes cost: a known amount, and nobody else.

mod common;

use common::{Frame, Pair, Place, Raw, Request, Server, V1, join, within};
use serde_json::{Value, json};
use std::time::Duration;

const V1_PATH: &str = "/v1/ws";
const PATHS: [&str; 2] = [V1_PATH, "/"];
const PARIS: Place = (48.8566, 2.3522);
const SYDNEY: Place = (-33.8688, 151.2093);

/// How far the server's memory may grow in a test that attacks it. What is sent in each is many times more.
const GROWTH_MAX_BYTES: usize = 16 * 1024 * 1024;

fn assert_grown_little(server: &Server, before_bytes: usize) {
    let after_bytes = server.resident_bytes();
    assert!(
        after_bytes < before_bytes + GROWTH_MAX_BYTES,
        "the server grew from {before_bytes} to {after_bytes} bytes"
    );
}

#[tokio::test]
async fn a_request_head_that_does_not_end_in_time_is_cut_off() {
    let server = Server::start(&[("limits.request_head_s", "1")]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let mut silent = Raw::connect(&server).await;
    let mut dribbling = Raw::connect(&server).await;
    // A byte at a time does not gain time. The head is endless, so only the server ends this.
    within("the server to cut off", async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let head = format!("GET / HTTP/1.1\r\nX-Filler: {}", "a".repeat(8000));
        for byte in head.bytes() {
            if dribbling.stream.write_all(&[byte]).await.is_err() {
                return;
            }
            let mut answer = [0; 256];
            let pause = Duration::from_millis(10);
            match tokio::time::timeout(pause, dribbling.stream.read(&mut answer)).await {
                Err(_) => {}
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(length)) => {
                    let answer = String::from_utf8_lossy(&answer[..length]);
                    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
                    return;
                }
            }
        }
        panic!("the whole head was read");
    })
    .await;
    let answer = silent.read_to_end().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
    witnesses.expect_undisturbed().await;
}

#[tokio::test]
async fn a_connection_kept_alive_does_not_stay_for_nothing() {
    let server = Server::start(&[("limits.request_head_s", "1")]);
    let (response, mut idle) = Request::get("/icon.svg").send(&server).await;
    assert_eq!(response.status, 200);
    // Its body, and then the end, which the server makes.
    let body = idle.read_to_end().await;
    let length = response.header("Content-Length").map(str::parse::<usize>);
    assert_eq!(length, Some(Ok(body.len())), "the body and nothing else");
}

#[tokio::test]
async fn connections_kept_alive_do_not_hold_up_a_stop() {
    let server = Server::start(&[("limits.request_head_s", "60"), ("limits.stop_s", "3600")]);
    let mut kept = Vec::new();
    for path in ["/", "/nothing"] {
        kept.push(Request::get(path).send(&server).await);
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_request_head_over_16_kib_is_answered_with_431() {
    let server = Server::start(&[]);
    for path in PATHS {
        let fits = Request::get(path).with("X-Filler", &"a".repeat(12 * 1024));
        let (response, _) = fits.send(&server).await;
        assert_ne!(response.status, 431, "12 KiB at {path}");
        let request = Request::upgrade(path).with("X-Filler", &"a".repeat(16 * 1024));
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, 431, "16 KiB at {path}");
    }
}

#[tokio::test]
async fn a_request_before_the_upgrade_and_frames_right_after_it_are_handled_in_order() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server).await;
    let host = server.address();
    let requests = format!(
        "HEAD /nothing HTTP/1.1\r\nHost: {host}\r\n\r\n\
         GET {V1_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
        common::KEY
    );
    let mut early = Frame::text(join(PARIS, 10.0).to_string()).bytes();
    let half = early.split_off(20);
    raw.send(&[requests.as_bytes(), &early].concat()).await;
    assert_eq!(raw.read_response().await.status, 404);
    assert_eq!(raw.read_response().await.status, 101);
    raw.expect("welcome").await;
    raw.send(&half).await;
    raw.expect("waiting").await;
}

#[tokio::test]
async fn pings_and_pongs_are_no_first_message() {
    let server = Server::start(&[("limits.first_message_s", "1")]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        for payload in ["one", "two"] {
            raw.send(&Frame::ping(payload).bytes()).await;
            raw.expect_pong(payload.as_bytes()).await;
            raw.send(&Frame::pong(payload).bytes()).await;
        }
        assert_eq!(raw.expect_close().await, 4101, "at {path}");
    }
}

/// A raw v1 connection that waits, and a partner it was just matched with; both have been told.
async fn raw_chat(server: &Server) -> (Raw, Raw) {
    let mut raw = Raw::upgraded(server, V1_PATH).await;
    raw.send_text(&join(PARIS, 10.0).to_string()).await;
    raw.expect("waiting").await;
    let mut partner = Raw::upgraded(server, V1_PATH).await;
    partner.send_text(&join(PARIS, 10.0).to_string()).await;
    partner.expect("waiting").await;
    raw.expect("matched").await;
    partner.expect("matched").await;
    (raw, partner)
}

/// Messages numbered from 1 without gaps, up to a close frame with 4100 or the middle of anything.
fn check_what_was_sent(mut bytes: &[u8]) {
    for seq in 1.. {
        let (start, payload) = match *bytes {
            [start, 126, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                (start, rest.split_at_checked(length))
            }
            [start, length, ref rest @ ..] => (start, rest.split_at_checked(length.into())),
            _ => return,
        };
        let Some((payload, rest)) = payload else {
            return;
        };
        if start == 0x88 {
            assert_eq!(payload[..2], 4100_u16.to_be_bytes());
            assert_eq!(rest, [] as [u8; 0], "nothing follows a close frame");
            return;
        }
        assert_eq!(start, 0x81, "a whole text frame");
        let said: Value = serde_json::from_slice(payload).expect("a message is JSON");
        assert_eq!((&said["type"], &said["seq"]), (&json!("said"), &json!(seq)));
        bytes = rest;
    }
}

#[tokio::test]
async fn who_does_not_read_is_given_up_and_only_the_partner_notices() {
    /// Far more than the kernel's buffers and the outbox hold together.
    const FLOOD_MAX: u64 = 100_000;
    let server = Server::start(&[("limits.close_s", "1"), ("limits.resume_window_s", "0")]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let (mut silent, mut talker) = raw_chat(&server).await;
    let before_bytes = server.resident_bytes();
    let say = Frame::text(json!({"type": "say", "text": "x".repeat(2000)}).to_string()).bytes();
    let mut accepted = 0;
    loop {
        assert!(
            accepted < FLOOD_MAX,
            "everything is taken for who does not read"
        );
        talker.send(&say).await;
        let answer = talker.next_json().await;
        match answer["type"].as_str() {
            Some("accepted") => accepted += 1,
            Some("partner_left") => {
                assert_eq!(answer["reason"], "lost");
                break;
            }
            _ => panic!("wanted accepted or partner_left, got {answer}"),
        }
        if accepted % 256 == 0 {
            witnesses.expect_undisturbed().await;
        }
    }
    println!("{accepted} messages were accepted for who does not read");
    assert_grown_little(&server, before_bytes);
    witnesses.expect_undisturbed().await;
    // Whoever was given up and reads after all gets what was sent before, without a gap; then it is told
    // why, or cut off if that took too long.
    check_what_was_sent(&silent.read_to_end().await);
    let mut again = V1::connect(&server).await;
    again.join(PARIS, 10.0).await;
    again.expect_quiet().await;
}

#[tokio::test]
async fn who_sends_pings_without_reading_the_answers_is_given_up() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start(&[("limits.close_s", "1")]);
    let before_bytes = server.resident_bytes();
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        let pings = Frame::ping([7; 125]).bytes().repeat(100);
        within("the server to give up", async {
            while raw.stream.write_all(&pings).await.is_ok() {}
        })
        .await;
    }
    assert_grown_little(&server, before_bytes);
}

#[tokio::test]
async fn messages_in_thousands_of_fragments_cost_no_memory() {
    const CONNECTIONS: usize = 50;
    let server = Server::start(&[]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let mut raws = Vec::new();
    for _ in 0..CONNECTIONS {
        raws.push(Raw::upgraded(&server, V1_PATH).await);
    }
    let before_bytes = server.resident_bytes();
    let unfinished: Vec<_> = (0..4000)
        .map(|number| match number {
            0 => Frame::text("{").unfinished(),
            _ => Frame::continuation(if number % 2 == 0 { "a" } else { "" }).unfinished(),
        })
        .collect();
    let bytes = Frame::concat(&unfinished);
    for raw in &mut raws {
        raw.send(&bytes).await;
        raw.send(&Frame::ping("read").bytes()).await;
        raw.expect_pong(b"read").await;
    }
    assert_grown_little(&server, before_bytes);
    witnesses.expect_undisturbed().await;
}

#[tokio::test]
async fn sizes_that_are_only_claimed_cost_no_memory() {
    const CONNECTIONS: usize = 50;
    let server = Server::start(&[]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let mut raws = Vec::new();
    for number in 0..CONNECTIONS {
        raws.push(Raw::upgraded(&server, PATHS[number % 2]).await);
    }
    let before_bytes = server.resident_bytes();
    for (number, raw) in raws.iter_mut().enumerate() {
        // Allowed as far as it has come, or too large at once.
        let claim = [8192, 64 << 20][number / 2 % 2];
        raw.send(&Frame::text("{").claiming(claim).bytes()).await;
    }
    for (number, mut raw) in raws.into_iter().enumerate() {
        if number / 2 % 2 == 1 {
            assert_eq!(raw.expect_close().await, 1009);
        }
    }
    assert_grown_little(&server, before_bytes);
    witnesses.expect_undisturbed().await;
}

#[tokio::test]
async fn a_server_short_of_open_files_says_that_it_is_full_and_goes_on() {
    /// The server keeps 64 for itself and one of the rest for saying no.
    const OPEN_FILES: u32 = 96;
    const SEATS: usize = 31;
    let server = Server::with_open_files(OPEN_FILES, &[("limits.first_message_s", "600")]);
    let printed = server.printed("Up to").await;
    assert!(
        printed.contains(&format!("Up to {SEATS} connections")),
        "{printed}"
    );
    let mut guests = Vec::new();
    for _ in 0..SEATS {
        guests.push(V1::connect(&server).await);
    }
    let (response, _) = Request::upgrade(V1_PATH).send(&server).await;
    assert_eq!(response.status, 503);
    assert!(response.header("Retry-After").is_some(), "{response:?}");
    // More knock than there is room for; they wait, and whoever is in is not disturbed.
    let mut knocking = Vec::new();
    for _ in 0..200 {
        knocking.push(Raw::connect(&server).await);
    }
    for guest in &mut guests {
        guest.expect_quiet().await;
    }
    drop(knocking);
    guests.pop().expect("there are some").close().await;
    within("the seat to be free", async {
        while Request::upgrade(V1_PATH).send(&server).await.0.status != 101 {}
    })
    .await;
}
