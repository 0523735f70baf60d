//! The binary as operators use it: where settings come from, what it prints, how it starts and stops.

mod common;

use common::{Classic, EXIT_USAGE, Request, Server, V1, join, outcome, whisperchat};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;

const PARIS: common::Place = (48.8566, 2.3522);

/// The settings in force with these arguments and variables.
fn in_force(args: &[&str], variables: &[(&str, &str)]) -> toml::Table {
    let mut command = whisperchat(&[&["check-config"], args].concat());
    let (code, stdout, stderr) = outcome(command.envs(variables.iter().copied()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("configuration is good"), "{stdout}");
    stdout.parse().expect("what is in force is valid TOML")
}

/// What is said about settings that can't be used. A server is not started with them either.
fn refusal(args: &[&str], variables: &[(&str, &str)]) -> String {
    let [checked, served] = ["check-config", "serve"].map(|subcommand| {
        let mut command = whisperchat(&[&[subcommand], args].concat());
        command.env("WHISPERCHAT_LISTEN", "127.0.0.1:0");
        let (code, stdout, stderr) = outcome(command.envs(variables.iter().copied()));
        assert_eq!(code, Some(EXIT_USAGE), "{stdout}{stderr}");
        assert_eq!(stdout, "", "nothing is in force, nothing listens");
        stderr
    });
    assert_eq!(checked, served);
    checked
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").expect("files can be made");
    file.write_all(text.as_bytes())
        .expect("files can be written");
    file
}

fn name(path: &Path) -> &str {
    path.to_str().expect("names of temporary files are plain")
}

#[test]
fn the_help_lists_the_subcommands_and_where_settings_come_from() {
    let (code, stdout, stderr) = outcome(&mut whisperchat(&["--help"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for expected in ["serve", "chat", "check-config", "--listen", "--config"] {
        assert!(stdout.contains(expected), "no {expected} in {stdout}");
    }
    let (code, stdout, _) = outcome(&mut whisperchat(&["serve", "--help"]));
    assert_eq!(code, Some(0));
    for expected in [
        "--listen",
        "--admin-listen",
        "--config",
        "--set",
        "WHISPERCHAT_",
    ] {
        assert!(stdout.contains(expected), "no {expected} in {stdout}");
    }
}

#[test]
fn a_word_that_is_no_subcommand_is_refused() {
    let (code, stdout, stderr) = outcome(&mut whisperchat(&["serv"]));
    assert_eq!((code, stdout.as_str()), (Some(EXIT_USAGE), ""));
    assert!(stderr.contains("serve"), "{stderr}");
}

#[tokio::test]
async fn serving_needs_no_file_and_tells_how_to_try_it() {
    let server = Server::start(&[("admin_listen", "127.0.0.1:0")]);
    let address = server.address();
    let admin = server.admin_address().await;
    let expected = [
        format!("for operators: http://{admin}/\n"),
        format!("WhisperChat listens on http://{address}\n"),
        format!("open http://{address} in two windows\n"),
        format!(" chat --server ws://{address} "),
    ];
    server.printed("Ctrl-C stops").await;
    let printed = server.printed("Up to").await;
    for expected in expected {
        assert!(printed.contains(&expected), "no {expected:?} in {printed}");
    }
    let (status, page) = Request::get("/").ask(address).await;
    assert_eq!(status, 200);
    assert!(page.contains("<html"), "{page}");
    assert!(server.stop().await.success());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = taken.local_addr().expect("it listens").to_string();
    for (args, setting) in [
        (
            ["--listen", address.as_str(), "--set", "log.level=info"],
            "(listen)",
        ),
        (
            [
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                address.as_str(),
            ],
            "(admin_listen)",
        ),
    ] {
        let (code, stdout, stderr) =
            outcome(&mut whisperchat(&[&["serve"], args.as_slice()].concat()));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        for expected in ["cannot listen on", &address, setting, "in use"] {
            assert!(stderr.contains(expected), "no {expected} in {stderr}");
        }
    }
}

#[tokio::test]
async fn operators_are_told_whether_it_lives_is_ready_and_what_it_is() {
    let settings = [
        ("admin_listen", "127.0.0.1:0"),
        ("limits.max_connections", "1"),
    ];
    let server = Server::start(&settings);
    let admin = server.admin_address().await;
    assert_eq!(
        Request::get("/livez").ask(admin).await,
        (200, r#"{"status":"alive"}"#.to_owned())
    );
    assert_eq!(
        Request::get("/readyz").ask(admin).await,
        (200, r#"{"status":"ready"}"#.to_owned())
    );
    let (status, version) = Request::get("/version").ask(admin).await;
    let version: serde_json::Value = serde_json::from_str(&version).expect("it is JSON");
    assert_eq!(status, 200);
    assert_eq!(version["name"], "whisperchat");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(Request::get("/metrics2").ask(admin).await.0, 404);
    // A full server lives, and is not ready for more.
    let guest = V1::connect(&server).await;
    assert_eq!(
        Request::get("/readyz").ask(admin).await,
        (503, r#"{"status":"full"}"#.to_owned())
    );
    assert_eq!(Request::get("/livez").ask(admin).await.0, 200);
    guest.close().await;
    // What is for operators is not for everybody.
    assert_eq!(Request::get("/livez").ask(server.address()).await.0, 404);
    assert!(server.stop().await.success());
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let grid = |table: &toml::Table| table["privacy"]["position_grid_km"].as_float();
    let file = file("[privacy]\nposition_grid_km = 2\n");
    let config = ["--config", name(file.path())];
    let variable = [("WHISPERCHAT_PRIVACY__POSITION_GRID_KM", "3")];
    let flag = ["--set", "privacy.position_grid_km=4"];
    assert_eq!(grid(&in_force(&[], &[])), Some(1.0));
    assert_eq!(grid(&in_force(&config, &[])), Some(2.0));
    assert_eq!(grid(&in_force(&config, &variable)), Some(3.0));
    assert_eq!(
        grid(&in_force(&[config, flag].concat(), &variable)),
        Some(4.0)
    );

    let listen = |table: &toml::Table| table["listen"].as_str().map(str::to_owned);
    let variable = [("WHISPERCHAT_LISTEN", "127.0.0.1:3")];
    assert_eq!(
        listen(&in_force(&[], &variable)).as_deref(),
        Some("127.0.0.1:3")
    );
    let flags = ["--listen", "127.0.0.1:4", "--admin-listen", "127.0.0.1:5"];
    let table = in_force(&flags, &variable);
    assert_eq!(listen(&table).as_deref(), Some("127.0.0.1:4"));
    assert_eq!(table["admin_listen"].as_str(), Some("127.0.0.1:5"));
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let file = file("listen = \"127.0.0.1:7\"\n");
    let table = in_force(&[], &[("WHISPERCHAT_CONFIG", name(file.path()))]);
    assert_eq!(table["listen"].as_str(), Some("127.0.0.1:7"));
}

#[test]
fn settings_of_every_kind_can_come_from_the_environment() {
    let table = in_force(
        &[],
        &[
            ("WHISPERCHAT_PRIVACY__MIN_RANGE_KM", "0.1"),
            ("WHISPERCHAT_MATCHING__REMATCH_COOLOFF_S", "0"),
            ("WHISPERCHAT_LIMITS__MAX_MESSAGE_BYTES", "1024"),
            ("WHISPERCHAT_LIMITS__FIRST_MESSAGE_S", "2.5"),
            (
                "WHISPERCHAT_SECURITY__ALLOWED_ORIGINS",
                r#"["https://chat.example"]"#,
            ),
        ],
    );
    assert_eq!(table["privacy"]["min_range_km"].as_float(), Some(0.1));
    assert_eq!(table["matching"]["rematch_cooloff_s"].as_float(), Some(0.0));
    assert_eq!(
        table["limits"]["max_message_bytes"].as_integer(),
        Some(1024)
    );
    assert_eq!(table["limits"]["first_message_s"].as_float(), Some(2.5));
    let origins = table["security"]["allowed_origins"].as_array();
    assert_eq!(origins.map(Vec::len), Some(1));
}

#[test]
fn what_is_in_force_can_be_used_as_the_file() {
    let (_, stdout, _) = outcome(&mut whisperchat(&["check-config"]));
    let file = file(&stdout);
    let again = in_force(&["--config", name(file.path())], &[]);
    assert_eq!(again, stdout.parse().expect("it is TOML"));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_valid_one() {
    let file = file("# comment\n[privacy]\nposition_grid = 2\n");
    let path = name(file.path());
    let nearest = "did you mean `privacy.position_grid_km`?";
    let expected = format!(
        "whisperchat: {path}, line 3: `privacy.position_grid` is not a setting; {nearest}\n"
    );
    assert_eq!(refusal(&["--config", path], &[]), expected);

    let variable = "WHISPERCHAT_PRIVACY__POSITION_GRID";
    let expected = format!(
        "whisperchat: {variable}: `privacy.position_grid` is not a setting; did you mean `{variable}_KM`?\n"
    );
    assert_eq!(refusal(&[], &[(variable, "2")]), expected);

    let expected = format!(
        "whisperchat: --set privacy.position_grid: `privacy.position_grid` is not a setting; {nearest}\n"
    );
    assert_eq!(
        refusal(&["--set", "privacy.position_grid=2"], &[]),
        expected
    );
}

#[test]
fn an_unknown_key_is_found_on_every_level() {
    for (args, variables, key, nearest) in [
        (
            &["--set", "listn=127.0.0.1:1"],
            [].as_slice(),
            "listn",
            "listen",
        ),
        (
            &["--set", "limit.max_message_bytes=1024"],
            &[],
            "limit",
            "limits",
        ),
        (
            &["--set", "log.level=info"],
            &[("WHISPERCHAT_LOG_LEVEL", "info")],
            "log_level",
            "WHISPERCHAT_LOG__LEVEL",
        ),
    ] {
        let stderr = refusal(args, variables);
        let expected = format!("`{key}` is not a setting; did you mean `{nearest}`?");
        assert!(stderr.contains(&expected), "no {expected} in {stderr}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_named_with_what_is_allowed() {
    let file = file("[limits]\nfirst_message_s = \"soon\"\n");
    let path = name(file.path());
    let place = format!("{path}, line 2: `limits.first_message_s`");
    let cases = [
        (
            vec!["--config", path],
            vec![],
            vec![place.as_str(), "0.1 to 3600", "soon"],
        ),
        (
            vec![],
            vec![("WHISPERCHAT_LIMITS__MAX_MESSAGE_BYTES", "lots")],
            vec![
                "WHISPERCHAT_LIMITS__MAX_MESSAGE_BYTES: `limits.max_message_bytes`",
                "512 to 65536",
            ],
        ),
        (
            vec!["--set", "limits.max_message_bytes=-1"],
            vec![],
            vec![
                "--set limits.max_message_bytes: `limits.max_message_bytes`",
                "512 to 65536",
            ],
        ),
        (
            vec!["--set", "limits.max_message_bytes=100"],
            vec![],
            vec![
                "--set limits.max_message_bytes: `limits.max_message_bytes`",
                "512 to 65536",
            ],
        ),
        (
            vec!["--listen", "everywhere"],
            vec![],
            vec![
                "--listen: `listen`",
                "everywhere",
                "IP address",
                "127.0.0.1:8080",
            ],
        ),
        (
            vec!["--set", "privacy.min_range_km=nan"],
            vec![],
            vec!["`privacy.min_range_km`", "above 0"],
        ),
    ];
    for (args, variables, expected) in cases {
        let stderr = refusal(&args, &variables);
        for expected in expected {
            assert!(stderr.contains(expected), "no {expected:?} in {stderr}");
        }
    }
}

#[test]
fn every_mistake_is_said_at_once() {
    let stderr = refusal(
        &[
            "--set",
            "limits.first_message_s=0",
            "--set",
            "privacy.position_grid_km=-1",
        ],
        &[],
    );
    assert!(stderr.contains("limits.first_message_s"), "{stderr}");
    assert!(stderr.contains("privacy.position_grid_km"), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let stderr = refusal(&["--config", "/nowhere/at/all.toml"], &[]);
    assert!(
        stderr.contains("/nowhere/at/all.toml: cannot be read: "),
        "{stderr}"
    );
    let file = file("[limits\n");
    let stderr = refusal(&["--config", name(file.path())], &[]);
    assert!(
        stderr.contains(name(file.path())) && stderr.contains("line 1"),
        "{stderr}"
    );
}

#[tokio::test]
async fn either_signal_stops_it_cleanly_and_every_client_is_told() {
    for signal in ["-TERM", "-INT"] {
        let server = Server::start(&[]);
        let mut idle = V1::connect(&server).await;
        let mut ann = V1::connect(&server).await;
        ann.ask(join(PARIS, 5.0), "waiting").await;
        let mut bob = Classic::bound(&server, "bob", PARIS, 5).await;
        let mut carl = Classic::bound(&server, "carl", PARIS, 5).await;
        ann.expect("matched").await;
        bob.expect("connected").await;
        server.signal(signal);
        for client in [&mut idle, &mut ann] {
            let going = client.expect("going_away").await;
            assert!(going["reconnect_after_ms"].is_u64(), "{going}");
            assert_eq!(client.expect_close().await.0, 4200, "{signal}");
        }
        for client in [&mut bob, &mut carl] {
            assert_eq!(client.expect_close().await.0, 1001, "{signal}");
        }
        let status = server.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
    }
}
