//! What the two of a chat are told of each other's words.

use crate::model::Model;
use crate::violation::{Checked, ensure};
use crate::wire::{Asked, Told};

impl Model {
    pub(crate) fn hears(
        &mut self,
        line: usize,
        session: usize,
        seq: Option<u64>,
        text: &str,
    ) -> Checked {
        self.lines[line].must_say.pop_front();
        let Some((chat, side)) = self.seat(session) else {
            if self.sessions[session].is_blurred {
                self.blurred_texts.insert(text.to_owned());
                return Ok(());
            }
            ensure!(
                false,
                "nothing after the chat",
                "session {session} is told {text:.20}"
            );
        };
        self.touched.insert(chat);
        let direction = &mut self.chats[chat].said_by[1 - side];
        if std::mem::take(&mut direction.may_jump) {
            direction.told = seq.map_or(direction.told, |seq| seq.saturating_sub(1));
            direction.jump(direction.told);
        }
        let next = direction.told + 1;
        let seq = seq.unwrap_or(next);
        ensure!(
            seq == next,
            "no gaps",
            "session {session}: {seq} is told where {next} was next"
        );
        direction.told = seq;
        self.told_texts
            .insert(text.to_owned(), (chat, 1 - side, seq));
        if self.is_known(chat) {
            self.chats[chat].said(1 - side, seq, text)
        } else {
            // Two chats that began and ended unread may look like one.
            self.chats[chat].said_by[1 - side].jump(seq);
            Ok(())
        }
    }

    pub(crate) fn is_heard(
        &mut self,
        session: usize,
        seq: Option<u64>,
        text: Option<&str>,
        id: Option<&str>,
        answered: Option<&Asked>,
    ) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            if self.sessions[session].is_blurred {
                return Ok(());
            }
            ensure!(
                false,
                "nothing after the chat",
                "session {session}: {id:?} is accepted"
            );
        };
        self.counts.messages += 1;
        self.touched.insert(chat);
        let is_known = self.is_known(chat);
        let chat = &mut self.chats[chat];
        // A classic sender sees everything once, in order; how far it has seen is how far it was told.
        let seq = seq.unwrap_or_else(|| chat.echoed(side));
        if is_known {
            chat.accepted(side, seq, id)?;
        } else {
            chat.said_by[side].jump(seq);
        }
        match (text, answered) {
            _ if !is_known => Ok(()),
            (Some(text), _) => chat.said(side, seq, text),
            (None, Some(Asked::Say { text })) => chat.said(side, seq, text),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_delivered(&mut self, session: usize, seq: u64) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            if self.sessions[session].is_blurred {
                return Ok(());
            }
            ensure!(
                false,
                "nothing after the chat",
                "session {session}: {seq} is delivered"
            );
        };
        let is_known = self.is_known(chat);
        let direction = &mut self.chats[chat].said_by[side];
        let acked = direction.acked;
        ensure!(
            seq <= acked || !is_known,
            "delivered after acknowledged",
            "{seq} of {acked}"
        );
        ensure!(
            seq >= direction.delivered,
            "delivered goes up",
            "{seq} after {}",
            direction.delivered
        );
        direction.delivered = seq;
        Ok(())
    }

    pub(crate) fn partner_moves(&mut self, session: usize, told: &Told) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            if self.sessions[session].is_blurred {
                return Ok(());
            }
            ensure!(
                false,
                "nothing after the chat",
                "session {session}: {told:?}"
            );
        };
        self.touched.insert(chat);
        self.chats[chat].sees_away[side] = *told == Told::PartnerAway;
        Ok(())
    }
}
