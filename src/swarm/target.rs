//! The server that a run is for.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// Paths at which the two dialects are spoken, which people may write as part of an address.
const PATHS: [&str; 1] = ["/v1/ws"];

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Host and port, as requests name them.
    host: String,
    address: SocketAddr,
    /// Where a proxy has put the server; empty at the top.
    prefix: String,
}

/// The text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It can't be read.
    #[error("must be ws://, http:// or nothing, then host:port, such as 127.0.0.1:8080, not {0:?}")]
    Unreadable(String),
    /// It is for TLS.
    #[error(
        "the swarm measures servers without TLS: take ws:// and the address behind the proxy, or of a \
         server without certificates"
    )]
    Encrypted,
    /// No such host.
    #[error("{host}: there is no address of that name ({reason})")]
    Unknown {
        /// As written.
        host: String,
        /// What the system says.
        reason: String,
    },
}

impl Target {
    /// Where connections go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Host and port, as a request's head names them.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// A path of the server's, as requests name it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, self.prefix)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let unreadable = || TargetError::Unreadable(text.to_owned());
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("ws", text.trim()));
        match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => {}
            "wss" | "https" => return Err(TargetError::Encrypted),
            _ => return Err(unreadable()),
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_plain = |char: char| char.is_ascii_graphic() && !"?#@\"".contains(char);
        if host.is_empty() || !rest.chars().all(is_plain) {
            return Err(unreadable());
        }
        let path = path.trim_end_matches('/');
        let prefix = PATHS
            .iter()
            .find_map(|dialect| path.strip_suffix(dialect))
            .unwrap_or(path);
        // The colons of IPv6 stand in brackets.
        let end = host.rsplit(']').next().unwrap_or(host);
        let with_port = match end.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host.to_owned(),
            Some(_) => return Err(unreadable()),
            None => format!("{host}:80"),
        };
        let unknown = |reason: String| TargetError::Unknown {
            host: host.to_owned(),
            reason,
        };
        let address = with_port
            .to_socket_addrs()
            .map_err(|error| unknown(error.to_string()))?
            .next()
            .ok_or_else(|| unknown("no address".to_owned()))?;
        Ok(Self {
            host: host.to_owned(),
            address,
            prefix: prefix.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (written, host, path) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", "/v1/ws"),
            ("ws://127.0.0.1:8080/v1/ws", "127.0.0.1:8080", "/v1/ws"),
            ("HTTP://127.0.0.1/", "127.0.0.1", "/v1/ws"),
            ("http://[::1]:9/chat/", "[::1]:9", "/chat/v1/ws"),
        ] {
            let target: Target = written.parse().unwrap();
            assert_eq!(
                (target.host.as_str(), target.path("/v1/ws").as_str()),
                (host, path)
            );
        }
        let target: Target = "http://127.0.0.1".parse().unwrap();
        assert_eq!(target.address().port(), 80);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ws://",
            "ftp://127.0.0.1",
            "127.0.0.1:x",
            "127.0.0.1:0",
            "a b:1",
            "u@127.0.0.1:1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        assert_eq!(
            "wss://127.0.0.1".parse::<Target>(),
            Err(TargetError::Encrypted)
        );
    }
}
