//! What can be asked of a run: the same names as flags and in a TOML file.

use super::schedule::Rate;
use clap::Args;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

/// More source addresses than anybody needs: each takes about 28,000 connections to one server.
const SOURCES_MAX: usize = 64;

/// What a run is like. What is unset takes the scenario's default.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What people do: idle, crowd, chat, storm, slow or stadium (see below)
    #[arg(value_name = "SCENARIO")]
    #[serde(deserialize_with = "written")]
    pub scenario: Option<Scenario>,
    /// The server: ws://, http:// or just host:port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// How many people; in a crowd, how many at most at once
    #[arg(long, value_name = "N", help_heading = "How much")]
    pub connections: Option<u32>,
    /// How long the scenario lasts once it has begun, such as 90, 30s or 5m [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "How much")]
    #[serde(deserialize_with = "written")]
    pub duration: Option<Span>,
    /// Over how long they connect at first [default: 1s for every 1000]
    #[arg(long, value_name = "TIME", help_heading = "How much")]
    #[serde(deserialize_with = "written")]
    pub ramp: Option<Span>,
    /// crowd: how many arrive per second; a ramp is 100..2000 [default: 100]
    #[arg(long, value_name = "RATE", help_heading = "How much")]
    #[serde(deserialize_with = "written")]
    pub arrivals: Option<Rate>,
    /// chat, storm, slow: messages per second of all together; a ramp is 1000..50000 [default: one
    /// from each person, in a storm every 2 s]
    #[arg(long, value_name = "RATE", help_heading = "How much")]
    #[serde(deserialize_with = "written")]
    pub messages: Option<Rate>,
    /// Bytes of a message, or from least to most, such as 64..1024 [default: 64]
    #[arg(long, value_name = "BYTES", help_heading = "How much")]
    #[serde(deserialize_with = "written")]
    pub bytes: Option<Sizes>,
    /// Share of people who speak the classic dialect, 0..1 [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "How much")]
    pub classic: Option<f64>,
    /// Which people, and when what happens; the same for the same seed [default: 1]
    #[arg(long, value_name = "N", help_heading = "How much")]
    pub seed: Option<u64>,
    /// crowd, stadium: how long a chat lasts on average [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "What people do")]
    #[serde(deserialize_with = "written")]
    pub talk: Option<Span>,
    /// crowd, stadium: how often each says something [default: every 2s]
    #[arg(long, value_name = "TIME", help_heading = "What people do")]
    #[serde(deserialize_with = "written")]
    pub say_every: Option<Span>,
    /// crowd, stadium: share of people who look for somebody else after a chat, 0..1 [default: 0.5]
    #[arg(long, value_name = "SHARE", help_heading = "What people do")]
    pub next: Option<f64>,
    /// crowd, stadium: share of people who report their partner before they leave a chat, 0..1 [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "What people do")]
    pub report: Option<f64>,
    /// crowd, stadium: how long anybody waits for a partner before they go [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "What people do")]
    #[serde(deserialize_with = "written")]
    pub patience: Option<Span>,
    /// storm: how often connections are lost [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "What people do")]
    #[serde(deserialize_with = "written")]
    pub drop_every: Option<Span>,
    /// storm: share of people who lose theirs each time, 0..1 [default: 1]
    #[arg(long, value_name = "SHARE", help_heading = "What people do")]
    pub drop_share: Option<f64>,
    /// storm: within how long all of them come back [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "What people do")]
    #[serde(deserialize_with = "written")]
    pub return_within: Option<Span>,
    /// slow: share of pairs in which one does not read, 0..1 [default: 0.5]
    #[arg(long, value_name = "SHARE", help_heading = "What people do")]
    pub slow_share: Option<f64>,
    /// slow: messages per second to each of those who don't read [default: 100]
    #[arg(long, value_name = "RATE", help_heading = "What people do")]
    pub flood: Option<f64>,
    /// Processes that share the work [default: as few as open files allow]
    #[arg(long, value_name = "N", help_heading = "Where it runs")]
    pub processes: Option<u32>,
    /// Addresses to connect from, such as 127.0.0.2-9 or 127.0.0.2,127.0.0.3 [default: the system's choice]
    #[arg(long, value_name = "ADDRS", help_heading = "Where it runs")]
    #[serde(deserialize_with = "written")]
    pub sources: Option<Addresses>,
    /// The server's process, to read its memory and processor time [default: found by its port, if local]
    #[arg(long, value_name = "PID", help_heading = "Where it runs")]
    pub server_pid: Option<u32>,
    /// A file with the tokens that people show when they connect, one on each line, taken in turn [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Where it runs")]
    pub token_file: Option<PathBuf>,
    /// Write the outcome here as JSON
    #[arg(long, value_name = "FILE", help_heading = "What comes out")]
    pub json: Option<PathBuf>,
    /// Write the outcome here as a page to look at
    #[arg(long, value_name = "FILE", help_heading = "What comes out")]
    pub html: Option<PathBuf>,
    /// Exit with 1 if this holds at the end, such as 'match.p99>5ms'; may be repeated
    #[arg(long, value_name = "CONDITION", help_heading = "What comes out")]
    pub fail_if: Vec<String>,
    /// The server may refuse some of the people: that alone does not fail the run
    #[arg(long, help_heading = "What comes out")]
    pub allow_refused: bool,
}

