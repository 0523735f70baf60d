//! All that can be said to the server, and what it says, as one page for people: the messages of both dialects by
//! their schemas, and the operators' requests by their `OpenAPI` document.

use super::documents::{Speech, kind, named, variants};
use serde_json::Value;
use std::fmt::Write as _;

const HEAD: &str = "\
# Messages and requests

For people who write clients or look after a server, every message and request with its fields. The same for programs,
to generate clients, mocks or viewers from:

- [asyncapi.json](asyncapi.json): both dialects, with their channels (AsyncAPI 3)
- [schemas/](schemas): a JSON Schema (2020-12) for each dialect and direction
- [openapi.json](openapi.json): the operators' requests (OpenAPI 3.1), which the server has at `/openapi.json`, too

[protocol.md](protocol.md) says in words when a message may be sent, what the close codes mean and how to resume;
[admin.md](admin.md) says who may ask the operators' requests.

This page and the documents are made of types in the source, by `WIRE_SCHEMAS=write cargo test --test wire_schema`.
`cargo test` fails if they are out of date, if the server writes anything that they don't have, or if it reads anything
else than they allow.
";

/// The whole page.
pub(crate) fn page(openapi: &Value) -> String {
    let mut page = HEAD.to_owned();
    for speech in Speech::ALL {
        let schema = speech.schema();
        let _ = writeln!(page, "\n## {}\n", speech.title());
        let _ = writeln!(page, "{}", words(&schema));
        for variant in variants(&schema) {
            let _ = writeln!(page, "\n### `{}`\n\n{}", kind(variant), words(variant));
            add_fields(&mut page, &schema, variant);
        }
    }
    add_requests(&mut page, openapi);
    page
}

/// Its description on one line, as a table wants it.
fn words(described: &Value) -> String {
    let text = described["description"].as_str().unwrap_or_default();
    text.replace('\n', " ")
}

fn add_fields(page: &mut String, schema: &Value, variant: &Value) {
    let is_required = |name: &str| {
        let mut required = variant["required"].as_array().into_iter().flatten();
        required.any(|required| required == name)
    };
    let sides = [variant, schema].map(|side| side["properties"].as_object());
    let fields = sides.into_iter().flatten().flatten();
    let mut head = "\n| field | | holds | what it is |\n|---|---|---|---|\n";
    for (name, field) in fields.filter(|(name, _)| *name != "type") {
        let presence = if is_required(name) {
            "always"
        } else {
            "optional"
        };
        let holds = holds(schema, field);
        let what = described(schema, field);
        let _ = writeln!(page, "{head}| `{name}` | {presence} | {holds} | {what} |");
        head = "";
    }
}

/// A field's own words, or those of what it refers to.
fn described(schema: &Value, field: &Value) -> String {
    let own = words(field);
    if own.is_empty() {
        words(named(schema, field))
    } else {
        own
    }
}

fn add_requests(page: &mut String, openapi: &Value) {
    let about = words(&openapi["info"]);
    let _ = writeln!(page, "\n## for operators, by HTTP\n\n{about}");
    for (path, methods) in openapi["paths"].as_object().into_iter().flatten() {
        for (method, request) in methods.as_object().into_iter().flatten() {
            let method = method.to_uppercase();
            let summary = request["summary"].as_str().unwrap_or_default();
            let about = [summary.to_owned(), words(request)].join(" ");
            let _ = writeln!(page, "\n### `{method} {path}`\n\n{}", about.trim());
            for parameter in request["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or_default();
                let holds = holds(openapi, &parameter["schema"]);
                let _ = writeln!(page, "\n`{{{name}}}`: {holds}. {}.", words(parameter));
            }
            if let Some(body) = request.get("requestBody") {
                let holds = holds(openapi, content(body));
                let _ = writeln!(page, "\nTakes {holds}.");
            }
            let _ = writeln!(page, "\n| status | holds | what it is |\n|---|---|---|");
            for (status, answer) in request["responses"].as_object().into_iter().flatten() {
                let holds = holds(openapi, content(answer));
                let what = described(openapi, answer);
                let _ = writeln!(page, "| {status} | {holds} | {what} |");
            }
        }
    }
}

/// The schema of a body, whatever it is written in.
fn content(body: &Value) -> &Value {
    let kinds = body["content"].as_object();
    let first = kinds.and_then(|kinds| kinds.values().next());
    first.map_or(&Value::Null, |kind| &kind["schema"])
}

/// What a value may be, in a few words.
fn holds(schema: &Value, field: &Value) -> String {
    let of = named(schema, field);
    let mut words = Vec::new();
    if let Some(fields) = of["properties"].as_object() {
        let inner = |(name, inner)| format!("`{name}`: {}", holds(schema, inner));
        words.push(format!(
            "{{{}}}",
            fields.iter().map(inner).collect::<Vec<_>>().join("; ")
        ));
    } else if let Some(choices) = of["enum"].as_array() {
        words.extend(choices.iter().map(|choice| format!("`{}`", bare(choice))));
    } else if let Some(only) = of.get("const") {
        words.push(format!("`{only}`"));
    } else {
        words.push(kinds(&of["type"]));
    }
    if of["type"] == "array" {
        words.push(format!("each {}", holds(schema, &of["items"])));
    }
    if of.get("const").is_none() {
        let bounds = BOUNDS.iter().filter_map(|bounds| within(of, field, bounds));
        words.extend(bounds);
    }
    if field.get("anyOf").is_some() {
        words.push("or null".to_owned());
    }
    words.join(", ").replace('|', "\\|")
}

/// Keys of a schema that say from what, above what and up to what, and what they count.
const BOUNDS: [([&str; 3], &str); 3] = [
    (["minimum", "exclusiveMinimum", "maximum"], ""),
    (["minLength", "", "maxLength"], " characters"),
    (["minItems", "", "maxItems"], " of them"),
];

/// The bounds of one kind, in words.
fn within(of: &Value, field: &Value, (keys, unit): &([&str; 3], &str)) -> Option<String> {
    let [min, above, max] = keys.map(|key| of.get(key).or_else(|| field.get(key)));
    let words = match (min, above, max) {
        (Some(min), _, Some(max)) => format!("{min} to {max}"),
        (Some(min), _, None) => format!("at least {min}"),
        (None, Some(above), Some(max)) => format!("above {above}, at most {max}"),
        (None, Some(above), None) => format!("above {above}"),
        (None, None, Some(max)) => format!("at most {max}"),
        (None, None, None) => return None,
    };
    Some(words + unit)
}

fn kinds(of: &Value) -> String {
    match of {
        Value::Array(kinds) => kinds.iter().map(bare).collect::<Vec<_>>().join(" or "),
        Value::Null => "JSON".to_owned(),
        Value::String(kind) if kind == "array" => "list".to_owned(),
        kind => bare(kind),
    }
}

/// Without quotes around it.
fn bare(word: &Value) -> String {
    word.as_str()
        .map_or_else(|| word.to_string(), str::to_owned)
}
