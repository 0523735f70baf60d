//! What happens in a room, worked out before anything is timed: the same for everybody who is measured.
//!
//! People of a crowd wait of whom no two could be matched, as in a room that pairs at once. Somebody
//! arrives. If somebody is within reach of both, both leave, and the one who waited arrives again, finds
//! nobody and waits. If not, the newcomer waits, and somebody else departs. So as many wait as before.

use crate::rooms::{Room, Whereabouts};
use anyhow::{Result, ensure};
use whisperchat::geo::{Place, Range, is_within};
use whisperchat::matching::{TicketId, WaitingRoom};

/// How many arrivals are held against a look at everybody who waits.
const CHECKED: usize = 300;

/// Somebody of a trace, by index.
pub(crate) type PersonId = u32;

/// Somebody who comes.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    pub(crate) place: Place,
    pub(crate) range: Range,
}

/// What a room is asked to do.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Finds the nearest within reach of both and takes them out, or lets this person wait.
    Arrive(Person),
    /// Takes somebody out who gives up.
    Depart(Person),
    /// Lets somebody wait without a search.
    LetIn(Person),
}

/// A room and what happens in it.
pub(crate) struct Trace {
    /// Who waits at first, those with the lowest ids.
    pub(crate) waiting: Vec<Person>,
    /// Each with whom the one who arrives is to meet.
    pub(crate) steps: Vec<(Step, Option<PersonId>)>,
    /// By id.
    people: Vec<Person>,
}

impl Person {
    fn new(id: usize, (place, range): Whereabouts) -> Self {
        let id = PersonId::try_from(id).expect("no trace has billions of people");
        Self { id, place, range }
    }

    /// Whether each is within the range of the other: the rule, with the geodesic where it matters.
    pub(crate) fn reaches(&self, other: &Self) -> bool {
        is_within(&self.place, &other.place, self.range.min(other.range))
    }

    /// Where they are, in degrees: latitude, longitude.
    pub(crate) fn degrees(&self) -> (f64, f64) {
        let position = self.place.position();
        (position.lat_deg(), position.lon_deg())
    }
}

impl Trace {
    /// Fills a room and works out so many steps or one more, the first arrivals checked against the rule.
    pub(crate) fn new(room: &Room, steps: usize) -> Result<Self> {
        let mut draft = Draft::new(room);
        let mut checked = 0;
        for newcomer in room.newcomers() {
            if draft.steps.len() >= steps {
                break;
            }
            let person = Person::new(draft.people.len(), newcomer.seeks);
            if checked < CHECKED {
                checked += 1;
                let (found, expected) = (draft.nearest(&person), draft.scan(&person));
                ensure!(
                    found == expected,
                    "the room is wrong about arrival {checked}"
                );
            }
            draft.come(person);
        }
        Ok(Self {
            waiting: draft.people[..room.people.len()].to_vec(),
            steps: draft.steps,
            people: draft.people,
        })
    }

    pub(crate) fn person(&self, id: PersonId) -> &Person {
        &self.people[id as usize]
    }
}

/// A trace in the making.
struct Draft {
    room: WaitingRoom<PersonId>,
    people: Vec<Person>,
    /// The tickets of those who wait, by id.
    tickets: Vec<TicketId>,
    /// Who waits.
    seats: Vec<PersonId>,
    steps: Vec<(Step, Option<PersonId>)>,
}

impl Draft {
    fn new(filled: &Room) -> Self {
        let mut draft = Self {
            room: WaitingRoom::new(),
            people: Vec::new(),
            tickets: Vec::new(),
            seats: Vec::new(),
            steps: Vec::new(),
        };
        for (id, whereabouts) in filled.people.iter().enumerate() {
            let person = Person::new(id, *whereabouts);
            draft.people.push(person);
            draft.let_in(&person);
            draft.seats.push(person.id);
        }
        draft
    }

    fn let_in(&mut self, person: &Person) {
        let ticket = self.room.insert(person.place, person.range, person.id);
        self.tickets.resize(self.people.len(), TicketId::default());
        self.tickets[person.id as usize] = ticket;
    }

    fn nearest(&self, person: &Person) -> Option<PersonId> {
        let found = self
            .room
            .nearest_eligible(&person.place, person.range, |_, _| true)?;
        self.room.get(found).map(|ticket| ticket.who)
    }

    /// The same by looking at everybody. In a quiet room nobody waits at the same distance as another.
    fn scan(&self, person: &Person) -> Option<PersonId> {
        let mut best = (f64::INFINITY, None);
        for &id in &self.seats {
            let other = &self.people[id as usize];
            let chord_sq = person.place.chord_sq(&other.place);
            if chord_sq < best.0 && person.reaches(other) {
                best = (chord_sq, Some(id));
            }
        }
        best.1
    }

    fn come(&mut self, person: Person) {
        self.people.push(person);
        let found = self.nearest(&person);
        self.steps.push((Step::Arrive(person), found));
        if let Some(found) = found {
            let back = self.people[found as usize];
            self.room.remove(self.tickets[found as usize]);
            debug_assert!(self.nearest(&back).is_none(), "the room is quiet");
            self.let_in(&back);
            self.steps.push((Step::Arrive(back), None));
        } else {
            self.let_in(&person);
            // The golden ratio's share of 2³² spreads the numbers.
            let seat = self.steps.len().wrapping_mul(0x9E37_79B9) % self.seats.len();
            let leaver = std::mem::replace(&mut self.seats[seat], person.id);
            self.room.remove(self.tickets[leaver as usize]);
            self.steps
                .push((Step::Depart(self.people[leaver as usize]), None));
        }
    }
}
