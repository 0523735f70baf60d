//! A room in use, in any contender.

use super::{Contender, PersonId, Scan};
use crate::rooms::{Newcomer, Newcomers, Room, Whereabouts};

/// How many arrivals are compared.
const COMPARED: usize = 1000;

/// People who wait, and those to come.
pub(crate) struct World<C> {
    pub(crate) room: C,
    /// By [`PersonId`]; all of them wait, except within [`World::let_in`].
    pub(crate) people: Vec<Whereabouts>,
    pub(crate) newcomers: Newcomers,
    pub(crate) arrivals: usize,
}

impl<C: Contender> World<C> {
    pub(crate) fn new(room: &Room) -> Self {
        let mut contender = C::default();
        for (who, (place, range)) in room.people.iter().enumerate() {
            contender.insert(who as PersonId, *place, *range);
        }
        Self {
            room: contender,
            people: room.people.clone(),
            newcomers: room.newcomers(),
            arrivals: 0,
        }
    }

    pub(crate) fn newcomer(&mut self) -> Newcomer {
        self.newcomers.next().expect("they never end")
    }

    /// Somebody of those who wait, chosen by a number.
    pub(crate) fn anybody(&self, number: usize) -> PersonId {
        // The golden ratio's share of 2³² spreads the numbers.
        (number.wrapping_mul(0x9E37_79B9) % self.people.len()) as PersonId
    }

    /// Whom a newcomer is to meet.
    pub(crate) fn ask(&self, newcomer: &Newcomer) -> Option<PersonId> {
        let (place, range) = &newcomer.seeks;
        self.room.nearest(place, *range)
    }

    /// What follows: if somebody was found, both leave, and the one who waited arrives again, finds nobody,
    /// and waits. If nobody was, the newcomer takes the place of somebody who gives up.
    pub(crate) fn act(&mut self, newcomer: &Newcomer, found: Option<PersonId>) {
        self.arrivals += 1;
        if let Some(who) = found {
            self.room.remove(who);
            let (place, range) = self.people[who as usize];
            let other = self.room.nearest(&place, range);
            assert!(other.is_none(), "the room is quiet");
            self.room.insert(who, place, range);
            self.arrivals += 1;
        } else {
            let leaver = self.anybody(self.arrivals);
            self.room.remove(leaver);
            let (place, range) = newcomer.stays;
            self.people[leaver as usize] = (place, range);
            self.room.insert(leaver, place, range);
        }
    }

    /// One newcomer and what follows: an arrival or two.
    pub(crate) fn step(&mut self) {
        let newcomer = self.newcomer();
        let found = self.ask(&newcomer);
        self.act(&newcomer, found);
    }

    /// Somebody comes without asking; they are not one of [`World::people`].
    pub(crate) fn let_in(&mut self, index: usize, (place, range): Whereabouts) {
        let who = (self.people.len() + index) as PersonId;
        self.room.insert(who, place, range);
    }

    /// Takes out again who was let in.
    pub(crate) fn let_out(&mut self, index: usize) {
        self.room.remove((self.people.len() + index) as PersonId);
    }
}

/// The share of newcomers for whom a contender's answer is not that of the scan.
pub(crate) fn error_rate<C: Contender>(room: &Room) -> f64 {
    let mut scan = World::<Scan>::new(room);
    let mut contender = World::<C>::new(room);
    let mut errors = 0;
    for _ in 0..COMPARED {
        let newcomer = scan.newcomer();
        let expected = scan.ask(&newcomer);
        errors += usize::from(contender.ask(&newcomer) != expected);
        scan.act(&newcomer, expected);
        contender.act(&newcomer, expected);
    }
    errors as f64 / COMPARED as f64
}
