//! Where spans of what the server does go, if anywhere.

use super::endpoint::is_endpoint;
use serde::{Deserialize, Serialize};

/// Where spans of what the server does go, if anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The URL at which a collector takes spans by OTLP over HTTP; none: there are no spans.
    pub endpoint: Option<String>,
    /// Of how many of all, 0…1, there are spans.
    pub sample_ratio: f64,
    /// How many spans may wait to be sent; more are dropped.
    pub queue_spans: usize,
    /// How long the collector may take for what it is sent, in s.
    pub timeout_s: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 1.0,
            queue_spans: 2048,
            timeout_s: 5.0,
        }
    }
}

impl Telemetry {
    pub(super) fn is_endpoint_good(&self) -> bool {
        self.endpoint.as_deref().is_none_or(is_endpoint)
    }
}
