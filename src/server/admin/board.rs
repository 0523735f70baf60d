//! The operators' board at `/`: a page, embedded. There is nothing of the server's in its files; what it shows it
//! asks for as anybody else who has the token.

use super::api::Desk;
use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;
use std::sync::Arc;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the board.
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($($path:literal: $kind:ident from $file:literal,)*) => {
        &[$(File {
            path: $path,
            kind: $kind,
            content: include_bytes!(concat!("../../../web/", $file)),
        }),*]
    };
}

const FILES: &[File] = files! {
    "/": HTML from "board/index.html",
    "/board.css": CSS from "board/board.css",
    "/board.js": JAVASCRIPT from "board/board.js",
    "/dom.js": JAVASCRIPT from "board/dom.js",
    "/drain.js": JAVASCRIPT from "board/drain.js",
    "/figures.js": JAVASCRIPT from "board/figures.js",
    "/history.js": JAVASCRIPT from "board/history.js",
    "/map.js": JAVASCRIPT from "board/map.js",
    "/plots.js": JAVASCRIPT from "board/plots.js",
    "/search.js": JAVASCRIPT from "board/search.js",
    "/server.js": JAVASCRIPT from "board/server.js",
    "/words.js": JAVASCRIPT from "board/words.js",
    "/icon.svg": SVG from "icon.svg",
    "/vendor/uplot.js": JAVASCRIPT from "vendor/uplot.js",
    "/vendor/uplot.css": CSS from "vendor/uplot.css",
    "/vendor/countries-110m.json": JSON from "vendor/countries-110m.json",
    "/vendor/board-licences.txt": TEXT from "vendor/board-licences.txt",
};

/// What the board may do: run its own scripts, show its own style and images, talk to its own server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether it is a file of the board, which anybody may have.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// Each file at its path.
pub(super) fn routes() -> Router<Arc<Desk>> {
    FILES.iter().fold(Router::new(), |router, file| {
        let headers: [(HeaderName, &str); 5] = [
            (header::CONTENT_TYPE, file.kind),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
        ];
        let content = file.content;
        router.route(file.path, get(async move || (headers, content)))
    })
}
