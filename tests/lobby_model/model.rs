//! What the contract says about every session, kept the plain way: a list of people, each with a state.
//!
//! The model is told each change and what the lobby did about it, in that order, and panics where that is
//! not one of the things the contract allows. Where the contract fixes one answer, there is one; where it
//! leaves a choice (which of two people who met again is named first), it follows the lobby's.

use crate::effects::Effects;
use crate::reference::earth::{Degrees, Reach, geodesic_m};
use crate::reference::nearest::{Standing, check_choice, mutual_reach};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;
use whisperchat::geo::Range;
use whisperchat::lobby::{
    CHATS_REMEMBERED_MAX, ChatId, Command, Distance, Effect, Event, Farewell, IdleReason, Join,
    Matched, MessageId, Name, Partner, PartnerLeftReason, Profile, Refusal, SessionId, Settings,
    StateName, Update,
};
use whisperchat::matching::{Nearby, PASSED_OVER_MAX, RECENT_PARTNERS_MAX};
use whisperchat::moment::Moment;

/// Everybody, as they should be.
pub(crate) struct Model {
    settings: Settings,
    people: BTreeMap<SessionId, Person>,
    /// Counts those who began to wait.
    turns: u64,
    /// Whose connections the server has ended because it stops.
    going: BTreeSet<SessionId>,
    sessions_ever: HashSet<SessionId>,
    chats_ever: HashSet<ChatId>,
}

struct Person {
    state: State,
    /// Whether they are held back when they wait.
    is_slow: bool,
    criteria: Option<Criteria>,
    /// Whom they have met and until when they are not to meet again; the latest last.
    met: VecDeque<(SessionId, Moment)>,
    blocked: HashSet<SessionId>,
    chats: Vec<(ChatId, SessionId)>,
}

#[derive(Clone, Copy)]
enum State {
    Idle {
        first_message_by: Option<Moment>,
    },
    Waiting {
        since: Moment,
        /// Until when nobody can be found for them, if that is not over.
        held_until: Option<Moment>,
        turn: u64,
        give_up_at: Option<Moment>,
        expires_at: Moment,
        /// How often somebody else was taken by people it was eligible for.
        passed_over: u8,
    },
    Chatting {
        chat: ChatId,
        partner: SessionId,
    },
}

struct Criteria {
    at: Degrees,
    range: Range,
    profile: Profile,
    give_up: Option<Duration>,
}

