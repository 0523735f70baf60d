//! A match from being found to being shown, or undone.
//!
//! Two who were found for each other leave the waiting room, and both connections are probed. Only when both
//! were heard from is the match shown, to both in one step. Until then each is still waiting for everything it
//! can see or do, and whatever undoes the match puts the other back into the room with its turn.

use super::session::{Chatting, Confirming, Stand, State};
use super::{ChatId, Distance, Effect, Event, Farewell, Lobby, Matched, SessionId};
use crate::geo::geodesic_m;
use crate::matching::Pair;
use crate::moment::Moment;
use rand::Rng as _;

impl Lobby {
    /// Two were found for each other and are out of the room: keeps them for each other, and finds out
    /// whether both are alive.
    pub(super) fn reserve(&mut self, now: Moment, pair: Pair<SessionId>) {
        let by = now + self.settings.confirm;
        let [a, b] = [pair[0].who.who, pair[1].who.who];
        assert_ne!(a, b, "nobody is their own partner");
        self.tally.matches_found += 1;
        for (ticket, partner) in pair.into_iter().zip([b, a]) {
            let id = ticket.who.who;
            let waiting = self.sessions[id].waiting_mut();
            waiting.withdrawn = Some(ticket);
            waiting.stand = Stand::Confirming(Confirming {
                partner,
                is_heard: false,
                by,
            });
            self.reschedule(id);
        }
        for session in [a, b] {
            self.emit(Effect::Probe { session });
        }
    }

    /// Whether a session is kept for somebody until both are heard from. For simulations.
    #[doc(hidden)]
    pub fn is_being_matched(&self, id: SessionId) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| session.confirming().is_some())
    }

    /// A session's connection was heard from, after it was to be probed. Harmless otherwise.
    pub fn heard(&mut self, now: Moment, id: SessionId) {
        self.assert_drained();
        self.confirm(now, id);
    }

    pub(super) fn confirm(&mut self, now: Moment, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(confirming) = session.confirming() else {
            return;
        };
        session.waiting_mut().stand = Stand::Confirming(Confirming {
            is_heard: true,
            ..confirming
        });
        let partner = self.sessions[confirming.partner].confirming();
        if partner.expect("a match has two sides").is_heard {
            self.begin_chat(now, [id, confirming.partner]);
        }
    }

    /// Both are alive: the only place where chats begin.
    fn begin_chat(&mut self, now: Moment, between: [SessionId; 2]) {
        let confirmed_ms = self.check_promises(now, between);
        let mut waited_ms = [0; 2];
        let chat = ChatId(self.random.next_u64());
        let [a, b] = between;
        let names = [self.name_to(b, a), self.name_to(a, b)];
        for ((waited_ms, name), (id, partner)) in
            waited_ms.iter_mut().zip(names).zip([(a, b), (b, a)])
        {
            let chatting = State::Chatting(Chatting { chat, partner });
            let session = &mut self.sessions[id];
            let State::Waiting(waiting) = std::mem::replace(&mut session.state, chatting) else {
                unreachable!("only who waits is matched");
            };
            let ticket = waiting
                .withdrawn
                .expect("who is being matched is out of the room");
            let place = ticket.place();
            session.known = ticket.who.known;
            session.remember_chat(chat, name);
            *waited_ms = now.millis_since(waiting.since);
            // What others can expect has nothing to do with how long somebody was held back.
            let searched_ms = now.millis_since(waiting.enters_at);
            self.completions.record(now, &place, searched_ms);
            self.tally.waited_ms.record(*waited_ms);
            self.doing.waiting -= 1;
            self.doing.chatting += 1;
            self.reschedule(id);
        }
        self.emit(Effect::OpenChat {
            chat,
            between,
            waited_ms,
            confirmed_ms,
        });
        for id in between {
            let matched = self.matched(id).expect("the chat has begun");
            self.tell(id, Event::Matched(matched), None);
        }
    }

    /// Counts the promises that are broken if these two are shown to each other now, and how long it took to
    /// hear from both, which it returns.
    fn check_promises(&mut self, now: Moment, between: [SessionId; 2]) -> u64 {
        let sides = between.map(|id| {
            let session = &self.sessions[id];
            let ticket = match &session.state {
                State::Waiting(waiting) => waiting.withdrawn.as_deref(),
                State::Idle { .. } | State::Chatting(_) => None,
            };
            let confirming = session.confirming();
            ticket
                .zip(confirming)
                .expect("both of a match are being matched")
        });
        let [(a, first), (b, second)] = sides;
        let are_heard = first.is_heard && second.is_heard;
        self.tally.broken.check(now, [a, b], are_heard);
        // Right unless the time for confirming was set to another one meanwhile.
        let left_ms = first.by.millis_since(now);
        let limit_ms = self.settings.confirm.as_millis() as u64;
        let confirmed_ms = limit_ms.saturating_sub(left_ms);
        self.tally.confirmed_ms.record(confirmed_ms);
        confirmed_ms
    }

    /// What a session is told of its chat, if it is in one.
    pub(super) fn matched(&self, id: SessionId) -> Option<Matched> {
        let session = &self.sessions[id];
        let State::Chatting(Chatting { chat, partner }) = session.state else {
            return None;
        };
        let (own, theirs) = (session.criteria(), self.sessions[partner].criteria());
        Some(Matched {
            chat,
            partner: own.profile.sees(&theirs.profile),
            distance: Distance::from(geodesic_m(&own.place, &theirs.place)),
        })
    }

    /// The time for being heard from is over: who was not heard is taken for dead, the other waits on.
    pub(super) fn not_confirmed(&mut self, now: Moment, pair: [SessionId; 2]) {
        let (heard, silent): (Vec<_>, Vec<_>) = pair.into_iter().partition(|id| {
            let confirming = self.sessions[*id].confirming();
            confirming.expect("a match has two sides").is_heard
        });
        for id in pair {
            self.sessions[id].waiting_mut().stand = Stand::Suspended;
        }
        self.tally.matches_undone += 1;
        for id in silent {
            self.emit(Effect::Close {
                session: id,
                farewell: Farewell::NoPong,
            });
            self.lose(now, id);
        }
        for id in heard {
            self.requeue(now, id);
        }
    }

    /// Undoes the match of a session, if it is being matched: puts it back into the room, without looking
    /// for a partner yet. Returns who it was being matched with, to be requeued.
    pub(super) fn let_go_of_match(&mut self, id: SessionId) -> Option<SessionId> {
        let Confirming { partner, .. } = self.sessions[id].confirming()?;
        self.tally.matches_undone += 1;
        let waiting = self.sessions[id].waiting_mut();
        let ticket = waiting.withdrawn.take();
        let ticket = self
            .matchmaker
            .admit(*ticket.expect("who is being matched is out of the room"));
        waiting.stand = Stand::InRoom {
            ticket,
            look_again_at: self.matchmaker.next_cool_off_end(ticket),
        };
        self.sessions[partner].waiting_mut().stand = Stand::Suspended;
        self.reschedule(id);
        self.reschedule(partner);
        Some(partner)
    }

    /// Somebody whose match was undone by the other waits on, and is looked at at once.
    pub(super) fn requeue(&mut self, now: Moment, id: SessionId) {
        self.tell_waiting(now, id, true, None);
        self.enter_room(now, id);
    }
}
