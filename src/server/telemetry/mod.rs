//! Spans of what takes people somewhere, for a collector of `OpenTelemetry`, if the settings name one.
//!
//! What can be told is a [`Step`], which has no room for a name, a place, a token, a text or an address. Spans
//! wait in a queue with a bound, and a thread of the library sends them; if the queue is full they are dropped.
//! Nobody waits for the collector, whatever it does.

mod collector;

use crate::config::{self, seconds};
use crate::dialect::Dialect;
use collector::Collector;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// How long spans wait for others to be sent with.
const GATHERING: Duration = Duration::from_secs(1);

/// How many spans are sent at once.
const BATCH_MAX: usize = 512;

/// How long the end of the server may wait for the last spans to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What somebody has come through.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// From a connection that was accepted to one that is a WebSocket.
    Connect {
        /// What is spoken on it.
        dialect: Dialect,
        /// Whether it is encrypted.
        is_tls: bool,
    },
    /// From a match that was found to one that is shown.
    Match {
        /// How long each of the two had waited.
        waited_ms: [u64; 2],
    },
    /// From asking for an earlier session to being told of it, or refused.
    Resume {
        /// Whether the session goes on.
        is_resumed: bool,
    },
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Match { .. } => "match",
            Self::Resume { .. } => "resume",
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Connect { .. } | Self::Resume { .. } => SpanKind::Server,
            Self::Match { .. } => SpanKind::Internal,
        }
    }

    fn attributes(self) -> Vec<KeyValue> {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        match self {
            Self::Connect { dialect, is_tls } => {
                let dialect = match dialect {
                    Dialect::V1 => "v1",
                    Dialect::Classic => "classic",
                };
                vec![
                    KeyValue::new("whisperchat.dialect", dialect),
                    KeyValue::new("whisperchat.tls", is_tls),
                ]
            }
            Self::Match { waited_ms: [a, b] } => vec![
                KeyValue::new("whisperchat.waited_longer_ms", ms(a.max(b))),
                KeyValue::new("whisperchat.waited_shorter_ms", ms(a.min(b))),
            ],
            Self::Resume { is_resumed } => {
                let outcome = if is_resumed { "resumed" } else { "refused" };
                vec![KeyValue::new("whisperchat.outcome", outcome)]
            }
        }
    }
}

/// What tells the collector, if there is one.
#[derive(Debug, Default)]
pub(super) struct Telemetry(Option<Running>);

#[derive(Debug)]
struct Running {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Telemetry {
    /// Begins to send spans if the settings say where to. To be called in a runtime, which then does the
    /// sending.
    pub(super) fn start(config: &config::Telemetry) -> Result<Self, ExporterBuildError> {
        let Some(endpoint) = &config.endpoint else {
            return Ok(Self(None));
        };
        let limit = seconds(config.timeout_s);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(limit)
            .with_http_client(Collector::new(Handle::current(), limit))
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue_spans)
            .with_max_export_batch_size(BATCH_MAX.min(config.queue_spans))
            .with_scheduled_delay(GATHERING)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        // Nothing of the machine or of the environment: only what runs.
        let resource = Resource::builder_empty()
            .with_service_name("whisperchat")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::TraceIdRatioBased(config.sample_ratio))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("whisperchat");
        Ok(Self(Some(Running { provider, tracer })))
    }

    /// What time it is, if there are spans at all.
    pub(super) fn now(&self) -> Option<SystemTime> {
        self.0.as_ref().map(|_| SystemTime::now())
    }

    /// A step that began then is done now.
    pub(super) fn done(&self, step: Step, began: Option<SystemTime>) {
        let (Some(Running { tracer, .. }), Some(began)) = (&self.0, began) else {
            return;
        };
        tracer
            .span_builder(step.name())
            .with_kind(step.kind())
            .with_start_time(began)
            .with_attributes(step.attributes())
            .start(tracer)
            .end();
    }

    /// Sends what there still is, as far as that can be done in a moment.
    pub(super) async fn finish(&self) {
        if let Some(Running { provider, .. }) = &self.0 {
            let provider = provider.clone();
            let finish = move || provider.shutdown_with_timeout(LAST_WORDS);
            // What is lost is said by the collector's side of it.
            let _ = tokio::task::spawn_blocking(finish).await;
        }
    }
}
