//! `whisperchat print-config`: the defaults, as a file to begin with.

use crate::config::Config;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", Config::commented_defaults())?;
    Ok(ExitCode::SUCCESS)
}
