//! Where in its cell of the privacy grid somebody stands makes no difference to anything anybody is told.
//!
//! The same script of everybody's commands is run twice, with each position somewhere else in its cell the
//! second time. Over the lobby, with the same seed, every effect must be the same. Over sockets, every
//! message must be, up to what is drawn afresh on every run: names of sessions and chats, tokens, times.

mod common;

use common::{Server, V1, with};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::time::Duration;
use whisperchat::geo::{Position, PrivacyGrid, Range};
use whisperchat::lobby::{
    Command, Departure, Effect, Event, Join, Lobby, Profile, Refusal, SessionId, Settings, Update,
};
use whisperchat::moment::Moment;

const CELL_KM: f64 = 1.0;
const PEOPLE: usize = 6;
const KM_PER_DEGREE: f64 = 111.2;

/// Two positions in one cell.
type Twins = [Position; 2];

/// Where people meet: anywhere, with the edges of the map more often than they deserve.
fn anywhere() -> impl Strategy<Value = (f64, f64)> {
    let lat = prop_oneof![
        4 => -90.0..=90.0,
        1 => 89.99..=90.0,
        1 => -90.0..=-89.99,
        1 => -0.01..=0.01,
    ];
    let lon = prop_oneof![
        4 => -180.0..=180.0,
        1 => 179.99..=180.0,
        1 => -180.0..=-179.99,
    ];
    (lat, lon)
}

/// A position near a place, and another one in its cell.
fn twins_near(place: (f64, f64)) -> impl Strategy<Value = Twins> {
    let grid = PrivacyGrid::new(CELL_KM).expect("a valid cell");
    let offset = || (-1.0..=1.0, -1.0..=1.0);
    let spread_km = prop_oneof![Just(1.0), Just(10.0), Just(120.0)];
    (offset(), spread_km, proptest::collection::vec(offset(), 64)).prop_map(
        move |(offset, spread_km, tries)| {
            let first = moved(place, offset, spread_km);
            let second = tries
                .into_iter()
                .map(|offset| moved((first.lat_deg(), first.lon_deg()), offset, CELL_KM))
                .find(|second| grid.cell(*second) == grid.cell(first))
                .unwrap_or(first);
            [first, second]
        },
    )
}

/// A place moved by up to so many km to the north and to the east, kept on the map.
fn moved((lat, lon): (f64, f64), (north, east): (f64, f64), km: f64) -> Position {
    let degrees = km / KM_PER_DEGREE;
    let new_lat = (lat + north * degrees).clamp(-90.0, 90.0);
    let narrowing = new_lat.to_radians().cos().max(1e-4);
    let new_lon = lon + (east * degrees / narrowing).clamp(-180.0, 180.0);
    let wrapped = (new_lon + 180.0).rem_euclid(360.0) - 180.0;
    Position::new(new_lat, wrapped).expect("it is on the map")
}

/// One line of the script: who does what.
type Step = (usize, Action);

#[derive(Debug, Clone)]
enum Action {
    Join(Twins, f64, Option<f64>),
    Move(Twins),
    Reach(f64),
    Cancel,
    Leave,
    Next,
    Block,
    Lose,
    /// Not who, but time passes.
    Wait(u64),
}

fn action(place: (f64, f64)) -> impl Strategy<Value = Action> {
    // Some ranges are near the distances between cells, where a hair decides.
    let km = || prop_oneof![2.0..200.0, (2_u32..12).prop_map(f64::from)];
    let twins = move || twins_near(place);
    prop_oneof![
        6 => (twins(), km(), proptest::option::of(200.0..400.0))
            .prop_map(|(twins, km, max_km)| Action::Join(twins, km, max_km)),
        4 => twins().prop_map(Action::Move),
        2 => km().prop_map(Action::Reach),
        1 => Just(Action::Cancel),
        2 => Just(Action::Leave),
        2 => Just(Action::Next),
        1 => Just(Action::Block),
        1 => Just(Action::Lose),
        3 => (1_u64..15_000).prop_map(Action::Wait),
    ]
}

