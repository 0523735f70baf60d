//! Reports and decisions.

use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, all_reports, ban, on_both, open, report};
use whisperchat::private::Private;
use whisperchat::store::{
    Decision, Gravity, ReportFilter, ReportOrder, ReportState, Store, StoreError, Subject,
};

on_both!(
    a_report_comes_back_as_it_was_made_even_after_a_restart,
    what_is_not_known_stays_unknown,
    the_same_report_made_again_is_kept_once,
    the_same_report_made_many_times_at_once_is_kept_once,
    pages_show_each_report_once_in_order_while_more_come,
    a_filter_shows_what_it_asks_for_and_nothing_else,
    of_two_who_decide_at_once_one_is_told_that_it_has_changed,
    a_decision_whose_ban_is_impossible_changes_nothing,
    a_decision_bans_and_is_written_down_with_it,
    a_report_that_is_not_there_can_not_be_decided,
    different_people_and_networks_are_counted_and_dismissed_reports_are_not,
    hostile_texts_are_kept_as_they_are,
    what_is_too_long_is_refused,
);

fn decision(report: i64, version: i64, by: &str) -> Decision {
    Decision {
        report,
        version,
        state: ReportState::Upheld,
        ban: None,
        by: by.to_owned(),
        at_ms: NOW + 1000,
    }
}

async fn a_report_comes_back_as_it_was_made_even_after_a_restart(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut new = report(1);
    new.note = Some(Private::new("they won't stop".to_owned()));
    let added = store.add_report(&new).await.unwrap();
    store.close().await;
    let kept = open(fresh).await.report(added.id).await.unwrap();
    assert_eq!((kept.id, kept.version), (added.id, 1));
    assert_eq!((kept.at_ms, kept.weight), (new.at_ms, new.weight));
    assert_eq!((&kept.chat, &kept.reason), (&new.chat, &new.reason));
    assert_eq!((&kept.note, &kept.evidence), (&new.note, &new.evidence));
    assert_eq!((kept.reporter, kept.reported), (Some(ANN), Some(BOB)));
    assert_eq!(kept.reporter_network, new.reporter_network);
    assert_eq!(kept.reported_network, new.reported_network);
    assert_eq!(kept.state, ReportState::Open);
    assert_eq!((kept.decided_by, kept.decided_at_ms), (None, None));
}

async fn what_is_not_known_stays_unknown(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut new = report(1);
    (new.reporter, new.reported) = (None, None);
    (new.reporter_network, new.reported_network) = (None, None);
    (new.note, new.evidence) = (None, None);
    let added = store.add_report(&new).await.unwrap();
    let kept = store.report(added.id).await.unwrap();
    assert_eq!((kept.reporter, kept.reported), (None, None));
    assert_eq!((kept.reporter_network, kept.reported_network), (None, None));
    assert_eq!((kept.note, kept.evidence), (None, None));
}

async fn the_same_report_made_again_is_kept_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let first = store.add_report(&report(1)).await.unwrap();
    let mut again = report(1);
    "threat".clone_into(&mut again.reason);
    let second = store.add_report(&again).await.unwrap();
    let id = first.id;
    assert_eq!(second.id, id);
    assert_eq!((first.is_new, second.is_new), (true, false));
    let kept = all_reports(&store).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].reason, "spam", "the first counts");
    let other = store.add_report(&report(2)).await.unwrap();
    assert_ne!(other.id, id);
}

async fn the_same_report_made_many_times_at_once_is_kept_once(fresh: &Fresh) {
    let store = open(fresh).await;
    let again = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.add_report(&report(1)).await.unwrap() })
    });
    let mut added = Vec::new();
    for task in again.collect::<Vec<_>>() {
        added.push(task.await.unwrap());
    }
    assert!(added.iter().all(|it| it.id == added[0].id), "{added:?}");
    assert_eq!(added.iter().filter(|it| it.is_new).count(), 1, "{added:?}");
}

