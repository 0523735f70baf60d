//! Servers that break promises, each of which fails the run.

use crate::Ran;
use crate::wrong::{Mistake, Wrong};

/// Runs pairs against a server that breaks a promise; the run has to fail and say which.
async fn assert_caught(wrong: Wrong, expected: &str) {
    let address = wrong.address();
    let run = move || {
        Ran::against(
            address,
            &[
                "chat",
                "--connections",
                "4",
                "--duration",
                "1s",
                "--messages",
                "40",
            ],
        )
    };
    let ran = tokio::task::spawn_blocking(run).await.expect("it runs");
    assert_eq!(ran.code, Some(1), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    assert!(ran.json["violations"]["count"].as_u64() > Some(0));
}

#[tokio::test]
async fn the_server_of_these_tests_can_be_right() {
    let wrong = Wrong::start(Mistake::None).await;
    let address = wrong.address();
    let args = [
        "chat",
        "--connections",
        "4",
        "--duration",
        "1s",
        "--messages",
        "40",
    ];
    let ran = tokio::task::spawn_blocking(move || Ran::against(address, &args)).await;
    let ran = ran.expect("it runs");
    ran.assert_all_well();
    assert!(ran.count("heard") >= 30, "{}", ran.stdout);
}

#[tokio::test]
async fn a_server_that_duplicates_a_message_fails_the_run() {
    assert_caught(
        Wrong::start(Mistake::Duplicate).await,
        "twice or out of order",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_loses_a_message_fails_the_run() {
    assert_caught(Wrong::start(Mistake::Lose).await, "never got").await;
}

#[tokio::test]
async fn a_server_that_sends_messages_to_others_fails_the_run() {
    assert_caught(Wrong::start(Mistake::Misdirect).await, "got a message from").await;
}

#[tokio::test]
async fn a_server_that_matches_out_of_range_fails_the_run() {
    assert_caught(Wrong::start(Mistake::OutOfRange).await, "were matched,").await;
}
