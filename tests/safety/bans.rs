//! Bans: by pass, by address range, and both together.

use crate::common::{Classic, Request, V1, join, resume, with};
use crate::{House, PARIS, now_ms, until};
use serde_json::json;
use whisperchat::private::Private;
use whisperchat::store::{Ban, Measure, NewBan, ReportFilter, ReportOrder, Subject};

const REASON: &str = "You have insulted somebody.";

impl House {
    async fn ban(&self, subject: Option<Subject>, network: Option<&str>) -> Ban {
        let new = NewBan {
            measure: Measure::Ban,
            subject,
            network: network.map(|text| Private::new(text.to_owned())),
            reason: REASON.to_owned(),
            appeal: Some("Write to help@chat.example.".to_owned()),
            report: None,
            created_at_ms: now_ms(),
            created_by: "test".to_owned(),
            expires_at_ms: None,
        };
        self.store.add_ban(&new).await.unwrap()
    }

    /// Who bob is to the store: ann reports him.
    pub(crate) async fn reported(&self, ann: &mut V1, chat: &serde_json::Value) -> Subject {
        let report = json!({"type": "report", "chat": chat, "reason": "abuse"});
        ann.ask(report, "reported").await;
        let all = ReportFilter::default();
        let page = self.store.reports(&all, ReportOrder::Newest, None, 1).await;
        page.unwrap().rows[0].reported.unwrap()
    }
}

fn assert_told_why((code, reason): (u16, String)) {
    assert_eq!(code, 4000);
    assert_eq!(reason, format!("{REASON} Write to help@chat.example."));
}

#[tokio::test]
async fn who_is_banned_while_they_chat_is_told_why_and_the_partner_that_they_were_removed() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    let subject = house.reported(&mut ann, &chat).await;
    house.ban(Some(subject), None).await;
    assert_told_why(bob.expect_close().await);
    assert_eq!(ann.expect("partner_left").await["reason"], "removed");
    // Another session, another connection, the same pass.
    let mut again = V1::connect(&house.server).await;
    again
        .send(with(join(PARIS, 10.0), json!({"pass": of_bob})))
        .await;
    assert_told_why(again.expect_close().await);
    // Nobody else notices.
    let (mut eve, _) = house.guest(None).await;
    ann.ask(json!({"type": "next"}), "waiting").await;
    tokio::join!(ann.expect("matched"), eve.expect("matched"));
}

#[tokio::test]
async fn who_is_banned_and_away_cannot_come_back() {
    let house = House::start(&[]).await;
    let (mut ann, bob, [_, of_bob], chat) = house.pair().await;
    let subject = house.reported(&mut ann, &chat).await;
    bob.lose().await;
    ann.expect("partner_away").await;
    house.ban(Some(subject), None).await;
    assert_eq!(ann.expect("partner_left").await["reason"], "removed");
    let mut again = V1::connect(&house.server).await;
    again
        .send(with(join(PARIS, 10.0), json!({"pass": of_bob})))
        .await;
    assert_told_why(again.expect_close().await);
}

#[tokio::test]
async fn a_ban_that_is_lifted_lets_them_in_again() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    let subject = house.reported(&mut ann, &chat).await;
    let ban = house.ban(Some(subject), None).await;
    bob.expect_close().await;
    house
        .store
        .lift_ban(ban.id, ban.version, "test", now_ms())
        .await
        .unwrap();
    until("bob to be let in", async || {
        let mut client = V1::connect(&house.server).await;
        client
            .send(with(join(PARIS, 10.0), json!({"pass": of_bob})))
            .await;
        let frame = client.next_or_closed().await?;
        (frame["type"] == "waiting").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_range_that_is_banned_is_told_so_before_anything_else() {
    let house = House::start(&[]).await;
    let (mut ann, _) = house.guest(None).await;
    let mut classic = Classic::bound(&house.server, "bob", (0.0, 0.0), 5).await;
    house.ban(None, Some("127.0.0.0/8")).await;
    assert_told_why(ann.expect_close().await);
    let (code, reason) = classic.expect_close().await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with(REASON), "{reason}");
    assert_told_why(V1::turned_away(&house.server).await);
}

#[tokio::test]
async fn bans_that_were_there_before_the_server_hold_from_its_start() {
    let mut house = House::start(&[]).await;
    house.ban(None, Some("127.0.0.1/32")).await;
    let folder = house.folder.path().to_str().unwrap().to_owned();
    house.server.terminate();
    let stopped = std::mem::replace(
        &mut house.server,
        crate::Server::start(&[("store.folder", &folder)]),
    );
    assert!(stopped.ended().await.success());
    assert_told_why(V1::turned_away(&house.server).await);
}

#[tokio::test]
async fn a_guest_banned_from_one_range_may_come_from_another() {
    let house = House::start(&[]).await;
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    let subject = house.reported(&mut ann, &chat).await;
    let of_ann = house.reported(&mut bob, &chat).await;
    house.ban(Some(subject), Some("203.0.113.0/24")).await;
    // Taken up after the other, so by then that one has been looked at.
    house.ban(Some(of_ann), None).await;
    assert_told_why(ann.expect_close().await);
    bob.expect("partner_left").await;
    bob.expect_quiet().await;
    bob.close().await;
    let (client, _) = house.guest(Some(&of_bob)).await;
    client.close().await;
    house.ban(Some(subject), Some("127.0.0.0/8")).await;
    until("bob to be kept out", async || {
        let mut client = V1::connect(&house.server).await;
        client
            .send(with(join((10.0, 10.0), 10.0), json!({"pass": of_bob})))
            .await;
        client.next_or_closed().await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_is_banned_from_a_range_can_not_come_back_by_way_of_another() {
    let behind = ("security.trusted_proxies", r#"["127.0.0.0/8"]"#);
    let house = House::start(&[behind]).await;
    let (mut ann, mut bob, _, chat) = house.pair().await;
    let subject = house.reported(&mut ann, &chat).await;
    let of_ann = house.reported(&mut bob, &chat).await;
    house.ban(Some(subject), Some("203.0.113.0/24")).await;
    let token = bob.lose().await;
    ann.expect("partner_away").await;
    // Taken up after the other, so by then that one is in force.
    house.ban(Some(of_ann), None).await;
    assert_told_why(ann.expect_close().await);
    let upgrade = Request::upgrade("/v1/ws")
        .with("Sec-WebSocket-Protocol", "whisperchat.v1.json")
        .with("X-Forwarded-For", "203.0.113.9");
    let (response, mut raw) = upgrade.send(&house.server).await;
    assert_eq!(response.status, 101);
    raw.expect("welcome").await;
    raw.send_text(&resume(&token, 0).to_string()).await;
    raw.expect("resumed").await;
    assert_eq!(raw.expect("partner_left").await["reason"], "removed");
    assert_eq!(raw.expect_close().await, 4000);
}
