//! The lobby behind its lock, the way from its effects to connections, and the chats.
//!
//! Locks are taken in this order: the floor, a chat's talk, an outbox. Joins, leaves and matches take the
//! floor; messages take only their chat's talk. Nothing is held across an await.

mod guests;
mod held;
mod portrait;
mod sequence;
mod simulated;

use super::auth::{Admission, Grant};
use super::expiry::Expiries;
use super::limits::{Limit, Network, Refusals};
use super::liveness::Wheel;
use super::message_check::Checker;
use super::metrics::Stopwatch;
use super::outbox::{Outbox, OutboxBounds};
use super::safety::{Guest, Guests, Safety};
use super::stalls::Stalls;
use super::telemetry::{Step, Telemetry};
use crate::config::{Config, every, seconds};
use crate::conversation::{Conversation, ConversationError, Message, Side};
use crate::dialect::v1::{Welcome, WelcomeLimits};
use crate::dialect::{CloseCode, Dialect, Outgoing, TEXT_MAX_CHARS, WireError};
use crate::distribution::Distribution;
use crate::geo::Position;
use crate::lobby::{
    ChatId, Command, Departure, Doing, Effect, Event, Farewell, Lobby, MessageId,
    PartnerLeftReason, Refusal, ResumeToken, Resumed, Seen, SessionId, Settings, StateName, Tally,
};
use crate::moment::Moment;
use held::HeldOfSide;
pub(super) use held::{Held, TooManyHeld, Turn};
use parking_lot::{Mutex, MutexGuard};
pub(super) use portrait::{ConnectionPortrait, Portrait};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use sequence::Sequence;
use slotmap::SecondaryMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Everybody who is connected, or was a moment ago.
#[derive(Debug)]
pub(super) struct Hub {
    floor: Mutex<Floor>,
    /// Whom to ping when.
    wheel: Mutex<Wheel>,
    /// Whose token ends when.
    expiries: Mutex<Expiries>,
    clock: Clock,
    /// A deadline has come before the one that the timer waits for.
    timer_moved: Notify,
    limits: WelcomeLimits,
    resume_window_s: u32,
    ping_s: u32,
    outbox_bounds: OutboxBounds,
    /// Whose socket takes nothing.
    stalls: Stalls,
    /// What was refused, and what was only counted.
    pub(super) refusals: Arc<Refusals>,
    /// How long messages are on their way.
    pub(super) relay: Stopwatch,
    pub(super) telemetry: Arc<Telemetry>,
    /// If there is a store.
    pub(super) safety: Option<Arc<Safety>>,
    /// If messages are checked before they are said.
    pub(super) checker: Option<Arc<Checker>>,
    /// Messages whose numbers did not follow those before.
    seq_gaps: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Floor {
    lobby: Lobby,
    /// One for each session of the lobby.
    lines: SecondaryMap<SessionId, Line>,
    /// Who has been here before. Of use only if there is a store.
    guests: Guests,
    /// The hub's.
    safety: Option<Arc<Safety>>,
    /// Sessions whose connections turned out to be alive while the lobby's effects were carried out.
    alive: VecDeque<SessionId>,
    heard_within: Duration,
    /// What the timer waits for.
    timer: Option<Moment>,
    /// The hub's.
    seq_gaps: Arc<AtomicU64>,
    /// The hub's.
    telemetry: Arc<Telemetry>,
}

/// The way to a session.
#[derive(Debug, Default)]
struct Line {
    /// Its connection's outbox; `None` while it is away.
    outbox: Option<Arc<Outbox>>,
    /// Its seat in its chat, while it is away; while it is not, its outbox has it. Its seat in a chat that
    /// its partner has left, until it asks to wait again and so shows that it knows.
    seat: Option<ChatSeat>,
    /// Why its partner left, if a connection was told so; that may have been a dead one.
    left: Option<PartnerLeftReason>,
    /// The number of the last message to it in the chat before.
    said_before: u64,
    /// Whose session it is; unset before they first asked to wait, and without a store.
    guest: Option<Guest>,
    /// Its seat in the chat before, until the next begins, so that it can be reported with what was said.
    past: Option<ChatSeat>,
}

/// Time for the rooms.
#[derive(Debug)]
enum Clock {
    /// What the operating system says, or the runtime, should its time be paused.
    System {
        start: Instant,
        /// The start, as time since the Unix epoch.
        start_epoch: Duration,
    },
    /// What a simulation says, in ms since its start, which is the epoch's too.
    Manual(AtomicU64),
}

impl Clock {
    fn system() -> Self {
        let start_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::System {
            start: Instant::now(),
            start_epoch,
        }
    }

