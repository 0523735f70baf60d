//! What a connection may do before it has a token, and what becomes of it when the token ends.

use super::issuer::{Issuer, claims_for, now_s};
use super::{
    KeyFile, PARIS, admitted, expect_bad_token, expect_usable, show, stranger, with_header,
};
use crate::common::{Classic, join, resume};
use serde_json::{Value, json};

const SOON_S: u64 = 2;

#[tokio::test]
async fn nothing_is_possible_before_the_token_and_everything_after_it() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[]);
    let (mut raw, welcome) = stranger(&server).await;
    for message in [
        join(PARIS, 5.0),
        resume(&welcome["resume_token"], 0),
        json!({"type": "say", "text": "hello"}),
        json!({"type": "next"}),
    ] {
        raw.send_text(&message.to_string()).await;
        expect_bad_token(&mut raw, "send `auth`").await;
    }
    // Mistakes are still said for what they are.
    raw.send_text("{").await;
    assert_eq!(raw.expect("error").await["code"], "bad_json");
    show(&mut raw, &issuer.token(&claims_for(3600))).await;
    raw.expect("authenticated").await;
    expect_usable(&mut raw).await;
}

#[tokio::test]
async fn whoever_shows_no_token_in_time_is_cut_off_however_much_they_say() {
    let issuer = Issuer::new("EdDSA");
    let settings = [("limits.first_message_s", "1")];
    let server = KeyFile::of(&issuer).serve("EdDSA", &settings);
    let (mut silent, _) = stranger(&server).await;
    let (mut talking, _) = stranger(&server).await;
    talking.send_text(r#"{"type":"cancel"}"#).await;
    expect_bad_token(&mut talking, "send `auth`").await;
    let bad = Issuer::new("EdDSA").token(&claims_for(3600));
    show(&mut talking, &bad).await;
    expect_bad_token(&mut talking, "not signed by a key").await;
    // Whoever has shown one may take their time.
    let (mut good, _) = stranger(&server).await;
    show(&mut good, &issuer.token(&claims_for(3600))).await;
    good.expect("authenticated").await;
    assert_eq!(silent.expect_close().await, 4101);
    assert_eq!(talking.expect_close().await, 4101);
    expect_usable(&mut good).await;
}

#[tokio::test]
async fn guessing_is_bounded() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("limits.errors_per_minute", "3")]);
    let (mut raw, _) = stranger(&server).await;
    for _ in 0..3 {
        show(&mut raw, "a.bad.token").await;
    }
    for _ in 0..3 {
        expect_bad_token(&mut raw, "the token is not").await;
    }
    assert_eq!(raw.expect_close().await, 4001);
}

/// Two in a chat, each with a token that lasts so long; the first, the second, and what resumes the first.
async fn chatting(
    server: &crate::common::Server,
    tokens: [&str; 2],
) -> (crate::common::Raw, crate::common::Raw, Value) {
    let (mut ann, welcome) = stranger(server).await;
    show(&mut ann, tokens[0]).await;
    ann.expect("authenticated").await;
    let mut bob = admitted(server, tokens[1]).await;
    for raw in [&mut ann, &mut bob] {
        raw.send_text(&join(PARIS, 5.0).to_string()).await;
        raw.expect("waiting").await;
    }
    ann.expect("matched").await;
    bob.expect("matched").await;
    (ann, bob, welcome["resume_token"].clone())
}

#[tokio::test]
async fn a_connection_ends_with_its_token_and_resumes_with_another() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("auth.leeway_s", "0")]);
    let short = claims_for(SOON_S);
    let (first, long) = (issuer.token(&short), issuer.token(&claims_for(3600)));
    let tokens = [first.as_str(), &long];
    let (mut ann, mut bob, resumes) = chatting(&server, tokens).await;
    assert_eq!(ann.expect_close().await, 4202);
    let exp = short["exp"].as_u64().expect("a number");
    assert!(now_s() >= exp, "it ended before the token");
    bob.expect("partner_away").await;

    let (mut ann, _) = stranger(&server).await;
    show(&mut ann, tokens[1]).await;
    ann.expect("authenticated").await;
    // A token is no first word: a resume may follow it.
    ann.send_text(&resume(&resumes, 0).to_string()).await;
    assert_eq!(ann.expect("resumed").await["state"], "chatting");
    bob.expect("partner_back").await;
}

#[tokio::test]
async fn a_token_renewed_in_time_keeps_the_connection() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("auth.leeway_s", "0")]);
    let (short, long) = (issuer.token(&claims_for(SOON_S)), claims_for(3600));
    let tokens = [short.as_str(), &issuer.token(&long)];
    let (mut ann, mut bob, _) = chatting(&server, tokens).await;
    show(&mut ann, tokens[1]).await;
    let answer = ann.expect("authenticated").await;
    let exp = long["exp"].as_u64().expect("a number");
    assert_eq!(answer["expires_at"], exp * 1000);
    // One that ends earlier than what there is already takes nothing away.
    show(&mut ann, &issuer.token(&claims_for(SOON_S))).await;
    ann.expect("authenticated").await;
    // Who has the same token and doesn't renew it ends, and comes later in every list.
    let mut witness = admitted(&server, &issuer.token(&claims_for(SOON_S))).await;
    assert_eq!(witness.expect_close().await, 4202);
    ann.send_text(r#"{"type":"say","text":"still here"}"#).await;
    ann.expect("accepted").await;
    assert_eq!(bob.expect("said").await["text"], "still here");
}

#[tokio::test]
async fn a_bad_renewal_changes_nothing() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("auth.leeway_s", "0")]);
    let mut raw = admitted(&server, &issuer.token(&claims_for(SOON_S))).await;
    show(&mut raw, &Issuer::new("EdDSA").token(&claims_for(3600))).await;
    expect_bad_token(&mut raw, "not signed by a key").await;
    expect_usable(&mut raw).await;
    assert_eq!(raw.expect_close().await, 4202);
}

#[tokio::test]
async fn without_pings_connections_end_with_their_tokens_as_well() {
    let issuer = Issuer::new("EdDSA");
    let settings = [("auth.leeway_s", "0"), ("limits.ping_s", "0")];
    let server = KeyFile::of(&issuer).serve("EdDSA", &settings);
    let mut raw = admitted(&server, &issuer.token(&claims_for(SOON_S))).await;
    expect_usable(&mut raw).await;
    assert_eq!(raw.expect_close().await, 4202);
}

#[tokio::test]
async fn a_classic_connection_ends_with_its_token() {
    let issuer = Issuer::new("EdDSA");
    let server = KeyFile::of(&issuer).serve("EdDSA", &[("auth.leeway_s", "0")]);
    let token = issuer.token(&claims_for(SOON_S));
    let (response, mut raw) = with_header("/", &token).send(&server).await;
    assert_eq!(response.status, 101, "{response:?}");
    raw.send_text(&Classic::bind_text("ann", PARIS, 5)).await;
    assert_eq!(raw.expect_close().await, 1008);
}
