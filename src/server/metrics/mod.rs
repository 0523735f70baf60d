//! What the server counts while it works, and how `/metrics` tells it.
//!
//! Everything has its place from the start: to count is to add to a number whose address is known, and no label
//! is looked up. Labels are words from lists that are written down here; none names a person, a place or a
//! token. docs/metrics.md has them all; a test holds it to what is served.

mod exposition;
mod histogram;
mod logins;
mod stopwatch;
mod totals;

use super::connection::End;
use super::hub::Hub;
use crate::dialect::ErrorCode;
use crate::moment::Moment;
use histogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) use exposition::text;
pub(super) use logins::{Login, Logins};
pub(super) use stopwatch::Stopwatch;
pub(super) use totals::{ENDS, Present, Totals, end_names};

/// Close codes that are counted on their own. A client can send any number; all others are one.
const CLOSE_CODES: [u16; 20] = [
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 4000, 4001, 4002, 4100, 4101,
    4102, 4200, 4201, 4202,
];

/// Who ended a connection.
const ENDED_BY: [&str; 3] = ["client", "server", "nobody"];

const ERROR_CODES: [(ErrorCode, &str); 7] = [
    (ErrorCode::BadJson, "bad_json"),
    (ErrorCode::UnknownType, "unknown_type"),
    (ErrorCode::BadField, "bad_field"),
    (ErrorCode::WrongState, "wrong_state"),
    (ErrorCode::RateLimited, "rate_limited"),
    (ErrorCode::NotFound, "not_found"),
    (ErrorCode::BadToken, "bad_token"),
];

const MESSAGE_BYTES: &[u64] = &[
    32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 65_536,
];
const OUTBOX_BYTES: &[u64] = &[
    64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 262_144, 1_048_576,
];
const CONNECTION_MS: &[u64] = &[
    100, 1000, 10_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000,
];

/// How long the service that checks messages took, in ms.
const CHECK_MS: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// What came of the check of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckOutcome {
    /// It is good.
    Passed,
    /// It is not.
    Refused,
    /// The service did not say.
    Away,
}

/// Their words, by [`CheckOutcome`].
const CHECK_OUTCOMES: [&str; 3] = ["passed", "refused", "away"];

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    message_bytes: Histogram,
    outbox_bytes: Histogram,
    connection_ms: Histogram,
    /// Connections that have begun.
    begun: AtomicU64,
    /// By who ended it, then by code; the last is for all other codes.
    closes: [[AtomicU64; CLOSE_CODES.len() + 1]; 3],
    errors: [AtomicU64; ERROR_CODES.len()],
    /// Those who look after the server count for themselves.
    pub(super) logins: Arc<Logins>,
    /// By [`CheckOutcome`].
    checks: [AtomicU64; CHECK_OUTCOMES.len()],
    check_ms: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            message_bytes: Histogram::new(MESSAGE_BYTES),
            outbox_bytes: Histogram::new(OUTBOX_BYTES),
            connection_ms: Histogram::new(CONNECTION_MS),
            begun: AtomicU64::new(0),
            closes: Default::default(),
            errors: Default::default(),
            logins: Arc::default(),
            checks: Default::default(),
            check_ms: Histogram::new(CHECK_MS),
        }
    }
}

impl Metrics {
    /// A connection has begun.
    pub(super) fn begun(&self) {
        count(&self.begun);
    }

    /// A text message has come from a client.
    pub(super) fn received(&self, bytes: usize) {
        self.message_bytes.record(bytes as u64);
    }

    /// So much had gathered in an outbox when it was taken to be written.
    pub(super) fn taken(&self, bytes: usize) {
        self.outbox_bytes.record(bytes as u64);
    }

    /// A client was told that something was wrong.
    pub(super) fn error(&self, code: ErrorCode) {
        let place = ERROR_CODES.iter().position(|(known, _)| *known == code);
        count(&self.errors[place.expect("every code is in the list")]);
    }

    /// A message was to be checked.
    pub(super) fn checked(&self, outcome: CheckOutcome) {
        count(&self.checks[outcome as usize]);
    }

    /// The service that checks messages was asked, and took so long.
    pub(super) fn asked(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.check_ms.record(ms);
    }

    /// A connection has ended.
    pub(super) fn ended(&self, end: End, after: Duration) {
        let (by, code) = (ended_by(end), end_code(end));
        let known = CLOSE_CODES.iter().position(|known| *known == code);
        count(&self.closes[by][known.unwrap_or(CLOSE_CODES.len())]);
        let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.connection_ms.record(ms);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn ended_by(end: End) -> usize {
    match end {
        End::ByClient(_) => 0,
        End::ByServer(_) => 1,
        End::Lost => 2,
    }
}

/// The code that a connection ended with; 1005 and 1006 stand for none and for a break, as RFC 6455 has it
/// (section 7.4.1).
fn end_code(end: End) -> u16 {
    match end {
        End::ByClient(code) => code.unwrap_or(1005),
        End::ByServer(code) => code.as_u16(),
        End::Lost => 1006,
    }
}

/// The ends of connections in the log: so many in a second, and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Obituaries(parking_lot::Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    /// Seconds since the server's start.
    at: u64,
    logged: u32,
    suppressed: u64,
}

impl Obituaries {
    /// A connection has ended: says so, unless too many have in this second.
    pub(super) fn log(&self, end: End, after: Duration, now: Moment, per_second: u32) {
        self.turn(now);
        let is_too_much = {
            let mut second = self.0.lock();
            let is_too_much = second.logged >= per_second;
            second.logged += u32::from(!is_too_much);
            second.suppressed += u64::from(is_too_much);
            is_too_much
        };
        if !is_too_much {
            let duration_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            let (code, by) = (end_code(end), ENDED_BY[ended_by(end)]);
            tracing::info!(code, by, duration_ms, "connection ended");
        }
    }

    /// Says so soon after each such second, for as long as it is polled.
    pub(super) async fn run(&self, hub: &Hub) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.turn(hub.now());
        }
    }

    /// If a second is over, says how many more ends there were in it.
    pub(super) fn turn(&self, now: Moment) {
        let at = now.as_millis() / 1000;
        let suppressed = {
            let mut second = self.0.lock();
            if second.at == at {
                return;
            }
            let suppressed = second.suppressed;
            *second = Second {
                at,
                ..Second::default()
            };
            suppressed
        };
        if suppressed > 0 {
            tracing::warn!(suppressed, "more connections have ended than are logged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_the_server_sends_has_a_place_of_its_own() {
        use crate::dialect::CloseCode::*;
        for code in [
            Normal,
            Away,
            Protocol,
            Unsupported,
            InvalidUtf8,
            Policy,
            TooBig,
            Banned,
            ProtocolAbuse,
            Replaced,
            TooSlow,
            NoFirstMessage,
            RateLimited,
            GoingAway,
            NoPong,
            TokenExpired,
        ] {
            assert!(CLOSE_CODES.contains(&code.as_u16()), "{code:?}");
        }
    }

    #[test]
    fn whatever_code_a_client_sends_is_counted() {
        let metrics = Metrics::default();
        for code in [None, Some(1000), Some(3999), Some(4999)] {
            metrics.ended(End::ByClient(code), Duration::from_secs(1));
        }
        let [by_client, ..] = &metrics.closes;
        assert_eq!(by_client[CLOSE_CODES.len()].load(Ordering::Relaxed), 2);
        let all: u64 = by_client
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum();
        assert_eq!(all, 4);
    }
}
