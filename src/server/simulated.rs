//! The server without its sockets, under a clock that is set by hand: for simulations.
//!
//! Bytes of frames go through the real gate, frames, dialects, hub, lobby and conversations, and come back
//! from the real outboxes. Only reading and writing is the simulation's. Everything random is drawn from a
//! seed, so the same calls give the same bytes.

use super::connection::{Connection, End, Rules};
use super::credentials::Credentials;
use super::hub::Hub;
use super::liveness::Wheel;
use super::outbox::Taken;
use crate::config::Config;
use crate::dialect::Dialect;
use crate::moment::Moment;
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// A server that nobody can connect to but by [`House::connect`].
pub struct House {
    rules: Arc<Rules>,
    woken: Arc<Mutex<Vec<usize>>>,
    lines: usize,
    next_turn: Moment,
}

/// One connection to a [`House`]. Lost when it is dropped.
pub struct Line {
    connection: Connection<()>,
    number: usize,
    waker: Waker,
    is_read: bool,
    is_over: bool,
}

/// Notes that a line has something to be taken, where a connection's task would be woken.
struct Bell {
    number: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.woken.lock().push(self.number);
    }
}

impl House {
    /// With nobody in it, at the start of time.
    pub fn new(config: &Config, seed: u64) -> Self {
        Self {
            rules: Arc::new(Rules::new(
                config.clone(),
                Credentials::default(),
                Hub::simulated(config, seed),
            )),
            woken: Arc::default(),
            lines: 0,
            next_turn: Moment::START + Wheel::TICK,
        }
    }

    /// A new connection. Lines are numbered from 0 in the order of their coming.
    pub fn connect(&mut self, dialect: Dialect) -> Line {
        let number = self.lines;
        self.lines += 1;
        // As if its task had been woken to begin with.
        self.woken.lock().push(number);
        Line {
            connection: Connection::simulated(dialect, Arc::clone(&self.rules)),
            number,
            waker: Waker::from(Arc::new(Bell {
                number,
                woken: Arc::clone(&self.woken),
            })),
            is_read: true,
            is_over: false,
        }
    }

    /// The lines that have something to be taken since they were last asked, in the order in which that
    /// came.
    pub fn woken(&self) -> Vec<usize> {
        std::mem::take(&mut *self.woken.lock())
    }

    /// What time it is.
    pub fn now(&self) -> Moment {
        self.rules.hub.now()
    }

    /// When [`advance`](Self::advance) has something to do next.
    pub fn next_wake(&self) -> Moment {
        let deadline = self.rules.hub.next_deadline();
        deadline.map_or(self.next_turn, |at| at.min(self.next_turn))
    }

    /// Lets time pass, and does what is due on the way, each thing at its time.
    pub fn advance(&mut self, to: Moment) {
        while self.next_wake() <= to {
            self.jump(self.next_wake().max(self.now()));
        }
        self.rules.hub.set_now(to);
    }

    /// Lets time pass at once, as if the process had been stopped, and then does what is due.
    pub fn jump(&mut self, to: Moment) {
        let hub = &self.rules.hub;
        hub.set_now(to);
        hub.handle_due();
        if self.next_turn <= to {
            hub.turn_wheel();
            self.next_turn = to + Wheel::TICK;
        }
    }

    /// The server stops.
    pub fn drain(&self) {
        self.rules.hub.drain();
    }

    /// Sessions, those of them that stand in the waiting room, and those without a connection.
    pub fn census(&self) -> (usize, usize, usize) {
        let (sessions, waiting) = self.rules.hub.census();
        (sessions, waiting, self.rules.hub.away_len())
    }

    /// Whether nothing is left of anybody.
    pub fn is_empty(&self) -> bool {
        self.rules.hub.is_empty()
    }

    /// Panics unless everything kept in two places agrees. O(sessions).
    pub fn assert_invariants(&self) {
        self.rules.hub.assert_invariants();
    }
}

impl Line {
    /// Its number among all lines.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Bytes arrive from the client. The line counts as woken: a connection's task looks for what there is to
    /// send after it has read.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.is_read && self.connection.arrived(bytes).is_some() {
            self.is_read = false;
        }
        self.ring();
    }

    /// What goes to the client; everything that was taken before has gone. If that is the last, the
    /// connection is over.
    pub fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.is_over {
            match self
                .connection
                .outbox()
                .take(&Context::from_waker(&self.waker))
            {
                Taken::Frames(frames) => all.extend(frames),
                Taken::LastFrames(frames, code) => {
                    all.extend(frames);
                    self.connection.ended(End::ByServer(code));
                    self.is_read = false;
                    self.is_over = true;
                }
                Taken::Nothing => {
                    self.is_over = !self.is_read;
                    break;
                }
            }
        }
        all
    }

    /// Its connection breaks.
    pub fn cut(&mut self) {
        self.connection.ended(End::Lost);
        self.is_read = false;
        self.is_over = true;
    }

    /// Notes it as woken: its client reads again.
    pub fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Whether the server has said its last word, and it was taken.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether its session is kept for somebody until both are heard from.
    pub fn is_being_matched(&self) -> bool {
        self.connection
            .rules()
            .hub
            .is_being_matched(self.connection.outbox())
    }
}
