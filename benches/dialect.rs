//! Reading and writing messages, against `serde_json::Value`: `cargo bench --bench dialect`.
//!
//! The rival is what one writes first: parse the message into a `Value`, or print one that is already
//! built. It does less: what is read is neither checked nor typed, and what is written has been put
//! together before. Throughput is in bytes of the message's JSON.

mod support;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Duration;
use whisperchat::dialect::v1::Request;
use whisperchat::dialect::{Bounds, Dialect, Outgoing, Speaker, Spoken, classic, v1};
use whisperchat::lobby::{Command, Effect, Event, Lobby, MessageId, Settings};
use whisperchat::moment::Moment;

const OWN: &str = "this dialect";
const RIVAL: &str = "serde_json Value";

const BOUNDS: Bounds = Bounds {
    range_min_km: 2.0,
    range_max_km: 20_040.0,
};

const AT_MS: u64 = 1_790_000_000_000;

/// Each direction is a group of criterion's.
const DECODE: &str = "decode";
const ENCODE: &str = "encode";

fn say(text: &str) -> String {
    json!({"type": "say", "id": "m-000017", "text": text}).to_string()
}

/// Plain text of so many bytes.
fn plain(bytes: usize) -> String {
    "The quick brown fox jumps over the lazy dog. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// Text of so many bytes of which every eighth has to be escaped.
fn with_escapes(bytes: usize) -> String {
    "so \"it\"\n".chars().cycle().take(bytes).collect()
}

fn join() -> String {
    json!({
        "type": "join", "id": "m-000001",
        "position": {"lat": 48.8566, "lon": 2.3522}, "range_km": 50,
        "name": "ann", "interests": ["chess", "climbing"],
    })
    .to_string()
}

fn bind() -> String {
    json!({
        "type": "bind",
        "from": {"username": "ann", "location": {"lat": 48.85, "long": 2.35}, "range": 50},
        "body": "",
    })
    .to_string()
}

/// What clients of v1 send.
fn requests() -> Vec<(&'static str, String)> {
    vec![
        ("v1 join", join()),
        ("v1 say 64 B", say(&plain(64))),
        ("v1 say 1 KiB", say(&plain(1024))),
        ("v1 say 1 KiB escaped", say(&with_escapes(1024))),
        ("v1 ack", r#"{"type":"ack","seq":17}"#.to_owned()),
    ]
}

/// Two people of v1 meet in a lobby: what the first is told while waiting, and on the match.
fn waiting_and_matched() -> (Event, Event) {
    let mut lobby = Lobby::new(Settings::default(), StdRng::seed_from_u64(1));
    let message = join();
    let Request::Lobby(Command::Join(join)) = decoded(&message) else {
        panic!("a join is a join");
    };
    let (mut told, mut probed) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let session = lobby.connect(Moment::START, true);
        let join = Command::Join(join.clone());
        lobby
            .handle(Moment::START, session, join, None)
            .expect("a fresh session may join");
        while let Some(effect) = lobby.poll_effect() {
            match effect {
                Effect::Tell { event, .. } => told.push(event),
                Effect::Probe { session } => probed.push(session),
                _ => {}
            }
        }
    }
    for session in probed {
        lobby.heard(Moment::START, session);
        while let Some(effect) = lobby.poll_effect() {
            if let Effect::Tell { event, .. } = effect {
                told.push(event);
            }
        }
    }
    let find = |wanted: fn(&Event) -> bool| told.iter().find(|event| wanted(event)).cloned();
    let waiting = find(|event| matches!(event, Event::Waiting { .. }));
    let matched = find(|event| matches!(event, Event::Matched { .. }));
    waiting.zip(matched).expect("who waits there is matched")
}

fn decoded(message: &str) -> Request<'_> {
    let message = v1::decode(message, &BOUNDS).expect("the message is well formed");
    message.request
}

/// A classic connection that has bound and is in a chat.
fn classic_speaker(matched: &Event) -> Speaker {
    let mut speaker = Speaker::new(Dialect::Classic);
    if let Speaker::Classic(classic) = &mut speaker {
        classic.bound(classic::decode(&bind()).expect("the bind is well formed"));
    }
    speaker.speak(Outgoing::Lobby(matched, None), &mut Vec::new());
    speaker
}

