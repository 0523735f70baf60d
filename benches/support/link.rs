//! A v1 client for loads of thousands: one task each, which reads all the time and answers pings.

use super::client::{MaskedFrame, PING, PONG, Received, TEXT, upgrade_request};
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Where the server speaks v1.
const PATH: &str = "/v1/ws";

/// More than any message of these loads, so that one read takes a few.
const READ_BYTES: usize = 1024;

/// One connection.
pub(crate) struct Link {
    stream: TcpStream,
    /// What has come and was not looked at; begins with a frame.
    arrived: Vec<u8>,
    /// What is still to be sent; ends with a frame.
    unsent: Vec<u8>,
}

impl Link {
    /// Connects, upgrades, and returns the `welcome` as well.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<(Self, String)> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut link = Self {
            stream,
            arrived: Vec::new(),
            unsent: upgrade_request(address, PATH).into_bytes(),
        };
        link.flush().await?;
        link.read_head().await?;
        let welcome = link.expect("welcome").await?;
        Ok((link, welcome))
    }

    pub(crate) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.unsent
            .extend_from_slice(MaskedFrame::text(text).bytes());
        self.flush().await
    }

    /// The next message. Nothing is lost when this is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> io::Result<String> {
        loop {
            if let Some(text) = self.take_text()? {
                return Ok(text);
            }
            self.flush().await?;
            self.read().await?;
        }
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> io::Result<String> {
        let text = self.next().await?;
        if is_of_type(&text, kind) {
            Ok(text)
        } else {
            Err(io::Error::other(format!("wanted {kind}, got {text}")))
        }
    }

    /// Ends the connection without a word: the server's kernel is sent a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// The first message that is all there; answers pings before it.
    fn take_text(&mut self) -> io::Result<Option<String>> {
        while let Some((frame, rest)) = Received::split(&self.arrived) {
            let frame_bytes = self.arrived.len() - rest.len();
            let text = match frame.opcode {
                TEXT => Some(String::from_utf8_lossy(frame.payload).into_owned()),
                PING => {
                    let pong = MaskedFrame::new(PONG, frame.payload);
                    self.unsent.extend_from_slice(pong.bytes());
                    None
                }
                opcode => return Err(io::Error::other(format!("a frame of opcode {opcode}"))),
            };
            self.arrived.drain(..frame_bytes);
            if text.is_some() {
                return Ok(text);
            }
        }
        Ok(None)
    }

    async fn read_head(&mut self) -> io::Result<()> {
        loop {
            let end = self.arrived.windows(4).position(|at| at == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.arrived.drain(..end + 4).collect::<Vec<_>>();
                if head.starts_with(b"HTTP/1.1 101 ") {
                    return Ok(());
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                return Err(io::Error::other(head));
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.arrived.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.arrived).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether a message is of this type, as this version of the server writes it: first.
pub(crate) fn is_of_type(text: &str, kind: &str) -> bool {
    text.strip_prefix(r#"{"type":""#)
        .and_then(|rest| rest.strip_prefix(kind))
        .is_some_and(|rest| rest.starts_with('"'))
}
