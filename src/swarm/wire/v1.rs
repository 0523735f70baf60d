//! The v1 dialect from a client's side.

use super::{Gibberish, Heard, Resumed, ResumedState, Say, Welcome};
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;

pub(super) fn text(say: Say<'_>) -> String {
    match say {
        Say::Join { guest, name } => {
            let (lat, lon) = (guest.position.lat_deg(), guest.position.lon_deg());
            let range_km = guest.range.km();
            format!(
                r#"{{"type":"join","position":{{"lat":{lat},"lon":{lon}}},"range_km":{range_km},"name":"{name}"}}"#
            )
        }
        // Letters of this run have nothing in them that JSON would escape.
        Say::Text { number, text } => {
            format!(r#"{{"type":"say","id":"{number}","text":"{text}"}}"#)
        }
        Say::Ack { seq } => format!(r#"{{"type":"ack","seq":{seq}}}"#),
        Say::Next => r#"{"type":"next"}"#.to_owned(),
        Say::Leave => r#"{"type":"leave"}"#.to_owned(),
        Say::Report { chat } => {
            json!({"type": "report", "chat": chat, "reason": "other", "evidence": true}).to_string()
        }
        Say::Cancel => r#"{"type":"cancel"}"#.to_owned(),
        Say::Resume {
            token,
            last_seq,
            chat: None,
        } => json!({"type": "resume", "token": token, "last_seq": last_seq}).to_string(),
        Say::Resume {
            token,
            last_seq,
            chat: Some(chat),
        } => json!({"type": "resume", "token": token, "last_seq": last_seq, "chat": chat})
            .to_string(),
    }
}

/// Every field that any message has and that matters here.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    seq: Option<u32>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    chat: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partner: Option<Partner<'a>>,
    #[serde(borrow)]
    resume_token: Option<Cow<'a, str>>,
    limits: Option<Limits>,
    recovered: Option<bool>,
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    reconnect_after_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Partner<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Limits {
    min_range_km: f64,
    max_range_km: f64,
    position_grid_km: f64,
    max_text_chars: u64,
}

pub(super) fn read(text: &str) -> Result<Heard<'_>, Gibberish> {
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| {
        Gibberish("not a JSON object with a type and fields of the contract's kinds")
    })?;
    let kind: &str = &fields.kind;
    let partner = fields.partner.and_then(|partner| partner.name);
    Ok(match kind {
        "said" => Heard::Said {
            seq: Some(fields.seq.ok_or(Gibberish("a said without its seq"))?),
            from: None,
            text: fields.text.ok_or(Gibberish("a said without its text"))?,
        },
        "accepted" => Heard::Accepted {
            number: fields.id.and_then(|id| id.parse().ok()),
            seq: fields.seq.ok_or(Gibberish("an accepted without its seq"))?,
        },
        "delivered" => Heard::Delivered {
            seq: fields.seq.ok_or(Gibberish("a delivered without its seq"))?,
        },
        "matched" => Heard::Matched {
            chat: Some(fields.chat.ok_or(Gibberish("a matched without its chat"))?),
            partner: partner.unwrap_or_default(),
        },
        "waiting" => Heard::Waiting,
        "idle" => Heard::Idle,
        "reported" => Heard::Reported,
        "partner_left" => Heard::PartnerLeft,
        "partner_away" => Heard::PartnerAway,
        "partner_back" => Heard::PartnerBack,
        "welcome" => {
            let limits = fields.limits.ok_or(Gibberish("a welcome without limits"))?;
            Heard::Welcome(Welcome {
                resume_token: fields
                    .resume_token
                    .ok_or(Gibberish("a welcome without its resume_token"))?,
                range_min_km: limits.min_range_km,
                range_max_km: limits.max_range_km,
                grid_km: limits.position_grid_km,
                text_max_chars: limits.max_text_chars,
            })
        }
        "resumed" => Heard::Resumed(Resumed {
            resume_token: fields
                .resume_token
                .ok_or(Gibberish("a resumed without its resume_token"))?,
            has_recovered: fields.recovered.unwrap_or(true),
            state: match fields.state.as_deref() {
                Some("idle") => ResumedState::Idle,
                Some("waiting") => ResumedState::Waiting,
                Some("chatting") => ResumedState::Chatting,
                _ => return Err(Gibberish("a resumed without its state")),
            },
            chat: fields.chat,
            partner,
        }),
        "going_away" => Heard::GoingAway {
            reconnect_after_ms: fields.reconnect_after_ms.unwrap_or(0),
        },
        "error" => Heard::Error {
            code: fields.code.ok_or(Gibberish("an error without its code"))?,
            number: fields.id.and_then(|id| id.parse().ok()),
        },
        _ => Heard::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_whatever_the_order_of_their_fields() {
        let said = Heard::Said {
            seq: Some(3),
            from: None,
            text: "a\"b".into(),
        };
        for text in [
            r#"{"type":"said","seq":3,"text":"a\"b","at":1}"#,
            r#" { "new": {"seq": 9}, "at": 1, "text": "a\u0022b", "seq": 3, "type": "said" } "#,
        ] {
            assert_eq!(read(text).as_ref(), Ok(&said), "{text}");
        }
        let matched = read(
            r#"{"type":"matched","chat":"c","partner":{"name":"ann","shared_interests":[]},"distance":"near"}"#,
        );
        let expected = Heard::Matched {
            chat: Some("c".into()),
            partner: "ann".into(),
        };
        assert_eq!(matched, Ok(expected));
        let nameless =
            read(r#"{"type":"matched","chat":"c","partner":{"name":null},"distance":"near"}"#);
        let expected = Heard::Matched {
            chat: Some("c".into()),
            partner: "".into(),
        };
        assert_eq!(nameless, Ok(expected));
        assert_eq!(
            read(r#"{"type":"accepted","id":"12","seq":12}"#),
            Ok(Heard::Accepted {
                number: Some(12),
                seq: 12
            })
        );
        assert_eq!(read(r#"{"type":"of tomorrow"}"#), Ok(Heard::Other));
    }

    #[test]
    fn what_is_not_of_the_dialect_is_told() {
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"type":"said","text":"x"}"#,
            r#"{"type":"said","seq":"1","text":"x"}"#,
            r#"{"type":"said","seq":-1,"text":"x"}"#,
            r#"{"type":"welcome","resume_token":"x"}"#,
            r#"{"type":"resumed","resume_token":"x","state":"asleep"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_said_is_json_of_the_contract() {
        let said: serde_json::Value = serde_json::from_str(&text(Say::Resume {
            token: "t\"",
            last_seq: 4,
            chat: Some("c"),
        }))
        .unwrap();
        assert_eq!(
            said,
            json!({"type": "resume", "token": "t\"", "last_seq": 4, "chat": "c"})
        );
    }
}