/// A message that was timed.
struct Timed {
    name: String,
    bytes: usize,
}

/// One message, read by both.
fn time_decode(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    message: &str,
    decode: impl Fn(&str) -> bool,
) -> Timed {
    assert!(decode(message), "{name} is well formed");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function(BenchmarkId::new(OWN, name), |bencher| {
        bencher.iter(|| decode(black_box(message)));
    });
    group.bench_function(BenchmarkId::new(RIVAL, name), |bencher| {
        bencher.iter(|| serde_json::from_str::<Value>(black_box(message)));
    });
    Timed {
        name: name.to_owned(),
        bytes: message.len(),
    }
}

/// One message, written by both.
fn time_encode(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    speaker: &mut Speaker,
    outgoing: Outgoing<'_>,
) -> Timed {
    let mut out = Vec::new();
    assert_eq!(speaker.speak(outgoing, &mut out), Spoken::Frame);
    let value: Value = serde_json::from_slice(&out).expect("a dialect writes JSON");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function(BenchmarkId::new(OWN, name), |bencher| {
        bencher.iter(|| {
            out.clear();
            speaker.speak(black_box(outgoing), &mut out)
        });
    });
    group.bench_function(BenchmarkId::new(RIVAL, name), |bencher| {
        bencher.iter(|| black_box(&value).to_string());
    });
    Timed {
        name: name.to_owned(),
        bytes: value.to_string().len(),
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let read = time_reading(&mut criterion);
    let written = time_writing(&mut criterion);
    criterion.final_summary();
    if !support::is_test_run() {
        println!("\n| message | bytes | MB/s | against `serde_json::Value` |");
        println!("|---|---|---|---|");
        print_ratios(DECODE, &read);
        print_ratios(ENCODE, &written);
    }
}

fn time_reading(criterion: &mut Criterion) -> Vec<Timed> {
    let mut group = criterion.benchmark_group(DECODE);
    let mut timed: Vec<_> = requests()
        .into_iter()
        .map(|(name, message)| {
            time_decode(&mut group, name, &message, |message| {
                v1::decode(message, &BOUNDS).is_ok()
            })
        })
        .collect();
    timed.push(time_decode(
        &mut group,
        "classic bind",
        &bind(),
        |message| classic::decode(message).is_ok(),
    ));
    timed
}

fn time_writing(criterion: &mut Criterion) -> Vec<Timed> {
    let (waiting, matched) = waiting_and_matched();
    let mut v1 = Speaker::new(Dialect::V1);
    let mut classic = classic_speaker(&matched);
    let mut group = criterion.benchmark_group(ENCODE);
    let mut timed = Vec::new();
    for (name, text) in [
        ("64 B", plain(64)),
        ("1 KiB", plain(1024)),
        ("1 KiB escaped", with_escapes(1024)),
    ] {
        let said = Outgoing::Said {
            seq: 17,
            text: &text,
            at_ms: AT_MS,
        };
        let (v1_name, classic_name) = (format!("v1 said {name}"), format!("classic client {name}"));
        timed.push(time_encode(&mut group, &v1_name, &mut v1, said));
        timed.push(time_encode(&mut group, &classic_name, &mut classic, said));
    }
    let id = MessageId::from("m-000017");
    let accepted = Outgoing::Accepted {
        id: Some(&id),
        seq: 17,
        text: None,
    };
    let waiting = Outgoing::Lobby(&waiting, Some(&id));
    let matched = Outgoing::Lobby(&matched, None);
    timed.push(time_encode(&mut group, "v1 accepted", &mut v1, accepted));
    timed.push(time_encode(&mut group, "v1 waiting", &mut v1, waiting));
    timed.push(time_encode(&mut group, "v1 matched", &mut v1, matched));
    timed
}

fn print_ratios(direction: &str, timed: &[Timed]) {
    for Timed { name, bytes } in timed {
        let median = |contender| support::ratios::median_ns(direction, contender, name);
        let Some((own_ns, rival_ns)) = median(OWN).zip(median(RIVAL)) else {
            continue;
        };
        let mb_per_s = *bytes as f64 * 1e3 / own_ns;
        let ratio = rival_ns / own_ns;
        println!("| {direction} {name} | {bytes} | {mb_per_s:.0} | {ratio:.1} × |");
    }
}
