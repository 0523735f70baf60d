//! The rules of pairing: reach both ways, nobody who is to be avoided, the nearest first, and nobody passed
//! over for ever.

use super::neighbourhood::{Nearby, Neighbourhood};
use super::{Acquaintances, Ticket, TicketId, TooManyBlocked, WaitingRoom};
use crate::distribution::Distribution;
use crate::geo::{Place, Range};
use crate::moment::Moment;

/// After being passed over so often by people it was eligible for, a waiter goes first.
pub const PASSED_OVER_MAX: u8 = 8;

/// How many tickets one search looks at.
const LOOKED_AT: &[u64] = &[0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000];

/// Somebody who would be matched: who it is and whom they should not meet.
#[derive(Debug, Clone)]
pub struct Candidate<P> {
    /// Who it is, in the caller's terms.
    pub who: P,
    /// What others know them by: `who`, unless they were here before under that name.
    pub known_as: P,
    /// Whom they should not meet.
    pub known: Acquaintances<P>,
    /// Whether they meet only others of whom that is so, and nobody else meets them.
    pub is_apart: bool,
    /// How often somebody nearer was taken instead, at most [`PASSED_OVER_MAX`].
    passed_over: u8,
}

impl<P: Copy> Candidate<P> {
    /// Somebody who was not passed over yet.
    pub fn new(who: P, known: Acquaintances<P>) -> Self {
        Self {
            who,
            known_as: who,
            known,
            is_apart: false,
            passed_over: 0,
        }
    }

    /// What somebody else knows them by. Two who have the same name are one person twice, and tell each other apart.
    pub fn name_to(&self, other: &Self) -> P
    where
        P: Eq,
    {
        if self.known_as == other.known_as {
            self.who
        } else {
            self.known_as
        }
    }

    /// Whether they are not to meet somebody at this moment.
    pub fn avoids(&self, other: &Self, now: Moment) -> bool
    where
        P: Eq,
    {
        self.known.avoids(other.name_to(self), now)
    }

    /// The same, known to others by another name.
    #[must_use]
    pub fn known_as(self, known_as: P) -> Self {
        Self { known_as, ..self }
    }
}

/// What somebody left the waiting room with, and comes back to it with.
pub type Withdrawn<P> = Ticket<Candidate<P>>;

/// Finds partners for people as they arrive, so that nobody waits while somebody eligible waits too.
///
/// Two people are eligible for each other if the geodesic distance between their places is at most each
/// one's range, neither avoids the other, both or neither are kept apart, and they are not the same person. That nobody eligible is left
/// waiting holds because everything that can make two people eligible (arriving, changing, coming back, the
/// end of a cool-off) is followed by [`take_partner`](Self::take_partner). People who leave make nobody
/// eligible.
///
/// Of the eligible the nearest is taken, by straight line through the earth; at equal distance, who has
/// waited longest. But somebody who was passed over [`PASSED_OVER_MAX`] times goes first; of several such,
/// who has waited longest.
#[derive(Debug)]
pub struct Matchmaker<P> {
    room: WaitingRoom<Candidate<P>>,
    neighbourhood: Neighbourhood,
    /// How many tickets each search so far has looked at.
    looked_at: Distribution,
}

impl<P> Default for Matchmaker<P> {
    fn default() -> Self {
        Self {
            room: WaitingRoom::new(),
            neighbourhood: Neighbourhood::default(),
            looked_at: Distribution::new(LOOKED_AT),
        }
    }
}

/// Two who are paired, out of the waiting room: who looked for a partner, and who was found.
pub type Pair<P> = [Box<Withdrawn<P>>; 2];

/// What came of an arrival.
#[derive(Debug)]
pub enum Arrival<P> {
    /// Somebody eligible was waiting: who arrived, and who was found. Neither is in the waiting room now.
    Paired(Pair<P>),
    /// Nobody was: the person waits now.
    Waits(TicketId),
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

    /// Whether nobody waits, and nothing is kept of anybody who did.
    pub fn is_empty(&self) -> bool {
        self.room.is_empty() && self.neighbourhood.is_empty()
    }

    /// How many of those who wait each search for a partner so far has looked at, whether or not it found one.
    pub fn looked_at(&self) -> &Distribution {
        &self.looked_at
    }

    /// Roughly how many others have waited in the same part of the country, a while ago, for somebody who
    /// stands in the room since a moment.
    pub fn nearby(&mut self, place: &Place, since: Moment, now: Moment) -> Nearby {
        self.neighbourhood.nearby(place.position(), since, now)
    }

