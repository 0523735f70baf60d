//! What a client's person does next, and what happens to their connection.

use super::{Client, Deed, Mood};
use crate::setting::{Random, pick};
use crate::wire::{Asked, RAW, Wish};
use rand::RngExt as _;
use whisperchat::dialect::Dialect;

impl Client {
    pub(super) fn have_trouble(&mut self) -> Vec<Deed> {
        match self.random.random_range(0..10) {
            0..4 => vec![Deed::Cut {
                loses: self.random.random(),
            }],
            4..6 => vec![Deed::Hole],
            6..8 => vec![Deed::Stall {
                ms: self.random.random_range(500..20_000),
            }],
            // Another connection while the old one lives.
            _ => vec![self.connect(true)],
        }
    }

    pub(super) fn connect(&mut self, may_err: bool) -> Deed {
        self.is_greeted = false;
        self.is_resuming = false;
        let Some(token) = self.token.clone().filter(|_| self.dialect == Dialect::V1) else {
            return Deed::Connect(None);
        };
        let (token, last_seq) = match self.random.random_range(0..100) {
            0..8 if may_err => {
                self.token = None;
                return Deed::Connect(None);
            }
            8..16 if may_err => (token, self.random.random_range(0..=self.last_seq)),
            16..20 if may_err => (token, self.last_seq + 1000),
            20..24 if may_err => match self.spent.last() {
                Some(spent) => (spent.clone(), self.last_seq),
                None => (token, self.last_seq),
            },
            24..26 if may_err => (format!("{}{:032x}", &token[..16], 7), 0),
            _ => (token, self.last_seq),
        };
        let last_seq = if self.forgets_seen { 0 } else { last_seq };
        self.is_resuming = true;
        self.may_repeat = last_seq < self.last_seq;
        Deed::Connect(Some(Asked::Resume {
            token,
            chat: self.chat.clone(),
            last_seq,
        }))
    }

    pub(super) fn act_v1(&mut self) -> Vec<Deed> {
        // Few are impatient; but nobody says to the next what is meant for the last.
        let is_patient = self.mood == Mood::Chatting || self.random.random_bool(0.9);
        if self.awaits.is_some() && is_patient {
            return Vec::new();
        }
        let choice = self.random.random_range(0..100);
        let asked = match (self.mood, choice) {
            (_, 0) => Asked::Close { code: 1000 },
            (_, 1..4) if !self.chats.is_empty() => {
                let chat = pick(&mut self.random, &self.chats).clone();
                if choice == 1 {
                    Asked::Report { chat }
                } else {
                    Asked::Block { chat }
                }
            }
            (Mood::Idle, 4..20) if !self.chats.is_empty() => Asked::Next,
            (Mood::Idle, 20..25) | (Mood::Waiting, 4..10) => Asked::Cancel,
            (Mood::Idle, _) => Asked::Join(self.wish()),
            (Mood::Waiting, 10..35) => Asked::Update(self.change()),
            (Mood::Waiting, _) => return Vec::new(),
            (Mood::Chatting, 4..10) => Asked::Leave,
            (Mood::Chatting, 10..16) => Asked::Next,
            (Mood::Chatting, 16..22) => Asked::Typing {
                on: self.random.random(),
            },
            (Mood::Chatting, 22..35) => Asked::Ack { seq: self.last_seq },
            (Mood::Chatting, 35..40) => return self.repeat(),
            (Mood::Chatting, _) => return self.say(),
        };
        vec![self.send(asked)]
    }

    pub(super) fn act_classic(&mut self) -> Vec<Deed> {
        match (self.mood, self.random.random_range(0..100)) {
            (_, 0..3) => vec![self.send(Asked::Close { code: 1000 })],
            (Mood::Idle, _) => {
                self.mood = Mood::Waiting;
                let wish = self.wish();
                vec![self.send(Asked::Bind(wish))]
            }
            (Mood::Waiting, 3..60) => Vec::new(),
            // Some of it comes before the partner and is dropped.
            _ => {
                let text = self.text();
                vec![Deed::Send {
                    asked: Asked::Say { text },
                    id: Some(RAW.to_owned()),
                }]
            }
        }
    }

    fn text(&mut self) -> String {
        self.said += 1;
        let padding = *pick(&mut self.random, &[0, 0, 0, 0, 1900]);
        format!("{}:{}:{}", self.born, self.said, "x".repeat(padding))
    }

    fn say(&mut self) -> Vec<Deed> {
        let burst = *pick(&mut self.random, &[1, 1, 1, 1, 30]);
        let mut deeds = Vec::new();
        for _ in 0..burst {
            let text = self.text();
            let id = self
                .random
                .random_bool(0.8)
                .then(|| format!("m{}", self.said));
            if let Some(id) = &id {
                self.unaccepted.push_back((id.clone(), text.clone()));
            }
            deeds.push(Deed::Send {
                asked: Asked::Say { text },
                id,
            });
        }
        deeds
    }

    fn repeat(&mut self) -> Vec<Deed> {
        let Some((id, text)) = self.accepted.back().cloned() else {
            return Vec::new();
        };
        vec![Deed::Send {
            asked: Asked::Say { text },
            id: Some(id),
        }]
    }

    fn send(&mut self, asked: Asked) -> Deed {
        self.asked += 1;
        let id = format!("a{}", self.asked);
        if matches!(
            asked,
            Asked::Join(_) | Asked::Next | Asked::Leave | Asked::Cancel
        ) {
            self.awaits = Some(id.clone());
        }
        Deed::Send {
            asked,
            id: Some(id),
        }
    }

    fn wish(&mut self) -> Wish {
        let widens = self.random.random_bool(0.4);
        let range_max_km = (self.range_km * 8.0).min(self.ranges_km.1);
        let gives_up = self.random.random_bool(0.2);
        Wish {
            name: Some(self.born.to_string()),
            at_deg: Some(self.at_deg),
            range_km: Some(self.range_km),
            range_max_km: widens.then_some(range_max_km),
            give_up_s: gives_up.then(|| self.random.random_range(1.0..20.0)),
        }
    }

    fn change(&mut self) -> Wish {
        let mut wish = Wish::default();
        match self.random.random_range(0..4) {
            0 => {
                let here = self.at_deg;
                wish.at_deg = Some(near(&mut self.random, here, self.spread_deg / 4.0));
            }
            1 => wish.range_km = Some(self.range_km * self.random.random_range(1.0..1.5)),
            2 => wish.range_max_km = Some((self.range_km * 30.0).min(self.ranges_km.1)),
            _ => wish.give_up_s = Some(self.random.random_range(1.0..30.0)),
        }
        // Quarters of a km come back from metres as they were.
        let round = |km: f64| ((km * 4.0).round() / 4.0).min(self.ranges_km.1);
        wish.range_km = wish.range_km.map(round);
        wish
    }
}

pub(super) fn near(random: &mut Random, (lat, lon): (f64, f64), spread_deg: f64) -> (f64, f64) {
    let mut off = || (random.random::<f64>() - 0.5) * 2.0 * spread_deg;
    let lat = (lat + off()).clamp(-90.0, 90.0);
    let lon = lon + off();
    (
        lat,
        if lon.abs() > 180.0 {
            lon - 360.0 * lon.signum()
        } else {
            lon
        },
    )
}
