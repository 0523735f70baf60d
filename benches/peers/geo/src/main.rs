//! This room beside the servers that one would otherwise pick, doing the same for the same people.
//! `benches/peers/run geo` starts the servers and then this.

mod behind_websocket;
mod geosearch;
mod in_process;
mod player;
mod postgis;
#[path = "../../../rooms/mod.rs"]
mod rooms;
mod support;
mod table;
mod trace;

use anyhow::Result;
use behind_websocket::BehindWebSocket;
use clap::Parser;
use geosearch::{Filter, Redis};
use in_process::InProcess;
use player::{Bounds, Contestant, Peer, Player};
use postgis::{Index, PostGis};
use rooms::{Room, scene_named};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use table::Row;
use trace::Trace;

/// The same allocator as the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps that are on their way at once where a rival can do that.
const AT_ONCE: usize = 64;

/// Rooms in which everybody who waits has a connection: within the usual limit of open files.
const CONNECTIONS_MAX: usize = 10_000;

/// Bare round trips that are timed.
const ROUND_TRIPS: usize = 1000;

/// This room beside Redis and PostGIS: a markdown table on standard output, progress on standard error.
#[derive(Parser)]
struct Arguments {
    /// Redis' Unix socket
    #[arg(long)]
    redis: PathBuf,
    /// The folder of PostgreSQL's Unix socket
    #[arg(long)]
    postgres: PathBuf,
    /// The server of this project, built for release
    #[arg(long)]
    server: PathBuf,
    /// How many people wait
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// Whom they are drawn from
    #[arg(long, value_delimiter = ',', default_values = ["uniform", "cities", "mixed"])]
    crowds: Vec<String>,
    /// Rounds in which everybody takes their turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn may take, in seconds
    #[arg(long, default_value_t = 1.0)]
    turn_s: f64,
    /// Small rooms, only to see that everything works: no figure means anything
    #[arg(long)]
    test: bool,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.test {
        arguments.sizes = vec![2000];
        arguments.rounds = 1;
        arguments.turn_s = 0.2;
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    println!("{}", table::HEAD);
    for crowd in &arguments.crowds {
        for &size in &arguments.sizes {
            let room = Room::filled(scene_named(crowd), size);
            for row in measure(&arguments, &room)? {
                println!("| {crowd} | {size} {row}");
            }
        }
    }
    Ok(())
}

/// Plays rounds in which everybody takes their turn, so that what else the machine does befalls all of them.
fn measure(arguments: &Arguments, room: &Room) -> Result<Vec<Row>> {
    let arrivals = if arguments.test { 200 } else { 20_000 };
    let bounds = Bounds {
        time: Duration::from_secs_f64(arguments.turn_s),
        arrivals,
    };
    // An arrival is a step, and there may be a departure with it. One round more is for what comes before.
    let steps = 2 * 2 * (arrivals as usize + AT_ONCE) * (arguments.rounds + 1);
    let trace = Trace::new(room, steps)?;
    let mut contestants = contestants(arguments, &trace)?;
    let mut rows: Vec<Row> = contestants.iter().map(|one| Row::new(one.name())).collect();
    for _ in 0..arguments.rounds {
        for (contestant, row) in contestants.iter_mut().zip(&mut rows) {
            row.one_at_a_time.push(contestant.round(1, bounds)?);
            row.at_once.push(contestant.round(AT_ONCE, bounds)?);
        }
    }
    let own = rows[0].one_at_a_time.clone();
    for (contestant, row) in contestants.iter_mut().zip(&mut rows) {
        for _ in 0..ROUND_TRIPS {
            let start = Instant::now();
            contestant.bare_round_trip()?;
            row.round_trips_us.push(start.elapsed().as_secs_f64() * 1e6);
        }
        row.finish(contestant.as_ref(), &own);
    }
    Ok(rows)
}

/// Everybody, this room in process first.
fn contestants<'a>(
    arguments: &Arguments,
    trace: &'a Trace,
) -> Result<Vec<Box<dyn Contestant + 'a>>> {
    let redis = |filter| Redis::connect(&arguments.redis, filter);
    let postgis = |index| PostGis::connect(&arguments.postgres, index);
    let peers: [Box<dyn Peer>; 6] = [
        Box::new(InProcess::default()),
        Box::new(redis(Filter::Client)?),
        Box::new(redis(Filter::Script)?),
        Box::new(redis(Filter::ScriptByClass)?),
        Box::new(postgis(Index::Places)?),
        Box::new(postgis(Index::Reaches)?),
    ];
    let mut all: Vec<Box<dyn Contestant>> = Vec::new();
    for peer in peers {
        all.push(Box::new(Player::new(peer, trace)?));
    }
    if trace.waiting.len() <= CONNECTIONS_MAX {
        let server = BehindWebSocket::start(&arguments.server, &trace.waiting, AT_ONCE)?;
        all.insert(1, Box::new(server));
    }
    Ok(all)
}
