//! Receivers that don't read: what they cost, whom they hold up, and what they get in the end.

use crate::TOKYO;
use crate::common::{Pair, Raw, Server, V1, join, joined};
use serde_json::Value;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// How many long messages are more than an outbox and all buffers of the way hold.
const MANY: usize = 4000;

/// Somebody in a chat who doesn't read, what resumes their session, and their partner.
async fn deaf(server: &Server) -> (Raw, Value, V1) {
    let mut bob = Raw::deaf_v1(server).await;
    let join = join((0.0, 0.0), 10.0).to_string();
    bob.raw.send_text(&join).await;
    bob.raw.expect("waiting").await;
    let mut ann = joined(server, (0.0, 0.0), 10.0).await;
    ann.expect("matched").await;
    bob.raw.expect("matched").await;
    (bob.raw, bob.token, ann)
}

/// Talks until the partner is away; returns how many messages were accepted.
async fn talk_until_away(ann: &mut V1) -> u64 {
    let long = "x".repeat(2000);
    for _ in 0..MANY {
        ann.send(serde_json::json!({"type": "say", "text": long}))
            .await;
        let told = ann.next_json().await;
        if told["type"] == "partner_away" {
            return ann.expect("accepted").await["seq"]
                .as_u64()
                .expect("a number");
        }
        assert_eq!(told["type"], "accepted");
    }
    ann.fail("the partner still seems to read");
}

/// Everything that is still on the way to somebody who was too slow: the number of the last message. They
/// come without gaps, then a close frame, then nothing.
async fn read_the_rest(bob: &mut Raw) -> u64 {
    let mut last_seq = 0;
    loop {
        let frame = bob.next_frame("what was sent before the end").await;
        match frame.opcode {
            PING => {}
            CLOSE => {
                assert_eq!(frame.payload[..2], 4100_u16.to_be_bytes());
                bob.expect_end().await;
                return last_seq;
            }
            _ => {
                let said: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                assert_eq!(said["type"], "said");
                assert_eq!(said["seq"], last_seq + 1);
                last_seq += 1;
            }
        }
    }
}

#[tokio::test]
async fn who_does_not_read_is_closed_after_what_fits_and_its_partner_told() {
    let server = Server::start(&[("limits.close_s", "10")]);
    let mut third = Pair::chatting(&server, TOKYO).await;
    let (mut bob, token, mut ann) = deaf(&server).await;
    let said = talk_until_away(&mut ann).await;
    third.expect_undisturbed().await;

    let last_seq = read_the_rest(&mut bob).await;
    assert!(last_seq < said, "{last_seq} of {said}");
    let (mut bob, resumed) = V1::resumed(&server, &token, last_seq).await;
    assert_eq!(resumed["state"], "chatting");
    if resumed["recovered"] == true {
        for seq in last_seq + 1..=said {
            assert_eq!(bob.expect("said").await["seq"], seq);
        }
    }
    bob.expect_quiet().await;
    ann.expect("partner_back").await;
    ann.say("are you there?").await;
    assert_eq!(bob.expect_said("are you there?").await, said + 1);
}

#[tokio::test]
async fn who_does_not_read_at_all_is_away_for_its_partner_and_holds_up_nobody() {
    let server = Server::start(&[("limits.close_s", "0.5")]);
    let mut third = Pair::chatting(&server, TOKYO).await;
    let (_deaf, token, mut ann) = deaf(&server).await;
    let said = talk_until_away(&mut ann).await;
    third.expect_undisturbed().await;
    let (mut bob, resumed) = V1::resumed(&server, &token, 0).await;
    assert_eq!(resumed["recovered"], false);
    bob.expect_quiet().await;
    ann.expect("partner_back").await;
    ann.say("welcome back").await;
    assert_eq!(bob.expect_said("welcome back").await, said + 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_that_do_not_read_take_a_bounded_amount_of_memory() {
    const DEAF: usize = 16;
    // An outbox, what is kept for a resume, and the same again for how memory is handed out.
    const EACH_MAX_BYTES: usize = 2 * (64 + 64) * 1024;
    let server = Server::start(&[]);
    let mut pairs = Vec::new();
    for _ in 0..DEAF {
        pairs.push(deaf(&server).await);
    }
    let before = server.resident_bytes();
    for (_, _, ann) in &mut pairs {
        talk_until_away(ann).await;
    }
    let grown = server.resident_bytes().saturating_sub(before);
    // Megabytes were said to each.
    assert!(
        grown <= DEAF * EACH_MAX_BYTES + (4 << 20),
        "grown by {grown} bytes"
    );
}

#[tokio::test]
async fn typing_does_not_fill_an_outbox() {
    let server = Server::start(&[]);
    let (mut bob, _token, mut ann) = deaf(&server).await;
    for number in 0..20_000 {
        let typing = serde_json::json!({"type": "typing", "on": number % 2 == 0});
        ann.send(typing).await;
    }
    ann.say("done").await;
    ann.expect_quiet().await;
    loop {
        let frame = bob.next_frame("the message after the typing").await;
        let text = String::from_utf8_lossy(&frame.payload).into_owned();
        if text.contains("said") {
            break;
        }
        assert!(frame.opcode == PING || text.contains("typing"), "{text}");
    }
}
