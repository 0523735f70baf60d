//! The dialect of the original server's app: a JSON `bind` first, raw chat text from then on.
//!
//! The app's decoder is strict: every frame holds `type`, `from` and `body`, and coordinates always have a
//! decimal point. Where somebody else is stays unsaid: anybody but the receiver is at 0.0, 0.0 with range 0.

use super::field::{self, Allowed, FieldError, Raw, required};
use super::{Bounds, CloseCode, Outgoing, Spoken};
use crate::geo::{Position, Range};
use crate::lobby::{Event, IdleReason, Join, Profile};
use crate::private::Private;
use compact_str::CompactString;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// What a partner is called who gave no name, which the app can't do without.
const NAMELESS: &str = "stranger";

/// The longest username that is shown to others, in characters, as in the other dialect.
const SHOWN_NAME_MAX_CHARS: usize = 32;

/// What the app says to be let into the waiting room.
#[derive(Debug, Clone, PartialEq)]
pub struct Bind {
    username: Private<CompactString>,
    position: Position,
    /// Whole km, as sent.
    range_km: f64,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    from: Raw<'a>,
}

#[derive(Deserialize)]
struct FromFields<'a> {
    #[serde(borrow)]
    username: Raw<'a>,
    #[serde(borrow)]
    location: Raw<'a>,
    #[serde(borrow)]
    range: Raw<'a>,
}

#[derive(Deserialize)]
struct LocationFields<'a> {
    #[serde(borrow)]
    lat: Raw<'a>,
    #[serde(borrow)]
    long: Raw<'a>,
}

/// Whether a text is meant as a `bind`, well formed or not. A session that has just lost its partner may
/// still have chat text on its way, which is not.
pub fn is_bind(text: &str) -> bool {
    serde_json::from_str::<Fields>(text)
        .ok()
        .and_then(|fields| fields.kind)
        .is_some_and(|kind| kind.get() == "\"bind\"")
}

/// Reads a `bind`.
///
/// # Errors
/// A sentence that says what is wrong and what is allowed.
pub fn decode(text: &str) -> Result<Bind, String> {
    let expected = "the first text must be a bind: ";
    if !text.trim_start().starts_with('{') {
        return Err(format!("{expected}a JSON object"));
    }
    let fields: Fields =
        serde_json::from_str(text).map_err(|_| format!("{expected}this is not valid JSON"))?;
    if fields.kind.is_none_or(|kind| kind.get() != "\"bind\"") {
        return Err(format!("{expected}`type` must be \"bind\""));
    }
    bind(&fields)
}

fn bind(fields: &Fields<'_>) -> Result<Bind, FieldError> {
    let from: FromFields = required(fields.from, "from", |raw| {
        field::object(raw, "`username`, `location` and `range`")
    })?;
    let location: LocationFields = required(from.location, "from.location", |raw| {
        field::object(raw, "`lat` and `long`")
    })?;
    let lat = required(location.lat, "from.location.lat", |raw| {
        field::number(raw, -90.0, 90.0)
    })?;
    let long = required(location.long, "from.location.long", |raw| {
        field::number(raw, -180.0, 180.0)
    })?;
    let username = required(from.username, "from.username", field::string)?;
    Ok(Bind {
        username: Private::new(username.into()),
        position: Position::new(lat, long).map_err(|error| error.to_string())?,
        range_km: required(from.range, "from.range", whole_km)?,
    })
}

fn whole_km(raw: &RawValue) -> Result<f64, Allowed> {
    serde_json::from_str::<f64>(raw.get())
        .ok()
        .filter(|km| *km >= 1.0 && *km <= f64::from(u32::MAX) && km.fract() == 0.0)
        .ok_or_else(|| "a whole number of km of at least 1".to_owned())
}

impl Bind {
    /// What the lobby is asked for. The app knows nothing of this server's bounds, so a range outside them
    /// counts as the nearest one inside, and a name too long or with disturbing characters is shown to
    /// others without what is too much.
    pub fn join(&self, bounds: &Bounds) -> Join {
        let km = self
            .range_km
            .clamp(bounds.range_min_km, bounds.range_max_km);
        let shown: CompactString = self
            .username
            .chars()
            .filter(|char| !field::is_disturbing(*char))
            .take(SHOWN_NAME_MAX_CHARS)
            .collect();
        let shown = shown.trim();
        Join {
            position: self.position,
            range: Range::from_km(km).expect("the bounds are valid ranges"),
            range_max: None,
            profile: Profile {
                name: (!shown.is_empty()).then(|| Private::new(shown.into())),
                interests: Vec::new(),
            },
            give_up: None,
        }
    }
}

