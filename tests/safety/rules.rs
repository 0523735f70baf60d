//! What happens by itself to who is reported.

use crate::common::{V1, join, with};
use crate::{House, PARIS, until};
use serde_json::{Value, json};
use whisperchat::store::BanFilter;

/// Reports of people who are new weigh a quarter each, and all of these come from one address range.
const TWO_REPORTS: &str = "0.5";
const RULES: [(&str, &str); 3] = [
    ("matching.rematch_cooloff_s", "0"),
    ("moderation.reporters_min", "1"),
    ("moderation.dry_run", "false"),
];

async fn house(rules: &[(&str, &str)]) -> House {
    House::start(&[&RULES, rules].concat()).await
}

async fn report(client: &mut V1, chat: &Value) {
    let report = json!({"type": "report", "chat": chat, "reason": "abuse"});
    client.ask(report, "reported").await;
}

/// Somebody whom two others have reported, who have left since, and what shows who they are.
pub(crate) async fn reported_by_two(house: &House) -> (V1, String) {
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    report(&mut ann, &chat).await;
    ann.close().await;
    bob.expect("partner_left").await;
    bob.ask(json!({"type": "next"}), "waiting").await;
    let (mut eve, _) = house.guest(None).await;
    let (matched, _) = tokio::join!(eve.expect("matched"), bob.expect("matched"));
    report(&mut eve, &matched["chat"]).await;
    eve.close().await;
    (bob, of_bob)
}

/// What a rule does is taken up within seconds; until then somebody may meet others. From then on nobody comes when they wait.
pub(crate) async fn until_met_by_nobody(house: &House, client: &mut V1) {
    until("somebody to be met by nobody", async || {
        client.ask(json!({"type": "next"}), "waiting").await;
        let (mut other, _) = house.guest(None).await;
        let is_met = other.arrived().await.is_some();
        if is_met {
            client.expect("matched").await;
        }
        other.close().await;
        if is_met {
            client.expect("partner_left").await;
        } else {
            client.ask(json!({"type": "cancel"}), "idle").await;
        }
        (!is_met).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_is_reported_by_enough_people_is_banned_for_a_while() {
    let house = house(&[
        ("moderation.ban_at", TWO_REPORTS),
        ("moderation.apart_at", "0"),
    ])
    .await;
    let (mut bob, of_bob) = reported_by_two(&house).await;
    while let Some(message) = bob.next_or_closed().await {
        assert_eq!(message["type"], "partner_left");
    }
    let mut again = V1::connect(&house.server).await;
    again
        .send(with(join(PARIS, 10.0), json!({"pass": of_bob})))
        .await;
    let (code, reason) = again.expect_close().await;
    assert_eq!(
        (code, reason.as_str()),
        (4000, "Several people have reported you.")
    );
    let bans = house
        .store
        .bans(&BanFilter::default(), None, 10)
        .await
        .unwrap()
        .rows;
    assert_eq!(
        (bans.len(), bans[0].created_by.as_str()),
        (1, "rule:weight")
    );
    assert!(bans[0].expires_at_ms.is_some(), "it ends by itself");
}

#[tokio::test]
async fn who_is_kept_apart_meets_only_others_who_are() {
    let house = house(&[
        ("moderation.ban_at", "0"),
        ("moderation.apart_at", TWO_REPORTS),
    ])
    .await;
    let (mut first, _) = reported_by_two(&house).await;
    first.expect("partner_left").await;
    let (mut second, _) = reported_by_two(&house).await;
    second.expect("partner_left").await;
    until("both to be kept apart", async || {
        let bans = house
            .store
            .bans(&BanFilter::default(), None, 10)
            .await
            .unwrap()
            .rows;
        (bans.len() == 2).then_some(())
    })
    .await;
    until_met_by_nobody(&house, &mut first).await;
    for client in [&mut first, &mut second] {
        client.ask(json!({"type": "next"}), "waiting").await;
    }
    tokio::join!(first.expect("matched"), second.expect("matched"));
}

#[tokio::test]
async fn a_dry_run_only_says_what_would_have_been_done() {
    let thresholds = [
        ("moderation.ban_at", "ban"),
        ("moderation.apart_at", "shadow"),
        ("moderation.slow_at", "slow"),
    ];
    for (threshold, measure) in thresholds {
        let mut rules = thresholds.map(|(other, _)| (other, "0")).to_vec();
        rules.extend([(threshold, TWO_REPORTS), ("moderation.dry_run", "true")]);
        let house = house(&rules).await;
        let (mut bob, _) = reported_by_two(&house).await;
        bob.expect("partner_left").await;
        let entry = until("an entry of the audit log", async || {
            let page = house
                .store
                .audit(Some("rule:weight"), None, 10)
                .await
                .unwrap();
            page.rows.into_iter().next()
        })
        .await;
        assert_eq!(
            (entry.action.as_str(), &entry.detail["measure"]),
            ("ban.would", &json!(measure))
        );
        assert!(
            house
                .store
                .bans(&BanFilter::default(), None, 10)
                .await
                .unwrap()
                .rows
                .is_empty()
        );
        // Nothing keeps them from anybody.
        bob.ask(json!({"type": "next"}), "waiting").await;
        let (mut eve, _) = house.guest(None).await;
        tokio::join!(bob.expect("matched"), eve.expect("matched"));
    }
}

#[tokio::test]
async fn a_measure_that_was_lifted_is_not_taken_again_by_the_next_report() {
    let house = house(&[
        ("moderation.ban_at", "0"),
        ("moderation.apart_at", TWO_REPORTS),
    ])
    .await;
    let (mut bob, _) = reported_by_two(&house).await;
    bob.expect("partner_left").await;
    let filter = BanFilter::default();
    let bans = async || house.store.bans(&filter, None, 10).await.unwrap().rows;
    let made = until("a measure", async || bans().await.pop()).await;
    assert!(made.report.is_some(), "the report that led to it stays");
    let lifted = house
        .store
        .lift_ban(made.id, made.version, "test", made.created_at_ms);
    lifted.await.unwrap();
    // A third, and another for whom it is the second, whose measure is taken after it.
    bob.ask(json!({"type": "next"}), "waiting").await;
    let (mut eve, _) = house.guest(None).await;
    let matched = eve.arrived().await.expect("they meet");
    bob.expect("matched").await;
    report(&mut eve, &matched["chat"]).await;
    bob.close().await;
    eve.close().await;
    let (mut other, _) = reported_by_two(&house).await;
    other.expect("partner_left").await;
    until("the other's measure", async || {
        (bans().await.len() >= 2).then_some(())
    })
    .await;
    let about = bans().await;
    let about_bob = about.iter().filter(|ban| ban.subject == made.subject);
    assert_eq!((about.len(), about_bob.count()), (2, 1));
}
