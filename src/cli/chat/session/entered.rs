//! What the person wants.

use super::{ASKED, Criteria, Leaving, Session, Stage, Step};
use crate::lobby::ReportReason;
use serde_json::json;

const HELP: &str = "\
Every line is a message, except these:
/next      look for somebody else
/leave     leave the chat, or stop looking
/range KM  look within another range
/block     end the chat, and never meet this person again
/report WHY [+evidence] [NOTE]
           report this person: spam, abuse, sexual, minor, threat or other.
           With +evidence, moderators see the last messages of the chat.
/help      show this list
/quit      leave the chat and end the program
After a chat, /block and /report are about the person of that chat.
A message that begins with / is written with two: //like this.";

/// What lets moderators see the last messages.
const EVIDENCE: &str = "+evidence";

/// A line as it is meant.
pub(super) enum Entry {
    Text(String),
    Nothing,
    Next,
    Leave,
    Range(String),
    Block,
    Report(String),
    Help,
    Quit,
    Unknown(String),
}

/// Reads a line.
pub(super) fn entry(line: &str) -> Entry {
    let line = line.trim_end();
    if line.trim().is_empty() {
        return Entry::Nothing;
    }
    if line.starts_with("//") || !line.starts_with('/') {
        return Entry::Text(
            line.strip_prefix("//")
                .map_or_else(|| line.to_owned(), |rest| format!("/{rest}")),
        );
    }
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match command {
        "/next" => Entry::Next,
        "/leave" => Entry::Leave,
        "/range" => Entry::Range(argument.trim().trim_end_matches("km").trim().to_owned()),
        "/block" => Entry::Block,
        "/report" => Entry::Report(argument.to_owned()),
        "/help" => Entry::Help,
        "/quit" => Entry::Quit,
        _ => Entry::Unknown(command.to_owned()),
    }
}

impl Session {
    pub(super) fn perform(&mut self, entry: Entry) {
        match entry {
            Entry::Text(text) => self.say(&text),
            Entry::Nothing => {
                // A person's Enter; an empty line in a file means nothing.
                if !self.is_script && matches!(self.stage, Stage::Idle { .. }) {
                    self.look_again();
                }
            }
            Entry::Next => self.look_again(),
            Entry::Leave => self.leave(),
            Entry::Range(km) => self.set_range(&km),
            Entry::Block => self.block(),
            Entry::Report(argument) => self.report(&argument),
            Entry::Help => self.notice(HELP),
            Entry::Quit => {
                // What stands behind it was never meant to be sent.
                self.lines.clear();
                self.end();
            }
            Entry::Unknown(command) => self.problem(format!(
                "There is no command {command}. /help lists them; // begins a message with /."
            )),
        }
    }

