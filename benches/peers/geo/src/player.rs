//! Plays a trace in a room, times it, and holds the answers against those that are right.

use crate::trace::{Person, PersonId, Step, Trace};
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use whisperchat::geo::geodesic_m;

/// How many answers against the rule are described, for each room.
const REPORTED_MAX: u64 = 5;

/// Arrivals that are compared before anything is timed.
const WARM_UP: Bounds = Bounds {
    time: Duration::from_secs(10),
    arrivals: 300,
};

/// A room that does what a trace says. A new one is a file, and a line in `main`.
pub(crate) trait Peer {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Whether it takes several steps before it has answered the first.
    fn can_pipeline(&self) -> bool;

    /// Whether a wrong answer, before anything is timed, ends the bench.
    fn is_exact(&self) -> bool;

    /// Makes these people wait, and nobody else.
    fn fill(&mut self, people: &[Person]) -> Result<()>;

    /// Takes the steps in order, sent at once, and says for each whom the one who arrived has met.
    fn take(&mut self, steps: &[Step]) -> Result<Vec<Option<PersonId>>>;

    /// One way there and back, with nothing done there.
    fn bare_round_trip(&mut self) -> Result<()>;
}

/// When a round ends: whichever is reached first.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) time: Duration,
    pub(crate) arrivals: u64,
}

/// Answers that were compared.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) arrivals: u64,
    /// Somebody met whom one of the two excludes, or nobody where somebody was within reach of both.
    pub(crate) against_the_rule: u64,
    /// Somebody met who is within reach of both, but not the nearest.
    pub(crate) not_the_nearest: u64,
}

/// Somebody who takes part in the bench.
pub(crate) trait Contestant {
    fn name(&self) -> &'static str;

    /// Arrivals a second with so many steps on their way at once; `None` if it can't do that.
    fn round(&mut self, at_once: usize, bounds: Bounds) -> Result<Option<f64>>;

    /// Of arrivals that came one at a time, in ns.
    fn times(&self) -> &Histogram<u64>;

    fn tally(&self) -> Tally;

    fn bare_round_trip(&mut self) -> Result<()>;
}

/// A room with a trace of its own to play.
pub(crate) struct Player<'a> {
    peer: Box<dyn Peer>,
    trace: &'a Trace,
    next: usize,
    times: Histogram<u64>,
    tally: Tally,
}

impl<'a> Player<'a> {
    pub(crate) fn new(mut peer: Box<dyn Peer>, trace: &'a Trace) -> Result<Self> {
        let start = Instant::now();
        peer.fill(&trace.waiting)?;
        eprintln!(
            "{}: filled after {:.1} s",
            peer.name(),
            start.elapsed().as_secs_f64()
        );
        let mut player = Self {
            peer,
            trace,
            next: 0,
            times: Histogram::new(3)?,
            tally: Tally::default(),
        };
        player.round(1, WARM_UP)?;
        player.times.reset();
        ensure!(
            !player.peer.is_exact() || player.tally.against_the_rule == 0,
            "{}: an answer against the rule",
            player.name()
        );
        Ok(player)
    }

    /// Counts what is wrong, and puts the room into the state that it should be in.
    fn compare(
        &mut self,
        steps: &[(Step, Option<PersonId>)],
        answers: &[Option<PersonId>],
    ) -> Result<()> {
        // How often somebody is in the room beyond what is right.
        let mut surplus: HashMap<PersonId, i32> = HashMap::new();
        let mut is_astray = false;
        for ((step, expected), answer) in steps.iter().zip(answers) {
            let person = match step {
                Step::Arrive(person) => person,
                Step::Depart(person) | Step::LetIn(person) => {
                    surplus.remove(&person.id);
                    continue;
                }
            };
            if !is_astray {
                self.count(person, *expected, *answer);
            }
            if answer == expected {
                continue;
            }
            // What else was sent at once met a room that was not as it should be, and proves nothing.
            is_astray = true;
            let mut add = |outcome: &Option<PersonId>, sign: i32| {
                let (who, change) = outcome.map_or((person.id, sign), |met| (met, -sign));
                *surplus.entry(who).or_default() += change;
            };
            add(answer, 1);
            add(expected, -1);
        }
        let repairs: Vec<Step> = surplus
            .into_iter()
            .filter(|(_, count)| *count != 0)
            .map(|(id, count)| {
                let person = *self.trace.person(id);
                if count > 0 {
                    Step::Depart(person)
                } else {
                    Step::LetIn(person)
                }
            })
            .collect();
        if !repairs.is_empty() {
            self.peer.take(&repairs)?;
        }
        Ok(())
    }

    fn count(&mut self, person: &Person, expected: Option<PersonId>, answer: Option<PersonId>) {
        self.tally.arrivals += 1;
        if answer == expected {
            return;
        }
        let met = answer.map(|id| self.trace.person(id));
        if expected.is_some() && met.is_some_and(|met| person.reaches(met)) {
            self.tally.not_the_nearest += 1;
            return;
        }
        self.tally.against_the_rule += 1;
        if self.tally.against_the_rule <= REPORTED_MAX {
            self.report(person, expected, answer);
        }
    }

    fn report(&self, person: &Person, expected: Option<PersonId>, answer: Option<PersonId>) {
        let describe = |met: Option<PersonId>| {
            met.map_or("nobody".into(), |id| {
                let met = self.trace.person(id);
                let distance_m = geodesic_m(&person.place, &met.place);
                format!("somebody {distance_m} m away with {} m", met.range.metres())
            })
        };
        eprintln!(
            "{}: with {} m, expected {}, met {}",
            self.peer.name(),
            person.range.metres(),
            describe(expected),
            describe(answer)
        );
    }
}

impl Contestant for Player<'_> {
    fn name(&self) -> &'static str {
        self.peer.name()
    }

    fn round(&mut self, at_once: usize, bounds: Bounds) -> Result<Option<f64>> {
        if at_once > 1 && !self.peer.can_pipeline() {
            return Ok(None);
        }
        let mut spent = Duration::ZERO;
        let mut arrivals = 0;
        while spent < bounds.time && arrivals < bounds.arrivals {
            let end = (self.next + at_once).min(self.trace.steps.len());
            let expected = &self.trace.steps[self.next..end];
            if expected.is_empty() {
                break;
            }
            let steps: Vec<Step> = expected.iter().map(|(step, _)| *step).collect();
            let start = Instant::now();
            let answers = self.peer.take(&steps)?;
            let time = start.elapsed();
            spent += time;
            for step in &steps {
                if matches!(step, Step::Arrive(_)) {
                    arrivals += 1;
                    if at_once == 1 {
                        self.times.record(time.as_nanos().try_into()?)?;
                    }
                }
            }
            self.next = end;
            self.compare(expected, &answers)?;
        }
        Ok((arrivals > 0).then(|| arrivals as f64 / spent.as_secs_f64()))
    }

    fn times(&self) -> &Histogram<u64> {
        &self.times
    }

    fn tally(&self) -> Tally {
        self.tally
    }

    fn bare_round_trip(&mut self) -> Result<()> {
        self.peer.bare_round_trip()
    }
}
