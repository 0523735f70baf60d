//! The way to the collector: one request for each batch, over a connection of its own, within a time.

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// Sends requests from a thread that is none of the runtime's.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    limit: Duration,
    /// Whether it has been said that nothing can be delivered.
    has_complained: AtomicBool,
}

impl Collector {
    pub(super) fn new(runtime: Handle, limit: Duration) -> Self {
        Self {
            runtime,
            limit,
            has_complained: AtomicBool::new(false),
        }
    }

    /// Says once that nothing can be delivered, and once that it can again.
    fn report(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let is_bad = reason.is_some();
        let was_bad = self.has_complained.swap(is_bad, Ordering::Relaxed);
        match reason {
            Some(reason) if !was_bad => {
                tracing::warn!(reason, "spans can't be delivered, and are dropped");
            }
            None if was_bad => tracing::info!("spans are delivered again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let limit = self.limit;
        let sent = self.runtime.spawn(async move {
            // Only here is there a clock to be timed by.
            timeout(limit, post(request)).await
        });
        let outcome = match sent.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the collector takes too long".into()),
            // The runtime has ended.
            Err(gone) => Err(gone.into()),
        };
        self.report(&outcome);
        outcome
    }
}

async fn post(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("an address without a host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await?;
    let host = HeaderValue::from_str(authority.as_str())?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this request, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::from_parts(parts, Full::new(body));
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}
