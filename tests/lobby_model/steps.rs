//! A lobby and its model side by side: each step is done to the lobby, and the model judges it.

use crate::effects::Effects;
use crate::model::Model;
use crate::reference::earth::Degrees;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::Duration;
use whisperchat::geo::Range;
use whisperchat::lobby::{
    ChatId, Command, Departure, Effect, Join, Lobby, MessageId, Name, Profile, Report,
    ReportReason, SessionId, Settings, Update,
};
use whisperchat::moment::Moment;
use whisperchat::private::Private;

/// More calls than this, with a few dozen sessions, mean that the lobby asks to be woken for nothing.
const TIMEOUT_CALLS_MAX: usize = 1000;

/// One thing that happens. `who` counts round the sessions there are, oldest first.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Connect,
    /// Something that is not for the lobby.
    Speak {
        who: usize,
    },
    Join {
        who: usize,
        wish: Wish,
    },
    Update {
        who: usize,
        change: Change,
    },
    Cancel {
        who: usize,
    },
    Leave {
        who: usize,
    },
    Next {
        who: usize,
    },
    /// `chat` counts round the chats there ever were.
    Block {
        who: usize,
        chat: usize,
    },
    Report {
        who: usize,
        chat: usize,
    },
    /// Whether somebody is held back, from the next time on that they wait.
    Slow {
        who: usize,
        is_slow: bool,
    },
    Disconnect {
        who: usize,
        is_lost: bool,
    },
    /// So long, rounded up to an even number. If `is_late`, the lobby is woken at the end only, however long that is
    /// after it wanted to be; but it is woken in time for whoever is held back.
    Pass {
        ms: u64,
        is_late: bool,
    },
}

/// What somebody joins with.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) at: Degrees,
    pub(crate) range_km: f64,
    pub(crate) range_max_km: Option<f64>,
    pub(crate) name: Option<&'static str>,
    pub(crate) interests: Vec<&'static str>,
    pub(crate) give_up_ms: Option<u64>,
}

/// What somebody changes while waiting.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) at: Option<Degrees>,
    pub(crate) range_km: Option<f64>,
    pub(crate) range_max_km: Option<f64>,
    pub(crate) name: Option<&'static str>,
    pub(crate) interests: Option<Vec<&'static str>>,
    pub(crate) give_up_ms: Option<u64>,
}

/// Nothing but what the model knows: who is lost is gone, and nobody's range grows.
///
/// People are held back for an odd number of ms, and everything that happens at rest does so after an even one. So who is
/// let in and whose cool-off ends never are due in the same ms, where the model could not tell who comes first; for that,
/// cool-offs must be even, too.
pub(crate) fn settings() -> Settings {
    Settings {
        slow: Duration::from_millis(2501),
        widen_step: Duration::ZERO,
        resume_window: Duration::ZERO,
        moves_burst: u32::MAX,
        moves_free_km: 1e9,
        ..Settings::default()
    }
}

