//! Everybody of a process and their connections: events go to whom they concern, and what they say to
//! their sockets.

mod sockets;

use super::Assignment;
use crate::swarm::clock::{Clock, SECOND_NS, ns};
use crate::swarm::frame;
use crate::swarm::link::Link;
use crate::swarm::options::Scenario;
use crate::swarm::people::{Role, rng_of};
use crate::swarm::person::{Person, Phase, Scene, Step};
use crate::swarm::schedule::{Arrivals, Due, Entry, Schedule, spread_ns};
use crate::swarm::tally::Part;
use crate::swarm::tokens::Tokens;
use crate::swarm::violation::Violation;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// One read takes this much at most. The buffer belongs to all connections.
const READ_BYTES: usize = 64 * 1024;

/// So many entries of the schedule are worked off before sockets have their turn.
const DUE_AT_ONCE: usize = 256;

/// The first arrival comes this long after the start, so that it is not late already.
const HEAD_START_NS: u64 = SECOND_NS / 20;

/// Everybody of a process.
#[derive(Clone)]
pub(super) struct Engine(Rc<Inner>);

struct Inner {
    clock: Clock,
    tokens: Tokens,
    state: RefCell<State>,
    read_buffer: RefCell<Vec<u8>>,
    /// Something is due earlier than the alarm was set for.
    rearm: Notify,
    /// What the alarm was set for.
    armed_ns: Cell<u64>,
}

struct State {
    scene: Scene,
    /// By their places; those who have not come yet or will never come again are not there.
    people: Vec<Option<Box<Person>>>,
    links: Vec<Option<Link>>,
    present: u32,
    generations: u32,
    arrivals: Option<Arrivals>,
    /// How many are still to come, as far as that is known.
    expected: u32,
}

impl Engine {
    pub(super) fn new(assignment: Assignment) -> Self {
        let Assignment {
            plan,
            tokens,
            share,
            bounds,
            clock,
        } = assignment;
        let mut schedule = Schedule::default();
        let is_crowd = plan.scenario == Scenario::Crowd;
        let expected = if is_crowd {
            0
        } else {
            share.count(plan.connections)
        };
        for place in 0..expected {
            let number = share.number_of(place);
            schedule.insert(Entry {
                at_ns: HEAD_START_NS + spread_ns(number, plan.connections, plan.ramp_s),
                who: place,
                stage: 0,
                due: Due::Arrive,
            });
        }
        let arrivals = is_crowd.then(|| {
            let rate = plan.arrivals.shared(f64::from(share.processes));
            let rng = rng_of(plan.seed, share.process, 3);
            Arrivals::new(rate, plan.duration_s, rng)
        });
        let people = plan.people(bounds);
        let scene = Scene::new(plan, people, share, schedule);
        Self(Rc::new(Inner {
            clock,
            tokens,
            state: RefCell::new(State {
                scene,
                people: Vec::new(),
                links: Vec::new(),
                present: 0,
                generations: 0,
                arrivals,
                expected,
            }),
            read_buffer: RefCell::new(vec![0; READ_BYTES]),
            rearm: Notify::new(),
            armed_ns: Cell::new(u64::MAX),
        }))
    }

