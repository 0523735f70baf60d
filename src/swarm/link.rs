//! Sockets: making a connection, and sending without waiting.

use super::target::Target;
use super::wire::Dialect;
use crate::private::Private;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long it may take to make a connection.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// An answer's head is shorter.
const HEAD_MAX_BYTES: usize = 8192;

/// The example of RFC 6455, section 1.3, with the answer to it. Nothing is cached here that a key has to
/// protect from.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What the system keeps for somebody who does not read: as little as it can.
const IDLER_BUFFER_BYTES: u32 = 2048;

/// While so much is unsent of somebody, they say nothing new.
const CLOGGED_BYTES: usize = 256 * 1024;

/// A connection that has become a WebSocket.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: TcpStream,
    /// What came right behind the answer's head.
    pub(super) early: Vec<u8>,
}

/// No connection, or no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {} s", CONNECT_MAX.as_secs())]
    Timeout,
    #[error("it answers with HTTP status {0}")]
    Status(u16),
    #[error("it does not answer as a WebSocket server does")]
    NoWebSocket,
}

impl OpenError {
    /// As errors are counted.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Io(error) => format!("connect.{}", io_kind(error)),
            Self::Timeout => "connect.timeout".to_owned(),
            Self::Status(status) => format!("http.{status}"),
            Self::NoWebSocket => "connect.no_websocket".to_owned(),
        }
    }
}

/// What kind of failure it is, in a word.
pub(super) fn io_kind(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::UnexpectedEof => "ended",
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable => "no_port",
        _ => "failed",
    }
}

/// Where from and how a connection is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) dialect: Dialect,
    pub(super) source: Option<IpAddr>,
    /// Whether the system is to keep little of what is not read.
    pub(super) is_narrow: bool,
    /// What is shown to a server that asks for tokens.
    pub(super) token: Option<Private<&'a str>>,
}

/// Connects and upgrades.
pub(super) async fn open(target: &Target, way: Way<'_>) -> Result<Opened, OpenError> {
    match timeout(CONNECT_MAX, upgrade(target, way)).await {
        Ok(opened) => opened,
        Err(_) => Err(OpenError::Timeout),
    }
}

async fn upgrade(target: &Target, way: Way<'_>) -> Result<Opened, OpenError> {
    let address = target.address();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(source) = way.source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    if way.is_narrow {
        socket.set_recv_buffer_size(IDLER_BUFFER_BYTES)?;
    }
    let mut stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let path = target.path(way.dialect.path());
    let host = target.host();
    let shown = way.token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {}\r\n", *token)
    });
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{shown}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut early = Vec::with_capacity(512);
    loop {
        if let Some(end) = early.windows(4).position(|at| at == b"\r\n\r\n") {
            check_head(&early[..end])?;
            early.drain(..end + 4);
            return Ok(Opened { stream, early });
        }
        // Some other protocol's greeting need not end like a head.
        let is_http = b"HTTP/1.1 ".starts_with(&early[..early.len().min(9)]);
        if early.len() > HEAD_MAX_BYTES || !is_http {
            return Err(OpenError::NoWebSocket);
        }
        if stream.read_buf(&mut early).await? == 0 {
            return Err(if early.is_empty() {
                io::Error::from(io::ErrorKind::UnexpectedEof).into()
            } else {
                OpenError::NoWebSocket
            });
        }
    }
}

fn check_head(head: &[u8]) -> Result<(), OpenError> {
    let head = str::from_utf8(head).map_err(|_| OpenError::NoWebSocket)?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or(OpenError::NoWebSocket)?;
    if status != 101 {
        return Err(OpenError::Status(status));
    }
    let has_accepted = lines.any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        })
    });
    has_accepted.then_some(()).ok_or(OpenError::NoWebSocket)
}

/// Somebody's connection as far as the others need it.
pub(super) struct Link {
    /// Which of somebody's connections, so that what an earlier one still does goes nowhere.
    pub(super) generation: u32,
    /// Makes the connection, and reads.
    task: AbortHandle,
    writer: Option<Rc<OwnedWriteHalf>>,
    /// What the system has not taken yet.
    unsent: Vec<u8>,
    pub(super) is_paused: bool,
}

impl Link {
    pub(super) fn new(generation: u32, task: AbortHandle) -> Self {
        Self {
            generation,
            task,
            writer: None,
            unsent: Vec::new(),
            is_paused: false,
        }
    }

    pub(super) fn opened(&mut self, writer: OwnedWriteHalf) {
        self.writer = Some(Rc::new(writer));
    }

    pub(super) fn is_clogged(&self) -> bool {
        self.unsent.len() > CLOGGED_BYTES
    }

    /// Sends what the system takes now, and keeps the rest. Returns what to wait for with the rest, if
    /// nobody waits already.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Option<Rc<OwnedWriteHalf>> {
        let writer = self.writer.as_ref()?;
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return None;
        }
        // A connection that failed tells so when it is read.
        let sent = match writer.try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return None,
        };
        if sent == bytes.len() {
            return None;
        }
        self.unsent.extend_from_slice(&bytes[sent..]);
        Some(Rc::clone(writer))
    }

    /// Sends more of what was kept; returns whether something is left.
    pub(super) fn flush(&mut self) -> bool {
        let Some(writer) = &self.writer else {
            return false;
        };
        match writer.try_write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.unsent.clear(),
        }
        !self.unsent.is_empty()
    }

    /// Ends the connection without a word: the server's kernel is sent a reset.
    pub(super) fn cut(mut self) {
        if let Some(writer) = self.writer.take() {
            // Fails only for a socket that has ended anyhow.
            let _ = writer.as_ref().as_ref().set_zero_linger();
            if let Some(writer) = Rc::into_inner(writer) {
                // Dropping it would end the stream in an orderly way first.
                writer.forget();
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What is made of a server that answers like this.
    async fn answered(answer: &str) -> Result<Vec<u8>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target: Target = listener.local_addr().unwrap().to_string().parse().unwrap();
        let way = Way {
            dialect: Dialect::V1,
            source: Some("127.0.0.7".parse().unwrap()),
            is_narrow: true,
            token: None,
        };
        let serve = async {
            let (mut stream, from) = listener.accept().await.unwrap();
            assert_eq!(from.ip().to_string(), "127.0.0.7");
            let mut request = vec![0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /v1/ws HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (opened, ()) = tokio::join!(open(&target, way), serve);
        opened
            .map(|opened| opened.early)
            .map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn only_a_websocket_server_will_do() {
        let good = format!("HTTP/1.1 101 ok\r\nsec-websocket-accept: {ACCEPT}\r\n\r\nearly");
        assert_eq!(answered(&good).await, Ok(b"early".to_vec()));
        for (answer, kind) in [
            ("HTTP/1.1 503 full\r\nRetry-After: 5\r\n\r\n", "http.503"),
            (
                "HTTP/1.1 101 ok\r\nSec-WebSocket-Accept: x\r\n\r\n",
                "connect.no_websocket",
            ),
            ("HTTP/1.1 200", "connect.no_websocket"),
            ("SSH-2.0-OpenSSH_9.9\r\n", "connect.no_websocket"),
            ("", "connect.ended"),
        ] {
            assert_eq!(answered(answer).await, Err(kind.to_owned()), "{answer}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target: Target = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let way = Way {
            dialect: Dialect::Classic,
            source: None,
            is_narrow: false,
            token: None,
        };
        let error = open(&target, way).await.unwrap_err();
        assert_eq!(error.kind(), "connect.refused");
    }
}
