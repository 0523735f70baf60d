//! One world: a server, its clients, the network between them, and time.

mod traffic;

use crate::client::{Client, Deed};
use crate::counts::Counts;
use crate::model::{Attachment, Ending, Model};
use crate::network::{Direction, Link};
use crate::setting::{Random, Setting, random};
use crate::violation::{Checked, Violation, ensure};
use crate::wire::{Answer, Asked};
use rand::RngExt as _;
use std::collections::BTreeMap;
use whisperchat::dialect::Dialect;
use whisperchat::moment::Moment;
use whisperchat::server::simulated::House;

/// How long everybody is left alone before everything must have come to rest.
const REST_MS: u64 = 12_000;

/// What is run: a seed, or a part of what it draws.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Which clients take part.
    pub(crate) clients: Vec<usize>,
    /// How many things people do.
    pub(crate) acts_max: u64,
    /// Whether to write down what happens.
    pub(crate) is_traced: bool,
}

/// What came of a plan that went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) violation: Violation,
    pub(crate) acts: u64,
    pub(crate) trace: Vec<String>,
}

#[derive(Debug)]
enum Happening {
    Act(usize),
    ToServer(usize, Asked, Option<String>),
    ToClient(usize, Vec<Answer>),
    EndAtServer(usize),
    EndAtClient(usize),
    Unstall(usize),
    Drain,
    Jump(u64),
}

pub(crate) struct World {
    setting: Setting,
    plan: Plan,
    house: House,
    links: Vec<Link>,
    clients: BTreeMap<usize, (Client, Random)>,
    model: Model,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    now_ms: u64,
    jumped_ms: u64,
    acts: u64,
    is_busy: bool,
    trace: Vec<String>,
}

impl World {
    pub(crate) fn run(plan: Plan) -> Result<Counts, Box<Failure>> {
        let mut world = Self::new(plan);
        world.live().map_err(|violation| {
            Box::new(Failure {
                violation,
                acts: world.acts,
                trace: std::mem::take(&mut world.trace),
            })
        })?;
        Ok(world.model.counts)
    }

    /// What happens in a plan that goes well.
    pub(crate) fn replay(plan: Plan) -> Vec<String> {
        let mut world = Self::new(plan);
        world
            .live()
            .unwrap_or_else(|violation| panic!("{violation:?}"));
        world.trace
    }

    fn new(plan: Plan) -> Self {
        let setting = Setting::draw(plan.seed);
        let client = |index: usize| {
            let network = random(plan.seed, 1_000_000 + index as u64);
            (index, (Client::draw(plan.seed, index, &setting), network))
        };
        Self {
            house: House::new(&setting.config, plan.seed),
            links: Vec::new(),
            clients: plan.clients.iter().map(|index| client(*index)).collect(),
            model: Model::new(setting.config.clone()),
            queue: BTreeMap::new(),
            order: 0,
            now_ms: 0,
            jumped_ms: 0,
            acts: 0,
            is_busy: true,
            trace: Vec::new(),
            setting,
            plan,
        }
    }

    fn live(&mut self) -> Checked {
        let busy_ms = self.setting.busy_ms;
        for index in self.plan.clients.clone() {
            let (_, random) = self.clients.get_mut(&index).expect("it takes part");
            let at_ms = random.random_range(0..busy_ms / 4);
            self.schedule(at_ms, Happening::Act(index));
        }
        let drain = self
            .setting
            .drain_at_ms
            .map(|at_ms| (at_ms, Happening::Drain));
        let jump = self
            .setting
            .jump_at_ms
            .map(|at_ms| (at_ms, Happening::Jump(at_ms % 40_000)));
        for (at_ms, happening) in drain.into_iter().chain(jump) {
            self.schedule(at_ms, happening);
        }
        self.run_until(busy_ms)?;
        self.note(|| "everybody rests".to_owned());
        self.is_busy = false;
        self.heal()?;
        self.run_until(self.now_ms + REST_MS / 2)?;
        let early = self.model.eligible_pairs();
        self.run_until(self.now_ms + REST_MS / 2)?;
        let late = self.model.eligible_pairs();
        let in_vain = early.iter().find(|pair| late.contains(pair));
        ensure!(
            in_vain.is_none(),
            "no eligible pair waits",
            "{in_vain:?} for seconds"
        );
        self.model.check_rest()?;
        self.note(|| "everybody leaves".to_owned());
        self.leave()?;
        let limits = &self.setting.config.limits;
        let over_s = u64::from(limits.resume_window_s.max(2 * limits.ping_s) + limits.pong_s) + 10;
        self.run_until(self.now_ms + over_s * 1000)?;
        self.house.assert_invariants();
        ensure!(
            self.house.is_empty(),
            "nothing is left",
            "{:?}",
            self.house.census()
        );
        Ok(())
    }