async fn pages_show_each_report_once_in_order_while_more_come(fresh: &Fresh) {
    let store = open(fresh).await;
    for number in 0..20 {
        let mut new = report(number);
        // Some are alike in what the order goes by.
        new.at_ms = NOW + number / 3;
        new.weight = 1000 * (number % 4);
        store.add_report(&new).await.unwrap();
    }
    let before = all_reports(&store).await;
    for order in [ReportOrder::Newest, ReportOrder::Worst, ReportOrder::Oldest] {
        for state in [None, Some(ReportState::Open)] {
            let filter = ReportFilter {
                state,
                ..ReportFilter::default()
            };
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let page = store.reports(&filter, order, after, 3).await.unwrap();
                assert!(page.rows.len() <= 3);
                seen.extend(page.rows);
                // It would be on a page that was shown already.
                let mut late = report(1000 + i64::try_from(seen.len()).unwrap());
                late.once = format!("late {order:?} {state:?} {}", seen.len());
                late.weight = 9000;
                late.at_ms = match order {
                    ReportOrder::Newest | ReportOrder::Worst => NOW + 9000,
                    ReportOrder::Oldest => NOW - 9000,
                };
                store.add_report(&late).await.unwrap();
                let Some(next) = page.next else { break };
                // As an API hands it out and takes it back.
                after = Some(next.to_string().parse().unwrap());
            }
            let mut expected = before.clone();
            let known = |id: i64| expected.iter().any(|it| it.id == id);
            seen.retain(|it| known(it.id));
            match order {
                ReportOrder::Newest => expected.sort_by_key(|it| (-it.at_ms, -it.id)),
                ReportOrder::Worst => expected.sort_by_key(|it| (-it.weight, -it.id)),
                ReportOrder::Oldest => expected.sort_by_key(|it| (it.at_ms, it.id)),
            }
            assert_eq!(seen, expected, "{order:?} {state:?}");
        }
    }
}

async fn shown(store: &Store, filter: ReportFilter) -> Vec<i64> {
    let page = store.reports(&filter, ReportOrder::Oldest, None, 100).await;
    page.unwrap().rows.iter().map(|it| it.id).collect()
}

async fn a_filter_shows_what_it_asks_for_and_nothing_else(fresh: &Fresh) {
    let store = open(fresh).await;
    let mut of_ann = report(1);
    of_ann.reported = Some(ANN);
    let mut threat = report(2);
    "threat".clone_into(&mut threat.reason);
    let of_ann = store.add_report(&of_ann).await.unwrap().id;
    let threat = store.add_report(&threat).await.unwrap().id;
    let spam = store.add_report(&report(3)).await.unwrap().id;
    let upheld = decision(spam, 1, "moderator");
    store.decide_report(&upheld).await.unwrap();
    let all = ReportFilter::default();
    assert_eq!(shown(&store, all.clone()).await, [of_ann, threat, spam]);
    let of = |subject| ReportFilter {
        reported: Some(subject),
        ..all.clone()
    };
    assert_eq!(shown(&store, of(ANN)).await, [of_ann]);
    assert_eq!(shown(&store, of(BOB)).await, [threat, spam]);
    assert_eq!(shown(&store, of(Subject([0; 16]))).await, [0_i64; 0]);
    let reason = ReportFilter {
        reason: Some("threat".to_owned()),
        ..all.clone()
    };
    assert_eq!(shown(&store, reason).await, [threat]);
    let open = ReportFilter {
        state: Some(ReportState::Open),
        reported: Some(BOB),
        ..all
    };
    assert_eq!(shown(&store, open).await, [threat]);
}

/// PostgreSQL at READ COMMITTED lets both look; the second finds the row at another version when it has it.
async fn of_two_who_decide_at_once_one_is_told_that_it_has_changed(fresh: &Fresh) {
    let store = open(fresh).await;
    for number in 0..20 {
        let id = store.add_report(&report(number)).await.unwrap().id;
        let (one, other) = (decision(id, 1, "one"), decision(id, 1, "other"));
        let outcomes = tokio::join!(store.decide_report(&one), store.decide_report(&other));
        let (decided, refused) = match outcomes {
            (Ok(decided), Err(refused)) | (Err(refused), Ok(decided)) => (decided, refused),
            both => panic!("{both:?}"),
        };
        assert!(matches!(refused, StoreError::Stale { now: 2 }), "{refused}");
        assert_eq!(decided.report.version, 2);
        let kept = store.report(id).await.unwrap();
        assert_eq!(kept, decided.report);
        let by = kept.decided_by.unwrap();
        let written = store.audit(None, None, 10).await.unwrap();
        let of_this: Vec<_> = written
            .rows
            .iter()
            .filter(|entry| entry.target == format!("report:{id}"))
            .map(|entry| entry.actor.clone())
            .collect();
        assert_eq!(of_this, [by], "who was refused left no entry");
    }
}

async fn a_decision_whose_ban_is_impossible_changes_nothing(fresh: &Fresh) {
    let store = open(fresh).await;
    let id = store.add_report(&report(1)).await.unwrap().id;
    let before = store.report(id).await.unwrap();
    let mut of_nobody = ban(BOB);
    of_nobody.subject = None;
    let mut decision = decision(id, 1, "moderator");
    decision.ban = Some(of_nobody);
    let error = store.decide_report(&decision).await.unwrap_err();
    assert!(matches!(error, StoreError::Unacceptable(_)), "{error}");
    assert_eq!(store.report(id).await.unwrap(), before);
    assert_eq!(store.audit(None, None, 10).await.unwrap().rows, []);
}

