//! An honest client: keeps to the wire contract, whatever its person and its network do.

mod person;

use crate::setting::{Random, Setting, pick, random};
use crate::violation::{Checked, ensure};
use crate::wire::{Answer, Asked, Match, Told};
use person::near;
use rand::RngExt as _;
use std::collections::VecDeque;
use whisperchat::dialect::Dialect;

/// Something that a person does, or that happens to their connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// Opens a connection, and says this first. An earlier one is left as it is.
    Connect(Option<Asked>),
    Send {
        asked: Asked,
        id: Option<String>,
    },
    /// The connection breaks; what is on its way may be lost.
    Cut {
        loses: bool,
    },
    /// From now on nothing arrives on either side, and nobody is told.
    Hole,
    /// Nothing is read for a while.
    Stall {
        ms: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Idle,
    Waiting,
    Chatting,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that don't depend on each other"
)]
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) dialect: Dialect,
    /// The connection it uses.
    pub(crate) link: Option<usize>,
    /// The connection that its session began on; its session's name.
    pub(crate) born: usize,
    pub(crate) mood: Mood,
    pub(crate) pace_ms: u64,
    pub(crate) pong_ms: Option<u64>,
    /// The last message of its chat that was shown.
    last_seq: u64,
    /// What was shown since it was asked.
    pub(crate) news: Vec<String>,
    random: Random,
    trouble: f64,
    at_deg: (f64, f64),
    spread_deg: f64,
    ranges_km: (f64, f64),
    range_km: f64,
    token: Option<String>,
    spent: Vec<String>,
    chat: Option<String>,
    chats: Vec<String>,
    /// Said with an id, and not accepted yet.
    unaccepted: VecDeque<(String, String)>,
    /// Said with an id, and accepted.
    accepted: VecDeque<(String, String)>,
    asked: u64,
    said: u64,
    may_repeat: bool,
    may_skip: bool,
    is_resuming: bool,
    is_greeted: bool,
    /// Its token was refused: it asks again as if it had seen nothing.
    forgets_seen: bool,
    /// The answer that it waits for before it asks for more.
    awaits: Option<String>,
}

impl Client {
    pub(crate) fn draw(seed: u64, index: usize, setting: &Setting) -> Self {
        let mut random = random(seed, 1000 + index as u64);
        let (lat, lon) = *pick(&mut random, &setting.places);
        let spread_deg = *pick(&mut random, &[0.0, 0.05, 0.5]);
        let ranges_km = (
            setting.config.privacy.min_range_km,
            setting.config.matching.max_range_km,
        );
        let usual_km = *pick(&mut random, &[2.0, 5.0, 20.0, 100.0, 20_000.0]);
        let is_deaf = random.random_bool(0.05 * setting.trouble);
        Self {
            dialect: *pick(&mut random, &[Dialect::V1, Dialect::V1, Dialect::Classic]),
            link: None,
            born: usize::MAX,
            mood: Mood::Idle,
            pace_ms: *pick(&mut random, &[300, 1500, 6000]),
            pong_ms: (!is_deaf).then(|| *pick(&mut random, &[0, 0, 0, 400, 2500])),
            last_seq: 0,
            news: Vec::new(),
            trouble: setting.trouble,
            at_deg: near(&mut random, (lat, lon), spread_deg),
            spread_deg,
            ranges_km,
            range_km: f64::max(usual_km, ranges_km.0),
            token: None,
            spent: Vec::new(),
            chat: None,
            chats: Vec::new(),
            unaccepted: VecDeque::new(),
            accepted: VecDeque::new(),
            asked: 0,
            said: 0,
            may_repeat: false,
            may_skip: false,
            is_resuming: false,
            is_greeted: false,
            forgets_seen: false,
            awaits: None,
            random,
        }
    }

    pub(crate) fn pause_ms(&mut self) -> u64 {
        self.random.random_range(1..=self.pace_ms * 2)
    }

    /// The person does something.
    pub(crate) fn act(&mut self) -> Vec<Deed> {
        if self.link.is_none() {
            return vec![self.connect(true)];
        }
        if self.random.random_bool(0.12 * self.trouble) {
            return self.have_trouble();
        }
        if self.is_resuming || (self.dialect == Dialect::V1 && !self.is_greeted) {
            return Vec::new();
        }
        match self.dialect {
            Dialect::V1 => self.act_v1(),
            Dialect::Classic => self.act_classic(),
        }
    }

    /// Comes back for the last time, to see what there is to see.
    pub(crate) fn come_back(&mut self) -> Option<Deed> {
        let knows_the_way = self.dialect == Dialect::V1 && self.token.is_some();
        (self.link.is_none() && knows_the_way).then(|| self.connect(false))
    }

