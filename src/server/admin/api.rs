//! What operators can do.

use super::State;
use super::caller::Caller;
use super::history::{History, Steps};
use super::office::{self, Office};
use super::problem::{Body, Problem};
use super::regions::{self, Regions};
use crate::moment::Moment;
use crate::server::duty::{Duty, TooLate};
use crate::server::limits::Limit;
use crate::server::listen::Shared;
use crate::server::log::{self, LogError};
use crate::server::metrics::{self, Present};
use crate::server::store::now_ms;
use crate::store::NewAudit;
use axum::extract::{self, Extension};
use axum::http::{StatusCode, Uri};
use axum::response::Json;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// What all handlers share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    regions: regions::Survey,
    history: History,
    /// Who knows the accounts; nobody without a store.
    office: Option<Arc<Office>>,
    /// The last drain that an operator began.
    drain: Mutex<Option<Begun>>,
}

/// When a drain began, and how many connections there were.
#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Moment,
    connections: usize,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>, office: Option<Arc<Office>>) -> Self {
        let step_s = shared.config().admin.history_step_s;
        Self {
            shared,
            regions: regions::Survey::default(),
            history: History::new(step_s),
            office,
            drain: Mutex::default(),
        }
    }

    /// Who knows the accounts.
    pub(super) fn office(&self) -> Result<&Office, Problem> {
        self.office.as_deref().ok_or_else(office::none)
    }

    /// Writes into the audit log what somebody has done to the server itself. It is done: nobody waits for the store, and
    /// where that is away it stands in the server's own log alone.
    pub(super) fn write_down(
        &self,
        caller: &Caller,
        action: &'static str,
        target: String,
        detail: Value,
    ) {
        let Some(writer) = self.shared.store.clone() else {
            return;
        };
        let entry = NewAudit {
            at_ms: now_ms(),
            actor: caller.actor(),
            action: action.to_owned(),
            target,
            detail,
        };
        // As many at once as the writer lets wait; it refuses the others at once.
        tokio::spawn(async move {
            if let Err(error) = writer.add_audit(entry).await {
                tracing::warn!(%error, action, "what an operator did is not in the audit log");
            }
        });
    }

    /// Counts for the history, for as long as it is polled.
    pub(super) async fn count(&self) {
        self.history.run(&self.shared).await;
    }

    fn status(&self) -> Status {
        let hub = &self.shared.rules.hub;
        let (_, in_room) = hub.census();
        let present = Present::of(&self.shared);
        let is_draining = self.shared.roster.duty() == Duty::Draining;
        let drain = self.drain.lock().filter(|_| is_draining);
        Status {
            state: State::of(&self.shared),
            at_ms: hub.epoch_ms(),
            connections: present.connections,
            connections_max: self.shared.connections_max(),
            sessions: present.sessions,
            waiting: in_room,
            doing: Doing {
                idle: present.idle(),
                waiting: present.doing.waiting,
                chatting: present.doing.chatting,
                away: present.doing.away,
            },
            resident_bytes: present.resident_bytes,
            totals: Totals::of(&self.shared),
            drain: drain.map(|begun| Drain {
                lasts_ms: hub.now().millis_since(begun.at),
                connections_before: begun.connections,
            }),
            log_lines_dropped: log::dropped_lines(),
        }
    }
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    state: State,
    /// When that was, in ms since the Unix epoch.
    at_ms: u64,
    /// `WebSocket` connections, those that are about to end included.
    connections: usize,
    /// How many there may be.
    connections_max: usize,
    /// Sessions, those whose connection was lost included.
    sessions: usize,
    /// Sessions that stand in the waiting room.
    waiting: usize,
    /// All sessions by what they do.
    doing: Doing,
    /// Memory in use, in bytes; `null` where the system does not say.
    resident_bytes: Option<u64>,
    /// What was counted since the server's start.
    totals: Totals,
    /// The drain that goes on, if one does.
    drain: Option<Drain>,
    /// Lines of the log that nobody read in time.
    log_lines_dropped: u64,
}

/// Sessions by what they do, those without a connection included.
#[derive(Debug, Serialize, ToSchema)]
struct Doing {
    /// Neither wait nor chat.
    idle: usize,
    /// Wait, or are being matched.
    waiting: usize,
    /// Are in a chat.
    chatting: usize,
    /// Have no connection, whatever they do besides.
    away: usize,
}

/// What was counted since the server's start.
#[derive(Debug, Serialize, ToSchema)]
struct Totals {
    /// Connections that have become WebSockets.
    connections_begun: u64,
    /// Matches that were shown.
    matches: u64,
    /// Text messages from clients.
    messages: u64,
    /// Connections that have ended.
    ended: u64,
    /// What was refused because it was too much, or because of who asked.
    refused: u64,
    /// What would have been refused, but the limit is a dry run.
    let_pass: u64,
}

impl Totals {
    fn of(shared: &Shared) -> Self {
        let totals = metrics::Totals::of(shared);
        let sum = |counts: [u64; Limit::ALL.len()]| counts.iter().sum();
        Self {
            connections_begun: totals.connections_begun,
            matches: totals.matches,
            messages: totals.messages,
            ended: totals.ended.iter().sum(),
            refused: sum(totals.refused),
            let_pass: sum(totals.let_pass),
        }
    }
}

/// How far a drain is.
#[derive(Debug, Serialize, ToSchema)]
struct Drain {
    /// For how long it has gone on.
    lasts_ms: u64,
    /// Connections when it began.
    connections_before: usize,
}

