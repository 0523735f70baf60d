//! How connections of somebody come and go.

use super::{ANY_STAGE, Loss, Person, Phase, Scene, Step};
use crate::swarm::clock::{SECOND_NS, ns};
use crate::swarm::options::Scenario;
use crate::swarm::schedule::Due;
use crate::swarm::tally::Metric;
use crate::swarm::wire::{Dialect, Say};
use rand::RngExt;

/// The first wait before somebody comes back whom nobody has cut on purpose; twice as long each time.
const BACK_OFF_NS: u64 = SECOND_NS / 2;

/// After so many vain attempts nobody tries again. Who never got in knows sooner that there is no room.
const TRIES_MAX: u8 = 6;
const TRIES_MAX_NEW: u8 = 3;

/// How long a server may take to close after it was told so.
const CLOSE_MAX_NS: u64 = 5 * SECOND_NS;

impl Person {
    /// The connection can be used.
    pub(in crate::swarm) fn connected(&mut self, scene: &mut Scene) -> Step {
        self.turn(Phase::Entering, scene);
        if self.dialect == Dialect::Classic {
            self.entered(scene);
        }
        Step::Stay
    }

    /// The connection ended, or none could be made.
    pub(in crate::swarm) fn lost(&mut self, loss: &Loss, scene: &mut Scene) -> Step {
        match self.phase {
            // A server may end a chat by ending the connection.
            Phase::Closing | Phase::Gone | Phase::Parting { wants_next: false } => {
                self.turn(Phase::Gone, scene);
                return Step::Forget;
            }
            _ => {}
        }
        scene.tally.error(&loss.kind);
        if self.dialect == Dialect::Classic || loss.code == Some(4200) {
            // Sessions of classic clients end with their connections, and all do with the server.
            self.forget_session(scene);
        }
        self.tries += 1;
        let must_stop = matches!(
            loss.code,
            Some(1002 | 1003 | 1007 | 1008 | 1009 | 4000..=4099)
        );
        let tries_max = if self.has_entered {
            TRIES_MAX
        } else {
            TRIES_MAX_NEW
        };
        if scene.is_over || must_stop || self.tries > tries_max {
            self.forget_session(scene);
            self.give_up(scene);
            return Step::Forget;
        }
        let wait_ns = self.return_after_ms.take().map_or_else(
            || self.rng.random_range(BACK_OFF_NS..2 * BACK_OFF_NS) << (self.tries - 1),
            |ms| ms.saturating_mul(1_000_000),
        );
        self.turn(Phase::Absent, scene);
        self.at(scene.now_ns + wait_ns, Due::Return, scene);
        Step::Forget
    }

    /// Says goodbye.
    pub(in crate::swarm) fn close(&mut self, scene: &mut Scene) -> Step {
        self.end_chat(scene);
        let step = match self.phase {
            Phase::Gone | Phase::Closing => return Step::Stay,
            Phase::Absent | Phase::Calling => {
                self.give_up(scene);
                return Step::Forget;
            }
            _ => Step::Close,
        };
        self.turn(Phase::Closing, scene);
        self.at(scene.now_ns + CLOSE_MAX_NS, Due::Abandon, scene);
        step
    }

    /// Does not try to connect any more.
    fn give_up(&mut self, scene: &mut Scene) {
        // Who was about to try for the first time was not refused.
        if !self.has_entered && self.tries > 0 {
            scene.tally.counts.left_out += 1;
        }
        self.turn(Phase::Gone, scene);
    }

    /// The connection is lost on purpose, as in a storm.
    pub(super) fn drop_out(&mut self, at_ns: u64, scene: &mut Scene) -> Step {
        let next_ns = at_ns + ns(scene.plan.drop_every_s);
        if next_ns < scene.end_ns {
            self.schedule(next_ns, ANY_STAGE, Due::Drop, scene);
        }
        let is_hit = self.rng.random::<f64>() < scene.plan.drop_share;
        let back_ns = at_ns + ns(self.rng.random::<f64>() * scene.plan.return_within_s);
        if !is_hit || !matches!(self.phase, Phase::Idle | Phase::Waiting | Phase::Chatting) {
            return Step::Stay;
        }
        scene.tally.counts.cut += 1;
        if self.dialect == Dialect::Classic {
            self.forget_session(scene);
        }
        self.turn(Phase::Absent, scene);
        self.at(back_ns, Due::Return, scene);
        Step::Cut
    }

    /// Has been let in, and joins or waits for the sign.
    pub(super) fn entered(&mut self, scene: &mut Scene) {
        scene.tally.counts.connections += 1;
        let took_ns = scene.now_ns.saturating_sub(self.call_ns);
        scene.tally.time(Metric::Connect, took_ns);
        self.tries = 0;
        self.has_entered = true;
        if scene.plan.scenario == Scenario::Stadium && scene.begin_ns.is_none() {
            // Who says nothing is sent away, and this is harmless.
            scene.say(self.dialect, Say::Cancel);
            self.turn(Phase::Idle, scene);
        } else {
            self.join(self.call_ns, scene);
        }
    }
}
