//! The hub under a clock that is set by hand.

use super::{Clock, Hub, Outbox, Talk};
use crate::config::Config;
use crate::lobby::StateName;
use crate::moment::Moment;
use crate::server::telemetry::Telemetry;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Hub {
    /// At the start of time, and with all that is drawn at random drawn from a seed.
    pub(in crate::server) fn simulated(config: &Config, seed: u64) -> Self {
        let clock = Clock::Manual(AtomicU64::new(0));
        let random = StdRng::seed_from_u64(seed);
        Self::with(config, clock, random, Telemetry::default(), None)
    }

    /// Sets the clock, which never goes back.
    pub(in crate::server) fn set_now(&self, now: Moment) {
        if let Clock::Manual(ms) = &self.clock {
            let before = ms.swap(now.as_millis(), Ordering::Relaxed);
            assert!(before <= now.as_millis(), "time goes forwards");
        }
    }

    pub(in crate::server) fn next_deadline(&self) -> Option<Moment> {
        self.floor.lock().lobby.poll_timeout()
    }

    /// Handles all deadlines that have come by now.
    pub(in crate::server) fn handle_due(&self) {
        while self.handle_deadlines().is_some_and(|at| at <= self.now()) {}
    }

    pub(in crate::server) fn turn_wheel(&self) {
        self.wheel.lock().turn(self.now());
    }

    pub(in crate::server) fn is_being_matched(&self, outbox: &Outbox) -> bool {
        let floor = self.floor.lock();
        let session = outbox.session();
        session.is_some_and(|session| floor.lobby.is_being_matched(session))
    }

    /// How many sessions are without a connection.
    pub(in crate::server) fn away_len(&self) -> usize {
        self.floor.lock().lobby.doing().away
    }

    /// Whether nothing is left of anybody: no session, line, deadline or turn of the wheel.
    pub(in crate::server) fn is_empty(&self) -> bool {
        let floor = self.floor.lock();
        let nobody = floor.lobby.is_empty() && floor.lines.is_empty();
        nobody && floor.lobby.poll_timeout().is_none() && self.wheel.lock().is_empty()
    }

    /// Panics unless everything kept in two places agrees. O(sessions).
    pub(in crate::server) fn assert_invariants(&self) {
        let floor = self.floor.lock();
        floor.lobby.assert_invariants();
        assert_eq!(floor.lines.len(), floor.lobby.len());
        assert!(floor.alive.is_empty());
        let mut away = 0;
        for (session, line) in &floor.lines {
            let state = floor.lobby.state(session);
            let is_chatting = state.expect("a line has a session") == StateName::Chatting;
            let Some(outbox) = &line.outbox else {
                away += 1;
                // What a chat that is over has left to show is kept, too.
                assert!(line.seat.is_some() || !is_chatting);
                continue;
            };
            assert_eq!(outbox.session(), Some(session));
            // Of a chat that it was left in, it may not know.
            assert!(line.seat.is_none() || state == Some(StateName::Idle));
            let seat = outbox.seat();
            assert_eq!(seat.is_some(), is_chatting);
            if let Some(seat) = seat {
                let talk: &Talk = &seat.chat.talk.lock();
                assert!(talk.conversation.check_open().is_ok());
                let own = talk.outboxes[seat.side as usize].as_ref();
                assert!(own.is_some_and(|own| Arc::ptr_eq(own, outbox)));
            }
        }
        assert_eq!(away, floor.lobby.doing().away);
    }
}