impl Options {
    /// What is set here, and from `fallback` what isn't.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        macro_rules! either {
            ($($field:ident)*) => {
                Self {
                    $($field: self.$field.or(fallback.$field),)*
                    fail_if: [fallback.fail_if, self.fail_if].concat(),
                    allow_refused: self.allow_refused || fallback.allow_refused,
                }
            };
        }
        either!(scenario server connections duration ramp arrivals messages bytes classic seed talk
            say_every next report patience drop_every drop_share return_within slow_share flood processes
            sources server_pid token_file json html)
    }
}

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Wait, far from everybody.
    Idle,
    /// Arrive, meet, talk for a while, go.
    Crowd,
    /// Talk in pairs.
    Chat,
    /// Lose their connections at once, and come back.
    Storm,
    /// Don't read what they are sent.
    Slow,
    /// Are all in one place, and all come at once.
    Stadium,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Crowd,
        Self::Chat,
        Self::Storm,
        Self::Slow,
        Self::Stadium,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Crowd => "crowd",
            Self::Chat => "chat",
            Self::Storm => "storm",
            Self::Slow => "slow",
            Self::Stadium => "stadium",
        }
    }
}

impl FromStr for Scenario {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text)
            .ok_or("must be idle, crowd, chat, storm, slow or stadium")
    }
}

/// A span of time of more than 0 s and at most a day.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Span(pub(super) f64);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let text = text.trim();
        let (number, unit_s) = units
            .into_iter()
            .find_map(|(unit, unit_s)| Some((text.strip_suffix(unit)?, unit_s)))
            .unwrap_or((text, 1.0));
        let seconds = number.trim().parse::<f64>().unwrap_or(f64::NAN) * unit_s;
        (seconds > 0.0 && seconds <= 86_400.0)
            .then_some(Self(seconds))
            .ok_or("must be a time above 0 and up to a day, such as 250ms, 90, 30s or 5m")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

/// How long messages are, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes(pub(super) RangeInclusive<usize>);

impl FromStr for Sizes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.trim().parse().ok();
        let sizes = match text.split_once("..") {
            Some((least, most)) => number(least).zip(number(most)),
            None => number(text).zip(number(text)),
        };
        sizes
            .filter(|(least, most)| least <= most)
            .map(|(least, most)| Self(least..=most))
            .ok_or("must be a number of bytes, such as 64, or from least to most, such as 64..1024")
    }
}

/// Addresses of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub(super) Vec<IpAddr>);

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let problem =
                || format!("{part:?} must be an address, or a row of them such as 127.0.0.2-9");
            let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), ""));
            match first.parse::<IpAddr>().map_err(|_| problem())? {
                first if last.is_empty() => all.push(first),
                IpAddr::V4(first) => {
                    let [a, b, c, d] = first.octets();
                    let last: u8 = last.trim().parse().map_err(|_| problem())?;
                    if last < d {
                        return Err(problem());
                    }
                    all.extend((d..=last).map(|d| IpAddr::V4(Ipv4Addr::new(a, b, c, d))));
                }
                IpAddr::V6(_) => return Err(problem()),
            }
        }
        if all.len() > SOURCES_MAX {
            return Err(format!("must be at most {SOURCES_MAX} addresses"));
        }
        Ok(Self(all))
    }
}

/// Every address of the machine's own, as it may be written instead of a name.
pub(super) const LOOPBACKS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Reads from TOML what flags are written like; a plain number will do, too.
fn written<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Whole(i64),
        Number(f64),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Number(number) => number.to_string(),
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_and_without_units() {
        for (text, seconds) in [
            ("90", 90.0),
            ("250ms", 0.25),
            ("30s", 30.0),
            ("1.5m", 90.0),
            ("1 h", 3600.0),
        ] {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in ["", "0", "-1s", "2d", "fast", "25h", "NaN", "inf"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read_one_by_one_and_in_rows() {
        let read = |text: &str| {
            let addresses: Addresses = text.parse()?;
            Ok::<_, String>(
                addresses
                    .0
                    .iter()
                    .map(IpAddr::to_string)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(read("127.0.0.9").unwrap(), ["127.0.0.9"]);
        assert_eq!(
            read("127.0.0.2-4, ::1").unwrap(),
            ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"]
        );
        for text in [
            "",
            "here",
            "127.0.0.9-2",
            "127.0.0.1-256",
            "::1-5",
            "127.0.0.1-200",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_is_written_like_the_flags() {
        let options: Options = toml::from_str(
            "scenario = 'chat'\nconnections = 1000\nduration = 90\nramp = '500ms'\n\
             messages = '100..5000'\nbytes = '64..1024'\nclassic = 0.5\nfail_if = ['violations>0']",
        )
        .unwrap();
        assert_eq!(options.scenario, Some(Scenario::Chat));
        assert_eq!(options.duration, Some(Span(90.0)));
        assert_eq!(options.ramp, Some(Span(0.5)));
        assert_eq!(options.bytes, Some(Sizes(64..=1024)));
        let flags = Options {
            connections: Some(7),
            fail_if: vec!["errors>0".to_owned()],
            ..Options::default()
        };
        let both = flags.or(options);
        assert_eq!((both.connections, both.classic), (Some(7), Some(0.5)));
        assert_eq!(both.fail_if, ["violations>0", "errors>0"]);
    }

    #[test]
    fn a_mistake_in_a_file_is_told() {
        for (text, expected) in [
            ("speed = 3", "unknown field `speed`"),
            ("duration = 'long'", "such as 250ms"),
            ("scenario = 'rush'", "stadium"),
        ] {
            let error = toml::from_str::<Options>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
