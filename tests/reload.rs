//! Settings that change while the server runs: a real process, and a real SIGHUP.

mod common;

use common::{Pair, Place, Request, Server, V1};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const PARIS: Place = (48.8566, 2.3522);
const SYDNEY: Place = (-33.8688, 151.2093);

/// The file that a server takes its settings from.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("folders can be made");
        let file = Self {
            path: folder.path().join("whisperchat.toml"),
            _folder: folder,
        };
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).expect("files can be written");
    }

    fn serve(&self) -> Server {
        Server::with_file(&self.path, &[])
    }

    /// Has the server read this text, and waits until it has said this of it.
    async fn reload(&self, text: &str, server: &Server, expected: &str) -> String {
        self.write(text);
        server.signal("-HUP");
        server.printed(expected).await
    }
}

/// What a page of another origin is answered.
async fn status_for(server: &Server, origin: &str) -> u16 {
    let request = Request::upgrade("/v1/ws").with("Origin", origin);
    request.send(server).await.0.status
}

const FRIEND: &str = "https://friend.example";
const ALLOWS_FRIEND: &str = "[security]\nallowed_origins = [\"https://friend.example\"]\n";

#[tokio::test]
async fn who_may_connect_changes_and_nobody_is_disturbed() {
    let file = File::new("");
    let server = file.serve();
    let mut pair = Pair::chatting(&server, SYDNEY).await;
    assert_eq!(status_for(&server, FRIEND).await, 403);

    let changed = r#"changed="security.allowed_origins""#;
    let printed = file.reload(ALLOWS_FRIEND, &server, changed).await;
    assert!(!printed.contains("restart"), "{printed}");
    assert_eq!(status_for(&server, FRIEND).await, 101);
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn what_is_logged_changes() {
    let file = File::new("[log]\nlevel = \"warn\"\n");
    let server = file.serve();
    V1::connect(&server).await.close().await;
    let changed = r#"changed="log.level""#;
    let text = "[log]\nlevel = \"info,whisperchat=debug\"\n";
    let printed = file.reload(text, &server, changed).await;
    assert!(!printed.contains("connection ended"), "{printed}");
    V1::connect(&server).await.close().await;
    server.printed("connection ended").await;
}

#[tokio::test]
async fn how_many_may_connect_changes() {
    let file = File::new("[limits]\nmax_connections = 1\n");
    let server = file.serve();
    let first = V1::connect(&server).await;
    let (response, _) = Request::upgrade("/v1/ws").send(&server).await;
    assert_eq!(response.status, 503);

    let changed = r#"changed="limits.max_connections""#;
    file.reload("[limits]\nmax_connections = 2\n", &server, changed)
        .await;
    let mut second = V1::connect(&server).await;
    let (response, _) = Request::upgrade("/v1/ws").send(&server).await;
    assert_eq!(response.status, 503);

    // With fewer seats than people everybody keeps theirs, and nobody gets another.
    let more = "[limits]\nmax_connections = 1\nerrors_per_minute = 5\n";
    let changed = r#"changed="limits.max_connections, limits.errors_per_minute""#;
    file.reload(more, &server, changed).await;
    second.expect_quiet().await;
    first.close().await;
    let (response, _) = Request::upgrade("/v1/ws").send(&server).await;
    assert_eq!(response.status, 503);
}

#[tokio::test]
async fn limits_change_for_those_who_are_connected_already() {
    let file = File::new("");
    let server = file.serve();
    let mut client = V1::connect(&server).await;
    client
        .refused(json!({"type": "leave"}), "wrong_state")
        .await;
    let changed = r#"changed="limits.errors_per_minute""#;
    file.reload("[limits]\nerrors_per_minute = 2\n", &server, changed)
        .await;
    client
        .refused(json!({"type": "leave"}), "wrong_state")
        .await;
    assert_eq!(client.expect_close().await.0, 4001);
}

#[tokio::test]
async fn the_rules_of_matching_change() {
    let file = File::new("[matching]\nrematch_cooloff_s = 3600\n");
    let server = file.serve();
    let mut pair = Pair::chatting(&server, PARIS).await;
    let changed = r#"changed="matching.rematch_cooloff_s""#;
    file.reload("[matching]\nrematch_cooloff_s = 0\n", &server, changed)
        .await;
    // A chat that ends from now on is followed by none.
    pair.part().await;
    pair.meet(PARIS).await;
}

#[tokio::test]
async fn how_long_a_stop_takes_changes() {
    let file = File::new("[limits]\ndrain_s = 3600\n");
    let server = file.serve();
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(V1::connect(&server).await);
    }
    let changed = r#"changed="limits.drain_s""#;
    file.reload("[limits]\ndrain_s = 0\n", &server, changed)
        .await;
    server.terminate();
    for client in &mut clients {
        client.expect("going_away").await;
        assert_eq!(client.expect_close().await.0, 4200);
    }
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn what_needs_a_restart_is_named_in_one_line_and_not_changed() {
    let file = File::new("");
    let server = file.serve();
    let text = "admin_listen = \"127.0.0.1:0\"\n\
                [limits]\nping_s = 3\nresume_window_s = 7\n\
                [security]\nallowed_origins = [\"https://friend.example\"]\n";
    let named = r#"settings="admin_listen, limits.ping_s, limits.resume_window_s""#;
    let printed = file.reload(text, &server, named).await;
    let line = printed.lines().find(|line| line.contains(named));
    assert!(
        line.is_some_and(|line| line.contains("restart")),
        "{printed}"
    );
    let client = V1::connect(&server).await;
    assert_eq!(client.welcome["ping_s"], 25);
    assert_eq!(client.welcome["resume_window_s"], 60);
    // The rest of the file is in force.
    assert_eq!(status_for(&server, FRIEND).await, 101);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_reported() {
    let file = File::new("");
    let server = file.serve();
    let mut pair = Pair::chatting(&server, SYDNEY).await;
    let path = file.path.display();
    let with_mistake = format!("{ALLOWS_FRIEND}[limits]\nstop_s = 0\n");
    for (text, expected) in [
        (
            with_mistake.as_str(),
            format!("{path}, line 4: `limits.stop_s` must be 0.1 to 3600 seconds, not 0"),
        ),
        (
            &format!("{ALLOWS_FRIEND}allowed_origin = []\n"),
            format!("{path}, line 3: `security.allowed_origin` is not a setting"),
        ),
        (
            &format!("{ALLOWS_FRIEND}[limits\n"),
            format!("{path}: TOML parse error"),
        ),
    ] {
        let printed = file.reload(text, &server, &expected).await;
        assert!(printed.contains("nothing was reloaded"), "{printed}");
        assert_eq!(status_for(&server, FRIEND).await, 403, "{text}");
    }
    fs::remove_file(&file.path).expect("it is there");
    server.signal("-HUP");
    server.printed("cannot be read").await;
    assert_eq!(status_for(&server, FRIEND).await, 403);
    pair.expect_undisturbed().await;

    file.reload(ALLOWS_FRIEND, &server, "reloaded changed")
        .await;
    assert_eq!(status_for(&server, FRIEND).await, 101);
}

#[tokio::test]
async fn the_environment_and_flags_still_win_over_the_file() {
    let file = File::new("[limits]\nerrors_per_minute = 4\n");
    let settings = [("security.allowed_origins", r#"["https://own.example"]"#)];
    let server = Server::with_file(&file.path, &settings);
    let changed = r#"changed="limits.errors_per_minute""#;
    let text = format!("{ALLOWS_FRIEND}[limits]\nerrors_per_minute = 5\n");
    file.reload(&text, &server, changed).await;
    assert_eq!(status_for(&server, FRIEND).await, 403);
    assert_eq!(status_for(&server, "https://own.example").await, 101);
}

#[tokio::test]
async fn a_reload_that_changes_nothing_says_so() {
    let file = File::new(ALLOWS_FRIEND);
    let server = file.serve();
    let printed = file.reload(ALLOWS_FRIEND, &server, "reloaded").await;
    assert!(printed.contains("nothing has changed"), "{printed}");
    assert!(!printed.contains("changed="), "{printed}");
}

#[tokio::test]
async fn a_token_for_operators_comes_and_goes() {
    const WITH_TOKEN: &str = "[admin]\ntoken = \"the-first-token-of-operators\"\n";
    let file = File::new("");
    let server = Server::with_file(&file.path, &[("admin_listen", "127.0.0.1:0")]);
    let admin = server.admin_address().await;
    let status = async || Request::get("/version").ask(admin).await.0;
    assert_eq!(status().await, 200);
    let changed = r#"changed="admin.token""#;
    let printed = file.reload(WITH_TOKEN, &server, changed).await;
    assert!(!printed.contains("restart"), "{printed}");
    assert_eq!(status().await, 401);
    file.reload("", &server, "need show no token").await;
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn many_hangups_in_a_row_end_with_the_last_file() {
    let file = File::new("");
    let server = file.serve();
    let mut pair = Pair::chatting(&server, SYDNEY).await;
    for round in 0..20 {
        file.write(&format!("[limits]\nmax_away = {round}\n"));
        server.signal("-HUP");
    }
    let last = format!("{ALLOWS_FRIEND}[limits]\nmax_away = 20\n");
    let changed = "security.allowed_origins";
    file.reload(&last, &server, changed).await;
    assert_eq!(status_for(&server, FRIEND).await, 101);
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn operators_are_asked_for_the_token_that_is_in_the_file_now() {
    let token = File::new("the-first-token-of-operators\n");
    let file = File::new("");
    let path = token.path.to_str().expect("it is UTF-8");
    let settings = [("admin_listen", "127.0.0.1:0"), ("admin.token_file", path)];
    let server = Server::with_file(&file.path, &settings);
    let admin = server.admin_address().await;
    let status = async |token: &str| {
        let shown = format!("Bearer {token}");
        let request = Request::get("/version").with("Authorization", &shown);
        request.ask(admin).await.0
    };
    assert_eq!(status("the-first-token-of-operators").await, 200);

    token.write("the-second-token-of-operators\n");
    let printed = file
        .reload("", &server, "operators must show another")
        .await;
    assert!(!printed.contains("second"), "{printed}");
    assert_eq!(status("the-first-token-of-operators").await, 401);
    assert_eq!(status("the-second-token-of-operators").await, 200);

    token.write("too short");
    let text = "[security]\nallow_no_origin = false\n";
    file.reload(text, &server, "`admin.token_file` must be a file")
        .await;
    assert_eq!(status("the-second-token-of-operators").await, 200);
    // Nothing of what came with it is in force.
    assert_eq!(Request::upgrade("/v1/ws").send(&server).await.0.status, 101);
}
