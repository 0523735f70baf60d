//! What is known of one chat.

use crate::violation::{Checked, ensure};
use std::collections::HashMap;

/// Messages and bytes of text that are kept for a receiver who is away.
const KEPT_MAX: (u64, usize) = (128, 64 * 1024);

#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) sides: [usize; 2],
    pub(crate) id: Option<String>,
    pub(crate) began_ms: u64,
    /// Whether what is known of it was told when it happened.
    pub(crate) is_sure: bool,
    /// Whether each side was told of it, and what it was waiting for then: where, and how far.
    pub(crate) told: [Option<((f64, f64), f64)>; 2],
    /// Whether each side has nothing more to do with it.
    pub(crate) over: [bool; 2],
    /// Whether each side was told that the other left.
    pub(crate) is_left: [bool; 2],
    /// Whether each side was told that the other is away.
    pub(crate) sees_away: [bool; 2],
    pub(crate) said_by: [Direction; 2],
    /// How many of its own messages each side was told of, if it is told without numbers.
    echoed: [u64; 2],
}

/// What one side said to the other.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// The sender's own number of each message, where it is known, and its bytes.
    messages: Vec<Option<(u64, usize)>>,
    ids: HashMap<String, u64>,
    /// Up to where the receiver was told.
    pub(crate) told: u64,
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    /// Up to where it was shown to the receiving person.
    pub(crate) shown: u64,
    pub(crate) has_gap: bool,
    /// The receiver is not told everything from here on, and it is not known how much was said.
    pub(crate) may_jump: bool,
}

impl Chat {
    pub(crate) fn new(sides: [usize; 2], began_ms: u64) -> Self {
        Self {
            sides,
            id: None,
            began_ms,
            is_sure: true,
            told: [None; 2],
            over: [false; 2],
            is_left: [false; 2],
            sees_away: [false; 2],
            said_by: Default::default(),
            echoed: [0; 2],
        }
    }

    pub(crate) fn side(&self, session: usize) -> usize {
        usize::from(self.sides[1] == session)
    }

    /// Something was said, as one of the two was told: it must be a message that the sender sent, each once
    /// and in the order of the sending.
    pub(crate) fn said(&mut self, by: usize, seq: u64, text: &str) -> Checked {
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(sender), Some(number)) = (number(), number()) else {
            ensure!(false, "only what was said", "{text:.40}");
        };
        let wanted = self.sides[by] as u64;
        ensure!(
            sender == wanted,
            "only what was said",
            "session {sender} is not {wanted}"
        );
        let direction = &mut self.said_by[by];
        direction.reach(seq)?;
        let at = seq as usize - 1;
        let known = direction.messages[at].get_or_insert((number, text.len())).0;
        ensure!(
            known == number,
            "each number once",
            "{seq} is {known} and {number}"
        );
        let before = direction.messages[..at].iter().rev().flatten().next();
        let after = direction.messages[at + 1..].iter().flatten().next();
        let is_ordered = before.is_none_or(|before| before.0 < number)
            && after.is_none_or(|after| number < after.0);
        ensure!(
            is_ordered,
            "shown once, in order",
            "{number} as {seq}: {before:?}, {after:?}"
        );
        Ok(())
    }

    /// The number of the next message that a classic sender is shown again, which are all of its own.
    pub(crate) fn echoed(&mut self, side: usize) -> u64 {
        self.echoed[side] += 1;
        self.echoed[side]
    }

    /// A sender was told that something of its own was accepted.
    pub(crate) fn accepted(&mut self, by: usize, seq: u64, id: Option<&str>) -> Checked {
        let direction = &mut self.said_by[by];
        direction.reach(seq)?;
        if let Some(id) = id {
            let known = *direction.ids.entry(id.to_owned()).or_insert(seq);
            ensure!(
                known == seq,
                "the same id has the same number",
                "{id} is {known} and {seq}"
            );
        }
        Ok(())
    }
}

impl Direction {
    pub(crate) fn last_seq(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Everything up to a number was said, whatever it was.
    pub(crate) fn jump(&mut self, seq: u64) {
        if seq > self.last_seq() {
            self.messages.resize(seq as usize, None);
        }
    }

    fn reach(&mut self, seq: u64) -> Checked {
        let next = self.last_seq() + 1;
        ensure!(
            (1..=next).contains(&seq),
            "no gaps",
            "{seq} comes where {next} was next"
        );
        if seq == next {
            self.messages.push(None);
        }
        Ok(())
    }

    /// Whether everything after `seq` should be kept. `None` if not all sizes are known.
    pub(crate) fn is_kept_after(&self, seq: u64) -> Option<bool> {
        let missed = self.messages.get(seq as usize..)?;
        let is_few = missed.len() as u64 <= KEPT_MAX.0;
        if missed.is_empty() || !is_few || self.acked > seq {
            return Some(missed.is_empty() || (is_few && self.acked <= seq));
        }
        let bytes: Option<usize> = missed.iter().map(|message| Some((*message)?.1)).sum();
        bytes.map(|bytes| bytes <= KEPT_MAX.1)
    }
}
