//! What is printed and sent, side by side with what was entered and heard.

use super::*;

fn criteria() -> Criteria {
    Criteria {
        position: Position::new(48.8566, 2.3522).unwrap(),
        range_km: 50.0,
        range_max_km: None,
        name: Some(Private::new("ann".to_owned())),
        interests: vec![Private::new("go".to_owned())],
        give_up_s: None,
    }
}

fn limits() -> Limits {
    Limits {
        max_text_chars: 20,
        min_range_km: 2.0,
        max_range_km: 1000.0,
        ..Limits::default()
    }
}

/// A session with a record of its steps, one line of text each, as they come.
struct Played {
    session: Session,
    steps: Vec<String>,
}

impl Played {
    fn person() -> Self {
        Self::new(false)
    }

    fn script() -> Self {
        Self::new(true)
    }

    fn new(is_script: bool) -> Self {
        let (session, steps) = Session::new(criteria(), limits(), is_script).unwrap();
        let mut played = Self {
            session,
            steps: Vec::new(),
        };
        played.record(steps);
        played
    }

    /// In a chat with bob; what led there is forgotten.
    fn chatting(mut self) -> Self {
        self.hear(r#"{"type":"waiting","range_km":50,"waited_ms":0,"nearby":"none"}"#);
        self.hear(r#"{"type":"matched","chat":"c","partner":{"name":"bob"},"distance":"near"}"#);
        self.steps.clear();
        self
    }

    fn hear(&mut self, message: &str) {
        let steps = self.session.heard(message);
        self.record(steps);
    }

    fn enter(&mut self, line: &str) {
        let steps = self.session.entered(line.to_owned());
        self.record(steps);
    }

    fn end_input(&mut self) {
        let steps = self.session.input_ended();
        self.record(steps);
    }

    fn record(&mut self, steps: Vec<Step>) {
        self.steps.extend(steps.into_iter().map(|step| match step {
            Step::Show(Line::Notice(text)) => format!("* {text}"),
            Step::Show(Line::Problem(text)) => format!("! {text}"),
            Step::Show(Line::Faint(text)) => format!("~ {text}"),
            Step::Show(Line::NothingFaint) => "~".to_owned(),
            Step::Show(Line::Said { from, text }) => format!("<{from}> {text}"),
            Step::Send(message) => format!("-> {message}"),
            Step::Close => "close".to_owned(),
            Step::Fail(why) => format!("fail: {why}"),
        }));
    }

    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.steps), expected);
    }
}

