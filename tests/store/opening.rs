//! Opening: what is there already, and what can't be opened.

use crate::common::within;
use crate::fresh::Fresh;
use crate::{at, on_both, open, report, try_open};
use sqlx::Executor as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::time::Duration;
use whisperchat::private::Private;
use whisperchat::store::{Opening, Store, StoreAt, StoreError};

on_both!(
    servers_that_start_at_once_all_have_the_tables,
    a_database_of_a_newer_version_is_refused_with_a_sentence,
    a_database_whose_migrations_are_not_ours_is_refused,
    an_open_store_answers_and_a_closed_one_is_away,
);

async fn servers_that_start_at_once_all_have_the_tables(fresh: &Fresh) {
    let place = at(fresh);
    let starts = (0..6).map(|number| {
        let place = place.clone();
        tokio::spawn(async move {
            let store = Store::open(&place, &Opening::default()).await?;
            store.add_report(&report(number)).await
        })
    });
    for start in starts.collect::<Vec<_>>() {
        let added = within("a server to start", start).await.unwrap();
        assert!(added.unwrap().is_new);
    }
}

async fn a_database_of_a_newer_version_is_refused_with_a_sentence(fresh: &Fresh) {
    open(fresh).await.close().await;
    let mut hand = fresh.beside().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        SELECT 9999, 'to come', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    hand.execute(newer).await.unwrap();
    let error = try_open(fresh).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9999, .. }));
    let sentence = error.to_string();
    assert!(sentence.contains("newer version"), "{sentence}");
    assert!(sentence.contains("put back a backup"), "{sentence}");
    hand.execute("DELETE FROM _sqlx_migrations WHERE version = 9999")
        .await
        .unwrap();
    open(fresh).await;
}

async fn a_database_whose_migrations_are_not_ours_is_refused(fresh: &Fresh) {
    open(fresh).await.close().await;
    let mut hand = fresh.beside().await;
    let change = "UPDATE _sqlx_migrations SET checksum = substr(checksum, 2) WHERE version = 1";
    hand.execute(change).await.unwrap();
    let error = try_open(fresh).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Changed { version: 1 }),
        "{error}"
    );
}

async fn an_open_store_answers_and_a_closed_one_is_away(fresh: &Fresh) {
    let store = open(fresh).await;
    store.ping().await.unwrap();
    store.close().await;
    let error = store.ping().await.unwrap_err();
    assert!(error.is_away(), "{error}");
}

#[tokio::test]
async fn the_file_and_its_folder_are_for_their_owner_alone() {
    let fresh = Fresh::sqlite();
    let folder = fresh.folder().join("deep/inside");
    let place = StoreAt::Folder(folder.clone());
    let store = Store::open(&place, &Opening::default()).await.unwrap();
    store.add_report(&report(1)).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    assert!(names.contains(&"whisperchat.db".to_owned()), "{names:?}");
    assert!(
        names.contains(&"whisperchat.db-wal".to_owned()),
        "{names:?}"
    );
}

/// As root gives an account to a server that has not run yet. Whoever is not root owns the folder anyway.
#[tokio::test]
async fn files_belong_to_whoever_the_folder_belongs_to() {
    let fresh = Fresh::sqlite();
    let _ = chown(fresh.folder(), Some(12_345), Some(12_345));
    let owner = |path: &std::path::Path| {
        let metadata = path.metadata().unwrap();
        (metadata.uid(), metadata.gid())
    };
    let store = open(&fresh).await;
    store.add_report(&report(1)).await.unwrap();
    let mut count = 0;
    for entry in fresh.folder().read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(owner(&path), owner(fresh.folder()), "{}", path.display());
        count += 1;
    }
    assert!(count >= 4, "the database, its lock, and what SQLite keeps");
}

#[tokio::test]
async fn a_folder_with_an_odd_name_is_a_folder_like_any_other() {
    let fresh = Fresh::sqlite();
    let folder = fresh.folder().join("a b?mode=ro&x#é%41");
    let place = StoreAt::Folder(folder.clone());
    let store = Store::open(&place, &Opening::default()).await.unwrap();
    store.add_report(&report(1)).await.unwrap();
    assert!(folder.join("whisperchat.db").is_file());
}

#[tokio::test]
async fn what_is_no_database_is_refused_with_what_to_do_and_left_as_it_is() {
    let fresh = Fresh::sqlite();
    let file = fresh.folder().join("whisperchat.db");
    let text = "Dear diary, this is no database at all. ".repeat(40);
    std::fs::write(&file, &text).unwrap();
    let error = try_open(&fresh).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let sentence = error.to_string();
    for expected in [
        &file.display().to_string(),
        "not a database",
        "put back a backup",
    ] {
        assert!(sentence.contains(expected), "no {expected} in {sentence}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_folder_that_can_not_be_made_is_named() {
    let fresh = Fresh::sqlite();
    let file = fresh.folder().join("file");
    std::fs::write(&file, "").unwrap();
    let place = StoreAt::Folder(file.join("folder"));
    let error = Store::open(&place, &Opening::default()).await.unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains(&file.display().to_string()), "{sentence}");
    assert!(sentence.contains("store.url to off"), "{sentence}");
}

#[tokio::test]
async fn a_password_is_not_in_what_is_said_of_a_database_that_is_not_there() {
    let url = "postgres://ann:pa55word@127.0.0.1:1/whisperchat";
    let place = StoreAt::Url(Private::new(url.to_owned()));
    let opening = Opening {
        timeout: Duration::from_secs(2),
        ..Opening::default()
    };
    let error = Store::open(&place, &opening).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let said = format!("{error} {error:?} {place:?}");
    assert!(!said.contains("pa55word"), "{said}");
    assert!(said.contains("refused"), "{said}");
    let nowhere = Store::open(&StoreAt::Off, &opening).await;
    assert!(matches!(nowhere, Err(StoreError::Off)));
}
