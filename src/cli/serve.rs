//! `whisperchat serve`: runs the server until it is asked to stop.

use super::signals::stop_on_signal;
use super::{ConfigArgs, supervisor};
use crate::config;
use crate::server::{Inherited, Reloader, Server, log};
use crate::store::{Store, StoreError};
use clap::Args;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    // While this is the only thread.
    let inherited = Inherited::from_env()?;
    log::start(&config.log)?;
    std::panic::set_hook(Box::new(log_panic));
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let store = open_store(&config.store).await?;
            let server = Server::bind_with(config, inherited, store).await?;
            // Before anybody can know that the server is there, and stop it.
            let stop = stop_on_signal(supervisor::stopping, || {
                tracing::warn!("stopped at once");
                log::finish();
            })?;
            reload_on_signal(args.config, server.reloader())?;
            announce(&server)?;
            supervisor::ready();
            tokio::spawn(supervisor::keep_alive(server.census()));
            server.run(stop).await;
            Ok(ExitCode::SUCCESS)
        });
    log::finish();
    outcome
}

/// The store that the settings ask for. If they say nothing, what can't be had is done without.
async fn open_store(settings: &config::Store) -> anyhow::Result<Option<Store>> {
    let at = settings.at(|name| std::env::var_os(name));
    match Store::open(&at, &settings.opening()).await {
        Ok(store) => {
            tracing::info!(database = store.name(), "the store is open");
            Ok(Some(store))
        }
        Err(StoreError::Off) => Ok(None),
        // One that is there may have accounts: without it, everybody on this machine would be let in.
        Err(error @ StoreError::Open { .. }) if at.file().is_some_and(|file| may_exist(&file)) => {
            Err(error.into())
        }
        Err(error @ (StoreError::Unknown | StoreError::Open { .. }))
            if !settings.is_asked_for() =>
        {
            tracing::warn!(
                %error,
                "reports and bans will not outlast this process, and there are no accounts: operators on this machine \
                 need not log in"
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether there may be such a file: where a folder may not be looked into, nobody knows.
fn may_exist(file: &Path) -> bool {
    match file.metadata() {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    }
}

/// Logs where a panic happened; what it says only if that was written into the program, as a message put
/// together at run time could hold something personal.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload().downcast_ref::<&str>();
    tracing::error!(
        location,
        message,
        "a task panicked; its connection has ended"
    );
}

/// Says where the server is and how to try it.
fn announce(server: &Server) -> anyhow::Result<()> {
    let address = server.local_addr()?;
    let (http, ws) = if server.is_tls() {
        ("https", "wss")
    } else {
        ("http", "ws")
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "WhisperChat listens on {http}://{address}")?;
    writeln!(
        out,
        "  in a browser:  open {http}://{address} in two windows"
    )?;
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "whisperchat".to_owned());
    writeln!(
        out,
        "  in a terminal: {program} chat --server {ws}://{address} --at 48.8566,2.3522 --range 50 --name ann"
    )?;
    if let Some(address) = server.admin_addr() {
        writeln!(out, "  for operators: http://{}/", address?)?;
    }
    writeln!(
        out,
        "Up to {} connections. Ctrl-C stops.",
        server.connections_max()
    )?;
    out.flush()?;
    Ok(())
}

/// Each SIGHUP has the settings read again, and the files that they name.
fn reload_on_signal(args: ConfigArgs, reloader: Reloader) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            supervisor::reloading();
            if let Err(error) = reload(&args, &reloader) {
                tracing::error!("nothing was reloaded: {error:#}");
            }
            supervisor::ready();
        }
    });
    Ok(())
}

fn reload(args: &ConfigArgs, reloader: &Reloader) -> anyhow::Result<()> {
    let change = reloader.reload(&args.load()?)?;
    let changed = change.changed();
    // A level that an operator has set meanwhile stays, unless the file has another one now.
    if changed.contains(&"log.level") {
        log::set_level(&change.config.log.level)?;
    }
    if changed.is_empty() {
        tracing::info!("reloaded; nothing has changed of the settings in force");
    } else {
        tracing::info!(changed = changed.join(", "), "reloaded");
    }
    let waiting = change.needs_restart();
    if !waiting.is_empty() {
        tracing::warn!(
            settings = waiting.join(", "),
            "in force only after a restart"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::sync::{Arc, Mutex};
    use std::thread;

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a panic on this thread. The hook belongs to the whole process, where other tests
    /// may panic as well, so theirs still go where they went before.
    fn logged(panics: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let this_thread = thread::current().id();
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if thread::current().id() == this_thread {
                log_panic(panic);
            } else {
                before(panic);
            }
        }));
        let outcome = tracing::subscriber::with_default(subscriber, || catch_unwind(panics));
        let _ = take_hook();
        assert!(outcome.is_err(), "it was to panic");
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_nothing_made_up_at_run_time() {
        let written = logged(|| panic!("the room is not square"));
        let name = String::from("ann");
        let composed = logged(move || panic!("no place for {name}"));
        for line in [&written, &composed] {
            assert!(line.contains("ERROR"), "{line}");
            assert!(line.contains("src/cli/serve.rs:"), "{line}");
            assert!(line.contains("its connection has ended"), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
        assert!(written.contains("the room is not square"), "{written}");
        assert!(
            !composed.contains("ann") && !composed.contains("no place"),
            "{composed}"
        );
    }
}
