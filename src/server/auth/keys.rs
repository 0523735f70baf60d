//! The keys that tokens are checked with, from a file: one key or secret, or a set of them.

use crate::config::{Auth, AuthAlgorithm};
use crate::server::tls::read_bounded;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse,
};
use std::io;
use std::path::{Path, PathBuf};

/// RFC 7518, section 3.2: a secret must be as long as the hash.
const SECRET_MIN_BYTES: usize = 32;

/// Keys of a set: those of now and of before, of a few issuers' machines.
const SET_MAX: usize = 64;

/// Why the keys that tokens are checked with can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file can't be read.
    #[error("`{setting}`: {file} cannot be read: {cause}")]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file does not hold what it should.
    #[error("`{setting}`: {file} must hold {expected}")]
    Unusable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
}

/// The keys for one algorithm.
pub(super) enum Keys {
    /// For every token, whatever key it names.
    One(DecodingKey),
    /// With their names, if they have any.
    Set(Vec<(Option<String>, DecodingKey)>),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    pub(super) fn load(auth: &Auth, algorithm: AuthAlgorithm) -> Result<Self, AuthError> {
        let (setting, file) = match (&auth.key, &auth.jwks) {
            (Some(file), _) => ("auth.key", file),
            (None, Some(file)) => ("auth.jwks", file),
            (None, None) => return Ok(Self::Set(Vec::new())),
        };
        let bytes = read(file, setting)?;
        let keys = if setting == "auth.key" {
            key(&bytes, algorithm).map(Self::One)
        } else {
            set(&bytes, algorithm).map(Self::Set)
        };
        keys.map_err(|expected| AuthError::Unusable {
            setting,
            file: file.clone(),
            expected,
        })
    }

    /// The key of this name. A token need not name one if there is only one.
    pub(super) fn find(&self, kid: Option<&str>) -> Result<&DecodingKey, &'static str> {
        let found = match (self, kid) {
            (Self::One(key), _) => Some(key),
            (Self::Set(keys), Some(kid)) => keys
                .iter()
                .find(|(name, _)| name.as_deref() == Some(kid))
                .map(|(_, key)| key),
            (Self::Set(keys), None) => match keys.as_slice() {
                [(_, key)] => Some(key),
                _ => return Err("the token must name its key by `kid`"),
            },
        };
        found.ok_or("the token is signed by a key that is not known here")
    }
}

fn read(file: &Path, setting: &'static str) -> Result<Vec<u8>, AuthError> {
    read_bounded(file).map_err(|cause| AuthError::Unreadable {
        setting,
        file: file.to_owned(),
        cause,
    })
}

/// A key from a file of its own, or what should be there.
fn key(bytes: &[u8], algorithm: AuthAlgorithm) -> Result<DecodingKey, &'static str> {
    let (key, expected) = match algorithm {
        AuthAlgorithm::EdDSA => (
            DecodingKey::from_ed_pem(bytes),
            "an Ed25519 public key in PEM (-----BEGIN PUBLIC KEY-----)",
        ),
        AuthAlgorithm::ES256 => (
            DecodingKey::from_ec_pem(bytes),
            "a P-256 public key in PEM (-----BEGIN PUBLIC KEY-----)",
        ),
        AuthAlgorithm::RS256 => (
            DecodingKey::from_rsa_pem(bytes),
            "an RSA public key in PEM (-----BEGIN PUBLIC KEY-----)",
        ),
        AuthAlgorithm::HS256 => return secret(bytes),
    };
    key.ok()
        .filter(|key| is_fit(key, algorithm))
        .ok_or(expected)
}

/// A public key is no secret: whoever knows it could sign with it.
fn secret(bytes: &[u8]) -> Result<DecodingKey, &'static str> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let is_pem = bytes.windows(5).any(|window| window == b"-----");
    if bytes.len() < SECRET_MIN_BYTES || is_pem {
        return Err("a secret of at least 32 bytes, and no key in PEM");
    }
    Ok(DecodingKey::from_secret(bytes))
}

/// The keys of a set (RFC 7517, section 5) that are there for this algorithm, or what should be there.
fn set(
    bytes: &[u8],
    algorithm: AuthAlgorithm,
) -> Result<Vec<(Option<String>, DecodingKey)>, &'static str> {
    let set: JwkSet = serde_json::from_slice(bytes)
        .map_err(|_| "a JSON Web Key Set: an object with a list of `keys`")?;
    if set.keys.len() > SET_MAX {
        return Err("at most 64 keys");
    }
    let fit: Vec<_> = set
        .keys
        .iter()
        .filter(|jwk| is_for(jwk, algorithm))
        .filter_map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).ok()?;
            is_fit(&key, algorithm).then(|| (jwk.common.key_id.clone(), key))
        })
        .collect();
    if fit.is_empty() {
        return Err("a key for the algorithm that `auth.algorithm` names");
    }
    Ok(fit)
}

/// Whether a key of a set is there to check this algorithm's signatures.
fn is_for(jwk: &Jwk, algorithm: AuthAlgorithm) -> bool {
    let (is_kind, name) = match (algorithm, &jwk.algorithm) {
        (AuthAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(pair)) => {
            (pair.curve == EllipticCurve::Ed25519, KeyAlgorithm::EdDSA)
        }
        (AuthAlgorithm::ES256, AlgorithmParameters::EllipticCurve(point)) => {
            (point.curve == EllipticCurve::P256, KeyAlgorithm::ES256)
        }
        (AuthAlgorithm::RS256, AlgorithmParameters::RSA(_)) => (true, KeyAlgorithm::RS256),
        (AuthAlgorithm::HS256, AlgorithmParameters::OctetKey(_)) => (true, KeyAlgorithm::HS256),
        _ => return false,
    };
    let common = &jwk.common;
    let is_named = common.key_algorithm.is_none_or(|named| named == name);
    let is_for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    is_kind && is_named && is_for_signatures
}

/// Whether the key has the size that its algorithm needs; of RSA keys the library refuses weak ones when it
/// uses them.
fn is_fit(key: &DecodingKey, algorithm: AuthAlgorithm) -> bool {
    let is_so = |is_fit: fn(usize) -> bool| {
        let bytes = key.try_get_as_bytes();
        bytes.is_ok_and(|bytes| is_fit(bytes.len()))
    };
    match algorithm {
        AuthAlgorithm::EdDSA => is_so(|bytes| bytes == 32),
        AuthAlgorithm::ES256 => is_so(|bytes| bytes == 65),
        AuthAlgorithm::HS256 => is_so(|bytes| bytes >= SECRET_MIN_BYTES),
        AuthAlgorithm::RS256 => true,
    }
}
