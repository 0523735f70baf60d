//! What is promised, under load and over real sockets: `cargo bench --bench promises`.
//!
//! - `arrivals`: how long until somebody is matched for whom an eligible partner already waits
//! - `loss`: a fifth of all who chat lose their connections at once and resume; nothing of what was said is
//!   lost or comes twice
//!
//! The server as operators run it, in a process of its own on the loopback interface, with half of the
//! cores' worth of threads; the clients in this process, with the rest.
//!
//! Figures that miss their target are marked. Only what must never happen, such as a lost message, makes the
//! bench fail: how fast a machine is, and what else it does, is not the server's to promise.

mod arrivals;
mod loss;
#[path = "../support/mod.rs"]
mod support;

use hdrhistogram::Histogram;
use std::io;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};
use support::program::{Program, own_processor_s};

/// The same allocator as the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How threads are shared out.
#[derive(Debug, Clone, Copy)]
struct Threads {
    server: usize,
    load: usize,
}

impl Threads {
    fn of_this_machine() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let server = (cores / 2).max(1);
        let load = (cores - server).max(1);
        Self { server, load }
    }
}

/// Who used how much of the processors since when.
struct Usage {
    start: Instant,
    server_s: f64,
    load_s: f64,
}

impl Usage {
    fn start(program: &Program) -> Self {
        Self {
            start: Instant::now(),
            server_s: program.processor_s(),
            load_s: own_processor_s(),
        }
    }

    /// In words, with a warning where figures are not the server's.
    fn describe(&self, program: &Program, threads: Threads) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        let server = (program.processor_s() - self.server_s) / seconds;
        let load = (own_processor_s() - self.load_s) / seconds;
        let cores = format!("cores used: server {server:.2}, load {load:.2}");
        let [server, load] = [server / threads.server as f64, load / threads.load as f64];
        if load >= 0.9 && load > server {
            format!("{cores}; **the load is the bottleneck**")
        } else if server < 0.9 && load >= server {
            format!("{cores}; neither had its cores to itself, or the load is the slower half")
        } else {
            cores
        }
    }
}

/// Times, to three digits.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        Self(Histogram::new(3).expect("three digits are allowed"))
    }

    fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).expect("no run lasts for centuries");
        self.0 += ns;
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// Cells of a table: p50, p90, p99, p99.9 and the longest, in ms. Targets that were missed are marked.
    fn cells(&self, p50_max: Duration, p99_max: Duration) -> String {
        let cell = |time: Duration, max: Duration| {
            let mark = if time > max { " (missed)" } else { "" };
            format!("{:.2}{mark}", time.as_secs_f64() * 1e3)
        };
        [
            cell(self.at(0.5), p50_max),
            cell(self.at(0.9), Duration::MAX),
            cell(self.at(0.99), p99_max),
            cell(self.at(0.999), Duration::MAX),
            cell(self.max(), Duration::MAX),
        ]
        .join(" | ")
    }
}

fn main() -> io::Result<ExitCode> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let threads = Threads::of_this_machine();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.load)
        .enable_all()
        .build()?;
    println!(
        "{} thread(s) for the server, {} for the load",
        threads.server, threads.load
    );
    runtime.block_on(arrivals::measure(threads))?;
    let violations = runtime.block_on(loss::measure(threads))?;
    Ok(if violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
