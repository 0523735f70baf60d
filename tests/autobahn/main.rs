//! The cases of the Autobahn test suite (<https://github.com/crossbario/autobahn-testsuite>), groups 1 to 7, 9
//! and 10, with their numbers, played against a real server.
//!
//! The suite wants a server that echoes. This one sends the texts of a classic client back to it, in an
//! envelope of JSON, and to its partner; so a classic client in a chat is what plays. Group 8 is empty, and
//! groups 12 and 13 are about compression, which is never agreed on.
//!
//! docs/autobahn.md holds what came of each; `AUTOBAHN_REPORT=write cargo test --test autobahn` writes it anew.

#[path = "../common/mod.rs"]
mod common;

mod case;
mod closing;
mod fragmentation;
mod framing;
mod limits;
mod player;
mod utf8;

use case::Case;
use common::Server;
use std::collections::HashSet;
use std::fmt::Write as _;

/// The longest message that the settings allow.
const MESSAGE_MAX_BYTES: usize = 65_536;

const NOT_UNDERSTOOD: &str = "no echo: only text is understood";
const TOO_LONG: &str = "no echo: longer than the 64 KiB that can be allowed";
const WITHIN: &str = "the longest that can be allowed instead";

/// How many cases the suite has in each group.
const CASES: [(&str, usize); 9] = [
    ("1", 16),
    ("2", 11),
    ("3", 7),
    ("4", 10),
    ("5", 20),
    ("6", 145),
    ("7", 37),
    ("9", 55),
    ("10", 1),
];

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/autobahn.md");

const REPORT_HEAD: &str = "\
# The Autobahn test suite

The cases of the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite), groups 1 to 7, 9 and 10, with
their numbers, as [tests/autobahn](../tests/autobahn) plays them against a server with `limits.max_message_bytes` at its
highest, 65536. The suite is made for servers that echo. Here a classic client plays while it is in a chat: its texts
come back to it in an envelope, and reach its partner, and both are checked. After every case the partner must have got
nothing else. Where the contract asks for something else than an echo, the reason stands in brackets. A message that is
longer than any server takes is sent as the suite has it, and once more at the allowed length.

Group 8 is empty in the suite, and 12 and 13 are about compression, which this server never agrees on. Case 9.9.1 is
switched off in the suite; it is played here.

This file is written by `AUTOBAHN_REPORT=write cargo test --test autobahn`; `cargo test` fails if it is out of date.

";

fn all_cases() -> Vec<Case> {
    [
        framing::cases(),
        fragmentation::cases(),
        utf8::cases(),
        closing::cases(),
        limits::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// This text over and over, cut to this many bytes.
fn repeated(text: &str, bytes: usize) -> String {
    text.chars().cycle().take(bytes).collect()
}

#[test]
fn every_case_of_the_suite_is_there() {
    let cases = all_cases();
    let numbers: HashSet<_> = cases.iter().map(|case| case.number.as_str()).collect();
    for (group, count) in CASES {
        let of_group = numbers
            .iter()
            .filter(|number| number.split('.').next() == Some(group));
        assert_eq!(of_group.count(), count, "group {group}");
    }
}

#[tokio::test]
async fn every_case_passes_and_the_report_is_current() {
    let server = Server::start(&[
        ("limits.max_message_bytes", "65536"),
        ("limits.outbox_bytes", "1048576"),
    ]);
    let mut report = REPORT_HEAD.to_owned();
    report.push_str("| case | what is sent | what is expected | result |\n|---|---|---|---|\n");
    let mut failures = Vec::new();
    let cases = all_cases();
    for case in &cases {
        let Case { number, sends, .. } = case;
        let expectation = case.expectation();
        let result = match player::play(&server, case).await {
            Ok(code) => format!("pass, {code}"),
            Err(failure) => {
                failures.push(format!(
                    "{number} ({sends}): wanted {expectation}: {failure}"
                ));
                format!("FAIL: {failure}")
            }
        };
        let _ = writeln!(report, "| {number} | {sends} | {expectation} | {result} |");
    }
    let _ = writeln!(
        report,
        "\n{} played, {} failed.",
        cases.len(),
        failures.len()
    );
    if std::env::var("AUTOBAHN_REPORT").is_ok_and(|wish| wish == "write") {
        std::fs::write(REPORT, &report).expect("docs/ can be written to");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let kept = std::fs::read_to_string(REPORT).unwrap_or_default();
    assert!(
        kept == report,
        "docs/autobahn.md is out of date: AUTOBAHN_REPORT=write cargo test --test autobahn"
    );
}
