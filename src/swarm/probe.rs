//! Asks the server what it is before a crowd comes.

use super::frame::{self, Frame};
use super::link::{self, OpenError, Opened, Way};
use super::people::Bounds;
use super::plan::Plan;
use super::target::Target;
use super::tokens::Tokens;
use super::wire::{Dialect, Heard, Welcome};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// How long a v1 server may take to greet.
const WELCOME_MAX: Duration = Duration::from_secs(10);

/// The server can't be measured. Each names its address.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody there.
    #[error("{server}: no connection: {reason}")]
    NotThere {
        /// Its address.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// It refuses.
    #[error("{server}{path}: refused: {reason}")]
    Refused {
        /// Its address.
        server: String,
        /// Where it was asked.
        path: &'static str,
        /// Its answer.
        reason: String,
    },
    /// It speaks something else.
    #[error("{server}{path} does not speak the {dialect} dialect: {reason}; {hint}")]
    SomethingElse {
        /// Its address.
        server: String,
        /// Where it was asked.
        path: &'static str,
        /// The dialect that was tried.
        dialect: &'static str,
        /// What was heard instead.
        reason: String,
        /// What else could be meant.
        hint: &'static str,
    },
    /// Messages would be too long for it.
    #[error(
        "{server} takes texts of up to {max} characters: --bytes must be at most that, not {asked}"
    )]
    TooLong {
        /// Its address.
        server: String,
        /// What it takes.
        max: u64,
        /// What was asked for.
        asked: usize,
    },
    /// So many can't be out of each other's reach.
    #[error(
        "{server} takes no range under {range_min_km} km, so {connections} people can't be out of each \
         other's reach: take fewer --connections, or a server with a smaller privacy.min_range_km"
    )]
    TooNear {
        /// Its address.
        server: String,
        /// Its smallest range.
        range_min_km: f64,
        /// How many were asked for.
        connections: u32,
    },
}

/// Connects once in each dialect of the run, and learns what the server does with positions.
///
/// # Errors
/// [`ProbeError`] if it can't be measured like this.
pub(super) async fn probe(plan: &Plan, tokens: &Tokens) -> Result<Bounds, ProbeError> {
    let server = plan.server.to_string();
    let bounds = if plan.classic < 1.0 {
        let welcome = greeted(&plan.server, tokens).await?;
        if welcome.text_max_chars < plan.bytes_max as u64 {
            return Err(ProbeError::TooLong {
                server,
                max: welcome.text_max_chars,
                asked: plan.bytes_max,
            });
        }
        bounds_of(&welcome)
    } else {
        // Most of what is known of positions a server tells only in the other dialect, if it has it.
        let welcome = greeted(&plan.server, tokens).await;
        welcome.map_or(Bounds::UNKNOWN, |welcome| bounds_of(&welcome))
    };
    if plan.classic > 0.0 {
        goodbye(opened(&plan.server, Dialect::Classic, tokens).await?).await;
    }
    if !plan.people(bounds).are_apart() {
        return Err(ProbeError::TooNear {
            server,
            range_min_km: bounds.range_min_km,
            connections: plan.connections,
        });
    }
    Ok(bounds)
}

fn bounds_of(welcome: &Welcome<'_>) -> Bounds {
    Bounds {
        range_min_km: welcome.range_min_km,
        range_max_km: welcome.range_max_km,
        grid_km: Some(welcome.grid_km),
    }
}

async fn opened(target: &Target, dialect: Dialect, tokens: &Tokens) -> Result<Opened, ProbeError> {
    let way = Way {
        dialect,
        source: None,
        is_narrow: false,
        token: tokens.of(0),
    };
    let server = || target.to_string();
    link::open(target, way).await.map_err(|error| match error {
        OpenError::Io(error) => ProbeError::NotThere {
            server: server(),
            reason: words(&error),
        },
        OpenError::Timeout => ProbeError::NotThere {
            server: server(),
            reason: error.to_string(),
        },
        OpenError::Status(401 | 403 | 429 | 503) => ProbeError::Refused {
            server: server(),
            path: dialect.path(),
            reason: error.to_string(),
        },
        OpenError::Status(_) | OpenError::NoWebSocket => {
            something_else(target, dialect, error.to_string())
        }
    })
}

async fn greeted(target: &Target, tokens: &Tokens) -> Result<Welcome<'static>, ProbeError> {
    let mut opened = opened(target, Dialect::V1, tokens).await?;
    let welcome = timeout(WELCOME_MAX, welcome(&mut opened)).await;
    goodbye(opened).await;
    welcome
        .unwrap_or_else(|_| Err("it says nothing".to_owned()))
        .map_err(|reason| something_else(target, Dialect::V1, reason))
}

/// Reads the first message, which has to be a `welcome`.
async fn welcome(opened: &mut Opened) -> Result<Welcome<'static>, String> {
    loop {
        let split = Frame::split(&opened.early).map_err(|error| error.to_string())?;
        if let Some((frame, _)) = split {
            let text = str::from_utf8(frame.payload).unwrap_or_default();
            let heard = Dialect::V1.read(text).map_err(|error| error.to_string())?;
            return match heard {
                Heard::Welcome(welcome) => Ok(Welcome {
                    resume_token: welcome.resume_token.into_owned().into(),
                    ..welcome
                }),
                _ => Err("its first message is no welcome".to_owned()),
            };
        }
        let read = opened.stream.read_buf(&mut opened.early).await;
        if read.map_err(|error| words(&error))? == 0 {
            return Err("it ended the connection".to_owned());
        }
    }
}

/// Ends a connection as clients do, so that the server keeps nothing of it.
async fn goodbye(mut opened: Opened) {
    let mut close = Vec::new();
    frame::write(frame::CLOSE, &1000_u16.to_be_bytes(), &mut close);
    // Whatever becomes of it, the connection ends here.
    let _ = opened.stream.write_all(&close).await;
}

fn something_else(target: &Target, dialect: Dialect, reason: String) -> ProbeError {
    let (name, hint) = match dialect {
        Dialect::V1 => (
            "v1",
            "if it is a server of the classic dialect, say --classic 1",
        ),
        Dialect::Classic => ("classic", "if it is a server of v1 only, say --classic 0"),
    };
    ProbeError::SomethingElse {
        server: target.to_string(),
        path: dialect.path(),
        dialect: name,
        reason,
        hint,
    }
}

/// What the system says of a failure, without its number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        io::ErrorKind::UnexpectedEof => "it ends the connection without an answer".to_owned(),
        kind => kind.to_string(),
    }
}
