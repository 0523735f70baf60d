//! The audit log.

use crate::fresh::Fresh;
use crate::{NOW, on_both, open};
use serde_json::json;
use sqlx::Executor as _;
use whisperchat::store::{AuditEntry, NewAudit, Store, StoreError};

on_both!(
    an_entry_can_be_neither_changed_nor_removed,
    entries_are_shown_from_the_newest_backwards_of_one_or_of_all,
    an_entry_comes_back_as_it_was_written,
);

fn entry(number: i64, actor: &str) -> NewAudit {
    NewAudit {
        at_ms: NOW + number,
        actor: actor.to_owned(),
        action: "config.change".to_owned(),
        target: format!("setting:{number}"),
        detail: json!({"from": 1, "to": [2, "three", null]}),
    }
}

async fn all(store: &Store, actor: Option<&str>) -> Vec<AuditEntry> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.audit(actor, after, 3).await.unwrap();
        all.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn an_entry_can_be_neither_changed_nor_removed(fresh: &Fresh) {
    let store = open(fresh).await;
    store.add_audit(&entry(1, "ann")).await.unwrap();
    let before = all(&store, None).await;
    let mut hand = fresh.beside().await;
    let mut attempts = vec![
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET at_ms = 0",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
    ];
    if fresh.url().is_some() {
        attempts.push("TRUNCATE audit");
    }
    for attempt in attempts {
        let error = hand.execute(attempt).await.expect_err(attempt);
        let message = error.to_string();
        assert!(message.contains("only added to"), "{attempt}: {message}");
    }
    assert_eq!(all(&store, None).await, before);
}

async fn entries_are_shown_from_the_newest_backwards_of_one_or_of_all(fresh: &Fresh) {
    let store = open(fresh).await;
    for number in 0..10 {
        let actor = if number % 2 == 0 { "ann" } else { "bob" };
        store.add_audit(&entry(number, actor)).await.unwrap();
    }
    let numbers = |entries: Vec<AuditEntry>| -> Vec<i64> {
        entries.iter().map(|entry| entry.at_ms - NOW).collect()
    };
    let shown = numbers(all(&store, None).await);
    assert_eq!(shown, (0..10).rev().collect::<Vec<_>>());
    assert_eq!(numbers(all(&store, Some("ann")).await), [8, 6, 4, 2, 0]);
    assert_eq!(numbers(all(&store, Some("eve")).await), [0_i64; 0]);
}

async fn an_entry_comes_back_as_it_was_written(fresh: &Fresh) {
    let store = open(fresh).await;
    let new = entry(1, "ann");
    let id = store.add_audit(&new).await.unwrap();
    let kept = all(&store, None).await;
    let expected = AuditEntry {
        id,
        at_ms: new.at_ms,
        actor: new.actor.clone(),
        action: new.action.clone(),
        target: new.target.clone(),
        detail: new.detail.clone(),
    };
    assert_eq!(kept, [expected]);
    let mut long = new;
    long.detail = json!("x".repeat(100_000));
    let outcome = store.add_audit(&long).await;
    assert!(matches!(outcome, Err(StoreError::Unacceptable(_))));
}
