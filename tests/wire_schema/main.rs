//! The wire contract as schemas: made from types, kept in docs/, and true of what the server reads and writes.
//!
//! `WIRE_SCHEMAS=write cargo test --test wire_schema` writes docs/schemas/, docs/asyncapi.json and docs/api.md anew.

mod classic;
mod client;
mod documents;
mod page;
mod samples;
mod server;

use documents::{Speech, kind, named, variants};
use jsonschema::Validator;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use whisperchat::dialect::{self, Bounds, ErrorCode, v1};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// The widest bounds that a server can be set to, as the schema has them.
const BOUNDS: Bounds = Bounds {
    range_min_km: f64::MIN_POSITIVE,
    range_max_km: 20_040.0,
};

static V1: LazyLock<Validator> = LazyLock::new(|| validator(Speech::V1Client));
static CLASSIC: LazyLock<Validator> = LazyLock::new(|| validator(Speech::ClassicClient));

fn validator(speech: Speech) -> Validator {
    jsonschema::validator_for(&speech.schema()).expect("it is a schema")
}

/// The operators' requests, as another test holds them to what the server says of itself.
fn openapi() -> Value {
    let path = format!("{DOCS}/openapi.json");
    let text = std::fs::read_to_string(path).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn the_documents_are_current() {
    let mut documents = vec![
        (
            "asyncapi.json".to_owned(),
            format!("{:#}\n", documents::asyncapi()),
        ),
        ("api.md".to_owned(), page::page(&openapi())),
    ];
    for speech in Speech::ALL {
        let name = format!("schemas/{}", speech.file());
        documents.push((name, format!("{:#}\n", speech.schema())));
    }
    for (name, text) in documents {
        let path = format!("{DOCS}/{name}");
        if std::env::var("WIRE_SCHEMAS").is_ok_and(|wish| wish == "write") {
            std::fs::write(&path, &text).expect("docs/ can be written to");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "docs/{name} is out of date: WIRE_SCHEMAS=write cargo test --test wire_schema"
        );
    }
}

#[test]
fn every_reference_in_the_asyncapi_document_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference
                        .strip_prefix('#')
                        .expect("it stays in the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                fields.values().for_each(|value| check(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| check(value, document)),
            _ => {}
        }
    }
    let document = documents::asyncapi();
    check(&document, &document);
    for speech in Speech::ALL {
        let listed = document["operations"][speech.operation()]["messages"].as_array();
        let listed = listed.map_or(0, Vec::len);
        let bare_text = usize::from(speech == Speech::ClassicClient);
        assert_eq!(
            listed,
            variants(&speech.schema()).len() + bare_text,
            "{speech:?}"
        );
    }
}

/// The message of this kind.
fn variant<'a>(schema: &'a Value, wanted: &str) -> &'a Value {
    variants(schema)
        .iter()
        .find(|variant| kind(variant) == wanted)
        .unwrap_or_else(|| panic!("{wanted} is not in the schema"))
}

#[test]
fn what_the_server_writes_is_in_the_schemas_and_nothing_else() {
    for speech in [Speech::V1Server, Speech::ClassicServer] {
        let schema = speech.schema();
        let validator = validator(speech);
        let messages = samples::of(speech);
        let mut written = BTreeSet::new();
        for message in &messages {
            assert!(validator.is_valid(message), "{message}");
            let kind = message["type"].as_str().expect("each has a type");
            let allowed = &variant(&schema, kind)["properties"];
            for name in message.as_object().expect("each is an object").keys() {
                assert!(allowed.get(name).is_some(), "{name} in {message}");
                let mut wrong = message.clone();
                wrong[name] = json!({"no": "such"});
                let is_refused = !validator.is_valid(&wrong);
                assert!(is_refused, "anything would do for {name} in {message}");
            }
            written.insert(kind);
        }
        let described: BTreeSet<_> = variants(&schema).iter().map(kind).collect();
        assert_eq!(written, described);
        for variant in variants(&schema) {
            assert_each_word_is_written(&schema, variant, &messages);
        }
    }
}

/// Of a field that holds one of some words, some message has each.
fn assert_each_word_is_written(schema: &Value, variant: &Value, messages: &[Value]) {
    let fields = variant["properties"].as_object().into_iter().flatten();
    for (name, field) in fields {
        let words = named(schema, field)["enum"].as_array();
        for word in words.into_iter().flatten() {
            let is_written =
                |message: &Value| message["type"] == kind(variant) && message[name] == *word;
            let is_written = messages.iter().any(is_written);
            assert!(is_written, "{} never says {name}: {word}", kind(variant));
        }
    }
}

