//! The end of chats, and what can be done about a partner.

use super::session::{Chatting, Stand, State};
use super::{
    ChatId, Effect, Event, IdleReason, Lobby, MessageId, PartnerLeftReason, Refusal, Report,
    SessionId,
};
use crate::moment::Moment;

impl Lobby {
    /// Ends the chat of `leaver`, tells the partner, and leaves both idle.
    pub(super) fn end_chat(&mut self, now: Moment, leaver: SessionId, reason: PartnerLeftReason) {
        let State::Chatting(Chatting { partner, .. }) = self.session_mut(leaver).state else {
            unreachable!("only a chat is left");
        };
        let until = now + self.settings.cool_off;
        for (id, other) in [(leaver, partner), (partner, leaver)] {
            let other = self.name_to(other, id);
            let session = self.session_mut(id);
            session.state = State::IDLE;
            if now < until {
                session.known.met(other, until);
            }
        }
        self.doing.chatting -= 2;
        self.emit(Effect::CloseChat {
            between: [leaver, partner],
        });
        self.tell(partner, Event::PartnerLeft { reason }, None);
    }

    /// Keeps a session from ever meeting the partner of one of its chats again.
    pub(super) fn block(
        &mut self,
        now: Moment,
        id: SessionId,
        chat: ChatId,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let partner = self.partner_in(id, chat)?;
        self.add_to_blocked(id, partner)?;
        self.tell(id, Event::Blocked { chat }, answers);
        let session = &self.sessions[id];
        if matches!(session.state, State::Chatting(chatting) if chatting.chat == chat) {
            self.end_chat(now, id, PartnerLeftReason::Blocked);
            self.tell_idle(id, IdleReason::Left, None);
        } else if let Some(confirming) = session.confirming()
            && self.name_to(confirming.partner, id) == partner
        {
            self.let_go_of_match(id);
            self.requeue(now, confirming.partner);
            self.look_for_partner(now, id);
        }
        Ok(())
    }

    /// Wherever the session has what it knows of others at the moment.
    fn add_to_blocked(&mut self, id: SessionId, other: SessionId) -> Result<(), Refusal> {
        let session = &mut self.sessions[id];
        match &mut session.state {
            State::Idle { .. } | State::Chatting(_) => session.known.block(other)?,
            State::Waiting(waiting) => match (&mut waiting.withdrawn, waiting.stand) {
                (Some(ticket), _) => ticket.who.known.block(other)?,
                (None, Stand::InRoom { ticket, .. }) => self.matchmaker.block(ticket, other)?,
                (None, _) => unreachable!("who waits has a ticket"),
            },
        }
        Ok(())
    }

    pub(super) fn report(
        &mut self,
        id: SessionId,
        report: Report,
        answers: Option<MessageId>,
    ) -> Result<(), Refusal> {
        let of = self.partner_in(id, report.chat)?;
        self.emit(Effect::Report {
            by: id,
            of,
            report,
            answers,
        });
        Ok(())
    }

    pub(super) fn partner_in(&self, id: SessionId, chat: ChatId) -> Result<SessionId, Refusal> {
        self.sessions[id]
            .partner_in(chat)
            .ok_or(Refusal::NoSuchChat)
    }
}
