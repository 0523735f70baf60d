//! The lobby behind its lock, the way from its effects to connections, and the chats.
//!
//! Locks are taken in this order: the floor, a chat's conversation, an outbox. Joins, leaves and matches
//! take the floor; messages take only their chat's conversation. Nothing is held across an await.

use super::outbox::{Outbox, OutboxBounds};
use crate::config::{Config, seconds};
use crate::conversation::{Conversation, ConversationError, Side};
use crate::dialect::v1::{Welcome, WelcomeLimits};
use crate::dialect::{CloseCode, Dialect, Outgoing, TEXT_MAX_CHARS};
use crate::lobby::{
    Command, Effect, Event, Farewell, Lobby, MessageId, PartnerLeftReason, Refusal, SessionId,
    Settings, StateName,
};
use crate::moment::Moment;
use parking_lot::{Mutex, MutexGuard};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use slotmap::SecondaryMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Hub {
    floor: Mutex<Floor>,
    clock: Clock,
    /// A deadline has come before the one that the timer waits for.
    timer_moved: Notify,
    limits: WelcomeLimits,
    outbox_bounds: OutboxBounds,
    reconnect_spread_ms: u64,
}

#[derive(Debug)]
struct Floor {
    lobby: Lobby,
    /// One for each session of the lobby.
    outboxes: SecondaryMap<SessionId, Arc<Outbox>>,
    /// What the timer waits for.
    timer: Option<Moment>,
    is_draining: bool,
}

/// Time for the rooms.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// The start, as time since the Unix epoch.
    start_epoch: Duration,
}

