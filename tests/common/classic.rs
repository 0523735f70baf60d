//! A client of the classic dialect.

use super::Server;
use super::socket::Socket;
use super::v1::Place;
use serde_json::{Value, json};

/// One connection that speaks the classic dialect.
pub(crate) struct Classic {
    socket: Socket,
}

impl Classic {
    /// Connects.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self {
            socket: Socket::connect(server, "/", None).await,
        }
    }

    /// A `bind` as the app writes it.
    pub(crate) fn bind_text(username: &str, place: Place, range: u32) -> String {
        let bind = json!({
            "type": "bind",
            "from": {
                "username": username,
                "location": {"lat": place.0, "long": place.1},
                "range": range,
            },
            "body": "",
        });
        bind.to_string()
    }

    /// Connects and binds; returns once the server has read the `bind`.
    pub(crate) async fn bound(server: &Server, username: &str, place: Place, range: u32) -> Self {
        let mut client = Self::connect(server).await;
        client.bind(username, place, range).await;
        client.socket.settle().await;
        client
    }

    /// Sends a `bind`.
    pub(crate) async fn bind(&mut self, username: &str, place: Place, range: u32) {
        self.send(&Self::bind_text(username, place, range)).await;
    }

    /// Sends a text frame.
    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(text).await;
    }

    /// The next frame, which must be of this type and well formed.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next_frame(kind).await;
        if frame["type"] != kind {
            self.socket.fail(format!("wanted {kind}, got {frame}"));
        }
        frame
    }

    /// The next frame, which must be well formed.
    pub(crate) async fn next_frame(&mut self, wanted: &str) -> Value {
        let text = self.socket.next_text(wanted).await;
        self.parsed(&text)
    }

    /// The next frame that came before the answer to a ping, if any did.
    pub(crate) async fn arrived(&mut self) -> Option<Value> {
        let text = self.socket.arrived().await?;
        Some(self.parsed(&text))
    }

    /// The next frame must be this chat message; returns its `from`.
    pub(crate) async fn expect_client(&mut self, username: &str, body: &str) -> Value {
        let frame = self.expect("client").await;
        if frame["body"] != body || frame["from"]["username"] != username {
            let wanted = format!("{body:?} from {username:?}");
            self.socket.fail(format!("wanted {wanted}, got {frame}"));
        }
        frame["from"].clone()
    }

    /// Fails if anything comes before the answer to a ping.
    pub(crate) async fn expect_quiet(&mut self) {
        self.socket.expect_quiet().await;
    }

    /// The close frame that comes next and then the end: code and reason.
    pub(crate) async fn expect_close(&mut self) -> (u16, String) {
        self.socket.expect_close().await
    }

    /// Fails the test, telling what passed on this connection.
    pub(crate) fn fail(&self, problem: impl std::fmt::Display) -> ! {
        self.socket.fail(problem);
    }

    /// Ends the connection without a word, and waits until the server has noticed.
    pub(crate) async fn lose(self) {
        self.socket.lose().await;
    }

    /// Returns when the server has handled everything sent so far.
    pub(crate) async fn settle(&mut self) {
        self.socket.settle().await;
    }

    /// Closes the connection properly.
    pub(crate) async fn close(self) {
        self.socket.close().await;
    }

    /// Cuts the connection without a word.
    pub(crate) fn cut(self) {
        drop(self.socket);
    }

    fn parsed(&self, text: &str) -> Value {
        let frame: Value = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => self.socket.fail(format!("{error} in {text}")),
        };
        if let Some(problem) = malformation(&frame, text) {
            self.socket.fail(format!("{problem} in {text}"));
        }
        frame
    }
}

/// What is wrong with a server frame that must hold `type`, `from` and `body`, coordinates with a decimal
/// point and a whole range.
fn malformation(frame: &Value, text: &str) -> Option<String> {
    let from = &frame["from"];
    if !frame["body"].is_string() {
        return Some("no body".to_owned());
    }
    if !from["username"].is_string() {
        return Some("no username".to_owned());
    }
    if !from["range"].is_u64() {
        return Some("no whole range".to_owned());
    }
    ["lat", "long"].into_iter().find_map(|key| {
        if !from["location"][key].is_f64() {
            return Some(format!("no {key}"));
        }
        let (_, after) = text.split_once(&format!("\"{key}\""))?;
        let number = after.trim_start_matches([' ', ':', '-']);
        let fraction = number.trim_start_matches(|c: char| c.is_ascii_digit());
        (!fraction.starts_with('.')).then(|| format!("{key} without a decimal point"))
    })
}
