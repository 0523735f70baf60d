//! The rules of pairing: reach both ways, and nobody whom one of the two has just met.

use super::neighbourhood::Neighbourhood;
use super::{RecentPartners, TicketId, WaitingRoom};
use crate::geo::{Place, Range};
use crate::moment::Moment;

/// Somebody who would be matched: who it is and whom they should not meet again yet.
#[derive(Debug, Clone)]
pub struct Candidate<P> {
    /// Who it is, in the caller's terms.
    pub who: P,
    /// Whom they have met lately.
    pub recent: RecentPartners<P>,
}

/// What came of an arrival.
#[derive(Debug)]
pub enum Arrival<P> {
    /// Somebody eligible was waiting. Neither of the two is in the waiting room now.
    Paired {
        /// Who arrived.
        arrived: Candidate<P>,
        /// Who was waiting.
        waited: Candidate<P>,
    },
    /// Nobody was: the person waits now.
    Waits(TicketId),
}

/// Pairs people as they arrive, so that nobody waits while somebody eligible waits too.
///
/// Two people are eligible for each other if the geodesic distance between their places is at most each
/// one's range, neither has met the other within the cool-off, and they are not the same person. That
/// nobody eligible is left waiting holds because everything that can make two people eligible comes
/// through here and is looked at at once: [`arrive`](Self::arrive), [`change`](Self::change), and
/// [`look_again`](Self::look_again) when a cool-off has ended. People who leave make nobody eligible.
#[derive(Debug)]
pub struct Matchmaker<P> {
    room: WaitingRoom<Candidate<P>>,
    neighbourhood: Neighbourhood,
}

impl<P> Default for Matchmaker<P> {
    fn default() -> Self {
        Self {
            room: WaitingRoom::new(),
            neighbourhood: Neighbourhood::default(),
        }
    }
}

impl<P: Copy + Eq> Matchmaker<P> {
    /// With nobody waiting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The waiting room, to look at.
    pub fn room(&self) -> &WaitingRoom<Candidate<P>> {
        &self.room
    }

    /// How many people wait in the same part of the country as this place.
    pub fn waiting_around(&self, place: &Place) -> usize {
        self.neighbourhood.count(place)
    }

    /// When the first cool-off between somebody who waits and somebody they have met ends; that is when
    /// to [`look_again`](Self::look_again).
    pub fn next_cool_off_end(&self, ticket: TicketId) -> Option<Moment> {
        self.room.get(ticket)?.who.recent.next_expiry()
    }

    /// Pairs somebody with the nearest eligible person, or lets them wait. O(log n).
    pub fn arrive(
        &mut self,
        candidate: Candidate<P>,
        place: Place,
        range: Range,
        now: Moment,
    ) -> Arrival<P> {
        let found = self.room.nearest_eligible(&place, range, |_, other| {
            is_eligible(&candidate, other, now)
        });
        if let Some(found) = found {
            let waited = self.withdraw(found).expect("who was found is in the room");
            return Arrival::Paired {
                arrived: candidate,
                waited,
            };
        }
        self.neighbourhood.enter(&place);
        Arrival::Waits(self.room.insert(place, range, candidate))
    }

    /// Moves somebody who waits or changes their range, keeping their age, and looks at once whether that
    /// makes a pair. Returns the two if it does: the one who changed first.
    ///
    /// # Panics
    /// If the ticket is not in the room.
    pub fn change(
        &mut self,
        ticket: TicketId,
        place: Place,
        range: Range,
        now: Moment,
    ) -> Option<(Candidate<P>, Candidate<P>)> {
        let before = self.room.get(ticket).expect("the ticket waits").place;
        self.neighbourhood.leave(&before);
        self.neighbourhood.enter(&place);
        self.room.change(ticket, place, range);
        self.look_again(ticket, now)
    }

