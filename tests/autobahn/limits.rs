//! Groups 9 and 10: sizes, round trips, fragments made by the client.
//!
//! Most sizes of the suite are beyond what this server ever takes, so those cases are played twice: as they
//! are, and with the longest message that is allowed, in the same fragments or writes.

use super::case::{BINARY, Case, Step, TEXT, fragmented};
use super::{MESSAGE_MAX_BYTES, NOT_UNDERSTOOD, TOO_LONG, WITHIN, repeated};
use crate::common::Frame;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SIZES: [usize; 6] = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
const FRAGMENTS: [usize; 9] = [
    64,
    256,
    KIB,
    4 * KIB,
    16 * KIB,
    64 * KIB,
    256 * KIB,
    MIB,
    4 * MIB,
];
const CHOPS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const ROUND_SIZES: [usize; 6] = [0, 16, 64, 256, 1024, 4096];
const ROUNDS: usize = 1000;

const PATTERN: &str = "BAsd7&jh23";
const BYTES: &[u8] = b"\x00\xfe\x23\xfa\xf0";

pub(crate) fn cases() -> Vec<Case> {
    [
        whole(),
        in_fragments(),
        in_chops(),
        round_trips(),
        endless(),
        auto_fragmented(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sized(bytes: usize) -> String {
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}

fn whole() -> Vec<Case> {
    let texts = (1..).zip(SIZES).map(|(n, bytes)| {
        let text = repeated(PATTERN, bytes);
        let case = Case::new(format!("9.1.{n}"), format!("text of {}", sized(bytes)))
            .send(&[Frame::text(text.as_str())]);
        if bytes <= MESSAGE_MAX_BYTES {
            case.echo(text)
        } else {
            case.fails(1009).differs(TOO_LONG)
        }
    });
    let binaries = (1..).zip(SIZES).map(|(n, bytes)| {
        let payload: Vec<u8> = BYTES.iter().copied().cycle().take(bytes).collect();
        Case::new(format!("9.2.{n}"), format!("binary of {}", sized(bytes)))
            .send(&[Frame::binary(payload)])
            .fails(1003)
            .differs(NOT_UNDERSTOOD)
    });
    texts.chain(binaries).collect()
}

fn in_fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, fragment) in (1..).zip(FRAGMENTS) {
        let case = |bytes: usize| {
            let how = format!(
                "text of {} in fragments of {}",
                sized(bytes),
                sized(fragment)
            );
            Case::new(format!("9.3.{n}"), how).send(&fragmented(TEXT, &vec![b'*'; bytes], fragment))
        };
        cases.push(case(4 * MIB).fails(1009).differs(TOO_LONG));
        if fragment <= MESSAGE_MAX_BYTES {
            let allowed = "*".repeat(MESSAGE_MAX_BYTES);
            cases.push(case(MESSAGE_MAX_BYTES).echo(allowed).differs(WITHIN));
        }
    }
    for (n, fragment) in (1..).zip(FRAGMENTS) {
        let how = format!("binary of 4 MiB in fragments of {}", sized(fragment));
        let frames = fragmented(BINARY, &vec![0xFE; 4 * MIB], fragment);
        let case = Case::new(format!("9.4.{n}"), how).send(&frames);
        cases.push(case.fails(1003).differs(NOT_UNDERSTOOD));
    }
    cases
}

fn in_chops() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, chop) in (1..).zip(CHOPS) {
        let case = |text: &str| {
            let how = format!("text of {} in writes of {chop}", sized(text.len()));
            Case::new(format!("9.5.{n}"), how).send_in_chops(&[Frame::text(text)], chop)
        };
        cases.push(case(&repeated(PATTERN, MIB)).fails(1009).differs(TOO_LONG));
        let allowed = repeated(PATTERN, MESSAGE_MAX_BYTES);
        cases.push(case(&allowed).echo(allowed).differs(WITHIN));
    }
    for (n, chop) in (1..).zip(CHOPS) {
        let payload: Vec<u8> = BYTES.iter().copied().cycle().take(MIB).collect();
        let case = Case::new(
            format!("9.6.{n}"),
            format!("binary of 1 MiB in writes of {chop}"),
        )
        .send_in_chops(&[Frame::binary(payload)], chop);
        cases.push(case.fails(1003).differs(NOT_UNDERSTOOD));
    }
    cases
}

fn round_trips() -> Vec<Case> {
    let texts = (1..).zip(ROUND_SIZES).map(|(n, bytes)| {
        let sends =
            format!("text of {bytes} bytes, {ROUNDS} times, each after the echo of the last");
        Case::new(format!("9.7.{n}"), sends).step(Step::Rounds {
            text: "*".repeat(bytes),
            count: ROUNDS,
        })
    });
    let binaries = (1..).zip(ROUND_SIZES).map(|(n, bytes)| {
        Case::new(format!("9.8.{n}"), format!("binary of {bytes} bytes"))
            .send(&[Frame::binary(vec![0xFE; bytes])])
            .fails(1003)
            .differs(NOT_UNDERSTOOD)
    });
    texts.chain(binaries).collect()
}

/// The suite has this case, and does not run it.
fn endless() -> Vec<Case> {
    let part = vec![b'*'; 4 * KIB];
    vec![
        Case::new("9.9.1", "text that never ends in fragments of 4 KiB")
            .send(&[Frame::text(part.as_slice()).unfinished()])
            .step(Step::Endless(
                Frame::continuation(part).unfinished().bytes(),
            ))
            .fails(1009)
            .differs(TOO_LONG),
    ]
}

fn auto_fragmented() -> Vec<Case> {
    let text = "*".repeat(65_536);
    let frames = fragmented(TEXT, text.as_bytes(), 1300);
    assert_eq!(frames.len(), 51, "50 full fragments and the rest");
    vec![
        Case::new("10.1.1", "text of 65536 bytes in fragments of 1300")
            .send(&frames)
            .echo(text),
    ]
}
