//! Passkeys: what is asked of browsers, and whether they have answered it.
//!
//! The library checks what was signed, and everything the specification has it check. User verification is required:
//! the authenticator asks for a finger, a face or a PIN, so that one that lies on a desk is of no use to whoever has
//! read the password over a shoulder. What goes with a challenge is in this server's memory, bounded and for five
//! minutes, and is taken out by the first answer, right or wrong.

use super::super::caller::{Who, actor};
use super::super::problem::Problem;
use super::{Guessed, Office, by};
use crate::accounts::passkey::{CHALLENGE_LASTS, Challenges, digest, user_handle};
use crate::moment::Moment;
use crate::private::Private;
use crate::store::{Account, KeptPasskey, StoreError, UsedPasskey};
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde::Serialize;
use std::net::SocketAddr;
use utoipa::ToSchema;
use webauthn_rs::prelude::{
    CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Url, Uuid,
    Webauthn, WebauthnBuilder, WebauthnError,
};

/// What browsers call the server when they ask for a passkey.
const NAME: &str = "WhisperChat";

/// Challenges, and how their answers are checked.
#[derive(Debug)]
pub(in crate::server::admin) struct Passkeys {
    /// What passkeys are bound to. None where they can't be had.
    site: Option<Webauthn>,
    /// By session.
    enrolling: Mutex<Challenges<i64, PasskeyRegistration>>,
    asked: Mutex<Challenges<Asked, PasskeyAuthentication>>,
}

/// Who is asked for a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// Somebody who has shown the password of this account.
    LoggingIn(i64),
    /// Somebody in this session, whether it is still they.
    Again(i64),
}

/// What a browser is to show a passkey for.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyAsked {
    /// For the browser's `navigator.credentials.get()`; its `publicKey` is what
    /// `PublicKeyCredential.parseRequestOptionsFromJSON()` reads.
    #[schema(value_type = Object)]
    options: RequestChallengeResponse,
    /// For how long it can be shown.
    expires_in_s: u64,
}

/// What a browser is to make a passkey for.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyEnrolling {
    /// For the browser's `navigator.credentials.create()`; its `publicKey` is what
    /// `PublicKeyCredential.parseCreationOptionsFromJSON()` reads.
    #[schema(value_type = Object)]
    options: CreationChallengeResponse,
    /// For how long it can be taken into use.
    expires_in_s: u64,
}

impl Passkeys {
    /// By the setting `admin.origin`; without it, on this machine by the name that browsers take for secure.
    pub(in crate::server::admin) fn of(origin: Option<&str>, address: Option<SocketAddr>) -> Self {
        let site = match (origin, address) {
            (Some(origin), _) => site(origin),
            (None, Some(address)) if address.ip().is_loopback() => {
                site(&format!("http://localhost:{}", address.port()))
            }
            (None, _) => None,
        };
        Self {
            site,
            enrolling: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    fn site(&self) -> Result<&Webauthn, Problem> {
        let message = "passkeys are bound to the address at which browsers have the board: set `admin.origin`, such as \
            https://ops.example.com";
        let site = self.site.as_ref();
        site.ok_or_else(|| Problem::new(StatusCode::CONFLICT, message))
    }

    /// Challenges somebody to make a passkey beside those they have.
    pub(super) fn begin_enrolling(
        &self,
        who: &Who,
        account: &Account,
        kept: &[KeptPasskey],
        now: Moment,
    ) -> Result<PasskeyEnrolling, Problem> {
        let site = self.site()?;
        let handle = Uuid::from_bytes(user_handle(account.id, account.created_at_ms));
        let known = read_all(kept)?;
        let known = known.iter().map(|passkey| passkey.cred_id().clone());
        let name = account.name.as_str();
        let begun =
            site.start_passkey_registration(handle, name, name, Some(known.collect::<Vec<_>>()));
        let (options, challenge) = begun.map_err(|error| failed(&error))?;
        self.enrolling.lock().put(who.session, challenge, now);
        Ok(PasskeyEnrolling {
            options,
            expires_in_s: CHALLENGE_LASTS.as_secs(),
        })
    }

    /// The passkey that was made for the last challenge.
    pub(super) fn enrolled(
        &self,
        who: &Who,
        made: &RegisterPublicKeyCredential,
        now: Moment,
    ) -> Result<Passkey, Problem> {
        let site = self.site()?;
        let challenge = self.enrolling.lock().take(&who.session, now);
        let challenge = challenge.ok_or_else(|| {
            let message = "no passkey is being enrolled, or it was begun too long ago: begin again";
            Problem::new(StatusCode::CONFLICT, message)
        })?;
        let passkey = site.finish_passkey_registration(made, &challenge);
        passkey.map_err(|error| {
            tracing::info!(account = who.account, %error, "a passkey was not taken");
            Problem::new(StatusCode::FORBIDDEN, why_not(&error))
        })
    }

    fn ask(
        &self,
        asked: Asked,
        kept: &[KeptPasskey],
        now: Moment,
    ) -> Result<PasskeyAsked, Problem> {
        let site = self.site()?;
        // Without any, the library would ask for one that it doesn't know.
        if kept.is_empty() {
            let message = "the account has no passkey";
            return Err(Problem::new(StatusCode::CONFLICT, message));
        }
        let begun = site.start_passkey_authentication(&read_all(kept)?);
        let (options, challenge) = begun.map_err(|error| failed(&error))?;
        self.asked.lock().put(asked, challenge, now);
        Ok(PasskeyAsked {
            options,
            expires_in_s: CHALLENGE_LASTS.as_secs(),
        })
    }
}

impl Office {
    /// Asks somebody for one of the passkeys of an account.
    pub(super) async fn ask_for_passkey(
        &self,
        account: i64,
        asked: Asked,
    ) -> Result<PasskeyAsked, Problem> {
        let kept = self.store.passkeys(account).await?;
        self.passkeys.ask(asked, &kept, self.now())
    }

    /// Takes what a passkey of the account has signed as shown. Tries count as those of codes do.
    pub(super) async fn check_passkey(
        &self,
        account: &Account,
        asked: Asked,
        shown: &PublicKeyCredential,
    ) -> Result<(), Problem> {
        let using = async {
            let is_good = self.use_passkey(account, asked, shown).await?;
            Ok(is_good.then_some(()))
        };
        let used = self.guessed(account.id, Guessed::Code, using).await?;
        used.ok_or_else(|| {
            let message = "the passkey was refused, or asked for too long ago: begin again";
            Problem::new(StatusCode::UNAUTHORIZED, message)
        })
    }

    async fn use_passkey(
        &self,
        account: &Account,
        asked: Asked,
        shown: &PublicKeyCredential,
    ) -> Result<bool, Problem> {
        let site = self.passkeys.site()?;
        let Some(challenge) = self.passkeys.asked.lock().take(&asked, self.now()) else {
            return Ok(false);
        };
        let signed = match site.finish_passkey_authentication(shown, &challenge) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::warn!(account = account.id, %error, "a passkey was refused after the right password");
                if matches!(error, WebauthnError::CredentialPossibleCompromise) {
                    self.doubt(account, &shown.raw_id).await?;
                }
                return Ok(false);
            }
        };
        // As it is by now: it may have been used, or removed, since it was asked for.
        let kept = read_all(&self.store.passkeys(account.id).await?)?;
        let mut kept = kept.into_iter();
        let Some(mut passkey) = kept.find(|passkey| passkey.cred_id() == signed.cred_id()) else {
            return Ok(false);
        };
        passkey.update_credential(&signed);
        let used = UsedPasskey {
            account: account.id,
            digest: digest(signed.cred_id()),
            credential: write(&passkey)?,
            counter: signed.counter(),
        };
        let actor = actor(&account.name);
        let is_good = self.store.use_passkey(&used, by(&actor)).await?;
        if !is_good {
            self.doubt(account, signed.cred_id()).await?;
        }
        Ok(is_good)
    }

