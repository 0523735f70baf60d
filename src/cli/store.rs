//! The store of the settings, for commands that use it beside the server.

use crate::config;
use crate::store::{Store, StoreAt};
use anyhow::ensure;

/// An open store, and where it is, for people.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) place: String,
}

/// Opens the store, which must be there already: whoever asks in the wrong place is not to be told that there is nothing.
pub(super) async fn open(settings: &config::Store) -> anyhow::Result<Opened> {
    let at = at(settings);
    if let Some(file) = at.file() {
        ensure!(
            file.exists(),
            "there is no store at {}; set store.folder to where the server keeps it",
            file.display()
        );
    }
    open_at(&at, settings).await
}

/// Opens the store, and makes it if it isn't there.
pub(super) async fn open_or_make(settings: &config::Store) -> anyhow::Result<Opened> {
    open_at(&at(settings), settings).await
}

fn at(settings: &config::Store) -> StoreAt {
    settings.at(|name| std::env::var_os(name))
}

async fn open_at(at: &StoreAt, settings: &config::Store) -> anyhow::Result<Opened> {
    let place = match at.file() {
        Some(file) => format!("the store {}", file.display()),
        None => "the store at store.url".to_owned(),
    };
    let store = Store::open(at, &settings.opening()).await?;
    Ok(Opened { store, place })
}
