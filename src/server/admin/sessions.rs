//! One session, by its name: what it does, and its end. Nothing here says who it is, where, or what about.

use super::api::Desk;
use super::caller::Caller;
use super::problem::Problem;
use crate::dialect::Dialect;
use crate::lobby::{SessionId, StateName};
use crate::server::hub::{ConnectionPortrait, Portrait};
use axum::extract::{self, Extension, Path};
use axum::http::StatusCode;
use axum::response::Json;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a session does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Does {
    /// Neither waits nor chats.
    Idle,
    /// Waits for a partner.
    Waiting,
    /// A partner was found, and both connections must be heard from before either is told.
    Confirming,
    /// Is in a chat.
    Chatting,
}

/// Which dialect a connection speaks.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Speaks {
    V1,
    Classic,
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionPortrait {
    /// Its name.
    session: String,
    does: Does,
    /// For how long it has waited, if it waits.
    waited_ms: Option<u64>,
    /// Its connection; `null` if that was lost.
    connection: Option<Connection>,
    /// After how long it is given up, if its connection was lost.
    given_up_in_ms: Option<u64>,
    /// How many of its chats can still be blocked or reported; at most 64.
    chats: usize,
}

/// A session's connection.
#[derive(Debug, Serialize, ToSchema)]
struct Connection {
    dialect: Speaks,
    /// For how long it has been there.
    lasts_ms: u64,
    /// For how long nothing has come from the client.
    silent_ms: u64,
    /// Bytes that wait to be sent.
    outbox_bytes: usize,
    /// Messages that wait to be sent.
    outbox_events: usize,
}

/// Which session was ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disconnected {
    /// Its name.
    session: String,
}

impl SessionPortrait {
    fn new(session: String, portrait: Portrait) -> Self {
        let Portrait {
            at,
            doing,
            connection,
        } = portrait;
        Self {
            session,
            does: match doing.state {
                StateName::Idle => Does::Idle,
                StateName::Waiting if doing.is_confirming => Does::Confirming,
                StateName::Waiting => Does::Waiting,
                StateName::Chatting => Does::Chatting,
            },
            waited_ms: doing.waiting_since.map(|since| at.millis_since(since)),
            connection: connection.map(Connection::from),
            given_up_in_ms: doing.away_until.map(|until| until.millis_since(at)),
            chats: doing.chats,
        }
    }
}

impl From<ConnectionPortrait> for Connection {
    fn from(portrait: ConnectionPortrait) -> Self {
        Self {
            dialect: match portrait.dialect {
                Dialect::V1 => Speaks::V1,
                Dialect::Classic => Speaks::Classic,
            },
            lasts_ms: u64::try_from(portrait.age.as_millis()).unwrap_or(u64::MAX),
            silent_ms: portrait.silent_ms,
            outbox_bytes: portrait.outbox_bytes,
            outbox_events: portrait.outbox_events,
        }
    }
}

/// What one session does.
///
/// Not who it is, where, or what it talks about.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session}", extensions(("x-permission" = json!("moderate"))),
    tag = "look",
    params(("session" = String, Path, description = "Its name, as the log of reports has it")),
    responses(
        (status = OK, body = SessionPortrait),
        (status = BAD_REQUEST, description = "No session was ever named so", body = Problem),
        (status = NOT_FOUND, description = "It has ended", body = Problem),
    ),
)]
pub(super) async fn session(
    desk: extract::State<Arc<Desk>>,
    Path(name): Path<String>,
) -> Result<Json<SessionPortrait>, Problem> {
    let session = parse(&name)?;
    let portrait = desk.shared.rules.hub.portrait(session).ok_or_else(ended)?;
    Ok(Json(SessionPortrait::new(name, portrait)))
}

/// End a session and its connection (4000), and tell its partner (`removed`).
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{session}/disconnect", extensions(("x-permission" = json!("moderate"))),
    tag = "steer",
    params(("session" = String, Path, description = "Its name, as the log of reports has it")),
    responses(
        (status = OK, body = Disconnected),
        (status = BAD_REQUEST, description = "No session was ever named so", body = Problem),
        (status = NOT_FOUND, description = "It has ended", body = Problem),
    ),
)]
pub(super) async fn disconnect(
    desk: extract::State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Disconnected>, Problem> {
    let session = parse(&name)?;
    if !desk.shared.rules.hub.remove(session) {
        return Err(ended());
    }
    let target = format!("session:{session}");
    desk.write_down(&caller, "session.disconnect", target, json!({}));
    tracing::info!(%session, actor = caller.actor(), "an operator has ended a session");
    Ok(Json(Disconnected { session: name }))
}

fn parse(name: &str) -> Result<SessionId, Problem> {
    let message = "a session's name is up to 16 hexadecimal digits, as in `welcome`";
    SessionId::parse(name).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, message))
}

fn ended() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such session any more")
}
