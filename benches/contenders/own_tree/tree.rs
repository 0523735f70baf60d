//! An R-tree over points with a range each.
//!
//! In come points in geocentric coordinates, each with a range and a key; out come the keys of those that
//! may be within reach both ways. It knows nothing of tickets, and nothing here is exact: see
//! [`rounding`](super::rounding).
//!
//! It is built like an R*-tree (Beckmann et al., SIGMOD 1990; see [`split`]) with three differences, all
//! for a crowd that comes and goes all the time:
//!
//! - A node knows the largest range of anybody below it, beside the box. Without it, a search visits
//!   everybody near by whose own range excludes the seeker, and in a room that pairs people at once those
//!   are who is left standing close together.
//! - Nothing is inserted again to improve the tree. Boxes of people who do come and go are soon
//!   rearranged anyway, and this halves the cost of an insertion.
//! - Nodes know their parents, and whoever holds a key is told its leaf, so a removal starts at the leaf
//!   and needs no search. Bounds are exact after each operation; as most departures don't touch the edges
//!   of a box or the largest range, few nodes are looked at for that.
//!
//! Nodes are in two vectors and refer to each other by index.

mod bounds;
mod node;
mod search;
mod split;

pub(super) use bounds::Bounds;

use super::rounding::TreePoint;
use node::{Arena, INNER_MAX, Inner, LEAF_MAX, Leaf, NO_NODE, Node};
use split::split;

/// A node with fewer children is merged with the sibling that it fits best, if one has room. A quarter of a
/// full node: after a merge there is room, so that people who come and go don't split and merge the same
/// nodes over and over.
const LEAF_MIN: usize = LEAF_MAX / 4;
const INNER_MIN: usize = INNER_MAX / 4;

/// Names the leaf that somebody is in, until the tree says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeafId(u32);

impl LeafId {
    /// Of somebody whose leaf is not known yet.
    pub(super) const NOWHERE: Self = Self(u32::MAX);
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tree<K> {
    leaves: Arena<Leaf<K>>,
    inners: Arena<Inner>,
    /// A leaf if `height` is 0, an inner node otherwise.
    root: u32,
    /// How many inner nodes are above each leaf.
    height: u32,
}

impl<K: Copy + Default + Eq> Default for Tree<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Default + Eq> Tree<K> {
    /// A tree with nobody in it.
    pub(super) fn new() -> Self {
        let mut leaves = Arena::new();
        let root = leaves.take();
        Self {
            leaves,
            inners: Arena::new(),
            root,
            height: 0,
        }
    }

    /// Puts somebody in. `moved` is told the leaf of everybody who is in another one than before, the new
    /// one included. O(log n).
    pub(super) fn insert(
        &mut self,
        point: TreePoint,
        range_m: f32,
        key: K,
        mut moved: impl FnMut(K, LeafId),
    ) {
        let bounds = Bounds::of(point, range_m);
        let node = self.descend(&point, &bounds);
        let leaf = self.leaves.get_mut(node);
        if leaf.len() < LEAF_MAX {
            leaf.push(&bounds, key);
            moved(key, LeafId(node));
            return;
        }
        let other = self.leaves.take();
        let [low, high] = self.leaves.pair_mut(node, other);
        split(low, high, bounds, key);
        for moving in high.keys() {
            moved(*moving, LeafId(other));
        }
        if low.keys().contains(&key) {
            moved(key, LeafId(node));
        }
        let (parent, halves) = (low.parent(), [(node, low.bounds()), (other, high.bounds())]);
        self.put_halves(parent, halves, 0);
    }

    /// Finds the leaf for a point, and lets the bounds above it take the point in.
    fn descend(&mut self, point: &TreePoint, bounds: &Bounds) -> u32 {
        let mut node = self.root;
        for _ in 0..self.height {
            let inner = self.inners.get_mut(node);
            let slot = inner.choose(point);
            inner.add(slot, bounds);
            node = inner.child(slot);
        }
        node
    }

    /// Puts the two halves of a node that was split, `height` levels above the leaves, into its parent.
    fn put_halves(&mut self, parent: u32, [low, high]: [(u32, Bounds); 2], height: u32) {
        if parent == NO_NODE {
            let root = self.inners.take();
            for (node, bounds) in [low, high] {
                self.inners.get_mut(root).push(&bounds, node);
                self.set_parent(node, root, height);
            }
            self.root = root;
            self.height += 1;
            return;
        }
        let inner = self.inners.get_mut(parent);
        let slot = inner.slot_of(low.0);
        inner.set(slot, &low.1);
        if inner.len() < INNER_MAX {
            inner.push(&high.1, high.0);
            self.set_parent(high.0, parent, height);
            return;
        }
        let other = self.inners.take();
        let [a, b] = self.inners.pair_mut(parent, other);
        split(a, b, high.1, high.0);
        let (above, halves) = (a.parent(), [(parent, a.bounds()), (other, b.bounds())]);
        self.set_parent(high.0, parent, height);
        self.adopt(other, height);
        self.put_halves(above, halves, height + 1);
    }

    /// Tells all children of an inner node, `height` levels above the leaves, where they are.
    fn adopt(&mut self, inner: u32, height: u32) {
        for slot in 0..self.inners.get(inner).len() {
            let child = self.inners.get(inner).child(slot);
            self.set_parent(child, inner, height);
        }
    }

    fn set_parent(&mut self, node: u32, parent: u32, height: u32) {
        if height == 0 {
            self.leaves.get_mut(node).set_parent(parent);
        } else {
            self.inners.get_mut(node).set_parent(parent);
        }
    }

