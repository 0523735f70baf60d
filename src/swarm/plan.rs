//! A run as it will be: every option checked against the others and given its value.

mod check;

use super::letter::RunTag;
use super::options::{Options, Scenario};
use super::people::{Bounds, People};
use super::schedule::Rate;
use super::target::{Target, TargetError};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where the server is if nobody says.
const SERVER_DEFAULT: &str = "ws://127.0.0.1:8080";

const PROCESSES_MAX: u32 = 64;

/// Descriptors that a process needs besides its connections: pipes, timers, the runtime's own.
const DESCRIPTORS_KEPT: u64 = 64;

/// Everybody in a stadium connects within that, because who says nothing for 10 s is sent away.
const STADIUM_RAMP_MAX_S: f64 = 5.0;

/// What a run will be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What people do.
    pub scenario: Scenario,
    /// The server, as it was written.
    pub server: Target,
    /// How many people, or how many at most at once.
    pub connections: u32,
    /// How long the scenario lasts.
    pub duration_s: f64,
    pub(super) ramp_s: f64,
    pub(super) arrivals: Rate,
    pub(super) messages: Rate,
    pub(super) bytes_min: usize,
    pub(super) bytes_max: usize,
    pub(super) classic: f64,
    /// Draws the same people again.
    pub seed: u64,
    pub(super) talk_s: f64,
    pub(super) say_every_s: f64,
    pub(super) next: f64,
    pub(super) report: f64,
    pub(super) patience_s: f64,
    pub(super) drop_every_s: f64,
    pub(super) drop_share: f64,
    pub(super) return_within_s: f64,
    pub(super) slow_share: f64,
    pub(super) flood: f64,
    /// How many processes share the work.
    pub processes: u32,
    pub(super) sources: Vec<IpAddr>,
    /// Whether people may be refused without failing the run.
    pub(super) allows_refused: bool,
    pub(super) tag: RunTag,
}

/// What this machine allows.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Files that one process may have open.
    pub open_files: u64,
    /// Ports for connections from one address to one server.
    pub ports: u32,
}

/// Options that make no sense, or not together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// No scenario was named.
    #[error(
        "say what people do: idle, crowd, chat, storm, slow or stadium, as in `whisperchat swarm chat`"
    )]
    NoScenario,
    /// The server's address can't be used.
    #[error("--server: {0}")]
    Server(#[from] TargetError),
    /// An option that the scenario has no use for.
    #[error("--{option} is not for `{scenario}`, but for {others}: leave it out", scenario = scenario.name())]
    Foreign {
        /// Its name.
        option: &'static str,
        /// The scenario of the run.
        scenario: Scenario,
        /// Scenarios it is for, in words.
        others: String,
    },
    /// A value out of bounds.
    #[error("--{option} must be {allowed}, not {given}")]
    OutOfBounds {
        /// The option's name.
        option: &'static str,
        /// What would be good.
        allowed: String,
        /// What was written.
        given: String,
    },
    /// Two options that don't go together.
    #[error("{0}")]
    Contradiction(String),
}

impl Plan {
    /// Checks options against each other and gives those that are unset the scenario's defaults.
    ///
    /// # Errors
    /// [`PlanError`] says what doesn't go, and how to say it right.
    pub fn new(options: &Options, machine: Machine) -> Result<Self, PlanError> {
        let scenario = options.scenario.ok_or(PlanError::NoScenario)?;
        check::foreign(scenario, options)?;
        let mut plan = Self::with_defaults(scenario, options)?;
        plan.processes = match options.processes {
            Some(processes) => processes,
            None => plan.processes_needed(machine),
        };
        plan.check_bounds()?;
        plan.check_together()?;
        plan.check_machine(machine)?;
        Ok(plan)
    }

    fn with_defaults(scenario: Scenario, options: &Options) -> Result<Self, PlanError> {
        let connections = options.connections.unwrap_or(match scenario {
            Scenario::Crowd => 10_000,
            _ => 1000,
        });
        let seconds =
            |span: Option<super::options::Span>, default: f64| span.map_or(default, |span| span.0);
        let ramp_s = f64::from(connections) / 1000.0;
        let per_person = if scenario == Scenario::Storm {
            0.5
        } else {
            1.0
        };
        let bytes = options
            .bytes
            .as_ref()
            .map_or(64..=64, |sizes| sizes.0.clone());
        let slow_share = options.slow_share.unwrap_or(0.5);
        let talkers = match scenario {
            Scenario::Slow => f64::from(connections) * (1.0 - slow_share),
            _ => f64::from(connections),
        };
        Ok(Self {
            scenario,
            server: options
                .server
                .as_deref()
                .unwrap_or(SERVER_DEFAULT)
                .parse()?,
            connections,
            duration_s: seconds(options.duration, 30.0),
            ramp_s: seconds(
                options.ramp,
                match scenario {
                    Scenario::Stadium => (ramp_s / 5.0).min(STADIUM_RAMP_MAX_S),
                    _ => ramp_s.max(0.1),
                },
            ),
            arrivals: options.arrivals.unwrap_or(Rate::steady(100.0)),
            messages: options
                .messages
                .unwrap_or(Rate::steady((talkers * per_person).max(1.0))),
            bytes_min: *bytes.start(),
            bytes_max: *bytes.end(),
            classic: options.classic.unwrap_or(0.0),
            seed: options.seed.unwrap_or(1),
            talk_s: seconds(options.talk, 10.0),
            say_every_s: seconds(options.say_every, 2.0),
            next: options.next.unwrap_or(0.5),
            report: options.report.unwrap_or(0.0),
            patience_s: seconds(options.patience, 30.0),
            drop_every_s: seconds(options.drop_every, 10.0),
            drop_share: options.drop_share.unwrap_or(1.0),
            return_within_s: seconds(options.return_within, 1.0),
            slow_share,
            flood: options.flood.unwrap_or(100.0),
            processes: 1,
            sources: options
                .sources
                .as_ref()
                .map_or_else(Vec::new, |all| all.0.clone()),
            allows_refused: options.allow_refused,
            tag: rand::random(),
        })
    }

    /// Everybody who could come, once it is known what the server does with positions.
    pub(super) fn people(&self, bounds: Bounds) -> People {
        People {
            scenario: self.scenario,
            seed: self.seed,
            connections: self.connections,
            classic_share: self.classic,
            slow_share: self.slow_share,
            bounds,
        }
    }

    /// How long a message is; the same for the same message.
    pub(super) fn bytes_of(&self, from: u32, number: u32) -> usize {
        let spread = self.bytes_max - self.bytes_min + 1;
        let mixed = (u64::from(from) << 32 | u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.bytes_min + (mixed >> 33) as usize % spread
    }

    fn processes_needed(&self, machine: Machine) -> u32 {
        let each = machine.open_files.saturating_sub(DESCRIPTORS_KEPT).max(1);
        u64::from(self.connections)
            .div_ceil(each)
            .clamp(1, u64::from(PROCESSES_MAX)) as u32
    }
}

#[cfg(test)]
mod tests;
