//! What is refused in a message, and how it is said.

use crate::PARIS;
use crate::common::{Pair, Server, V1, join, with};
use serde_json::{Value, json};

/// Ways to fill one field badly, and what the error must tell besides the field's name.
struct Bad {
    field: &'static str,
    bounds: &'static [&'static str],
    values: Vec<String>,
}

fn bad(
    field: &'static str,
    bounds: &'static [&'static str],
    values: impl IntoIterator<Item = impl Into<String>>,
) -> Bad {
    Bad {
        field,
        bounds,
        values: values.into_iter().map(Into::into).collect(),
    }
}

/// A server on which a table of errors fits into one connection.
fn server() -> Server {
    Server::exact(&[
        ("limits.errors_per_minute", "1000"),
        ("matching.max_range_km", "500"),
    ])
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Control and bidirectional-override characters, each inside a word.
fn words_with_forbidden_characters() -> impl Iterator<Item = String> {
    [
        '\0', '\u{7}', '\n', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}',
    ]
    .into_iter()
    .chain('\u{202a}'..='\u{202e}')
    .chain('\u{2066}'..='\u{2069}')
    .map(|forbidden| format!("a{forbidden}b"))
}

/// Everything that `join` and `update` refuse alike, given a range of 10 km.
fn bad_wishes() -> Vec<Bad> {
    let list = |count: usize, word: &str| json!(vec![word; count]).to_string();
    let forbidden = || words_with_forbidden_characters();
    vec![
        bad("position", &[], ["null", "5", "\"48,2\"", "[48,2]", "true"]),
        bad("lat", &["90"], ["null", "\"48\"", "true", "[1]", "{}"]),
        bad(
            "lat",
            &["90"],
            ["90.000001", "-90.1", "1e999", "-1e999", "1e18"],
        ),
        bad("lon", &["180"], ["null", "\"2\"", "true", "[1]", "{}"]),
        bad("lon", &["180"], ["180.000001", "-180.1", "1e999", "-1e999"]),
        bad(
            "range_km",
            &["0.1", "500"],
            ["null", "\"10\"", "true", "[10]"],
        ),
        bad(
            "range_km",
            &["0.1", "500"],
            ["0", "-5", "0.0999", "500.001", "1e999"],
        ),
        bad(
            "max_range_km",
            &["500"],
            ["\"20\"", "true", "[20]", "500.001", "1e999"],
        ),
        bad("max_range_km", &[], ["9.999", "0", "-20"]),
        bad("name", &["32"], ["5", "true", "[\"ann\"]", "{}"]),
        bad(
            "name",
            &["32"],
            [quoted(&"a".repeat(33)), quoted(&"😀".repeat(33))],
        ),
        bad("name", &[], forbidden().map(|word| quoted(&word))),
        bad("interests", &["8"], ["\"music\"", "{}", "5", "true"]),
        bad("interests", &["8"], [list(9, "x")]),
        bad(
            "interests",
            &["24"],
            [list(1, &"a".repeat(25)), list(2, &"😀".repeat(25))],
        ),
        bad(
            "interests",
            &[],
            ["[5]", "[null]", "[[\"x\"]]", "[\"x\",{}]"],
        ),
        bad("interests", &[], forbidden().map(|word| list(1, &word))),
        bad(
            "give_up_s",
            &["1", "3600"],
            ["\"60\"", "true", "[60]", "0", "-1"],
        ),
        bad("give_up_s", &["1", "3600"], ["0.5", "3601", "1e999"]),
    ]
}

