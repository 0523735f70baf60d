//! One task for each connection: reads, lets the dialect decide, and sends what has gathered.
//!
//! A connection holds no buffer while nothing arrives. All that one poll reads goes through a buffer of the
//! thread; only the bytes of a frame that is not all there yet are kept. Nothing borrowed from the thread
//! lives across an await, because everything happens inside one poll.

use super::auth::Admission;
use super::credentials::Credentials;
use super::frames::{self, Batch, Received};
use super::gate::{Gate, Violation};
use super::hub::{ChatSeat, Held, Hub};
use super::limits::{Conduct, Deed, Limit, Network, SessionLimits};
use super::metrics::{Metrics, Obituaries};
use super::outbox::{Outbox, Taken};
use super::safety::Banned;
use super::text::{self, NOT_UTF8};
use crate::config::{Config, seconds};
use crate::conversation::ConversationError;
use crate::dialect::v1::{self, Request};
use crate::dialect::{Bounds, CloseCode, Dialect, ErrorCode, Outgoing, WireError, classic};
use crate::lobby::{Command, Departure, MessageId, Refusal};
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that are read at once: room for many small messages.
const READ_BYTES: usize = 16 * 1024;

/// A backlog is kept in blocks of so many bytes: what is read at once, after the beginning of a usual frame.
const BACKLOG_BLOCK_BYTES: usize = READ_BYTES + 1024;

/// Bytes of the thread's buffer: what is read at once, after the largest frame that is not all there yet.
const BUFFER_BYTES: usize = 128 * 1024;

thread_local! {
    /// The buffer of all connections of this thread.
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) hub: Hub,
    pub(super) metrics: Metrics,
    pub(super) obituaries: Obituaries,
    pub(super) bounds: Bounds,
    pub(super) message_max_bytes: usize,
    pub(super) credentials: Credentials,
    /// The settings in force, for what is asked for seldom.
    pub(super) config: ArcSwap<Config>,
    limits: ArcSwap<SessionLimits>,
}

impl Rules {
    pub(super) fn new(config: Config, credentials: Credentials, hub: Hub) -> Self {
        Self {
            hub,
            metrics: Metrics::default(),
            obituaries: Obituaries::default(),
            bounds: config.bounds(),
            message_max_bytes: config.limits.max_message_bytes,
            limits: ArcSwap::from_pointee(SessionLimits::new(&config)),
            credentials,
            config: ArcSwap::from_pointee(config),
        }
    }

    /// Puts these settings in force.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.hub.reconfigure(config);
        self.limits.store(Arc::new(SessionLimits::new(config)));
        self.config.store(Arc::new(config.clone()));
    }
}

/// How a connection ended, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed it, with this code.
    ByClient(Option<u16>),
    /// The server closed it.
    ByServer(CloseCode),
    /// It broke.
    Lost,
}

/// One WebSocket connection.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and a byte"
)]
pub(super) struct Connection<S> {
    stream: S,
    rules: Arc<Rules>,
    outbox: Arc<Outbox>,
    gate: Gate,
    progress: Progress,
    /// Whether the limits of sessions apply to it.
    is_limited: bool,
    /// Bytes that have been read and not handled: those of a frame that has begun to arrive, or more.
    unhandled: Vec<u8>,
    /// Whether whole frames may be among them, which only need their turn.
    has_backlog: bool,
    /// Whether frames can no longer be told apart in what arrives, after one that broke the rules.
    is_garbled: bool,
    /// The fragments of a message that has begun to arrive.
    partial_message: Vec<u8>,
    /// Frames on their way, and how much of them has been sent.
    sending: Vec<u8>,
    sent: usize,
    /// Whether the socket took not all of that when it was last tried.
    is_stalled: bool,
    /// Not there before it is needed.
    conduct: Option<Box<Conduct>>,
    closing: Option<Closing>,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It needs a token, and has shown no good one.
    Stranger,
    /// It has said nothing yet, tokens left aside.
    Silent,
    /// It has.
    Spoken,
}

