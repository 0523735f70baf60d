//! The figures of the last hours, in memory: what the board shows of the time before it was opened.
//!
//! One task counts, in steps of the same length, however many look.

use crate::distribution::Distribution;
use crate::server::limits::Limit;
use crate::server::listen::Shared;
use crate::server::metrics::{ENDS, Present, Totals, end_names};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

/// How many steps are kept: 6 hours of 10 seconds.
const STEPS_MAX: usize = 2160;

/// What all of them take, however much happens.
#[cfg(test)]
const BYTES_MAX: usize = 600_000;

/// Stands for a value that there is not.
const NONE: u32 = u32::MAX;

/// What was counted in one step, and who was there at its end.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// When it ended, in ms since the Unix epoch.
    at_ms: u64,
    connections: u32,
    idle: u32,
    waiting: u32,
    chatting: u32,
    away: u32,
    resident_kib: u32,
    connections_begun: u32,
    matches: u32,
    messages: u32,
    time_to_match_ms: Quantiles,
    relay_us: Quantiles,
    outbox_bytes: Quantiles,
    ended: [u32; ENDS],
    refused: [u32; Limit::ALL.len()],
    let_pass: [u32; Limit::ALL.len()],
}

/// What half of all, 95 and 99 of a hundred do not exceed; [`NONE`] if there are none.
#[derive(Debug, Clone, Copy)]
struct Quantiles([u32; 3]);

impl Quantiles {
    fn of(distribution: &Distribution) -> Self {
        let quantile = |share| distribution.quantile(share).map_or(NONE, small);
        Self([0.5, 0.95, 0.99].map(quantile))
    }
}

/// As much as there is room for. [`NONE`] stands for nothing.
fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(NONE).min(NONE - 1)
}

fn small_len(value: usize) -> u32 {
    small(value as u64)
}

impl Step {
    fn new(at_ms: u64, present: &Present, now: &Totals, before: &Totals) -> Self {
        let counted = |now: u64, before: u64| small(now.saturating_sub(before));
        Self {
            at_ms,
            connections: small_len(present.connections),
            idle: small_len(present.idle()),
            waiting: small_len(present.doing.waiting),
            chatting: small_len(present.doing.chatting),
            away: small_len(present.doing.away),
            resident_kib: present
                .resident_bytes
                .map_or(NONE, |bytes| small(bytes / 1024)),
            connections_begun: counted(now.connections_begun, before.connections_begun),
            matches: counted(now.matches, before.matches),
            messages: counted(now.messages, before.messages),
            time_to_match_ms: Quantiles::of(&now.waited_ms.since(&before.waited_ms)),
            relay_us: Quantiles::of(&now.relay_us.since(&before.relay_us)),
            outbox_bytes: Quantiles::of(&now.outbox_bytes.since(&before.outbox_bytes)),
            ended: std::array::from_fn(|end| counted(now.ended[end], before.ended[end])),
            refused: std::array::from_fn(|limit| {
                counted(now.refused[limit], before.refused[limit])
            }),
            let_pass: std::array::from_fn(|limit| {
                counted(now.let_pass[limit], before.let_pass[limit])
            }),
        }
    }
}

/// The last steps.
#[derive(Debug)]
pub(super) struct History {
    step_s: u32,
    /// In the order in which they ended; at most [`STEPS_MAX`].
    steps: Mutex<VecDeque<Step>>,
}

impl History {
    pub(super) fn new(step_s: u32) -> Self {
        Self {
            step_s,
            steps: Mutex::new(VecDeque::with_capacity(STEPS_MAX)),
        }
    }

