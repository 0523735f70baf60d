//! What somebody makes of what the server says.

use super::{Person, Phase, Scene, Step};
use crate::swarm::tally::Metric;
use crate::swarm::violation::Violation;
use crate::swarm::wire::{Heard, Resumed, ResumedState, Say};

impl Person {
    /// Hears a text frame.
    pub(in crate::swarm) fn hear(&mut self, text: &str, scene: &mut Scene) -> Step {
        if matches!(self.phase, Phase::Closing | Phase::Gone) {
            return Step::Stay;
        }
        match self.dialect.read(text) {
            Ok(heard) => self.heard(heard, scene),
            Err(gibberish) => {
                scene.tally.violation(&Violation::Gibberish {
                    who: self.guest.number,
                    reason: gibberish.to_string(),
                });
                Step::Stay
            }
        }
    }

    fn heard(&mut self, heard: Heard<'_>, scene: &mut Scene) -> Step {
        match heard {
            Heard::Said { seq, from, text } => {
                self.heard_text(seq, from.as_deref(), &text, scene);
                Step::Stay
            }
            Heard::Accepted { number, seq } => {
                self.accepted(number, seq, scene);
                Step::Stay
            }
            Heard::Delivered { seq } => {
                self.delivered(seq, scene);
                Step::Stay
            }
            Heard::Matched { chat, partner } => self.matched(chat, &partner, scene),
            Heard::Welcome(welcome) => {
                self.welcomed(&welcome.resume_token, scene);
                Step::Stay
            }
            Heard::Resumed(resumed) => self.resumed(resumed, scene),
            Heard::PartnerLeft => self.partner_left(scene),
            Heard::PartnerAway | Heard::PartnerBack => {
                if let Some(chat) = &mut self.chat {
                    chat.partner_is_away(heard == Heard::PartnerAway);
                }
                Step::Stay
            }
            Heard::Waiting if self.phase == Phase::Parting { wants_next: true } => {
                self.wait(self.since_ns, scene);
                Step::Stay
            }
            Heard::Idle => self.idled(scene),
            Heard::Reported => self.reported(scene),
            Heard::GoingAway { reconnect_after_ms } => {
                self.return_after_ms = Some(reconnect_after_ms);
                Step::Stay
            }
            Heard::Error { code, number } => {
                if self.phase == Phase::Entering {
                    // The session is not to be resumed any more; this one is as good as new.
                    scene.tally.error(&format!("resume.{code}"));
                    self.end_chat(scene);
                    self.entered(scene);
                    return Step::Stay;
                }
                self.refused(&code, number, scene);
                // What is said has numbers, so this is about the report.
                if number.is_none() && self.reported_ns.take().is_some() {
                    return self.leave(scene.now_ns, scene);
                }
                Step::Stay
            }
            Heard::Waiting | Heard::Other => Step::Stay,
        }
    }

    /// The first thing that a v1 server says.
    fn welcomed(&mut self, token: &str, scene: &mut Scene) {
        let old = std::mem::replace(&mut self.token, token.to_owned());
        if old.is_empty() {
            self.entered(scene);
            return;
        }
        let chat = self.chat.as_ref();
        let say = Say::Resume {
            token: &old,
            last_seq: chat.map_or(0, |chat| chat.heard_seq),
            chat: chat.and_then(|chat| chat.id.as_deref()),
        };
        scene.say(self.dialect, say);
    }

    /// The session goes on.
    fn resumed(&mut self, resumed: Resumed<'_>, scene: &mut Scene) -> Step {
        self.token = resumed.resume_token.into_owned();
        self.tries = 0;
        scene.tally.counts.connections += 1;
        scene.tally.counts.resumed += 1;
        let took_ns = scene.now_ns.saturating_sub(self.call_ns);
        scene.tally.time(Metric::Resume, took_ns);
        match resumed.state {
            ResumedState::Chatting => {
                let is_the_same = self
                    .chat
                    .as_ref()
                    .is_some_and(|chat| chat.id.as_deref() == resumed.chat.as_deref());
                if !is_the_same {
                    // Somebody was found, and the connection was lost before that was told.
                    self.end_chat(scene);
                    self.turn(Phase::Waiting, scene);
                    let partner = resumed.partner.unwrap_or_default();
                    return self.matched(resumed.chat, &partner, scene);
                }
                self.turn(Phase::Chatting, scene);
                if let Some(chat) = &mut self.chat {
                    chat.partner_is_away(false);
                    if !resumed.has_recovered {
                        scene.tally.error("resume.unrecovered");
                        chat.tear();
                    }
                }
                self.say_again(scene);
                Step::Stay
            }
            ResumedState::Waiting => {
                self.end_chat(scene);
                self.wait(self.since_ns, scene);
                Step::Stay
            }
            // How the chat ended is told next, and what was said until then before it.
            ResumedState::Idle if self.chat.is_some() => {
                self.turn(Phase::Chatting, scene);
                Step::Stay
            }
            ResumedState::Idle => {
                self.join(self.call_ns, scene);
                Step::Stay
            }
        }
    }

    /// The server says that nothing is going on.
    fn idled(&mut self, scene: &mut Scene) -> Step {
        match self.phase {
            // After a chat of one's own ending, or what was said to say something.
            Phase::Parting { wants_next: false } => self.close(scene),
            Phase::Chatting => {
                self.end_chat(scene);
                self.after_chat(scene)
            }
            // The answer to what was said only to say something.
            _ => Step::Stay,
        }
    }
}