impl Model {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            people: BTreeMap::new(),
            turns: 0,
            going: BTreeSet::new(),
            sessions_ever: HashSet::new(),
            chats_ever: HashSet::new(),
        }
    }

    // What is to be seen from outside.

    pub(crate) fn states(&self) -> impl Iterator<Item = (SessionId, StateName)> {
        self.people.iter().map(|(id, person)| (*id, person.name()))
    }

    pub(crate) fn len(&self) -> usize {
        self.people.len()
    }

    /// How many can be found.
    pub(crate) fn waiting_len(&self) -> usize {
        self.in_room().count()
    }

    /// When somebody is let into the room who is held back.
    pub(crate) fn next_let_in(&self) -> Option<Moment> {
        self.held().map(|(_, until)| until).min()
    }

    /// When the lobby must do something by itself at the latest.
    pub(crate) fn next_due(&self, now: Moment) -> Option<Moment> {
        let own = self
            .people
            .values()
            .filter_map(|person| match person.state {
                State::Idle { first_message_by } => first_message_by,
                State::Waiting {
                    give_up_at,
                    expires_at,
                    ..
                } => Some(give_up_at.map_or(expires_at, |at| at.min(expires_at))),
                State::Chatting { .. } => None,
            });
        let let_in = self.next_let_in();
        own.chain(self.reunions(now)).chain(let_in).min()
    }

    /// The promise: nobody waits while an eligible partner waits.
    pub(crate) fn assert_nobody_waits_in_vain(&self, now: Moment) {
        for (id, _) in self.in_room() {
            let seeker = self.standing(id);
            for other in self.eligible(id, now) {
                let reach = mutual_reach(&seeker, &other);
                assert!(reach != Reach::Within, "{seeker:?} and {other:?} both wait");
            }
        }
    }

    // What happens.

    pub(crate) fn connected(&mut self, now: Moment, id: SessionId) {
        assert!(
            self.sessions_ever.insert(id),
            "a session's name is never used again"
        );
        let person = Person {
            state: State::Idle {
                first_message_by: Some(now + self.settings.first_message),
            },
            is_slow: false,
            criteria: None,
            met: VecDeque::new(),
            blocked: HashSet::new(),
            chats: Vec::new(),
        };
        self.people.insert(id, person);
    }

    pub(crate) fn heard(&mut self, id: SessionId) {
        if let State::Idle { first_message_by } = &mut self.person(id).state {
            *first_message_by = None;
        }
    }

    pub(crate) fn slowed(&mut self, id: SessionId, is_slow: bool) {
        self.person(id).is_slow = is_slow;
    }

    pub(crate) fn disconnected(
        &mut self,
        now: Moment,
        id: SessionId,
        is_lost: bool,
        effects: &mut Effects,
    ) {
        if let State::Chatting { .. } = self.person(id).state {
            let reason = if is_lost {
                PartnerLeftReason::Lost
            } else {
                PartnerLeftReason::Left
            };
            self.left(now, id, reason, effects);
        }
        self.gone(id, effects);
    }

    fn gone(&mut self, id: SessionId, effects: &mut Effects) {
        self.people.remove(&id);
        effects.expect_forgotten(id);
    }

    /// A command and what came of it.
    pub(crate) fn commanded(
        &mut self,
        now: Moment,
        id: SessionId,
        command: Command,
        answers: Option<&MessageId>,
        result: Result<(), Refusal>,
        effects: &mut Effects,
    ) {
        self.heard(id);
        if let Some(expected) = self.refusal(id, &command) {
            let refusal = result.expect_err("this command is to be refused");
            assert!(
                is_same_refusal(expected, refusal),
                "{refusal:?} instead of {expected:?}"
            );
            return;
        }
        result.expect("this command is to be accepted");
        match command {
            Command::Join(join) => {
                self.person(id).criteria = Some(self.criteria(join));
                self.began_to_wait(now, id, answers, effects);
            }
            Command::Update(update) => self.updated(now, id, update, answers, effects),
            Command::Cancel => {
                self.person(id).state = State::QUIET;
                let reason = IdleReason::Cancelled;
                effects.expect_told(id, &Event::Idle { reason }, answers);
            }
            Command::Leave => {
                self.left(now, id, PartnerLeftReason::Left, effects);
                let reason = IdleReason::Left;
                effects.expect_told(id, &Event::Idle { reason }, answers);
            }
            Command::Next => {
                if let State::Chatting { .. } = self.person(id).state {
                    self.left(now, id, PartnerLeftReason::Left, effects);
                }
                self.began_to_wait(now, id, answers, effects);
            }
            Command::Block(chat) => self.blocked(now, id, chat, answers, effects),
            Command::Report(report) => {
                let reported = Effect::Report {
                    by: id,
                    of: self.partner_in(id, report.chat),
                    report,
                    answers: answers.cloned(),
                };
                assert_eq!(effects.take(), Some(reported));
            }
        }
    }

    /// Time has come to `now` and the lobby did what was due.
    pub(crate) fn time_passed(&mut self, now: Moment, effects: &mut Effects) {
        while let Some(effect) = effects.peek() {
            match *effect {
                // Who was looked for is heard first, and who looked makes it a chat.
                Effect::OpenChat {
                    between: [found, seeker],
                    ..
                } => {
                    if self.is_held(seeker) {
                        self.let_in(now, Some(seeker));
                    }
                    self.met_again(now, seeker, found, effects);
                }
                Effect::Tell {
                    to,
                    event: Event::Idle { reason },
                    ..
                } => {
                    self.stopped_waiting(now, to, reason);
                    effects.expect_told(to, &Event::Idle { reason }, None);
                }
                Effect::Close {
                    session,
                    farewell: Farewell::NoFirstMessage,
                } => {
                    let State::Idle {
                        first_message_by: Some(by),
                    } = self.person(session).state
                    else {
                        panic!("{session:?} is not waited for");
                    };
                    assert!(by <= now, "{session:?} has until {by:?}");
                    effects.skip();
                    self.gone(session, effects);
                }
                // The server stops. Partners may go together, without a word about each other.
                Effect::Close {
                    session,
                    farewell: Farewell::GoingAway,
                } => {
                    effects.skip();
                    self.going.insert(session);
                }
                Effect::CloseChat { between: [a, b] } => {
                    let gone = if self.going.contains(&a) { a } else { b };
                    self.left(now, gone, PartnerLeftReason::Lost, effects);
                }
                Effect::Forget { session, .. } => {
                    assert!(self.going.remove(&session), "{session:?} is to stay");
                    self.gone(session, effects);
                }
                ref other => panic!("{other:?} has no reason"),
            }
        }
        self.let_in(now, None);
    }

    /// Those come into the room whose time has come, one after the other, up to somebody who finds a partner there.
    /// Nobody before them does.
    fn let_in(&mut self, now: Moment, up_to: Option<SessionId>) {
        let is_due = |(id, until): (SessionId, Moment)| (until <= now).then_some(id);
        let due: Vec<_> = self.held().filter_map(is_due).collect();
        for id in due {
            let State::Waiting { held_until, .. } = &mut self.person(id).state else {
                unreachable!("who is held back waits");
            };
            *held_until = None;
            if up_to == Some(id) {
                return;
            }
            self.check_choice(now, id, None);
        }
        assert_eq!(up_to, None, "it is held back still");
    }

    /// The server stops: everybody is told when to come back.
    pub(crate) fn drained(&self, effects: &mut Effects) {
        let spread = self.settings.reconnect_spread;
        let mut told = BTreeSet::new();
        while let Some(Effect::Tell {
            to,
            event,
            answers: None,
        }) = effects.take()
        {
            let Event::GoingAway { reconnect_after_ms } = event else {
                panic!("{event:?} is not about the drain");
            };
            assert!(u128::from(reconnect_after_ms) <= spread.as_millis());
            told.insert(to);
        }
        assert!(told.iter().eq(self.people.keys()), "everybody is told");
    }

    // The parts of it.

    /// Why a command must be refused, if it must.
    fn refusal(&self, id: SessionId, command: &Command) -> Option<Refusal> {
        let person = &self.people[&id];
        let state = person.name();
        let is_possible = match command {
            Command::Join(_) => state == StateName::Idle,
            Command::Update(_) => state == StateName::Waiting,
            Command::Cancel => state != StateName::Chatting,
            Command::Leave => state == StateName::Chatting,
            Command::Next => match state {
                StateName::Idle => !person.chats.is_empty(),
                StateName::Waiting => false,
                StateName::Chatting => true,
            },
            Command::Block(_) | Command::Report(_) => true,
        };
        if !is_possible {
            let (command, allowed) = (command.name(), "");
            return Some(Refusal::WrongState {
                command,
                allowed,
                state,
            });
        }
        let (range, range_max) = match command {
            Command::Block(chat) => return self.unknown(id, *chat),
            Command::Report(report) => return self.unknown(id, report.chat),
            Command::Join(join) => (join.range, join.range_max),
            Command::Update(update) => {
                let before = person.criteria.as_ref().map(|criteria| criteria.range);
                (update.range.or(before)?, update.range_max)
            }
            _ => return None,
        };
        let range_km = range.km();
        (range_max? < range).then_some(Refusal::RangeMaxBelowRange { range_km })
    }

    fn unknown(&self, id: SessionId, chat: ChatId) -> Option<Refusal> {
        let chats = &self.people[&id].chats;
        let remembered = &chats[chats.len().saturating_sub(CHATS_REMEMBERED_MAX)..];
        let is_known = remembered.iter().any(|(known, _)| *known == chat);
        (!is_known).then_some(Refusal::NoSuchChat)
    }

    /// With whom a session has or had this chat.
    fn partner_in(&mut self, id: SessionId, chat: ChatId) -> SessionId {
        let mut chats = self.person(id).chats.iter();
        let found = chats.find(|(known, _)| *known == chat);
        found.expect("it is one of this session's").1
    }

    fn blocked(
        &mut self,
        now: Moment,
        id: SessionId,
        chat: ChatId,
        answers: Option<&MessageId>,
        effects: &mut Effects,
    ) {
        let other = self.partner_in(id, chat);
        let person = self.person(id);
        person.blocked.insert(other);
        let is_going_on =
            matches!(person.state, State::Chatting { chat: current, .. } if current == chat);
        effects.expect_told(id, &Event::Blocked { chat }, answers);
        if is_going_on {
            self.left(now, id, PartnerLeftReason::Blocked, effects);
            let reason = IdleReason::Left;
            effects.expect_told(id, &Event::Idle { reason }, None);
        }
    }

    fn criteria(&self, join: Join) -> Criteria {
        Criteria {
            at: self.settings.grid.snap(join.position).into(),
            range: join.range,
            profile: join.profile,
            give_up: join.give_up,
        }
    }

    fn began_to_wait(
        &mut self,
        now: Moment,
        id: SessionId,
        answers: Option<&MessageId>,
        effects: &mut Effects,
    ) {
        let expires_at = now + self.settings.wait_max;
        let turn = self.turns;
        self.turns += 1;
        let slow = self.settings.slow;
        let person = self.person(id);
        let criteria = person.criteria.as_ref().expect("who waits has criteria");
        person.state = State::Waiting {
            since: now,
            held_until: person.is_slow.then(|| now + slow),
            turn,
            give_up_at: criteria.give_up.map(|after| now + after),
            expires_at,
            passed_over: 0,
        };
        self.told_waiting(now, id, answers, effects);
        self.looked_around(now, id, effects);
    }

    fn updated(
        &mut self,
        now: Moment,
        id: SessionId,
        update: Update,
        answers: Option<&MessageId>,
        effects: &mut Effects,
    ) {
        let grid = self.settings.grid;
        let person = self.person(id);
        let criteria = person.criteria.as_mut().expect("who waits has criteria");
        if let Some(position) = update.position {
            criteria.at = grid.snap(position).into();
        }
        if let Some(range) = update.range {
            criteria.range = range;
        }
        if let Some(name) = update.name {
            criteria.profile.name = Some(name).filter(|name| !name.is_empty());
        }
        if let Some(interests) = update.interests {
            criteria.profile.interests = interests;
        }
        if let Some(after) = update.give_up {
            criteria.give_up = Some(after);
            if let State::Waiting { give_up_at, .. } = &mut person.state {
                *give_up_at = Some(now + after);
            }
        }
        self.told_waiting(now, id, answers, effects);
        self.looked_around(now, id, effects);
    }

    fn told_waiting(
        &mut self,
        now: Moment,
        id: SessionId,
        answers: Option<&MessageId>,
        effects: &mut Effects,
    ) {
        let person = &self.people[&id];
        let (State::Waiting { since, .. }, Some(criteria)) = (person.state, &person.criteria)
        else {
            panic!("{id:?} doesn't wait");
        };
        let event = effects.take_told(id, answers);
        let Event::Waiting {
            nearby, estimate, ..
        } = event
        else {
            panic!("{id:?} was told {event:?} instead of `waiting`");
        };
        let expected = Event::Waiting {
            range: criteria.range,
            waited_ms: now.millis_since(since),
            nearby,
            estimate,
            requeued: false,
        };
        assert_eq!(event, expected);
        // How far "nearby" goes and how old it is are the lobby's to choose, but not that it counts people.
        let others = usize::try_from(self.turns).expect("few people wait") - 1;
        assert!(nearby <= Nearby::from(others), "{nearby:?} of {others}");
    }

    /// Somebody waits who may be in reach of others now: if so, the nearest is taken at once. Of who is held back nothing
    /// comes.
    fn looked_around(&mut self, now: Moment, seeker: SessionId, effects: &mut Effects) {
        if self.is_held(seeker) {
            return;
        }
        let found = match effects.peek() {
            Some(Effect::OpenChat {
                between: [a, b], ..
            }) => {
                assert!(*a == seeker || *b == seeker, "only {seeker:?} has moved");
                Some(if *a == seeker { *b } else { *a })
            }
            _ => None,
        };
        self.check_choice(now, seeker, found);
        if let Some(found) = found {
            self.chat_began(seeker, found, effects);
        }
    }

    /// Two who had to avoid each other, or somebody else, no longer have to.
    fn met_again(
        &mut self,
        now: Moment,
        seeker: SessionId,
        found: SessionId,
        effects: &mut Effects,
    ) {
        for id in [seeker, found] {
            let state = self.person(id).name();
            assert_eq!(state, StateName::Waiting, "{id:?} is to be paired");
            assert!(!self.is_held(id), "{id:?} is held back");
        }
        self.check_choice(now, seeker, Some(found));
        self.chat_began(seeker, found, effects);
    }

    /// The nearest is taken, unless somebody was passed over too often: then the one of those who has waited
    /// longest. All others who could have been taken are passed over.
    fn check_choice(&mut self, now: Moment, seeker: SessionId, found: Option<SessionId>) {
        let own = self.standing(seeker);
        let others: Vec<_> = self.eligible(seeker, now).collect();
        let mut within: Vec<_> = others
            .iter()
            .filter(|other| mutual_reach(&own, other) == Reach::Within)
            .copied()
            .collect();
        within.sort_by_key(|other| other.turn);
        let overdue = within
            .iter()
            .find(|other| *self.passed_over(other.id) >= PASSED_OVER_MAX);
        if let Some(overdue) = overdue {
            assert_eq!(found, Some(overdue.id), "{overdue:?} goes first");
        } else if let Err(why) = check_choice(&own, &others, found) {
            panic!("for {seeker:?}: {why}");
        }
        if found.is_some() {
            for other in within.into_iter().filter(|other| Some(other.id) != found) {
                let passed_over = self.passed_over(other.id);
                *passed_over = (*passed_over + 1).min(PASSED_OVER_MAX);
            }
        }
    }

    fn passed_over(&mut self, id: SessionId) -> &mut u8 {
        match &mut self.person(id).state {
            State::Waiting { passed_over, .. } => passed_over,
            State::Idle { .. } | State::Chatting { .. } => panic!("{id:?} doesn't wait"),
        }
    }

    /// The chat is opened first; then both are told of each other.
    fn chat_began(&mut self, a: SessionId, b: SessionId, effects: &mut Effects) {
        let Some(Effect::OpenChat { chat, .. }) = effects.take() else {
            panic!("a chat is opened before anybody is told of it");
        };
        assert!(
            self.chats_ever.insert(chat),
            "a chat's name is never used again"
        );
        for (to, partner) in [(a, b), (b, a)] {
            let event = effects.take_told_out_of_two(to);
            let Event::Matched(Matched { distance, .. }) = event else {
                panic!("{to:?} was told {event:?} instead of `matched`");
            };
            self.check_distance(a, b, distance);
            let partner = self.seen_by(to, partner);
            assert_eq!(
                event,
                Event::Matched(Matched {
                    chat,
                    partner,
                    distance
                })
            );
        }
        for (id, partner) in [(a, b), (b, a)] {
            let person = self.person(id);
            person.state = State::Chatting { chat, partner };
            person.chats.push((chat, partner));
        }
    }

    fn check_distance(&self, a: SessionId, b: SessionId, distance: Distance) {
        let metres = geodesic_m(self.standing(a).at, self.standing(b).at);
        // On the border, to the micrometre, either word will do.
        let allowed = [-1e-6, 1e-6].map(|rounding| Distance::from(metres + rounding));
        assert!(allowed.contains(&distance), "{distance:?} for {metres} m");
    }

    fn seen_by(&self, viewer: SessionId, partner: SessionId) -> Partner {
        let profile = |id| {
            &self.people[id]
                .criteria
                .as_ref()
                .expect("it waited")
                .profile
        };
        let (own, theirs) = (profile(&viewer), profile(&partner));
        let is_shared = |interest: &&Name| {
            let folded = interest.to_lowercase();
            theirs
                .interests
                .iter()
                .any(|other| other.to_lowercase() == folded)
        };
        Partner {
            name: theirs.name.clone(),
            shared_interests: own.interests.iter().filter(is_shared).cloned().collect(),
        }
    }

    fn left(
        &mut self,
        now: Moment,
        id: SessionId,
        reason: PartnerLeftReason,
        effects: &mut Effects,
    ) {
        let partner = self.chat_ended(now, id, effects);
        effects.expect_told(partner, &Event::PartnerLeft { reason }, None);
    }

    /// The chat is closed before anybody is told. Returns the partner.
    fn chat_ended(&mut self, now: Moment, id: SessionId, effects: &mut Effects) -> SessionId {
        let State::Chatting { partner, .. } = self.person(id).state else {
            panic!("{id:?} has no chat");
        };
        let Some(Effect::CloseChat { between }) = effects.take() else {
            panic!("a chat is closed before anybody is told of it");
        };
        assert!(between == [id, partner] || between == [partner, id]);
        let until = now + self.settings.cool_off;
        for (id, other) in [(id, partner), (partner, id)] {
            let person = self.person(id);
            person.state = State::QUIET;
            person.met.retain(|(met, _)| *met != other);
            person.met.push_back((other, until));
            if person.met.len() > RECENT_PARTNERS_MAX {
                person.met.pop_front();
            }
        }
        partner
    }

    fn stopped_waiting(&mut self, now: Moment, id: SessionId, reason: IdleReason) {
        let person = self.person(id);
        let State::Waiting {
            give_up_at,
            expires_at,
            ..
        } = person.state
        else {
            panic!("{id:?} doesn't wait");
        };
        let due = match reason {
            IdleReason::GaveUp => give_up_at,
            IdleReason::Expired => Some(expires_at),
            IdleReason::Cancelled | IdleReason::Left => None,
        };
        assert!(
            due.is_some_and(|at| at <= now),
            "{reason:?} is due at {due:?}"
        );
        person.state = State::QUIET;
    }

    // Questions.

    /// Those who wait and can be found.
    fn in_room(&self) -> impl Iterator<Item = (SessionId, &Person)> {
        let is_in_room = |person: &Person| {
            let held_until = person.held_until();
            person.name() == StateName::Waiting && held_until.is_none()
        };
        self.people
            .iter()
            .filter(move |(_, person)| is_in_room(person))
            .map(|(id, person)| (*id, person))
    }

    /// Those who wait and can't be found yet, and until when.
    fn held(&self) -> impl Iterator<Item = (SessionId, Moment)> {
        let held = |(id, person): (&SessionId, &Person)| Some((*id, person.held_until()?));
        self.people.iter().filter_map(held)
    }

    fn is_held(&self, id: SessionId) -> bool {
        self.people[&id].held_until().is_some()
    }

    /// Those whom nothing but distance keeps from being `seeker`'s partner.
    fn eligible(
        &self,
        seeker: SessionId,
        now: Moment,
    ) -> impl Iterator<Item = Standing<SessionId>> {
        self.in_room()
            .filter(move |(other, _)| *other != seeker && self.apart_until(seeker, *other) <= now)
            .map(|(other, _)| self.standing(other))
    }

    /// Until when two must not be paired: as long as either remembers the other, or for ever.
    fn apart_until(&self, a: SessionId, b: SessionId) -> Moment {
        let blocks = |of: SessionId, other| self.people[&of].blocked.contains(other);
        if blocks(a, &b) || blocks(b, &a) {
            return Moment::from_millis(u64::MAX);
        }
        let remembered = |of: SessionId, other: SessionId| {
            let met = &self.people[&of].met;
            met.iter()
                .find(|(id, _)| *id == other)
                .map(|(_, until)| *until)
        };
        remembered(a, b)
            .max(remembered(b, a))
            .unwrap_or(Moment::START)
    }

    /// When people who wait may be paired though they may not now.
    fn reunions(&self, now: Moment) -> impl Iterator<Item = Moment> {
        self.in_room().flat_map(move |(a, _)| {
            self.in_room().filter_map(move |(b, _)| {
                let until = self.apart_until(a, b);
                let within = || mutual_reach(&self.standing(a), &self.standing(b)) == Reach::Within;
                (a != b && now < until && within()).then_some(until)
            })
        })
    }

    fn standing(&self, id: SessionId) -> Standing<SessionId> {
        let person = &self.people[&id];
        let (State::Waiting { turn, .. }, Some(criteria)) = (person.state, &person.criteria) else {
            panic!("{id:?} doesn't wait");
        };
        Standing {
            id,
            at: criteria.at,
            range_m: criteria.range.metres(),
            turn,
        }
    }

    fn person(&mut self, id: SessionId) -> &mut Person {
        self.people
            .get_mut(&id)
            .expect("this session has not ended")
    }
}

impl Person {
    /// Until when nobody can be found for them, if they wait.
    fn held_until(&self) -> Option<Moment> {
        match self.state {
            State::Waiting { held_until, .. } => held_until,
            State::Idle { .. } | State::Chatting { .. } => None,
        }
    }

    fn name(&self) -> StateName {
        match self.state {
            State::Idle { .. } => StateName::Idle,
            State::Waiting { .. } => StateName::Waiting,
            State::Chatting { .. } => StateName::Chatting,
        }
    }
}

impl State {
    /// Idle, after something was heard.
    const QUIET: Self = Self::Idle {
        first_message_by: None,
    };
}

/// Apart from the words.
fn is_same_refusal(a: Refusal, b: Refusal) -> bool {
    let without_words = |refusal| match refusal {
        Refusal::WrongState { command, state, .. } => Refusal::WrongState {
            command,
            allowed: "",
            state,
        },
        other => other,
    };
    without_words(a) == without_words(b)
}
