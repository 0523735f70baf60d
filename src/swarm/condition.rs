//! Conditions on the outcome of a run: `match.p99>5ms`.

use super::outcome::Outcome;
use super::tally::Metric;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What decides whether a run has failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    subject: Subject,
    comparison: Comparison,
    /// In the subject's unit.
    bound: f64,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
enum Subject {
    Time(Metric, Statistic),
    /// How many errors, of all kinds or of one.
    Errors(String),
    Violations,
    /// A count, whole or per second of the scenario.
    Count(Counted),
    Rate(Counted),
    /// The most memory that the server had in use, in bytes.
    ServerMemory,
    /// How many processors the server has used on average.
    ServerCpu,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    Quantile(f64),
    Mean,
    Max,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Messages,
    Matches,
    Connections,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A condition after a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// As it was written.
    pub condition: String,
    /// What was measured, in the unit of the bound; nothing if there was nothing to measure.
    pub measured: Option<String>,
    /// Whether it holds, so that the run has failed. So it has if nothing was measured.
    pub holds: bool,
}

/// The text is not a condition: what is wrong, and how to write it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in {text:?}: write what, a comparison and a bound, such as {example}")]
pub struct ConditionError {
    problem: String,
    text: String,
    example: &'static str,
}

const EXAMPLE_TIME: &str = "'match.p99>5ms' (connect, match, wait, relay, accepted, resume, report or lag; p50, p90, p99, p99.9, mean, max or count)";
const EXAMPLE_ALL: &str = "'match.p99>5ms', 'relay.max>=1s', 'errors>0', 'errors.http.503>10', 'violations>0', 'messages.rate<50000', 'server.memory>2GB' or 'server.cpu>1.5'";

impl Condition {
    /// Compares it with what a run has shown.
    pub fn judge(&self, outcome: &Outcome) -> Verdict {
        let measured = self.subject.measure(outcome);
        let holds = measured.is_none_or(|measured| match self.comparison {
            Comparison::Above => measured > self.bound,
            Comparison::AtLeast => measured >= self.bound,
            Comparison::Below => measured < self.bound,
            Comparison::AtMost => measured <= self.bound,
        });
        Verdict {
            condition: self.text.clone(),
            measured: measured.map(|measured| self.subject.show(measured)),
            holds,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let error = |problem: &str, example| ConditionError {
            problem: problem.to_owned(),
            text: text.to_owned(),
            example,
        };
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| error("no comparison (>, >=, < or <=)", EXAMPLE_ALL))?;
        let (subject, rest) = text.split_at(at);
        let (comparison, bound) = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Above),
            ("<", Comparison::Below),
        ]
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))
        .ok_or_else(|| error("no comparison (>, >=, < or <=)", EXAMPLE_ALL))?;
        let subject = subject
            .trim()
            .parse::<Subject>()
            .map_err(|(problem, example)| error(&problem, example))?;
        let bound = subject
            .bound(bound.trim())
            .map_err(|problem| error(problem, EXAMPLE_ALL))?;
        Ok(Self {
            text: text.trim().to_owned(),
            subject,
            comparison,
            bound,
        })
    }
}

impl FromStr for Subject {
    /// What is wrong, and examples.
    type Err = (String, &'static str);

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, rest) = text.split_once('.').unwrap_or((text, ""));
        if let Some(metric) = Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == first)
        {
            let statistic = match rest {
                "mean" => Some(Statistic::Mean),
                "max" => Some(Statistic::Max),
                "count" => Some(Statistic::Count),
                _ => rest
                    .strip_prefix('p')
                    .and_then(|percent| percent.parse::<f64>().ok())
                    .filter(|percent| (0.0..=100.0).contains(percent))
                    .map(|percent| Statistic::Quantile(percent / 100.0)),
            };
            return statistic
                .map(|statistic| Self::Time(metric, statistic))
                .ok_or_else(|| (format!("{first}.{rest} is not measured"), EXAMPLE_TIME));
        }
        let counted = match first {
            "messages" => Some(Counted::Messages),
            "matches" => Some(Counted::Matches),
            "connections" => Some(Counted::Connections),
            _ => None,
        };
        match (first, rest, counted) {
            ("errors", kind, _) => Ok(Self::Errors(kind.to_owned())),
            ("violations", "", _) => Ok(Self::Violations),
            ("server", "memory", _) => Ok(Self::ServerMemory),
            ("server", "cpu", _) => Ok(Self::ServerCpu),
            (_, "", Some(counted)) => Ok(Self::Count(counted)),
            (_, "rate", Some(counted)) => Ok(Self::Rate(counted)),
            _ => Err((format!("{text:?} is not measured"), EXAMPLE_ALL)),
        }
    }
}

