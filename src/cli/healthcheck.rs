//! `whisperchat healthcheck`: asks a running server's operators' listener, for containers and scripts.

use super::ConfigArgs;
use crate::config::AdminListen;
use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use serde_json::Value;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// More than any answer that is asked for, head included.
const ANSWER_MAX_BYTES: u64 = 16 * 1024;

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "ready",
        value_parser = target,
        help = "Ask here, such as http://127.0.0.1:9090/livez [default: where `admin_listen` says]"
    )]
    url: Option<Target>,
    /// Ask whether it is ready for more people, not only whether it lives
    #[arg(long)]
    ready: bool,
    /// How many seconds the answer may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = timeout)]
    timeout: Duration,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Whom to ask for what.
#[derive(Debug, Clone)]
struct Target {
    host: String,
    path: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

fn target(url: &str) -> Result<Target, String> {
    if url.starts_with("https://") {
        return Err("TLS can't be asked: the operators' listener speaks plain http://".to_owned());
    }
    let rest = url
        .strip_prefix("http://")
        .ok_or("must be a URL such as http://127.0.0.1:9090/livez")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        return Err("needs a host and a port, such as http://127.0.0.1:9090/livez".to_owned());
    }
    Ok(Target {
        host: host.to_owned(),
        path: if path.is_empty() { "/" } else { path }.to_owned(),
    })
}

fn timeout(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.1..=60.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be 0.1 to 60 seconds".to_owned())
}

pub(super) fn run(args: HealthcheckArgs) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + args.timeout;
    let target = match args.url {
        Some(target) => target,
        None => default_target(&args.config, args.ready)?,
    };
    let (status, body) = get(&target, deadline).with_context(|| target.to_string())?;
    ensure!(
        is_of_health(&body),
        "{target}: answers with {status}, but not how a server is; ask for /livez or /readyz where operators do"
    );
    ensure!(status == 200, "{target}: {status} {}", body.trim());
    println!("{}", body.trim());
    Ok(ExitCode::SUCCESS)
}

/// Whether it is what `/livez` and `/readyz` answer, or why they don't: a page would be one of somebody else's.
fn is_of_health(body: &str) -> bool {
    let answer: Option<Value> = serde_json::from_str(body).ok();
    answer.is_some_and(|answer| answer.get("status").is_some())
}

/// Where the settings say that operators ask. Who listens everywhere is asked on this machine.
fn default_target(config: &ConfigArgs, is_ready_asked: bool) -> anyhow::Result<Target> {
    let mut address = match config.load()?.admin_listen {
        AdminListen::Off => bail!("nowhere to ask: `admin_listen` is off; set it, or give --url"),
        AdminListen::Auto => AdminListen::USUAL,
        AdminListen::At(address) => address,
    };
    ensure!(
        address.port() != 0,
        "`admin_listen` leaves the port to the system, so it is not known here; give --url"
    );
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(Target {
        host: address.to_string(),
        path: if is_ready_asked { "/readyz" } else { "/livez" }.to_owned(),
    })
}

/// The status and the body of the answer.
fn get(target: &Target, deadline: Instant) -> anyhow::Result<(u16, String)> {
    let Target { host, path } = target;
    let mut addresses = host.to_socket_addrs()?;
    let address = addresses.next().context("no such host")?;
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let answer = read_until(stream, deadline)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.").and_then(|head| head.get(2..5));
    let status = status.and_then(|status| status.parse().ok());
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}

fn read_until(stream: TcpStream, deadline: Instant) -> anyhow::Result<String> {
    let mut answer = Vec::new();
    let mut stream = stream.take(ANSWER_MAX_BYTES);
    let mut chunk = [0; 1024];
    loop {
        stream.get_ref().set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut chunk)? {
            0 => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// How long an answer may still take.
fn left(deadline: Instant) -> anyhow::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| anyhow!("no answer in time"))
}
