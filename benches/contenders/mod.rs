//! The waiting room and its rivals behind one interface, so that the same people do the same things in
//! each. All give the same answers; the bench checks that before it times anything.

mod plain_rstar;
mod scan;
mod this_room;

use whisperchat::geo::{Place, Range};

pub(crate) use plain_rstar::PlainRstar;
pub(crate) use scan::Scan;
pub(crate) use this_room::ThisRoom;

/// Somebody in a crowd, by index.
pub(crate) type PersonId = u32;

/// Something that finds the nearest person within reach both ways.
pub(crate) trait Contender: Default {
    /// Its name in tables and plots.
    const NAME: &'static str;

    /// Lets somebody wait, behind everybody else.
    fn insert(&mut self, who: PersonId, place: Place, range: Range);

    /// Takes somebody out who waits.
    fn remove(&mut self, who: PersonId);

    /// Who is nearest of those within reach both ways; at equal distance, who has waited longest.
    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId>;
}
