//! What the server says.

use super::super::wire::{Heard, Matched, Refusal, Waiting};
use super::super::words;
use super::{ASKED, Chat, Ending, Leaving, Line, Met, Session, Stage, Step};
use serde_json::json;
use std::time::Duration;

/// Longer names are cut: no server that keeps to the contract sends any.
const PARTNER_MAX_CHARS: usize = 64;

impl Session {
    pub(super) fn react(&mut self, heard: Heard) {
        match heard {
            Heard::Waiting(waiting) => self.waiting(&waiting),
            Heard::Matched(matched) => self.matched(matched),
            Heard::Said { seq, text } => self.said(seq, text),
            Heard::Accepted { id, seq } => self.accepted(id.as_deref(), seq),
            Heard::Delivered { seq } => self.delivered(seq),
            Heard::Typing { on } => self.partner_typing(on),
            Heard::PartnerAway => {
                self.partner_notice(|who| format!("{who} lost the connection and may come back."));
            }
            Heard::PartnerBack => self.partner_notice(|who| format!("{who} is back.")),
            Heard::PartnerLeft { reason } => self.partner_left(&reason),
            Heard::Idle { reason } => self.idle(&reason),
            Heard::Blocked { chat } => self.safety_notice(&chat, |who| {
                format!("You blocked {who}. You will not meet again.")
            }),
            Heard::Reported { chat } => {
                self.report_answered();
                self.safety_notice(&chat, |who| format!("You reported {who}. Thank you."));
            }
            Heard::Resumed => self.notice("The connection is back."),
            Heard::GoingAway { reconnect_after_ms } => {
                self.comes_back_after = Some(Duration::from_millis(reconnect_after_ms));
                self.notice("The server is about to go away.");
            }
            Heard::Error(refusal) => self.refused(&refusal),
            Heard::Welcome(_) | Heard::Unknown => {}
        }
    }

    fn waiting(&mut self, waiting: &Waiting) {
        if !matches!(self.stage, Stage::Waiting { .. }) {
            self.stage = ASKED;
        }
        let Stage::Waiting { shown_range_km, .. } = &mut self.stage else {
            return;
        };
        let range_km = words::km(waiting.range_km);
        let shown_before = shown_range_km.replace(range_km);
        let nearby = words::nearby(&waiting.nearby);
        if waiting.requeued {
            self.notice(
                "Someone was found but left before the chat began. You keep your place in the queue…",
            );
        } else if shown_before.is_none() {
            let estimate = words::estimate(waiting.estimate_s.as_ref().and_then(|e| e.p50));
            // As long as the server keeps two apart who have just talked, both may wait in vain.
            let cool_off = match self.last_chat {
                Some(_) => " You will not be paired with the same person again right away.",
                None => "",
            };
            self.notice(format!(
                "Waiting for someone within {range_km} km of you…{nearby}{estimate}{cool_off}"
            ));
        } else if shown_before != Some(range_km) {
            self.notice(format!("Now looking within {range_km} km.{nearby}"));
        }
    }

    fn matched(&mut self, matched: Matched) {
        let has_cancelled = matches!(
            self.stage,
            Stage::Waiting {
                is_cancelling: true,
                ..
            }
        );
        let partner = called(matched.partner.name);
        let distance = words::distance(&matched.distance);
        let shared = match matched.partner.shared_interests.join(", ").as_str() {
            "" => String::new(),
            shared => format!(" You both like: {shared}."),
        };
        let hint = if self.last_chat.is_some() || self.is_script {
            ""
        } else {
            " /help lists the commands."
        };
        let text = format!("You are talking with {partner}, {distance}.{shared}{hint}");
        self.last_chat = Some(Met {
            chat: matched.chat,
            partner: partner.clone(),
        });
        self.stage = Stage::Chatting(Chat {
            partner,
            in_flight: Vec::new(),
            accepted_seq: 0,
            seen_seq: 0,
            leaving: None,
        });
        if has_cancelled {
            // Somebody was found before the server had read that nobody is wanted any more.
            self.leave();
        } else {
            self.notice(text);
        }
    }

    fn said(&mut self, seq: u64, text: String) {
        let Stage::Chatting(chat) = &mut self.stage else {
            return;
        };
        // Not above what was seen: a repetition.
        if seq <= chat.seen_seq {
            return;
        }
        chat.seen_seq = seq;
        let from = chat.partner.clone();
        self.steps.push(Step::Show(Line::Said { from, text }));
        self.send("ack", json!({"seq": seq}));
    }

    fn accepted(&mut self, id: Option<&str>, seq: u64) {
        if let Stage::Chatting(chat) = &mut self.stage {
            chat.in_flight
                .retain(|in_flight| Some(in_flight.as_str()) != id);
            chat.accepted_seq = chat.accepted_seq.max(seq);
        }
    }

