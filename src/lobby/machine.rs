//! The state machine: what comes in, and which part answers it.

use super::deadlines::Deadlines;
use super::estimate::Completions;
use super::session::{Link, Session, Stand, State, Waiting};
use super::{
    Command, Doing, Effect, Event, Farewell, IdleReason, MessageId, PartnerLeftReason, Refusal,
    ResumeToken, SessionId, StateName, Tally,
};
use crate::distribution::Distribution;
use crate::geo::{Position, PrivacyGrid};
use crate::matching::{Acquaintances, Matchmaker};
use crate::moment::Moment;
use rand::RngExt;
use rand::rngs::StdRng;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How many deadlines one call handles, so that whoever holds the lobby lets others in between.
const TIMEOUTS_PER_CALL: usize = 256;

/// What the lobby is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What positions are snapped to.
    pub grid: PrivacyGrid,
    /// How long two partners are not matched again after their chat.
    pub cool_off: Duration,
    /// How long anybody may wait.
    pub wait_max: Duration,
    /// For how long who is slowed is held back each time that they wait.
    pub slow: Duration,
    /// How long a connection may say nothing at first.
    pub first_message: Duration,
    /// After how long a range is widened; zero: never.
    pub widen_step: Duration,
    /// By what it is multiplied then; above 1.
    pub widen_factor: f64,
    /// How long ago a connection may have been heard from to count as alive.
    pub heard_within: Duration,
    /// How long both connections have to be heard from before a match is undone.
    pub confirm: Duration,
    /// How long a session without a connection waits for another; zero: not at all.
    pub resume_window: Duration,
    /// How many sessions may be without a connection; beyond that they end at once.
    pub away_max: usize,
    /// How many moves somebody can make at once.
    pub moves_burst: u32,
    /// After how long they can make one more; zero: at any time.
    pub move_every: Duration,
    /// Whether moves that are too many or too far are only counted.
    pub moves_dry_run: bool,
    /// How many km somebody can move at once; more at the speed of an airliner.
    pub moves_free_km: f64,
    /// Over how long clients are asked to spread their return when the server stops.
    pub reconnect_spread: Duration,
    /// Over how long connections are ended when the server stops.
    pub drain: Duration,
}

/// What a server does that nobody has told otherwise.
impl Default for Settings {
    fn default() -> Self {
        Self {
            grid: PrivacyGrid::new(1.0).expect("1 km is a cell size"),
            cool_off: Duration::from_mins(10),
            wait_max: Duration::from_hours(24),
            slow: Duration::from_mins(1),
            first_message: Duration::from_secs(10),
            widen_step: Duration::from_secs(10),
            widen_factor: 1.5,
            heard_within: Duration::from_secs(2),
            confirm: Duration::from_secs(3),
            resume_window: Duration::from_mins(1),
            away_max: 100_000,
            moves_burst: 5,
            move_every: Duration::from_secs(1),
            moves_dry_run: false,
            moves_free_km: 100_000.0,
            reconnect_spread: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// How a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The client closed it on purpose: the session is over.
    Left,
    /// It broke the rules: the session is over.
    Expelled,
    /// It was lost: the session may be resumed.
    Lost,
}

/// All sessions and everything they may do. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Lobby {
    pub(super) settings: Settings,
    /// Names of chats, tokens and the spread of returns; given by the caller, so that a seed replays.
    pub(super) random: StdRng,
    pub(super) sessions: SlotMap<SessionId, Session>,
    /// Holds a ticket for exactly the sessions that stand in the room.
    pub(super) matchmaker: Matchmaker<SessionId>,
    pub(super) completions: Completions,
    deadlines: Deadlines,
    effects: VecDeque<Effect>,
    /// How many sessions do what.
    pub(super) doing: Doing,
    /// What has happened so far.
    pub(super) tally: Tally,
    /// How many moves were too many or too far, and only counted.
    pub(super) moves_let_pass: u64,
    /// Whether the server stops.
    pub(super) is_draining: bool,
}

impl Lobby {
    /// A lobby with nobody in it.
    pub fn new(settings: Settings, random: StdRng) -> Self {
        Self {
            settings,
            random,
            sessions: SlotMap::with_key(),
            matchmaker: Matchmaker::new(),
            completions: Completions::default(),
            deadlines: Deadlines::default(),
            effects: VecDeque::new(),
            doing: Doing::default(),
            tally: Tally::default(),
            moves_let_pass: 0,
            is_draining: false,
        }
    }

