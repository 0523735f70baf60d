//! Joining, changing, widening, giving up: everything around the waiting room.

use super::session::{Criteria, Stand, State, Waiting};
use super::{Event, IdleReason, Join, Lobby, MessageId, Refusal, SessionId, Update};
use crate::geo::{Place, Position, Range, geodesic_m};
use crate::matching::{Arrival, Candidate};
use crate::moment::Moment;
use crate::pace::Allowance;
use std::time::Duration;

/// How much time it costs to be a km elsewhere: an airliner flies 300 m in a second.
const AIRLINER_KM: Duration = Duration::from_nanos(1_000_000_000 * 10 / 3);

impl Lobby {
    pub(super) fn join(
        &mut self,
        now: Moment,
        id: SessionId,
        join: Join,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        if join.range_max.is_some_and(|max| max < join.range) {
            return Err(Refusal::RangeMaxBelowRange {
                range_km: join.range.km(),
            });
        }
        let place = self.place(join.position);
        self.session_mut(id).criteria = Some(Box::new(Criteria {
            place,
            range: join.range,
            range_max: join.range_max,
            profile: join.profile,
            give_up: join.give_up,
        }));
        self.wait(now, id, answers);
        Ok(())
    }

    /// A position as it is stored.
    fn place(&self, position: Position) -> Place {
        Place::new(self.settings.grid.snap(position))
    }

    /// A new position of somebody who waits, as it is stored, unless that is too soon or too far.
    fn moved(&mut self, now: Moment, id: SessionId, to: Position) -> Result<Place, Refusal> {
        let place = self.place(to);
        let often = Allowance::new(self.settings.moves_burst, self.settings.move_every);
        let far_burst = AIRLINER_KM.mul_f64(self.settings.moves_free_km);
        let session = self.session_mut(id);
        let before = session.criteria().place;
        if before == place {
            return Ok(place);
        }
        let moves = &mut session.moves;
        let early_ms = often.early_ms(moves.often, now);
        let retry_after_ms = early_ms.max(moves.far.early_ms(now, far_burst));
        if retry_after_ms > 0 {
            if self.settings.moves_dry_run {
                self.moves_let_pass += 1;
                return Ok(place);
            }
            return Err(Refusal::MovedTooFast { retry_after_ms });
        }
        often.spend(&mut moves.often, now);
        let km = geodesic_m(&before, &place) / 1000.0;
        moves.far.spend(now, AIRLINER_KM.mul_f64(km));
        Ok(place)
    }

    /// Lets an idle session wait by the criteria it has, and looks for a partner.
    pub(super) fn wait(&mut self, now: Moment, id: SessionId, answers: Option<MessageId>) {
        let expires_at = now + self.settings.wait_max;
        let (widen_step, slow) = (self.settings.widen_step, self.settings.slow);
        let session = &mut self.sessions[id];
        let mut candidate =
            Candidate::new(id, std::mem::take(&mut session.known)).known_as(session.known_as);
        candidate.is_apart = session.is_apart;
        let criteria = session.criteria();
        let (range, range_max) = (criteria.range, criteria.range_max);
        let give_up_at = criteria.give_up.map(|after| now + after);
        let ticket = self.matchmaker.ticket(candidate, criteria.place, range);
        session.state = State::Waiting(Waiting {
            stand: Stand::Suspended,
            withdrawn: Some(Box::new(ticket)),
            since: now,
            enters_at: if session.is_slow { now + slow } else { now },
            give_up_at,
            expires_at,
            widen_at: next_widening(now, range, range_max, widen_step),
            range,
        });
        self.doing.waiting += 1;
        self.tell_waiting(now, id, false, answers);
        self.enter_room(now, id);
    }

    /// Lets somebody into the room whose ticket is not in it, or finds them a partner at once. Whose time has not come
    /// is held back until then.
    pub(super) fn enter_room(&mut self, now: Moment, id: SessionId) {
        let waiting = self.sessions[id].waiting_mut();
        if now < waiting.enters_at {
            waiting.stand = Stand::HeldBack;
            self.reschedule(id);
            return;
        }
        let ticket = waiting.withdrawn.take().expect("nobody enters twice");
        match self.matchmaker.arrive(*ticket, now) {
            Arrival::Waits(ticket) => {
                waiting.stand = Stand::InRoom {
                    ticket,
                    look_again_at: self.matchmaker.next_cool_off_end(ticket),
                };
                self.reschedule(id);
            }
            Arrival::Paired(pair) => self.reserve(now, pair),
        }
    }

    pub(super) fn update(
        &mut self,
        now: Moment,
        id: SessionId,
        update: Update,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let range = update
            .range
            .unwrap_or_else(|| self.sessions[id].criteria().range);
        if update.range_max.is_some_and(|max| max < range) {
            return Err(Refusal::RangeMaxBelowRange {
                range_km: range.km(),
            });
        }
        let place = match update.position {
            Some(position) => Some(self.moved(now, id, position)?),
            None => None,
        };
        // Whoever it was being matched with is let go, but not looked for yet.
        let let_go = self.let_go_of_match(id);
        self.change_criteria(now, id, place, update);
        self.tell_waiting(now, id, false, answers);
        if let Some(partner) = let_go {
            self.requeue(now, partner);
        }
        self.look_for_partner(now, id);
        Ok(())
    }

