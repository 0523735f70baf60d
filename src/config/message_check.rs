//! The service that messages are shown to before they are passed on, if any.

use super::admin::{Secret, is_token_file_good, is_token_good, read_token};
use super::endpoint::is_endpoint;
use crate::private::Private;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The service that messages are shown to before they are passed on, if any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageCheck {
    /// The URL at which it is asked; none: nothing is checked.
    pub url: Option<String>,
    /// What it is shown as a bearer token, 16…1024 visible ASCII characters.
    pub token: Option<Secret>,
    /// A file that holds the token and nothing else but space around it.
    pub token_file: Option<PathBuf>,
    /// How long it may take for a message, in ms, or it counts as away.
    pub timeout_ms: u32,
    /// What becomes of messages while it is away.
    pub when_away: WhenAway,
    /// How many messages of one side of a chat may wait to be checked.
    pub waiting_max: usize,
    /// Of how many messages of everybody it is asked at once.
    pub checks_at_once: usize,
}

/// What becomes of messages while the service is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// They are passed on unchecked.
    Pass,
    /// They are refused, to be said again later.
    Refuse,
}

impl WhenAway {
    /// Its word in the settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
        }
    }
}

impl Default for MessageCheck {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            token_file: None,
            timeout_ms: 500,
            when_away: WhenAway::Pass,
            waiting_max: 16,
            checks_at_once: 64,
        }
    }
}

impl MessageCheck {
    /// The token, if there is one.
    ///
    /// # Errors
    /// If its file can't be read, or what is there is no token.
    pub fn read_token(&self) -> io::Result<Option<Private<String>>> {
        read_token(self.token.as_ref(), self.token_file.as_deref())
    }

    pub(super) fn is_url_good(&self) -> bool {
        self.url.as_deref().is_none_or(is_endpoint)
    }

    pub(super) fn is_token_good(&self) -> bool {
        is_token_good(self.token.as_ref(), self.token_file.as_deref())
    }

    pub(super) fn is_token_file_good(&self) -> bool {
        is_token_file_good(self.token.as_ref(), self.token_file.as_deref())
    }
}
