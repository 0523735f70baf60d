//! The dialect `whisperchat.v1.json`: one JSON object in each text frame.
//!
//! ```
//! use whisperchat::dialect::{Bounds, v1};
//! let bounds = Bounds { range_min_km: 2.0, range_max_km: 20_040.0 };
//! let message = v1::decode(r#"{"type":"say","id":"m1","text":"Hello"}"#, &bounds).unwrap();
//! assert_eq!(message.id.as_deref(), Some("m1"));
//!
//! let error = v1::decode(r#"{"type":"say","text":""}"#, &bounds).unwrap_err();
//! assert_eq!(error.message, "`text` must be a string of 1 to 2000 characters");
//! ```

use super::field::{self, Allowed, FieldError, Raw, Text, given, optional, required};
use super::{Bounds, ErrorCode, Outgoing, TEXT_MAX_CHARS, WireError};
use crate::geo::{Position, Range};
use crate::lobby::{
    ChatId, Command, Distance, Event, IdleReason, Join, Matched, MessageId, Name,
    PartnerLeftReason, Profile, Report, ReportReason, ResumeToken, Seen, StateName, Update,
};
use crate::matching::Nearby;
use crate::private::Private;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{self, Write as _};
use std::time::Duration;

/// The WebSocket subprotocol of this dialect.
pub const SUBPROTOCOL: &str = "whisperchat.v1.json";

const NAME_MAX_CHARS: usize = 32;
const INTERESTS_MAX: usize = 8;
const INTEREST_MAX_CHARS: usize = 24;
const ID_MAX_CHARS: usize = 64;
const NOTE_MAX_CHARS: usize = 500;
const GIVE_UP_S: (f64, f64) = (1.0, 3600.0);

/// A message from a client.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// The name its answer carries back.
    pub id: Option<MessageId>,
    /// What it asks for.
    pub request: Request<'a>,
    /// The guest pass that a `join` shows, good or not.
    pub pass: Option<Private<Cow<'a, str>>>,
}

impl Message<'_> {
    /// Whether it shows a token, and says nothing else.
    pub fn is_authentication(&self) -> bool {
        matches!(self.request, Request::Authenticate { .. })
    }
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub enum Request<'a> {
    /// Something for the lobby.
    Lobby(Command),
    /// Say something to the partner.
    Say {
        /// What.
        text: Cow<'a, str>,
    },
    /// Everything up to this number has been shown.
    Acknowledge {
        /// The number.
        seq: u64,
    },
    /// The person types, or has stopped.
    Typing {
        /// Which of the two.
        on: bool,
    },
    /// Show a token that allows to be here, the first or a newer one.
    Authenticate {
        /// The token.
        token: Private<Cow<'a, str>>,
    },
    /// Go on with an earlier session. Only as the first message on a connection.
    Resume {
        /// What proves that the session is one's own.
        token: ResumeToken,
        /// What was seen before.
        seen: Seen,
    },
}

/// Every field of every message, as it stands there.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "field::present")]
    position: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "field::present")]
    range_km: Raw<'a>,
    #[serde(borrow)]
    max_range_km: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    interests: Raw<'a>,
    #[serde(borrow)]
    give_up_s: Raw<'a>,
    #[serde(borrow)]
    text: Raw<'a>,
    #[serde(borrow)]
    seq: Raw<'a>,
    #[serde(borrow)]
    on: Raw<'a>,
    #[serde(borrow)]
    token: Raw<'a>,
    #[serde(borrow)]
    last_seq: Raw<'a>,
    #[serde(borrow)]
    chat: Raw<'a>,
    #[serde(borrow)]
    reason: Raw<'a>,
    #[serde(borrow)]
    note: Raw<'a>,
    #[serde(borrow)]
    evidence: Raw<'a>,
    #[serde(borrow)]
    pass: Raw<'a>,
}

/// The fields of what is said most often, typed, so that one pass reads them.
#[derive(Deserialize)]
struct ChatFields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    seq: Option<u64>,
    on: Option<bool>,
}

#[derive(Deserialize)]
struct PositionFields<'a> {
    #[serde(borrow)]
    lat: Raw<'a>,
    #[serde(borrow)]
    lon: Raw<'a>,
}

