//! What a v1 client may send.
#![expect(
    dead_code,
    reason = "these types are read by the derive that makes schemas of them"
)]

use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Removes the null that an optional field could else be.
pub(crate) fn never_null(schema: &mut Schema) {
    let is_null = |value: &Value| value == "null" || value["type"] == "null";
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| !is_null(kind));
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
        choices.retain(|choice| !is_null(choice));
        if let [Value::Object(only)] = choices.as_slice() {
            for (key, value) in only {
                schema.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A message from a client. Unknown fields are ignored; an optional field may be null unless it says
/// otherwise. Whole numbers are written without a fraction.
#[derive(JsonSchema)]
pub(crate) struct ClientMessage {
    /// Carried back by the direct answer, good or bad.
    #[schemars(length(min = 1, max = 64))]
    id: Option<String>,
    #[schemars(flatten)]
    request: Request,
}

#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Wait for a partner. Only while idle. Answered by `waiting`, and by `matched` when somebody is there.
    Join {
        position: Position,
        /// How far one would go, in km; `welcome.limits` says from what to what on this server.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 20_040))]
        range_km: f64,
        /// Up to where the range may be widened, in km, in the same bounds.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 20_040))]
        max_range_km: Option<f64>,
        #[schemars(transform = name_of_32)]
        name: Option<String>,
        interests: Option<Interests>,
        /// After how many seconds of waiting to give up.
        #[schemars(range(min = 1, max = 3600))]
        give_up_s: Option<f64>,
        /// A guest pass kept from before. One that is not this server's is as good as none.
        pass: Option<String>,
    },
    /// Change what a `join` said, and keep the place in the queue. Only while waiting. Answered by `waiting`.
    Update {
        /// Never null.
        #[schemars(transform = never_null)]
        position: Option<Position>,
        /// As in `join`; never null.
        #[schemars(
            extend("exclusiveMinimum" = 0, "maximum" = 20_040),
            transform = never_null
        )]
        range_km: Option<f64>,
        /// As in `join`.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 20_040))]
        max_range_km: Option<f64>,
        #[schemars(transform = name_of_32)]
        name: Option<String>,
        interests: Option<Interests>,
        /// As in `join`.
        #[schemars(range(min = 1, max = 3600))]
        give_up_s: Option<f64>,
    },
    /// Stop waiting. Answered by `idle`.
    Cancel,
    /// Say something to the partner. Answered by `accepted`.
    Say {
        #[schemars(length(min = 1, max = 2000))]
        text: String,
    },
    /// Everything up to this number has been shown to the person. Not answered.
    Ack {
        #[schemars(range(max = u64::MAX))]
        seq: u64,
    },
    /// The person types, or has stopped. Not answered.
    Typing { on: bool },
    /// Leave the chat. Answered by `idle`.
    Leave,
    /// Leave the chat, if there is one, and wait again by the same criteria. Answered by `waiting`.
    Next,
    /// Never be paired with the partner of this chat again. Answered by `blocked`.
    Block { chat: ChatId },
    /// Report the partner of this chat. Answered by `reported` when that is kept.
    Report {
        chat: ChatId,
        reason: Reason,
        #[schemars(length(max = 500))]
        note: Option<String>,
        /// Whether moderators may see the last messages of the chat.
        evidence: Option<bool>,
    },
    /// Go on with an earlier session. Only as the first message. Answered by `resumed`.
    Resume {
        /// As `welcome` or `resumed` gave it.
        #[schemars(regex(pattern = r"^[0-9A-Fa-f]{48}$"))]
        token: String,
        /// The highest `seq` seen in the chat; 0 for none.
        #[schemars(range(max = u64::MAX))]
        last_seq: u64,
        /// The chat that the client takes to be in.
        chat: Option<ChatId>,
    },
    /// Show a token, or a newer one. Answered by `authenticated`.
    Auth {
        /// A JSON Web Token.
        token: String,
    },
}

/// Where somebody is, in degrees on the WGS-84 ellipsoid.
#[derive(JsonSchema)]
pub(crate) struct Position {
    #[schemars(range(min = -90, max = 90))]
    lat: f64,
    #[schemars(range(min = -180, max = 180))]
    lon: f64,
}

/// Words that may be shared with a partner.
#[derive(JsonSchema)]
pub(crate) struct Interests(#[schemars(length(max = 8))] Vec<Interest>);

/// 1 to 24 characters after trimming, none of them a control or bidirectional-override character.
#[derive(JsonSchema)]
#[schemars(transform = interest_of_24)]
pub(crate) struct Interest(String);

/// A chat as `matched` named it.
#[derive(JsonSchema)]
pub(crate) struct ChatId(#[schemars(regex(pattern = r"^[0-9A-Fa-f]{16}$"))] String);

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Reason {
    Spam,
    Abuse,
    Sexual,
    Minor,
    Threat,
    Other,
}

/// White space as Unicode has it, for character classes.
const WHITE: &str =
    r"\u0009-\u000D\u0020\u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000";
/// Control and bidirectional-override characters.
const DISTURBING: &str = r"\u0000-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069";

/// So many characters between white space: of two or more, those between the first and the last may be white.
fn between_white(inner_max: usize) -> String {
    let edge = format!("[^{WHITE}{DISTURBING}]");
    format!("{edge}(?:[^{DISTURBING}]{{0,{inner_max}}}{edge})?")
}

/// At most 32 characters after trimming.
fn name_of_32(schema: &mut Schema) {
    let pattern = format!("^[{WHITE}]*(?:{})?[{WHITE}]*$", between_white(30));
    schema.insert("pattern".to_owned(), pattern.into());
    let words = "At most 32 characters after trimming, none of them a control or \
                 bidirectional-override character.";
    schema.insert("description".to_owned(), words.into());
}

fn interest_of_24(schema: &mut Schema) {
    let pattern = format!("^[{WHITE}]*{}[{WHITE}]*$", between_white(22));
    schema.insert("pattern".to_owned(), pattern.into());
}
