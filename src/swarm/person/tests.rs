mod stage;

use super::*;
use crate::swarm::clock::SECOND_NS;
use serde_json::json;
use stage::{Stage, unmasked};

#[test]
fn what_goes_as_promised_is_no_violation() {
    let mut stage = Stage::chatting();
    for seq in 1..=3 {
        let text = stage.say(0);
        stage.tell(
            0,
            &json!({"type": "accepted", "id": seq.to_string(), "seq": seq}),
        );
        stage.tell_said(1, seq, &text);
    }
    stage.tell(0, &json!({"type": "delivered", "seq": 3}));
    let tally = &stage.scene.tally;
    assert_eq!((tally.counts.said, tally.counts.heard), (3, 3));
    assert_eq!(tally.timed(Metric::Relay), 3);
    assert_eq!(tally.timed(Metric::Accepted), 3);
    assert_eq!(tally.timed(Metric::Match), 4);
    assert_eq!(stage.violations(), [""; 0]);
    assert_eq!(stage.scene.gauges.chatting, 4);
}

#[test]
fn a_message_twice_is_a_violation() {
    let mut stage = Stage::chatting();
    let text = stage.say(0);
    stage.tell_said(1, 1, &text);
    stage.tell_said(1, 2, &text);
    stage.assert_violated("twice or out of order");
}

#[test]
fn messages_out_of_order_are_a_violation() {
    let mut stage = Stage::chatting();
    let (first, second) = (stage.say(0), stage.say(0));
    stage.tell_said(1, 1, &second);
    stage.tell_said(1, 2, &first);
    stage.assert_violated("twice or out of order");
}

#[test]
fn a_message_that_is_left_out_is_a_violation() {
    let mut stage = Stage::chatting();
    let (_lost, second) = (stage.say(0), stage.say(0));
    stage.tell_said(1, 1, &second);
    stage.tell(1, &json!({"type": "partner_left", "reason": "left"}));
    stage.assert_violated("1 never got 1 message(s) from 0");
}

#[test]
fn a_message_that_was_refused_is_not_missed() {
    let mut stage = Stage::chatting();
    let (_refused, second) = (stage.say(0), stage.say(0));
    stage.scene.now_ns = 60 * SECOND_NS;
    stage.tell(
        0,
        &json!({"type": "error", "code": "rate_limited", "message": "", "id": "1"}),
    );
    stage.tell_said(1, 1, &second);
    stage.tell(1, &json!({"type": "partner_left", "reason": "left"}));
    assert_eq!(stage.violations(), [""; 0]);
    assert_eq!(stage.scene.tally.errors().count("error.rate_limited"), 1);
}

#[test]
fn a_gap_in_seq_is_a_violation() {
    let mut stage = Stage::chatting();
    let text = stage.say(0);
    stage.tell_said(1, 2, &text);
    stage.assert_violated("seq 2 where 1 was next");
}

#[test]
fn a_message_of_another_chat_is_a_violation() {
    let mut stage = Stage::chatting();
    let text = stage.say(0);
    stage.tell_said(3, 1, &text);
    stage.assert_violated("3, who talks with 2, got a message from 0 for 1");
}

#[test]
fn an_altered_message_is_a_violation() {
    let mut stage = Stage::chatting();
    let text = stage.say(0).replace("..", ".");
    stage.tell_said(1, 1, &text);
    stage.assert_violated("nobody of this run has written");
}

#[test]
fn a_message_outside_a_chat_is_a_violation() {
    let mut stage = Stage::chatting();
    let text = stage.say(0);
    stage.tell(1, &json!({"type": "partner_left", "reason": "left"}));
    stage.tell_said(1, 1, &text);
    stage.assert_violated("outside a chat");
}

#[test]
fn a_match_out_of_range_is_a_violation() {
    let mut stage = Stage::waiting();
    stage.tell_matched(0, 2, "a");
    stage.assert_violated("0 and 2 were matched");
}

#[test]
fn swapped_partners_are_a_violation() {
    let mut stage = Stage::waiting();
    stage.tell_matched(0, 1, "a");
    stage.tell_matched(2, 3, "a");
    stage.assert_violated("somebody else was shown in the same chat");
}

#[test]
fn a_match_with_a_stranger_oneself_or_unasked_is_a_violation() {
    let mut stage = Stage::waiting();
    stage.tell(
        0,
        &json!({"type": "matched", "chat": "a", "partner": {"name": "ann"}}),
    );
    stage.assert_violated("not of this run");
    let mut stage = Stage::waiting();
    stage.tell_matched(0, 0, "a");
    stage.assert_violated("matched with themselves");
    let mut stage = Stage::chatting();
    stage.tell_matched(0, 1, "c");
    stage.assert_violated("matched without waiting");
}

#[test]
fn what_is_accepted_or_delivered_wrongly_is_a_violation() {
    for (what, words) in [
        (json!({"type": "accepted", "id": "2", "seq": 1}), "accepted"),
        (json!({"type": "accepted", "id": "1", "seq": 2}), "accepted"),
        (json!({"type": "delivered", "seq": 2}), "delivered"),
    ] {
        let mut stage = Stage::chatting();
        stage.say(0);
        stage.tell(0, &what);
        stage.assert_violated(words);
    }
}

