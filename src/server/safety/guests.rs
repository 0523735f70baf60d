//! Guests, by their passes: what others know them by, and whom they should not meet, outlast their sessions.

use super::Pass;
use crate::lobby::SessionId;
use crate::matching::Acquaintances;
use crate::moment::Moment;
use crate::server::limits::Network;
use crate::store::Subject;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Of how many guests who have gone something is remembered; who has been gone for longest is forgotten first.
const GONE_MAX: usize = 100_000;

/// For how long.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Whoever has had a pass for less long is new here: a day.
const NEW_FOR_S: i64 = 86_400;

/// How much the report of somebody weighs, in thousandths.
const WEIGHT: i64 = 1000;

/// How much that of somebody who is new, for whom a fresh start costs nothing.
const WEIGHT_OF_NEW: i64 = 250;

/// Somebody who is here.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Guest {
    pub(in crate::server) pass: Pass,
    /// Where they come from.
    pub(in crate::server) network: Network,
    /// Whether they are to be told their next pass.
    pub(in crate::server) owes_pass: bool,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(in crate::server) struct Guests {
    /// What others know everybody by who is here, or is remembered.
    names: HashMap<Subject, SessionId>,
    /// Those who have gone. At most [`GONE_MAX`].
    gone: HashMap<SessionId, Gone>,
    /// Those who are here again, by the name of before. At most as many as there are sessions.
    back: HashMap<SessionId, Back>,
    /// Who has gone when, in that order; who has come back and gone again is in here more than once.
    departures: VecDeque<(Moment, SessionId)>,
}

/// Somebody who is here again.
#[derive(Debug)]
struct Back {
    /// As they came last.
    guest: Guest,
    /// In how many sessions at once.
    sessions: usize,
}

/// Somebody who has gone.
#[derive(Debug)]
struct Gone {
    guest: Guest,
    known: Acquaintances<SessionId>,
    at: Moment,
}

impl Guest {
    pub(super) fn new(pass: Pass, network: Network) -> Self {
        Self {
            pass,
            network,
            owes_pass: true,
        }
    }

    /// Whether they have been known for so short a time that a fresh start would cost them nothing.
    pub(in crate::server) fn is_new(&self, now_ms: i64) -> bool {
        now_ms / 1000 - i64::from(self.pass.first_s) < NEW_FOR_S
    }

    /// How much their report weighs, in thousandths.
    pub(in crate::server) fn weight(&self, now_ms: i64) -> i64 {
        if self.is_new(now_ms) {
            WEIGHT_OF_NEW
        } else {
            WEIGHT
        }
    }
}

impl Guests {
    /// Somebody comes: what others know them by, and whom they know.
    pub(in crate::server) fn enter(
        &mut self,
        session: SessionId,
        guest: &Guest,
    ) -> (SessionId, Acquaintances<SessionId>) {
        let name = *self.names.entry(guest.pass.subject).or_insert(session);
        if name != session {
            let back = self.back.entry(name).or_insert(Back {
                guest: *guest,
                sessions: 0,
            });
            back.guest = *guest;
            back.sessions += 1;
        }
        let known = self.gone.get(&name).map(|gone| gone.known.clone());
        (name, known.unwrap_or_default())
    }

    /// A session of somebody is over. They are remembered if others may know them, or they know others. O(1) amortised.
    pub(in crate::server) fn leave(
        &mut self,
        now: Moment,
        session: SessionId,
        name: SessionId,
        guest: &Guest,
        mut known: Acquaintances<SessionId>,
        has_met: bool,
    ) {
        if name != session
            && let Entry::Occupied(mut back) = self.back.entry(name)
        {
            back.get_mut().sessions -= 1;
            if back.get().sessions == 0 {
                back.remove();
            }
        }
        known.forget_expired(now);
        let subject = guest.pass.subject;
        let before = self.gone.remove(&name);
        if before.is_none() && !has_met && known == Acquaintances::default() {
            self.names.remove(&subject);
            return;
        }
        if let Some(before) = before {
            // Of several sessions at once, each has learnt something.
            known.absorb(before.known, now);
        }
        self.names.insert(subject, name);
        let gone = Gone {
            guest: *guest,
            known,
            at: now,
        };
        self.gone.insert(name, gone);
        self.departures.push_back((now, name));
        self.forget_oldest(now);
    }

    /// Whom others know by the name of a session that is over: as they are here again, or as they have gone.
    pub(in crate::server) fn known_as(&self, name: SessionId) -> Option<Guest> {
        let back = self.back.get(&name).map(|back| back.guest);
        back.or_else(|| self.gone.get(&name).map(|gone| gone.guest))
    }

