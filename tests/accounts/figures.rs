//! What is counted of logins, for Prometheus.

use crate::common::within;
use crate::operators::{LoggedIn, Office, PASSWORD, TOKEN, early_in_a_step, now_s, totp};
use std::time::Duration;

/// What is told on the line of this name and these labels.
pub(crate) async fn figure(office: &Office, name: &str) -> f64 {
    let told = office.get("/metrics", Some(TOKEN)).await;
    let text = told.body.as_str().expect("it is text");
    let mark = format!("whisperchat_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&mark));
    let value = line.unwrap_or_else(|| panic!("{name} is not told: {text}"));
    value.parse().expect("a number")
}

async fn logins(office: &Office, outcome: &str) -> f64 {
    figure(office, &format!("logins_total{{outcome=\"{outcome}\"}}")).await
}

#[tokio::test]
async fn each_step_of_a_login_is_counted_by_what_came_of_it() {
    let office = Office::open(&[("admin.token", TOKEN)]).await;
    office.account("ann", "viewer").await;
    office.account("mo", "moderator").await;
    for outcome in ["done", "factor", "wrong", "factor_wrong", "locked", "busy"] {
        assert_eq!(logins(&office, outcome).await, 0.0, "{outcome}");
    }
    office.log_in("ann").await;
    early_in_a_step().await;
    let (secret, _) = office.enrol(&office.log_in("mo").await).await;
    assert_eq!(logins(&office, "done").await, 2.0);
    let wrong = office.try_log_in_with("mo", "000000").await;
    assert_eq!(wrong.status, 401);
    let right = office
        .try_log_in_with("mo", &totp(&secret, now_s() + 30))
        .await;
    assert_eq!(right.status, 200, "{right:?}");
    assert_eq!(logins(&office, "factor").await, 2.0);
    assert_eq!(logins(&office, "factor_wrong").await, 1.0);
    assert_eq!(logins(&office, "done").await, 3.0);
    for _ in 0..5 {
        office.try_log_in("ann", "not that one").await;
    }
    assert_eq!(office.try_log_in("ann", PASSWORD).await.status, 429);
    assert_eq!(logins(&office, "wrong").await, 5.0);
    assert_eq!(logins(&office, "locked").await, 1.0);
    // Codes are held up as well, and counted alike.
    for _ in 0..5 {
        office.try_log_in_with("mo", "000000").await;
    }
    let held_up = office.try_log_in_with("mo", "000000").await;
    assert_eq!(held_up.status, 429);
    assert_eq!(logins(&office, "locked").await, 2.0);
    assert_eq!(logins(&office, "busy").await, 0.0);
    // Each but the one that came too early was hashed, and so were the two first passwords.
    let hashed = "password_hashes_total{outcome=\"done\"}";
    assert!(figure(&office, hashed).await >= 15.0);
    assert_eq!(
        figure(&office, "password_hashes_total{outcome=\"refused\"}").await,
        0.0
    );
    let nobody_waits = async {
        while figure(&office, "password_hashes_waiting").await > 0.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("the pool to be empty", nobody_waits).await;
}

#[tokio::test]
async fn a_refresh_token_in_two_hands_is_counted() {
    let office = Office::open(&[("admin.token", TOKEN)]).await;
    let ann = office.somebody("ann", "viewer").await;
    let turned = LoggedIn::of(&office.refresh(&ann.refresh).await);
    assert_eq!(figure(&office, "refresh_reused_total").await, 0.0);
    assert_eq!(office.refresh(&ann.refresh).await.status, 401);
    assert_eq!(figure(&office, "refresh_reused_total").await, 1.0);
    // The session has ended: whoever shows the newer one now is told so, and is not counted.
    assert_eq!(office.refresh(&turned.refresh).await.status, 401);
    assert_eq!(figure(&office, "refresh_reused_total").await, 1.0);
}
