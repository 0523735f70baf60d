//! The state machine: all transitions of all sessions.

use super::deadlines::Deadlines;
use super::session::{Chatting, Criteria, Session, State, Waiting};
use super::{
    ChatId, Command, Distance, Effect, Event, Farewell, IdleReason, Join, MessageId,
    PartnerLeftReason, Refusal, SessionId, StateName, Update,
};
use crate::geo::{Place, PrivacyGrid, geodesic_m};
use crate::matching::{Arrival, Candidate, Matchmaker, Nearby, RecentPartners};
use crate::moment::Moment;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
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
    /// How long a connection may say nothing at first.
    pub first_message: Duration,
    /// Over how long clients are asked to spread their return when the server stops.
    pub reconnect_spread: Duration,
}

/// All sessions and everything they may do. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Lobby {
    settings: Settings,
    /// Chat names and the spread of returns; given by the caller, so that a seed replays.
    random: StdRng,
    sessions: SlotMap<SessionId, Session>,
    /// Holds a ticket for exactly the sessions that wait.
    matchmaker: Matchmaker<SessionId>,
    deadlines: Deadlines,
    effects: VecDeque<Effect>,
}

impl Lobby {
    /// A lobby with nobody in it.
    pub fn new(settings: Settings, random: StdRng) -> Self {
        Self {
            settings,
            random,
            sessions: SlotMap::with_key(),
            matchmaker: Matchmaker::new(),
            deadlines: Deadlines::default(),
            effects: VecDeque::new(),
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many sessions wait.
    pub fn waiting_len(&self) -> usize {
        self.matchmaker.room().len()
    }

    /// The state of a session, if it is here.
    pub fn state(&self, session: SessionId) -> Option<StateName> {
        self.sessions.get(session).map(Session::state_name)
    }

    /// The next thing to do, in order. To be drained after every change.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front();
        if self.effects.is_empty() && self.effects.capacity() > 1024 {
            // A drain tells everybody at once; what that took is not kept.
            self.effects = VecDeque::new();
        }
        effect
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadlines.next()
    }

    /// A new session, for a new connection.
    pub fn connect(&mut self, now: Moment) -> SessionId {
        self.assert_drained();
        let by = now + self.settings.first_message;
        let id = self.sessions.insert(Session::new(by));
        self.reschedule(id);
        id
    }

    /// A session's connection said something, whatever it was; the time for a first message stops.
    pub fn heard(&mut self, session: SessionId) {
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
        self.heard(session);
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
                self.stop_waiting(session);
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
            (StateName::Idle, Command::Next) if self.session_mut(session).has_chatted => {
                self.wait(now, session, answers);
                Ok(())
            }
            (_, Command::Next) => wrong_state("in a chat or idle after one"),
        }
    }

