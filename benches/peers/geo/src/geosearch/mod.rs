//! Redis: `GEOSEARCH` for whom a newcomer would go to, and the other side's range looked at in three ways.
//!
//! Distances are on a sphere, positions in 52 bits, and latitudes beyond 85.05° are refused, so people there
//! are put at the edge. How often an answer differs from the rule is counted.

use crate::player::Peer;
use crate::trace::{Person, PersonId, Step};
use anyhow::{Context as _, Result, anyhow};
use redis::{Cmd, Connection, ConnectionLike as _, Pipeline, Value, cmd, pipe};
use std::path::Path;

/// The largest latitude that `GEOADD` takes.
const LAT_MAX_DEG: f64 = 85.051_128_78;

/// 2²⁵ m is more than any range.
const CLASS_MAX: i32 = 25;

/// How many are looked at in a first search, and by what that grows: as in the scripts.
const COUNT_FIRST: usize = 16;

/// People are let in by so many at once.
const FILL_AT_ONCE: usize = 1000;

/// Who looks at the other side's range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Filter {
    /// The client, in two round trips or more. Two clients at once could meet the same person.
    Client,
    /// A script in the server, in one.
    Script,
    /// Such a script, with those who wait apart by power of two of their range.
    ScriptByClass,
}

pub(crate) struct Redis {
    connection: Connection,
    filter: Filter,
    script: String,
}

impl Redis {
    /// Each way has a database of the server for itself.
    pub(crate) fn connect(socket: &Path, filter: Filter) -> Result<Self> {
        let url = format!("unix:{}?db={}", socket.display(), filter as u8);
        let mut connection = redis::Client::open(url)?.get_connection()?;
        let source = match filter {
            Filter::ScriptByClass => include_str!("arrive_by_class.lua"),
            Filter::Client | Filter::Script => include_str!("arrive.lua"),
        };
        let script = cmd("SCRIPT")
            .arg("LOAD")
            .arg(source)
            .query(&mut connection)?;
        Ok(Self {
            connection,
            filter,
            script,
        })
    }

    fn key(&self, person: &Person) -> String {
        match self.filter {
            Filter::ScriptByClass => format!("waiting:{}", class(person)),
            Filter::Client | Filter::Script => "waiting".into(),
        }
    }

    fn command(&self, step: &Step) -> Cmd {
        match step {
            Step::Arrive(person) => {
                let (lon, lat) = lon_lat(person);
                let mut call = cmd("EVALSHA");
                call.arg(&self.script)
                    .arg(0)
                    .arg(member(person))
                    .arg(lon)
                    .arg(lat);
                call.arg(person.range.metres())
                    .arg(class(person))
                    .arg(CLASS_MAX);
                call
            }
            Step::Depart(person) => {
                let mut call = cmd("ZREM");
                call.arg(self.key(person)).arg(member(person));
                call
            }
            Step::LetIn(person) => {
                let (lon, lat) = lon_lat(person);
                let mut call = cmd("GEOADD");
                call.arg(self.key(person))
                    .arg(lon)
                    .arg(lat)
                    .arg(member(person));
                call
            }
        }
    }

    /// Looks for somebody from outside, then pairs them off or lets the newcomer wait.
    fn arrive_from_outside(&mut self, person: &Person) -> Result<Option<PersonId>> {
        let (lon, lat) = lon_lat(person);
        let (mut seen, mut count) = (0, COUNT_FIRST);
        loop {
            let near: Vec<(String, f64)> = cmd("GEOSEARCH")
                .arg("waiting")
                .arg("FROMLONLAT")
                .arg(lon)
                .arg(lat)
                .arg("BYRADIUS")
                .arg(person.range.metres())
                .arg("m")
                .arg("ASC")
                .arg("COUNT")
                .arg(count)
                .arg("WITHDIST")
                .query(&mut self.connection)?;
            for (other, distance_m) in &near[seen.min(near.len())..] {
                if *distance_m <= range_m(other)? {
                    cmd("ZREM")
                        .arg("waiting")
                        .arg(other)
                        .exec(&mut self.connection)?;
                    return id(other).map(Some);
                }
            }
            if near.len() < count {
                break;
            }
            (seen, count) = (near.len(), count * COUNT_FIRST);
        }
        self.command(&Step::LetIn(*person))
            .exec(&mut self.connection)?;
        Ok(None)
    }
}

impl Peer for Redis {
    fn name(&self) -> &'static str {
        match self.filter {
            Filter::Client => "Redis, filtered by the client",
            Filter::Script => "Redis, filtered by a script",
            Filter::ScriptByClass => "Redis, a script and range classes",
        }
    }

    fn can_pipeline(&self) -> bool {
        self.filter != Filter::Client
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn fill(&mut self, people: &[Person]) -> Result<()> {
        cmd("FLUSHDB").exec(&mut self.connection)?;
        for people in people.chunks(FILL_AT_ONCE) {
            let mut calls = Pipeline::with_capacity(people.len());
            for person in people {
                calls
                    .add_command(self.command(&Step::LetIn(*person)))
                    .ignore();
            }
            calls.exec(&mut self.connection)?;
        }
        Ok(())
    }

    fn take(&mut self, steps: &[Step]) -> Result<Vec<Option<PersonId>>> {
        if let ([Step::Arrive(person)], Filter::Client) = (steps, self.filter) {
            return Ok(vec![self.arrive_from_outside(person)?]);
        }
        let mut calls = pipe();
        for step in steps {
            calls.add_command(self.command(step));
        }
        let answers: Vec<Value> = calls.query(&mut self.connection)?;
        answers
            .iter()
            .map(|answer| match answer {
                Value::Nil | Value::Int(_) => Ok(None),
                Value::BulkString(member) => id(std::str::from_utf8(member)?).map(Some),
                other => Err(anyhow!("an unexpected answer: {other:?}")),
            })
            .collect()
    }

    fn bare_round_trip(&mut self) -> Result<()> {
        anyhow::ensure!(self.connection.check_connection(), "no answer to a ping");
        Ok(())
    }
}

fn member(person: &Person) -> String {
    format!("{}:{}", person.id, person.range.metres())
}

fn id(member: &str) -> Result<PersonId> {
    let (id, _) = member.split_once(':').context("a member without a range")?;
    Ok(id.parse()?)
}

fn range_m(member: &str) -> Result<f64> {
    let (_, range_m) = member.split_once(':').context("a member without a range")?;
    Ok(range_m.parse()?)
}

fn lon_lat(person: &Person) -> (f64, f64) {
    let (lat, lon) = person.degrees();
    (lon, lat.clamp(-LAT_MAX_DEG, LAT_MAX_DEG))
}

/// The smallest power of two of metres that is no smaller than the range.
fn class(person: &Person) -> i32 {
    (person.range.metres().log2().ceil() as i32).clamp(0, CLASS_MAX)
}
