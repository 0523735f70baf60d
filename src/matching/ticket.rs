//! One person's place in the waiting room.

use crate::geo::{Place, Position, Range};

slotmap::new_key_type! {
    /// Names a ticket in its waiting room. Never used again for another ticket.
    pub struct TicketId;
}

/// Somebody who waits: where, how far they would go, and since when in comparison with others.
#[derive(Debug, Clone)]
pub struct Ticket<P> {
    /// Where they are. Its geocentric coordinates are not kept: a search works them out anew for the few
    /// whom the tree's own, coarser ones don't rule out.
    pub(super) position: Position,
    /// How far they would go.
    pub range: Range,
    /// Who it is, in the caller's terms.
    pub who: P,
    /// The order of arrival: lower has waited longer. Kept when the ticket is changed in place.
    pub(super) turn: u64,
}

impl<P> Ticket<P> {
    /// Where they are.
    pub fn place(&self) -> Place {
        Place::new(self.position)
    }

    /// Moves it or changes its range, while it is in no room; how long they have waited stays.
    pub fn change(&mut self, place: Place, range: Range) {
        self.position = place.position();
        self.range = range;
    }

    /// The order of arrival: lower has waited longer.
    pub fn turn(&self) -> u64 {
        self.turn
    }
}
