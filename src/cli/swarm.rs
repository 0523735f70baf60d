//! `whisperchat swarm`: drives a server with many people, and says how it does.

mod progress;

use super::EXIT_USAGE;
use super::signals::stop_on_signal;
use crate::swarm::{self, Condition, Machine, Options, Outcome, Plan, Tokens};
use anyhow::Context as _;
use clap::Args;
use progress::Progress;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the system keeps which ports it gives to connections.
const PORTS_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// How many those are if that can't be read.
const PORTS_DEFAULT: u32 = 28_232;

const AFTER_HELP: &str = "\
Scenarios:
  idle     people connect and wait, far from everybody
  crowd    people of the world's cities arrive at a rate, are matched, talk, and go or look for \
somebody else
  chat     pairs exchange messages at a rate
  storm    pairs chat; all lose their connections at once, and come back
  slow     in some pairs one does not read what the other says without end
  stadium  all are in one place, and all join at once

Whatever happens is scheduled beforehand and happens whether or not the server keeps up; times count from \
the moment something was meant to happen. A match out of range, or a message that is lost, doubled, out of \
order or not the partner's, fails the run.

A file given by --plan has the same options, with _ for - in their names, such as:
  scenario = \"chat\"
  connections = 10_000
  messages = \"1000..50000\"
  fail_if = [\"relay.p99>5ms\"]

Exit status: 0 if all was well, 1 if the server broke a promise, let somebody never in, a --fail-if holds or \
there is no server, 2 for options that can't be used.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SwarmArgs {
    /// Options from a TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Runs one of the processes of a run.
pub(super) fn work() -> anyhow::Result<ExitCode> {
    swarm::work().context("this is started by `whisperchat swarm`, and not by hand")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn run(args: SwarmArgs) -> anyhow::Result<ExitCode> {
    let prepared = prepare(args);
    let (options, plan, tokens, conditions) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            eprintln!("whisperchat: {problem}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    // Before the run, so that an hour is not measured in vain.
    let json = options.json.as_deref().map(create).transpose()?;
    let html = options.html.as_deref().map(create).transpose()?;
    let stop = stop_on_signal(|| {}, || {})?;
    let mut progress = Progress::new(&plan);
    let running = swarm::run(&plan, &tokens, options.server_pid, stop, |moment| {
        progress.show(moment);
    });
    let outcome = running.await;
    progress.finish();
    let mut outcome = outcome?;
    outcome.judge(&conditions);
    report(&outcome, json, html)?;
    Ok(if outcome.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Everything that can be wrong before a server is asked.
fn prepare(args: SwarmArgs) -> Result<(Options, Plan, Tokens, Vec<Condition>), String> {
    let options = match &args.plan {
        Some(file) => args.options.or(read(file)?),
        None => args.options,
    };
    let conditions = options
        .fail_if
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Condition>, _>>()
        .map_err(|error| format!("--fail-if: {error}"))?;
    if options.json.is_some() && options.json == options.html {
        return Err("--json and --html name the same file: give each its own".to_owned());
    }
    let machine = Machine {
        open_files: rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024),
        ports: ports(),
    };
    let plan = Plan::new(&options, machine).map_err(|error| error.to_string())?;
    let tokens = match &options.token_file {
        Some(file) => read_tokens(file)?,
        None => Tokens::default(),
    };
    Ok((options, plan, tokens, conditions))
}

fn read(file: &Path) -> Result<Options, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("--plan {name}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("--plan {name}: {error}"))
}

fn read_tokens(file: &Path) -> Result<Tokens, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("--token-file {name}: {error}"))?;
    text.parse()
        .map_err(|error| format!("--token-file {name}: {error}"))
}

/// How many ports the system has for connections from one address to one server.
fn ports() -> u32 {
    let range = fs::read_to_string(PORTS_FILE).unwrap_or_default();
    let mut bounds = range.split_whitespace().map(str::parse::<u32>);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(first)), Some(Ok(last))) if first <= last => last - first + 1,
        _ => PORTS_DEFAULT,
    }
}

fn create(file: &Path) -> anyhow::Result<File> {
    File::create(file).with_context(|| format!("{} can't be written", file.display()))
}

fn report(outcome: &Outcome, json: Option<File>, html: Option<File>) -> anyhow::Result<()> {
    if let Some(mut file) = json {
        serde_json::to_writer_pretty(&file, &outcome.to_json()).context("--json")?;
        file.write_all(b"\n").context("--json")?;
    }
    if let Some(mut file) = html {
        file.write_all(outcome.to_html().as_bytes())
            .context("--html")?;
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{outcome}")?;
    out.flush()?;
    Ok(())
}
