//! What the binary offers besides serving: settings explained, health asked for, shells and manuals fed.

mod common;

use common::{EXIT_USAGE, Server, V1, outcome, whisperchat, within};
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

const SUBCOMMANDS: [&str; 9] = [
    "serve",
    "chat",
    "swarm",
    "check-config",
    "print-config",
    "healthcheck",
    "data",
    "completions",
    "man",
];

/// What a command that succeeds prints.
fn printed(command: &mut Command) -> String {
    let (code, stdout, stderr) = outcome(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").expect("files can be made");
    file.write_all(text.as_bytes())
        .expect("files can be written");
    file
}

#[test]
fn check_config_says_of_each_setting_where_it_came_from() {
    let file =
        file("[privacy]\n\nposition_grid_km = 2\nmin_range_km = 3\n[log]\nlevel = \"warn\"\n");
    let path = file.path().to_str().expect("a plain name");
    let mut command = whisperchat(&[
        "check-config",
        "--config",
        path,
        "--listen",
        "127.0.0.1:4",
        "--set",
        "limits.close_s=7",
    ]);
    command.env("WHISPERCHAT_PRIVACY__MIN_RANGE_KM", "4");
    let listing = printed(&mut command);
    let expected = [
        "listen = \"127.0.0.1:4\" # --listen".to_owned(),
        format!("position_grid_km = 2.0 # {path}, line 3"),
        "min_range_km = 4.0 # WHISPERCHAT_PRIVACY__MIN_RANGE_KM".to_owned(),
        "close_s = 7.0 # --set limits.close_s".to_owned(),
        "stop_s = 20.0 # default".to_owned(),
        format!("level = \"warn\" # {path}, line 6"),
        "# certificate is unset".to_owned(),
    ];
    for line in expected {
        assert!(
            listing.lines().any(|shown| shown == line),
            "no {line} in {listing}"
        );
    }
}

#[test]
fn the_printed_defaults_can_be_used_as_the_file() {
    let defaults = printed(&mut whisperchat(&["print-config"]));
    let file = file(&defaults);
    let path = file.path().to_str().expect("a plain name");
    let without = printed(&mut whisperchat(&["check-config"]));
    let with = printed(&mut whisperchat(&["check-config", "--config", path]));
    let read = |listing: &str| listing.parse::<toml::Table>().expect("it is TOML");
    assert_eq!(read(&with), read(&without));
    assert_eq!(with.matches("# default").count(), 0, "{with}");
    // A comment before each setting says what it is for and what is allowed.
    let grid = "# side of the cells that positions are snapped to; 0 keeps them\n\
                # must be 0, or 0.01 to 1000 (km); changed by a restart\nposition_grid_km = 1.0\n";
    assert!(defaults.contains(grid), "{defaults}");
}

#[tokio::test]
async fn a_health_check_asks_whether_it_lives_and_whether_it_is_ready() {
    let settings = [
        ("admin_listen", "127.0.0.1:0"),
        ("limits.max_connections", "1"),
    ];
    let server = Server::start(&settings);
    let admin = server.admin_address().await.to_string();
    let check = |args: &[&str]| {
        let mut command = whisperchat(&[&["healthcheck"], args].concat());
        outcome(command.env("WHISPERCHAT_ADMIN_LISTEN", &admin))
    };
    for args in [
        [].as_slice(),
        &["--ready"],
        &["--url", &format!("http://{admin}/livez")],
    ] {
        let (code, stdout, stderr) = check(args);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}: {stdout}");
        assert!(stdout.contains("status"), "{stdout}");
    }
    let guest = V1::connect(&server).await;
    let (code, _, stderr) = check(&["--ready"]);
    assert_eq!(code, Some(1), "a full server is not ready");
    assert!(
        stderr.contains("503") && stderr.contains("full"),
        "{stderr}"
    );
    assert_eq!(check(&[]).0, Some(0), "a full server lives");
    guest.close().await;
    assert!(within("the end", server.stop()).await.success());
    let (code, _, stderr) = check(&[]);
    assert_eq!(code, Some(1), "nobody answers");
    assert!(stderr.contains(&admin), "{stderr}");
}

