//! What is written, shown and decided in the end.

use crate::common::{Server, WAIT};
use crate::{EXIT_USAGE, Ran, swarm};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

#[tokio::test]
async fn the_outcome_is_written_for_programs_and_for_people() {
    let server = Server::start(&[]);
    let html = tempfile::NamedTempFile::new().expect("files can be made");
    let page = html.path().to_str().expect("a plain name").to_owned();
    let ran = Ran::against(
        server.address(),
        &[
            "chat",
            "--connections",
            "10",
            "--duration",
            "2s",
            "--messages",
            "100",
            "--html",
            &page,
        ],
    );
    ran.assert_all_well();
    assert_eq!(ran.json["plan"]["scenario"], "chat");
    assert_eq!(ran.json["server"]["pid"], server.pid());
    assert!(ran.json["server"]["resident_max_bytes"].as_u64() > Some(1_000_000));
    let moments = ran.json["moments"].as_array().expect("second by second");
    assert!(
        moments.len() >= 2
            && moments
                .iter()
                .any(|m| m["relay"]["count"].as_u64() > Some(0))
    );
    let relay = &ran.json["times_ms"]["relay"];
    assert!(
        relay["p50"].as_f64() <= relay["p99"].as_f64()
            && relay["p99"].as_f64() <= relay["max"].as_f64()
    );
    let page = std::fs::read_to_string(html.path()).expect("it was written");
    assert!(
        page.starts_with("<!doctype html>") && page.contains("<svg") && page.ends_with("</html>\n")
    );
    assert!(!page.contains("http"), "nothing is loaded from anywhere");
    assert!(ran.stdout.contains("to relay a message"), "{}", ran.stdout);
    // A pipe is no terminal: plain lines.
    assert!(
        ran.stderr.contains(" chatting; ") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn conditions_decide_the_exit_status() {
    let server = Server::start(&[]);
    let run = |conditions: &[&str]| {
        let mut args = vec![
            "chat",
            "--connections",
            "4",
            "--duration",
            "1s",
            "--messages",
            "20",
        ];
        args.extend(
            conditions
                .iter()
                .flat_map(|condition| ["--fail-if", condition]),
        );
        Ran::against(server.address(), &args)
    };
    let good = run(&["relay.p99>1m", "relay.p99>60s"]);
    assert_eq!(
        good.code,
        Some(EXIT_USAGE),
        "a minute is no unit: {}",
        good.stderr
    );
    let good = run(&["relay.p99>60s", "errors>0"]);
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    let bad = run(&["errors>0", "relay.p50>0ns"]);
    assert_eq!(bad.code, Some(1), "{}", bad.stdout);
    assert!(
        bad.stdout.contains("FAILED: --fail-if 'relay.p50>0ns'"),
        "{}",
        bad.stdout
    );
    assert_eq!(bad.json["conditions"][1]["holds"], true);
}

#[tokio::test]
async fn an_interrupted_run_shows_what_it_has() {
    let server = Server::start(&[]);
    let address = server.address().to_string();
    let mut command = swarm(&[
        "chat",
        "--connections",
        "10",
        "--duration",
        "10m",
        "--server",
        &address,
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().expect("the binary was built for this test");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("10 chatting") {
        line.clear();
        let read = stderr.read_line(&mut line).expect("it prints text");
        assert!(read > 0, "it ended before anybody chatted");
    }
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-INT", &pid]).status();
    assert!(status.expect("kill(1) is installed").success());
    let rest = std::thread::spawn(move || std::io::read_to_string(stderr));
    let output = child.wait_with_output().expect("it is our child");
    let stdout = String::from_utf8(output.stdout).expect("it prints text");
    assert!(start.elapsed() < WAIT * 3, "it did not wait for the end");
    assert!(
        stdout.contains("interrupted") && stdout.contains("told of a match"),
        "{stdout}"
    );
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    rest.join().expect("it reads").expect("it prints text");
}
