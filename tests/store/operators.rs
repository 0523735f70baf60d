//! The store as operators see it: the server, its settings, its figures, and `whisperchat data`.

use crate::common::{Pair, Request, Server, outcome, whisperchat, within};
use crate::fresh::Fresh;
use crate::{BOB, all_reports, ban, open, report};
use serde_json::Value;
use sqlx::Executor as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use whisperchat::store::Store;

const PARIS: crate::common::Place = (48.8566, 2.3522);

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since_epoch.expect("it is later").as_millis()).expect("not that late")
}

/// `whisperchat data` with its arguments, on a store in a folder.
fn data(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    with_store(folder, &[&["data"], args].concat())
}

/// `whisperchat admin` with its arguments, on a store in a folder.
fn admin(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    with_store(folder, &[&["admin"], args].concat())
}

fn with_store(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let folder = format!("store.folder={}", path(folder));
    let settings = ["--set", "store.url=auto", "--set", &folder];
    outcome(&mut whisperchat(&[args, &settings].concat()))
}

/// What `whisperchat data` prints where it succeeds.
fn printed(folder: &Path, args: &[&str]) -> String {
    let (code, stdout, stderr) = data(folder, args);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout
}

fn server(fresh: &Fresh) -> Server {
    Server::start(&[
        ("admin_listen", "127.0.0.1:0"),
        ("store.folder", path(fresh.folder())),
    ])
}

#[tokio::test]
async fn a_server_makes_its_store_and_says_that_it_is_up() {
    let fresh = Fresh::sqlite();
    let server = server(&fresh);
    let admin = server.admin_address().await;
    let ready = Request::get("/readyz").ask(admin).await;
    let expected = r#"{"status":"ready","store":"up"}"#;
    assert_eq!(ready, (200, expected.to_owned()));
    let (_, figures) = Request::get("/metrics").ask(admin).await;
    for line in [
        "whisperchat_store_up 1",
        "whisperchat_store_queue 0",
        "whisperchat_store_writes_total{outcome=\"kept\"} 0",
    ] {
        assert!(figures.contains(line), "no {line} in {figures}");
    }
    server.printed("the store is open").await;
    Pair::chatting(&server, PARIS).await;
    assert!(server.stop().await.success());
    assert_eq!(all_reports(&open(&fresh).await).await, []);
}

