//! How a node that is full becomes two.

use super::bounds::Bounds;
use super::node::{INNER_MAX, LEAF_MAX, Node};

/// The most children that are ever to be divided: those of a full node and one more.
const CHILDREN_MAX: usize = if LEAF_MAX > INNER_MAX {
    LEAF_MAX + 1
} else {
    INNER_MAX + 1
};

/// Divides the children of a full node and one more between it and an empty one.
///
/// As in the R*-tree (Beckmann, Kriegel, Schneider, Seeger: "The R*-tree", SIGMOD 1990, section 4.2), the
/// children are sorted along each axis and every cut is considered that leaves each side two fifths. It
/// takes the cut with the least sum of squared diagonals where the R*-tree looks at margins, then at
/// overlap, then at area: people have no extent, so cuts along an axis never overlap in leaves, and on the
/// surface of a sphere volumes say little. One measure prefers halves that are both small and compact.
pub(super) fn split<N: Node>(low: &mut N, high: &mut N, bounds: Bounds, child: N::Child) {
    let count = N::MAX + 1;
    let mut all = [(bounds, child); CHILDREN_MAX];
    for (slot, kept) in all[..N::MAX].iter_mut().enumerate() {
        *kept = low.get(slot);
    }
    let all = &mut all[..count];
    let mut best = (f32::INFINITY, 0, count / 2);
    for axis in 0..3 {
        sort(all, axis);
        let (cost, cut) = best_cut(all);
        if cost < best.0 {
            best = (cost, axis, cut);
        }
    }
    let (_, axis, cut) = best;
    sort(all, axis);
    while low.len() > 0 {
        low.swap_remove(low.len() - 1);
    }
    high.set_parent(low.parent());
    for (bounds, child) in &all[..cut] {
        low.push(bounds, *child);
    }
    for (bounds, child) in &all[cut..] {
        high.push(bounds, *child);
    }
}

/// Sorts by the middle of the boxes.
fn sort<C>(all: &mut [(Bounds, C)], axis: usize) {
    let doubled_middle = |bounds: &Bounds| bounds.lower[axis] + bounds.upper[axis];
    all.sort_unstable_by(|(a, _), (b, _)| doubled_middle(a).total_cmp(&doubled_middle(b)));
}

/// How many children come before the best cut of this order, with its cost.
fn best_cut<C>(all: &[(Bounds, C)]) -> (f32, usize) {
    let count = all.len();
    let least = count * 2 / 5;
    let mut after = [0.0; CHILDREN_MAX];
    let mut sum = Bounds::EMPTY;
    for slot in (least..count).rev() {
        sum.add(&all[slot].0);
        after[slot] = sum.diagonal_sq();
    }
    let mut best = (f32::INFINITY, count / 2);
    let mut sum = Bounds::EMPTY;
    for cut in 1..=count - least {
        sum.add(&all[cut - 1].0);
        if cut >= least {
            let cost = sum.diagonal_sq() + after[cut];
            if cost < best.0 {
                best = (cost, cut);
            }
        }
    }
    best
}
