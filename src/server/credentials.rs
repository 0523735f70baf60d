//! What is read from files beside the settings, and read again when the files change.
//!
//! The files are looked at every few seconds. That needs no help from the system, works for files that are
//! written in place, renamed over or linked elsewhere, and costs nothing that could be measured.

use super::auth::Verifier;
use super::listen::ServerError;
use super::tls::{self, read_bounded};
use crate::config::Config;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use rustls::ServerConfig;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// What TLS is spoken with; `None` if connections are plain.
    tls: Option<ArcSwap<ServerConfig>>,
    /// What tokens are checked with; `None` if none are asked for.
    verifier: ArcSwapOption<Verifier>,
    seen: Mutex<Seen>,
}

/// What the files hold, as far as is needed to notice a change.
#[derive(Debug, Default)]
struct Seen {
    /// When they were last read to be used.
    used: u64,
    /// When they were last looked at, if that was something new. Two files can't be replaced at once, so
    /// what is new is used when it is the same twice.
    changing: Option<u64>,
}

impl Credentials {
    /// Reads what the settings name. A certificate that is out of date is used all the same: it is no worse
    /// than none, and the system's clock may be what is wrong.
    pub(super) fn load(config: &Config) -> Result<Self, ServerError> {
        let used = fingerprint(config);
        let pair = tls::load(&config.tls)?;
        if let Some(Err(error)) = pair.as_ref().map(|pair| &pair.validity) {
            tracing::error!(%error, "clients will refuse this certificate");
        }
        Ok(Self {
            tls: pair.map(|pair| ArcSwap::new(pair.config)),
            verifier: ArcSwapOption::from_pointee(Verifier::load(&config.auth)?),
            seen: Mutex::new(Seen {
                used,
                changing: None,
            }),
        })
    }

    /// What TLS is spoken with; `None` if connections are plain.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(ArcSwap::load_full)
    }

    /// What tokens are checked with; `None` if none are asked for.
    pub(super) fn verifier(&self) -> Option<Arc<Verifier>> {
        self.verifier.load_full()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads everything again, for connections to come. If any of it can't be used, all stays as it is.
    pub(super) fn reload(&self, config: &Config) -> Result<(), ServerError> {
        // Taken first: what changes while it is read is noticed the next time.
        let used = fingerprint(config);
        *self.seen.lock() = Seen {
            used,
            changing: None,
        };
        let pair = tls::load(&config.tls)?;
        let verifier = Verifier::load(&config.auth)?;
        if let (Some(current), Some(pair)) = (&self.tls, pair) {
            pair.validity?;
            current.store(pair.config);
        }
        self.verifier.store(verifier.map(Arc::new));
        Ok(())
    }

    /// Whether the files have changed since they were last read, and have stopped changing.
    pub(super) fn has_changed(&self, config: &Config) -> bool {
        let found = fingerprint(config);
        let mut seen = self.seen.lock();
        if found == seen.used {
            seen.changing = None;
            return false;
        }
        seen.changing.replace(found) == Some(found)
    }
}

/// Whether what the settings name can be used, at this time.
pub(super) fn check(config: &Config) -> Result<(), ServerError> {
    Verifier::load(&config.auth)?;
    if let Some(pair) = tls::load(&config.tls)? {
        pair.validity?;
    }
    Ok(())
}

/// Whether the settings name any file.
pub(super) fn are_named(config: &Config) -> bool {
    files(config).next().is_some()
}

/// Every file that the settings name.
fn files(config: &Config) -> impl Iterator<Item = &Path> {
    let (tls, auth) = (&config.tls, &config.auth);
    let files = [&tls.certificate, &tls.key, &auth.key, &auth.jwks];
    files.into_iter().flatten().map(PathBuf::as_path)
}

/// Tells one state of the files from another.
fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files(config) {
        let content = read_bounded(file).map_err(|error| error.kind());
        content.hash(&mut hasher);
    }
    hasher.finish()
}
