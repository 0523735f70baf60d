//! Group 5: fragmentation.

use super::case::Case;
use crate::common::Frame;

const HELLO: &str = "Hello, world!";
const BOTH: &str = "fragment1fragment2";

/// How the frames of one case go over the wire, in the suite's order.
const WAYS: [(&str, Way); 3] = [
    ("", Way::Together),
    (", each in a write", Way::Each),
    (", in writes of 1", Way::Octets),
];

#[derive(Clone, Copy)]
enum Way {
    Together,
    Each,
    Octets,
}

impl Way {
    fn send(self, case: Case, frames: &[Frame]) -> Case {
        match self {
            Self::Together => case.send(frames),
            Self::Each => case.send_each(frames),
            Self::Octets => case.send_in_chops(frames, 1),
        }
    }
}

pub(crate) fn cases() -> Vec<Case> {
    [
        in_control_frames(),
        in_two_fragments(),
        nothing_to_continue(),
        out_of_order(),
        with_pauses(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn in_control_frames() -> Vec<Case> {
    [
        ("5.1", "ping", Frame::ping("fragment1")),
        ("5.2", "pong", Frame::pong("fragment1")),
    ]
    .into_iter()
    .map(|(number, what, frame)| {
        Case::new(number, format!("{what} in 2 fragments"))
            .send(&[frame.unfinished(), Frame::continuation("fragment2")])
            .fails(1002)
    })
    .collect()
}

fn in_two_fragments() -> Vec<Case> {
    let first = Frame::text("fragment1").unfinished();
    let last = Frame::continuation("fragment2");
    let ping = Frame::ping("ping payload");
    let mut cases = Vec::new();
    for (n, (how, way)) in (3..).zip(WAYS) {
        let case = Case::new(format!("5.{n}"), format!("text in 2 fragments{how}"));
        cases.push(way.send(case, &[first.clone(), last.clone()]).echo(BOTH));
    }
    for (n, (how, way)) in (6..).zip(WAYS) {
        let case = Case::new(
            format!("5.{n}"),
            format!("text in 2 fragments, a ping between them{how}"),
        );
        let frames = [first.clone(), ping.clone(), last.clone()];
        cases.push(way.send(case, &frames).pong("ping payload").echo(BOTH));
    }
    cases
}

fn nothing_to_continue() -> Vec<Case> {
    let whole = Frame::continuation("non-continuation payload");
    let begun = whole.clone().unfinished();
    let mut cases = Vec::new();
    for (n, fin, frame) in [(9, "true", whole), (12, "false", begun)] {
        for (n, (how, way)) in (n..).zip(WAYS) {
            let sends = format!("continuation with FIN = {fin} of nothing, text{how}");
            let case = Case::new(format!("5.{n}"), sends);
            let frames = [frame.clone(), Frame::text(HELLO)];
            cases.push(way.send(case, &frames).fails(1002));
        }
    }
    cases
}

fn out_of_order() -> Vec<Case> {
    let twice = |frame: Frame| {
        let round = [
            frame,
            Frame::text("fragment2").unfinished(),
            Frame::continuation("fragment3"),
        ];
        [round.clone(), round].concat()
    };
    vec![
        Case::new(
            "5.15",
            "text in 2 fragments, continuation with FIN = false of nothing, text",
        )
        .send(&[
            Frame::text("fragment1").unfinished(),
            Frame::continuation("fragment2"),
            Frame::continuation("fragment3").unfinished(),
            Frame::text("fragment4"),
        ])
        .echo(BOTH)
        .fails(1002),
        Case::new(
            "5.16",
            "twice: continuation with FIN = false of nothing, text in 2 fragments",
        )
        .send(&twice(Frame::continuation("fragment1").unfinished()))
        .fails(1002),
        Case::new(
            "5.17",
            "twice: continuation with FIN = true of nothing, text in 2 fragments",
        )
        .send(&twice(Frame::continuation("fragment1")))
        .fails(1002),
        Case::new("5.18", "text in 2 fragments, both with opcode 1")
            .send(&[
                Frame::text("fragment1").unfinished(),
                Frame::text("fragment2"),
            ])
            .fails(1002),
    ]
}

/// The suite waits a second after the first ping; here its answer is waited for.
fn with_pauses() -> Vec<Case> {
    let before = [
        Frame::text("fragment1").unfinished(),
        Frame::continuation("fragment2").unfinished(),
        Frame::ping("pongme 1!"),
    ];
    let after = [
        Frame::continuation("fragment3").unfinished(),
        Frame::continuation("fragment4").unfinished(),
        Frame::ping("pongme 2!"),
        Frame::continuation("fragment5"),
    ];
    let echo = "fragment1fragment2fragment3fragment4fragment5";
    [
        (19, Way::Together, ""),
        (20, Way::Each, ", each in a write"),
    ]
    .into_iter()
    .map(|(n, way, how)| {
        let sends = format!("text in 5 fragments with 2 pings and a pause between them{how}");
        let case = way.send(Case::new(format!("5.{n}"), sends), &before);
        way.send(case.pong("pongme 1!"), &after)
            .pong("pongme 2!")
            .echo(echo)
    })
    .collect()
}
