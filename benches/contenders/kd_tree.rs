//! A k-d tree that can change: `kiddo`'s, in three dimensions, with a filter for the other side's range.
//!
//! It takes points out but never prunes or balances what is left, and it can't split a leaf whose points
//! agree in the dimension to be split by: it has no room for everybody at one point, or on one meridian.

use super::{Contender, PersonId};
use kiddo::{MutableKdTree, SquaredEuclidean};
use std::num::NonZero;
use whisperchat::geo::{Place, Range, is_within};

/// How many neighbours are asked for at first.
const FIRST: usize = 8;

/// How many times more are asked for if those were not enough. There is no iterator that goes on.
const GROWTH: usize = 8;

#[derive(Default)]
pub(crate) struct KdTree {
    tree: MutableKdTree<f64, 3>,
    /// By person; `None` for those who don't wait.
    waiting: Vec<Option<(Place, Range, u64)>>,
    next_turn: u64,
}

fn point(place: &Place) -> [f64; 3] {
    let ecef = place.ecef();
    [ecef.x, ecef.y, ecef.z]
}

impl KdTree {
    fn get(&self, who: PersonId) -> &(Place, Range, u64) {
        let waiting = self.waiting.get(who as usize);
        waiting
            .and_then(Option::as_ref)
            .expect("who is in the tree waits")
    }
}

impl Contender for KdTree {
    const NAME: &'static str = "k-d tree";

    fn cannot_hold(crowd: &str) -> Option<&'static str> {
        ["one_point", "meridian"]
            .contains(&crowd)
            .then_some("kiddo can't split a leaf of points that agree in one dimension")
    }

    fn insert(&mut self, who: PersonId, place: Place, range: Range) {
        if self.waiting.len() <= who as usize {
            self.waiting.resize(who as usize + 1, None);
        }
        self.waiting[who as usize] = Some((place, range, self.next_turn));
        self.next_turn += 1;
        self.tree
            .add(&point(&place), who)
            .expect("points are not all in one plane");
    }

    fn remove(&mut self, who: PersonId) {
        let (place, ..) = self.waiting[who as usize]
            .take()
            .expect("who leaves has waited");
        self.tree.remove(&point(&place), who);
    }

    fn nearest(&self, place: &Place, range: Range) -> Option<PersonId> {
        let from = point(place);
        let reach_sq = (range.metres() + 1.0).powi(2);
        let mut count = FIRST;
        loop {
            let neighbours = self
                .tree
                .query(&from)
                .nearest_n::<SquaredEuclidean<f64>>(NonZero::new(count).expect("it only grows"))
                .within(reach_sq)
                .execute();
            let mut best = (f64::INFINITY, u64::MAX, None);
            for neighbour in &neighbours {
                let (other, other_range, turn) = self.get(neighbour.item);
                let chord_sq = place.chord_sq(other);
                if (chord_sq, *turn) < (best.0, best.1)
                    && is_within(place, other, range.min(*other_range))
                {
                    best = (chord_sq, *turn, Some(neighbour.item));
                }
            }
            let is_all = neighbours.len() < count;
            // At the distance of the best there may be more who have waited longer.
            let is_past_best = neighbours.last().is_some_and(|last| last.distance > best.0);
            if is_all || is_past_best {
                return best.2;
            }
            count *= GROWTH;
        }
    }
}
