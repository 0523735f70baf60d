//! Who is told of reports, if anybody.

use super::Secret;
use super::endpoint::is_endpoint;
use crate::private::Private;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

const HOUR_MS: i64 = 3_600_000;

/// How many characters a secret has: a shorter one could be guessed, a longer one is no secret.
const SECRET_CHARS: RangeInclusive<usize> = 24..=1024;

/// What a secret begins with of which the rest is the key in base64 (Standard Webhooks 1.0.0, "Signature scheme").
const BASE64_MARK: &str = "whsec_";

/// The shortest key (the same).
const KEY_BYTES_MIN: usize = 24;

/// Who is told of reports, and how they know that it is this server that tells them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The URL that is called for each report; none: nobody is.
    pub url: Option<String>,
    /// What calls are signed with, 24…1024 visible ASCII characters: the key itself, or `whsec_` and the key in base64.
    pub secret: Option<Secret>,
    /// A file that holds the secret and nothing else but space around it.
    pub secret_file: Option<PathBuf>,
    /// How long the receiver may take to answer a call, in s.
    pub timeout_s: f64,
    /// For how many hours a call is tried.
    pub keep_h: u32,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            secret_file: None,
            timeout_s: 10.0,
            keep_h: 72,
        }
    }
}

impl Webhook {
    /// The key that calls are signed with, if there is one.
    ///
    /// # Errors
    /// If the secret's file can't be read, or what is there is no secret.
    pub fn read_key(&self) -> io::Result<Option<Private<Vec<u8>>>> {
        let key = match (&self.secret, &self.secret_file) {
            (Some(secret), _) => key(secret.reveal()),
            (None, Some(file)) => key(std::fs::read_to_string(file)?.trim()),
            (None, None) => return Ok(None),
        };
        let message = "a secret is 24 to 1024 visible ASCII characters, or whsec_ and at least 24 bytes in base64";
        key.map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, message))
    }

    /// For how long a call is tried, in ms.
    pub(super) fn keep_ms(&self) -> i64 {
        i64::from(self.keep_h) * HOUR_MS
    }

    pub(super) fn is_url_good(&self) -> bool {
        self.url.as_deref().is_none_or(is_endpoint)
    }

    /// Whoever is called must be able to tell who calls.
    pub(super) fn is_secret_good(&self) -> bool {
        match &self.secret {
            Some(secret) => key(secret.reveal()).is_some() && self.secret_file.is_none(),
            None => self.url.is_none() || self.secret_file.is_some(),
        }
    }

    pub(super) fn is_secret_file_good(&self) -> bool {
        self.secret_file.is_none() || self.secret.is_some() || self.read_key().is_ok()
    }
}

/// The key that a secret stands for, if it is one.
fn key(secret: &str) -> Option<Private<Vec<u8>>> {
    let is_visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_visible || !SECRET_CHARS.contains(&secret.len()) {
        return None;
    }
    let key = match secret.strip_prefix(BASE64_MARK) {
        Some(base64) => STANDARD.decode(base64).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    (key.len() >= KEY_BYTES_MIN).then(|| Private::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(secret: &str) -> Webhook {
        Webhook {
            secret: Some(secret.to_owned().into()),
            ..Webhook::default()
        }
    }

    #[test]
    fn a_secret_is_the_key_itself_or_the_key_in_base64() {
        let plain = "twenty-four-characters-!";
        let key = with(plain).read_key().unwrap().unwrap();
        assert_eq!(*key, plain.as_bytes());
        let key = with("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        let bytes: Vec<u8> = (0..24).collect();
        assert_eq!(*key.read_key().unwrap().unwrap(), bytes);
        assert!(Webhook::default().read_key().unwrap().is_none());
    }

    #[test]
    fn what_could_be_guessed_or_is_not_what_it_says_is_refused() {
        let long = "x".repeat(1025);
        for bad in [
            "",
            "twenty-three-characters",
            "twenty four characters !",
            // 23 bytes, and no base64.
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",
            "whsec_this-is-not-base64-at-all!",
            &long,
        ] {
            let webhook = with(bad);
            assert!(!webhook.is_secret_good(), "{bad}");
            assert!(webhook.read_key().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_called_needs_a_secret_and_one_is_enough() {
        let mut webhook = Webhook::default();
        assert!(webhook.is_secret_good());
        webhook.url = Some("https://desk.example/reports".to_owned());
        assert!(webhook.is_url_good() && !webhook.is_secret_good());
        webhook.secret_file = Some("/nowhere/secret".into());
        assert!(webhook.is_secret_good() && !webhook.is_secret_file_good());
        webhook.secret = Some("twenty-four-characters-!".to_owned().into());
        assert!(!webhook.is_secret_good());
        let shown = format!("{webhook:?}{}", serde_json::to_string(&webhook).unwrap());
        assert!(!shown.contains("twenty"), "{shown}");
    }
}
