//! One chat as one of the two sees it: what was said, accepted and heard, and whether it comes as promised.

use crate::swarm::letter::Letter;
use crate::swarm::violation::Violation;
use crate::swarm::wire::Dialect;
use std::borrow::Cow;
use std::collections::VecDeque;

/// Messages of one side that may wait to be accepted before nothing more is said.
const UNACCEPTED_MAX: usize = 4096;

/// A chat.
#[derive(Debug)]
pub(in crate::swarm) struct Chat {
    pub(in crate::swarm) partner: u32,
    /// What v1 servers call it.
    pub(super) id: Option<String>,
    pub(super) matched_ns: u64,
    /// The number of the last message said.
    pub(in crate::swarm) said: u32,
    /// How many of them the server has refused.
    pub(in crate::swarm) refused: u32,
    /// What the partner had been refused in earlier chats.
    pub(super) partner_refused_before: u32,
    /// Messages that may have been lost with a connection: number and when they were meant to be said.
    pub(super) unaccepted: VecDeque<(u32, u64)>,
    pub(super) accepted_seq: u32,
    /// The number of the last of one's own messages that a classic server has shown.
    pub(in crate::swarm) echoed: u32,
    /// The number of the partner's last message, its `seq`, and how many numbers were left out so far.
    heard: u32,
    pub(super) heard_seq: u32,
    pub(super) gaps: u32,
    pub(super) acknowledged: u32,
    is_partner_away: bool,
    /// Something was lost that can't be filled, and the server has said so.
    pub(in crate::swarm) is_torn: bool,
}

impl Chat {
    /// One that begins now. `partner_refused` is what the partner was refused in earlier ones.
    pub(super) fn new(
        partner: u32,
        id: Option<Cow<'_, str>>,
        now_ns: u64,
        partner_refused: u32,
    ) -> Self {
        Self {
            partner,
            id: id.map(Cow::into_owned),
            matched_ns: now_ns,
            said: 0,
            refused: 0,
            partner_refused_before: partner_refused,
            unaccepted: VecDeque::new(),
            accepted_seq: 0,
            echoed: 0,
            heard: 0,
            heard_seq: 0,
            gaps: 0,
            acknowledged: 0,
            is_partner_away: false,
            is_torn: false,
        }
    }

    pub(super) fn can_say(&self) -> bool {
        !self.is_partner_away && self.unaccepted.len() < UNACCEPTED_MAX
    }

    /// How many of the partner's messages have come.
    pub(in crate::swarm) fn heard_count(&self) -> u32 {
        self.heard - self.gaps
    }

    /// Whether the server has answered everything that was said.
    pub(in crate::swarm) fn is_answered(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::V1 => self.unaccepted.is_empty(),
            Dialect::Classic => self.echoed == self.said,
        }
    }

    pub(super) fn tear(&mut self) {
        self.is_torn = true;
    }

    pub(super) fn partner_is_away(&mut self, is_away: bool) {
        self.is_partner_away = is_away;
    }

    /// A classic server shows everybody their own messages too.
    pub(super) fn echo(&mut self, who: u32, letter: &Letter) -> Option<Violation> {
        let number = letter.number;
        if letter.to != self.partner || number > self.said {
            return Some(Violation::Altered { who });
        }
        if number <= self.echoed {
            return Some(Violation::Twice {
                who,
                from: who,
                number,
            });
        }
        let missing = number - self.echoed - 1;
        self.echoed = number;
        (missing > 0).then_some(Violation::Missing {
            who,
            from: who,
            count: missing,
        })
    }

    pub(super) fn hear(
        &mut self,
        who: u32,
        seq: Option<u32>,
        letter: &Letter,
    ) -> Option<Violation> {
        let Letter {
            from, to, number, ..
        } = *letter;
        let partner = self.partner;
        if from != partner || to != who {
            return Some(Violation::NotThePartner {
                who,
                partner,
                from,
                to,
            });
        }
        if number <= self.heard {
            return Some(Violation::Twice { who, from, number });
        }
        let expected = self.heard_seq + 1;
        if let Some(seq) = seq {
            // After a tear `seq` goes on behind it.
            let is_next = seq == expected || (self.is_torn && seq > expected);
            if !is_next {
                return Some(Violation::Misnumbered { who, expected, seq });
            }
            self.heard_seq = seq;
        }
        self.gaps += number - self.heard - 1;
        self.heard = number;
        None
    }
}
