//! `whisperchat check-config`: says whether the settings can be used, and what they are.

use super::ConfigArgs;
use crate::server::Server;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    Server::check_files(&config)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "# The configuration is good. In force would be:")?;
    write!(out, "{}", toml::to_string(&config)?)?;
    Ok(ExitCode::SUCCESS)
}
