//! A server in a process of its own, and what the system says of that process.

use super::echo;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a server prints before the port it listens on.
pub(crate) const ADDRESS_MARK: &str = "http://127.0.0.1:";

/// What `/proc` counts processor time in: `USER_HZ`, which is 100 on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The program of this package, as operators run it.
    WhisperChat,
    /// The bare echo, which is the bench itself in another process.
    Echo,
}

impl Kind {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WhisperChat => "whisperchat",
            Self::Echo => "bare echo",
        }
    }

    /// The path of its WebSocket.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::WhisperChat => "/v1/ws",
            Self::Echo => "/",
        }
    }
}

/// A running server. Ended when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Held, so that what the server prints never fails.
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Starts a server on a free port with so many threads that handle connections, and waits until it
    /// listens.
    pub(crate) fn start(kind: Kind, threads: usize) -> Self {
        let mut command = match kind {
            Kind::WhisperChat => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
                command.args(["serve", "--listen", "127.0.0.1:0"]);
                // It pings as always; the load's clients that only wait don't answer.
                command.args(["--set", "limits.pong_s=600"]);
                command.args(["--set", "store.url=off"]);
                command
            }
            Kind::Echo => {
                let this = std::env::current_exe().expect("a running program has a path");
                let mut command = Command::new(this);
                command.arg(echo::ARGUMENT);
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WHISPERCHAT_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .env("TOKIO_WORKER_THREADS", threads.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo has built it");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let port = first_port(&mut stdout);
        Self {
            child,
            kind,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            _stdout: stdout,
        }
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a process has resident memory");
        let kib: u64 = line
            .trim_end_matches("kB")
            .trim()
            .parse()
            .expect("the kernel writes a number of kB");
        kib * 1024
    }

    /// How many descriptors are open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .expect("a child's descriptors can be listed")
            .count()
    }

    /// The processor time that the process has used so far, in user and kernel mode, in seconds.
    pub(crate) fn processor_s(&self) -> f64 {
        processor_s(&self.proc("stat"))
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(path).expect("the server runs, on Linux")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that this process has used so far, in seconds.
pub(crate) fn own_processor_s() -> f64 {
    processor_s(&std::fs::read_to_string("/proc/self/stat").expect("this is Linux"))
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field, a name in parentheses, may hold spaces.
fn processor_s(stat: &str) -> f64 {
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().expect("ticks are a number"))
        .sum();
    ticks / TICKS_PER_S
}

fn first_port(stdout: &mut BufReader<ChildStdout>) -> u16 {
    let mut line = String::new();
    loop {
        line.clear();
        let read = stdout.read_line(&mut line).expect("what it prints is text");
        assert_ne!(read, 0, "the server ended before it listened");
        if let Some((_, rest)) = line.split_once(ADDRESS_MARK) {
            let digits = rest.find(|char: char| !char.is_ascii_digit());
            return rest[..digits.unwrap_or(rest.len())]
                .parse()
                .expect("a port follows the address");
        }
    }
}
