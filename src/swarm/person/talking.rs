//! What somebody does in chats: meets, says, hears, goes.

use super::chat::Chat;
use super::{Person, Phase, Role, Scene, Step};
use crate::swarm::clock::{SECOND_NS, ns};
use crate::swarm::letter::{self, Letter};
use crate::swarm::schedule::Due;
use crate::swarm::tally::Metric;
use crate::swarm::violation::Violation;
use crate::swarm::wire::{Dialect, Say};
use rand::RngExt;
use std::borrow::Cow;

/// What is heard is acknowledged at once when it is so much.
const UNACKNOWLEDGED_MAX: u32 = 32;

/// And after so long otherwise, unless something is said before, which takes the acknowledgement along.
const ACK_AFTER_NS: u64 = SECOND_NS / 2;

/// How long after the end of a chat what was on its way may still be refused.
const CROSSING_NS: u64 = 5 * SECOND_NS;

impl Person {
    pub(in crate::swarm) fn chat(&self) -> Option<&Chat> {
        self.chat.as_deref()
    }

    /// Has a partner.
    pub(super) fn matched(
        &mut self,
        id: Option<Cow<'_, str>>,
        partner: &str,
        scene: &mut Scene,
    ) -> Step {
        let who = self.guest.number;
        if self.phase != Phase::Waiting {
            scene.tally.violation(&Violation::Unasked { who });
            return Step::Stay;
        }
        let Some(partner) = letter::number_of(scene.tag(), partner) else {
            scene.tally.violation(&Violation::Stranger { who });
            return self.close(scene);
        };
        self.check_match(id.as_deref(), partner, scene);
        scene.tally.counts.matches += 1;
        let waited_ns = scene.now_ns.saturating_sub(self.since_ns);
        scene.tally.time(Metric::Wait, waited_ns);
        let acquaintance = scene.acquaintance(partner).copied();
        match acquaintance {
            Some(other) => {
                let both_ns = self.since_ns.max(other.since_ns);
                // If the partner has left again and waits anew, that is not when they met.
                if both_ns <= scene.now_ns {
                    scene.tally.time(Metric::Match, scene.now_ns - both_ns);
                }
            }
            None => scene.tally.counts.apart += 1,
        }
        self.turn(Phase::Chatting, scene);
        let refused = acquaintance.map_or(0, |other| other.refused);
        let chat = Chat::new(partner, id, scene.now_ns, refused);
        self.chat = Some(Box::new(chat));
        match self.role {
            Role::Visitor => {
                let share = self.rng.random_range(0.5..1.5);
                let end_ns = scene.now_ns + ns(scene.plan.talk_s * share);
                self.at(end_ns, Due::Part, scene);
                self.rhythm_ns = scene.now_ns;
                self.beat = 0;
                self.schedule_say(self.stage, scene);
                Step::Stay
            }
            Role::Idler => Step::StopReading,
            _ => Step::Stay,
        }
    }

    fn check_match(&self, id: Option<&str>, partner: u32, scene: &mut Scene) {
        let who = self.guest.number;
        if partner == who {
            scene.tally.violation(&Violation::Oneself { who });
            return;
        }
        if let Some(apart_km) = scene.people.too_far_km(who, partner) {
            let allowed = self.guest.range.min(scene.people.guest(partner).range);
            scene.tally.violation(&Violation::OutOfRange {
                one: who,
                other: partner,
                apart_km,
                allowed_km: allowed.km(),
            });
        }
        let Some(id) = id else { return };
        // Only two v1 clients of one process can be compared.
        let is_comparable =
            scene.share.place_of(partner).is_some() && !scene.people.guest(partner).is_classic;
        if let Some(told) = scene.half_told.remove(id) {
            if told != (partner, who) {
                let violation = Violation::NotMutual { who, partner };
                scene.tally.violation(&violation);
            }
        } else if is_comparable {
            scene.half_told.insert(id.to_owned(), (who, partner));
        }
    }

    /// Says the next message, and acknowledges what was heard along with it.
    pub(super) fn say_text(&mut self, intended_ns: u64, scene: &mut Scene) {
        self.acknowledge(scene);
        let Some(chat) = &mut self.chat else { return };
        chat.said += 1;
        let number = chat.said;
        if self.dialect == Dialect::V1 {
            chat.unaccepted.push_back((number, intended_ns));
        }
        scene.tally.counts.said += 1;
        self.write_letter(number, intended_ns, scene);
    }

    /// Says again what may have been lost with the connection.
    pub(super) fn say_again(&mut self, scene: &mut Scene) {
        let unaccepted = self.chat.as_ref().map(|chat| chat.unaccepted.clone());
        for (number, intended_ns) in unaccepted.into_iter().flatten() {
            self.write_letter(number, intended_ns, scene);
        }
    }