    /// Counts, for as long as it is polled.
    pub(super) async fn run(&self, shared: &Shared) {
        let mut ticks = tokio::time::interval(Duration::from_secs(self.step_s.into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is now.
        ticks.tick().await;
        let mut before = Totals::of(shared).at_start();
        loop {
            ticks.tick().await;
            let now = Totals::of(shared);
            let at_ms = shared.rules.hub.epoch_ms();
            self.keep(&Step::new(at_ms, &Present::of(shared), &now, &before));
            before = now;
        }
    }

    fn keep(&self, step: &Step) {
        let mut steps = self.steps.lock();
        if steps.len() == STEPS_MAX {
            steps.pop_front();
        }
        steps.push_back(*step);
    }

    /// The steps that ended after a moment, in ms since the Unix epoch.
    pub(super) fn since(&self, since_ms: u64) -> Steps {
        let steps = self.steps.lock();
        let first = steps.partition_point(|step| step.at_ms <= since_ms);
        Steps::of(self.step_s, &steps.range(first..))
    }
}

/// The figures of the last hours in columns: each list has one value for each step, in the order of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Steps {
    /// How long each step is, in seconds.
    step_s: u32,
    /// How many steps are kept.
    stored_max: usize,
    /// When it ended, in ms since the Unix epoch.
    at_ms: Vec<u64>,
    /// Connections at its end.
    connections: Vec<u32>,
    /// Sessions at its end that neither waited nor chatted.
    idle: Vec<u32>,
    /// Sessions at its end that waited.
    waiting: Vec<u32>,
    /// Sessions at its end that were in a chat.
    chatting: Vec<u32>,
    /// Sessions at its end without a connection, whatever they did besides.
    away: Vec<u32>,
    /// Memory in use at its end, in KiB; `null` where the system does not say.
    resident_kib: Vec<Option<u32>>,
    /// Connections that began in it.
    connections_begun: Vec<u32>,
    /// Matches that were shown in it.
    matches: Vec<u32>,
    /// Text messages that came in it.
    messages: Vec<u32>,
    /// How long those waited who were matched in it.
    time_to_match_ms: Columns,
    /// How long messages were on their way in it, of one in many.
    relay_us: Columns,
    /// What had gathered for a client each time it was taken to be written.
    outbox_bytes: Columns,
    /// Connections that ended in it, by close code; codes that never occurred are left out.
    ended: BTreeMap<String, Vec<u32>>,
    /// What was refused in it, by limit; limits that were never reached are left out.
    refused: BTreeMap<&'static str, Vec<u32>>,
    /// What would have been refused in it, but the limit is a dry run.
    let_pass: BTreeMap<&'static str, Vec<u32>>,
}

/// What half, 95 and 99 of a hundred did not exceed; `null` where there was nothing.
#[derive(Debug, Serialize, ToSchema)]
struct Columns {
    p50: Vec<Option<u32>>,
    p95: Vec<Option<u32>>,
    p99: Vec<Option<u32>>,
}

impl Steps {
    fn of<'a>(step_s: u32, steps: &(impl Iterator<Item = &'a Step> + Clone)) -> Self {
        let column = |value: fn(&Step) -> u32| steps.clone().map(value).collect();
        let columns = |quantiles: fn(&Step) -> &Quantiles| {
            let [p50, p95, p99] = [0, 1, 2].map(|which| {
                let values = steps.clone().map(|step| quantiles(step).0[which]);
                values.map(some).collect()
            });
            Columns { p50, p95, p99 }
        };
        Self {
            step_s,
            stored_max: STEPS_MAX,
            at_ms: steps.clone().map(|step| step.at_ms).collect(),
            connections: column(|step| step.connections),
            idle: column(|step| step.idle),
            waiting: column(|step| step.waiting),
            chatting: column(|step| step.chatting),
            away: column(|step| step.away),
            resident_kib: steps.clone().map(|step| some(step.resident_kib)).collect(),
            connections_begun: column(|step| step.connections_begun),
            matches: column(|step| step.matches),
            messages: column(|step| step.messages),
            time_to_match_ms: columns(|step| &step.time_to_match_ms),
            relay_us: columns(|step| &step.relay_us),
            outbox_bytes: columns(|step| &step.outbox_bytes),
            ended: occurring(end_names(), steps, |step| &step.ended),
            refused: occurring(limits(), steps, |step| &step.refused),
            let_pass: occurring(limits(), steps, |step| &step.let_pass),
        }
    }
}

