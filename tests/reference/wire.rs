//! What the wire contract allows, by its tables and numbers alone: messages to a v1 client, what a decoded
//! message may hold, and the frames that the classic app's strict decoder takes.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use whisperchat::dialect::Bounds;
use whisperchat::dialect::v1::{Message, Request};
use whisperchat::geo::{Position, Range};
use whisperchat::lobby::{Command, Name};

/// The bounds of ranges in these tests.
pub(crate) const BOUNDS: Bounds = Bounds {
    range_min_km: 2.0,
    range_max_km: 20_040.0,
};

/// Each message to a v1 client with its fields: what each holds, in any order; `?` may be left out.
const MESSAGES: &str = "
    welcome:      protocol=count server=string session=string resume_token=string resume_window_s=count \
                  ping_s=count limits.max_message_bytes=count limits.max_text_chars=count \
                  limits.min_range_km=number limits.max_range_km=number limits.position_grid_km=number
    waiting:      range_km=number waited_ms=count nearby=none|few|some|many estimate_s=object|null \
                  requeued?=bool pass?=string id?=string
    matched:      chat=string partner.name=string|null partner.shared_interests=strings \
                  distance=near|region|far
    said:         seq=count text=string at=count
    accepted:     seq=count id?=string
    delivered:    seq=count
    typing:       on=bool
    partner_away:
    partner_back:
    partner_left: reason=left|lost|blocked|removed
    blocked:      chat=string id?=string
    reported:     chat=string id?=string
    resumed:      session=string state=idle|waiting|chatting recovered=bool resume_token=string id?=string \
                  chat?=string partner.name?=string|null partner.shared_interests?=strings \
                  distance?=near|region|far
    idle:         reason=cancelled|left|gave_up|expired id?=string
    going_away:   reconnect_after_ms=count
    error:        code=bad_json|unknown_type|bad_field|wrong_state|rate_limited|not_found|bad_token \
                  message=string retry_after_ms?=count id?=string
";

/// Parses a message to a v1 client; panics unless it has exactly the fields of the contract.
pub(crate) fn v1_message(json: &str) -> Value {
    let message: Value = serde_json::from_str(json).expect("each message is JSON");
    let mut unknown = message
        .as_object()
        .expect("each message is an object")
        .clone();
    let kind = unknown.remove("type").expect("each message has a type");
    let fields = MESSAGES
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == kind);
    let Some((_, fields)) = fields else {
        panic!("{kind} is not in the contract");
    };
    for field in fields.split_whitespace() {
        let (path, holds) = field.split_once('=').expect("the table is well formed");
        let (path, is_optional) = path
            .strip_suffix('?')
            .map_or((path, false), |path| (path, true));
        let value = path
            .split('.')
            .try_fold(&message, |value, name| value.get(name));
        match value {
            None => assert!(is_optional, "`{path}` is missing: {json}"),
            Some(value) => {
                let fits = holds.split('|').any(|kind| is_of_kind(value, kind));
                assert!(fits, "`{path}` must hold {holds}: {json}");
            }
        }
        unknown.remove(path.split('.').next().unwrap_or(path));
    }
    assert!(
        unknown.is_empty(),
        "{unknown:?} is not in the contract: {json}"
    );
    message
}

fn is_of_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "count" => value.is_u64(),
        "number" => value.as_f64().is_some_and(f64::is_finite),
        "bool" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "strings" => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string)),
        word => value.as_str() == Some(word),
    }
}