    fn write_letter(&self, number: u32, intended_ns: u64, scene: &mut Scene) {
        let Some(chat) = &self.chat else { return };
        let bytes = scene.plan.bytes_of(self.guest.number, number);
        let letter = Letter {
            from: self.guest.number,
            to: chat.partner,
            number,
            intended_ns,
            since_ns: self.since_ns,
        };
        let text = letter.text(scene.tag(), bytes);
        let say = Say::Text {
            number,
            text: &text,
        };
        scene.say(self.dialect, say);
    }

    pub(super) fn acknowledge(&mut self, scene: &mut Scene) {
        let Some(chat) = &mut self.chat else { return };
        if self.dialect == Dialect::V1 && chat.acknowledged < chat.heard_seq {
            chat.acknowledged = chat.heard_seq;
            let seq = chat.heard_seq;
            scene.say(self.dialect, Say::Ack { seq });
        }
    }

    /// A message has come.
    pub(super) fn heard_text(
        &mut self,
        seq: Option<u32>,
        from: Option<&str>,
        text: &str,
        scene: &mut Scene,
    ) {
        let who = self.guest.number;
        let violation = match (self.phase, &mut self.chat) {
            // It was on its way when the chat was ended here.
            (Phase::Parting { .. } | Phase::Closing | Phase::Gone, _) => return,
            (Phase::Chatting, Some(chat)) => {
                let tag = scene.plan.tag;
                let letter = Letter::read(tag, text).filter(|letter| {
                    // A classic server says who has said it, which has to be so.
                    from.is_none_or(|from| letter::number_of(tag, from) == Some(letter.from))
                        && text.len() == scene.plan.bytes_of(letter.from, letter.number)
                });
                match letter {
                    None => Some(Violation::Altered { who }),
                    Some(letter) if letter.from == who && self.dialect == Dialect::Classic => {
                        chat.echo(who, &letter)
                    }
                    Some(letter) => {
                        let outcome = chat.hear(who, seq, &letter);
                        if outcome.is_none() {
                            self.time_heard(&letter, scene);
                        }
                        outcome
                    }
                }
            }
            _ => Some(Violation::NoChat { who }),
        };
        if let Some(violation) = violation {
            scene.tally.violation(&violation);
        }
    }

    fn time_heard(&mut self, letter: &Letter, scene: &mut Scene) {
        let Some(chat) = &mut self.chat else { return };
        scene.tally.counts.heard += 1;
        let took_ns = scene.now_ns.saturating_sub(letter.intended_ns);
        scene.tally.time(Metric::Relay, took_ns);
        let is_first = chat.heard_count() == 1;
        if is_first && scene.share.place_of(chat.partner).is_none() {
            let both_ns = self.since_ns.max(letter.since_ns);
            if both_ns <= chat.matched_ns {
                scene.tally.time(Metric::Match, chat.matched_ns - both_ns);
            }
        }
        if self.dialect == Dialect::V1 {
            let unacknowledged = chat.heard_seq.saturating_sub(chat.acknowledged);
            if unacknowledged >= UNACKNOWLEDGED_MAX {
                self.acknowledge(scene);
            } else if unacknowledged == 1 {
                self.at(scene.now_ns + ACK_AFTER_NS, Due::Ack, scene);
            }
        }
    }

    /// The server holds a message for the partner.
    pub(super) fn accepted(&mut self, number: Option<u32>, seq: u32, scene: &mut Scene) {
        let who = self.guest.number;
        let Some(chat) = &mut self.chat else { return };
        let expected = chat.unaccepted.front().copied();
        match expected {
            Some((next, intended_ns)) if number == Some(next) && seq == chat.accepted_seq + 1 => {
                chat.unaccepted.pop_front();
                chat.accepted_seq = seq;
                let took_ns = scene.now_ns.saturating_sub(intended_ns);
                scene.tally.time(Metric::Accepted, took_ns);
            }
            _ => scene.tally.violation(&Violation::Acceptance {
                who,
                number: number.unwrap_or(seq),
                what: "accepted",
            }),
        }
    }

    /// The partner's client has acknowledged everything up to `seq`.
    pub(super) fn delivered(&mut self, seq: u32, scene: &mut Scene) {
        let Some(chat) = &self.chat else { return };
        if seq > chat.said {
            scene.tally.violation(&Violation::Acceptance {
                who: self.guest.number,
                number: seq,
                what: "delivered",
            });
        }
    }

