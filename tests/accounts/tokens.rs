//! V9: access tokens, good and forged.

use crate::operators::Office;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use whisperchat::store::Retention;

const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// The two parts of a token that say something.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').take(2).map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).expect("it is of base 64");
        serde_json::from_slice(&bytes).expect("it is JSON")
    });
    (
        parts.next().expect("a header"),
        parts.next().expect("claims"),
    )
}

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

#[tokio::test]
async fn asvs_9_1_and_9_2_another_key_algorithm_audience_or_time_is_refused() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let keys = office
        .store()
        .await
        .keys("access")
        .await
        .expect("it answers");
    let key = Ed25519KeyPair::from_seed_unchecked(&keys[0].secret).expect("a seed");
    let ours = |message: &[u8]| key.sign(message).as_ref().to_vec();
    let (header, claims) = parts(&ann.access);
    // What is forged below is good but for what is changed.
    let same = signed(&header, &claims, ours);
    assert_eq!(office.get("/api/v1/me", Some(&same)).await.status, 200);

    let change = |part: &Value, name: &str, value: Value| {
        let mut part = part.clone();
        part[name] = value;
        part
    };
    let stranger = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a seed");
    let theirs = |message: &[u8]| stranger.sign(message).as_ref().to_vec();
    let public = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
    let by_public_key = |message: &[u8]| hmac::sign(&public, message).as_ref().to_vec();
    let now = claims["iat"].as_i64().expect("a number");
    let forged = [
        ("key", signed(&header, &claims, theirs)),
        ("no signature", signed(&header, &claims, |_| Vec::new())),
        (
            "alg none",
            signed(&change(&header, "alg", json!("none")), &claims, |_| {
                Vec::new()
            }),
        ),
        (
            "alg HS256",
            signed(
                &change(&header, "alg", json!("HS256")),
                &claims,
                by_public_key,
            ),
        ),
        (
            "kid",
            signed(&change(&header, "kid", json!("999")), &claims, ours),
        ),
        (
            "typ",
            signed(&change(&header, "typ", json!("JWT")), &claims, ours),
        ),
        (
            "aud",
            signed(&header, &change(&claims, "aud", json!("whisperchat")), ours),
        ),
        (
            "iss",
            signed(
                &header,
                &change(&claims, "iss", json!("https://id.example")),
                ours,
            ),
        ),
        (
            "expired",
            signed(&header, &change(&claims, "exp", json!(now - 1)), ours),
        ),
        (
            "to come",
            signed(&header, &change(&claims, "iat", json!(now + 3600)), ours),
        ),
        (
            "session",
            signed(&header, &change(&claims, "sid", json!("999")), ours),
        ),
        (
            "account",
            signed(&header, &change(&claims, "sub", json!("999")), ours),
        ),
    ];
    for (what, token) in forged {
        let answer = office.get("/api/v1/me", Some(&token)).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let challenge = answer.challenge.unwrap_or_default();
        assert!(challenge.contains("invalid_token"), "{what}: {challenge}");
    }
}

#[tokio::test]
async fn asvs_8_3_2_what_a_token_says_of_a_role_is_not_what_counts() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let keys = office
        .store()
        .await
        .keys("access")
        .await
        .expect("it answers");
    let key = Ed25519KeyPair::from_seed_unchecked(&keys[0].secret).expect("a seed");
    let (header, mut claims) = parts(&ann.access);
    claims["role"] = json!("admin");
    let raised = signed(&header, &claims, |message| {
        key.sign(message).as_ref().to_vec()
    });
    let answer = office.get("/config", Some(&raised)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[tokio::test]
async fn a_token_is_good_while_another_key_takes_the_place_of_its_own() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let store = office.store().await;
    let before = store.keys("access").await.expect("it answers").remove(0);
    let to_come = before.created_at_ms + 3_600_000;
    let newer = store
        .replace_keys("access", &[5; 32], before.created_at_ms + 1, to_come)
        .await;
    newer.expect("it is kept");
    // A server that begins now signs by the newer one.
    let office = office.restarted().await;
    assert_eq!(
        office.get("/api/v1/me", Some(&ann.access)).await.status,
        200
    );
    let bea = office.log_in("ann").await;
    let (header, _) = parts(&bea.access);
    assert_ne!(header["kid"], before.id.to_string());
    assert_eq!(
        office.get("/api/v1/me", Some(&bea.access)).await.status,
        200
    );
    // Now the other's time is over.
    let retention = Retention {
        reports_ms: YEAR_MS,
        bans_ms: YEAR_MS,
        audit_ms: YEAR_MS,
        calls_ms: YEAR_MS,
    };
    let swept = store.sweep(to_come + 1, &retention).await;
    assert_eq!(swept.expect("it is swept").keys, 1);
    let office = office.restarted().await;
    assert_eq!(
        office.get("/api/v1/me", Some(&ann.access)).await.status,
        401
    );
    assert_eq!(
        office.get("/api/v1/me", Some(&bea.access)).await.status,
        200
    );
}