    fn run_until(&mut self, end_ms: u64) -> Checked {
        loop {
            let wake_ms = self.house.next_wake().as_millis();
            let next = self.queue.first_key_value().map(|(key, _)| *key);
            let at_ms = next
                .map_or(wake_ms, |(at_ms, _)| at_ms.min(wake_ms))
                .max(self.now_ms);
            if at_ms > end_ms {
                return Ok(());
            }
            self.now_ms = at_ms;
            self.house.advance(Moment::from_millis(at_ms));
            self.model.advance(at_ms);
            match next.filter(|(due_ms, _)| *due_ms <= at_ms && wake_ms > at_ms) {
                Some(key) => {
                    let happening = self.queue.remove(&key).expect("it was there");
                    self.happen(happening)?;
                }
                None => self.model.check_silence(self.jumped_ms)?,
            }
            self.collect()?;
            self.check()?;
        }
    }

    fn check(&mut self) -> Checked {
        self.model.counts.steps += 1;
        if self.model.counts.steps.is_multiple_of(32) {
            self.house.assert_invariants();
            self.model.stir();
        }
        let (links, lines) = (&self.links, &self.model.sessions);
        let line_of: Vec<_> = lines.iter().map(|session| session.at).collect();
        let is_kept = |session: usize| match line_of[session] {
            Attachment::Line(line) => links[line].line.is_being_matched(),
            _ => false,
        };
        self.model.check_step(&is_kept)
    }

    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at_ms, self.order), happening);
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.plan.is_traced {
            self.trace
                .push(format!("{:>8} ms  {}", self.now_ms, what()));
        }
    }

    fn happen(&mut self, happening: Happening) -> Checked {
        match happening {
            Happening::Act(client) => {
                self.act(client);
                Ok(())
            }
            Happening::ToServer(link, asked, id) => self.arrives(link, &asked, id.as_deref()),
            Happening::ToClient(link, answers) => answers
                .into_iter()
                .try_for_each(|answer| self.comes(link, answer)),
            Happening::EndAtServer(link) => {
                self.cut(link, Ending::Cut);
                Ok(())
            }
            Happening::EndAtClient(link) => {
                let (client, _) = self
                    .clients
                    .get_mut(&self.links[link].client)
                    .expect("it takes part");
                if client.link == Some(link) {
                    client.lost_link();
                }
                Ok(())
            }
            Happening::Unstall(link) => {
                self.unstall(link);
                Ok(())
            }
            Happening::Drain => {
                self.note(|| "the server drains".to_owned());
                self.model.counts.faults += 1;
                self.model.drains();
                self.house.drain();
                Ok(())
            }
            // At rest the wheel is given its turns, so that it is known when it must be empty.
            Happening::Jump(_) if !self.is_busy => Ok(()),
            Happening::Jump(ms) => {
                self.note(|| format!("the clock jumps by {ms} ms"));
                self.model.counts.faults += 1;
                self.now_ms += ms;
                self.jumped_ms = self.now_ms;
                self.house.jump(Moment::from_millis(self.now_ms));
                self.model.advance(self.now_ms);
                Ok(())
            }
        }
    }

    fn act(&mut self, index: usize) {
        if !self.is_busy || self.acts >= self.plan.acts_max {
            return;
        }
        self.acts += 1;
        let (client, _) = self.clients.get_mut(&index).expect("it takes part");
        let (deeds, pause_ms) = (client.act(), client.pause_ms());
        self.schedule(self.now_ms + pause_ms, Happening::Act(index));
        self.perform(index, deeds);
    }

    fn perform(&mut self, index: usize, deeds: Vec<Deed>) {
        for deed in deeds {
            self.note(|| format!("client {index}: {}", short(&deed)));
            let link = self.clients[&index].0.link;
            match (deed, link) {
                (Deed::Connect(first), _) => self.connect(index, first),
                (Deed::Send { asked, id }, Some(link)) => self.send(index, link, asked, id),
                (Deed::Cut { loses }, Some(link)) => {
                    self.links[link].is_hole |= loses;
                    let (client, random) = self.clients.get_mut(&index).expect("it takes part");
                    client.lost_link();
                    let at_ms =
                        self.links[link].arrival_ms(self.now_ms, Direction::ToServer, random);
                    self.schedule(at_ms, Happening::EndAtServer(link));
                    self.model.counts.faults += 1;
                }
                (Deed::Hole, Some(link)) => {
                    self.links[link].is_hole = true;
                    let (_, random) = self.clients.get_mut(&index).expect("it takes part");
                    let noticed_ms = self.now_ms + random.random_range(1_000..40_000);
                    self.schedule(noticed_ms, Happening::EndAtClient(link));
                    self.model.counts.faults += 1;
                }
                (Deed::Stall { ms }, Some(link)) => {
                    self.links[link].is_stalled = true;
                    self.model.stalled(link, true);
                    self.schedule(self.now_ms + ms, Happening::Unstall(link));
                    self.model.counts.faults += 1;
                }
                (_, None) => {}
            }
        }
    }

    fn connect(&mut self, index: usize, first: Option<Asked>) {
        let (client, random) = self.clients.get_mut(&index).expect("it takes part");
        let line = self.house.connect(client.dialect);
        let link = line.number();
        self.model.opened(client.dialect);
        self.links
            .push(Link::new(line, index, random, self.setting.trouble));
        client.linked(link);
        if let Some(asked) = first {
            self.send(index, link, asked, Some("first".to_owned()));
        }
    }

    fn send(&mut self, index: usize, link: usize, asked: Asked, id: Option<String>) {
        let (client, random) = self.clients.get_mut(&index).expect("it takes part");
        let mut at_ms = self.links[link].arrival_ms(self.now_ms, Direction::ToServer, random);
        match (&asked, client.pong_ms) {
            (Asked::Pong, None) if self.is_busy => return,
            (Asked::Pong, Some(pong_ms)) if self.is_busy => at_ms += pong_ms,
            (Asked::Close { .. }, _) => client.took_leave(),
            _ => {}
        }
        self.schedule(at_ms, Happening::ToServer(link, asked, id));
    }

    /// Ends all trouble: those who lost their way come back once.
    fn heal(&mut self) -> Checked {
        for link in 0..self.links.len() {
            self.unstall(link);
            self.collect()?;
            let index = self.links[link].client;
            let (client, _) = self.clients.get_mut(&index).expect("it takes part");
            if self.links[link].is_hole || client.link != Some(link) {
                if client.link == Some(link) {
                    client.lost_link();
                }
                self.cut(link, Ending::Cut);
                self.collect()?;
            }
        }
        for index in self.plan.clients.clone() {
            let (client, _) = self.clients.get_mut(&index).expect("it takes part");
            let deeds = client.come_back().into_iter().collect();
            self.perform(index, deeds);
        }
        Ok(())
    }

    fn leave(&mut self) -> Checked {
        for index in self.plan.clients.clone() {
            let (client, random) = self.clients.get_mut(&index).expect("it takes part");
            let is_polite = random.random();
            let Some(link) = client.link else { continue };
            if is_polite || client.dialect == Dialect::Classic {
                self.send(index, link, Asked::Close { code: 1000 }, None);
            } else {
                client.lost_link();
                self.cut(link, Ending::Cut);
                self.collect()?;
            }
        }
        Ok(())
    }
}

/// Long texts are cut: it is the beginning that tells them apart.
fn short(what: &impl std::fmt::Debug) -> String {
    format!("{what:?}").chars().take(240).collect()
}