    /// Looks whether somebody who waits can be paired now; for when a cool-off has ended. Returns the two
    /// if so: the one who was asked about first.
    ///
    /// # Panics
    /// If the ticket is not in the room.
    pub fn look_again(
        &mut self,
        ticket: TicketId,
        now: Moment,
    ) -> Option<(Candidate<P>, Candidate<P>)> {
        let candidate = self.room.who_mut(ticket).expect("the ticket waits");
        candidate.recent.forget_expired(now);
        let seeker = self.room.get(ticket).expect("the ticket waits");
        let found = self
            .room
            .nearest_eligible(&seeker.place, seeker.range, |_, other| {
                is_eligible(&seeker.who, other, now)
            })?;
        Some((self.withdraw(ticket)?, self.withdraw(found)?))
    }

    /// Takes somebody out of the waiting room, or `None` if the ticket is not in it (any more).
    pub fn withdraw(&mut self, ticket: TicketId) -> Option<Candidate<P>> {
        let ticket = self.room.remove(ticket)?;
        self.neighbourhood.leave(&ticket.place);
        Some(ticket.who)
    }
}

/// The rules beyond distance. Both sides' memories count: each is bounded, so one may have forgotten.
fn is_eligible<P: Copy + Eq>(seeker: &Candidate<P>, other: &Candidate<P>, now: Moment) -> bool {
    seeker.who != other.who
        && !seeker.recent.is_recent(other.who, now)
        && !other.recent.is_recent(seeker.who, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Position;

    const NOW: Moment = Moment::from_millis(1000);

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(Position::new(lat, lon).unwrap())
    }

    fn km(km: f64) -> Range {
        Range::from_km(km).unwrap()
    }

    fn someone(who: u32) -> Candidate<u32> {
        Candidate {
            who,
            recent: RecentPartners::default(),
        }
    }

    fn waits(arrival: Arrival<u32>) -> TicketId {
        match arrival {
            Arrival::Waits(ticket) => ticket,
            Arrival::Paired { arrived, waited } => panic!("paired {} {}", arrived.who, waited.who),
        }
    }

    #[test]
    fn the_second_of_two_is_paired_at_once() {
        let mut matchmaker = Matchmaker::new();
        waits(matchmaker.arrive(someone(1), place(0.0, 0.0), km(5.0), NOW));
        let arrival = matchmaker.arrive(someone(2), place(0.0, 0.01), km(5.0), NOW);
        let Arrival::Paired { arrived, waited } = arrival else {
            panic!("not paired");
        };
        assert_eq!((arrived.who, waited.who), (2, 1));
        assert!(matchmaker.room().is_empty());
    }

    #[test]
    fn recent_partners_wait_side_by_side_until_the_cool_off_ends() {
        let mut matchmaker = Matchmaker::new();
        let end = Moment::from_millis(5000);
        let mut second = someone(2);
        second.recent.remember(1, end);
        waits(matchmaker.arrive(someone(1), place(0.0, 0.0), km(5.0), NOW));
        let ticket = waits(matchmaker.arrive(second, place(0.0, 0.0), km(5.0), NOW));
        assert!(
            matchmaker
                .look_again(ticket, Moment::from_millis(4999))
                .is_none()
        );
        assert_eq!(matchmaker.waiting_around(&place(0.0, 0.0)), 2);
        assert_eq!(matchmaker.next_cool_off_end(ticket), Some(end));
        let (asked, other) = matchmaker.look_again(ticket, end).unwrap();
        assert_eq!((asked.who, other.who), (2, 1));
    }

    #[test]
    fn a_change_is_looked_at_at_once() {
        let mut matchmaker = Matchmaker::new();
        let far = waits(matchmaker.arrive(someone(1), place(0.0, 0.0), km(5.0), NOW));
        waits(matchmaker.arrive(someone(2), place(0.0, 50.0), km(5.0), NOW));
        assert!(
            matchmaker
                .change(far, place(0.0, 40.0), km(5.0), NOW)
                .is_none()
        );
        let (moved, met) = matchmaker
            .change(far, place(0.0, 50.01), km(5.0), NOW)
            .unwrap();
        assert_eq!((moved.who, met.who), (1, 2));
    }
}