    /// When there is something to do next.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let state = self.0.state.borrow();
        let scene = &state.scene;
        let end_ns = (scene.end_ns < u64::MAX).then_some(scene.end_ns);
        let next_ns = scene.schedule.next_ns().into_iter().chain(end_ns).min();
        self.0.armed_ns.set(next_ns.unwrap_or(u64::MAX));
        next_ns
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.0.state.borrow().scene.end_ns
    }

    /// Is told when something is due before what [`Engine::next_ns`] has said last.
    pub(super) async fn rearmed(&self) {
        self.0.rearm.notified().await;
    }

    /// The scenario begins at this moment.
    pub(super) fn begin(&self, at_ns: u64) {
        let places = {
            let mut state = self.0.state.borrow_mut();
            let scene = &mut state.scene;
            scene.begin_ns = Some(at_ns);
            scene.end_ns = at_ns + ns(scene.plan.duration_s);
            state.expect_arrival(at_ns);
            state.people.len()
        };
        for place in 0..places as u32 {
            self.with(place, |person, scene| {
                person.begin(at_ns, scene);
                Step::Stay
            });
        }
    }

    /// The scenario is over: nothing new is said.
    pub(super) fn end(&self) {
        let mut state = self.0.state.borrow_mut();
        state.scene.is_over = true;
        state.arrivals = None;
    }

    /// Does some of what is due.
    pub(super) fn run_due(&self) {
        let now_ns = self.0.clock.now_ns();
        for _ in 0..DUE_AT_ONCE {
            let entry = self.0.state.borrow_mut().scene.schedule.take_due(now_ns);
            let Some(entry) = entry else { return };
            if entry.due == Due::Arrive && !self.0.state.borrow_mut().admit(entry) {
                continue;
            }
            self.with(entry.who, |person, scene| person.due(entry, scene));
        }
    }

    /// What was seen since the last time.
    pub(super) fn take_part(&self) -> Part {
        let mut state = self.0.state.borrow_mut();
        Part {
            gauges: state.scene.gauges,
            is_ready: state.is_ready(),
            ..state.scene.tally.take()
        }
    }

    /// Whether everything that was said has come.
    pub(super) fn has_settled(&self) -> bool {
        let state = self.0.state.borrow();
        state.people.iter().flatten().all(|person| {
            let is_on_the_way = matches!(
                person.phase(),
                Phase::Absent | Phase::Calling | Phase::Entering
            );
            !is_on_the_way && state.owed(person) == (0, true)
        })
    }

    /// What has not come by now will not come.
    pub(super) fn check_all_came(&self) {
        let mut state = self.0.state.borrow_mut();
        let owed: Vec<_> = state
            .people
            .iter()
            .flatten()
            .filter_map(|person| {
                Some((person.number(), person.chat()?.partner, state.owed(person)))
            })
            .collect();
        let tally = &mut state.scene.tally;
        for (from, who, (count, is_answered)) in owed {
            if count > 0 {
                tally.violation(&Violation::Missing { who, from, count });
            }
            if !is_answered {
                tally.error("unanswered");
            }
        }
    }

    /// Everybody says goodbye.
    pub(super) fn part_all(&self) {
        let places = self.0.state.borrow().people.len();
        for place in 0..places as u32 {
            self.with(place, Person::close);
        }
    }

    /// Whether nobody is there any more.
    pub(super) fn is_deserted(&self) -> bool {
        self.0.state.borrow().present == 0
    }

    /// Lets something happen to somebody, sends what they say, and does what they want.
    fn with(&self, place: u32, event: impl FnOnce(&mut Person, &mut Scene) -> Step) {
        let mut state = self.0.state.borrow_mut();
        let State {
            scene,
            people,
            links,
            ..
        } = &mut *state;
        let index = place as usize;
        let Some(Some(person)) = people.get_mut(index) else {
            return;
        };
        let link = &mut links[index];
        scene.now_ns = self.0.clock.now_ns();
        scene.is_clogged = link.as_ref().is_some_and(Link::is_clogged);
        let step = event(person, scene);
        if step == Step::Close {
            frame::write(frame::CLOSE, &1000_u16.to_be_bytes(), &mut scene.out);
        }
        if !scene.out.is_empty() {
            if let Some(rest) = link.as_mut().and_then(|link| link.send(&scene.out)) {
                let generation = link.as_ref().map_or(0, |link| link.generation);
                spawn_local(self.clone().flush(place, generation, rest));
            }
            scene.out.clear();
        }
        match step {
            Step::Stay | Step::Close => {}
            Step::Connect => self.call(place, &mut state),
            Step::Cut => {
                if let Some(link) = link.take() {
                    link.cut();
                }
            }
            Step::StopReading => {
                if let Some(link) = link {
                    link.is_paused = true;
                }
            }
            Step::Forget => *link = None,
        }
        state.let_go(index);
        if state.scene.schedule.next_ns().unwrap_or(u64::MAX) < self.0.armed_ns.get() {
            self.0.rearm.notify_one();
        }
    }
}

