//! `whisperchat man`: the manual pages, in roff.

use super::Cli;
use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_mangen::Man;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for each subcommand into this folder, which must be there
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: ManArgs) -> anyhow::Result<ExitCode> {
    match args.dir {
        Some(folder) => clap_mangen::generate_to(Cli::command(), &folder)
            .with_context(|| format!("{}: cannot be written to", folder.display()))?,
        None => Man::new(Cli::command()).render(&mut std::io::stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}