#[tokio::test]
async fn a_server_removes_what_it_has_kept_for_long_enough() {
    let fresh = Fresh::sqlite();
    let store = open(&fresh).await;
    let day_ms = 24 * 60 * 60 * 1000;
    for age_days in [91, 89] {
        let mut new = report(age_days);
        new.at_ms = now_ms() - age_days * day_ms;
        store.add_report(&new).await.unwrap();
    }
    let server = server(&fresh);
    let one_is_left = async {
        while all_reports(&store).await.len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the old one to go", one_is_left).await;
    assert_eq!(all_reports(&store).await[0].chat, "chat-89");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_server_that_is_killed_finds_its_store_again() {
    let fresh = Fresh::sqlite();
    for number in 0..3 {
        let server = server(&fresh);
        server.printed("the store is open").await;
        let store = open(&fresh).await;
        store.add_report(&report(number)).await.unwrap();
        server.signal("-KILL");
        server.ended().await;
    }
    assert_eq!(all_reports(&open(&fresh).await).await.len(), 3);
}

#[tokio::test]
async fn a_folder_that_is_asked_for_and_can_not_be_had_keeps_the_server_from_starting() {
    let fresh = Fresh::sqlite();
    let file = fresh.folder().join("file");
    std::fs::write(&file, "").unwrap();
    let folder = file.join("folder");
    let (code, stdout, stderr) = Server::refused(&[("store.folder", path(&folder))]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    for expected in ["cannot open the store", path(&file), "set store.folder to"] {
        assert!(stderr.contains(expected), "no {expected} in {stderr}");
    }
}

#[tokio::test]
async fn the_usual_folder_is_used_and_done_without_where_it_can_not_be_had() {
    let fresh = Fresh::sqlite();
    let home = fresh.folder().join("home");
    let usual = |home: &Path| {
        let mut command = whisperchat(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .args(["--set", "store.url=auto", "--set", "log.format=human"])
            .env("HOME", home)
            .env_remove("STATE_DIRECTORY")
            .env_remove("XDG_STATE_HOME");
        command
    };
    let server = Server::of(usual(&home));
    server.printed("the store is open").await;
    let file = home.join(".local/state/whisperchat/whisperchat.db");
    assert!(file.is_file(), "{}", file.display());
    assert!(server.stop().await.success());

    let nowhere = fresh.folder().join("file");
    std::fs::write(&nowhere, "").unwrap();
    let server = Server::of(usual(&nowhere));
    let printed = server.printed("will not outlast this process").await;
    assert!(printed.contains("cannot open the store"), "{printed}");
    assert!(printed.contains("need not log in"), "{printed}");
    Pair::chatting(&server, PARIS).await;
    assert!(server.stop().await.success());

    for home in ["", "relative"] {
        let server = Server::of(usual(Path::new(home)));
        server.printed("HOME is not set to an absolute path").await;
        assert!(server.stop().await.success());
    }
}

#[test]
fn a_usual_folder_that_can_not_be_looked_into_keeps_the_server_from_starting() {
    // There may be accounts in it: without them, everybody on this machine would be let in.
    let fresh = Fresh::sqlite();
    let home = fresh.folder().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::symlink(".local", home.join(".local")).unwrap();
    let outcome = whisperchat(&["serve", "--listen", "127.0.0.1:0"])
        .args(["--set", "store.url=auto"])
        .env("HOME", home)
        .env_remove("STATE_DIRECTORY")
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("it can be run");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot open the store"), "{stderr}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_keeps_the_server_from_starting() {
    let fresh = Fresh::sqlite();
    open(&fresh).await.close().await;
    let mut hand = fresh.beside().await;
    let newer = "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1";
    hand.execute(newer).await.unwrap();
    let (code, _, stderr) = Server::refused(&[("store.folder", path(fresh.folder()))]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("of a newer version"), "{stderr}");
}

#[test]
fn a_url_that_is_none_is_refused_and_not_shown() {
    let (code, _, stderr) = Server::refused(&[("store.url", "mysql://ann:pa55word@db/x")]);
    assert_eq!(code, Some(crate::common::EXIT_USAGE), "{stderr}");
    assert!(stderr.contains("`store.url` must be auto, off"), "{stderr}");
    assert!(!stderr.contains("pa55word"), "{stderr}");
}

#[tokio::test]
async fn what_is_kept_of_somebody_is_printed_and_that_is_written_down() {
    let fresh = Fresh::sqlite();
    let store = open(&fresh).await;
    store.add_report(&report(1)).await.unwrap();
    store.add_ban(&ban(BOB)).await.unwrap();
    let bob = BOB.to_string();
    let text = printed(fresh.folder(), &["export", "--subject", &bob]);
    let kept: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(kept["subject"], bob);
    assert_eq!(kept["bans"][0]["measure"], "ban");
    let written = store.audit(Some("command line"), None, 10).await.unwrap();
    assert_eq!(written.rows[0].action, "person.export");
    let (code, _, stderr) = data(fresh.folder(), &["export", "--subject", "bob"]);
    assert_eq!(code, Some(crate::common::EXIT_USAGE));
    assert!(stderr.contains("32 hexadecimal digits"), "{stderr}");
}

#[tokio::test]
async fn of_somebody_who_is_not_known_it_is_said_that_nothing_is_kept() {
    let fresh = Fresh::sqlite();
    open(&fresh).await.close().await;
    let nobody = "0".repeat(32);
    let (code, _, stderr) = data(fresh.folder(), &["export", "--subject", &nobody]);
    assert_eq!((code, stderr.trim()), (Some(0), "nothing is kept of them"));
    let text = printed(fresh.folder(), &["erase", "--subject", &nobody]);
    assert_eq!(text, "nothing is kept of them\n");
}

#[tokio::test]
async fn somebody_is_forgotten_while_the_server_runs() {
    let fresh = Fresh::sqlite();
    let server = server(&fresh);
    server.printed("the store is open").await;
    let store = open(&fresh).await;
    store.add_report(&report(1)).await.unwrap();
    store.add_ban(&ban(BOB)).await.unwrap();
    let text = printed(fresh.folder(), &["erase", "--subject", &BOB.to_string()]);
    for line in [
        "forgotten: who is meant by 1 report\n",
        "forgotten: 0 bans already over",
        "kept: 1 ban in force, and 0 reports",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    assert_eq!(all_reports(&store).await[0].reported, None);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_folder_without_a_store_is_not_given_one_by_asking() {
    let fresh = Fresh::sqlite();
    for args in [
        ["export", "--subject", &BOB.to_string()],
        ["erase", "--subject", &BOB.to_string()],
    ] {
        let (code, _, stderr) = data(fresh.folder(), &args);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("there is no store at"), "{stderr}");
    }
    for args in [&["list"][..], &["disable", "ann"], &["reset", "ann"]] {
        let (code, _, stderr) = admin(fresh.folder(), args);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("there is no store at"), "{stderr}");
    }
    assert_eq!(fresh.folder().read_dir().unwrap().count(), 0);
    // The first account makes it, and says where.
    let file = fresh.folder().join("whisperchat.db");
    let (code, stdout, _) = admin(fresh.folder(), &["create", "ann"]);
    let place = format!("in the store {}:\n", path(&file));
    assert!(code == Some(0) && stdout.starts_with(&place), "{stdout}");
}

#[tokio::test]
async fn a_store_without_accounts_says_so() {
    let fresh = Fresh::sqlite();
    open(&fresh).await.close().await;
    let (code, stdout, _) = admin(fresh.folder(), &["list"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("no accounts in the store "), "{stdout}");
}

/// Puts a file in the place of the database, as docs/store.md says.
fn restore(fresh: &Fresh, backup: &Path) {
    let file = fresh.folder().join("whisperchat.db");
    std::fs::copy(backup, &file).unwrap();
    for rest in ["whisperchat.db-wal", "whisperchat.db-shm"] {
        let _ = std::fs::remove_file(fresh.folder().join(rest));
    }
}

async fn chats(store: &Store) -> Vec<String> {
    let reports = all_reports(store).await;
    reports.into_iter().map(|it| it.chat).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_the_server_writes_and_put_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = Fresh::sqlite();
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("backup.db");
    let running = server(&fresh);
    running.printed("the store is open").await;
    let store = open(&fresh).await;
    for number in 0..10 {
        store.add_report(&report(number)).await.unwrap();
    }
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 10.. {
                store.add_report(&report(number)).await.unwrap();
            }
        })
    };
    let args = ["backup", path(&backup)];
    let text = tokio::task::block_in_place(|| printed(fresh.folder(), &args));
    assert!(text.contains("written:"), "{text}");
    writing.abort();
    let mode = backup.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What comes after it, the damage included, is gone when it is put back.
    store.add_report(&report(-1)).await.unwrap();
    store.close().await;
    assert!(running.stop().await.success());
    std::fs::write(fresh.folder().join("whisperchat.db"), "damaged").unwrap();
    restore(&fresh, &backup);
    let running = server(&fresh);
    running.printed("the store is open").await;
    let store = open(&fresh).await;
    let kept = chats(&store).await;
    let first: Vec<_> = (0..10).map(|number| format!("chat-{number}")).collect();
    assert_eq!(kept[..10], first);
    assert!(!kept.contains(&"chat--1".to_owned()), "{kept:?}");
    store.add_report(&report(-2)).await.unwrap();
    store.close().await;
    assert!(running.stop().await.success());

    let (code, _, stderr) = data(fresh.folder(), &args);
    assert_eq!(code, Some(1), "a backup is never written over");
    assert!(stderr.contains("cannot write a backup"), "{stderr}");
    let nowhere = elsewhere.path().join("no/folder/backup.db");
    let (code, _, _) = data(fresh.folder(), &["backup", path(&nowhere)]);
    assert_eq!(code, Some(1));
}
