//! The precision of the tree: coordinates and ranges in `f32`, half as wide as the exact ones, rounded so that
//! no search can miss anybody.

use whisperchat::geo::{Ecef, Range};

/// A geocentric point in the precision of the tree: metres, each coordinate rounded to the nearest `f32`.
pub(super) type TreePoint = [f32; 3];

/// Geocentric coordinates are below 2²³ m, where neighbouring `f32` are at most 0.5 m apart, so rounding
/// moves a coordinate by at most 0.25 m, and two points by at most √3 · 0.5 m ≈ 0.87 m from each other.
const ROUNDED_M: f32 = 1.0;

/// Eight units of 2⁻²⁴, what one operation in `f32` can be off by. A squared distance takes five in a row
/// (difference, which counts twice, square, two sums), [`reach_sq`] itself five.
const RELATIVE_ERROR: f32 = 8.0 / 16_777_216.0;

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

/// The largest squared distance, computed in `f32` from rounded points, that points can have which are
/// truly at most `reach_m` apart. Compared with it, nothing needs a root.
///
/// With u = 2⁻²⁴: the distance of the rounded points is at most `reach_m` + 0.87 m, and its computed square
/// at most (1 + u)⁵ times as large as it should be. What is returned is at least
/// (`reach_m` · (1 + 5u) + 1 m − u)² · (1 + 5u), which is more. Distances to boxes of rounded points are
/// computed by the same operations.
#[inline]
pub(super) fn reach_sq(reach_m: f32) -> f32 {
    let rounded_m = reach_m * (1.0 + RELATIVE_ERROR) + ROUNDED_M;
    rounded_m * rounded_m * (1.0 + RELATIVE_ERROR)
}
