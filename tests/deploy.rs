//! What is shipped for operators beside the binary: units for systemd, and what makes a container.

mod common;

use common::{outcome, whisperchat};
use std::path::{Path, PathBuf};
use std::process::Command;
use whisperchat::config::{AdminListen, Config};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a unit sets this to, which it does once.
fn set_to(unit: &str, key: &str) -> String {
    let unit = text(format!("deploy/systemd/{unit}"));
    let values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let [value] = values.collect::<Vec<_>>()[..] else {
        panic!("{key} is not there once in {unit}");
    };
    value.to_owned()
}

#[test]
fn the_units_fit_the_servers_defaults() {
    let patience: f64 = set_to("whisperchat.service", "TimeoutStopSec")
        .parse()
        .expect("it is in seconds");
    let stop_s = Config::default().limits.stop_s;
    assert!(
        patience > stop_s,
        "killed after {patience} s, stopped after {stop_s} s"
    );
    let operators = set_to("whisperchat-operators.socket", "ListenStream");
    assert_eq!(operators, AdminListen::USUAL.to_string());
    let people: u16 = set_to("whisperchat.socket", "ListenStream")
        .parse()
        .expect("it is a port");
    assert_eq!(people, Config::default().listen.port());
}

#[test]
#[ignore = "needs systemd-analyze, which .ci/run installs"]
fn the_unit_leaves_the_server_little_that_it_could_do() {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold=20"])
        .arg(root().join("deploy/systemd/whisperchat.service"))
        .output()
        .expect("systemd-analyze is there");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "more exposed than 2.0 of 10: {printed}"
    );
}

/// Whether `.dockerignore`, which refuses everything but what it lists, lets a file into the build.
fn is_let_in(file: &Path) -> bool {
    text(".dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .any(|listed| file.starts_with(listed))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_containers_build_is_given_every_file_that_it_reads() {
    let mut read: Vec<_> = ["Cargo.toml", "Cargo.lock", "src/main.rs", "benches"]
        .map(PathBuf::from)
        .into();
    // What is served is named in tables, from the root.
    for table in ["src/server/page.rs", "src/server/admin/board.rs"] {
        let table = text(root().join(table));
        let names = table.split(" from \"").skip(1);
        let names = names.filter_map(|rest| rest.split_once('"'));
        read.extend(names.map(|(name, _)| PathBuf::from(name)));
    }
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files {
        let source = text(&file);
        let names = source.split("include_").skip(1).filter_map(|rest| {
            let rest = ["bytes!(\"", "str!(\""]
                .iter()
                .find_map(|call| rest.strip_prefix(call))?;
            Some(rest.split_once('"')?.0)
        });
        for name in names {
            let folder = file.parent().expect("it is in a folder");
            let target = folder
                .join(name)
                .canonicalize()
                .expect("what is included is there");
            let root = root().canonicalize().expect("it is there");
            read.push(target.strip_prefix(root).expect("it is ours").to_owned());
        }
    }
    for known in [
        "docs/configuration.md",
        "clients/js/whisperchat.js",
        "web/board/board.js",
    ] {
        assert!(read.contains(&PathBuf::from(known)), "{read:?}");
    }
    for file in read {
        assert!(is_let_in(&file), "{} is not let in", file.display());
    }
}

#[test]
fn the_containers_settings_are_settings() {
    let dockerfile = text("Dockerfile");
    let settings: Vec<_> = dockerfile
        .split_whitespace()
        .filter(|word| word.starts_with("WHISPERCHAT_"))
        .filter_map(|word| word.split_once('='))
        .collect();
    assert_eq!(settings.len(), 3, "{settings:?}");
    let mut command = whisperchat(&["check-config"]);
    let (code, stdout, stderr) = outcome(command.envs(settings.iter().copied()));
    assert_eq!(code, Some(0), "{stderr}");
    for (name, value) in settings {
        let line = format!("{value:?} # {name}");
        assert!(stdout.contains(&line), "no {line} in {stdout}");
    }
}
