//! The operators' board at `/`: a page, embedded. There is nothing of the server's in its files; what it shows it
//! asks for as anybody else who has the token.

use super::api::Desk;
use crate::server::embedded::{Files, files};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, header};
use axum::routing::get;
use std::sync::Arc;

static FILES: Files = files! {
    "/": HTML from "web/board/index.html",
    "/colours.css": CSS from "web/colours.css",
    "/accounts.js": JAVASCRIPT from "web/board/accounts.js",
    "/board.css": CSS from "web/board/board.css",
    "/board.js": JAVASCRIPT from "web/board/board.js",
    "/audit.js": JAVASCRIPT from "web/board/audit.js",
    "/bans.js": JAVASCRIPT from "web/board/bans.js",
    "/dom.js": JAVASCRIPT from "web/board/dom.js",
    "/drain.js": JAVASCRIPT from "web/board/drain.js",
    "/figures.js": JAVASCRIPT from "web/board/figures.js",
    "/history.js": JAVASCRIPT from "web/board/history.js",
    "/login.js": JAVASCRIPT from "web/board/login.js",
    "/map.js": JAVASCRIPT from "web/board/map.js",
    "/own.js": JAVASCRIPT from "web/board/own.js",
    "/passkeys.js": JAVASCRIPT from "web/board/passkeys.js",
    "/plots.js": JAVASCRIPT from "web/board/plots.js",
    "/reports.js": JAVASCRIPT from "web/board/reports.js",
    "/search.js": JAVASCRIPT from "web/board/search.js",
    "/server.js": JAVASCRIPT from "web/board/server.js",
    "/words.js": JAVASCRIPT from "web/board/words.js",
    "/icon.svg": SVG from "web/icon.svg",
    "/vendor/uplot.js": JAVASCRIPT from "web/vendor/uplot.js",
    "/vendor/uplot.css": CSS from "web/vendor/uplot.css",
    "/vendor/countries-110m.json": JSON from "web/vendor/countries-110m.json",
    "/vendor/map-library.js": JAVASCRIPT from "web/vendor/map-library.js",
    "/vendor/LICENSES.txt": TEXT from "web/vendor/LICENSES.txt",
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
        let headers: [(HeaderName, &str); 4] = [
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
        ];
        let answer = async move |asked: HeaderMap| (headers, file.answer(&asked).map(Body::new));
        router.route(file.path, get(answer))
    })
}