/// Reads one message.
///
/// # Errors
/// [`WireError`] with the code of the contract and a sentence that names what is wrong and what is
/// allowed; it carries the message's `id` where that could be read.
pub fn decode<'a>(text: &'a str, bounds: &Bounds) -> Result<Message<'a>, WireError> {
    check_object(text)?;
    if let Some(message) = chat_message(text) {
        return Ok(message);
    }
    let fields: Fields =
        serde_json::from_str(text).map_err(|error| bad_json(format!("not valid JSON: {error}")))?;
    let id = optional(fields.id, "id", |raw| field::text(raw, ID_MAX_CHARS))
        .map_err(|message| WireError::new(ErrorCode::BadField, message, None))?
        .map(MessageId::from);
    let refused = |(code, message)| WireError::new(code, message, id.clone());
    let request = request(&fields, bounds).map_err(refused)?;
    let pass = match &request {
        Request::Lobby(Command::Join(_)) => fields.pass(),
        _ => Ok(None),
    };
    let pass = pass.map_err(|message| refused((ErrorCode::BadField, message)))?;
    Ok(Message { id, request, pass })
}

/// A well-formed `say`, `ack` or `typing`. Of anything else, [`Fields`] can tell what it is or what is wrong
/// with it.
fn chat_message(text: &str) -> Option<Message<'_>> {
    let fields: ChatFields = serde_json::from_str(text).ok()?;
    let request = match &*fields.kind.0 {
        "say" => Request::Say {
            text: fields.text?.of_chars(TEXT_MAX_CHARS)?,
        },
        "ack" => Request::Acknowledge { seq: fields.seq? },
        "typing" => Request::Typing { on: fields.on? },
        _ => return None,
    };
    let id = match fields.id {
        None => None,
        Some(id) => Some(MessageId::from(id.of_chars(ID_MAX_CHARS)?)),
    };
    Some(Message {
        id,
        request,
        pass: None,
    })
}

fn check_object(text: &str) -> Result<(), WireError> {
    // RFC 8259, section 2: these four are white space.
    if text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('{')
    {
        Ok(())
    } else {
        Err(bad_json("a message must be a JSON object".to_owned()))
    }
}

fn bad_json(message: String) -> WireError {
    WireError::new(ErrorCode::BadJson, message, None)
}

fn request<'a>(
    fields: &Fields<'a>,
    bounds: &Bounds,
) -> Result<Request<'a>, (ErrorCode, FieldError)> {
    let bad_field = |message| (ErrorCode::BadField, message);
    let kind = required(fields.kind, "type", field::string).map_err(bad_field)?;
    let request = match &*kind {
        "join" => fields.join(bounds).map(Command::Join).map(Request::Lobby),
        "update" => fields
            .update(bounds)
            .map(Command::Update)
            .map(Request::Lobby),
        "cancel" => Ok(Request::Lobby(Command::Cancel)),
        "leave" => Ok(Request::Lobby(Command::Leave)),
        "next" => Ok(Request::Lobby(Command::Next)),
        "say" => fields.say(),
        "ack" => fields.acknowledge(),
        "typing" => fields.typing(),
        "block" => return fields.block(),
        "report" => return fields.report(),
        "resume" => return fields.resume(),
        "auth" => fields.authenticate(),
        _ => {
            let known =
                "join, update, cancel, say, ack, typing, leave, next, block, report, resume, auth";
            let message = format!("unknown `type`; this server knows {known}");
            return Err((ErrorCode::UnknownType, message));
        }
    };
    request.map_err(bad_field)
}

impl<'a> Fields<'a> {
    fn join(&self, bounds: &Bounds) -> Result<Join, FieldError> {
        Ok(Join {
            position: required(self.position, "position", position)??,
            range: required(self.range_km, "range_km", |raw| range(raw, bounds))?,
            range_max: self.range_max(bounds)?,
            profile: Profile {
                name: self.name()?.filter(|name| !name.is_empty()),
                interests: self.interests()?.unwrap_or_default(),
            },
            give_up: self.give_up()?,
        })
    }

    fn update(&self, bounds: &Bounds) -> Result<Update, FieldError> {
        Ok(Update {
            position: given(self.position, "position", position)?.transpose()?,
            range: given(self.range_km, "range_km", |raw| range(raw, bounds))?,
            range_max: self.range_max(bounds)?,
            name: self.name()?,
            interests: self.interests()?,
            give_up: self.give_up()?,
        })
    }