/// The end of a connection, once it was decided.
struct Closing {
    end: End,
    /// Whatever is not done by then is not done.
    timeout: Pin<Box<Sleep>>,
    /// Whether everything this side has to say has been taken from the outbox.
    is_said: bool,
}

/// A connection whose upgrade has been answered.
#[derive(Debug)]
pub(super) struct Begun<S> {
    pub(super) stream: S,
    /// Bytes that came with the request.
    pub(super) early: Bytes,
    pub(super) dialect: Dialect,
    pub(super) admission: Admission,
    /// Where the client comes from.
    pub(super) network: Network,
    /// Whether the limits of sessions apply to it.
    pub(super) is_limited: bool,
}

/// Runs a connection to its end. What is returned holds the connection and nothing else.
pub(super) fn run<S>(begun: Begun<S>, rules: Arc<Rules>) -> impl Future<Output = End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut connection, early) = Connection::new(begun, rules);
    if let Some(end) = connection.receive(&early, 0) {
        connection.begin_closing(end);
    }
    poll_fn(move |cx| {
        let end = ready!(connection.poll_run(cx));
        connection.tell_of_end(end);
        Poll::Ready(end)
    })
}

impl<S> Connection<S> {
    /// The connection, and the bytes that it has yet to receive.
    fn new(begun: Begun<S>, rules: Arc<Rules>) -> (Self, Bytes) {
        rules.metrics.begun();
        let outbox = rules
            .hub
            .connect(begun.dialect, begun.admission, begun.network);
        let connection = Self {
            stream: begun.stream,
            outbox,
            gate: Gate::new(rules.message_max_bytes),
            progress: match begun.admission {
                Admission::Pending => Progress::Stranger,
                Admission::Open | Admission::Granted(_) => Progress::Silent,
            },
            is_limited: begun.is_limited,
            unhandled: Vec::new(),
            has_backlog: false,
            is_garbled: false,
            partial_message: Vec::new(),
            sending: Vec::new(),
            sent: 0,
            is_stalled: false,
            conduct: None,
            closing: None,
            rules,
        };
        (connection, begun.early)
    }

    /// Counts and logs the end.
    fn tell_of_end(&self, end: End) {
        let Rules {
            hub,
            metrics,
            obituaries,
            config,
            ..
        } = &*self.rules;
        hub.relay.forget(&self.outbox);
        let now = hub.now();
        let lasted = self.outbox.age(now);
        metrics.ended(end, lasted);
        obituaries.log(end, lasted, now, config.load().log.ends_per_second);
    }

    /// Takes leave of the session, and leaves the connection to say its last words.
    fn begin_closing(&mut self, end: End) {
        self.leave_session(end);
        if end == End::ByServer(CloseCode::TooSlow) && self.closing.is_none() {
            self.rules.hub.refusals.refuse(Limit::Outbox);
        }
        let timeout = match end {
            // Nobody listens.
            End::ByServer(CloseCode::NoPong) | End::Lost => Duration::ZERO,
            End::ByServer(_) | End::ByClient(_) => seconds(self.rules.config.load().limits.close_s),
        };
        self.closing.get_or_insert_with(|| Closing {
            end,
            timeout: Box::pin(tokio::time::sleep(timeout)),
            is_said: false,
        });
    }

    fn leave_session(&self, end: End) {
        let departure = match end {
            // Normal, a closed page, or no code at all: on purpose.
            End::ByClient(None | Some(1000 | 1001)) => Departure::Left,
            End::ByClient(_)
            | End::ByServer(CloseCode::TooSlow | CloseCode::NoPong | CloseCode::TokenExpired)
            | End::Lost => Departure::Lost,
            End::ByServer(_) => Departure::Expelled,
        };
        self.rules.hub.disconnect(&self.outbox, departure);
    }

