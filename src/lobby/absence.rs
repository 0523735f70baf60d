//! Connections that are lost and sessions that are resumed; and the stop, which ends all connections.

use super::session::{Link, Stand, State};
use super::{
    ChatId, Departure, Effect, Event, Farewell, Lobby, MessageId, PartnerLeftReason, Refusal,
    ResumeToken, Resumed, Seen, SessionId,
};
use crate::moment::Moment;
use rand::RngExt as _;
use std::time::Duration;

/// So many connections can be ended in a second however few there are, so that a small server stops soon.
const DRAINED_PER_SECOND_MIN: usize = 64;

impl Lobby {
    /// A session's connection has ended. What is told to a partner depends on how.
    pub fn disconnect(&mut self, now: Moment, id: SessionId, departure: Departure) {
        self.assert_drained();
        match departure {
            Departure::Left => self.end_session(now, id, PartnerLeftReason::Left),
            Departure::Expelled => self.end_session(now, id, PartnerLeftReason::Lost),
            Departure::Lost => self.lose(now, id),
        }
    }

    /// The connection is gone; the session stays for a while, if it can be resumed.
    pub(super) fn lose(&mut self, now: Moment, id: SessionId) {
        let is_resumable = matches!(
            self.session_mut(id).link,
            Link::Connected {
                is_resumable: true,
                drains_at: None,
            }
        );
        let window = self.settings.resume_window;
        if is_resumable && !window.is_zero() && self.doing.away < self.settings.away_max {
            self.go_away(now, id, now + window);
        } else {
            self.end_session(now, id, PartnerLeftReason::Lost);
        }
    }

    fn go_away(&mut self, now: Moment, id: SessionId, until: Moment) {
        let let_go = self.let_go_of_match(id);
        let session = &mut self.sessions[id];
        session.link = Link::Away {
            until,
            missed: None,
        };
        self.doing.away += 1;
        match &mut session.state {
            State::Idle { first_message_by } => *first_message_by = None,
            State::Waiting(waiting) => {
                if let Stand::InRoom { ticket, .. } = waiting.stand {
                    let ticket = self.matchmaker.withdraw(ticket);
                    let ticket = ticket.expect("who stands in the room has a ticket");
                    waiting.withdrawn = Some(Box::new(ticket));
                }
                waiting.stand = Stand::Suspended;
            }
            State::Chatting(chatting) => {
                let partner = chatting.partner;
                self.tell(partner, Event::PartnerAway, None);
            }
        }
        self.reschedule(id);
        if let Some(partner) = let_go {
            self.requeue(now, partner);
        }
    }

    /// The session is over, whatever it was doing.
    pub(super) fn end_session(&mut self, now: Moment, id: SessionId, reason: PartnerLeftReason) {
        match self.session_mut(id).state {
            State::Idle { .. } => {}
            State::Waiting(_) => self.stop_waiting(now, id),
            State::Chatting(_) => self.end_chat(now, id, reason),
        }
        self.forget(id);
    }

    /// Ends a session and its connection.
    pub(super) fn expel(&mut self, now: Moment, id: SessionId, farewell: Farewell) {
        self.emit(Effect::Close {
            session: id,
            farewell,
        });
        self.end_session(now, id, PartnerLeftReason::Lost);
    }

    /// The session that a token resumes, asked for by a fresh session, if it is good.
    pub fn find_resumable(&self, fresh: SessionId, token: ResumeToken) -> Option<SessionId> {
        let id = token.session();
        let session = self.sessions.get(id)?;
        (session.token == token && id != fresh).then_some(id)
    }

    /// The chat that a session is in, or was in last.
    pub fn last_chat(&self, id: SessionId) -> Option<ChatId> {
        let (chat, _) = self.sessions.get(id)?.chats.back()?;
        Some(*chat)
    }

