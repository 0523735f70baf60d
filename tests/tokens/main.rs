//! Tokens of clients, over real sockets: every algorithm, every way to hand one over, and every way to forge
//! one.

#[path = "../common/mod.rs"]
mod common;
mod forged;
mod issuer;
mod keys;
mod life;

use common::{Raw, Request, Response, Server, join};
use issuer::{ALGORITHMS, AUDIENCE, ISSUER, Issuer, claims_for};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const V1_PATH: &str = "/v1/ws";
const PARIS: common::Place = (48.8566, 2.3522);

/// The file with the keys that a server checks tokens with.
struct KeyFile {
    _folder: TempDir,
    path: PathBuf,
    setting: &'static str,
}

impl KeyFile {
    /// One key or secret.
    fn of(issuer: &Issuer) -> Self {
        Self::holding("auth.key", &issuer.file())
    }

    /// A set of keys.
    fn set(jwks: &[Value]) -> Self {
        Self::holding("auth.jwks", &json!({"keys": jwks}).to_string())
    }

    fn holding(setting: &'static str, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        let file = Self {
            path: folder.path().join("keys"),
            setting,
            _folder: folder,
        };
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).expect("files can be written");
    }

    fn settings<'a>(&'a self, algorithm: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("auth.algorithm", algorithm),
            (self.setting, name(&self.path)),
            ("auth.issuer", ISSUER),
            ("auth.audience", AUDIENCE),
        ]
    }

    fn serve(&self, algorithm: &str, more: &[(&str, &str)]) -> Server {
        Server::start(&[self.settings(algorithm).as_slice(), more].concat())
    }
}

fn name(path: &Path) -> &str {
    path.to_str().expect("names of temporary files are plain")
}

fn with_header(path: &str, token: &str) -> Request {
    Request::upgrade(path).with("Authorization", &format!("Bearer {token}"))
}

fn with_subprotocol(token: &str) -> Request {
    let offer = format!("whisperchat.v1.json, bearer.{token}");
    Request::upgrade(V1_PATH).with("Sec-WebSocket-Protocol", &offer)
}

/// A v1 connection whose token came with the request.
async fn admitted(server: &Server, token: &str) -> Raw {
    let (response, mut raw) = with_header(V1_PATH, token).send(server).await;
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(raw.expect("welcome").await["auth"], "given");
    raw
}

/// A v1 connection that has shown no token, and its welcome.
async fn stranger(server: &Server) -> (Raw, Value) {
    let (response, mut raw) = Request::upgrade(V1_PATH).send(server).await;
    assert_eq!(response.status, 101, "{response:?}");
    let welcome = raw.expect("welcome").await;
    assert_eq!(welcome["auth"], "required");
    (raw, welcome)
}

async fn show(raw: &mut Raw, token: &str) {
    let message = json!({"type": "auth", "token": token, "id": "a"});
    raw.send_text(&message.to_string()).await;
}

/// What is wrong with a token, if it is handed over in a header.
async fn denial(server: &Server, token: &str) -> String {
    let (response, _) = with_header(V1_PATH, token).send(server).await;
    assert_eq!(response.status, 401, "{token}: {response:?}");
    challenge(&response)
}

fn challenge(response: &Response) -> String {
    let challenge = response.header("WWW-Authenticate");
    challenge.expect("RFC 9110, section 15.5.2").to_owned()
}

async fn expect_bad_token(raw: &mut Raw, words: &str) {
    let error = raw.expect("error").await;
    assert_eq!(error["code"], "bad_token", "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(words), "{error}");
}

async fn expect_usable(raw: &mut Raw) {
    raw.send_text(&join(PARIS, 5.0).to_string()).await;
    raw.expect("waiting").await;
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_good_in_every_place() {
    for algorithm in ALGORITHMS {
        let issuer = Issuer::new(algorithm);
        let server = KeyFile::of(&issuer).serve(algorithm, &[]);
        let claims = claims_for(3600);
        let token = issuer.token(&claims);

        let mut raw = admitted(&server, &token).await;
        expect_usable(&mut raw).await;
        drop(raw);

        let (response, mut raw) = with_subprotocol(&token).send(&server).await;
        assert_eq!(response.status, 101, "{algorithm}: {response:?}");
        let chosen = response.header("Sec-WebSocket-Protocol");
        assert_eq!(chosen, Some("whisperchat.v1.json"));
        assert_eq!(raw.expect("welcome").await["auth"], "given");
        expect_usable(&mut raw).await;
        drop(raw);

        let (mut raw, _) = stranger(&server).await;
        show(&mut raw, &token).await;
        let answer = raw.expect("authenticated").await;
        let exp = claims["exp"].as_u64().expect("a number");
        assert_eq!(answer["expires_at"], exp * 1000, "{algorithm}");
        assert_eq!(answer["id"], "a");
        expect_usable(&mut raw).await;

        let (response, _) = with_header("/", &token).send(&server).await;
        assert_eq!(response.status, 101, "{algorithm}: {response:?}");
    }
}

#[tokio::test]
async fn a_header_may_be_spelt_as_http_allows_and_others_are_not_tokens() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[]);
    let token = issuer.token(&claims_for(3600));
    let spelt = Request::upgrade(V1_PATH).with("authorization", &format!("bearer  {token} "));
    let (response, mut raw) = spelt.send(&server).await;
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(raw.expect("welcome").await["auth"], "given");
    // A proxy's password is no token: one may still come as the first message.
    let other = Request::upgrade(V1_PATH).with("Authorization", "Basic YW5uOmFubg==");
    let (response, mut raw) = other.send(&server).await;
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(raw.expect("welcome").await["auth"], "required");
}