impl Clock {
    fn now(&self) -> Moment {
        Moment::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the Unix epoch. Counted from the start by the clock that never goes back.
    fn epoch_ms(&self) -> u64 {
        let now = self.start_epoch + self.start.elapsed();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A chat: who is where in it, and its conversation.
#[derive(Debug)]
struct Chat {
    conversation: Mutex<Conversation>,
    outboxes: [Arc<Outbox>; 2],
}

/// One side's seat in a chat.
#[derive(Debug, Clone)]
pub(super) struct ChatSeat {
    chat: Arc<Chat>,
    side: Side,
}

impl ChatSeat {
    /// Says something to the partner. The sender and the partner are told in the order of the numbers,
    /// which the conversation's lock keeps.
    pub(super) fn say(
        &self,
        hub: &Hub,
        id: Option<&MessageId>,
        text: &str,
    ) -> Result<(), ConversationError> {
        let mut conversation = self.chat.conversation.lock();
        let numbered = conversation.say(self.side, id)?;
        let (own, partner) = self.outboxes();
        if !numbered.is_repeated {
            partner.tell(Outgoing::Said {
                seq: numbered.seq,
                text,
                at_ms: hub.clock.epoch_ms(),
            });
        }
        own.tell(Outgoing::Accepted {
            id,
            seq: numbered.seq,
            text: (!numbered.is_repeated).then_some(text),
        });
        Ok(())
    }

    /// Everything up to `seq` has been shown to this side's person.
    pub(super) fn acknowledge(&self, seq: u64) -> Result<(), ConversationError> {
        let mut conversation = self.chat.conversation.lock();
        if conversation.acknowledge(self.side, seq)? {
            self.outboxes().1.tell(Outgoing::Delivered { seq });
        }
        Ok(())
    }

    /// This side's person types, or has stopped.
    pub(super) fn typing(&self, on: bool) -> Result<(), ConversationError> {
        let conversation = self.chat.conversation.lock();
        conversation.check_open()?;
        self.outboxes().1.tell(Outgoing::Typing { on });
        Ok(())
    }

    /// This side's outbox and the partner's.
    fn outboxes(&self) -> (&Outbox, &Outbox) {
        let of = |side: Side| &*self.chat.outboxes[side as usize];
        (of(self.side), of(self.side.other()))
    }
}

impl Hub {
    pub(super) fn new(config: &Config) -> Self {
        let settings = Settings {
            grid: config.grid(),
            cool_off: seconds(config.matching.rematch_cooloff_s),
            wait_max: seconds(config.matching.max_wait_s),
            first_message: seconds(config.limits.first_message_s),
            reconnect_spread: seconds(config.limits.reconnect_spread_s),
        };
        let random = StdRng::try_from_rng(&mut SysRng)
            .expect("an operating system without randomness can't run a server");
        let start_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            floor: Mutex::new(Floor {
                lobby: Lobby::new(settings, random),
                outboxes: SecondaryMap::new(),
                timer: None,
                is_draining: false,
            }),
            clock: Clock {
                start: Instant::now(),
                start_epoch,
            },
            timer_moved: Notify::new(),
            limits: WelcomeLimits {
                max_message_bytes: config.limits.max_message_bytes,
                max_text_chars: TEXT_MAX_CHARS,
                min_range_km: config.privacy.min_range_km,
                max_range_km: config.matching.max_range_km,
                position_grid_km: config.privacy.position_grid_km,
            },
            outbox_bounds: OutboxBounds {
                bytes: config.limits.outbox_bytes,
                events: config.limits.outbox_events,
            },
            reconnect_spread_ms: u64::try_from(
                seconds(config.limits.reconnect_spread_s).as_millis(),
            )
            .unwrap_or(u64::MAX),
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// A new session for a connection of this dialect. The first thing in its outbox is the welcome.
    pub(super) fn connect(&self, dialect: Dialect) -> (SessionId, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new(dialect, self.outbox_bounds));
        let session = self.on_the_floor(|floor, now| {
            let session = floor.lobby.connect(now);
            floor.outboxes.insert(session, Arc::clone(&outbox));
            outbox.tell(Outgoing::Welcome(&Welcome {
                server: concat!("whisperchat/", env!("CARGO_PKG_VERSION")),
                session: &session.to_string(),
                // Nothing is resumed within a window of 0 s, so there is nothing to name.
                resume_token: "",
                resume_window_s: 0,
                ping_s: 0,
                limits: self.limits,
            }));
            if floor.is_draining {
                // Its upgrade was agreed to before the server began to stop.
                let reconnect_after_ms = rand::random_range(0..=self.reconnect_spread_ms);
                outbox.tell(Outgoing::Lobby(
                    &Event::GoingAway { reconnect_after_ms },
                    None,
                ));
                outbox.hang_up_going_away();
            }
            session
        });
        (session, outbox)
    }

    /// The connection has said something, whatever it was.
    pub(super) fn heard(&self, session: SessionId) {
        self.on_the_floor(|floor, _| floor.lobby.heard(session));
    }

    /// A session asks for something.
    pub(super) fn command(
        &self,
        session: SessionId,
        command: Command,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        self.on_the_floor(|floor, now| floor.lobby.handle(now, session, command, answers))
    }

    /// The connection of a session has ended.
    pub(super) fn disconnect(&self, session: SessionId, reason: PartnerLeftReason) {
        self.on_the_floor(|floor, now| {
            floor.lobby.disconnect(now, session, reason);
            floor.settle();
            floor.outboxes.remove(session);
        });
    }

    pub(super) fn is_waiting(&self, session: SessionId) -> bool {
        self.floor.lock().lobby.state(session) == Some(StateName::Waiting)
    }

    /// Tells everybody that the server stops, and ends their connections.
    pub(super) fn drain(&self) {
        self.on_the_floor(|floor, _| {
            floor.is_draining = true;
            floor.lobby.drain();
        });
    }

    pub(super) fn is_draining(&self) -> bool {
        self.floor.lock().is_draining
    }

    /// Sessions, and how many of them wait.
    pub(super) fn census(&self) -> (usize, usize) {
        let floor = self.floor.lock();
        (floor.lobby.len(), floor.lobby.waiting_len())
    }

    /// Handles deadlines as they come, for as long as it is polled.
    pub(super) async fn run_timer(&self) {
        loop {
            let next = self.on_the_floor(|floor, now| {
                floor.lobby.handle_timeout(now);
                floor.timer = floor.lobby.poll_timeout();
                floor.timer
            });
            let moved = self.timer_moved.notified();
            match next {
                None => moved.await,
                Some(next) => {
                    let wait = Duration::from_millis(next.millis_since(self.now()));
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = moved => {}
                    }
                }
            }
        }
    }

    /// One change of the lobby, with its effects carried out.
    fn on_the_floor<R>(&self, change: impl FnOnce(&mut Floor, Moment) -> R) -> R {
        let mut floor = self.floor.lock();
        // Left over only if a change panicked halfway.
        floor.settle();
        let result = change(&mut floor, self.clock.now());
        floor.settle();
        self.move_timer(floor);
        result
    }

    fn move_timer(&self, mut floor: MutexGuard<'_, Floor>) {
        let next = floor.lobby.poll_timeout();
        let is_earlier = match (next, floor.timer) {
            (Some(next), Some(timer)) => next < timer,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_earlier {
            floor.timer = next;
            drop(floor);
            self.timer_moved.notify_one();
        }
    }
}

impl Floor {
    /// Carries out what the lobby wants done.
    fn settle(&mut self) {
        while let Some(effect) = self.lobby.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Tell { to, event, answers } => {
                self.outbox(to)
                    .tell(Outgoing::Lobby(&event, answers.as_ref()));
            }
            Effect::OpenChat { between, .. } => self.open_chat(between),
            Effect::CloseChat { between } => self.close_chat(between),
            Effect::Close { session, farewell } => match farewell {
                Farewell::NoFirstMessage => self
                    .outbox(session)
                    .hang_up(CloseCode::NoFirstMessage, "nothing was said in time"),
                Farewell::GoingAway => self.outbox(session).hang_up_going_away(),
            },
        }
    }

    /// Lets two sessions talk. The lobby tells both of the match next, and before it has, nothing that is
    /// said gets through: nobody hears from a partner they don't know of.
    fn open_chat(&mut self, between: [SessionId; 2]) {
        let chat = Arc::new(Chat {
            conversation: Mutex::new(Conversation::new()),
            outboxes: between.map(|session| Arc::clone(self.outbox(session))),
        });
        let _quiet = chat.conversation.lock();
        for side in [Side::First, Side::Second] {
            chat.outboxes[side as usize].take_seat(ChatSeat {
                chat: Arc::clone(&chat),
                side,
            });
        }
        for _ in between {
            if let Some(effect) = self.lobby.poll_effect() {
                self.carry_out(effect);
            }
        }
    }

    /// After this, nothing that either says is accepted, and nothing accepted is still to be told.
    fn close_chat(&self, between: [SessionId; 2]) {
        for session in between {
            if let Some(seat) = self.outbox(session).leave_seat() {
                seat.chat.conversation.lock().close();
            }
        }
    }

    fn outbox(&self, session: SessionId) -> &Arc<Outbox> {
        &self.outboxes[session]
    }
}
