//! Frames and messages as a client writes and reads them, written from the wire contract alone.

use crate::violation::{Checked, ensure};
use serde_json::{Value, json};
use whisperchat::dialect::Dialect;

/// What a client sends, in either dialect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Join(Wish),
    Update(Wish),
    Bind(Wish),
    Cancel,
    Leave,
    Next,
    Say {
        text: String,
    },
    Ack {
        seq: u64,
    },
    Typing {
        on: bool,
    },
    Block {
        chat: String,
    },
    Report {
        chat: String,
    },
    Resume {
        token: String,
        /// The chat that the client was in.
        chat: Option<String>,
        last_seq: u64,
    },
    Pong,
    Close {
        code: u16,
    },
}

/// What somebody waits for. In an update, whatever is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wish {
    pub(crate) name: Option<String>,
    pub(crate) at_deg: Option<(f64, f64)>,
    pub(crate) range_km: Option<f64>,
    pub(crate) range_max_km: Option<f64>,
    pub(crate) give_up_s: Option<f64>,
}

/// What a server tells, in either dialect; what a dialect has no word for is `None`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Welcome {
        session: String,
        token: String,
    },
    Waiting {
        range_km: f64,
        waited_ms: u64,
        requeued: bool,
    },
    Matched(Match),
    Said {
        seq: Option<u64>,
        text: String,
    },
    Accepted {
        seq: Option<u64>,
        text: Option<String>,
    },
    Delivered {
        seq: u64,
    },
    Typing,
    PartnerAway,
    PartnerBack,
    PartnerLeft {
        reason: String,
    },
    Idle {
        reason: String,
    },
    Blocked {
        chat: String,
    },
    Reported,
    Resumed {
        session: String,
        token: String,
        state: String,
        recovered: bool,
        matched: Option<Match>,
    },
    GoingAway,
    Error {
        code: String,
    },
    Ping,
    Close {
        code: u16,
    },
}

/// With whom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    pub(crate) chat: Option<String>,
    pub(crate) partner: String,
}

/// Something told, and the id of the message that it answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) told: Told,
    pub(crate) id: Option<String>,
}

/// The frame of a message.
pub(crate) fn encode(asked: &Asked, id: Option<&str>) -> Vec<u8> {
    match asked {
        Asked::Pong => frame(0x8A, &[]),
        Asked::Close { code } => frame(0x88, &code.to_be_bytes()),
        Asked::Bind(wish) => frame(0x81, bind(wish).to_string().as_bytes()),
        // Classic text has no id and no JSON around it.
        Asked::Say { text } if id == Some(RAW) => frame(0x81, text.as_bytes()),
        _ => {
            let mut message = message(asked);
            if let Some(id) = id {
                message["id"] = id.into();
            }
            frame(0x81, message.to_string().as_bytes())
        }
    }
}

/// Instead of an id: the text stands for itself, as in classic.
pub(crate) const RAW: &str = "";

fn message(asked: &Asked) -> Value {
    match asked {
        Asked::Join(wish) => of_wish("join", wish),
        Asked::Update(wish) => of_wish("update", wish),
        Asked::Cancel => json!({"type": "cancel"}),
        Asked::Leave => json!({"type": "leave"}),
        Asked::Next => json!({"type": "next"}),
        Asked::Say { text } => json!({"type": "say", "text": text}),
        Asked::Ack { seq } => json!({"type": "ack", "seq": seq}),
        Asked::Typing { on } => json!({"type": "typing", "on": on}),
        Asked::Block { chat } => json!({"type": "block", "chat": chat}),
        Asked::Report { chat } => json!({"type": "report", "chat": chat, "reason": "other"}),
        Asked::Resume {
            token,
            chat,
            last_seq,
        } => json!({"type": "resume", "token": token, "chat": chat, "last_seq": last_seq}),
        Asked::Bind(_) | Asked::Pong | Asked::Close { .. } => unreachable!("no v1 message"),
    }
}

fn of_wish(kind: &str, wish: &Wish) -> Value {
    let mut message = json!({"type": kind});
    let numbers = [
        ("range_km", wish.range_km),
        ("max_range_km", wish.range_max_km),
        ("give_up_s", wish.give_up_s),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            message[key] = number.into();
        }
    }
    if let Some((lat, lon)) = wish.at_deg {
        message["position"] = json!({"lat": lat, "lon": lon});
    }
    if let Some(name) = &wish.name {
        message["name"] = name.as_str().into();
    }
    message
}