fn some(value: u32) -> Option<u32> {
    (value != NONE).then_some(value)
}

fn limits() -> impl Iterator<Item = &'static str> {
    Limit::ALL.into_iter().map(Limit::name)
}

/// The columns that are not all 0, by name.
fn occurring<'a, N: Ord>(
    names: impl Iterator<Item = N>,
    steps: &(impl Iterator<Item = &'a Step> + Clone),
    counts: fn(&Step) -> &[u32],
) -> BTreeMap<N, Vec<u32>> {
    let columns = names.enumerate().map(|(which, name)| {
        let column: Vec<_> = steps.clone().map(|step| counts(step)[which]).collect();
        (name, column)
    });
    columns
        .filter(|(_, column)| column.iter().any(|count| *count > 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lobby::Doing;

    fn totals(messages: u64) -> Totals {
        Totals {
            connections_begun: 0,
            matches: 0,
            messages,
            waited_ms: Distribution::new(&[10, 100]),
            relay_us: Distribution::new(&[10, 100]),
            outbox_bytes: Distribution::new(&[10, 100]),
            ended: [0; ENDS],
            refused: [0; Limit::ALL.len()],
            let_pass: [0; Limit::ALL.len()],
        }
    }

    const NOBODY: Present = Present {
        connections: 0,
        sessions: 0,
        doing: Doing {
            waiting: 0,
            chatting: 0,
            away: 0,
        },
        resident_bytes: None,
    };

    fn step(at_ms: u64, now: &Totals) -> Step {
        Step::new(at_ms, &NOBODY, now, &totals(0))
    }

    #[test]
    fn the_last_hours_take_a_known_amount_and_the_oldest_go_first() {
        let history = History::new(10);
        for at_ms in 0..3 * STEPS_MAX as u64 {
            history.keep(&step(at_ms, &totals(1)));
        }
        let kept = history.since(0);
        assert_eq!(kept.at_ms.len(), STEPS_MAX);
        assert_eq!(kept.at_ms[0], 2 * STEPS_MAX as u64);
        let taken = history.steps.lock().capacity() * size_of::<Step>();
        assert!(taken <= BYTES_MAX, "{taken} bytes");
    }

    #[test]
    fn only_what_came_after_is_told_and_every_column_is_as_long() {
        let history = History::new(10);
        for at_ms in [1000, 2000, 3000] {
            let mut now = totals(at_ms);
            now.ended[0] = 2;
            history.keep(&step(at_ms, &now));
        }
        let steps = history.since(1000);
        assert_eq!(steps.at_ms, [2000, 3000]);
        assert_eq!(steps.messages, [2000, 3000]);
        assert_eq!(steps.resident_kib, [None, None]);
        assert_eq!(steps.time_to_match_ms.p99, [None, None]);
        assert_eq!(steps.ended.len(), 1);
        assert_eq!(steps.ended["1000"], [2, 2]);
        assert!(steps.refused.is_empty());
        assert!(history.since(3000).at_ms.is_empty());
    }

    #[test]
    fn a_step_has_what_was_counted_in_it_alone() {
        let (mut before, mut now) = (totals(5), totals(12));
        before.waited_ms.record(10);
        now.waited_ms.record(10);
        now.waited_ms.record(100);
        now.refused[Limit::Joins as usize] = 3;
        let step = Step::new(1, &NOBODY, &now, &before);
        assert_eq!(step.messages, 7);
        assert_eq!(step.time_to_match_ms.0, [55, 96, 99]);
        assert_eq!(step.outbox_bytes.0, [NONE; 3]);
        assert_eq!(step.refused[Limit::Joins as usize], 3);
        // What can't be told in so few bits is told as the most that can.
        let many = totals(u64::MAX);
        assert_eq!(Step::new(1, &NOBODY, &many, &now).messages, NONE - 1);
    }
}
