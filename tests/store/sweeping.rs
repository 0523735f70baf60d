//! The end of what has been kept for long enough.

use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, all_reports, ban, on_both, open, report};
use serde_json::json;
use whisperchat::store::{BanFilter, NewAudit, Retention, Swept};

on_both!(
    what_is_old_goes_and_what_is_young_stays,
    a_sweep_removes_more_than_one_transaction_holds,
    a_report_that_goes_leaves_its_ban,
);

const RETENTION: Retention = Retention {
    reports_ms: 1000,
    bans_ms: 500,
    audit_ms: 2000,
    calls_ms: 1000,
};

fn written(at_ms: i64) -> NewAudit {
    NewAudit {
        at_ms,
        actor: "ann".to_owned(),
        action: "config.change".to_owned(),
        target: "setting".to_owned(),
        detail: json!({}),
    }
}

async fn what_is_old_goes_and_what_is_young_stays(fresh: &Fresh) {
    let store = open(fresh).await;
    for age in [1001, 1000, 0] {
        store.add_report(&report(-age)).await.unwrap();
    }
    for age in [2001, 2000] {
        store.add_audit(&written(NOW - age)).await.unwrap();
    }
    // In force, ended too long ago, ended lately, lifted too long ago: by whom the bans are about.
    let ends = [None, Some(NOW - 501), Some(NOW - 500), None];
    for (end, subject) in ends.into_iter().zip([ANN, BOB, ANN, BOB]) {
        let mut new = ban(subject);
        new.expires_at_ms = end;
        let made = store.add_ban(&new).await.unwrap();
        if end.is_none() && subject == BOB {
            let lifted = store.lift_ban(made.id, 1, "admin", NOW - 501).await;
            lifted.unwrap();
        }
    }
    store.key_or_add("pass", b"old", NOW).await.unwrap();
    let replaced = store.replace_keys("pass", b"new", NOW, NOW - 1).await;
    replaced.unwrap();

    let swept = store.sweep(NOW, &RETENTION).await.unwrap();
    let expected = Swept {
        reports: 1,
        bans: 2,
        audit: 1,
        keys: 1,
        calls: 0,
        is_more: false,
    };
    assert_eq!(swept, expected);
    let ages: Vec<_> = all_reports(&store)
        .await
        .iter()
        .map(|it| NOW - it.at_ms)
        .collect();
    assert_eq!(ages, [1000, 0]);
    let left = store.bans(&BanFilter::default(), None, 10).await.unwrap();
    assert!(left.rows.iter().all(|ban| ban.subject == Some(ANN)));
    assert_eq!(left.rows.len(), 2);
    let audit = store.audit(None, None, 100).await.unwrap().rows;
    assert!(audit.iter().all(|entry| entry.at_ms >= NOW - 2000));
    assert_eq!(store.keys("pass").await.unwrap().len(), 1);
    let again = store.sweep(NOW, &RETENTION).await.unwrap();
    assert_eq!(again, Swept::default());
}

async fn a_sweep_removes_more_than_one_transaction_holds(fresh: &Fresh) {
    let store = open(fresh).await;
    for _ in 0..1200 {
        store.add_audit(&written(NOW - 5000)).await.unwrap();
    }
    store.add_audit(&written(NOW)).await.unwrap();
    let swept = store.sweep(NOW, &RETENTION).await.unwrap();
    assert_eq!((swept.audit, swept.is_more), (1200, false));
    assert_eq!(store.audit(None, None, 10).await.unwrap().rows.len(), 1);
}

async fn a_report_that_goes_leaves_its_ban(fresh: &Fresh) {
    let store = open(fresh).await;
    let old = store.add_report(&report(-5000)).await.unwrap().id;
    let mut new = ban(BOB);
    new.report = Some(old);
    let made = store.add_ban(&new).await.unwrap();
    store.sweep(NOW, &RETENTION).await.unwrap();
    let left = store.ban(made.id).await.unwrap();
    assert_eq!(left.report, None);
    assert!(left.is_in_force(NOW));
}
