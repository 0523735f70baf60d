//! What sessions do and what has happened so far, in figures. Nobody can be told from them.

use super::SessionId;
use crate::distribution::Distribution;
use crate::geo::is_within;
use crate::matching::Withdrawn;
use crate::moment::Moment;

/// How many sessions do what. Those that neither wait nor chat are idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doing {
    /// Sessions that wait, those that are being matched included.
    pub waiting: usize,
    /// Sessions in a chat.
    pub chatting: usize,
    /// Sessions without a connection, whatever they do besides.
    pub away: usize,
}

/// How long somebody waited for a match, in ms.
const WAITED_MS: &[u64] = &[
    1, 10, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000,
];

/// How long it took to hear from both of a match, in ms.
const CONFIRMED_MS: &[u64] = &[0, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

/// What has happened so far.
#[derive(Debug, Clone)]
pub struct Tally {
    /// How long each who was matched had waited, in ms.
    pub waited_ms: Distribution,
    /// How long it took to hear from both of each match that was shown, in ms.
    pub confirmed_ms: Distribution,
    /// Matches that were found.
    pub matches_found: u64,
    /// Matches that were undone before they were shown.
    pub matches_undone: u64,
    /// Promises that a match has broken.
    pub broken: Broken,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            waited_ms: Distribution::new(WAITED_MS),
            confirmed_ms: Distribution::new(CONFIRMED_MS),
            matches_found: 0,
            matches_undone: 0,
            broken: Broken::default(),
        }
    }
}

/// Promises that were broken, checked at each match that is shown. All stay at 0, or the server has a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Broken {
    /// Two were not within each one's range in force.
    pub out_of_range: u64,
    /// One of two was to be avoided: blocked, or a partner of a moment ago, or the same person.
    pub avoided: u64,
    /// One of two was not heard from.
    pub unheard: u64,
}

impl Broken {
    /// Two are about to be shown to each other, both as they left the waiting room.
    pub(super) fn check(&mut self, now: Moment, pair: [&Withdrawn<SessionId>; 2], are_heard: bool) {
        let [a, b] = pair;
        let is_in_range = is_within(&a.place(), &b.place(), a.range.min(b.range));
        let is_avoided = a.who.who == b.who.who
            || a.who.is_apart != b.who.is_apart
            || a.who.avoids(&b.who, now)
            || b.who.avoids(&a.who, now);
        self.out_of_range += u64::from(!is_in_range);
        self.avoided += u64::from(is_avoided);
        self.unheard += u64::from(!are_heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, Position, Range};
    use crate::matching::{Acquaintances, Candidate, Matchmaker};
    use slotmap::SlotMap;

    /// What two are found to break, so far apart and each with its range, the first having blocked `blocked`.
    fn broken(apart_deg: f64, km: [f64; 2], is_blocked: bool, are_heard: bool) -> Broken {
        let mut names: SlotMap<SessionId, ()> = SlotMap::with_key();
        let ids = [names.insert(()), names.insert(())];
        let mut matchmaker = Matchmaker::new();
        let mut ticket = |side: usize, known| {
            let position = Position::new(0.0, apart_deg * side as f64).unwrap();
            let candidate = Candidate::new(ids[side], known);
            let range = Range::from_km(km[side]).unwrap();
            matchmaker.ticket(candidate, Place::new(position), range)
        };
        let mut known = Acquaintances::default();
        if is_blocked {
            known.block(ids[1]).unwrap();
        }
        let first = ticket(0, known);
        let second = ticket(1, Acquaintances::default());
        let mut broken = Broken::default();
        for pair in [[&first, &second], [&second, &first]] {
            broken.check(Moment::START, pair, are_heard);
        }
        broken
    }

    #[test]
    fn each_broken_promise_is_noticed_from_either_side() {
        let fine = Broken::default();
        assert_eq!(broken(0.1, [20.0, 20.0], false, true), fine);
        // A tenth of a degree is 11 km.
        let out_of_range = Broken {
            out_of_range: 2,
            ..fine
        };
        assert_eq!(broken(0.1, [20.0, 10.0], false, true), out_of_range);
        let avoided = Broken { avoided: 2, ..fine };
        assert_eq!(broken(0.1, [20.0, 20.0], true, true), avoided);
        let unheard = Broken { unheard: 2, ..fine };
        assert_eq!(broken(0.1, [20.0, 20.0], false, false), unheard);
    }
}
