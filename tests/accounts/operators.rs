//! A server with accounts, and operators who know its API and nothing else.

use crate::common::{Raw, Request, Server, outcome, whisperchat, within};
use ring::hmac;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;
use whisperchat::private::Private;
use whisperchat::store::{Opening, Store, StoreAt};

/// Good for everybody here: long, and not among the common ones.
pub(crate) const PASSWORD: &str = "seven green lamps";

/// What the server asks of scripts besides.
pub(crate) const TOKEN: &str = "a-token-that-nobody-guesses";

/// A server that keeps accounts in a folder of its own.
pub(crate) struct Office {
    folder: TempDir,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) cookie: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) kind: Option<String>,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Office {
    pub(crate) async fn open(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        Self::in_folder(folder, settings).await
    }

    async fn in_folder(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let path = folder.path().to_str().expect("names are plain").to_owned();
        let own = [
            ("admin_listen", "127.0.0.1:0"),
            ("store.url", "auto"),
            ("store.folder", &path),
        ];
        let server = Server::start(&[&own[..], settings].concat());
        let address = server.admin_address().await;
        Self {
            folder,
            server,
            address,
        }
    }

    /// The same store behind a server that begins now.
    pub(crate) async fn restarted(self) -> Self {
        let Self { folder, server, .. } = self;
        assert!(server.stop().await.success());
        Self::in_folder(folder, &[]).await
    }

    /// The store itself, as another server would open it.
    pub(crate) async fn store(&self) -> Store {
        let at = StoreAt::Folder(self.folder.path().to_owned());
        Store::open(&at, &Opening::default())
            .await
            .expect("it is there")
    }

    /// Runs `whisperchat admin` with this server's store: exit status, standard output, standard error.
    pub(crate) fn command(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let folder = format!("store.folder={}", self.folder.path().display());
        let place = ["--set", "store.url=auto", "--set", &folder];
        outcome(&mut whisperchat(&[&["admin"], args, &place].concat()))
    }

    /// Makes an account by the command line, and returns the code of its invitation.
    pub(crate) fn invite(&self, name: &str, role: &str) -> String {
        let (code, stdout, stderr) = self.command(&["create", name, "--role", role]);
        assert_eq!(code, Some(0), "{stderr}");
        let (_, code) = stdout
            .split_once("#invitation=")
            .expect("a link is printed");
        code.trim().to_owned()
    }

    /// Makes an account, and takes it.
    pub(crate) async fn account(&self, name: &str, role: &str) {
        let code = self.invite(name, role);
        let path = format!("/api/v1/invitations/{code}");
        let taken = self.post(&path, None, &json!({"password": PASSWORD})).await;
        assert_eq!(taken.status, 200, "{taken:?}");
    }

    /// Somebody of this role who is logged in with all it takes.
    pub(crate) async fn somebody(&self, name: &str, role: &str) -> LoggedIn {
        self.account(name, role).await;
        let session = self.log_in(name).await;
        if role != "viewer" {
            self.enrol(&session).await;
        }
        session
    }

    /// Logs in somebody who has no second factor.
    pub(crate) async fn log_in(&self, name: &str) -> LoggedIn {
        let answer = self.try_log_in(name, PASSWORD).await;
        assert_eq!(
            (answer.status, &answer.body["step"]),
            (200, &json!("done")),
            "{answer:?}"
        );
        LoggedIn::of(&answer)
    }

    pub(crate) async fn try_log_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({"name": name, "password": password});
        self.post("/api/v1/login", None, &body).await
    }

    /// Logs in somebody who has a second factor, by a code of it.
    pub(crate) async fn try_log_in_with(&self, name: &str, code: &str) -> Answer {
        let first = self.try_log_in(name, PASSWORD).await;
        assert_eq!(
            (first.status, &first.body["step"]),
            (200, &json!("factor")),
            "{first:?}"
        );
        let body = json!({"factor_token": first.body["factor_token"], "code": code});
        self.post("/api/v1/login/factor", None, &body).await
    }

    /// Enrols a second factor in a session; returns its secret and the recovery codes.
    pub(crate) async fn enrol(&self, session: &LoggedIn) -> (String, Vec<String>) {
        let body = json!({"password": PASSWORD});
        let begun = self
            .post("/api/v1/me/factor", Some(&session.access), &body)
            .await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let secret = begun.body["secret"].as_str().expect("a string").to_owned();
        let body = json!({"code": totp(&secret, now_s())});
        let confirmed = self
            .post("/api/v1/me/factor/confirm", Some(&session.access), &body)
            .await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        let codes = confirmed.body["recovery_codes"].as_array().expect("a list");
        let codes = codes
            .iter()
            .map(|code| code.as_str().expect("a string").to_owned());
        (secret, codes.collect())
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/api/v1/refresh", None, &json!({"refresh_token": token}))
            .await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask("GET", path, token, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.ask("POST", path, token, &[], &body.to_string()).await
    }

    /// Any request; with a body it is JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.ask_from(here, method, path, token, headers, body)
            .await
    }

    /// The same from another address of this machine.
    pub(crate) async fn ask_from(
        &self,
        from: IpAddr,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::get("").start_line(&format!("{method} {path} HTTP/1.1"));
        if let Some(token) = token {
            request = request.with("Authorization", &format!("Bearer {token}"));
        }
        if method != "GET" {
            request = request.with("Content-Type", "application/json");
        }
        for (name, value) in headers {
            request = request.with(name, value);
        }
        let request = request.body(body).with("Connection", "close");
        let socket = TcpSocket::new_v4().expect("sockets can be made");
        socket
            .bind(SocketAddr::new(from, 0))
            .expect("all of 127/8 is here");
        let stream = within("a connection", socket.connect(self.address)).await;
        let raw = Raw {
            stream: stream.expect("it listens"),
        };
        let (head, mut raw) = request.send_over(raw).await;
        let mut text = String::new();
        within("an answer's body", raw.stream.read_to_string(&mut text))
            .await
            .expect("the answer is text");
        let header = |name| head.header(name).map(str::to_owned);
        Answer {
            status: head.status,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
            cookie: header("Set-Cookie"),
            tag: header("ETag"),
            retry_after: header("Retry-After"),
            challenge: header("WWW-Authenticate"),
            kind: header("Content-Type"),
        }
    }
}

impl LoggedIn {
    pub(crate) fn of(answer: &Answer) -> Self {
        let text = |key: &str| answer.body[key].as_str().expect("a string").to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is right").as_secs()
}

/// The code that an authenticator shows: RFC 6238 and RFC 4226 once more, by other means than the server's.
pub(crate) fn totp(secret: &str, at_s: u64) -> String {
    let mut bits = String::new();
    for letter in secret.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => panic!("{secret} is not of base 32"),
        };
        // Writing to a string can't fail.
        let _ = write!(bits, "{value:05b}");
    }
    let bytes = bits.as_bytes().chunks_exact(8).map(|chunk| {
        let text = std::str::from_utf8(chunk).expect("digits");
        u8::from_str_radix(text, 2).expect("eight of them")
    });
    let bytes: Vec<u8> = bytes.collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let tag = hmac::sign(&key, &(at_s / 30).to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0xf);
    let four: [u8; 4] = tag[offset..offset + 4].try_into().expect("four");
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

/// Waits until this many seconds of a code's step are left, so that codes beside it stay so for a while.
pub(crate) async fn early_in_a_step() {
    while now_s() % 30 > 20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What a store keeps of a password, as a value.
pub(crate) fn kept(text: &str) -> Private<String> {
    Private::new(text.to_owned())
}