fn script(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    anywhere()
        .prop_flat_map(move |place| proptest::collection::vec((0..PEOPLE, action(place)), 1..steps))
}

/// Everything that came out of a run over the lobby, in order.
#[derive(Debug, PartialEq)]
enum Output {
    Effect(Effect),
    Refused(Refusal),
}

struct Stage {
    lobby: Lobby,
    now: Moment,
    people: Vec<SessionId>,
    chats: Vec<Option<whisperchat::lobby::ChatId>>,
    output: Vec<Output>,
}

impl Stage {
    fn new() -> Self {
        let settings = Settings {
            grid: PrivacyGrid::new(CELL_KM).expect("a valid cell"),
            cool_off: Duration::from_secs(30),
            wait_max: Duration::from_hours(1),
            first_message: Duration::from_secs(20),
            away_max: 100,
            moves_burst: 3,
            ..Settings::default()
        };
        let mut stage = Self {
            lobby: Lobby::new(settings, StdRng::seed_from_u64(7)),
            now: Moment::from_millis(1000),
            people: Vec::new(),
            chats: vec![None; PEOPLE],
            output: Vec::new(),
        };
        for _ in 0..PEOPLE {
            let person = stage.lobby.connect(stage.now, true);
            stage.people.push(person);
            stage.drain();
        }
        stage
    }

    fn drain(&mut self) {
        let mut probed = Vec::new();
        while let Some(effect) = self.lobby.poll_effect() {
            match &effect {
                Effect::Probe { session } => probed.push(*session),
                Effect::Tell {
                    to,
                    event: Event::Matched(matched),
                    ..
                } => {
                    if let Some(who) = self.people.iter().position(|person| person == to) {
                        self.chats[who] = Some(matched.chat);
                    }
                }
                _ => {}
            }
            self.output.push(Output::Effect(effect));
        }
        for session in probed {
            self.lobby.heard(self.now, session);
            self.drain();
        }
    }

    fn command(&mut self, who: usize, command: Command) {
        let person = self.people[who];
        if let Err(refusal) = self.lobby.handle(self.now, person, command, None) {
            self.output.push(Output::Refused(refusal));
        }
        self.drain();
    }

