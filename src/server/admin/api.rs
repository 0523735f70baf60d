//! What operators can do.

use super::regions::{self, Regions};
use super::{Problem, Refused, State};
use crate::lobby::SessionId;
use crate::server::duty::TooLate;
use crate::server::listen::Shared;
use crate::server::log::{self, LogError};
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    regions: regions::Survey,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            regions: regions::Survey::default(),
        }
    }

    fn status(&self) -> Status {
        let (sessions, waiting) = self.shared.rules.hub.census();
        Status {
            state: State::of(&self.shared),
            connections: self.shared.connections(),
            connections_max: self.shared.connections_max(),
            sessions,
            waiting,
            log_lines_dropped: log::dropped_lines(),
        }
    }
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    state: State,
    /// `WebSocket` connections, those that are about to end included.
    connections: usize,
    /// How many there may be.
    connections_max: usize,
    /// Sessions, those whose connection was lost included.
    sessions: usize,
    /// Sessions that stand in the waiting room.
    waiting: usize,
    /// Lines of the log that nobody read in time.
    log_lines_dropped: u64,
}

/// Which lines are logged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Level {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,whisperchat=debug`.
    #[schema(example = "info,whisperchat=debug")]
    level: String,
}

/// Which session was ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disconnected {
    /// Its name.
    session: String,
}

/// How the server is.
#[utoipa::path(get, path = "/api/status", tag = "look", responses((status = OK, body = Status)))]
pub(super) async fn status(desk: extract::State<Arc<Desk>>) -> Json<Status> {
    Json(desk.status())
}

/// Send everybody away over `limits.drain_s`, and take nobody in.
///
/// Nothing changes if the server drains already.
#[utoipa::path(post, path = "/api/drain", tag = "steer", responses(
    (status = OK, body = Status),
    (status = CONFLICT, description = "The server stops", body = Refused),
))]
pub(super) async fn drain(desk: extract::State<Arc<Desk>>) -> Result<Json<Status>, Problem> {
    let Shared { roster, rules, .. } = &*desk.shared;
    roster.drain(&rules.hub).map_err(conflict)?;
    let status = desk.status();
    tracing::info!(sessions = status.sessions, "an operator drains the server");
    Ok(Json(status))
}

/// Call off a drain: those stay who are still there, and others can come.
///
/// Nothing changes if the server does not drain.
#[utoipa::path(post, path = "/api/drain/cancel", tag = "steer", responses(
    (status = OK, body = Status),
    (status = CONFLICT, description = "The server stops", body = Refused),
))]
pub(super) async fn cancel_drain(desk: extract::State<Arc<Desk>>) -> Result<Json<Status>, Problem> {
    let Shared { roster, rules, .. } = &*desk.shared;
    roster.cancel_drain(&rules.hub).map_err(conflict)?;
    let status = desk.status();
    tracing::info!(
        sessions = status.sessions,
        "an operator has called off the drain"
    );
    Ok(Json(status))
}

fn conflict(error: TooLate) -> Problem {
    Problem::new(StatusCode::CONFLICT, error.to_string())
}

/// End a session and its connection (4000), and tell its partner (`removed`).
#[utoipa::path(
    post,
    path = "/api/sessions/{session}/disconnect",
    tag = "steer",
    params(("session" = String, Path, description = "Its name, as the log of reports has it")),
    responses(
        (status = OK, body = Disconnected),
        (status = BAD_REQUEST, description = "No session was ever named so", body = Refused),
        (status = NOT_FOUND, description = "It has ended", body = Refused),
    ),
)]
pub(super) async fn disconnect(
    desk: extract::State<Arc<Desk>>,
    Path(name): Path<String>,
) -> Result<Json<Disconnected>, Problem> {
    let Some(session) = SessionId::parse(&name) else {
        let message = "a session's name is up to 16 hexadecimal digits, as in `welcome`";
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    };
    if !desk.shared.rules.hub.remove(session) {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such session any more",
        ));
    }
    tracing::info!(%session, "an operator has ended a session");
    Ok(Json(Disconnected { session: name }))
}

/// Which lines are logged.
#[utoipa::path(get, path = "/api/log-level", tag = "look", responses(
    (status = OK, body = Level),
    (status = CONFLICT, description = "The log is not the server's", body = Refused),
))]
pub(super) async fn log_level() -> Result<Json<Level>, Problem> {
    let level = log::level()
        .ok_or(LogError::NotOurs)
        .map_err(|error| refused(&error))?;
    Ok(Json(Level { level }))
}

/// Log other lines from now on, until the server ends.
#[utoipa::path(post, path = "/api/log-level", tag = "steer", request_body = Level, responses(
    (status = OK, body = Level),
    (status = BAD_REQUEST, description = "Not JSON, or not a level", body = Refused),
    (status = CONFLICT, description = "The log is not the server's", body = Refused),
))]
pub(super) async fn set_log_level(
    level: Result<Json<Level>, JsonRejection>,
) -> Result<Json<Level>, Problem> {
    let Json(Level { level }) =
        level.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    log::set_level(&level).map_err(|error| refused(&error))?;
    tracing::info!(level, "an operator has changed the log's level");
    Ok(Json(Level { level }))
}

fn refused(error: &LogError) -> Problem {
    let status = match error {
        LogError::NotALevel(_) => StatusCode::BAD_REQUEST,
        LogError::NotOurs => StatusCode::CONFLICT,
    };
    Problem::new(status, error.to_string())
}

/// How many people wait or chat in each part of the world.
///
/// Parts are cells of at least 100 by 100 km; those with fewer than 5 people are left out. Counted anew at most
/// every 10 seconds.
#[utoipa::path(get, path = "/api/regions", tag = "look", responses((status = OK, body = Regions)))]
pub(super) async fn regions(desk: extract::State<Arc<Desk>>) -> Json<Regions> {
    Json(desk.regions.take(&desk.shared.rules.hub))
}
