//! The stage that tests put people on.

use super::super::*;
use crate::swarm::options::Options;
use crate::swarm::people::Bounds;
use crate::swarm::plan::Machine;
use serde_json::{Value, json};

/// Two people of a run and the scene they are in, without a server: what it would say is said by the test.
pub(super) struct Stage {
    pub(super) scene: Scene,
    pub(super) people: Vec<Person>,
}

impl Stage {
    pub(super) fn new(toml: &str) -> Self {
        let options: Options = toml::from_str(toml).unwrap();
        let machine = Machine {
            open_files: 20_000,
            ports: 28_000,
        };
        let plan = Plan::new(&options, machine).unwrap();
        let bounds = Bounds {
            range_min_km: 2.0,
            range_max_km: 20_000.0,
            grid_km: Some(1.0),
        };
        let people = plan.people(bounds);
        let share = Share {
            process: 0,
            processes: 1,
            group: people.group(),
        };
        let mut scene = Scene::new(plan, people, share, Schedule::default());
        let people = (0..4).map(|place| Person::new(place, &scene)).collect();
        scene.now_ns = 1;
        Self { scene, people }
    }

    /// A stage on which everybody of v1 waits.
    pub(super) fn waiting() -> Self {
        let mut stage = Self::new("scenario = 'chat'\nconnections = 4");
        for who in 0..4 {
            stage.enter(who);
        }
        stage
    }

    /// A stage on which 0 and 1 chat, and 2 and 3.
    pub(super) fn chatting() -> Self {
        let mut stage = Self::waiting();
        for (who, partner, chat) in [(0, 1, "a"), (1, 0, "a"), (2, 3, "b"), (3, 2, "b")] {
            stage.tell_matched(who, partner, chat);
        }
        assert_eq!(stage.violations(), [""; 0]);
        stage
    }

    pub(super) fn enter(&mut self, who: usize) {
        let entry = Entry {
            at_ns: 0,
            who: who as u32,
            stage: ANY_STAGE,
            due: Due::Arrive,
        };
        assert_eq!(self.people[who].due(entry, &mut self.scene), Step::Connect);
        self.people[who].connected(&mut self.scene);
        self.tell(
            who,
            &json!({"type": "welcome", "resume_token": format!("token {who}"), "limits": {
                "min_range_km": 2.0, "max_range_km": 20_000.0, "position_grid_km": 1.0,
                "max_text_chars": 2000}}),
        );
        self.tell(who, &json!({"type": "waiting"}));
    }

    pub(super) fn tell(&mut self, who: usize, what: &Value) -> Step {
        self.people[who].hear(&what.to_string(), &mut self.scene)
    }

    pub(super) fn tell_matched(&mut self, who: usize, partner: u32, chat: &str) {
        let name = letter::name(self.scene.tag(), partner);
        self.tell(
            who,
            &json!({"type": "matched", "chat": chat, "distance": "near",
                "partner": {"name": name, "shared_interests": []}}),
        );
    }

    /// Lets somebody say something; returns the text.
    pub(super) fn say(&mut self, who: usize) -> String {
        self.scene.out.clear();
        self.people[who].say_text(self.scene.now_ns, &mut self.scene);
        let number = self.people[who].chat().unwrap().said;
        let letter = letter::Letter {
            from: self.people[who].number(),
            to: self.people[who].chat().unwrap().partner,
            number,
            intended_ns: self.scene.now_ns,
            since_ns: self.people[who].since_ns,
        };
        let bytes = self.scene.plan.bytes_of(letter.from, number);
        letter.text(self.scene.tag(), bytes)
    }

    pub(super) fn tell_said(&mut self, who: usize, seq: u32, text: &str) {
        self.tell(
            who,
            &json!({"type": "said", "seq": seq, "text": text, "at": 1}),
        );
    }

    pub(super) fn violations(&self) -> &[String] {
        self.scene.tally.violations()
    }

    /// There is exactly this violation.
    #[track_caller]
    pub(super) fn assert_violated(&self, words: &str) {
        let violations = self.violations();
        assert!(
            violations.len() == 1 && violations[0].contains(words),
            "{words}: {violations:?}"
        );
    }
}

/// The payloads of frames that clients have written, one behind the other.
pub(super) fn unmasked(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while let [_, second, rest @ ..] = bytes {
        let (length, rest) = match second & 0x7F {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>().unwrap();
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            length => (usize::from(length), rest),
        };
        let (mask, rest) = rest.split_first_chunk::<4>().unwrap();
        let payload = rest[..length].iter().zip(mask.iter().cycle());
        text.extend(payload.map(|(byte, mask)| char::from(byte ^ mask)));
        bytes = &rest[length..];
    }
    text
}
