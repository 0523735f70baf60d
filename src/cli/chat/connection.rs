//! The socket to the server: connecting with an answer for every way to fail, and noticing silence.

use super::address::ServerAddress;
use super::screen::harmless;
use super::wire::{Heard, Limits};
use super::words;
use crate::dialect::v1::SUBPROTOCOL;
use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// How long connecting, the welcome and each message's way out may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// After so much silence the server is asked whether it is there, and after as much again given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long the server's half of the closing handshake is waited for.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// More than any server may be configured to send.
const MESSAGE_MAX_BYTES: usize = 128 * 1024;

/// A connection over which the welcome has come.
pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard_at: Instant,
    is_asked: bool,
    /// Set once nothing can be sent any more: what the server said last is still read until then.
    broken_until: Option<Instant>,
}

/// What came from the server.
pub(super) enum Received {
    Text(String),
    /// The end, with what the server says of it, if it does.
    End(Option<Farewell>),
}

/// What the server says when it closes a connection.
pub(super) struct Farewell {
    pub(super) code: u16,
    /// A sentence for whoever is concerned; often none.
    pub(super) reason: String,
}

impl Connection {
    /// Connects and reads the welcome.
    ///
    /// # Errors
    /// One line with the address, what went wrong and what to do.
    pub(super) async fn open(address: &ServerAddress) -> anyhow::Result<(Self, Limits)> {
        if address.is_encrypted() {
            // Fails only if one is chosen already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let request =
            ClientRequestBuilder::new(address.uri().clone()).with_sub_protocol(SUBPROTOCOL);
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .max_message_size(Some(MESSAGE_MAX_BYTES))
            .max_frame_size(Some(MESSAGE_MAX_BYTES));
        let connecting = connect_async_with_config(request, Some(config), true);
        let (socket, _) = timeout(ANSWER_MAX, connecting)
            .await
            .with_context(|| silent(address))?
            .map_err(|error| anyhow::anyhow!("{}", failure(address, &error)))?;
        let mut connection = Self {
            socket,
            heard_at: Instant::now(),
            is_asked: false,
            broken_until: None,
        };
        let limits = timeout(ANSWER_MAX, connection.welcome(address))
            .await
            .map_err(|_| anyhow::anyhow!("{}", silent(address)))??;
        Ok((connection, limits))
    }

    async fn welcome(&mut self, address: &ServerAddress) -> anyhow::Result<Limits> {
        let text = match self.receive().await {
            Received::Text(text) => text,
            Received::End(Some(farewell)) => bail!(words::closed(Some(&farewell), None)),
            Received::End(None) => {
                bail!("{address} ended the connection before it had begun; try again later")
            }
        };
        match serde_json::from_str(&text) {
            Ok(Heard::Welcome(welcome)) if welcome.protocol == 1 => Ok(welcome.limits),
            Ok(Heard::Welcome(welcome)) => bail!(
                "{address} speaks protocol {}, and this program only 1; get a newer one",
                welcome.protocol
            ),
            _ => bail!("{}", foreign(address)),
        }
    }

    /// The next message, or the end. May be given up and called again.
    pub(super) async fn receive(&mut self) -> Received {
        loop {
            let silences = if self.is_asked { 2 } else { 1 };
            let silent_at = self.heard_at + SILENCE_MAX * silences;
            let deadline = self.broken_until.unwrap_or(silent_at);
            let Ok(message) = timeout_at(deadline, self.socket.next()).await else {
                if self.is_asked || self.broken_until.is_some() {
                    return Received::End(None);
                }
                self.is_asked = true;
                self.send_frame(Message::Ping(Vec::new().into())).await;
                continue;
            };
            self.heard_at = Instant::now();
            self.is_asked = false;
            match message {
                Some(Ok(Message::Text(text))) => return Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    return Received::End(frame.map(|frame| Farewell {
                        code: frame.code.into(),
                        reason: harmless(&frame.reason),
                    }));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Received::End(None),
            }
        }
    }

    /// Sends a message. If that fails, the end is received soon.
    pub(super) async fn send(&mut self, message: &serde_json::Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    async fn send_frame(&mut self, frame: Message) {
        if self.broken_until.is_some() {
            return;
        }
        let sent = timeout(ANSWER_MAX, self.socket.send(frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.broken_until = Some(Instant::now() + CLOSE_MAX);
        }
    }

    /// Says goodbye and waits a little for the server to have heard it. Whatever still comes is dropped.
    pub(super) async fn close(mut self) {
        let goodbye = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let closing = async {
            if self.socket.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // Who doesn't answer in time is left without an answer.
        let _ = timeout(CLOSE_MAX, closing).await;
    }
}

fn silent(address: &ServerAddress) -> String {
    let seconds = ANSWER_MAX.as_secs();
    format!("{address} did not answer within {seconds} s; check the address, or try again later")
}

fn foreign(address: &ServerAddress) -> String {
    format!("what answers at {address} is not a WhisperChat server; check --server")
}

fn failure(address: &ServerAddress, error: &Error) -> String {
    match error {
        Error::Http(response) => refusal(address, response.status(), response.headers()),
        Error::Io(error) if is_no_tls(error) => {
            let plain = address.to_string().replacen("wss://", "ws://", 1);
            format!("what answers at {address} does not speak TLS; try --server {plain}")
        }
        Error::Io(error) if error.get_ref().is_some() && address.is_encrypted() => {
            let error = harmless(&error.to_string());
            format!(
                "can't reach {address} securely: {error}; check --server, or the server's certificate"
            )
        }
        Error::Io(error) => format!(
            "can't reach {address}: {error}; is the server running? \
             `whisperchat serve` starts one, --server names another"
        ),
        Error::Tls(error) => {
            let error = harmless(&error.to_string());
            format!("can't reach {address} securely: {error}; check --server")
        }
        _ => foreign(address),
    }
}

/// Whether what came in answer to the first bytes of TLS was none.
fn is_no_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

fn refusal(address: &ServerAddress, status: StatusCode, headers: &HeaderMap) -> String {
    let retry_s = headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    match (status, retry_s) {
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, Some(seconds)) => {
            format!("{address} takes nobody more at the moment; try again in {seconds} s")
        }
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, None) => {
            format!("{address} takes nobody more at the moment; try again later")
        }
        (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _) => {
            format!("{address} does not let this program in ({status}); ask who runs it")
        }
        _ => format!("{} (it says {status})", foreign(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_server_says_when_to_try_again() {
        let address = "localhost:1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let text = refusal(&address, StatusCode::SERVICE_UNAVAILABLE, &headers);
        assert!(text.ends_with("try again in 7 s"), "{text}");
        assert!(refusal(&address, StatusCode::NOT_FOUND, &headers).contains("not a WhisperChat"));
    }
}
