//! Whether options make sense, alone, together and on this machine.

use super::{DESCRIPTORS_KEPT, Machine, PROCESSES_MAX, Plan, PlanError, STADIUM_RAMP_MAX_S};
use crate::swarm::letter::LETTER_MIN_BYTES;
use crate::swarm::options::{LOOPBACKS, Options, Scenario};
use crate::swarm::people::Bounds;

/// More people than that are not numbered.
const CONNECTIONS_MAX: u32 = 1_000_000;

/// The longest text that the contract allows.
const TEXT_MAX_BYTES: usize = 2000;

/// More arrivals than that in one run would be a table of gigabytes.
const ARRIVALS_MAX: f64 = 10_000_000.0;

/// Options that only some scenarios know, and whether each is set.
fn particular(options: &Options) -> [(&'static str, bool, &'static [Scenario]); 14] {
    use Scenario::{Chat, Crowd, Idle, Slow, Stadium, Storm};
    const MEETING: &[Scenario] = &[Crowd, Stadium];
    [
        (
            "ramp",
            options.ramp.is_some(),
            &[Idle, Chat, Storm, Slow, Stadium],
        ),
        ("arrivals", options.arrivals.is_some(), &[Crowd]),
        ("messages", options.messages.is_some(), &[Chat, Storm, Slow]),
        (
            "bytes",
            options.bytes.is_some(),
            &[Crowd, Chat, Storm, Slow, Stadium],
        ),
        ("talk", options.talk.is_some(), MEETING),
        ("say-every", options.say_every.is_some(), MEETING),
        ("next", options.next.is_some(), MEETING),
        ("report", options.report.is_some(), MEETING),
        ("patience", options.patience.is_some(), MEETING),
        ("drop-every", options.drop_every.is_some(), &[Storm]),
        ("drop-share", options.drop_share.is_some(), &[Storm]),
        ("return-within", options.return_within.is_some(), &[Storm]),
        ("slow-share", options.slow_share.is_some(), &[Slow]),
        ("flood", options.flood.is_some(), &[Slow]),
    ]
}

/// Refuses options that the scenario has no use for.
pub(super) fn foreign(scenario: Scenario, options: &Options) -> Result<(), PlanError> {
    for (option, is_set, scenarios) in particular(options) {
        if is_set && !scenarios.contains(&scenario) {
            let others: Vec<_> = scenarios.iter().map(|other| other.name()).collect();
            return Err(PlanError::Foreign {
                option,
                scenario,
                others: others.join(", "),
            });
        }
    }
    Ok(())
}

impl Plan {
    pub(super) fn check_bounds(&self) -> Result<(), PlanError> {
        let shares = [
            ("classic", self.classic),
            ("next", self.next),
            ("report", self.report),
            ("drop-share", self.drop_share),
            ("slow-share", self.slow_share),
        ];
        for (option, share) in shares {
            in_bounds(option, share, 0.0, 1.0)?;
        }
        in_bounds(
            "connections",
            self.connections.into(),
            1.0,
            CONNECTIONS_MAX.into(),
        )?;
        in_bounds(
            "processes",
            self.processes.into(),
            1.0,
            PROCESSES_MAX.into(),
        )?;
        in_bounds("flood", self.flood, 1.0, 1_000_000.0)?;
        let (least, most) = (LETTER_MIN_BYTES as f64, TEXT_MAX_BYTES as f64);
        in_bounds("bytes", self.bytes_min as f64, least, most)?;
        in_bounds("bytes", self.bytes_max as f64, least, most)
    }

    pub(super) fn check_together(&self) -> Result<(), PlanError> {
        let contradiction = |text: String| Err(PlanError::Contradiction(text));
        let Self {
            connections,
            processes,
            duration_s,
            ..
        } = self;
        let is_in_pairs = self.people(Bounds::UNKNOWN).group() == 2;
        if is_in_pairs && !connections.is_multiple_of(2) {
            let more = connections + 1;
            return contradiction(format!(
                "people of `{}` come in pairs: --connections must be even, such as {more}, not {connections}",
                self.scenario.name()
            ));
        }
        let groups = if is_in_pairs {
            connections / 2
        } else {
            *connections
        };
        if *processes > groups {
            return contradiction(format!(
                "--processes {processes} are more than there is work for: --connections {connections} \
                 can be shared by at most {groups}"
            ));
        }
        if self.scenario == Scenario::Storm && self.drop_every_s >= *duration_s {
            return contradiction(format!(
                "the first loss would come after the end: --drop-every ({} s) must be less than \
                 --duration ({duration_s} s)",
                self.drop_every_s
            ));
        }
        if self.scenario == Scenario::Storm && self.return_within_s >= self.drop_every_s {
            return contradiction(format!(
                "some would be lost again before they are back: --return-within ({} s) must be less \
                 than --drop-every ({} s)",
                self.return_within_s, self.drop_every_s
            ));
        }
        if self.scenario == Scenario::Stadium && self.ramp_s > STADIUM_RAMP_MAX_S {
            return contradiction(format!(
                "in a stadium everybody connects before the first joins, and a server sends away who says \
                 nothing for long: --ramp must be at most {STADIUM_RAMP_MAX_S} s, not {} s",
                self.ramp_s
            ));
        }
        if self.arrivals.count(*duration_s) > ARRIVALS_MAX {
            return contradiction(format!(
                "--arrivals {} over --duration {duration_s} s are more than {ARRIVALS_MAX} people: take \
                 a lower rate or a shorter time",
                self.arrivals
            ));
        }
        Ok(())
    }

    pub(super) fn check_machine(&self, machine: Machine) -> Result<(), PlanError> {
        let contradiction = |text: String| Err(PlanError::Contradiction(text));
        let Self {
            connections,
            processes,
            ..
        } = self;
        let each = u64::from(connections.div_ceil(*processes)) + DESCRIPTORS_KEPT;
        if each > machine.open_files {
            return contradiction(format!(
                "--connections {connections} in {processes} process(es) need {each} open files in each, \
                 and the system allows {}: take --processes {} or raise the limit (ulimit -Hn)",
                machine.open_files,
                self.processes_needed(machine)
            ));
        }
        let server = self.server.address().ip();
        if let Some(source) = self
            .sources
            .iter()
            .find(|source| source.is_ipv4() != server.is_ipv4())
        {
            return contradiction(format!(
                "--sources {source} can't reach {server}: one is IPv4, the other IPv6"
            ));
        }
        let is_loopback = server.is_loopback();
        if let Some(source) = self
            .sources
            .iter()
            .find(|source| source.is_loopback() != is_loopback)
        {
            return contradiction(format!(
                "--sources {source} can't reach {server}: addresses of the loopback reach only servers there"
            ));
        }
        let sources = self.sources.len().max(1) as u32;
        let needed = connections.div_ceil(machine.ports.max(1));
        if needed > sources {
            let way = if LOOPBACKS.contains(&server) {
                format!("--sources 127.0.0.2-{}", needed + 1)
            } else {
                format!("--sources with {needed} addresses of this machine")
            };
            return contradiction(format!(
                "{sources} address(es) have {} ports each for connections to one server, too few for \
                 --connections {connections}: take {way}",
                machine.ports
            ));
        }
        Ok(())
    }
}

fn in_bounds(option: &'static str, given: f64, min: f64, max: f64) -> Result<(), PlanError> {
    if (min..=max).contains(&given) {
        return Ok(());
    }
    Err(PlanError::OutOfBounds {
        option,
        allowed: format!("{min} to {max}"),
        given: given.to_string(),
    })
}
