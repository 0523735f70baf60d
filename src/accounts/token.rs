//! Access tokens: what somebody who is logged in shows with each request, for five minutes.
//!
//! JSON Web Tokens (RFC 7519) in the manner of RFC 9068, signed by Ed25519 and by nothing else: the algorithm is
//! never the token's choice (RFC 8725, section 3.1; ASVS 9.1.2), the key is one of the server's own by its name and
//! never one that the token brings or points to (ASVS 9.1.3), and a token of one kind is no token of another (`typ`
//! and `aud`; ASVS 9.2.2, 9.2.3).
//!
//! Two kinds are signed: access tokens, and what tells the server at the second step of logging in that the first was
//! taken.

use super::opaque::sha256;
use super::{Role, Standing};
use crate::private::Private;
use crate::signatures;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::CryptoRng;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long an access token is good, in seconds.
pub const ACCESS_S: i64 = 300;

/// How long the second step of logging in may take, in seconds.
pub const FACTOR_S: i64 = 300;

/// After how long the server signs by another key, in ms.
pub const KEY_MS: i64 = 30 * 24 * 3600 * 1000;

/// For how long a key is good for what it has signed already when another has taken its place, in ms: far longer than
/// anything that was signed, so that other servers of the same store have time to notice.
pub const OVERLAP_MS: i64 = 3600 * 1000;

/// By how much the clocks of servers that share a store may differ, in seconds.
const LEEWAY_S: i64 = 5;

/// A token longer than this is none.
const CHARS_MAX: usize = 2048;

const ISSUER: &str = "whisperchat";

/// A seed's length (RFC 8032, section 5.1.5).
const SEED_BYTES: usize = 32;

/// What tells one kind of token from another.
struct Kind {
    typ: &'static str,
    audience: &'static str,
}

const ACCESS: Kind = Kind {
    typ: "at+jwt",
    audience: "whisperchat-operators",
};

const FACTOR: Kind = Kind {
    typ: "factor+jwt",
    audience: "whisperchat-second-step",
};

/// Whom a token lets in, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The account.
    pub account: i64,
    /// The session that the token is of: it is no good after it.
    pub session: i64,
    /// What the account was for when the token was signed.
    pub role: Role,
    /// How far somebody had shown who they are.
    pub standing: Standing,
}

/// Why a token is not good, in words for who wrote the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGood {
    /// It is no token, or not of this kind.
    #[error("it is no access token of this server")]
    NotOne,
    /// It is not signed by a key that is known here. Another server of the same store may have a newer one.
    #[error("it is signed by a key that is not known here")]
    UnknownKey,
    /// It was good once.
    #[error("it has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    role: String,
    /// `full` or `enrol`.
    scope: String,
    iat: i64,
    exp: i64,
}

/// That somebody has shown a password, which the second step of logging in goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStep {
    /// Whose.
    pub account: i64,
    /// Tells the password from another one that may have taken its place meanwhile, by what is kept of it.
    pub mark: String,
}

impl FirstStep {
    /// The step that the password of this hash was shown.
    pub fn new(account: i64, kept: &str) -> Self {
        let digest = sha256(kept.as_bytes());
        let mark = URL_SAFE_NO_PAD.encode(&digest[..16]);
        Self { account, mark }
    }
}

#[derive(Serialize, Deserialize)]
struct FactorClaims {
    iss: String,
    aud: String,
    sub: String,
    mark: String,
    iat: i64,
    exp: i64,
}

/// The seed of a key, as it is kept. `Debug` does not show it.
pub fn draw_seed(random: &mut impl CryptoRng) -> Private<Vec<u8>> {
    let mut seed = vec![0; SEED_BYTES];
    random.fill_bytes(&mut seed);
    Private::new(seed)
}

/// A key that tokens are signed and checked with.
struct Key {
    kid: String,
    signs: EncodingKey,
    checks: DecodingKey,
}

/// The keys of a server: one that signs, and those before it as long as something that they signed may be good.
pub struct Keyring {
    /// The newest first; never empty.
    keys: Vec<Key>,
}

