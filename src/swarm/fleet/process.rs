//! A process of a run: from the side of who starts it, and from its own.

use crate::swarm::tally::{Gauges, Part};
use crate::swarm::worker::{self, Assignment, Order};
use std::io::{self, Write as _};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// The subcommand that a process of a run is started with.
pub const WORKER: &str = "swarm-worker";

/// What comes from the processes.
pub(super) enum News {
    Part(usize, Box<Part>),
    /// Nothing comes any more.
    Ended(usize),
}

/// A process of the run.
pub(super) struct Worker {
    /// Ended when dropped.
    _child: Child,
    orders: ChildStdin,
    pub(super) gauges: Gauges,
    pub(super) is_ready: bool,
    pub(super) has_told_all: bool,
    pub(super) has_ended: bool,
    /// When it told last, and the processor time it had used by then; the same when the scenario began.
    pub(super) used: (u64, f64),
    pub(super) used_at_begin: Option<(u64, f64)>,
    pub(super) used_at_end: Option<(u64, f64)>,
}

/// Starts a process and hands on what it tells.
pub(super) async fn start(assignment: Assignment, news: mpsc::Sender<News>) -> io::Result<Worker> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Not in the terminal's group: what interrupts the run is for the parent to tell.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let no_pipe = || io::Error::other("no pipe to it");
    let mut orders = child.stdin.take().ok_or_else(no_pipe)?;
    let stdout = child.stdout.take().ok_or_else(no_pipe)?;
    send(&mut orders, &assignment).await?;
    let index = assignment.share.process as usize;
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(part) = serde_json::from_str(&line) else {
                break;
            };
            if news.send(News::Part(index, Box::new(part))).await.is_err() {
                return;
            }
        }
        // Nobody hears it only when the run is over.
        let _ = news.send(News::Ended(index)).await;
    });
    Ok(Worker {
        _child: child,
        orders,
        gauges: Gauges::default(),
        is_ready: false,
        has_told_all: false,
        has_ended: false,
        used: (0, 0.0),
        used_at_begin: None,
        used_at_end: None,
    })
}

async fn send(orders: &mut ChildStdin, what: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    orders.write_all(line.as_bytes()).await
}

impl Worker {
    /// Tells it something.
    pub(super) async fn order(&mut self, order: Order) {
        // One that has ended says so itself.
        let _ = send(&mut self.orders, &order).await;
    }
}

/// What a process of a run does: reads its assignment from standard input, and writes what it sees to
/// standard output.
///
/// # Errors
/// If nobody is there who has started it.
pub fn work() -> io::Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let assignment = serde_json::from_str(&line)?;
    let (order, orders) = mpsc::channel(4);
    // Standard input can't be waited for without a thread. It ends with the process.
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            let Ok(sent) = serde_json::from_str(&line) else {
                return;
            };
            if order.blocking_send(sent).is_err() {
                return;
            }
        }
    });
    let tell = |part: Part| {
        let mut line = serde_json::to_string(&part)?;
        line.push('\n');
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(worker::run(assignment, orders, tell))
}
