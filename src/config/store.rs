//! Where what must outlast the process is kept, and for how long.

use super::{Secret, Webhook, seconds};
use crate::private::Private;
use crate::store::{Opening, Retention, StoreAt};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// For how long bans that have ended are kept at least: an hour.
const BANS_MIN_MS: i64 = 3_600_000;

/// Where what must outlast the process is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Which database.
    pub url: StoreUrl,
    /// The folder of the embedded one; if unset, the one that is usual for such things.
    pub folder: Option<PathBuf>,
    /// How many connections there may be to PostgreSQL.
    pub connections: u32,
    /// How many reports and bans may wait to be written.
    pub queue: usize,
    /// How long the database may take for anything, in s.
    pub timeout_s: f64,
    /// For how many days reports are kept.
    pub keep_reports_days: u32,
    /// For how many days bans are kept after they have ended or were lifted.
    pub keep_bans_days: u32,
    /// For how many days the audit log is kept.
    pub keep_audit_days: u32,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StoreUrl {
    /// The embedded one, if its folder can be had; else none.
    #[default]
    Auto,
    /// None.
    Off,
    /// PostgreSQL there, or the server does not start.
    At(Secret),
}

impl From<String> for StoreUrl {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "off" => Self::Off,
            _ => Self::At(text.into()),
        }
    }
}

/// A URL may hold a password, so it is never written.
impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        match url {
            StoreUrl::Auto => "auto",
            StoreUrl::Off => "off",
            StoreUrl::At(_) => Secret::HIDDEN,
        }
        .to_owned()
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::Auto,
            folder: None,
            connections: 8,
            queue: 1024,
            timeout_s: 5.0,
            keep_reports_days: 90,
            keep_bans_days: 30,
            keep_audit_days: 365,
        }
    }
}

impl Store {
    /// Where the store is, by the settings and what the environment says of folders.
    pub fn at(&self, environment: impl Fn(&str) -> Option<OsString>) -> StoreAt {
        match &self.url {
            StoreUrl::Off => StoreAt::Off,
            StoreUrl::At(url) => StoreAt::Url(Private::new(url.reveal().to_owned())),
            StoreUrl::Auto => {
                let usual = || usual_folder(environment);
                let folder = self.folder.clone().or_else(usual);
                folder.map_or(StoreAt::Unknown, StoreAt::Folder)
            }
        }
    }

    /// Whether the operator has said where it is to be, so that the server must not do without.
    pub fn is_asked_for(&self) -> bool {
        match self.url {
            StoreUrl::Off => false,
            StoreUrl::At(_) => true,
            StoreUrl::Auto => self.folder.is_some(),
        }
    }

    /// How it is opened.
    pub fn opening(&self) -> Opening {
        Opening {
            connections: self.connections,
            timeout: seconds(self.timeout_s),
        }
    }

    /// How long rows are kept. A call of the webhook goes with its report, at the latest.
    pub fn retention(&self, webhook: &Webhook) -> Retention {
        let days = |days: u32| i64::from(days) * DAY_MS;
        let reports_ms = days(self.keep_reports_days);
        Retention {
            reports_ms,
            // Other servers on the same store must have seen that a ban has ended.
            bans_ms: days(self.keep_bans_days).max(BANS_MIN_MS),
            audit_ms: days(self.keep_audit_days),
            calls_ms: webhook.keep_ms().min(reports_ms),
        }
    }

    pub(super) fn is_url_good(&self) -> bool {
        match &self.url {
            StoreUrl::Auto | StoreUrl::Off => true,
            StoreUrl::At(url) => ["postgres://", "postgresql://"].iter().any(|scheme| {
                let rest = url.reveal().strip_prefix(scheme);
                rest.is_some_and(|rest| !rest.trim_matches('/').is_empty())
            }),
        }
    }

    pub(super) fn is_folder_good(&self) -> bool {
        let is_path = |folder: &PathBuf| !folder.as_os_str().is_empty();
        self.folder.as_ref().is_none_or(is_path)
    }
}

/// What systemd has made for the unit (`StateDirectory=`, the first if there are several), else the user's own
/// (XDG Base Directory Specification).
fn usual_folder(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| environment(name).filter(|path| !path.is_empty());
    if let Some(folders) = folder("STATE_DIRECTORY") {
        let folders = folders.to_string_lossy();
        return folders.split(':').next().map(PathBuf::from);
    }
    // A path that is not absolute is none, by that specification: it would be another one from each folder.
    let absolute = |name: &str| {
        folder(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let in_home = || Some(absolute("HOME")?.join(".local/state"));
    let state = absolute("XDG_STATE_HOME").or_else(in_home)?;
    Some(state.join("whisperchat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(store: &Store, environment: &[(&str, &str)]) -> StoreAt {
        store.at(|name| {
            let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
            Some(value.into())
        })
    }

    fn folder(path: &str) -> StoreAt {
        StoreAt::Folder(path.into())
    }

    #[test]
    fn the_folder_is_the_one_that_is_set_or_the_usual_one() {
        let mut store = Store::default();
        let mut environment = vec![("HOME", "/home/ann")];
        let usual = folder("/home/ann/.local/state/whisperchat");
        assert_eq!(at(&store, &environment), usual);
        environment.push(("XDG_STATE_HOME", "relative"));
        assert_eq!(at(&store, &environment), usual);
        environment[1] = ("XDG_STATE_HOME", "/state");
        assert_eq!(at(&store, &environment), folder("/state/whisperchat"));
        environment.push(("STATE_DIRECTORY", "/var/lib/whisperchat:/var/lib/other"));
        assert_eq!(at(&store, &environment), folder("/var/lib/whisperchat"));
        assert_eq!(at(&store, &[]), StoreAt::Unknown);
        assert_eq!(at(&store, &[("HOME", "relative")]), StoreAt::Unknown);
        assert!(!store.is_asked_for());
        store.folder = Some("/mine".into());
        assert_eq!(at(&store, &environment), folder("/mine"));
        assert!(store.is_asked_for());
        store.url = StoreUrl::Off;
        assert_eq!(at(&store, &environment), StoreAt::Off);
        assert!(!store.is_asked_for());
    }

    #[test]
    fn a_password_in_the_url_is_never_shown() {
        let url = "postgres://whisperchat:secret@db/whisperchat";
        let mut store = Store {
            url: url.to_owned().into(),
            ..Store::default()
        };
        assert_eq!(at(&store, &[]), StoreAt::Url(Private::new(url.to_owned())));
        assert!(store.is_url_good());
        let shown = [format!("{store:?}"), serde_json::to_string(&store).unwrap()];
        assert!(!shown.concat().contains("secret"), "{shown:?}");
        for url in ["mysql://db/whisperchat", "postgres://", "postgresql:///"] {
            store.url = url.to_owned().into();
            assert!(!store.is_url_good(), "{url}");
        }
    }
}