    /// Handles the bytes that have arrived, or as many as are handled at once, and keeps the rest. The first
    /// `known_bytes` are of a frame that was not all there and has been looked at. Returns how the connection
    /// ends, if it does.
    fn receive(&mut self, bytes: &[u8], known_bytes: usize) -> Option<End> {
        let answers = RefCell::new(Vec::new());
        let mut end = None;
        let violation = self.read_frames(bytes, known_bytes, &answers, |connection, received| {
            if !matches!(received, Received::Close { .. }) {
                // A ping is answered before what came after it.
                connection.send_answers(&answers);
            }
            end = connection.handle(&received);
            end.is_none()
        });
        if matches!(end, Some(End::ByClient(_))) {
            self.outbox.send_last_frames(&answers.take());
        } else {
            self.send_answers(&answers);
        }
        if let Some(Violation { code, reason }) = violation {
            return Some(self.hang_up(code, reason));
        }
        end
    }

    fn send_answers(&self, answers: &RefCell<Vec<u8>>) {
        let answers = answers.take();
        if !answers.is_empty() {
            self.outbox.send_frames(&answers);
        }
    }

    /// Gives each whole frame to `handle` until that returns false, and keeps what is not whole or too much
    /// at once. Returns what was wrong with the frame after those, if anything.
    fn read_frames(
        &mut self,
        bytes: &[u8],
        known_bytes: usize,
        answers: &RefCell<Vec<u8>>,
        mut handle: impl FnMut(&mut Self, Received<'_>) -> bool,
    ) -> Option<Violation> {
        let admitted = self.gate.admit(bytes);
        if admitted.whole_bytes > 0 {
            self.rules.hub.heard(&self.outbox);
        }
        let (whole, rest) = bytes.split_at(admitted.whole_bytes);
        let batch = frames::read_all(whole, answers, |received| handle(self, received));
        let violation = match batch {
            Batch::Broken(violation) => Some(violation),
            Batch::Stopped => None,
            Batch::Done if admitted.violation.is_some() || admitted.is_more => admitted.violation,
            Batch::Done => {
                let known_bytes = known_bytes.saturating_sub(admitted.whole_bytes);
                text::check_begun_frame(rest, known_bytes, &self.partial_message).err()
            }
        };
        // A frame that only the library refuses is whole, so what follows it begins with a frame.
        self.is_garbled = admitted.violation.is_some();
        self.has_backlog = admitted.is_more;
        if !rest.is_empty() && !self.is_garbled {
            // A backlog becomes shorter with each turn. In blocks of one size it takes the one that the turn before
            // gave back; of sizes of its own the allocator would keep some of each.
            let room = if self.has_backlog {
                rest.len().next_multiple_of(BACKLOG_BLOCK_BYTES)
            } else {
                rest.len()
            };
            self.unhandled = Vec::with_capacity(room);
            self.unhandled.extend_from_slice(rest);
        }
        violation
    }

    fn handle(&mut self, received: &Received<'_>) -> Option<End> {
        match *received {
            Received::Text {
                payload,
                is_final: true,
            } => self.handle_text(payload),
            Received::Continuation {
                payload,
                is_final: true,
            } => {
                let mut message = std::mem::take(&mut self.partial_message);
                message.extend_from_slice(payload);
                self.handle_text(&message)
            }
            Received::Text { payload, .. } | Received::Continuation { payload, .. } => {
                self.handle_fragment(payload)
            }
            Received::Pong => None,
            Received::Close { code } => Some(End::ByClient(code)),
        }
    }

    /// Keeps a fragment until the rest of its message is there.
    fn handle_fragment(&mut self, payload: &[u8]) -> Option<End> {
        let known_bytes = self.partial_message.len();
        self.partial_message.extend_from_slice(payload);
        text::check_fragments(&self.partial_message, known_bytes)
            .err()
            .map(|Violation { code, reason }| self.hang_up(code, reason))
    }

    fn handle_text(&mut self, text: &[u8]) -> Option<End> {
        let Ok(text) = str::from_utf8(text) else {
            let Violation { code, reason } = NOT_UTF8;
            return Some(self.hang_up(code, reason));
        };
        self.rules.metrics.received(text.len());
        match self.outbox.dialect() {
            Dialect::V1 => self.handle_v1(text),
            Dialect::Classic => self.handle_classic(text),
        }
    }

    /// Returns whether what the client says now is its first word, tokens left aside.
    fn speaks(&mut self) -> bool {
        let is_first = self.progress == Progress::Silent;
        if is_first {
            self.progress = Progress::Spoken;
            self.rules.hub.spoke(&self.outbox);
        }
        is_first
    }

    fn handle_v1(&mut self, text: &str) -> Option<End> {
        let decoded = v1::decode(text, &self.rules.bounds);
        let is_token = matches!(&decoded, Ok(message) if message.is_authentication());
        let is_first = !is_token && self.speaks();
        let message = match decoded {
            Ok(message) => message,
            Err(error) => return self.refuse(&error),
        };
        let id = message.id;
        if let Some(deed) = deed_of(&message.request)
            && let Err(retry_after_ms) = self.deed(deed)
        {
            return self.refuse(&WireError::rate_limited(retry_after_ms, id));
        }
        let outcome = match message.request {
            Request::Authenticate { token } => self.authenticate(&token, id),
            _ if self.progress == Progress::Stranger => {
                let message = "this server asks for a token: send `auth` with one first";
                Err(WireError::new(ErrorCode::BadToken, message, id))
            }
            Request::Lobby(command @ Command::Join(_)) => {
                match self.introduce(message.pass.as_deref().map(|pass| &**pass)) {
                    Ok(Ok(())) => self.command(command, id),
                    Ok(Err(retry_after_ms)) => Err(WireError::rate_limited(retry_after_ms, id)),
                    Err(end) => return Some(end),
                }
            }
            Request::Lobby(command @ Command::Next) => match self.expelled() {
                Some(end) => return Some(end),
                None => self.command(command, id),
            },
            Request::Lobby(command) => self.command(command, id),
            Request::Say { text } => self.say(id, &text),
            Request::Acknowledge { seq } => self.in_chat("ack", id, |seat| seat.acknowledge(seq)),
            Request::Typing { on } => self.in_chat("typing", id, |seat| seat.typing(on)),
            Request::Resume { token, seen } if is_first => {
                let outcome = self.rules.hub.resume(&self.outbox, token, seen, id);
                match self.expelled() {
                    Some(end) if outcome.is_ok() => return Some(end),
                    _ => outcome,
                }
            }
            Request::Resume { .. } => {
                let message = "`resume` is possible only as the first message on a connection";
                Err(WireError::new(ErrorCode::WrongState, message, id))
            }
        };
        outcome.err().and_then(|error| self.refuse(&error))
    }

    /// One more deed. If it is too much, says after how many ms it would not be.
    fn deed(&mut self, deed: Deed) -> Result<(), u64> {
        if !self.is_limited {
            return Ok(());
        }
        let Rules { hub, limits, .. } = &*self.rules;
        let conduct = self.conduct.get_or_insert_default();
        conduct.deed(deed, hub.now(), &limits.load(), &hub.refusals)
    }

    /// A token, where none was before or in the place of one that is about to end.
    fn authenticate(&mut self, token: &str, id: Option<MessageId>) -> Result<(), WireError> {
        let grant = match self.rules.credentials.verifier() {
            None => None,
            Some(verifier) => match verifier.verify(token) {
                Ok(grant) => Some(grant),
                Err(denial) => return Err(WireError::new(ErrorCode::BadToken, denial, id)),
            },
        };
        if let Some(grant) = grant {
            self.rules.hub.grant(&self.outbox, grant);
        }
        if self.progress == Progress::Stranger {
            self.progress = Progress::Silent;
        }
        if self.progress != Progress::Spoken {
            self.rules.hub.spoke(&self.outbox);
        }
        self.outbox.tell(Outgoing::Authenticated {
            expires_at_ms: grant.map(|grant| u64::from(grant.expires_at_s) * 1000),
            answers: id.as_ref(),
        });
        Ok(())
    }

    /// Somebody is about to ask to wait: says who they are. A fresh start is free, so who is new may ask half as often; if that
    /// was too often, says after how many ms it would not be.
    ///
    /// # Errors
    /// How the connection ends, if they may not be here.
    fn introduce(&mut self, pass: Option<&str>) -> Result<Result<(), u64>, End> {
        let Rules { hub, .. } = &*self.rules;
        let introduced = hub.introduce(&self.outbox, pass);
        let is_new = introduced.map_err(|banned| self.hang_up_banned(&banned))?;
        Ok(if is_new {
            self.deed(Deed::Join)
        } else {
            Ok(())
        })
    }

    /// How the connection ends, if whoever is on it may not be here by now: they may have come back from elsewhere.
    fn expelled(&self) -> Option<End> {
        let banned = self.rules.hub.banned(&self.outbox)?;
        Some(self.hang_up_banned(&banned))
    }

    fn hang_up_banned(&self, banned: &Banned) -> End {
        self.rules.hub.refusals.refuse(Limit::Bans);
        End::ByServer(self.outbox.hang_up_banned(&banned.sentence))
    }

    fn command(&self, command: Command, id: Option<MessageId>) -> Result<(), WireError> {
        self.rules
            .hub
            .command(&self.outbox, command, id.clone())
            .map_err(|refusal| {
                if matches!(refusal, Refusal::MovedTooFast { .. }) {
                    self.rules.hub.refusals.refuse(Limit::Moves);
                }
                WireError::from_refusal(&refusal, id)
            })
    }

    fn say(&self, id: Option<MessageId>, text: &str) -> Result<(), WireError> {
        match self.outbox.seat() {
            Some(seat) => self.say_from(&seat, id, text),
            None => Err(WireError::not_in_a_chat("say", id)),
        }
    }

    /// Says something to the partner: at once, or if messages are checked, once it was found good.
    fn say_from(
        &self,
        seat: &ChatSeat,
        id: Option<MessageId>,
        text: &str,
    ) -> Result<(), WireError> {
        let hub = &self.rules.hub;
        if let Some(checker) = &hub.checker {
            let held = Held::new(id, text, &self.outbox);
            return checker.hold(&self.rules, seat, held);
        }
        // Refused only if the chat ended between the two steps.
        seat.say(hub, id.as_ref(), text)
            .map_err(|_| WireError::not_in_a_chat("say", id))
    }

    fn in_chat(
        &self,
        command: &str,
        id: Option<MessageId>,
        action: impl FnOnce(&ChatSeat) -> Result<(), ConversationError>,
    ) -> Result<(), WireError> {
        match self.outbox.seat().map(|seat| action(&seat)) {
            Some(Ok(())) => Ok(()),
            // The chat ended between the two steps.
            None | Some(Err(ConversationError::Closed)) => {
                Err(WireError::not_in_a_chat(command, id))
            }
            Some(Err(error)) => Err(WireError::from_conversation(error, id)),
        }
    }

    fn handle_classic(&mut self, text: &str) -> Option<End> {
        let is_first = self.speaks();
        if let Some(seat) = self.outbox.seat() {
            if self.deed(Deed::Message).is_err() {
                return Some(self.hang_up(CloseCode::RateLimited, "too many messages"));
            }
            // If the partner has just left, the person learns that instead. What waits to be checked and is too much is
            // shown to neither.
            let _ = self.say_from(&seat, None, text);
            return None;
        }
        let is_late_chat_text = !is_first && !classic::is_bind(text);
        if is_late_chat_text || self.rules.hub.is_waiting(&self.outbox) {
            return None;
        }
        match classic::decode(text) {
            Ok(_) if self.deed(Deed::Join).is_err() => {
                Some(self.hang_up(CloseCode::RateLimited, "too many binds"))
            }
            Ok(bind) => {
                if let Err(end) = self.introduce(None) {
                    return Some(end);
                }
                let join = bind.join(&self.rules.bounds);
                self.outbox.bound(bind);
                // Refused only if somebody was matched with this person in this very moment.
                let hub = &self.rules.hub;
                let _ = hub.command(&self.outbox, Command::Join(join), None);
                None
            }
            Err(reason) => Some(self.hang_up(CloseCode::Policy, reason)),
        }
    }

    /// Tells the client what was wrong. Too many errors within a minute end the connection.
    fn refuse(&mut self, error: &WireError) -> Option<End> {
        self.rules.metrics.error(error.code);
        self.outbox.tell(Outgoing::Error(error));
        let Rules { hub, limits, .. } = &*self.rules;
        let conduct = self.conduct.get_or_insert_default();
        conduct
            .error(hub.now(), &limits.load(), &hub.refusals)
            .then(|| self.hang_up(CloseCode::ProtocolAbuse, "too many errors"))
    }

    fn hang_up(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> End {
        self.outbox.hang_up(code, reason);
        End::ByServer(code)
    }

    fn start_sending(&mut self, frames: Vec<u8>) {
        let Rules { hub, metrics, .. } = &*self.rules;
        metrics.taken(frames.len());
        hub.relay.taken(&self.outbox);
        self.sending = frames;
        self.sent = 0;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.outbox.awake();
        if self.closing.is_none()
            && let Poll::Ready(end) = self.poll_receive(cx)
        {
            self.begin_closing(end);
        }
        let said = self.poll_say(cx);
        if let Poll::Ready(Err(_)) = said {
            return self.lost();
        }
        let Some(closing) = &mut self.closing else {
            return Poll::Pending;
        };
        let end = closing.end;
        if end == End::Lost || closing.timeout.as_mut().poll(cx).is_ready() {
            return Poll::Ready(end);
        }
        let _ = ready!(said);
        if ready!(Pin::new(&mut self.stream).poll_shutdown(cx)).is_err() {
            return self.lost();
        }
        if matches!(end, End::ByClient(_)) {
            return Poll::Ready(end);
        }
        // A socket closed with bytes unread resets the connection, and the client may never see why.
        // So what it still sends is read and dropped until it has closed its side.
        ready!(self.poll_discard(cx));
        Poll::Ready(end)
    }

    /// Reads and handles what has arrived, in portions. Ready when the connection ends.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.poll_arrived(cx, Self::receive)
            .map(|end| end.unwrap_or(End::Lost))
    }

    /// Gives what has arrived to `take`, and how much of it has been looked at, until that returns something.
    /// Ready with nothing when nothing more will arrive.
    fn poll_arrived<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut Self, &[u8], usize) -> Option<R>,
    ) -> Poll<Option<R>> {
        with_read_buffer(|buffer| {
            loop {
                let begun = self.unhandled.len();
                buffer[..begun].copy_from_slice(&self.unhandled);
                let mut arrived = 0;
                let known_bytes = if self.has_backlog { 0 } else { begun };
                if !self.has_backlog {
                    let mut unread = ReadBuf::new(&mut buffer[begun..][..READ_BYTES]);
                    let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread));
                    arrived = unread.filled().len();
                    if read.is_err() || arrived == 0 {
                        return Poll::Ready(None);
                    }
                }
                self.unhandled = Vec::new();
                if let Some(taken) = take(self, &buffer[..begun + arrived], known_bytes) {
                    return Poll::Ready(Some(taken));
                }
                if self.has_backlog {
                    // After the others, and after this connection has said what it has to say.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        })
    }

    /// Sends what is in the outbox. Ready when there will be nothing more.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.poll_send(cx)?.is_pending() {
                // A client that does not read is never sent the rest, but its session must end.
                if self.closing.is_none()
                    && let Some(code) = self.outbox.hang_up_code(cx)
                {
                    self.begin_closing(End::ByServer(code));
                }
                return Poll::Pending;
            }
            if self.closing.as_ref().is_some_and(|closing| closing.is_said) {
                return Poll::Ready(Ok(()));
            }
            match self.outbox.take(cx) {
                Taken::Frames(frames) => self.start_sending(frames),
                Taken::LastFrames(frames, code) => {
                    self.start_sending(frames);
                    self.begin_closing(End::ByServer(code));
                    self.all_is_said();
                }
                Taken::Nothing if self.closing.is_none() => return Poll::Pending,
                Taken::Nothing => self.all_is_said(),
            }
        }
    }

    fn all_is_said(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.is_said = true;
        }
    }

    /// Sends the frames that were taken from the outbox.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sending.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.sending.len() {
            let unsent = &self.sending[self.sent..];
            match Pin::new(&mut self.stream).poll_write(cx, unsent)? {
                Poll::Pending => return self.stall(),
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    self.sent += written;
                    self.flow();
                }
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.rules.hub.relay.written(&self.outbox);
        self.sending = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// The socket takes nothing more. How long that lasts is watched from the first time on.
    fn stall(&mut self) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_stalled, true) {
            self.rules.hub.stalled(&self.outbox);
        }
        Poll::Pending
    }

    fn flow(&mut self) {
        if std::mem::take(&mut self.is_stalled) {
            self.outbox.flows();
        }
    }

    /// Reads and drops what arrives. Ready when the client has answered the close frame, or when nothing
    /// more will arrive.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_arrived(cx, |connection, bytes, known_bytes| {
            let mut is_closed = false;
            if !connection.is_garbled {
                let unsent = RefCell::default();
                connection.read_frames(bytes, known_bytes, &unsent, |_, received| {
                    is_closed = matches!(received, Received::Close { .. });
                    !is_closed
                });
            }
            is_closed.then_some(())
        })
        .map(|_| ())
    }

    fn lost(&mut self) -> Poll<End> {
        self.leave_session(End::Lost);
        let decided = self.closing.as_ref().map(|closing| closing.end);
        Poll::Ready(decided.unwrap_or(End::Lost))
    }
}

