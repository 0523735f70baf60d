use super::*;
use crate::lobby::{Estimate, Partner, Refusal, Resumed};
use crate::private::Private;

const BOUNDS: Bounds = Bounds {
    range_min_km: 2.0,
    range_max_km: 20_040.0,
};

fn refused(text: &str) -> (ErrorCode, String, Option<String>) {
    match decode(text, &BOUNDS) {
        Ok(message) => panic!("{text} was accepted as {:?}", message.request),
        Err(error) => (
            error.code,
            error.message.into_owned(),
            error.answers.map(Into::into),
        ),
    }
}

fn command(text: &str) -> Command {
    match decode(text, &BOUNDS).map(|message| message.request) {
        Ok(Request::Lobby(command)) => command,
        other => panic!("{text}: {other:?}"),
    }
}

fn encoded(outgoing: Outgoing<'_>) -> String {
    let mut out = Vec::new();
    encode(outgoing, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_full_join_is_read() {
    let Command::Join(join) = command(
        r#" {"type":"join","id":"j","position":{"lat":48.8566,"lon":-2,"alt":3},"range_km":50,
            "max_range_km":200.5,"name":"  ann ","interests":["chess"," go "],"give_up_s":60,
            "pass":"p","colour":{"nested":[1,2,{}]}}"#,
    ) else {
        panic!("not a join");
    };
    assert_eq!(join.position, Position::new(48.8566, -2.0).unwrap());
    assert_eq!(join.range, Range::from_km(50.0).unwrap());
    assert_eq!(join.range_max, Some(Range::from_km(200.5).unwrap()));
    assert_eq!(join.profile.name.unwrap().as_str(), "ann");
    let interests: Vec<_> = join.profile.interests.iter().map(|i| i.as_str()).collect();
    assert_eq!(interests, ["chess", "go"]);
    assert_eq!(join.give_up, Some(Duration::from_mins(1)));
}

#[test]
fn what_an_update_leaves_out_or_sets_to_null_stays() {
    let Command::Update(update) = command(r#"{"type":"update","range_km":5,"name":null}"#) else {
        panic!("not an update");
    };
    assert_eq!(update.range, Some(Range::from_km(5.0).unwrap()));
    assert!(update.position.is_none() && update.name.is_none() && update.interests.is_none());
}

#[test]
fn what_is_not_an_object_is_bad_json() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "7",
        "\"join\"",
        "{",
        "{\"type\":}",
        "{} {}",
        "{'a':1}",
    ] {
        assert_eq!(refused(text).0, ErrorCode::BadJson, "{text}");
    }
    assert_eq!(
        refused(r#"{"type":"cancel","type":"cancel"}"#).0,
        ErrorCode::BadJson
    );
}

