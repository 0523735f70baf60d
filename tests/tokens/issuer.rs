//! Who signs tokens: an authority of its own for every algorithm, good or bad.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use ring::{hmac, rand::SecureRandom as _};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ALGORITHMS: [&str; 4] = ["EdDSA", "ES256", "RS256", "HS256"];
pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "whisperchat";

/// A key for these tests and nothing else; a new one would take seconds.
const RSA_KEY: &str = include_str!("rsa.pem");

/// One key, and the algorithm that it is for.
pub(crate) struct Issuer {
    pub(crate) algorithm: &'static str,
    key: Key,
}

enum Key {
    Pair(Box<KeyPair>),
    Secret([u8; 32]),
}

impl Issuer {
    pub(crate) fn new(algorithm: &'static str) -> Self {
        let pair = |pair: Result<_, rcgen::Error>| Key::Pair(Box::new(pair.expect("a key")));
        let key = match algorithm {
            "EdDSA" => pair(KeyPair::generate_for(&PKCS_ED25519)),
            "ES256" => pair(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)),
            "RS256" => pair(KeyPair::from_pem(RSA_KEY)),
            "HS256" => {
                let mut secret = [0; 16];
                SystemRandom::new().fill(&mut secret).expect("randomness");
                // As text, for the file it stands in.
                let text = URL_SAFE_NO_PAD.encode([secret, secret].concat());
                Key::Secret(*text.as_bytes().first_chunk().expect("it is longer"))
            }
            other => panic!("no such algorithm: {other}"),
        };
        Self { algorithm, key }
    }

    /// What the server's file holds.
    pub(crate) fn file(&self) -> String {
        match &self.key {
            Key::Pair(pair) => pair.public_key_pem(),
            Key::Secret(secret) => format!("{}\n", str::from_utf8(secret).expect("text")),
        }
    }

    /// The same as an entry of a set (RFC 7517).
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match (&self.key, self.algorithm) {
            (Key::Secret(secret), _) => json!({"kty": "oct", "kid": kid, "k": base64(secret)}),
            (Key::Pair(pair), "EdDSA") => {
                let x = base64(pair.public_key_raw());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x, "use": "sig"})
            }
            (Key::Pair(pair), "ES256") => {
                let (x, y) = pair.public_key_raw()[1..].split_at(32);
                let (x, y) = (base64(x), base64(y));
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y, "alg": "ES256"})
            }
            (Key::Pair(pair), _) => {
                let pair = RsaKeyPair::from_pkcs8(&pair.serialize_der()).expect("a key");
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": kid, "n": base64(&public.n), "e": base64(&public.e)})
            }
        }
    }

    /// A token with these claims, signed as its algorithm asks for.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.signed(&json!({"typ": "JWT", "alg": self.algorithm}), claims)
    }

    /// The same with any header.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match (&self.key, self.algorithm) {
            (Key::Secret(secret), _) => hmac_sha256(secret, message),
            (Key::Pair(pair), "EdDSA") => {
                let der = pair.serialize_der();
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).expect("a key");
                pair.sign(message).as_ref().to_vec()
            }
            (Key::Pair(pair), "ES256") => {
                let (algorithm, der) = (&ECDSA_P256_SHA256_FIXED_SIGNING, pair.serialize_der());
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, &der, &random).expect("a key");
                let signature = pair.sign(&random, message).expect("it can be signed");
                signature.as_ref().to_vec()
            }
            (Key::Pair(pair), _) => {
                let pair = RsaKeyPair::from_pkcs8(&pair.serialize_der()).expect("a key");
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("it can be signed");
                signature
            }
        }
    }
}

/// The first two parts of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, message).as_ref().to_vec()
}

pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

/// Good claims that end after so many seconds.
pub(crate) fn claims_for(seconds: u64) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": now_s() + seconds})
}

/// The same with one claim replaced, or taken out by null.
pub(crate) fn claims_but(claim: &str, value: Value) -> Value {
    let mut claims = claims_for(3600);
    let fields = claims.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(fields.remove(claim)),
        value => drop(fields.insert(claim.to_owned(), value)),
    }
    claims
}
