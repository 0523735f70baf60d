//! Both dialects with arbitrary names, texts and positions: what is written has the contract's form, and
//! what is read is within its bounds or refused by one of its codes.

mod reference;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reference::wire::{BOUNDS, assert_within_bounds, classic_frame, disturbs, v1_message};
use serde_json::{Value, json};
use std::time::Duration;
use whisperchat::dialect::{Dialect, ErrorCode, Outgoing, Speaker, Spoken, WireError, classic, v1};
use whisperchat::geo::{Position, PrivacyGrid, Range};
use whisperchat::lobby::{
    Command, Effect, Event, IdleReason, Join, Lobby, MessageId, Name, PartnerLeftReason, Profile,
    Settings,
};
use whisperchat::matching::Nearby;
use whisperchat::moment::Moment;
use whisperchat::private::Private;

/// Any Unicode, with what JSON must escape and what decoders stumble over more often than chance has it.
fn text(chars_max: usize) -> impl Strategy<Value = String> {
    let char = prop_oneof![
        any::<char>(),
        proptest::char::range('a', 'e'),
        select(
            &[
                '"',
                '\\',
                '/',
                '\0',
                '\n',
                '\u{7f}',
                '\u{2028}',
                '\u{202e}',
                '\u{feff}',
                '🦀',
                '\u{10ffff}'
            ][..]
        ),
    ];
    vec(char, 0..=chars_max).prop_map(String::from_iter)
}

/// What the contract lets through as a name or an interest.
fn name(chars_max: usize) -> impl Strategy<Value = String> {
    text(chars_max).prop_filter_map("nothing is left", |text| {
        let kept: String = text.chars().filter(|char| !disturbs(*char)).collect();
        let kept = kept.trim();
        (!kept.is_empty()).then(|| kept.to_owned())
    })
}

fn id() -> impl Strategy<Value = Option<MessageId>> {
    option::of(text(63).prop_map(|rest| MessageId::from(format!("m{rest}"))))
}

fn degrees() -> impl Strategy<Value = (f64, f64)> {
    let within = |max: f64| {
        prop_oneof![
            3 => -max..=max,
            1 => -1e-9..=1e-9,
            1 => select(vec![0.0, -0.0, 1.0, -1.0, max, -max, f64::MIN_POSITIVE, 5e-324]),
        ]
    };
    (within(90.0), within(180.0))
}

fn range_km() -> impl Strategy<Value = f64> {
    prop_oneof![
        BOUNDS.range_min_km..=BOUNDS.range_max_km,
        select(vec![2.0, 50.0, 20_040.0])
    ]
}

fn private(text: &str) -> Name {
    Private::new(text.into())
}

fn profile(name: Option<&String>, interests: &[String]) -> Profile {
    Profile {
        name: name.map(|name| private(name)),
        interests: interests.iter().map(|interest| private(interest)).collect(),
    }
}

/// What the first of two people with these profiles is told of the second.
fn matched(profiles: [Profile; 2], positions: [(f64, f64); 2]) -> Event {
    let settings = Settings {
        grid: PrivacyGrid::OFF,
        cool_off: Duration::ZERO,
        wait_max: Duration::from_secs(1),
        first_message: Duration::from_secs(1),
        reconnect_spread: Duration::ZERO,
        ..Settings::default()
    };
    let mut lobby = Lobby::new(settings, StdRng::seed_from_u64(1));
    let mut effects = Vec::new();
    let mut first = None;
    for (profile, (lat, lon)) in profiles.into_iter().zip(positions) {
        let session = lobby.connect(Moment::START, true);
        first.get_or_insert(session);
        let join = Join {
            position: Position::new(lat, lon).unwrap(),
            range: Range::PLANET,
            range_max: None,
            profile,
            give_up: None,
        };
        lobby
            .handle(Moment::START, session, Command::Join(join), None)
            .unwrap();
        effects.extend(std::iter::from_fn(|| lobby.poll_effect()));
        for effect in effects.clone() {
            if let Effect::Probe { session } = effect {
                lobby.heard(Moment::START, session);
                effects.extend(std::iter::from_fn(|| lobby.poll_effect()));
            }
        }
    }
    let told = effects.into_iter().find_map(|effect| match effect {
        Effect::Tell {
            to,
            event: event @ Event::Matched(_),
            ..
        } if Some(to) == first => Some(event),
        _ => None,
    });
    told.expect("two who go anywhere are matched")
}