    /// A session goes on over the connection of a fresh one, which ends without a word. Whatever connection
    /// it had before is closed. The token is spent; the answer has the next one. Whether what was `seen` was
    /// said is the conversation's to say.
    ///
    /// # Errors
    /// [`Refusal::BadToken`] if the token resumes nothing, or if something was seen without a chat;
    /// [`Refusal::NoSuchChat`] if the chat is none of the session's. Nothing has changed then.
    ///
    /// # Panics
    /// If the fresh session has already done anything: a token is the first thing said on a connection.
    pub fn resume(
        &mut self,
        now: Moment,
        fresh: SessionId,
        token: ResumeToken,
        seen: Seen,
        answers: Option<MessageId>,
    ) -> Result<SessionId, Refusal> {
        self.assert_drained();
        let id = self.find_resumable(fresh, token).ok_or(Refusal::BadToken)?;
        if let Some(chat) = seen.chat {
            self.partner_in(id, chat)?;
        } else if seen.last_seq > 0 && self.last_chat(id).is_none() {
            return Err(Refusal::BadToken);
        }
        let taken_over = self.forget_fresh(fresh);
        let secret = self.random.random();
        let session = &mut self.sessions[id];
        session.token = ResumeToken::new(id, secret);
        let was_away = session.is_away();
        let missed = match std::mem::replace(&mut session.link, taken_over) {
            Link::Away { missed, .. } => missed,
            Link::Connected { .. } => None,
        };
        if was_away {
            self.doing.away -= 1;
        } else {
            self.emit(Effect::Close {
                session: id,
                farewell: Farewell::Replaced,
            });
        }
        self.emit(Effect::Resume {
            session: id,
            fresh,
            seen,
            resumed: Resumed {
                state: self.sessions[id].state_name(),
                token: self.sessions[id].token,
                matched: self.matched(id),
            },
            answers,
        });
        // Of a chat that began and ended unseen, who takes an earlier one to go on hears nothing.
        let is_other = seen.chat.is_some() && seen.chat != self.last_chat(id);
        let missed =
            missed.filter(|event| !(is_other && matches!(event, Event::PartnerLeft { .. })));
        if let Some(missed) = missed {
            self.tell(id, missed, None);
        }
        self.go_on(now, id, was_away);
        Ok(id)
    }

    /// Takes up what a session was doing when its connection was lost.
    fn go_on(&mut self, now: Moment, id: SessionId, was_away: bool) {
        if let State::Idle { first_message_by } = &mut self.sessions[id].state {
            *first_message_by = None;
        }
        self.reschedule(id);
        match &self.sessions[id].state {
            State::Idle { .. } => {}
            State::Waiting(waiting) => match waiting.stand {
                Stand::Suspended => self.enter_room(now, id),
                // The new connection has just been heard from.
                Stand::Confirming(_) => self.confirm(now, id),
                Stand::InRoom { .. } | Stand::HeldBack => {}
            },
            State::Chatting(chatting) => {
                let partner = chatting.partner;
                if was_away {
                    self.tell(partner, Event::PartnerBack, None);
                }
                if self.sessions[partner].is_away() {
                    self.tell(id, Event::PartnerAway, None);
                }
            }
        }
    }

    /// Takes out a session that has done nothing yet, and returns its connection.
    fn forget_fresh(&mut self, id: SessionId) -> Link {
        let session = self.take_out(id);
        assert!(
            matches!(session.state, State::Idle { .. }) && session.criteria.is_none(),
            "a fresh session has done nothing"
        );
        session.link
    }

    /// The server stops: tells everybody when to come back, and ends their connections bit by bit, partners
    /// together. Sessions that are away are over.
    pub fn drain(&mut self, now: Moment) {
        self.assert_drained();
        self.is_draining = true;
        let seconds = self.settings.drain.as_secs_f64().max(1.0);
        let a_part = (self.sessions.len() as f64 / seconds).ceil() as usize;
        let per_second = a_part.max(DRAINED_PER_SECOND_MIN);
        let ids: Vec<_> = self.sessions.keys().collect();
        for (index, id) in ids.into_iter().enumerate() {
            let at = now + Duration::from_secs((index / per_second) as u64);
            let with_partner = self
                .partner(id)
                .and_then(|partner| self.sessions[partner].drains_at());
            self.send_away(id, with_partner.unwrap_or(at));
            self.reschedule(id);
        }
    }

    /// The server goes on after all: whoever is still connected stays, and whoever is away has time again to
    /// come back. That they were told to go can't be taken back; a client that waits for its turn just goes on.
    pub fn cancel_drain(&mut self, now: Moment) {
        self.assert_drained();
        self.is_draining = false;
        let window_end = now + self.settings.resume_window;
        let ids: Vec<_> = self.sessions.keys().collect();
        for id in ids {
            match &mut self.sessions[id].link {
                Link::Connected { drains_at, .. } => *drains_at = None,
                Link::Away { until, .. } => *until = window_end.max(*until),
            }
            self.reschedule(id);
        }
    }