#[test]
fn gibberish_is_a_violation() {
    let mut stage = Stage::chatting();
    stage.people[0].hear("hello", &mut stage.scene);
    stage.assert_violated("not of the dialect");
}

#[test]
fn who_comes_back_resumes_and_says_again_what_was_not_accepted() {
    let mut stage = Stage::chatting();
    let first = stage.say(0);
    stage.tell(0, &json!({"type": "accepted", "id": "1", "seq": 1}));
    let second = stage.say(0);
    let loss = Loss {
        kind: "lost.reset".to_owned(),
        code: None,
    };
    assert_eq!(stage.people[0].lost(&loss, &mut stage.scene), Step::Forget);
    assert_eq!(stage.people[0].phase(), Phase::Absent);
    stage.people[0].connected(&mut stage.scene);
    stage.scene.out.clear();
    stage.tell(0, &json!({"type": "welcome", "resume_token": "new", "limits": {
        "min_range_km": 2.0, "max_range_km": 20_000.0, "position_grid_km": 1.0, "max_text_chars": 2000}}));
    let out = unmasked(&stage.scene.out);
    assert!(
        out.contains(r#""token":"token 0""#) && out.contains(r#""chat":"a""#),
        "{out}"
    );
    stage.scene.out.clear();
    stage.tell(
        0,
        &json!({"type": "resumed", "session": "s", "state": "chatting", "recovered": true,
        "resume_token": "newer", "chat": "a", "partner": {"name": null}}),
    );
    let out = unmasked(&stage.scene.out);
    assert!(out.contains(&second) && !out.contains(&first), "{out}");
    stage.tell(0, &json!({"type": "accepted", "id": "2", "seq": 2}));
    stage.tell_said(1, 1, &first);
    stage.tell_said(1, 2, &second);
    assert_eq!(stage.violations(), [""; 0]);
    assert_eq!(stage.scene.tally.timed(Metric::Resume), 1);
}

#[test]
fn a_session_that_is_gone_begins_anew() {
    let mut stage = Stage::chatting();
    let loss = Loss {
        kind: "close.4200".to_owned(),
        code: Some(4200),
    };
    stage.people[0].lost(&loss, &mut stage.scene);
    stage.people[0].connected(&mut stage.scene);
    stage.scene.out.clear();
    stage.tell(0, &json!({"type": "welcome", "resume_token": "new", "limits": {
        "min_range_km": 2.0, "max_range_km": 20_000.0, "position_grid_km": 1.0, "max_text_chars": 2000}}));
    let out = unmasked(&stage.scene.out);
    assert!(out.contains(r#""type":"join""#), "{out}");
    assert_eq!(stage.people[0].phase(), Phase::Waiting);
}

#[test]
fn who_was_told_to_stop_does_not_come_back() {
    let mut stage = Stage::chatting();
    let loss = Loss {
        kind: "close.4001".to_owned(),
        code: Some(4001),
    };
    stage.people[0].lost(&loss, &mut stage.scene);
    assert_eq!(stage.people[0].phase(), Phase::Gone);
    assert_eq!(stage.scene.gauges.connected, 3);
}

#[test]
fn classic_clients_check_the_echo_of_what_they_say() {
    let mut stage = Stage::new("scenario = 'chat'\nconnections = 4\nclassic = 1.0");
    let tag = stage.scene.tag();
    let frame = |kind: &str, from: u32, body: &str| {
        json!({"type": kind, "from": {"username": letter::name(tag, from),
            "location": {"lat": 0.0, "long": 0.0}, "range": 0}, "body": body})
    };
    for (who, partner) in [(0, 1), (1, 0)] {
        let entry = Entry {
            at_ns: 0,
            who,
            stage: ANY_STAGE,
            due: Due::Arrive,
        };
        stage.people[who as usize].due(entry, &mut stage.scene);
        stage.people[who as usize].connected(&mut stage.scene);
        stage.tell(who as usize, &frame("connected", partner, ""));
    }
    let text = stage.say(0);
    stage.tell(0, &frame("client", 0, &text));
    stage.tell(1, &frame("client", 0, &text));
    assert_eq!(stage.violations(), [""; 0]);
    assert!(
        stage.people[0]
            .chat()
            .unwrap()
            .is_answered(Dialect::Classic)
    );
    stage.tell(0, &frame("client", 0, &text));
    stage.assert_violated("twice or out of order");
}

#[test]
fn what_is_due_in_an_earlier_part_of_life_is_passed_over() {
    let mut stage = Stage::chatting();
    let stale = Entry {
        at_ns: 0,
        who: 0,
        stage: stage.people[0].stage - 1,
        due: Due::GiveUp,
    };
    assert_eq!(stage.people[0].due(stale, &mut stage.scene), Step::Stay);
    assert_eq!(stage.people[0].phase(), Phase::Chatting);
}