/// For simulations, which have bytes and no socket.
impl Connection<()> {
    pub(super) fn simulated(dialect: Dialect, rules: Arc<Rules>) -> Self {
        let begun = Begun {
            stream: (),
            early: Bytes::new(),
            dialect,
            admission: Admission::Open,
            network: Network::NOWHERE,
            is_limited: false,
        };
        Self::new(begun, rules).0
    }

    /// Handles bytes as they arrive, whole frames or not. If that ends the connection, it has left its
    /// session.
    pub(super) fn arrived(&mut self, bytes: &[u8]) -> Option<End> {
        self.outbox.awake();
        let mut known_bytes = self.unhandled.len();
        let mut bytes = [&self.unhandled, bytes].concat();
        loop {
            self.unhandled = Vec::new();
            if let Some(end) = self.receive(&bytes, known_bytes) {
                self.leave_session(end);
                return Some(end);
            }
            if !self.has_backlog {
                return None;
            }
            bytes.clone_from(&self.unhandled);
            known_bytes = 0;
        }
    }

    /// The end as the connection's task finds it in the outbox, or in its socket.
    pub(super) fn ended(&self, end: End) {
        self.leave_session(end);
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// What is limited of what a message asks for. What ends something is not: leaving, cancelling, blocking.
fn deed_of(request: &Request) -> Option<Deed> {
    match request {
        Request::Say { .. } => Some(Deed::Message),
        Request::Typing { .. } => Some(Deed::Typing),
        Request::Lobby(
            Command::Join(_) | Command::Next | Command::Update(_) | Command::Report(_),
        )
        // A signature to check.
        | Request::Authenticate { .. } => Some(Deed::Join),
        Request::Lobby(_) | Request::Acknowledge { .. } | Request::Resume { .. } => None,
    }
}

/// Lends the thread's buffer. It must not be asked for again before it is given back.
fn with_read_buffer<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ_BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(BUFFER_BYTES, 0);
        read(buffer)
    })
}

/// Whatever ends the task, a panic included, takes leave of the session.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        // If the panic came from within the lobby, this may panic as well, and a panic that leaves `drop`
        // while another unwinds would end the process, and everybody's chats with it.
        let _ = catch_unwind(AssertUnwindSafe(|| self.leave_session(End::Lost)));
    }
}

#[cfg(test)]
mod tests;
