//! `whisperchat serve`: runs the server until it is asked to stop.

use super::ConfigArgs;
use crate::server::Server;
use anyhow::Context as _;
use clap::Args;
use std::io::{IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    log_to_stderr(&config.log.level)?;
    std::panic::set_hook(Box::new(log_panic));
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let server = Server::bind(config).await?;
            announce(&server)?;
            server.run(stop_on_signal()?).await;
            Ok(ExitCode::SUCCESS)
        })
}

fn log_to_stderr(level: &str) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(level).context("log.level")?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
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
    let mut out = std::io::stdout().lock();
    writeln!(out, "WhisperChat listens on http://{address}")?;
    writeln!(out, "  in a browser:  open http://{address} in two windows")?;
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "whisperchat".to_owned());
    writeln!(
        out,
        "  in a terminal: {program} chat --server ws://{address} --at 48.8566,2.3522 --range 50 --name ann"
    )?;
    if let Some(address) = server.admin_addr() {
        writeln!(out, "  for operators: http://{}/readyz", address?)?;
    }
    writeln!(
        out,
        "Up to {} connections. Ctrl-C stops.",
        server.connections_max()
    )?;
    out.flush()?;
    Ok(())
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        for is_second in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if is_second {
                tracing::warn!("stopped at once");
                std::process::exit(1);
            }
            stopping.cancel();
        }
    });
    Ok(stop)
}
