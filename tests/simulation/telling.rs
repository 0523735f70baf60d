//! Whether the server may tell a line what it tells it, and what that means for the model.

use crate::chat::Chat;
use crate::client::Mood;
use crate::model::{Attachment, Model, Session};
use crate::setting::geodesic_m;
use crate::violation::{Checked, ensure};
use crate::wire::{Answer, Asked, Match, Told};

impl Model {
    /// The server tells a line something.
    pub(crate) fn told(&mut self, line: usize, Answer { told, id }: &Answer) -> Checked {
        if let Some(seq) = self.lines[line].must_say.front().copied() {
            let follows = matches!(told, Told::Said { seq: Some(said), .. } if *said == seq);
            ensure!(
                follows,
                "a resume gives what was missed",
                "{seq} is due, not {told:?}"
            );
        }
        match told {
            Told::Ping => return Ok(()),
            Told::Close { code } => return self.closes(line, *code),
            Told::Error { code } => return self.refuses(line, code),
            Told::Welcome { session, token } => {
                ensure!(
                    line == self.lines[line].session,
                    "one welcome",
                    "line {line}"
                );
                self.names.insert(session.clone(), line);
                self.tokens.insert(token.clone(), line);
                return Ok(());
            }
            Told::Resumed { .. } => return self.resumes(line, told),
            _ => {}
        }
        let Some(session) = self.session_on(line) else {
            // Told before the session went on elsewhere, or ended, and read only now.
            let was_stalled = self.lines[line].was_stalled;
            ensure!(
                was_stalled,
                "nothing to a line that is left",
                "line {line}: {told:?}"
            );
            return Ok(());
        };
        let answered = id
            .as_ref()
            .and_then(|id| self.lines[line].asked.get(id))
            .cloned();
        let begins_anew = match told {
            Told::Waiting { .. } => matches!(answered, Some(Asked::Join(_) | Asked::Next)),
            Told::Matched(_) | Told::Idle { .. } => true,
            _ => false,
        };
        if begins_anew && self.sessions[session].is_blurred {
            // The end of its chat was told on a line that broke before it was read.
            self.ends_unread_chat(session);
        }
        let mood = self.sessions[session].mood;
        self.stirred.insert(session);
        match told {
            Told::Waiting {
                range_km,
                waited_ms,
                requeued,
            } => {
                self.waits(session, answered.as_ref(), *range_km, *requeued)?;
                self.has_waited(session, *waited_ms)
            }
            Told::Matched(matched) => {
                ensure!(
                    mood == Mood::Waiting,
                    "nobody is in two chats",
                    "matched while {mood:?}"
                );
                self.meets(session, matched)
            }
            Told::Said { seq, text } => self.hears(line, session, *seq, text),
            Told::Accepted { seq, text } => self.is_heard(
                session,
                *seq,
                text.as_deref(),
                id.as_deref(),
                answered.as_ref(),
            ),
            Told::Delivered { seq } => self.is_delivered(session, *seq),
            Told::Typing => {
                ensure!(mood == Mood::Chatting, "states", "typing while {mood:?}");
                Ok(())
            }
            Told::PartnerAway | Told::PartnerBack => self.partner_moves(session, told),
            Told::PartnerLeft { reason } => self.is_left(session, reason),
            Told::Idle { reason } => self.becomes_idle(session, reason),
            Told::Blocked { chat } => self.blocks(session, chat),
            Told::GoingAway => {
                ensure!(self.is_draining, "states", "going away without a drain");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn ends_unread_chat(&mut self, session: usize) {
        if let Some(chat) = self.sessions[session].chat {
            let was = self.sessions[session].mood;
            self.chat_is_over(chat, session);
            self.sessions[session].mood = match was {
                Mood::Chatting => Mood::Waiting,
                mood => mood,
            };
        }
    }

    fn waits(
        &mut self,
        session: usize,
        answered: Option<&Asked>,
        range_km: f64,
        requeued: bool,
    ) -> Checked {
        let mood = self.sessions[session].mood;
        let before_km = self.sessions[session].range_km;
        let is_blurred = self.sessions[session].is_blurred;
        match answered {
            Some(Asked::Join(wish)) => {
                let is_blurred = self.sessions[session].is_blurred;
                ensure!(
                    mood == Mood::Idle || is_blurred,
                    "states",
                    "joined while {mood:?}"
                );
                if is_blurred && !self.is_behind(session) {
                    self.sessions[session].is_blurred = false;
                    self.sessions[session].was_blurred = true;
                    for chat in std::mem::take(&mut self.sessions[session].unseen) {
                        self.chat_is_over(chat, session);
                    }
                }
                self.sessions[session].wish = wish.clone();
                self.wants(session, wish);
                self.waits_anew(session);
                ensure!(
                    Some(range_km) == wish.range_km,
                    "ranges",
                    "{range_km} of {wish:?}"
                );
            }
            Some(Asked::Next) => {
                if let Some(chat) = self.sessions[session].chat {
                    self.chat_is_over(chat, session);
                }
                self.waits_anew(session);
                let asked_km = self.sessions[session].wish.range_km;
                ensure!(
                    Some(range_km) == asked_km || is_blurred,
                    "ranges",
                    "{range_km}, not {asked_km:?}"
                );
            }
            Some(Asked::Update(wish)) => {
                ensure!(mood == Mood::Waiting, "states", "updated while {mood:?}");
                self.wants(session, wish);
            }
            Some(other) => ensure!(false, "answers", "{other:?} is answered by waiting"),
            None if requeued => {
                ensure!(
                    mood == Mood::Waiting,
                    "requeued only while waiting",
                    "while {mood:?}"
                );
                ensure!(
                    range_km == before_km || is_blurred,
                    "ranges",
                    "{range_km} after {before_km}, requeued"
                );
            }
            None => self.widens(session, range_km)?,
        }
        self.sessions[session].range_km = range_km;
        Ok(())
    }

    fn widens(&mut self, session: usize, range_km: f64) -> Checked {
        let matching = &self.config.matching;
        let (step_ms, now_ms) = ((matching.widen_step_s * 1000.0) as u64, self.now_ms);
        let session = &mut self.sessions[session];
        ensure!(
            session.mood == Mood::Waiting,
            "states",
            "widened while {:?}",
            session.mood
        );
        if session.is_blurred {
            return Ok(());
        }
        let Some(max_km) = session.wish.range_max_km else {
            ensure!(false, "ranges", "widened without being asked to");
        };
        let wanted_km = (session.range_km * matching.widen_factor).min(max_km);
        let is_right = (range_km - wanted_km).abs() <= 1e-9 * wanted_km;
        let is_due = session.range_at_ms + step_ms <= now_ms && step_ms > 0;
        let is_sure = !session.is_blurred;
        ensure!(
            !is_sure || (is_right && is_due),
            "ranges",
            "{range_km} km after {} km",
            session.range_km
        );
        session.range_at_ms = now_ms;
        Ok(())
    }

    fn has_waited(&self, session: usize, waited_ms: u64) -> Checked {
        let wanted_ms = self.now_ms - self.sessions[session].since_ms;
        let is_right = waited_ms == wanted_ms || self.sessions[session].is_blurred;
        ensure!(
            is_right,
            "age is kept",
            "session {session}: {waited_ms} ms, not {wanted_ms} ms"
        );
        Ok(())
    }

    pub(crate) fn meets(&mut self, session: usize, matched: &Match) -> Checked {
        let partner: usize = matched.partner.parse().unwrap_or(usize::MAX);
        ensure!(
            partner < self.sessions.len(),
            "pairs",
            "partner {:?}",
            matched.partner
        );
        ensure!(partner != session, "pairs", "{session} with itself");
        let is_this = |chat: &&usize| {
            let Chat { sides, id, .. } = &self.chats[**chat];
            sides.contains(&partner)
                && (id.is_none() || matched.chat.is_none() || *id == matched.chat)
        };
        let mut unseen = self.sessions[session].unseen.iter();
        // Who catches up hears of the first of several first.
        let unseen = if self.is_behind(session) {
            unseen.position(|chat| is_this(&chat))
        } else {
            unseen.rposition(|chat| is_this(&chat))
        };
        let chat = if let Some(index) = unseen {
            self.sessions[session].unseen.remove(index)
        } else {
            // Who reads late may hear of one that was taken to be over for it.
            let known = self.chats.iter().position(|chat| {
                chat.id.is_some() && chat.id == matched.chat && chat.sides.contains(&session)
            });
            known.unwrap_or_else(|| self.begins(session, partner))
        };
        let Chat { id, .. } = &mut self.chats[chat];
        let is_same = id.is_none() || matched.chat.is_none() || *id == matched.chat;
        ensure!(
            is_same,
            "pairs",
            "{session} is in {id:?} and {:?}",
            matched.chat
        );
        *id = id.take().or_else(|| matched.chat.clone());
        let side = self.chats[chat].side(session);
        let Model {
            sessions, chats, ..
        } = self;
        chats[chat].told[side] = Some((sessions[session].place, sessions[session].range_km));
        sessions[session].mood = Mood::Chatting;
        sessions[session].chat = Some(chat);
        sessions[session].has_chatted = true;
        self.touched.insert(chat);
        self.both_were_heard(chat)?;
        self.may_meet(chat)
    }

    /// The first of two is told of a chat.
    fn begins(&mut self, session: usize, partner: usize) -> usize {
        self.counts.matches += 1;
        let mut chat = Chat::new([session, partner], self.now_ms);
        let is_blurred = |session: usize| self.sessions[session].is_blurred;
        chat.is_sure = !is_blurred(session) && !is_blurred(partner);
        self.chats.push(chat);
        self.sessions[partner].unseen.push(self.chats.len() - 1);
        self.chats.len() - 1
    }

    /// Once both were told: whether they were allowed to meet.
    fn may_meet(&self, chat: usize) -> Checked {
        let Chat {
            told: [Some(a), Some(b)],
            sides,
            began_ms,
            is_sure,
            ..
        } = self.chats[chat]
        else {
            return Ok(());
        };
        let [first, second] = sides.map(|session| &self.sessions[session]);
        let blocks = |by: &Session, who: usize| {
            let since_ms = by.blocked.get(&who);
            since_ms.is_some_and(|since_ms| *since_ms < began_ms)
        };
        let is_blocked = blocks(first, sides[1]) || blocks(second, sides[0]);
        ensure!(!is_blocked || !is_sure, "blocks are held", "{sides:?}");
        if !first.is_blurred && !second.is_blurred {
            let (metres, reach_km) = (geodesic_m(a.0, b.0), a.1.min(b.1));
            let is_near = metres <= reach_km * 1000.0;
            ensure!(
                is_near,
                "in range of each",
                "{sides:?}: {metres} m, {} and {} km",
                a.1,
                b.1
            );
        }
        for (session, partner) in [(first, sides[1]), (second, sides[0])] {
            let mut last = session.met.iter().rev().take(16);
            let recent =
                last.find(|met| met.who == partner && met.chat < chat && began_ms < met.until_ms.0);
            ensure!(
                recent.is_none(),
                "cool-off is held",
                "{sides:?} at {began_ms}: {recent:?}"
            );
        }
        Ok(())
    }

    fn is_left(&mut self, session: usize, reason: &str) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            if self.sessions[session].is_blurred {
                return Ok(());
            }
            ensure!(
                false,
                "nothing after the chat",
                "session {session} is left: {reason}"
            );
        };
        self.chats[chat].is_left[side] = true;
        self.sessions[session].left = Some(chat);
        self.chat_is_over(chat, session);
        Ok(())
    }

    fn becomes_idle(&mut self, session: usize, reason: &str) -> Checked {
        if let Some(chat) = self.sessions[session].chat {
            // One that was read of late may have been over long before.
            let is_right = reason == "left" || !self.chats[chat].is_sure;
            ensure!(is_right, "states", "idle {reason} in a chat");
            self.chat_is_over(chat, session);
        }
        let is_due = self.may_stop_waiting(session, reason) || self.sessions[session].is_blurred;
        ensure!(is_due, "waits as long as it may", "{reason}");
        self.sessions[session].mood = Mood::Idle;
        Ok(())
    }

    /// Whether a session can have waited as long as it wanted to, or as anybody may.
    pub(crate) fn may_stop_waiting(&self, session: usize, reason: &str) -> bool {
        let session = &self.sessions[session];
        let max_wait_ms = (self.config.matching.max_wait_s * 1000.0) as u64;
        match reason {
            "gave_up" => session
                .give_up_at_ms
                .is_some_and(|at_ms| at_ms <= self.now_ms),
            "expired" => session.since_ms + max_wait_ms <= self.now_ms,
            _ => true,
        }
    }

    fn blocks(&mut self, session: usize, chat: &str) -> Checked {
        let own =
            |known: &&Chat| known.id.as_deref() == Some(chat) && known.sides.contains(&session);
        let Some(known) = self.chats.iter().find(own) else {
            ensure!(false, "answers", "{chat} is blocked");
        };
        let partner = known.sides[1 - known.side(session)];
        let now_ms = self.now_ms;
        let blocked = &mut self.sessions[session].blocked;
        blocked.entry(partner).or_insert(now_ms);
        Ok(())
    }

    /// Whether what a session is told now is of before.
    fn is_behind(&self, session: usize) -> bool {
        matches!(self.sessions[session].at, Attachment::Line(line) if self.lines[line].catches_up)
    }
}