impl State {
    /// Lets somebody in who comes for the first time; returns whether there is room.
    fn admit(&mut self, entry: Entry) -> bool {
        self.expected = self.expected.saturating_sub(1);
        self.scene.tally.counts.arrivals += 1;
        let room = self.scene.share.count(self.scene.plan.connections).max(1);
        let index = entry.who as usize;
        if self.people.len() <= index {
            self.people.resize_with(index + 1, || None);
            self.links.resize_with(index + 1, || None);
        }
        // Behind whoever has come, so it takes the next place.
        self.expect_arrival(self.scene.begin_ns.unwrap_or(0));
        if self.present >= room {
            self.scene.tally.error("swarm.full");
            return false;
        }
        let mut person = Person::new(entry.who, &self.scene);
        if let (Some(begin_ns), None) = (self.scene.begin_ns, &self.arrivals) {
            person.begin(begin_ns, &mut self.scene);
        }
        self.people[index] = Some(Box::new(person));
        self.present += 1;
        true
    }

    /// Puts the next arrival of a crowd on the schedule.
    fn expect_arrival(&mut self, begin_ns: u64) {
        let Some(at_ns) = self.arrivals.as_mut().and_then(Iterator::next) else {
            return;
        };
        self.scene.schedule.insert(Entry {
            at_ns: begin_ns + at_ns,
            who: self.people.len() as u32,
            stage: 0,
            due: Due::Arrive,
        });
    }

    /// Somebody who will never come again takes no room.
    fn let_go(&mut self, index: usize) {
        let is_gone = |person: &Person| person.phase() == Phase::Gone;
        if self.people[index].as_deref().is_some_and(is_gone) {
            self.people[index] = None;
            self.links[index] = None;
            self.present -= 1;
        }
    }

    fn link(&mut self, place: u32, generation: u32) -> Option<&mut Link> {
        let link = self.links.get_mut(place as usize)?.as_mut()?;
        (link.generation == generation).then_some(link)
    }

    /// Whether everybody is where they have to be before the scenario begins.
    fn is_ready(&self) -> bool {
        let is_in_place = |person: &Person| match self.scene.plan.scenario {
            Scenario::Crowd => true,
            Scenario::Idle => person.phase() == Phase::Waiting,
            Scenario::Stadium => person.phase() == Phase::Idle,
            Scenario::Chat | Scenario::Storm | Scenario::Slow => person.phase() == Phase::Chatting,
        };
        self.expected == 0
            && self
                .people
                .iter()
                .flatten()
                .all(|person| is_in_place(person))
    }

    /// How many messages of somebody's have not reached their partner, if both can be seen, and whether the
    /// server has answered everything they said.
    fn owed(&self, person: &Person) -> (u32, bool) {
        let Some(chat) = person.chat().filter(|_| person.phase() == Phase::Chatting) else {
            return (0, true);
        };
        let role = |number| self.scene.people.role(number);
        if chat.is_torn || role(person.number()) == Role::Idler || role(chat.partner) == Role::Idler
        {
            return (0, true);
        }
        let partner = self
            .scene
            .share
            .place_of(chat.partner)
            .and_then(|place| self.people.get(place as usize)?.as_deref())
            .filter(|partner| partner.phase() == Phase::Chatting)
            .and_then(Person::chat)
            .filter(|theirs| theirs.partner == person.number() && !theirs.is_torn);
        let said = chat.said - chat.refused;
        let missing = partner.map_or(0, |theirs| said.saturating_sub(theirs.heard_count()));
        (missing, chat.is_answered(person.dialect()))
    }
}