    /// Goes on by other settings. What has begun keeps the deadlines it was given.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How many sessions there are, those without a connection included.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions stand in the waiting room.
    pub fn waiting_len(&self) -> usize {
        self.matchmaker.room().len()
    }

    /// How many moves were too many or too far and have been let pass, as the settings ask.
    pub fn moves_let_pass(&self) -> u64 {
        self.moves_let_pass
    }

    /// How many sessions do what.
    pub fn doing(&self) -> Doing {
        self.doing
    }

    /// What has happened so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many of those who wait each search for a partner so far has looked at.
    pub fn looked_at(&self) -> &Distribution {
        self.matchmaker.looked_at()
    }

    /// Where everybody is who waits or chats and is connected, as it is stored. O(sessions).
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        let is_out =
            |session: &&Session| !session.is_away() && !matches!(session.state, State::Idle { .. });
        let out = self.sessions.values().filter(is_out);
        out.map(|session| session.criteria().place.position())
    }

    /// The state of a session, if it is here.
    pub fn state(&self, session: SessionId) -> Option<StateName> {
        self.sessions.get(session).map(Session::state_name)
    }

    /// What resumes a session.
    ///
    /// # Panics
    /// If the session is not in the lobby.
    pub fn token(&self, session: SessionId) -> ResumeToken {
        self.sessions[session].token
    }