    /// Takes somebody out of the leaf that they were last said to be in. `moved` is told the leaf of
    /// everybody who is in another one than before. O(log n).
    ///
    /// # Panics
    /// If they are not in that leaf.
    pub(super) fn remove(&mut self, leaf: LeafId, key: K, mut moved: impl FnMut(K, LeafId)) {
        let LeafId(node) = leaf;
        let leaf = self.leaves.get_mut(node);
        let slot = leaf.keys().iter().position(|other| *other == key);
        let slot = slot.expect("somebody is in the leaf they are said to be in");
        let (gone, _) = leaf.get(slot);
        leaf.swap_remove(slot);
        let parent = leaf.parent();
        if parent == NO_NODE {
            return;
        }
        let inner = self.inners.get_mut(parent);
        let slot = inner.slot_of(node);
        if inner.get(slot).0.rest_on(&gone) {
            inner.set(slot, &self.leaves.get(node).bounds());
        }
        let mut lowest = parent;
        if self.leaves.get(node).len() < LEAF_MIN
            && let Some(into) = merge(&mut self.leaves, inner, slot)
        {
            for moving in self.leaves.get(node).keys() {
                moved(*moving, LeafId(into));
            }
            self.leaves.give_back(node);
            lowest = self.close_ranks(parent, 1);
        }
        self.tighten(lowest, &gone);
    }

    /// Merges an inner node, `height` levels above the leaves, that has lost a child and may have too few,
    /// and what follows above. Returns the lowest node whose bounds have not been told to its parent.
    fn close_ranks(&mut self, node: u32, height: u32) -> u32 {
        let (len, parent) = (self.inners.get(node).len(), self.inners.get(node).parent());
        if parent == NO_NODE {
            if len == 1 {
                self.root = self.inners.get(node).child(0);
                self.height -= 1;
                self.set_parent(self.root, NO_NODE, height - 1);
                self.inners.give_back(node);
            }
            return self.root;
        }
        if len >= INNER_MIN {
            return node;
        }
        // Apart, as its children's parent and its siblings are in the same arena.
        let mut above = std::mem::replace(self.inners.get_mut(parent), Inner::empty());
        let slot = above.slot_of(node);
        above.set(slot, &self.inners.get(node).bounds());
        let merged = merge(&mut self.inners, &mut above, slot);
        *self.inners.get_mut(parent) = above;
        let Some(into) = merged else { return node };
        self.adopt(into, height - 1);
        self.inners.give_back(node);
        self.close_ranks(parent, height + 1)
    }

    /// Makes the bounds of a node and those above it exact again, as far as they rested on who is gone.
    fn tighten(&mut self, mut node: u32, gone: &Bounds) {
        if self.height == 0 {
            return;
        }
        loop {
            let parent = self.inners.get(node).parent();
            if parent == NO_NODE {
                return;
            }
            let slot = self.inners.get(parent).slot_of(node);
            // Somebody at the edge of a box is at the edge of every box within it, so if this one
            // doesn't rest on them, none above does.
            if !self.inners.get(parent).get(slot).0.rest_on(gone) {
                return;
            }
            let bounds = self.inners.get(node).bounds();
            self.inners.get_mut(parent).set(slot, &bounds);
            node = parent;
        }
    }

    /// Panics unless every node's bounds are exactly what is below it add up to, and every link upwards is
    /// right. Calls `visit` with everybody and the leaf they are in. For tests; O(n).
    pub(super) fn assert_invariants(&self, mut visit: impl FnMut(&Bounds, K, LeafId)) {
        let (mut leaves, mut inners) = (0, 0);
        let mut pending = vec![(self.root, self.height, NO_NODE, None)];
        while let Some((node, height, parent, known)) = pending.pop() {
            let bounds = if height == 0 {
                leaves += 1;
                let leaf = self.leaves.get(node);
                assert_eq!(leaf.parent(), parent, "a leaf knows its parent");
                for slot in 0..leaf.len() {
                    let (bounds, key) = leaf.get(slot);
                    visit(&bounds, key, LeafId(node));
                }
                leaf.bounds()
            } else {
                inners += 1;
                let inner = self.inners.get(node);
                assert_eq!(inner.parent(), parent, "a node knows its parent");
                assert!(inner.len() > 0, "an inner node has a child");
                for slot in 0..inner.len() {
                    let (bounds, child) = inner.get(slot);
                    pending.push((child, height - 1, node, Some(bounds)));
                }
                inner.bounds()
            };
            if let Some(known) = known {
                assert_eq!(bounds, known, "a node's bounds are what is below it");
            }
        }
        assert_eq!(leaves, self.leaves.len(), "no leaf is lost");
        assert_eq!(inners, self.inners.len(), "no inner node is lost");
    }
}

/// Moves the children of a node into the sibling whose box grows least, if one has room, and takes the
/// node out of its parent, where its bounds must be exact. Returns the sibling. The children are not told.
fn merge<N: Node>(nodes: &mut Arena<N>, parent: &mut Inner, slot: usize) -> Option<u32> {
    let (bounds, node) = parent.get(slot);
    let room = N::MAX - nodes.get(node).len();
    let mut best = None;
    for sibling in (0..parent.len()).filter(|sibling| *sibling != slot) {
        let (mut sum, child) = parent.get(sibling);
        if nodes.get(child).len() > room {
            continue;
        }
        let before = sum.diagonal_sq();
        sum.add(&bounds);
        let growth = sum.diagonal_sq() - before;
        if best.is_none_or(|(least, _)| growth < least) {
            best = Some((growth, sibling));
        }
    }
    let (_, sibling) = best?;
    let into = parent.child(sibling);
    let [to, from] = nodes.pair_mut(into, node);
    for slot in 0..from.len() {
        let (bounds, child) = from.get(slot);
        to.push(&bounds, child);
    }
    parent.add(sibling, &bounds);
    parent.swap_remove(slot);
    Some(into)
}
