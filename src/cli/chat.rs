//! `whisperchat chat`: placeholder until the client lands.

use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct ChatArgs {}

pub(super) async fn run(_args: ChatArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not here yet")
}