    /// When the first cool-off between somebody who waits and somebody they have met ends; that is when
    /// to look for a partner again.
    pub fn next_cool_off_end(&self, ticket: TicketId) -> Option<Moment> {
        self.room.get(ticket)?.who.known.next_expiry()
    }

    /// A ticket for somebody who comes, behind everybody else; not in the room yet.
    pub fn ticket(&mut self, candidate: Candidate<P>, place: Place, range: Range) -> Withdrawn<P> {
        self.room.ticket(place, range, candidate)
    }

    /// Pairs somebody who comes, or comes back, with somebody who waits, or lets them wait. O(log n).
    pub fn arrive(&mut self, mut ticket: Withdrawn<P>, now: Moment) -> Arrival<P> {
        ticket.who.known.forget_expired(now);
        let (choice, looked_at) = self.choose(&ticket, now);
        self.looked_at.record(looked_at);
        match choice {
            Some(choice) => {
                let found = self.take(choice);
                Arrival::Paired([ticket, found].map(Box::new))
            }
            None => Arrival::Waits(self.admit(ticket)),
        }
    }

    /// Lets somebody wait without looking for a partner. O(log n).
    pub fn admit(&mut self, ticket: Withdrawn<P>) -> TicketId {
        self.neighbourhood.enter(ticket.position);
        self.room.admit(ticket)
    }

    /// Moves somebody who waits or changes their range, keeping their turn. O(log n).
    ///
    /// # Panics
    /// If the ticket is not in the room.
    pub fn change(&mut self, ticket: TicketId, place: Place, range: Range) {
        let before = self.room.get(ticket).expect("the ticket waits").position;
        self.neighbourhood.leave(before);
        self.neighbourhood.enter(place.position());
        self.room.change(ticket, place, range);
    }

    /// Keeps two from ever being paired again, if the ticket is in the room.
    ///
    /// # Errors
    /// [`TooManyBlocked`] if that is one too many.
    pub fn block(&mut self, ticket: TicketId, other: P) -> Result<(), TooManyBlocked> {
        self.room
            .who_mut(ticket)
            .map_or(Ok(()), |candidate| candidate.known.block(other))
    }

    /// Looks for a partner for somebody who waits, and takes both out of the room if there is one: who looked,
    /// and who was found.
    ///
    /// # Panics
    /// If the ticket is not in the room.
    pub fn take_partner(&mut self, ticket: TicketId, now: Moment) -> Option<Pair<P>> {
        let candidate = self.room.who_mut(ticket).expect("the ticket waits");
        candidate.known.forget_expired(now);
        let seeker = self.room.get(ticket).expect("the ticket waits");
        let (choice, looked_at) = self.choose(seeker, now);
        self.looked_at.record(looked_at);
        let choice = choice?;
        let seeker = self.withdraw(ticket).expect("the ticket waits");
        Some([seeker, self.take(choice)].map(Box::new))
    }

    /// Takes somebody out of the waiting room, or `None` if the ticket is not in it (any more).
    pub fn withdraw(&mut self, ticket: TicketId) -> Option<Withdrawn<P>> {
        let ticket = self.room.remove(ticket)?;
        self.neighbourhood.leave(ticket.position);
        Some(ticket)
    }

    /// Who is to be paired with somebody, if anybody is, and how many were looked at. Looks once at everybody
    /// within reach: those who are not taken must be known, too.
    fn choose(&self, seeker: &Withdrawn<P>, now: Moment) -> (Option<Choice>, u64) {
        let is_eligible = |_, other: &Candidate<P>| is_eligible(&seeker.who, other, now);
        let (place, range) = (seeker.place(), seeker.range);
        let mut eligible = Vec::new();
        let mut first: Option<(Precedence, TicketId)> = None;
        let looked_at =
            self.room
                .for_each_eligible(&place, range, is_eligible, |id, other, chord_sq| {
                    eligible.push(id);
                    let precedence = Precedence::of(other, chord_sq);
                    if first.is_none_or(|(first, _)| precedence.is_before(&first)) {
                        first = Some((precedence, id));
                    }
                });
        let choice = first.map(|(_, found)| Choice { found, eligible });
        (choice, looked_at as u64)
    }

    /// Takes who was chosen out of the room; the others have been passed over.
    fn take(&mut self, Choice { found, eligible }: Choice) -> Withdrawn<P> {
        for id in eligible.into_iter().filter(|id| *id != found) {
            let candidate = self.room.who_mut(id).expect("who is eligible waits");
            candidate.passed_over = (candidate.passed_over + 1).min(PASSED_OVER_MAX);
        }
        self.withdraw(found).expect("who was found waits")
    }
}