impl Keyring {
    /// Takes keys by their names, the newest first. Nothing if there is none, or one of them is no key.
    pub fn new<'a>(seeds: impl IntoIterator<Item = (String, &'a [u8])>) -> Option<Self> {
        signatures::install();
        let keys = seeds.into_iter().map(|(kid, seed)| Key::new(kid, seed));
        let keys: Vec<_> = keys.collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// An access token that is good for [`ACCESS_S`].
    pub fn sign_access(&self, access: Access, now_s: i64) -> String {
        self.sign(
            &ACCESS,
            &AccessClaims {
                iss: ISSUER.to_owned(),
                aud: ACCESS.audience.to_owned(),
                sub: access.account.to_string(),
                sid: access.session.to_string(),
                role: access.role.to_string(),
                scope: scope(access.standing).to_owned(),
                iat: now_s,
                exp: now_s + ACCESS_S,
            },
        )
    }

    /// What says for [`FACTOR_S`] that somebody has shown the password of an account.
    pub fn sign_factor(&self, step: &FirstStep, now_s: i64) -> String {
        self.sign(
            &FACTOR,
            &FactorClaims {
                iss: ISSUER.to_owned(),
                aud: FACTOR.audience.to_owned(),
                sub: step.account.to_string(),
                mark: step.mark.clone(),
                iat: now_s,
                exp: now_s + FACTOR_S,
            },
        )
    }

    /// Whom an access token lets in at this time.
    ///
    /// # Errors
    /// [`NotGood`] says why it lets in nobody.
    pub fn check_access(&self, token: &str, now_s: i64) -> Result<Access, NotGood> {
        let claims: AccessClaims = self.check(&ACCESS, token)?;
        is_in_time(claims.iat, claims.exp, now_s)?;
        let read = |text: &str| text.parse().map_err(|_| NotGood::NotOne);
        Ok(Access {
            account: read(&claims.sub)?,
            session: read(&claims.sid)?,
            role: claims.role.parse().map_err(|_| NotGood::NotOne)?,
            standing: match claims.scope.as_str() {
                "full" => Standing::Full,
                _ => Standing::MustEnrol,
            },
        })
    }

    /// Whose password was shown, if that was no longer ago than [`FACTOR_S`].
    ///
    /// # Errors
    /// [`NotGood`] says why that can't be said.
    pub fn check_factor(&self, token: &str, now_s: i64) -> Result<FirstStep, NotGood> {
        let claims: FactorClaims = self.check(&FACTOR, token)?;
        is_in_time(claims.iat, claims.exp, now_s)?;
        Ok(FirstStep {
            account: claims.sub.parse().map_err(|_| NotGood::NotOne)?,
            mark: claims.mark,
        })
    }

    fn sign(&self, kind: &Kind, claims: &impl Serialize) -> String {
        let key = self.keys.first().expect("a keyring is never empty");
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.typ.to_owned());
        header.kid = Some(key.kid.clone());
        // The seed was one when the key was read, and these claims are numbers and words.
        jsonwebtoken::encode(&header, claims, &key.signs).expect("the key is good")
    }

    fn check<C: DeserializeOwned + Audience>(
        &self,
        kind: &Kind,
        token: &str,
    ) -> Result<C, NotGood> {
        if token.len() > CHARS_MAX {
            return Err(NotGood::NotOne);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| NotGood::NotOne)?;
        // RFC 7515, section 4.1.11: who doesn't understand an extension must refuse.
        let is_kind = header.typ.as_deref() == Some(kind.typ);
        if header.alg != Algorithm::EdDSA || header.crit.is_some() || !is_kind {
            return Err(NotGood::NotOne);
        }
        let kid = header.kid.ok_or(NotGood::NotOne)?;
        let key = self.keys.iter().find(|key| key.kid == kid);
        let key = key.ok_or(NotGood::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[kind.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The time is told, not looked up.
        validation.validate_exp = false;
        let claims: C = jsonwebtoken::decode(token, &key.checks, &validation)
            .map_err(|_| NotGood::NotOne)?
            .claims;
        // The library takes lists as well, of which one is enough.
        if claims.audience() != kind.audience {
            return Err(NotGood::NotOne);
        }
        Ok(claims)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

impl Key {
    fn new(kid: String, seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self {
            kid,
            signs: EncodingKey::from_ed_der(seed),
            checks: DecodingKey::from_ed_der(pair.public_key().as_ref()),
        })
    }
}

/// Whom claims are for.
trait Audience {
    fn audience(&self) -> &str;
}

impl Audience for AccessClaims {
    fn audience(&self) -> &str {
        &self.aud
    }
}

impl Audience for FactorClaims {
    fn audience(&self) -> &str {
        &self.aud
    }
}

const fn scope(standing: Standing) -> &'static str {
    match standing {
        Standing::Full => "full",
        Standing::MustEnrol => "enrol",
    }
}

fn is_in_time(signed_s: i64, expires_s: i64, now_s: i64) -> Result<(), NotGood> {
    if now_s >= expires_s {
        return Err(NotGood::Expired);
    }
    if signed_s > now_s + LEEWAY_S {
        return Err(NotGood::NotOne);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW_S: i64 = 1_800_000_000;

    const ANN: Access = Access {
        account: 7,
        session: 11,
        role: Role::Moderator,
        standing: Standing::Full,
    };

    fn keyring(kids: &[(&str, u8)]) -> Keyring {
        let seeds: Vec<_> = kids.iter().map(|(kid, byte)| (*kid, [*byte; 32])).collect();
        Keyring::new(
            seeds
                .iter()
                .map(|(kid, seed)| ((*kid).to_owned(), &seed[..])),
        )
        .unwrap()
    }

    fn one() -> Keyring {
        keyring(&[("1", 1)])
    }

    /// A token with other parts, signed by the same key.
    fn signed(change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let token = one().sign_access(ANN, NOW_S);
        let mut parts = token.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        let (mut header, mut claims) = (parts.next().unwrap(), parts.next().unwrap());
        change(&mut header, &mut claims);
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn check(token: &str) -> Result<Access, NotGood> {
        one().check_access(token, NOW_S)
    }

    #[test]
    fn a_token_says_whom_it_lets_in() {
        let token = one().sign_access(ANN, NOW_S);
        assert_eq!(check(&token), Ok(ANN));
        let enrols = Access {
            standing: Standing::MustEnrol,
            ..ANN
        };
        assert_eq!(check(&one().sign_access(enrols, NOW_S)), Ok(enrols));
        // What is forged below is good but for what is changed.
        assert_eq!(check(&signed(|_, _| {})), Ok(ANN));
    }

    #[test]
    fn asvs_9_2_1_a_token_is_good_for_five_minutes() {
        let token = one().sign_access(ANN, NOW_S);
        let at = |now_s| one().check_access(&token, now_s);
        assert_eq!(at(NOW_S + ACCESS_S - 1), Ok(ANN));
        assert_eq!(at(NOW_S + ACCESS_S), Err(NotGood::Expired));
        assert_eq!(at(NOW_S - LEEWAY_S), Ok(ANN));
        assert_eq!(at(NOW_S - LEEWAY_S - 1), Err(NotGood::NotOne));
    }

    #[test]
    fn asvs_9_1_1_what_is_not_signed_by_a_key_of_ours_is_no_token() {
        let token = keyring(&[("1", 2)]).sign_access(ANN, NOW_S);
        assert_eq!(check(&token), Err(NotGood::NotOne));
        let token = keyring(&[("2", 1)]).sign_access(ANN, NOW_S);
        assert_eq!(check(&token), Err(NotGood::UnknownKey));
        let token = one().sign_access(ANN, NOW_S);
        let (message, _) = token.rsplit_once('.').unwrap();
        for text in [
            "",
            "a.b.c",
            message,
            &format!("{message}."),
            &"a".repeat(3000),
        ] {
            assert_eq!(check(text), Err(NotGood::NotOne), "{text}");
        }
    }

    #[test]
    fn asvs_9_1_2_another_algorithm_is_refused_whatever_the_token_says() {
        for algorithm in ["none", "None", "HS256", "ES256", "RS256"] {
            let token = signed(|header, _| header["alg"] = json!(algorithm));
            assert_eq!(check(&token), Err(NotGood::NotOne), "{algorithm}");
        }
        // The public key is no secret: nobody signs with it.
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let token = signed(|header, _| header["alg"] = json!("HS256"));
        let (message, _) = token.rsplit_once('.').unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, pair.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        assert_eq!(
            check(&format!("{message}.{signature}")),
            Err(NotGood::NotOne)
        );
    }

    #[test]
    fn asvs_9_1_3_a_token_brings_no_key_of_its_own() {
        let token = signed(|header, _| {
            header["jku"] = json!("https://evil.example/keys");
            header["kid"] = json!("evil");
        });
        assert_eq!(check(&token), Err(NotGood::UnknownKey));
        let token = signed(|header, _| header["kid"] = Value::Null);
        assert_eq!(check(&token), Err(NotGood::NotOne));
        let token = signed(|header, _| header["crit"] = json!(["exp"]));
        assert_eq!(check(&token), Err(NotGood::NotOne));
    }

    #[test]
    fn asvs_9_2_2_a_token_of_the_second_step_lets_nobody_in() {
        let step = FirstStep::new(7, "$argon2id$one");
        assert_ne!(step, FirstStep::new(7, "$argon2id$other"));
        let token = one().sign_factor(&step, NOW_S);
        assert_eq!(check(&token), Err(NotGood::NotOne));
        assert_eq!(one().check_factor(&token, NOW_S), Ok(step));
        let late = one().check_factor(&token, NOW_S + FACTOR_S);
        assert_eq!(late, Err(NotGood::Expired));
        let access = one().sign_access(ANN, NOW_S);
        assert_eq!(one().check_factor(&access, NOW_S), Err(NotGood::NotOne));
        let token = signed(|header, _| header["typ"] = json!("JWT"));
        assert_eq!(check(&token), Err(NotGood::NotOne));
    }

    #[test]
    fn asvs_9_2_3_a_token_for_somebody_else_is_refused() {
        for audience in [
            json!("whisperchat"),
            json!(["whisperchat-operators", "other"]),
            json!(null),
        ] {
            let token = signed(|_, claims| claims["aud"] = audience.clone());
            assert_eq!(check(&token), Err(NotGood::NotOne), "{audience}");
        }
        let token = signed(|_, claims| claims["iss"] = json!("https://id.example"));
        assert_eq!(check(&token), Err(NotGood::NotOne));
        for claim in ["exp", "iss", "aud", "sub", "sid", "role"] {
            let token = signed(|_, claims| {
                claims.as_object_mut().unwrap().remove(claim);
            });
            assert_eq!(check(&token), Err(NotGood::NotOne), "{claim}");
        }
    }

    #[test]
    fn a_key_is_good_for_a_while_after_another_has_taken_its_place() {
        let before = one();
        let token = before.sign_access(ANN, NOW_S);
        let during = keyring(&[("2", 2), ("1", 1)]);
        assert_eq!(during.check_access(&token, NOW_S), Ok(ANN));
        let newer = during.sign_access(ANN, NOW_S);
        let after = keyring(&[("2", 2)]);
        assert_eq!(after.check_access(&newer, NOW_S), Ok(ANN));
        assert_eq!(after.check_access(&token, NOW_S), Err(NotGood::UnknownKey));
        const { assert!(OVERLAP_MS > 1000 * ACCESS_S && KEY_MS > OVERLAP_MS) };
    }

    #[test]
    fn nothing_is_no_keyring() {
        assert!(Keyring::new([]).is_none());
        assert!(Keyring::new([("1".to_owned(), &[1; 31][..])]).is_none());
    }
}
