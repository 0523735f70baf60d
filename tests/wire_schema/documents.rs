//! The documents that are made of the types: a JSON Schema for each dialect and direction, and `AsyncAPI` for
//! all of them.

use super::classic::{ClassicMessage, ClassicRequest};
use super::client::ClientMessage;
use super::server::ServerMessage;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

const TEXT: &str = "\
WhisperChat pairs two people who are within each other's range, and lets them talk. docs/protocol.md says when \
each message may be sent and what the close codes mean.";

/// Whose messages, and of which dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    V1Client,
    V1Server,
    ClassicClient,
    ClassicServer,
}

impl Speech {
    pub(crate) const ALL: [Self; 4] = [
        Self::V1Client,
        Self::V1Server,
        Self::ClassicClient,
        Self::ClassicServer,
    ];

    fn dialect(self) -> &'static str {
        match self {
            Self::V1Client | Self::V1Server => "v1",
            Self::ClassicClient | Self::ClassicServer => "classic",
        }
    }

    fn speaker(self) -> &'static str {
        if self.is_from_client() {
            "client"
        } else {
            "server"
        }
    }

    fn is_from_client(self) -> bool {
        matches!(self, Self::V1Client | Self::ClassicClient)
    }

    /// The file of its schema in docs/schemas.
    pub(crate) fn file(self) -> String {
        format!("{}-{}.json", self.dialect(), self.speaker())
    }

    /// What the page calls it.
    pub(crate) fn title(self) -> String {
        let from = if self.is_from_client() { "a" } else { "the" };
        format!("{}, from {from} {}", self.dialect(), self.speaker())
    }

    /// Its key among `AsyncAPI`'s operations.
    pub(crate) fn operation(self) -> String {
        let verb = if self.is_from_client() {
            "receive"
        } else {
            "send"
        };
        format!("{verb}_{}", self.dialect())
    }

    /// The schema of all its messages.
    pub(crate) fn schema(self) -> Value {
        self.root(&mut self.generator(SchemaSettings::draft2020_12()))
    }

    fn generator(self, settings: SchemaSettings) -> SchemaGenerator {
        if self.is_from_client() {
            settings.for_deserialize().into_generator()
        } else {
            settings.for_serialize().into_generator()
        }
    }

    fn root(self, generator: &mut SchemaGenerator) -> Value {
        let schema = match self {
            Self::V1Client => generator.root_schema_for::<ClientMessage>(),
            Self::V1Server => generator.root_schema_for::<ServerMessage>(),
            Self::ClassicClient => generator.root_schema_for::<ClassicRequest>(),
            Self::ClassicServer => generator.root_schema_for::<ClassicMessage>(),
        };
        schema.to_value()
    }
}

/// `AsyncAPI` 3, whose own schema language is that of draft 7.
pub(crate) fn asyncapi() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = Map::new();
    let mut messages = Map::new();
    let mut operations = Map::new();
    for speech in Speech::ALL {
        let mut generator = speech.generator(settings.clone());
        let schema = speech.root(&mut generator);
        for (name, schema) in generator.take_definitions(true) {
            let before = schemas.insert(name.clone(), schema.clone());
            let is_same = before.is_none_or(|before| before == schema);
            assert!(is_same, "{name} has two meanings");
        }
        let keys = add_messages(&mut messages, &schema, speech);
        operations.insert(speech.operation(), operation(speech, &keys));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "WhisperChat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": TEXT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "v1": channel(
                &messages,
                "v1",
                "/v1/ws",
                "One WebSocket with the subprotocol whisperchat.v1.json or none, one JSON object in each text \
                 frame.",
            ),
            "classic": channel(
                &messages,
                "classic",
                "/",
                "One WebSocket without a subprotocol, as the app of the original server opens it.",
            ),
        },
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    })
}

fn reference(path: &str, key: &str) -> Value {
    json!({"$ref": format!("{path}/{key}")})
}

fn channel(
    messages: &Map<String, Value>,
    dialect: &str,
    address: &str,
    description: &str,
) -> Value {
    let messages: Map<_, _> = messages
        .keys()
        .filter(|key| key.starts_with(dialect))
        .map(|key| (key.clone(), reference("#/components/messages", key)))
        .collect();
    json!({
        "address": address,
        "description": description,
        "messages": messages,
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    })
}

fn operation(speech: Speech, messages: &[String]) -> Value {
    let channel = format!("#/channels/{}", speech.dialect());
    let messages = messages
        .iter()
        .map(|key| reference(&format!("{channel}/messages"), key))
        .collect::<Vec<_>>();
    let (action, summary) = if speech.is_from_client() {
        ("receive", "What a client may send.")
    } else {
        ("send", "What the server sends.")
    };
    json!({
        "action": action,
        "summary": summary,
        "channel": {"$ref": channel},
        "messages": messages,
    })
}

/// Adds each message by itself, with the fields that all from this side have, and returns their keys.
fn add_messages(messages: &mut Map<String, Value>, schema: &Value, speech: Speech) -> Vec<String> {
    let common = schema.get("properties").and_then(Value::as_object);
    let mut keys = Vec::new();
    for variant in variants(schema) {
        let mut payload = variant.clone();
        for (name, field) in common.into_iter().flatten() {
            payload["properties"][name] = field.clone();
        }
        let fields = payload.as_object_mut().expect("a message is an object");
        let summary = fields.remove("description");
        let key = key(speech, kind(variant));
        let message = json!({
            "name": kind(variant),
            "title": key,
            "summary": summary,
            "payload": payload,
        });
        messages.insert(key.clone(), message);
        keys.push(key);
    }
    if speech == Speech::ClassicClient {
        let key = key(speech, "text");
        let message = json!({
            "name": "text",
            "title": key,
            "summary": "Whatever is said to the partner, as it stands.",
            "contentType": "text/plain",
            "payload": {"type": "string"},
        });
        messages.insert(key.clone(), message);
        keys.push(key);
    }
    keys
}

fn key(speech: Speech, kind: &str) -> String {
    format!("{}-{}-{kind}", speech.dialect(), speech.speaker())
}

/// The messages of one side.
pub(crate) fn variants(schema: &Value) -> &[Value] {
    schema["oneOf"].as_array().map_or(&[], Vec::as_slice)
}

/// What a message calls itself.
pub(crate) fn kind(variant: &Value) -> &str {
    variant["properties"]["type"]["const"]
        .as_str()
        .expect("each message is known by its type")
}

/// What a field refers to by name, or itself.
pub(crate) fn named<'a>(schema: &'a Value, field: &'a Value) -> &'a Value {
    let choice = field["anyOf"].get(0).unwrap_or(field);
    choice["$ref"]
        .as_str()
        .and_then(|reference| schema.pointer(reference.trim_start_matches('#')))
        .unwrap_or(choice)
}