/// A message with one field set, the rest as good as it needs to be.
fn message(kind: &str, field: &str, value: &str) -> String {
    let member = match field {
        "lat" => format!(r#""position":{{"lat":{value},"lon":2}}"#),
        "lon" => format!(r#""position":{{"lat":1,"lon":{value}}}"#),
        _ => format!(r#""{field}":{value}"#),
    };
    let rest = match (kind, field) {
        ("join", "lat" | "lon" | "position") => r#","range_km":10"#,
        ("join", "range_km") => r#","position":{"lat":1,"lon":2}"#,
        ("join", _) => r#","position":{"lat":1,"lon":2},"range_km":10"#,
        _ => "",
    };
    format!(r#"{{"type":"{kind}","id":"seven",{member}{rest}}}"#)
}

/// Sends a message that must be refused as a whole because of this field.
async fn check_bad_field(client: &mut V1, message: &str, field: &str, bounds: &[&str]) {
    client.send_text(message).await;
    let error = client.expect_error("bad_field").await;
    assert_eq!(error["id"], "seven", "{error} for {message}");
    check_names(&error, field, bounds, message);
}

fn check_names(error: &Value, field: &str, bounds: &[&str], message: &str) {
    let told = error["message"].as_str().unwrap_or_default();
    let mut words = told.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    assert!(
        words.any(|word| word == field),
        "{error} names no {field} for {message}"
    );
    for bound in bounds {
        assert!(
            told.contains(bound),
            "{error} names no {bound} for {message}"
        );
    }
}

#[tokio::test]
async fn a_join_with_a_bad_field_is_refused_and_named() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    for Bad {
        field,
        bounds,
        values,
    } in bad_wishes()
    {
        for value in values {
            let text = message("join", field, &value);
            check_bad_field(&mut ann, &text, field, bounds).await;
        }
    }
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn an_update_with_a_bad_field_is_refused_and_changes_nothing() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    let wish = json!({"name": "Ann", "interests": ["chess"]});
    ann.ask(with(join(PARIS, 10.0), wish), "waiting").await;
    for Bad {
        field,
        bounds,
        values,
    } in bad_wishes()
    {
        for value in values {
            let text = message("update", field, &value);
            check_bad_field(&mut ann, &text, field, bounds).await;
        }
    }
    let text = r#"{"type":"update","id":"seven","range_km":400,"name":5}"#;
    check_bad_field(&mut ann, text, "name", &[]).await;
    let waiting = ann.expect_still_waiting().await;
    assert_eq!(waiting["range_km"].as_f64(), Some(10.0));

    let mut bob = V1::connect(&server).await;
    bob.ask(
        with(join(PARIS, 0.1), json!({"interests": ["chess"]})),
        "waiting",
    )
    .await;
    let partner = &bob.expect("matched").await["partner"];
    assert_eq!(
        *partner,
        json!({"name": "Ann", "shared_interests": ["chess"]})
    );
}

#[tokio::test]
async fn a_join_without_a_required_field_is_refused_and_named() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    for (members, field, bounds) in [
        (r#""range_km":10"#, "position", [].as_slice()),
        (r#""position":{"lon":2},"range_km":10"#, "lat", &["90"]),
        (r#""position":{"lat":1},"range_km":10"#, "lon", &["180"]),
        (
            r#""position":{"lat":1,"lng":2},"range_km":10"#,
            "lon",
            &["180"],
        ),
        (
            r#""position":{"lat":1,"lon":2}"#,
            "range_km",
            &["0.1", "500"],
        ),
        (
            r#""position":{"lat":1,"lon":2},"max_range_km":10"#,
            "range_km",
            &["0.1", "500"],
        ),
    ] {
        let text = format!(r#"{{"type":"join","id":"seven",{members}}}"#);
        check_bad_field(&mut ann, &text, field, bounds).await;
    }
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn whatever_is_within_the_bounds_is_accepted() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    let most_interests = json!(["é".repeat(24), "b", "c", "d", "e", "f", "g", "h"]);
    for good in [
        json!({"position": {"lat": 90, "lon": 180}}),
        json!({"position": {"lat": -90.0, "lon": -180.0}}),
        json!({"position": {"lat": 0, "lon": -0.0}}),
        json!({"range_km": 0.1}),
        json!({"range_km": 500}),
        json!({"max_range_km": 10}),
        json!({"max_range_km": 500.0}),
        json!({"give_up_s": 1}),
        json!({"give_up_s": 3600}),
        json!({"name": "😀".repeat(32)}),
        json!({"name": format!("  {}  ", "a".repeat(32))}),
        json!({"name": "Ann-Sofie O'Neill من"}),
        json!({"interests": []}),
        json!({"interests": most_interests}),
    ] {
        let wish = with(join(PARIS, 10.0), good);
        let range_km = wish["range_km"].as_f64();
        let waiting = ann.ask(wish, "waiting").await;
        assert_eq!(waiting["range_km"].as_f64(), range_km);
        let idle = ann.ask(json!({"type": "cancel"}), "idle").await;
        assert_eq!(idle["reason"], "cancelled");
    }
}

#[tokio::test]
async fn in_a_chat_bad_fields_are_refused_and_named() {
    let server = server();
    let mut pair = Pair::chatting(&server, PARIS).await;
    let wrong_types = ["null", "5", "true", "[\"hi\"]", "{}"];
    let too_long = [quoted(&"a".repeat(2001)), quoted(&"é".repeat(2001))];
    for (
        kind,
        Bad {
            field,
            bounds,
            values,
        },
    ) in [
        ("say", bad("text", &["2000"], wrong_types)),
        ("say", bad("text", &["2000"], ["\"\""])),
        ("say", bad("text", &["2000"], too_long)),
        (
            "ack",
            bad("seq", &[], ["null", "\"1\"", "true", "[1]", "-1", "1.5"]),
        ),
        ("ack", bad("seq", &[], ["1e999", "18446744073709551616"])),
        ("typing", bad("on", &[], ["null", "\"true\"", "1", "[]"])),
    ] {
        for value in values {
            let text = message(kind, field, &value);
            check_bad_field(&mut pair.ann, &text, field, bounds).await;
        }
        let text = format!(r#"{{"type":"{kind}","id":"seven"}}"#);
        check_bad_field(&mut pair.ann, &text, field, bounds).await;
    }
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn an_id_that_is_no_string_of_1_to_64_characters_is_refused() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    for id in [
        json!(""),
        json!("a".repeat(65)),
        json!("é".repeat(65)),
        json!(5),
        json!(["x"]),
    ] {
        let message = with(join(PARIS, 10.0), json!({"id": id}));
        ann.send(message.clone()).await;
        let error = ann.expect_error("bad_field").await;
        check_names(&error, "id", &["64"], &message.to_string());
    }
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn what_is_no_json_object_is_bad_json() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    let deep = "[".repeat(4000);
    for text in [
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "hello",
        "'hello'",
        r#"{"type":"cancel"} x"#,
        r#"{"type":"cancel",}"#,
        r#"{"type":"cancel""#,
        r#"{type:"cancel"}"#,
        "{'type':'cancel'}",
        "{\"type\":\"can\ncel\"}",
        r#"{"type":"can\xcel"}"#,
        r#"{"type":"join","position":{"lat":NaN,"lon":2},"range_km":10}"#,
        r#"{"type":"join","position":{"lat":1,"lon":2},"range_km":Infinity}"#,
        r#"{"type":"join","position":{"lat":01,"lon":2},"range_km":10}"#,
        "[]",
        r#"[{"type":"cancel"}]"#,
        r#""cancel""#,
        "5",
        "null",
        "true",
        &deep,
    ] {
        ann.send_text(text).await;
        ann.expect_error("bad_json").await;
    }
    ann.join(PARIS, 10.0).await;
}

#[tokio::test]
async fn half_a_surrogate_pair_is_refused() {
    let server = server();
    let mut pair = Pair::chatting(&server, PARIS).await;
    for half in [r"\ud83d", r"\ude00", r"\ude00\ud83d"] {
        pair.ann
            .send_text(&format!(r#"{{"type":"say","text":"{half}"}}"#))
            .await;
        let error = pair.ann.expect("error").await;
        let code = error["code"].as_str().unwrap_or_default();
        assert!(["bad_json", "bad_field"].contains(&code), "{error}");
    }
    pair.expect_undisturbed().await;
}

#[tokio::test]
async fn a_missing_or_wrong_type_is_a_bad_field_and_an_unknown_one_unknown() {
    let server = server();
    let mut ann = V1::connect(&server).await;
    for message in [
        json!({}),
        json!({"text": "hi"}),
        json!({"type": 5}),
        json!({"type": null}),
    ] {
        let error = ann.refused(message.clone(), "bad_field").await;
        check_names(&error, "type", &[], &message.to_string());
    }
    for kind in [
        "", "nonsense", "Join", "join ", "welcome", "said", "bind", "matched",
    ] {
        ann.refused(json!({"type": kind}), "unknown_type").await;
    }
    ann.join(PARIS, 10.0).await;
}
