//! Requests to the servers of others, by HTTP or HTTPS: each within a time, its answer within a size. Connections are kept
//! for the next request. Whether a certificate is good is for the authorities that the system trusts to say.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// How many connections that are not in use are kept.
const IDLE_MAX: usize = 8;

/// For how long they are.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests. A clone shares its connections.
#[derive(Debug, Clone)]
pub(super) struct Outbound {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limit: Duration,
}

/// Whether somebody was said to fail, so that it is said once, and once that they are back.
#[derive(Debug, Default)]
pub(super) struct Complaint(AtomicBool);

impl Complaint {
    /// Whether it is news that they fail, or that they don't.
    pub(super) fn is_news(&self, is_failing: bool) -> bool {
        self.0.swap(is_failing, Ordering::Relaxed) != is_failing
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutboundError {
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("{}", chain(.0))]
    Failed(#[from] hyper_util::client::legacy::Error),
    #[error("the answer can't be read: {0}")]
    Answer(Box<dyn Error + Send + Sync>),
}

/// An error with what brought it about: the outermost alone says nothing that helps.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}

impl Outbound {
    /// Each request, from finding the server to the end of its answer, may take this long.
    pub(super) fn new(limit: Duration) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(https);
        Self { client, limit }
    }

    /// Sends it, and waits for the whole answer. To be called in a runtime.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, OutboundError> {
        let answer = self.client.request(request.map(Full::new));
        let whole = async {
            let (parts, body) = answer.await?.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(OutboundError::Answer)?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(self.limit, whole)
            .await
            .unwrap_or(Err(OutboundError::TooSlow(self.limit)))
    }
}

fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    // Where there are none, HTTP works all the same, and HTTPS says why it doesn't.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the versions that are safe")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
