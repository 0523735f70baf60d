//! V6: passkeys, as a second factor.

use crate::authenticator::Authenticator;
use crate::common::Server;
use crate::operators::{Answer, LoggedIn, Office, PASSWORD, now_s, totp};
use serde_json::{Value, json};

/// Somebody who has a passkey, and what came with it.
struct Keyed {
    session: LoggedIn,
    passkey: Authenticator,
    recovery_codes: Vec<String>,
}

/// Somebody of this role whose only second factor is a passkey.
async fn keyed(office: &Office, name: &str, role: &str) -> Keyed {
    office.account(name, role).await;
    let session = office.log_in(name).await;
    let passkey = Authenticator::new(office.address.port());
    let enrolled = enrol(office, &session, &passkey, &json!({"password": PASSWORD})).await;
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let codes = enrolled.body["recovery_codes"].as_array().expect("a list");
    let codes = codes
        .iter()
        .map(|code| code.as_str().expect("a string").to_owned());
    Keyed {
        session,
        passkey,
        recovery_codes: codes.collect(),
    }
}

/// Enrols a passkey; `again` shows that it is still the same person.
async fn enrol(
    office: &Office,
    session: &LoggedIn,
    passkey: &Authenticator,
    again: &Value,
) -> Answer {
    let token = Some(session.access.as_str());
    let begun = office.post("/api/v1/me/passkeys", token, again).await;
    if begun.status != 200 {
        return begun;
    }
    let body = json!({"name": "my key", "credential": passkey.make(&begun.body)});
    office
        .post("/api/v1/me/passkeys/confirm", token, &body)
        .await
}

/// The first step, and what is asked in the second: its token, and what a passkey is to sign.
async fn asked(office: &Office, name: &str) -> (Value, Value) {
    let first = office.try_log_in(name, PASSWORD).await;
    assert_eq!(first.body["step"], "factor", "{first:?}");
    let token = first.body["factor_token"].clone();
    let body = json!({"factor_token": token});
    let asked = office
        .post("/api/v1/login/passkey/begin", None, &body)
        .await;
    assert_eq!(asked.status, 200, "{asked:?}");
    (token, asked.body)
}

async fn show(office: &Office, token: &Value, credential: &Value) -> Answer {
    let body = json!({"factor_token": token, "credential": credential});
    office.post("/api/v1/login/passkey", None, &body).await
}

async fn try_log_in_by(office: &Office, name: &str, passkey: &mut Authenticator) -> Answer {
    let (token, asked) = asked(office, name).await;
    show(office, &token, &passkey.show(&asked)).await
}

/// That it is still the same person, by their passkey.
async fn again(office: &Office, keyed: &mut Keyed) -> Value {
    let token = Some(keyed.session.access.as_str());
    let asked = office
        .post("/api/v1/me/passkeys/ask", token, &json!({}))
        .await;
    assert_eq!(asked.status, 200, "{asked:?}");
    json!({"password": PASSWORD, "passkey": keyed.passkey.show(&asked.body)})
}

/// The actions of the audit log, the first first.
async fn actions(office: &Office) -> Vec<String> {
    let log = office.store().await.audit(None, None, 100).await;
    let rows = log.expect("it answers").rows;
    rows.into_iter().rev().map(|entry| entry.action).collect()
}

#[tokio::test]
async fn asvs_6_3_3_a_passkey_is_a_second_factor_like_any_other() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    assert_eq!(mo.recovery_codes.len(), 10);
    let token = Some(mo.session.access.as_str());
    assert_eq!(office.get("/api/v1/status", token).await.status, 200);
    let me = office.get("/api/v1/me", token).await;
    assert_eq!(me.body["must_enrol"], false, "{me:?}");
    assert_eq!(me.body["factors"], json!(["passkey"]));
    // From now on the password alone lets in to nothing at all.
    let first = office.try_log_in("mo", PASSWORD).await;
    assert_eq!(first.body["step"], "factor", "{first:?}");
    assert_eq!(first.body["factors"], json!(["passkey"]));
    let second = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(
        (second.status, &second.body["step"]),
        (200, &json!("done")),
        "{second:?}"
    );
    let session = LoggedIn::of(&second);
    let listed = office
        .get("/api/v1/me/passkeys", Some(&session.access))
        .await;
    let shown = &listed.body["passkeys"][0];
    assert_eq!(shown["name"], "my key", "{listed:?}");
    assert!(shown["last_used_at_ms"].is_i64(), "{listed:?}");
    // Who has lost it has the codes.
    let code = &mo.recovery_codes[0];
    assert_eq!(office.try_log_in_with("mo", code).await.status, 200);
    assert_eq!(office.try_log_in_with("mo", code).await.status, 401);
}

