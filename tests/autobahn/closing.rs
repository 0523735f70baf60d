//! Group 7: closing.

use super::TOO_LONG;
use super::case::Case;
use crate::common::Frame;

const HELLO: &str = "Hello World!";

/// A reason that is not UTF-8: a surrogate in the middle.
const BAD_REASON: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";

const VALID_CODES: [u16; 13] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
];

const INVALID_CODES: [u16; 9] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

const UNDEFINED_CODES: [u16; 2] = [5000, 65_535];

pub(crate) fn cases() -> Vec<Case> {
    [basic(), payloads(), codes()]
        .into_iter()
        .flatten()
        .collect()
}

fn close() -> Frame {
    Frame::close_with(1000, b"")
}

fn basic() -> Vec<Case> {
    vec![
        Case::new("7.1.1", "text, close")
            .send(&[Frame::text(HELLO)])
            .echo(HELLO),
        Case::new("7.1.2", "close, close")
            .send(&[close(), Frame::close("")])
            .answered(1000),
        Case::new("7.1.3", "close, ping")
            .send(&[close(), Frame::ping("")])
            .answered(1000),
        Case::new("7.1.4", "close, text")
            .send(&[close(), Frame::text(HELLO)])
            .answered(1000),
        Case::new("7.1.5", "first fragment, close, last fragment")
            .send(&[
                Frame::text("fragment1").unfinished(),
                close(),
                Frame::continuation("fragment2"),
            ])
            .answered(1000),
        Case::new("7.1.6", "text of 256 KiB, text, close, ping")
            .send(&[
                Frame::text(super::repeated("BAsd7&jh23", 256 << 10)),
                Frame::text(HELLO),
                close(),
                Frame::ping(""),
            ])
            .fails(1009)
            .differs(TOO_LONG),
    ]
}

fn payloads() -> Vec<Case> {
    vec![
        // No code in the answer either, which stands for 1005 (RFC 6455, section 7.1.5).
        Case::new("7.3.1", "close without payload")
            .send(&[Frame::close("")])
            .answered(1005),
        Case::new("7.3.2", "close with 1 byte")
            .send(&[Frame::close("a")])
            .fails(1002),
        Case::new("7.3.3", "close with a code")
            .send(&[close()])
            .answered(1000),
        Case::new("7.3.4", "close with code and reason")
            .send(&[Frame::close_with(1000, HELLO.as_bytes())])
            .answered(1000),
        Case::new("7.3.5", "close with a reason of 123 bytes")
            .send(&[Frame::close_with(1000, &[b'*'; 123])])
            .answered(1000),
        Case::new("7.3.6", "close with a reason of 124 bytes")
            .send(&[Frame::close_with(1000, &[b'*'; 124])])
            .fails(1002),
        Case::new("7.5.1", "close with a reason that is not UTF-8")
            .send(&[Frame::close_with(1000, BAD_REASON)])
            .fails(1007),
    ]
}

fn codes() -> Vec<Case> {
    let closing = |group: &str, n: usize, code: u16| {
        Case::new(
            format!("{group}.{}", n + 1),
            format!("close with code {code}"),
        )
        .send(&[Frame::close_with(code, b"")])
    };
    let valid = VALID_CODES.into_iter().enumerate();
    let invalid = INVALID_CODES.into_iter().enumerate();
    let undefined = UNDEFINED_CODES.into_iter().enumerate();
    valid
        .map(|(n, code)| closing("7.7", n, code).answered(code))
        .chain(invalid.map(|(n, code)| closing("7.9", n, code).fails(1002)))
        .chain(undefined.map(|(n, code)| {
            closing("7.13", n, code)
                .fails(1002)
                .differs("undefined by the suite")
        }))
        .collect()
}
