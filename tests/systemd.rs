//! A server started as systemd starts it: with sockets that are there already, and somebody who wants to be
//! told how it goes. The protocol is a few variables and sockets, so no systemd is needed.

mod common;

use common::{WAIT, within};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Takes the sockets that are its standard input and output to where systemd puts them, and becomes the server.
const PASS_ON: &str = "exec 3<&0 4<&1 </dev/null >&2; LISTEN_PID=$$ exec \"$0\" serve";

/// A server with what it was started with; killed when dropped.
struct Service {
    child: Child,
    notices: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts a server with these sockets passed on under these names, and these variables.
    fn start(sockets: [&TcpListener; 2], names: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        let path = folder.path().join("notify");
        let notices = UnixDatagram::bind(&path).expect("sockets can be made");
        notices.set_read_timeout(Some(WAIT)).expect("a limit");
        let count = names.split(':').count().to_string();
        let [first, second] = sockets.map(pass_on);
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WHISPERCHAT_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["-c", PASS_ON, env!("CARGO_BIN_EXE_whisperchat")])
            .env("LISTEN_FDS", count)
            .env("LISTEN_FDNAMES", names)
            .env("NOTIFY_SOCKET", &path)
            .env("WHISPERCHAT_STORE__URL", "off")
            .envs(variables.iter().copied())
            .stdin(first)
            .stdout(second)
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh is there");
        Self {
            child,
            notices,
            _folder: folder,
        }
    }

    /// The next thing that the service manager is told.
    fn notice(&self) -> String {
        let mut buffer = [0; 1024];
        let len = self.notices.recv(&mut buffer).expect("it is told in time");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    /// What it is told next besides that the server is alive.
    fn news(&self) -> String {
        loop {
            let notice = self.notice();
            if notice != "WATCHDOG=1\n" {
                return notice;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill(1) is there").success());
    }

    /// Its exit status and what it printed, once it has ended by itself.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut printed = String::new();
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut printed).expect("it is text");
        let status = self.child.wait().expect("it is our child");
        (status.code(), printed)
    }
}

fn pass_on(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().expect("descriptors are left").into()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = listener.local_addr().expect("it listens");
    (listener, address)
}

/// The first line of the answer to a request for this path.
async fn status_line(address: SocketAddr, path: &str) -> String {
    asked_over(connected(address), path).await
}

/// A connection, which the system keeps for whoever listens next if nobody does now.
fn connected(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(address).expect("the socket is there");
    stream.set_nonblocking(true).expect("it is a socket");
    stream
}

async fn asked_over(stream: std::net::TcpStream, path: &str) -> String {
    let mut stream = TcpStream::from_std(stream).expect("there is a runtime");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it is read");
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer))
        .await
        .expect("it is text");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_server_serves_the_sockets_that_it_was_given() {
    let (people, people_at) = listener();
    let (operators, operators_at) = listener();
    let early = connected(people_at);
    let service = Service::start([&people, &operators], "people:operators", &[]);
    drop((people, operators));
    assert_eq!(asked_over(early, "/").await, "HTTP/1.1 200 OK");
    assert_eq!(service.news(), "READY=1\n");
    assert_eq!(status_line(operators_at, "/livez").await, "HTTP/1.1 200 OK");
    assert_eq!(
        status_line(people_at, "/livez").await,
        "HTTP/1.1 404 Not Found"
    );
}

#[tokio::test]
async fn who_connects_between_two_servers_is_served_by_the_second() {
    let (people, people_at) = listener();
    let (unused, _) = listener();
    let mut first = Service::start([&people, &unused], "people", &[]);
    assert_eq!(first.news(), "READY=1\n");
    first.signal("-TERM");
    assert_eq!(first.news(), "STOPPING=1\n");
    assert_eq!(first.ended().0, Some(0));
    let between = connected(people_at);
    let second = Service::start([&people, &unused], "people", &[]);
    assert_eq!(second.news(), "READY=1\n");
    assert_eq!(asked_over(between, "/").await, "HTTP/1.1 200 OK");
}

#[test]
fn the_service_manager_hears_of_a_reload_of_life_and_of_the_end() {
    let (people, _) = listener();
    let (unused, _) = listener();
    let mut service = Service::start([&people, &unused], "people", &[("WATCHDOG_USEC", "100000")]);
    assert_eq!(service.news(), "READY=1\n");
    service.signal("-HUP");
    let reloading = service.news();
    let (first, rest) = reloading.split_once('\n').expect("two lines");
    assert_eq!(first, "RELOADING=1");
    let since_boot = rest.trim_end().strip_prefix("MONOTONIC_USEC=");
    let since_boot = since_boot.and_then(|number| number.parse::<u64>().ok());
    assert!(since_boot.is_some(), "{reloading}");
    assert_eq!(service.news(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(service.notice(), "WATCHDOG=1\n");
    }
    service.signal("-TERM");
    assert_eq!(service.news(), "STOPPING=1\n");
    assert_eq!(service.ended().0, Some(0));
}

#[test]
fn sockets_that_cannot_be_used_are_named() {
    let (people, _) = listener();
    let (second, _) = listener();
    let mut service = Service::start([&people, &second], "people:more", &[]);
    let (code, printed) = service.ended();
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("\"more\"") && printed.contains("one too many"),
        "{printed}"
    );
}

#[test]
fn operators_on_a_socket_for_everybody_need_a_token() {
    let (people, _) = listener();
    let everywhere = TcpListener::bind("0.0.0.0:0").expect("some port is free");
    let mut service = Service::start([&people, &everywhere], "people:operators", &[]);
    let (code, printed) = service.ended();
    assert_eq!(code, Some(2), "{printed}");
    assert!(
        printed.contains("0.0.0.0:") && printed.contains("`admin.token_file`"),
        "{printed}"
    );
}
