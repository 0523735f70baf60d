//! The store through its public interface: the same suite on SQLite, always, and on PostgreSQL, where it is run by
//! `scripts/with-postgres`.

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod audit;
mod bans;
mod calls;
mod fresh;
mod killed;
mod loading;
mod once;
mod opening;
mod operators;
mod passkeys;
mod people;
mod postgres_away;
mod reports;
mod sweeping;
mod writing;

use fresh::Fresh;
use whisperchat::private::Private;
use whisperchat::store::{
    Measure, NewBan, NewReport, Opening, Report, ReportFilter, ReportOrder, Store, StoreAt,
    StoreError, Subject,
};

/// A moment to begin with.
const NOW: i64 = 1_800_000_000_000;

const ANN: Subject = Subject([0xa1; 16]);
const BOB: Subject = Subject([0xb2; 16]);

/// Runs each test on both databases.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(&crate::fresh::Fresh::sqlite()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL; .ci/run starts one"]
            async fn $test() {
                super::$test(&crate::fresh::Fresh::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// Where a fresh database is.
fn at(fresh: &Fresh) -> StoreAt {
    match fresh.url() {
        Some(url) => StoreAt::Url(Private::new(url.to_owned())),
        None => StoreAt::Folder(fresh.folder().to_owned()),
    }
}

async fn try_open(fresh: &Fresh) -> Result<Store, StoreError> {
    Store::open(&at(fresh), &Opening::default()).await
}

async fn open(fresh: &Fresh) -> Store {
    try_open(fresh).await.expect("it can be opened")
}

/// A report that is like no other of another number.
fn report(number: i64) -> NewReport {
    NewReport {
        once: format!("session-{number}/chat"),
        at_ms: NOW + number,
        chat: format!("chat-{number}"),
        reason: "spam".to_owned(),
        note: None,
        reporter: Some(ANN),
        reporter_network: Some(Private::new("192.0.2.0/24".to_owned())),
        reported: Some(BOB),
        reported_network: Some(Private::new("2001:db8::/64".to_owned())),
        evidence: Some(Private::new(r#"[{"by":"them","text":"buy!"}]"#.to_owned())),
        weight: 1000,
        call: None,
    }
}

/// A ban of somebody that holds from [`NOW`] on.
fn ban(subject: Subject) -> NewBan {
    NewBan {
        measure: Measure::Ban,
        subject: Some(subject),
        network: None,
        reason: "You have sent advertisements.".to_owned(),
        appeal: Some("Write to appeals@chat.example.".to_owned()),
        report: None,
        created_at_ms: NOW,
        created_by: "moderator".to_owned(),
        expires_at_ms: None,
    }
}

/// All reports, the oldest first.
async fn all_reports(store: &Store) -> Vec<Report> {
    let (filter, mut after, mut all) = (ReportFilter::default(), None, Vec::new());
    loop {
        let page = store
            .reports(&filter, ReportOrder::Oldest, after, 500)
            .await;
        let page = page.expect("they can be read");
        all.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}
