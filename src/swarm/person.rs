//! What somebody does, says and makes of what they hear, without a socket: events come in, and what is to
//! be sent and done comes out.

mod chat;
mod coming;
mod hearing;
mod talking;
#[cfg(test)]
mod tests;

use super::clock::ns;
use super::letter::{self, RunTag};
use super::people::{Guest, People, Role, rng_of};
use super::plan::Plan;
use super::schedule::{Due, Entry, Rate, Schedule};
use super::tally::{Gauges, Metric, Tally};
use super::wire::{Dialect, Say};
use super::{frame, share::Share};
use chat::Chat;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use std::collections::HashMap;

/// An entry with this stage is good in every part of somebody's life.
pub(super) const ANY_STAGE: u32 = u32::MAX;

/// Where somebody is in their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Has no connection, and may come (back).
    Absent,
    /// Is about to have one.
    Calling,
    /// Has one, and hasn't been greeted or let back into the session.
    Entering,
    /// Does nothing.
    Idle,
    Waiting,
    Chatting,
    /// Has said that the chat is over, and wants somebody else or not.
    Parting {
        wants_next: bool,
    },
    /// Has said goodbye.
    Closing,
    /// Will never come again.
    Gone,
}

/// What is to be done with somebody's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    /// Make one.
    Connect,
    /// Say goodbye, and read until the server closes.
    Close,
    /// End it without a word.
    Cut,
    /// Let it be, but read no more.
    StopReading,
    /// Let go of it.
    Forget,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// As errors are counted.
    pub(super) kind: String,
    /// The server's close code, if it sent one.
    pub(super) code: Option<u16>,
}

/// What all people of a process share.
pub(super) struct Scene {
    pub(super) plan: Plan,
    pub(super) people: People,
    pub(super) share: Share,
    pub(super) now_ns: u64,
    pub(super) schedule: Schedule,
    pub(super) tally: Tally,
    pub(super) gauges: Gauges,
    /// What the one whose turn it is has to send.
    pub(super) out: Vec<u8>,
    /// When the scenario begins, once that is known, and when it ends.
    pub(super) begin_ns: Option<u64>,
    pub(super) end_ns: u64,
    /// Nobody says anything new.
    pub(super) is_over: bool,
    /// Too much is unsent of the one whose turn it is.
    pub(super) is_clogged: bool,
    /// What people know of each other by being in one process, by their places.
    pub(super) acquaintances: Vec<Acquaintance>,
    /// Chats that one of two was told of: who, and with whom. The other one takes it out.
    pub(super) half_told: HashMap<String, (u32, u32)>,
}

/// What is known of somebody in the same process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Acquaintance {
    /// Since when they wait or have waited.
    pub(super) since_ns: u64,
    /// How many of their messages were refused so far.
    pub(super) refused: u32,
}

impl Scene {
    /// Nothing has happened yet.
    pub(super) fn new(plan: Plan, people: People, share: Share, schedule: Schedule) -> Self {
        Self {
            plan,
            people,
            share,
            now_ns: 0,
            schedule,
            tally: Tally::default(),
            gauges: Gauges::default(),
            out: Vec::new(),
            begin_ns: None,
            end_ns: u64::MAX,
            is_over: false,
            is_clogged: false,
            acquaintances: Vec::new(),
            half_told: HashMap::new(),
        }
    }

    pub(super) fn tag(&self) -> RunTag {
        self.plan.tag
    }

    fn say(&mut self, dialect: Dialect, say: Say<'_>) {
        if let Some(text) = dialect.text(say) {
            frame::write(frame::TEXT, text.as_bytes(), &mut self.out);
        }
    }

    /// What is known of somebody, if they are in this process.
    fn acquaintance(&self, number: u32) -> Option<&Acquaintance> {
        let place = self.share.place_of(number)?;
        self.acquaintances.get(place as usize)
    }
}

/// Somebody.
pub(super) struct Person {
    /// Their place in this process.
    pub(super) place: u32,
    guest: Guest,
    role: Role,
    dialect: Dialect,
    rng: Xoshiro256PlusPlus,
    phase: Phase,
    /// Counts parts of their life, so that what was due in an earlier one is passed over.
    stage: u32,
    /// When the connection was meant to be made.
    call_ns: u64,
    /// Since when they wait, or have waited before the chat.
    since_ns: u64,
    /// What resumes their session; empty if there is none.
    token: String,
    tries: u8,
    /// Has been let in at least once.
    has_entered: bool,
    /// When the server asked them to come back, if it stops.
    return_after_ms: Option<u64>,
    chat: Option<Box<Chat>>,
    /// When they reported their partner, until that is answered. They leave then.
    reported_ns: Option<u64>,
    /// When their last chat ended.
    parted_ns: u64,
    /// When the rhythm of what they say began, which number in it is next, and where in it they start.
    rhythm_ns: u64,
    beat: u32,
    offset: f64,
}

