//! Who it is that a proxy speaks for: the PROXY protocol before the first byte, or a header of each request.
//!
//! Only what trusted proxies say is believed, and of a list only what they have added themselves: it is read
//! from the right, up to the first address that is no proxy of ours.

use super::accept::contains;
use crate::config::{ForwardedHeader, Security};
use hyper::HeaderMap;
use hyper::header::{self, HeaderName};
use ppp::{v1, v2};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of the longest header of version 1 (section 2.1 of the specification).
const V1_MAX_BYTES: usize = 107;

/// Bytes that tell the versions apart, with which both begin.
const START_BYTES: usize = 12;

/// Bytes of a header of version 2 before the addresses.
const V2_FIXED_BYTES: usize = 16;

/// Bytes that may follow those; addresses have at most 216, and proxies add a few notes.
const V2_REST_MAX_BYTES: usize = 2048;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a header of the PROXY protocol can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the connection ended in the PROXY header")]
    Ended(#[from] io::Error),
    #[error("the PROXY header took too long")]
    TooSlow,
    #[error("the connection does not begin with a PROXY header of version 1 or 2")]
    NoHeader,
    #[error(
        "a PROXY header may have {V2_REST_MAX_BYTES} bytes after the first {V2_FIXED_BYTES}, not {0}"
    )]
    TooLong(usize),
    #[error("the PROXY header can't be read: {0}")]
    Malformed(String),
}

/// Reads the header with which a proxy's connection begins, and not a byte more. Returns whom the proxy
/// speaks for; `None` if for itself, or if it does not say.
pub(super) async fn read_header(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<IpAddr>, ProxyError> {
    let mut header = vec![0; START_BYTES];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        header.resize(V2_FIXED_BYTES, 0);
        stream.read_exact(&mut header[START_BYTES..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if rest > V2_REST_MAX_BYTES {
            return Err(ProxyError::TooLong(rest));
        }
        header.resize(V2_FIXED_BYTES + rest, 0);
        stream.read_exact(&mut header[V2_FIXED_BYTES..]).await?;
        read_v2(&header)
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        while !header.ends_with(b"\r\n") {
            if header.len() == V1_MAX_BYTES {
                return Err(ProxyError::NoHeader);
            }
            header.push(stream.read_u8().await?);
        }
        read_v1(&header)
    } else {
        Err(ProxyError::NoHeader)
    }
}

fn read_v1(header: &[u8]) -> Result<Option<IpAddr>, ProxyError> {
    let header =
        v1::Header::try_from(header).map_err(|error| ProxyError::Malformed(error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Unknown => None,
    })
}

fn read_v2(header: &[u8]) -> Result<Option<IpAddr>, ProxyError> {
    let header =
        v2::Header::try_from(header).map_err(|error| ProxyError::Malformed(error.to_string()))?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    Ok(match header.addresses {
        v2::Addresses::IPv4(addresses) => Some(addresses.source_address.into()),
        v2::Addresses::IPv6(addresses) => Some(addresses.source_address.into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    })
}

/// Whose request it is that has come from `peer`.
pub(super) fn requester(peer: IpAddr, headers: &HeaderMap, security: &Security) -> IpAddr {
    let mut address = peer;
    if !contains(&security.trusted_proxies, address) {
        return address;
    }
    let name = match security.forwarded_header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => header::FORWARDED,
    };
    let lines = headers.get_all(name);
    let mut hops: Vec<_> = lines
        .iter()
        .flat_map(|line| match (line.to_str(), security.forwarded_header) {
            (Err(_), _) => vec![None],
            (Ok(line), ForwardedHeader::XForwardedFor) => line.split(',').map(node).collect(),
            (Ok(line), ForwardedHeader::Forwarded) => {
                split(line, ',').into_iter().map(for_of).collect()
            }
        })
        .collect();
    // A hop that can't be read hides who came before it.
    while let Some(Some(hop)) = hops.pop() {
        address = hop;
        if !contains(&security.trusted_proxies, address) {
            break;
        }
    }
    address
}

/// The `for` of one element of `Forwarded`.
fn for_of(element: &str) -> Option<IpAddr> {
    split(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("for") {
            return None;
        }
        let value = value.trim();
        node(
            value
                .strip_prefix('"')
                .map_or(value, |quoted| quoted.strip_suffix('"').unwrap_or(quoted)),
        )
    })
}

/// An address, with a port or without.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()?;
    Some(address.to_canonical())
}

