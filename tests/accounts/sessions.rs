//! V7: sessions, their beginning and their end.

use crate::operators::{LoggedIn, Office, PASSWORD};
use serde_json::json;

/// What `GET /api/v1/me` answers to this access token.
async fn me(office: &Office, access: &str) -> u16 {
    office.get("/api/v1/me", Some(access)).await.status
}

#[tokio::test]
async fn asvs_7_2_4_each_login_and_each_refresh_gives_other_tokens() {
    let office = Office::open(&[]).await;
    let one = office.somebody("ann", "viewer").await;
    let other = office.log_in("ann").await;
    assert_ne!(one.access, other.access);
    assert_ne!(one.refresh, other.refresh);
    let turned = office.refresh(&one.refresh).await;
    assert_eq!(turned.status, 200, "{turned:?}");
    let next = LoggedIn::of(&turned);
    assert_ne!(next.refresh, one.refresh);
    assert_eq!(me(&office, &next.access).await, 200);
    assert_eq!(me(&office, &other.access).await, 200);
}

#[tokio::test]
async fn asvs_7_4_1_who_has_logged_out_is_out_at_once() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let other = office.log_in("ann").await;
    let body = json!({"refresh_token": ann.refresh});
    assert_eq!(office.post("/api/v1/logout", None, &body).await.status, 204);
    assert_eq!(me(&office, &ann.access).await, 401);
    assert_eq!(office.refresh(&ann.refresh).await.status, 401);
    // Once more changes nothing, and nobody else is out.
    assert_eq!(office.post("/api/v1/logout", None, &body).await.status, 204);
    assert_eq!(me(&office, &other.access).await, 200);
    let everywhere = office
        .post("/api/v1/logout-everywhere", Some(&other.access), &json!({}))
        .await;
    assert_eq!(everywhere.status, 204);
    assert_eq!(me(&office, &other.access).await, 401);
    assert_eq!(office.refresh(&other.refresh).await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_that_was_used_before_ends_the_session_for_both_who_have_it() {
    let office = Office::open(&[]).await;
    let owner = office.somebody("ann", "viewer").await;
    let bystander = office.log_in("ann").await;
    let turned = LoggedIn::of(&office.refresh(&owner.refresh).await);
    let stolen = office.refresh(&owner.refresh).await;
    assert_eq!(stolen.status, 401, "{stolen:?}");
    assert!(
        stolen.body["detail"].to_string().contains("used before"),
        "{stolen:?}"
    );
    assert_eq!(office.refresh(&turned.refresh).await.status, 401);
    assert_eq!(me(&office, &turned.access).await, 401);
    assert_eq!(
        me(&office, &bystander.access).await,
        200,
        "it is another session"
    );
    let store = office.store().await;
    let log = store
        .audit(Some("account:ann"), None, 10)
        .await
        .expect("it answers");
    assert!(
        log.rows
            .iter()
            .any(|entry| entry.action == "session.reused"),
        "{log:?}"
    );
}

#[tokio::test]
async fn asvs_7_4_2_and_7_4_5_a_disabled_account_is_out_at_once_and_an_admin_ends_sessions() {
    let office = Office::open(&[]).await;
    let admin = office.somebody("ada", "admin").await;
    let ann = office.somebody("ann", "viewer").await;
    let listed = office.get("/api/v1/accounts", Some(&admin.access)).await;
    let id = listed.body["accounts"][1]["id"].as_i64().expect("a number");
    let path = format!("/api/v1/accounts/{id}/logout");
    let ended = office.post(&path, Some(&admin.access), &json!({})).await;
    assert_eq!(
        (ended.status, &ended.body["sessions"]),
        (200, &json!(1)),
        "{ended:?}"
    );
    assert_eq!(me(&office, &ann.access).await, 401);
    let ann = office.log_in("ann").await;
    assert_eq!(office.command(&["disable", "ann"]).0, Some(0));
    assert_eq!(me(&office, &ann.access).await, 401);
    assert_eq!(office.refresh(&ann.refresh).await.status, 401);
    assert_eq!(office.try_log_in("ann", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn asvs_7_5_2_somebody_sees_their_sessions_and_ends_one_and_8_2_2_nobody_elses() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let other = office.log_in("ann").await;
    let bea = office.somebody("bea", "viewer").await;
    let listed = office.get("/api/v1/me/sessions", Some(&ann.access)).await;
    let sessions = listed.body["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2, "{listed:?}");
    let others: Vec<_> = sessions
        .iter()
        .filter(|session| session["is_this"] == false)
        .collect();
    let [session] = others[..] else {
        panic!("{listed:?}");
    };
    let path = format!("/api/v1/me/sessions/{}/logout", session["id"]);
    assert_eq!(
        office
            .post(&path, Some(&bea.access), &json!({}))
            .await
            .status,
        404
    );
    assert_eq!(me(&office, &other.access).await, 200);
    assert_eq!(
        office
            .post(&path, Some(&ann.access), &json!({}))
            .await
            .status,
        204
    );
    assert_eq!(me(&office, &other.access).await, 401);
    assert_eq!(me(&office, &ann.access).await, 200);
}

#[tokio::test]
async fn asvs_7_1_2_an_account_has_16_sessions_and_the_oldest_gives_way() {
    let office = Office::open(&[("admin.hashes_at_once", "2")]).await;
    office.account("ann", "viewer").await;
    let mut sessions = Vec::new();
    for _ in 0..17 {
        sessions.push(office.log_in("ann").await);
    }
    assert_eq!(me(&office, &sessions[0].access).await, 401);
    assert_eq!(me(&office, &sessions[1].access).await, 200);
    assert_eq!(me(&office, &sessions[16].access).await, 200);
}

#[tokio::test]
async fn a_browser_gets_the_refresh_token_as_a_cookie_that_no_script_can_read() {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    let body = json!({"name": "ann", "password": PASSWORD, "cookie": true});
    let answer = office.post("/api/v1/login", None, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.get("refresh_token").is_none(), "{answer:?}");
    let cookie = answer.cookie.expect("it is put");
    for said in ["; Path=/api/v1;", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(said), "{cookie}");
    }
    let pair = cookie
        .split(';')
        .next()
        .expect("a name and a value")
        .to_owned();
    let refresh = |cookie: String| {
        let office = &office;
        async move {
            let headers = [("Cookie", cookie.as_str())];
            office
                .ask("POST", "/api/v1/refresh", None, &headers, "{}")
                .await
        }
    };
    let turned = refresh(pair.clone()).await;
    assert_eq!(turned.status, 200, "{turned:?}");
    let next = turned.cookie.expect("another is put");
    let next = next
        .split(';')
        .next()
        .expect("a name and a value")
        .to_owned();
    assert_ne!(next, pair);
    // No page of another origin has it sent, and none without JSON.
    let foreign = [
        ("Cookie", next.as_str()),
        ("Origin", "https://evil.example"),
    ];
    let refused = office
        .ask("POST", "/api/v1/refresh", None, &foreign, "{}")
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let headers = [("Cookie", next.as_str())];
    let left = office
        .ask("POST", "/api/v1/logout", None, &headers, "{}")
        .await;
    assert_eq!(left.status, 204);
    assert!(left.cookie.expect("it is taken away").contains("Max-Age=0"));
    assert_eq!(refresh(next).await.status, 401);
}

#[tokio::test]
async fn asvs_7_2_4_a_browser_that_logs_in_anew_leaves_its_session() {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    let elsewhere = office.log_in("ann").await;
    let body = json!({"name": "ann", "password": PASSWORD, "cookie": true}).to_string();
    let log_in = async |cookie: Option<&str>| {
        let headers = cookie.map(|cookie| ("Cookie", cookie));
        let answer = office
            .ask("POST", "/api/v1/login", None, headers.as_slice(), &body)
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let access = answer.body["access_token"].as_str().expect("a token");
        let cookie = answer.cookie.as_deref().expect("it is put");
        let pair = cookie.split(';').next().expect("a name and a value");
        (access.to_owned(), pair.to_owned())
    };
    let (before, cookie) = log_in(None).await;
    assert_eq!(me(&office, &before).await, 200);
    let (after, _) = log_in(Some(&cookie)).await;
    assert_eq!(me(&office, &before).await, 401);
    assert_eq!(me(&office, &after).await, 200);
    assert_eq!(me(&office, &elsewhere.access).await, 200);
    // A wrong password ends nothing, whatever the browser has.
    let (_, cookie) = log_in(None).await;
    let wrong = json!({"name": "ann", "password": "not that one", "cookie": true}).to_string();
    let headers = [("Cookie", cookie.as_str())];
    let refused = office
        .ask("POST", "/api/v1/login", None, &headers, &wrong)
        .await;
    assert_eq!(refused.status, 401);
    let turned = office
        .ask("POST", "/api/v1/refresh", None, &headers, "{}")
        .await;
    assert_eq!(turned.status, 200, "{turned:?}");
}

#[tokio::test]
async fn asvs_7_4_3_another_factor_ends_all_other_sessions() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let other = office.log_in("ann").await;
    office.enrol(&ann).await;
    assert_eq!(me(&office, &ann.access).await, 200);
    assert_eq!(me(&office, &other.access).await, 401);
    assert_eq!(office.refresh(&other.refresh).await.status, 401);
}

#[tokio::test]
async fn sessions_outlast_a_restart_of_the_server() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let office = office.restarted().await;
    assert_eq!(me(&office, &ann.access).await, 200);
    assert_eq!(office.refresh(&ann.refresh).await.status, 200);
}
