//! The two kinds of nodes, and where they are kept.
//!
//! A node holds one array for each coordinate rather than one record for each child, so that the compiler
//! turns a test of all children into a few vector instructions. Unused slots hold values that no test lets
//! through, so that none of them needs to look at the count.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays are walked in step, by index"
)]

use super::super::rounding::{TreePoint, reach_sq};
use super::bounds::Bounds;
use std::array;

/// How many people a leaf holds: the fastest of 8 to 32, see docs/decisions/0001-tree.md.
pub(super) const LEAF_MAX: usize = 16;

/// How many nodes an inner node holds; measured likewise.
pub(super) const INNER_MAX: usize = 24;

/// Stands for the node above the root, and for what is below an unused slot.
pub(super) const NO_NODE: u32 = u32::MAX;

/// What splitting and merging need to know of either kind.
pub(super) trait Node {
    /// How many children it holds at most.
    const MAX: usize;

    /// What is in a slot beside bounds.
    type Child: Copy;

    /// A node without children and without parent.
    fn empty() -> Self;

    /// How many children it has.
    fn len(&self) -> usize;

    /// The inner node that it is in, or [`NO_NODE`].
    fn parent(&self) -> u32;

    /// Puts it into another inner node.
    fn set_parent(&mut self, parent: u32);

    /// What is in a slot in use.
    fn get(&self, slot: usize) -> (Bounds, Self::Child);

    /// Puts a child into the next slot. There must be one.
    fn push(&mut self, bounds: &Bounds, child: Self::Child);

    /// Takes a child out; the last one comes into its slot.
    fn swap_remove(&mut self, slot: usize);

    /// The bounds of all children together.
    fn bounds(&self) -> Bounds {
        let mut sum = Bounds::EMPTY;
        for slot in 0..self.len() {
            sum.add(&self.get(slot).0);
        }
        sum
    }
}

/// People, by key.
#[derive(Debug)]
pub(super) struct Leaf<K> {
    /// One array for each axis. Unused slots are infinitely far away.
    at: [[f32; LEAF_MAX]; 3],
    range_m: [f32; LEAF_MAX],
    keys: [K; LEAF_MAX],
    len: u32,
    parent: u32,
}

impl<K> Leaf<K> {
    /// The keys of the people in it, in order of their slots.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys[..self.len as usize]
    }

    /// The squared distance of each slot to a point.
    pub(super) fn distances_sq(&self, from: &TreePoint) -> [f32; LEAF_MAX] {
        let mut sums = [0.0; LEAF_MAX];
        for axis in 0..3 {
            for (sum, at) in sums.iter_mut().zip(&self.at[axis]) {
                let away = at - from[axis];
                *sum += away * away;
            }
        }
        sums
    }

    /// The slots, a bit each, whose distance is within a reach and within the slot's own range.
    pub(super) fn within(&self, distances_sq: &[f32; LEAF_MAX], reach_m: f32) -> u32 {
        bits(distances_sq, &self.range_m, reach_m)
    }
}

impl<K: Copy + Default> Node for Leaf<K> {
    const MAX: usize = LEAF_MAX;
    type Child = K;

    fn empty() -> Self {
        Self {
            at: [[f32::INFINITY; LEAF_MAX]; 3],
            range_m: [0.0; LEAF_MAX],
            keys: [K::default(); LEAF_MAX],
            len: 0,
            parent: NO_NODE,
        }
    }

    fn len(&self) -> usize {
        self.len as usize
    }

    fn parent(&self) -> u32 {
        self.parent
    }

    fn set_parent(&mut self, parent: u32) {
        self.parent = parent;
    }

    fn get(&self, slot: usize) -> (Bounds, K) {
        let point = array::from_fn(|axis| self.at[axis][slot]);
        (Bounds::of(point, self.range_m[slot]), self.keys[slot])
    }

    fn push(&mut self, bounds: &Bounds, key: K) {
        let slot = self.len();
        for axis in 0..3 {
            self.at[axis][slot] = bounds.lower[axis];
        }
        self.range_m[slot] = bounds.range_max_m;
        self.keys[slot] = key;
        self.len += 1;
    }

    fn swap_remove(&mut self, slot: usize) {
        let last = self.len() - 1;
        for axis in 0..3 {
            self.at[axis][slot] = self.at[axis][last];
            self.at[axis][last] = f32::INFINITY;
        }
        self.range_m[slot] = self.range_m[last];
        self.keys[slot] = self.keys[last];
        self.len -= 1;
    }
}

/// Other nodes, all leaves or all inner nodes of one height.
#[derive(Debug)]
pub(super) struct Inner {
    /// One array for each axis. The boxes of unused slots are empty, and so infinitely far away.
    lower: [[f32; INNER_MAX]; 3],
    upper: [[f32; INNER_MAX]; 3],
    range_max_m: [f32; INNER_MAX],
    children: [u32; INNER_MAX],
    len: u32,
    parent: u32,
}

impl Inner {
    /// The nodes in it, in order of their slots.
    pub(super) fn children(&self) -> &[u32] {
        &self.children[..self.len()]
    }

    /// The node in a slot.
    pub(super) fn child(&self, slot: usize) -> u32 {
        self.children[slot]
    }

    /// The slot of a node that is in it.
    pub(super) fn slot_of(&self, child: u32) -> usize {
        let slot = self.children().iter().position(|other| *other == child);
        // The callers come from the child by its parent link.
        slot.expect("a node is in its parent")
    }