    /// What the connection in use brings. Returns what the client does at once.
    pub(crate) fn told(&mut self, Answer { told, id }: Answer) -> Checked<Vec<Deed>> {
        let mut deeds = Vec::new();
        if id.is_some() && self.awaits == id {
            self.awaits = None;
        }
        match told {
            Told::Welcome { token, .. } => {
                self.is_greeted = true;
                if !self.is_resuming {
                    self.begin_anew(Some(token));
                }
            }
            Told::Ping => deeds.push(Deed::Send {
                asked: Asked::Pong,
                id: None,
            }),
            Told::Waiting { .. } => self.mood = Mood::Waiting,
            Told::Idle { .. } | Told::PartnerLeft { .. } => self.be_idle(),
            Told::Matched(matched) => self.met(matched),
            Told::Said { seq: None, text } => self.news.push(text),
            Told::Said {
                seq: Some(seq),
                text,
            } => deeds.extend(self.shown(seq, text)?),
            Told::Accepted { .. } => {
                if let Some(known) = self
                    .unaccepted
                    .iter()
                    .position(|(known, _)| Some(known) == id.as_ref())
                {
                    self.accepted.extend(self.unaccepted.remove(known));
                    if self.accepted.len() > 8 {
                        self.accepted.pop_front();
                    }
                }
            }
            Told::Resumed {
                token,
                state,
                recovered,
                matched,
                ..
            } => {
                self.is_resuming = false;
                self.forgets_seen = false;
                self.spent.extend(self.token.replace(token));
                self.resumed(&state, matched);
                self.may_skip |= !recovered;
                if self.mood == Mood::Chatting {
                    let again = self.unaccepted.iter().cloned();
                    let say = |(id, text)| Deed::Send {
                        asked: Asked::Say { text },
                        id: Some(id),
                    };
                    deeds.extend(again.map(say));
                }
            }
            Told::Error { code } if code == "bad_token" => {
                // Either this session is over, or the person meant something else; tries once more.
                self.is_resuming = false;
                // A chat of which it knows nothing may have begun meanwhile.
                let is_again = std::mem::replace(&mut self.forgets_seen, true);
                if is_again && self.random.random_bool(0.5) {
                    self.token = None;
                }
                deeds.push(Deed::Cut { loses: false });
            }
            Told::Error { code } => {
                let is_expected = ["wrong_state", "rate_limited", "bad_field", "not_found"];
                ensure!(
                    is_expected.contains(&&*code),
                    "errors",
                    "an honest client got {code}"
                );
            }
            _ => {}
        }
        Ok(deeds)
    }

    fn resumed(&mut self, state: &str, matched: Option<Match>) {
        match (state, matched) {
            (_, Some(matched)) => {
                if self.chat == matched.chat {
                    self.mood = Mood::Chatting;
                } else {
                    self.met(matched);
                }
            }
            ("waiting", None) => self.mood = Mood::Waiting,
            // What was missed of a chat that is over still comes, and then what ended it.
            _ => self.mood = Mood::Idle,
        }
    }

    fn met(&mut self, matched: Match) {
        self.mood = Mood::Chatting;
        self.last_seq = 0;
        self.may_skip = false;
        self.unaccepted.clear();
        self.accepted.clear();
        self.chats.extend(matched.chat.clone());
        self.chat = matched.chat;
    }

    fn be_idle(&mut self) {
        self.mood = Mood::Idle;
        self.chat = None;
        self.last_seq = 0;
        self.unaccepted.clear();
        self.accepted.clear();
    }

    /// A session that has nothing of the one before.
    fn begin_anew(&mut self, token: Option<String>) {
        self.forgets_seen = false;
        self.be_idle();
        self.chats.clear();
        self.spent.extend(std::mem::replace(&mut self.token, token));
        self.born = self.link.unwrap_or(usize::MAX);
    }

    fn shown(&mut self, seq: u64, text: String) -> Checked<Option<Deed>> {
        if seq <= self.last_seq {
            ensure!(
                self.may_repeat,
                "shown once",
                "{seq} comes again after {}",
                self.last_seq
            );
            return Ok(None);
        }
        let is_next = seq == self.last_seq + 1;
        ensure!(
            is_next || self.may_skip,
            "no gaps",
            "{seq} comes after {}",
            self.last_seq
        );
        self.may_repeat = false;
        self.may_skip = false;
        self.last_seq = seq;
        self.news.push(text);
        let acks = self.random.random_bool(0.2);
        Ok(acks.then_some(Deed::Send {
            asked: Asked::Ack { seq },
            id: None,
        }))
    }

    /// The connection in use is over.
    pub(crate) fn lost_link(&mut self) {
        self.link = None;
        if self.dialect == Dialect::Classic {
            self.begin_anew(None);
        }
    }

    /// A connection was opened.
    pub(crate) fn linked(&mut self, link: usize) {
        self.awaits = None;
        self.link = Some(link);
        if self.dialect == Dialect::Classic {
            self.begin_anew(None);
        }
    }

    /// The client itself ended its session.
    pub(crate) fn took_leave(&mut self) {
        self.token = None;
        self.lost_link();
    }
}