pub(crate) struct World {
    lobby: Lobby,
    model: Model,
    now: Moment,
    sessions: Vec<SessionId>,
    chats: Vec<ChatId>,
    commands: u64,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            lobby: Lobby::new(settings.clone(), StdRng::seed_from_u64(1)),
            model: Model::new(settings),
            now: Moment::START,
            sessions: Vec::new(),
            chats: Vec::new(),
            commands: 0,
        }
    }

    /// Does it, and panics if the lobby did anything the contract does not allow.
    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Connect => self.connect(),
            Step::Speak { who } => self.speak(who),
            Step::Join { who, wish } => self.command(who, Command::Join(wish.into())),
            Step::Update { who, change } => self.command(who, Command::Update(change.into())),
            Step::Cancel { who } => self.command(who, Command::Cancel),
            Step::Leave { who } => self.command(who, Command::Leave),
            Step::Next { who } => self.command(who, Command::Next),
            Step::Block { who, chat } => {
                if let Some(chat) = self.chat(chat) {
                    self.command(who, Command::Block(chat));
                }
            }
            Step::Report { who, chat } => {
                if let Some(chat) = self.chat(chat) {
                    let report = Report {
                        chat,
                        reason: ReportReason::Spam,
                        evidence: false,
                        note: None,
                    };
                    self.command(who, Command::Report(report));
                }
            }
            Step::Slow { who, is_slow } => {
                if let Some(session) = self.session(who) {
                    self.lobby.set_slow(session, is_slow);
                    self.model.slowed(session, is_slow);
                    self.effects().assert_no_more();
                }
            }
            Step::Disconnect { who, is_lost } => {
                if let Some(session) = self.session(who) {
                    self.disconnect(session, is_lost);
                }
            }
            Step::Pass { ms, is_late } => self.pass(ms, is_late),
        }
        self.assert_alike();
    }

    /// The server stops, everybody goes, and nothing is left.
    pub(crate) fn end(mut self) {
        self.lobby.drain(self.now);
        let mut effects = self.effects();
        self.model.drained(&mut effects);
        effects.assert_no_more();
        while let Some(at) = self.lobby.poll_timeout() {
            self.now = self.now.max(at);
            self.wake();
            self.assert_alike();
        }
        assert!(self.lobby.is_empty());
        assert_eq!(self.waiting_len(), 0);
        assert_eq!(self.lobby.poll_effect(), None);
        // Nobody is found without being looked at.
        assert!(self.lobby.looked_at().sum() >= self.chats.len() as u64);
    }

    pub(crate) fn waiting_len(&self) -> usize {
        self.lobby.waiting_len()
    }

    fn connect(&mut self) {
        let session = self.lobby.connect(self.now, true);
        self.model.connected(self.now, session);
        self.sessions.push(session);
        self.effects().assert_no_more();
    }

    /// Everything the lobby wants done. Every connection is alive: whoever is probed is heard at once.
    fn effects(&mut self) -> Effects {
        let mut effects = Effects::default();
        let mut alive = VecDeque::new();
        loop {
            while let Some(effect) = self.lobby.poll_effect() {
                match effect {
                    Effect::Probe { session } => alive.push_back(session),
                    effect => {
                        if let Effect::OpenChat { chat, .. } = effect {
                            self.chats.push(chat);
                        }
                        effects.push(effect);
                    }
                }
            }
            let Some(session) = alive.pop_front() else {
                return effects;
            };
            self.lobby.heard(self.now, session);
        }
    }

    fn speak(&mut self, who: usize) {
        if let Some(session) = self.session(who) {
            self.lobby.spoke(session);
            self.model.heard(session);
            self.effects().assert_no_more();
        }
    }

    fn command(&mut self, who: usize, command: Command) {
        let Some(session) = self.session(who) else {
            return;
        };
        self.commands += 1;
        let answers = self
            .commands
            .is_multiple_of(2)
            .then(|| MessageId::from(format!("m{}", self.commands)));
        let result = self
            .lobby
            .handle(self.now, session, command.clone(), answers.clone());
        let mut effects = self.effects();
        self.model.commanded(
            self.now,
            session,
            command,
            answers.as_ref(),
            result,
            &mut effects,
        );
        effects.assert_no_more();
    }

    fn disconnect(&mut self, session: SessionId, is_lost: bool) {
        let departure = if is_lost {
            Departure::Lost
        } else {
            Departure::Left
        };
        self.lobby.disconnect(self.now, session, departure);
        let mut effects = self.effects();
        self.model
            .disconnected(self.now, session, is_lost, &mut effects);
        effects.assert_no_more();
        self.gone(session);
    }

    fn pass(&mut self, ms: u64, is_late: bool) {
        let end = self.now + Duration::from_millis(ms.next_multiple_of(2));
        for _ in 0..TIMEOUT_CALLS_MAX {
            let wanted = self.lobby.poll_timeout();
            if let Some(due) = self.model.next_due(self.now) {
                assert!(
                    wanted.is_some_and(|at| at <= due),
                    "{wanted:?} is after {due:?}"
                );
            }
            let Some(at) = wanted.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            let late = self.model.next_let_in().map_or(end, |at| at.min(end));
            self.now = if is_late { late } else { self.now.max(at) };
            self.wake();
        }
        panic!(
            "the lobby still wants to be woken at {:?}",
            self.lobby.poll_timeout()
        );
    }

    fn wake(&mut self) {
        self.lobby.handle_timeout(self.now);
        let mut effects = self.effects();
        let closed = effects.closed();
        self.model.time_passed(self.now, &mut effects);
        effects.assert_no_more();
        for session in closed {
            self.gone(session);
        }
    }

    fn gone(&mut self, session: SessionId) {
        self.sessions.retain(|other| *other != session);
        assert_eq!(self.lobby.state(session), None);
    }

    fn chat(&self, chat: usize) -> Option<ChatId> {
        let index = chat.checked_rem(self.chats.len())?;
        Some(self.chats[index])
    }

    fn assert_alike(&self) {
        self.lobby.assert_invariants();
        assert_eq!(self.lobby.len(), self.model.len());
        assert_eq!(self.lobby.waiting_len(), self.model.waiting_len());
        for (session, state) in self.model.states() {
            assert_eq!(self.lobby.state(session), Some(state), "{session:?}");
        }
        self.model.assert_nobody_waits_in_vain(self.now);
    }

    fn session(&self, who: usize) -> Option<SessionId> {
        let index = who.checked_rem(self.sessions.len())?;
        Some(self.sessions[index])
    }
}

impl From<Wish> for Join {
    fn from(wish: Wish) -> Self {
        Self {
            position: wish.at.into(),
            range: range(wish.range_km),
            range_max: wish.range_max_km.map(range),
            profile: Profile {
                name: wish.name.map(name),
                interests: wish.interests.into_iter().map(name).collect(),
            },
            give_up: wish.give_up_ms.map(Duration::from_millis),
        }
    }
}

impl From<Change> for Update {
    fn from(change: Change) -> Self {
        Self {
            position: change.at.map(Into::into),
            range: change.range_km.map(range),
            range_max: change.range_max_km.map(range),
            name: change.name.map(name),
            interests: change
                .interests
                .map(|list| list.into_iter().map(name).collect()),
            give_up: change.give_up_ms.map(Duration::from_millis),
        }
    }
}

fn range(km: f64) -> Range {
    Range::from_km(km).expect("steps keep to the bounds of ranges")
}

fn name(text: &str) -> Name {
    Private::new(text.into())
}