    fn now(&self) -> Moment {
        Moment::from_millis(match self {
            Self::System { start, .. } => whole_ms(start.elapsed()),
            Self::Manual(ms) => ms.load(Ordering::Relaxed),
        })
    }

    /// Milliseconds since the Unix epoch as the operating system says now: tokens end by its time.
    fn wall_ms(&self) -> u64 {
        match self {
            Self::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
            }
            Self::Manual(_) => self.epoch_ms(),
        }
    }

    /// Milliseconds since the Unix epoch. Counted from the start by the clock that never goes back.
    fn epoch_ms(&self) -> u64 {
        match self {
            Self::System { start, start_epoch } => whole_ms(*start_epoch + start.elapsed()),
            Self::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A chat: who is where in it, and what they say.
#[derive(Debug)]
struct Chat {
    id: ChatId,
    talk: Mutex<Talk>,
}

impl Line {
    /// The client knows that the chat is over which it was left in.
    fn forget_left_chat(&mut self) {
        self.seat = None;
        self.left = None;
    }
}

#[derive(Debug)]
struct Talk {
    conversation: Conversation,
    /// Each side's; `None` while it is away.
    outboxes: [Option<Arc<Outbox>>; 2],
    /// What each side was told, or is told when it comes back.
    told: [Sequence; 2],
    /// What each side has said that is not decided on yet.
    held: [HeldOfSide; 2],
}

impl Talk {
    fn tell(&self, side: Side, outgoing: Outgoing<'_>) {
        if let Some(outbox) = &self.outboxes[side as usize] {
            outbox.tell(outgoing);
        }
    }
}

/// One side's seat in a chat.
#[derive(Debug, Clone)]
pub(super) struct ChatSeat {
    chat: Arc<Chat>,
    side: Side,
}

impl ChatSeat {
    /// Says something to the partner. The sender and the partner are told in the order of the numbers,
    /// which the talk's lock keeps.
    pub(super) fn say(
        &self,
        hub: &Hub,
        id: Option<&MessageId>,
        text: &str,
    ) -> Result<(), ConversationError> {
        let read_at = Stopwatch::read_now();
        self.say_in(&mut self.chat.talk.lock(), hub, read_at, id, text)
    }

    fn say_in(
        &self,
        talk: &mut Talk,
        hub: &Hub,
        read_at: Option<std::time::Instant>,
        id: Option<&MessageId>,
        text: &str,
    ) -> Result<(), ConversationError> {
        let at_ms = hub.clock.epoch_ms();
        let numbered = talk.conversation.say(self.side, id, text, at_ms)?;
        let seq = numbered.seq;
        if !numbered.is_repeated {
            let partner = self.side.other();
            if !talk.told[partner as usize].goes_on(seq) {
                hub.seq_gaps.fetch_add(1, Ordering::Relaxed);
            }
            if let (Some(read_at), Some(outbox)) = (read_at, &talk.outboxes[partner as usize]) {
                hub.relay.follow(read_at, outbox);
            }
            talk.tell(partner, Outgoing::Said { seq, text, at_ms });
        }
        let text = (!numbered.is_repeated).then_some(text);
        talk.tell(self.side, Outgoing::Accepted { id, seq, text });
        Ok(())
    }

    /// Everything up to `seq` has been shown to this side's person.
    pub(super) fn acknowledge(&self, seq: u64) -> Result<(), ConversationError> {
        let mut talk = self.chat.talk.lock();
        if talk.conversation.acknowledge(self.side, seq)? {
            talk.tell(self.side.other(), Outgoing::Delivered { seq });
        }
        Ok(())
    }

    /// This side's person types, or has stopped.
    pub(super) fn typing(&self, on: bool) -> Result<(), ConversationError> {
        let talk = self.chat.talk.lock();
        talk.conversation.check_open()?;
        talk.tell(self.side.other(), Outgoing::Typing { on });
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.chat.talk.lock().conversation.check_open().is_err()
    }

    /// The chat is over, because this side left it or was left. Returns the number of the last message to
    /// this side.
    fn close(&self, is_leaver: bool) -> u64 {
        let mut talk = self.chat.talk.lock();
        let leaver = if is_leaver {
            self.side
        } else {
            self.side.other()
        };
        talk.conversation.close(leaver);
        talk.outboxes[self.side as usize] = None;
        talk.conversation.said_seq(self.side)
    }

    /// This side's connection is gone. What is said to it is kept.
    fn go_away(&self) {
        self.chat.talk.lock().outboxes[self.side as usize] = None;
    }

    fn has_been_told(&self, last_seq: u64) -> bool {
        let talk = self.chat.talk.lock();
        talk.conversation.check_said(self.side, last_seq).is_ok()
    }

    /// This side's session goes on over a connection: tells it so, what it has missed, and up to where the
    /// partner has acknowledged. Returns whether the chat goes on, too.
    fn come_back(&self, outbox: &Arc<Outbox>, last_seq: u64, back: &Back<'_>) -> bool {
        let mut talk = self.chat.talk.lock();
        match talk.conversation.missed(self.side, last_seq) {
            Some(missed) => {
                let mut told = Sequence::after(last_seq);
                let mut gaps = 0;
                back.tell(
                    outbox,
                    true,
                    missed.inspect(|message| gaps += u64::from(!told.goes_on(message.seq))),
                );
                let is_all = told.ends_at(talk.conversation.said_seq(self.side));
                gaps += u64::from(!is_all);
                back.seq_gaps.fetch_add(gaps, Ordering::Relaxed);
            }
            None => back.tell(outbox, false, [].iter()),
        }
        let seq = talk.conversation.acknowledged_seq(self.side);
        if seq > 0 {
            outbox.tell(Outgoing::Delivered { seq });
        }
        let goes_on = talk.conversation.check_open().is_ok();
        if goes_on {
            talk.outboxes[self.side as usize] = Some(Arc::clone(outbox));
        }
        goes_on
    }
}

/// The news that a session goes on over a new connection.
struct Back<'a> {
    session: SessionId,
    resumed: &'a Resumed,
    answers: Option<&'a MessageId>,
    seq_gaps: &'a AtomicU64,
}

impl Back<'_> {
    fn tell<'m>(
        &self,
        outbox: &Outbox,
        recovered: bool,
        missed: impl Iterator<Item = &'m Message>,
    ) {
        let session = self.session.to_string();
        let resumed = Outgoing::Resumed {
            session: &session,
            resumed: self.resumed,
            recovered,
            answers: self.answers,
        };
        let missed = missed.map(|message| Outgoing::Said {
            seq: message.seq,
            text: &message.text,
            at_ms: message.at_ms,
        });
        outbox.tell_first(std::iter::once(resumed).chain(missed));
    }
}

