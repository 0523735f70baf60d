//! TLS over real sockets: the handshake, and certificates that are swapped while people talk.

mod common;

use common::{Pair, Place, Raw, Server, WAIT, join, within};
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

const PARIS: Place = (48.8566, 2.3522);

/// The exit status for a command line or settings that can't be used.
const EXIT_USAGE: i32 = 2;

/// A certificate for this machine that vouches for itself, with its key.
struct Identity {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn expired() -> Self {
        Self::with(|params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned()]).expect("a valid name");
        change(&mut params);
        let signing_key = KeyPair::generate().expect("keys can be made");
        let cert = params.self_signed(&signing_key).expect("it can be signed");
        Self {
            certificate: cert.pem(),
            key: signing_key.serialize_pem(),
            der: cert.der().clone(),
        }
    }
}

/// The two files that a server's settings name.
struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        let files = Self {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
            _folder: folder,
        };
        files.hold(identity);
        files
    }

    fn hold(&self, identity: &Identity) {
        fs::write(&self.certificate, &identity.certificate).expect("files can be written");
        fs::write(&self.key, &identity.key).expect("files can be written");
    }

    fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("tls.certificate", name(&self.certificate)),
            ("tls.key", name(&self.key)),
        ]
    }

    fn serve(&self, settings: &[(&str, &str)]) -> Server {
        Server::start(&[self.settings().as_slice(), settings].concat())
    }
}

fn name(path: &Path) -> &str {
    path.to_str().expect("names of temporary files are plain")
}

/// Connects, trusting these certificates and no others.
async fn handshake(
    server: &Server,
    trusted: &[&Identity],
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<Box<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    for identity in trusted {
        roots.add(identity.der.clone()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tcp = within("a TCP connection", TcpStream::connect(server.address()))
        .await
        .expect("the server listens");
    tcp.set_nodelay(true).expect("it is a TCP socket");
    let host = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = Box::pin(connector.connect(host, tcp));
    within("a TLS handshake", handshake).await.map(Box::new)
}

/// Which of the two shows itself to who connects now.
async fn shows(server: &Server, [old, new]: [&Identity; 2]) -> &'static str {
    let stream = handshake(server, &[old, new], rustls::ALL_VERSIONS)
        .await
        .expect("one of the two");
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().expect("it showed one");
    if chain[0] == new.der { "new" } else { "old" }
}

/// A v1 client over TLS.
struct Client(WebSocketStream<Box<TlsStream<TcpStream>>>);

impl Client {
    async fn connect(server: &Server, trusted: &Identity) -> Self {
        let stream = handshake(server, &[trusted], rustls::ALL_VERSIONS)
            .await
            .expect("it is trusted");
        Self::upgrade(stream).await
    }

    async fn upgrade(stream: Box<TlsStream<TcpStream>>) -> Self {
        let upgrade = client_async("wss://localhost/v1/ws", stream);
        let (socket, _) = within("the upgrade", upgrade).await.expect("a WebSocket");
        let mut client = Self(socket);
        client.expect("welcome").await;
        client
    }

    async fn send(&mut self, message: &Value) {
        let sent = self.0.send(Message::text(message.to_string()));
        within("room to send", sent).await.expect("it is open");
    }

    async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let next = within(kind, self.0.next()).await;
            match next.expect("it is open").expect("a message") {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(message["type"], kind, "{message}");
                    return message;
                }
                Message::Ping(_) => {}
                other => panic!("wanted {kind}, got {other:?}"),
            }
        }
    }

    async fn expect_close(&mut self) -> u16 {
        let next = within("a close frame", self.0.next()).await;
        match next.expect("it is open").expect("a message") {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("wanted a close frame, got {other:?}"),
        }
    }

    async fn say(&mut self, text: &str, partner: &mut Self) {
        self.send(&json!({"type": "say", "text": text})).await;
        self.expect("accepted").await;
        assert_eq!(partner.expect("said").await["text"], text);
    }
}

