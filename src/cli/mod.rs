//! The command line: one file for each subcommand.

mod admin;
mod chat;
mod check_config;
mod completions;
mod data;
mod healthcheck;
mod man;
mod print_config;
mod serve;
mod signals;
mod store;
mod supervisor;
mod swarm;

use crate::config::{Config, ConfigError, Sources};
use crate::server::ServerError;
use crate::swarm::WORKER;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// The exit status for a command line or a configuration that can't be used, as clap's own.
const EXIT_USAGE: u8 = 2;

/// A chat server that pairs people who are each within the other's range.
#[derive(Debug, Parser)]
#[command(
    name = "whisperchat",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve(serve::ServeArgs),
    /// Chat in the terminal.
    Chat(chat::ChatArgs),
    /// Drive a server with many people, and see how it does.
    Swarm(Box<swarm::SwarmArgs>),
    /// Check the configuration, and show what would be in force.
    CheckConfig(ConfigArgs),
    /// Print the defaults as a configuration file, with what each setting is for.
    PrintConfig,
    /// Ask a running server whether it lives or is ready; the exit status is 0 if so, else 1.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Make, list, disable and reset accounts of those who look after the server.
    Admin(admin::AdminArgs),
    /// Show or forget what is kept of somebody, or write a backup.
    Data(data::DataArgs),
    /// Print what a shell needs to complete this program's arguments.
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write the page of each subcommand into a folder.
    Man(man::ManArgs),
}

/// What clap can't know of settings.
const SETTINGS_HELP: &str = "Settings are read from flags, then the environment, then the file, then \
    defaults; the first that has one wins. In the environment a setting is WHISPERCHAT_ and its key in \
    capitals with __ between levels, such as WHISPERCHAT_PRIVACY__POSITION_GRID_KM=5. \
    `whisperchat check-config` shows all of them with their values.";

/// Where settings come from.
#[derive(Debug, Args)]
#[command(after_help = SETTINGS_HELP)]
struct ConfigArgs {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE", env = "WHISPERCHAT_CONFIG")]
    config: Option<PathBuf>,
    /// Where people connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where operators look after the server, or off [default: 127.0.0.1:9090, if that is free]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// Any setting by its key, such as `log.level=debug`; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "must be KEY=VALUE, such as privacy.position_grid_km=5".to_owned())
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }

    fn sources(&self) -> Sources {
        let addresses = [
            ("listen", &self.listen),
            ("admin_listen", &self.admin_listen),
        ];
        let flags = addresses
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
            .chain(self.set.iter().cloned())
            .collect();
        Sources {
            file: self.config.clone(),
            flags,
        }
    }
}

/// Runs the command line and returns the exit status: 0 for success, 1 for failure, 2 for a command line
/// or a configuration that can't be used.
pub fn run() -> ExitCode {
    // Only a swarm starts this, so it is neither in the help nor in what shells complete.
    let is_of_swarm = std::env::args_os().nth(1).is_some_and(|arg| arg == WORKER);
    let outcome = if is_of_swarm {
        swarm::work()
    } else {
        obey(Cli::parse())
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("whisperchat: {error:#}");
        let server_error = error.downcast_ref::<ServerError>();
        if error.is::<ConfigError>() || server_error.is_some_and(ServerError::is_of_settings) {
            ExitCode::from(EXIT_USAGE)
        } else {
            ExitCode::FAILURE
        }
    })
}

fn obey(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(args),
        Command::Chat(args) => current_thread(chat::run(args)),
        Command::Swarm(args) => current_thread(swarm::run(*args)),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::PrintConfig => print_config::run(),
        Command::Healthcheck(args) => healthcheck::run(args),
        Command::Admin(args) => current_thread(admin::run(args)),
        Command::Data(args) => current_thread(data::run(args)),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(args),
    }
}

/// Milliseconds since the Unix epoch, as the store counts.
fn now_ms() -> anyhow::Result<i64> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_epoch.context("the clock is before 1970")?.as_millis();
    Ok(i64::try_from(millis)?)
}

fn current_thread(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        let cli = Cli::try_parse_from(["whisperchat", "--listen", "127.0.0.1:1"]).unwrap();
        assert!(cli.command.is_none());
        let config = cli.serve.config.load().unwrap();
        assert_eq!(config.listen.port(), 1);
    }

    #[test]
    fn a_setting_without_a_key_or_a_value_is_refused() {
        for set in ["listen", "=x"] {
            let error = Cli::try_parse_from(["whisperchat", "serve", "--set", set]).unwrap_err();
            assert!(error.to_string().contains("KEY=VALUE"), "{error}");
        }
    }
}
