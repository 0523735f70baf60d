//! A client of the v1 dialect.

use super::Server;
use super::socket::Socket;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// Latitude and longitude in degrees.
pub(crate) type Place = (f64, f64);

/// A `join` at a place with a range in km.
pub(crate) fn join(place: Place, range_km: f64) -> Value {
    json!({
        "type": "join",
        "position": {"lat": place.0, "lon": place.1},
        "range_km": range_km,
    })
}

/// A `resume`.
pub(crate) fn resume(token: &Value, last_seq: u64) -> Value {
    json!({"type": "resume", "token": token, "last_seq": last_seq})
}

/// `message` with the fields of `more` added or replaced.
pub(crate) fn with(mut message: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut message, more) else {
        panic!("both must be objects");
    };
    fields.extend(more);
    message
}

/// A client that has connected and joined.
pub(crate) async fn joined(server: &Server, place: Place, range_km: f64) -> V1 {
    let mut client = V1::connect(server).await;
    client.join(place, range_km).await;
    client
}

/// One connection that speaks v1.
pub(crate) struct V1 {
    socket: Socket,
    /// What the server said first.
    pub(crate) welcome: Value,
    /// What resumes the session next.
    pub(crate) token: Value,
}

impl V1 {
    /// Connects, offering the subprotocol, and reads the `welcome`.
    pub(crate) async fn connect(server: &Server) -> Self {
        let socket = Socket::connect(server, "/v1/ws", Some("whisperchat.v1.json")).await;
        let mut client = Self {
            socket,
            welcome: Value::Null,
            token: Value::Null,
        };
        client.welcome = client.expect("welcome").await;
        client.token = client.welcome["resume_token"].clone();
        client
    }

    /// Connects, and is turned away at once: the code and the reason.
    pub(crate) async fn turned_away(server: &Server) -> (u16, String) {
        let mut socket = Socket::connect(server, "/v1/ws", Some("whisperchat.v1.json")).await;
        socket.expect_close().await
    }

    /// Connects and resumes a session; returns the `resumed` as well.
    pub(crate) async fn resumed(server: &Server, token: &Value, last_seq: u64) -> (Self, Value) {
        let mut client = Self::connect(server).await;
        let resumed = client.ask(resume(token, last_seq), "resumed").await;
        client.token = resumed["resume_token"].clone();
        (client, resumed)
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: Value) {
        self.socket.send(&message.to_string()).await;
    }

