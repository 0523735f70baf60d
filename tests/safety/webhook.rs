//! The webhook: a real server that is called, over HTTP on loopback, by a real server of ours.

use crate::api::get;
use crate::common::{Request, Server, within};
use crate::reports::{kept, report};
use crate::{House, now_ms, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use whisperchat::store::{NewCall, NewReport};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A call as it came.
#[derive(Debug, Clone)]
struct Heard {
    head: String,
    body: String,
    at: Instant,
}

impl Heard {
    /// The value of a header, which must be there.
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let line = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, value)) = line else {
            panic!("no {name} in {}", self.head);
        };
        value
    }

    fn data(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).expect("it is JSON");
        assert_eq!(body["type"], "report.created");
        assert_eq!(body["timestamp"], body["data"]["at_ms"]);
        body["data"].clone()
    }

    /// Whether who has sent it knows the secret: what a receiver does.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = match secret.strip_prefix("whsec_") {
            Some(base64) => STANDARD.decode(base64).expect("it is base64"),
            None => secret.as_bytes().to_vec(),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (id, at_s) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = format!("{id}.{at_s}.{}", self.body);
        let signature = self.header("webhook-signature").strip_prefix("v1,");
        let signature = STANDARD.decode(signature.expect("version 1"));
        let signature = signature.expect("it is base64");
        hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
    }
}

/// Who is called.
struct Receiver {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    /// Answers the first calls so, and all others with 200.
    async fn start(answers: &[&'static str]) -> Self {
        Self::on(loopback().await, answers)
    }

    fn on(listener: TcpListener, answers: &[&'static str]) -> Self {
        let url = url(listener.local_addr().expect("it listens"));
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let answers: VecDeque<_> = answers.iter().copied().collect();
        let answers = Arc::new(Mutex::new(answers));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&answers), Arc::clone(&all)));
            }
        });
        Self { url, heard }
    }

    fn so_far(&self) -> Vec<Heard> {
        self.heard.lock().expect("nobody panics").clone()
    }

    /// All calls, once there are so many.
    async fn heard(&self, count: usize) -> Vec<Heard> {
        until(&format!("{count} calls"), async || {
            let heard = self.so_far();
            (heard.len() >= count).then_some(heard)
        })
        .await
    }
}

/// Takes one call.
async fn take(
    stream: TcpStream,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match stream.read_line(&mut head).await {
            // Who has called was killed.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let call = Heard {
        head,
        body: String::new(),
        at: Instant::now(),
    };
    let length = call.header("content-length").parse();
    let mut body = vec![0; length.expect("a number")];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let body = String::from_utf8(body).expect("it is text");
    heard
        .lock()
        .expect("nobody panics")
        .push(Heard { body, ..call });
    let answer = answers.lock().expect("nobody panics").pop_front();
    let answer = answer.unwrap_or("200 OK");
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0")
        .await
        .expect("some port is free")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/reports")
}

/// What makes the server call there, and operators find its figures.
fn calling(url: &str) -> [(&str, &str); 3] {
    [
        ("webhook.url", url),
        ("webhook.secret", SECRET),
        ("admin_listen", "127.0.0.1:0"),
    ]
}

/// Waits until the server tells a figure, as `name{labels} value`.
async fn told(server: &Server, figure: &str) {
    let admin = server.admin_address().await;
    let line = format!("whisperchat_webhook_{figure}\n");
    until(&line, async || {
        let (_, text) = Request::get("/metrics").ask(admin).await;
        text.contains(&line).then_some(())
    })
    .await;
}