    fn say(&mut self, text: &str) {
        if let Err(why) = self.check_text(text) {
            self.unsent += 1;
            self.problem(why);
            return;
        }
        let id = self.next_id("say");
        match &mut self.stage {
            Stage::Chatting(chat) if chat.leaving.is_none() => {
                chat.in_flight.push(id.clone());
                let say = json!({"type": "say", "id": id, "text": text});
                self.steps.push(Step::Send(say));
            }
            Stage::Waiting { .. } => {
                self.unsent += 1;
                self.problem("Not sent: nobody is here yet. You will be told who comes.");
            }
            Stage::Chatting(_) | Stage::Idle { .. } => {
                self.unsent += 1;
                self.problem("Not sent: nobody is here. /next looks for somebody.");
            }
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        let (count, max) = (text.chars().count(), self.limits.max_text_chars);
        if count > max {
            return Err(format!(
                "Not sent: it has {count} characters, and {max} are allowed."
            ));
        }
        // With room for the rest of the message.
        if json!(text).to_string().len() + 64 > self.limits.max_message_bytes {
            return Err("Not sent: it is too large.".to_owned());
        }
        Ok(())
    }

    fn look_again(&mut self) {
        match &mut self.stage {
            Stage::Waiting { shown_range_km, .. } => {
                let text = match shown_range_km {
                    Some(km) => format!("Still waiting for someone within {km} km of you…"),
                    None => "Still waiting…".to_owned(),
                };
                self.notice(text);
            }
            Stage::Chatting(chat) => {
                if chat.leaving.replace(Leaving::Next).is_some() {
                    return;
                }
                if self.has_new_criteria {
                    self.send("leave", json!({}));
                    self.join();
                } else {
                    self.send("next", json!({}));
                }
            }
            Stage::Idle { is_after_chat } => {
                if *is_after_chat && !self.has_new_criteria {
                    self.send("next", json!({}));
                } else {
                    self.join();
                }
                self.stage = ASKED;
            }
        }
    }

    pub(super) fn leave(&mut self) {
        match &mut self.stage {
            Stage::Waiting { is_cancelling, .. } => {
                *is_cancelling = true;
                self.send("cancel", json!({}));
            }
            Stage::Chatting(chat) => {
                if chat.leaving.is_none() {
                    chat.leaving = Some(Leaving::Leave);
                    self.send("leave", json!({}));
                }
            }
            Stage::Idle { .. } => self.notice("You are in no chat."),
        }
    }

    fn block(&mut self) {
        if let Some(chat) = self.last_met() {
            self.send("block", json!({"chat": chat}));
        }
    }

    /// The messages of the chat are handed in only if the person says so.
    fn report(&mut self, argument: &str) {
        let reasons = ReportReason::ALL.map(ReportReason::name);
        let mut words = argument.split_whitespace();
        let Some(reason) = words.next().filter(|reason| reasons.contains(reason)) else {
            let reasons = reasons.join(", ");
            self.problem(format!(
                "Not reported: say why, as /report spam does. It can be {reasons}; /help says more."
            ));
            return;
        };
        let Some(chat) = self.last_met() else {
            return;
        };
        let (evidence, note): (Vec<_>, Vec<_>) = words.partition(|word| *word == EVIDENCE);
        let mut fields = json!({"chat": chat, "reason": reason});
        if !evidence.is_empty() {
            fields["evidence"] = json!(true);
        }
        if !note.is_empty() {
            fields["note"] = json!(note.join(" "));
        }
        self.send("report", fields);
        self.unanswered_reports += 1;
    }

    /// The chat that `/block` and `/report` mean, or nothing after saying that there was none.
    fn last_met(&mut self) -> Option<String> {
        let chat = self.last_chat.as_ref().map(|met| met.chat.clone());
        if chat.is_none() {
            self.problem("You have talked with nobody yet.");
        }
        chat
    }

    fn set_range(&mut self, km: &str) {
        let range_km = km.parse().unwrap_or(f64::NAN);
        if let Err(why) = self.check_range(range_km) {
            self.problem(why);
            return;
        }
        self.criteria.range_km = range_km;
        // Who asks for more than the widest range wants that as well.
        let range_max_km = self.criteria.range_max_km.map(|max| max.max(range_km));
        self.criteria.range_max_km = range_max_km;
        if matches!(self.stage, Stage::Waiting { .. }) {
            let mut fields = json!({"range_km": range_km});
            if let Some(range_max_km) = range_max_km {
                fields["max_range_km"] = json!(range_max_km);
            }
            self.send("update", fields);
        } else {
            self.has_new_criteria = true;
            self.notice(format!("The next search is within {range_km} km."));
        }
    }

    pub(super) fn check_range(&self, range_km: f64) -> Result<(), String> {
        let (min, max) = (self.limits.min_range_km, self.limits.max_range_km);
        // A NaN is in no range.
        if (min..=max).contains(&range_km) {
            Ok(())
        } else {
            Err(format!(
                "On this server a range must be a number of km from {min} to {max}."
            ))
        }
    }

    pub(super) fn join(&mut self) {
        self.has_new_criteria = false;
        let Criteria {
            position,
            range_km,
            range_max_km,
            name,
            interests,
            give_up_s,
        } = &self.criteria;
        let mut fields = json!({
            "position": {"lat": position.lat_deg(), "lon": position.lon_deg()},
            "range_km": range_km,
        });
        if let Some(range_max_km) = range_max_km {
            fields["max_range_km"] = json!(range_max_km);
        }
        if let Some(name) = name {
            fields["name"] = json!(**name);
        }
        if !interests.is_empty() {
            let all: Vec<&str> = interests.iter().map(|interest| interest.as_str()).collect();
            fields["interests"] = json!(all);
        }
        if let Some(give_up_s) = give_up_s {
            fields["give_up_s"] = json!(give_up_s);
        }
        self.send("join", fields);
    }

    pub(super) fn drop_lines(&mut self) {
        let is_text = |line: &String| matches!(entry(line), Entry::Text(_));
        self.unsent += self.lines.drain(..).filter(is_text).count();
    }
}