    /// Puts what has changed into the criteria of somebody who waits.
    fn change_criteria(
        &mut self,
        now: Moment,
        id: SessionId,
        place: Option<Place>,
        update: Update,
    ) {
        let widen_step = self.settings.widen_step;
        let session = &mut self.sessions[id];
        let criteria = session.criteria.as_mut().expect("who waits has criteria");
        let State::Waiting(waiting) = &mut session.state else {
            unreachable!("only a waiting session is updated");
        };
        if let Some(range) = update.range {
            criteria.range = range;
            waiting.range = range;
        }
        // An earlier limit that a new range has passed has nothing left to widen to.
        criteria.range_max = update
            .range_max
            .or(criteria.range_max.filter(|max| *max >= criteria.range));
        if let Some(max) = update.range_max {
            waiting.range = waiting.range.min(max);
        }
        if update.range.is_some() || update.range_max.is_some() {
            waiting.widen_at = next_widening(now, waiting.range, criteria.range_max, widen_step);
        }
        if let Some(place) = place {
            criteria.place = place;
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
        let (place, range) = (criteria.place, waiting.range);
        self.change_ticket(id, place, range);
        self.reschedule(id);
    }

    /// Moves the ticket of somebody who waits or changes its range, wherever it is.
    fn change_ticket(&mut self, id: SessionId, place: Place, range: Range) {
        let waiting = self.sessions[id].waiting_mut();
        match (&mut waiting.withdrawn, waiting.stand) {
            (Some(ticket), _) => ticket.change(place, range),
            (None, Stand::InRoom { ticket, .. }) => self.matchmaker.change(ticket, place, range),
            (None, _) => unreachable!("who waits has a ticket"),
        }
    }

    /// Looks for a partner for somebody who waits, if they stand in the room, or come into it by now.
    pub(super) fn look_for_partner(&mut self, now: Moment, id: SessionId) {
        let State::Waiting(waiting) = &mut self.sessions[id].state else {
            return;
        };
        if matches!(waiting.stand, Stand::HeldBack) {
            return self.enter_room(now, id);
        }
        let Stand::InRoom {
            ticket,
            look_again_at,
        } = &mut waiting.stand
        else {
            return;
        };
        let ticket = *ticket;
        if let Some(pair) = self.matchmaker.take_partner(ticket, now) {
            self.reserve(now, pair);
        } else {
            *look_again_at = self.matchmaker.next_cool_off_end(ticket);
            self.reschedule(id);
        }
    }

    /// Some deadline has come of somebody who waits and is not being matched.
    pub(super) fn waited(&mut self, now: Moment, id: SessionId) {
        let waiting = self.session_mut(id).waiting_mut();
        let over = if waiting.give_up_at.is_some_and(|at| at <= now) {
            Some(IdleReason::GaveUp)
        } else if waiting.expires_at <= now {
            Some(IdleReason::Expired)
        } else {
            None
        };
        if let Some(reason) = over {
            self.stop_waiting(now, id);
            self.tell_idle(id, reason, None);
            return;
        }
        if waiting.widen_at.is_some_and(|at| at <= now) {
            self.widen(now, id);
        }
        self.look_for_partner(now, id);
    }

    fn widen(&mut self, now: Moment, id: SessionId) {
        let (step, factor) = (self.settings.widen_step, self.settings.widen_factor);
        let session = &mut self.sessions[id];
        let criteria = session.criteria();
        let (place, range_max) = (criteria.place, criteria.range_max);
        let waiting = session.waiting_mut();
        let max = range_max.unwrap_or(waiting.range);
        // A product beyond the planet is no range, and no limit is beyond it.
        let wider = Range::from_km(waiting.range.km() * factor).map_or(max, |range| range.min(max));
        waiting.range = wider;
        waiting.widen_at = next_widening(now, wider, range_max, step);
        self.change_ticket(id, place, wider);
        self.tell_waiting(now, id, false, None);
    }

    /// Ends the waiting of a session, if it waits, and leaves it idle. Whoever it was being matched with
    /// waits on.
    pub(super) fn stop_waiting(&mut self, now: Moment, id: SessionId) {
        let let_go = self.let_go_of_match(id);
        let session = &mut self.sessions[id];
        if let State::Waiting(waiting) = std::mem::replace(&mut session.state, State::IDLE) {
            let ticket = match waiting.stand {
                Stand::InRoom { ticket, .. } => self.matchmaker.withdraw(ticket),
                Stand::HeldBack | Stand::Suspended | Stand::Confirming(_) => {
                    waiting.withdrawn.map(|ticket| *ticket)
                }
            };
            session.known = ticket.expect("who waits has a ticket").who.known;
            self.doing.waiting -= 1;
        }
        self.reschedule(id);
        if let Some(partner) = let_go {
            self.requeue(now, partner);
        }
    }

    /// Says that a session waits.
    pub(super) fn tell_waiting(
        &mut self,
        now: Moment,
        id: SessionId,
        requeued: bool,
        answers: Option<MessageId>,
    ) {
        let session = &self.sessions[id];
        let State::Waiting(waiting) = &session.state else {
            unreachable!("only who waits is told so");
        };
        let place = session.criteria().place;
        let event = Event::Waiting {
            range: waiting.range,
            waited_ms: now.millis_since(waiting.since),
            // Who is held back is not counted among those who are there yet, not even for itself.
            nearby: self.matchmaker.nearby(&place, waiting.enters_at, now),
            estimate: self.completions.estimate(now, &place),
            requeued,
        };
        self.tell(id, event, answers);
    }
}

/// When a range is widened next, if it has anything left to widen to.
fn next_widening(
    now: Moment,
    range: Range,
    range_max: Option<Range>,
    step: Duration,
) -> Option<Moment> {
    let can_widen = range_max.is_some_and(|max| range < max);
    (can_widen && !step.is_zero()).then(|| now + step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::PrivacyGrid;
    use crate::lobby::{
        Command, Departure, Effect, Profile, ResumeToken, Seen, Settings, StateName,
    };
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    const START: Moment = Moment::from_millis(1000);

    fn after(seconds: u64) -> Moment {
        START + Duration::from_secs(seconds)
    }

    fn lobby() -> Lobby {
        let settings = Settings {
            grid: PrivacyGrid::OFF,
            slow: Duration::from_mins(1),
            ..Settings::default()
        };
        Lobby::new(settings, StdRng::seed_from_u64(1))
    }

    /// What is done by now, whoever is probed being heard from at once.
    fn effects(lobby: &mut Lobby, now: Moment) -> Vec<Effect> {
        let mut all = Vec::new();
        while let Some(effect) = lobby.poll_effect() {
            all.push(effect);
        }
        for effect in all.clone() {
            if let Effect::Probe { session } = effect {
                lobby.heard(now, session);
                all.extend(std::iter::from_fn(|| lobby.poll_effect()));
            }
        }
        lobby.assert_invariants();
        all
    }

    fn wait(lobby: &mut Lobby, now: Moment, is_slow: bool, range_max_km: f64) -> SessionId {
        let id = lobby.connect(now, true);
        effects(lobby, now);
        lobby.set_slow(id, is_slow);
        let join = Join {
            position: Position::new(0.0, 0.0).unwrap(),
            range: Range::from_km(1.0).unwrap(),
            range_max: Some(Range::from_km(range_max_km).unwrap()),
            profile: Profile::default(),
            give_up: Some(Duration::from_mins(10)),
        };
        lobby.handle(now, id, Command::Join(join), None).unwrap();
        effects(lobby, now);
        id
    }

    fn come_back(lobby: &mut Lobby, now: Moment, token: ResumeToken) {
        let fresh = lobby.connect(now, true);
        effects(lobby, now);
        let seen = Seen {
            chat: None,
            last_seq: 0,
        };
        lobby.resume(now, fresh, token, seen, None).unwrap();
        effects(lobby, now);
    }

    #[test]
    fn who_is_held_back_waits_and_widens_as_anybody_and_is_found_when_it_is_over() {
        let mut lobby = lobby();
        let ann = wait(&mut lobby, START, true, 10.0);
        assert_eq!((lobby.waiting_len(), lobby.doing().waiting), (0, 1));
        assert_eq!(lobby.poll_timeout(), Some(after(10)));
        lobby.handle_timeout(after(10));
        let told = effects(&mut lobby, after(10));
        let is_wider = |effect: &Effect| {
            matches!(effect, Effect::Tell { to, event: Event::Waiting { range, .. }, .. }
                if *to == ann && range.km() == 1.5)
        };
        assert!(told.iter().any(is_wider), "{told:?}");
        let bob = wait(&mut lobby, after(11), false, 10.0);
        for seconds in (20..60).step_by(10) {
            lobby.handle_timeout(after(seconds));
            effects(&mut lobby, after(seconds));
            assert_eq!(lobby.waiting_len(), 1, "{seconds}");
        }
        lobby.handle_timeout(after(60));
        effects(&mut lobby, after(60));
        for id in [ann, bob] {
            assert_eq!(lobby.state(id), Some(StateName::Chatting));
        }
    }

    #[test]
    fn who_comes_back_is_held_back_for_what_is_left_and_no_longer() {
        for (back_s, is_held) in [(30, true), (61, false)] {
            let mut lobby = lobby();
            let ann = wait(&mut lobby, START, true, 1.0);
            let token = lobby.token(ann);
            lobby.disconnect(after(20), ann, Departure::Lost);
            effects(&mut lobby, after(20));
            wait(&mut lobby, after(25), false, 1.0);
            come_back(&mut lobby, after(back_s), token);
            assert_eq!(lobby.state(ann) == Some(StateName::Waiting), is_held);
            lobby.handle_timeout(after(61));
            effects(&mut lobby, after(61));
            assert_eq!(lobby.state(ann), Some(StateName::Chatting));
        }
    }
}
