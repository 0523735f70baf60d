//! What is said to the person and to the server, for each line that one enters and each message that the
//! other sends. No I/O and no clock: lines and messages go in, [`Step`]s come out.

mod entered;
mod heard;

use super::connection::Farewell;
use super::wire::Limits;
use super::words;
use crate::geo::Position;
use crate::private::Private;
use entered::{Entry, entry};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// How many lines are held while they can't be sent; more are not read.
pub(super) const LINES_MAX: usize = 100;

/// How many messages may wait for their `accepted`: a script must not outrun the server.
const IN_FLIGHT_MAX: usize = 16;

/// Whom to look for.
#[derive(Debug, Clone)]
pub(super) struct Criteria {
    pub(super) position: Position,
    pub(super) range_km: f64,
    pub(super) range_max_km: Option<f64>,
    pub(super) name: Option<Private<String>>,
    pub(super) interests: Vec<Private<String>>,
    pub(super) give_up_s: Option<u16>,
}

/// Something to print. The texts may hold anything; the screen makes them harmless.
#[derive(PartialEq, Eq)]
pub(super) enum Line {
    /// What has happened.
    Notice(String),
    /// What did not work.
    Problem(String),
    /// What is worth a glance: the next line takes its place.
    Faint(String),
    /// The faint line is true no more.
    NothingFaint,
    /// What the partner says.
    Said { from: String, text: String },
}

/// Something to do, in the order given.
pub(super) enum Step {
    Show(Line),
    Send(Value),
    /// End the connection and the program properly.
    Close,
    /// End with this sentence as the error.
    Fail(String),
}

/// Where the person stands.
enum Stage {
    Waiting {
        /// What the person was told last; none until the server has answered.
        shown_range_km: Option<f64>,
        is_cancelling: bool,
    },
    Chatting(Chat),
    Idle {
        /// After a chat the server knows whom to look for.
        is_after_chat: bool,
    },
}

const ASKED: Stage = Stage::Waiting {
    shown_range_km: None,
    is_cancelling: false,
};

/// With whom a chat was, and what the server calls it.
struct Met {
    chat: String,
    partner: String,
}

struct Chat {
    partner: String,
    /// Ids of the messages that the server has not accepted yet.
    in_flight: Vec<String>,
    accepted_seq: u64,
    seen_seq: u64,
    leaving: Option<Leaving>,
}

/// What was asked for that ends the chat, and is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Leave,
    Next,
}

/// Whether the program is about to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// As soon as the server has accepted what was said.
    WhenAccepted,
    Ended,
}

/// One person's use of the program, from the server's welcome on.
pub(super) struct Session {
    criteria: Criteria,
    limits: Limits,
    /// Lines come from a pipe or a file: they wait for a partner.
    is_script: bool,
    stage: Stage,
    /// What was entered and could not be done yet, oldest first; at most [`LINES_MAX`].
    lines: VecDeque<String>,
    ending: Ending,
    /// The last chat, which may go on.
    last_chat: Option<Met>,
    /// Reports that the server has not answered yet.
    unanswered_reports: usize,
    /// The criteria are not those of the last `join` any more.
    has_new_criteria: bool,
    unsent: usize,
    requests: u64,
    comes_back_after: Option<Duration>,
    steps: Vec<Step>,
}

impl Session {
    /// Begins to look for somebody.
    ///
    /// # Errors
    /// A sentence if the server doesn't allow the range.
    pub(super) fn new(
        criteria: Criteria,
        limits: Limits,
        is_script: bool,
    ) -> Result<(Self, Vec<Step>), String> {
        let mut session = Self {
            criteria,
            limits,
            is_script,
            stage: ASKED,
            lines: VecDeque::new(),
            ending: Ending::NotYet,
            last_chat: None,
            unanswered_reports: 0,
            has_new_criteria: false,
            unsent: 0,
            requests: 0,
            comes_back_after: None,
            steps: Vec::new(),
        };
        session.check_range(session.criteria.range_km)?;
        if let Some(range_max_km) = session.criteria.range_max_km {
            session.check_range(range_max_km)?;
        }
        session.join();
        let steps = session.settled();
        Ok((session, steps))
    }

    /// Whether there is room for one more line.
    pub(super) fn wants_line(&self) -> bool {
        self.ending == Ending::NotYet && self.lines.len() < LINES_MAX
    }

