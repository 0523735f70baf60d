//! The waiting room of this crate.

use super::{Contender, PersonId};
use std::collections::HashMap;
use whisperchat::geo::{Place, Range};
use whisperchat::matching::{TicketId, WaitingRoom};

#[derive(Default)]
pub(crate) struct ThisRoom {
    room: WaitingRoom<PersonId>,
    tickets: HashMap<PersonId, TicketId>,
}

impl Contender for ThisRoom {
    const NAME: &'static str = "this room";

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        self.tickets
            .insert(who, self.room.insert(place, range, who));
    }

    fn remove(&mut self, who: PersonId) {
        let ticket = self.tickets.remove(&who).expect("who leaves has waited");
        self.room.remove(ticket);
    }

    fn change(&mut self, who: PersonId, place: Place, range: Range) {
        self.room.change(self.tickets[&who], place, range);
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let found = self.room.nearest_eligible(place, range, |_, _| true)?;
        self.room.get(found).map(|ticket| ticket.who)
    }
}