#[test]
fn a_search_begins_with_a_join_and_says_what_it_waits_for() {
    let mut ann = Played::person();
    ann.expect(&[
        r#"-> {"id":"join-1","interests":["go"],"name":"ann","position":{"lat":48.8566,"lon":2.3522},"range_km":50.0,"type":"join"}"#,
    ]);
    ann.hear(
        r#"{"type":"waiting","range_km":50,"nearby":"few","estimate_s":{"p50":12.2,"p90":60}}"#,
    );
    ann.expect(&["* Waiting for someone within 50 km of you… A few others are waiting around there. It usually takes about 13 s."]);
    ann.hear(
        r#"{"type":"waiting","range_km":50,"nearby":"few","estimate_s":null,"requeued":true}"#,
    );
    ann.expect(&[
        "* Someone was found but left before the chat began. You keep your place in the queue…",
    ]);
    ann.hear(r#"{"type":"waiting","range_km":80,"nearby":"some"}"#);
    ann.expect(&["* Now looking within 80 km. Some others are waiting around there."]);
    ann.hear(r#"{"type":"matched","chat":"c","partner":{"name":"bob","shared_interests":["go"]},"distance":"region"}"#);
    ann.expect(&["* You are talking with bob, less than 100 km away. You both like: go. /help lists the commands."]);
}

#[test]
fn what_is_said_is_printed_once_and_acknowledged() {
    let mut ann = Played::person().chatting();
    ann.hear(r#"{"type":"said","seq":1,"text":"hi","at":0}"#);
    ann.hear(r#"{"type":"said","seq":1,"text":"hi","at":0}"#);
    ann.expect(&["<bob> hi", r#"-> {"id":"ack-2","seq":1,"type":"ack"}"#]);
}

#[test]
fn delivery_is_told_once_for_all_that_was_said() {
    let mut ann = Played::person().chatting();
    ann.enter("one");
    ann.enter("//two");
    ann.expect(&[
        r#"-> {"id":"say-2","text":"one","type":"say"}"#,
        r#"-> {"id":"say-3","text":"/two","type":"say"}"#,
    ]);
    ann.hear(r#"{"type":"accepted","id":"say-2","seq":1}"#);
    ann.hear(r#"{"type":"delivered","seq":1}"#);
    ann.hear(r#"{"type":"accepted","id":"say-3","seq":2}"#);
    ann.expect(&[]);
    ann.hear(r#"{"type":"delivered","seq":2}"#);
    ann.expect(&["~ ✓ delivered"]);
}

#[test]
fn typing_goes_both_ways_in_a_chat_only() {
    let mut ann = Played::person();
    ann.steps.clear();
    let steps = ann.session.typing(true);
    ann.record(steps);
    ann.hear(r#"{"type":"typing","on":true}"#);
    ann.expect(&[]);
    let mut ann = ann.chatting();
    let steps = ann.session.typing(true);
    ann.record(steps);
    ann.hear(r#"{"type":"typing","on":true}"#);
    ann.hear(r#"{"type":"typing","on":false}"#);
    ann.expect(&[
        r#"-> {"id":"typing-2","on":true,"type":"typing"}"#,
        "~ bob is typing…",
        "~",
    ]);
}

#[test]
fn after_the_partner_left_enter_looks_again() {
    let mut ann = Played::person().chatting();
    ann.hear(r#"{"type":"partner_left","reason":"lost"}"#);
    ann.expect(&[
        "* The connection to bob was lost. Enter or /next looks for somebody again, /quit ends.",
    ]);
    ann.enter("are you there?");
    ann.expect(&["! Not sent: nobody is here. /next looks for somebody."]);
    ann.enter("");
    ann.expect(&[r#"-> {"id":"next-3","type":"next"}"#]);
    ann.hear(r#"{"type":"waiting","range_km":50,"nearby":"none"}"#);
    ann.expect(&[
        "* Waiting for someone within 50 km of you… Nobody else is waiting around there yet. \
         You will not be paired with the same person again right away.",
    ]);
}

#[test]
fn leaving_is_confirmed_and_stopping_to_look_as_well() {
    let mut ann = Played::person().chatting();
    ann.enter("/leave");
    ann.hear(r#"{"type":"idle","reason":"left"}"#);
    ann.expect(&[
        r#"-> {"id":"leave-2","type":"leave"}"#,
        "* You left the chat. Enter or /next looks for somebody again, /quit ends.",
    ]);
    ann.enter("/next");
    ann.hear(r#"{"type":"waiting","range_km":50,"nearby":""}"#);
    ann.enter("/leave");
    ann.hear(r#"{"type":"idle","reason":"cancelled"}"#);
    ann.enter("/leave");
    ann.expect(&[
        r#"-> {"id":"next-3","type":"next"}"#,
        "* Waiting for someone within 50 km of you… You will not be paired with the same person again right away.",
        r#"-> {"id":"cancel-4","type":"cancel"}"#,
        "* You stopped looking. Enter or /next looks for somebody again, /quit ends.",
        "* You are in no chat.",
    ]);
}

#[test]
fn a_match_that_overtakes_a_cancel_is_left() {
    let mut ann = Played::person();
    ann.enter("/leave");
    ann.steps.clear();
    ann.hear(r#"{"type":"matched","chat":"c","partner":{"name":null},"distance":"far"}"#);
    ann.hear(r#"{"type":"error","code":"wrong_state","message":"not waiting","id":"cancel-2"}"#);
    ann.hear(r#"{"type":"idle","reason":"left"}"#);
    ann.expect(&[
        r#"-> {"id":"leave-3","type":"leave"}"#,
        "* You left the chat. Enter or /next looks for somebody again, /quit ends.",
    ]);
}

#[test]
fn a_next_that_meets_a_leaving_partner_is_still_a_next() {
    let mut ann = Played::person().chatting();
    ann.enter("/next");
    ann.enter("/next");
    ann.hear(r#"{"type":"partner_left","reason":"left"}"#);
    ann.hear(r#"{"type":"waiting","range_km":50,"nearby":""}"#);
    ann.expect(&[
        r#"-> {"id":"next-2","type":"next"}"#,
        "* Waiting for someone within 50 km of you… You will not be paired with the same person again right away.",
    ]);
}

#[test]
fn another_range_counts_at_once_or_from_the_next_search_on() {
    let mut ann = Played::person();
    ann.steps.clear();
    ann.enter("/range 100 km");
    ann.expect(&[r#"-> {"id":"update-2","range_km":100.0,"type":"update"}"#]);
    for wrong in [
        "/range",
        "/range 1",
        "/range 1001",
        "/range far",
        "/range nan",
    ] {
        ann.enter(wrong);
        ann.expect(&["! On this server a range must be a number of km from 2 to 1000."]);
    }
    let mut ann = ann.chatting();
    ann.enter("/range 20");
    ann.enter("/next");
    ann.hear(r#"{"type":"idle","reason":"left"}"#);
    ann.hear(r#"{"type":"waiting","range_km":20,"nearby":""}"#);
    ann.expect(&[
        "* The next search is within 20 km.",
        r#"-> {"id":"leave-3","type":"leave"}"#,
        r#"-> {"id":"join-4","interests":["go"],"name":"ann","position":{"lat":48.8566,"lon":2.3522},"range_km":20.0,"type":"join"}"#,
        "* Waiting for someone within 20 km of you… You will not be paired with the same person again right away.",
    ]);
}

#[test]
fn the_person_of_the_last_chat_is_blocked_and_reported_while_it_goes_on_and_after_it() {
    let mut ann = Played::person();
    ann.steps.clear();
    ann.enter("/block");
    ann.enter("/report spam");
    ann.expect(&["! You have talked with nobody yet."; 2]);
    let mut ann = ann.chatting();
    ann.enter("/report");
    ann.enter("/report rude");
    let why = "! Not reported: say why, as /report spam does. It can be spam, abuse, sexual, minor, threat, other; \
               /help says more.";
    ann.expect(&[why; 2]);
    ann.enter("/report spam");
    ann.enter("/report abuse he swears  +evidence");
    ann.hear(r#"{"type":"reported","chat":"c","id":"report-2"}"#);
    ann.hear(r#"{"type":"error","code":"rate_limited","message":"away","id":"report-3","retry_after_ms":5000}"#);
    ann.expect(&[
        r#"-> {"chat":"c","id":"report-2","reason":"spam","type":"report"}"#,
        r#"-> {"chat":"c","evidence":true,"id":"report-3","note":"he swears","reason":"abuse","type":"report"}"#,
        "* You reported bob. Thank you.",
        "! Not reported: away (Try again in 5 s.)",
    ]);
    ann.enter("/leave");
    ann.hear(r#"{"type":"idle","reason":"left"}"#);
    ann.steps.clear();
    ann.enter("/block");
    ann.hear(r#"{"type":"blocked","chat":"c","id":"block-5"}"#);
    ann.expect(&[
        r#"-> {"chat":"c","id":"block-5","type":"block"}"#,
        "* You blocked bob. You will not meet again.",
    ]);
}

#[test]
fn a_report_is_answered_before_the_program_ends() {
    let mut ann = Played::script().chatting();
    ann.enter("/report threat");
    ann.end_input();
    ann.expect(&[r#"-> {"chat":"c","id":"report-2","reason":"threat","type":"report"}"#]);
    assert!(ann.session.is_ending());
    ann.hear(r#"{"type":"reported","chat":"c","id":"report-2"}"#);
    ann.expect(&["* You reported bob. Thank you.", "close"]);
}

#[test]
fn a_range_the_server_does_not_allow_is_refused_before_anything_is_sent() {
    let wide = Criteria {
        range_km: 2000.0,
        ..criteria()
    };
    let Err(why) = Session::new(wide, limits(), false) else {
        panic!("it is wider than allowed");
    };
    assert!(why.contains("from 2 to 1000"), "{why}");
}

#[test]
fn commands_are_not_taken_for_messages_nor_the_other_way_round() {
    let mut ann = Played::person().chatting();
    ann.enter("/nxt");
    ann.expect(&["! There is no command /nxt. /help lists them; // begins a message with /."]);
    ann.enter("");
    ann.enter("   ");
    ann.expect(&[]);
    ann.enter("and/or");
    ann.expect(&[r#"-> {"id":"say-2","text":"and/or","type":"say"}"#]);
}

#[test]
fn too_long_texts_are_refused_here() {
    let mut ann = Played::person().chatting();
    ann.enter(&"👋".repeat(20));
    assert!(ann.steps.pop().unwrap().starts_with("-> "));
    ann.enter(&"👋".repeat(21));
    ann.expect(&["! Not sent: it has 21 characters, and 20 are allowed."]);
}

#[test]
fn a_person_is_told_at_once_that_nobody_is_there() {
    let mut ann = Played::person();
    ann.steps.clear();
    ann.enter("hello?");
    ann.expect(&["! Not sent: nobody is here yet. You will be told who comes."]);
}

#[test]
fn a_script_waits_for_somebody_and_ends_when_all_was_accepted() {
    let mut ann = Played::script();
    ann.steps.clear();
    ann.enter("hello");
    ann.enter("/quit");
    ann.enter("never meant to be sent");
    ann.end_input();
    ann.expect(&[]);
    ann.hear(r#"{"type":"matched","chat":"c","partner":{"name":"bob"},"distance":"near"}"#);
    ann.expect(&[
        "* You are talking with bob, less than 10 km away.",
        r#"-> {"id":"say-2","text":"hello","type":"say"}"#,
    ]);
    ann.hear(r#"{"type":"accepted","id":"say-2","seq":1}"#);
    ann.hear(r#"{"type":"delivered","seq":1}"#);
    ann.expect(&["close", "~ ✓ delivered"]);
    assert!(ann.session.has_succeeded());
}

#[test]
fn what_a_script_could_not_say_makes_it_fail() {
    let mut ann = Played::script().chatting();
    ann.enter("one");
    ann.hear(r#"{"type":"partner_left","reason":"left"}"#);
    ann.enter("two");
    ann.end_input();
    ann.expect(&[
        r#"-> {"id":"say-2","text":"one","type":"say"}"#,
        "* bob left the chat. /next looks again.",
        "! Your last message was not sent.",
        "! Not sent: nobody is here. /next looks for somebody.",
        "close",
    ]);
    assert!(!ann.session.has_succeeded());
}

#[test]
fn a_script_does_not_outrun_the_server() {
    let mut ann = Played::script().chatting();
    let mut count = 0;
    while ann.session.wants_line() {
        ann.enter("again");
        count += 1;
    }
    assert_eq!(ann.steps.len(), IN_FLIGHT_MAX);
    assert_eq!(count, IN_FLIGHT_MAX + LINES_MAX);
    ann.steps.clear();
    ann.hear(r#"{"type":"accepted","id":"say-2","seq":1}"#);
    assert_eq!(ann.steps.len(), 1);
}

#[test]
fn refusals_are_told_but_not_those_that_were_overtaken() {
    let mut ann = Played::person().chatting();
    ann.hear(r#"{"type":"error","code":"wrong_state","message":"no chat","id":"ack-9"}"#);
    ann.expect(&[]);
    ann.enter("one");
    ann.steps.clear();
    ann.hear(r#"{"type":"error","code":"rate_limited","message":"too fast","id":"say-2","retry_after_ms":1500}"#);
    ann.expect(&["! Not sent: too fast (Try again in 2 s.)"]);
    ann.hear(r#"{"type":"error","code":"bad_json","message":""}"#);
    ann.expect(&["! the server refused that"]);
}

#[test]
fn a_join_that_can_not_be_right_ends_the_program() {
    let mut ann = Played::person();
    ann.steps.clear();
    ann.hear(r#"{"type":"error","code":"bad_field","message":"`name` is bad","id":"join-1"}"#);
    ann.expect(&["fail: the server can't look for somebody with that: `name` is bad"]);
}

#[test]
fn interruptions_are_told() {
    let mut ann = Played::person().chatting();
    ann.hear(r#"{"type":"partner_away"}"#);
    ann.hear(r#"{"type":"partner_back"}"#);
    ann.hear(r#"{"type":"going_away","reconnect_after_ms":3000}"#);
    ann.expect(&[
        "* bob lost the connection and may come back.",
        "* bob is back.",
        "* The server is about to go away.",
    ]);
    let farewell = Farewell {
        code: 4200,
        reason: String::new(),
    };
    let why = ann.session.lost(Some(&farewell));
    assert_eq!(
        why,
        "The server went away. Start again in 3 s to reconnect."
    );
}

#[test]
fn what_can_not_be_read_is_passed_over() {
    let mut ann = Played::person().chatting();
    for message in [
        "",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"said"}"#,
        r#"{"type":"new"}"#,
    ] {
        ann.hear(message);
    }
    ann.expect(&[]);
}

#[test]
fn a_stop_from_outside_ends_without_waiting() {
    let mut ann = Played::script().chatting();
    ann.enter("one");
    ann.steps.clear();
    let steps = ann.session.stopped();
    ann.record(steps);
    ann.expect(&["close"]);
    assert!(!ann.session.has_succeeded());
}
