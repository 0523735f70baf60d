//! Who is slowed waits longer, and never learns of it.

use crate::api::ask;
use crate::common::{V1, join};
use crate::{House, PARIS, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use whisperchat::store::{BanFilter, Measure, Subject};

/// Reports of people who are new weigh a quarter each, and all of these come from one address range.
const TWO_REPORTS: &str = "0.5";

/// Longer than any test.
const FOR_GOOD: &str = "3600";

/// A mile from there, so that whoever is in Paris itself is nearer.
const MONTMARTRE: (f64, f64) = (48.8866, 2.3522);

async fn house(slow_s: &str) -> (House, SocketAddr) {
    let house = House::start(&[
        ("admin_listen", "127.0.0.1:0"),
        ("matching.rematch_cooloff_s", "0"),
        ("moderation.slow_s", slow_s),
    ])
    .await;
    let admin = house.server.admin_address().await;
    (house, admin)
}

/// Somebody whom a moderator slows while they chat, and whose partner goes then; and the measure.
async fn slowed(house: &House, admin: SocketAddr) -> (V1, Value) {
    let (mut ann, mut bob, _, chat) = house.pair().await;
    let subject: Subject = house.reported(&mut ann, &chat).await;
    let measure = json!({"measure": "slow", "subject": subject.to_string(), "reason": "x"});
    let (status, made) = ask(admin, "POST /api/v1/bans", None, &measure).await;
    assert_eq!((status, &made["measure"]), (201, &json!("slow")), "{made}");
    bob.say("still here").await;
    ann.expect_said("still here").await;
    ann.close().await;
    bob.expect("partner_left").await;
    (bob, made)
}

/// Somebody in Montmartre who would come to Paris.
async fn from_montmartre(house: &House) -> V1 {
    let mut client = V1::connect(&house.server).await;
    client.ask(join(MONTMARTRE, 10.0), "waiting").await;
    client
}

#[tokio::test]
async fn others_meet_at_once_though_who_is_slowed_is_nearer() {
    let (house, admin) = house(FOR_GOOD).await;
    let (mut bob, _) = slowed(&house, admin).await;
    let told = bob.ask(json!({"type": "next"}), "waiting").await;
    let (mut eve, _) = house.guest(None).await;
    let mut zoe = from_montmartre(&house).await;
    tokio::join!(eve.expect("matched"), zoe.expect("matched"));
    bob.expect_still_waiting().await;
    // To them it is a wait as any other.
    let mut fred = from_montmartre(&house).await;
    let ordinary = fred.expect_still_waiting().await;
    let words = |waiting: &Value| {
        let fields = waiting.as_object().expect("an object").keys();
        fields.cloned().collect::<Vec<_>>()
    };
    assert_eq!(words(&told), words(&ordinary));
    // Nothing that they can change makes it shorter.
    let nearer = json!({
        "type": "update",
        "range_km": 50,
        "position": {"lat": MONTMARTRE.0, "lon": MONTMARTRE.1},
    });
    let waiting = bob.ask(nearer, "waiting").await;
    assert_eq!(waiting["range_km"], 50.0, "{waiting}");
    bob.ask(json!({"type": "cancel"}), "idle").await;
    bob.ask(join(MONTMARTRE, 10.0), "waiting").await;
    bob.expect_still_waiting().await;
    fred.expect_still_waiting().await;
}

#[tokio::test]
async fn who_is_slowed_is_met_when_the_time_is_over_each_time_that_they_wait() {
    let (house, admin) = house("1").await;
    let (mut bob, _) = slowed(&house, admin).await;
    let (mut eve, _) = house.guest(None).await;
    for _ in 0..2 {
        let since = Instant::now();
        bob.ask(json!({"type": "next"}), "waiting").await;
        tokio::join!(bob.expect("matched"), eve.expect("matched"));
        assert!(since.elapsed() >= Duration::from_secs(1));
        eve.ask(json!({"type": "next"}), "waiting").await;
        bob.expect("partner_left").await;
    }
}

#[tokio::test]
async fn as_soon_as_it_is_lifted_the_next_wait_is_as_that_of_others() {
    let (house, admin) = house(FOR_GOOD).await;
    let (mut bob, measure) = slowed(&house, admin).await;
    let (mut eve, _) = house.guest(None).await;
    bob.ask(json!({"type": "next"}), "waiting").await;
    let line = format!("DELETE /api/v1/bans/{}", measure["id"]);
    assert_eq!(ask(admin, &line, Some(1), &Value::Null).await.0, 200);
    // The wait that has begun goes on as it began.
    bob.expect_still_waiting().await;
    eve.expect_still_waiting().await;
    bob.ask(json!({"type": "cancel"}), "idle").await;
    bob.ask(join(PARIS, 10.0), "waiting").await;
    tokio::join!(bob.expect("matched"), eve.expect("matched"));
}

#[tokio::test]
async fn rules_slow_who_is_reported_and_a_new_session_with_the_same_pass_is_no_way_out() {
    let house = House::start(&[
        ("matching.rematch_cooloff_s", "0"),
        ("moderation.reporters_min", "1"),
        ("moderation.dry_run", "false"),
        ("moderation.slow_at", TWO_REPORTS),
        ("moderation.slow_s", FOR_GOOD),
    ])
    .await;
    let (mut bob, of_bob) = crate::rules::reported_by_two(&house).await;
    bob.expect("partner_left").await;
    let measure = until("a measure", async || {
        let page = house.store.bans(&BanFilter::default(), None, 10).await;
        page.unwrap().rows.into_iter().next()
    })
    .await;
    assert_eq!(
        (measure.measure, measure.created_by.as_str()),
        (Measure::Slow, "rule:weight")
    );
    assert!(measure.expires_at_ms.is_some(), "it ends by itself");
    crate::rules::until_met_by_nobody(&house, &mut bob).await;
    bob.close().await;
    let (mut bob, _) = house.guest(Some(&of_bob)).await;
    let (mut eve, _) = house.guest(None).await;
    bob.expect_still_waiting().await;
    eve.expect_still_waiting().await;
    // Without the pass they are somebody else.
    bob.close().await;
    let (mut bob, _) = house.guest(None).await;
    tokio::join!(bob.expect("matched"), eve.expect("matched"));
}