    /// An operator ends a session, and its connection. Returns whether there was such a session.
    pub fn remove(&mut self, now: Moment, id: SessionId) -> bool {
        self.assert_drained();
        if !self.sessions.contains_key(id) {
            return false;
        }
        self.emit(Effect::Close {
            session: id,
            farewell: Farewell::Removed,
        });
        self.end_session(now, id, PartnerLeftReason::Removed);
        true
    }

    /// Tells somebody when to come back, and when their connection ends. Who was told before is not told
    /// again, and goes no later.
    pub(super) fn send_away(&mut self, id: SessionId, at: Moment) {
        match &mut self.sessions[id].link {
            Link::Away { until, .. } => *until = at.min(*until),
            Link::Connected {
                drains_at: Some(drains_at),
                ..
            } => *drains_at = at.min(*drains_at),
            Link::Connected { drains_at, .. } => {
                *drains_at = Some(at);
                let spread_ms = self.settings.reconnect_spread.as_millis();
                let spread_ms = u64::try_from(spread_ms).unwrap_or(u64::MAX);
                let reconnect_after_ms = self.random.random_range(0..=spread_ms);
                self.tell(id, Event::GoingAway { reconnect_after_ms }, None);
            }
        }
    }

    /// It is a session's turn to go because the server stops. A partner whose turn it is too goes with it,
    /// rather than being told in its last moment that it was left. One who is away will never see what was
    /// said to it, so it is over first, and the sender learns that.
    pub(super) fn drained(&mut self, now: Moment, id: SessionId) {
        let away = self.partner(id);
        if let Some(away) = away.filter(|partner| self.sessions[*partner].is_away()) {
            self.end_session(now, away, PartnerLeftReason::Lost);
        }
        let is_due = |partner: &SessionId| {
            let drains_at = self.sessions[*partner].drains_at();
            drains_at.is_some_and(|at| at <= now)
        };
        let partner = self.partner(id).filter(is_due);
        for session in [id].into_iter().chain(partner) {
            self.emit(Effect::Close {
                session,
                farewell: Farewell::GoingAway,
            });
        }
        for session in [id].into_iter().chain(partner) {
            self.end_session(now, session, PartnerLeftReason::Lost);
        }
    }

    fn partner(&self, id: SessionId) -> Option<SessionId> {
        match self.sessions[id].state {
            State::Chatting(chatting) => Some(chatting.partner),
            State::Idle { .. } | State::Waiting(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Position, PrivacyGrid, Range};
    use crate::lobby::{Command, Join, Profile, Settings};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn lobby() -> Lobby {
        let settings = Settings {
            grid: PrivacyGrid::OFF,
            ..Settings::default()
        };
        Lobby::new(settings, StdRng::seed_from_u64(1))
    }

    fn effects(lobby: &mut Lobby) -> Vec<Effect> {
        std::iter::from_fn(|| lobby.poll_effect()).collect()
    }

    #[test]
    fn who_talks_to_somebody_away_learns_in_a_drain_that_they_will_not_be_back() {
        let (mut lobby, now) = (lobby(), Moment::START);
        let [ann, bob] = [(); 2].map(|()| {
            let id = lobby.connect(now, true);
            let join = Join {
                position: Position::new(0.0, 0.0).unwrap(),
                range: Range::PLANET,
                range_max: None,
                profile: Profile::default(),
                give_up: None,
            };
            lobby.handle(now, id, Command::Join(join), None).unwrap();
            effects(&mut lobby);
            id
        });
        for id in [ann, bob] {
            lobby.heard(now, id);
            effects(&mut lobby);
        }
        lobby.disconnect(now, bob, Departure::Lost);
        effects(&mut lobby);
        lobby.drain(now);
        effects(&mut lobby);
        lobby.handle_timeout(now);
        let event = Event::PartnerLeft {
            reason: PartnerLeftReason::Lost,
        };
        let told = Effect::Tell {
            to: ann,
            event,
            answers: None,
        };
        let closed = Effect::Close {
            session: ann,
            farewell: Farewell::GoingAway,
        };
        let effects = effects(&mut lobby);
        let at = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
        assert!(
            at(&told).is_some_and(|told| Some(told) < at(&closed)),
            "{effects:?}"
        );
        assert!(lobby.is_empty());
    }
}