/// What decides which of two who are eligible is taken.
#[derive(Clone, Copy)]
struct Precedence {
    is_overdue: bool,
    chord_sq: f64,
    turn: u64,
}

impl Precedence {
    fn of<P>(ticket: &Ticket<Candidate<P>>, chord_sq: f64) -> Self {
        Self {
            is_overdue: ticket.who.passed_over >= PASSED_OVER_MAX,
            chord_sq,
            turn: ticket.turn(),
        }
    }

    /// Whoever was passed over too often comes first, and of those who has waited longest; then the nearest,
    /// and of equally near ones who has waited longest.
    fn is_before(&self, other: &Self) -> bool {
        match (self.is_overdue, other.is_overdue) {
            (true, true) => self.turn < other.turn,
            (false, false) => (self.chord_sq, self.turn) < (other.chord_sq, other.turn),
            (is_overdue, _) => is_overdue,
        }
    }
}

/// Who is taken, and everybody who could have been, the taken one included.
struct Choice {
    found: TicketId,
    eligible: Vec<TicketId>,
}

/// The rules beyond distance. Both sides' memories count: each is bounded, so one may have forgotten.
fn is_eligible<P: Copy + Eq>(seeker: &Candidate<P>, other: &Candidate<P>, now: Moment) -> bool {
    seeker.who != other.who
        && seeker.is_apart == other.is_apart
        && !seeker.avoids(other, now)
        && !other.avoids(seeker, now)
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
        Candidate::new(who, Acquaintances::default())
    }

    fn names(pair: Option<Pair<u32>>) -> Option<[u32; 2]> {
        pair.map(|pair| pair.map(|ticket| ticket.who.who))
    }

    /// Somebody comes: the name of whom they met, or their ticket.
    fn arrive(
        matchmaker: &mut Matchmaker<u32>,
        candidate: Candidate<u32>,
        place: Place,
        range: Range,
    ) -> Result<u32, TicketId> {
        let ticket = matchmaker.ticket(candidate, place, range);
        match matchmaker.arrive(ticket, NOW) {
            Arrival::Paired([_, found]) => Ok(found.who.who),
            Arrival::Waits(ticket) => Err(ticket),
        }
    }

    #[test]
    fn the_second_of_two_is_paired_at_once() {
        let mut matchmaker = Matchmaker::new();
        arrive(&mut matchmaker, someone(1), place(0.0, 0.0), km(5.0)).unwrap_err();
        let met = arrive(&mut matchmaker, someone(2), place(0.0, 0.01), km(5.0));
        assert_eq!(met, Ok(1));
        assert!(matchmaker.is_empty());
    }

    #[test]
    fn recent_partners_wait_side_by_side_until_the_cool_off_ends() {
        let mut matchmaker = Matchmaker::new();
        let end = Moment::from_millis(5000);
        let mut second = someone(2);
        second.known.met(1, end);
        let here = place(0.0, 0.0);
        arrive(&mut matchmaker, someone(1), here, km(5.0)).unwrap_err();
        let ticket = arrive(&mut matchmaker, second, here, km(5.0)).unwrap_err();
        let before = Moment::from_millis(4999);
        assert_eq!(names(matchmaker.take_partner(ticket, before)), None);
        assert_eq!(matchmaker.next_cool_off_end(ticket), Some(end));
        assert_eq!(names(matchmaker.take_partner(ticket, end)), Some([2, 1]));
    }

    #[test]
    fn every_search_is_told_by_how_many_it_looked_at() {
        let mut matchmaker = Matchmaker::new();
        let here = place(0.0, 0.0);
        let first = arrive(&mut matchmaker, someone(1), here, km(5.0)).unwrap_err();
        // The same person again is looked at and not taken, and a search from the room sees itself as well.
        arrive(&mut matchmaker, someone(1), here, km(5.0)).unwrap_err();
        assert_eq!(names(matchmaker.take_partner(first, NOW)), None);
        assert_eq!(arrive(&mut matchmaker, someone(2), here, km(5.0)), Ok(1));
        let looked_at = matchmaker.looked_at();
        assert_eq!((looked_at.count(), looked_at.sum()), (4, 1 + 2 + 2));
    }

    #[test]
    fn a_block_by_either_side_keeps_two_apart() {
        for blocker in [1, 2] {
            let mut matchmaker = Matchmaker::new();
            let mut people = [someone(1), someone(2)];
            people[blocker - 1].known.block(3 - blocker as u32).unwrap();
            for person in people {
                arrive(&mut matchmaker, person, place(0.0, 0.0), km(5.0)).unwrap_err();
            }
        }
    }

    #[test]
    fn who_comes_under_another_name_is_still_avoided() {
        for blocker in [1, 2] {
            let mut matchmaker = Matchmaker::new();
            let mut people = [someone(1).known_as(10), someone(2).known_as(20)];
            people[blocker - 1]
                .known
                .block([20, 10][blocker - 1])
                .unwrap();
            for person in people {
                arrive(&mut matchmaker, person, place(0.0, 0.0), km(5.0)).unwrap_err();
            }
        }
        // What matters is the name that others know.
        let mut matchmaker = Matchmaker::new();
        let mut first = someone(1).known_as(10);
        first.known.block(2).unwrap();
        arrive(&mut matchmaker, first, place(0.0, 0.0), km(5.0)).unwrap_err();
        let second = someone(2).known_as(20);
        let met = arrive(&mut matchmaker, second, place(0.0, 0.0), km(5.0));
        assert_eq!(met, Ok(1));
    }

    #[test]
    fn one_person_twice_is_known_to_itself_by_who_it_is() {
        let here = place(0.0, 0.0);
        let end = Moment::from_millis(5000);
        for met in [2, 10] {
            let mut matchmaker = Matchmaker::new();
            arrive(&mut matchmaker, someone(1).known_as(10), here, km(5.0)).unwrap_err();
            let mut second = someone(3).known_as(10);
            second.known.met(met, end);
            // Whom it met as another window of its own is not this one.
            let met = arrive(&mut matchmaker, second, here, km(5.0));
            assert_eq!(met, Ok(1));
        }
        let mut matchmaker = Matchmaker::new();
        arrive(&mut matchmaker, someone(1).known_as(10), here, km(5.0)).unwrap_err();
        let mut second = someone(2).known_as(10);
        second.known.met(1, end);
        arrive(&mut matchmaker, second, here, km(5.0)).unwrap_err();
    }

    #[test]
    fn who_is_apart_meets_only_others_who_are() {
        let mut matchmaker = Matchmaker::new();
        let apart = |who| Candidate {
            is_apart: true,
            ..someone(who)
        };
        let here = place(0.0, 0.0);
        arrive(&mut matchmaker, apart(1), here, km(5.0)).unwrap_err();
        arrive(&mut matchmaker, someone(2), here, km(5.0)).unwrap_err();
        assert_eq!(arrive(&mut matchmaker, someone(3), here, km(5.0)), Ok(2));
        assert_eq!(arrive(&mut matchmaker, apart(4), here, km(5.0)), Ok(1));
    }

    #[test]
    fn a_change_can_make_a_pair() {
        let mut matchmaker = Matchmaker::new();
        let moved = arrive(&mut matchmaker, someone(1), place(0.0, 0.0), km(5.0)).unwrap_err();
        arrive(&mut matchmaker, someone(2), place(0.0, 50.0), km(5.0)).unwrap_err();
        matchmaker.change(moved, place(0.0, 40.0), km(5.0));
        assert_eq!(names(matchmaker.take_partner(moved, NOW)), None);
        matchmaker.change(moved, place(0.0, 50.01), km(5.0));
        assert_eq!(names(matchmaker.take_partner(moved, NOW)), Some([1, 2]));
    }

    #[test]
    fn who_comes_back_has_waited_as_long_as_before() {
        let mut matchmaker = Matchmaker::new();
        let (west, east) = (place(0.0, 0.0), place(0.0, 0.02));
        let first = arrive(&mut matchmaker, someone(1), west, km(2.0)).unwrap_err();
        arrive(&mut matchmaker, someone(2), east, km(2.0)).unwrap_err();
        let withdrawn = matchmaker.withdraw(first).unwrap();
        assert!(matches!(
            matchmaker.arrive(withdrawn, NOW),
            Arrival::Waits(_)
        ));
        // Both are equally near.
        let met = arrive(&mut matchmaker, someone(3), place(0.0, 0.01), km(5.0));
        assert_eq!(met, Ok(1));
    }

    #[test]
    fn who_was_passed_over_eight_times_goes_first() {
        let mut matchmaker = Matchmaker::new();
        let mut arrive = |who, lon| arrive(&mut matchmaker, someone(who), place(0.0, lon), km(8.0));
        // Two who exclude each other, and everybody who comes between them is nearer to the second.
        arrive(1000, 0.0).unwrap_err();
        for round in 0..u32::from(PASSED_OVER_MAX) {
            arrive(round, 0.1).unwrap_err();
            assert_eq!(arrive(2000, 0.06), Ok(round));
        }
        arrive(3000, 0.1).unwrap_err();
        assert_eq!(arrive(2000, 0.06), Ok(1000));
        assert_eq!(arrive(2000, 0.06), Ok(3000));
    }
}
