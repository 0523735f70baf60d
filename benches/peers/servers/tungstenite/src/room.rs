//! The waiting room under its mutex, and the ways in which a partner is found in it.

use crate::connection::{Event, Seat};
use crate::dialect::Location;
use rstar::{AABB, PointDistance, RTree, RTreeObject};
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The mean radius of the earth, which a formula from the first page of a search uses.
const EARTH_RADIUS_KM: f64 = 6371.0;

/// How a partner is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matcher {
    /// Everybody is compared with everybody, whenever somebody has come.
    Pairs,
    /// Who comes is compared with everybody who waits.
    Newcomer,
    /// Who comes looks at those nearby, nearest first, in an R*-tree that knows nothing of ranges.
    Rstar,
}

impl FromStr for Matcher {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "pairs" => Ok(Self::Pairs),
            "newcomer" => Ok(Self::Newcomer),
            "rstar" => Ok(Self::Rstar),
            _ => Err(()),
        }
    }
}

/// Somebody who waits.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) seat: Arc<Seat>,
    location: Location,
    range_km: f64,
    /// On a sphere of the earth's mean radius, in km.
    point: [f64; 3],
}

impl Waiting {
    pub(crate) fn new(seat: &Arc<Seat>) -> Self {
        let location = seat.profile.location;
        let (lat, long) = (location.lat.to_radians(), location.long.to_radians());
        Self {
            seat: Arc::clone(seat),
            location,
            range_km: f64::from(seat.profile.range),
            point: [
                EARTH_RADIUS_KM * lat.cos() * long.cos(),
                EARTH_RADIUS_KM * lat.cos() * long.sin(),
                EARTH_RADIUS_KM * lat.sin(),
            ],
        }
    }

    fn may_meet(&self, other: &Self) -> bool {
        haversine_km(self.location, other.location) <= self.range_km.min(other.range_km)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.seat, &other.seat)
    }
}

impl RTreeObject for Waiting {
    type Envelope = AABB<[f64; 3]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_point(self.point)
    }
}

impl PointDistance for Waiting {
    fn distance_2(&self, point: &[f64; 3]) -> f64 {
        self.point.distance_2(point)
    }
}

fn haversine_km(from: Location, to: Location) -> f64 {
    let (from_lat, to_lat) = (from.lat.to_radians(), to.lat.to_radians());
    let half_lat = ((to_lat - from_lat) / 2.0).sin();
    let half_long = ((to.long - from.long).to_radians() / 2.0).sin();
    let a = half_lat * half_lat + from_lat.cos() * to_lat.cos() * half_long * half_long;
    2.0 * EARTH_RADIUS_KM * a.sqrt().min(1.0).asin()
}

/// The straight line through a sphere between two who are so far apart along it.
fn chord_km(distance_km: f64) -> f64 {
    let angle = (distance_km / EARTH_RADIUS_KM).min(std::f64::consts::PI);
    2.0 * EARTH_RADIUS_KM * (angle / 2.0).sin()
}

/// Everybody who waits.
pub(crate) struct Room {
    matcher: Matcher,
    waiting: Mutex<Crowd>,
    /// Somebody has come whom nobody has been compared with.
    has_come: Condvar,
}

#[derive(Default)]
struct Crowd {
    /// In the order in which they came; of [`Matcher::Rstar`] nobody.
    row: Vec<Waiting>,
    tree: RTree<Waiting>,
    is_new: bool,
}

impl Room {
    pub(crate) fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            waiting: Mutex::default(),
            has_come: Condvar::new(),
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody in, who is told when there is a partner.
    pub(crate) fn join(&self, newcomer: Waiting) {
        let mut crowd = self.crowd();
        match self.matcher {
            Matcher::Pairs => {
                crowd.row.push(newcomer);
                crowd.is_new = true;
                self.has_come.notify_one();
            }
            Matcher::Newcomer => {
                let found = crowd.row.iter().position(|other| newcomer.may_meet(other));
                match found {
                    Some(index) => introduce(&newcomer.seat, &crowd.row.remove(index).seat),
                    None => crowd.row.push(newcomer),
                }
            }
            Matcher::Rstar => {
                let reach_km = chord_km(newcomer.range_km);
                let found = crowd
                    .tree
                    .nearest_neighbor_iter_with_distance_2(newcomer.point)
                    .take_while(|(_, distance_2)| *distance_2 <= reach_km * reach_km)
                    .map(|(other, _)| other)
                    .find(|other| newcomer.may_meet(other))
                    .cloned();
                match found {
                    Some(other) => {
                        crowd.tree.remove(&other);
                        introduce(&newcomer.seat, &other.seat);
                    }
                    None => crowd.tree.insert(newcomer),
                }
            }
        }
    }

    /// Lets go who may be waiting.
    pub(crate) fn leave(&self, leaver: &Waiting) {
        let mut crowd = self.crowd();
        if self.matcher == Matcher::Rstar {
            crowd.tree.remove(leaver);
        } else {
            crowd.row.retain(|other| other != leaver);
        }
    }
}

/// Has a thread compare everybody with everybody, where that is how partners are found.
pub(crate) fn watch(room: &Arc<Room>) {
    if room.matcher != Matcher::Pairs {
        return;
    }
    let room = Arc::clone(room);
    std::thread::spawn(move || {
        let mut crowd = room.crowd();
        loop {
            crowd.is_new = false;
            pair_off(&mut crowd.row);
            crowd = room
                .has_come
                .wait_while(crowd, |crowd| !crowd.is_new)
                .unwrap_or_else(PoisonError::into_inner);
        }
    });
}

fn pair_off(row: &mut Vec<Waiting>) {
    let mut one = 0;
    while one < row.len() {
        let found = (one + 1..row.len()).find(|&other| row[one].may_meet(&row[other]));
        match found {
            Some(other) => {
                let other = row.remove(other);
                introduce(&row.remove(one).seat, &other.seat);
            }
            None => one += 1,
        }
    }
}

/// Tells one of the other, who is told by the first. To tell both from here could let what one says overtake the
/// news that they are there.
fn introduce(one: &Seat, other: &Arc<Seat>) {
    one.tell(Event::Found(Arc::clone(other)));
}