fn to_v1(outgoing: Outgoing<'_>) -> Value {
    let mut out = Vec::new();
    v1::encode(outgoing, &mut out);
    v1_message(std::str::from_utf8(&out).unwrap())
}

/// JSON numbers are read to the last bit or the one beside it: nanometres, where they are positions or km.
fn is_close(read: f64, written: f64) -> bool {
    (read - written).abs() <= written.abs() * 2.0 * f64::EPSILON
}

/// Seeds of failures are kept here and tried first the next time.
fn config(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct("proptest-regressions/dialect_roundtrip.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::with_cases(cases)
    }
}

/// The `id` that an answer to `id` carries.
fn carried(id: Option<&MessageId>) -> Value {
    id.map_or(Value::Null, |id| json!(id.as_str()))
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn what_a_v1_client_is_told_of_a_chat_has_the_contracts_form(
        (said, id) in (text(2000), id()),
        (seq, at_ms, on) in any::<(u64, u64, bool)>(),
    ) {
        let message = to_v1(Outgoing::Said { seq, text: &said, at_ms });
        prop_assert_eq!(message, json!({"type": "said", "seq": seq, "text": said, "at": at_ms}));
        let message = to_v1(Outgoing::Accepted { id: id.as_ref(), seq, text: Some(&said) });
        prop_assert_eq!((&message["seq"], &message["id"]), (&json!(seq), &carried(id.as_ref())));
        prop_assert_eq!(&to_v1(Outgoing::Delivered { seq })["seq"], &json!(seq));
        prop_assert_eq!(&to_v1(Outgoing::Typing { on })["on"], &json!(on));
    }

    #[test]
    fn what_a_v1_client_is_told_by_the_lobby_has_the_contracts_form(
        id in id(),
        (range_km, waited_ms, requeued) in (range_km(), any::<u64>(), any::<bool>()),
        nearby in select(&[Nearby::None, Nearby::Few, Nearby::Some, Nearby::Many][..]),
        idle in select(&[IdleReason::Cancelled, IdleReason::Left, IdleReason::GaveUp, IdleReason::Expired][..]),
        left in select(&[PartnerLeftReason::Left, PartnerLeftReason::Lost][..]),
    ) {
        let range = Range::from_km(range_km).unwrap();
        let event = Event::Waiting { range, waited_ms, nearby, estimate: None, requeued };
        let message = to_v1(Outgoing::Lobby(&event, id.as_ref()));
        prop_assert!(is_close(message["range_km"].as_f64().unwrap(), range_km));
        prop_assert_eq!(&message["waited_ms"], &json!(waited_ms));
        prop_assert_eq!(&message["id"], &carried(id.as_ref()));
        prop_assert_eq!(message["requeued"] == true, requeued);
        let message = to_v1(Outgoing::Lobby(&Event::Idle { reason: idle }, id.as_ref()));
        prop_assert_eq!(&message["id"], &carried(id.as_ref()));
        to_v1(Outgoing::Lobby(&Event::PartnerLeft { reason: left }, None));
        let event = Event::GoingAway { reconnect_after_ms: waited_ms };
        prop_assert_eq!(&to_v1(Outgoing::Lobby(&event, None))["reconnect_after_ms"], &json!(waited_ms));
    }

    #[test]
    fn partners_are_described_in_the_contracts_form(
        names in (option::of(name(32)), option::of(name(32))),
        (own, shared) in (vec(name(24), 0..4), vec(name(24), 0..4)),
        positions in (degrees(), degrees()),
    ) {
        let all: Vec<_> = own.iter().chain(&shared).cloned().collect();
        let profiles = [profile(names.0.as_ref(), &all), profile(names.1.as_ref(), &shared)];
        let event = matched(profiles, [positions.0, positions.1]);
        let message = to_v1(Outgoing::Lobby(&event, None));
        prop_assert_eq!(&message["partner"]["name"], &json!(names.1));
        let told = message["partner"]["shared_interests"].as_array().unwrap();
        prop_assert!(shared.iter().all(|interest| told.contains(&json!(interest))));
        prop_assert!(!message.to_string().contains("lat"), "where a partner is stays unsaid");
    }

    #[test]
    fn refusals_and_welcomes_have_the_contracts_form(
        (message, id) in (text(200), id()),
        code in select(&[
            ErrorCode::BadJson, ErrorCode::UnknownType, ErrorCode::BadField, ErrorCode::WrongState,
            ErrorCode::RateLimited, ErrorCode::NotFound, ErrorCode::BadToken,
        ][..]),
        (server, session, resume_token) in (text(20), text(20), text(20)),
        (resume_window_s, ping_s, max_message_bytes) in any::<(u32, u32, u32)>(),
        position_grid_km in 0.0..=1000.0,
    ) {
        let error = WireError::new(code, message.clone(), id.clone());
        let told = to_v1(Outgoing::Error(&error));
        prop_assert_eq!((&told["message"], &told["id"]), (&json!(message), &carried(id.as_ref())));
        let welcome = v1::Welcome {
            auth: None,
            server: &server,
            session: &session,
            resume_token: &resume_token,
            resume_window_s,
            ping_s,
            limits: v1::WelcomeLimits {
                max_message_bytes: max_message_bytes as usize,
                max_text_chars: 2000,
                min_range_km: BOUNDS.range_min_km,
                max_range_km: BOUNDS.range_max_km,
                position_grid_km,
            },
        };
        let told = to_v1(Outgoing::Welcome(&welcome));
        prop_assert_eq!(&told["protocol"], &json!(1));
        prop_assert_eq!(&told["session"], &json!(session));
    }

    #[test]
    fn a_join_within_bounds_is_read_as_it_was_written(
        id in id(),
        (lat, lon) in degrees(),
        (range_km, more_km) in (range_km(), option::of(range_km())),
        (name, interests) in (option::of(name(32)), option::of(vec(name(24), 0..=8))),
        give_up_s in option::of(1.0..=3600.0),
    ) {
        let written = json!({
            "type": "join", "id": id.as_ref().map(MessageId::as_str),
            "position": {"lat": lat, "lon": lon}, "range_km": range_km, "max_range_km": more_km,
            "name": name, "interests": interests, "give_up_s": give_up_s,
        });
        let written = written.to_string();
        let message = v1::decode(&written, &BOUNDS).unwrap();
        assert_within_bounds(&message);
        prop_assert_eq!(message.id, id);
        let v1::Request::Lobby(Command::Join(join)) = message.request else {
            panic!("not a join");
        };
        prop_assert!(is_close(join.position.lat_deg(), lat) && is_close(join.position.lon_deg(), lon));
        prop_assert!(is_close(join.range.km(), range_km));
        prop_assert_eq!(join.range_max.is_some(), more_km.is_some());
        prop_assert!(join.range_max.zip(more_km).is_none_or(|(read, km)| is_close(read.km(), km)));
        prop_assert!(join.profile == profile(name.as_ref(), &interests.unwrap_or_default()));
        let give_up_s = give_up_s.map(Duration::from_secs_f64);
        let apart = join.give_up.unwrap_or_default().abs_diff(give_up_s.unwrap_or_default());
        prop_assert!(join.give_up.is_some() == give_up_s.is_some() && apart.as_nanos() <= 1);
    }

    #[test]
    fn a_text_within_bounds_is_read_as_it_was_written(id in id(), said in text(1999)) {
        let said = format!("x{said}");
        let id_text = id.as_ref().map(MessageId::as_str);
        let written = json!({"type": "say", "id": id_text, "text": said}).to_string();
        let message = v1::decode(&written, &BOUNDS).unwrap();
        prop_assert_eq!(message.id, id);
        let v1::Request::Say { text } = message.request else {
            panic!("not a text");
        };
        prop_assert_eq!(text, said);
    }

    #[test]
    fn classic_frames_are_what_the_strict_app_decodes(
        (own, partner, said) in (text(40), option::of(name(32)), text(2000)),
        (lat, lon) in degrees(),
        range_km in 1..=u32::MAX,
    ) {
        let location = json!({"lat": lat, "long": lon});
        let from = json!({"username": own, "location": location, "range": range_km});
        let bind = classic::decode(&json!({"type": "bind", "from": from}).to_string()).unwrap();
        let mut speaker = Speaker::new(Dialect::Classic);
        let Speaker::Classic(memory) = &mut speaker else {
            panic!("not the classic dialect");
        };
        memory.bound(bind);
        let event = matched([Profile::default(), profile(partner.as_ref(), &[])], [(lat, lon); 2]);
        let left = Event::PartnerLeft { reason: PartnerLeftReason::Lost };
        let shown = partner.as_deref().unwrap_or("stranger");
        let kilometres = f64::from(range_km);
        let cases = [
            (Outgoing::Lobby(&event, None), "connected", shown, "", (0.0, 0.0, 0.0)),
            (Outgoing::Said { seq: 1, text: &said, at_ms: 1 }, "client", shown, &said, (0.0, 0.0, 0.0)),
            (Outgoing::Accepted { id: None, seq: 1, text: Some(&said) }, "client", &own, &said, (lat, lon, kilometres)),
            (Outgoing::Lobby(&left, None), "disconnected", shown, "", (0.0, 0.0, 0.0)),
        ];
        for (outgoing, kind, username, body, standing) in cases {
            let mut out = Vec::new();
            prop_assert_eq!(speaker.speak(outgoing, &mut out), Spoken::Frame);
            let frame = classic_frame(std::str::from_utf8(&out).unwrap());
            prop_assert_eq!((&*frame.kind, &*frame.from.username, &*frame.body), (kind, username, body));
            let (lat, lon, km) = frame.standing();
            prop_assert!(is_close(lat, standing.0) && is_close(lon, standing.1) && km == standing.2);
        }
    }
}

