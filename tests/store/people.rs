//! What is shown and forgotten when somebody asks.

use crate::fresh::Fresh;
use crate::{ANN, BOB, NOW, all_reports, ban, on_both, open, report};
use sqlx::Row as _;
use whisperchat::private::Private;
use whisperchat::store::{BanFilter, Erased, NewReport, Subject};

on_both!(
    what_is_kept_of_somebody_is_shown_without_what_is_others,
    who_is_forgotten_is_nowhere_any_more,
    a_ban_in_force_is_kept_with_its_report_until_it_is_over,
);

/// A report by one of another, each from a network of their own.
fn made(number: i64, by: Subject, of: Subject) -> NewReport {
    let network = |subject| {
        let network = match subject {
            ANN => "192.0.2.0/24",
            BOB => "2001:db8::/64",
            _ => "203.0.113.0/24",
        };
        Some(Private::new(network.to_owned()))
    };
    let mut new = report(number);
    (new.reporter, new.reported) = (Some(by), Some(of));
    (new.reporter_network, new.reported_network) = (network(by), network(of));
    new
}

async fn what_is_kept_of_somebody_is_shown_without_what_is_others(fresh: &Fresh) {
    let store = open(fresh).await;
    store.add_report(&made(1, ANN, BOB)).await.unwrap();
    store.add_ban(&ban(BOB)).await.unwrap();
    store
        .add_report(&made(2, Subject([3; 16]), ANN))
        .await
        .unwrap();

    let of_ann = store.export(ANN).await.unwrap();
    assert_eq!(of_ann["subject"], ANN.to_string());
    assert_eq!(of_ann["is_complete"], true);
    assert_eq!(of_ann["reports_made"][0]["evidence"][0]["text"], "buy!");
    assert_eq!(of_ann["reports_made"][0]["network"], "192.0.2.0/24");
    assert_eq!(of_ann["reports_of_them"].as_array().unwrap().len(), 1);
    assert_eq!(of_ann["bans"].as_array().unwrap().len(), 0);
    assert_eq!(of_ann["webhook_calls_waiting"], 0);

    let of_bob = store.export(BOB).await.unwrap();
    assert_eq!(of_bob["reports_made"].as_array().unwrap().len(), 0);
    assert_eq!(of_bob["reports_of_them"][0]["reason"], "spam");
    assert_eq!(of_bob["bans"][0]["reason"], ban(BOB).reason);
    let text = of_bob.to_string();
    for of_others in [&ANN.to_string(), "192.0.2.0/24", "buy!", "chat-1"] {
        assert!(!text.contains(of_others), "{of_others} in {text}");
    }

    let of_nobody = store.export(Subject([9; 16])).await.unwrap();
    assert_eq!(of_nobody["reports_made"].as_array().unwrap().len(), 0);
}

/// Every value of every table, as text.
async fn everything(fresh: &Fresh) -> String {
    let mut hand = fresh.beside().await;
    let mut all = String::new();
    for (table, columns) in [
        (
            "reports",
            "once, chat, note, reporter, reporter_network, reported, reported_network, evidence",
        ),
        ("bans", "subject, network, reason"),
        ("webhook_calls", "name"),
        ("audit", "actor, action, target, detail"),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {columns} FROM {table}"));
        for row in sqlx::query(sql).fetch_all(&mut hand).await.unwrap() {
            for column in 0..row.len() {
                let text = row.try_get::<Option<String>, _>(column).ok().flatten();
                let bytes = row.try_get::<Option<Vec<u8>>, _>(column).ok().flatten();
                let hex = bytes.and_then(|bytes| Some(Subject(bytes.try_into().ok()?).to_string()));
                all += &text.or(hex).unwrap_or_default();
                all.push('\n');
            }
        }
    }
    all
}

async fn who_is_forgotten_is_nowhere_any_more(fresh: &Fresh) {
    let store = open(fresh).await;
    store.add_report(&made(1, ANN, BOB)).await.unwrap();
    store.add_report(&made(2, BOB, ANN)).await.unwrap();
    let mut over = ban(BOB);
    over.expires_at_ms = Some(NOW + 10);
    store.add_ban(&over).await.unwrap();
    let lifted = store.add_ban(&ban(BOB)).await.unwrap();
    store.lift_ban(lifted.id, 1, "admin", NOW).await.unwrap();
    assert!(everything(fresh).await.contains(&BOB.to_string()));

    let erased = store.erase(BOB, "admin", NOW + 10).await.unwrap();
    let expected = Erased {
        reports_by: 1,
        reports_of: 1,
        bans: 2,
        bans_kept: 0,
        reports_kept: 0,
    };
    assert_eq!(erased, expected);
    let left = everything(fresh).await;
    for of_bob in [
        &BOB.to_string(),
        "2001:db8::/64",
        "buy!",
        "session-2",
        "chat-1",
    ] {
        assert!(!left.contains(of_bob), "{of_bob} in {left}");
    }
    assert!(left.contains(&ANN.to_string()), "others are not forgotten");
    assert_eq!(all_reports(&store).await.len(), 2, "they still count");
    let written = store.audit(None, None, 1).await.unwrap().rows;
    assert_eq!(written[0].action, "person.erase");
    assert_eq!(written[0].detail["bans"], 2);
    let again = store.erase(BOB, "admin", NOW + 10).await.unwrap();
    assert_eq!(again, Erased::default());
    // A report of theirs that was forgotten doesn't stand in the way of another.
    store.add_report(&made(3, BOB, ANN)).await.unwrap();
}

async fn a_ban_in_force_is_kept_with_its_report_until_it_is_over(fresh: &Fresh) {
    let store = open(fresh).await;
    let reason = store.add_report(&made(1, ANN, BOB)).await.unwrap().id;
    let other = store.add_report(&made(2, ANN, BOB)).await.unwrap().id;
    let mut new = ban(BOB);
    new.report = Some(reason);
    new.expires_at_ms = Some(NOW + 1000);
    store.add_ban(&new).await.unwrap();

    let erased = store.erase(BOB, "admin", NOW).await.unwrap();
    assert_eq!((erased.bans_kept, erased.reports_kept), (1, 1));
    assert_eq!((erased.bans, erased.reports_of), (0, 1));
    let kept = store.report(reason).await.unwrap();
    assert_eq!(kept.reported, Some(BOB));
    assert!(kept.evidence.is_some(), "the ban stands on it");
    assert_eq!(store.report(other).await.unwrap().reported, None);

    let erased = store.erase(BOB, "admin", NOW + 1000).await.unwrap();
    assert_eq!((erased.bans_kept, erased.reports_kept), (0, 0));
    assert_eq!((erased.bans, erased.reports_of), (1, 1));
    assert_eq!(store.report(reason).await.unwrap().reported, None);
    let bans = store.bans(&BanFilter::default(), None, 10).await.unwrap();
    assert_eq!(bans.rows, []);
}
