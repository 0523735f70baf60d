//! Branch and bound: nearer children first, and none that can't hold anybody who matters.

use super::super::rounding::{TreePoint, reach_sq};
use super::Tree;
use super::node::Node as _;

impl<K: Copy + Default + Eq> Tree<K> {
    /// Calls `visit` with everybody who may be within a reach and within their own range, near ones
    /// roughly first. `visit` says how far the search need go from there: a distance in metres, never larger
    /// than the one before.
    ///
    /// A node is visited only if the distance to its box is at most the reach and at most the largest
    /// range below. That holds for every node above somebody who is both: the box is no further than
    /// the person, and the largest range no smaller than theirs. So nobody is missed; those visited who are
    /// out of reach after all are at most a metre and the rounding of `f32` too far.
    pub(crate) fn search(&self, from: TreePoint, reach_m: f32, visit: impl FnMut(K) -> f32) {
        let mut search = Search {
            tree: self,
            from,
            reach_m,
            visit,
        };
        search.node(self.root, self.height);
    }
}

struct Search<'a, K, V> {
    tree: &'a Tree<K>,
    from: TreePoint,
    reach_m: f32,
    visit: V,
}

impl<K: Copy + Default + Eq, V: FnMut(K) -> f32> Search<'_, K, V> {
    /// Recursion is as deep as the tree is high: under ten for a billion people.
    fn node(&mut self, node: u32, height: u32) {
        if height == 0 {
            self.leaf(node);
        } else {
            self.inner(node, height);
        }
    }

    fn leaf(&mut self, leaf: u32) {
        let leaf = self.tree.leaves.get(leaf);
        let distances_sq = leaf.distances_sq(&self.from);
        let mut left = leaf.within(&distances_sq, self.reach_m);
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            // The reach may have shrunk since.
            if distances_sq[slot] <= reach_sq(self.reach_m) {
                self.reach_m = (self.visit)(leaf.get(slot).1);
            }
        }
    }

    fn inner(&mut self, inner: u32, height: u32) {
        let inner = self.tree.inners.get(inner);
        let distances_sq = inner.distances_sq(&self.from);
        let mut left = inner.within(&distances_sq, self.reach_m);
        while left != 0 {
            let nearest = nearest(&distances_sq, left);
            left &= !(1 << nearest);
            if distances_sq[nearest] > reach_sq(self.reach_m) {
                // The others are no nearer.
                return;
            }
            self.node(inner.child(nearest), height - 1);
        }
    }
}

/// The slot with the least distance, of those whose bit is set; at least one must be.
fn nearest(distances_sq: &[f32], slots: u32) -> usize {
    let mut nearest = slots.trailing_zeros() as usize;
    let mut left = slots & (slots - 1);
    while left != 0 {
        let slot = left.trailing_zeros() as usize;
        left &= left - 1;
        if distances_sq[slot] < distances_sq[nearest] {
            nearest = slot;
        }
    }
    nearest
}