#[test]
fn a_health_check_does_not_wait_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let url = format!("http://{}/livez", silent.local_addr().expect("it listens"));
    let (code, _, stderr) = outcome(&mut whisperchat(&[
        "healthcheck",
        "--url",
        &url,
        "--timeout",
        "0.2",
    ]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&url), "{stderr}");
}

#[test]
fn a_health_check_that_cannot_be_made_says_what_is_missing() {
    for (args, status, expected) in [
        (["--set", "admin_listen=127.0.0.1:0"], 1, "--url"),
        (["--set", "admin_listen=off"], 1, "`admin_listen` is off"),
        (
            ["--url", "127.0.0.1:9090"],
            EXIT_USAGE,
            "must be a URL such as http://127.0.0.1:9090/livez",
        ),
        (
            ["--url", "http://127.0.0.1/livez"],
            EXIT_USAGE,
            "a host and a port",
        ),
        (
            ["--url", "https://127.0.0.1:9090/livez"],
            EXIT_USAGE,
            "TLS can't be asked",
        ),
        (["--timeout", "0"], EXIT_USAGE, "0.1 to 60 seconds"),
    ] {
        let mut command = whisperchat(&["healthcheck"]);
        let (code, _, stderr) = outcome(command.args(args));
        assert_eq!(code, Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "no {expected} in {stderr}");
    }
    let help = printed(&mut whisperchat(&["healthcheck", "--help"]));
    assert!(
        help.contains("such as http://127.0.0.1:9090/livez"),
        "{help}"
    );
}

#[tokio::test]
async fn a_page_is_no_answer_to_a_health_check() {
    let server = Server::start(&[]);
    let url = format!("http://{}/", server.address());
    let (code, stdout, stderr) = outcome(&mut whisperchat(&["healthcheck", "--url", &url]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("ask for /livez or /readyz"), "{stderr}");
}

#[test]
fn every_shell_gets_its_completions() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("elvish", "edit:completion"),
        ("fish", "complete -c whisperchat"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef whisperchat"),
    ] {
        let script = printed(&mut whisperchat(&["completions", shell]));
        assert!(script.contains(mark), "no {mark} in {script}");
        for subcommand in SUBCOMMANDS {
            assert!(script.contains(subcommand), "no {subcommand} for {shell}");
        }
        assert!(!script.contains("swarm-worker"), "nobody types that");
    }
}

#[test]
fn bash_completes_with_them() {
    let script = printed(&mut whisperchat(&["completions", "bash"]));
    let ask = "COMP_WORDS=(whisperchat check); COMP_CWORD=1; \
               _whisperchat whisperchat check whisperchat; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &format!("{script}\n{ask}")])
        .stdin(Stdio::null());
    assert_eq!(printed(&mut bash), "check-config\n");
}

#[test]
fn the_manual_has_a_page_for_the_program_and_for_each_subcommand() {
    let page = printed(&mut whisperchat(&["man"]));
    assert!(page.contains(".TH whisperchat 1"), "{page}");
    let folder = tempfile::tempdir().expect("folders can be made");
    let path = folder.path().to_str().expect("a plain name");
    printed(&mut whisperchat(&["man", "--dir", path]));
    for subcommand in SUBCOMMANDS {
        let words = subcommand.replace('-', "\\-");
        assert!(page.contains(&words), "no {subcommand} in {page}");
        let file = folder.path().join(format!("whisperchat-{subcommand}.1"));
        let page = std::fs::read_to_string(&file).expect("the page was written");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let (code, _, stderr) = outcome(&mut whisperchat(&["man", "--dir", "/nowhere/at/all"]));
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("/nowhere/at/all: cannot be written to"),
        "{stderr}"
    );
}
