//! `whisperchat check-config`: says whether the settings can be used, what they are, and where each came from.

use super::ConfigArgs;
use crate::config::Config;
use crate::server::Server;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let (config, listing) = Config::explain(&args.sources())?;
    Server::check_files(&config)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "# The configuration is good. In force would be:")?;
    write!(out, "{listing}")?;
    Ok(ExitCode::SUCCESS)
}
