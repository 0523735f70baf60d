//! Tokens of clients: JSON Web Tokens (RFC 7519) that somebody else signs and this server checks.
//!
//! The algorithm is the operator's choice and never the token's: a token that names another one is refused
//! before its signature is looked at (RFC 8725, section 3.1), and a key is only ever used for the algorithm
//! that it was read for.

mod keys;

use crate::config::{Auth, AuthAlgorithm};
use crate::signatures;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use keys::Keys;
use serde::Deserialize;

pub use keys::AuthError;

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// No token is asked for.
    Open,
    /// The first message must hold one.
    Pending,
    /// One came with the request.
    Granted(Grant),
}

/// What a good token allows: to be connected for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Its `exp`, in seconds since the Unix epoch.
    pub(super) expires_at_s: u32,
    /// For how long the clocks of who signs and who checks may differ, in seconds.
    pub(super) leeway_s: u16,
}

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Verifier {
    keys: Keys,
    validation: Validation,
    leeway_s: u16,
}

/// The claims that are needed after the library has checked them.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

impl Verifier {
    /// Reads the keys that the settings name; nothing if no tokens are asked for.
    ///
    /// # Errors
    /// [`AuthError`] if they can't be used.
    pub(super) fn load(auth: &Auth) -> Result<Option<Self>, AuthError> {
        let (Some(algorithm), Some(issuer), Some(audience)) =
            (auth.algorithm, &auth.issuer, &auth.audience)
        else {
            return Ok(None);
        };
        signatures::install();
        let mut validation = Validation::new(algorithm.into());
        validation.leeway = auth.leeway_s.into();
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Ok(Some(Self {
            keys: Keys::load(auth, algorithm)?,
            validation,
            leeway_s: auth.leeway_s,
        }))
    }

    /// What a token allows, or what is wrong with it, in words for a developer.
    pub(super) fn verify(&self, token: &str) -> Result<Grant, &'static str> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| denial(error.kind()))?;
        self.check_header(&header)?;
        let key = self.keys.find(header.kid.as_deref())?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| denial(error.kind()))?
            .claims;
        Ok(Grant {
            // As a cast saturates, a token that never ends does so in 2106.
            expires_at_s: claims.exp as u32,
            leeway_s: self.leeway_s,
        })
    }

    fn check_header(&self, header: &Header) -> Result<(), &'static str> {
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(denial(&ErrorKind::InvalidAlgorithm));
        }
        // RFC 7515, section 4.1.11: who doesn't understand it must refuse.
        if header.crit.is_some() {
            return Err("the token is not good: it has extensions that are not known here");
        }
        Ok(())
    }
}

/// What is wrong, without a word of the token in it.
fn denial(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not good yet",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token must have `exp`, `iss` and `aud`",
        ErrorKind::InvalidAlgorithm => {
            "the token is not signed by the algorithm that is asked for here"
        }
        ErrorKind::InvalidSignature => "the token is not signed by a key that is known here",
        _ => "the token is not one: a signed JSON Web Token in its compact form",
    }
}

impl From<AuthAlgorithm> for Algorithm {
    fn from(algorithm: AuthAlgorithm) -> Self {
        match algorithm {
            AuthAlgorithm::EdDSA => Self::EdDSA,
            AuthAlgorithm::ES256 => Self::ES256,
            AuthAlgorithm::RS256 => Self::RS256,
            AuthAlgorithm::HS256 => Self::HS256,
        }
    }
}