impl Hub {
    pub(super) fn new(config: &Config, telemetry: Telemetry, safety: Option<Safety>) -> Self {
        let random = StdRng::try_from_rng(&mut SysRng)
            .expect("an operating system without randomness can't run a server");
        Self::with(config, Clock::system(), random, telemetry, safety)
    }

    pub(super) fn with_random(config: &Config, random: StdRng) -> Self {
        Self::with(config, Clock::system(), random, Telemetry::default(), None)
    }

    fn with(
        config: &Config,
        clock: Clock,
        random: StdRng,
        telemetry: Telemetry,
        safety: Option<Safety>,
    ) -> Self {
        let safety = safety.map(Arc::new);
        let telemetry = Arc::new(telemetry);
        let settings = settings(config);
        let seq_gaps = Arc::<AtomicU64>::default();
        Self {
            floor: Mutex::new(Floor {
                heard_within: settings.heard_within,
                lobby: Lobby::new(settings, random),
                lines: SecondaryMap::new(),
                guests: Guests::default(),
                safety: safety.clone(),
                alive: VecDeque::new(),
                timer: None,
                seq_gaps: Arc::clone(&seq_gaps),
                telemetry: Arc::clone(&telemetry),
            }),
            wheel: Mutex::new(Wheel::new(config.limits.ping_s, config.limits.pong_s)),
            expiries: Mutex::default(),
            clock,
            timer_moved: Notify::new(),
            limits: WelcomeLimits {
                max_message_bytes: config.limits.max_message_bytes,
                max_text_chars: TEXT_MAX_CHARS,
                min_range_km: config.privacy.min_range_km,
                max_range_km: config.matching.max_range_km,
                position_grid_km: config.privacy.position_grid_km,
            },
            resume_window_s: config.limits.resume_window_s,
            ping_s: config.limits.ping_s,
            outbox_bounds: OutboxBounds {
                bytes: config.limits.outbox_bytes,
                events: config.limits.outbox_events,
            },
            stalls: Stalls::new(Duration::from_secs(config.limits.write_stall_s.into())),
            refusals: Arc::default(),
            relay: Stopwatch::default(),
            telemetry,
            safety,
            checker: None,
            seq_gaps,
        }
    }