#[tokio::test]
async fn asvs_6_5_1_what_a_passkey_has_signed_is_good_once() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let (token, asking) = asked(&office, "mo").await;
    let signed = mo.passkey.show(&asking);
    assert_eq!(show(&office, &token, &signed).await.status, 200);
    let replayed = show(&office, &token, &signed).await;
    assert_eq!(replayed.status, 401, "{replayed:?}");
    // Nor is it for what is asked the next time, though the passkey has not signed since.
    let (token, asking) = asked(&office, "mo").await;
    assert_eq!(show(&office, &token, &signed).await.status, 401);
    // After a wrong answer there is no other to the same question.
    let late = show(&office, &token, &mo.passkey.show(&asking)).await;
    assert_eq!(late.status, 401, "{late:?}");
    // What was asked before the last question is answered no more.
    let (_, old) = asked(&office, "mo").await;
    let (token, _) = asked(&office, "mo").await;
    let old = show(&office, &token, &mo.passkey.show(&old)).await;
    assert_eq!(old.status, 401, "{old:?}");
    let good = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(good.status, 200, "{good:?}");
}

#[tokio::test]
async fn asvs_6_3_5_a_passkey_that_was_not_asked_for_is_refused() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let first = office.try_log_in("mo", PASSWORD).await;
    let token = first.body["factor_token"].clone();
    // Of a question that this server never asked.
    let question =
        json!({"options": {"publicKey": {"challenge": "A".repeat(43), "rpId": "localhost"}}});
    let never = show(&office, &token, &mo.passkey.show(&question)).await;
    assert_eq!(never.status, 401, "{never:?}");
    // A first step that was no first step.
    let body = json!({"factor_token": "x"});
    let answer = office
        .post("/api/v1/login/passkey/begin", None, &body)
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    // What is no credential at all is told from a wrong one.
    let (token, _) = asked(&office, "mo").await;
    let nonsense = show(&office, &token, &json!({"id": "x"})).await;
    assert_eq!(nonsense.status, 400, "{nonsense:?}");
}

#[tokio::test]
async fn asvs_6_3_3_a_passkey_is_good_on_its_own_site_and_for_its_owner_alone() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let home = mo.passkey.origin.clone();
    let wrongs: [fn(&mut Authenticator); 4] = [
        |it| it.origin = "https://evil.example".to_owned(),
        |it| it.origin = "http://localhost:1".to_owned(),
        |it| it.site = Some("evil.example".to_owned()),
        |it| it.is_verified = false,
    ];
    for (number, wrong) in wrongs.into_iter().enumerate() {
        wrong(&mut mo.passkey);
        let answer = try_log_in_by(&office, "mo", &mut mo.passkey).await;
        assert_eq!(answer.status, 401, "{number}: {answer:?}");
        mo.passkey.origin.clone_from(&home);
        (mo.passkey.site, mo.passkey.is_verified) = (None, true);
    }
    let good = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(good.status, 200, "{good:?}");
    // Nor is one made elsewhere, or by a device that lets anybody.
    let access = mo.session.access.clone();
    let token = Some(access.as_str());
    for (number, wrong) in wrongs.into_iter().enumerate() {
        let mut other = Authenticator::new(office.address.port());
        wrong(&mut other);
        let again = again(&office, &mut mo).await;
        let begun = office.post("/api/v1/me/passkeys", token, &again).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let body = json!({"name": "another", "credential": other.make(&begun.body)});
        let path = "/api/v1/me/passkeys/confirm";
        let refused = office.post(path, token, &body).await;
        assert_eq!(refused.status, 403, "{number}: {refused:?}");
        let late = office.post(path, token, &body).await;
        assert_eq!(late.status, 409, "{number}: {late:?}");
    }
}

