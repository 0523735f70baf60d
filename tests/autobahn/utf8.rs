//! Group 6: UTF-8.

use super::case::{Case, TEXT, fragmented};
use crate::common::Frame;
use std::fmt::Write as _;

const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const UMLAUTS: &str = "Hello-µ@ßöäüàá-UTF-8!!";

/// Sequences of one kind, and whether they are valid.
struct Sequences {
    kind: &'static str,
    all: Vec<(bool, Vec<u8>)>,
}

pub(crate) fn cases() -> Vec<Case> {
    [
        empty_fragments(),
        valid(),
        invalid(),
        fail_fast(),
        sequences(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn empty_fragments() -> Vec<Case> {
    let three = |middle: &str| {
        [
            Frame::text("").unfinished(),
            Frame::continuation(middle).unfinished(),
            Frame::continuation(""),
        ]
    };
    let middle = "middle frame payload";
    vec![
        Case::new("6.1.1", "text of 0 bytes")
            .send(&[Frame::text("")])
            .echo(""),
        Case::new("6.1.2", "text in 3 fragments of 0 bytes")
            .send(&three(""))
            .echo(""),
        Case::new(
            "6.1.3",
            "text in 3 fragments, the first and the last of 0 bytes",
        )
        .send(&three(middle))
        .echo(middle),
    ]
}

fn valid() -> Vec<Case> {
    let octets = |number: &str, text: &str| {
        Case::new(
            number,
            "text of several bytes a character in fragments of 1 byte",
        )
        .send(&fragmented(TEXT, text.as_bytes(), 1))
        .echo(text)
    };
    let (before, after) = UMLAUTS.split_once('ü').expect("it is there");
    let after = format!("ü{after}");
    vec![
        Case::new("6.2.1", "text of several bytes a character")
            .send(&[Frame::text(UMLAUTS)])
            .echo(UMLAUTS),
        Case::new("6.2.2", "the same in 2 fragments, cut between characters")
            .send(&[Frame::text(before).unfinished(), Frame::continuation(after)])
            .echo(UMLAUTS),
        octets("6.2.3", UMLAUTS),
        octets("6.2.4", str::from_utf8(GREEK).expect("it is valid")),
    ]
}

fn invalid() -> Vec<Case> {
    let payload = [GREEK, b"\xed\xa0\x80edited"].concat();
    vec![
        Case::new("6.3.1", "text that is not UTF-8")
            .send(&[Frame::text(payload.as_slice())])
            .fails(1007),
        Case::new("6.3.2", "text that is not UTF-8 in fragments of 1 byte")
            .send(&fragmented(TEXT, &payload, 1))
            .fails(1007),
    ]
}

/// The rest of the message is never sent: the server must not wait for it.
fn fail_fast() -> Vec<Case> {
    let payload = [GREEK, b"\xf4\x90\x80\x80edited"].concat();
    let in_frames = |number: &str, sends: &str, valid: usize, bad: usize| {
        Case::new(number, sends)
            .send(&[
                Frame::text(&payload[..valid]).unfinished(),
                Frame::ping("valid so far"),
            ])
            .pong("valid so far")
            .send(&[Frame::continuation(&payload[valid..bad]).unfinished()])
            .fails(1007)
    };
    let in_chops = |number: &str, sends: &str, valid: usize, bad: usize| {
        let mut frame = Frame::text(payload.as_slice()).bytes();
        frame.truncate(frame.len() - payload.len() + bad);
        let rest = frame.split_off(frame.len() - bad + valid);
        Case::new(number, sends)
            .send_bytes(frame)
            .send_bytes(rest)
            .fails(1007)
    };
    vec![
        in_frames(
            "6.4.1",
            "valid fragment, fragment that makes the text invalid",
            11,
            15,
        ),
        in_frames(
            "6.4.2",
            "valid fragment, the byte that makes the text invalid",
            12,
            13,
        ),
        in_chops(
            "6.4.3",
            "valid part of a frame, part that makes it invalid",
            11,
            15,
        ),
        in_chops(
            "6.4.4",
            "valid part of a frame, the byte that makes it invalid",
            12,
            13,
        ),
    ]
}

/// Groups 6.5 to 6.23: each sequence in a text of its own.
fn sequences() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, Sequences { kind, all }) in (5..).zip(tables()) {
        for (n, (is_valid, bytes)) in (1..).zip(all) {
            let hex = hex(&bytes);
            let case = Case::new(format!("6.{group}.{n}"), format!("{kind}: `{hex}`"))
                .send(&[Frame::text(bytes.as_slice())]);
            cases.push(if is_valid {
                case.echo(String::from_utf8(bytes).expect("the table says so"))
            } else {
                case.fails(1007)
            });
        }
    }
    cases
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn good(kind: &'static str, all: &[&[u8]]) -> Sequences {
    let all = all.iter().map(|bytes| (true, bytes.to_vec())).collect();
    Sequences { kind, all }
}

fn bad(kind: &'static str, all: &[&[u8]]) -> Sequences {
    let all = all.iter().map(|bytes| (false, bytes.to_vec())).collect();
    Sequences { kind, all }
}

/// After Markus Kuhn's "UTF-8 decoder capability and stress test".
fn tables() -> Vec<Sequences> {
    let mut tables = at_the_bounds();
    tables.extend(stray_bytes());
    tables.extend(overlong());
    tables.extend(code_points());
    tables
}

fn at_the_bounds() -> Vec<Sequences> {
    let prefixes = (1..=GREEK.len()).map(|end| {
        let prefix = &GREEK[..end];
        (str::from_utf8(prefix).is_ok(), prefix.to_vec())
    });
    let mut others = good(
        "other boundary",
        &[
            b"\xed\x9f\xbf",
            b"\xee\x80\x80",
            b"\xef\xbf\xbd",
            b"\xf4\x8f\xbf\xbf",
        ],
    );
    others.all.push((false, b"\xf4\x90\x80\x80".to_vec()));
    vec![
        good(
            "valid",
            &[
                b"hello\x24world",
                b"hello\xC2\xA2world",
                b"hello\xE2\x82\xACworld",
                b"hello\xF0\xA4\xAD\xA2world",
                GREEK,
            ],
        ),
        Sequences {
            kind: "prefix",
            all: prefixes.collect(),
        },
        good(
            "first of its length",
            &[b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
        ),
        bad(
            "first of length 5 or 6",
            &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
        ),
        good(
            "last of its length",
            &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
        ),
        bad(
            "last of length 4, 5 or 6",
            &[
                b"\xf7\xbf\xbf\xbf",
                b"\xfb\xbf\xbf\xbf\xbf",
                b"\xfd\xbf\xbf\xbf\xbf\xbf",
            ],
        ),
        others,
    ]
}

const INCOMPLETE: [&[u8]; 10] = [
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xfb\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf",
];

fn stray_bytes() -> Vec<Sequences> {
    let continuations: Vec<u8> = (0x80..0xbf).collect();
    let lonely = [
        (0xc0, 0xdf),
        (0xe0, 0xef),
        (0xf0, 0xf7),
        (0xf8, 0xfb),
        (0xfc, 0xfd),
    ]
    .map(|(first, end)| {
        (first..end)
            .flat_map(|byte: u8| [byte, b' '])
            .collect::<Vec<u8>>()
    });
    vec![
        bad(
            "unexpected continuation",
            &[
                b"\x80",
                b"\xbf",
                b"\x80\xbf",
                b"\x80\xbf\x80",
                b"\x80\xbf\x80\xbf",
                b"\x80\xbf\x80\xbf\x80",
                b"\x80\xbf\x80\xbf\x80\xbf",
                &continuations,
            ],
        ),
        bad("lonely start", &lonely.each_ref().map(Vec::as_slice)),
        bad("last continuation missing", &INCOMPLETE),
        bad("incomplete, one after another", &[&INCOMPLETE.concat()]),
        bad("impossible", &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    ]
}

fn overlong() -> Vec<Sequences> {
    vec![
        bad(
            "overlong ASCII",
            &[
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ],
        ),
        bad(
            "longest overlong",
            &[
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ],
        ),
        bad(
            "overlong NUL",
            &[
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ],
        ),
    ]
}

fn code_points() -> Vec<Sequences> {
    // U+FFFE and U+FFFF, then the last two code points of each further plane.
    let planes = (0..=0x10_u32).flat_map(|plane| [0xFFFE, 0xFFFF].map(|last| plane << 16 | last));
    let non_characters = planes.map(|code| {
        let char = char::from_u32(code).expect("it is no surrogate");
        (true, char.to_string().into_bytes())
    });
    vec![
        bad(
            "one UTF-16 surrogate",
            &[
                b"\xed\xa0\x80",
                b"\xed\xad\xbf",
                b"\xed\xae\x80",
                b"\xed\xaf\xbf",
                b"\xed\xb0\x80",
                b"\xed\xbe\x80",
                b"\xed\xbf\xbf",
            ],
        ),
        bad(
            "a pair of UTF-16 surrogates",
            &[
                b"\xed\xa0\x80\xed\xb0\x80",
                b"\xed\xa0\x80\xed\xbf\xbf",
                b"\xed\xad\xbf\xed\xb0\x80",
                b"\xed\xad\xbf\xed\xbf\xbf",
                b"\xed\xae\x80\xed\xb0\x80",
                b"\xed\xae\x80\xed\xbf\xbf",
                b"\xed\xaf\xbf\xed\xb0\x80",
                b"\xed\xaf\xbf\xed\xbf\xbf",
            ],
        ),
        Sequences {
            kind: "no character",
            all: non_characters.collect(),
        },
        good(
            "special",
            &[
                b"\xef\xbf\xb9",
                b"\xef\xbf\xba",
                b"\xef\xbf\xbb",
                b"\xef\xbf\xbc",
                b"\xef\xbf\xbd",
                b"\xef\xbf\xbe",
                b"\xef\xbf\xbf",
            ],
        ),
    ]
}
