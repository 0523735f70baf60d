//! Reports: kept before they are answered, with what was said if the reporter agrees.

use crate::common::Classic;
use crate::{House, PARIS, until};
use serde_json::{Value, json};
use whisperchat::store::{Report, ReportFilter, ReportOrder};

pub(crate) fn report(chat: &Value, more: &Value) -> Value {
    let mut report = json!({"type": "report", "chat": chat, "reason": "abuse"});
    let fields = report.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    report
}

pub(crate) async fn kept(house: &House) -> Vec<Report> {
    let all = ReportFilter::default();
    let page = house
        .store
        .reports(&all, ReportOrder::Oldest, None, 100)
        .await;
    page.unwrap().rows
}

#[tokio::test]
async fn a_report_is_kept_by_the_time_it_is_answered() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    let note = json!({"note": "again and again"});
    let reported = ann.ask(report(&chat, &note), "reported").await;
    assert_eq!(reported["chat"], chat);
    let [kept] = &kept(&house).await[..] else {
        panic!("one report");
    };
    assert_eq!((kept.reason.as_str(), json!(kept.chat)), ("abuse", chat));
    assert_eq!(
        kept.note.as_deref().map(String::as_str),
        Some("again and again")
    );
    assert!(kept.reporter.is_some() && kept.reported.is_some());
    assert_ne!(kept.reporter, kept.reported);
    assert_eq!(
        kept.reported_network.as_deref().map(String::as_str),
        Some("127.0.0.0/24")
    );
    assert!(
        kept.evidence.is_none(),
        "nobody agreed to show what was said"
    );
    // The other side never learns of it.
    bob.expect_quiet().await;
}

#[tokio::test]
async fn who_agrees_shows_the_last_twenty_messages_of_both_as_they_were() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    for number in 0..12 {
        ann.say(&format!("ann {number}")).await;
        bob.expect_said(&format!("ann {number}")).await;
        bob.say(&format!("bob {number} \"<b>\u{1f600}")).await;
        ann.expect_said(&format!("bob {number} \"<b>\u{1f600}"))
            .await;
    }
    bob.ask(report(&chat, &json!({"evidence": true})), "reported")
        .await;
    let kept = kept(&house).await;
    let shown: Value = serde_json::from_str(kept[0].evidence.as_deref().unwrap()).unwrap();
    let shown = shown.as_array().unwrap();
    assert_eq!(shown.len(), 20);
    let line = |at: usize| {
        (
            shown[at]["by"].as_str().unwrap(),
            shown[at]["text"].as_str().unwrap(),
        )
    };
    assert_eq!(line(0), ("reported", "ann 2"));
    assert_eq!(line(19), ("reporter", "bob 11 \"<b>\u{1f600}"));
    assert!(shown[0]["at_ms"].as_u64() <= shown[19]["at_ms"].as_u64());
}

#[tokio::test]
async fn a_chat_that_is_over_can_be_reported_with_what_was_said_until_the_next_begins() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    bob.say("something vile").await;
    ann.expect_said("something vile").await;
    bob.close().await;
    ann.expect("partner_left").await;
    let with_evidence = json!({"evidence": true});
    ann.ask(report(&chat, &with_evidence), "reported").await;
    // Whoever left can report as well.
    let first = kept(&house).await.remove(0);
    assert!(first.evidence.unwrap().contains("something vile"));
    assert!(first.reported.is_some(), "who has gone is remembered");
    // In the next chat nothing of the one before is left.
    let (mut eve, _) = house.guest(None).await;
    ann.ask(json!({"type": "next"}), "waiting").await;
    let (_, matched) = tokio::join!(eve.expect("matched"), ann.expect("matched"));
    assert_ne!(matched["chat"], chat);
    eve.say("hello").await;
    ann.expect_said("hello").await;
    ann.ask(report(&matched["chat"], &with_evidence), "reported")
        .await;
    let second = kept(&house).await.remove(1).evidence.unwrap();
    assert!(
        second.contains("hello") && !second.contains("vile"),
        "only of that chat"
    );
}

#[tokio::test]
async fn the_same_report_again_is_answered_and_kept_once() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    for _ in 0..3 {
        ann.ask(report(&chat, &json!({})), "reported").await;
    }
    bob.ask(report(&chat, &json!({})), "reported").await;
    let kept = kept(&house).await;
    assert_eq!(kept.len(), 2, "one of each side");
    assert_eq!(
        (kept[0].reporter, kept[0].reported),
        (kept[1].reported, kept[1].reporter)
    );
}

#[tokio::test]
async fn the_same_person_is_the_same_in_every_report() {
    let house = House::start(&[("matching.rematch_cooloff_s", "0")]).await;
    let (mut ann, bob, [_, of_bob], chat) = house.pair().await;
    ann.ask(report(&chat, &json!({})), "reported").await;
    bob.close().await;
    ann.expect("partner_left").await;
    let (mut bob, _) = house.guest(Some(&of_bob)).await;
    ann.ask(json!({"type": "next"}), "waiting").await;
    let (matched, _) = tokio::join!(ann.expect("matched"), bob.expect("matched"));
    ann.ask(report(&matched["chat"], &json!({})), "reported")
        .await;
    let kept = kept(&house).await;
    assert_eq!(kept[0].reported, kept[1].reported);
    let gravity = house
        .store
        .weight_of_reports(kept[0].reported.unwrap(), 0)
        .await
        .unwrap();
    assert_eq!((gravity.reports, gravity.reporters), (2, 1));
}

#[tokio::test]
async fn a_classic_partner_can_be_reported() {
    let house = House::start(&[]).await;
    let mut bob = Classic::bound(&house.server, "bob", PARIS, 10).await;
    let (mut ann, _) = house.guest(None).await;
    let (_, matched) = tokio::join!(bob.expect("connected"), ann.expect("matched"));
    bob.close().await;
    ann.expect("partner_left").await;
    ann.ask(report(&matched["chat"], &json!({})), "reported")
        .await;
    assert!(kept(&house).await[0].reported.is_some());
}

#[tokio::test]
async fn while_the_store_is_away_chat_goes_on_and_a_report_is_refused_honestly() {
    let house = House::start(&[("store.timeout_s", "0.5")]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    let file = house.folder.path().join("whisperchat.db");
    let lock = Lock::of(&file).await;
    let error = ann.refused(report(&chat, &json!({})), "rate_limited").await;
    assert!(
        error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0),
        "{error}"
    );
    assert!(
        error["message"].as_str().unwrap().contains("report"),
        "{error}"
    );
    ann.say("still here?").await;
    bob.expect_said("still here?").await;
    lock.release().await;
    // As soon as it is back, the same report is kept.
    until("the report to be kept", async || {
        ann.send(report(&chat, &json!({}))).await;
        let answer = ann.next_json().await;
        (answer["type"] == "reported").then_some(())
    })
    .await;
    assert_eq!(kept(&house).await.len(), 1);
}

/// Somebody who keeps SQLite's only pen.
struct Lock(sqlx::SqliteConnection);

impl Lock {
    async fn of(file: &std::path::Path) -> Self {
        use sqlx::{Connection as _, Executor as _};
        let url = format!("sqlite://{}", file.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        Self(connection)
    }

    async fn release(mut self) {
        use sqlx::{Connection as _, Executor as _};
        self.0.execute("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}