#[tokio::test]
async fn asvs_8_2_2_another_account_s_passkey_is_refused_and_can_not_be_enrolled_twice() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let mut eve = keyed(&office, "eve", "moderator").await;
    let answer = try_log_in_by(&office, "mo", &mut eve.passkey).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    // What one was asked is not what the other was.
    let (_, of_mo) = asked(&office, "mo").await;
    let (token, _) = asked(&office, "eve").await;
    let crossed = show(&office, &token, &mo.passkey.show(&of_mo)).await;
    assert_eq!(crossed.status, 401, "{crossed:?}");
    let body = again(&office, &mut eve).await;
    let twice = enrol(&office, &eve.session, &mo.passkey, &body).await;
    assert_eq!(twice.status, 409, "{twice:?}");
    // Nor can it be removed by who has it not.
    let listed = office
        .get("/api/v1/me/passkeys", Some(&mo.session.access))
        .await;
    let id = listed.body["passkeys"][0]["id"].as_i64().expect("a number");
    let body = again(&office, &mut eve).await;
    let path = format!("/api/v1/me/passkeys/{id}/remove");
    let removed = office.post(&path, Some(&eve.session.access), &body).await;
    assert_eq!(removed.status, 404, "{removed:?}");
}

#[tokio::test]
async fn a_passkey_that_has_signed_no_more_often_than_before_is_refused_and_noted() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    mo.passkey.counter = 7;
    let good = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(good.status, 200, "{good:?}");
    // A copy that was made before.
    mo.passkey.counter = 5;
    let copy = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(copy.status, 401, "{copy:?}");
    let noted = |actions: Vec<String>| {
        let doubts = actions.iter().filter(|action| *action == "passkey.doubt");
        doubts.count()
    };
    assert_eq!(noted(actions(&office).await), 1);
    mo.passkey.counter = 8;
    let good = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(good.status, 200, "{good:?}");
    // Those that are kept by several devices at once do not count.
    let mut ann = keyed(&office, "ann", "moderator").await;
    ann.passkey.counts_by = 0;
    for _ in 0..2 {
        let good = try_log_in_by(&office, "ann", &mut ann.passkey).await;
        assert_eq!(good.status, 200, "{good:?}");
    }
    assert_eq!(noted(actions(&office).await), 1);
}

#[tokio::test]
async fn asvs_6_3_1_wrong_passkeys_are_made_to_wait_as_wrong_codes_are() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let mut stranger = Authenticator::new(office.address.port());
    for _ in 0..5 {
        let wrong = try_log_in_by(&office, "mo", &mut stranger).await;
        assert_eq!(wrong.status, 401, "{wrong:?}");
    }
    let held_up = try_log_in_by(&office, "mo", &mut mo.passkey).await;
    assert_eq!(held_up.status, 429, "{held_up:?}");
    let code = office.try_log_in_with("mo", &mo.recovery_codes[0]).await;
    assert_eq!(code.status, 429, "{code:?}");
}

#[tokio::test]
async fn asvs_7_4_3_with_a_passkey_more_or_less_all_other_sessions_end() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let mut other = LoggedIn::of(&try_log_in_by(&office, "mo", &mut mo.passkey).await);
    let second = Authenticator::new(office.address.port());
    let body = again(&office, &mut mo).await;
    let added = enrol(&office, &mo.session, &second, &body).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(added.body["recovery_codes"], json!(null), "there are some");
    let is_in = async |session: &LoggedIn| {
        office.get("/api/v1/me", Some(&session.access)).await.status == 200
    };
    assert!(is_in(&mo.session).await && !is_in(&other).await);
    other = LoggedIn::of(&try_log_in_by(&office, "mo", &mut mo.passkey).await);
    let body = again(&office, &mut mo).await;
    let path = format!("/api/v1/me/passkeys/{}/remove", added.body["id"]);
    let removed = office.post(&path, Some(&mo.session.access), &body).await;
    assert_eq!(removed.status, 204, "{removed:?}");
    assert!(is_in(&mo.session).await && !is_in(&other).await);
    let expected = [
        "passkey.add",
        "session.begin",
        "passkey.add",
        "session.begin",
        "passkey.remove",
    ];
    let actions = actions(&office).await;
    assert_eq!(actions[actions.len() - 5..], expected);
}