    /// A session's connection has ended, and the session with it. `reason` is what a partner is told.
    pub fn disconnect(&mut self, now: Moment, session: SessionId, reason: PartnerLeftReason) {
        self.assert_drained();
        match self.session_mut(session).state_name() {
            StateName::Idle => {}
            StateName::Waiting => self.stop_waiting(session),
            StateName::Chatting => self.end_chat(now, session, reason),
        }
        let deadline = self.session_mut(session).deadline;
        self.deadlines.reschedule(session, deadline, None);
        self.sessions.remove(session);
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

    /// The server stops: tells everybody when to come back, and ends their connections.
    pub fn drain(&mut self) {
        self.assert_drained();
        let spread_ms =
            u64::try_from(self.settings.reconnect_spread.as_millis()).unwrap_or(u64::MAX);
        for session in self.sessions.keys() {
            let reconnect_after_ms = self.random.random_range(0..=spread_ms);
            self.effects.push_back(Effect::Tell {
                to: session,
                event: Event::GoingAway { reconnect_after_ms },
                answers: None,
            });
            self.effects.push_back(Effect::Close {
                session,
                farewell: Farewell::GoingAway,
            });
        }
    }

    fn join(
        &mut self,
        now: Moment,
        session: SessionId,
        join: Join,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        if join.range_max.is_some_and(|max| max < join.range) {
            return Err(Refusal::RangeMaxBelowRange {
                range_km: join.range.km(),
            });
        }
        self.session_mut(session).criteria = Some(Box::new(Criteria {
            place: Place::new(self.settings.grid.snap(join.position)),
            range: join.range,
            range_max: join.range_max,
            profile: join.profile,
            give_up: join.give_up,
        }));
        self.wait(now, session, answers);
        Ok(())
    }

    /// Lets an idle session wait by the criteria it has, and pairs it if somebody is there.
    fn wait(&mut self, now: Moment, id: SessionId, answers: Option<MessageId>) {
        let wait_max = self.settings.wait_max;
        let session = &mut self.sessions[id];
        let criteria = session
            .criteria
            .as_ref()
            .expect("criteria come before waiting");
        let (place, range) = (criteria.place, criteria.range);
        let give_up_at = criteria.give_up.map(|after| now + after);
        let mut recent = std::mem::take(&mut session.recent);
        recent.forget_expired(now);
        let candidate = Candidate { who: id, recent };
        match self.matchmaker.arrive(candidate, place, range, now) {
            Arrival::Waits(ticket) => {
                session.state = State::Waiting(Waiting {
                    ticket,
                    since: now,
                    give_up_at,
                    expires_at: now + wait_max,
                    look_again_at: self.matchmaker.next_cool_off_end(ticket),
                });
                self.tell_waiting(now, id, now, false, answers);
                self.reschedule(id);
            }
            Arrival::Paired { arrived, waited } => {
                self.tell_waiting(now, id, now, true, answers);
                self.pair(arrived, waited);
            }
        }
    }

    fn update(
        &mut self,
        now: Moment,
        id: SessionId,
        update: Update,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let session = &mut self.sessions[id];
        let State::Waiting(waiting) = &mut session.state else {
            unreachable!("only a waiting session is updated");
        };
        let criteria = session.criteria.as_mut().expect("who waits has criteria");
        let range = update.range.unwrap_or(criteria.range);
        if update.range_max.is_some_and(|max| max < range) {
            return Err(Refusal::RangeMaxBelowRange {
                range_km: range.km(),
            });
        }
        criteria.range = range;
        // An earlier limit that a new range has passed has nothing left to widen to.
        criteria.range_max = update
            .range_max
            .or(criteria.range_max.filter(|max| *max >= range));
        if let Some(position) = update.position {
            criteria.place = Place::new(self.settings.grid.snap(position));
        }
        if let Some(name) = update.name {
            // As in a join: an empty name is none.
            criteria.profile.name = Some(name).filter(|name| !name.is_empty());
        }
        if let Some(interests) = update.interests {
            criteria.profile.interests = interests;
        }
        if let Some(give_up) = update.give_up {
            criteria.give_up = Some(give_up);
            waiting.give_up_at = Some(now + give_up);
        }
        let (ticket, since) = (waiting.ticket, waiting.since);
        let paired = self
            .matchmaker
            .change(ticket, criteria.place, criteria.range, now);
        self.tell_waiting(now, id, since, paired.is_some(), answers);
        match paired {
            Some((changed, other)) => self.pair(changed, other),
            None => self.reschedule(id),
        }
        Ok(())
    }

    /// The end of every wait that finds somebody, and the only place where chats begin. Both have left
    /// the waiting room.
    fn pair(&mut self, a: Candidate<SessionId>, b: Candidate<SessionId>) {
        assert_ne!(a.who, b.who, "nobody is their own partner");
        let chat = ChatId(self.random.next_u64());
        let between = [a.who, b.who];
        self.start_chatting(a.who, b.who, a.recent);
        self.start_chatting(b.who, a.who, b.recent);
        self.effects.push_back(Effect::OpenChat { chat, between });
        let criteria = between.map(|id| self.sessions[id].criteria.as_ref());
        let [Some(first), Some(second)] = criteria else {
            unreachable!("who was waiting has criteria");
        };
        let distance = Distance::from(geodesic_m(&first.place, &second.place));
        let seen = [
            first.profile.sees(&second.profile),
            second.profile.sees(&first.profile),
        ];
        for (to, partner) in between.into_iter().zip(seen) {
            self.effects.push_back(Effect::Tell {
                to,
                event: Event::Matched {
                    chat,
                    partner,
                    distance,
                },
                answers: None,
            });
        }
    }

    fn start_chatting(
        &mut self,
        id: SessionId,
        partner: SessionId,
        recent: RecentPartners<SessionId>,
    ) {
        let session = self.session_mut(id);
        assert!(
            !matches!(session.state, State::Chatting(_)),
            "nobody is in two chats"
        );
        session.state = State::Chatting(Chatting { partner });
        session.recent = recent;
        session.has_chatted = true;
        self.reschedule(id);
    }

    /// Ends the chat of `leaver`, tells the partner, and leaves both idle.
    fn end_chat(&mut self, now: Moment, leaver: SessionId, reason: PartnerLeftReason) {
        let State::Chatting(Chatting { partner }) = self.session_mut(leaver).state else {
            unreachable!("only a chat is left");
        };
        let until = now + self.settings.cool_off;
        for (id, other) in [(leaver, partner), (partner, leaver)] {
            let session = self.session_mut(id);
            session.state = State::Idle {
                first_message_by: None,
            };
            if now < until {
                session.recent.remember(other, until);
            }
        }
        self.effects.push_back(Effect::CloseChat {
            between: [leaver, partner],
        });
        self.tell(partner, Event::PartnerLeft { reason }, None);
    }

    /// Takes a session out of the waiting room if it is in it, and leaves it idle.
    fn stop_waiting(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        if let State::Waiting(waiting) = &session.state {
            let candidate = self
                .matchmaker
                .withdraw(waiting.ticket)
                .expect("who waits has a ticket");
            session.recent = candidate.recent;
            session.state = State::Idle {
                first_message_by: None,
            };
            self.reschedule(id);
        }
    }

    fn deadline_reached(&mut self, now: Moment, id: SessionId) {
        let session = &mut self.sessions[id];
        match &mut session.state {
            State::Idle { first_message_by } => {
                *first_message_by = None;
                self.effects.push_back(Effect::Close {
                    session: id,
                    farewell: Farewell::NoFirstMessage,
                });
            }
            State::Waiting(waiting) if waiting.give_up_at.is_some_and(|at| at <= now) => {
                self.stop_waiting(id);
                self.tell_idle(id, IdleReason::GaveUp, None);
            }
            State::Waiting(waiting) if waiting.expires_at <= now => {
                self.stop_waiting(id);
                self.tell_idle(id, IdleReason::Expired, None);
            }
            State::Waiting(waiting) => {
                let ticket = waiting.ticket;
                if let Some((asked, other)) = self.matchmaker.look_again(ticket, now) {
                    self.pair(asked, other);
                    return;
                }
                waiting.look_again_at = self.matchmaker.next_cool_off_end(ticket);
            }
            State::Chatting(_) => unreachable!("a chat has no deadline"),
        }
        self.reschedule(id);
    }

    /// `paired` says that a partner has already been found, who still counts as being near by.
    fn tell_waiting(
        &mut self,
        now: Moment,
        id: SessionId,
        since: Moment,
        paired: bool,
        answers: Option<MessageId>,
    ) {
        let criteria = self.sessions[id]
            .criteria
            .as_ref()
            .expect("who waits has criteria");
        let around = self.matchmaker.waiting_around(&criteria.place);
        // In the room, the session counts itself; out of it, its partner is not counted any more.
        let others = if paired { around + 1 } else { around - 1 };
        let event = Event::Waiting {
            range: criteria.range,
            waited_ms: now.millis_since(since),
            nearby: Nearby::from(others),
            requeued: false,
        };
        self.tell(id, event, answers);
    }

    fn tell_idle(&mut self, id: SessionId, reason: IdleReason, answers: Option<MessageId>) {
        self.tell(id, Event::Idle { reason }, answers);
    }

    fn tell(&mut self, to: SessionId, event: Event, answers: Option<MessageId>) {
        self.effects.push_back(Effect::Tell { to, event, answers });
    }

    fn reschedule(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        let after = session.next_deadline();
        let before = std::mem::replace(&mut session.deadline, after);
        self.deadlines.reschedule(id, before, after);
    }

    fn session_mut(&mut self, id: SessionId) -> &mut Session {
        self.sessions
            .get_mut(id)
            .expect("the session is in the lobby")
    }

    fn assert_drained(&self) {
        debug_assert!(
            self.effects.is_empty(),
            "effects are drained between changes"
        );
    }

    /// Panics unless everything kept in two places agrees. For tests and fuzzing; O(n).
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        self.matchmaker.room().assert_invariants();
        let (mut waiting, mut scheduled) = (0, 0);
        for (id, session) in &self.sessions {
            assert_eq!(session.deadline, session.next_deadline());
            scheduled += usize::from(session.deadline.is_some());
            match &session.state {
                State::Idle { .. } => {}
                State::Waiting(state) => {
                    waiting += 1;
                    let ticket = self.matchmaker.room().get(state.ticket);
                    assert_eq!(ticket.expect("who waits has a ticket").who.who, id);
                }
                State::Chatting(chatting) => match &self.sessions[chatting.partner].state {
                    State::Chatting(back) => assert_eq!(back.partner, id),
                    other => panic!("the partner of {id:?} is {other:?}"),
                },
            }
        }
        assert_eq!(waiting, self.matchmaker.room().len());
        assert_eq!(scheduled, self.deadlines.len());
    }
}
