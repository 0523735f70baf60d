//! V6: how somebody shows who they are.

use crate::operators::{Office, PASSWORD, TOKEN, early_in_a_step, kept, now_s, totp};
use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use whisperchat::accounts::Role;
use whisperchat::store::{By, Invitation, NewAccount, PasswordChange};

/// What is kept of the password that is everybody's here.
fn hash(params: Params) -> String {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = hasher.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]);
    hash.expect("it can be made").to_string()
}

/// An invitation's password, and what the server says to it.
async fn take(office: &Office, code: &str, password: &str) -> (u16, String) {
    let path = format!("/api/v1/invitations/{code}");
    let answer = office
        .post(&path, None, &json!({"password": password}))
        .await;
    (answer.status, answer.body["detail"].to_string())
}

#[tokio::test]
async fn asvs_6_2_1_and_6_2_4_and_6_2_11_weak_passwords_are_refused_with_a_sentence() {
    let office = Office::open(&[]).await;
    let code = office.invite("miranda", "admin");
    for (password, said) in [
        ("short", "8 characters or more"),
        (&"x".repeat(129), "at most 128"),
        ("Password", "most common"),
        ("my-miranda-1", "account's name"),
        ("whisperchat-1", "nor the program's"),
    ] {
        let (status, detail) = take(&office, &code, password).await;
        assert_eq!(status, 400, "{password}: {detail}");
        assert!(detail.contains(said), "{password}: {detail}");
        assert!(!detail.contains(password), "it is not repeated: {detail}");
    }
    // None of these has used the invitation. A viewer's password is all there is, and longer.
    assert_eq!(take(&office, &code, "8 chars!").await.0, 200);
    let code = office.invite("vera", "viewer");
    let (status, detail) = take(&office, &code, "fourteen chars").await;
    assert_eq!(status, 400, "{detail}");
    assert!(detail.contains("15 characters"), "{detail}");
    assert_eq!(take(&office, &code, "fifteen chars.!").await.0, 200);
}

#[tokio::test]
async fn asvs_6_2_3_a_password_is_changed_by_whoever_knows_it() {
    let office = Office::open(&[]).await;
    let ann = office.somebody("ann", "viewer").await;
    let other = office.log_in("ann").await;
    let change = |password: &str, new_password: &str| json!({"password": password, "new_password": new_password});
    let path = "/api/v1/me/password";
    let new = "eight blue windows";
    let wrong = office
        .post(path, Some(&ann.access), &change("not that one", new))
        .await;
    assert_eq!(wrong.status, 403, "{wrong:?}");
    let weak = office
        .post(path, Some(&ann.access), &change(PASSWORD, "qwertyuiop"))
        .await;
    assert_eq!(weak.status, 400, "{weak:?}");
    let changed = office
        .post(path, Some(&ann.access), &change(PASSWORD, new))
        .await;
    assert_eq!(changed.status, 204, "{changed:?}");
    assert_eq!(office.try_log_in("ann", PASSWORD).await.status, 401);
    assert_eq!(office.try_log_in("ann", new).await.status, 200);
    // ASVS 7.4.3: whoever else was logged in is not any more.
    assert_eq!(
        office.get("/api/v1/me", Some(&ann.access)).await.status,
        200
    );
    assert_eq!(
        office.get("/api/v1/me", Some(&other.access)).await.status,
        401
    );
    assert_eq!(office.refresh(&other.refresh).await.status, 401);
}

/// The value of an attribute in a tag, nothing if it has none of this name.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[tokio::test]
async fn asvs_6_2_6_and_6_2_7_the_board_hides_passwords_and_lets_password_managers_fill_them_in() {
    let office = Office::open(&[]).await;
    let page = office.get("/", None).await.body;
    let page = page.as_str().expect("it is a page");
    let inputs = page.split("<input").skip(1);
    let inputs = inputs.map(|rest| rest.split('>').next().expect("it ends"));
    let mut passwords = 0;
    for input in inputs {
        let filled_in = attribute(input, "autocomplete").unwrap_or_default();
        let is_password = filled_in.ends_with("-password");
        passwords += usize::from(is_password);
        assert!(
            !is_password || attribute(input, "type") == Some("password"),
            "it is shown: {input}"
        );
        let is_hidden = attribute(input, "type") == Some("password");
        // The token of the settings is no password, and its field no manager's.
        let is_token = attribute(input, "id") == Some("token");
        assert!(
            !is_hidden || is_password || is_token,
            "managers don't know it: {input}"
        );
    }
    assert!(passwords >= 4, "{passwords}");
    for path in ["/", "/login.js", "/own.js", "/board.js"] {
        let file = office.get(path, None).await;
        assert_eq!(file.status, 200, "{path}");
        assert!(!file.body.to_string().contains("paste"), "{path}");
    }
}

