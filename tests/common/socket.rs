//! A WebSocket client that remembers what passed, so that a failure can tell.

use super::{Server, within};
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::fmt::Display;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How much of what passed is told when a test fails.
const HISTORY_SHOWN: usize = 12;

/// What a connection may reserve for reading: tests hold thousands of connections at once.
const READ_BUFFER_BYTES: usize = 4096;

/// One connection of either dialect.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    history: Vec<String>,
    pings: u32,
    /// What came before the answer to a ping and was not asked for yet.
    held: VecDeque<Message>,
}

impl Socket {
    /// Connects to a path, offering a subprotocol if there is one to offer.
    pub(crate) async fn connect(server: &Server, path: &str, subprotocol: Option<&str>) -> Self {
        let address = server.address();
        let tcp = within("a TCP connection", TcpStream::connect(address))
            .await
            .expect("the server listens");
        tcp.set_nodelay(true).expect("it is a TCP socket");
        let uri = format!("ws://{address}{path}")
            .parse()
            .expect("a valid URI");
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(subprotocol) = subprotocol {
            request = request.with_sub_protocol(subprotocol);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0);
        let upgrade = client_async_with_config(request, tcp, Some(config));
        let (stream, _) = within("the upgrade", upgrade)
            .await
            .expect("the server upgrades");
        Self {
            stream,
            history: Vec::new(),
            pings: 0,
            held: VecDeque::new(),
        }
    }

    /// Sends a text frame.
    pub(crate) async fn send(&mut self, text: &str) {
        self.note("sent", text);
        let sent = within("room to send", self.stream.send(Message::text(text))).await;
        if let Err(error) = sent {
            self.fail(format!("sending failed: {error}"));
        }
    }

    /// The next text frame; anything else fails.
    pub(crate) async fn next_text(&mut self, wanted: &str) -> String {
        match self.next(wanted).await {
            Message::Text(text) => text.as_str().to_owned(),
            other => self.fail(format!("wanted {wanted}, got {}", told(&other))),
        }
    }

    /// The next text frame; `None` if a close frame comes instead.
    pub(crate) async fn next_or_closed(&mut self) -> Option<String> {
        match self.next("a text or a close frame").await {
            Message::Text(text) => Some(text.as_str().to_owned()),
            Message::Close(_) => None,
            other => self.fail(format!(
                "wanted a text or a close frame, got {}",
                told(&other)
            )),
        }
    }

    /// Fails if anything comes before the answer to a ping.
    pub(crate) async fn expect_quiet(&mut self) {
        self.settle().await;
        if let Some(first) = self.held.front() {
            self.fail(format!("wanted quiet, got {}", told(first)));
        }
    }

    /// What came before the answer to a ping, first things first, if anything did.
    pub(crate) async fn arrived(&mut self) -> Option<String> {
        self.settle().await;
        match self.held.pop_front()? {
            Message::Text(text) => Some(text.as_str().to_owned()),
            other => self.fail(format!("wanted text, got {}", told(&other))),
        }
    }

    /// Every text frame that has come before the answer to a ping.
    pub(crate) async fn all_so_far(&mut self) -> Vec<String> {
        self.settle().await;
        let held = std::mem::take(&mut self.held);
        held.into_iter()
            .map(|message| match message {
                Message::Text(text) => text.as_str().to_owned(),
                other => self.fail(format!("wanted a text, got {}", told(&other))),
            })
            .collect()
    }

    /// Returns when the server has handled everything sent so far: when it has answered a ping. What came
    /// before the answer is kept for whoever asks next.
    pub(crate) async fn settle(&mut self) {
        self.pings += 1;
        let payload = format!("ping {}", self.pings);
        self.note("sent", &payload);
        let ping = Message::Ping(payload.clone().into());
        let sent = within("room to send a ping", self.stream.send(ping)).await;
        if let Err(error) = sent {
            self.fail(format!("sending a ping failed: {error}"));
        }
        loop {
            match self.receive("the answer to a ping").await {
                Message::Pong(answer) if answer == payload.as_bytes() => return,
                Message::Close(frame) => {
                    self.fail(format!("wanted the answer to a ping, got {frame:?}"))
                }
                other => self.held.push_back(other),
            }
        }
    }