    /// The next thing to do, in order. To be drained after every change.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front();
        if self.effects.is_empty() && self.effects.capacity() > 1024 {
            // A stop tells everybody at once; what that took is not kept.
            self.effects = VecDeque::new();
        }
        effect
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadlines.next()
    }

    /// A new session, for a new connection. If the server stops, its connection ends right away.
    pub fn connect(&mut self, now: Moment, is_resumable: bool) -> SessionId {
        self.assert_drained();
        let by = now + self.settings.first_message;
        let secret = self.random.random();
        let id = self
            .sessions
            .insert_with_key(|id| Session::new(id, ResumeToken::new(id, secret), is_resumable, by));
        if self.is_draining {
            self.send_away(id, now);
        }
        self.reschedule(id);
        id
    }

    /// A session turns out to be somebody's who was here before: others know them as `known_as`, and they
    /// know others. Only before it has met anybody; afterwards it is too late, and nothing happens.
    ///
    /// # Panics
    /// If the session is not in the lobby.
    pub fn introduce(
        &mut self,
        session: SessionId,
        known_as: SessionId,
        mut known: Acquaintances<SessionId>,
    ) {
        // Another session of theirs is no stranger: whom that one met of themselves is nothing to this one.
        let is_own = |who| {
            let session = self.sessions.get(who);
            who == known_as || session.is_some_and(|session| session.known_as == known_as)
        };
        known.forget(is_own);
        let session = self.session_mut(session);
        let is_new = session.chats.is_empty() && matches!(session.state, State::Idle { .. });
        if is_new {
            session.known_as = known_as;
            session.known = known;
        }
    }

    /// Whether a session meets only others of whom that is so, from the next time on that it waits.
    ///
    /// # Panics
    /// If the session is not in the lobby.
    pub fn set_apart(&mut self, session: SessionId, is_apart: bool) {
        self.session_mut(session).is_apart = is_apart;
    }

    /// Whether a session is held back for [`Settings::slow`] each time that it waits, from the next time on: nobody
    /// can be found for it before, and to it that looks like any other wait.
    ///
    /// # Panics
    /// If the session is not in the lobby.
    pub fn set_slow(&mut self, session: SessionId, is_slow: bool) {
        self.session_mut(session).is_slow = is_slow;
    }

    /// What a session is known by to another one: two of the same person tell each other apart.
    pub(super) fn name_to(&self, session: SessionId, other: SessionId) -> SessionId {
        let name = self.sessions[session].known_as;
        if name == self.sessions[other].known_as {
            session
        } else {
            name
        }
    }

    /// What others know a session by, if it is here.
    pub fn known_as(&self, session: SessionId) -> Option<SessionId> {
        let session = self.sessions.get(session)?;
        Some(session.known_as)
    }

    /// A session's connection said something, whatever it was; the time for a first message stops.
    pub fn spoke(&mut self, session: SessionId) {
        if let State::Idle { first_message_by } = &mut self.session_mut(session).state {
            *first_message_by = None;
            self.reschedule(session);
        }
    }

    /// A session asks for something. `answers` is the name of its message, which the direct answer
    /// carries.
    ///
    /// # Errors
    /// [`Refusal`] if it can't be done now. Nothing has changed then, and nobody has been told anything.
    ///
    /// # Panics
    /// If the session is not in the lobby.
    pub fn handle(
        &mut self,
        now: Moment,
        session: SessionId,
        command: Command,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        self.assert_drained();
        self.spoke(session);
        let name = command.name();
        let state = self.session_mut(session).state_name();
        let wrong_state = |allowed| {
            Err(Refusal::WrongState {
                command: name,
                allowed,
                state,
            })
        };
        match (state, command) {
            (StateName::Idle, Command::Join(join)) => self.join(now, session, join, answers),
            (_, Command::Join(_)) => wrong_state("idle"),

            (StateName::Waiting, Command::Update(update)) => {
                self.update(now, session, update, answers)
            }
            (_, Command::Update(_)) => wrong_state("waiting"),

            (StateName::Idle | StateName::Waiting, Command::Cancel) => {
                self.stop_waiting(now, session);
                self.tell_idle(session, IdleReason::Cancelled, answers);
                Ok(())
            }
            (StateName::Chatting, Command::Cancel) => wrong_state("waiting or idle"),

            (StateName::Chatting, Command::Leave) => {
                self.end_chat(now, session, PartnerLeftReason::Left);
                self.tell_idle(session, IdleReason::Left, answers);
                Ok(())
            }
            (_, Command::Leave) => wrong_state("in a chat"),

            (StateName::Chatting, Command::Next) => {
                self.end_chat(now, session, PartnerLeftReason::Left);
                self.wait(now, session, answers);
                Ok(())
            }
            (StateName::Idle, Command::Next) if !self.session_mut(session).chats.is_empty() => {
                self.wait(now, session, answers);
                Ok(())
            }
            (_, Command::Next) => wrong_state("in a chat or idle after one"),

            (_, Command::Block(chat)) => self.block(now, session, chat, answers),
            (_, Command::Report(report)) => self.report(session, report, answers),
        }
    }

    /// Handles the deadlines that have come, a bounded number of them; call it again while
    /// [`poll_timeout`](Self::poll_timeout) is not in the future.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.assert_drained();
        for _ in 0..TIMEOUTS_PER_CALL {
            let Some(session) = self.deadlines.first_due(now) else {
                return;
            };
            self.deadline_reached(now, session);
        }
    }

    fn deadline_reached(&mut self, now: Moment, id: SessionId) {
        let session = self.session_mut(id);
        match session.link {
            Link::Connected {
                drains_at: Some(at),
                ..
            } if at <= now => return self.drained(now, id),
            Link::Away { until, .. } if until <= now => {
                return self.end_session(now, id, PartnerLeftReason::Lost);
            }
            Link::Connected { .. } | Link::Away { .. } => {}
        }
        match &session.state {
            State::Idle { .. } => self.expel(now, id, Farewell::NoFirstMessage),
            State::Waiting(waiting) => match waiting.stand {
                Stand::Confirming(confirming) => self.not_confirmed(now, [id, confirming.partner]),
                Stand::InRoom { .. } | Stand::HeldBack | Stand::Suspended => self.waited(now, id),
            },
            State::Chatting(_) => unreachable!("a chat has no deadline"),
        }
    }

    pub(super) fn tell_idle(
        &mut self,
        id: SessionId,
        reason: IdleReason,
        answers: Option<MessageId>,
    ) {
        self.tell(id, Event::Idle { reason }, answers);
    }

    /// Tells a session something. To one that is away, only how it became idle is told, when it comes back.
    pub(super) fn tell(&mut self, to: SessionId, event: Event, answers: Option<MessageId>) {
        if let Link::Away { missed, .. } = &mut self.session_mut(to).link {
            if matches!(event, Event::Idle { .. } | Event::PartnerLeft { .. }) {
                *missed = Some(event);
            }
            return;
        }
        self.emit(Effect::Tell { to, event, answers });
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// To be called after whatever may have changed a session's deadline.
    pub(super) fn reschedule(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        let after = session.next_deadline();
        let before = std::mem::replace(&mut session.deadline, after);
        self.deadlines.reschedule(id, before, after);
    }

    /// Takes a session out, for ever.
    pub(super) fn forget(&mut self, id: SessionId) {
        let session = self.take_out(id);
        self.doing.away -= usize::from(session.is_away());
        self.emit(Effect::Forget {
            session: id,
            known_as: session.known_as,
            known: session.known,
            has_met: !session.chats.is_empty(),
        });
    }

    /// Takes out a session whose connection goes to another one, and returns it.
    pub(super) fn take_out(&mut self, id: SessionId) -> Session {
        let session = self.sessions.remove(id).expect("it was in the lobby");
        self.deadlines.reschedule(id, session.deadline, None);
        session
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> &mut Session {
        self.sessions
            .get_mut(id)
            .expect("the session is in the lobby")
    }

    pub(super) fn assert_drained(&self) {
        debug_assert!(
            self.effects.is_empty(),
            "effects are drained between changes"
        );
    }

    /// Panics unless everything kept in two places agrees. For tests and fuzzing; O(n).
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        self.matchmaker.room().assert_invariants();
        let (mut in_room, mut scheduled, mut doing) = (0, 0, Doing::default());
        for (id, session) in &self.sessions {
            assert_eq!(session.deadline, session.next_deadline());
            scheduled += usize::from(session.deadline.is_some());
            doing.away += usize::from(session.is_away());
            match &session.state {
                State::Idle { .. } => {}
                State::Waiting(waiting) => {
                    doing.waiting += 1;
                    in_room += usize::from(matches!(waiting.stand, Stand::InRoom { .. }));
                    self.assert_waiting(id, session, waiting);
                }
                State::Chatting(chatting) => {
                    doing.chatting += 1;
                    match &self.sessions[chatting.partner].state {
                        State::Chatting(back) => {
                            assert_eq!((back.partner, back.chat), (id, chatting.chat));
                        }
                        other => panic!("the partner of {id:?} is {other:?}"),
                    }
                }
            }
        }
        assert_eq!(in_room, self.matchmaker.room().len());
        assert_eq!(scheduled, self.deadlines.len());
        assert_eq!(doing, self.doing);
        assert!(!self.sessions.is_empty() || self.matchmaker.is_empty());
    }

    fn assert_waiting(&self, id: SessionId, session: &Session, waiting: &Waiting) {
        let is_suspended = matches!(waiting.stand, Stand::Suspended);
        assert_eq!(session.is_away(), is_suspended);
        let ticket = match waiting.stand {
            Stand::InRoom { ticket, .. } => self.matchmaker.room().get(ticket),
            Stand::HeldBack | Stand::Suspended | Stand::Confirming(_) => {
                waiting.withdrawn.as_deref()
            }
        };
        let ticket = ticket.expect("who waits has a ticket");
        assert_eq!((ticket.who.who, ticket.range), (id, waiting.range));
        if let Stand::Confirming(confirming) = waiting.stand {
            let back = self.sessions[confirming.partner].confirming();
            let back = back.expect("who is being matched is being matched with somebody");
            assert_eq!((back.partner, back.by), (id, confirming.by));
        }
    }
}
