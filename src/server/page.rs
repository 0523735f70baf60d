//! The page at `/`, with the headers that keep it to itself.

use super::embedded::{File, Files, files, hash, kind};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::sync::LazyLock;

static FILES: Files = files! {
    "/": HTML from "web/index.html",
    "/colours.css": CSS from "web/colours.css",
    "/style.css": CSS from "web/style.css",
    "/app.js": JAVASCRIPT from "web/app.js",
    "/whisperchat.js": JAVASCRIPT from "clients/js/whisperchat.js",
    "/old-browser.js": JAVASCRIPT from "web/old-browser.js",
    "/parts/chat.js": JAVASCRIPT from "web/parts/chat.js",
    "/parts/client.js": JAVASCRIPT from "web/parts/client.js",
    "/parts/composer.js": JAVASCRIPT from "web/parts/composer.js",
    "/parts/dom.js": JAVASCRIPT from "web/parts/dom.js",
    "/parts/form.js": JAVASCRIPT from "web/parts/form.js",
    "/parts/globe.js": JAVASCRIPT from "web/parts/globe.js",
    "/parts/log.js": JAVASCRIPT from "web/parts/log.js",
    "/parts/map.js": JAVASCRIPT from "web/parts/map.js",
    "/parts/news.js": JAVASCRIPT from "web/parts/news.js",
    "/parts/offline.js": JAVASCRIPT from "web/parts/offline.js",
    "/parts/place.js": JAVASCRIPT from "web/parts/place.js",
    "/parts/range.js": JAVASCRIPT from "web/parts/range.js",
    "/parts/safety.js": JAVASCRIPT from "web/parts/safety.js",
    "/parts/state.js": JAVASCRIPT from "web/parts/state.js",
    "/parts/towns.js": JAVASCRIPT from "web/parts/towns.js",
    "/parts/trouble.js": JAVASCRIPT from "web/parts/trouble.js",
    "/parts/waiting.js": JAVASCRIPT from "web/parts/waiting.js",
    "/parts/where.js": JAVASCRIPT from "web/parts/where.js",
    "/parts/words.js": JAVASCRIPT from "web/parts/words.js",
    "/words/de.js": JAVASCRIPT from "web/words/de.js",
    "/words/en.js": JAVASCRIPT from "web/words/en.js",
    "/words/fr.js": JAVASCRIPT from "web/words/fr.js",
    "/towns.txt": TEXT from "web/towns.txt",
    "/vendor/map-library.js": JAVASCRIPT from "web/vendor/map-library.js",
    "/vendor/countries-110m.json": JSON from "web/vendor/countries-110m.json",
    "/vendor/LICENSES.txt": TEXT from "web/vendor/LICENSES.txt",
    "/manifest.webmanifest": MANIFEST from "web/manifest.webmanifest",
    "/icon.svg": SVG from "web/icon.svg",
    "/icon-192.png": PNG from "web/icon-192.png",
    "/icon-512.png": PNG from "web/icon-512.png",
    "/icon-maskable-512.png": PNG from "web/icon-maskable-512.png",
};

/// The worker, but for what it is told.
const SERVICE_WORKER_SCRIPT: &str = include_str!("../../web/sw.js");

/// Keeps the others on the device; so it is none of them, and is told what they are. With other files it is another.
static SERVICE_WORKER: LazyLock<File> = LazyLock::new(|| {
    let paths: Vec<String> = FILES
        .iter()
        .map(|file| format!("\"{}\"", file.path))
        .collect();
    let script = SERVICE_WORKER_SCRIPT
        .replace("VERSION", &hash(FILES.iter().map(|file| &*file.content)))
        .replace("FILE_LIST", &paths.join(", "));
    File::new("/sw.js", kind::JAVASCRIPT, Bytes::from(script))
});

/// What the page may do: run its own script, show its own style and images, talk to its own server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What the browser may let the page use: where it is, if the person agrees, and nothing else.
const PERMISSIONS_POLICY: &str = "geolocation=(self), accelerometer=(), camera=(), display-capture=(), \
    gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// What every answer says, also those that are only a sentence.
static HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        PERMISSIONS_POLICY,
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-cache"),
];

