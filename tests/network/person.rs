//! What a client knows, and what it does next. It checks what it alone can check; the rest is the ledger's.

use crate::client::Parting;
use crate::ledger::{End, Ledger, Life, Mood, now};
use crate::storm::RESUME_WINDOW_S;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) type Shared = Rc<RefCell<Ledger>>;

/// Says that may be on their way at once.
const UNACCEPTED_MAX: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// It has asked, and waits for the answer.
    Joining,
    Waiting,
    Chatting,
}

/// A chat as this side sees it.
#[derive(Debug)]
struct Talk {
    chat: String,
    said: u64,
    accepted: u64,
    shown: u64,
    acknowledged: u64,
    /// How it has asked to leave.
    leaving: Option<&'static str>,
}

/// A client's memory.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that don't depend on each other"
)]
pub(crate) struct Person {
    number: usize,
    ledger: Shared,
    pub(crate) random: StdRng,
    life: Life,
    state: State,
    talk: Option<Talk>,
    token: Option<String>,
    fresh_token: String,
    /// A resume was asked for, and the answer has not come.
    is_resuming: bool,
    /// An answer to a resume may have been lost, and with it the token that is good now.
    has_lost_answer: bool,
    /// When it sent the last thing that was answered: the server has heard from it since.
    proven_at: Duration,
    /// When it said what has not been accepted, in order.
    said_at: Vec<Duration>,
    is_online: bool,
    is_greeted: bool,
    /// It was idle when it was last resumed, and has not joined since.
    resumed_idle: bool,
}

impl Person {
    pub(crate) fn new(number: usize, ledger: Shared) -> Self {
        let life = ledger.borrow_mut().born(number);
        let seed = ledger.borrow().seed ^ (life as u64) << 32;
        Self {
            number,
            random: StdRng::seed_from_u64(seed),
            ledger,
            life,
            state: State::Idle,
            talk: None,
            token: None,
            fresh_token: String::new(),
            is_resuming: false,
            has_lost_answer: false,
            proven_at: now(),
            said_at: Vec::new(),
            is_online: false,
            is_greeted: false,
            resumed_idle: false,
        }
    }

    pub(crate) fn mood(&self) -> Mood {
        self.ledger.borrow().mood
    }

    fn note(&self, what: impl std::fmt::Display) {
        let mut ledger = self.ledger.borrow_mut();
        let line = format!("{} {what}", ledger.name(self.life));
        ledger.note(line);
    }

    /// The session is over; what comes is a new one.
    pub(crate) fn begin_anew(&mut self, end: End) {
        self.note("is over");
        let mut ledger = self.ledger.borrow_mut();
        ledger.ended(self.life, end);
        self.life = ledger.born(self.number);
        drop(ledger);
        self.state = State::Idle;
        self.talk = None;
        self.token = None;
        self.is_resuming = false;
        self.has_lost_answer = false;
    }

    pub(crate) fn connected(&mut self) {
        self.is_online = true;
        self.is_greeted = false;
        self.note("connected");
    }

    pub(crate) fn offline(&mut self) {
        if std::mem::take(&mut self.is_online) {
            self.note("disconnected");
        }
        if std::mem::take(&mut self.is_resuming) {
            self.has_lost_answer = true;
        }
        self.ledger.borrow_mut().offline(self.life);
    }

    /// The server has closed the connection.
    pub(crate) fn closed(&mut self, code: u16) {
        self.note(format!("closed with {code}"));
        match code {
            4101 => {}
            4201 => self.ledger.borrow_mut().tally.judged_dead += 1,
            4200 => {
                self.begin_anew(End::Over);
                self.ledger.borrow_mut().mood = Mood::Leaving;
            }
            _ => panic!("closed with {code}"),
        }
    }

