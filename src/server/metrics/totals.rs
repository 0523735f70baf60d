//! The figures as numbers, for the operators' board.

use super::CLOSE_CODES;
use crate::distribution::Distribution;
use crate::lobby::Doing;
use crate::server::limits::Limit;
use crate::server::listen::Shared;
use std::sync::atomic::Ordering;

/// How many ends of connections are told apart: by the codes that are counted on their own, and all others.
pub(in crate::server) const ENDS: usize = CLOSE_CODES.len() + 1;

/// Who is there at one moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Present {
    pub(in crate::server) connections: usize,
    pub(in crate::server) sessions: usize,
    pub(in crate::server) doing: Doing,
    /// Memory that the process has in use; `None` where the system does not say.
    pub(in crate::server) resident_bytes: Option<u64>,
}

impl Present {
    pub(in crate::server) fn of(shared: &Shared) -> Self {
        let (sessions, doing) = shared.rules.hub.doing();
        Self {
            connections: shared.connections(),
            sessions,
            doing,
            resident_bytes: resident_bytes(),
        }
    }

    /// Sessions that neither wait nor chat.
    pub(in crate::server) fn idle(&self) -> usize {
        self.sessions - self.doing.waiting - self.doing.chatting
    }
}

/// What was counted from the start up to one moment.
#[derive(Debug, Clone)]
pub(in crate::server) struct Totals {
    pub(in crate::server) connections_begun: u64,
    pub(in crate::server) matches: u64,
    pub(in crate::server) messages: u64,
    pub(in crate::server) waited_ms: Distribution,
    pub(in crate::server) relay_us: Distribution,
    pub(in crate::server) outbox_bytes: Distribution,
    /// In the order of [`end_names`].
    pub(in crate::server) ended: [u64; ENDS],
    /// In the order of [`Limit::ALL`].
    pub(in crate::server) refused: [u64; Limit::ALL.len()],
    pub(in crate::server) let_pass: [u64; Limit::ALL.len()],
}

impl Totals {
    pub(in crate::server) fn of(shared: &Shared) -> Self {
        let (hub, metrics) = (&shared.rules.hub, &shared.rules.metrics);
        let (tally, _) = hub.tally();
        let mut ended = [0; ENDS];
        for counts in &metrics.closes {
            for (total, count) in ended.iter_mut().zip(counts) {
                *total += count.load(Ordering::Relaxed);
            }
        }
        Self {
            connections_begun: metrics.begun.load(Ordering::Relaxed),
            matches: tally.confirmed_ms.count(),
            messages: metrics.message_bytes.read().count(),
            waited_ms: tally.waited_ms,
            relay_us: hub.relay.read(),
            outbox_bytes: metrics.outbox_bytes.read(),
            ended,
            refused: Limit::ALL.map(|limit| hub.refusals.refused(limit)),
            let_pass: Limit::ALL.map(|limit| hub.refusals.passed(limit)),
        }
    }

    /// What these were when nothing had been counted yet.
    pub(in crate::server) fn at_start(&self) -> Self {
        let none = |distribution: &Distribution| distribution.since(distribution);
        Self {
            connections_begun: 0,
            matches: 0,
            messages: 0,
            waited_ms: none(&self.waited_ms),
            relay_us: none(&self.relay_us),
            outbox_bytes: none(&self.outbox_bytes),
            ended: [0; ENDS],
            refused: [0; Limit::ALL.len()],
            let_pass: [0; Limit::ALL.len()],
        }
    }
}

/// The close codes that ends are told apart by, as words.
pub(in crate::server) fn end_names() -> impl Iterator<Item = String> {
    let codes = CLOSE_CODES.iter().map(ToString::to_string);
    codes.chain(["other".to_owned()])
}

/// As Linux has it in `/proc`: the memory of this process.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = end_names().collect();
        assert_eq!(names.len(), ENDS);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_needs_memory() {
        let resident = resident_bytes().expect("Linux says it");
        assert!(resident > 100_000, "{resident}");
    }
}
