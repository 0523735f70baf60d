//! `whisperchat swarm` as its users run it: every scenario against the real server, what it writes, what it
//! refuses, and servers that break promises, which must fail the run.

#[path = "../common/mod.rs"]
mod common;
mod promises;
mod refusals;
mod reports;
mod scenarios;
mod wrong;

use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// The exit status for options that can't be used.
const EXIT_USAGE: i32 = 2;

fn swarm(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
    command.arg("swarm").args(args).stdin(Stdio::null());
    command
}

/// What came of a run.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    json: Value,
}

impl Ran {
    /// Runs a scenario against a server to its end.
    fn against(address: SocketAddr, args: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().expect("files can be made");
        let address = address.to_string();
        let mut command = swarm(args);
        command
            .args(["--server", &address, "--json"])
            .arg(file.path());
        let mut ran = Self::of(command);
        ran.json = serde_json::from_reader(file).unwrap_or_default();
        ran
    }

    fn of(mut command: Command) -> Self {
        let output = command
            .output()
            .expect("the binary was built for this test");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            json: Value::Null,
        }
    }

    #[track_caller]
    fn assert_all_well(&self) {
        let Self { stdout, stderr, .. } = self;
        assert_eq!(self.code, Some(0), "{stdout}\n{stderr}");
        assert_eq!(self.json["violations"]["count"], 0, "{stdout}");
        assert_eq!(self.json["ending"], "complete", "{stdout}");
    }

    fn count(&self, what: &str) -> u64 {
        self.json["counts"][what].as_u64().expect("it is counted")
    }

    fn timed(&self, metric: &str) -> u64 {
        self.json["times_ms"][metric]["count"]
            .as_u64()
            .expect("it is timed")
    }
}