/// Two in a chat.
async fn chatting(server: &Server, trusted: &Identity) -> (Client, Client) {
    let mut ann = Client::connect(server, trusted).await;
    let mut bob = Client::connect(server, trusted).await;
    for client in [&mut ann, &mut bob] {
        client.send(&join(PARIS, 5.0)).await;
        client.expect("waiting").await;
    }
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
    (ann, bob)
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_with_http_inside() {
    let identity = Identity::new();
    let server = Files::new(&identity).serve(&[]);
    for (offered, version) in [
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
    ] {
        let stream = handshake(&server, &[&identity], &[offered]).await;
        let stream = stream.expect("it is trusted");
        let (_, connection) = stream.get_ref();
        assert_eq!(connection.protocol_version(), Some(version));
        assert_eq!(connection.alpn_protocol(), Some(b"http/1.1".as_slice()));
        let mut client = Client::upgrade(stream).await;
        client.send(&join(PARIS, 5.0)).await;
        client.expect("waiting").await;
    }
}

#[tokio::test]
async fn the_page_is_served_and_what_is_printed_names_the_schemes() {
    let identity = Identity::new();
    let server = Files::new(&identity).serve(&[]);
    let address = server.address();
    let printed = server.printed("Ctrl-C stops").await;
    for expected in [
        format!("listens on https://{address}\n"),
        format!("open https://{address} in two windows\n"),
        format!(" chat --server wss://{address} "),
    ] {
        assert!(printed.contains(&expected), "no {expected:?} in {printed}");
    }
    let mut stream = handshake(&server, &[&identity], rustls::ALL_VERSIONS)
        .await
        .expect("it is trusted");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .expect("the server reads");
    let mut answer = String::new();
    within("the page", stream.read_to_string(&mut answer))
        .await
        .expect("it ends as TLS should end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("<html"), "{answer}");
}

#[tokio::test]
async fn much_is_said_in_both_directions_at_once() {
    const COUNT: usize = 200;
    let identity = Identity::new();
    // Room for all that is said: who talks does not wait for who listens, who would be too slow otherwise.
    let server = Files::new(&identity).serve(&[("limits.outbox_bytes", "1048576")]);
    let (mut ann, mut bob) = chatting(&server, &identity).await;
    let text = "x".repeat(2000);
    let talking = async {
        for _ in 0..COUNT {
            ann.send(&json!({"type": "say", "text": text})).await;
            ann.expect("accepted").await;
        }
    };
    let listening = async {
        for seq in 1..=COUNT {
            assert_eq!(bob.expect("said").await["seq"], seq);
            bob.send(&json!({"type": "ack", "seq": 0})).await;
        }
    };
    tokio::join!(talking, listening);
}

#[tokio::test]
async fn a_new_pair_is_used_on_sighup_and_those_who_talk_go_on() {
    let (old, new) = (Identity::new(), Identity::new());
    let files = Files::new(&old);
    let server = files.serve(&[]);
    let (mut ann, mut bob) = chatting(&server, &old).await;
    assert_eq!(shows(&server, [&old, &new]).await, "old");

    files.hold(&new);
    server.signal("-HUP");
    server.printed(" reloaded").await;
    assert_eq!(shows(&server, [&old, &new]).await, "new");
    ann.say("still here?", &mut bob).await;
    bob.say("yes", &mut ann).await;
}

#[tokio::test]
async fn a_new_pair_is_used_when_the_files_change_and_those_who_talk_go_on() {
    let (old, new) = (Identity::new(), Identity::new());
    let files = Files::new(&old);
    let server = files.serve(&[]);
    let (mut ann, mut bob) = chatting(&server, &old).await;

    files.hold(&new);
    let since = Instant::now();
    while shows(&server, [&old, &new]).await == "old" {
        assert!(since.elapsed() < WAIT, "the new pair is not used");
        ann.say("still here?", &mut bob).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bob.say("yes", &mut ann).await;
}

#[tokio::test]
async fn a_bad_new_pair_is_reported_and_the_old_one_kept() {
    let (old, new) = (Identity::new(), Identity::new());
    let files = Files::new(&old);
    let server = files.serve(&[]);
    let (mut ann, mut bob) = chatting(&server, &old).await;
    let write = |file: &Path, text: &str| fs::write(file, text).expect("files can be written");

    let is_not_its_key = "is not the key of the certificate in";
    let cases: [(&dyn Fn(), &str); 5] = [
        (&|| write(&files.key, &new.key), is_not_its_key),
        (
            &|| write(&files.certificate, "no PEM"),
            "must hold a certificate",
        ),
        (
            &|| fs::remove_file(&files.certificate).expect("it is there"),
            "cannot be read",
        ),
        (&|| files.hold(&Identity::expired()), "not valid after"),
        (
            &|| write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n"),
            "must hold a private key",
        ),
    ];
    for (number, (spoil, expected)) in cases.into_iter().enumerate() {
        spoil();
        server.signal("-HUP");
        let printed = server.printed(expected).await;
        assert!(printed.contains("nothing was reloaded"), "{printed}");
        let shown = shows(&server, [&old, &new]).await;
        assert_eq!(shown, "old", "case {number}");
    }
    ann.say("still here?", &mut bob).await;
    // Once the pair is good, it is used without being asked again.
    files.hold(&new);
    let since = Instant::now();
    while shows(&server, [&old, &new]).await == "old" {
        assert!(since.elapsed() < WAIT, "the new pair is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bob.say("yes", &mut ann).await;
}

#[tokio::test]
async fn a_bad_pair_that_is_found_by_itself_is_reported_once() {
    let (old, new) = (Identity::new(), Identity::new());
    let files = Files::new(&old);
    let server = files.serve(&[]);
    fs::write(&files.key, &new.key).expect("files can be written");
    server.printed("is not the key of the certificate in").await;
    files.hold(&new);
    let printed = server.printed("certificate and keys were read again").await;
    let reports = printed.matches("is not the key").count();
    assert_eq!(reports, 1, "{printed}");
    assert!(!printed.contains("PRIVATE KEY"), "{printed}");
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut() {
    let identity = Identity::new();
    let settings = [("limits.tls_handshake_s", "0.5")];
    let server = Files::new(&identity).serve(&settings);
    let (mut ann, mut bob) = chatting(&server, &identity).await;
    let mut silent = Raw::connect(&server).await;
    let mut halfway = Raw::connect(&server).await;
    // The head of a record that says that more follows.
    halfway.send(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
    for stalled in [&mut silent, &mut halfway] {
        assert_eq!(stalled.read_to_end().await, [] as [u8; 0]);
    }
    ann.say("still here?", &mut bob).await;
}

#[tokio::test]
async fn a_handshake_that_stalls_does_not_hold_up_a_stop() {
    let identity = Identity::new();
    let settings = [("limits.tls_handshake_s", "60"), ("limits.stop_s", "3600")];
    let server = Files::new(&identity).serve(&settings);
    let mut client = Client::connect(&server, &identity).await;
    let _stalled = Raw::connect(&server).await;
    server.terminate();
    client.expect("going_away").await;
    assert_eq!(client.expect_close().await, 4200);
    drop(client);
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn who_speaks_no_tls_gets_an_end() {
    let identity = Identity::new();
    let server = Files::new(&identity).serve(&[]);
    let mut plain = Raw::connect(&server).await;
    plain
        .send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let answer = plain.read_to_end().await;
    // A TLS alert at most: its type, and no HTTP.
    assert!(matches!(answer.as_slice(), [] | [0x15, ..]), "{answer:?}");
    let (mut ann, mut bob) = chatting(&server, &identity).await;
    ann.say("still here?", &mut bob).await;
}

#[tokio::test]
async fn who_is_not_trusted_by_the_client_costs_nobody_else_anything() {
    let (identity, stranger) = (Identity::new(), Identity::new());
    let server = Files::new(&identity).serve(&[]);
    let refused = handshake(&server, &[&stranger], rustls::ALL_VERSIONS).await;
    refused.expect_err("it is not trusted");
    Client::connect(&server, &identity).await;
}

#[test]
fn a_pair_that_cannot_be_used_is_said_before_anything_listens() {
    let (good, other) = (Identity::new(), Identity::new());
    let files = Files::new(&good);
    fs::write(&files.key, &other.key).expect("files can be written");
    let (code, stdout, stderr) = Server::refused(&files.settings());
    assert_eq!((code, stdout.as_str()), (Some(EXIT_USAGE), ""), "{stderr}");
    assert!(stderr.contains("`tls.key`"), "{stderr}");
    assert!(stderr.contains(name(&files.key)), "{stderr}");
    assert!(stderr.contains("is not the key of"), "{stderr}");

    fs::write(&files.key, "no PEM").expect("files can be written");
    let (code, _, stderr) = Server::refused(&files.settings());
    assert_eq!(code, Some(EXIT_USAGE), "{stderr}");
    assert!(stderr.contains("must hold a private key"), "{stderr}");

    fs::remove_file(&files.certificate).expect("it is there");
    let (code, _, stderr) = Server::refused(&files.settings());
    assert_eq!(code, Some(EXIT_USAGE), "{stderr}");
    for expected in [
        "`tls.certificate`",
        name(&files.certificate),
        "cannot be read",
    ] {
        assert!(stderr.contains(expected), "no {expected} in {stderr}");
    }

    let (code, _, stderr) = Server::refused(&files.settings()[..1]);
    assert_eq!(code, Some(EXIT_USAGE), "{stderr}");
    assert!(
        stderr.contains("together with `tls.certificate`"),
        "{stderr}"
    );
}

#[tokio::test]
async fn without_a_certificate_connections_are_plain() {
    let server = Server::start(&[]);
    let mut pair = Pair::chatting(&server, PARIS).await;
    // There is nothing to read again, and nothing is disturbed.
    server.signal("-HUP");
    server.printed(" reloaded").await;
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn other_files_may_be_named_while_the_server_runs() {
    let (old, new) = (Identity::new(), Identity::new());
    let (old_files, new_files) = (Files::new(&old), Files::new(&new));
    let origins = "allowed_origins = [\"https://friend.example\"]";
    let naming = |files: &Files, origins: &str| {
        let (certificate, key) = (name(&files.certificate), name(&files.key));
        format!("security.{origins}\n[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    let folder = tempfile::tempdir().expect("folders can be made");
    let settings = folder.path().join("whisperchat.toml");
    let write = |text: &str| fs::write(&settings, text).expect("files can be written");
    write(&naming(&old_files, "allowed_origins = []"));
    let server = Server::with_file(&settings, &[]);
    let (mut ann, mut bob) = chatting(&server, &old).await;

    // With a pair that can't be used, nothing of the file is.
    fs::write(&new_files.key, &old.key).expect("files can be written");
    write(&naming(&new_files, origins));
    server.signal("-HUP");
    let printed = server.printed("is not the key of").await;
    assert!(printed.contains("nothing was reloaded"), "{printed}");
    assert_eq!(shows(&server, [&old, &new]).await, "old");

    new_files.hold(&new);
    server.signal("-HUP");
    let changed = r#"changed="security.allowed_origins, tls.certificate, tls.key""#;
    server.printed(changed).await;
    assert_eq!(shows(&server, [&old, &new]).await, "new");
    ann.say("still here?", &mut bob).await;

    // Without TLS it would have to listen anew.
    write("");
    server.signal("-HUP");
    server
        .printed(r#"settings="tls.certificate, tls.key""#)
        .await;
    assert_eq!(shows(&server, [&old, &new]).await, "new");
}
