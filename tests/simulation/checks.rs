//! What must hold after every step, and once everything has come to rest.

use crate::client::Mood;
use crate::model::{Attachment, Model};
use crate::setting::geodesic_m;
use crate::violation::{Checked, ensure};
use whisperchat::dialect::Dialect;

impl Model {
    /// After a step. `is_kept` says whether a session is kept for somebody until both are heard from: the
    /// only thing asked of the server's inside, as nothing on the wire tells it.
    pub(crate) fn check_step(&mut self, is_kept: &dyn Fn(usize) -> bool) -> Checked {
        for chat in std::mem::take(&mut self.touched) {
            self.check_chat(chat)?;
        }
        for session in std::mem::take(&mut self.stirred) {
            for other in 0..self.sessions.len() {
                let waits_in_vain = self.are_eligible(session, other);
                if waits_in_vain && !is_kept(session) && !is_kept(other) {
                    ensure!(false, "no eligible pair waits", "{session} and {other}");
                }
            }
        }
        Ok(())
    }

    /// Looks at everybody, for what time alone has changed.
    pub(crate) fn stir(&mut self) {
        let waits = |session: &usize| self.sessions[*session].mood == Mood::Waiting;
        self.stirred = (0..self.sessions.len()).filter(waits).collect();
    }

    pub(crate) fn are_eligible(&self, a: usize, b: usize) -> bool {
        let waits =
            |session: usize| self.sessions[session].mood == Mood::Waiting && self.is_clear(session);
        let is_sure = !self.sessions[a].was_blurred && !self.sessions[b].was_blurred;
        if a == b || !is_sure || !waits(a) || !waits(b) {
            return false;
        }
        let avoids = |a: usize, b: usize| {
            let mut met = self.sessions[a].met.iter();
            let blocks = self.sessions[a].blocked.contains_key(&b);
            blocks || met.any(|met| met.who == b && self.now_ms < met.until_ms.1)
        };
        let (first, second) = (&self.sessions[a], &self.sessions[b]);
        let reach_m = first.range_km.min(second.range_km) * 1000.0;
        !avoids(a, b) && !avoids(b, a) && geodesic_m(first.place, second.place) <= reach_m
    }

    /// All pairs that wait for each other, and since when.
    pub(crate) fn eligible_pairs(&self) -> Vec<(usize, usize, u64)> {
        let mut pairs = Vec::new();
        for a in 0..self.sessions.len() {
            let with = (a + 1..self.sessions.len()).filter(|b| self.are_eligible(a, *b));
            pairs.extend(
                with.map(|b| (a, b, self.sessions[a].since_ms + self.sessions[b].since_ms)),
            );
        }
        pairs
    }

    fn check_chat(&self, chat: usize) -> Checked {
        if !self.is_known(chat) {
            return Ok(());
        }
        let chat = &self.chats[chat];
        let sides = chat.sides;
        for (own, other) in [(0, 1), (1, 0)] {
            let (session, partner) = (sides[own], sides[other]);
            if !self.is_clear(session) || chat.over[own] {
                continue;
            }
            ensure!(
                chat.told[own].is_some(),
                "shown to both or to neither",
                "{partner} alone of {sides:?}"
            );
            ensure!(
                !chat.over[other],
                "told that the partner left",
                "{session} is not, of {partner}"
            );
            let away = matches!(self.sessions[partner].at, Attachment::Away(_));
            let is_told = self.sessions[session].dialect == Dialect::V1;
            if is_told && !self.sessions[partner].is_blurred {
                let sees_away = chat.sees_away[own];
                ensure!(
                    sees_away == away,
                    "away and back",
                    "{session} sees {partner} away: {sees_away}"
                );
            }
            let direction = &chat.said_by[other];
            let (told, said) = (direction.told, direction.last_seq());
            ensure!(
                told == said,
                "what is accepted is told",
                "{session}: {told} of {said}"
            );
        }
        for (own, other) in [(0, 1), (1, 0)] {
            let partner = &self.sessions[sides[other]];
            // In a drain nobody is waited for who is away.
            let is_given_up = match partner.at {
                Attachment::Line(_) | Attachment::Unread => false,
                Attachment::Away(_) => self.is_draining,
                Attachment::Over => true,
            };
            let is_here = !is_given_up && !partner.is_blurred;
            let stays = !chat.over[other] && is_here && chat.is_sure;
            ensure!(
                !chat.is_left[own] || !stays,
                "nobody is left by who stays",
                "{sides:?}"
            );
        }
        Ok(())
    }

    /// Both were heard from lately, so neither is shown a partner who is long gone.
    pub(crate) fn both_were_heard(&self, chat: usize) -> Checked {
        if self.chats[chat].began_ms < self.now_ms || !self.chats[chat].is_sure {
            // Told late to who was away, or did not read.
            return Ok(());
        }
        let matching = &self.config.matching;
        let lately_ms = ((matching.heard_within_s + matching.confirm_s) * 1000.0) as u64;
        for session in self.chats[chat].sides {
            if let Attachment::Line(line) = self.sessions[session].at
                && !self.lines[line].was_stalled
            {
                let silent_ms = self.now_ms - self.lines[line].heard_ms;
                ensure!(
                    silent_ms <= lately_ms,
                    "both were heard from",
                    "{session}: not for {silent_ms} ms"
                );
            }
        }
        Ok(())
    }

    /// Who is silent for long is gone. A clock that jumped counts from there.
    pub(crate) fn check_silence(&self, jumped_ms: u64) -> Checked {
        let limits = &self.config.limits;
        let most_ms = u64::from(limits.ping_s + limits.pong_s + 2) * 1000;
        for (number, line) in self.lines.iter().enumerate() {
            let silent_ms = self.now_ms - line.heard_ms.max(jumped_ms);
            let is_gone = !line.is_open || line.is_stalled || silent_ms <= most_ms;
            ensure!(
                is_gone,
                "the dead are gone",
                "line {number} is silent for {silent_ms} ms"
            );
        }
        Ok(())
    }

    /// At rest, everything that was accepted has been shown.
    pub(crate) fn check_rest(&self) -> Checked {
        for chat in self.chats.iter().filter(|chat| chat.over == [false; 2]) {
            let is_here = |session: usize| matches!(self.sessions[session].at, Attachment::Line(_));
            if !chat.sides.iter().all(|session| is_here(*session)) {
                continue;
            }
            for direction in &chat.said_by {
                let (shown, said) = (direction.shown, direction.last_seq());
                let is_whole = shown == said || direction.has_gap;
                ensure!(
                    is_whole,
                    "what is accepted is shown",
                    "{:?}: {shown} of {said}",
                    chat.sides
                );
            }
        }
        Ok(())
    }

    /// The server ends a connection because it stops. What its person said to one who will not come back
    /// in time must not go unanswered.
    pub(crate) fn drain_loses_nothing(&self, session: usize) -> Checked {
        let Some((chat, side)) = self.seat(session) else {
            return Ok(());
        };
        if !self.is_known(chat) {
            return Ok(());
        }
        let partner = self.chats[chat].sides[1 - side];
        let is_gone = !matches!(self.sessions[partner].at, Attachment::Line(_));
        let direction = &self.chats[chat].said_by[side];
        let is_all_told = direction.told == direction.last_seq();
        ensure!(
            !is_gone || is_all_told,
            "a drain loses nothing",
            "{session} to {partner}"
        );
        Ok(())
    }
}
