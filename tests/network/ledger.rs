//! What everybody saw and said, and whether that keeps the contract. It knows what no client can: both sides
//! of every chat.

use std::collections::BTreeMap;
use std::time::Duration;

/// A session from its first connection to its end, as its client sees it.
pub(crate) type Life = usize;

/// What clients do at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// They come and go as they like.
    Stormy,
    /// They stay and chat.
    Calm,
    /// They stay and say nothing.
    Quiet,
    /// They don't come back once their connection ends.
    Leaving,
}

/// How a chat ended for one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It left, or asked to.
    Left,
    /// It was told that its partner left.
    Told,
    /// Its client has lost the session: it vanished, came too late, or the server has stopped.
    Over,
}

/// One side of a chat.
#[derive(Debug)]
struct Side {
    life: Life,
    said: u64,
    accepted: u64,
    shown: u64,
    acknowledged: u64,
    end: Option<End>,
}

/// Somebody must learn by then that their partner is away or has left.
#[derive(Debug)]
struct Due {
    life: Life,
    by: Duration,
}

/// How often things happened that the tests are about.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) chats: u64,
    pub(crate) shown: u64,
    pub(crate) resumed: u64,
    pub(crate) resent: u64,
    pub(crate) refused_late: u64,
    pub(crate) refused_after_lost_answer: u64,
    pub(crate) judged_dead: u64,
    pub(crate) away: u64,
    pub(crate) told_in_time: u64,
    pub(crate) faults: u64,
}

impl Tally {
    fn counts(&mut self) -> [&mut u64; 10] {
        [
            &mut self.chats,
            &mut self.shown,
            &mut self.resumed,
            &mut self.resent,
            &mut self.refused_late,
            &mut self.refused_after_lost_answer,
            &mut self.judged_dead,
            &mut self.away,
            &mut self.told_in_time,
            &mut self.faults,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = Self { ..*other };
        for (count, more) in self.counts().into_iter().zip(other.counts()) {
            *count += *more;
        }
    }

    /// The network was one that could have shown mistakes.
    pub(crate) fn assert_variety(&mut self) {
        // One of them is too rare to happen in a few runs.
        let rare = self.refused_after_lost_answer;
        self.refused_after_lost_answer += 1;
        let has_all = self.counts().into_iter().all(|count| *count > 0);
        self.refused_after_lost_answer = rare;
        assert!(has_all, "something never happened: {self:?}");
    }
}

/// See the top of this file.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) seed: u64,
    pub(crate) mood: Mood,
    pub(crate) tally: Tally,
    pub(crate) log: Vec<String>,
    names: Vec<String>,
    /// The latest life of each client.
    latest: BTreeMap<usize, Life>,
    chats: BTreeMap<String, Vec<Side>>,
    /// The chat that a life is in.
    current: BTreeMap<Life, String>,
    due: Vec<Due>,
}