    /// Replaces the bounds of a child.
    pub(super) fn set(&mut self, slot: usize, bounds: &Bounds) {
        for axis in 0..3 {
            self.lower[axis][slot] = bounds.lower[axis];
            self.upper[axis][slot] = bounds.upper[axis];
        }
        self.range_max_m[slot] = bounds.range_max_m;
    }

    /// Adds to the bounds of a child.
    pub(super) fn add(&mut self, slot: usize, bounds: &Bounds) {
        let mut sum = self.get(slot).0;
        sum.add(bounds);
        self.set(slot, &sum);
    }

    /// The child to put a point into: whose box has the sum of its sides grow least; of those, whose
    /// sum is least.
    pub(super) fn choose(&self, point: &TreePoint) -> usize {
        let (mut growths, mut sides) = ([0.0_f32; INNER_MAX], [0.0_f32; INNER_MAX]);
        for axis in 0..3 {
            let at = point[axis];
            for slot in 0..INNER_MAX {
                let (lower, upper) = (self.lower[axis][slot], self.upper[axis][slot]);
                growths[slot] += (lower - at).max(at - upper).max(0.0);
                sides[slot] += upper - lower;
            }
        }
        let mut best = 0;
        for slot in 1..self.len() {
            if (growths[slot], sides[slot]) < (growths[best], sides[best]) {
                best = slot;
            }
        }
        best
    }

    /// The squared distance of each slot's box to a point.
    pub(super) fn distances_sq(&self, from: &TreePoint) -> [f32; INNER_MAX] {
        let mut sums = [0.0; INNER_MAX];
        for axis in 0..3 {
            let at = from[axis];
            for slot in 0..INNER_MAX {
                let (lower, upper) = (self.lower[axis][slot], self.upper[axis][slot]);
                let away = (lower - at).max(at - upper).max(0.0);
                sums[slot] += away * away;
            }
        }
        sums
    }

    /// The slots, a bit each, whose distance is within a reach and within the largest range below.
    pub(super) fn within(&self, distances_sq: &[f32; INNER_MAX], reach_m: f32) -> u32 {
        bits(distances_sq, &self.range_max_m, reach_m)
    }
}

impl Node for Inner {
    const MAX: usize = INNER_MAX;
    type Child = u32;

    fn empty() -> Self {
        Self {
            lower: [[f32::INFINITY; INNER_MAX]; 3],
            upper: [[f32::NEG_INFINITY; INNER_MAX]; 3],
            range_max_m: [0.0; INNER_MAX],
            children: [NO_NODE; INNER_MAX],
            len: 0,
            parent: NO_NODE,
        }
    }

    fn len(&self) -> usize {
        self.len as usize
    }

    fn parent(&self) -> u32 {
        self.parent
    }

    fn set_parent(&mut self, parent: u32) {
        self.parent = parent;
    }

    fn get(&self, slot: usize) -> (Bounds, u32) {
        let bounds = Bounds {
            lower: array::from_fn(|axis| self.lower[axis][slot]),
            upper: array::from_fn(|axis| self.upper[axis][slot]),
            range_max_m: self.range_max_m[slot],
        };
        (bounds, self.children[slot])
    }

    fn push(&mut self, bounds: &Bounds, child: u32) {
        let slot = self.len();
        self.set(slot, bounds);
        self.children[slot] = child;
        self.len += 1;
    }

    fn swap_remove(&mut self, slot: usize) {
        let last = self.len() - 1;
        let (bounds, child) = self.get(last);
        self.set(slot, &bounds);
        self.children[slot] = child;
        self.set(last, &Bounds::EMPTY);
        self.len -= 1;
    }
}

/// The slots whose distance is within a reach and within the slot's range: a bit for each, the first lowest.
fn bits<const N: usize>(distances_sq: &[f32; N], ranges_m: &[f32; N], reach_m: f32) -> u32 {
    let mut bits = 0;
    for slot in 0..N {
        let is_within = distances_sq[slot] <= reach_sq(ranges_m[slot].min(reach_m));
        bits |= u32::from(is_within) << slot;
    }
    bits
}

/// Nodes of one kind by index. An index given back is used again.
#[derive(Debug)]
pub(super) struct Arena<N> {
    nodes: Vec<N>,
    free: Vec<u32>,
}

impl<N: Node> Arena<N> {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
        }
    }

    /// The index of an empty node.
    pub(super) fn take(&mut self) -> u32 {
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = N::empty();
            return index;
        }
        if self.nodes.len() == self.nodes.capacity() {
            // Doubling, as vectors do by themselves, would leave up to half of the largest part of a
            // room's memory unused.
            self.nodes.reserve_exact(self.nodes.len() / 8 + 1);
        }
        self.nodes.push(N::empty());
        u32::try_from(self.nodes.len() - 1).expect("four billion nodes do not fit in memory")
    }

    /// Gives back a node that nothing refers to.
    pub(super) fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }

    pub(super) fn get(&self, index: u32) -> &N {
        &self.nodes[index as usize]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut N {
        &mut self.nodes[index as usize]
    }

    /// Two different nodes.
    pub(super) fn pair_mut(&mut self, a: u32, b: u32) -> [&mut N; 2] {
        let both = self.nodes.get_disjoint_mut([a as usize, b as usize]);
        both.expect("the two are different and in the arena")
    }

    /// How many nodes are in use.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}