    /// Has messages checked before they are said.
    pub(super) fn with_checker(self, checker: Option<Arc<Checker>>) -> Self {
        Self { checker, ..self }
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Milliseconds since the Unix epoch, by a clock that never goes back.
    pub(super) fn epoch_ms(&self) -> u64 {
        self.clock.epoch_ms()
    }

    /// Goes on by these settings, as far as they can change at all.
    pub(super) fn reconfigure(&self, config: &Config) {
        let settings = settings(config);
        let mut floor = self.floor.lock();
        floor.heard_within = settings.heard_within;
        floor.lobby.reconfigure(settings);
        drop(floor);
        if let Some(safety) = &self.safety {
            safety.reconfigure(&config.moderation);
        }
        self.stalls
            .reconfigure(Duration::from_secs(config.limits.write_stall_s.into()));
    }

    /// A new session for a connection of this dialect. The first thing in its outbox is the welcome.
    pub(super) fn connect(
        &self,
        dialect: Dialect,
        admission: Admission,
        network: Network,
    ) -> Arc<Outbox> {
        let outbox = self.on_the_floor(|floor, now| {
            let is_resumable = dialect == Dialect::V1;
            let session = floor.lobby.connect(now, is_resumable);
            // The welcome comes first; whatever the lobby has to say is carried out after it.
            let bounds = self.outbox_bounds;
            let outbox = Arc::new(Outbox::new(dialect, bounds, session, network, now));
            let line = Line {
                outbox: Some(Arc::clone(&outbox)),
                ..Line::default()
            };
            floor.lines.insert(session, line);
            outbox.tell(Outgoing::Welcome(&Welcome {
                server: concat!("whisperchat/", env!("CARGO_PKG_VERSION")),
                session: &session.to_string(),
                resume_token: &floor.lobby.token(session).to_wire(),
                resume_window_s: self.resume_window_s,
                ping_s: self.ping_s,
                auth: match admission {
                    Admission::Open => None,
                    Admission::Pending => Some("required"),
                    Admission::Granted(_) => Some("given"),
                },
                limits: self.limits,
            }));
            outbox
        });
        self.wheel.lock().add(&outbox);
        if let Admission::Granted(grant) = admission {
            self.grant(&outbox, grant);
        }
        outbox
    }

    /// The connection may go on for as long as its token allows.
    pub(super) fn grant(&self, outbox: &Arc<Outbox>, grant: Grant) {
        let ends_at_s = u64::from(grant.expires_at_s) + u64::from(grant.leeway_s);
        let lasts_ms = (ends_at_s * 1000).saturating_sub(self.clock.wall_ms());
        // Up to the next whole second, so that nothing ends before its time.
        let until_s = (self.now().as_millis() + lasts_ms).div_ceil(1000);
        if outbox.lasts_until(u32::try_from(until_s).unwrap_or(u32::MAX)) {
            self.expiries.lock().add(outbox, self.now_s());
        }
    }

    /// Whole seconds since the server has started.
    fn now_s(&self) -> u32 {
        u32::try_from(self.now().as_millis() / 1000).unwrap_or(u32::MAX)
    }

    /// The connection has said something, whatever it was.
    pub(super) fn spoke(&self, outbox: &Outbox) {
        self.on_the_floor(|floor, _| {
            if let Some(session) = outbox.session() {
                floor.lobby.spoke(session);
            }
        });
    }

    /// Something has come from the connection.
    pub(super) fn heard(&self, outbox: &Outbox) {
        if outbox.heard(self.now()) {
            self.on_the_floor(|floor, now| {
                if let Some(session) = outbox.session() {
                    floor.lobby.heard(now, session);
                }
            });
        }
    }

    /// A connection's session asks for something. Nothing happens if it has none any more.
    pub(super) fn command(
        &self,
        outbox: &Outbox,
        command: Command,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let begins_anew = matches!(command, Command::Join(_) | Command::Next);
        self.on_the_floor(|floor, now| {
            let Some(session) = outbox.session() else {
                return Ok(());
            };
            if begins_anew {
                floor.take_measures(session, outbox.network());
            }
            let let_pass = floor.lobby.moves_let_pass();
            floor.lobby.handle(now, session, command, answers)?;
            if floor.lobby.moves_let_pass() > let_pass {
                self.refusals.let_pass(Limit::Moves);
            }
            if begins_anew {
                floor.lines[session].forget_left_chat();
            }
            Ok(())
        })
    }

    /// A connection asks for an earlier session instead of its own.
    pub(super) fn resume(
        &self,
        outbox: &Outbox,
        token: ResumeToken,
        seen: Seen,
        id: Option<MessageId>,
    ) -> Result<(), WireError> {
        let began = self.telemetry.now();
        let outcome = self.on_the_floor(|floor, now| {
            let Some(fresh) = outbox.session() else {
                return Ok(());
            };
            let session = floor.lobby.find_resumable(fresh, token);
            let seen = session.map_or(Ok(seen), |session| floor.check_seen(session, seen))?;
            floor
                .lobby
                .resume(now, fresh, token, seen, id.clone())
                .map(drop)
        });
        let is_resumed = outcome.is_ok();
        self.telemetry.done(Step::Resume { is_resumed }, began);
        outcome.map_err(|refusal| WireError::from_refusal(&refusal, id))
    }

    /// A connection has ended. Nothing happens if its session goes on elsewhere, or has ended already.
    pub(super) fn disconnect(&self, outbox: &Outbox, departure: Departure) {
        self.on_the_floor(|floor, now| {
            if let Some(session) = outbox.leave_session() {
                floor.take_connection(session);
                floor.lobby.disconnect(now, session, departure);
            }
        });
    }

    /// A connection's socket takes nothing more for now.
    pub(super) fn stalled(&self, outbox: &Arc<Outbox>) {
        self.stalls.stalled(outbox, self.now());
    }

    pub(super) fn is_waiting(&self, outbox: &Outbox) -> bool {
        let floor = self.floor.lock();
        let state = outbox.session().and_then(|id| floor.lobby.state(id));
        state == Some(StateName::Waiting)
    }

    /// Tells everybody that the server stops, and ends their connections bit by bit.
    pub(super) fn drain(&self) {
        self.on_the_floor(|floor, now| {
            floor.lobby.drain(now);
        });
    }

    /// Lets those stay whose connections have not been ended yet, and others come.
    pub(super) fn cancel_drain(&self) {
        self.on_the_floor(|floor, now| {
            floor.lobby.cancel_drain(now);
        });
    }

    /// Ends a session for an operator. Returns whether there was such a session.
    pub(super) fn remove(&self, session: SessionId) -> bool {
        self.on_the_floor(|floor, now| floor.lobby.remove(now, session))
    }

    /// Where everybody is who waits or chats and is connected. O(sessions), and nobody joins meanwhile.
    pub(super) fn positions(&self) -> Vec<Position> {
        self.floor.lock().lobby.positions().collect()
    }

    /// Sessions, and how many of them wait.
    pub(super) fn census(&self) -> (usize, usize) {
        let floor = self.floor.lock();
        (floor.lobby.len(), floor.lobby.waiting_len())
    }

    /// How many sessions there are, and what they do.
    pub(super) fn doing(&self) -> (usize, Doing) {
        let floor = self.floor.lock();
        (floor.lobby.len(), floor.lobby.doing())
    }

    /// What has happened in the lobby so far, and how many of those who wait each search has looked at.
    pub(super) fn tally(&self) -> (Tally, Distribution) {
        let floor = self.floor.lock();
        (floor.lobby.tally().clone(), floor.lobby.looked_at().clone())
    }

    /// How many messages had numbers that did not follow those before. Anything but 0 is a bug.
    pub(super) fn seq_gaps(&self) -> u64 {
        self.seq_gaps.load(Ordering::Relaxed)
    }

    /// Handles deadlines as they come, for as long as it is polled.
    pub(super) async fn run_timer(&self) {
        loop {
            let next = self.handle_deadlines();
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

    /// Handles the deadlines that have come, a bounded number of them, and says when the next comes.
    fn handle_deadlines(&self) -> Option<Moment> {
        self.on_the_floor(|floor, now| {
            floor.lobby.handle_timeout(now);
            floor.timer = floor.lobby.poll_timeout();
            floor.timer
        })
    }

    /// Pings those who have been silent and gives up those who stay silent, for as long as it is polled.
    pub(super) async fn run_wheel(&self) {
        let mut ticks = tokio::time::interval(Wheel::TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.now();
            self.wheel.lock().turn(now);
            self.expiries.lock().turn(self.now_s());
            self.stalls.look(now);
        }
    }

    /// One change of the lobby, with its effects carried out.
    fn on_the_floor<R>(&self, change: impl FnOnce(&mut Floor, Moment) -> R) -> R {
        let mut floor = self.floor.lock();
        let now = self.clock.now();
        // Left over only if a change panicked halfway.
        floor.settle(now);
        let result = change(&mut floor, now);
        floor.settle(now);
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

fn settings(config: &Config) -> Settings {
    let (matching, limits) = (&config.matching, &config.limits);
    Settings {
        grid: config.grid(),
        cool_off: seconds(matching.rematch_cooloff_s),
        wait_max: seconds(matching.max_wait_s),
        slow: seconds(config.moderation.slow_s),
        first_message: seconds(limits.first_message_s),
        widen_step: seconds(matching.widen_step_s),
        widen_factor: matching.widen_factor,
        heard_within: seconds(matching.heard_within_s),
        confirm: seconds(matching.confirm_s),
        resume_window: Duration::from_secs(limits.resume_window_s.into()),
        away_max: limits.max_away,
        moves_burst: limits.moves_burst,
        move_every: every(limits.moves_per_minute).unwrap_or_default(),
        moves_dry_run: limits.moves_dry_run,
        moves_free_km: limits.moves_free_km,
        reconnect_spread: seconds(limits.reconnect_spread_s),
        drain: seconds(limits.drain_s),
    }
}

impl Floor {
    /// Carries out what the lobby wants done.
    fn settle(&mut self, now: Moment) {
        loop {
            while let Some(effect) = self.lobby.poll_effect() {
                self.carry_out(now, effect);
            }
            let Some(session) = self.alive.pop_front() else {
                return;
            };
            self.lobby.heard(now, session);
        }
    }

    fn carry_out(&mut self, now: Moment, effect: Effect) {
        match effect {
            Effect::Tell { to, event, answers } => {
                let Some(line) = self.lines.get_mut(to) else {
                    return;
                };
                if let Event::PartnerLeft { reason } = event {
                    line.left = Some(reason);
                }
                if let Some(outbox) = &line.outbox {
                    let pass = self.safety.as_ref().and_then(|safety| {
                        let guest = line.guest.as_mut()?;
                        safety.pass_with(&event, guest)
                    });
                    let answers = answers.as_ref();
                    outbox.tell(match &pass {
                        Some(pass) => Outgoing::Pass {
                            event: &event,
                            answers,
                            pass,
                        },
                        None => Outgoing::Lobby(&event, answers),
                    });
                }
            }
            Effect::Probe { session } => {
                let within = self.heard_within;
                if let Some(outbox) = self.outbox(session)
                    && outbox.probe(now, within)
                {
                    self.alive.push_back(session);
                }
            }
            Effect::OpenChat {
                chat,
                between,
                waited_ms,
                confirmed_ms,
            } => {
                self.open_chat(now, chat, between);
                let found_ago = Duration::from_millis(confirmed_ms);
                let found = self
                    .telemetry
                    .now()
                    .and_then(|now| now.checked_sub(found_ago));
                self.telemetry.done(Step::Match { waited_ms }, found);
            }
            Effect::CloseChat { between } => self.close_chat(between),
            Effect::Resume {
                session,
                fresh,
                seen,
                resumed,
                answers,
            } => {
                let back = Back {
                    session,
                    resumed: &resumed,
                    answers: answers.as_ref(),
                    seq_gaps: &Arc::clone(&self.seq_gaps),
                };
                self.resume(fresh, seen, &back);
            }
            Effect::Close { session, farewell } => self.close(session, farewell),
            Effect::Forget {
                session,
                known_as,
                known,
                has_met,
            } => {
                let guest = self.lines.remove(session).and_then(|line| line.guest);
                if let Some(guest) = guest {
                    self.guests
                        .leave(now, session, known_as, &guest, known, has_met);
                }
            }
            Effect::Report {
                by,
                of,
                report,
                answers,
            } => self.report(by, of, report, answers),
        }
    }

    fn close(&mut self, session: SessionId, farewell: Farewell) {
        let Some(outbox) = self.take_connection(session) else {
            return;
        };
        outbox.leave_session();
        match farewell {
            Farewell::NoFirstMessage => {
                outbox.hang_up(CloseCode::NoFirstMessage, "nothing was said in time");
            }
            Farewell::NoPong => outbox.hang_up(CloseCode::NoPong, "a ping was not answered"),
            Farewell::Replaced => {
                outbox.hang_up(CloseCode::Replaced, "the session was resumed elsewhere");
            }
            Farewell::GoingAway => outbox.hang_up_going_away(),
            Farewell::Removed => outbox.hang_up_removed(),
        }
    }

    /// Takes a session's connection from it. Its seat, if it has one, stays with the session.
    fn take_connection(&mut self, session: SessionId) -> Option<Arc<Outbox>> {
        let line = self.lines.get_mut(session)?;
        let outbox = line.outbox.take()?;
        if let Some(seat) = outbox.leave_seat() {
            seat.go_away();
            line.seat = Some(seat);
        }
        Some(outbox)
    }

    /// Gives a session the connection of a fresh one, and tells it what it has missed.
    fn resume(&mut self, fresh: SessionId, seen: Seen, back: &Back<'_>) {
        let Some(outbox) = self.lines.remove(fresh).and_then(|line| line.outbox) else {
            return;
        };
        outbox.join_session(back.session);
        let last_chat = self.lobby.last_chat(back.session);
        let line = &mut self.lines[back.session];
        // Of a chat that is over, only who takes it to go on is told, or who can't say and was never told.
        let is_interested = match seen.chat {
            Some(_) => seen.chat == last_chat,
            None => line.left.is_none(),
        };
        match line.seat.take() {
            Some(seat) if is_interested || !seat.is_over() => {
                if seat.come_back(&outbox, seen.last_seq, back) {
                    outbox.take_seat(seat);
                } else {
                    line.seat = Some(seat);
                    if let Some(reason) = line.left {
                        outbox.tell(Outgoing::Lobby(&Event::PartnerLeft { reason }, None));
                    }
                }
            }
            seat => {
                line.seat = seat;
                back.tell(&outbox, true, [].iter());
            }
        }
        line.outbox = Some(outbox);
    }

    /// Whether a client can have seen what it says that it has. Whatever it has seen of another chat than the
    /// session's last, it has seen nothing of that one.
    fn check_seen(&self, session: SessionId, seen: Seen) -> Result<Seen, Refusal> {
        let nothing = Seen {
            last_seq: 0,
            ..seen
        };
        if seen.chat.is_some() && seen.chat != self.lobby.last_chat(session) {
            return Ok(nothing);
        }
        let line = &self.lines[session];
        if line.left.is_some() && seen.chat.is_none() {
            return Ok(seen);
        }
        let seat = self.seat(session).or_else(|| line.seat.clone());
        match seat.map(|seat| seat.has_been_told(seen.last_seq)) {
            None | Some(true) => Ok(seen),
            // It does not say of which chat, and has not heard of the last.
            Some(false) if seen.chat.is_none() && seen.last_seq <= line.said_before => Ok(nothing),
            Some(false) => Err(Refusal::BadToken),
        }
    }

    /// Lets two sessions talk. The lobby tells both of the match next, and before it has, nothing that is
    /// said gets through: nobody hears from a partner they don't know of.
    fn open_chat(&mut self, now: Moment, id: ChatId, between: [SessionId; 2]) {
        let outboxes = between.map(|session| self.outbox(session).cloned());
        let can_resume = [0, 1].map(|side: usize| {
            let outbox = outboxes[side].as_ref();
            outbox.is_some_and(|outbox| outbox.dialect() == Dialect::V1)
        });
        let conversation = match &self.safety {
            Some(_) => Conversation::new(can_resume).with_transcript(),
            None => Conversation::new(can_resume),
        };
        for session in between {
            if let Some(line) = self.lines.get_mut(session) {
                line.past = None;
            }
        }
        let chat = Arc::new(Chat {
            id,
            talk: Mutex::new(Talk {
                conversation,
                outboxes: outboxes.clone(),
                told: Default::default(),
                held: Default::default(),
            }),
        });
        let _quiet = chat.talk.lock();
        for (side, outbox) in [Side::First, Side::Second].into_iter().zip(outboxes) {
            if let Some(outbox) = outbox {
                outbox.take_seat(ChatSeat {
                    chat: Arc::clone(&chat),
                    side,
                });
            }
        }
        for _ in between {
            if let Some(effect) = self.lobby.poll_effect() {
                self.carry_out(now, effect);
            }
        }
    }

    /// After this, nothing that either says is accepted. The seat of who was left is kept if its client can
    /// resume, since what it was told last may be lost with its connection.
    fn close_chat(&mut self, [leaver, partner]: [SessionId; 2]) {
        for session in [leaver, partner] {
            let Some(line) = self.lines.get_mut(session) else {
                continue;
            };
            let seat = match &line.outbox {
                Some(outbox) => outbox.leave_seat(),
                None => line.seat.take(),
            };
            let Some(seat) = seat else {
                continue;
            };
            line.said_before = seat.close(session == leaver);
            line.past = self.safety.is_some().then(|| seat.clone());
            let can_resume = match &line.outbox {
                Some(outbox) => outbox.dialect() == Dialect::V1,
                None => true,
            };
            if session == partner && can_resume {
                line.seat = Some(seat);
            }
        }
    }

    fn outbox(&self, session: SessionId) -> Option<&Arc<Outbox>> {
        self.lines.get(session)?.outbox.as_ref()
    }

    fn seat(&self, session: SessionId) -> Option<ChatSeat> {
        let line = self.lines.get(session)?;
        match &line.outbox {
            Some(outbox) => outbox.seat(),
            None => line.seat.clone(),
        }
    }
}
