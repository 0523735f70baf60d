//! The classic dialect from a client's side.

use super::{Gibberish, Heard, Say};
use serde::Deserialize;
use std::borrow::Cow;

/// What is said. There are no words for acknowledging, nor for leaving, which is done by closing; and
/// whoever looks for somebody else binds again.
pub(super) fn text(say: Say<'_>) -> Option<Cow<'_, str>> {
    match say {
        Say::Join { guest, name } => {
            let (lat, lon) = (guest.position.lat_deg(), guest.position.lon_deg());
            let range_km = guest.range.km();
            Some(Cow::Owned(format!(
                r#"{{"type":"bind","from":{{"username":"{name}","location":{{"lat":{lat:?},"long":{lon:?}}},"range":{range_km}}},"body":""}}"#
            )))
        }
        Say::Text { text, .. } => Some(Cow::Borrowed(text)),
        Say::Ack { .. }
        | Say::Next
        | Say::Leave
        | Say::Report { .. }
        | Say::Cancel
        | Say::Resume { .. } => None,
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    from: From<'a>,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

#[derive(Deserialize)]
struct From<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

pub(super) fn read(text: &str) -> Result<Heard<'_>, Gibberish> {
    let fields: Fields<'_> = serde_json::from_str(text)
        .map_err(|_| Gibberish("not a JSON object with type, from and body"))?;
    Ok(match &*fields.kind {
        "client" => Heard::Said {
            seq: None,
            from: Some(fields.from.username),
            text: fields.body,
        },
        "connected" => Heard::Matched {
            chat: None,
            partner: fields.from.username,
        },
        "disconnected" => Heard::PartnerLeft,
        _ => Heard::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Position, Range};
    use crate::swarm::people::Guest;

    #[test]
    fn a_bind_is_one_that_the_server_takes() {
        let guest = Guest {
            number: 1,
            position: Position::new(48.0, -2.5).unwrap(),
            range: Range::from_km(50.0).unwrap(),
            is_classic: true,
        };
        let bind = text(Say::Join {
            guest: &guest,
            name: "ann",
        });
        assert_eq!(
            bind.as_deref(),
            Some(
                r#"{"type":"bind","from":{"username":"ann","location":{"lat":48.0,"long":-2.5},"range":50},"body":""}"#
            )
        );
    }

    #[test]
    fn frames_are_read_and_others_are_told() {
        let frame = |kind: &str| {
            format!(
                r#"{{"type":"{kind}","from":{{"username":"ann","location":{{"lat":0.0,"long":0.0}},"range":0}},"body":"hi"}}"#
            )
        };
        assert_eq!(
            read(&frame("client")),
            Ok(Heard::Said {
                seq: None,
                from: Some("ann".into()),
                text: "hi".into()
            })
        );
        assert_eq!(
            read(&frame("connected")),
            Ok(Heard::Matched {
                chat: None,
                partner: "ann".into()
            })
        );
        assert_eq!(read(&frame("disconnected")), Ok(Heard::PartnerLeft));
        assert!(read("hi").is_err());
        assert!(read(r#"{"type":"client","body":""}"#).is_err());
    }
}