/// One connection's memory: who its person and their partner are, for the `from` of every frame.
#[derive(Debug, Default)]
pub struct Speaker {
    own: Option<Bind>,
    partner_name: Option<Private<CompactString>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    from: From<'a>,
    body: &'a str,
}

#[derive(Serialize)]
struct From<'a> {
    username: &'a str,
    location: Location,
    range: u64,
}

#[derive(Serialize)]
struct Location {
    #[serde(serialize_with = "with_decimal_point")]
    lat: f64,
    #[serde(serialize_with = "with_decimal_point")]
    long: f64,
}

/// Writes 1 as `1.0` and 0.0000001 as that, not as `1e-7`, for the app's decoder.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn with_decimal_point<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = number.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    let raw = RawValue::from_string(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(serializer)
}

impl Speaker {
    /// The person has said who they are.
    pub fn bound(&mut self, bind: Bind) {
        self.own = Some(bind);
    }

    pub(super) fn speak(&mut self, outgoing: Outgoing<'_>, out: &mut Vec<u8>) -> Spoken {
        let frame = match outgoing {
            Outgoing::Lobby(Event::Matched(matched), _) => {
                self.partner_name.clone_from(&matched.partner.name);
                self.partners_frame("connected", "")
            }
            Outgoing::Lobby(Event::PartnerLeft { .. }, _) => {
                self.partners_frame("disconnected", "")
            }
            Outgoing::Said { text, .. } => self.partners_frame("client", text),
            Outgoing::Accepted {
                text: Some(text), ..
            } => self.own_frame(text),
            Outgoing::Lobby(
                Event::Idle {
                    reason: IdleReason::Expired,
                },
                _,
            ) => return Spoken::HangUp(CloseCode::Normal, "waited too long"),
            Outgoing::Lobby(..)
            | Outgoing::Welcome(_)
            | Outgoing::Pass { .. }
            | Outgoing::Resumed { .. }
            | Outgoing::Accepted { text: None, .. }
            | Outgoing::Delivered { .. }
            | Outgoing::Typing { .. }
            | Outgoing::Authenticated { .. }
            | Outgoing::Error(_) => return Spoken::Nothing,
        };
        serde_json::to_writer(out, &frame).expect("memory takes every byte, and keys are strings");
        Spoken::Frame
    }

