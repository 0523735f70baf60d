//! What can't be run, and is told before anybody comes.

use crate::common::Server;
use crate::wrong::Wrong;
use crate::{EXIT_USAGE, Ran, swarm};
use std::path::Path;

#[test]
fn a_server_that_can_not_be_measured_is_told_in_one_line() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = nobody.local_addr().expect("it listens");
    drop(nobody);
    let ran = Ran::against(address, &["chat"]);
    assert_eq!(ran.code, Some(1));
    let last = ran.stderr.lines().last().expect("it says something");
    assert!(
        last.contains(&address.to_string()) && last.contains("nobody listens there"),
        "{last}"
    );
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_told_in_one_line() {
    let server = Wrong::silent("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let address = server.address();
    let ran = tokio::task::spawn_blocking(move || Ran::against(address, &["chat"])).await;
    let ran = ran.expect("it runs");
    assert_eq!(ran.code, Some(1));
    let last = ran.stderr.lines().last().expect("it says something");
    for expected in [address.to_string().as_str(), "/v1/ws", "404", "--classic 1"] {
        assert!(last.contains(expected), "{last}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_told_in_one_line() {
    for (answer, status) in [
        (
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\r\n",
            "429",
        ),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "503",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            "401",
        ),
    ] {
        let server = Wrong::silent(answer).await;
        let address = server.address();
        let ran = tokio::task::spawn_blocking(move || Ran::against(address, &["chat"])).await;
        let ran = ran.expect("it runs");
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(1), ""),
            "{}",
            ran.stderr
        );
        let last = ran.stderr.lines().last().expect("it says something");
        for expected in [address.to_string().as_str(), "refused", status] {
            assert!(last.contains(expected), "{last}");
        }
    }
}

#[test]
fn options_that_make_no_sense_are_refused_before_anything_happens() {
    let long = "--duration=1s";
    for (args, expected) in [
        (
            &["chat", "--arrivals", "5"][..],
            "--arrivals is not for `chat`, but for crowd",
        ),
        (&["chat", "--connections", "7"], "must be even, such as 8"),
        (&["rush"], "idle, crowd, chat, storm, slow or stadium"),
        (&["chat", "--fail-if", "match.p99=5ms"], "'match.p99>5ms'"),
        (
            &["chat", "--duration", "soon"],
            "such as 250ms, 90, 30s or 5m",
        ),
        (&["chat", "--server", "wss://127.0.0.1:1"], "without TLS"),
        (
            &["chat", "--json", "same", "--html", "same"],
            "give each its own",
        ),
        (
            &["storm", long],
            "--drop-every (10 s) must be less than --duration (1 s)",
        ),
        (
            &["idle", "--connections", "100000", "--processes", "1"],
            "take --processes",
        ),
        (&["chat", "--plan", "/nowhere.toml"], "/nowhere.toml"),
        (&[], "say what people do"),
    ] {
        let ran = Ran::of(swarm(args));
        assert_eq!(ran.code, Some(EXIT_USAGE), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    assert!(!Path::new("same").exists());
}

#[tokio::test]
async fn a_plan_is_read_from_a_file_and_flags_win() {
    let server = Server::start(&[]);
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("files can be made");
    let text = "scenario = 'chat'\nconnections = 400\nduration = '1s'\nmessages = 10\nfail_if = ['violations>0']";
    std::fs::write(file.path(), text).expect("it can be written");
    let plan = file.path().to_str().expect("a plain name");
    let ran = Ran::against(server.address(), &["--plan", plan, "--connections", "6"]);
    ran.assert_all_well();
    assert_eq!(ran.count("connections"), 6);
    assert_eq!(ran.json["conditions"][0]["condition"], "violations>0");
    std::fs::write(file.path(), "scenario = 'chat'\nspeed = 3").expect("it can be written");
    let ran = Ran::of(swarm(&["--plan", plan]));
    assert_eq!(ran.code, Some(EXIT_USAGE));
    assert!(
        ran.stderr.contains("line 2") && ran.stderr.contains("speed"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn more_people_than_the_server_admits_fail_the_run_unless_that_is_meant() {
    let server = Server::start(&[("limits.max_connections", "10")]);
    let args = ["idle", "--connections", "13", "--duration", "1s"];
    let ran = Ran::against(server.address(), &args);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let told = "FAILED: 3 of 13 people were never let in";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert_eq!(ran.count("left_out"), 3);
    assert_eq!(ran.json["has_failed"], true);
    let allowed = [&args[..], &["--allow-refused"]].concat();
    let ran = Ran::against(server.address(), &allowed);
    ran.assert_all_well();
    assert_eq!(ran.count("left_out"), 3);
    assert!(!ran.stdout.contains("FAILED"), "{}", ran.stdout);
}
