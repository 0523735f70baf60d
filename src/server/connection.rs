//! One task for each connection: reads, lets the dialect decide, and sends what has gathered.
//!
//! A connection holds no buffer while nothing arrives. All that one poll reads goes through a buffer of the
//! thread; only the bytes of a frame that is not all there yet are kept. Nothing borrowed from the thread
//! lives across an await, because everything happens inside one poll.

use super::frames::{self, Batch, Received};
use super::gate::{Gate, Violation};
use super::hub::{ChatSeat, Hub};
use super::outbox::{Outbox, Taken};
use crate::conversation::ConversationError;
use crate::dialect::v1::{self, Request};
use crate::dialect::{Bounds, CloseCode, Dialect, Outgoing, WireError, classic};
use crate::lobby::{Command, MessageId, PartnerLeftReason, SessionId};
use crate::moment::Moment;
use bytes::Bytes;
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that a poll reads at once: room for many small messages, and for the largest one.
const READ_BYTES: usize = 128 * 1024;

/// The span in which errors are counted.
const ERROR_SPAN_MS: u64 = 60_000;

thread_local! {
    /// The buffer of all connections of this thread.
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) hub: Hub,
    pub(super) bounds: Bounds,
    pub(super) message_max_bytes: usize,
    pub(super) errors_per_minute: usize,
    pub(super) close_timeout: Duration,
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
struct Connection<S> {
    stream: S,
    rules: Arc<Rules>,
    outbox: Arc<Outbox>,
    /// `None` once the session has ended.
    session: Option<SessionId>,
    dialect: Dialect,
    gate: Gate,
    has_spoken: bool,
    /// The bytes of a frame that has begun to arrive.
    partial_frame: Vec<u8>,
    /// The fragments of a message that has begun to arrive.
    partial_message: Vec<u8>,
    /// Frames on their way, and how much of them has been sent.
    sending: Vec<u8>,
    sent: usize,
    /// When errors were caused, within the span.
    errors: Vec<Moment>,
    closing: Option<Closing>,
}

/// The end of a connection, once it was decided.
struct Closing {
    end: End,
    /// Whatever is not done by then is not done.
    timeout: Pin<Box<Sleep>>,
    /// Whether everything this side has to say has been taken from the outbox.
    is_said: bool,
}

/// Runs a connection whose upgrade has been answered, to its end. `early` are bytes that came with the
/// request.
pub(super) async fn run<S>(stream: S, early: Bytes, dialect: Dialect, rules: Arc<Rules>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection::new(stream, dialect, rules);
    if let Some(end) = connection.receive(&early) {
        connection.begin_closing(end);
    }
    drop(early);
    poll_fn(|cx| connection.poll_run(cx)).await
}

impl<S> Connection<S> {
    fn new(stream: S, dialect: Dialect, rules: Arc<Rules>) -> Self {
        let (session, outbox) = rules.hub.connect(dialect);
        Self {
            stream,
            outbox,
            session: Some(session),
            dialect,
            gate: Gate::new(rules.message_max_bytes),
            has_spoken: false,
            partial_frame: Vec::new(),
            partial_message: Vec::new(),
            sending: Vec::new(),
            sent: 0,
            errors: Vec::new(),
            closing: None,
            rules,
        }
    }

    /// Ends the session, and leaves the connection to say its last words.
    fn begin_closing(&mut self, end: End) {
        self.end_session(match end {
            // Normal, a closed page, or no code at all: on purpose.
            End::ByClient(None | Some(1000 | 1001)) => PartnerLeftReason::Left,
            End::ByClient(_) | End::ByServer(_) | End::Lost => PartnerLeftReason::Lost,
        });
        let timeout = self.rules.close_timeout;
        self.closing.get_or_insert_with(|| Closing {
            end,
            timeout: Box::pin(tokio::time::sleep(timeout)),
            is_said: false,
        });
    }

    fn end_session(&mut self, reason: PartnerLeftReason) {
        if let Some(session) = self.session.take() {
            self.rules.hub.disconnect(session, reason);
        }
    }

    /// Handles the bytes that have arrived, and keeps those of a frame that is not all there yet. Returns
    /// how the connection ends, if it does.
    fn receive(&mut self, bytes: &[u8]) -> Option<End> {
        let admitted = self.gate.admit(bytes);
        let (whole, rest) = bytes.split_at(admitted.whole_bytes);
        let mut answers = Vec::new();
        let mut end = None;
        let batch = frames::read_all(whole, &mut answers, |received| {
            end = self.handle(&received);
            end.is_none()
        });
        if !answers.is_empty() {
            self.outbox.send_frames(&answers);
        }
        let violation = match batch {
            Batch::Broken(violation) => Some(violation),
            Batch::Stopped => None,
            Batch::Done => admitted.violation,
        };
        if let Some(Violation { code, reason }) = violation {
            return Some(self.hang_up(code, reason));
        }
        if end.is_none() && !rest.is_empty() {
            self.partial_frame = rest.to_vec();
        }
        end
    }

