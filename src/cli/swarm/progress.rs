//! What is shown while a run goes on: a line that changes on a terminal, lines elsewhere.

use crate::swarm::{Moment, Plan, Quantiles};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

pub(super) struct Progress {
    /// None where there is no terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Says what begins, on standard error.
    pub(super) fn new(plan: &Plan) -> Self {
        let name = plan.scenario.name();
        let head = format!(
            "{name} against {}: up to {} connections, {} s once everybody is in place, {} process(es); \
             Ctrl-C ends it with what was seen so far",
            plan.server, plan.connections, plan.duration_s, plan.processes
        );
        eprintln!("{head}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_draw_target(ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}");
            // It is known to be a template.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Self { bar }
    }

    pub(super) fn show(&mut self, moment: &Moment) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(line(moment));
                bar.tick();
            }
            None => eprintln!("{:.0} s: {}", moment.at_s, line(moment)),
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn line(moment: &Moment) -> String {
    let gauges = &moment.gauges;
    let mut line = format!(
        "{} connected, {} waiting, {} chatting; {:.0} connections/s, {:.0} matches/s, {:.0} messages/s",
        gauges.connected,
        gauges.waiting,
        gauges.chatting,
        moment.connections_per_s,
        moment.matches_per_s,
        moment.heard_per_s
    );
    let times = [
        ("connect", &moment.connect),
        ("match", &moment.matching),
        ("relay", &moment.relay),
    ];
    for (
        name,
        Quantiles {
            count,
            p50_ms,
            p99_ms,
        },
    ) in times
    {
        if *count > 0 {
            let text = format!("; {name} p50 {p50_ms:.2} p99 {p99_ms:.2} ms");
            line.push_str(&text);
        }
    }
    for (what, count) in [("errors", moment.errors), ("VIOLATIONS", moment.violations)] {
        if count > 0 {
            let text = format!("; {count} {what}");
            line.push_str(&text);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_there_is_and_no_more() {
        let mut moment = Moment::default();
        moment.gauges.waiting = 7;
        let quiet = line(&moment);
        assert!(quiet.contains("7 waiting"), "{quiet}");
        assert!(
            !quiet.contains("relay") && !quiet.contains("errors"),
            "{quiet}"
        );
        moment.relay = Quantiles {
            count: 2,
            p50_ms: 0.25,
            p99_ms: 1.0,
        };
        moment.violations = 1;
        let loud = line(&moment);
        assert!(loud.contains("relay p50 0.25 p99 1.00 ms"), "{loud}");
        assert!(loud.contains("1 VIOLATIONS"), "{loud}");
    }
}
