//! The queue in front: what is acknowledged is kept, and what can't be is said so at once.

use crate::common::within;
use crate::fresh::Fresh;
use crate::{BOB, all_reports, ban, on_both, open, report};
use serde_json::json;
use sqlx::{AnyConnection, Executor as _};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use whisperchat::store::{NewAudit, StoreError, Writer};

/// How long a transaction may take where one is held up on purpose.
const SHORT: Duration = Duration::from_millis(300);

/// The same where none is.
const LONG: Duration = Duration::from_secs(10);

on_both!(
    what_many_ask_for_at_once_is_all_kept,
    one_that_can_not_be_kept_spoils_only_itself,
    bans_and_entries_go_the_same_way,
    a_full_queue_refuses_at_once_and_says_when_to_come_back,
    while_the_database_is_held_up_everybody_is_told_at_once_and_then_it_goes_on,
);

async fn what_many_ask_for_at_once_is_all_kept(fresh: &Fresh) {
    let store = open(fresh).await;
    let writer = Writer::start(store.clone(), 1024, LONG);
    let tasks = (0..300).map(|number| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.add_report(report(number)).await.unwrap().id })
    });
    let mut ids = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.insert(within("an answer", task).await.unwrap());
    }
    let kept: BTreeSet<_> = all_reports(&store).await.iter().map(|it| it.id).collect();
    assert_eq!(kept, ids);
    assert_eq!(kept.len(), 300);
    let status = writer.status();
    assert_eq!((status.kept, status.refused), (300, 0));
    assert_eq!((status.waiting, status.is_away), (0, false));
}

async fn one_that_can_not_be_kept_spoils_only_itself(fresh: &Fresh) {
    let store = open(fresh).await;
    let writer = Writer::start(store.clone(), 1024, LONG);
    let tasks = (0..60).map(|number| {
        let writer = writer.clone();
        tokio::spawn(async move {
            if number % 10 == 0 {
                let mut for_nothing = ban(BOB);
                for_nothing.report = Some(4242);
                let outcome = writer.add_ban(for_nothing).await;
                assert!(matches!(outcome, Err(StoreError::NotFound("report"))));
            } else {
                writer.add_report(report(number)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        within("an answer", task).await.unwrap();
    }
    assert_eq!(all_reports(&store).await.len(), 54);
    assert!(!writer.status().is_away);
}

async fn bans_and_entries_go_the_same_way(fresh: &Fresh) {
    let store = open(fresh).await;
    let writer = Writer::start(store.clone(), 16, LONG);
    let made = writer.add_ban(ban(BOB)).await.unwrap();
    assert_eq!(store.ban(made.id).await.unwrap(), made);
    let entry = NewAudit {
        at_ms: 1,
        actor: "rule".to_owned(),
        action: "rule.match".to_owned(),
        target: "nothing".to_owned(),
        detail: json!({}),
    };
    let id = writer.add_audit(entry).await.unwrap();
    let written = store.audit(Some("rule"), None, 10).await.unwrap();
    assert_eq!(written.rows[0].id, id);
    let first = writer.add_report(report(1)).await.unwrap();
    let again = writer.add_report(report(1)).await.unwrap();
    assert_eq!((again.id, again.is_new), (first.id, false));
}

/// Keeps everybody else from writing until [`let_go`].
async fn hold_up(fresh: &Fresh) -> AnyConnection {
    let mut hand = fresh.beside().await;
    let hold = match fresh.url() {
        Some(_) => "BEGIN; LOCK TABLE reports, probe IN ACCESS EXCLUSIVE MODE",
        None => "BEGIN IMMEDIATE",
    };
    hand.execute(hold).await.unwrap();
    hand
}

async fn let_go(mut hand: AnyConnection) {
    hand.execute("ROLLBACK").await.unwrap();
}

async fn a_full_queue_refuses_at_once_and_says_when_to_come_back(fresh: &Fresh) {
    let store = open(fresh).await;
    let writer = Writer::start(store.clone(), 4, LONG);
    let hand = hold_up(fresh).await;
    let mut tasks = Vec::new();
    let is_full = async {
        while writer.status().waiting < 4 {
            let (asking, number) = (writer.clone(), i64::try_from(tasks.len()).unwrap());
            tasks.push(tokio::spawn(async move {
                asking.add_report(report(number)).await
            }));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the queue to be full", is_full).await;
    let begun = Instant::now();
    let error = writer.add_report(report(-1)).await.unwrap_err();
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    assert!(error.retry_after_ms().is_some_and(|ms| ms > 0), "{error}");
    assert!(!writer.status().is_away, "it is only busy");
    let_go(hand).await;
    let mut kept = 0;
    for task in tasks {
        // Those that came when it was full already were refused, too.
        kept += usize::from(within("an answer", task).await.unwrap().is_ok());
    }
    assert!(kept >= 4, "{kept}");
    writer.add_report(report(-1)).await.unwrap();
    assert_eq!(all_reports(&store).await.len(), kept + 1);
}

async fn while_the_database_is_held_up_everybody_is_told_at_once_and_then_it_goes_on(
    fresh: &Fresh,
) {
    let store = open(fresh).await;
    let writer = Writer::start(store.clone(), 64, SHORT);
    let mut acknowledged = vec![writer.add_report(report(0)).await.unwrap().id];
    let hand = hold_up(fresh).await;
    let error = writer.add_report(report(1)).await.unwrap_err();
    assert!(error.is_away(), "{error}");
    let away = async {
        while !writer.status().is_away {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("it to be known", away).await;
    for number in 2..100 {
        let begun = Instant::now();
        let error = writer.add_report(report(number)).await.unwrap_err();
        assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
        assert!(error.retry_after_ms().is_some(), "{error}");
    }
    assert!(writer.status().refused >= 99);
    let_go(hand).await;
    let back = async {
        while writer.status().is_away {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("it to be back", back).await;
    for number in 100..110 {
        acknowledged.push(writer.add_report(report(number)).await.unwrap().id);
    }
    let kept: Vec<_> = all_reports(&store).await.iter().map(|it| it.id).collect();
    assert!(acknowledged.iter().all(|id| kept.contains(id)), "{kept:?}");
    // What was refused while that was known is not there.
    assert!(kept.len() <= acknowledged.len() + 1, "{kept:?}");
}
