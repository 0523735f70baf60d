//! Tokens that are not good.

use super::issuer::{Issuer, claims_but, claims_for, hmac_sha256, now_s, unsigned};
use super::{KeyFile, denial, expect_bad_token, show, stranger};
use crate::common::Server;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The token is refused in the header and as a message, for the same reason, and never with its own words.
async fn assert_refused(server: &Server, token: &str, words: &str) {
    let challenge = denial(server, token).await;
    assert!(challenge.contains("Bearer error=\"invalid_token\""));
    assert!(challenge.contains(words), "{challenge} for {words}");
    let (mut raw, _) = stranger(server).await;
    show(&mut raw, token).await;
    expect_bad_token(&mut raw, words).await;
    // It is still a stranger.
    raw.send_text(r#"{"type":"cancel"}"#).await;
    expect_bad_token(&mut raw, "send `auth`").await;
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused_whatever_it_calls_that() {
    for algorithm in ["EdDSA", "HS256"] {
        let issuer = Issuer::new(algorithm);
        let server = KeyFile::of(&issuer).serve(algorithm, &[]);
        for name in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({"typ": "JWT", "alg": name});
            let message = unsigned(&header, &claims_for(3600));
            assert_refused(&server, &format!("{message}."), "the token is not").await;
            let signed = issuer.signed(&header, &claims_for(3600));
            assert_refused(&server, &signed, "the token is not").await;
        }
        let message = unsigned(&json!({"alg": algorithm}), &claims_for(3600));
        assert_refused(&server, &format!("{message}."), "not signed by a key").await;
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_to_sign_with() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let issuer = Issuer::new(algorithm);
        let server = KeyFile::of(&issuer).serve(algorithm, &[]);
        let message = unsigned(&json!({"typ": "JWT", "alg": "HS256"}), &claims_for(3600));
        let public = issuer.file();
        for secret in [public.as_str(), public.trim_end()] {
            let signature = hmac_sha256(secret.as_bytes(), message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_refused(&server, &token, "not signed by the algorithm").await;
        }
        // The same with the algorithm that is asked for in the header.
        let message = unsigned(&json!({"alg": algorithm}), &claims_for(3600));
        let signature = hmac_sha256(public.as_bytes(), message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_refused(&server, &token, "not signed by a key").await;
    }
}

#[tokio::test]
async fn the_algorithm_is_the_operators_choice_and_not_the_tokens() {
    for (wanted, algorithm) in [
        ("EdDSA", "ES256"),
        ("ES256", "RS256"),
        ("RS256", "HS256"),
        ("HS256", "EdDSA"),
    ] {
        let server = KeyFile::of(&Issuer::new(wanted)).serve(wanted, &[]);
        let token = Issuer::new(algorithm).token(&claims_for(3600));
        assert_refused(&server, &token, "not signed by the algorithm").await;
    }
    // Another one of the same family, by the right key.
    let issuer = Issuer::new("RS256");
    let server = KeyFile::of(&issuer).serve("RS256", &[]);
    for algorithm in ["RS512", "PS256"] {
        let token = issuer.signed(&json!({"alg": algorithm}), &claims_for(3600));
        assert_refused(&server, &token, "not signed by the algorithm").await;
    }
}

#[tokio::test]
async fn a_token_that_somebody_else_signed_or_that_was_changed_is_refused() {
    for algorithm in ["EdDSA", "ES256", "HS256"] {
        let issuer = Issuer::new(algorithm);
        let server = KeyFile::of(&issuer).serve(algorithm, &[]);
        let other = Issuer::new(algorithm).token(&claims_for(3600));
        assert_refused(&server, &other, "not signed by a key").await;
        let (_, signature) = other.rsplit_once('.').expect("three parts");
        let message = unsigned(&json!({"alg": algorithm}), &claims_for(7200));
        let changed = format!("{message}.{signature}");
        assert_refused(&server, &changed, "not signed by a key").await;
    }
}

#[tokio::test]
async fn the_claims_are_checked() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("auth.leeway_s", "30")]);
    let cases = [
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", json!(["https://evil.example"]), "another issuer"),
        ("aud", json!("another-app"), "another audience"),
        ("aud", json!(["one", "two"]), "another audience"),
        ("exp", json!(now_s() - 60), "has expired"),
        ("exp", json!(0), "has expired"),
        ("nbf", json!(now_s() + 600), "not good yet"),
        ("iss", Value::Null, "must have"),
        ("aud", Value::Null, "must have"),
        ("exp", Value::Null, "the token"),
        ("exp", json!("tomorrow"), "the token"),
        ("exp", json!(-1), "the token"),
    ];
    for (claim, value, words) in cases {
        let token = issuer.token(&claims_but(claim, value));
        assert_refused(&server, &token, words).await;
    }
    // What is within the leeway, or one of several audiences, is good.
    for (claim, value) in [
        ("exp", json!(now_s() - 10)),
        ("nbf", json!(now_s() + 10)),
        ("aud", json!(["another-app", "whisperchat"])),
    ] {
        let token = issuer.token(&claims_but(claim, value));
        super::admitted(&server, &token).await;
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[]);
    let good = issuer.token(&claims_for(3600));
    let critical = json!({"alg": "EdDSA", "crit": ["exp"]});
    for token in [
        "no-token".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        format!("{good}.more"),
        good.replace('.', ""),
        issuer.signed(&critical, &claims_for(3600)),
        issuer.token(&json!("not an object")),
        "x".repeat(4000),
    ] {
        assert_refused(&server, &token, "the token is not").await;
    }
    let (mut raw, _) = stranger(&server).await;
    raw.send_text(r#"{"type":"auth"}"#).await;
    let error = raw.expect("error").await;
    assert_eq!(error["code"], "bad_field", "{error}");
}