    fn say(&self) -> Result<Request<'a>, FieldError> {
        let text = required(self.text, "text", |raw| field::text(raw, TEXT_MAX_CHARS))?;
        Ok(Request::Say { text })
    }

    fn acknowledge(&self) -> Result<Request<'a>, FieldError> {
        let seq = required(self.seq, "seq", field::whole_number)?;
        Ok(Request::Acknowledge { seq })
    }

    fn typing(&self) -> Result<Request<'a>, FieldError> {
        let on = required(self.on, "on", field::boolean)?;
        Ok(Request::Typing { on })
    }

    fn authenticate(&self) -> Result<Request<'a>, FieldError> {
        let token = required(self.token, "token", field::string)?;
        Ok(Request::Authenticate {
            token: Private::new(token),
        })
    }

    fn block(&self) -> Result<Request<'a>, (ErrorCode, FieldError)> {
        let chat = self.chat()?;
        Ok(Request::Lobby(Command::Block(chat)))
    }

    fn report(&self) -> Result<Request<'a>, (ErrorCode, FieldError)> {
        let bad_field = |message| (ErrorCode::BadField, message);
        let reason = required(self.reason, "reason", reason).map_err(bad_field)?;
        let note = optional(self.note, "note", |raw| field::note(raw, NOTE_MAX_CHARS));
        let note = note.map_err(bad_field)?;
        let evidence = optional(self.evidence, "evidence", field::boolean).map_err(bad_field)?;
        let chat = self.chat()?;
        Ok(Request::Lobby(Command::Report(Report {
            chat,
            reason,
            note,
            evidence: evidence.unwrap_or(false),
        })))
    }

    /// Any string: one that this server did not give is as good as none.
    fn pass(&self) -> Result<Option<Private<Cow<'a, str>>>, FieldError> {
        let pass = optional(self.pass, "pass", field::string)?;
        Ok(pass.map(Private::new))
    }

    fn chat(&self) -> Result<ChatId, (ErrorCode, FieldError)> {
        let chat = required(self.chat, "chat", field::string)
            .map_err(|message| (ErrorCode::BadField, message))?;
        known_chat(&chat)
    }

    fn resume(&self) -> Result<Request<'a>, (ErrorCode, FieldError)> {
        let bad_field = |message| (ErrorCode::BadField, message);
        let token = required(self.token, "token", field::string).map_err(bad_field)?;
        let last_seq =
            required(self.last_seq, "last_seq", field::whole_number).map_err(bad_field)?;
        let chat = optional(self.chat, "chat", field::string).map_err(bad_field)?;
        let chat = chat.map(|chat| known_chat(&chat)).transpose()?;
        let token = ResumeToken::parse(&token).ok_or_else(|| {
            let message = "`token` must be one that this server gave: 48 hexadecimal digits";
            (ErrorCode::BadToken, message.to_owned())
        })?;
        let seen = Seen { chat, last_seq };
        Ok(Request::Resume { token, seen })
    }

    fn range_max(&self, bounds: &Bounds) -> Result<Option<Range>, FieldError> {
        optional(self.max_range_km, "max_range_km", |raw| range(raw, bounds))
    }

    fn name(&self) -> Result<Option<Name>, FieldError> {
        optional(self.name, "name", |raw| field::name(raw, NAME_MAX_CHARS))
    }

    fn interests(&self) -> Result<Option<Vec<Name>>, FieldError> {
        optional(self.interests, "interests", interests)
    }

    fn give_up(&self) -> Result<Option<Duration>, FieldError> {
        let (min, max) = GIVE_UP_S;
        let seconds = optional(self.give_up_s, "give_up_s", |raw| {
            field::number(raw, min, max)
        })?;
        Ok(seconds.map(Duration::from_secs_f64))
    }
}

fn known_chat(chat: &str) -> Result<ChatId, (ErrorCode, FieldError)> {
    ChatId::parse(chat).ok_or_else(|| {
        let message = "`chat` must be one of this session's chats, as `matched` named it";
        (ErrorCode::NotFound, message.to_owned())
    })
}

/// A position, or what is wrong with one of its coordinates.
fn position(raw: &RawValue) -> Result<Result<Position, FieldError>, Allowed> {
    let allowed = "`lat` from -90 to 90 and `lon` from -180 to 180";
    let fields: PositionFields = field::object(raw, allowed)?;
    Ok(coordinates(&fields))
}

fn coordinates(fields: &PositionFields<'_>) -> Result<Position, FieldError> {
    let lat = required(fields.lat, "position.lat", |raw| {
        field::number(raw, -90.0, 90.0)
    })?;
    let lon = required(fields.lon, "position.lon", |raw| {
        field::number(raw, -180.0, 180.0)
    })?;
    Position::new(lat, lon).map_err(|error| error.to_string())
}

fn range(raw: &RawValue, bounds: &Bounds) -> Result<Range, Allowed> {
    let km = field::number(raw, bounds.range_min_km, bounds.range_max_km)?;
    Ok(Range::from_km(km).expect("the bounds are valid ranges"))
}

