//! Where keys come from, and how they are replaced.

use super::issuer::{ALGORITHMS, Issuer, claims_for};
use super::{KeyFile, V1_PATH, admitted, denial, expect_usable, name, with_header};
use crate::common::{Server, WAIT};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

const EXIT_USAGE: i32 = 2;

#[tokio::test]
async fn a_set_of_keys_has_the_one_that_the_token_names() {
    for algorithm in ALGORITHMS {
        let (first, second) = (Issuer::new(algorithm), Issuer::new(algorithm));
        let others = ALGORITHMS.map(|other| Issuer::new(other).jwk("other"));
        let mut jwks = vec![first.jwk("first"), second.jwk("second")];
        jwks.extend(others);
        let server = KeyFile::set(&jwks).serve(algorithm, &[]);
        let named = |issuer: &Issuer, kid: &str| {
            let header = json!({"alg": algorithm, "kid": kid});
            issuer.signed(&header, &claims_for(3600))
        };
        admitted(&server, &named(&first, "first")).await;
        admitted(&server, &named(&second, "second")).await;
        if algorithm != "RS256" {
            let swapped = denial(&server, &named(&first, "second")).await;
            assert!(swapped.contains("not signed by a key"), "{swapped}");
        }
        let unknown = denial(&server, &named(&first, "third")).await;
        assert!(unknown.contains("not known here"), "{unknown}");
        let unnamed = denial(&server, &first.token(&claims_for(3600))).await;
        assert!(unnamed.contains("must name its key"), "{unnamed}");
    }
}

#[tokio::test]
async fn a_set_with_one_key_needs_no_name() {
    for algorithm in ALGORITHMS {
        let issuer = Issuer::new(algorithm);
        let server = KeyFile::set(&[issuer.jwk("only")]).serve(algorithm, &[]);
        admitted(&server, &issuer.token(&claims_for(3600))).await;
    }
}

#[tokio::test]
async fn new_keys_are_used_on_sighup_and_who_is_connected_stays() {
    let (old, new) = (Issuer::new("EdDSA"), Issuer::new("EdDSA"));
    let file = KeyFile::set(&[old.jwk("1")]);
    let server = file.serve("EdDSA", &[]);
    let token = old.token(&claims_for(3600));
    let mut connected = admitted(&server, &token).await;

    file.write(&json!({"keys": [new.jwk("2")]}).to_string());
    server.signal("-HUP");
    server.printed(" reloaded").await;
    denial(&server, &token).await;
    admitted(&server, &new.token(&claims_for(3600))).await;
    expect_usable(&mut connected).await;
}

