//! `whisperchat chat` as people and scripts use it: processes on pipes that meet on a real server.

mod common;

use common::{Request, Server, WAIT};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

const PARIS: &str = "48.8566,2.3522";

/// A running client on pipes, killed when dropped.
struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(usize, String)>,
    seen: Vec<(usize, String)>,
}

impl Chat {
    fn start(server: &Server, flags: &[&str]) -> Self {
        let address = format!("ws://{}", server.address());
        let mut child = command(&[&["--server", &address], flags].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let (sender, lines) = channel();
        let pipes: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("stdout is piped")),
            Box::new(child.stderr.take().expect("stderr is piped")),
        ];
        for (number, pipe) in pipes.into_iter().enumerate() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    // Nobody listens any more once the test has what it wanted.
                    let _ = sender.send((number, line));
                }
            });
        }
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            seen: Vec::new(),
        }
    }

    fn named(server: &Server, name: &str) -> Self {
        Self::start(server, &["--at", PARIS, "--name", name])
    }

    fn enter(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input has not ended yet");
        writeln!(stdin, "{line}").expect("the client reads");
    }

    fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line that begins so, passing over others before it on the same pipe, and returns it. Between
    /// the two pipes there is no order.
    #[track_caller]
    fn expect(&mut self, start: &str) -> String {
        let until = Instant::now() + WAIT;
        loop {
            let is_it = |(_, line): &(usize, String)| line.starts_with(start);
            if let Some(at) = self.seen.iter().position(is_it) {
                let (pipe, line) = self.seen.remove(at);
                let mut index = 0;
                self.seen.retain(|(other, _)| {
                    index += 1;
                    index > at || *other != pipe
                });
                return line;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line {start:?} ({error}), but {:#?}", self.seen),
            }
        }
    }

    /// Waits for the end, and returns its status and what was printed since the last line expected.
    #[track_caller]
    fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let until = Instant::now() + WAIT;
        let mut rest = Vec::new();
        // Both pipes close when the process ends.
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok((_, line)) => rest.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it goes on: {rest:#?}"),
            }
        }
        let status = self.child.wait().expect("it is our child");
        (status.code(), rest)
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whisperchat"));
    command.arg("chat").args(flags);
    command
}

/// Runs a client that can't get far: its exit status and what it says on stderr.
fn refused(flags: &[&str]) -> (Option<i32>, String) {
    let output = command(flags)
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test");
    let stderr = String::from_utf8(output.stderr).expect("it speaks UTF-8");
    (output.status.code(), stderr)
}

#[test]
fn two_people_meet_talk_and_part() {
    let server = Server::start(&[]);
    let mut ann = Chat::start(
        &server,
        &["--at", PARIS, "--name", "ann", "--interests", "Chess, go"],
    );
    ann.expect("* Waiting for someone within 50 km of you…");
    let mut bob = Chat::start(
        &server,
        &["--at", PARIS, "--name", "bob", "--interests", "chess"],
    );
    let met = ann.expect("* You are talking with bob, less than 10 km away.");
    assert!(met.contains("You both like: Chess."), "{met}");
    bob.expect("* You are talking with ann, less than 10 km away.");

    ann.enter("hello bob");
    bob.expect("<ann> hello bob");
    bob.enter("//me waves");
    ann.expect("<bob> /me waves");
    bob.enter("/nonsense");
    bob.expect("! There is no command /nonsense.");

    bob.enter("/leave");
    bob.expect("* You left the chat.");
    ann.expect("* bob left the chat. /next looks again.");
    ann.enter("/next");
    ann.expect("* Waiting for someone within 50 km of you…");
    ann.enter("/range 100");
    ann.expect("* Now looking within 100 km.");
    for mut chat in [ann, bob] {
        chat.enter("/quit");
        assert_eq!(chat.ended(), (Some(0), vec![]));
    }
}

#[test]
fn a_script_waits_for_somebody_and_leaves_when_all_was_accepted() {
    let server = Server::start(&[]);
    let mut script = Chat::named(&server, "script");
    for line in ["one", "two", "/quit"] {
        script.enter(line);
    }
    script.end_input();
    script.expect("* Waiting for someone");
    let mut bob = Chat::named(&server, "bob");
    bob.expect("<script> one");
    bob.expect("<script> two");
    bob.expect("* script ");
    script.expect("* You are talking with bob");
    assert_eq!(script.ended(), (Some(0), vec![]));
}

#[test]
fn a_long_script_arrives_whole_and_in_order() {
    let server = Server::start(&[]);
    let mut bob = Chat::named(&server, "bob");
    bob.expect("* Waiting for someone");
    let mut script = Chat::named(&server, "script");
    for number in 0..300 {
        script.enter(&format!("line {number}"));
    }
    script.end_input();
    script.expect("* You are talking with bob");
    assert_eq!(script.ended(), (Some(0), vec![]));
    bob.expect("* You are talking with script");
    for number in 0..300 {
        assert_eq!(bob.expect(""), format!("<script> line {number}"));
    }
}

#[test]
fn a_script_that_could_not_say_everything_fails() {
    let server = Server::start(&[]);
    let mut script = Chat::start(&server, &["--at", PARIS, "--give-up", "1"]);
    script.enter("is anybody there?");
    script.end_input();
    let (status, printed) = script.ended();
    assert_eq!(status, Some(1), "{printed:?}");
    assert!(
        printed.iter().any(|line| line.starts_with("! Not sent")),
        "{printed:?}"
    );
}

