//! Who did what.

use super::super::api::Desk;
use super::super::problem::Problem;
use super::super::resource::{Params, page};
use crate::store::AuditEntry;
use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryShown {
    id: i64,
    /// In ms since the Unix epoch.
    at_ms: i64,
    /// `account:` and a name, `token`, `this machine`, `command line`, or `rule:` and a name.
    #[schema(example = "account:ann")]
    actor: String,
    #[schema(example = "report.decide")]
    action: String,
    #[schema(example = "report:42")]
    target: String,
    /// All else there is to say of it.
    #[schema(value_type = Object)]
    detail: Value,
}

/// Which part of the log is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditAsked {
    actor: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// What was done, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditShown {
    entries: Vec<EntryShown>,
    /// What to ask for with `after` to see more; `null` after the last.
    next: Option<String>,
}

impl From<AuditEntry> for EntryShown {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at_ms: entry.at_ms,
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            detail: entry.detail,
        }
    }
}

/// What everybody did who looks after the server, the newest first. Nobody can change it.
#[utoipa::path(get, path = "/api/v1/audit", tag = "moderation",
    extensions(("x-permission" = json!("accounts"))),
    params(
        ("actor" = Option<String>, Query, description = "Only what this one did, as entries have it: such as `account:ann`"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "How many at most: 1 to 100"),
    ),
    responses(
        (status = OK, body = AuditShown),
        (status = BAD_REQUEST, description = "Not such parameters", body = Problem),
        (status = SERVICE_UNAVAILABLE, description = "The store is away, or there is none", body = Problem),
    ))]
pub(super) async fn audit(
    State(desk): State<Arc<Desk>>,
    Params(asked): Params<AuditAsked>,
) -> Result<Json<AuditShown>, Problem> {
    let page = page(asked.after.as_deref(), asked.limit)?;
    let actor = asked.actor.as_deref();
    let page = desk.store()?.audit(actor, page.after, page.limit).await?;
    Ok(Json(AuditShown {
        entries: page.rows.into_iter().map(EntryShown::from).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}