/// Units of time, in nanoseconds; the first that a text ends with is meant.
const TIME_UNITS: [(&str, f64); 5] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
];

/// Units of memory, in bytes.
const MEMORY_UNITS: [(&str, f64); 7] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

impl Subject {
    /// Reads a bound in this subject's units.
    fn bound(&self, text: &str) -> Result<f64, &'static str> {
        let (units, problem): (&[_], _) = match self {
            Self::Time(_, Statistic::Count) => (&[("", 1.0)], "a count has no unit"),
            Self::Time(..) => (&TIME_UNITS, "the bound must be a time with ns, us, ms or s"),
            Self::ServerMemory => (
                &MEMORY_UNITS,
                "the bound must be bytes with B, KB, MB or GB",
            ),
            _ => (&[("", 1.0)], "the bound must be a number without a unit"),
        };
        units
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim(), factor)))
            .and_then(|(number, factor)| Some(number.parse::<f64>().ok()? * factor))
            .filter(|bound| bound.is_finite() && *bound >= 0.0)
            .ok_or(problem)
    }

    fn measure(&self, outcome: &Outcome) -> Option<f64> {
        match self {
            Self::Time(metric, statistic) => {
                let times = outcome.times.of(*metric);
                if let Statistic::Count = statistic {
                    return Some(times.len() as f64);
                }
                (!times.is_empty()).then(|| match statistic {
                    Statistic::Quantile(quantile) => times.value_at_quantile(*quantile) as f64,
                    Statistic::Mean => times.mean(),
                    _ => times.max() as f64,
                })
            }
            Self::Errors(kind) => Some(outcome.errors.count(kind) as f64),
            Self::Violations => Some(outcome.violations.count as f64),
            Self::Count(counted) => Some(counted.of(outcome)),
            Self::Rate(counted) => {
                (outcome.seconds > 0.0).then(|| counted.of(outcome) / outcome.seconds)
            }
            Self::ServerMemory => outcome
                .server
                .as_ref()
                .map(|server| server.resident_max_bytes as f64),
            Self::ServerCpu => outcome.server.as_ref().map(|server| server.cores),
        }
    }

    fn show(&self, measured: f64) -> String {
        match self {
            Self::Time(_, Statistic::Count) => format!("{measured}"),
            Self::Time(..) => format!("{:.3}ms", measured / 1e6),
            Self::ServerMemory => format!("{:.1}MB", measured / 1e6),
            Self::Rate(_) | Self::ServerCpu => format!("{measured:.2}"),
            _ => format!("{measured}"),
        }
    }
}

impl Counted {
    fn of(self, outcome: &Outcome) -> f64 {
        let counts = &outcome.counts;
        let count = match self {
            Self::Messages => counts.heard,
            Self::Matches => counts.matches,
            Self::Connections => counts.connections,
        };
        count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let mut outcome = Outcome::for_tests();
        for ms in 1..=100 {
            outcome.times.record(Metric::Match, ms * 1_000_000);
        }
        outcome.counts.heard = 500;
        outcome.seconds = 10.0;
        outcome
    }

    fn holds(text: &str) -> bool {
        text.parse::<Condition>().unwrap().judge(&outcome()).holds
    }

    #[test]
    fn conditions_are_compared_in_their_units() {
        for text in [
            "match.p99>98ms",
            "match.p50 <= 51 ms",
            "match.max>=100000us",
            "match.mean>0.05s",
            "match.count<101",
            "match.p99.9>99ms",
            "messages.rate<=50",
            "messages>=500",
            "errors<1",
            "violations<=0",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "match.p99>1s",
            "match.p50<50ms",
            "messages.rate>50",
            "errors>0",
            "errors.http.503>0",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        let condition: Condition = "relay.p99>1s".parse().unwrap();
        let verdict = condition.judge(&outcome());
        assert!(verdict.holds);
        assert_eq!(verdict.measured, None);
        assert!(holds("server.memory>1GB"));
    }

    #[test]
    fn a_mistake_is_named_with_the_way_to_write_it() {
        for (text, problem) in [
            ("", "no comparison"),
            ("match.p99=5ms", "no comparison"),
            ("match>5ms", "match. is not measured"),
            ("match.p101>5ms", "match.p101 is not measured"),
            ("speed>5", "\"speed\" is not measured"),
            ("match.p99>5", "must be a time with"),
            ("match.p99>fast", "must be a time with"),
            ("errors>5ms", "a number without a unit"),
            ("server.memory>5", "bytes with"),
            ("errors>-1", "a number without a unit"),
        ] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.contains("match.p99>5ms"), "{error}");
        }
    }
}