    /// Sends a text frame as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(text).await;
    }

    /// The next message, whatever its type.
    pub(crate) async fn next_json(&mut self) -> Value {
        self.next("a message").await
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next(kind).await;
        if message["type"] != kind {
            self.fail(format!("wanted {kind}, got {message}"));
        }
        message
    }

    /// The next message, which must be an error with this code and a message in words.
    pub(crate) async fn expect_error(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        if error["code"] != code {
            self.fail(format!("wanted an error {code}, got {error}"));
        }
        if !error["message"]
            .as_str()
            .is_some_and(|text| text.contains(' '))
        {
            self.fail(format!("an error's message is a sentence, got {error}"));
        }
        error
    }

    /// Sends a message with a fresh id; the next message must be of this type and carry the id.
    pub(crate) async fn ask(&mut self, message: Value, kind: &str) -> Value {
        let id = fresh_id();
        self.send(with(message, json!({"id": id}))).await;
        let answer = self.expect(kind).await;
        self.check_id(&answer, &id);
        answer
    }

    /// Sends a message with a fresh id; the next message must be an error that carries the id.
    pub(crate) async fn refused(&mut self, message: Value, code: &str) -> Value {
        let id = fresh_id();
        self.send(with(message, json!({"id": id}))).await;
        let error = self.expect_error(code).await;
        self.check_id(&error, &id);
        error
    }

    /// Joins and returns the `waiting` that answers it.
    pub(crate) async fn join(&mut self, place: Place, range_km: f64) -> Value {
        self.ask(join(place, range_km), "waiting").await
    }

    /// Says something with a fresh id; returns its `seq`.
    pub(crate) async fn say(&mut self, text: &str) -> u64 {
        let accepted = self
            .ask(json!({"type": "say", "text": text}), "accepted")
            .await;
        accepted["seq"]
            .as_u64()
            .unwrap_or_else(|| self.fail(format!("no seq in {accepted}")))
    }

    /// The next message must be a `said` with this text; returns its `seq`.
    pub(crate) async fn expect_said(&mut self, text: &str) -> u64 {
        let said = self.expect("said").await;
        if said["text"] != text {
            self.fail(format!("wanted said {text:?}, got {said}"));
        }
        said["seq"]
            .as_u64()
            .unwrap_or_else(|| self.fail(format!("no seq in {said}")))
    }

    /// Proves that this session waits and that nothing else had come: returns the `waiting` that answers
    /// an `update` of nothing.
    pub(crate) async fn expect_still_waiting(&mut self) -> Value {
        let waiting = self.ask(json!({"type": "update"}), "waiting").await;
        self.expect_quiet().await;
        waiting
    }

    /// The next message that came before the answer to a ping, if any did.
    pub(crate) async fn arrived(&mut self) -> Option<Value> {
        let text = self.socket.arrived().await?;
        Some(self.parsed(&text))
    }

    /// The next message; `None` if the server ends the connection instead.
    pub(crate) async fn next_or_closed(&mut self) -> Option<Value> {
        let text = self.socket.next_or_closed().await?;
        Some(self.parsed(&text))
    }

    /// Fails if anything comes before the answer to a ping.
    pub(crate) async fn expect_quiet(&mut self) {
        self.socket.expect_quiet().await;
    }

    /// The close frame that comes next and then the end: code and reason.
    pub(crate) async fn expect_close(&mut self) -> (u16, String) {
        self.socket.expect_close().await
    }

    /// All messages until the close frame, and its code.
    pub(crate) async fn drain_until_close(&mut self) -> (Vec<Value>, u16) {
        let (texts, (code, _)) = self.socket.drain_until_close().await;
        let messages = texts.iter().map(|text| self.parsed(text)).collect();
        (messages, code)
    }

    /// Returns when the server has handled everything sent so far, having kept what came before.
    pub(crate) async fn settle(&mut self) {
        self.socket.settle().await;
    }

    /// Everything that has come before the answer to a ping.
    pub(crate) async fn all_so_far(&mut self) -> Vec<Value> {
        let texts = self.socket.all_so_far().await;
        texts.iter().map(|text| self.parsed(text)).collect()
    }

    /// Waits until the server counts that this client has waited longer than any that joins from now on.
    pub(crate) async fn wait_a_while(&mut self) {
        const LONGER_MS: u64 = 3;
        let mut waited_ms = 0;
        while waited_ms < LONGER_MS {
            let waiting = self.ask(json!({"type": "update"}), "waiting").await;
            waited_ms = waiting["waited_ms"]
                .as_u64()
                .expect("waited_ms is a number");
        }
    }

    /// Ends the connection without a word, as a network does, and waits until the server has noticed.
    /// Returns what resumes the session.
    pub(crate) async fn lose(self) -> Value {
        self.socket.lose().await;
        self.token
    }

    /// Closes the connection properly.
    pub(crate) async fn close(self) {
        self.socket.close().await;
    }

    /// Cuts the connection without a word.
    pub(crate) fn cut(self) {
        drop(self.socket);
    }

    /// Fails the test, telling what passed on this connection.
    pub(crate) fn fail(&self, problem: impl std::fmt::Display) -> ! {
        self.socket.fail(problem);
    }

    async fn next(&mut self, wanted: &str) -> Value {
        let text = self.socket.next_text(wanted).await;
        self.parsed(&text)
    }

    fn parsed(&self, text: &str) -> Value {
        match serde_json::from_str::<Value>(text) {
            Ok(message) if message["type"].is_string() => message,
            _ => self.fail(format!("not an object with a type: {text}")),
        }
    }

    fn check_id(&self, answer: &Value, id: &str) {
        if answer["id"] != id {
            self.fail(format!("wanted the id {id:?} back, got {answer}"));
        }
    }
}

/// An id that was never used before, whatever the connection: a session remembers ids across connections.
fn fresh_id() -> String {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    format!("ask-{}", ASKED.fetch_add(1, Ordering::Relaxed))
}

/// Two clients in a chat with each other.
pub(crate) struct Pair {
    /// Who joined first.
    pub(crate) ann: V1,
    /// Who joined second.
    pub(crate) bob: V1,
}

impl Pair {
    /// Connects two clients and lets them meet at a place where nobody else waits.
    pub(crate) async fn chatting(server: &Server, place: Place) -> Self {
        Self::in_chat(server, place).await.0
    }

    /// The same, and what their chat is called.
    pub(crate) async fn in_chat(server: &Server, place: Place) -> (Self, Value) {
        let mut pair = Self {
            ann: V1::connect(server).await,
            bob: V1::connect(server).await,
        };
        let (matched, _) = pair.meet(place).await;
        (pair, matched["chat"].clone())
    }

    /// Lets the two, both idle, meet at a place where nobody else waits; returns what each was told.
    pub(crate) async fn meet(&mut self, place: Place) -> (Value, Value) {
        self.ann.join(place, 10.0).await;
        self.bob.join(place, 10.0).await;
        self.expect_matched().await
    }

    /// Both must be told next that they were matched.
    pub(crate) async fn expect_matched(&mut self) -> (Value, Value) {
        // At once, for either may be pinged and then has to be read for the answer.
        tokio::join!(self.ann.expect("matched"), self.bob.expect("matched"))
    }

    /// Proves that both still wait.
    pub(crate) async fn expect_still_waiting(&mut self) {
        self.ann.expect_still_waiting().await;
        self.bob.expect_still_waiting().await;
        self.ann.expect_quiet().await;
    }

    /// Ends the chat of the two, so that both are idle.
    pub(crate) async fn part(&mut self) {
        self.ann.ask(json!({"type": "leave"}), "idle").await;
        self.bob.expect("partner_left").await;
    }

    /// Proves that each still hears the other, and nothing else.
    pub(crate) async fn expect_undisturbed(&mut self) {
        self.ann.say("are you there?").await;
        self.bob.expect_said("are you there?").await;
        self.bob.say("yes").await;
        self.ann.expect_said("yes").await;
    }
}
