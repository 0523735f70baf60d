//! Any bytes into the server's frame path, in any pieces, against RFC 6455 read once more.
//!
//! One client sends what the fuzzer makes; another waits at the same place and behaves. Each is held to what
//! the server may send: whole frames, messages of the contract, pongs for pings, one close frame, last. How
//! the bytes were cut into pieces makes no difference.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use reference::wire::{classic_frame, v1_message};
use whisperchat::config::Config;
use whisperchat::dialect::Dialect;
use whisperchat::server::simulated::{House, Line};

/// So little that what the server says at once, every control character escaped, fits an outbox, read or not:
/// else it depends on the pieces who is closed as too slow.
const FRAMES_MAX: usize = 60;
const STREAM_ENOUGH_BYTES: usize = 8 * 1024;

const TEXTS: [&str; 12] = [
    r#"{"type":"join","position":{"lat":48.85,"lon":2.35},"range_km":50,"id":"j"}"#,
    r#"{"type":"update","range_km":5}"#,
    r#"{"type":"say","id":"1","text":"hello"}"#,
    r#"{"type":"ack","seq":1}"#,
    r#"{"type":"next"}"#,
    r#"{"type":"leave"}"#,
    r#"{"type":"cancel"}"#,
    r#"{"type":"typing","on":true}"#,
    r#"{"type":"resume","token":"000000010000000100000000000000000000000000000000","last_seq":0}"#,
    r#"{"type":"bind","from":{"username":"ann","location":{"lat":48.85,"long":2.35},"range":50}}"#,
    "{",
    "grüße 👋",
];

fuzz_target!(|bytes: &[u8]| {
    // An input that ends early makes fewer frames.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(bytes: &mut Unstructured) -> Result<()> {
    let dialect = *bytes.choose(&[Dialect::V1, Dialect::Classic])?;
    let cuts: [u8; 4] = bytes.arbitrary()?;
    let mut stream = Vec::new();
    for _ in 0..FRAMES_MAX {
        let is_enough = bytes.is_empty() || stream.len() > STREAM_ENOUGH_BYTES;
        if is_enough || append_frame(bytes, &mut stream).is_err() {
            break;
        }
    }
    let whole = answers(dialect, &[&stream]);
    let pieces = answers(dialect, &cut(&stream, &cuts));
    let expected = expect(&stream);
    check(&expected, &whole);
    check(&expected, &pieces);
    assert_eq!(whole.texts, pieces.texts);
    assert_eq!(whole.close, pieces.close);
    Ok(())
}

/// A frame as it should be, or with any field wrong, or bytes that are none.
fn append_frame(bytes: &mut Unstructured, stream: &mut Vec<u8>) -> Result<()> {
    let kind = bytes.int_in_range(0..=15)?;
    if kind == 0 {
        stream.extend(bytes.bytes(bytes.len().min(20))?);
        return Ok(());
    }
    let first = match kind {
        1..=6 => 0x81,
        7 => 0x89,
        8 => 0x01,
        9 => 0x00,
        10 => 0x80,
        11 => 0x88,
        12 => 0x8A,
        _ => bytes.arbitrary()?,
    };
    let payload: Vec<u8> = match bytes.int_in_range(0..=4)? {
        0 | 1 => bytes.choose(&TEXTS)?.as_bytes().to_vec(),
        2 => {
            let length = bytes.int_in_range(0..=130)?.min(bytes.len());
            bytes.bytes(length)?.to_vec()
        }
        3 => [
            bytes.int_in_range(990..=5010u16)?.to_be_bytes().as_slice(),
            b"bye",
        ]
        .concat(),
        _ => vec![b'x'; bytes.int_in_range(0..=9000usize)?],
    };
    let mask: [u8; 4] = bytes.arbitrary()?;
    let is_odd = bytes.ratio(1, 32)?;
    stream.push(first);
    match (payload.len(), is_odd) {
        (length @ 0..126, false) => stream.push(0x80 | length as u8),
        (length, false) => {
            stream.push(0xFE);
            stream.extend((length as u16).to_be_bytes());
        }
        // Longer than it need be, or without a mask, or both; or a lie.
        (length, true) => {
            stream.push(*bytes.choose(&[0xFF, 0xFE, 0x7E])?);
            let claimed =
                length as u64 + u64::from(bytes.ratio(1, 2)?) * bytes.arbitrary::<u64>()? / 2;
            stream.extend(claimed.to_be_bytes());
        }
    }
    stream.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    stream.extend(masked.map(|(byte, mask)| byte ^ mask));
    Ok(())
}

fn cut<'a>(stream: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts
        .iter()
        .map(|cut| stream.len() * usize::from(*cut) / 256)
        .collect();
    at.extend([0, stream.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|ends| &stream[ends[0]..ends[1]])
        .collect()
}

/// What a client was sent.
#[derive(Debug, Default, PartialEq)]
struct Answers {
    texts: Vec<String>,
    pongs: Vec<Vec<u8>>,
    close: Option<u16>,
}

/// What a server makes of this, with somebody waiting near by.
fn answers(dialect: Dialect, pieces: &[&[u8]]) -> Answers {
    let mut house = House::new(&Config::default(), 1);
    let mut other = Client::connect(&mut house, Dialect::V1);
    other.send(&frame(TEXTS[0].as_bytes()));
    let mut client = Client::connect(&mut house, dialect);
    for piece in pieces {
        client.send(piece);
        other.take();
    }
    house.assert_invariants();
    assert_eq!(other.answers.close, None, "somebody else's session notices");
    client.answers
}

struct Client {
    line: Line,
    dialect: Dialect,
    answers: Answers,
}

impl Client {
    fn connect(house: &mut House, dialect: Dialect) -> Self {
        let mut client = Self {
            line: house.connect(dialect),
            dialect,
            answers: Answers::default(),
        };
        client.take();
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        if !self.line.is_over() {
            self.line.send(bytes);
            self.take();
        }
    }

    fn take(&mut self) {
        if self.line.is_over() {
            return;
        }
        let sent = self.line.take();
        let mut rest = &*sent;
        while let [first, second, bytes @ ..] = rest {
            assert_eq!(self.answers.close, None, "something follows a close frame");
            let (length, bytes) = match *second {
                length @ 0..126 => (usize::from(length), bytes),
                126 => (
                    usize::from(u16::from_be_bytes([bytes[0], bytes[1]])),
                    &bytes[2..],
                ),
                _ => panic!("masked, or longer than anything the server says"),
            };
            let (payload, bytes) = bytes.split_at(length);
            rest = bytes;
            match first {
                0x81 => self.answers.texts.push(text(self.dialect, payload)),
                0x8A => self.answers.pongs.push(payload.to_vec()),
                0x89 => assert!(payload.is_empty()),
                0x88 => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |code| u16::from_be_bytes(*code));
                    self.answers.close = Some(code);
                }
                other => panic!("{other:#x}"),
            }
        }
        assert!(rest.is_empty(), "half a frame");
    }
}