fn bind(wish: &Wish) -> Value {
    let (lat, long) = wish.at_deg.unwrap_or_default();
    let range = wish.range_km.unwrap_or(1.0) as u64;
    json!({"type": "bind", "body": "", "from": {
        "username": wish.name, "location": {"lat": lat, "long": long}, "range": range,
    }})
}

/// A frame with a mask, which is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0xFE);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Reads what a server sent: whole frames, a close frame last if there is one.
pub(crate) fn decode(dialect: Dialect, own: &str, mut bytes: &[u8]) -> Checked<Vec<Answer>> {
    let mut answers = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        ensure!(*second < 127, "frames", "a frame is masked or huge");
        let (length, rest) = match (*second, rest) {
            (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            (length, rest) => (usize::from(length), rest),
        };
        ensure!(rest.len() >= length, "frames", "a frame is not all there");
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        let told = match first {
            0x81 => {
                answers.push(text(dialect, own, payload)?);
                continue;
            }
            0x89 => Told::Ping,
            0x88 => {
                ensure!(
                    rest.is_empty(),
                    "nothing after a close",
                    "{} bytes follow",
                    rest.len()
                );
                let code = payload
                    .first_chunk()
                    .map_or(0, |code| u16::from_be_bytes(*code));
                Told::Close { code }
            }
            other => ensure!(false, "frames", "unexpected first byte {other:#x}"),
        };
        answers.push(Answer { told, id: None });
    }
    Ok(answers)
}

fn text(dialect: Dialect, own: &str, payload: &[u8]) -> Checked<Answer> {
    let message: Value = match serde_json::from_slice(payload) {
        Ok(message) => message,
        Err(error) => ensure!(false, "frames", "not JSON: {error}"),
    };
    let string = |key: &str| message[key].as_str().map(str::to_owned);
    let told = match dialect {
        Dialect::V1 => v1(&message),
        Dialect::Classic => classic(&message, own),
    };
    let Some(told) = told else {
        ensure!(false, "frames", "not understood: {message}");
    };
    Ok(Answer {
        told,
        id: string("id"),
    })
}

fn v1(message: &Value) -> Option<Told> {
    let string = |key: &str| message[key].as_str().map(str::to_owned);
    let number = |key: &str| message[key].as_u64();
    let matched = || {
        let partner = message["partner"]["name"].as_str()?.to_owned();
        Some(Match {
            chat: Some(string("chat")?),
            partner,
        })
    };
    Some(match message["type"].as_str()? {
        "welcome" => Told::Welcome {
            session: string("session")?,
            token: string("resume_token")?,
        },
        "waiting" => Told::Waiting {
            range_km: message["range_km"].as_f64()?,
            waited_ms: number("waited_ms")?,
            requeued: message["requeued"] == true,
        },
        "matched" => Told::Matched(matched()?),
        "said" => Told::Said {
            seq: Some(number("seq")?),
            text: string("text")?,
        },
        "accepted" => Told::Accepted {
            seq: Some(number("seq")?),
            text: None,
        },
        "delivered" => Told::Delivered {
            seq: number("seq")?,
        },
        "typing" => Told::Typing,
        "partner_away" => Told::PartnerAway,
        "partner_back" => Told::PartnerBack,
        "partner_left" => Told::PartnerLeft {
            reason: string("reason")?,
        },
        "idle" => Told::Idle {
            reason: string("reason")?,
        },
        "blocked" => Told::Blocked {
            chat: string("chat")?,
        },
        "reported" => Told::Reported,
        "resumed" => Told::Resumed {
            session: string("session")?,
            token: string("resume_token")?,
            state: string("state")?,
            recovered: message["recovered"].as_bool()?,
            matched: matched(),
        },
        "going_away" => Told::GoingAway,
        "error" => Told::Error {
            code: string("code")?,
        },
        _ => return None,
    })
}

fn classic(message: &Value, own: &str) -> Option<Told> {
    let from = message["from"]["username"].as_str()?;
    let text = message["body"].as_str()?.to_owned();
    Some(match message["type"].as_str()? {
        "connected" => Told::Matched(Match {
            chat: None,
            partner: from.to_owned(),
        }),
        "disconnected" => Told::PartnerLeft {
            reason: String::new(),
        },
        "client" if from == own => Told::Accepted {
            seq: None,
            text: Some(text),
        },
        "client" => Told::Said { seq: None, text },
        _ => return None,
    })
}
