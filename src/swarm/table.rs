//! The outcome as a table for people.

use super::outcome::{Ending, Outcome, ms};
use super::tally::Metric;
use std::fmt;

/// What each metric is, in the words of a table.
pub(super) fn described(metric: Metric) -> &'static str {
    match metric {
        Metric::Connect => "to connect",
        Metric::Match => "to match, once both are there",
        Metric::Wait => "waited in all",
        Metric::Relay => "to relay a message",
        Metric::Accepted => "to be told accepted",
        Metric::Resume => "to resume",
        Metric::Report => "to have a report answered",
        Metric::Lag => "of it, late by the swarm",
    }
}

/// What was counted, in words, without what never came up.
pub(super) fn counted(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    let counts = &outcome.counts;
    [
        ("people came", counts.arrivals),
        ("connections", counts.connections),
        ("told of a match", counts.matches),
        ("messages said", counts.said),
        ("messages heard", counts.heard),
        ("messages not said, for want of a chat", counts.unsaid),
        ("connections cut on purpose", counts.cut),
        ("sessions resumed", counts.resumed),
        ("gave up waiting", counts.gave_up),
        ("never let in", counts.left_out),
        ("matched across processes", counts.apart),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect()
}

/// In which words a run is told: its scenario, its server, its length.
pub(super) fn headline(outcome: &Outcome) -> String {
    let plan = &outcome.plan;
    let ending = match outcome.ending {
        Ending::Complete => "",
        Ending::Interrupted => ", interrupted",
        Ending::Broken => ", broken off",
    };
    format!(
        "{} against {}: {:.1} s{ending}, seed {}",
        plan.scenario.name(),
        plan.server,
        outcome.seconds,
        plan.seed
    )
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", headline(self))?;
        let heads = ["p50", "p90", "p99", "p99.9", "max"];
        write!(f, "{:<30}{:>10}", "times in ms", "count")?;
        for head in heads {
            write!(f, "{head:>10}")?;
        }
        writeln!(f)?;
        for metric in Metric::ALL {
            let times = self.times.of(metric);
            if times.is_empty() {
                continue;
            }
            write!(f, "{:<30}{:>10}", described(metric), times.len())?;
            for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
                write!(f, "{:>10.3}", ms(times, quantile))?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for (what, count) in counted(self) {
            writeln!(f, "{what:<40}{count:>12}")?;
        }
        if self.counts.heard > 0 && self.seconds > 0.0 {
            let rate = self.counts.heard as f64 / self.seconds;
            writeln!(f, "{:<40}{rate:>12.0}", "messages heard per second")?;
        }
        for (kind, count) in self.errors.iter() {
            writeln!(f, "{:<40}{count:>12}", format!("error: {kind}"))?;
        }
        writeln!(f, "{:<40}{:>12}", "violations", self.violations.count)?;
        if let Some(server) = &self.server {
            writeln!(
                f,
                "\nserver (process {}): {:.2} processors, {:.1} MB resident at most, {:.1} MB at first",
                server.pid,
                server.cores,
                server.resident_max_bytes as f64 / 1e6,
                server.resident_first_bytes as f64 / 1e6
            )?;
        }
        let cores: Vec<_> = self
            .swarm_cores
            .iter()
            .map(|cores| format!("{cores:.2}"))
            .collect();
        // There are none of a run that was stopped before it began.
        if !cores.is_empty() {
            writeln!(f, "swarm: {} processors, by process", cores.join(", "))?;
        }
        for remark in &self.remarks {
            writeln!(f, "note: {remark}")?;
        }
        for example in &self.violations.examples {
            writeln!(f, "violation: {example}")?;
        }
        if self.has_left_out() {
            writeln!(
                f,
                "FAILED: {} of {} people were never let in; the errors above say how they were refused. If the \
                 server may do that, say --allow-refused",
                self.counts.left_out, self.counts.arrivals
            )?;
        }
        for verdict in &self.verdicts {
            let measured = verdict.measured.as_deref().unwrap_or("nothing to measure");
            let became = if verdict.holds { "FAILED" } else { "ok" };
            writeln!(
                f,
                "{became}: --fail-if '{}' ({measured})",
                verdict.condition
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_stopped_before_it_began_names_no_processors() {
        let table = Outcome::for_tests().to_string();
        assert!(!table.contains("processors"), "{table}");
    }

    #[test]
    fn a_table_has_what_was_measured_and_leaves_out_what_was_not() {
        let mut outcome = Outcome::for_tests();
        outcome.times.record(Metric::Relay, 1_500_000);
        outcome.counts.heard = 20;
        outcome.seconds = 2.0;
        outcome.remarks.push("the swarm was slow".to_owned());
        let table = outcome.to_string();
        assert!(table.contains("to relay a message"), "{table}");
        assert!(table.contains("1.5"), "{table}");
        assert!(table.contains("messages heard per second"), "{table}");
        assert!(table.contains("note: the swarm was slow"), "{table}");
        assert!(!table.contains("to resume"), "{table}");
    }
}
