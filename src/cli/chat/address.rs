//! Where the server is, however people write that.

use std::fmt;
use std::str::FromStr;
use tokio_tungstenite::tungstenite::http::Uri;

/// The path at which a server speaks v1.
const PATH: &str = "/v1/ws";

/// The complete address of a server's WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerAddress {
    uri: Uri,
}

impl ServerAddress {
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.uri.scheme_str() == Some("wss")
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// The text is not the address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be ws://, wss://, http:// or https:// and a host, or host:port, such as ws://127.0.0.1:8080"
)]
pub(super) struct AddressError;

impl FromStr for ServerAddress {
    type Err = AddressError;

    /// Reads an address with or without scheme and path. A path other than that of v1 is taken as where
    /// a proxy has put the server, and continued.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("ws", text.trim()));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err(AddressError),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(PATH).unwrap_or(path);
        // A query or a fragment, or a name and a password, would be lost on the way.
        if rest.contains(['?', '#', '@']) {
            return Err(AddressError);
        }
        let uri: Uri = format!("{scheme}://{authority}{path}{PATH}")
            .parse()
            .map_err(|_| AddressError)?;
        // The parser takes anything behind the colon; the colons of IPv6 stand in brackets.
        let has_port = authority
            .rsplit(']')
            .next()
            .is_some_and(|end| end.contains(':'));
        let is_whole = uri.host().is_some_and(|host| !host.is_empty())
            && (!has_port || uri.port_u16().is_some());
        if !is_whole {
            return Err(AddressError);
        }
        Ok(Self { uri })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_addresses_in_many_ways() {
        for (written, meant) in [
            ("127.0.0.1:8080", "ws://127.0.0.1:8080/v1/ws"),
            ("localhost:8080/", "ws://localhost:8080/v1/ws"),
            ("http://example.org", "ws://example.org/v1/ws"),
            ("HTTPS://example.org/", "wss://example.org/v1/ws"),
            ("wss://example.org/v1/ws", "wss://example.org/v1/ws"),
            ("ws://[::1]:8080/v1/ws/", "ws://[::1]:8080/v1/ws"),
            ("https://example.org/chat", "wss://example.org/chat/v1/ws"),
        ] {
            let address: ServerAddress = written.parse().unwrap();
            assert_eq!(address.to_string(), meant, "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ws://",
            "ftp://example.org",
            "ws://a b",
            "http://a/?q=1",
            "ws://:8080",
            "a:b",
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(AddressError), "{text}");
        }
    }
}
