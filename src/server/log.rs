//! The log: lines on standard error, for people or for programs, at a level that can change.
//!
//! There is one for the process, as there is one standard error. Lines are written by a thread of their own. If
//! nobody reads them in time they are dropped and counted, rather than hold up the server.

use crate::config::log::LEVEL_ALLOWED;
use crate::config::{self, Log, LogFormat};
use parking_lot::Mutex;
use std::io::{IsTerminal as _, stderr};
use std::sync::OnceLock;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Lines that may wait to be written.
const LINES_WAITING_MAX: usize = 8192;

static CONTROL: OnceLock<Control> = OnceLock::new();

/// What is kept of the log to change it, and to end it well.
struct Control {
    filter: reload::Handle<EnvFilter, Registry>,
    level: Mutex<String>,
    dropped: ErrorCounter,
    writer: Mutex<Option<WorkerGuard>>,
}

/// Why the log can't be as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level can't be read.
    #[error("a level {LEVEL_ALLOWED}, not {0:?}")]
    NotALevel(String),
    /// This process logs in its own way, or has begun to already.
    #[error("the log of this process is not the server's")]
    NotOurs,
}

/// Begins to log, once in the life of a process.
///
/// # Errors
/// [`LogError`] if the level can't be read, or the process logs already.
pub fn start(log: &Log) -> Result<(), LogError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING_MAX)
        .thread_name("log")
        .finish(stderr());
    let dropped = writer.error_counter();
    let is_terminal = stderr().is_terminal();
    let lines = fmt::layer().with_writer(writer);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto if !is_terminal => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto | LogFormat::Human => lines.with_ansi(is_terminal).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| LogError::NotOurs)?;
    let control = Control {
        filter: handle,
        level: Mutex::new(log.level.clone()),
        dropped,
        writer: Mutex::new(Some(guard)),
    };
    CONTROL.set(control).map_err(|_| LogError::NotOurs)
}

/// Waits until what was logged is written, for a moment at most. Nothing is logged after it.
pub fn finish() {
    if let Some(control) = CONTROL.get() {
        drop(control.writer.lock().take());
    }
}

/// Logs at another level from now on.
///
/// # Errors
/// [`LogError`] if it can't be read, or the log is not the server's. Nothing has changed then.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    let control = CONTROL.get().ok_or(LogError::NotOurs)?;
    let mut current = control.level.lock();
    control
        .filter
        .reload(filter)
        .map_err(|_| LogError::NotOurs)?;
    level.clone_into(&mut current);
    Ok(())
}

/// The level in force, if the log is the server's.
pub fn level() -> Option<String> {
    CONTROL.get().map(|control| control.level.lock().clone())
}

/// How many lines were dropped because nobody read them in time.
pub(super) fn dropped_lines() -> u64 {
    CONTROL
        .get()
        .map_or(0, |control| control.dropped.dropped_lines() as u64)
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    config::log::filter(level).ok_or_else(|| LogError::NotALevel(level.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_cannot_be_read_is_refused_with_what_could() {
        let error = set_level("loud=loud=loud").unwrap_err().to_string();
        assert!(
            error.contains("loud=loud=loud") && error.contains("debug"),
            "{error}"
        );
    }

    #[test]
    fn the_log_of_somebody_else_is_not_changed() {
        assert!(matches!(set_level("debug"), Err(LogError::NotOurs)));
        assert_eq!(level(), None);
    }
}