fn text(dialect: Dialect, payload: &[u8]) -> String {
    let text = std::str::from_utf8(payload).expect("text is UTF-8");
    match dialect {
        Dialect::V1 => drop(v1_message(text)),
        Dialect::Classic => drop(classic_frame(text)),
    }
    text.to_owned()
}

/// A masked text frame; the mask is zero.
fn frame(text: &[u8]) -> Vec<u8> {
    assert!(text.len() < 126);
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text].concat()
}

/// What RFC 6455 and the contract make of a client's bytes, up to what ends the connection.
#[derive(Debug, Default)]
struct Expected {
    messages: usize,
    pings: Vec<Vec<u8>>,
    end: Option<Ending>,
}

#[derive(Debug, PartialEq)]
enum Ending {
    /// A rule is broken.
    Broken(u16),
    /// The client closes; how is for it to say, and for the server to find malformed.
    Closed,
}

fn expect(mut stream: &[u8]) -> Expected {
    let mut expected = Expected::default();
    let mut fragments: Option<Vec<u8>> = None;
    let message_max = Config::default().limits.max_message_bytes;
    expected.end = loop {
        let [first, second, rest @ ..] = stream else {
            break None;
        };
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0F);
        let is_control = opcode >= 8;
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) || second & 0x80 == 0 {
            break Some(Ending::Broken(1002));
        }
        let (length, is_minimal, rest) = match second & 0x7F {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => {
                    let length = u64::from(u16::from_be_bytes(*length));
                    (length, length >= 126, rest)
                }
                None => break None,
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => {
                    let length = u64::from_be_bytes(*length);
                    (length, length >= 0x1_0000, rest)
                }
                None => break None,
            },
            length => (u64::from(length), true, rest),
        };
        if !is_minimal || (is_control && (!is_final || length > 125)) {
            break Some(Ending::Broken(1002));
        }
        match (opcode, &fragments) {
            (0, None) | (1 | 2, Some(_)) => break Some(Ending::Broken(1002)),
            (2, None) => break Some(Ending::Broken(1003)),
            _ => {}
        }
        let so_far = fragments.as_ref().map_or(0, Vec::len) as u64;
        if !is_control && length.saturating_add(so_far) > message_max as u64 {
            break Some(Ending::Broken(1009));
        }
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
            break None;
        };
        let (masked, is_whole) = match rest.split_at_checked(length as usize) {
            Some((masked, rest)) => {
                stream = rest;
                (masked, true)
            }
            None => (rest, false),
        };
        let masked = masked.iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
        if !is_whole {
            // What is there of a text is looked at already.
            let mut message = fragments.unwrap_or_default();
            message.extend(payload);
            break (!is_control && is_broken(&message)).then_some(Ending::Broken(1007));
        }
        match opcode {
            8 => break Some(Ending::Closed),
            9 => expected.pings.push(payload),
            10 => {}
            _ => {
                let mut message = fragments.take().unwrap_or_default();
                message.extend(payload);
                if is_broken(&message) || (is_final && std::str::from_utf8(&message).is_err()) {
                    break Some(Ending::Broken(1007));
                } else if !is_final {
                    fragments = Some(message);
                } else {
                    expected.messages += 1;
                }
            }
        }
    };
    expected
}

/// Whether nothing that follows can make this UTF-8.
fn is_broken(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_err_and(|error| error.error_len().is_some())
}

fn check(expected: &Expected, answers: &Answers) {
    // What a message says may end the connection, too.
    let may_end_earlier = match answers.close {
        Some(4001) => expected.messages >= 20,
        Some(1008) => expected.messages >= 1,
        _ => false,
    };
    match (&expected.end, answers.close) {
        _ if may_end_earlier => {}
        (None, None) | (Some(Ending::Closed), Some(_)) => {}
        (Some(Ending::Broken(code)), Some(close)) => assert_eq!(close, *code),
        (end, close) => panic!("{end:?} expected, closed with {close:?}"),
    }
    assert!(
        expected.pings.starts_with(&answers.pongs),
        "a pong for no ping"
    );
    if expected.end.is_none() && answers.close.is_none() {
        assert_eq!(expected.pings.len(), answers.pongs.len());
    }
}