/// Time since the simulation began.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            mood: Mood::Stormy,
            tally: Tally::default(),
            log: Vec::new(),
            names: Vec::new(),
            latest: BTreeMap::new(),
            chats: BTreeMap::new(),
            current: BTreeMap::new(),
            due: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, what: impl std::fmt::Display) {
        self.log.push(format!("{:>7} ms {what}", now().as_millis()));
    }

    /// A client has a new session.
    pub(crate) fn born(&mut self, client: usize) -> Life {
        self.names.push(format!("{client}.{}", self.names.len()));
        let life = self.names.len() - 1;
        self.latest.insert(client, life);
        life
    }

    pub(crate) fn latest(&self, client: usize) -> Life {
        self.latest[&client]
    }

    pub(crate) fn name(&self, life: Life) -> &str {
        &self.names[life]
    }

    /// A life sees its match, for the first time.
    pub(crate) fn matched(&mut self, life: Life, chat: &str, partner: &str) {
        let previous = self.current.insert(life, chat.to_owned());
        assert_eq!(previous, None, "matched while in a chat");
        let sides = self.chats.entry(chat.to_owned()).or_default();
        assert!(sides.len() < 2, "a third in {chat}");
        if let Some(other) = sides.first() {
            assert_ne!(other.life, life, "matched with itself");
            assert_eq!(self.names[other.life], partner, "not the one who sees it");
        } else {
            self.tally.chats += 1;
        }
        sides.push(Side {
            life,
            said: 0,
            accepted: 0,
            shown: 0,
            acknowledged: 0,
            end: None,
        });
    }

    /// A life's side of its chat, and the partner's if it has seen the match too.
    fn sides(&mut self, life: Life) -> (&mut Side, Option<&mut Side>) {
        let chat = self.current.get(&life).expect("in a chat");
        let sides = self.chats.get_mut(chat).expect("it was seen");
        let (mut own, mut partner) = (None, None);
        for side in sides {
            if side.life == life {
                own = Some(side);
            } else {
                partner = Some(side);
            }
        }
        (own.expect("its own side"), partner)
    }

    pub(crate) fn says(&mut self, life: Life, n: u64) {
        self.sides(life).0.said = n;
    }

    pub(crate) fn accepted(&mut self, life: Life, seq: u64) {
        let (own, _) = self.sides(life);
        own.accepted += 1;
        assert_eq!(own.accepted, seq, "accepted under another number");
        assert!(own.said >= seq);
    }

    /// What is said is the name of who says it, and a number.
    pub(crate) fn shown(&mut self, life: Life, seq: u64, text: &str) {
        let (own, partner) = self.sides(life);
        own.shown += 1;
        assert_eq!(own.shown, seq, "not shown in order, or not once");
        let partner = partner.expect("heard from one who knows nothing of the chat");
        assert!(partner.said >= seq, "never said");
        let speaker = partner.life;
        assert_eq!(text, format!("{} {seq}", self.names[speaker]));
        self.tally.shown += 1;
    }

    pub(crate) fn acknowledges(&mut self, life: Life, seq: u64) {
        self.sides(life).0.acknowledged = seq;
    }

    pub(crate) fn delivered(&mut self, life: Life, seq: u64) {
        let (own, partner) = self.sides(life);
        assert!(own.said >= seq);
        let acknowledged = partner.map_or(0, |partner| partner.acknowledged);
        assert!(acknowledged >= seq, "delivered what was not acknowledged");
    }

    pub(crate) fn partner_away(&mut self, life: Life) {
        self.sides(life);
        self.tally.away += 1;
        self.settle_due(life);
    }

    /// The chat of a life is over for it.
    pub(crate) fn ended(&mut self, life: Life, end: End) {
        if self.current.contains_key(&life) {
            let (own, partner) = self.sides(life);
            own.end.get_or_insert(end);
            if end == End::Told {
                let accepted = partner.map_or(0, |partner| partner.accepted);
                assert!(own.shown >= accepted, "told before all that was accepted");
            }
            self.current.remove(&life);
        }
        if end == End::Told {
            self.settle_due(life);
        }
        self.due.retain(|due| due.life != life);
    }

    fn settle_due(&mut self, life: Life) {
        let before = self.due.len();
        self.due.retain(|due| due.life != life);
        self.tally.told_in_time += (before - self.due.len()) as u64;
    }

    /// A life's connection is gone: it can learn nothing for now.
    pub(crate) fn offline(&mut self, life: Life) {
        self.due.retain(|due| due.life != life);
    }

    /// A life is cut off for good: its partner must learn of it by then.
    pub(crate) fn cut_off(&mut self, life: Life, by: Duration) {
        if self.current.contains_key(&life)
            && let (Side { end: None, .. }, Some(partner)) = self.sides(life)
            && partner.end.is_none()
        {
            let life = partner.life;
            self.due.push(Due { life, by });
        }
    }

    /// A life is connected again: it may have been too soon for its partner to learn that it was not.
    pub(crate) fn repaired(&mut self, life: Life) {
        if self.current.contains_key(&life)
            && let (_, Some(partner)) = self.sides(life)
        {
            let partner = partner.life;
            self.due.retain(|due| due.life != partner);
        }
    }

    pub(crate) fn assert_nothing_overdue(&self, now: Duration) {
        let overdue = self.due.iter().find(|due| due.by < now);
        if let Some(Due { life, by }) = overdue {
            panic!("{} was not told by {by:?}", self.names[*life]);
        }
    }

    pub(crate) fn chatting_len(&self) -> usize {
        self.current.len()
    }

    /// Nothing is on its way any more: each match was seen by both or by neither, and what was accepted was
    /// shown, or its sender knows why not.
    pub(crate) fn assert_settled(&self) {
        for (chat, sides) in &self.chats {
            let [one, other] = match &sides[..] {
                [one, other] => [one, other],
                // Whoever never saw the match never will: that session is over.
                [one] => {
                    assert_ne!(one.end, None, "only one is in {chat}: {sides:?}");
                    continue;
                }
                _ => unreachable!("no chat has more than two"),
            };
            for (own, partner) in [(one, other), (other, one)] {
                let knows_better = own.end.is_some() && partner.end != Some(End::Told);
                assert!(
                    partner.shown >= own.accepted || knows_better,
                    "accepted, and neither shown nor excused in {chat}: {sides:?}"
                );
                let is_over = own.end.is_some() && partner.end.is_none();
                assert!(!is_over, "one is still in {chat}, alone: {sides:?}");
            }
        }
    }
}