/// Panics unless everything in a decoded message is within the contract's bounds.
pub(crate) fn assert_within_bounds(message: &Message<'_>) {
    if let Some(id) = &message.id {
        assert!((1..=64).contains(&id.chars().count()));
    }
    match &message.request {
        Request::Lobby(Command::Join(join)) => {
            assert_position(join.position);
            assert_ranges([Some(join.range), join.range_max]);
            assert_names(join.profile.name.as_ref(), &join.profile.interests);
            assert!(
                join.profile
                    .name
                    .as_ref()
                    .is_none_or(|name| !name.is_empty())
            );
            assert_give_up(join.give_up);
        }
        Request::Lobby(Command::Update(update)) => {
            if let Some(position) = update.position {
                assert_position(position);
            }
            assert_ranges([update.range, update.range_max]);
            let interests = update.interests.as_deref().unwrap_or_default();
            assert_names(update.name.as_ref(), interests);
            assert_give_up(update.give_up);
        }
        Request::Say { text } => assert!((1..=2000).contains(&text.chars().count())),
        Request::Lobby(Command::Report(report)) => {
            let note = report.note.as_ref();
            assert!(note.is_none_or(|note| note.chars().count() <= 500));
        }
        Request::Lobby(_)
        | Request::Acknowledge { .. }
        | Request::Typing { .. }
        | Request::Authenticate { .. }
        | Request::Resume { .. } => {}
    }
}

fn assert_position(position: Position) {
    assert!((-90.0..=90.0).contains(&position.lat_deg()));
    assert!((-180.0..=180.0).contains(&position.lon_deg()));
}

fn assert_ranges(ranges: [Option<Range>; 2]) {
    for range in ranges.into_iter().flatten() {
        // A range in km is kept in metres.
        assert!((1_999.999_999..=20_040_000.000_001).contains(&range.metres()));
    }
}

pub(crate) fn assert_names(name: Option<&Name>, interests: &[Name]) {
    assert!(interests.len() <= 8);
    assert!(interests.iter().all(|interest| !interest.is_empty()));
    let bounded = name
        .map(|name| (name, 32))
        .into_iter()
        .chain(interests.iter().map(|i| (i, 24)));
    for (text, chars_max) in bounded {
        assert!(text.chars().count() <= chars_max);
        assert_eq!(text.as_str(), text.trim());
        assert!(!text.chars().any(disturbs));
    }
}

fn assert_give_up(give_up: Option<Duration>) {
    assert!(give_up.is_none_or(|after| (1.0..=3600.0).contains(&after.as_secs_f64())));
}

/// Control characters and those that embed, override or isolate a direction (Unicode Standard Annex #9).
pub(crate) fn disturbs(char: char) -> bool {
    char.is_control()
        || "\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}".contains(char)
}

/// A frame to the classic app, as its decoder reads it.
#[derive(Deserialize)]
pub(crate) struct ClassicFrame {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) from: ClassicFrom,
    pub(crate) body: String,
}

#[derive(Deserialize)]
pub(crate) struct ClassicFrom {
    pub(crate) username: String,
    location: ClassicLocation,
    range: Box<RawValue>,
}

#[derive(Deserialize)]
struct ClassicLocation {
    lat: Box<RawValue>,
    long: Box<RawValue>,
}

/// Parses a frame to the classic app; panics unless the app's decoder would take it.
pub(crate) fn classic_frame(json: &str) -> ClassicFrame {
    let frame: ClassicFrame = serde_json::from_str(json).expect("each frame has all of its fields");
    assert!(["connected", "client", "disconnected"].contains(&frame.kind.as_str()));
    let is_digits = |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_digit());
    assert!(
        is_digits(frame.from.range.get()),
        "the range is a whole number: {json}"
    );
    for coordinate in [&frame.from.location.lat, &frame.from.location.long] {
        let text = coordinate.get();
        let parts = text.strip_prefix('-').unwrap_or(text).split_once('.');
        let is_decimal =
            parts.is_some_and(|(whole, fraction)| is_digits(whole) && is_digits(fraction));
        assert!(is_decimal, "{text} is not written with a decimal point");
    }
    frame
}

impl ClassicFrame {
    /// Latitude, longitude and range as the app understands them.
    pub(crate) fn standing(&self) -> (f64, f64, f64) {
        let number = |raw: &RawValue| raw.get().parse().expect("digits are a number");
        let location = &self.from.location;
        (
            number(&location.lat),
            number(&location.long),
            number(&self.from.range),
        )
    }
}
