//! The settings: defaults, under a TOML file, under the environment, under flags.
//!
//! In the environment a setting is named `WHISPERCHAT_` and its key in capitals, `__` between levels:
//! `WHISPERCHAT_PRIVACY__POSITION_GRID_KM=0`. A key that doesn't exist is an error everywhere.

mod admin;
mod allowed;
mod endpoint;
mod extract;
mod listing;
pub(crate) mod log;
mod message_check;
mod mistakes;
mod moderation;
pub(crate) mod origin;
mod problem;
mod rates;
mod reference;
mod reload;
mod store;
mod telemetry;
mod webhook;

use crate::dialect::Bounds;
use crate::geo::{MAX_RANGE_KM, PrivacyGrid};
use extract::Extracted;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use admin::{Admin, AdminListen, Secret};
pub use log::{Log, LogFormat};
pub use message_check::{MessageCheck, WhenAway};
pub use moderation::Moderation;
pub use problem::ConfigError;
pub(crate) use rates::every;
pub use rates::{Rate, Rates};
pub use reload::Change;
pub use store::{Store, StoreUrl};
pub use telemetry::Telemetry;
pub use webhook::Webhook;

/// What every variable of the environment that is a setting begins with.
pub const ENV_PREFIX: &str = "WHISPERCHAT_";

/// Variables with the prefix that are not settings.
const ENV_NOT_SETTINGS: &[&str] = &["config"];

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where people connect.
    pub listen: SocketAddr,
    /// Where operators look after the server.
    pub admin_listen: AdminListen,
    /// What operators must show.
    pub admin: Admin,
    /// What is not kept of where people are.
    pub privacy: Privacy,
    /// Who is matched with whom.
    pub matching: Matching,
    /// Bounds of everything that could grow.
    pub limits: Limits,
    /// How often things may happen.
    pub rates: Rates,
    /// Who may connect.
    pub security: Security,
    /// What connections are encrypted with.
    pub tls: Tls,
    /// Which tokens clients need.
    pub auth: Auth,
    /// Where what must outlast the process is kept, and for how long.
    pub store: Store,
    /// What happens by itself to people who are reported.
    pub moderation: Moderation,
    /// Who is told of reports.
    pub webhook: Webhook,
    /// The service that messages are shown to before they are passed on.
    pub message_check: MessageCheck,
    /// What is logged.
    pub log: Log,
    /// Where spans of what the server does go.
    pub telemetry: Telemetry,
}

/// What is not kept of where people are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Side of the cells that positions are snapped to, in km, 0.01…1000; 0 keeps them as they are.
    pub position_grid_km: f64,
    /// The smallest range that is accepted, in km, above 0: a tiny range would tell where somebody is.
    pub min_range_km: f64,
}

/// Who is matched with whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The largest range that is accepted, in km.
    pub max_range_km: f64,
    /// How long two partners are not matched again after their chat, in s; 0: at once.
    pub rematch_cooloff_s: f64,
    /// How long anybody may wait, in s.
    pub max_wait_s: f64,
    /// After how many s of waiting the range of somebody who allows it is widened; 0: never.
    pub widen_step_s: f64,
    /// By what the range is multiplied then, above 1.
    pub widen_factor: f64,
    /// How long ago, in s, a connection may have been heard from to count as alive when it is matched.
    pub heard_within_s: f64,
    /// How long both of two that are matched have to be heard from, in s.
    pub confirm_s: f64,
}

/// Bounds of everything that could grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The longest message in bytes, 512…65536, after putting its fragments together.
    pub max_message_bytes: usize,
    /// How many WebSocket connections there may be at once; 0: as many as file descriptors allow.
    pub max_connections: usize,
    /// How many connections one address may have at once; 0: any number.
    pub address_connections: u32,
    /// Only count and log the connections that are too many for one address.
    pub address_connections_dry_run: bool,
    /// Of how many addresses it is remembered how often they have connected.
    pub max_addresses: usize,
    /// How long a connection may say nothing at first, in s.
    pub first_message_s: f64,
    /// How long a TLS handshake may take, in s.
    pub tls_handshake_s: f64,
    /// How long a request's head may take, in s.
    pub request_head_s: f64,
    /// How long the end of a connection may take after it was decided, in s.
    pub close_s: f64,
    /// How long something may wait to be sent to a client that takes none of it, in s.
    pub write_stall_s: u32,
    /// How many bytes may wait to be sent to one connection.
    pub outbox_bytes: usize,
    /// How many messages may wait to be sent to one connection.
    pub outbox_events: usize,
    /// How many errors a connection may cause within a minute before it is closed.
    pub errors_per_minute: usize,
    /// Only count and log the connections that cause too many errors.
    pub errors_dry_run: bool,
    /// After how many seconds of silence a client is pinged; 0: never.
    pub ping_s: u32,
    /// How many seconds a client has to answer a ping.
    pub pong_s: u32,
    /// For how many seconds a session can be resumed after its connection was lost; 0: not at all.
    pub resume_window_s: u32,
    /// How many sessions may wait to be resumed at once.
    pub max_away: usize,
    /// How many times somebody may change their position at once.
    pub moves_burst: u32,
    /// How many times a minute somebody may change their position for long; 0: as often as they like.
    pub moves_per_minute: f64,
    /// Only count and log the moves that are too many or too far.
    pub moves_dry_run: bool,
    /// How many km somebody may move at once; more at the speed of an airliner, 1080 km/h.
    pub moves_free_km: f64,
    /// Over how many seconds connections are ended when the server stops.
    pub drain_s: f64,
    /// Over how many seconds clients are asked to spread their return when the server stops.
    pub reconnect_spread_s: f64,
    /// How long stopping may take, in s.
    pub stop_s: f64,
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Origins, such as `https://chat.example` or `https://*.example.com`, whose pages may connect besides
    /// this server's own; `*` for all.
    pub allowed_origins: Vec<String>,
    /// Whether clients that name no origin, as programs do, may connect.
    pub allow_no_origin: bool,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// In which header they say whose request it is.
    pub forwarded_header: ForwardedHeader,
    /// Proxies whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol_from: Vec<IpNet>,
}