    /// Time passes, with every deadline on the way.
    fn wait(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.lobby.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.lobby.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Whoever is gone is replaced by somebody new.
    fn revive(&mut self, who: usize) {
        if self.lobby.state(self.people[who]).is_none() {
            self.people[who] = self.lobby.connect(self.now, true);
            self.chats[who] = None;
            self.drain();
        }
    }

    fn run(&mut self, (who, action): &Step, twin: usize) {
        let km = |km: f64| Range::from_km(km).expect("a valid range");
        self.revive(*who);
        let update = Update::default();
        let command = match action {
            Action::Join(twins, range_km, max_km) => Command::Join(Join {
                position: twins[twin],
                range: km(*range_km),
                range_max: max_km.map(km),
                profile: Profile::default(),
                give_up: None,
            }),
            Action::Move(twins) => Command::Update(Update {
                position: Some(twins[twin]),
                ..update
            }),
            Action::Reach(range_km) => Command::Update(Update {
                range: Some(km(*range_km)),
                ..update
            }),
            Action::Cancel => Command::Cancel,
            Action::Leave => Command::Leave,
            Action::Next => Command::Next,
            Action::Block => match self.chats[*who] {
                Some(chat) => Command::Block(chat),
                None => return,
            },
            Action::Lose => {
                let person = self.people[*who];
                self.lobby.disconnect(self.now, person, Departure::Lost);
                self.drain();
                self.people[*who] = self.lobby.connect(self.now, true);
                self.chats[*who] = None;
                return self.drain();
            }
            Action::Wait(ms) => return self.wait(*ms),
        };
        self.command(*who, command);
    }
}

fn output(script: &[Step], twin: usize) -> Vec<Output> {
    let mut stage = Stage::new();
    for step in script {
        stage.run(step, twin);
    }
    stage.wait(60_000);
    stage.output
}

/// A message without what is drawn afresh on every run.
fn without_chance(mut message: Value) -> Value {
    if let Value::Object(fields) = &mut message {
        for key in [
            "session",
            "resume_token",
            "chat",
            "at",
            "waited_ms",
            "retry_after_ms",
        ] {
            if let Some(value) = fields.get_mut(key) {
                *value = Value::Null;
            }
        }
    }
    message
}

fn position(position: Position) -> Value {
    json!({"lat": position.lat_deg(), "lon": position.lon_deg()})
}

fn message(action: &Action, twin: usize, chat: &Value) -> Value {
    match action {
        Action::Join(twins, range_km, max_km) => {
            let max_km = max_km.unwrap_or(*range_km);
            json!({
                "type": "join", "position": position(twins[twin]),
                "range_km": range_km, "max_range_km": max_km,
            })
        }
        Action::Move(twins) => json!({"type": "update", "position": position(twins[twin])}),
        Action::Reach(range_km) => json!({"type": "update", "range_km": range_km}),
        Action::Cancel => json!({"type": "cancel"}),
        Action::Leave => json!({"type": "leave"}),
        Action::Next => json!({"type": "next"}),
        Action::Block => json!({"type": "block", "chat": chat}),
        Action::Lose | Action::Wait(_) => json!({"type": "say", "text": "hello"}),
    }
}

/// What everybody is told, in a run over sockets.
async fn told(script: &[Step], twin: usize) -> Vec<(usize, Value)> {
    let server = Server::start(&[
        ("matching.widen_step_s", "0"),
        ("matching.heard_within_s", "60"),
        ("limits.moves_burst", "1000"),
        ("limits.errors_per_minute", "1000"),
    ]);
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push((V1::connect(&server).await, Value::Null));
    }
    let mut told = Vec::new();
    for (number, (who, action)) in script.iter().enumerate() {
        let (client, chat) = &mut people[*who];
        let id = json!({"id": number.to_string()});
        let message = with(message(action, twin, chat), id);
        client.send(message).await;
        client.settle().await;
        for (listener, (client, chat)) in people.iter_mut().enumerate() {
            for message in client.all_so_far().await {
                if message["type"] == "matched" {
                    *chat = message["chat"].clone();
                }
                told.push((listener, without_chance(message)));
            }
        }
    }
    told
}

/// So many cases; a failing one is kept in a file beside this one and runs first from then on.
fn runs(cases: u32) -> ProptestConfig {
    let regressions = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        failure_persistence: Some(Box::new(regressions)),
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn every_effect_of_the_lobby_is_the_same_wherever_in_their_cells_people_stand(
        script in script(60)
    ) {
        prop_assert_eq!(output(&script, 0), output(&script, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 50, ..runs(12) })]

    #[test]
    fn every_message_is_the_same_wherever_in_their_cells_people_stand(script in script(25)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let runs = runtime.block_on(async { [told(&script, 0).await, told(&script, 1).await] });
        let [first, second] = runs;
        prop_assert_eq!(first, second);
    }
}

#[test]
fn scripts_pair_people_and_twins_differ() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut matches, mut apart) = (0, 0);
    for _ in 0..50 {
        let script = script(60)
            .new_tree(&mut runner)
            .expect("a script")
            .current();
        apart += script
            .iter()
            .filter(|(_, action)| match action {
                Action::Join(twins, ..) | Action::Move(twins) => twins[0] != twins[1],
                _ => false,
            })
            .count();
        matches += output(&script, 0)
            .iter()
            .filter(|output| matches!(output, Output::Effect(Effect::OpenChat { .. })))
            .count();
    }
    assert!(
        matches > 50 && apart > 300,
        "{matches} matches, {apart} twins apart"
    );
}