#[tokio::test]
async fn asvs_6_2_10_a_password_of_long_ago_is_as_good_as_any() {
    let office = Office::open(&[]).await;
    let store = office.store().await;
    // In 1970.
    let by = By {
        actor: "a test",
        at_ms: 1,
    };
    let new = NewAccount {
        name: "ann".parse().expect("a name"),
        role: Role::Viewer,
        invitation: Invitation {
            digest: [1; 32],
            expires_at_ms: i64::MAX,
        },
    };
    store.add_account(&new, by).await.expect("it is made");
    let hash = kept(&hash(Params::DEFAULT));
    let taken = store.take_invitation(&[1; 32], &hash, by).await;
    taken.expect("it is taken");
    let ann = office.log_in("ann").await;
    let me = office.get("/api/v1/me", Some(&ann.access)).await;
    assert_eq!(me.status, 200, "{me:?}");
}

#[tokio::test]
async fn asvs_6_3_1_wrong_tries_are_made_to_wait_and_6_1_1_keep_nobody_else_out() {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    office.account("bea", "viewer").await;
    for _ in 0..5 {
        let answer = office.try_log_in("ann", "not that one").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    // Whoever guesses has to wait, even if they have found it by now.
    let held_up = office.try_log_in("ann", PASSWORD).await;
    assert_eq!(held_up.status, 429, "{held_up:?}");
    let wait: u64 = held_up
        .retry_after
        .expect("it is said")
        .parse()
        .expect("seconds");
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(held_up.body["retry_after_s"], wait);
    // Neither another account from here does, nor this one from elsewhere.
    assert_eq!(office.try_log_in("bea", PASSWORD).await.status, 200);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 7, 7, 7));
    let body = json!({"name": "ann", "password": PASSWORD}).to_string();
    let login = "/api/v1/login";
    let let_in = office
        .ask_from(elsewhere, "POST", login, None, &[], &body)
        .await;
    assert_eq!(let_in.status, 200, "{let_in:?}");
}

#[tokio::test]
async fn asvs_6_3_8_who_has_an_account_can_not_be_told_by_what_is_answered_nor_by_how_long_it_takes()
 {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    office.account("gone", "viewer").await;
    assert_eq!(office.command(&["disable", "gone"]).0, Some(0));
    office.invite("invited", "viewer");
    let mut answers = Vec::new();
    for name in ["ann", "nobody", "gone", "invited", "no name at all"] {
        let (mut best, mut said) = (Duration::MAX, None);
        for try_number in 0..4 {
            // Wrong in each case, but for the one that is disabled.
            let password = if name == "gone" {
                PASSWORD
            } else {
                "not that one"
            };
            let start = Instant::now();
            let answer = office.try_log_in(name, password).await;
            best = best.min(start.elapsed());
            assert_eq!(answer.status, 401, "{name}, {try_number}: {answer:?}");
            said = Some(answer.body);
        }
        answers.push((name, best, said));
    }
    let (_, usual, expected) = answers[0].clone();
    for (name, best, said) in answers {
        assert_eq!(said, expected, "{name}");
        let ratio = best.as_secs_f64() / usual.as_secs_f64();
        assert!(
            (0.5..2.0).contains(&ratio),
            "{name}: {best:?} where {usual:?} is usual"
        );
    }
}

#[tokio::test]
async fn asvs_6_3_3_above_viewer_the_password_alone_lets_in_to_enrol_and_no_further() {
    let office = Office::open(&[]).await;
    office.account("mo", "moderator").await;
    let session = office.log_in("mo").await;
    let me = office.get("/api/v1/me", Some(&session.access)).await;
    assert_eq!(
        (me.status, &me.body["must_enrol"]),
        (200, &json!(true)),
        "{me:?}"
    );
    let refused = office.get("/api/v1/status", Some(&session.access)).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(
        refused.body["detail"].to_string().contains("second factor"),
        "{refused:?}"
    );
    // Another access token of the same session lets in no further.
    let turned = office.refresh(&session.refresh).await;
    let access = turned.body["access_token"].as_str().expect("a token");
    assert_eq!(office.get("/api/v1/status", Some(access)).await.status, 403);
    let (secret, codes) = office.enrol(&session).await;
    assert_eq!(codes.len(), 10);
    assert_eq!(
        office
            .get("/api/v1/status", Some(&session.access))
            .await
            .status,
        200
    );
    // From now on the password alone lets in to nothing at all.
    let first = office.try_log_in("mo", PASSWORD).await;
    assert_eq!(first.body["step"], "factor", "{first:?}");
    let factor_token = first.body["factor_token"].as_str().expect("a token");
    assert_eq!(
        office.get("/api/v1/me", Some(factor_token)).await.status,
        401
    );
    let second = office
        .try_log_in_with("mo", &totp(&secret, now_s() + 30))
        .await;
    assert_eq!(
        (second.status, &second.body["step"]),
        (200, &json!("done")),
        "{second:?}"
    );
}

