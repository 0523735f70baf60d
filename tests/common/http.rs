//! Requests written by hand, down to the last header, and their answers.

use super::{Raw, Server, within};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

/// A key for the handshake (RFC 6455, section 1.3).
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What the server must answer to [`KEY`].
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request that can be bent in any way.
#[derive(Clone)]
pub(crate) struct Request {
    start_line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    /// A plain GET.
    pub(crate) fn get(path: &str) -> Self {
        Self {
            start_line: format!("GET {path} HTTP/1.1"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A POST of JSON.
    pub(crate) fn post(path: &str, body: &str) -> Self {
        let request = Self::get(path).start_line(&format!("POST {path} HTTP/1.1"));
        request.with("Content-Type", "application/json").body(body)
    }

    /// With a body, and its length in the head.
    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.with("Content-Length", &body.len().to_string())
    }

    /// A good upgrade without a subprotocol.
    pub(crate) fn upgrade(path: &str) -> Self {
        Self::get(path)
            .with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", KEY)
    }

    /// With another first line.
    pub(crate) fn start_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.start_line);
        self
    }

    /// With one more header line.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without any line of this header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// With this header replaced.
    pub(crate) fn but(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// Sends it on a fresh connection; returns the answer's head and the connection.
    pub(crate) async fn send(&self, server: &Server) -> (Response, Raw) {
        self.send_to(server.address()).await
    }

    /// Sends it on a fresh connection to an address.
    pub(crate) async fn send_to(&self, address: SocketAddr) -> (Response, Raw) {
        self.send_over(Raw::connect_to(address).await).await
    }

    /// Sends it as the only one on a fresh connection; returns the answer's status and body.
    pub(crate) async fn ask(self, address: SocketAddr) -> (u16, String) {
        let request = self.with("Connection", "close");
        let (response, mut raw) = request.send_to(address).await;
        let mut body = String::new();
        within("an answer's body", raw.stream.read_to_string(&mut body))
            .await
            .expect("the answer is text");
        (response.status, body)
    }

    /// Sends it on a connection that is there already.
    pub(crate) async fn send_over(&self, mut raw: Raw) -> (Response, Raw) {
        let address = raw.stream.peer_addr().expect("it is connected");
        let names_host = self.headers.iter().any(|(name, _)| name == "Host");
        let own_host = ("Host".to_owned(), address.to_string());
        let lines = self
            .headers
            .iter()
            .chain((!names_host).then_some(&own_host))
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let text = format!(
            "{}\r\n{}\r\n{}",
            self.start_line,
            lines.collect::<String>(),
            self.body
        );
        raw.send(text.as_bytes()).await;
        (Response::read(&mut raw).await, raw)
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Response {
    /// Reads the head of the next answer.
    pub(crate) async fn read(raw: &mut Raw) -> Self {
        Self::parse(&read_head(raw).await)
    }

    /// The value of a header that must not come twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {self:?}");
        value
    }

    fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let start_line = lines.next().unwrap_or_default();
        let status = start_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| start_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {start_line:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self { status, headers }
    }
}

async fn read_head(raw: &mut Raw) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = within("the answer's head", raw.stream.read_u8()).await;
        match byte {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).expect("the answer's head is text")
}
