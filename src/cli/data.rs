//! `whisperchat data`: what is kept of somebody, shown or forgotten on their request, and a backup.

use super::{ConfigArgs, now_ms, store};
use crate::store::{Erased, NewAudit, Store, Subject};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Who does what this command does, in the audit log.
const ACTOR: &str = "command line";

/// What is said of somebody who is not known.
const NOTHING: &str = "nothing is kept of them";

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Print what is kept of somebody, as JSON for them
    ///
    /// That are the reports that they made, when and why they were reported and what came of it, their bans, and how
    /// many calls of the webhook wait to tell of any of that.
    /// What others said of them, and who those are, is not in it. The audit log keeps that it was done, not of whom.
    Export(SubjectArgs),
    /// Forget somebody
    ///
    /// Gone are who made their reports with their notes and the evidence, whom reports of them mean, and bans that
    /// are over. Bans in force stay until they end, with the reports that led to them, and are counted. The audit
    /// log keeps that it was done, not of whom.
    Erase(SubjectArgs),
    /// Write a copy of the embedded database into a new file, while the server runs or not
    ///
    /// To put it back: stop the server, put the file in the place of whisperchat.db in the store's folder, remove
    /// whisperchat.db-wal and whisperchat.db-shm there, start the server. PostgreSQL has tools of its own for this.
    Backup(BackupArgs),
}

#[derive(Debug, Args)]
struct SubjectArgs {
    /// Who it is: the 32 hexadecimal digits that reports and bans show
    #[arg(long, value_name = "ID")]
    subject: Subject,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct BackupArgs {
    /// The file, which must not be there yet
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: DataArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        DataCommand::Export(args) => export(args).await?,
        DataCommand::Erase(args) => erase(args).await?,
        DataCommand::Backup(args) => backup(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(args: SubjectArgs) -> anyhow::Result<()> {
    let store = open(&args.config).await?;
    let kept = store.export(args.subject).await?;
    let entry = NewAudit {
        at_ms: now_ms()?,
        actor: ACTOR.to_owned(),
        action: "person.export".to_owned(),
        target: "person".to_owned(),
        detail: json!({}),
    };
    store.add_audit(&entry).await?;
    store.close().await;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &kept)?;
    writeln!(out)?;
    let lists = kept.as_object().into_iter().flat_map(|kept| kept.values());
    if lists
        .filter_map(|value| value.as_array())
        .all(Vec::is_empty)
    {
        eprintln!("{NOTHING}");
    }
    Ok(())
}

async fn erase(args: SubjectArgs) -> anyhow::Result<()> {
    let store = open(&args.config).await?;
    let erased = store.erase(args.subject, ACTOR, now_ms()?).await?;
    store.close().await;
    let mut out = std::io::stdout().lock();
    if erased == Erased::default() {
        writeln!(out, "{NOTHING}")?;
        return Ok(());
    }
    let by = counted(erased.reports_by, "report");
    let of = counted(erased.reports_of, "report");
    writeln!(out, "forgotten: who made {by}")?;
    writeln!(out, "forgotten: who is meant by {of}")?;
    writeln!(
        out,
        "forgotten: {} already over",
        counted(erased.bans, "ban")
    )?;
    if erased.bans_kept > 0 {
        let bans = counted(erased.bans_kept, "ban");
        let reports = counted(erased.reports_kept, "report");
        writeln!(
            out,
            "kept: {bans} in force, and {reports} that led there; ask again when that is over"
        )?;
    }
    Ok(())
}

/// "1 report", "2 reports"
fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

async fn backup(args: BackupArgs) -> anyhow::Result<()> {
    let store = open(&args.config).await?;
    store.backup(&args.file).await?;
    store.close().await;
    let mut out = std::io::stdout().lock();
    writeln!(out, "written: {}", args.file.display())?;
    Ok(())
}

async fn open(args: &ConfigArgs) -> anyhow::Result<Store> {
    Ok(store::open(&args.load()?.store).await?.store)
}
