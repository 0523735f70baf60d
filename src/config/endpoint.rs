//! Addresses of the servers of others.

use std::net::Ipv6Addr;

/// Whether it is `http://` or `https://`, a host, perhaps a port, and perhaps a path.
pub(super) fn is_endpoint(url: &str) -> bool {
    let schemes = ["http://", "https://"];
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
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
    fn an_endpoint_is_an_address_on_http() {
        for good in [
            "http://127.0.0.1:4318/v1/traces",
            "http://collector",
            "http://otel.example.com/a/b",
            "http://[::1]:4318/v1/traces",
            "https://collector/v1/traces",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "ftp://collector/v1/traces",
            "http://",
            "https://",
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