    /// How long it does nothing.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.random_range(100..900))
    }

    pub(crate) fn receive(&mut self, message: &Value, to_send: &mut Vec<Value>) {
        if message["type"] != "welcome" {
            let mut noted = message.clone();
            // The one thing that is the world's and not the simulation's.
            noted.as_object_mut().expect("an object").remove("at");
            self.note(noted);
        }
        let kind = message["type"].as_str().expect("a type");
        if self.resumed_idle && self.talk.is_none() && matches!(kind, "said" | "partner_left") {
            // Of a chat that it never heard of, and that is over.
            return;
        }
        match kind {
            "welcome" => self.welcomed(message, to_send),
            "resumed" => self.resumed(message, to_send),
            "waiting" => {
                if self
                    .talk
                    .take()
                    .is_some_and(|talk| talk.leaving != Some("next"))
                {
                    panic!("waiting while in a chat");
                }
                self.ledger.borrow_mut().ended(self.life, End::Left);
                self.state = State::Waiting;
            }
            "matched" => self.matched(message),
            "said" => {
                let seq = message["seq"].as_u64().expect("a number");
                let text = message["text"].as_str().expect("a text");
                self.talk().shown = seq;
                self.ledger.borrow_mut().shown(self.life, seq, text);
            }
            "accepted" => {
                let seq = message["seq"].as_u64().expect("a number");
                assert_eq!(message["id"], seq.to_string());
                self.talk().accepted = seq;
                self.proven_at = self.said_at.remove(0);
                self.ledger.borrow_mut().accepted(self.life, seq);
            }
            "delivered" => {
                let seq = message["seq"].as_u64().expect("a number");
                self.ledger.borrow_mut().delivered(self.life, seq);
            }
            "typing" | "partner_back" => drop(self.talk()),
            "partner_away" => self.ledger.borrow_mut().partner_away(self.life),
            "partner_left" => {
                // Unless that was lost with the connection before.
                let has_asked_for_another =
                    self.talk().leaving == Some("next") && !self.resumed_idle;
                self.end_talk(End::Told);
                if has_asked_for_another {
                    self.state = State::Joining;
                }
            }
            "idle" => {
                assert_eq!(message["reason"], "left");
                self.end_talk(End::Left);
            }
            "going_away" => {}
            "error" => self.refused(message),
            other => panic!("{other}?"),
        }
    }

    fn talk(&mut self) -> &mut Talk {
        self.talk.as_mut().expect("in a chat")
    }

    fn end_talk(&mut self, end: End) {
        self.state = State::Idle;
        self.talk = None;
        self.ledger.borrow_mut().ended(self.life, end);
    }

    fn welcomed(&mut self, message: &Value, to_send: &mut Vec<Value>) {
        self.is_greeted = true;
        let token = message["resume_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        if let Some(token) = &self.token {
            let mut resume = json!({"type": "resume", "token": token, "last_seq": 0});
            if let Some(talk) = &self.talk {
                resume["chat"] = talk.chat.clone().into();
                resume["last_seq"] = talk.shown.into();
            }
            to_send.push(resume);
            self.is_resuming = true;
        } else {
            self.proven_at = now();
            self.token = Some(token.clone());
        }
        self.fresh_token = token;
    }

    fn resumed(&mut self, message: &Value, to_send: &mut Vec<Value>) {
        self.is_resuming = false;
        self.has_lost_answer = false;
        self.token = message["resume_token"].as_str().map(str::to_owned);
        assert_eq!(message["recovered"], true, "too little was said to be lost");
        self.ledger.borrow_mut().tally.resumed += 1;
        let is_leaving = self
            .talk
            .as_ref()
            .is_some_and(|talk| talk.leaving.is_some());
        match message["state"].as_str().expect("a state") {
            "idle" => {
                self.state = State::Idle;
                self.resumed_idle = true;
            }
            "waiting" => {
                assert!(
                    self.talk.is_none() || is_leaving,
                    "waiting instead of chatting"
                );
                self.talk = None;
                self.ledger.borrow_mut().ended(self.life, End::Left);
                self.state = State::Waiting;
            }
            "chatting" => match &self.talk {
                Some(talk) if message["chat"] == *talk.chat => {
                    self.state = State::Chatting;
                    self.say_again(to_send);
                }
                other => {
                    assert!(other.is_none() || is_leaving, "in another chat");
                    self.talk = None;
                    self.ledger.borrow_mut().ended(self.life, End::Left);
                    self.matched(message);
                }
            },
            state => panic!("{state}?"),
        }
    }

    fn matched(&mut self, message: &Value) {
        let chat = message["chat"].as_str().expect("a chat").to_owned();
        let partner = message["partner"]["name"].as_str().expect("a name");
        assert!(self.talk.is_none(), "matched while in a chat");
        self.ledger.borrow_mut().matched(self.life, &chat, partner);
        self.state = State::Chatting;
        self.said_at.clear();
        self.talk = Some(Talk {
            chat,
            said: 0,
            accepted: 0,
            shown: 0,
            acknowledged: 0,
            leaving: None,
        });
    }

    fn say_again(&mut self, to_send: &mut Vec<Value>) {
        let name = self.ledger.borrow().name(self.life).to_owned();
        let talk = self.talk.as_ref().expect("in a chat");
        self.said_at.clear();
        for n in talk.accepted + 1..=talk.said {
            to_send.push(say(&name, n));
            self.said_at.push(now());
            self.ledger.borrow_mut().tally.resent += 1;
        }
        if let Some(leaving) = talk.leaving {
            to_send.push(json!({"type": leaving}));
        }
    }

    fn refused(&mut self, message: &Value) {
        match message["code"].as_str().expect("a code") {
            // Sent before it was known that it is matched.
            "wrong_state" if message["id"] == "update" => assert_ne!(self.state, State::Waiting),
            // Sent before it was known that the chat is over.
            "wrong_state" => {
                let is_over = self.talk.as_ref().is_none_or(|talk| talk.leaving.is_some());
                assert!(is_over, "refused in a chat that goes on");
            }
            "bad_token" => {
                let silent = now().saturating_sub(self.proven_at);
                let is_late = silent >= Duration::from_secs(RESUME_WINDOW_S.into());
                assert!(is_late || self.has_lost_answer, "refused after {silent:?}");
                let mut ledger = self.ledger.borrow_mut();
                if is_late {
                    ledger.tally.refused_late += 1;
                } else {
                    ledger.tally.refused_after_lost_answer += 1;
                }
                drop(ledger);
                self.begin_anew(End::Over);
                self.proven_at = now();
                self.token = Some(self.fresh_token.clone());
            }
            code => panic!("{code}"),
        }
    }

    /// Does something, if there is something to do.
    pub(crate) fn act(&mut self, to_send: &mut Vec<Value>) -> Option<Parting> {
        let mood = self.mood();
        let dice = self.random.random_range(0..100);
        if mood == Mood::Stormy {
            match dice {
                0 => return Some(Parting::Closed),
                1..4 => return Some(Parting::Lost),
                _ => {}
            }
        }
        if !self.is_greeted || self.is_resuming {
            return None;
        }
        match self.state {
            State::Idle => self.join(to_send),
            State::Joining => {}
            State::Waiting => {
                if dice < 20 {
                    let range_km = self.random.random_range(50..100);
                    to_send.push(json!({"type": "update", "id": "update", "range_km": range_km}));
                }
            }
            State::Chatting => self.chat(mood, dice, to_send),
        }
        None
    }

    fn join(&mut self, to_send: &mut Vec<Value>) {
        let is_waiting_to_be_told = match &self.talk {
            Some(talk) => talk.leaving.is_none(),
            None => false,
        };
        if is_waiting_to_be_told {
            return;
        }
        self.talk = None;
        self.ledger.borrow_mut().ended(self.life, End::Left);
        let name = self.ledger.borrow().name(self.life).to_owned();
        let lat = 48.0 + self.number as f64 * 0.02;
        to_send.push(json!({
            "type": "join",
            "name": name,
            "position": {"lat": lat, "lon": 2.0},
            "range_km": 100,
        }));
        self.state = State::Joining;
        self.resumed_idle = false;
    }

    fn chat(&mut self, mood: Mood, dice: u32, to_send: &mut Vec<Value>) {
        let name = self.ledger.borrow().name(self.life).to_owned();
        let life = self.life;
        let ledger = Rc::clone(&self.ledger);
        let talk = self.talk();
        if talk.leaving.is_some() {
            return;
        }
        if talk.acknowledged < talk.shown && (dice.is_multiple_of(2) || mood == Mood::Quiet) {
            talk.acknowledged = talk.shown;
            to_send.push(json!({"type": "ack", "seq": talk.shown}));
            ledger.borrow_mut().acknowledges(life, talk.shown);
        }
        match dice {
            _ if mood == Mood::Quiet => {}
            4..8 if mood == Mood::Stormy => {
                let leaving = if dice < 6 { "leave" } else { "next" };
                talk.leaving = Some(leaving);
                to_send.push(json!({"type": leaving}));
                self.note(leaving);
            }
            80..90 => to_send.push(json!({"type": "typing", "on": dice.is_multiple_of(2)})),
            _ => {
                let said = talk.said;
                let up_to = (said + 1 + u64::from(dice % 3)).min(talk.accepted + UNACCEPTED_MAX);
                talk.said = said.max(up_to);
                for n in said + 1..=up_to {
                    to_send.push(say(&name, n));
                    self.said_at.push(now());
                    ledger.borrow_mut().says(life, n);
                }
            }
        }
    }
}

fn say(name: &str, n: u64) -> Value {
    json!({"type": "say", "id": n.to_string(), "text": format!("{name} {n}")})
}
