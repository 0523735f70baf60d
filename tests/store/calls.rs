//! Calls of the webhook that wait: kept with their reports, and taken by one at a time.

use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, all_reports, on_both, open, report};
use sqlx::{AssertSqlSafe, Executor as _};
use std::collections::BTreeSet;
use whisperchat::store::{CALLS_MAX, Call, Gravity, NewCall, NewReport, Retention, Store};

/// How long who takes a call has it here.
const LEASE_MS: i64 = 1000;

/// When all that is made here is due.
const LATER: i64 = NOW + 10_000;

on_both!(
    a_report_that_is_made_again_is_told_once,
    a_call_tells_what_its_report_says_and_what_speaks_against_whom,
    of_many_who_look_each_call_is_taken_by_one,
    who_says_nothing_has_a_call_for_a_while_and_then_another_has_it,
    a_report_that_finds_no_room_for_its_call_is_kept,
    what_was_tried_for_long_enough_is_swept_and_what_has_no_report_goes_with_it,
    who_is_forgotten_is_told_of_to_nobody,
);

/// A report that somebody is to be told of.
fn told(number: i64) -> NewReport {
    let mut new = report(number);
    new.call = Some(NewCall {
        name: format!("msg_{number}"),
        against_since_ms: NOW,
    });
    new
}

async fn claim(store: &Store, now_ms: i64) -> Option<Call> {
    let claimed = store.claim_call(now_ms, 0, now_ms + LEASE_MS).await;
    claimed.unwrap()
}

async fn waiting(store: &Store) -> u64 {
    store.calls_waiting().await.unwrap()
}

async fn a_report_that_is_made_again_is_told_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let added = store.add_report(&told(1)).await.unwrap();
    assert!(added.is_new && !added.is_call_dropped);
    let mut again = told(1);
    "msg_again".clone_into(&mut again.call.as_mut().unwrap().name);
    let again = store.add_report(&again).await.unwrap();
    assert!(!again.is_new && !again.is_call_dropped);
    store.add_report(&report(2)).await.unwrap();
    assert_eq!(waiting(&store).await, 1);
    assert_eq!(claim(&store, NOW).await, None, "it is not made yet");
    let call = claim(&store, LATER).await.unwrap();
    assert_eq!((call.name.as_str(), call.report), ("msg_1", added.id));
    store.end_call(call.id).await.unwrap();
    assert_eq!(waiting(&store).await, 0);
    assert_eq!(claim(&store, LATER + 2 * LEASE_MS).await, None);
}

async fn a_call_tells_what_its_report_says_and_what_speaks_against_whom(fresh: &Fresh) {
    let store = open(fresh).await;
    // Before what counts.
    store.add_report(&report(-1)).await.unwrap();
    store.add_report(&report(1)).await.unwrap();
    let mut new = told(2);
    new.weight = 250;
    let added = store.add_report(&new).await.unwrap();
    // What comes later changes nothing.
    store.add_report(&report(3)).await.unwrap();
    let expected = Call {
        id: 1,
        name: "msg_2".to_owned(),
        tries: 1,
        report: added.id,
        at_ms: NOW + 2,
        chat: "chat-2".to_owned(),
        reason: "spam".to_owned(),
        reporter: Some(ANN),
        reported: Some(BOB),
        weight: 250,
        has_evidence: true,
        against: Some(Gravity {
            reports: 2,
            reporters: 1,
            networks: 1,
            weight: 1250,
        }),
    };
    assert_eq!(claim(&store, LATER).await, Some(expected));

    let mut of_nobody = told(4);
    (of_nobody.reported, of_nobody.evidence) = (None, None);
    store.add_report(&of_nobody).await.unwrap();
    let call = claim(&store, LATER).await.unwrap();
    assert_eq!((call.reported, call.against), (None, None));
    assert!(!call.has_evidence);
}

async fn of_many_who_look_each_call_is_taken_by_one(fresh: &Fresh) {
    let store = open(fresh).await;
    for number in 0..40 {
        store.add_report(&told(number)).await.unwrap();
    }
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut names = Vec::new();
            while let Some(call) = claim(&store, LATER).await {
                assert_eq!(call.tries, 1);
                names.push(call.name);
            }
            names
        })
    });
    let mut names = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        names.extend(task.await.unwrap());
    }
    let expected: BTreeSet<_> = (0..40).map(|number| format!("msg_{number}")).collect();
    assert_eq!(names.len(), 40, "{names:?}");
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
}

