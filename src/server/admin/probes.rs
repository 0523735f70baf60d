//! What probes and people look at.

use super::State;
use super::api::Desk;
use super::problem::Problem;
use crate::server::listen::Shared;
use crate::server::{log, metrics};
use axum::extract;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::Json;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// That somebody answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `alive`.
    status: &'static str,
}

/// Whether people can connect.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    status: State,
    /// Whether what must outlast the server is kept, if there is a store. People can connect and chat all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreState>,
}

/// How the store is, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StoreState {
    /// It keeps what it is given.
    Up,
    /// It can't keep anything at the moment: reports are refused.
    Away,
}

impl StoreState {
    fn of(shared: &Shared) -> Option<Self> {
        let status = shared.store_status()?;
        Some(if status.is_away { Self::Away } else { Self::Up })
    }
}

/// What runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// Always `whisperchat`.
    name: &'static str,
    /// Its version.
    version: &'static str,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", extensions(("x-permission" = json!("probe"))), tag = "look", responses((status = OK, body = Alive)))]
pub(super) async fn livez() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether there is room for people, and they may come. Says how the store is, too, but a store that is away keeps
/// nobody out.
#[utoipa::path(get, path = "/readyz", extensions(("x-permission" = json!("probe"))), tag = "look", responses(
    (status = OK, body = Ready),
    (status = SERVICE_UNAVAILABLE, description = "Full, draining or stopping", body = Ready),
))]
pub(super) async fn readyz(desk: extract::State<Arc<Desk>>) -> (StatusCode, Json<Ready>) {
    let status = State::of(&desk.shared);
    let code = match status {
        State::Ready => StatusCode::OK,
        State::Full | State::Draining | State::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    let store = StoreState::of(&desk.shared);
    (code, Json(Ready { status, store }))
}

/// What runs.
#[utoipa::path(get, path = "/version", extensions(("x-permission" = json!("look"))), tag = "look", responses((status = OK, body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version {
        name: "whisperchat",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Figures for Prometheus, in its text format.
#[utoipa::path(get, path = "/metrics", extensions(("x-permission" = json!("look"))), tag = "look", responses(
    (status = OK, description = "As docs/metrics.md has them", body = String, content_type = "text/plain"),
    (status = INTERNAL_SERVER_ERROR, body = Problem),
))]
pub(super) async fn metrics(
    desk: extract::State<Arc<Desk>>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
    metrics::text(&desk.shared)
        .map(|text| ([(header::CONTENT_TYPE, KIND)], text))
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// The settings in force. Secrets are not shown.
#[utoipa::path(get, path = "/config", extensions(("x-permission" = json!("steer"))), tag = "look", responses(
    (status = OK, description = "All settings by their keys", body = Value),
    (status = INTERNAL_SERVER_ERROR, body = Problem),
))]
pub(super) async fn config(desk: extract::State<Arc<Desk>>) -> Result<Json<Value>, Problem> {
    let mut config = (**desk.shared.config()).clone();
    if let Some(level) = log::level() {
        config.log.level = level;
    }
    serde_json::to_value(&config)
        .map(Json)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", extensions(("x-permission" = json!("look"))), tag = "look", responses(
    (status = OK, description = "An OpenAPI document", body = Value),
))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(super::description())
}
