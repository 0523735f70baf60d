//! The way to the collector: one request for each batch, within a time.

use crate::server::outbound::{Complaint, Outbound};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::time::Duration;
use tokio::runtime::Handle;

/// Sends requests from a thread that is none of the runtime's.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    outbound: Outbound,
    complaint: Complaint,
}

impl Collector {
    pub(super) fn new(runtime: Handle, limit: Duration) -> Self {
        Self {
            runtime,
            outbound: Outbound::new(limit),
            complaint: Complaint::default(),
        }
    }

    /// Says once that nothing can be delivered, and once that it can again.
    fn report(&self, outcome: &Result<Response<Bytes>, HttpError>) {
        let reason = match outcome {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        if !self.complaint.is_news(reason.is_some()) {
            return;
        }
        if let Some(reason) = reason {
            tracing::warn!(reason, "spans can't be delivered, and are dropped");
        } else {
            tracing::info!("spans are delivered again");
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let outbound = self.outbound.clone();
        // Only there is a clock to be timed by.
        let sent = self
            .runtime
            .spawn(async move { outbound.send(request).await });
        let outcome = match sent.await {
            Ok(outcome) => outcome.map_err(HttpError::from),
            // The runtime has ended.
            Err(gone) => Err(gone.into()),
        };
        self.report(&outcome);
        outcome
    }
}
