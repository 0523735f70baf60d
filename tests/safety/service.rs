//! A service that checks messages, over real HTTP. What it answers, and when, it reads in the text that it is asked about.

use crate::until;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Why it refuses texts.
pub(crate) const SENTENCE: &str = "No telephone numbers, please.";

/// A text of this beginning is answered when the test says so.
pub(crate) const HELD: &str = "held";

/// The longest that a text is thought about whose beginning is `late`.
const LATE_MAX_MS: u64 = 8;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The service, as long as the test's runtime is there.
#[derive(Clone)]
pub(crate) struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    gate: watch::Sender<bool>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let service = Self {
            address: listener.local_addr().expect("it listens"),
            asked: Arc::default(),
            gate: watch::Sender::new(false),
        };
        let own = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        service
    }

    /// An address where no service is.
    pub(crate) async fn nowhere() -> SocketAddr {
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        free.local_addr().expect("it listens")
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics").clone()
    }

    /// The texts that it was asked about so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |asked: &Asked| asked.body["text"].as_str().unwrap_or_default().to_owned();
        self.asked().iter().map(text).collect()
    }

    /// Waits until it was asked about a text.
    pub(crate) async fn asked_about(&self, text: &str) {
        let is_there = async || self.texts().iter().any(|asked| asked == text).then_some(());
        until(&format!("a question about {text:?}"), is_there).await;
    }

    /// Lets it answer what it has held back, and holds nothing back from now on.
    pub(crate) fn release(&self) {
        self.gate.send_replace(true);
    }

    /// Answers one request after another on a connection.
    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(asked) = request(&mut stream).await {
            let text = asked.body["text"].as_str().unwrap_or_default().to_owned();
            self.asked.lock().expect("nobody panics").push(asked);
            let (status, body) = self.answer(&text).await;
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, text: &str) -> (String, String) {
        if text.starts_with(HELD) {
            let mut gate = self.gate.subscribe();
            let _ = gate.wait_for(|is_open| *is_open).await;
        }
        if text.starts_with("late") {
            let sum: u64 = text.bytes().map(|byte| u64::from(byte) * 7).sum();
            tokio::time::sleep(Duration::from_millis(sum % LATE_MAX_MS)).await;
        }
        if let Some((status, body)) = text
            .strip_prefix("answer ")
            .and_then(|it| it.split_once('|'))
        {
            return (status.to_owned(), body.to_owned());
        }
        let verdict = match text {
            "refused without a word" => json!({"verdict": "refuse"}),
            _ if text.starts_with("refused") => json!({"verdict": "refuse", "message": SENTENCE}),
            _ => json!({"verdict": "pass", "more": ["nobody", "asked", "for"]}),
        };
        ("200 OK".to_owned(), verdict.to_string())
    }
}

/// Where a service at this address is asked.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}/check")
}

/// The next request; nothing if the connection has ended.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).await;
        if read.is_err() || read.is_ok_and(|bytes| bytes == 0) {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let (_, length) = head.split_once("\r\ncontent-length: ")?;
    let (length, _) = length.split_once('\r')?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).expect("the server sends JSON");
    Some(Asked { head, body })
}
