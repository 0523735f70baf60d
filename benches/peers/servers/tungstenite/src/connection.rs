//! One connection: reads what its client says, and sends what it is told.

use crate::dialect::{Profile, bind, frame};
use crate::room::{Room, Waiting};
use futures_util::{SinkExt as _, StreamExt as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval_at};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

const PING_EVERY: Duration = Duration::from_secs(25);

/// What waits to be sent to one client; who lets more gather is let go.
const EVENTS_MAX: usize = 1024;

const MESSAGE_MAX_BYTES: usize = 8192;

/// What its documentation advises where there are many connections that say little.
const BUFFER_BYTES: usize = 4096;

type Socket = WebSocketStream<TcpStream>;

/// What a connection is told by others.
pub(crate) enum Event {
    /// A partner was found, who is to be told so.
    Found(Arc<Seat>),
    /// Was found as a partner.
    Connected(Arc<Seat>),
    Said(Utf8Bytes),
    /// The partner left.
    Disconnected(Utf8Bytes),
}

/// Somebody for as long as one bind lasts: who they are, and where to tell them something.
pub(crate) struct Seat {
    pub(crate) profile: Profile,
    events: mpsc::Sender<Event>,
    overflow: Arc<Notify>,
}

impl Seat {
    /// Puts something into the queue; who has too much there is let go. Returns whether anybody is there.
    pub(crate) fn tell(&self, event: Event) -> bool {
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.overflow.notify_one();
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// What somebody is doing.
enum State {
    /// Has never bound.
    New,
    Waiting(Waiting),
    Chatting {
        own: Arc<Seat>,
        partner: Arc<Seat>,
    },
    /// Has been left.
    Left,
}

/// Upgrades a connection and serves it to its end.
pub(crate) async fn serve(stream: TcpStream, room: Arc<Room>) {
    // Fails only for a connection that has ended.
    let _ = stream.set_nodelay(true);
    let settings = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let Ok(socket) = accept_hdr_async_with_config(stream, only_at_the_top, Some(settings)).await
    else {
        return;
    };
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let connection = Connection {
        room,
        sender,
        overflow: Arc::default(),
        state: State::New,
    };
    connection.run(socket, events).await;
}

/// Elsewhere nothing is served.
#[allow(clippy::result_large_err, reason = "the library asks for it")]
fn only_at_the_top(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    if request.uri().path() == "/" {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = StatusCode::NOT_FOUND;
    Err(refusal)
}

struct Connection {
    room: Arc<Room>,
    sender: mpsc::Sender<Event>,
    overflow: Arc<Notify>,
    state: State,
}

impl Connection {
    async fn run(mut self, mut socket: Socket, mut events: mpsc::Receiver<Event>) {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut silent_pings = 0;
        loop {
            let overflow = Arc::clone(&self.overflow);
            tokio::select! {
                message = socket.next() => {
                    silent_pings = 0;
                    let Some(Ok(message)) = message else { break };
                    if self.hear(&mut socket, message).await.is_break() {
                        break;
                    }
                }
                Some(event) = events.recv() => {
                    if self.send(&mut socket, event, &mut events).await.is_err() {
                        break;
                    }
                }
                _ = pings.tick() => {
                    silent_pings += 1;
                    let ping = Message::Ping(Vec::new().into());
                    if silent_pings > 2 || socket.send(ping).await.is_err() {
                        break;
                    }
                }
                () = overflow.notified() => break,
            }
        }
        let own = self.end();
        events.close();
        if let Some(own) = own {
            refuse_late_partners(&own, events);
        }
    }

    async fn hear(&mut self, socket: &mut Socket, message: Message) -> ControlFlow<()> {
        let Message::Text(text) = message else {
            return if message.is_binary() {
                ControlFlow::Break(())
            } else {
                // Pings and closes are answered by the library, which ends the stream after the latter.
                ControlFlow::Continue(())
            };
        };
        match &self.state {
            State::Chatting { own, partner } => {
                let frame = frame("client", &own.profile, &text);
                partner.tell(Event::Said(frame.clone()));
                own.tell(Event::Said(frame));
            }
            // What is said while waiting is dropped, as in the original.
            State::Waiting(_) => {}
            State::New | State::Left => match bind(&text) {
                Some(profile) => self.join(profile),
                // May have been said to a partner who has left meanwhile.
                None if matches!(self.state, State::Left) => {}
                None => {
                    let close = CloseFrame {
                        code: CloseCode::Policy,
                        reason: "the first message must be a bind".into(),
                    };
                    // The connection ends either way.
                    let _ = socket.close(Some(close)).await;
                    return ControlFlow::Break(());
                }
            },
        }
        ControlFlow::Continue(())
    }

    fn join(&mut self, profile: Profile) {
        let seat = Arc::new(Seat {
            profile,
            events: self.sender.clone(),
            overflow: Arc::clone(&self.overflow),
        });
        let waiting = Waiting::new(&seat);
        self.state = State::Waiting(waiting.clone());
        self.room.join(waiting);
    }

    /// Sends everything that has gathered with one flush.
    async fn send(
        &mut self,
        socket: &mut Socket,
        first: Event,
        events: &mut mpsc::Receiver<Event>,
    ) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let mut next = Some(first);
        while let Some(event) = next {
            if let Some(text) = self.told(event) {
                socket.feed(Message::Text(text)).await?;
            }
            next = events.try_recv().ok();
        }
        socket.flush().await
    }

    /// What the client is to be told of an event, if anything.
    fn told(&mut self, event: Event) -> Option<Utf8Bytes> {
        match event {
            Event::Said(frame) => {
                // What one has said oneself may come back when the partner has already left.
                matches!(self.state, State::Chatting { .. }).then_some(frame)
            }
            Event::Found(partner) => {
                if let State::Waiting(waiting) = &self.state {
                    let own = &waiting.seat;
                    if !partner.tell(Event::Connected(Arc::clone(own))) {
                        let frame = frame("disconnected", &partner.profile, "");
                        own.tell(Event::Disconnected(frame));
                    }
                }
                self.told(Event::Connected(partner))
            }
            Event::Connected(partner) => {
                let told = frame("connected", &partner.profile, "");
                if let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Left) {
                    let own = waiting.seat;
                    self.state = State::Chatting { own, partner };
                }
                Some(told)
            }
            Event::Disconnected(frame) => {
                self.state = State::Left;
                Some(frame)
            }
        }
    }

    /// Leaves the room or the chat; returns who has left the room, and may have been found before.
    fn end(&mut self) -> Option<Arc<Seat>> {
        match std::mem::replace(&mut self.state, State::Left) {
            State::Waiting(waiting) => {
                self.room.leave(&waiting);
                return Some(waiting.seat);
            }
            State::Chatting { own, partner } => {
                let frame = frame("disconnected", &own.profile, "");
                partner.tell(Event::Disconnected(frame));
            }
            State::New | State::Left => {}
        }
        None
    }
}

/// Who was given somebody as a partner who ended meanwhile is told that they have left.
fn refuse_late_partners(own: &Arc<Seat>, mut events: mpsc::Receiver<Event>) {
    while let Ok(event) = events.try_recv() {
        let partner = match event {
            Event::Found(partner) => {
                partner.tell(Event::Connected(Arc::clone(own)));
                partner
            }
            Event::Connected(partner) => partner,
            Event::Said(_) | Event::Disconnected(_) => continue,
        };
        let frame = frame("disconnected", &own.profile, "");
        partner.tell(Event::Disconnected(frame));
    }
}