#[tokio::test]
async fn asvs_6_4_4_a_passkey_that_was_removed_lets_nobody_in_and_the_only_factor_stays() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let token = mo.session.access.clone();
    let listed = office.get("/api/v1/me/passkeys", Some(&token)).await;
    let path = format!(
        "/api/v1/me/passkeys/{}/remove",
        listed.body["passkeys"][0]["id"]
    );
    let body = again(&office, &mut mo).await;
    let refused = office.post(&path, Some(&token), &body).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(
        refused.body["detail"]
            .to_string()
            .contains("only second factor")
    );
    // Beside an authenticator it may go; between the question and the answer, too.
    let body = again(&office, &mut mo).await;
    let begun = office.post("/api/v1/me/factor", Some(&token), &body).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let secret = begun.body["secret"].as_str().expect("a string");
    let body = json!({"code": totp(secret, now_s())});
    let path_totp = "/api/v1/me/factor/confirm";
    assert_eq!(
        office.post(path_totp, Some(&token), &body).await.status,
        200
    );
    let first = office.try_log_in("mo", PASSWORD).await;
    assert_eq!(first.body["factors"], json!(["totp", "passkey"]));
    let (factor_token, question) = asked(&office, "mo").await;
    let body = again(&office, &mut mo).await;
    assert_eq!(office.post(&path, Some(&token), &body).await.status, 204);
    let gone = show(&office, &factor_token, &mo.passkey.show(&question)).await;
    assert_eq!(gone.status, 401, "{gone:?}");
    let code = totp(secret, now_s() + 30);
    assert_eq!(office.try_log_in_with("mo", &code).await.status, 200);
    let body = json!({"factor_token": factor_token});
    let none = office
        .post("/api/v1/login/passkey/begin", None, &body)
        .await;
    assert_eq!(none.status, 409, "{none:?}");
}

#[tokio::test]
async fn a_viewer_may_remove_the_only_passkey_and_its_codes_with_it() {
    let office = Office::open(&[]).await;
    let mut vera = keyed(&office, "vera", "viewer").await;
    let token = vera.session.access.clone();
    let listed = office.get("/api/v1/me/passkeys", Some(&token)).await;
    let path = format!(
        "/api/v1/me/passkeys/{}/remove",
        listed.body["passkeys"][0]["id"]
    );
    let body = again(&office, &mut vera).await;
    assert_eq!(office.post(&path, Some(&token), &body).await.status, 204);
    let me = office.get("/api/v1/me", Some(&token)).await;
    assert_eq!(
        (&me.body["factors"], &me.body["recovery_codes"]),
        (&json!([]), &json!(0))
    );
    office.log_in("vera").await;
}

#[tokio::test]
async fn asvs_7_5_1_what_is_changed_of_passkeys_takes_the_password_and_a_factor_again() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let token = mo.session.access.clone();
    let listed = office.get("/api/v1/me/passkeys", Some(&token)).await;
    let remove = format!(
        "/api/v1/me/passkeys/{}/remove",
        listed.body["passkeys"][0]["id"]
    );
    // Asked while logging in is not asked again.
    let (_, question) = asked(&office, "mo").await;
    let elsewhere = json!({"password": PASSWORD, "passkey": mo.passkey.show(&question)});
    for body in [
        json!({"password": "not that one"}),
        json!({"password": PASSWORD}),
        json!({"password": PASSWORD, "code": "000000"}),
        elsewhere,
    ] {
        for path in ["/api/v1/me/passkeys", &remove, "/api/v1/me/recovery-codes"] {
            let refused = office.post(path, Some(&token), &body).await;
            // The fifth wrong one has to wait.
            assert!(
                [403, 429].contains(&refused.status),
                "{path} {body}: {refused:?}"
            );
        }
        let code = mo.recovery_codes.pop().expect("ten");
        let answer = office.try_log_in_with("mo", &code).await;
        assert_eq!(answer.status, 200, "which forgives the tries before");
    }
    let renewed = again(&office, &mut mo).await;
    let path = "/api/v1/me/recovery-codes";
    assert_eq!(office.post(path, Some(&token), &renewed).await.status, 200);
    let twice = office.post(path, Some(&token), &renewed).await;
    assert_eq!(twice.status, 403, "{twice:?}");
}

