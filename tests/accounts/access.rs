//! V8: who may do what. Every route is asked for by everybody, and must answer as the table in
//! docs/operators-access.md says.

use crate::operators::{Answer, Office, PASSWORD, TOKEN};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DOCS: &str = include_str!("../../docs/operators-access.md");

/// The columns of the table.
const COLUMNS: [&str; 5] = [
    "nobody",
    "without a second factor",
    "viewer",
    "moderator",
    "admin",
];

/// The route that ends the session of whoever asks, which is asked for last.
const LAST: &str = "POST /api/v1/logout-everywhere";

/// By `GET /path`: who may, in the order of the columns.
type Matrix = BTreeMap<String, [bool; 5]>;

/// The table of the documentation.
fn documented() -> Matrix {
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, route, cells @ .., _] = &cells[..] else {
            return None;
        };
        let route = route.strip_prefix('`')?.strip_suffix('`')?;
        let cells: [&str; 5] = cells.try_into().ok()?;
        let may = cells.map(|cell| {
            assert!(["yes", "no"].contains(&cell), "{line}");
            cell == "yes"
        });
        Some((route.to_owned(), may))
    };
    DOCS.lines().filter_map(row).collect()
}

/// Every route that the server describes, with what it says of who may call it.
async fn described(office: &Office) -> BTreeMap<String, String> {
    let description = office.get("/openapi.json", Some(TOKEN)).await.body;
    let mut routes = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().expect("an object") {
        for (method, operation) in methods.as_object().expect("an object") {
            let rule = operation["x-permission"].as_str();
            let rule = rule.unwrap_or_else(|| panic!("{method} {path} has no rule"));
            routes.insert(format!("{} {path}", method.to_uppercase()), rule.to_owned());
        }
    }
    routes
}

/// Whether the guard let somebody through; what the route says then is another matter.
fn is_let_in(answer: &Answer) -> bool {
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    let by_guard = answer.challenge.is_some()
        || detail.starts_with("your role may not")
        || detail.starts_with("your role takes a second factor");
    !(by_guard && [401, 403].contains(&answer.status))
}

/// Asks for a route in a way that changes little.
async fn call(office: &Office, route: &str, token: Option<&str>) -> Answer {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let path = path
        .replace("{session}", "1")
        .replace("{id}", "999999")
        .replace("{code}", &"A".repeat(43));
    let body = if method == "GET" { "" } else { "{}" };
    office.ask(method, &path, token, &[], body).await
}

#[tokio::test]
async fn asvs_8_1_1_the_table_has_every_route_and_no_other() {
    let office = Office::open(&[("admin.token", TOKEN)]).await;
    let described: BTreeSet<_> = described(&office).await.into_keys().collect();
    let documented: BTreeSet<_> = documented().into_keys().collect();
    assert_eq!(
        documented, described,
        "docs/operators-access.md has other routes than /openapi.json"
    );
}

#[tokio::test]
async fn asvs_8_2_1_everybody_may_what_the_table_says_and_nothing_else() {
    let office = Office::open(&[("admin.token", TOKEN), ("admin.hashes_at_once", "2")]).await;
    let matrix = documented();
    office.account("half", "admin").await;
    let half = office.log_in("half").await;
    let viewer = office.somebody("vera", "viewer").await;
    let moderator = office.somebody("mo", "moderator").await;
    let admin = office.somebody("ada", "admin").await;
    let people = [
        None,
        Some(half.access.as_str()),
        Some(&viewer.access),
        Some(&moderator.access),
        Some(&admin.access),
    ];
    let mut routes: Vec<_> = matrix.keys().filter(|route| *route != LAST).collect();
    let last = LAST.to_owned();
    routes.push(&last);
    let mut wrong = Vec::new();
    for route in routes {
        for (column, token) in people.into_iter().enumerate() {
            let answer = call(&office, route, token).await;
            assert!(
                answer.status < 500 || answer.status == 503,
                "{route}: {answer:?}"
            );
            if is_let_in(&answer) != matrix[route][column] {
                wrong.push(format!("{route} by {}: {}", COLUMNS[column], answer.status));
            }
        }
        // The token of the settings may all that an admin may.
        let answer = call(&office, route, Some(TOKEN)).await;
        assert!(is_let_in(&answer), "{route} by the token: {answer:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn asvs_8_2_3_nobody_sets_a_field_that_is_not_theirs_to_set() {
    let office = Office::open(&[]).await;
    let ada = office.somebody("ada", "admin").await;
    let token = Some(ada.access.as_str());
    let listed = office.get("/api/v1/accounts", token).await;
    let own = format!("/api/v1/accounts/{}", listed.body["accounts"][0]["id"]);
    let tag = office.get(&own, token).await.tag.expect("an ETag");
    let seen = [("If-Match", tag.as_str())];
    for (method, path, body) in [
        ("PATCH", own.as_str(), json!({"password": PASSWORD})),
        ("PATCH", &own, json!({"name": "eve"})),
        ("PATCH", &own, json!({"version": 7})),
        ("PATCH", &own, json!({"has_factor": false})),
        (
            "POST",
            "/api/v1/accounts",
            json!({"name": "eve", "role": "viewer", "state": "active"}),
        ),
        (
            "POST",
            "/api/v1/me/password",
            json!({"password": PASSWORD, "new_password": "eight blue windows", "role": "admin"}),
        ),
        (
            "POST",
            "/api/v1/bans",
            json!({"network": "192.0.2.1", "reason": "x", "created_by": "account:eve"}),
        ),
    ] {
        let refused = office
            .ask(method, path, token, &seen, &body.to_string())
            .await;
        assert_eq!(refused.status, 400, "{method} {path} {body}: {refused:?}");
    }
    let now = office.get(&own, token).await;
    assert_eq!(now.tag.as_ref(), Some(&tag), "nothing has changed");
}

#[tokio::test]
async fn asvs_8_3_1_without_accounts_everything_is_as_before_and_with_the_first_it_is_not() {
    let office = Office::open(&[]).await;
    assert_eq!(office.get("/api/v1/status", None).await.status, 200);
    assert_eq!(office.get("/config", None).await.status, 200);
    // Nobody has taken it yet, and everybody else is out already.
    office.invite("ada", "admin");
    for path in [
        "/api/v1/status",
        "/config",
        "/metrics",
        "/api/v1/accounts",
        "/nothing",
    ] {
        let answer = office.get(path, None).await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert_eq!(answer.kind.as_deref(), Some("application/problem+json"));
        assert!(answer.challenge.is_some());
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("POST /api/v1/login"), "{path}: {detail}");
    }
    for path in ["/livez", "/readyz", "/", "/board.js"] {
        assert_eq!(office.get(path, None).await.status, 200, "{path}");
    }
    let method = office.post("/api/v1/status", None, &Value::Null).await;
    assert_eq!(method.status, 401, "{method:?}");
}
