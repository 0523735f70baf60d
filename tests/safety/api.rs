//! What moderators do, over HTTP. Who may is in tests/accounts.

use crate::common::{Request, V1, join, with};
use crate::{House, PARIS};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;

/// A server with a store whose operators connect at a port of their own.
async fn house() -> (House, SocketAddr) {
    let house = House::start(&[("admin_listen", "127.0.0.1:0")]).await;
    let admin = house.server.admin_address().await;
    (house, admin)
}

/// The answer to a request: status and JSON.
pub(crate) async fn ask(
    admin: SocketAddr,
    line: &str,
    version: Option<i64>,
    body: &Value,
) -> (u16, Value) {
    let mut request = Request::get("")
        .start_line(&format!("{line} HTTP/1.1"))
        .with("Content-Type", "application/json");
    if let Some(version) = version {
        request = request.with("If-Match", &format!("\"{version}\""));
    }
    let (status, body) = request.body(&body.to_string()).ask(admin).await;
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{line}: {body}")),
    )
}

pub(crate) async fn get(admin: SocketAddr, path: &str) -> Value {
    let (status, body) = ask(admin, &format!("GET {path}"), None, &Value::Null).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn reported(client: &mut V1, chat: &Value) {
    let report = json!({"type": "report", "chat": chat, "reason": "threat", "evidence": true, "note": "help"});
    client.ask(report, "reported").await;
}

#[tokio::test]
async fn a_report_is_seen_with_what_was_said_and_decided_with_a_ban() {
    let (house, admin) = house().await;
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    bob.say("I know where you live").await;
    ann.expect_said("I know where you live").await;
    reported(&mut ann, &chat).await;

    let listed = get(admin, "/api/v1/reports?state=open").await;
    let report = &listed["reports"][0];
    assert_eq!(
        (&report["reason"], &report["note"]),
        (&json!("threat"), &json!("help"))
    );
    assert_eq!(
        (&report["has_evidence"], report.get("evidence")),
        (&json!(true), None)
    );
    let path = format!("/api/v1/reports/{}", report["id"]);
    let whole = get(admin, &path).await;
    assert_eq!(whole["evidence"][0]["text"], "I know where you live");
    assert_eq!(whole["evidence"][0]["by"], "reported");
    assert_eq!(whole["against"]["reports"], 1);

    let decision = json!({"state": "upheld", "ban": {"reason": "You have threatened somebody.", "lasts_s": 3600}});
    let line = format!("POST {path}/decision");
    let (status, decided) = ask(admin, &line, report["version"].as_i64(), &decision).await;
    assert_eq!(status, 200, "{decided}");
    assert_eq!(decided["report"]["state"], "upheld");
    assert_eq!(decided["ban"]["subject"], report["reported"]);
    assert_eq!(decided["ban"]["report"], report["id"]);
    // At once: nobody waits for the next look at the store.
    let (code, reason) = bob.expect_close().await;
    assert_eq!(
        (code, reason.as_str()),
        (4000, "You have threatened somebody.")
    );
    assert_eq!(ann.expect("partner_left").await["reason"], "removed");
    let mut again = V1::connect(&house.server).await;
    again
        .send(with(join(PARIS, 10.0), json!({"pass": of_bob})))
        .await;
    assert_eq!(again.expect_close().await.0, 4000);

    assert_eq!(
        get(admin, "/api/v1/reports?state=open").await["reports"],
        json!([])
    );
    let entries = get(admin, "/api/v1/audit").await["entries"].clone();
    let actions: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert!(actions.contains(&&json!("report.decide")), "{actions:?}");
}

#[tokio::test]
async fn of_two_who_decide_the_same_report_the_second_is_told_so() {
    let (house, admin) = house().await;
    let (mut ann, _bob, _, chat) = house.pair().await;
    reported(&mut ann, &chat).await;
    let report = get(admin, "/api/v1/reports").await["reports"][0].clone();
    let line = format!("POST /api/v1/reports/{}/decision", report["id"]);
    let version = report["version"].as_i64();
    let [upheld, dismissed] = ["upheld", "dismissed"].map(|state| json!({"state": state}));
    let (first, second) = tokio::join!(
        ask(admin, &line, version, &upheld),
        ask(admin, &line, version, &dismissed),
    );
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{first:?} {second:?}");
    let winner = if first.0 == 200 {
        "upheld"
    } else {
        "dismissed"
    };
    assert_eq!(
        get(admin, "/api/v1/reports").await["reports"][0]["state"],
        winner
    );
    // Without saying what was seen, nothing is decided.
    let (status, problem) = ask(admin, &line, None, &upheld).await;
    assert_eq!((status, &problem["status"]), (428, &json!(428)));
    // A decision can be taken back.
    let (status, body) = ask(admin, &line, Some(2), &json!({"state": "open"})).await;
    assert_eq!((status, &body["report"]["state"]), (200, &json!("open")));
}

#[tokio::test]
async fn a_ban_is_made_listed_and_lifted_once() {
    let (house, admin) = house().await;
    let new =
        json!({"network": "127.0.0.1", "reason": "Too many of you.", "appeal": "Write to us."});
    let (status, ban) = ask(admin, "POST /api/v1/bans", None, &new).await;
    assert_eq!(status, 201, "{ban}");
    assert_eq!(
        (&ban["network"], &ban["in_force"]),
        (&json!("127.0.0.1/32"), &json!(true))
    );
    let (code, reason) = V1::turned_away(&house.server).await;
    assert_eq!(
        (code, reason.as_str()),
        (4000, "Too many of you. Write to us.")
    );
    let wanted = "/api/v1/bans?network=127.0.0.1%2F32&in_force=true";
    assert_eq!(get(admin, wanted).await["bans"][0]["id"], ban["id"]);

    let line = format!("DELETE /api/v1/bans/{}", ban["id"]);
    let (status, lifted) = ask(admin, &line, Some(1), &Value::Null).await;
    assert_eq!((status, &lifted["in_force"]), (200, &json!(false)));
    house.guest(None).await;
    assert_eq!(ask(admin, &line, Some(1), &Value::Null).await.0, 412);
    assert_eq!(get(admin, wanted).await["bans"], json!([]));
    let shown = get(admin, &format!("/api/v1/bans/{}", ban["id"])).await;
    assert!(
        shown["lifted_by"].is_string(),
        "it stays in the list: {shown}"
    );
}

/// What comes of asking for a ban by a key: status, `ETag`, `Location` and JSON.
async fn ban_by_key(
    admin: SocketAddr,
    key: &str,
    body: &Value,
) -> (u16, Option<String>, Option<String>, Value) {
    let request = Request::post("/api/v1/bans", &body.to_string())
        .with("Idempotency-Key", key)
        .with("Connection", "close");
    let (head, mut raw) = request.send_to(admin).await;
    let mut text = String::new();
    crate::common::within("an answer's body", raw.stream.read_to_string(&mut text))
        .await
        .expect("the answer is text");
    let header = |name| head.header(name).map(str::to_owned);
    let body = serde_json::from_str(&text).expect("it is JSON");
    (head.status, header("ETag"), header("Location"), body)
}

#[tokio::test]
async fn a_ban_that_is_asked_for_again_by_its_key_is_made_once() {
    let (_house, admin) = house().await;
    let new = json!({"network": "192.0.2.0/24", "reason": "Too many of you."});
    let first = ban_by_key(admin, "\"a-key\"", &new).await;
    assert_eq!((first.0, first.1.as_deref()), (201, Some("\"1\"")));
    let path = format!("/api/v1/bans/{}", first.3["id"]);
    assert_eq!(first.2.as_deref(), Some(path.as_str()));
    assert_eq!(ban_by_key(admin, "a-key", &new).await, first);
    let other = json!({"network": "198.51.100.0/24", "reason": "Too many of you."});
    let (status, _, _, problem) = ban_by_key(admin, "a-key", &other).await;
    assert_eq!((status, &problem["status"]), (422, &json!(422)));
    assert!(
        problem["detail"].to_string().contains("another request"),
        "{problem}"
    );
    for key in ["", "two words", &"x".repeat(256)] {
        let (status, _, _, problem) = ban_by_key(admin, key, &new).await;
        assert_eq!(status, 400, "{key}: {problem}");
    }
    // What is wrong otherwise uses up no key.
    let wrong = json!({"network": "here", "reason": "x"});
    assert_eq!(ban_by_key(admin, "another", &wrong).await.0, 400);
    assert_eq!(ban_by_key(admin, "another", &other).await.0, 201);
    // It is shown as it is by now.
    let (status, _) = ask(admin, &format!("DELETE {path}"), Some(1), &Value::Null).await;
    assert_eq!(status, 200);
    let (status, tag, _, lifted) = ban_by_key(admin, "a-key", &new).await;
    assert_eq!((status, tag.as_deref()), (201, Some("\"2\"")));
    assert_eq!(
        (&lifted["id"], &lifted["in_force"]),
        (&first.3["id"], &json!(false))
    );
    let listed = get(admin, "/api/v1/bans").await;
    assert_eq!(listed["bans"].as_array().map(Vec::len), Some(2), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_connections_that_ask_by_the_same_key_at_once_both_get_the_same_ban() {
    let (_house, admin) = house().await;
    let new = json!({"network": "192.0.2.0/24", "reason": "x"});
    for round in 0..20 {
        let key = format!("key-{round}");
        let (one, other) =
            tokio::join!(ban_by_key(admin, &key, &new), ban_by_key(admin, &key, &new));
        assert_eq!(one.0, 201, "{one:?}");
        assert_eq!(one, other);
        let listed = get(admin, "/api/v1/bans").await;
        let made = listed["bans"].as_array().map(Vec::len);
        assert_eq!(made, Some(round + 1), "{listed}");
    }
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let (house, admin) = house().await;
    for number in 0..5 {
        let new = json!({"network": format!("192.0.2.{number}"), "reason": "x"});
        assert_eq!(ask(admin, "POST /api/v1/bans", None, &new).await.0, 201);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(admin, &format!("/api/v1/bans?limit=2{after}")).await;
        seen.extend(
            page["bans"]
                .as_array()
                .unwrap()
                .iter()
                .map(|ban| ban["network"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..5)
        .rev()
        .map(|number| json!(format!("192.0.2.{number}/32")))
        .collect();
    assert_eq!(seen, expected);
    drop(house);
}

#[tokio::test]
async fn what_is_wrong_is_said_as_a_problem() {
    let (house, admin) = house().await;
    for (line, body, status, said) in [
        (
            "GET /api/v1/reports?state=shut",
            Value::Null,
            400,
            "`state` must be",
        ),
        (
            "GET /api/v1/reports?limit=0",
            Value::Null,
            400,
            "`limit` must be",
        ),
        (
            "GET /api/v1/reports?after=x",
            Value::Null,
            400,
            "`after` must be",
        ),
        ("GET /api/v1/reports?colour=red", Value::Null, 400, "colour"),
        ("GET /api/v1/reports/7", Value::Null, 404, "no such report"),
        ("GET /api/v1/bans/x", Value::Null, 404, "no such ban"),
        ("POST /api/v1/bans", json!({"reason": "x"}), 400, "say who"),
        (
            "POST /api/v1/bans",
            json!({"network": "::/0", "reason": "x"}),
            400,
            "everybody",
        ),
        (
            "POST /api/v1/bans",
            json!({"network": "::1", "reason": "x", "days": 1}),
            400,
            "expected one of",
        ),
    ] {
        let (answered, problem) = ask(admin, line, None, &body).await;
        assert_eq!(answered, status, "{line}: {problem}");
        assert_eq!(problem["status"], status, "{line}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{line}: {detail}");
    }
    drop(house);
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_moderate() {
    let server = crate::Server::start(&[("admin_listen", "127.0.0.1:0")]);
    let admin = server.admin_address().await;
    for line in [
        "GET /api/v1/reports",
        "GET /api/v1/bans",
        "GET /api/v1/audit",
    ] {
        let (status, problem) = ask(admin, line, None, &Value::Null).await;
        assert_eq!(status, 503, "{line}");
        assert!(
            problem["detail"].as_str().unwrap().contains("store.url"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_decision_that_is_taken_back_lifts_the_ban_that_followed_from_it() {
    let (house, admin) = house().await;
    let (mut ann, mut bob, [_, of_bob], chat) = house.pair().await;
    let asks = json!({"type": "report", "chat": chat, "reason": "spam"});
    ann.ask(asks, "reported").await;
    let report = get(admin, "/api/v1/reports").await["reports"][0].clone();
    let line = format!("POST /api/v1/reports/{}/decision", report["id"]);
    let ban = json!({"reason": "You have sent advertisements."});
    let contradiction = json!({"state": "dismissed", "ban": ban});
    let (status, problem) = ask(admin, &line, Some(1), &contradiction).await;
    assert_eq!(status, 400, "{problem}");
    let upheld = json!({"state": "upheld", "ban": ban});
    let (_, decided) = ask(admin, &line, Some(1), &upheld).await;
    assert_eq!(decided["lifted"], json!([]));
    assert_eq!(bob.expect_close().await.0, 4000);
    // Upheld again, it stays.
    let (_, again) = ask(admin, &line, Some(2), &json!({"state": "upheld"})).await;
    assert_eq!(again["lifted"], json!([]));
    let (status, open) = ask(admin, &line, Some(3), &json!({"state": "open"})).await;
    assert_eq!(
        (status, &open["lifted"][0]["id"]),
        (200, &decided["ban"]["id"])
    );
    let (client, _) = house.guest(Some(&of_bob)).await;
    client.close().await;
    let entries = get(admin, "/api/v1/audit").await["entries"].clone();
    let lifted = entries.as_array().unwrap().iter();
    let lifted = lifted.filter(|entry| entry["action"] == "ban.lift");
    assert_eq!(lifted.count(), 1, "{entries}");
}

#[tokio::test]
async fn a_nul_in_a_parameter_is_refused_on_every_database_alike() {
    let (_house, admin) = house().await;
    for path in ["/api/v1/reports?reason=%00", "/api/v1/audit?actor=a%00b"] {
        let (status, body) = Request::get(path).ask(admin).await;
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("NUL"), "{body}");
    }
}