    fn partners_frame<'a>(&'a self, kind: &'static str, body: &'a str) -> Frame<'a> {
        let name = self.partner_name.as_ref();
        Frame {
            kind,
            from: From {
                username: name.map_or(NAMELESS, |name| name.as_str()),
                location: Location {
                    lat: 0.0,
                    long: 0.0,
                },
                range: 0,
            },
            body,
        }
    }

    fn own_frame<'a>(&'a self, body: &'a str) -> Frame<'a> {
        let own = self.own.as_ref().expect("who says something has bound");
        Frame {
            kind: "client",
            from: From {
                username: &own.username,
                location: Location {
                    lat: own.position.lat_deg(),
                    long: own.position.lon_deg(),
                },
                range: own.range_km as u64,
            },
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lobby::{Matched, Partner, PartnerLeftReason};

    const BOUNDS: Bounds = Bounds {
        range_min_km: 2.0,
        range_max_km: 20_040.0,
    };

    fn bind_of(username: &str, lat: &str, long: &str, range: &str) -> String {
        format!(
            r#"{{"type":"bind","from":{{"username":"{username}","location":{{"lat":{lat},"long":{long}}},"range":{range}}},"body":""}}"#
        )
    }

    fn spoken(speaker: &mut Speaker, outgoing: Outgoing<'_>) -> String {
        let mut out = Vec::new();
        assert_eq!(speaker.speak(outgoing, &mut out), Spoken::Frame);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_bind_is_read_with_or_without_spaces_body_and_more() {
        let spaced = r#" { "type" : "bind" , "from" : { "username" : "ann" , "age": 7,
            "location" : { "lat" : 48.85 , "long" : 2.35, "alt": 1 } , "range" : 50 } } "#;
        for text in [&bind_of("ann", "48.85", "2.35", "50"), spaced] {
            let join = decode(text).unwrap().join(&BOUNDS);
            assert_eq!(join.position, Position::new(48.85, 2.35).unwrap());
            assert_eq!(join.range, Range::from_km(50.0).unwrap());
            assert_eq!(join.profile.name.unwrap().as_str(), "ann");
        }
    }

    #[test]
    fn every_malformed_bind_is_refused_in_words() {
        let cases = [
            ("hello".to_owned(), "JSON object"),
            ("[]".to_owned(), "JSON object"),
            ("{\"type\":\"bind\"".to_owned(), "not valid JSON"),
            ("{}".to_owned(), "`type` must be \"bind\""),
            (
                r#"{"type":"client","from":{}}"#.to_owned(),
                "`type` must be \"bind\"",
            ),
            (r#"{"type":"bind"}"#.to_owned(), "`from` is missing"),
            (
                r#"{"type":"bind","from":[]}"#.to_owned(),
                "`from` must be an object",
            ),
            (
                r#"{"type":"bind","from":{}}"#.to_owned(),
                "`from.location` is missing",
            ),
            (
                bind_of("a", "\"48\"", "2", "5"),
                "`from.location.lat` must be a number from -90 to 90",
            ),
            (bind_of("a", "91", "2", "5"), "-90 to 90"),
            (bind_of("a", "1", "1e999", "5"), "-180 to 180"),
            (
                bind_of("a", "1", "null", "5"),
                "`from.location.long` is missing",
            ),
            (
                bind_of("a", "1", "2", "0"),
                "`from.range` must be a whole number of km of at least 1",
            ),
            (bind_of("a", "1", "2", "-5"), "at least 1"),
            (bind_of("a", "1", "2", "5.5"), "whole number"),
            (bind_of("a", "1", "2", "\"5\""), "whole number"),
            (bind_of("a", "1", "2", "1e300"), "whole number"),
            (
                bind_of("\\ud800", "1", "2", "5"),
                "`from.username` must be a string",
            ),
        ];
        for (text, expected) in cases {
            let reason = decode(&text).unwrap_err();
            assert!(reason.contains(expected), "{text}: {reason}");
            assert!(reason.len() <= 123, "a close frame holds no more: {reason}");
        }
    }

    #[test]
    fn the_app_is_met_within_the_servers_bounds() {
        let join = |text: &str| decode(text).unwrap().join(&BOUNDS);
        assert_eq!(join(&bind_of("a", "1", "2", "1")).range.km(), 2.0);
        assert_eq!(join(&bind_of("a", "1", "2", "50000")).range.km(), 20_040.0);
        assert_eq!(join(&bind_of("", "1", "2", "5")).profile.name, None);
        let long = join(&bind_of(
            &format!("\\u202e{}", "x".repeat(40)),
            "1",
            "2",
            "5",
        ));
        assert_eq!(long.profile.name.unwrap().as_str(), "x".repeat(32));
    }

    #[test]
    fn frames_have_the_form_that_the_app_decodes() {
        let mut speaker = Speaker::default();
        speaker.bound(decode(&bind_of("ann", "1", "-0.0000001", "50")).unwrap());
        let matched = Event::Matched(Matched {
            chat: crate::lobby::ChatId::for_tests(7),
            partner: Partner {
                name: Some(Private::new("bob".into())),
                shared_interests: Vec::new(),
            },
            distance: 5.0.into(),
        });
        let bob = r#""from":{"username":"bob","location":{"lat":0.0,"long":0.0},"range":0}"#;
        let ann =
            r#""from":{"username":"ann","location":{"lat":1.0,"long":-0.0000001},"range":50}"#;
        let left = Event::PartnerLeft {
            reason: PartnerLeftReason::Left,
        };
        let cases = [
            (
                Outgoing::Lobby(&matched, None),
                format!(r#"{{"type":"connected",{bob},"body":""}}"#),
            ),
            (
                Outgoing::Said {
                    seq: 1,
                    text: "hi \"ann\"",
                    at_ms: 3,
                },
                format!(r#"{{"type":"client",{bob},"body":"hi \"ann\""}}"#),
            ),
            (
                Outgoing::Accepted {
                    id: None,
                    seq: 1,
                    text: Some(""),
                },
                format!(r#"{{"type":"client",{ann},"body":""}}"#),
            ),
            (
                Outgoing::Lobby(&left, None),
                format!(r#"{{"type":"disconnected",{bob},"body":""}}"#),
            ),
        ];
        for (outgoing, expected) in cases {
            assert_eq!(spoken(&mut speaker, outgoing), expected);
        }
    }

    #[test]
    fn late_chat_text_is_no_bind() {
        assert!(is_bind(&bind_of("a", "95", "2", "5")));
        for text in [
            "bye",
            "",
            "[\"bind\"]",
            r#"{"type":"client"}"#,
            r#"{"type": 7}"#,
        ] {
            assert!(!is_bind(text), "{text}");
        }
    }
}
