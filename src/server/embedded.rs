//! Files that are part of the program: how they are sent.
//!
//! A file is compressed when it is first asked for, and kept. Its tag is its hash: who has the file already is told
//! so instead of getting it again.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use ring::digest::{Context, SHA256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

/// What files are, as `Content-Type` has it.
pub(super) mod kind {
    pub(in crate::server) const HTML: &str = "text/html; charset=utf-8";
    pub(in crate::server) const CSS: &str = "text/css; charset=utf-8";
    pub(in crate::server) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
    pub(in crate::server) const JSON: &str = "application/json";
    pub(in crate::server) const MANIFEST: &str = "application/manifest+json";
    pub(in crate::server) const TEXT: &str = "text/plain; charset=utf-8";
    pub(in crate::server) const SVG: &str = "image/svg+xml";
    pub(in crate::server) const PNG: &str = "image/png";
}

/// A file.
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) content: Bytes,
    prepared: OnceLock<Prepared>,
}

/// What is sent of a file besides what it is.
struct Prepared {
    /// None where it would not be smaller.
    gzip: Option<Bytes>,
    tag: HeaderValue,
}

/// Files that are served together.
pub(super) type Files = LazyLock<Vec<File>>;

/// [`Files`] of the repository, each with the path that it is served at and its kind.
macro_rules! files {
    ($($path:literal: $kind:ident from $file:literal,)*) => {
        std::sync::LazyLock::new(|| vec![$($crate::server::embedded::File::new(
            $path,
            $crate::server::embedded::kind::$kind,
            bytes::Bytes::from_static(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))),
        )),*])
    };
}
pub(super) use files;

impl File {
    pub(super) fn new(path: &'static str, kind: &'static str, content: Bytes) -> Self {
        Self {
            path,
            kind,
            content,
            prepared: OnceLock::new(),
        }
    }

    /// The file in the form that the request's headers ask for.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response<Full<Bytes>> {
        let Prepared { gzip, tag } = self.prepared.get_or_init(|| Prepared::new(&self.content));
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        headers.insert(
            header::VARY,
            HeaderValue::from_name(header::ACCEPT_ENCODING),
        );
        if has_already(asked, tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let body = match gzip {
            Some(gzip) if accepts_gzip(asked) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip
            }
            _ => &self.content,
        };
        *response.body_mut() = Full::new(body.clone());
        response
    }
}

impl Prepared {
    fn new(content: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(content).and_then(|()| encoder.finish());
        let gzip = gzip.ok().filter(|gzip| gzip.len() < content.len());
        Self {
            gzip: gzip.map(Bytes::from),
            tag: tag(content),
        }
    }
}

/// The same for the plain and the compressed form, so it promises equal content, not equal bytes (RFC 9110,
/// section 8.8.1).
fn tag(content: &[u8]) -> HeaderValue {
    let tag = format!("W/\"{}\"", hash([content]));
    HeaderValue::try_from(tag).expect("hexadecimal digits can stand in a header")
}

/// The first half of the parts' SHA-256, in hexadecimal digits.
pub(super) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let digest = context.finish();
    let mut digits = String::new();
    for byte in &digest.as_ref()[..16] {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn has_already(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    listed(asked, &header::IF_NONE_MATCH).any(|known| known.as_bytes() == tag.as_bytes())
}

/// Whether `gzip` is named, and not with a weight of nothing.
fn accepts_gzip(asked: &HeaderMap) -> bool {
    listed(asked, &header::ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// The members of a list that may be spread over several headers.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
