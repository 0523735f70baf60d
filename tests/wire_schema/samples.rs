//! Messages from the server: each kind, with each word and each field that it can hold.

use super::documents::Speech;
use serde_json::Value;
use whisperchat::dialect::{ErrorCode, Outgoing, Speaker, Spoken, WireError, classic, v1};
use whisperchat::geo::Range;
use whisperchat::lobby::{
    ChatId, Distance, Estimate, Event, IdleReason, Matched, MessageId, Name, Partner,
    PartnerLeftReason, ResumeToken, Resumed, StateName,
};
use whisperchat::matching::Nearby;
use whisperchat::private::Private;

/// What the server writes in this dialect.
pub(crate) fn of(speech: Speech) -> Vec<Value> {
    match speech {
        Speech::V1Server => of_v1(),
        Speech::ClassicServer => of_classic(),
        Speech::V1Client | Speech::ClassicClient => Vec::new(),
    }
}

fn of_v1() -> Vec<Value> {
    [
        of_the_lobby(),
        of_matches(),
        of_the_chat(),
        of_the_connection(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn encoded(outgoing: Outgoing<'_>) -> Value {
    let mut out = Vec::new();
    v1::encode(outgoing, &mut out);
    serde_json::from_slice(&out).expect("each message is JSON")
}

fn id() -> MessageId {
    MessageId::from("m1".to_owned())
}

fn chat() -> ChatId {
    ChatId::parse("0123456789abcdef").expect("it is one")
}

fn name(text: &str) -> Name {
    Private::new(text.into())
}

fn told(events: impl IntoIterator<Item = Event>) -> Vec<Value> {
    let told =
        |event: Event| [None, Some(&id())].map(|answers| encoded(Outgoing::Lobby(&event, answers)));
    events.into_iter().flat_map(told).collect()
}

fn of_the_lobby() -> Vec<Value> {
    let waiting = |nearby, estimate, requeued| Event::Waiting {
        range: Range::PLANET,
        waited_ms: 5,
        nearby,
        estimate,
        requeued,
    };
    let estimate = Estimate { p50_s: 1, p90_s: 2 };
    let left = [
        PartnerLeftReason::Left,
        PartnerLeftReason::Lost,
        PartnerLeftReason::Blocked,
        PartnerLeftReason::Removed,
    ];
    let idle = [
        IdleReason::Cancelled,
        IdleReason::Left,
        IdleReason::GaveUp,
        IdleReason::Expired,
    ];
    let events = [
        waiting(Nearby::None, None, false),
        waiting(Nearby::Few, Some(estimate), true),
        waiting(Nearby::Some, None, true),
        waiting(Nearby::Many, Some(estimate), false),
        Event::PartnerAway,
        Event::PartnerBack,
        Event::Blocked { chat: chat() },
        Event::Reported { chat: chat() },
        Event::GoingAway {
            reconnect_after_ms: 7,
        },
    ];
    let left = left.map(|reason| Event::PartnerLeft { reason });
    let idle = idle.map(|reason| Event::Idle { reason });
    let mut all = told(events.into_iter().chain(left).chain(idle));
    all.push(encoded(Outgoing::Pass {
        event: &waiting(Nearby::None, None, false),
        answers: Some(&id()),
        pass: "kept",
    }));
    all
}

fn matched(distance: Distance, called: Option<&str>) -> Matched {
    Matched {
        chat: chat(),
        partner: Partner {
            name: called.map(name),
            shared_interests: vec![name("go")],
        },
        distance,
    }
}

fn of_matches() -> Vec<Value> {
    let matches = [
        matched(Distance::Near, Some("ann")),
        matched(Distance::Region, None),
        matched(Distance::Far, Some("bob")),
    ];
    let mut messages = told(matches.clone().map(Event::Matched));
    let token = ResumeToken::parse(&"0123456789abcdef".repeat(3)).expect("it is one");
    let chats = matches.map(|matched| (StateName::Chatting, Some(matched), false));
    let others = [StateName::Idle, StateName::Waiting].map(|state| (state, None, true));
    for (state, matched, recovered) in chats.into_iter().chain(others) {
        let resumed = Resumed {
            state,
            token,
            matched,
        };
        messages.push(encoded(Outgoing::Resumed {
            session: "s",
            resumed: &resumed,
            recovered,
            answers: Some(&id()),
        }));
    }
    messages
}

fn of_the_chat() -> Vec<Value> {
    vec![
        encoded(Outgoing::Said {
            seq: 1,
            text: "hi",
            at_ms: 2,
        }),
        encoded(Outgoing::Accepted {
            id: Some(&id()),
            seq: 1,
            text: None,
        }),
        encoded(Outgoing::Delivered { seq: 1 }),
        encoded(Outgoing::Typing { on: true }),
    ]
}

fn of_the_connection() -> Vec<Value> {
    let welcome = |auth| v1::Welcome {
        server: "whisperchat/1",
        session: "s",
        resume_token: "t",
        resume_window_s: 60,
        ping_s: 25,
        auth,
        limits: v1::WelcomeLimits {
            max_message_bytes: 8192,
            max_text_chars: 2000,
            min_range_km: 2.0,
            max_range_km: 20_040.0,
            position_grid_km: 1.0,
        },
    };
    let codes = [
        ErrorCode::BadJson,
        ErrorCode::UnknownType,
        ErrorCode::BadField,
        ErrorCode::WrongState,
        ErrorCode::RateLimited,
        ErrorCode::NotFound,
        ErrorCode::BadToken,
    ];
    let errors = codes.map(|code| {
        let mut error = WireError::new(code, "it was wrong", Some(id()));
        error.retry_after_ms = Some(10);
        encoded(Outgoing::Error(&error))
    });
    let mut messages = errors.to_vec();
    for auth in [None, Some("required"), Some("given")] {
        messages.push(encoded(Outgoing::Welcome(&welcome(auth))));
    }
    for expires_at_ms in [None, Some(1)] {
        messages.push(encoded(Outgoing::Authenticated {
            expires_at_ms,
            answers: Some(&id()),
        }));
    }
    messages
}

fn of_classic() -> Vec<Value> {
    let bind =
        r#"{"type":"bind","from":{"username":"ann","location":{"lat":1,"long":-2.5},"range":50}}"#;
    let mut speaker = classic::Speaker::default();
    speaker.bound(classic::decode(bind).expect("it is a bind"));
    let mut speaker = Speaker::Classic(Box::new(speaker));
    let matched = |called| Event::Matched(matched(Distance::Near, called));
    let left = Event::PartnerLeft {
        reason: PartnerLeftReason::Left,
    };
    let said = Outgoing::Said {
        seq: 1,
        text: "hi",
        at_ms: 2,
    };
    let accepted = Outgoing::Accepted {
        id: None,
        seq: 1,
        text: Some("ho"),
    };
    [
        Outgoing::Lobby(&matched(None), None),
        Outgoing::Lobby(&matched(Some("bob")), None),
        said,
        accepted,
        Outgoing::Lobby(&left, None),
    ]
    .map(|outgoing| {
        let mut out = Vec::new();
        assert_eq!(speaker.speak(outgoing, &mut out), Spoken::Frame);
        serde_json::from_slice(&out).expect("each frame is JSON")
    })
    .into()
}
