//! What the wire contract promises about frames, right and wrong ones, while others chat on undisturbed.

mod common;

use common::{Classic, Frame, Pair, Place, Raw, Server, V1, join, joined, with};
use serde_json::{Value, json};

const V1_PATH: &str = "/v1/ws";
const PATHS: [&str; 2] = [V1_PATH, "/"];
/// The smaller of the two limits that are tried; the other is the default.
const LIMIT_BYTES: usize = 1024;
const LIMIT_SETTING: (&str, &str) = ("limits.max_message_bytes", "1024");
const LIMIT_DEFAULT_BYTES: usize = 8192;

const PARIS: Place = (48.8566, 2.3522);
const SYDNEY: Place = (-33.8688, 151.2093);

/// What a client sends that it must not, and the close code it gets.
struct Violation {
    name: String,
    bytes: Vec<u8>,
    code: u16,
}

fn violation(name: impl Into<String>, frames: &[Frame], code: u16) -> Violation {
    Violation {
        name: name.into(),
        bytes: Frame::concat(frames),
        code,
    }
}

/// Commits each violation on a connection of its own in each dialect, while two others chat.
async fn check(violations: &[Violation]) {
    let server = Server::start(&[LIMIT_SETTING]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    for path in PATHS {
        for Violation { name, bytes, code } in violations {
            println!("{name} at {path}");
            let mut raw = Raw::upgraded(&server, path).await;
            raw.send(bytes).await;
            assert_eq!(raw.expect_close().await, *code, "{name} at {path}");
            witnesses.expect_undisturbed().await;
        }
    }
}

/// A raw v1 connection in a chat with another client.
async fn raw_chat(server: &Server) -> (Raw, V1) {
    let mut raw = Raw::upgraded(server, V1_PATH).await;
    raw.send_text(&join(PARIS, 10.0).to_string()).await;
    raw.expect("waiting").await;
    let mut partner = joined(server, PARIS, 10.0).await;
    partner.expect("matched").await;
    raw.expect("matched").await;
    (raw, partner)
}

/// `message` with a field the server ignores, exactly this long.
fn padded(message: &Value, bytes: usize) -> String {
    let unpadded = with(message.clone(), json!({"pad": ""})).to_string();
    let pad = "a".repeat(bytes - unpadded.len());
    with(message.clone(), json!({"pad": pad})).to_string()
}

#[tokio::test]
async fn binary_frames_close_with_1003() {
    check(&[
        violation("a binary frame", &[Frame::binary("{}")], 1003),
        violation("an empty binary frame", &[Frame::binary("")], 1003),
        violation(
            "a binary message in fragments",
            &[Frame::binary("{").unfinished(), Frame::continuation("}")],
            1003,
        ),
    ])
    .await;
}

#[tokio::test]
async fn frames_against_the_protocol_close_with_1002() {
    let mut violations = vec![
        violation("unmasked text", &[Frame::text("{}").unmasked()], 1002),
        violation("unmasked empty text", &[Frame::text("").unmasked()], 1002),
        violation("an unmasked ping", &[Frame::ping("hi").unmasked()], 1002),
        violation(
            "an unmasked close",
            &[Frame::close_with(1000, b"").unmasked()],
            1002,
        ),
        violation(
            "an unmasked frame after a good one",
            &[Frame::pong(""), Frame::pong("").unmasked()],
            1002,
        ),
        violation(
            "an unmasked continuation",
            &[
                Frame::text("{").unfinished(),
                Frame::continuation("}").unmasked(),
            ],
            1002,
        ),
        violation(
            "a continuation of nothing",
            &[Frame::continuation("{}")],
            1002,
        ),
        violation(
            "a continuation of nothing with more to come",
            &[Frame::continuation("{}").unfinished()],
            1002,
        ),
        violation(
            "text within a fragmented message",
            &[Frame::text("{").unfinished(), Frame::text("{}")],
            1002,
        ),
        violation(
            "the start of a message within a fragmented message",
            &[Frame::text("{").unfinished(), Frame::text("{").unfinished()],
            1002,
        ),
        violation(
            "reserved bits in a continuation",
            &[
                Frame::text("{").unfinished(),
                Frame::continuation("}").reserved(0b100),
            ],
            1002,
        ),
        violation(
            "a ping with a reserved bit",
            &[Frame::ping("").reserved(0b010)],
            1002,
        ),
    ];
    for bits in 1..8 {
        let frame = Frame::text("{}").reserved(bits);
        violations.push(violation(
            format!("reserved bits {bits:03b}"),
            &[frame],
            1002,
        ));
    }
    for opcode in (3..8).chain(0xB..=0xF) {
        let frame = Frame::new(opcode, "");
        violations.push(violation(format!("opcode {opcode:X}"), &[frame], 1002));
    }
    check(&violations).await;
}

#[tokio::test]
async fn control_frames_that_are_long_or_fragmented_close_with_1002() {
    let long = "a".repeat(126);
    let long_reason = [b"\x03\xe8".as_slice(), &long.as_bytes()[2..]].concat();
    check(&[
        violation("a ping of 126 bytes", &[Frame::ping(&*long)], 1002),
        violation("a pong of 126 bytes", &[Frame::pong(&*long)], 1002),
        violation("a close of 126 bytes", &[Frame::close(long_reason)], 1002),
        violation(
            "a ping that claims 126 bytes",
            &[Frame::ping("").claiming(126)],
            1002,
        ),
        violation("a fragmented ping", &[Frame::ping("").unfinished()], 1002),
        violation("a fragmented pong", &[Frame::pong("").unfinished()], 1002),
        violation(
            "a fragmented close",
            &[Frame::close_with(1000, b"").unfinished()],
            1002,
        ),
    ])
    .await;
}

#[tokio::test]
async fn bad_close_frames_are_told_what_is_wrong() {
    let mut violations = vec![
        violation("half a code", &[Frame::close([3])], 1002),
        violation(
            "bad UTF-8 in the reason",
            &[Frame::close_with(1000, b"bye \xff")],
            1007,
        ),
        violation(
            "half a character in the reason",
            &[Frame::close_with(1000, b"bye \xe2\x82")],
            1007,
        ),
    ];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999] {
        let frame = Frame::close_with(code, b"");
        violations.push(violation(format!("code {code}"), &[frame], 1002));
    }
    check(&violations).await;
}

