//! What moderators do: reports, bans, and the log of who did what.

mod audit;
mod bans;
mod reports;

use super::api::Desk;
use super::problem::Problem;
use crate::store::Store;
use axum::http::StatusCode;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All that is about people who chat.
pub(super) fn routes() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::new()
        .routes(routes!(reports::reports))
        .routes(routes!(reports::report))
        .routes(routes!(reports::decide))
        .routes(routes!(bans::bans, bans::create))
        .routes(routes!(bans::ban, bans::lift))
        .routes(routes!(audit::audit))
}

impl Desk {
    fn store(&self) -> Result<&Store, Problem> {
        let none = || {
            let message = "there are neither reports nor bans here: the server keeps nothing (store.url is off)";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
        };
        let writer = self.shared.store.as_ref().ok_or_else(none)?;
        Ok(writer.store())
    }
}
