//! What a resume must give, and when it may be refused.

use crate::client::Mood;
use crate::model::{Attachment, Model, Resume};
use crate::violation::{Checked, ensure};
use crate::wire::Told;

impl Model {
    pub(crate) fn resumes(&mut self, line: usize, told: &Told) -> Checked {
        let Told::Resumed {
            session: name,
            token: fresh_token,
            state,
            recovered,
            matched,
        } = told
        else {
            return Ok(());
        };
        let Some(Resume {
            token,
            chat: named,
            last_seq,
        }) = self.lines[line].resume.take()
        else {
            ensure!(false, "answers", "resumed without being asked");
        };
        let Some(session) = self.tokens.remove(&token) else {
            ensure!(false, "tokens are used once", "line {line}");
        };
        ensure!(
            self.names.get(name) == Some(&session),
            "tokens",
            "{name} is not {session}"
        );
        ensure!(
            self.spent.insert(token) && !self.spent.contains(fresh_token),
            "tokens are used once",
            "line {line} gets one again"
        );
        self.tokens.insert(fresh_token.clone(), session);
        self.counts.resumes += 1;
        self.take_over(line, session)?;
        if *state != "chatting" && self.sessions[session].mood == Mood::Waiting {
            let is_right = state == "waiting"
                || self.sessions[session].is_blurred
                || self.may_stop_waiting(session, "gave_up")
                || self.may_stop_waiting(session, "expired");
            ensure!(
                is_right,
                "a waiting session keeps its place",
                "resumed {state}"
            );
        }
        if self.sessions[session].is_blurred && state != "idle" {
            // Its chat may have ended, and more may have followed, on a line that broke before it was read.
            let chat = matched.as_ref().and_then(|matched| matched.chat.as_deref());
            let known = self.sessions[session].chat.map(|chat| &self.chats[chat]);
            if known.is_some_and(|known| known.id.as_deref() != chat) {
                self.ends_unread_chat(session);
            }
        }
        match (&**state, matched, self.sessions[session].chat) {
            ("chatting", Some(matched), None) => self.meets(session, matched)?,
            ("chatting", Some(matched), Some(chat)) => {
                let partner = self.chats[chat].sides[1 - self.chats[chat].side(session)];
                ensure!(
                    matched.partner == partner.to_string(),
                    "pairs",
                    "resumed with another"
                );
            }
            ("chatting", None, _) | (_, Some(_), _) => ensure!(false, "states", "resumed {state}"),
            ("waiting", None, _) => self.sessions[session].mood = Mood::Waiting,
            ("idle", None, None) => self.sessions[session].mood = Mood::Idle,
            _ => {}
        }
        // Who reads late may be told next of the chat that it was waiting for.
        let may_meet = state == "waiting" && self.lines[line].was_stalled;
        if state != "chatting" && !may_meet {
            // Of these it will hear nothing any more, or only what was missed of the last, and its end.
            let mut unseen = std::mem::take(&mut self.sessions[session].unseen);
            if self.sessions[session].chat.is_none() && state == "idle" {
                self.sessions[session].chat = unseen.pop();
            }
            for chat in unseen {
                self.chat_is_over(chat, session);
            }
        }
        let left = self.sessions[session].left;
        if self.sessions[session].chat.is_none()
            && state == "idle"
            && self.is_named(left, named.as_ref())
        {
            // It may not have heard how that ended, and hears it again.
            self.sessions[session].chat = left;
        }
        let chat = self.sessions[session].chat;
        if state == "idle" && named.is_some() && !self.is_named(chat, named.as_ref()) {
            // Of a chat that it never knew, and that is over, it hears nothing.
            if let Some(chat) = chat {
                self.chat_is_over(chat, session);
            }
            return Ok(());
        }
        let has_seen_it = named.is_none() || self.is_named(chat, named.as_ref());
        let last_seq = if has_seen_it { last_seq } else { 0 };
        self.replays(line, session, last_seq, *recovered)
    }

    /// Whether a client that resumes names this chat.
    fn is_named(&self, chat: Option<usize>, named: Option<&String>) -> bool {
        let chat = chat.and_then(|chat| self.chats[chat].id.as_ref());
        chat.is_some() && chat == named
    }

    /// A line takes over a session from nothing, or from another line.
    fn take_over(&mut self, line: usize, session: usize) -> Checked {
        let fresh = self.lines[line].session;
        match self.sessions[session].at {
            Attachment::Line(old) => ensure!(old != line, "tokens", "resumed onto itself"),
            Attachment::Away(_) | Attachment::Unread => {}
            Attachment::Over => {
                ensure!(
                    self.sessions[session].is_blurred,
                    "what is over stays over",
                    "{session}"
                );
            }
        }
        self.is_over(fresh);
        self.away.remove(&session);
        self.lines[line].session = session;
        self.sessions[session].at = Attachment::Line(line);
        self.stirred.insert(session);
        self.touched.extend(self.sessions[session].chat);
        Ok(())
    }

    /// What was missed must come now, all of it or nothing.
    fn replays(&mut self, line: usize, session: usize, last_seq: u64, recovered: bool) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            return Ok(());
        };
        let is_known = self.is_known(chat);
        self.chats[chat].sees_away[side] = false;
        let direction = &mut self.chats[chat].said_by[1 - side];
        let said = direction.last_seq();
        if !is_known {
            // Told what was not known to be said: only that there are no gaps can be held.
            direction.told = if recovered { last_seq } else { said };
            direction.may_jump = !recovered;
            direction.has_gap |= !recovered;
            return Ok(());
        }
        ensure!(
            last_seq <= said,
            "nothing from the future",
            "{last_seq} of {said}"
        );
        if let Some(is_kept) = direction.is_kept_after(last_seq) {
            let acked = direction.acked;
            ensure!(
                recovered == is_kept,
                "a resume gives what was missed",
                "{last_seq} of {said}, {acked} acked: {recovered}"
            );
        }
        if recovered {
            direction.told = last_seq;
            self.lines[line].must_say = (last_seq + 1..=said).collect();
        } else {
            direction.told = said;
            direction.has_gap = true;
        }
        Ok(())
    }

    pub(crate) fn may_refuse_token(&self, line: usize) -> Checked {
        let Some(Resume {
            token,
            chat: named,
            last_seq,
        }) = &self.lines[line].resume
        else {
            ensure!(false, "answers", "a token is refused that was not given");
        };
        let Some(session) = self.tokens.get(token).copied() else {
            return Ok(());
        };
        let is_here = match self.sessions[session].at {
            Attachment::Away(_) if self.is_draining => false,
            Attachment::Line(_) | Attachment::Away(_) => !self.sessions[session].is_blurred,
            Attachment::Unread | Attachment::Over => false,
        };
        let left = self.sessions[session].left;
        let chat = self.sessions[session].chat.or(left);
        let is_possible = match chat {
            Some(chat) if named.is_none() || self.is_named(Some(chat), named.as_ref()) => {
                let side = self.chats[chat].side(session);
                *last_seq <= self.chats[chat].said_by[1 - side].last_seq()
            }
            _ => *last_seq == 0 || named.is_some() || self.sessions[session].has_chatted,
        };
        let is_own = self.lines[line].session == session;
        ensure!(
            !is_here || !is_possible || is_own,
            "a good token resumes",
            "session {session}"
        );
        Ok(())
    }
}
