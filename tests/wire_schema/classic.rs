//! What the app of the original server sends, and what it is sent.
#![expect(
    dead_code,
    reason = "these types are read by the derive that makes schemas of them"
)]

use schemars::JsonSchema;

/// The first text of a client. Unknown fields are ignored; the app sends an empty `body`. Whatever it sends
/// after `connected` is said to the partner as it stands.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClassicRequest {
    /// Wait for a partner. Answered by `connected` when somebody is there.
    Bind { from: Bound },
}

#[derive(JsonSchema)]
pub(crate) struct Bound {
    username: String,
    location: Place,
    /// How far one would go, in whole km; what this server does not allow counts as the nearest that it does.
    #[schemars(range(min = 1, max = u32::MAX))]
    range: u64,
}

/// In degrees.
#[derive(JsonSchema)]
pub(crate) struct Place {
    #[schemars(range(min = -90, max = 90))]
    lat: f64,
    #[schemars(range(min = -180, max = 180))]
    long: f64,
}

/// What the app is sent: three fields, always. Coordinates are written with a decimal point.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClassicMessage {
    /// A chat has begun with the partner in `from`.
    Connected { from: Person, body: Nothing },
    /// Somebody said something: the partner or oneself.
    Client { from: Person, body: String },
    /// The partner in `from` has left.
    Disconnected { from: Person, body: Nothing },
}

#[derive(JsonSchema)]
pub(crate) struct Person {
    username: String,
    /// One's own, as it is kept; a partner's is always 0.0, 0.0.
    location: Place,
    /// One's own, as sent; a partner's is always 0.
    #[schemars(range(max = u32::MAX))]
    range: u64,
}

#[derive(JsonSchema)]
pub(crate) struct Nothing(#[schemars(extend("const" = ""))] String);
