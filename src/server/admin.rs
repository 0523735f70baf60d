//! The operators' listener: whether the server lives, is ready, and what it is.

use super::listen::Shared;
use crate::config::seconds;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Operators and their probes are few.
const CONNECTIONS_MAX: usize = 16;

/// Serves for as long as it is polled.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = respond(&request, &shared);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(seconds(shared.config().limits.request_head_s))
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
            drop(permit);
        });
    }
}

fn respond(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return json(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"only GET"}"#);
    }
    match request.uri().path() {
        "/livez" => json(StatusCode::OK, r#"{"status":"alive"}"#),
        "/readyz" if shared.rules.hub.is_draining() => {
            json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"stopping"}"#)
        }
        "/readyz" if shared.is_full() => {
            json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"full"}"#)
        }
        "/readyz" => json(StatusCode::OK, r#"{"status":"ready"}"#),
        "/version" => {
            let version = concat!(
                r#"{"name":"whisperchat","version":""#,
                env!("CARGO_PKG_VERSION"),
                r#""}"#
            );
            json(StatusCode::OK, version)
        }
        _ => json(
            StatusCode::NOT_FOUND,
            r#"{"error":"only /livez, /readyz, /version"}"#,
        ),
    }
}

fn json(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