impl Person {
    pub(super) fn new(place: u32, scene: &Scene) -> Self {
        let number = scene.share.number_of(place);
        let guest = scene.people.guest(number);
        let mut rng = rng_of(scene.plan.seed, number, 2);
        Self {
            place,
            guest,
            role: scene.people.role(number),
            dialect: if guest.is_classic {
                Dialect::Classic
            } else {
                Dialect::V1
            },
            offset: rng.random(),
            rng,
            phase: Phase::Absent,
            stage: 0,
            call_ns: 0,
            since_ns: 0,
            token: String::new(),
            tries: 0,
            has_entered: false,
            return_after_ms: None,
            chat: None,
            reported_ns: None,
            parted_ns: 0,
            rhythm_ns: 0,
            beat: 0,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn number(&self) -> u32 {
        self.guest.number
    }

    /// Begins what the scenario is about.
    pub(super) fn begin(&mut self, begin_ns: u64, scene: &mut Scene) {
        match self.role {
            Role::Talker | Role::Flooder => {
                self.rhythm_ns = begin_ns;
                self.beat = 0;
                self.schedule_say(ANY_STAGE, scene);
            }
            Role::Visitor if self.phase == Phase::Idle => self.at(begin_ns, Due::Join, scene),
            Role::Visitor | Role::Hermit | Role::Idler => {}
        }
        if scene.plan.scenario == super::Scenario::Storm {
            let first_ns = begin_ns + ns(scene.plan.drop_every_s);
            self.schedule(first_ns, ANY_STAGE, Due::Drop, scene);
        }
    }

    /// Does what is due, if it still is.
    pub(super) fn due(&mut self, entry: Entry, scene: &mut Scene) -> Step {
        if entry.stage != ANY_STAGE && entry.stage != self.stage {
            return Step::Stay;
        }
        match entry.due {
            Due::Arrive | Due::Return => {
                self.call_ns = entry.at_ns;
                self.turn(Phase::Calling, scene);
                Step::Connect
            }
            Due::Join => {
                self.join(entry.at_ns, scene);
                Step::Stay
            }
            Due::Say => {
                self.say_next(entry, scene);
                Step::Stay
            }
            Due::Ack => {
                self.acknowledge(scene);
                Step::Stay
            }
            Due::Part => self.part(entry.at_ns, scene),
            Due::GiveUp => {
                scene.tally.counts.gave_up += 1;
                self.close(scene)
            }
            Due::Drop => self.drop_out(entry.at_ns, scene),
            Due::Abandon => {
                self.turn(Phase::Gone, scene);
                Step::Forget
            }
        }
    }

    fn join(&mut self, intended_ns: u64, scene: &mut Scene) {
        let name = letter::name(scene.tag(), self.guest.number);
        let say = Say::Join {
            guest: &self.guest,
            name: &name,
        };
        scene.say(self.dialect, say);
        self.wait(intended_ns, scene);
    }

    fn wait(&mut self, since_ns: u64, scene: &mut Scene) {
        self.since_ns = since_ns;
        let index = self.place as usize;
        if scene.acquaintances.len() <= index {
            scene
                .acquaintances
                .resize(index + 1, Acquaintance::default());
        }
        scene.acquaintances[index].since_ns = since_ns;
        self.turn(Phase::Waiting, scene);
        if self.role == Role::Visitor {
            let patience_ns = ns(scene.plan.patience_s);
            self.at(scene.now_ns + patience_ns, Due::GiveUp, scene);
        }
    }

    fn say_next(&mut self, entry: Entry, scene: &mut Scene) {
        if scene.is_over {
            return;
        }
        let lag_ns = scene.now_ns.saturating_sub(entry.at_ns);
        scene.tally.time(Metric::Lag, lag_ns);
        self.beat += 1;
        self.schedule_say(entry.stage, scene);
        let is_heard = self.chat.as_ref().is_some_and(|chat| chat.can_say());
        if self.phase == Phase::Chatting && is_heard && !scene.is_clogged {
            self.say_text(entry.at_ns, scene);
        } else {
            scene.tally.counts.unsaid += 1;
        }
    }

    /// When the next thing is to be said, if anything is.
    fn schedule_say(&self, stage: u32, scene: &mut Scene) {
        let plan = &scene.plan;
        let rate = match self.role {
            Role::Talker => plan.messages.shared(f64::from(scene.people.talkers())),
            Role::Flooder => Rate::steady(plan.flood),
            Role::Visitor => Rate::steady(1.0 / plan.say_every_s),
            Role::Hermit | Role::Idler => return,
        };
        let over_s = match self.role {
            // A visitor talks until the chat is over.
            Role::Visitor => f64::INFINITY,
            _ => plan.duration_s,
        };
        let count = f64::from(self.beat) + self.offset;
        let at = if over_s.is_finite() {
            rate.time_of(count, over_s)
        } else {
            Some(count / rate.from)
        };
        if let Some(after_s) = at {
            self.schedule(self.rhythm_ns + ns(after_s), stage, Due::Say, scene);
        }
    }

    /// Begins another part of life.
    fn turn(&mut self, phase: Phase, scene: &mut Scene) {
        let Gauges {
            connected,
            waiting,
            chatting,
        } = &mut scene.gauges;
        let weigh = |phase: Phase| {
            let is_connected = !matches!(phase, Phase::Absent | Phase::Calling | Phase::Gone);
            [
                is_connected,
                phase == Phase::Waiting,
                phase == Phase::Chatting,
            ]
            .map(u64::from)
        };
        let (before, after) = (weigh(self.phase), weigh(phase));
        for (gauge, (before, after)) in [connected, waiting, chatting]
            .into_iter()
            .zip(before.into_iter().zip(after))
        {
            *gauge = *gauge + after - before;
        }
        self.phase = phase;
        self.stage += 1;
    }

    /// To do something in this part of life.
    fn at(&self, at_ns: u64, due: Due, scene: &mut Scene) {
        self.schedule(at_ns, self.stage, due, scene);
    }

    fn schedule(&self, at_ns: u64, stage: u32, due: Due, scene: &mut Scene) {
        scene.schedule.insert(Entry {
            at_ns,
            who: self.place,
            stage,
            due,
        });
    }

    fn forget_session(&mut self, scene: &mut Scene) {
        self.end_chat(scene);
        self.token.clear();
    }
}
