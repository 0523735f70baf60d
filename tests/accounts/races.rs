//! Two connections at once.

use crate::operators::{LoggedIn, Office, PASSWORD};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_shown_twice_at_once_ends_the_session() {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    for _ in 0..10 {
        let session = office.log_in("ann").await;
        let (one, other) = tokio::join!(
            office.refresh(&session.refresh),
            office.refresh(&session.refresh)
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{one:?} {other:?}");
        let winner = if one.status == 200 { one } else { other };
        let winner = LoggedIn::of(&winner);
        assert_eq!(office.refresh(&winner.refresh).await.status, 401);
        assert_eq!(
            office.get("/api/v1/me", Some(&winner.access)).await.status,
            401
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_two_use_at_once_is_one_s() {
    let office = Office::open(&[("admin.hashes_at_once", "2")]).await;
    for round in 0..5 {
        let name = format!("ann{round}");
        let path = format!("/api/v1/invitations/{}", office.invite(&name, "viewer"));
        let (one, other) = (
            json!({"password": PASSWORD}),
            json!({"password": "nine white kettles"}),
        );
        let (first, second) = tokio::join!(
            office.post(&path, None, &one),
            office.post(&path, None, &other)
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404], "{first:?} {second:?}");
        let (right, wrong) = if first.status == 200 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        let password = |body: &Value| body["password"].as_str().expect("a string").to_owned();
        assert_eq!(office.try_log_in(&name, &password(right)).await.status, 200);
        assert_eq!(office.try_log_in(&name, &password(wrong)).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_that_is_shown_twice_at_once_lets_in_one() {
    let office = Office::open(&[("admin.hashes_at_once", "2")]).await;
    office.account("mo", "moderator").await;
    let (_, codes) = office.enrol(&office.log_in("mo").await).await;
    for code in &codes[..5] {
        let (one, other) = tokio::join!(
            office.try_log_in_with("mo", code),
            office.try_log_in_with("mo", code)
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{one:?} {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_taken_away_during_a_session_is_gone_at_once() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let mo = office.somebody("mo", "moderator").await;
    let path = "/api/v1/sessions/100000001";
    assert_eq!(
        office.get(path, Some(&mo.access)).await.status,
        404,
        "moderators may ask"
    );
    let listed = office.get("/api/v1/accounts", Some(&ada.access)).await;
    let id = listed.body["accounts"][1]["id"].as_i64().expect("a number");
    let account = format!("/api/v1/accounts/{id}");
    let tag = office
        .get(&account, Some(&ada.access))
        .await
        .tag
        .expect("an ETag");
    // Asked for all the time while it is taken away: once it was refused, it is never granted again.
    let asking = async {
        let mut statuses = Vec::new();
        for _ in 0..50 {
            statuses.push(office.get(path, Some(&mo.access)).await.status);
        }
        statuses
    };
    let body = json!({"role": "viewer"}).to_string();
    let headers = [("If-Match", tag.as_str())];
    let taking = office.ask("PATCH", &account, Some(&ada.access), &headers, &body);
    let (statuses, taken) = tokio::join!(asking, taking);
    assert_eq!(taken.status, 200, "{taken:?}");
    let granted = statuses.iter().take_while(|status| **status == 404).count();
    assert!(granted < 50, "it was never refused");
    assert!(
        statuses[granted..].iter().all(|status| *status == 403),
        "{statuses:?}"
    );
    // The session goes on as what its owner is now.
    assert_eq!(
        office.get("/api/v1/status", Some(&mo.access)).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_who_remove_each_other_at_once_leave_one() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let eve = office.somebody("eve", "admin").await;
    let listed = office.get("/api/v1/accounts", Some(&ada.access)).await;
    let id = |index: usize| {
        listed.body["accounts"][index]["id"]
            .as_i64()
            .expect("a number")
    };
    let paths = [0, 1].map(|index| format!("/api/v1/accounts/{}", id(index)));
    let mut tags = Vec::new();
    for path in &paths {
        tags.push(
            office
                .get(path, Some(&ada.access))
                .await
                .tag
                .expect("an ETag"),
        );
    }
    let body = json!({"disabled": true}).to_string();
    let headers = [
        [("If-Match", tags[0].as_str())],
        [("If-Match", tags[1].as_str())],
    ];
    let (one, other) = tokio::join!(
        office.ask("PATCH", &paths[1], Some(&ada.access), &headers[1], &body),
        office.ask("PATCH", &paths[0], Some(&eve.access), &headers[0], &body),
    );
    let done = [&one, &other]
        .into_iter()
        .filter(|answer| answer.status == 200)
        .count();
    assert_eq!(done, 1, "{one:?} {other:?}");
    let left = if one.status == 200 { &ada } else { &eve };
    let listed = office.get("/api/v1/accounts", Some(&left.access)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_of_the_same_version_one_is_told_that_it_has_changed() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    office.account("ann", "viewer").await;
    let listed = office.get("/api/v1/accounts", Some(&ada.access)).await;
    let path = format!("/api/v1/accounts/{}", listed.body["accounts"][1]["id"]);
    let tag = office
        .get(&path, Some(&ada.access))
        .await
        .tag
        .expect("an ETag");
    let headers = [("If-Match", tag.as_str())];
    let bodies = ["moderator", "admin"].map(|role| json!({"role": role}).to_string());
    let (one, other) = tokio::join!(
        office.ask("PATCH", &path, Some(&ada.access), &headers, &bodies[0]),
        office.ask("PATCH", &path, Some(&ada.access), &headers, &bodies[1]),
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{one:?} {other:?}");
}
