//! Accounts of others, by the API and by the command line.

use crate::common::{V1, until};
use crate::operators::{Office, PASSWORD};
use serde_json::json;

#[tokio::test]
async fn an_admin_makes_accounts_changes_them_and_sees_them_page_by_page() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let token = Some(ada.access.as_str());
    for name in ["ann", "bea", "cleo", "dora"] {
        let made = office
            .post(
                "/api/v1/accounts",
                token,
                &json!({"name": name, "role": "viewer"}),
            )
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.body["account"]["state"], "invited");
        assert_eq!(made.tag.as_deref(), Some("\"1\""));
        assert_eq!(made.body["invitation"].as_str().expect("a code").len(), 43);
    }
    let twice = office
        .post(
            "/api/v1/accounts",
            token,
            &json!({"name": "Ann", "role": "viewer"}),
        )
        .await;
    assert_eq!(twice.status, 409, "{twice:?}");
    assert_eq!(twice.kind.as_deref(), Some("application/problem+json"));
    for bad in [
        json!({"name": "root", "role": "viewer"}),
        json!({"name": "x", "role": "viewer"}),
        json!({"name": "zoe", "role": "owner"}),
        json!({"name": "zoe"}),
        json!({"name": "zoe", "role": "viewer", "password": "x"}),
    ] {
        let refused = office.post("/api/v1/accounts", token, &bad).await;
        assert_eq!(refused.status, 400, "{bad}: {refused:?}");
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = office
            .get(&format!("/api/v1/accounts?limit=2{after}"), token)
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        let accounts = page.body["accounts"].as_array().expect("a list");
        assert!(accounts.len() <= 2);
        names.extend(
            accounts
                .iter()
                .map(|account| account["name"].as_str().expect("a name").to_owned()),
        );
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["ada", "ann", "bea", "cleo", "dora"]);
    for query in ["limit=0", "limit=101", "limit=many", "after=x", "page=2"] {
        let refused = office
            .get(&format!("/api/v1/accounts?{query}"), token)
            .await;
        assert_eq!(refused.status, 400, "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn an_account_that_is_asked_for_again_by_its_key_is_made_once_and_invited_anew() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let body = json!({"name": "ann", "role": "viewer"}).to_string();
    let make = async |key: &str, body: &str| {
        let headers = [("Idempotency-Key", key)];
        let token = Some(ada.access.as_str());
        office
            .ask("POST", "/api/v1/accounts", token, &headers, body)
            .await
    };
    let code = |answer: &crate::operators::Answer| {
        let code = answer.body["invitation"].as_str();
        code.expect("a code").to_owned()
    };
    let first = make("a-key", &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = make("a-key", &body).await;
    assert_eq!((again.status, &again.tag), (201, &first.tag), "{again:?}");
    assert_eq!(again.body["account"], first.body["account"]);
    // The code of the first answer may be lost, and is good no more.
    let path = |code: String| format!("/api/v1/invitations/{code}");
    let password = json!({"password": PASSWORD});
    let old = office.post(&path(code(&first)), None, &password).await;
    assert_eq!(old.status, 404, "{old:?}");
    let taken = office.post(&path(code(&again)), None, &password).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    // Whoever has taken it keeps it.
    let late = make("a-key", &body).await;
    assert_eq!(late.status, 201, "{late:?}");
    assert_eq!(late.body["account"]["state"], "active");
    assert_eq!(late.body["invitation"], json!(null));
    assert_eq!(late.body["expires_at_ms"], json!(null));
    assert_eq!(office.try_log_in("ann", PASSWORD).await.status, 200);
    let other = json!({"name": "bea", "role": "viewer"}).to_string();
    let refused = make("a-key", &other).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(make("two words", &other).await.status, 400);
    // Without a key, and by another, it is a name that is taken.
    assert_eq!(make("another", &body).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_connections_that_ask_by_the_same_key_at_once_both_get_the_same_account() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    for round in 0..10 {
        let body = json!({"name": format!("ann{round}"), "role": "viewer"}).to_string();
        let key = format!("key-{round}");
        let headers = [("Idempotency-Key", key.as_str())];
        let token = Some(ada.access.as_str());
        let make = || office.ask("POST", "/api/v1/accounts", token, &headers, &body);
        let (one, other) = tokio::join!(make(), make());
        assert_eq!((one.status, other.status), (201, 201), "{one:?} {other:?}");
        assert_eq!(one.body["account"], other.body["account"]);
        let good = async |answer: &crate::operators::Answer| {
            let code = answer.body["invitation"].as_str().expect("a code");
            let path = format!("/api/v1/invitations/{code}");
            office.get(&path, None).await.status == 200
        };
        assert_ne!(
            good(&one).await,
            good(&other).await,
            "one of the codes is good"
        );
    }
}

#[tokio::test]
async fn a_change_says_what_it_changes_and_the_last_admin_stays() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let token = Some(ada.access.as_str());
    let listed = office.get("/api/v1/accounts", token).await;
    let path = format!("/api/v1/accounts/{}", listed.body["accounts"][0]["id"]);
    let body = json!({"role": "viewer"}).to_string();
    let unseen = office.ask("PATCH", &path, token, &[], &body).await;
    assert_eq!(unseen.status, 428, "{unseen:?}");
    let old = office
        .ask("PATCH", &path, token, &[("If-Match", "\"99\"")], &body)
        .await;
    assert_eq!(old.status, 412, "{old:?}");
    let tag = office.get(&path, token).await.tag.expect("an ETag");
    let seen = [("If-Match", tag.as_str())];
    for body in [json!({"role": "viewer"}), json!({"disabled": true})] {
        let refused = office
            .ask("PATCH", &path, token, &seen, &body.to_string())
            .await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(
            refused.body["detail"].to_string().contains("no admin"),
            "{refused:?}"
        );
    }
    let reset = office
        .ask("POST", &format!("{path}/reset"), token, &seen, "{}")
        .await;
    assert_eq!(reset.status, 409, "{reset:?}");
    assert_eq!(office.get("/api/v1/accounts/999", token).await.status, 404);
    assert_eq!(office.get("/api/v1/accounts/ada", token).await.status, 404);
}

#[tokio::test]
async fn whoever_has_the_machine_makes_lists_disables_and_resets_accounts() {
    let office = Office::open(&[]).await;
    let (code, stdout, stderr) = office.command(&["create", "ada"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("ada (admin)") && stdout.contains("/#invitation="),
        "{stdout}"
    );
    office.account("ann", "viewer").await;
    let (_, listed, _) = office.command(&["list"]);
    let lines: Vec<Vec<_>> = listed
        .lines()
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        lines,
        [["ada", "admin", "invited"], ["ann", "viewer", "active"]]
    );
    for (args, said) in [
        (&["create", "ann"][..], "already"),
        (&["create", "root"], "guesser"),
        (&["create", "a b"], "2 to 32"),
        (
            &["create", "eve", "--role", "owner"],
            "viewer, moderator or admin",
        ),
        (&["disable", "nobody"], "no account nobody"),
    ] {
        let (code, _, stderr) = office.command(args);
        assert_ne!(code, Some(0), "{args:?}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
    // It takes away the last admin, too: whoever has the machine can make another.
    assert_eq!(office.command(&["disable", "ada"]).0, Some(0));
    assert_eq!(office.command(&["reset", "ada"]).0, Some(0));
    let log = office
        .store()
        .await
        .audit(Some("command line"), None, 10)
        .await;
    let actions: Vec<_> = log
        .expect("it answers")
        .rows
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    let expected = [
        "account.reset",
        "account.change",
        "account.create",
        "account.create",
    ];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_who_made_it_and_no_secret() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    office
        .post(
            "/api/v1/accounts",
            Some(&ada.access),
            &json!({"name": "ann", "role": "viewer"}),
        )
        .await;
    let log = office
        .store()
        .await
        .audit(None, None, 100)
        .await
        .expect("it answers");
    let actions: Vec<_> = log
        .rows
        .iter()
        .rev()
        .map(|entry| (entry.actor.as_str(), entry.action.as_str()))
        .collect();
    let expected = [
        ("command line", "account.create"),
        ("account:ada", "account.take"),
        ("account:ada", "session.begin"),
        ("account:ada", "factor.begin"),
        ("account:ada", "factor.confirm"),
        ("account:ada", "account.create"),
    ];
    assert_eq!(actions, expected);
    let text = format!("{log:?}");
    for secret in [PASSWORD, "argon2", &ada.access, &ada.refresh] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn what_is_done_to_the_server_itself_is_in_the_audit_log_too() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let ann = V1::connect(&office.server).await;
    let session = ann.welcome["session"].as_str().expect("a name").to_owned();
    let level = json!({"level": "debug"});
    let deeds = [
        (format!("/api/v1/sessions/{session}/disconnect"), json!({})),
        ("/api/v1/log-level".to_owned(), level.clone()),
        ("/api/v1/drain".to_owned(), json!({})),
        // Changes nothing any more.
        ("/api/v1/drain".to_owned(), json!({})),
        ("/api/v1/drain/cancel".to_owned(), json!({})),
    ];
    for (path, body) in deeds {
        let answer = office.post(&path, Some(&ada.access), &body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let expected = [
        ("server.drain", "server".to_owned()),
        ("server.drain_cancel", "server".to_owned()),
        ("server.log_level", "server".to_owned()),
        ("session.disconnect", format!("session:{session}")),
    ];
    // They are done before they are written down, by tasks that may overtake each other.
    let store = office.store().await;
    let written = until("all of it to be written down", async || {
        let log = store.audit(Some("account:ada"), None, 100).await;
        let rows = log.expect("it answers").rows.into_iter();
        let deeds = rows.filter(|entry| {
            entry.action.starts_with("server.") || entry.action.starts_with("session.disconnect")
        });
        let deeds: Vec<_> = deeds.collect();
        (deeds.len() >= expected.len()).then_some(deeds)
    })
    .await;
    let mut seen: Vec<_> = written
        .iter()
        .map(|entry| (entry.action.as_str(), entry.target.clone()))
        .collect();
    seen.sort();
    assert_eq!(seen, expected);
    let of_level = written
        .iter()
        .find(|entry| entry.action == "server.log_level");
    assert_eq!(of_level.expect("it is there").detail, level);
}

#[tokio::test]
async fn whose_password_was_to_have_a_second_factor_beside_it_is_no_viewer_before_a_reset() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    office.account("mo", "moderator").await;
    let token = Some(ada.access.as_str());
    let list = office.get("/api/v1/accounts", token).await.body;
    let all = list["accounts"].as_array().expect("a list");
    let mo = all.iter().find(|account| account["name"] == "mo");
    let path = format!("/api/v1/accounts/{}", mo.expect("he is there")["id"]);
    let tag = office.get(&path, token).await.tag.expect("a tag");
    let headers = [("If-Match", tag.as_str())];
    let refused = office
        .ask("PATCH", &path, token, &headers, r#"{"role": "viewer"}"#)
        .await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let changed = office
        .ask("PATCH", &path, token, &headers, r#"{"role": "admin"}"#)
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
}