    fn forget_oldest(&mut self, now: Moment) {
        let is_over = |at: Moment| at + REMEMBERED <= now;
        while let Some((at, name)) = self.departures.front().copied()
            && (is_over(at) || self.gone.len() > GONE_MAX || self.departures.len() > 2 * GONE_MAX)
        {
            self.departures.pop_front();
            if self.gone.get(&name).is_some_and(|gone| gone.at == at)
                && let Some(gone) = self.gone.remove(&name)
                && self.names.get(&gone.guest.pass.subject) == Some(&name)
            {
                self.names.remove(&gone.guest.pass.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;
    use std::net::Ipv4Addr;

    const NOW: Moment = Moment::from_millis(1000);

    fn guest(subject: u8) -> Guest {
        let pass = Pass {
            subject: Subject([subject; 16]),
            first_s: 0,
        };
        Guest::new(pass, Network::of(Ipv4Addr::LOCALHOST.into()))
    }

    fn sessions<const N: usize>() -> [SessionId; N] {
        let mut sessions = SlotMap::with_key();
        [(); N].map(|()| sessions.insert(()))
    }

    #[test]
    fn who_comes_again_is_known_as_before_and_knows_whom_they_blocked() {
        let [first, again, other] = sessions();
        let mut guests = Guests::default();
        assert_eq!(guests.enter(first, &guest(1)).0, first);
        let mut known = Acquaintances::default();
        known.block(other).unwrap();
        guests.leave(NOW, first, first, &guest(1), known.clone(), true);
        assert_eq!(guests.enter(again, &guest(1)), (first, known));
        // Somebody else is somebody else.
        assert_eq!(guests.enter(other, &guest(2)).0, other);
    }

    #[test]
    fn nothing_is_kept_of_who_met_nobody() {
        let [first, again] = sessions();
        let mut guests = Guests::default();
        guests.enter(first, &guest(1));
        let nobody = Acquaintances::default();
        guests.leave(NOW, first, first, &guest(1), nobody, false);
        assert!(guests.names.is_empty() && guests.gone.is_empty() && guests.departures.is_empty());
        assert_eq!(guests.enter(again, &guest(1)).0, again);
    }

    #[test]
    fn what_two_sessions_of_one_guest_have_learnt_is_put_together() {
        let [first, second, third, ann, bob] = sessions();
        let mut guests = Guests::default();
        for session in [first, second] {
            assert_eq!(guests.enter(session, &guest(1)).0, first);
        }
        for (session, other) in [(first, ann), (second, bob)] {
            let mut known = Acquaintances::default();
            known.block(other).unwrap();
            guests.leave(NOW, session, first, &guest(1), known, true);
        }
        let (name, known) = guests.enter(third, &guest(1));
        assert_eq!(name, first);
        assert!([ann, bob].into_iter().all(|other| known.avoids(other, NOW)));
    }

    #[test]
    fn a_day_after_they_have_gone_guests_are_forgotten() {
        let [first, other, again] = sessions();
        let mut guests = Guests::default();
        guests.enter(first, &guest(1));
        let nobody = Acquaintances::default();
        guests.leave(NOW, first, first, &guest(1), nobody.clone(), true);
        let later = NOW + REMEMBERED;
        guests.enter(other, &guest(2));
        guests.leave(later, other, other, &guest(2), nobody, true);
        assert!(guests.known_as(first).is_none() && guests.known_as(other).is_some());
        assert_eq!(guests.enter(again, &guest(1)).0, again);
    }

    #[test]
    fn who_is_back_is_found_by_the_name_of_before_as_long_as_any_session_of_theirs_is_here() {
        let [first, second, third] = sessions();
        let nobody = Acquaintances::default();
        let from = |address: [u8; 4]| Guest {
            network: Network::of(address.into()),
            ..guest(1)
        };
        let mut guests = Guests::default();
        guests.enter(first, &from([192, 0, 2, 1]));
        guests.leave(
            NOW,
            first,
            first,
            &from([192, 0, 2, 1]),
            nobody.clone(),
            true,
        );
        let network = |guests: &Guests| guests.known_as(first).unwrap().network;
        assert_eq!(network(&guests), from([192, 0, 2, 1]).network);
        for session in [second, third] {
            guests.enter(session, &from([192, 0, 2, 2]));
        }
        for session in [second, third] {
            assert_eq!(guests.back.len(), 1);
            assert_eq!(network(&guests), from([192, 0, 2, 2]).network);
            guests.leave(
                NOW,
                session,
                first,
                &from([192, 0, 2, 3]),
                nobody.clone(),
                true,
            );
        }
        assert!(guests.back.is_empty());
        assert_eq!(network(&guests), from([192, 0, 2, 3]).network);
    }

    #[test]
    fn the_report_of_somebody_new_weighs_less() {
        let guest = guest(1);
        assert_eq!(guest.weight(1000), WEIGHT_OF_NEW);
        assert_eq!(guest.weight(NEW_FOR_S * 1000), WEIGHT);
    }
}