#[tokio::test]
async fn bad_utf8_closes_with_1007() {
    let around = |bad: &[u8]| [b"{\"type\":\"", bad, b"\"}"].concat();
    let mut violations = Vec::new();
    for (name, bad) in [
        ("a byte that is never used", b"\xff".as_slice()),
        ("a continuation byte alone", b"\x80"),
        ("an overlong slash", b"\xc0\xaf"),
        ("an overlong euro", b"\xf0\x82\x82\xac"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("a character cut short", b"\xe2\x82"),
    ] {
        let text = around(bad);
        let whole = Frame::text(text.clone());
        violations.push(violation(name, &[whole], 1007));
        let fragments = Frame::fragments(text.chunks(10));
        violations.push(violation(format!("{name} in fragments"), &fragments, 1007));
    }
    violations.push(violation(
        "a message that ends within a character",
        &[Frame::text(b"{\"type\":\"\xf0\x9f\x98".as_slice())],
        1007,
    ));
    violations.push(violation(
        "a message whose fragments end within a character",
        &Frame::fragments([b"{\"type\":\"\xf0\x9f".as_slice(), b"\x98"]),
        1007,
    ));
    violations.push(violation(
        "a character begun and not continued in the next fragment",
        &Frame::fragments([b"{\"type\":\"\xe2\x82".as_slice(), b"x\"}"]),
        1007,
    ));
    check(&violations).await;
}

#[tokio::test]
async fn messages_over_the_limit_close_with_1009() {
    let over = "a".repeat(LIMIT_BYTES + 1);
    let most = "a".repeat(LIMIT_BYTES - 24);
    check(&[
        violation("one byte more", &[Frame::text(&*over)], 1009),
        violation(
            "one byte more over two fragments",
            &Frame::fragments(over.as_bytes().chunks(LIMIT_BYTES)),
            1009,
        ),
        violation(
            "one byte more in fragments of one byte",
            &Frame::fragments(over.as_bytes().chunks(1)),
            1009,
        ),
        violation(
            "one byte more with more to come",
            &[
                Frame::text(&over[1..]).unfinished(),
                Frame::continuation("a").unfinished(),
            ],
            1009,
        ),
        violation(
            "one byte more that is only claimed",
            &[Frame::text("").claiming(LIMIT_BYTES as u64 + 1)],
            1009,
        ),
        violation(
            "64 MiB that are only claimed",
            &[Frame::text("").claiming(64 << 20)],
            1009,
        ),
        violation(
            "a continuation that only claims one byte more",
            &[
                Frame::text(&*most).unfinished(),
                Frame::continuation("").claiming(25),
            ],
            1009,
        ),
        violation(
            "a continuation that only claims 64 MiB",
            &[
                Frame::text("{").unfinished(),
                Frame::continuation("").claiming(64 << 20),
            ],
            1009,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_length_of_more_than_63_bits_closes() {
    let server = Server::start(&[]);
    let mut raw = Raw::upgraded(&server, V1_PATH).await;
    let frame = Frame::text("").claiming(u64::MAX);
    raw.send(&frame.bytes()).await;
    let code = raw.expect_close().await;
    assert!([1002, 1009].contains(&code), "closed with {code}");
}

#[tokio::test]
async fn messages_of_exactly_the_limit_pass() {
    for (settings, limit) in [
        ([LIMIT_SETTING].as_slice(), LIMIT_BYTES),
        (&[], LIMIT_DEFAULT_BYTES),
    ] {
        let server = Server::start(settings);
        let mut ann = V1::connect(&server).await;
        assert_eq!(ann.welcome["limits"]["max_message_bytes"], limit);
        ann.send_text(&padded(&join(PARIS, 10.0), limit)).await;
        ann.expect("waiting").await;
        ann.send_text(&padded(&json!({"type": "update"}), limit + 1))
            .await;
        assert_eq!(ann.expect_close().await.0, 1009);
    }
}

#[tokio::test]
async fn fragments_of_exactly_the_limit_pass_and_pings_between_do_not_count() {
    let server = Server::start(&[LIMIT_SETTING]);
    let mut raw = Raw::upgraded(&server, V1_PATH).await;
    let text = padded(&join(PARIS, 10.0), LIMIT_BYTES);
    let ping = Frame::ping([7; 125]);
    for fragment in Frame::fragments(text.as_bytes().chunks(100)) {
        raw.send(&ping.bytes()).await;
        raw.expect_pong(&[7; 125]).await;
        raw.send(&fragment.bytes()).await;
    }
    raw.expect("waiting").await;
    let text = padded(&json!({"type": "update"}), LIMIT_BYTES);
    let fragments = Frame::fragments(text.as_bytes().chunks(1));
    raw.send(&Frame::concat(&fragments)).await;
    raw.expect("waiting").await;
}

#[tokio::test]
async fn a_classic_message_of_exactly_the_limit_reaches_both() {
    let server = Server::start(&[LIMIT_SETTING]);
    let mut ann = Classic::bound(&server, "ann", PARIS, 50).await;
    let mut bob = Classic::bound(&server, "bob", PARIS, 50).await;
    ann.expect("connected").await;
    bob.expect("connected").await;
    let text = "\"".repeat(LIMIT_BYTES);
    ann.send(&text).await;
    ann.expect_client("ann", &text).await;
    bob.expect_client("ann", &text).await;
}

#[tokio::test]
async fn a_violation_in_a_chat_ends_it_for_the_partner() {
    let server = Server::start(&[]);
    for (frame, code) in [
        (Frame::binary(""), 1003),
        (Frame::text("{}").unmasked(), 1002),
        (Frame::text(b"\xff".as_slice()), 1007),
        (Frame::text("").claiming(64 << 20), 1009),
    ] {
        let (mut raw, mut partner) = raw_chat(&server).await;
        raw.send(&frame.bytes()).await;
        assert_eq!(raw.expect_close().await, code);
        let left = partner.expect("partner_left").await;
        assert_eq!(left["reason"], "lost", "after {code}");
    }
}

#[tokio::test]
async fn characters_cut_anywhere_by_fragments_arrive_whole() {
    let server = Server::start(&[]);
    let (mut raw, mut partner) = raw_chat(&server).await;
    let text = "é漢😀";
    let message = json!({"type": "say", "text": text}).to_string();
    for cut in 0..=message.len() {
        let (start, end) = message.as_bytes().split_at(cut);
        raw.send(&Frame::concat(&Frame::fragments([start, end])))
            .await;
        raw.expect("accepted").await;
        partner.expect_said(text).await;
    }
    raw.send(&Frame::concat(&Frame::fragments(
        message.as_bytes().chunks(1),
    )))
    .await;
    raw.expect("accepted").await;
    partner.expect_said(text).await;
}

#[tokio::test]
async fn empty_fragments_are_part_of_a_message() {
    let server = Server::start(&[]);
    let (mut raw, mut partner) = raw_chat(&server).await;
    let message = json!({"type": "say", "text": "hello"}).to_string();
    let (start, end) = message.as_bytes().split_at(9);
    let fragments = Frame::fragments([b"".as_slice(), start, b"", end, b""]);
    raw.send(&Frame::concat(&fragments)).await;
    raw.expect("accepted").await;
    partner.expect_said("hello").await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = Server::start(&[]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        for payload in [b"".as_slice(), b"x", b"\x00\xff\xfe", &[0xa5; 125]] {
            raw.send(&Frame::ping(payload).bytes()).await;
            raw.expect_pong(payload).await;
        }
    }
}

#[tokio::test]
async fn a_ping_between_fragments_is_answered_before_the_message_ends() {
    let server = Server::start(&[]);
    let (mut raw, mut partner) = raw_chat(&server).await;
    let message = json!({"type": "say", "text": "hello"}).to_string();
    let fragments = Frame::fragments(message.as_bytes().chunks(7));
    for (number, fragment) in fragments.iter().enumerate() {
        let payload = number.to_string();
        raw.send(&Frame::ping(&*payload).bytes()).await;
        raw.expect_pong(payload.as_bytes()).await;
        raw.send(&fragment.bytes()).await;
    }
    raw.expect("accepted").await;
    partner.expect_said("hello").await;
}

#[tokio::test]
async fn a_pong_nobody_asked_for_is_ignored() {
    let server = Server::start(&[]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        for payload in [b"".as_slice(), b"x", &[0; 125]] {
            raw.send(&Frame::pong(payload).bytes()).await;
        }
        raw.send(&Frame::ping("still there?").bytes()).await;
        raw.expect_pong(b"still there?").await;
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_nothing_after() {
    let server = Server::start(&[]);
    for path in PATHS {
        for code in [1000, 1001, 1003, 1008, 1011, 3000, 3999, 4000, 4999] {
            let mut raw = Raw::upgraded(&server, path).await;
            let goodbye = [Frame::close_with(code, b"bye"), Frame::ping("too late")];
            raw.send(&Frame::concat(&goodbye)).await;
            assert_eq!(raw.expect_close().await, code, "at {path}");
        }
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_answered() {
    let server = Server::start(&[]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        raw.send(&Frame::close("").bytes()).await;
        let payload = raw.expect_close_payload().await;
        let normal = 1000_u16.to_be_bytes();
        assert!(
            payload.is_empty() || payload == normal,
            "{payload:?} at {path}"
        );
        raw.expect_end().await;
    }
}

#[tokio::test]
async fn a_close_within_a_fragmented_message_is_answered() {
    let server = Server::start(&[]);
    for path in PATHS {
        let mut raw = Raw::upgraded(&server, path).await;
        let frames = [Frame::text("{").unfinished(), Frame::close_with(1000, b"")];
        raw.send(&Frame::concat(&frames)).await;
        assert_eq!(raw.expect_close().await, 1000, "at {path}");
    }
}

#[tokio::test]
async fn frames_that_come_byte_by_byte_are_understood() {
    let server = Server::start(&[]);
    let (mut raw, mut partner) = raw_chat(&server).await;
    let say = json!({"type": "say", "text": "a".repeat(200)}).to_string();
    let ping = Frame::ping("hi");
    let bytes = Frame::concat(&[Frame::text(say), ping]);
    for byte in bytes {
        raw.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    raw.expect("accepted").await;
    raw.expect_pong(b"hi").await;
    partner.expect_said(&"a".repeat(200)).await;
}

#[tokio::test]
async fn many_frames_in_one_packet_are_handled_in_order() {
    const COUNT: u64 = 100;
    let server = Server::start(&[]);
    let (mut raw, mut partner) = raw_chat(&server).await;
    let frames: Vec<_> = (1..=COUNT)
        .map(
            |number| json!({"type": "say", "id": format!("{number}"), "text": format!("{number}")}),
        )
        .map(|say| Frame::text(say.to_string()))
        .collect();
    raw.send(&Frame::concat(&frames)).await;
    for number in 1..=COUNT {
        let accepted = raw.expect("accepted").await;
        assert_eq!(accepted["id"], number.to_string());
        assert_eq!(accepted["seq"], number);
        assert_eq!(partner.expect_said(&number.to_string()).await, number);
    }
}

#[tokio::test]
async fn half_a_frame_holds_nobody_up_and_can_be_completed() {
    let server = Server::start(&[]);
    let mut witnesses = Pair::chatting(&server, SYDNEY).await;
    let (mut raw, mut partner) = raw_chat(&server).await;
    let say = json!({"type": "say", "text": "hello"}).to_string();
    let bytes = Frame::text(say).bytes();
    let (start, end) = bytes.split_at(bytes.len() / 2);
    raw.send(start).await;
    witnesses.expect_undisturbed().await;
    partner.say("are you there?").await;
    raw.expect("said").await;
    raw.send(end).await;
    raw.expect("accepted").await;
    partner.expect_said("hello").await;
}

#[tokio::test]
async fn who_says_nothing_in_time_is_closed_with_4101() {
    let server = Server::start(&[("limits.first_message_s", "1")]);
    let mut witness = joined(&server, SYDNEY, 10.0).await;
    let mut bound = Classic::bound(&server, "carl", PARIS, 10).await;
    for path in PATHS {
        let mut silent = Raw::upgraded(&server, path).await;
        let mut slow = Raw::upgraded(&server, path).await;
        let bytes = Frame::text(join(PARIS, 10.0).to_string()).bytes();
        slow.send(&bytes[..bytes.len() - 1]).await;
        let mut unfinished = Raw::upgraded(&server, path).await;
        unfinished
            .send(&Frame::text("{").unfinished().bytes())
            .await;
        assert_eq!(silent.expect_close().await, 4101, "silent at {path}");
        assert_eq!(slow.expect_close().await, 4101, "slow at {path}");
        assert_eq!(
            unfinished.expect_close().await,
            4101,
            "unfinished at {path}"
        );
    }
    witness.expect_still_waiting().await;
    bound.expect_quiet().await;
}