/// Waits until nothing is left to be delivered.
async fn all_done(house: &House) {
    until("no call to wait", async || {
        (house.store.calls_waiting().await.unwrap() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_report_is_told_once_and_signed_and_without_what_was_said() {
    let receiver = Receiver::start(&[]).await;
    let house = House::start(&calling(&receiver.url)).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    bob.say("something vile").await;
    ann.expect_said("something vile").await;
    let with_all = json!({"note": "again and again", "evidence": true});
    for _ in 0..3 {
        ann.ask(report(&chat, &with_all), "reported").await;
    }
    bob.ask(report(&chat, &json!({})), "reported").await;
    let heard = receiver.heard(2).await;
    all_done(&house).await;
    assert_eq!(receiver.so_far().len(), 2, "one for each report");
    assert_ne!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    let admin = house.server.admin_address().await;
    for call in &heard {
        assert!(call.head.starts_with("POST /reports HTTP/1.1\r\n"));
        assert_eq!(call.header("content-type"), "application/json");
        let at_s: i64 = call.header("webhook-timestamp").parse().unwrap();
        assert!((now_ms() / 1000 - at_s).abs() < 60, "{at_s}");
        assert!(call.is_signed_with(SECRET));
        assert!(!call.is_signed_with("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"));
        for personal in ["again and", "vile", "127.0.0", "note", "network\""] {
            assert!(!call.body.contains(personal), "{}", call.body);
        }
        // The same as operators see.
        let data = call.data();
        let shown = get(admin, &format!("/api/v1/reports/{}", data["id"])).await;
        for (name, value) in data.as_object().unwrap() {
            assert_eq!(shown.get(name), Some(value), "{name}");
        }
        assert_eq!(data["against"]["reports"], 1);
        assert_eq!(data["chat"], chat);
    }
    told(&house.server, "deliveries_total{outcome=\"delivered\"} 2").await;
    told(&house.server, "waiting 0").await;
}

#[tokio::test]
async fn who_fails_is_called_again_with_the_same_id_and_body() {
    let receiver = Receiver::start(&["500 Internal Server Error", "302 Found"]).await;
    let plain = [("webhook.secret", "a-secret-of-its-own-characters")];
    let house = House::start(&[&calling(&receiver.url)[..], &plain].concat()).await;
    let (mut ann, _bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    let heard = receiver.heard(3).await;
    all_done(&house).await;
    let mut at_s = Vec::new();
    for call in &heard {
        assert_eq!(call.header("webhook-id"), heard[0].header("webhook-id"));
        assert_eq!(call.body, heard[0].body);
        assert!(call.is_signed_with("a-secret-of-its-own-characters"));
        at_s.push(call.header("webhook-timestamp").parse::<i64>().unwrap());
    }
    assert!(at_s.is_sorted(), "{at_s:?}");
    told(&house.server, "deliveries_total{outcome=\"failed\"} 2").await;
    told(&house.server, "deliveries_total{outcome=\"delivered\"} 1").await;
    let printed = house.server.printed("reports are delivered").await;
    assert_eq!(printed.matches("reports can't be delivered").count(), 1);
    assert!(printed.contains("500 Internal Server Error"), "{printed}");
}

#[tokio::test]
async fn what_was_acknowledged_is_delivered_after_a_kill() {
    // Its port, at which nobody listens yet.
    let receiver = TcpSocket::new_v4().expect("sockets can be made");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    receiver.bind(any).expect("some port is free");
    let url = url(receiver.local_addr().expect("it has one"));
    let settings = [&calling(&url)[..], &[("webhook.timeout_s", "0.5")]].concat();
    let mut house = House::start(&settings).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    // One was tried by then, and of the other there was no time to hear.
    house.server.printed("reports can't be delivered").await;
    bob.ask(report(&chat, &json!({})), "reported").await;
    house.kill_and_start(&settings);
    let receiver = Receiver::on(receiver.listen(16).expect("it can now"), &[]);
    let heard = receiver.heard(2).await;
    all_done(&house).await;
    let told: BTreeSet<_> = heard
        .iter()
        .map(|call| call.data()["id"].as_i64())
        .collect();
    let kept = kept(&house).await;
    let expected: BTreeSet<_> = kept.iter().map(|report| Some(report.id)).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody() {
    let hanging = loopback().await;
    let url = url(hanging.local_addr().expect("it listens"));
    // Longer than anything here is waited for.
    let settings = [&calling(&url)[..], &[("webhook.timeout_s", "60")]].concat();
    let house = House::start(&settings).await;
    let mut pairs = Vec::new();
    for _ in 0..4 {
        let (mut ann, mut bob, _, chat) = house.pair().await;
        ann.ask(report(&chat, &json!({})), "reported").await;
        bob.ask(report(&chat, &json!({})), "reported").await;
        pairs.push((ann, bob));
    }
    let mut hung = Vec::new();
    for _ in 0..4 {
        hung.push(within("a call", hanging.accept()).await.expect("one comes"));
    }
    told(&house.server, "waiting 8").await;
    for (ann, bob) in &mut pairs {
        ann.say("still here?").await;
        bob.expect_said("still here?").await;
    }
    assert!(house.server.stop().await.success(), "nor the end");
}

#[tokio::test]
async fn who_asks_for_rest_has_it_and_who_wants_no_more_is_left_alone() {
    let rest = "503 Service Unavailable\r\nRetry-After: 3";
    let receiver = Receiver::start(&[rest, "410 Gone"]).await;
    let house = House::start(&calling(&receiver.url)).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    receiver.heard(1).await;
    told(&house.server, "deliveries_total{outcome=\"failed\"} 1").await;
    // Another call doesn't disturb the rest either.
    bob.ask(report(&chat, &json!({})), "reported").await;
    let heard = receiver.heard(3).await;
    let rested = heard[1].at - heard[0].at;
    assert!(rested >= Duration::from_millis(2900), "{rested:?}");
    all_done(&house).await;
    told(&house.server, "deliveries_total{outcome=\"given_up\"} 1").await;
    told(&house.server, "deliveries_total{outcome=\"delivered\"} 1").await;
    assert_eq!(receiver.so_far().len(), 3);
}

#[tokio::test]
async fn what_was_not_delivered_in_time_is_given_up_and_said() {
    let receiver = Receiver::start(&[]).await;
    let mut house = House::start(&[]).await;
    let old = NewReport {
        once: "old".to_owned(),
        at_ms: now_ms() - 73 * 3_600_000,
        chat: "old".to_owned(),
        reason: "spam".to_owned(),
        note: None,
        reporter: None,
        reporter_network: None,
        reported: None,
        reported_network: None,
        evidence: None,
        weight: 0,
        call: Some(NewCall {
            name: "msg_old".to_owned(),
            against_since_ms: 0,
        }),
    };
    house.store.add_report(&old).await.unwrap();
    house.kill_and_start(&calling(&receiver.url));
    let said = "reports were not delivered within webhook.keep_h";
    house.server.printed(said).await;
    told(&house.server, "deliveries_total{outcome=\"given_up\"} 1").await;
    let (mut ann, _bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    let heard = receiver.heard(1).await;
    assert_eq!(heard[0].data()["chat"], chat, "the old one never came");
}

#[tokio::test]
async fn who_is_told_changes_with_the_settings() {
    let receiver = Receiver::start(&[]).await;
    let mut house = House::start(&[]).await;
    let file = house.folder.path().join("whisperchat.toml");
    let secret = house.folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::write(&file, "").unwrap();
    let folder = house.folder.path().to_str().unwrap();
    house.server = Server::with_file(&file, &[("store.folder", folder)]);
    let (mut ann, mut bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    assert_eq!(house.store.calls_waiting().await.unwrap(), 0);

    let url = &receiver.url;
    let webhook = format!("[webhook]\nurl = {url:?}\nsecret_file = {secret:?}\n");
    std::fs::write(&file, &webhook).unwrap();
    house.server.signal("-HUP");
    let printed = house.server.printed("webhook.secret_file").await;
    assert!(!printed.contains("restart"), "{printed}");
    bob.ask(report(&chat, &json!({})), "reported").await;
    assert!(receiver.heard(1).await[0].is_signed_with(SECRET));

    // As a whole or not at all.
    std::fs::write(&secret, "too short").unwrap();
    house.server.signal("-HUP");
    let printed = house.server.printed("nothing was reloaded").await;
    assert!(!printed.contains("too short"), "{printed}");
    let (mut ann, _bob, _, chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    assert!(receiver.heard(2).await[1].is_signed_with(SECRET));
}

#[test]
fn settings_that_can_not_be_used_are_refused_in_words() {
    let folder = tempfile::tempdir().expect("folders can be made");
    let folder = folder.path().to_str().expect("its path is text");
    let url = ("webhook.url", "https://desk.example/reports");
    let secret = ("webhook.secret", SECRET);
    let kept = ("store.folder", folder);
    for (settings, key, words) in [
        (
            [("webhook.url", "ftp://desk.example"), secret, kept],
            "`webhook.url`",
            "must be http:// or https://",
        ),
        (
            [url, secret, ("store.url", "off")],
            "`webhook.url`",
            "`store.url` must not be off",
        ),
        (
            [url, ("webhook.timeout_s", "5"), kept],
            "`webhook.secret`",
            "needed if `webhook.url` is set",
        ),
        (
            [url, ("webhook.secret", "too-short-a-secret"), kept],
            "`webhook.secret`",
            "must be 24 to 1024",
        ),
        (
            [url, ("webhook.secret_file", "/nowhere/secret"), kept],
            "`webhook.secret_file`",
            "/nowhere/secret",
        ),
        (
            [("webhook.keep_h", "0"), secret, kept],
            "`webhook.keep_h`",
            "must be 1 to 720 whole hours",
        ),
        (
            [("webhook.timeout_s", "61"), secret, kept],
            "`webhook.timeout_s`",
            "must be 0.1 to 60 seconds",
        ),
    ] {
        let (code, stdout, stderr) = Server::refused(&settings);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(key) && stderr.contains(words), "{stderr}");
        let shows = ["too-short", "MfKQ9r8"].map(|secret| stderr.contains(secret));
        assert_eq!(shows, [false, false], "a secret is not shown: {stderr}");
    }
}
