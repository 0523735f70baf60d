//! What a node of the tree knows of everybody below it.

use super::super::rounding::TreePoint;

/// The box that people stand in and the largest range any of them has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(super) lower: TreePoint,
    pub(super) upper: TreePoint,
    /// In metres.
    pub(super) range_max_m: f32,
}

impl Bounds {
    /// The bounds of nobody: whatever is added is all there is.
    pub(super) const EMPTY: Self = Self {
        lower: [f32::INFINITY; 3],
        upper: [f32::NEG_INFINITY; 3],
        range_max_m: 0.0,
    };

    /// The bounds of one person.
    pub(crate) fn of(point: TreePoint, range_m: f32) -> Self {
        Self {
            lower: point,
            upper: point,
            range_max_m: range_m,
        }
    }

    /// Takes others in.
    pub(super) fn add(&mut self, other: &Self) {
        for axis in 0..3 {
            self.lower[axis] = self.lower[axis].min(other.lower[axis]);
            self.upper[axis] = self.upper[axis].max(other.upper[axis]);
        }
        self.range_max_m = self.range_max_m.max(other.range_max_m);
    }

    /// Whether these could be smaller without `other`, who is inside.
    pub(super) fn rest_on(&self, other: &Self) -> bool {
        self.range_max_m == other.range_max_m
            || (0..3).any(|axis| {
                self.lower[axis] == other.lower[axis] || self.upper[axis] == other.upper[axis]
            })
    }

    /// The squared diagonal of the box: the size that the tree keeps small. Unlike the volume, it is above
    /// zero for people on a line or in a plane.
    pub(super) fn diagonal_sq(&self) -> f32 {
        (0..3)
            .map(|axis| {
                let side = self.upper[axis] - self.lower[axis];
                side * side
            })
            .sum()
    }
}
