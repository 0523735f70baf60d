//! The resident memory of a connection that waits: `cargo bench --bench idle_memory`.
//!
//! The server as operators run it, in a process of its own, is connected to by more and more v1 clients.
//! Each joins far from everybody else and waits; the memory is read when all have been told that they
//! wait. What a connection costs is the slope: the growth between two counts divided by the connections
//! that came in between. It includes the session, its ticket and its place in the tree, and whatever the
//! allocator keeps unused. It does not include what the kernel keeps for a socket.
//!
//! The rival is a bare echo on `hyper` and `fastwebsockets` (`support/echo.rs`), with the same allocator;
//! each of its clients has had the same `join` echoed. Nobody waits there, so it has less to remember.
//!
//! The counts end below 20,000 because a process may often open no more descriptors than that.

mod support;

use std::io;
use std::num::NonZero;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};
use support::client::Client;
use support::program::{Kind, Program};
use support::{echo, places};

/// The same allocator as the server's, for the echo runs in this program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNTS: [usize; 3] = [2000, 10_000, 18_000];
const COUNTS_TEST: [usize; 2] = [20, 60];

/// Descriptors of this process that are not connections.
const DESCRIPTORS_RESERVED: usize = 64;

/// Memory has settled when it has not changed between so many readings, one each [`READING`].
const READINGS_SAME: usize = 10;
const READING: Duration = Duration::from_millis(100);
const SETTLED_MAX: Duration = Duration::from_secs(20);

/// A server's memory with so many connections.
struct Reading {
    connections: usize,
    resident_bytes: u64,
}

/// Reads the memory of a server at each of the counts.
fn grow(kind: Kind, counts: &[usize]) -> io::Result<Vec<Reading>> {
    let threads = available_parallelism().map_or(1, NonZero::get);
    let program = Program::start(kind, threads);
    let descriptors_before = program.descriptors();
    let mut clients = Vec::new();
    let mut readings = Vec::new();
    for &connections in counts {
        while clients.len() < connections {
            clients.push(waiting_client(&program, clients.len())?);
        }
        readings.push(Reading {
            connections,
            resident_bytes: settled_bytes(&program),
        });
        assert!(
            program.descriptors() >= descriptors_before + connections,
            "the server has lost connections"
        );
    }
    Ok(readings)
}

fn waiting_client(program: &Program, place: usize) -> io::Result<Client> {
    let mut client = Client::connect(program.address, program.kind.path())?;
    client.say(&places::join(place))?;
    match program.kind {
        Kind::WhisperChat => {
            client.expect(r#"{"type":"welcome""#)?;
            client.expect(r#"{"type":"waiting""#)?;
        }
        Kind::Echo => client.expect(r#"{"type":"join""#)?,
    }
    Ok(client)
}

/// The resident memory once it stays as it is.
fn settled_bytes(program: &Program) -> u64 {
    let start = Instant::now();
    let mut resident = program.resident_bytes();
    let mut same = 0;
    while same < READINGS_SAME {
        assert!(start.elapsed() < SETTLED_MAX, "memory does not settle");
        sleep(READING);
        let now = program.resident_bytes();
        same = if now == resident { same + 1 } else { 0 };
        resident = now;
    }
    resident
}

/// Bytes for each connection that came between two readings.
fn slope(from: &Reading, to: &Reading) -> f64 {
    let bytes = to.resident_bytes as f64 - from.resident_bytes as f64;
    bytes / (to.connections - from.connections) as f64
}

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == echo::ARGUMENT) {
        return echo::run();
    }
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)?;
    let possible = usize::try_from(descriptors).unwrap_or(usize::MAX) - DESCRIPTORS_RESERVED;
    let counts: &[usize] = if support::is_test_run() {
        &COUNTS_TEST
    } else {
        &COUNTS
    };
    let (counts, left_out): (Vec<_>, Vec<_>) = counts.iter().partition(|count| **count <= possible);
    assert!(
        counts.len() >= 2,
        "a process may open only {descriptors} descriptors here"
    );
    if !left_out.is_empty() {
        eprintln!("left out for lack of descriptors: {left_out:?} connections");
    }
    let own = grow(Kind::WhisperChat, &counts)?;
    let rival = grow(Kind::Echo, &counts)?;
    if support::is_test_run() {
        // So few connections fit into what was resident before.
        return Ok(());
    }
    print_table(&own, &rival);
    Ok(())
}

fn print_table(own: &[Reading], rival: &[Reading]) {
    println!("\n| connections | bytes for each, waiting | bytes for each, bare echo | ratio |");
    println!("|---|---|---|---|");
    let row = |from: usize, to: usize, mark: &str| {
        let [waiting, echo] = [own, rival].map(|readings| slope(&readings[from], &readings[to]));
        let [from, to] = [own[from].connections, own[to].connections];
        let ratio = waiting / echo;
        println!("| {from} to {to} | {mark}{waiting:.0}{mark} | {echo:.0} | {ratio:.2} |");
    };
    for to in 1..own.len() {
        row(to - 1, to, "");
    }
    row(0, own.len() - 1, "**");
}
