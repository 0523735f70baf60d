//! What is logged, and how.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// What a level may be, for people.
pub(crate) const LEVEL_ALLOWED: &str = "must be off, error, warn, info, debug, trace, or a filter that says of \
    what, such as info,whisperchat=debug";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,whisperchat=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// How many ends of connections are logged in a second; the others are counted.
    pub ends_per_second: u32,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, else for programs.
    Auto,
    /// For people.
    Human,
    /// For programs: each line a JSON object.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
            ends_per_second: 50,
        }
    }
}

/// Reads a level, or a filter. `EnvFilter` takes a word that is no level for the name of what is to be logged, and then
/// logs nothing else: a slip of the finger would silence the log.
pub(crate) fn filter(level: &str) -> Option<EnvFilter> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let mut parts = level.split(',');
    let is_meant = parts.all(|part| part.contains(['=', '[', '{']) || is_level(part));
    is_meant.then(|| EnvFilter::try_new(level).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_not_taken_for_the_name_of_what_to_log() {
        for good in [
            "off",
            "INFO",
            "info,whisperchat=off",
            "warn,someone::else=trace",
            "info,[match]=debug",
        ] {
            assert!(filter(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "verbose",
            "debu",
            "3",
            "info,,",
            "info,whisperchat",
            "info, debug",
            "info,whisperchat=verbose",
        ] {
            assert!(filter(bad).is_none(), "{bad}");
        }
    }
}
