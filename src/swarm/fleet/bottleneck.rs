//! Whether the figures of a run are the server's.

use crate::swarm::clock::seconds;
use crate::swarm::outcome::Outcome;
use crate::swarm::tally::Metric;
use std::thread::available_parallelism;

/// A process that uses this share of a processor has no time to spare.
const BUSY: f64 = 0.9;

/// A machine that is used to this share has none either.
const MACHINE_BUSY: f64 = 0.95;

/// To be so late is too late to tell the server's time from the swarm's own.
const LAG_MAX_NS: u64 = 1_000_000;

/// How many processors were used between two moments, each with the processor time used by then.
pub(super) fn cores((from_ns, from_s): (u64, f64), (to_ns, to_s): (u64, f64)) -> f64 {
    let took_s = seconds(to_ns.saturating_sub(from_ns));
    if took_s > 0.0 {
        (to_s - from_s).max(0.0) / took_s
    } else {
        0.0
    }
}

/// Whether the figures are the swarm's own, in words.
pub(super) fn bottlenecks(outcome: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let busiest = outcome.swarm_cores.iter().copied().fold(0.0, f64::max);
    if busiest >= BUSY {
        let more = outcome.plan.processes + 1;
        found.push(format!(
            "the swarm was the bottleneck: one of its processes used {busiest:.2} of a processor; take \
             --processes {more}, or less load"
        ));
    }
    let times = &outcome.times;
    let lag_ns = times.of(Metric::Lag).value_at_quantile(0.99);
    let relay_ns = times.of(Metric::Relay).value_at_quantile(0.99);
    if lag_ns > LAG_MAX_NS.max(relay_ns / 2) {
        let lag_ms = lag_ns as f64 / 1e6;
        found.push(format!(
            "the swarm was late itself: one in a hundred messages went out {lag_ms:.1} ms or more after \
             it was meant to, which is part of the times shown"
        ));
    }
    let machine = available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    if let Some(server) = &outcome.server {
        let used = server.cores + outcome.swarm_cores.iter().sum::<f64>();
        if used >= MACHINE_BUSY * machine {
            found.push(format!(
                "all {machine} processors were busy with the server and the swarm: each would be faster \
                 alone"
            ));
        }
    }
    if outcome.counts.apart > 0 {
        let apart = outcome.counts.apart;
        found.push(format!(
            "{apart} times a partner was in another process of the swarm: there, what was said last in a \
             chat and never came is not noticed"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::clock::SECOND_NS;

    #[test]
    fn the_swarm_says_when_it_is_the_bottleneck() {
        let mut outcome = Outcome::for_tests();
        outcome.swarm_cores = vec![0.3];
        outcome.times.record(Metric::Relay, 200_000);
        outcome.times.record(Metric::Lag, 50_000);
        assert_eq!(bottlenecks(&outcome), Vec::<String>::new());
        outcome.swarm_cores = vec![0.3, 0.97];
        outcome.times.record(Metric::Lag, 5_000_000);
        let found = bottlenecks(&outcome).join("\n");
        assert!(found.contains("one of its processes used 0.97"), "{found}");
        assert!(found.contains("--processes 2"), "{found}");
        assert!(found.contains("5.0 ms or more after"), "{found}");
    }

    #[test]
    fn cores_are_processor_time_over_time() {
        assert_eq!(cores((0, 1.0), (2 * SECOND_NS, 4.0)), 1.5);
        assert_eq!(cores((5, 1.0), (5, 1.0)), 0.0);
    }
}
