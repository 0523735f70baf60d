//! Pings, and who does not answer them: one wheel for all connections.
//!
//! A connection stands in the slot of the second in which it must be looked at. It costs nothing in between,
//! however often it is heard from: when its turn comes, it is put where it belongs by then.

use super::outbox::Outbox;
use crate::dialect::CloseCode;
use crate::moment::Moment;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A hashed timing wheel (Varghese and Lauck, 1987) with slots of one second.
#[derive(Debug)]
pub(super) struct Wheel {
    /// One for each second of the longest wait.
    slots: Vec<Vec<Watched>>,
    at: usize,
    /// After how much silence a client is pinged; 0: never.
    ping_s: u32,
    /// How long it has to answer.
    pong_s: u32,
}

/// A connection that is looked after.
#[derive(Debug)]
struct Watched {
    outbox: Weak<Outbox>,
    /// When it was last pinged, if it has not been found to have answered.
    pinged_at: Option<Moment>,
}

impl Wheel {
    /// How often the wheel turns.
    pub(super) const TICK: Duration = Duration::from_secs(1);

    pub(super) fn new(ping_s: u32, pong_s: u32) -> Self {
        let slots = ping_s.max(pong_s) as usize + 1;
        Self {
            slots: std::iter::repeat_with(Vec::new).take(slots).collect(),
            at: 0,
            ping_s,
            pong_s,
        }
    }

    /// Looks after a connection that has just been heard from, until it is dropped.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>) {
        if self.ping_s > 0 {
            let watched = Watched {
                outbox: Arc::downgrade(outbox),
                pinged_at: None,
            };
            self.put(watched, self.ping_s);
        }
    }

    /// Whether nobody is looked after. Those who are gone count until their turn comes.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }

    /// A second has passed: looks at everybody whose turn it is. O(connections / `ping_s`).
    pub(super) fn turn(&mut self, now: Moment) {
        self.at = (self.at + 1) % self.slots.len();
        for mut watched in std::mem::take(&mut self.slots[self.at]) {
            let Some(outbox) = watched.outbox.upgrade() else {
                continue;
            };
            if let Some(after_s) = self.look_at(&outbox, &mut watched.pinged_at, now) {
                self.put(watched, after_s);
            }
        }
    }

    /// Returns after how many seconds to look again, if at all.
    fn look_at(&self, outbox: &Outbox, pinged_at: &mut Option<Moment>, now: Moment) -> Option<u32> {
        let silent_ms = outbox.silent_ms(now);
        // Counted from the ping, not from the silence: the wheel may turn late, and then nobody was asked.
        let unanswered_ms = pinged_at
            .map(|at| now.millis_since(at))
            .filter(|since_ping_ms| silent_ms > *since_ping_ms);
        if let Some(unanswered_ms) = unanswered_ms {
            let unanswered_s = seconds_up(unanswered_ms);
            if unanswered_s < self.pong_s {
                return Some(self.pong_s - unanswered_s);
            }
            outbox.hang_up(CloseCode::NoPong, "a ping was not answered");
            return None;
        }
        let silent_s = seconds_up(silent_ms);
        if silent_s < self.ping_s {
            *pinged_at = None;
            return Some(self.ping_s - silent_s);
        }
        outbox.ping();
        *pinged_at = Some(now);
        Some(self.pong_s)
    }

    fn put(&mut self, watched: Watched, after_s: u32) {
        let after = (after_s.max(1) as usize).min(self.slots.len() - 1);
        let slot = (self.at + after) % self.slots.len();
        self.slots[slot].push(watched);
    }
}

fn seconds_up(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::frames::PING;
    use super::super::outbox::{OutboxBounds, Taken};
    use super::*;
    use crate::dialect::Dialect;
    use crate::lobby::SessionId;
    use crate::server::limits::Network;
    use std::task::{Context, Waker};

    const BOUNDS: OutboxBounds = OutboxBounds {
        bytes: 1000,
        events: 10,
    };

    fn at_s(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn outbox() -> Arc<Outbox> {
        Arc::new(Outbox::new(
            Dialect::V1,
            BOUNDS,
            SessionId::default(),
            Network::NOWHERE,
            Moment::START,
        ))
    }

    /// Turns the wheel second by second, and returns what the client was sent when.
    fn sent(wheel: &mut Wheel, outbox: &Outbox, seconds: std::ops::Range<u64>) -> Vec<(u64, bool)> {
        let mut sent = Vec::new();
        for second in seconds {
            wheel.turn(at_s(second));
            match outbox.take(&Context::from_waker(Waker::noop())) {
                Taken::Frames(frames) => {
                    assert_eq!(frames, PING);
                    sent.push((second, false));
                }
                Taken::LastFrames(_, code) => {
                    assert_eq!(code, CloseCode::NoPong);
                    sent.push((second, true));
                    break;
                }
                Taken::Nothing => {}
            }
        }
        sent
    }

    #[test]
    fn who_stays_silent_is_pinged_once_and_given_up() {
        let (mut wheel, outbox) = (Wheel::new(5, 3), outbox());
        wheel.add(&outbox);
        assert_eq!(sent(&mut wheel, &outbox, 1..20), [(5, false), (8, true)]);
    }

    #[test]
    fn who_answers_is_pinged_again_later_and_who_talks_is_not() {
        let (mut wheel, outbox) = (Wheel::new(5, 3), outbox());
        wheel.add(&outbox);
        assert_eq!(sent(&mut wheel, &outbox, 1..6), [(5, false)]);
        outbox.heard(at_s(6));
        assert_eq!(sent(&mut wheel, &outbox, 6..12), [(11, false)]);
        for second in 12..30 {
            outbox.heard(at_s(second));
            assert_eq!(sent(&mut wheel, &outbox, second..second + 1), []);
        }
        let given_up = sent(&mut wheel, &outbox, 30..60);
        assert_eq!(given_up, [(34, false), (37, true)]);
    }

    #[test]
    fn nobody_is_given_up_unasked_when_the_wheel_turns_late() {
        let (mut wheel, outbox) = (Wheel::new(5, 3), outbox());
        wheel.add(&outbox);
        assert_eq!(sent(&mut wheel, &outbox, 1..5), []);
        assert_eq!(sent(&mut wheel, &outbox, 60..61), [(60, false)]);
        assert_eq!(sent(&mut wheel, &outbox, 61..70), [(63, true)]);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (mut wheel, outbox) = (Wheel::new(5, 3), outbox());
        wheel.add(&outbox);
        drop(outbox);
        for second in 1..6 {
            wheel.turn(at_s(second));
        }
        assert!(wheel.slots.iter().all(Vec::is_empty));
    }

    #[test]
    fn without_pings_nobody_is_looked_at() {
        let (mut wheel, outbox) = (Wheel::new(0, 3), outbox());
        wheel.add(&outbox);
        assert_eq!(sent(&mut wheel, &outbox, 1..100), []);
    }
}
