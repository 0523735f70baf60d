//! Who is silent is asked, and who stays silent is given up.

use crate::PARIS;
use crate::common::{Classic, Raw, Server, V1, join, joined};

const SHORT: [(&str, &str); 2] = [("limits.ping_s", "1"), ("limits.pong_s", "1")];

#[tokio::test]
async fn who_is_silent_is_pinged_again_and_again_and_stays_as_long_as_it_answers() {
    let server = Server::start(&SHORT);
    let mut ann = Raw::upgraded(&server, "/v1/ws").await;
    ann.send_text(&join(PARIS, 10.0).to_string()).await;
    ann.answer_pings_until("waiting").await;
    for _ in 0..4 {
        ann.answer_ping().await;
    }
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect("matched").await;
    ann.answer_pings_until("matched").await;
}

#[tokio::test]
async fn who_does_not_answer_is_closed_and_its_partner_told() {
    let server = Server::start(&SHORT);
    let mut ann = Raw::connect_v1(&server).await;
    ann.raw.send_text(&join(PARIS, 10.0).to_string()).await;
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect("matched").await;

    bob.expect("partner_away").await;
    let (pings, code) = ann.raw.stay_silent().await;
    assert!(pings > 0, "closed without being asked");
    assert_eq!(code, 4201);
    let (mut ann, resumed) = V1::resumed(&server, &ann.token, 0).await;
    assert_eq!(resumed["state"], "chatting");
    bob.expect("partner_back").await;
    ann.say("I was in a tunnel").await;
    bob.expect_said("I was in a tunnel").await;
}

#[tokio::test]
async fn an_idle_or_classic_client_that_does_not_answer_is_closed_too() {
    let server = Server::start(&SHORT);
    let mut waiting = Raw::upgraded(&server, "/").await;
    let bind = Classic::bind_text("ann", PARIS, 10);
    waiting.send_text(&bind).await;
    let mut idle = Raw::upgraded(&server, "/v1/ws").await;
    for raw in [&mut waiting, &mut idle] {
        let (pings, code) = raw.stay_silent().await;
        assert!(pings > 0, "closed without being asked");
        assert_eq!(code, 4201);
    }
    let mut bob = joined(&server, PARIS, 10.0).await;
    bob.expect_still_waiting().await;
}

#[tokio::test]
async fn the_welcome_says_how_often_the_server_pings() {
    for ping_s in [0, 7] {
        let server = Server::start(&[("limits.ping_s", &ping_s.to_string())]);
        assert_eq!(V1::connect(&server).await.welcome["ping_s"], ping_s);
    }
}
