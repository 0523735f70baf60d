//! Groups 1 to 4: framing, pings and pongs, reserved bits, opcodes.

use super::NOT_UNDERSTOOD;
use super::case::Case;
use crate::common::Frame;

const HELLO: &str = "Hello, world!";
const SMALL_BINARY: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";

pub(crate) fn cases() -> Vec<Case> {
    [texts(), binaries(), pings(), reserved_bits(), opcodes()]
        .into_iter()
        .flatten()
        .collect()
}

fn texts() -> Vec<Case> {
    let text = |number: &str, bytes: usize| {
        let sent = "*".repeat(bytes);
        Case::new(number, format!("text of {bytes} bytes"))
            .send(&[Frame::text(sent.as_str())])
            .echo(sent)
    };
    let chopped = "*".repeat(65_536);
    vec![
        text("1.1.1", 0),
        text("1.1.2", 125),
        text("1.1.3", 126),
        text("1.1.4", 127),
        text("1.1.5", 128),
        text("1.1.6", 65_535),
        text("1.1.7", 65_536),
        Case::new("1.1.8", "text of 65536 bytes in writes of 997")
            .send_in_chops(&[Frame::text(chopped.as_str())], 997)
            .echo(chopped),
    ]
}

fn binaries() -> Vec<Case> {
    let binary = |number: &str, bytes: usize| {
        Case::new(number, format!("binary of {bytes} bytes"))
            .send(&[Frame::binary([0xFE].repeat(bytes))])
            .fails(1003)
            .differs(NOT_UNDERSTOOD)
    };
    vec![
        binary("1.2.1", 0),
        binary("1.2.2", 125),
        binary("1.2.3", 126),
        binary("1.2.4", 127),
        binary("1.2.5", 128),
        binary("1.2.6", 65_535),
        binary("1.2.7", 65_536),
        Case::new("1.2.8", "binary of 65536 bytes in writes of 997")
            .send_in_chops(&[Frame::binary([0xFE].repeat(65_536))], 997)
            .fails(1003)
            .differs(NOT_UNDERSTOOD),
    ]
}

fn pings() -> Vec<Case> {
    let ping = |number: &str, what: &str, payload: &[u8]| {
        Case::new(number, format!("ping {what}"))
            .send(&[Frame::ping(payload)])
            .pong(payload)
    };
    let pong = || Frame::pong("unsolicited pong payload");
    let ten: Vec<_> = (0..10).map(|n| format!("payload-{n}")).collect();
    let ten_pings: Vec<_> = ten
        .iter()
        .map(|payload| Frame::ping(payload.as_str()))
        .collect();
    let with_ten_pongs = |case: Case| {
        ten.iter()
            .fold(case, |case, payload| case.pong(payload.as_str()))
    };
    let long = [0xFE].repeat(125);
    vec![
        ping("2.1", "without payload", b""),
        ping("2.2", "with a text", HELLO.as_bytes()),
        ping("2.3", "with bytes that are not UTF-8", SMALL_BINARY),
        ping("2.4", "of 125 bytes", &long),
        Case::new("2.5", "ping of 126 bytes")
            .send(&[Frame::ping([0xFE].repeat(126))])
            .fails(1002),
        Case::new("2.6", "ping of 125 bytes in writes of 1")
            .send_in_chops(&[Frame::ping(long.as_slice())], 1)
            .pong(long.as_slice()),
        Case::new("2.7", "pong that nobody asked for, close")
            .send_each(&[Frame::pong(""), Frame::close_with(1000, b"")])
            .answered(1000),
        Case::new("2.8", "pong with payload that nobody asked for, close")
            .send_each(&[pong(), Frame::close_with(1000, b"")])
            .answered(1000),
        Case::new("2.9", "pong that nobody asked for, ping")
            .send(&[pong(), Frame::ping("ping payload")])
            .pong("ping payload"),
        with_ten_pongs(Case::new("2.10", "10 pings with payload").send(&ten_pings)),
        with_ten_pongs(
            Case::new("2.11", "10 pings with payload in writes of 1").send_in_chops(&ten_pings, 1),
        ),
    ]
}

fn reserved_bits() -> Vec<Case> {
    let hello_then = |bits| {
        let hello = Frame::text(HELLO);
        [hello.clone(), hello.reserved(bits), Frame::ping("")]
    };
    let alone =
        |number: &str, what: &str, frame: Frame| Case::new(number, what).send(&[frame]).fails(1002);
    vec![
        alone("3.1", "text with RSV 1", Frame::text(HELLO).reserved(1)),
        Case::new("3.2", "text, text with RSV 2, ping")
            .send(&hello_then(2))
            .echo(HELLO)
            .fails(1002),
        Case::new("3.3", "text, text with RSV 3, ping, each in a write")
            .send_each(&hello_then(3))
            .echo(HELLO)
            .fails(1002),
        Case::new("3.4", "text, text with RSV 4, ping, in writes of 1")
            .send_in_chops(&hello_then(4), 1)
            .echo(HELLO)
            .fails(1002),
        alone(
            "3.5",
            "binary with RSV 5",
            Frame::binary(SMALL_BINARY).reserved(5),
        ),
        // The suite calls it a ping and sends a binary message.
        alone("3.6", "binary with RSV 6", Frame::binary(HELLO).reserved(6)),
        alone("3.7", "close with RSV 7", Frame::close("").reserved(7)),
    ]
}

/// Reserved opcodes: alone, with a payload, and between a text and a ping.
fn opcodes() -> Vec<Case> {
    let group = |group: &str, first: u8| {
        let number = |n: u8| format!("{group}.{n}");
        let between = |n: u8, payload: &str| {
            let opcode = first + n - 1;
            let frames = [
                Frame::text(HELLO),
                Frame::new(opcode, payload),
                Frame::ping(""),
            ];
            let (how, chop_bytes) = if n == 5 {
                (", in writes of 1", 1)
            } else {
                ("", usize::MAX)
            };
            Case::new(number(n), format!("text, opcode {opcode}, ping{how}"))
                .send_in_chops(&frames, chop_bytes)
                .echo(HELLO)
                .fails(1002)
        };
        let payload = "reserved opcode payload";
        vec![
            Case::new(number(1), format!("opcode {first}"))
                .send(&[Frame::new(first, "")])
                .fails(1002),
            Case::new(number(2), format!("opcode {} with payload", first + 1))
                .send(&[Frame::new(first + 1, payload)])
                .fails(1002),
            between(3, ""),
            between(4, HELLO),
            between(5, HELLO),
        ]
    };
    [group("4.1", 3), group("4.2", 11)]
        .into_iter()
        .flatten()
        .collect()
}
