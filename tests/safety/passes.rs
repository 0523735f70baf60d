//! Guest passes: blocks and cool-offs outlast a session.

use crate::common::{Classic, Server, V1, join, with};
use crate::{House, PARIS, client_pass};
use serde_json::json;

#[tokio::test]
async fn each_join_gets_another_pass_and_only_its_answer_has_it() {
    let house = House::start(&[]).await;
    let (mut ann, first) = house.guest(None).await;
    let waiting = ann.ask(json!({"type": "update"}), "waiting").await;
    assert_eq!(waiting.get("pass"), None, "{waiting}");
    ann.ask(json!({"type": "cancel"}), "idle").await;
    let second = client_pass(&mut ann, Some(&first)).await;
    assert_ne!(first, second);
    for pass in [&first, &second] {
        assert!(pass.len() <= 128, "{pass}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(pass.chars().all(is_plain), "{pass}");
    }
}

#[tokio::test]
async fn without_a_store_nobody_is_given_a_pass_and_whoever_shows_one_may_wait() {
    let server = Server::start(&[]);
    let mut ann = V1::connect(&server).await;
    let asks = with(join(PARIS, 10.0), json!({"pass": "kept from elsewhere"}));
    let waiting = ann.ask(asks, "waiting").await;
    assert_eq!(waiting.get("pass"), None, "{waiting}");
}

#[tokio::test]
async fn whoever_was_blocked_is_not_met_in_another_session_either() {
    for blocker in [0, 1] {
        let house = House::start(&[("matching.rematch_cooloff_s", "0")]).await;
        let (ann, bob, passes, chat) = house.pair().await;
        let mut clients = [ann, bob];
        let block = json!({"type": "block", "chat": chat});
        clients[blocker].ask(block, "blocked").await;
        for client in clients {
            client.close().await;
        }
        let (mut ann, _) = house.guest(Some(&passes[0])).await;
        let (mut bob, _) = house.guest(Some(&passes[1])).await;
        ann.expect_still_waiting().await;
        bob.expect_still_waiting().await;
        // Somebody new is met at once.
        let (mut eve, _) = house.guest(None).await;
        eve.expect("matched").await;
    }
}

#[tokio::test]
async fn a_cool_off_goes_on_in_another_session() {
    let house = House::start(&[]).await;
    let (ann, bob, passes, _) = house.pair().await;
    ann.close().await;
    bob.close().await;
    let (mut ann, _) = house.guest(Some(&passes[0])).await;
    let (mut bob, _) = house.guest(Some(&passes[1])).await;
    ann.expect_still_waiting().await;
    bob.expect_still_waiting().await;
    // Who throws the pass away is somebody else.
    bob.close().await;
    let (mut bob, _) = house.guest(None).await;
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
}

#[tokio::test]
async fn what_is_no_pass_of_this_server_is_as_good_as_none() {
    let [house, other] = [House::start(&[]).await, House::start(&[]).await];
    let (_, foreign) = other.guest(None).await;
    for pass in ["", "x", &"A".repeat(75), &foreign, "\u{202e}"] {
        let (mut client, given) = house.guest(Some(pass)).await;
        assert_ne!(given, pass);
        client.ask(json!({"type": "cancel"}), "idle").await;
    }
    // Of the wrong type it is a mistake in the program.
    let mut client = V1::connect(&house.server).await;
    let asks = with(join(PARIS, 10.0), json!({"pass": 7}));
    let error = client.refused(asks, "bad_field").await;
    assert!(
        error["message"].as_str().unwrap().contains("`pass`"),
        "{error}"
    );
}

#[tokio::test]
async fn two_windows_with_one_pass_can_meet() {
    let house = House::start(&[]).await;
    let (first, pass) = house.guest(None).await;
    first.close().await;
    let (mut ann, next) = house.guest(Some(&pass)).await;
    let (mut bob, _) = house.guest(Some(&next)).await;
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
}

#[tokio::test]
async fn two_windows_with_one_pass_meet_again_when_one_was_loaded_anew() {
    let house = House::start(&[]).await;
    let (first, pass) = house.guest(None).await;
    first.close().await;
    let (mut ann, next) = house.guest(Some(&pass)).await;
    let (mut bob, _) = house.guest(Some(&next)).await;
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
    bob.close().await;
    ann.expect("partner_left").await;
    ann.ask(json!({"type": "next"}), "waiting").await;
    let (mut bob, _) = house.guest(Some(&next)).await;
    tokio::join!(ann.expect("matched"), bob.expect("matched"));
    // But not in the same two sessions.
    ann.ask(json!({"type": "next"}), "waiting").await;
    bob.expect("partner_left").await;
    bob.ask(json!({"type": "next"}), "waiting").await;
    ann.expect_still_waiting().await;
    bob.expect_still_waiting().await;
}

#[tokio::test]
async fn classic_clients_notice_nothing_of_passes() {
    let house = House::start(&[]).await;
    let mut ann = Classic::bound(&house.server, "ann", PARIS, 10).await;
    let (mut bob, _) = house.guest(None).await;
    tokio::join!(ann.expect("connected"), bob.expect("matched"));
}
