//! `whisperchat chat`: the client in the terminal.
//!
//! Lines come in from [`input`], messages from [`connection`]; [`session`] says what to do about each, and
//! the loop here does it. Whatever is printed goes through [`screen`], which makes it harmless.

mod address;
mod args;
mod connection;
mod input;
mod screen;
mod session;
mod wire;
mod words;

pub(super) use args::ChatArgs;

use super::EXIT_USAGE;
use anyhow::bail;
use connection::{Connection, Received};
use futures_util::FutureExt as _;
use input::Input;
use screen::Screen;
use session::{Session, Step};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// The partner's client may forget after a while that somebody types: it is told again so often.
const TYPING_REPEAT: Duration = Duration::from_secs(5);

/// How long the end waits for the server to accept what was said last.
const ENDING_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(args: ChatArgs) -> anyhow::Result<ExitCode> {
    let criteria = match args.criteria() {
        Ok(criteria) => criteria,
        Err(why) => {
            eprintln!("whisperchat: {why}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let (connection, limits) = Connection::open(&args.server).await?;
    // Only now: who can't chat should not see a prompt.
    let mut input = Input::start()?;
    let started = Session::new(criteria, limits, input.is_script);
    let (session, steps) = started.map_err(anyhow::Error::msg)?;
    let mut talk = Talk {
        session,
        connection,
        screen: Screen::new(input.printer.take()),
        typing: OwnTyping::default(),
        unsent_ack: None,
    };
    let stop = StopSignals::new()?;
    let outcome = talk.run(steps, input.lines, input.typing, stop).await;
    talk.screen.finish();
    // Before an error is printed.
    drop(input.terminal);
    talk.connection.close().await;
    outcome
}

struct Talk {
    session: Session,
    connection: Connection,
    screen: Screen,
    typing: OwnTyping,
    /// An acknowledgement that waits for whatever has come already, since the last one counts for all. If each
    /// were sent, those on their way when the partner leaves would be as many mistakes.
    unsent_ack: Option<serde_json::Value>,
}

/// Whether the program goes on.
enum Flow {
    On,
    End,
}

impl Talk {
    async fn run(
        &mut self,
        first: Vec<Step>,
        mut lines: mpsc::Receiver<String>,
        mut keys: Option<watch::Receiver<bool>>,
        mut stop: StopSignals,
    ) -> anyhow::Result<ExitCode> {
        let mut steps = first;
        let mut ending_at = None;
        loop {
            if let Flow::End = self.perform(steps).await? {
                break;
            }
            if self.session.is_ending() {
                ending_at.get_or_insert_with(|| Instant::now() + ENDING_MAX);
            }
            if self.unsent_ack.is_some() {
                if let Some(received) = self.connection.receive().now_or_never() {
                    steps = self.received(received)?;
                    continue;
                }
                self.send_ack().await;
            }
            steps = tokio::select! {
                received = self.connection.receive() => self.received(received)?,
                line = lines.recv(), if self.session.wants_line() => self.entered(line),
                is_typing = next_key(&mut keys) => self.typed(is_typing),
                () = stop.received() => self.session.stopped(),
                () = until(ending_at) => self.session.stopped(),
            };
        }
        Ok(if self.session.has_succeeded() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn received(&mut self, received: Received) -> anyhow::Result<Vec<Step>> {
        match received {
            Received::Text(message) => Ok(self.session.heard(&message)),
            Received::End(farewell) => bail!(self.session.lost(farewell.as_ref())),
        }
    }

    async fn send_ack(&mut self) {
        if let Some(ack) = self.unsent_ack.take() {
            self.connection.send(&ack).await;
        }
    }

    async fn perform(&mut self, steps: Vec<Step>) -> anyhow::Result<Flow> {
        for step in steps {
            match step {
                Step::Send(message) if message["type"] == "ack" => self.unsent_ack = Some(message),
                Step::Send(message) => {
                    self.send_ack().await;
                    self.connection.send(&message).await;
                }
                Step::Show(line) => match self.screen.show(&line) {
                    // Whoever read along has had enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Flow::End),
                    shown => shown?,
                },
                Step::Close => {
                    self.send_ack().await;
                    return Ok(Flow::End);
                }
                Step::Fail(why) => bail!(why),
            }
        }
        Ok(Flow::On)
    }

    fn entered(&mut self, line: Option<String>) -> Vec<Step> {
        // A message that is sent says that nobody types it any more.
        self.typing.told_at = None;
        match line {
            Some(line) => {
                self.screen.line_was_entered();
                self.session.entered(line)
            }
            None => self.session.input_ended(),
        }
    }

    fn typed(&mut self, is_typing: bool) -> Vec<Step> {
        if self.typing.is_to_be_told(is_typing) {
            self.session.typing(is_typing)
        } else {
            Vec::new()
        }
    }
}

/// What the partner was told about this person's typing.
#[derive(Default)]
struct OwnTyping {
    told_at: Option<Instant>,
}

impl OwnTyping {
    fn is_to_be_told(&mut self, is_typing: bool) -> bool {
        if !is_typing {
            return self.told_at.take().is_some();
        }
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= TYPING_REPEAT);
        if is_due {
            self.told_at = Some(Instant::now());
        }
        is_due
    }
}

/// Whether a message is being typed, after the next key; never at a pipe.
async fn next_key(keys: &mut Option<watch::Receiver<bool>>) -> bool {
    if let Some(keys) = keys
        && keys.changed().await.is_ok()
    {
        return *keys.borrow_and_update();
    }
    std::future::pending().await
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// What asks a program to end from outside. At a terminal Ctrl-C is a key like others.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