    /// The close frame that comes next and then the end of the connection: its code and reason.
    pub(crate) async fn expect_close(&mut self) -> (u16, String) {
        match self.next("a close frame").await {
            Message::Close(frame) => self.closed_by(frame).await,
            other => self.fail(format!("wanted a close frame, got {}", told(&other))),
        }
    }

    /// Like [`Self::expect_close`], however many text frames come before: those and the close.
    pub(crate) async fn drain_until_close(&mut self) -> (Vec<String>, (u16, String)) {
        let mut texts = Vec::new();
        loop {
            match self.next("a close frame").await {
                Message::Text(text) => texts.push(text.as_str().to_owned()),
                Message::Close(frame) => return (texts, self.closed_by(frame).await),
                other => self.fail(format!("wanted a close frame, got {}", told(&other))),
            }
        }
    }

    /// Ends the connection without a word, as a network does, and waits until the server has noticed.
    pub(crate) async fn lose(self) {
        let mut tcp = self.stream.into_inner();
        tcp.shutdown().await.expect("the connection was open");
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = within("the server to notice", tcp.read_to_end(&mut rest)).await;
    }

    /// Says goodbye and waits until the server has ended the connection.
    pub(crate) async fn close(mut self) {
        let goodbye = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let closed = within("room to close", self.stream.close(Some(goodbye))).await;
        if let Err(error) = closed {
            self.fail(format!("closing failed: {error}"));
        }
        while let Some(Ok(_)) = within("the end of the connection", self.stream.next()).await {}
    }

    /// Fails the test, telling what passed.
    pub(crate) fn fail(&self, problem: impl Display) -> ! {
        let skipped = self.history.len().saturating_sub(HISTORY_SHOWN);
        let shown = self.history[skipped..].join("\n  ");
        panic!("{problem}\nafter ({skipped} earlier ones left out):\n  {shown}");
    }

    async fn closed_by(&mut self, frame: Option<CloseFrame>) -> (u16, String) {
        let end = within("the end of the connection", self.stream.next()).await;
        if let Some(Ok(message)) = end {
            self.fail(format!("after the close frame came {}", told(&message)));
        }
        match frame {
            Some(frame) => (frame.code.into(), frame.reason.as_str().to_owned()),
            None => self.fail("the close frame holds no code"),
        }
    }

    /// The next message that isn't the server's own ping.
    async fn next(&mut self, wanted: &str) -> Message {
        match self.held.pop_front() {
            Some(message) => message,
            None => self.receive(wanted).await,
        }
    }

    async fn receive(&mut self, wanted: &str) -> Message {
        loop {
            let came = tokio::time::timeout(super::WAIT, self.stream.next()).await;
            let message = match came {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(Error::ConnectionClosed)) | None) => {
                    self.fail(format!("wanted {wanted}, but the connection ended"))
                }
                Ok(Some(Err(error))) => self.fail(format!("wanted {wanted}, got {error}")),
                Err(_) => self.fail(format!("waited in vain for {wanted}")),
            };
            if matches!(message, Message::Ping(_)) {
                continue;
            }
            self.note("got", &told(&message));
            return message;
        }
    }

    fn note(&mut self, what: &str, text: &str) {
        self.history.push(format!("{what} {}", shortened(text)));
    }
}

fn told(message: &Message) -> String {
    match message {
        Message::Text(text) => shortened(text.as_str()),
        Message::Close(Some(frame)) => {
            format!(
                "close {} {:?}",
                u16::from(frame.code),
                frame.reason.as_str()
            )
        }
        other => shortened(&format!("{other:?}")),
    }
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARS: usize = 400;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