    /// Told once all that was said has arrived, not for each message.
    fn delivered(&mut self, seq: u64) {
        if let Stage::Chatting(chat) = &self.stage
            && chat.in_flight.is_empty()
            && seq >= chat.accepted_seq
        {
            self.faint("✓ delivered".to_owned());
        }
    }

    fn partner_typing(&mut self, on: bool) {
        if let Stage::Chatting(chat) = &self.stage {
            if on {
                self.faint(format!("{} is typing…", chat.partner));
            } else {
                self.steps.push(Step::Show(Line::NothingFaint));
            }
        }
    }

    fn partner_notice(&mut self, text: impl Fn(&str) -> String) {
        if let Stage::Chatting(chat) = &self.stage {
            self.notice(text(&chat.partner));
        }
    }

    /// Of a chat before the last, the partner is not known any more.
    fn safety_notice(&mut self, chat: &str, text: impl Fn(&str) -> String) {
        let met = self.last_chat.as_ref().filter(|met| met.chat == chat);
        let who = met.map_or("the person of that chat", |met| &met.partner);
        self.notice(text(who));
    }

    fn report_answered(&mut self) {
        self.unanswered_reports = self.unanswered_reports.saturating_sub(1);
    }

    fn partner_left(&mut self, reason: &str) {
        let Stage::Chatting(chat) = &self.stage else {
            return;
        };
        let (leaving, lost) = (chat.leaving, chat.in_flight.len());
        let text = words::partner_left(&chat.partner, reason);
        match leaving {
            // The server takes a `next` after the chat's end as well.
            Some(Leaving::Next) => self.stage = ASKED,
            Some(Leaving::Leave) => self.become_idle(words::idle("left"), true),
            None => self.become_idle(&text, true),
        }
        self.unsent += lost;
        match lost {
            0 => {}
            1 => self.problem("Your last message was not sent."),
            _ => self.problem(format!("Your last {lost} messages were not sent.")),
        }
    }

    fn idle(&mut self, reason: &str) {
        if let Stage::Chatting(chat) = &self.stage
            && chat.leaving == Some(Leaving::Next)
        {
            self.stage = ASKED;
        } else {
            self.become_idle(words::idle(reason), reason == "left");
        }
    }

    fn become_idle(&mut self, text: &str, is_after_chat: bool) {
        self.stage = Stage::Idle { is_after_chat };
        self.notice(if self.ending != Ending::NotYet {
            text.to_owned()
        } else if self.is_script {
            format!("{text} /next looks again.")
        } else {
            format!("{text} Enter or /next looks for somebody again, /quit ends.")
        });
    }

    fn refused(&mut self, refusal: &Refusal) {
        let id = refusal.id.as_deref().unwrap_or_default();
        let request = id.split_once('-').map_or("", |(request, _)| request);
        let text = refusal_in_words(refusal);
        match request {
            "say" => self.say_refused(id, &text),
            "join" if refusal.code == "bad_field" => {
                let why = format!("the server can't look for somebody with that: {text}");
                self.steps.push(Step::Fail(why));
            }
            "join" | "next" => {
                self.problem(text);
                self.become_idle("You are not looking for anybody now.", false);
            }
            "report" => {
                self.report_answered();
                self.problem(format!("Not reported: {text}"));
            }
            "block" => self.problem(format!("Not blocked: {text}")),
            // The partner left, or was found, while it was on its way, which is told by itself.
            "ack" | "typing" | "leave" | "update" | "cancel" if refusal.code == "wrong_state" => {}
            _ => self.problem(text),
        }
    }

    fn say_refused(&mut self, id: &str, text: &str) {
        // What is not in flight was in a chat that has ended, and is told of already.
        if let Stage::Chatting(chat) = &mut self.stage
            && let Some(at) = chat.in_flight.iter().position(|in_flight| in_flight == id)
        {
            chat.in_flight.remove(at);
            self.unsent += 1;
            self.problem(format!("Not sent: {text}"));
        }
    }
}

/// What a partner is called.
fn called(name: Option<String>) -> String {
    name.filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| "Stranger".to_owned())
        .chars()
        .take(PARTNER_MAX_CHARS)
        .collect()
}

fn refusal_in_words(refusal: &Refusal) -> String {
    let text = match refusal.message.trim() {
        "" => "the server refused that",
        text => text,
    };
    match refusal.retry_after_ms {
        Some(ms) if ms > 0 => format!("{text} (Try again in {} s.)", ms.div_ceil(1000)),
        _ => text.to_owned(),
    }
}