/// Where a proxy says whose request it is. Only one is read: in the other, a client could say what it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies write.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            allow_no_origin: true,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            proxy_protocol_from: Vec::new(),
        }
    }
}

/// What connections are encrypted with: both files, or none for plain connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the server's certificate, and after it those that lead from it to an authority.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
}

/// Which tokens clients need: none, or JSON Web Tokens that are checked by one algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// How tokens are signed; none are asked for if unset.
    pub algorithm: Option<AuthAlgorithm>,
    /// A file with the public key in PEM, or for HS256 with the secret as it is.
    pub key: Option<PathBuf>,
    /// A file with a JSON Web Key Set, instead of `key`.
    pub jwks: Option<PathBuf>,
    /// What a token's `iss` must be.
    pub issuer: Option<String>,
    /// What a token's `aud` must be, or be among.
    pub audience: Option<String>,
    /// By how many s the clock of who signs may be off.
    pub leeway_s: u16,
}

/// How tokens are signed (RFC 7518, section 3.1, and RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthAlgorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// RSA (PKCS #1, version 1.5) with SHA-256, by keys of 2048 bits or more.
    RS256,
    /// HMAC with SHA-256: whoever checks could sign as well.
    HS256,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: AdminListen::Auto,
            admin: Admin::default(),
            privacy: Privacy {
                position_grid_km: 1.0,
                min_range_km: 2.0,
            },
            matching: Matching {
                max_range_km: MAX_RANGE_KM,
                rematch_cooloff_s: 600.0,
                max_wait_s: 86_400.0,
                widen_step_s: 10.0,
                widen_factor: 1.5,
                heard_within_s: 2.0,
                confirm_s: 3.0,
            },
            limits: Limits {
                max_message_bytes: 8192,
                max_connections: 0,
                address_connections: 16,
                address_connections_dry_run: false,
                max_addresses: 100_000,
                first_message_s: 10.0,
                tls_handshake_s: 10.0,
                request_head_s: 5.0,
                close_s: 5.0,
                write_stall_s: 10,
                outbox_bytes: 65_536,
                outbox_events: 256,
                errors_per_minute: 20,
                errors_dry_run: false,
                ping_s: 25,
                pong_s: 8,
                resume_window_s: 60,
                max_away: 100_000,
                moves_burst: 5,
                moves_per_minute: 60.0,
                moves_dry_run: false,
                moves_free_km: 100_000.0,
                reconnect_spread_s: 10.0,
                drain_s: 10.0,
                stop_s: 20.0,
            },
            rates: Rates::default(),
            security: Security::default(),
            tls: Tls::default(),
            auth: Auth {
                algorithm: None,
                key: None,
                jwks: None,
                issuer: None,
                audience: None,
                leeway_s: 30,
            },
            store: Store::default(),
            moderation: Moderation::default(),
            webhook: Webhook::default(),
            message_check: MessageCheck::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
        }
    }
}

/// Where settings come from besides the defaults and the environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Settings by their dotted keys, as given on the command line; these win.
    pub flags: Vec<(String, String)>,
}

impl Config {
    /// Reads the settings from everywhere and checks them.
    ///
    /// # Errors
    /// [`ConfigError`] names every mistake with where it stands and what is allowed.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Self::read(sources).map(|(config, _)| config)
    }

    /// Reads and checks the settings, and lists them as a TOML file that says where each came from.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn explain(sources: &Sources) -> Result<(Self, String), ConfigError> {
        let (config, figment) = Self::read(sources)?;
        let listing = listing::explained(&config, &figment, sources);
        Ok((config, listing))
    }

    fn read(sources: &Sources) -> Result<(Self, Figment), ConfigError> {
        let figment = figment(sources)?;
        let Extracted { config, errors } = extract::extract(&figment);
        let mistakes = config.as_ref().map(Self::mistakes).unwrap_or_default();
        match config {
            Some(config) if errors.is_empty() && mistakes.is_empty() => Ok((config, figment)),
            _ => Err(ConfigError::of(&errors, &mistakes, &figment, sources)),
        }
    }

    /// What positions are snapped to.
    pub fn grid(&self) -> PrivacyGrid {
        PrivacyGrid::new(self.privacy.position_grid_km)
            .expect("checked when the settings were read")
    }

    /// The bounds that messages are read with.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            range_min_km: self.privacy.min_range_km,
            range_max_km: self.matching.max_range_km,
        }
    }
}

/// Seconds of a checked setting as a duration.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn figment(sources: &Sources) -> Result<Figment, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = &sources.file {
        figment = figment.merge(toml(file)?);
    }
    figment = figment.merge(
        Env::prefixed(ENV_PREFIX)
            .ignore(ENV_NOT_SETTINGS)
            .split("__"),
    );
    for (key, value) in &sources.flags {
        let value: Value = value.parse().unwrap_or_else(|never| match never {});
        figment = figment.merge(Serialized::default(key, value));
    }
    Ok(figment)
}

/// Reads the file ourselves first, for messages that say where it is wrong.
fn toml(file: &Path) -> Result<impl figment::Provider + use<>, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
    if let Err(error) = text.parse::<toml::Table>() {
        return Err(ConfigError::not_toml(file, &error));
    }
    Ok(Toml::file_exact(file))
}

#[cfg(test)]
mod tests;