async fn who_says_nothing_has_a_call_for_a_while_and_then_another_has_it(fresh: &Fresh) {
    let store = open(fresh).await;
    store.add_report(&told(1)).await.unwrap();
    let silent = claim(&store, LATER).await.unwrap();
    assert_eq!(claim(&store, LATER + LEASE_MS - 1).await, None);
    let second = claim(&store, LATER + LEASE_MS).await.unwrap();
    assert_eq!((second.name, second.tries), (silent.name.clone(), 2));
    // Who was too slow changes nothing any more.
    store.put_off_call(&silent, LATER).await.unwrap();
    assert_eq!(claim(&store, LATER + 2 * LEASE_MS - 1).await, None);
    let third = claim(&store, LATER + 2 * LEASE_MS).await.unwrap();
    let much_later = LATER + 100 * LEASE_MS;
    store.put_off_call(&third, much_later).await.unwrap();
    assert_eq!(claim(&store, much_later - 1).await, None);
    assert_eq!(claim(&store, much_later).await.unwrap().tries, 4);
    // One that is too old by then is nobody's.
    let too_old = store.claim_call(2 * much_later, NOW + 2, i64::MAX).await;
    assert_eq!(too_old.unwrap(), None);
}

async fn a_report_that_finds_no_room_for_its_call_is_kept(fresh: &Fresh) {
    let store = open(fresh).await;
    let first = store.add_report(&told(1)).await.unwrap().id;
    let others = AssertSqlSafe(format!(
        "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {CALLS_MAX}) \
         INSERT INTO webhook_calls (name, report, made_at_ms, next_try_at_ms, tries) \
         SELECT 'msg', {first}, {NOW}, {LATER}, 0 FROM n"
    ));
    fresh.beside().await.execute(others).await.unwrap();
    assert_eq!(waiting(&store).await, u64::from(CALLS_MAX));
    let added = store.add_report(&told(2)).await.unwrap();
    assert!(added.is_new && added.is_call_dropped);
    store.report(added.id).await.unwrap();
    assert_eq!(waiting(&store).await, u64::from(CALLS_MAX));
    let call = claim(&store, LATER).await.unwrap();
    store.end_call(call.id).await.unwrap();
    let added = store.add_report(&told(3)).await.unwrap();
    assert!(!added.is_call_dropped, "there is room again");
    assert_eq!(waiting(&store).await, u64::from(CALLS_MAX));
}

async fn what_was_tried_for_long_enough_is_swept_and_what_has_no_report_goes_with_it(
    fresh: &Fresh,
) {
    let store = open(fresh).await;
    for number in [0, 500, 501] {
        store.add_report(&told(number)).await.unwrap();
    }
    let mut retention = Retention {
        reports_ms: 10_000,
        bans_ms: 10_000,
        audit_ms: 10_000,
        calls_ms: 500,
    };
    let swept = store.sweep(NOW + 1001, &retention).await.unwrap();
    assert_eq!((swept.calls, swept.reports), (2, 0));
    assert_eq!(waiting(&store).await, 1);
    assert_eq!(all_reports(&store).await.len(), 3);
    (retention.reports_ms, retention.calls_ms) = (500, 10_000);
    let swept = store.sweep(NOW + 2000, &retention).await.unwrap();
    assert_eq!((swept.calls, swept.reports), (0, 3));
    assert_eq!(waiting(&store).await, 0);
}

async fn who_is_forgotten_is_told_of_to_nobody(fresh: &Fresh) {
    let store = open(fresh).await;
    store.add_report(&told(1)).await.unwrap();
    for subject in [ANN, BOB] {
        let kept = store.export(subject).await.unwrap();
        assert_eq!(kept["webhook_calls_waiting"], 1);
    }
    store.erase(BOB, "admin", NOW).await.unwrap();
    let call = claim(&store, LATER).await.unwrap();
    assert_eq!((call.reported, call.against), (None, None));
    assert_eq!((call.chat.as_str(), call.has_evidence), ("", false));
    assert_eq!(call.reporter, Some(ANN), "others are not forgotten");
    store.erase(ANN, "admin", NOW).await.unwrap();
    let call = claim(&store, LATER + LEASE_MS).await.unwrap();
    assert_eq!((call.reporter, call.reported), (None, None));
    let kept = store.export(BOB).await.unwrap();
    assert_eq!(kept["webhook_calls_waiting"], 0);
}