async fn a_decision_bans_and_is_written_down_with_it(fresh: &Fresh) {
    let store = open(fresh).await;
    let id = store.add_report(&report(1)).await.unwrap().id;
    let mut decision = decision(id, 1, "moderator");
    decision.ban = Some(ban(BOB));
    let decided = store.decide_report(&decision).await.unwrap();
    let banned = decided.ban.expect("a ban was asked for");
    assert_eq!(banned.report, Some(id));
    assert_eq!(store.ban(banned.id).await.unwrap(), banned);
    assert_eq!(decided.report.state, ReportState::Upheld);
    assert_eq!(decided.report.decided_by.as_deref(), Some("moderator"));
    assert_eq!(decided.report.decided_at_ms, Some(NOW + 1000));
    let written = store.audit(None, None, 10).await.unwrap().rows;
    let actions: Vec<_> = written.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["report.decide", "ban.add"], "the newest first");
    assert_eq!(written[0].detail["state"], "upheld");
    assert_eq!(written[0].detail["ban"], banned.id);
    // It can be thought over.
    decision.version = 2;
    decision.state = ReportState::Dismissed;
    decision.ban = None;
    let anew = store.decide_report(&decision).await.unwrap();
    assert_eq!(anew.report.state, ReportState::Dismissed);
    assert_eq!(anew.report.version, 3);
}

async fn a_report_that_is_not_there_can_not_be_decided(fresh: &Fresh) {
    let store = open(fresh).await;
    let outcome = store.decide_report(&decision(7, 1, "moderator")).await;
    assert!(matches!(outcome, Err(StoreError::NotFound("report"))));
    let outcome = store.report(7).await;
    assert!(matches!(outcome, Err(StoreError::NotFound("report"))));
}

async fn different_people_and_networks_are_counted_and_dismissed_reports_are_not(fresh: &Fresh) {
    let store = open(fresh).await;
    let nothing = store.weight_of_reports(BOB, NOW).await.unwrap();
    assert_eq!(nothing, Gravity::default());
    for (number, reporter, network, weight) in [
        (0, Some(ANN), Some("192.0.2.0/24"), 1000),
        (1, Some(ANN), Some("192.0.2.0/24"), 500),
        (2, Some(Subject([3; 16])), Some("198.51.100.0/24"), 1000),
        (3, None, None, 250),
    ] {
        let mut new = report(number);
        new.reporter = reporter;
        new.reporter_network = network.map(|network| Private::new(network.to_owned()));
        new.weight = weight;
        store.add_report(&new).await.unwrap();
    }
    let mut dismissed = report(4);
    dismissed.reporter = Some(Subject([4; 16]));
    let id = store.add_report(&dismissed).await.unwrap().id;
    let mut decision = decision(id, 1, "moderator");
    decision.state = ReportState::Dismissed;
    store.decide_report(&decision).await.unwrap();
    let all = store.weight_of_reports(BOB, NOW).await.unwrap();
    let expected = Gravity {
        reports: 4,
        reporters: 2,
        networks: 2,
        weight: 2750,
    };
    assert_eq!(all, expected);
    let late = store.weight_of_reports(BOB, NOW + 2).await.unwrap();
    assert_eq!((late.reports, late.weight), (2, 1250));
    let of_ann = store.weight_of_reports(ANN, NOW).await.unwrap();
    assert_eq!(of_ann, Gravity::default());
}

async fn hostile_texts_are_kept_as_they_are(fresh: &Fresh) {
    let store = open(fresh).await;
    let text = "'; DROP TABLE reports; -- \" \\ $1 ? %s \u{202e}\u{1f980}\r\n\u{7f}";
    let mut new = report(1);
    new.note = Some(Private::new(text.to_owned()));
    text.clone_into(&mut new.chat);
    text.clone_into(&mut new.once);
    let id = store.add_report(&new).await.unwrap().id;
    assert!(!store.add_report(&new).await.unwrap().is_new);
    let kept = store.report(id).await.unwrap();
    assert_eq!((kept.note, kept.chat), (new.note, new.chat));
}

async fn what_is_too_long_is_refused(fresh: &Fresh) {
    let store = open(fresh).await;
    let too_long = Some(Private::new("x".repeat(1024 * 1024)));
    let with_nul = Some(Private::new("a\0b".to_owned()));
    for bad in [too_long, with_nul] {
        let mut new = report(1);
        new.evidence.clone_from(&bad);
        let outcome = store.add_report(&new).await;
        assert!(matches!(outcome, Err(StoreError::Unacceptable(_))));
        let mut new = report(1);
        new.note = bad;
        let outcome = store.add_report(&new).await;
        assert!(matches!(outcome, Err(StoreError::Unacceptable(_))));
    }
    assert_eq!(all_reports(&store).await, []);
    // What a chat of twenty of the longest messages can be is not.
    let mut new = report(1);
    new.evidence = Some(Private::new("\u{1f980}".repeat(20 * 2000)));
    store.add_report(&new).await.unwrap();
}