#[tokio::test]
async fn asvs_6_4_6_a_reset_takes_the_passkeys_as_well() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let (factor_token, question) = asked(&office, "mo").await;
    let (_, printed, _) = office.command(&["reset", "mo"]);
    let (_, code) = printed.split_once("#invitation=").expect("a link");
    let path = format!("/api/v1/invitations/{}", code.trim());
    let taken = office
        .post(&path, None, &json!({"password": PASSWORD}))
        .await;
    assert_eq!(taken.status, 200, "{taken:?}");
    let gone = show(&office, &factor_token, &mo.passkey.show(&question)).await;
    assert_eq!(gone.status, 401, "{gone:?}");
    let session = office.log_in("mo").await;
    let me = office.get("/api/v1/me", Some(&session.access)).await;
    assert_eq!(me.body["must_enrol"], true, "{me:?}");
    assert_eq!(me.body["factors"], json!([]));
}

#[tokio::test]
async fn an_account_has_ten_passkeys_and_each_has_a_name() {
    let office = Office::open(&[]).await;
    let mut mo = keyed(&office, "mo", "moderator").await;
    let token = mo.session.access.clone();
    for number in 2..=10 {
        let passkey = Authenticator::new(office.address.port());
        let body = again(&office, &mut mo).await;
        let enrolled = enrol(&office, &mo.session, &passkey, &body).await;
        assert_eq!(enrolled.status, 200, "{number}: {enrolled:?}");
    }
    let body = again(&office, &mut mo).await;
    let passkey = Authenticator::new(office.address.port());
    let eleventh = enrol(&office, &mo.session, &passkey, &body).await;
    assert_eq!(eleventh.status, 409, "{eleventh:?}");
    assert!(eleventh.body["detail"].to_string().contains("10 passkeys"));
    let body = again(&office, &mut mo).await;
    let begun = office
        .post("/api/v1/me/passkeys", Some(&token), &body)
        .await;
    for name in ["", "  ", &"x".repeat(41)] {
        let body = json!({"name": name, "credential": passkey.make(&begun.body)});
        let path = "/api/v1/me/passkeys/confirm";
        let refused = office.post(path, Some(&token), &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
}

#[tokio::test]
async fn passkeys_are_bound_to_the_host_of_the_setting() {
    let office = Office::open(&[("admin.origin", "https://ops.example.com:8443")]).await;
    office.account("mo", "moderator").await;
    let session = office.log_in("mo").await;
    let mut passkey = Authenticator::new(0);
    let body = json!({"password": PASSWORD});
    let here = enrol(&office, &session, &passkey, &body).await;
    assert_eq!(here.status, 403, "{here:?}");
    assert!(here.body["detail"].to_string().contains("`admin.origin`"));
    passkey.origin = "https://ops.example.com:8443".to_owned();
    let there = enrol(&office, &session, &passkey, &body).await;
    assert_eq!(there.status, 200, "{there:?}");
    let (_, question) = asked(&office, "mo").await;
    assert_eq!(question["options"]["publicKey"]["rpId"], "ops.example.com");
    for no_origin in [
        "https://192.0.2.1",
        "http://ops.example.com",
        "https://ops.example.com/",
    ] {
        let (code, _, stderr) = Server::refused(&[("admin.origin", no_origin)]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("`admin.origin` must be"), "{stderr}");
    }
}
