//! Spans for a collector of OpenTelemetry: a real one that reads them as protobuf, one that hangs, and one that
//! is not there.

mod common;

use common::{Pair, Place, Server, V1, resume, within};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PARIS: Place = (48.8566, 2.3522);

/// What comes to a collector.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Vec<u8>>>>);

impl Received {
    /// The bodies of all requests so far.
    fn bodies(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("nobody panics").clone()
    }

    /// All that was sent, decoded.
    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let decode = |body: &Vec<u8>| ExportTraceServiceRequest::decode(body.as_slice());
        let decoded: Result<_, _> = self.bodies().iter().map(decode).collect();
        decoded.expect("it is OTLP")
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|it| it.resource_spans);
        let scopes = resources.flat_map(|it| it.scope_spans);
        scopes.flat_map(|it| it.spans).collect()
    }

    /// All spans, once there are so many of this name.
    async fn with(&self, name: &str, count: usize) -> Vec<Span> {
        within(&format!("{count} spans called {name:?}"), async {
            loop {
                let spans = self.spans();
                if spans.iter().filter(|span| span.name == name).count() >= count {
                    return spans;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

/// A collector that takes everything and answers with this status.
async fn collector(status: &'static str) -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let received = Received::default();
    let requests = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, requests.clone(), status));
        }
    });
    (address, received)
}

/// Takes one request.
async fn take(stream: TcpStream, received: Received, status: &str) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).await.expect("the head is text");
        assert!(read > 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/x-protobuf\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    let mark = "\r\ncontent-length: ";
    let (_, length) = head.split_once(mark).expect("it says how much comes");
    let (length, _) = length.split_once('\r').expect("a line");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("all of it comes");
    received.0.lock().expect("nobody panics").push(body);
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn watched(address: SocketAddr, more: &[(&str, &str)]) -> Server {
    let endpoint = format!("http://{address}/v1/traces");
    let settings = [&[("telemetry.endpoint", endpoint.as_str())], more].concat();
    Server::start(&settings)
}

/// Two meet, talk, lose each other and find each other again.
async fn meet_and_come_back(server: &Server) {
    let mut pair = Pair::chatting(server, PARIS).await;
    let token = pair.bob.lose().await;
    pair.ann.expect("partner_away").await;
    let (bob, resumed) = V1::resumed(server, &token, 0).await;
    assert_eq!(resumed["recovered"], true);
    pair.ann.expect("partner_back").await;
    pair.bob = bob;
    // What was used once is no good again.
    let mut stranger = V1::connect(server).await;
    stranger.refused(resume(&token, 0), "bad_token").await;
    pair.expect_undisturbed().await;
}

/// What a span says besides its name and times, as text.
fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().and_then(|it| it.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|pair| (pair.key.clone(), text(pair)))
        .collect()
}

#[tokio::test]
async fn connects_matches_and_resumes_are_told_and_nobody_is_named() {
    let (address, received) = collector("200 OK").await;
    let server = watched(address, &[]);
    meet_and_come_back(&server).await;
    received.with("connect", 4).await;
    received.with("match", 1).await;
    let spans = received.with("resume", 2).await;

    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    assert_eq!(spans.len(), 4 + 1 + 2, "{spans:?}");
    for span in &spans {
        assert!(
            span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano
        );
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.events.is_empty() && span.links.is_empty());
    }
    for connect in named("connect") {
        let told = attributes(&connect.attributes);
        let expected = [("whisperchat.dialect", "v1"), ("whisperchat.tls", "false")];
        assert_eq!(
            told,
            expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into()
        );
    }
    let told = attributes(&named("match")[0].attributes);
    let keys: Vec<_> = told.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "whisperchat.waited_longer_ms",
            "whisperchat.waited_shorter_ms"
        ]
    );
    assert!(
        told.values().all(|ms| ms.parse::<u32>().is_ok()),
        "{told:?}"
    );
    let mut outcomes: Vec<_> = named("resume")
        .iter()
        .map(|span| attributes(&span.attributes))
        .collect();
    outcomes.sort();
    let outcome =
        |word: &str| BTreeMap::from([("whisperchat.outcome".to_owned(), word.to_owned())]);
    assert_eq!(outcomes, ["refused", "resumed"].map(outcome));

    for request in received.requests() {
        for resource in request.resource_spans {
            let told = attributes(&resource.resource.expect("what it is").attributes);
            let keys: Vec<_> = told.keys().map(String::as_str).collect();
            assert_eq!(keys, ["service.name", "service.version"]);
        }
    }
}

#[tokio::test]
async fn what_is_left_is_sent_when_the_server_ends_and_only_the_share_asked_for() {
    let (address, all) = collector("200 OK").await;
    let (elsewhere, none) = collector("200 OK").await;
    let server = watched(address, &[]);
    let silent = watched(elsewhere, &[("telemetry.sample_ratio", "0")]);
    for server in [server, silent] {
        meet_and_come_back(&server).await;
        assert!(server.stop().await.success());
    }
    assert_eq!(all.spans().len(), 7);
    assert!(none.bodies().is_empty());
}

/// How long two need to meet and come back, and their server to end.
async fn time_with(server: Server) -> Duration {
    let began = Instant::now();
    for _ in 0..20 {
        meet_and_come_back(&server).await;
    }
    assert!(server.stop().await.success());
    began.elapsed()
}

#[tokio::test]
async fn a_collector_that_is_away_or_hangs_or_refuses_changes_nothing_for_people() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let away = free.local_addr().expect("it listens");
    drop(free);
    // It takes connections and never answers.
    let hangs = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let hanging = hangs.local_addr().expect("it listens");
    let (refusing, refused) = collector("400 Bad Request").await;
    let limits = [
        // Smaller than what there is to tell.
        ("telemetry.queue_spans", "8"),
        ("telemetry.timeout_s", "60"),
    ];
    for (address, is_quick) in [(away, true), (hanging, false), (refusing, true)] {
        let server = watched(address, &limits);
        meet_and_come_back(&server).await;
        if is_quick {
            // Said once, however often it is so.
            let printed = server.printed("spans can't be delivered").await;
            assert_eq!(printed.matches("spans can't be delivered").count(), 1);
        }
        // A hanging collector would hold up whoever waits for it for a minute.
        let took = time_with(server).await;
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    assert!(!refused.bodies().is_empty());
    drop(hangs);
}

#[tokio::test]
async fn without_an_endpoint_there_is_no_other_thread_and_a_bad_one_is_refused() {
    let server = Server::start(&[]);
    let threads = |server: &Server| {
        let folder = format!("/proc/{}/task", server.pid());
        let names = std::fs::read_dir(folder).expect("it runs").flatten();
        let names = names.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names
            .filter(|name| name.starts_with("OpenTelemetry"))
            .count()
    };
    let (address, _received) = collector("200 OK").await;
    let watched = watched(address, &[]);
    assert_eq!((threads(&server), threads(&watched)), (0, 1));

    for bad in ["ftp://collector/v1/traces", "127.0.0.1:4318"] {
        let (code, _, stderr) = Server::refused(&[("telemetry.endpoint", bad)]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(
            stderr.contains("`telemetry.endpoint`") || stderr.contains("TELEMETRY__ENDPOINT"),
            "{stderr}"
        );
        assert!(stderr.contains("must be http:// or https://"), "{stderr}");
    }
}