/// A message that is nearly right: the contract's words and values near its bounds, in any combination.
fn nearly_a_message() -> impl Strategy<Value = String> {
    let types = [
        "join", "update", "cancel", "say", "ack", "typing", "leave", "next", "resume", "block",
        "bind",
    ];
    let fields = [
        "id",
        "position",
        "range_km",
        "max_range_km",
        "name",
        "interests",
        "give_up_s",
        "text",
        "seq",
        "on",
        "token",
        "last_seq",
        "pass",
        "from",
        "body",
    ];
    let value = prop_oneof![
        select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(90.000_1),
            json!(1e300),
            json!(u64::MAX),
            json!(3600),
            json!(20_040),
            json!(20_040.1),
            json!({}),
            json!([]),
            json!("join"),
            json!(["go", 7]),
            json!({"lat": 1, "lon": 180}),
            json!({"lat": 91, "lon": 2}),
            json!({"lat": "1", "lon": 2}),
            json!({"username": "a", "location": {"lat": 1, "long": 2}, "range": 5}),
            json!([[[[]]]]),
        ]),
        text(70).prop_map(Value::from),
        vec(text(26), 0..10).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    (
        select(types.to_vec()),
        vec((select(fields.to_vec()), value), 0..8),
    )
        .prop_map(|(kind, fields)| {
            let mut message = json!({"type": kind});
            for (field, value) in fields {
                message[field] = value;
            }
            message.to_string()
        })
}