fn reason(raw: &RawValue) -> Result<ReportReason, Allowed> {
    let given = field::string(raw).ok();
    ReportReason::ALL
        .into_iter()
        .find(|reason| given.as_deref() == Some(reason.name()))
        .ok_or_else(|| {
            format!(
                "one of {}",
                ReportReason::ALL.map(ReportReason::name).join(", ")
            )
        })
}

fn interests(raw: &RawValue) -> Result<Vec<Name>, Allowed> {
    let interest = |raw| {
        field::name(raw, INTEREST_MAX_CHARS)
            .ok()
            .filter(|name| !name.is_empty())
    };
    field::list(raw, INTERESTS_MAX)
        .and_then(|list| list.into_iter().map(interest).collect())
        .ok_or_else(|| {
            format!(
                "a list of at most {INTERESTS_MAX} strings of 1 to {INTEREST_MAX_CHARS} characters, \
                 none of them a control or bidirectional-override character"
            )
        })
}

/// The first message on every connection.
#[derive(Debug, Clone, Serialize)]
pub struct Welcome<'a> {
    /// The server's name and version.
    pub server: &'a str,
    /// This connection's session.
    pub session: &'a str,
    /// What would resume the session on another connection.
    pub resume_token: &'a str,
    /// For how long after its connection a session can be resumed; 0: not at all.
    pub resume_window_s: u32,
    /// How often the server pings; 0: it does not.
    pub ping_s: u32,
    /// Whether a token is `required` in the first message, or was `given` with the request; nothing is said
    /// if none is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<&'static str>,
    /// What is allowed.
    pub limits: WelcomeLimits,
}

/// What is allowed on this server.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct WelcomeLimits {
    /// The longest message in bytes.
    pub max_message_bytes: usize,
    /// The longest text of a `say` in Unicode characters.
    pub max_text_chars: usize,
    /// The smallest range in km.
    pub min_range_km: f64,
    /// The largest range in km.
    pub max_range_km: f64,
    /// The side of the cells that positions are snapped to in km; 0: they are not.
    pub position_grid_km: f64,
}

/// The messages to a client.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    Welcome {
        protocol: u32,
        #[serde(flatten)]
        welcome: &'a Welcome<'a>,
    },
    Waiting {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        range_km: f64,
        waited_ms: u64,
        nearby: &'static str,
        estimate_s: Option<EstimateFields>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        requeued: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        pass: Option<&'a str>,
    },
    Matched(MatchedFields<'a>),
    Said {
        seq: u64,
        text: &'a str,
        at: u64,
    },
    Accepted {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        seq: u64,
    },
    Delivered {
        seq: u64,
    },
    Typing {
        on: bool,
    },
    Authenticated {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        expires_at: Option<u64>,
    },
    PartnerAway,
    PartnerBack,
    PartnerLeft {
        reason: &'static str,
    },
    Blocked {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        chat: String,
    },
    Reported {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        chat: String,
    },
    Resumed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        session: &'a str,
        state: &'static str,
        recovered: bool,
        resume_token: String,
        #[serde(flatten)]
        matched: Option<MatchedFields<'a>>,
    },
    Idle {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        reason: &'static str,
    },
    GoingAway {
        reconnect_after_ms: u64,
    },
    Error {
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

#[derive(Serialize)]
struct EstimateFields {
    p50: u64,
    p90: u64,
}

#[derive(Serialize)]
struct MatchedFields<'a> {
    chat: String,
    partner: PartnerFields<'a>,
    distance: &'static str,
}

#[derive(Serialize)]
struct PartnerFields<'a> {
    name: Option<&'a str>,
    shared_interests: Vec<&'a str>,
}

impl<'a> MatchedFields<'a> {
    fn new(matched: &'a Matched) -> Self {
        let Matched {
            chat,
            partner,
            distance,
        } = matched;
        let interests = partner.shared_interests.iter();
        Self {
            chat: chat.to_string(),
            partner: PartnerFields {
                name: partner.name.as_ref().map(|name| name.as_str()),
                shared_interests: interests.map(|interest| interest.as_str()).collect(),
            },
            distance: match distance {
                Distance::Near => "near",
                Distance::Region => "region",
                Distance::Far => "far",
            },
        }
    }
}

/// Appends the JSON of one message to `out`.
pub fn encode(outgoing: Outgoing<'_>, out: &mut Vec<u8>) {
    let written = match outgoing {
        // The only long message, and the one that is sent most often: `serde_json` would write its text byte by byte.
        Outgoing::Said { seq, text, at_ms } if !has_escapes(text) => write!(
            out,
            r#"{{"type":"said","seq":{seq},"text":"{text}","at":{at_ms}}}"#
        ),
        other => serde_json::to_writer(out, &frame(other)).map_err(io::Error::from),
    };
    written.expect("memory takes every byte, and keys are strings");
}

