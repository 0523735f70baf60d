//! `whisperchat admin`: accounts of those who look after the server, for whoever has the machine.

use super::store::{self, Opened};
use super::{ConfigArgs, now_ms};
use crate::accounts::opaque::Opaque;
use crate::accounts::{AccountName, Role};
use crate::config::{AdminListen, Config};
use crate::store::{Account, AccountChange, By, Invitation, NewAccount, PAGE_MAX, Store};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use std::io::Write as _;
use std::process::ExitCode;

/// Who does what this command does, in the audit log.
const ACTOR: &str = "command line";

/// How long an invitation is good, in ms, and in words.
const INVITATION_MS: i64 = 3 * 24 * 3600 * 1000;
const INVITATION_WORDS: &str = "three days";

/// What can't be said of single settings.
const HELP: &str = "It changes the store directly, while the server runs or not, so it must run as whoever the server \
    runs as, with the same settings. As soon as there is an account, operators must log in; docs/operators-access.md \
    says how.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make an account, and print the invitation by which its owner takes it
    ///
    /// The first account is made so; its owner, an admin, can make the others on the board.
    Create(CreateArgs),
    /// List all accounts
    List(ListArgs),
    /// Let an account in no more, and end its sessions
    Disable(NameArgs),
    /// Take from an account its password, second factor and sessions, and print a new invitation
    ///
    /// For whoever has lost them. A disabled account is enabled by it.
    Reset(NameArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What it is called: 2 to 32 of a-z, 0-9, `.`, `_` and `-`, a letter first
    name: AccountName,
    /// What it is for: viewer, moderator or admin
    #[arg(long, default_value = "admin")]
    role: Role,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// What it is called
    name: AccountName,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: AdminArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        AdminCommand::Create(args) => create(args).await?,
        AdminCommand::List(args) => list(args).await?,
        AdminCommand::Disable(args) => disable(args).await?,
        AdminCommand::Reset(args) => reset(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    args.name.check_new()?;
    let config = args.config.load()?;
    let opened = store::open_or_make(&config.store).await?;
    let (invitation, code) = invite()?;
    let new = NewAccount {
        name: args.name,
        role: args.role,
        invitation,
    };
    let account = opened.store.add_account(&new, by()?).await;
    opened.store.close().await;
    print_invitation(&config, &opened.place, &account?, &code)
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let Opened { store, place } = store::open(&config.store).await?;
    let page = store.accounts(None, PAGE_MAX).await;
    store.close().await;
    let accounts = page?.rows;
    let mut out = std::io::stdout().lock();
    if accounts.is_empty() {
        writeln!(out, "no accounts in {place}")?;
    }
    for account in accounts {
        let state = match &account.password {
            _ if account.is_disabled() => "disabled",
            None => "invited",
            Some(_) => "active",
        };
        let factor = if account.has_factor() {
            "with a second factor"
        } else {
            "without a second factor"
        };
        let (name, role) = (account.name.as_str(), account.role.as_str());
        writeln!(out, "{name:32} {role:9} {state:8} {factor}")?;
    }
    Ok(())
}

async fn disable(args: NameArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let Opened { store, place } = store::open(&config.store).await?;
    let account = named(&store, &args.name).await?;
    let change = AccountChange {
        is_disabled: Some(true),
        ..unchanged(&account)
    };
    let changed = store.change_account(change, by()?).await;
    store.close().await;
    changed?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "in {place}: {} is let in no more, and their sessions have ended",
        args.name.as_str()
    )?;
    Ok(())
}

async fn reset(args: NameArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let Opened { store, place } = store::open(&config.store).await?;
    let account = named(&store, &args.name).await?;
    let (invitation, code) = invite()?;
    let account = store
        .reset_account(unchanged(&account), &invitation, by()?)
        .await;
    store.close().await;
    print_invitation(&config, &place, &account?, &code)
}

/// Whoever has the machine may take away the last admin, and make another.
fn unchanged(account: &Account) -> AccountChange {
    AccountChange {
        id: account.id,
        version: account.version,
        role: None,
        is_disabled: None,
        keeps_an_admin: false,
    }
}

async fn named(store: &Store, name: &AccountName) -> anyhow::Result<Account> {
    let account = store.account_named(name).await?;
    account.with_context(|| format!("there is no account {}", name.as_str()))
}

fn invite() -> anyhow::Result<(Invitation, Opaque)> {
    let mut random = StdRng::try_from_rng(&mut SysRng).context("the system has no randomness")?;
    let code = Opaque::draw(&mut random);
    let invitation = Invitation {
        digest: code.digest(),
        expires_at_ms: now_ms()? + INVITATION_MS,
    };
    Ok((invitation, code))
}

/// Says how to go on. The code goes to standard output alone, and is kept nowhere.
fn print_invitation(
    config: &Config,
    place: &str,
    account: &Account,
    code: &Opaque,
) -> anyhow::Result<()> {
    let (name, role, code) = (account.name.as_str(), account.role, code.to_wire());
    let board = match config.admin_listen {
        AdminListen::At(address) if !address.ip().is_unspecified() => address.to_string(),
        AdminListen::At(_) | AdminListen::Off => "the board’s address".to_owned(),
        AdminListen::Auto => AdminListen::USUAL.to_string(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "in {place}:")?;
    writeln!(
        out,
        "{name} ({role}) takes the account here, once, within {INVITATION_WORDS}:"
    )?;
    writeln!(out, "  http://{board}/#invitation={code}")?;
    Ok(())
}

fn by() -> anyhow::Result<By<'static>> {
    Ok(By {
        actor: ACTOR,
        at_ms: now_ms()?,
    })
}