#[tokio::test]
async fn new_keys_are_used_when_the_file_changes_and_bad_ones_kept_out() {
    let (old, new) = (Issuer::new("EdDSA"), Issuer::new("EdDSA"));
    let file = KeyFile::of(&old);
    let server = file.serve("EdDSA", &[]);
    file.write("no key");
    let printed = server.printed("must hold an Ed25519 public key").await;
    assert!(printed.contains("in force are kept"), "{printed}");
    admitted(&server, &old.token(&claims_for(3600))).await;

    file.write(&new.file());
    let token = new.token(&claims_for(3600));
    let since = Instant::now();
    while with_header(V1_PATH, &token).send(&server).await.0.status != 101 {
        assert!(since.elapsed() < WAIT, "the new key is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    denial(&server, &old.token(&claims_for(3600))).await;
}

#[tokio::test]
async fn tokens_can_be_asked_for_while_the_server_runs() {
    let issuer = Issuer::new("ES256");
    let keys = KeyFile::of(&issuer);
    let folder = tempfile::tempdir().expect("folders can be made");
    let settings = folder.path().join("whisperchat.toml");
    fs::write(&settings, "").expect("files can be written");
    let server = Server::with_file(&settings, &[]);
    let mut before = crate::common::V1::connect(&server).await;

    let path = name(&keys.path);
    let text = format!(
        "[auth]\nalgorithm = \"ES256\"\nkey = \"{path}\"\n\
         issuer = \"https://id.example\"\naudience = \"whisperchat\"\n"
    );
    fs::write(&settings, text).expect("files can be written");
    server.signal("-HUP");
    server.printed(r#"changed="auth.algorithm, auth.key"#).await;
    super::stranger(&server).await;
    admitted(&server, &issuer.token(&claims_for(3600))).await;
    before.expect_quiet().await;
}

#[test]
fn keys_that_cannot_be_used_are_said_before_anything_listens() {
    let [ed, ec, rsa, hmac] = ALGORITHMS.map(Issuer::new);
    let private = include_str!("rsa.pem");
    let two = json!({"keys": [ed.jwk("1"), hmac.jwk("2")]}).to_string();
    let cases = [
        ("EdDSA", "auth.key", ec.file(), "an Ed25519 public key"),
        ("ES256", "auth.key", ed.file(), "a P-256 public key"),
        ("RS256", "auth.key", ec.file(), "an RSA public key"),
        (
            "RS256",
            "auth.key",
            "no key".to_owned(),
            "an RSA public key",
        ),
        ("HS256", "auth.key", rsa.file(), "no key in PEM"),
        ("HS256", "auth.key", private.to_owned(), "no key in PEM"),
        ("HS256", "auth.key", "short".to_owned(), "at least 32 bytes"),
        ("ES256", "auth.jwks", two.clone(), "a key for the algorithm"),
        ("EdDSA", "auth.jwks", "{}".to_owned(), "a JSON Web Key Set"),
    ];
    for (algorithm, setting, text, expected) in cases {
        let file = KeyFile::holding(setting, &text);
        let (code, stdout, stderr) = Server::refused(&file.settings(algorithm));
        assert_eq!((code, stdout.as_str()), (Some(EXIT_USAGE), ""), "{stderr}");
        let path = name(&file.path);
        for expected in [expected, path, &format!("`{setting}`")] {
            assert!(stderr.contains(expected), "no {expected:?} in {stderr}");
        }
        assert!(!stderr.contains("short"), "{stderr}");
    }
    let file = KeyFile::of(&ed);
    fs::remove_file(&file.path).expect("it is there");
    let (code, _, stderr) = Server::refused(&file.settings("EdDSA"));
    assert_eq!(code, Some(EXIT_USAGE), "{stderr}");
    assert!(stderr.contains("cannot be read"), "{stderr}");
}

#[test]
fn settings_that_make_no_sense_together_are_refused() {
    let file = KeyFile::of(&Issuer::new("EdDSA"));
    let good = file.settings("EdDSA");
    let without = |key: &str| {
        let mut settings = good.clone();
        settings.retain(|(name, _)| *name != key);
        settings
    };
    let with = |key: &'static str, value: &'static str| {
        let mut settings = without(key);
        settings.push((key, value));
        settings
    };
    for (settings, expected) in [
        (without("auth.algorithm"), "`auth.algorithm` must be EdDSA"),
        (
            with("auth.algorithm", "none"),
            "`auth.algorithm` must be EdDSA",
        ),
        (
            with("auth.algorithm", "RS512"),
            "`auth.algorithm` must be EdDSA",
        ),
        (without("auth.key"), "`auth.key` must be"),
        (with("auth.jwks", "/keys.json"), "`auth.key` must be"),
        (without("auth.issuer"), "`auth.issuer` must be"),
        (without("auth.audience"), "`auth.audience` must be"),
        (with("auth.leeway_s", "301"), "0 to 300"),
    ] {
        let (code, _, stderr) = Server::refused(&settings);
        assert_eq!(code, Some(EXIT_USAGE), "{stderr}");
        assert!(stderr.contains(expected), "no {expected:?} in {stderr}");
    }
}