#[tokio::test]
async fn hostile_texts_are_harmless() {
    let server = Server::start(&[]);
    let mut ann = Chat::named(&server, "ann");
    let mut mallory = common::joined(&server, (48.8566, 2.3522), 50.0).await;
    mallory.expect("matched").await;
    ann.expect("* You are talking with Stranger");
    for (text, shown) in [
        (
            "\u{1b}[2J\u{1b}]0;owned\u{7}",
            "<Stranger> \u{fffd}[2J\u{fffd}]0;owned\u{fffd}",
        ),
        (
            "\u{9b}31m\u{202e}gnp.exe",
            "<Stranger> \u{fffd}31m\u{fffd}gnp.exe",
        ),
    ] {
        mallory.say(text).await;
        assert_eq!(ann.expect("<Stranger>"), shown);
        let delivered = mallory.expect("delivered").await;
        assert!(delivered["seq"].is_u64());
    }
    mallory.say("a\n* Stranger left the chat.").await;
    assert_eq!(ann.expect("<Stranger>"), "<Stranger> a");
    assert_eq!(ann.expect(""), "    * Stranger left the chat.");
}

#[tokio::test]
async fn the_end_is_a_proper_one_and_the_partner_is_told() {
    let server = Server::start(&[]);
    let mut ann = Chat::named(&server, "ann");
    let mut bob = common::joined(&server, (48.8566, 2.3522), 50.0).await;
    bob.expect("matched").await;
    ann.expect("* You are talking with Stranger");
    let pid = ann.child.id().to_string();
    let status = Command::new("kill").args(["-INT", &pid]).status();
    assert!(status.expect("kill(1) is installed").success());
    assert_eq!(ann.ended(), (Some(0), vec![]));
    let left = bob.expect("partner_left").await;
    assert_eq!(left["reason"], "left");
}

#[test]
fn a_server_that_goes_away_is_told_in_words() {
    let server = Server::start(&[]);
    let mut ann = Chat::named(&server, "ann");
    ann.expect("* Waiting for someone");
    server.terminate();
    ann.expect("* The server is about to go away.");
    ann.expect("whisperchat: The server went away. Start again");
    assert_eq!(ann.ended().0, Some(1));
}

#[tokio::test]
async fn who_is_banned_is_told_why_while_they_wait_and_when_they_come_back() {
    let folder = tempfile::tempdir().expect("folders can be made");
    let path = folder.path().to_str().expect("names are plain");
    let settings = [("admin_listen", "127.0.0.1:0"), ("store.folder", path)];
    let server = Server::start(&settings);
    let mut ann = Chat::named(&server, "ann");
    ann.expect("* Waiting for someone");
    let ban = r#"{"network": "127.0.0.0/8", "reason": "Go away.", "appeal": "Write to help@chat.example."}"#;
    let (status, answer) = Request::get("")
        .start_line("POST /api/v1/bans HTTP/1.1")
        .with("Content-Type", "application/json")
        .body(ban)
        .ask(server.admin_address().await)
        .await;
    assert_eq!(status, 201, "{answer}");
    let why = "whisperchat: This server does not let you chat any more. Go away. Write to help@chat.example.";
    assert_eq!(ann.expect("whisperchat:"), why);
    assert_eq!(ann.ended().0, Some(1));
    let address = format!("ws://{}", server.address());
    let (status, stderr) = refused(&["--at", PARIS, "--server", &address]);
    assert_eq!((status, stderr.trim_end()), (Some(1), why));
}

#[test]
fn a_partner_can_be_reported_and_blocked() {
    let server = Server::start(&[]);
    let mut ann = Chat::named(&server, "ann");
    ann.expect("* Waiting for someone");
    let mut bob = Chat::named(&server, "bob");
    ann.expect("* You are talking with bob");
    bob.expect("* You are talking with ann");
    ann.enter("/report");
    ann.expect("! Not reported: say why");
    ann.enter("/report abuse +evidence she never answers");
    ann.expect("* You reported bob. Thank you.");
    ann.enter("/block");
    ann.expect("* You blocked bob. You will not meet again.");
    bob.expect("* ann ended the chat for good.");
    for mut chat in [ann, bob] {
        chat.enter("/quit");
        assert_eq!(chat.ended().0, Some(0));
    }
}

#[test]
fn a_server_without_tls_is_recognised() {
    let server = Server::start(&[]);
    let address = server.address();
    let (status, stderr) = refused(&["--at", PARIS, "--server", &format!("https://{address}")]);
    assert_eq!(status, Some(1), "{stderr}");
    let advice = format!("does not speak TLS; try --server ws://{address}");
    assert!(stderr.contains(&advice), "{stderr}");
}

#[test]
fn wrong_flags_are_named_with_what_is_allowed() {
    for (flags, flag, allowed) in [
        (
            vec!["--at", "91,2"],
            "--at",
            "lat must be a number of degrees from -90 to 90",
        ),
        (vec!["--at", "here"], "--at", "such as 48.8566,2.3522"),
        (vec!["--at", PARIS, "--range", "0"], "--range", "above 0"),
        (
            vec!["--at", PARIS, "--range", "50", "--max-range", "20"],
            "--max-range",
            "at least --range",
        ),
        (vec![], "--at", "required"),
    ] {
        let (status, stderr) = refused(&flags);
        assert_eq!(status, Some(2), "{stderr}");
        assert!(
            stderr.contains(flag) && stderr.contains(allowed),
            "{stderr}"
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_named_in_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let (status, stderr) = refused(&["--at", "-33.9,151.2", "--server", &address]);
    assert_eq!(status, Some(1), "{stderr}");
    assert!(
        stderr.contains(&address) && stderr.contains("is the server running?"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn something_else_that_answers_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        let mut head = BufReader::new(stream.try_clone().expect("a socket")).lines();
        while head
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).expect("the client reads");
    });
    let (status, stderr) = refused(&["--at", PARIS, "--server", &address]);
    answering.join().expect("it answered");
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("is not a WhisperChat server"), "{stderr}");
}