/// The same with a few places torn out, doubled or overwritten.
fn damaged() -> impl Strategy<Value = String> {
    let splinter = select(vec![
        "", "\"", "{", "}", "[", ",", ":", "\\", "\\u", "\\ud800", "1e999", "-", "\0", "null", "é",
    ]);
    let wounds = vec((any::<Index>(), 0..4_usize, splinter), 0..5);
    (nearly_a_message(), wounds).prop_map(|(message, wounds)| {
        let mut chars: Vec<char> = message.chars().collect();
        for (at, torn, splinter) in wounds {
            let start = at.index(chars.len() + 1);
            let end = (start + torn).min(chars.len());
            chars.splice(start..end, splinter.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(config(4096))]

    #[test]
    fn any_text_is_read_within_bounds_or_refused(
        text in prop_oneof![4 => nearly_a_message(), 4 => damaged(), 1 => text(100)]
    ) {
        match v1::decode(&text, &BOUNDS) {
            Ok(message) => assert_within_bounds(&message),
            Err(error) => {
                let told = to_v1(Outgoing::Error(&error));
                let code = told["code"].as_str().unwrap();
                let by_reading = ["bad_json", "unknown_type", "bad_field", "bad_token"];
                prop_assert!(by_reading.contains(&code), "{code}");
                prop_assert!(!error.message.is_empty() && error.message.len() < 300, "{}", error.message);
            }
        }
        if let Err(reason) = classic::decode(&text) {
            prop_assert!(!reason.is_empty() && reason.len() <= 123, "a close frame holds no more: {reason}");
        }
    }
}
