//! New settings while the server runs.

use super::credentials;
use super::listen::{ServerError, Shared};
use super::message_check::Terms;
use super::webhook::Endpoint;
use crate::config::{Change, Config};
use std::sync::Arc;

/// Puts new settings in force while the server runs.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<Shared>);

impl Reloader {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    /// Puts in force what can be, and reads the files anew that the settings name. It says what has changed
    /// and what waits for a restart.
    ///
    /// # Errors
    /// [`ServerError`] if one of the files can't be used. Then nothing has changed.
    pub fn reload(&self, wanted: &Config) -> Result<Change, ServerError> {
        let shared = &self.0;
        let _alone = shared.reloading.lock();
        let change = shared.config().change_to(wanted);
        let admin = &change.config.admin;
        let token = admin.read_token().map_err(ServerError::AdminToken)?;
        let endpoint =
            Endpoint::read(&change.config.webhook).map_err(ServerError::WebhookSecret)?;
        let terms = Terms::new(&change.config.message_check)?;
        shared.rules.credentials.reload(&change.config)?;
        if let Some(checker) = &shared.rules.hub.checker {
            checker.go_on_by(terms);
        }
        if let Some(guard) = &shared.guard
            && guard.renew(token)
        {
            let is_asked_for = admin.token.is_some() || admin.token_file.is_some();
            if is_asked_for {
                tracing::info!("operators must show another token from now on");
            } else {
                tracing::info!("operators need show no token from now on");
            }
        }
        shared.reconfigure(&change.config);
        if let Some(safety) = &shared.rules.hub.safety {
            safety.webhook.renew(endpoint);
        }
        Ok(change)
    }

    /// Reads the files anew that the settings name, if they have changed, and reports what came of it.
    pub(super) fn look_at_files(&self) {
        let shared = &self.0;
        let _alone = shared.reloading.lock();
        let config = shared.config();
        let credentials = &shared.rules.credentials;
        if credentials.has_changed(&config) {
            match credentials.reload(&config) {
                Ok(()) => tracing::info!("certificate and keys were read again"),
                Err(error) => tracing::error!(%error, "certificate and keys in force are kept"),
            }
        }
    }
}

/// Uses the files anew whenever they have changed, for as long as it is polled.
pub(super) async fn watch_files(shared: &Arc<Shared>) {
    let mut ticks = tokio::time::interval(credentials::LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if credentials::are_named(&shared.config()) {
            let reloader = Reloader::new(shared);
            // Only a panic could keep it from its end, and that has been logged.
            let _ = tokio::task::spawn_blocking(move || reloader.look_at_files()).await;
        }
    }
}
