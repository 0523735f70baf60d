//! Where spans of what the server does go, if anywhere.

use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// Where spans of what the server does go, if anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The URL at which a collector takes spans by OTLP over HTTP; none: there are no spans.
    pub endpoint: Option<String>,
    /// Of how many of all, 0…1, there are spans.
    pub sample_ratio: f64,
    /// How many spans may wait to be sent; more are dropped.
    pub queue_spans: usize,
    /// How long the collector may take for what it is sent, in s.
    pub timeout_s: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 1.0,
            queue_spans: 2048,
            timeout_s: 5.0,
        }
    }
}

impl Telemetry {
    pub(super) fn is_endpoint_good(&self) -> bool {
        self.endpoint.as_deref().is_none_or(is_endpoint)
    }
}

/// Whether it is `http://`, a host, perhaps a port, and perhaps a path.
fn is_endpoint(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |text: &str, others: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let Some((host, rest)) = v6.split_once(']') else {
                return false;
            };
            let port = rest.strip_prefix(':');
            if host.parse::<Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
                return false;
            }
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host = !host.is_empty() && is_plain(host, "-.:");
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    is_host && is_port && is_plain(path, "/-._~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_address_on_http() {
        for good in [
            "http://127.0.0.1:4318/v1/traces",
            "http://collector",
            "http://otel.example.com/a/b",
            "http://[::1]:4318/v1/traces",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "https://collector/v1/traces",
            "http://",
            "http:///v1/traces",
            "http://host:0/",
            "http://host:port/",
            "http://user:secret@host/",
            "http://host/?key=secret",
            "http://host/ x",
            "http://[::1/",
            "http://[::1]4318/",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }
}