/// Values near what the fields allow, and far from it.
fn value() -> impl Strategy<Value = Value> {
    let strings = [
        "",
        " ",
        "a",
        "m1",
        "spam",
        "minor",
        "rude",
        "0123456789abcdef",
        "0123456789ABCDEF",
        "0123456789abcde",
        "0123456789abcdefg",
        "\t tabbed\n",
        "in\nside",
        "\u{202e}",
        "\u{85}",
        "\u{feff}",
        "é 🦀",
        "0123456789abcdef0123456789abcdef0123456789abcdef",
    ];
    prop_oneof![
        4 => select(strings.to_vec()).prop_map(Value::from),
        1 => select(vec![23_usize, 24, 25, 32, 33, 64, 65, 500, 501, 2000, 2001])
            .prop_map(|chars| json!("é".repeat(chars))),
        1 => select(vec![24_usize, 25, 32, 33]).prop_map(|chars| json!(format!("  {} ", "x".repeat(chars)))),
        3 => select(vec![
            json!(null), json!(true), json!(false), json!(0), json!(1), json!(-1), json!(0.5), json!(1.5),
            json!(90), json!(90.5), json!(-180), json!(180.1), json!(3600), json!(3600.5), json!(20_040),
            json!(20_040.1), json!(u64::MAX), json!(1e300),
        ]),
        2 => select(vec![
            json!({}), json!([]), json!({"lat": 1, "lon": 180}), json!({"lat": -90.0, "lon": -180.0, "alt": 3}),
            json!({"lat": 91, "lon": 2}), json!({"lat": "1", "lon": 2}), json!({"lat": 1}),
            json!([1, 2]), json!(["go", 7]), json!(["go", "chess"]), json!(["go", " "]), json!([" go\n", "x y"]),
            json!(["a", "b", "c", "d", "e", "f", "g", "h"]), json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        ]),
        1 => vec(select(strings.to_vec()), 0..10).prop_map(Value::from),
    ]
}

const KINDS: [&str; 13] = [
    "join", "update", "cancel", "say", "ack", "typing", "leave", "next", "block", "report",
    "resume", "auth", "bind",
];

const FIELDS: [&str; 18] = [
    "id",
    "position",
    "range_km",
    "max_range_km",
    "name",
    "interests",
    "give_up_s",
    "text",
    "seq",
    "on",
    "token",
    "last_seq",
    "chat",
    "reason",
    "note",
    "evidence",
    "pass",
    "unknown",
];

/// Fields at a bound, and just over it.
fn edges() -> impl Strategy<Value = (&'static str, Value)> {
    let of_chars = |field, chars: usize| (field, json!("é".repeat(chars)));
    let of_digits = |field, digits: usize| (field, json!("0123456789abcdef".repeat(4)[..digits]));
    let interest = |chars: usize| ("interests", json!([format!(" {}", "é".repeat(chars))]));
    select(vec![
        of_chars("id", 64),
        of_chars("id", 65),
        of_chars("name", 32),
        of_chars("name", 33),
        of_chars("text", 2000),
        of_chars("text", 2001),
        of_chars("note", 500),
        of_chars("note", 501),
        of_digits("chat", 15),
        of_digits("chat", 16),
        of_digits("chat", 17),
        of_digits("token", 47),
        of_digits("token", 48),
        of_digits("token", 49),
        interest(24),
        interest(25),
    ])
}

/// A message that is good, and then a few of its fields set to something else.
fn message() -> impl Strategy<Value = Value> {
    let good = select(vec![
        json!({"type": "join", "position": {"lat": 48.85, "lon": 2.35}, "range_km": 50}),
        json!({"type": "update"}),
        json!({"type": "say", "text": "hi", "id": "m1"}),
        json!({"type": "ack", "seq": 3}),
        json!({"type": "typing", "on": true}),
        json!({"type": "block", "chat": "0123456789abcdef"}),
        json!({"type": "report", "chat": "0123456789abcdef", "reason": "spam"}),
        json!({"type": "resume", "token": "0123456789abcdef".repeat(3), "last_seq": 0}),
        json!({"type": "auth", "token": "a.b.c"}),
    ]);
    let any_kind = select(KINDS.to_vec()).prop_map(|kind| json!({"type": kind}));
    let change = prop_oneof![3 => (select(FIELDS.to_vec()), value()), 1 => edges()];
    let changes = vec(change, 0..4);
    (prop_oneof![3 => good, 1 => any_kind], changes).prop_map(|(mut message, changes)| {
        for (field, value) in changes {
            message[field] = value;
        }
        message
    })
}

/// A bind that is good, and then some of it set to something else.
fn bind() -> impl Strategy<Value = Value> {
    let places = [
        "/type",
        "/from",
        "/body",
        "/from/username",
        "/from/location",
        "/from/range",
        "/from/location/lat",
        "/from/location/long",
    ];
    let changes = vec((select(places.to_vec()), value()), 0..3);
    changes.prop_map(|changes| {
        let from = json!({"username": "ann", "location": {"lat": 48.85, "long": 2}, "range": 50});
        let mut bind = json!({"type": "bind", "from": from, "body": ""});
        for (place, value) in changes {
            if let Some(there) = bind.pointer_mut(place) {
                *there = value;
            }
        }
        bind
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_server_reads_exactly_what_the_schema_allows(message in message()) {
        let written = message.to_string();
        let read = v1::decode(&written, &BOUNDS).map_err(|error| error.message);
        prop_assert_eq!(V1.is_valid(&message), read.is_ok(), "{}: {:?}", message, read.err());
    }

    #[test]
    fn the_server_takes_exactly_the_binds_that_the_schema_allows(bind in bind()) {
        let read = dialect::classic::decode(&bind.to_string());
        prop_assert_eq!(CLASSIC.is_valid(&bind), read.is_ok(), "{}: {:?}", bind, read.err());
    }
}

#[test]
fn each_kind_of_message_is_read_and_described() {
    let schema = Speech::V1Client.schema();
    let described: BTreeSet<_> = variants(&schema).iter().map(kind).collect();
    for kind in KINDS {
        let error = v1::decode(&json!({"type": kind}).to_string(), &BOUNDS).err();
        let is_known = error.is_none_or(|error| error.code != ErrorCode::UnknownType);
        assert_eq!(is_known, described.contains(kind), "{kind}");
    }
}
