//! What the server sends to a v1 client.
#![expect(
    dead_code,
    reason = "these types are read by the derive that makes schemas of them"
)]

use super::client::never_null;
use schemars::JsonSchema;

/// A message from the server. More fields may come in later versions: ignore those you don't know.
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerMessage {
    /// The first message on every connection.
    Welcome {
        protocol: Protocol,
        /// The server's name and version.
        server: String,
        session: String,
        /// What would resume the session on another connection.
        resume_token: String,
        /// For how many seconds after its connection a session can be resumed; 0: not at all.
        resume_window_s: u32,
        /// After how many seconds of silence the server pings; 0: never.
        ping_s: u32,
        /// Where the server asks for a token: whether it has it, or waits for it.
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        auth: Option<Auth>,
        limits: Limits,
    },
    /// The session waits for a partner.
    Waiting {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The range in force now.
        range_km: f64,
        waited_ms: u64,
        /// How many others wait nearby.
        nearby: Nearby,
        estimate_s: Option<Estimate>,
        /// Whether a partner was lost before the chat began.
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        requeued: Option<bool>,
        /// The guest pass to keep from now on. Only in the answer to `join`, where the server gives them.
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        pass: Option<String>,
    },
    /// A chat has begun.
    Matched {
        chat: String,
        partner: Partner,
        distance: Distance,
    },
    /// The partner said something.
    Said {
        /// Counts the messages of one chat towards the receiver, from 1, without gaps.
        seq: u64,
        text: String,
        /// Milliseconds since the Unix epoch.
        at: u64,
    },
    /// The server holds a message for the partner.
    Accepted {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        seq: u64,
    },
    /// The partner's client acknowledged everything up to this number.
    Delivered { seq: u64 },
    /// The partner types, or has stopped.
    Typing { on: bool },
    /// The token is good.
    Authenticated {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// When it expires, in milliseconds since the Unix epoch; null where none is asked for.
        expires_at: Option<u64>,
    },
    /// The partner's connection was lost, and may be resumed.
    PartnerAway,
    /// The partner has resumed.
    PartnerBack,
    /// The chat is over; the receiver is idle.
    PartnerLeft { reason: PartnerLeft },
    /// The two are never paired again.
    Blocked {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        chat: String,
    },
    /// The report was taken.
    Reported {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        chat: String,
    },
    /// The session goes on here.
    Resumed {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        session: String,
        state: State,
        /// False: what was missed can't be filled, and nothing partial is sent.
        recovered: bool,
        /// The old one is spent.
        resume_token: String,
        /// In a chat only, as the two after it.
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        chat: Option<String>,
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        partner: Option<Partner>,
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        distance: Option<Distance>,
    },
    /// The session neither waits nor chats any more.
    Idle {
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        reason: Idle,
    },
    /// The server stops: come back after this delay, which is not everybody's.
    GoingAway { reconnect_after_ms: u64 },
    /// Something was wrong with a message. An error never ends the connection by itself.
    Error {
        code: ErrorCode,
        /// A sentence for a developer.
        message: String,
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[schemars(transform = never_null, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// The version of this dialect.
#[derive(JsonSchema)]
pub(crate) struct Protocol(#[schemars(extend("const" = 1))] u32);

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Auth {
    Required,
    Given,
}

#[derive(JsonSchema)]
pub(crate) struct Limits {
    /// The longest message in bytes.
    max_message_bytes: u64,
    /// The longest text of a `say` in Unicode characters.
    max_text_chars: u64,
    min_range_km: f64,
    max_range_km: f64,
    /// The side of the cells that positions are snapped to in km; 0: they are not.
    position_grid_km: f64,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Nearby {
    None,
    Few,
    Some,
    Many,
}

/// In how many seconds half of those who wait, and nine in ten, are likely to be matched.
#[derive(JsonSchema)]
pub(crate) struct Estimate {
    p50: u64,
    p90: u64,
}

#[derive(JsonSchema)]
pub(crate) struct Partner {
    name: Option<String>,
    shared_interests: Vec<String>,
}

/// Under 10 km, under 100 km, or farther.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Distance {
    Near,
    Region,
    Far,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum PartnerLeft {
    Left,
    Lost,
    Blocked,
    Removed,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum State {
    Idle,
    Waiting,
    Chatting,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum Idle {
    Cancelled,
    Left,
    GaveUp,
    Expired,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    BadJson,
    UnknownType,
    BadField,
    WrongState,
    RateLimited,
    NotFound,
    BadToken,
}