/// The answer with the headers that keep browsers from doing with it what it is not for. An upgrade needs
/// none.
pub(super) fn secured(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in &HEADERS {
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
    }
    answer
}

/// The file at this path, if there is one, in the form that the request's headers ask for.
pub(super) fn file(path: &str, asked: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let mut all = FILES.iter().chain([&*SERVICE_WORKER]);
    let file = all.find(|file| file.path == path)?;
    Some(file.answer(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt as _;
    use std::io::Read as _;
    use std::path::Path;

    /// Everything that the page may load, compressed.
    const WEIGHT_MAX_BYTES: usize = 250 * 1024;

    fn get(path: &str, asked: &[(HeaderName, &'static str)]) -> (Response<()>, Bytes) {
        let asked = asked.iter().cloned();
        let asked = asked.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let answer = file(path, &asked.collect()).expect("there is such a file");
        let (head, body) = answer.into_parts();
        let body = futures_util::FutureExt::now_or_never(body.collect());
        let body = body.expect("it is all there").expect("nothing can fail");
        (Response::from_parts(head, ()), body.to_bytes())
    }

    #[test]
    fn every_file_of_the_page_is_served_as_it_is() {
        for file in &*FILES {
            let (answer, body) = get(file.path, &[]);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], file.kind);
            assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
            assert_eq!(body, file.content, "{}", file.path);
        }
        assert!(file("/parts", &HeaderMap::new()).is_none());
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        // The other folders are not the page's alone.
        for folder in [web.clone(), web.join("parts"), web.join("words")] {
            assert_all_served(&folder);
        }
    }

    /// What is in the folder can be had, but for what others are made of.
    fn assert_all_served(folder: &Path) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("icon-maskable.svg") {
                let content = std::fs::read(&path).unwrap();
                let mut served = FILES.iter().map(|file| &*file.content);
                let is_served = content == SERVICE_WORKER_SCRIPT.as_bytes()
                    || served.any(|served| served == content);
                assert!(is_served, "{} is not served", path.display());
            }
        }
    }

    #[test]
    fn who_takes_gzip_gets_the_same_compressed() {
        let mut weight = 0;
        for file in &*FILES {
            let (answer, body) = get(file.path, &[(header::ACCEPT_ENCODING, "gzip, deflate, br")]);
            assert_eq!(answer.headers()[header::VARY], "accept-encoding");
            weight += body.len();
            if answer.headers().contains_key(header::CONTENT_ENCODING) {
                let mut plain = Vec::new();
                GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
                assert_eq!(plain, file.content, "{}", file.path);
            } else {
                assert!(
                    file.content.len() < 1024 || file.kind == kind::PNG,
                    "{}",
                    file.path
                );
            }
        }
        assert!(weight <= WEIGHT_MAX_BYTES, "{weight} bytes");
    }

    #[test]
    fn gzip_is_for_those_who_ask_for_it() {
        for (accepted, is_gzip) in [
            ("gzip", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("x-gzip-like", false),
            ("", false),
        ] {
            let (answer, _) = get("/", &[(header::ACCEPT_ENCODING, accepted)]);
            let encoding = answer.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(encoding, is_gzip, "{accepted:?}");
        }
    }

    #[test]
    fn who_has_a_file_already_is_told_so() {
        let (answer, _) = get("/app.js", &[]);
        let tag = answer.headers()[header::ETAG].clone();
        let tags = format!("\"another\", {}", tag.to_str().unwrap());
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, tags.parse().unwrap())]);
        let known = file("/app.js", &asked).unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers()[header::ETAG], tag);
        let other = file("/style.css", &asked).unwrap();
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn the_service_worker_keeps_every_file_and_is_another_with_other_files() {
        let (_, body) = get("/sw.js", &[]);
        let script = str::from_utf8(&body).unwrap();
        for file in &*FILES {
            assert!(
                script.contains(&format!("\"{}\"", file.path)),
                "{}",
                file.path
            );
        }
        let hash_of_all = hash(FILES.iter().map(|file| &*file.content));
        assert!(script.contains(&format!("\"whisperchat-{hash_of_all}\"")));
        assert_ne!(hash([&b"one"[..]]), hash([&b"other"[..]]));
    }
}