/// Splits where the separator is not inside quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(|char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match char {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        char == separator && !is_quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    async fn header_of(bytes: &[u8]) -> (Result<Option<IpAddr>, ProxyError>, Vec<u8>) {
        let mut stream = bytes;
        let outcome = read_header(&mut stream).await;
        (outcome, stream.to_vec())
    }

    fn v2_header(version_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([version_command, family]);
        header.extend((rest.len() as u16).to_be_bytes());
        header.extend(rest);
        header
    }

    #[tokio::test]
    async fn headers_of_both_versions_say_whose_a_connection_is() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[15] = 7;
        let noted = [&v4[..], &[4, 0, 2, 1, 1]].concat();
        let cases: [(Vec<u8>, Option<&str>); 8] = [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n".into(),
                Some("192.0.2.1"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n".into(),
                Some("2001:db8::7"),
            ),
            (b"PROXY UNKNOWN\r\n".into(), None),
            (v2_header(0x21, 0x11, &v4), Some("192.0.2.1")),
            (v2_header(0x21, 0x11, &noted), Some("192.0.2.1")),
            (v2_header(0x21, 0x21, &v6), Some("2001:db8::7")),
            (v2_header(0x20, 0x11, &v4), None),
            (v2_header(0x21, 0x00, b""), None),
        ];
        for (header, expected) in cases {
            let bytes = [&header[..], b"GET / HTTP/1.1"].concat();
            let (outcome, rest) = header_of(&bytes).await;
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(outcome.unwrap(), expected, "{header:?}");
            assert_eq!(rest, b"GET / HTTP/1.1", "nothing more is read");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let huge = [v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0xff, 0xff]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 nobody 10.0.0.1 4660 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1".to_vec(),
            v2_header(0x31, 0x11, &[0; 12]),
            v2_header(0x21, 0x11, &[0; 3]),
            long,
            huge,
        ] {
            let (outcome, _) = header_of(&bytes).await;
            assert!(outcome.is_err(), "{bytes:?}: {outcome:?}");
        }
    }

    fn asked(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let security = Security {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            forwarded_header: header,
            ..Security::default()
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            for name in [X_FORWARDED_FOR, header::FORWARDED] {
                let is_read =
                    (name == X_FORWARDED_FOR) == (header == ForwardedHeader::XForwardedFor);
                let line = if is_read {
                    line
                } else {
                    "for=203.0.113.9, 203.0.113.9"
                };
                headers.append(name, HeaderValue::from_str(line).unwrap());
            }
        }
        requester(peer.parse().unwrap(), &headers, &security).to_string()
    }

    #[test]
    fn only_what_trusted_proxies_have_added_is_believed() {
        let x = |peer, lines: &[&str]| asked(ForwardedHeader::XForwardedFor, peer, lines);
        assert_eq!(x("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(x("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(x("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(x("10.0.0.1", &["127.0.0.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            x("10.0.0.1", &["127.0.0.1", "198.51.100.1, 10.2.3.4"]),
            "198.51.100.1"
        );
        assert_eq!(x("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(
            x("10.0.0.1", &["[2001:db8::7]:4711,fd00::1"]),
            "2001:db8::7"
        );
        assert_eq!(x("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(x("10.0.0.1", &["127.0.0.1, nobody, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(x("10.0.0.1", &["127.0.0.1, "]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_and_parameters() {
        let forwarded = |line| asked(ForwardedHeader::Forwarded, "10.0.0.1", &[line]);
        for (line, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            (
                "For=\"[2001:db8::7]:4711\";proto=https, for=10.0.0.2",
                "2001:db8::7",
            ),
            (
                "for=127.0.0.1, by=10.0.0.1;for=198.51.100.1;host=\"a,b;c\"",
                "198.51.100.1",
            ),
            ("for=198.51.100.1, for=unknown", "10.0.0.1"),
            ("for=198.51.100.1, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=198.51.100.1, proto=https", "10.0.0.1"),
            (r#"for="127.0.0.1\", for=198.51.100.1"#, "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(forwarded(line), expected, "{line}");
        }
    }
}