    /// Whether the program is about to end and only waits for the server to accept what was sent.
    pub(super) fn is_ending(&self) -> bool {
        let is_anything_sent =
            matches!(self.stage, Stage::Chatting(_)) || self.unanswered_reports > 0;
        self.ending == Ending::WhenAccepted && is_anything_sent
    }

    /// A script has succeeded if all its messages were accepted; a person was told of each that was not.
    pub(super) fn has_succeeded(&self) -> bool {
        !self.is_script || self.unsent == 0
    }

    /// The person has entered a line.
    pub(super) fn entered(&mut self, line: String) -> Vec<Step> {
        self.lines.push_back(line);
        self.settled()
    }

    /// No more lines will come: what was entered is still done.
    pub(super) fn input_ended(&mut self) -> Vec<Step> {
        self.end();
        self.settled()
    }

    /// The program is asked to end at once.
    pub(super) fn stopped(&mut self) -> Vec<Step> {
        self.end();
        self.drop_lines();
        self.unanswered_reports = 0;
        if let Stage::Chatting(chat) = &mut self.stage {
            self.unsent += chat.in_flight.drain(..).count();
        }
        self.settled()
    }

    /// The person types, or has stopped.
    pub(super) fn typing(&mut self, on: bool) -> Vec<Step> {
        if matches!(&self.stage, Stage::Chatting(chat) if chat.leaving.is_none()) {
            self.send("typing", json!({"on": on}));
        }
        self.settled()
    }

    /// The server has sent a message. What can't be read is passed over, as a newer server may say it.
    pub(super) fn heard(&mut self, message: &str) -> Vec<Step> {
        match serde_json::from_str(message) {
            Ok(heard) => self.react(heard),
            Err(_) => return Vec::new(),
        }
        self.settled()
    }

    /// Why the connection has ended, in words.
    pub(super) fn lost(&mut self, farewell: Option<&Farewell>) -> String {
        self.drop_lines();
        words::closed(farewell, self.comes_back_after)
    }

    /// Does what was entered, as far as it can be done now, and hands out the steps.
    fn settled(&mut self) -> Vec<Step> {
        while let Some(line) = self.lines.pop_front() {
            match entry(&line) {
                Entry::Text(_) if self.is_to_be_held() => {
                    self.lines.push_front(line);
                    break;
                }
                entry => self.perform(entry),
            }
        }
        let in_flight = match &self.stage {
            Stage::Chatting(chat) => chat.in_flight.len(),
            _ => 0,
        };
        let is_done = self.lines.is_empty() && in_flight + self.unanswered_reports == 0;
        if is_done && self.ending == Ending::WhenAccepted {
            self.ending = Ending::Ended;
            self.steps.push(Step::Close);
        }
        std::mem::take(&mut self.steps)
    }

    /// Whether a message can't be sent now but may be later. A person is told at once instead.
    fn is_to_be_held(&self) -> bool {
        match &self.stage {
            Stage::Waiting { .. } => self.is_script,
            Stage::Chatting(chat) if chat.leaving.is_some() => self.is_script,
            Stage::Chatting(chat) => chat.in_flight.len() >= IN_FLIGHT_MAX,
            Stage::Idle { .. } => false,
        }
    }
}

impl Session {
    fn end(&mut self) {
        if self.ending == Ending::NotYet {
            self.ending = Ending::WhenAccepted;
        }
    }

    /// Sends a message. Its `id` begins with its type, so that an error tells what was refused.
    fn send(&mut self, kind: &str, fields: Value) {
        let mut message = Map::new();
        message.insert("type".to_owned(), json!(kind));
        message.insert("id".to_owned(), json!(self.next_id(kind)));
        if let Value::Object(fields) = fields {
            message.extend(fields);
        }
        self.steps.push(Step::Send(Value::Object(message)));
    }

    fn next_id(&mut self, kind: &str) -> String {
        self.requests += 1;
        format!("{kind}-{}", self.requests)
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.steps.push(Step::Show(Line::Notice(text.into())));
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.steps.push(Step::Show(Line::Problem(text.into())));
    }

    fn faint(&mut self, text: String) {
        self.steps.push(Step::Show(Line::Faint(text)));
    }
}

#[cfg(test)]
mod tests;