/// Which lines are logged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Level {
    /// `off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,whisperchat=debug`.
    #[schema(example = "info,whisperchat=debug")]
    level: String,
}

/// How the server is.
#[utoipa::path(get, path = "/api/v1/status", extensions(("x-permission" = json!("look"))), tag = "look", responses((status = OK, body = Status)))]
pub(super) async fn status(desk: extract::State<Arc<Desk>>) -> Json<Status> {
    Json(desk.status())
}

/// Send everybody away over `limits.drain_s`, and take nobody in.
///
/// Nothing changes if the server drains already.
#[utoipa::path(post, path = "/api/v1/drain", extensions(("x-permission" = json!("steer"))), tag = "steer", responses(
    (status = OK, body = Status),
    (status = CONFLICT, description = "The server stops", body = Problem),
))]
pub(super) async fn drain(
    desk: extract::State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Status>, Problem> {
    let Shared { roster, rules, .. } = &*desk.shared;
    let begun = Begun {
        at: rules.hub.now(),
        connections: desk.shared.connections(),
    };
    if roster.drain(&rules.hub).map_err(conflict)? {
        *desk.drain.lock() = Some(begun);
        let detail = json!({"connections": begun.connections});
        desk.write_down(&caller, "server.drain", "server".to_owned(), detail);
    }
    let status = desk.status();
    let actor = caller.actor();
    tracing::info!(
        sessions = status.sessions,
        actor,
        "an operator drains the server"
    );
    Ok(Json(status))
}

/// Call off a drain: those stay who are still there, and others can come.
///
/// Nothing changes if the server does not drain.
#[utoipa::path(post, path = "/api/v1/drain/cancel", extensions(("x-permission" = json!("steer"))), tag = "steer", responses(
    (status = OK, body = Status),
    (status = CONFLICT, description = "The server stops", body = Problem),
))]
pub(super) async fn cancel_drain(
    desk: extract::State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Status>, Problem> {
    let Shared { roster, rules, .. } = &*desk.shared;
    roster.cancel_drain(&rules.hub).map_err(conflict)?;
    desk.write_down(
        &caller,
        "server.drain_cancel",
        "server".to_owned(),
        json!({}),
    );
    let status = desk.status();
    tracing::info!(
        sessions = status.sessions,
        actor = caller.actor(),
        "an operator has called off the drain"
    );
    Ok(Json(status))
}

fn conflict(error: TooLate) -> Problem {
    Problem::new(StatusCode::CONFLICT, error.to_string())
}

/// Which lines are logged.
#[utoipa::path(get, path = "/api/v1/log-level", extensions(("x-permission" = json!("steer"))), tag = "look", responses(
    (status = OK, body = Level),
    (status = CONFLICT, description = "The log is not the server's", body = Problem),
))]
pub(super) async fn log_level() -> Result<Json<Level>, Problem> {
    let level = log::level()
        .ok_or(LogError::NotOurs)
        .map_err(|error| refused(&error))?;
    Ok(Json(Level { level }))
}

/// Log other lines from now on, until the server ends.
#[utoipa::path(post, path = "/api/v1/log-level", extensions(("x-permission" = json!("steer"))), tag = "steer", request_body = Level, responses(
    (status = OK, body = Level),
    (status = BAD_REQUEST, description = "Not JSON, or not a level", body = Problem),
    (status = CONFLICT, description = "The log is not the server's", body = Problem),
))]
pub(super) async fn set_log_level(
    desk: extract::State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Body(Level { level }): Body<Level>,
) -> Result<Json<Level>, Problem> {
    log::set_level(&level).map_err(|error| refused(&error))?;
    let detail = json!({"level": level});
    desk.write_down(&caller, "server.log_level", "server".to_owned(), detail);
    tracing::info!(
        level,
        actor = caller.actor(),
        "an operator has changed the log's level"
    );
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
#[utoipa::path(get, path = "/api/v1/regions", extensions(("x-permission" = json!("look"))), tag = "look", responses((status = OK, body = Regions)))]
pub(super) async fn regions(desk: extract::State<Arc<Desk>>) -> Json<Regions> {
    Json(desk.regions.take(&desk.shared.rules.hub))
}

/// The figures of the last hours.
///
/// They are counted in steps of `admin.history_step_s` seconds, the last 2160 of which are kept.
#[utoipa::path(
    get,
    path = "/api/v1/history", extensions(("x-permission" = json!("look"))),
    tag = "look",
    params(("since_ms" = Option<u64>, Query,
        description = "Only steps that ended after this moment, in ms since the Unix epoch")),
    responses(
        (status = OK, body = Steps),
        (status = BAD_REQUEST, description = "Not such a parameter", body = Problem),
    ),
)]
pub(super) async fn history(
    desk: extract::State<Arc<Desk>>,
    uri: Uri,
) -> Result<Json<Steps>, Problem> {
    let since_ms = match uri.query() {
        None | Some("") => Some(0),
        Some(query) => query
            .strip_prefix("since_ms=")
            .and_then(|ms| ms.parse().ok()),
    };
    let Some(since_ms) = since_ms else {
        let message = "the one parameter is `since_ms`, whole milliseconds since the Unix epoch";
        return Err(Problem::new(StatusCode::BAD_REQUEST, message));
    };
    Ok(Json(desk.history.since(since_ms)))
}