#[tokio::test]
async fn the_classic_dialect_needs_the_header() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[]);
    let (response, _) = Request::upgrade("/").send(&server).await;
    assert_eq!(response.status, 401);
    assert_eq!(challenge(&response), "Bearer");
    let (response, _) = with_header("/", "no.such.token").send(&server).await;
    assert_eq!(response.status, 401);
    assert!(challenge(&response).contains("invalid_token"));
    // The page is there for everybody.
    let (response, _) = Request::get("/").send(&server).await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_token_in_the_address_is_refused_with_a_sentence() {
    let issuer = Issuer::new("EdDSA");
    let token = issuer.token(&claims_for(3600));
    for server in [Server::start(&[]), KeyFile::of(&issuer).serve("EdDSA", &[])] {
        for path in [V1_PATH, "/"] {
            for name in ["token", "access_token", "Authorization", "jwt"] {
                let path = format!("{path}?x=1&{name}={token}");
                let (response, mut raw) = with_header(&path, &token)
                    .with("Connection", "Upgrade, close")
                    .send(&server)
                    .await;
                assert_eq!(response.status, 400, "{name}");
                let length: usize = response
                    .header("Content-Length")
                    .and_then(|length| length.parse().ok())
                    .expect("a length");
                let mut body = vec![0; length];
                tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut body)
                    .await
                    .expect("a body");
                let body = String::from_utf8_lossy(&body);
                assert!(body.contains("must not be part of the address"), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn two_tokens_are_refused() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[]);
    let token = issuer.token(&claims_for(3600));
    let bearer = format!("Bearer {token}");
    for request in [
        with_header(V1_PATH, &token).with("Authorization", &bearer),
        with_subprotocol(&token).with("Authorization", &bearer),
        with_subprotocol(&format!("{token}, bearer.{token}")),
    ] {
        let (response, _) = request.send(&server).await;
        assert_eq!(response.status, 400, "{response:?}");
    }
}

#[tokio::test]
async fn where_no_token_is_asked_for_one_does_no_harm() {
    let server = Server::start(&[]);
    let token = Issuer::new("EdDSA").token(&claims_for(3600));
    let request = with_subprotocol(&token).with("Authorization", "Bearer what.ever.it");
    let (response, mut raw) = request.send(&server).await;
    assert_eq!(response.status, 101, "{response:?}");
    let welcome = raw.expect("welcome").await;
    assert_eq!(welcome.get("auth"), None, "{welcome}");
    show(&mut raw, &token).await;
    let answer = raw.expect("authenticated").await;
    assert_eq!(answer["expires_at"], Value::Null, "{answer}");
    expect_usable(&mut raw).await;
}

#[tokio::test]
async fn no_token_is_ever_logged() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("log.level", "trace")]);
    let good = issuer.token(&claims_for(3600));
    let bad = Issuer::new("EdDSA").token(&claims_for(3600));
    for token in [&good, &bad] {
        with_header(V1_PATH, token).send(&server).await;
        with_subprotocol(token).send(&server).await;
        let (mut raw, _) = stranger(&server).await;
        show(&mut raw, token).await;
        raw.next_json().await;
        raw.send(&common::Frame::close_with(1000, b"").bytes())
            .await;
        raw.expect_close().await;
    }
    let printed = server.printed("connection ended").await;
    assert!(server.stop().await.success());
    for token in [&good, &bad] {
        let signature = token.rsplit('.').next().expect("three parts");
        assert!(!printed.contains(signature), "{printed}");
    }
}
