//! The classic dialect: what clients say first, and what they are told.

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Who somebody says they are.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Profile {
    pub(crate) username: String,
    pub(crate) location: Location,
    /// In km.
    pub(crate) range: u32,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Location {
    pub(crate) lat: f64,
    pub(crate) long: f64,
}

#[derive(Deserialize)]
struct Bind {
    r#type: String,
    from: Profile,
}

/// Reads a client's first frame; `None` if it is not a bind.
pub(crate) fn bind(text: &str) -> Option<Profile> {
    let bind: Bind = serde_json::from_str(text).ok()?;
    let Location { lat, long } = bind.from.location;
    let is_on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&long);
    (bind.r#type == "bind" && is_on_earth).then_some(bind.from)
}

#[derive(Serialize)]
struct Frame<'a> {
    r#type: &'a str,
    from: &'a Profile,
    body: &'a str,
}

/// A frame of a kind, from somebody.
pub(crate) fn frame(kind: &str, from: &Profile, body: &str) -> Utf8Bytes {
    let frame = Frame {
        r#type: kind,
        from,
        body,
    };
    let text = serde_json::to_string(&frame).expect("strings and numbers can be written as JSON");
    text.into()
}