    /// One that counts has signed no more often than before: somebody may have a copy of it (Web Authentication,
    /// section 6.1.1). Its owner can remove it.
    async fn doubt(&self, account: &Account, credential_id: &[u8]) -> Result<(), Problem> {
        let actor = actor(&account.name);
        let digest = digest(credential_id);
        let noted = self.store.doubt_passkey(account.id, &digest, by(&actor));
        Ok(noted.await?)
    }
}

/// What passkeys are bound to, if they can be bound to it.
fn site(origin: &str) -> Option<Webauthn> {
    let origin = Url::parse(origin).ok()?;
    let id = origin.host_str()?;
    let builder = WebauthnBuilder::new(id, &origin).ok()?;
    let builder = builder.rp_name(NAME).timeout(CHALLENGE_LASTS);
    builder.build().ok()
}

fn read_all(kept: &[KeptPasskey]) -> Result<Vec<Passkey>, Problem> {
    let read = |kept: &KeptPasskey| serde_json::from_str(&kept.credential);
    let passkeys: Result<_, _> = kept.iter().map(read).collect();
    // Somebody else's hand in the tables.
    passkeys.map_err(|_| StoreError::Unacceptable("a kept passkey is none").into())
}

/// What is to be kept of a passkey.
pub(super) fn write(passkey: &Passkey) -> Result<Private<String>, Problem> {
    let text = serde_json::to_string(passkey);
    let text = text.map_err(|error| {
        tracing::error!(%error, "a passkey can't be written down");
        broken()
    })?;
    Ok(Private::new(text))
}

fn failed(error: &WebauthnError) -> Problem {
    tracing::error!(%error, "no passkey can be asked for");
    broken()
}

fn broken() -> Problem {
    let message = "passkeys failed; the server's log says how";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// For whoever has just made it.
fn why_not(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::InvalidRPOrigin => {
            "the passkey was made for a page of another address than `admin.origin`"
        }
        WebauthnError::UserNotVerified => {
            "the authenticator did not see whose it is: it must ask for a finger, a face or a PIN"
        }
        _ => "the passkey was not made for what was asked: begin again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(setting: Option<&str>, address: &str) -> Option<String> {
        let passkeys = Passkeys::of(setting, Some(address.parse().unwrap()));
        let site = passkeys.site.as_ref()?;
        let origin = site.get_allowed_origins().first()?;
        Some(origin.origin().ascii_serialization())
    }

    #[test]
    fn passkeys_are_bound_to_the_setting_or_on_this_machine_to_localhost() {
        let far = "192.0.2.1:9090";
        for (setting, address, expected) in [
            (None, "127.0.0.1:9090", Some("http://localhost:9090")),
            (None, "[::1]:9090", Some("http://localhost:9090")),
            (None, far, None),
            (
                Some("https://ops.example.com"),
                far,
                Some("https://ops.example.com"),
            ),
            (
                Some("https://ops.example.com:443"),
                far,
                Some("https://ops.example.com"),
            ),
            (Some("https://Board:8443"), far, Some("https://board:8443")),
            (
                Some("http://localhost"),
                "127.0.0.1:9090",
                Some("http://localhost"),
            ),
        ] {
            assert_eq!(
                origin(setting, address).as_deref(),
                expected,
                "{setting:?} at {address}"
            );
        }
        let refused = Passkeys::of(None, None)
            .site()
            .err()
            .map(|problem| format!("{problem:?}"));
        assert!(refused.is_some_and(|words| words.contains("`admin.origin`")));
    }
}