/// Whether JSON writes this text in other characters (RFC 8259, section 7). O(bytes). Counts in each block:
/// without an early end the comparisons become vector instructions.
fn has_escapes(text: &str) -> bool {
    let is_escaped = |byte: &&u8| **byte < 0x20 || **byte == b'"' || **byte == b'\\';
    let count = |block: &[u8]| block.iter().filter(is_escaped).count();
    text.as_bytes().chunks(64).any(|block| count(block) > 0)
}

fn frame(outgoing: Outgoing<'_>) -> Frame<'_> {
    match outgoing {
        Outgoing::Welcome(welcome) => Frame::Welcome {
            protocol: 1,
            welcome,
        },
        Outgoing::Lobby(event, answers) => lobby_frame(event, answers.map(MessageId::as_str)),
        Outgoing::Pass {
            event,
            answers,
            pass,
        } => with_pass(lobby_frame(event, answers.map(MessageId::as_str)), pass),
        Outgoing::Resumed {
            session,
            resumed,
            recovered,
            answers,
        } => Frame::Resumed {
            id: answers.map(MessageId::as_str),
            session,
            state: match resumed.state {
                StateName::Idle => "idle",
                StateName::Waiting => "waiting",
                StateName::Chatting => "chatting",
            },
            recovered,
            resume_token: resumed.token.to_wire(),
            matched: resumed.matched.as_ref().map(MatchedFields::new),
        },
        Outgoing::Said { seq, text, at_ms } => Frame::Said {
            seq,
            text,
            at: at_ms,
        },
        Outgoing::Accepted { id, seq, .. } => Frame::Accepted {
            id: id.map(MessageId::as_str),
            seq,
        },
        Outgoing::Delivered { seq } => Frame::Delivered { seq },
        Outgoing::Typing { on } => Frame::Typing { on },
        Outgoing::Authenticated {
            expires_at_ms,
            answers,
        } => Frame::Authenticated {
            id: answers.map(MessageId::as_str),
            expires_at: expires_at_ms,
        },
        Outgoing::Error(error) => Frame::Error {
            code: error.code,
            message: &error.message,
            id: error.answers.as_deref(),
            retry_after_ms: error.retry_after_ms,
        },
    }
}

/// The same frame, with the guest pass to keep from now on, if it is one that has room for it.
fn with_pass<'a>(mut frame: Frame<'a>, to_keep: &'a str) -> Frame<'a> {
    if let Frame::Waiting { pass, .. } = &mut frame {
        *pass = Some(to_keep);
    }
    frame
}

fn lobby_frame<'a>(event: &'a Event, id: Option<&'a str>) -> Frame<'a> {
    match event {
        Event::Waiting {
            range,
            waited_ms,
            nearby,
            estimate,
            requeued,
        } => Frame::Waiting {
            id,
            range_km: range.km(),
            waited_ms: *waited_ms,
            nearby: match nearby {
                Nearby::None => "none",
                Nearby::Few => "few",
                Nearby::Some => "some",
                Nearby::Many => "many",
            },
            estimate_s: estimate.map(|estimate| EstimateFields {
                p50: estimate.p50_s,
                p90: estimate.p90_s,
            }),
            requeued: *requeued,
            pass: None,
        },
        Event::Matched(matched) => Frame::Matched(MatchedFields::new(matched)),
        Event::PartnerAway => Frame::PartnerAway,
        Event::PartnerBack => Frame::PartnerBack,
        Event::Blocked { chat } => Frame::Blocked {
            id,
            chat: chat.to_string(),
        },
        Event::Reported { chat } => Frame::Reported {
            id,
            chat: chat.to_string(),
        },
        Event::PartnerLeft { reason } => Frame::PartnerLeft {
            reason: match reason {
                PartnerLeftReason::Left => "left",
                PartnerLeftReason::Lost => "lost",
                PartnerLeftReason::Blocked => "blocked",
                PartnerLeftReason::Removed => "removed",
            },
        },
        Event::Idle { reason } => Frame::Idle {
            id,
            reason: match reason {
                IdleReason::Cancelled => "cancelled",
                IdleReason::Left => "left",
                IdleReason::GaveUp => "gave_up",
                IdleReason::Expired => "expired",
            },
        },
        Event::GoingAway { reconnect_after_ms } => Frame::GoingAway {
            reconnect_after_ms: *reconnect_after_ms,
        },
    }
}

#[cfg(test)]
mod tests;