    /// The server has refused something.
    pub(super) fn refused(&mut self, code: &str, number: Option<u32>, scene: &mut Scene) {
        // Whatever was on its way when the chat ended comes too late, which is nobody's fault.
        if code == "wrong_state" && scene.now_ns < self.parted_ns + CROSSING_NS {
            return;
        }
        scene.tally.error(&format!("error.{code}"));
        let Some((chat, number)) = self.chat.as_mut().zip(number) else {
            return;
        };
        let before = chat.unaccepted.len();
        chat.unaccepted.retain(|(said, _)| *said != number);
        if chat.unaccepted.len() < before {
            chat.refused += 1;
            if let Some(me) = scene.acquaintances.get_mut(self.place as usize) {
                me.refused += 1;
            }
        }
    }

    /// The time to talk is over. Who reports the partner leaves when that is answered.
    pub(super) fn part(&mut self, at_ns: u64, scene: &mut Scene) -> Step {
        if scene.is_over {
            return Step::Stay;
        }
        let share = scene.plan.report;
        let reports =
            share > 0.0 && self.dialect == Dialect::V1 && self.rng.random::<f64>() < share;
        let chat = self.chat.as_ref().and_then(|chat| chat.id.as_deref());
        if let Some(chat) = chat.filter(|_| reports) {
            scene.say(self.dialect, Say::Report { chat });
            self.reported_ns = Some(scene.now_ns);
            return Step::Stay;
        }
        self.leave(at_ns, scene)
    }

    /// What was reported is kept.
    pub(super) fn reported(&mut self, scene: &mut Scene) -> Step {
        let Some(since_ns) = self.reported_ns.take() else {
            return Step::Stay;
        };
        scene
            .tally
            .time(Metric::Report, scene.now_ns.saturating_sub(since_ns));
        self.leave(scene.now_ns, scene)
    }

    /// Leaves the chat, if it still goes on.
    pub(super) fn leave(&mut self, at_ns: u64, scene: &mut Scene) -> Step {
        if scene.is_over || self.phase != Phase::Chatting {
            return Step::Stay;
        }
        let wants_next = self.rng.random::<f64>() < scene.plan.next;
        match self.dialect {
            // It leaves by closing, and would come back as somebody new.
            Dialect::Classic => self.close(scene),
            Dialect::V1 => {
                self.acknowledge(scene);
                let say = if wants_next { Say::Next } else { Say::Leave };
                scene.say(self.dialect, say);
                self.end_chat(scene);
                self.turn(Phase::Parting { wants_next }, scene);
                self.since_ns = at_ns;
                Step::Stay
            }
        }
    }

    /// The partner has gone.
    pub(super) fn partner_left(&mut self, scene: &mut Scene) -> Step {
        match self.phase {
            // Both have ended it at once. A `next` is good all the same, a `leave` refused.
            Phase::Parting { wants_next: true } => Step::Stay,
            Phase::Parting { wants_next: false } => self.close(scene),
            _ => {
                self.end_chat(scene);
                self.after_chat(scene)
            }
        }
    }

    /// Looks for somebody else or goes, as everybody's role has it.
    pub(super) fn after_chat(&mut self, scene: &mut Scene) -> Step {
        let wants_next = match self.role {
            Role::Visitor => self.rng.random::<f64>() < scene.plan.next,
            _ => true,
        };
        if scene.is_over {
            self.turn(Phase::Idle, scene);
            return Step::Stay;
        }
        if !wants_next {
            return self.close(scene);
        }
        let now_ns = scene.now_ns;
        if self.dialect == Dialect::V1 && self.role == Role::Visitor {
            scene.say(self.dialect, Say::Next);
            self.wait(now_ns, scene);
        } else {
            self.join(now_ns, scene);
        }
        Step::Stay
    }

    /// Sees whether everything came that was to come.
    pub(super) fn end_chat(&mut self, scene: &mut Scene) {
        let Some(chat) = self.chat.take() else { return };
        // Whatever is answered to it now is about a chat that is over.
        self.reported_ns = None;
        self.parted_ns = scene.now_ns;
        if let Some(id) = &chat.id {
            // Whose partner was not told by now needs no comparison any more.
            scene.half_told.remove(id);
        }
        let is_unnumbered = self.dialect == Dialect::Classic;
        // A number that is left out was refused, which its sender knows.
        let refused = match scene.acquaintance(chat.partner) {
            Some(partner) => partner.refused - chat.partner_refused_before,
            None if is_unnumbered => 0,
            None => chat.gaps,
        };
        if chat.gaps > refused && !chat.is_torn {
            scene.tally.violation(&Violation::Missing {
                who: self.guest.number,
                from: chat.partner,
                count: chat.gaps - refused,
            });
        }
    }
}
