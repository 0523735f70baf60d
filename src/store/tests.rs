//! What can only be asked from inside: every statement, every migration, a disk that is full.

#[path = "../../tests/store/fresh.rs"]
#[expect(dead_code, reason = "the tests of the public interface use all of it")]
mod fresh;

use super::migrations::{migrator, newest};
use super::*;
use crate::private::Private;
use fresh::Fresh;
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
use std::time::Duration;
use tokio::time::sleep;

fn at(fresh: &Fresh) -> StoreAt {
    match fresh.url() {
        Some(url) => StoreAt::Url(Private::new(url.to_owned())),
        None => StoreAt::Folder(fresh.folder().to_owned()),
    }
}

async fn open(fresh: &Fresh) -> Store {
    Store::open(&at(fresh), &Opening::default()).await.unwrap()
}

fn report(number: i64) -> NewReport {
    NewReport {
        once: number.to_string(),
        at_ms: number,
        chat: "chat".to_owned(),
        reason: "spam".to_owned(),
        note: None,
        reporter: None,
        reporter_network: None,
        reported: None,
        reported_network: None,
        evidence: Some(Private::new("x".repeat(4000))),
        weight: 1000,
        call: None,
    }
}

/// What a wrong name, a comma too many or what only the other database knows fails at.
async fn every_statement_is_understood(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut connection = store.pool.acquire().await.unwrap();
    for (name, statement) in sql::ALL {
        let prepared = connection.prepare(statement.into_sql_str()).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    }
}

/// With a row from before in it, where the version had such rows.
async fn every_earlier_version_is_brought_to_this_one(from: i64, fresh: &Fresh) {
    let place = at(fresh);
    let (pool, kind) = super::at::connect(&place, &Opening::default())
        .await
        .unwrap();
    migrator(kind).run_to(from, &pool).await.unwrap();
    if from >= 1 {
        let old = "INSERT INTO reports (once, at_ms, chat, reason, weight, state, version) \
            VALUES ('old', 1, 'chat', 'spam', 1000, 'open', 1)";
        pool.execute(old).await.unwrap();
    }
    pool.close().await;
    for _ in 0..2 {
        let store = open(fresh).await;
        let filter = ReportFilter::default();
        let page = store.reports(&filter, ReportOrder::Newest, None, 10).await;
        assert_eq!(page.unwrap().rows.len(), usize::from(from >= 1));
        let version = "SELECT MAX(version) FROM _sqlx_migrations";
        let version: i64 = sqlx::query_scalar(version)
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(version, newest());
        store.close().await;
    }
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_understood() {
        super::every_statement_is_understood(&Fresh::sqlite()).await;
    }

    #[tokio::test]
    async fn every_earlier_version_is_brought_to_this_one() {
        for from in 0..=newest() {
            super::every_earlier_version_is_brought_to_this_one(from, &Fresh::sqlite()).await;
        }
    }

    #[tokio::test]
    async fn a_backup_is_understood() {
        let fresh = Fresh::sqlite();
        let store = open(&fresh).await;
        let mut connection = store.pool.acquire().await.unwrap();
        connection
            .prepare(sql::BACKUP.into_sql_str())
            .await
            .unwrap();
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL; .ci/run starts one"]
    async fn every_statement_is_understood() {
        super::every_statement_is_understood(&Fresh::postgres().await).await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL; .ci/run starts one"]
    async fn every_earlier_version_is_brought_to_this_one() {
        for from in 0..=newest() {
            let fresh = Fresh::postgres().await;
            super::every_earlier_version_is_brought_to_this_one(from, &fresh).await;
        }
    }
}

/// Lets the database grow no further than so many pages, as a full disk would, by every connection that there is.
async fn limit_pages(store: &Store, pages: i64) {
    let mut connections = Vec::new();
    for _ in 0..store.pool.options().get_max_connections() {
        let mut connection = store.pool.acquire().await.unwrap();
        let pragma = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        connection.execute(pragma).await.unwrap();
        connections.push(connection);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_reports_until_there_is_room_and_loses_none() {
    let fresh = Fresh::sqlite();
    let store = open(&fresh).await;
    limit_pages(&store, 200).await;
    let writer = Writer::start(store.clone(), 64, Duration::from_secs(5));
    let mut kept = Vec::new();
    let error = loop {
        let number = i64::try_from(kept.len()).unwrap();
        assert!(number < 1000, "the disk is never full");
        match writer.add_report(report(number)).await {
            Ok(added) => kept.push(added.id),
            Err(error) => break error,
        }
    };
    assert!(error.is_away(), "{error}");
    assert!(kept.len() > 10, "it was full from the start");
    // It can be read as before.
    for id in &kept {
        store.report(*id).await.unwrap();
    }
    limit_pages(&store, 100_000).await;
    let mut number = 1000;
    while let Err(error) = writer.add_report(report(number)).await {
        assert!(error.is_away(), "{error}");
        number += 1;
        sleep(Duration::from_millis(20)).await;
        assert!(number < 2000, "it never comes back");
    }
    assert!(!writer.status().is_away);
    for id in kept {
        store.report(id).await.unwrap();
    }
}