#[test]
fn unknown_types_carry_their_id_back() {
    let (code, message, id) = refused(r#"{"type":"jion","id":"7"}"#);
    assert_eq!((code, id.as_deref()), (ErrorCode::UnknownType, Some("7")));
    assert!(message.contains("join"), "{message}");
}

/// Each bad field with a word that its message must contain.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn bad_fields_are_named_with_their_bounds() {
    let join = |fields: &str| format!(r#"{{"type":"join","id":"i",{fields}}}"#);
    let at = r#""position":{"lat":1,"lon":2}"#;
    let cases = [
        (r#"{"id":"i"}"#.to_owned(), "`type` is missing"),
        (
            r#"{"type":7,"id":"i"}"#.to_owned(),
            "`type` must be a string",
        ),
        (
            join(at),
            "`range_km` is missing: it must be a number from 2 to 20040",
        ),
        (
            join(r#""range_km":5"#),
            "`position` is missing: it must be an object with `lat` from -90 to 90",
        ),
        (
            join(r#""range_km":5,"position":null"#),
            "`position` is missing",
        ),
        (
            join(r#""range_km":5,"position":[1,2]"#),
            "`position` must be an object",
        ),
        (
            join(r#""range_km":5,"position":{"lat":1}"#),
            "`position.lon` is missing",
        ),
        (
            join(r#""range_km":5,"position":{"lat":"1","lon":2}"#),
            "`position.lat` must be a number from -90 to 90",
        ),
        (
            join(r#""range_km":5,"position":{"lat":90.01,"lon":2}"#),
            "-90 to 90",
        ),
        (
            join(r#""range_km":5,"position":{"lat":1e999,"lon":2}"#),
            "-90 to 90",
        ),
        (
            join(r#""range_km":5,"position":{"lat":1,"lon":-180.5}"#),
            "`position.lon` must be a number from -180 to 180",
        ),
        (
            join(&format!(r#"{at},"range_km":"5""#)),
            "`range_km` must be a number from 2 to 20040",
        ),
        (join(&format!(r#"{at},"range_km":1.99"#)), "2 to 20040"),
        (join(&format!(r#"{at},"range_km":-1e999"#)), "2 to 20040"),
        (
            join(&format!(r#"{at},"range_km":5,"max_range_km":20041"#)),
            "`max_range_km` must be a number from 2 to 20040",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"name":7"#)),
            "`name` must be a string",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"name":"{}""#, "x".repeat(33))),
            "`name` must be a string of at most 32",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"name":"a\u0007b""#)),
            "control",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"name":"a\u202eb""#)),
            "bidirectional",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"name":"\ud800""#)),
            "Unicode",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"interests":"go""#)),
            "`interests` must be a list of at most 8",
        ),
        (
            join(&format!(
                r#"{at},"range_km":5,"interests":[1,2,3,4,5,6,7,8,9]"#
            )),
            "at most 8",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"interests":[7]"#)),
            "`interests` must be a list of at most 8 strings of 1 to 24",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"interests":["  "]"#)),
            "1 to 24",
        ),
        (
            join(&format!(
                r#"{at},"range_km":5,"interests":["{}"]"#,
                "x".repeat(25)
            )),
            "1 to 24",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"give_up_s":0.5"#)),
            "`give_up_s` must be a number from 1 to 3600",
        ),
        (
            join(&format!(r#"{at},"range_km":5,"give_up_s":true"#)),
            "1 to 3600",
        ),
        (r#"{"type":"say","id":"i"}"#.to_owned(), "`text` is missing"),
        (
            r#"{"type":"say","id":"i","text":""}"#.to_owned(),
            "`text` must be a string of 1 to 2000",
        ),
        (
            r#"{"type":"say","id":"i","text":["a"]}"#.to_owned(),
            "1 to 2000",
        ),
        (
            format!(r#"{{"type":"say","id":"i","text":"{}"}}"#, "é".repeat(2001)),
            "1 to 2000",
        ),
        (
            r#"{"type":"ack","id":"i","seq":-1}"#.to_owned(),
            "`seq` must be a whole number",
        ),
        (
            r#"{"type":"ack","id":"i","seq":1.5}"#.to_owned(),
            "`seq` must be a whole number",
        ),
        (r#"{"type":"ack","id":"i"}"#.to_owned(), "`seq` is missing"),
        (
            r#"{"type":"typing","id":"i","on":"yes"}"#.to_owned(),
            "`on` must be true or false",
        ),
        (
            r#"{"type":"resume","id":"i","last_seq":0}"#.to_owned(),
            "`token` is missing",
        ),
        (
            r#"{"type":"resume","id":"i","token":"t","last_seq":"0"}"#.to_owned(),
            "`last_seq` must be",
        ),
        (
            r#"{"type":"block","id":"i"}"#.to_owned(),
            "`chat` is missing: it must be a string",
        ),
        (
            r#"{"type":"report","id":"i","chat":"00000000000000ff"}"#.to_owned(),
            "`reason` is missing: it must be one of spam, abuse, sexual, minor, threat, other",
        ),
        (
            r#"{"type":"report","id":"i","chat":"00000000000000ff","reason":"rude"}"#.to_owned(),
            "`reason` must be one of spam",
        ),
        (
            format!(
                r#"{{"type":"report","id":"i","chat":"00000000000000ff","reason":"spam","note":"{}"}}"#,
                "é".repeat(501)
            ),
            "`note` must be a string of at most 500",
        ),
    ];
    for (text, expected) in cases {
        let (code, message, id) = refused(&text);
        assert_eq!(code, ErrorCode::BadField, "{text}: {message}");
        assert!(message.contains(expected), "{text}: {message}");
        assert_eq!(id.as_deref(), Some("i"), "{text}");
    }
}

#[test]
fn a_bad_id_is_refused_and_not_carried_back() {
    for id in ["7", "\"\"", &format!("\"{}\"", "x".repeat(65)), "{}"] {
        let (code, message, carried) = refused(&format!(r#"{{"type":"cancel","id":{id}}}"#));
        assert_eq!((code, carried), (ErrorCode::BadField, None), "{id}");
        assert!(
            message.contains("`id` must be a string of 1 to 64"),
            "{message}"
        );
    }
    let longest = format!(r#"{{"type":"cancel","id":"{}"}}"#, "ü".repeat(64));
    assert!(decode(&longest, &BOUNDS).is_ok());
}

#[test]
fn the_longest_text_is_counted_in_characters() {
    let text = "🦀".repeat(2000);
    let message = format!(r#"{{"type":"say","text":"{text}"}}"#);
    let Ok(Request::Say { text: read }) = decode(&message, &BOUNDS).map(|m| m.request) else {
        panic!("refused");
    };
    assert_eq!(read, text);
}

#[test]
fn what_never_was_a_token_or_a_chat_is_told_so() {
    let (code, message, _) = refused(r#"{"type":"resume","token":"t","last_seq":0}"#);
    assert_eq!(code, ErrorCode::BadToken);
    assert!(message.contains("48 hexadecimal digits"), "{message}");
    for text in [
        r#"{"type":"block","chat":"x"}"#,
        r#"{"type":"report","chat":"+123456789abcdef","reason":"spam"}"#,
    ] {
        let (code, message, _) = refused(text);
        assert_eq!(code, ErrorCode::NotFound, "{text}");
        assert!(message.contains("`chat`"), "{message}");
    }
}

#[test]
fn reports_and_resumptions_are_read() {
    let note = r"a\nb".repeat(100);
    let report = format!(
        r#"{{"type":"report","chat":"00000000000000ff","reason":"minor","note":"{note}"}}"#
    );
    let Request::Lobby(Command::Report(report)) = decode(&report, &BOUNDS).unwrap().request else {
        panic!("no report");
    };
    assert_eq!(report.chat, ChatId::for_tests(255));
    assert_eq!(report.reason, ReportReason::Minor);
    assert_eq!(report.note.unwrap().len(), 300);

    let token = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let resume = format!(r#"{{"type":"resume","token":"{token}","last_seq":7}}"#);
    let Request::Resume { token: read, .. } = decode(&resume, &BOUNDS).unwrap().request else {
        panic!("no resume");
    };
    assert_eq!(read.to_wire(), token);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn messages_to_the_client_have_the_fields_of_the_contract() {
    let id = MessageId::from("m1");
    let error = WireError::new(ErrorCode::WrongState, "no", Some(id.clone()));
    let waiting = Event::Waiting {
        range: Range::from_km(12.5).unwrap(),
        waited_ms: 7,
        nearby: Nearby::Few,
        estimate: None,
        requeued: false,
    };
    let requeued = Event::Waiting {
        range: Range::from_km(3.0).unwrap(),
        waited_ms: 8,
        nearby: Nearby::None,
        estimate: Some(Estimate { p50_s: 4, p90_s: 9 }),
        requeued: true,
    };
    let matched = Matched {
        chat: ChatId::for_tests(255),
        partner: Partner {
            name: None,
            shared_interests: vec![Private::new("go".into())],
        },
        distance: 5.0.into(),
    };
    let token = ResumeToken::parse("00000001000000020000000000000000000000000000000f").unwrap();
    let mut resumed = Resumed {
        state: StateName::Chatting,
        token,
        matched: Some(matched.clone()),
    };
    let chatting = resumed.clone();
    resumed.state = StateName::Idle;
    resumed.matched = None;
    let too_fast = Refusal::MovedTooFast {
        retry_after_ms: 700,
    };
    let too_fast = WireError::from_refusal(&too_fast, None);
    let cases = [
        (
            Outgoing::Lobby(&waiting, Some(&id)),
            r#"{"type":"waiting","id":"m1","range_km":12.5,"waited_ms":7,"nearby":"few","estimate_s":null}"#,
        ),
        (
            Outgoing::Lobby(&requeued, None),
            r#"{"type":"waiting","range_km":3.0,"waited_ms":8,"nearby":"none","estimate_s":{"p50":4,"p90":9},"requeued":true}"#,
        ),
        (
            Outgoing::Resumed {
                session: "s",
                resumed: &chatting,
                recovered: true,
                answers: Some(&id),
            },
            r#"{"type":"resumed","id":"m1","session":"s","state":"chatting","recovered":true,"resume_token":"00000001000000020000000000000000000000000000000f","chat":"00000000000000ff","partner":{"name":null,"shared_interests":["go"]},"distance":"near"}"#,
        ),
        (
            Outgoing::Resumed {
                session: "s",
                resumed: &resumed,
                recovered: false,
                answers: None,
            },
            r#"{"type":"resumed","session":"s","state":"idle","recovered":false,"resume_token":"00000001000000020000000000000000000000000000000f"}"#,
        ),
        (
            Outgoing::Lobby(&Event::PartnerAway, None),
            r#"{"type":"partner_away"}"#,
        ),
        (
            Outgoing::Lobby(&Event::PartnerBack, None),
            r#"{"type":"partner_back"}"#,
        ),
        (
            Outgoing::Lobby(
                &Event::Blocked {
                    chat: ChatId::for_tests(255),
                },
                Some(&id),
            ),
            r#"{"type":"blocked","id":"m1","chat":"00000000000000ff"}"#,
        ),
        (
            Outgoing::Lobby(
                &Event::Reported {
                    chat: ChatId::for_tests(255),
                },
                None,
            ),
            r#"{"type":"reported","chat":"00000000000000ff"}"#,
        ),
        (
            Outgoing::Error(&too_fast),
            r#"{"type":"error","code":"rate_limited","message":"a position can't change so often, and for long no faster than an airliner flies","retry_after_ms":700}"#,
        ),
        (
            Outgoing::Said {
                seq: 1,
                text: "a\"\n\u{1}é",
                at_ms: 5,
            },
            r#"{"type":"said","seq":1,"text":"a\"\n\u0001é","at":5}"#,
        ),
        (
            Outgoing::Accepted {
                id: Some(&id),
                seq: 2,
                text: Some("t"),
            },
            r#"{"type":"accepted","id":"m1","seq":2}"#,
        ),
        (
            Outgoing::Accepted {
                id: None,
                seq: 2,
                text: None,
            },
            r#"{"type":"accepted","seq":2}"#,
        ),
        (
            Outgoing::Delivered { seq: 3 },
            r#"{"type":"delivered","seq":3}"#,
        ),
        (
            Outgoing::Typing { on: true },
            r#"{"type":"typing","on":true}"#,
        ),
        (
            Outgoing::Error(&error),
            r#"{"type":"error","code":"wrong_state","message":"no","id":"m1"}"#,
        ),
        (
            Outgoing::Lobby(
                &Event::PartnerLeft {
                    reason: PartnerLeftReason::Lost,
                },
                None,
            ),
            r#"{"type":"partner_left","reason":"lost"}"#,
        ),
        (
            Outgoing::Lobby(
                &Event::Idle {
                    reason: IdleReason::GaveUp,
                },
                None,
            ),
            r#"{"type":"idle","reason":"gave_up"}"#,
        ),
        (
            Outgoing::Lobby(
                &Event::GoingAway {
                    reconnect_after_ms: 9,
                },
                None,
            ),
            r#"{"type":"going_away","reconnect_after_ms":9}"#,
        ),
    ];
    for (outgoing, expected) in cases {
        assert_eq!(encoded(outgoing), expected);
    }
}

#[test]
fn every_character_is_said_as_json_writes_it() {
    let blank = "x".repeat(200);
    for character in (0..=0x2100).filter_map(char::from_u32) {
        for at in [0, 63, 64, 130, 200] {
            let mut text = blank.clone();
            text.insert(at, character);
            let said = encoded(Outgoing::Said {
                seq: 7,
                text: &text,
                at_ms: 1_785_000_000_123,
            });
            let text = serde_json::to_string(&text).unwrap();
            let written = format!(r#"{{"type":"said","seq":7,"text":{text},"at":1785000000123}}"#);
            assert_eq!(said, written);
        }
    }
}

#[test]
fn the_welcome_says_what_is_allowed() {
    let welcome = Welcome {
        auth: None,
        server: "whisperchat/1",
        session: "s",
        resume_token: "t",
        resume_window_s: 0,
        ping_s: 0,
        limits: WelcomeLimits {
            max_message_bytes: 8192,
            max_text_chars: 2000,
            min_range_km: 2.0,
            max_range_km: 20_040.0,
            position_grid_km: 1.0,
        },
    };
    insta::assert_snapshot!(
        encoded(Outgoing::Welcome(&welcome)),
        @r#"{"type":"welcome","protocol":1,"server":"whisperchat/1","session":"s","resume_token":"t","resume_window_s":0,"ping_s":0,"limits":{"max_message_bytes":8192,"max_text_chars":2000,"min_range_km":2.0,"max_range_km":20040.0,"position_grid_km":1.0}}"#
    );
}

#[test]
fn what_is_read_in_one_pass_is_read_as_field_by_field() {
    let long = format!(
        r#"{{"type":"say","text":"{}"}}"#,
        "é".repeat(TEXT_MAX_CHARS)
    );
    for text in [
        r#"{"type":"say","id":"m","text":"hi"}"#,
        r#" { "text" : "\"hi\"\n\u00e9", "type" : "\u0073ay", "id" : null } "#,
        r#"{"type":"say","text":"hi","seq":null,"position":7,"more":[{"x":[]}]}"#,
        r#"{"type":"ack","seq":17}"#,
        r#"{"type":"typing","id":"t","on":true}"#,
        &long,
    ] {
        let message = chat_message(text).unwrap_or_else(|| panic!("not in one pass: {text}"));
        let fields: Fields = serde_json::from_str(text).unwrap();
        let request = request(&fields, &BOUNDS).unwrap();
        assert_eq!(format!("{:?}", message.request), format!("{request:?}"));
        assert_eq!(message.id.is_some(), fields.id.is_some(), "{text}");
    }
}

#[test]
fn one_pass_takes_nothing_that_is_refused() {
    let too_long = format!(
        r#"{{"type":"say","text":"{}"}}"#,
        "é".repeat(TEXT_MAX_CHARS + 1)
    );
    for text in [
        r#"{"type":"say"}"#,
        r#"{"type":"say","text":""}"#,
        r#"{"type":"say","text":7}"#,
        r#"{"type":"say","text":"\ud800"}"#,
        r#"{"type":"say","id":"","text":"hi"}"#,
        r#"{"type":"say","text":"hi","text":"hi"}"#,
        r#"{"type":"say","text":"hi"} {}"#,
        r#"{"type":"ack","seq":-1}"#,
        r#"{"type":"ack","seq":1.5}"#,
        r#"{"type":"typing","on":"yes"}"#,
        &too_long,
    ] {
        assert!(chat_message(text).is_none(), "{text}");
        assert!(decode(text, &BOUNDS).is_err(), "{text}");
    }
}
