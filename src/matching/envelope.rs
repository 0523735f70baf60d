//! What a node of the tree knows of everybody below it: the box they stand in and the largest range
//! any of them has.

use crate::geo::{Ecef, Range};
use rstar::{AABB, Envelope, RTreeObject};

/// A point in the precision of the tree: metres, each coordinate rounded to the nearest `f32`.
pub(super) type TreePoint = [f32; 3];

/// Geocentric coordinates are below 2²³ m, where neighbouring `f32` are at most 0.5 m apart, so
/// rounding moves a coordinate by at most 0.25 m. A distance between two rounded points, or from a
/// rounded point to a box of rounded points, is then at most √3 · 0.5 m ≈ 0.87 m too large.
const ROUNDED_M: f32 = 1.0;

/// The arithmetic of a distance in `f32` (three differences, three squares, two sums, a root) is off by
/// less than four units of 2⁻²⁴ relative to the result.
const RELATIVE_ERROR: f32 = 4.0 / 16_777_216.0;

/// Rounds geocentric coordinates to the precision of the tree.
pub(super) fn tree_point(ecef: &Ecef) -> TreePoint {
    [ecef.x as f32, ecef.y as f32, ecef.z as f32]
}

/// A range in the precision of the tree, never smaller than it is.
pub(super) fn tree_range_m(range: Range) -> f32 {
    let rounded = range.metres() as f32;
    if f64::from(rounded) < range.metres() {
        rounded.next_up()
    } else {
        rounded
    }
}

/// The box that holds a set of tickets, and the largest range among them.
///
/// `rstar` merges the envelopes of children on insertion and recomputes them on removal, so a node's
/// range shrinks again when the person who had the largest leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cover {
    aabb: AABB<TreePoint>,
    range_max_m: f32,
}

impl Cover {
    /// The cover of a single ticket.
    pub(super) fn of(point: TreePoint, range_m: f32) -> Self {
        Self {
            aabb: AABB::from_point(point),
            range_max_m: range_m,
        }
    }

    /// The largest range of any ticket below, in metres, rounded up.
    pub(super) fn range_max_m(&self) -> f32 {
        self.range_max_m
    }

    /// Whether whoever is below `other` could be below this: its box is inside, and its largest range no larger.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.range_max_m >= other.range_max_m && self.aabb.contains_envelope(&other.aabb)
    }

    /// A lower bound of the straight-line distance, in metres, from `point` to any ticket below. Never
    /// more than the true distance between the unrounded coordinates.
    pub(super) fn distance_min_m(&self, point: &TreePoint) -> f32 {
        let (lower, upper) = (self.aabb.lower(), self.aabb.upper());
        let mut sum = 0.0;
        for axis in 0..3 {
            let outside = (lower[axis] - point[axis])
                .max(point[axis] - upper[axis])
                .max(0.0);
            sum += outside * outside;
        }
        distance_lower_m(sum)
    }
}

/// A lower bound of the true straight-line distance, in metres, between two points known in the
/// precision of the tree.
pub(super) fn points_distance_min_m(a: &TreePoint, b: &TreePoint) -> f32 {
    let (dx, dy, dz) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    distance_lower_m(dx * dx + dy * dy + dz * dz)
}

/// From a squared distance in tree precision to a distance that rounding can't have made too large.
fn distance_lower_m(squared: f32) -> f32 {
    (squared.sqrt() * (1.0 - RELATIVE_ERROR) - ROUNDED_M).max(0.0)
}

/// The geometry is the box's alone: nearness decides the shape of the tree, ranges only prune it.
impl Envelope for Cover {
    type Point = TreePoint;

    fn new_empty() -> Self {
        Self {
            aabb: AABB::new_empty(),
            range_max_m: 0.0,
        }
    }

    fn is_empty(&self) -> bool {
        self.aabb.is_empty()
    }

    fn contains_point(&self, point: &TreePoint) -> bool {
        self.aabb.contains_point(point)
    }

    fn contains_envelope(&self, other: &Self) -> bool {
        self.aabb.contains_envelope(&other.aabb)
    }

    fn merge(&mut self, other: &Self) {
        self.aabb.merge(&other.aabb);
        self.range_max_m = self.range_max_m.max(other.range_max_m);
    }

    fn merged(&self, other: &Self) -> Self {
        let mut merged = *self;
        merged.merge(other);
        merged
    }

    fn intersects(&self, other: &Self) -> bool {
        self.aabb.intersects(&other.aabb)
    }

    fn intersection_area(&self, other: &Self) -> f32 {
        self.aabb.intersection_area(&other.aabb)
    }

    fn area(&self) -> f32 {
        self.aabb.area()
    }

    fn distance_2(&self, point: &TreePoint) -> f32 {
        self.aabb.distance_2(point)
    }

    fn min_max_dist_2(&self, point: &TreePoint) -> f32 {
        self.aabb.min_max_dist_2(point)
    }

    fn center(&self) -> TreePoint {
        self.aabb.center()
    }

    fn perimeter_value(&self) -> f32 {
        self.aabb.perimeter_value()
    }

    fn sort_envelopes<T: RTreeObject<Envelope = Self>>(axis: usize, envelopes: &mut [T]) {
        envelopes.sort_unstable_by(|l, r| lower(l, axis).total_cmp(&lower(r, axis)));
    }

    fn partition_envelopes<T: RTreeObject<Envelope = Self>>(
        axis: usize,
        envelopes: &mut [T],
        selection_size: usize,
    ) {
        envelopes.select_nth_unstable_by(selection_size, |l, r| {
            lower(l, axis).total_cmp(&lower(r, axis))
        });
    }
}

fn lower<T: RTreeObject<Envelope = Cover>>(object: &T, axis: usize) -> f32 {
    object.envelope().aabb.lower()[axis]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::{Place, Position};
    use proptest::prelude::*;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(Position::new(lat, lon).unwrap())
    }

    #[test]
    fn a_range_is_never_rounded_down() {
        for km in [1e-9, 0.3, 1.0 / 3.0, 16_777.217, 20_003.931_459] {
            let range = Range::from_km(km).unwrap();
            assert!(f64::from(tree_range_m(range)) >= range.metres(), "{km}");
        }
    }

    proptest! {
        #[test]
        fn rounded_distances_never_exceed_the_true_ones(
            (lat1, lon1) in (-90.0..=90.0f64, -180.0..=180.0f64),
            (lat2, lon2) in (-90.0..=90.0f64, -180.0..=180.0f64),
            near in prop_oneof![Just(1.0), Just(1e-3), Just(1e-7)],
        ) {
            let from = place(lat1, lon1);
            let to = place(lat1 + (lat2 - lat1) * near, lon1 + (lon2 - lon1) * near);
            let (a, b) = (tree_point(from.ecef()), tree_point(to.ecef()));
            let chord_m = from.chord_sq(&to).sqrt();
            prop_assert!(f64::from(points_distance_min_m(&a, &b)) <= chord_m);
            let cover = Cover::of(b, 1.0).merged(&Cover::of(tree_point(place(0.0, 0.0).ecef()), 2.0));
            prop_assert!(f64::from(cover.distance_min_m(&a)) <= chord_m);
            prop_assert_eq!(cover.range_max_m(), 2.0);
        }
    }
}
