//! The server as operators run it: the binary, its environment, its signals.

use super::{WAIT, within};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// What the server prints before the address it listens at, after `http` or `https`.
const ADDRESS_MARK: &str = "://127.0.0.1:";

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Option<Child>,
    address: SocketAddr,
    printed: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server on a free port with settings by their dotted keys, such as
    /// `("privacy.position_grid_km", "0")`, and waits until it listens.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_whisperchat")), settings)
    }

    /// A server that may not have more files open than this, sockets included.
    pub(crate) fn with_open_files(max: u32, settings: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {max} && exec \"$0\" \"$@\"");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_whisperchat")]);
        Self::spawn(shell, settings)
    }

    /// The same with settings in a file, which win over none of those.
    pub(crate) fn with_file(file: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
        command.env("WHISPERCHAT_CONFIG", file);
        Self::spawn(command, settings)
    }

    /// What comes of starting a server with settings that it can't be started with: exit status, standard
    /// output, standard error.
    pub(crate) fn refused(settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
        let output = prepare(&mut command, settings)
            .output()
            .expect("the binary was built for this test");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        let code = output.status.code();
        (code, text(output.stdout), text(output.stderr))
    }

    fn spawn(mut command: Command, settings: &[(&str, &str)]) -> Self {
        prepare(&mut command, settings);
        Self::of(command)
    }

    /// A server by a command that serves on loopback.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");

        let printed = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        drain(stdout, &printed, Some(found));
        drain(stderr, &printed, None);
        let mut server = Self {
            child: Some(child),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            printed,
        };
        server.address = address
            .recv_timeout(WAIT)
            .expect("the server prints its address on stdout");
        server
    }

    /// A server that keeps positions exactly as they are given and accepts small ranges.
    pub(crate) fn exact(settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("privacy.position_grid_km", "0"),
            ("privacy.min_range_km", "0.1"),
        ];
        all.extend_from_slice(settings);
        Self::start(&all)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything it has printed, once that includes `wanted`.
    pub(crate) async fn printed(&self, wanted: &str) -> String {
        within(&format!("{wanted:?} to be printed"), async {
            loop {
                let printed = self.printed.lock().expect("nobody panics").clone();
                if printed.contains(wanted) {
                    return printed;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Where operators ask, if the settings said somewhere.
    pub(crate) async fn admin_address(&self) -> SocketAddr {
        const MARK: &str = "for operators: ";
        let printed = self.printed(MARK).await;
        let (_, line) = printed.split_once(MARK).expect("it was waited for");
        address_in(line).expect("an address follows")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("taken only when it ends").id()
    }

    /// How much memory it has in use of its own: pages of the program, which the system reads when they are needed, are
    /// nobody's cost.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_bytes(&self) -> usize {
        let child = self.child.as_ref().expect("taken only when it ends");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))
            .expect("the process runs");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix("kB"));
        let kib: usize = kib
            .and_then(|kib| kib.trim().parse().ok())
            .expect("a number");
        kib * 1024
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("taken only here and by drop");
        let pid = child.id();
        let (report, status) = tokio::sync::oneshot::channel();
        thread::spawn(move || report.send(child.wait()));
        let Ok(status) = tokio::time::timeout(WAIT, status).await else {
            send_signal("-KILL", pid);
            panic!("the server still ran {WAIT:?} after it was asked to stop");
        };
        status
            .expect("the thread reports")
            .expect("it is our child")
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// Sends it a signal as kill(1) names it, such as `-INT`.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(signal, self.pid());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let printed = self.printed.lock().map_or_else(
                |poisoned| poisoned.into_inner().clone(),
                |printed| printed.clone(),
            );
            eprintln!("the server printed:\n{printed}");
        }
    }
}

/// Serving on a free port with these settings, and none from the environment of whoever runs the tests.
fn prepare<'a>(command: &'a mut Command, settings: &[(&str, &str)]) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        let is_set_here = command.get_envs().any(|(set, _)| set == name);
        if name.to_string_lossy().starts_with("WHISPERCHAT_") && !is_set_here {
            command.env_remove(name);
        }
    }
    // Who wants a store says where, and nobody writes into the home of whoever runs the tests.
    let has_store = |(key, _): &(&str, &str)| ["store.url", "store.folder"].contains(key);
    if !settings.iter().any(has_store) {
        command.env("WHISPERCHAT_STORE__URL", "off");
    }
    // As a person at a terminal would read it.
    command.env("WHISPERCHAT_LOG__FORMAT", "human");
    for (key, value) in settings {
        let name = key.to_uppercase().replace('.', "__");
        command.env(format!("WHISPERCHAT_{name}"), value);
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
}

fn send_signal(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .expect("kill(1) is installed");
    assert!(status.success(), "kill {signal} {pid} failed: {status}");
}

/// Keeps the pipe empty, what came out of it, and the first address seen in it.
fn drain(
    pipe: impl Read + Send + 'static,
    printed: &Arc<Mutex<String>>,
    mut found: Option<mpsc::Sender<SocketAddr>>,
) {
    let printed = Arc::clone(printed);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line)
                && let Some(found) = found.take()
            {
                let _ = found.send(address);
            }
            if let Ok(mut printed) = printed.lock() {
                printed.push_str(&line);
                printed.push('\n');
            }
        }
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(ADDRESS_MARK)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    let port: u16 = rest[..digits.unwrap_or(rest.len())].parse().ok()?;
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
}