    fn handle(&mut self, received: &Received<'_>) -> Option<End> {
        match *received {
            Received::Text {
                payload,
                is_final: true,
            } => self.handle_text(payload),
            Received::Text { payload, .. } => {
                self.partial_message = payload.to_vec();
                None
            }
            Received::Continuation { payload, is_final } => {
                self.partial_message.extend_from_slice(payload);
                if is_final {
                    let message = std::mem::take(&mut self.partial_message);
                    self.handle_text(&message)
                } else {
                    None
                }
            }
            Received::Pong => None,
            Received::Close { code } => Some(End::ByClient(code)),
        }
    }

    fn handle_text(&mut self, text: &[u8]) -> Option<End> {
        let Ok(text) = str::from_utf8(text) else {
            return Some(self.hang_up(CloseCode::InvalidUtf8, "text must be UTF-8"));
        };
        let session = self.session?;
        let is_first = !std::mem::replace(&mut self.has_spoken, true);
        if is_first {
            self.rules.hub.heard(session);
        }
        match self.dialect {
            Dialect::V1 => self.handle_v1(session, text),
            Dialect::Classic => self.handle_classic(session, text, is_first),
        }
    }

    fn handle_v1(&mut self, session: SessionId, text: &str) -> Option<End> {
        let message = match v1::decode(text, &self.rules.bounds) {
            Ok(message) => message,
            Err(error) => return self.refuse(&error),
        };
        let id = message.id;
        let outcome = match message.request {
            Request::Lobby(command) => self.command(session, command, id),
            Request::Say { text } => self.say(id, &text),
            Request::Acknowledge { seq } => self.in_chat("ack", id, |seat| seat.acknowledge(seq)),
            Request::Typing { on } => self.in_chat("typing", id, |seat| seat.typing(on)),
        };
        outcome.err().and_then(|error| self.refuse(&error))
    }

    fn command(
        &self,
        session: SessionId,
        command: Command,
        id: Option<MessageId>,
    ) -> Result<(), WireError> {
        self.rules
            .hub
            .command(session, command, id.clone())
            .map_err(|refusal| WireError::from_refusal(&refusal, id))
    }

    fn say(&self, id: Option<MessageId>, text: &str) -> Result<(), WireError> {
        let hub = &self.rules.hub;
        let name = id.clone();
        self.in_chat("say", id, |seat| seat.say(hub, name.as_ref(), text))
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

    fn handle_classic(&mut self, session: SessionId, text: &str, is_first: bool) -> Option<End> {
        let hub = &self.rules.hub;
        if let Some(seat) = self.outbox.seat() {
            // If the partner has just left, the person learns that instead.
            let _ = seat.say(hub, None, text);
            return None;
        }
        let is_late_chat_text = !is_first && !classic::is_bind(text);
        if is_late_chat_text || hub.is_waiting(session) {
            return None;
        }
        match classic::decode(text) {
            Ok(bind) => {
                let join = bind.join(&self.rules.bounds);
                self.outbox.bound(bind);
                // Refused only if somebody was matched with this person in this very moment.
                let _ = hub.command(session, Command::Join(join), None);
                None
            }
            Err(reason) => Some(self.hang_up(CloseCode::Policy, reason)),
        }
    }

    /// Tells the client what was wrong. Too many errors within a minute end the connection.
    fn refuse(&mut self, error: &WireError) -> Option<End> {
        self.outbox.tell(Outgoing::Error(error));
        let now = self.rules.hub.now();
        self.errors
            .retain(|at| now.millis_since(*at) < ERROR_SPAN_MS);
        self.errors.push(now);
        (self.errors.len() >= self.rules.errors_per_minute)
            .then(|| self.hang_up(CloseCode::ProtocolAbuse, "too many errors"))
    }

    fn hang_up(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> End {
        self.outbox.hang_up(code, reason);
        End::ByServer(code)
    }

    fn start_sending(&mut self, frames: Vec<u8>) {
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

    /// Reads and handles everything that has arrived. Ready when the connection ends.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        with_read_buffer(|buffer| {
            loop {
                let begun = self.partial_frame.len();
                buffer[..begun].copy_from_slice(&self.partial_frame);
                let mut unread = ReadBuf::new(&mut buffer[begun..]);
                let Ok(()) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread)) else {
                    return Poll::Ready(End::Lost);
                };
                let arrived = unread.filled().len();
                if arrived == 0 {
                    return Poll::Ready(End::Lost);
                }
                self.partial_frame = Vec::new();
                if let Some(end) = self.receive(&buffer[..begun + arrived]) {
                    return Poll::Ready(end);
                }
            }
        })
    }

    /// Sends what is in the outbox. Ready when there will be nothing more.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
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
            match ready!(Pin::new(&mut self.stream).poll_write(cx, unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.start_sending(Vec::new());
        Poll::Ready(Ok(()))
    }

    /// Reads and drops what arrives. Ready when nothing more will.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        with_read_buffer(|buffer| {
            loop {
                let mut unread = ReadBuf::new(buffer);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread));
                if read.is_err() || unread.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
    }

    fn lost(&mut self) -> Poll<End> {
        self.end_session(PartnerLeftReason::Lost);
        let decided = self.closing.as_ref().map(|closing| closing.end);
        Poll::Ready(decided.unwrap_or(End::Lost))
    }
}

/// Lends the thread's buffer. It must not be asked for again before it is given back.
fn with_read_buffer<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    READ_BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(READ_BYTES, 0);
        read(buffer)
    })
}

/// Whatever ends the task, a panic included, ends the session.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.end_session(PartnerLeftReason::Lost);
    }
}