#[tokio::test]
async fn asvs_6_5_1_a_code_and_a_recovery_code_are_good_once() {
    let office = Office::open(&[]).await;
    office.account("mo", "moderator").await;
    early_in_a_step().await;
    let (secret, codes) = office.enrol(&office.log_in("mo").await).await;
    let replayed = office.try_log_in_with("mo", &totp(&secret, now_s())).await;
    assert_eq!(
        replayed.status, 401,
        "it was shown when it was enrolled: {replayed:?}"
    );
    let before = office
        .try_log_in_with("mo", &totp(&secret, now_s() - 30))
        .await;
    assert_eq!(
        before.status, 401,
        "none before it is good either: {before:?}"
    );
    let next = totp(&secret, now_s() + 30);
    assert_eq!(office.try_log_in_with("mo", &next).await.status, 200);
    assert_eq!(office.try_log_in_with("mo", &next).await.status, 401);
    assert_eq!(office.try_log_in_with("mo", &codes[3]).await.status, 200);
    assert_eq!(office.try_log_in_with("mo", &codes[3]).await.status, 401);
    let typed = codes[4].to_uppercase().replace('-', " ");
    let answer = office.try_log_in_with("mo", &typed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let me = office
        .get("/api/v1/me", answer.body["access_token"].as_str())
        .await;
    assert_eq!(me.body["recovery_codes"], 8, "{me:?}");
}

#[tokio::test]
async fn asvs_6_3_1_codes_are_not_guessed_by_whoever_knows_the_password() {
    let office = Office::open(&[]).await;
    office.account("mo", "moderator").await;
    let (_, codes) = office.enrol(&office.log_in("mo").await).await;
    for _ in 0..5 {
        let wrong = office.try_log_in_with("mo", "000000").await;
        assert_eq!(wrong.status, 401, "{wrong:?}");
    }
    let held_up = office.try_log_in_with("mo", &codes[0]).await;
    assert_eq!(held_up.status, 429, "{held_up:?}");
}

#[tokio::test]
async fn asvs_6_4_1_an_invitation_is_good_once_and_the_last_one_alone() {
    let office = Office::open(&[]).await;
    let code = office.invite("ann", "viewer");
    let path = format!("/api/v1/invitations/{code}");
    let shown = office.get(&path, None).await;
    assert_eq!(
        (shown.status, &shown.body["name"]),
        (200, &json!("ann")),
        "{shown:?}"
    );
    let (_, again, _) = office.command(&["reset", "ann"]);
    let (_, newer) = again.split_once("#invitation=").expect("a link");
    assert_eq!(take(&office, &code, PASSWORD).await.0, 404);
    assert_eq!(take(&office, newer.trim(), PASSWORD).await.0, 200);
    assert_eq!(
        take(&office, newer.trim(), "another long password").await.0,
        404
    );
    assert_eq!(office.try_log_in("ann", PASSWORD).await.status, 200);
    for never in ["x", &"A".repeat(43), "%00"] {
        assert_eq!(take(&office, never, PASSWORD).await.0, 404, "{never}");
    }
}

#[tokio::test]
async fn asvs_6_4_3_and_6_4_6_a_reset_chooses_no_password_and_leaves_no_way_around_the_factor() {
    let office = Office::open(&[]).await;
    let admin = office.somebody("ada", "admin").await;
    let mo = office.somebody("mo", "moderator").await;
    let listed = office.get("/api/v1/accounts", Some(&admin.access)).await;
    let mo_id = listed.body["accounts"][1]["id"].as_i64().expect("a number");
    let account = office
        .get(&format!("/api/v1/accounts/{mo_id}"), Some(&admin.access))
        .await;
    let tag = account.tag.expect("an ETag");
    let path = format!("/api/v1/accounts/{mo_id}/reset");
    let reset = office
        .ask(
            "POST",
            &path,
            Some(&admin.access),
            &[("If-Match", &tag)],
            "{}",
        )
        .await;
    assert_eq!(reset.status, 200, "{reset:?}");
    assert_eq!(office.get("/api/v1/me", Some(&mo.access)).await.status, 401);
    assert_eq!(office.try_log_in("mo", PASSWORD).await.status, 401);
    let code = reset.body["invitation"].as_str().expect("a code");
    assert_eq!(take(&office, code, PASSWORD).await.0, 200);
    // As at the beginning: a second factor first.
    let session = office.log_in("mo").await;
    assert_eq!(
        office
            .get("/api/v1/status", Some(&session.access))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn asvs_7_5_1_another_factor_takes_the_password_and_a_code_of_the_one_in_use() {
    let office = Office::open(&[]).await;
    office.account("mo", "moderator").await;
    let session = office.log_in("mo").await;
    let (_, codes) = office.enrol(&session).await;
    let token = Some(session.access.as_str());
    for (index, path) in ["/api/v1/me/factor", "/api/v1/me/recovery-codes"]
        .into_iter()
        .enumerate()
    {
        let code = &codes[index];
        for (body, said) in [
            (
                json!({"password": "not that one", "code": code}),
                "the password is wrong",
            ),
            (json!({"password": PASSWORD}), "show a code of it as well"),
            (
                json!({"password": PASSWORD, "code": "000000"}),
                "the code is wrong",
            ),
        ] {
            let refused = office.post(path, token, &body).await;
            assert_eq!(refused.status, 403, "{path}: {refused:?}");
            let detail = refused.body["detail"].to_string();
            assert!(detail.contains(said), "{path}: {detail}");
        }
        let body = json!({"password": PASSWORD, "code": code});
        let done = office.post(path, token, &body).await;
        assert_eq!(done.status, 200, "{path}: {done:?}");
    }
}

#[tokio::test]
async fn a_hash_by_lesser_parameters_is_replaced_at_the_next_login() {
    let office = Office::open(&[]).await;
    office.account("ann", "viewer").await;
    let store = office.store().await;
    let name = "ann".parse().expect("a name");
    let account = store
        .account_named(&name)
        .await
        .expect("it answers")
        .expect("it is there");
    let lesser = Params::new(8 * 1024, 1, 1, None).expect("within bounds");
    let change = PasswordChange {
        account: account.id,
        before: account.password.expect("it has one"),
        after: kept(&hash(lesser)),
    };
    let by = By {
        actor: "a test",
        at_ms: 1,
    };
    store
        .rehash_password(&change, by)
        .await
        .expect("it is kept");
    office.log_in("ann").await;
    let account = store.account(account.id).await.expect("it is there");
    let now = account.password.expect("it has one");
    assert!(
        now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        &*now
    );
    office.log_in("ann").await;
}

#[tokio::test]
async fn asvs_6_3_4_the_token_of_the_settings_goes_on_to_let_in_scripts() {
    let office = Office::open(&[("admin.token", TOKEN)]).await;
    office.somebody("ada", "admin").await;
    assert_eq!(office.get("/metrics", Some(TOKEN)).await.status, 200);
    assert_eq!(
        office.get("/api/v1/accounts", Some(TOKEN)).await.status,
        200
    );
    let me = office.get("/api/v1/me", Some(TOKEN)).await;
    assert_eq!((me.status, &me.body["name"]), (200, &json!(null)));
    // It has no account to change.
    let body = json!({"password": PASSWORD, "new_password": "eight blue windows"});
    let answer = office.post("/api/v1/me/password", Some(TOKEN), &body).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(
        office
            .get("/metrics", Some("a-token-that-nobody-guessez"))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn codes_of_a_factor_that_is_being_enrolled_can_not_be_guessed_without_end() {
    let office = Office::open(&[]).await;
    office.account("ann", "moderator").await;
    let ann = office.log_in("ann").await;
    let token = Some(ann.access.as_str());
    let begun = office
        .post("/api/v1/me/factor", token, &json!({"password": PASSWORD}))
        .await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let wrong = json!({"code": "000000"});
    let mut refused = Vec::new();
    for _ in 0..6 {
        let answer = office
            .post("/api/v1/me/factor/confirm", token, &wrong)
            .await;
        refused.push(answer.status);
    }
    assert_eq!(refused, [403, 403, 403, 403, 403, 429]);
}
