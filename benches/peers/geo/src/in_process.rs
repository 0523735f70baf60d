//! The room of this crate, called as a function.

use crate::player::Peer;
use crate::trace::{Person, PersonId, Step};
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use whisperchat::matching::{TicketId, WaitingRoom};

#[derive(Default)]
pub(crate) struct InProcess {
    room: WaitingRoom<PersonId>,
    /// By whoever has one; the rivals are asked by a person's number, too.
    tickets: HashMap<PersonId, TicketId>,
}

impl InProcess {
    fn let_in(&mut self, person: &Person) {
        let ticket = self.room.insert(person.place, person.range, person.id);
        self.tickets.insert(person.id, ticket);
    }

    fn take_out(&mut self, id: PersonId) -> Result<()> {
        let ticket = self.tickets.remove(&id).context("who leaves has waited")?;
        self.room.remove(ticket);
        Ok(())
    }

    fn arrive(&mut self, person: &Person) -> Result<Option<PersonId>> {
        let found = self
            .room
            .nearest_eligible(&person.place, person.range, |_, _| true);
        let Some(ticket) = found.and_then(|id| self.room.get(id)) else {
            self.let_in(person);
            return Ok(None);
        };
        let who = ticket.who;
        self.take_out(who)?;
        Ok(Some(who))
    }
}

impl Peer for InProcess {
    fn name(&self) -> &'static str {
        "this room, in process"
    }

    fn can_pipeline(&self) -> bool {
        false
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn fill(&mut self, people: &[Person]) -> Result<()> {
        *self = Self::default();
        for person in people {
            self.let_in(person);
        }
        Ok(())
    }

    fn take(&mut self, steps: &[Step]) -> Result<Vec<Option<PersonId>>> {
        steps
            .iter()
            .map(|step| match step {
                Step::Arrive(person) => self.arrive(person),
                Step::Depart(person) => self.take_out(person.id).map(|()| None),
                Step::LetIn(person) => {
                    self.let_in(person);
                    Ok(None)
                }
            })
            .collect()
    }

    fn bare_round_trip(&mut self) -> Result<()> {
        Ok(())
    }
}
