//! Where operators connect, and what they must show.

use super::origin;
use crate::private::Private;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How many characters a token has: a shorter one could be guessed, a longer one is no token.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 16..=1024;

/// Where operators connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AdminListen {
    /// At [`AdminListen::USUAL`] if that can be had, or nowhere.
    #[default]
    Auto,
    /// Nowhere.
    Off,
    /// Here, or the server does not start.
    At(SocketAddr),
}

impl AdminListen {
    /// Where operators connect unless the settings say otherwise.
    pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

    /// Whether only this machine can connect.
    pub fn is_local(self) -> bool {
        match self {
            Self::Auto | Self::Off => true,
            Self::At(address) => address.ip().is_loopback(),
        }
    }

    /// Whether people can connect there at the same time.
    pub(super) fn is_beside(self, listen: SocketAddr) -> bool {
        let Self::At(address) = self else {
            return true;
        };
        let is_everywhere = address.ip().is_unspecified() || listen.ip().is_unspecified();
        let shares_ip =
            address.ip() == listen.ip() || (is_everywhere && address.is_ipv4() == listen.is_ipv4());
        // Port 0 is one of the system's choice, another each time.
        address.port() == 0 || address.port() != listen.port() || !shares_ip
    }
}

impl TryFrom<String> for AdminListen {
    type Error = std::net::AddrParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            address => address.parse().map(Self::At),
        }
    }
}

impl From<AdminListen> for String {
    fn from(listen: AdminListen) -> Self {
        match listen {
            AdminListen::Auto => "auto".to_owned(),
            AdminListen::Off => "off".to_owned(),
            AdminListen::At(address) => address.to_string(),
        }
    }
}

/// What operators must show, by at most one of the first two, where they have the board, and what is kept for them to look
/// at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The token, 16…1024 visible ASCII characters.
    pub token: Option<Secret>,
    /// A file that holds the token and nothing else but space around it.
    pub token_file: Option<PathBuf>,
    /// The address at which browsers have the board, which passkeys are bound to: `https://` and a host's name, or
    /// `http://localhost`, and perhaps a port.
    pub origin: Option<String>,
    /// Over how many seconds each of the figures is counted that are kept for the board, 1…3600.
    pub history_step_s: u32,
    /// How many passwords are hashed at once, 1…64; each takes a processor for some tens of ms, and 19 MiB.
    pub hashes_at_once: u32,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            origin: None,
            history_step_s: 10,
            hashes_at_once: 1,
        }
    }
}

impl Admin {
    /// The token, if there is one.
    ///
    /// # Errors
    /// If its file can't be read, or what is there is no token.
    pub fn read_token(&self) -> io::Result<Option<Private<String>>> {
        read_token(self.token.as_ref(), self.token_file.as_deref())
    }

    pub(super) fn is_token_good(&self) -> bool {
        is_token_good(self.token.as_ref(), self.token_file.as_deref())
    }

    pub(super) fn is_token_file_good(&self) -> bool {
        is_token_file_good(self.token.as_ref(), self.token_file.as_deref())
    }

    pub(super) fn is_origin_good(&self) -> bool {
        let origin = self.origin.as_deref();
        origin.is_none_or(origin::has_passkeys)
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some() || self.token_file.is_some()
    }
}

/// The token that two settings give, of which one is set at most: itself, or a file that holds it.
pub(super) fn read_token(
    token: Option<&Secret>,
    file: Option<&Path>,
) -> io::Result<Option<Private<String>>> {
    let token = match (token, file) {
        (Some(token), _) => token.0.to_string(),
        (None, Some(file)) => std::fs::read_to_string(file)?.trim().to_owned(),
        (None, None) => return Ok(None),
    };
    if is_token(&token) {
        Ok(Some(Private::new(token)))
    } else {
        let message = "a token is 16 to 1024 visible ASCII characters";
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

/// Whether the first of the two settings can be used.
pub(super) fn is_token_good(token: Option<&Secret>, file: Option<&Path>) -> bool {
    token.is_none_or(|token| is_token(&token.0) && file.is_none())
}

/// Whether the second of the two settings can be used.
pub(super) fn is_token_file_good(token: Option<&Secret>, file: Option<&Path>) -> bool {
    token.is_some() || read_token(None, file).is_ok()
}

fn is_token(text: &str) -> bool {
    TOKEN_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Text of a setting that is not to be shown, wherever the settings are.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Private<String>);

impl Secret {
    /// What stands in its place wherever it would be shown.
    pub(super) const HIDDEN: &str = "(hidden)";

    /// The text itself, for what it is there for.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Private::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::HIDDEN)
    }
}
