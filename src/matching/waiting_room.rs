//! The waiting room: an R*-tree over geocentric coordinates that prunes by both sides' ranges.

use super::envelope::{Cover, TreePoint, points_distance_min_m, tree_point, tree_range_m};
use super::{Ticket, TicketId};
use crate::geo::{Place, Range, is_within};
use rstar::{
    Envelope, ParentNode, RStarInsertionStrategy, RTree, RTreeNode, RTreeObject, RTreeParams,
    SelectionFunction,
};
use slotmap::SlotMap;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Everybody who waits, indexed by place and range.
///
/// The one question it answers is [`nearest_eligible`](Self::nearest_eligible): of those within reach
/// both ways, who is nearest? Asking only for neighbours in the seeker's own range would visit everyone
/// near by whose range excludes the seeker, and in a room that matches people at once those are the ones
/// left standing close together. So each node of the tree also knows the largest range of anyone below
/// it, and is visited only if
///
/// ```text
/// distance to its box ≤ min(seeker's range, largest range below)
/// ```
///
/// which holds for the node of every ticket that could be matched: the box is no further than the ticket,
/// the ticket's distance is at most both ranges, and its range is at most the largest one. Boxes and
/// ranges in the tree are `f32`, rounded so that this stays true; the exact figures are in the tickets.
///
/// `P` is whatever the caller needs to know who somebody is.
#[derive(Debug)]
pub struct WaitingRoom<P> {
    tree: RTree<Entry, NodeSize>,
    /// Holds exactly the tickets whose entries are in the tree.
    tickets: SlotMap<TicketId, Ticket<P>>,
    next_turn: u64,
}

/// What the tree stores of a ticket.
#[derive(Debug, Clone, Copy)]
struct Entry {
    point: TreePoint,
    range_m: f32,
    ticket: TicketId,
}

impl RTreeObject for Entry {
    type Envelope = Cover;

    fn envelope(&self) -> Cover {
        Cover::of(self.point, self.range_m)
    }
}

/// How many children a node has: measured, see docs/performance.md. A node that splits has one child too many,
/// sixteen, and leaves two vectors of seven to nine, which have doubled to about that when they are full again.
#[derive(Debug)]
struct NodeSize;

impl RTreeParams for NodeSize {
    const MIN_SIZE: usize = 7;
    const MAX_SIZE: usize = 15;
    const REINSERTION_COUNT: usize = 4;
    type DefaultInsertionStrategy = RStarInsertionStrategy;
}

/// Leads `rstar` to one entry, by the nodes that cover what is asked for.
struct TheEntry {
    ticket: TicketId,
    cover: Cover,
}

impl SelectionFunction<Entry> for TheEntry {
    fn should_unpack_parent(&self, cover: &Cover) -> bool {
        cover.covers(&self.cover)
    }

    fn should_unpack_leaf(&self, entry: &Entry) -> bool {
        entry.ticket == self.ticket
    }
}

/// A node that is still to be searched, ordered so that the nearest comes first out of a max-heap.
struct Pending<'a> {
    distance_min_m: f32,
    node: &'a ParentNode<Entry>,
}

impl Ord for Pending<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.distance_min_m.total_cmp(&self.distance_min_m)
    }
}

impl PartialOrd for Pending<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pending<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pending<'_> {}

/// The nearest eligible ticket found so far.
#[derive(Clone, Copy)]
struct Best {
    chord_sq: f64,
    turn: u64,
    ticket: TicketId,
}

impl Best {
    /// Nearer is better; at equal distance, who has waited longer.
    fn is_beaten_by(&self, chord_sq: f64, turn: u64) -> bool {
        chord_sq < self.chord_sq || (chord_sq == self.chord_sq && turn < self.turn)
    }
}

impl<P> Default for WaitingRoom<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> WaitingRoom<P> {
    /// An empty room.
    pub fn new() -> Self {
        Self {
            tree: RTree::new_with_params(),
            tickets: SlotMap::with_key(),
            next_turn: 0,
        }
    }

    /// How many people wait.
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// The ticket of this name, if it is still here.
    pub fn get(&self, id: TicketId) -> Option<&Ticket<P>> {
        self.tickets.get(id)
    }

    /// Who holds this ticket, to change what the caller keeps of them; place and range go through
    /// [`change`](Self::change).
    pub fn who_mut(&mut self, id: TicketId) -> Option<&mut P> {
        self.tickets.get_mut(id).map(|ticket| &mut ticket.who)
    }

    /// Everybody who waits, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TicketId, &Ticket<P>)> {
        self.tickets.iter()
    }

    /// A ticket for somebody who comes, behind everybody else in order of waiting; not in the room yet.
    pub fn ticket(&mut self, place: Place, range: Range, who: P) -> Ticket<P> {
        let turn = self.next_turn;
        self.next_turn += 1;
        Ticket {
            position: place.position(),
            range,
            who,
            turn,
        }
    }

    /// Lets somebody in who has a ticket: a new one, or one they were taken out with. O(log n).
    pub fn admit(&mut self, ticket: Ticket<P>) -> TicketId {
        let (place, range) = (ticket.place(), ticket.range);
        let id = self.tickets.insert(ticket);
        self.tree.insert(entry(id, &place, range));
        id
    }

    /// Lets somebody in, behind everybody else in order of waiting. O(log n).
    pub fn insert(&mut self, place: Place, range: Range, who: P) -> TicketId {
        let ticket = self.ticket(place, range, who);
        self.admit(ticket)
    }

    /// Takes somebody out, or `None` if the ticket is not here (any more). O(log n) where people are
    /// spread out; searches the leaves that cover the place where they are not.
    pub fn remove(&mut self, id: TicketId) -> Option<Ticket<P>> {
        let ticket = self.tickets.remove(id)?;
        self.remove_entry(&entry(id, &ticket.place(), ticket.range));
        Some(ticket)
    }

    /// Moves somebody or changes their range; how long they have waited stays. Returns whether the
    /// ticket is here. A search where the node they are in covers what they change to, as for small moves and
    /// most who widen; a removal and an insertion where not.
    pub fn change(&mut self, id: TicketId, place: Place, range: Range) -> bool {
        let Some(ticket) = self.tickets.get_mut(id) else {
            return false;
        };
        let before = entry(id, &ticket.place(), ticket.range);
        let after = entry(id, &place, range);
        ticket.change(place, range);
        if !self.change_in_place(&before, after) {
            self.remove_entry(&before);
            self.tree.insert(after);
        }
        true
    }

    /// Changes an entry where it is, and returns whether that could be done. Nodes may be left covering more
    /// than what is below them; they shrink again when somebody below is taken out.
    fn change_in_place(&mut self, before: &Entry, after: Entry) -> bool {
        // By nodes that cover both what it is and what it is to be: they still cover it then.
        let way = TheEntry {
            ticket: before.ticket,
            cover: before.envelope().merged(&after.envelope()),
        };
        let mut found = self.tree.locate_with_selection_function_mut(way);
        found.next().map(|entry| *entry = after).is_some()
    }

    /// The nearest ticket that is within reach both ways and that the caller finds eligible: its geodesic
    /// distance to `place` is at most `range` and at most its own range. Nearest by straight line through
    /// the earth; at equal distance, who has waited longest.
    ///
    /// `eligible` is asked only about tickets nearer than the best so far, and not necessarily about
    /// all of those out of reach. O(log n) for scattered people; the worst case, everybody near and nobody
    /// eligible, asks `eligible` of each.
    pub fn nearest_eligible(
        &self,
        place: &Place,
        range: Range,
        mut eligible: impl FnMut(TicketId, &P) -> bool,
    ) -> Option<TicketId> {
        let from = tree_point(place.ecef());
        let mut best: Option<Best> = None;
        // Nothing further than this is of interest, in metres and in the precision of the tree.
        let mut reach_m = tree_range_m(range);
        let mut pending = BinaryHeap::new();
        pending.push(Pending {
            distance_min_m: 0.0,
            node: self.tree.root(),
        });
        while let Some(Pending {
            distance_min_m,
            node,
        }) = pending.pop()
        {
            if distance_min_m > reach_m {
                // Everything still pending is at least as far.
                break;
            }
            for child in node.children() {
                match child {
                    RTreeNode::Parent(node) => {
                        let cover = node.envelope();
                        let distance_min_m = cover.distance_min_m(&from);
                        if distance_min_m <= reach_m.min(cover.range_max_m()) {
                            pending.push(Pending {
                                distance_min_m,
                                node,
                            });
                        }
                    }
                    RTreeNode::Leaf(entry) => {
                        if points_distance_min_m(&entry.point, &from) > reach_m.min(entry.range_m) {
                            continue;
                        }
                        let ticket = &self.tickets[entry.ticket];
                        let there = ticket.place();
                        let chord_sq = there.chord_sq(place);
                        let is_better =
                            best.is_none_or(|best| best.is_beaten_by(chord_sq, ticket.turn));
                        if is_better
                            && eligible(entry.ticket, &ticket.who)
                            && is_within(place, &there, range.min(ticket.range))
                        {
                            reach_m = reach_m.min((chord_sq.sqrt() as f32).next_up());
                            best = Some(Best {
                                chord_sq,
                                turn: ticket.turn,
                                ticket: entry.ticket,
                            });
                        }
                    }
                }
            }
        }
        best.map(|best| best.ticket)
    }

    /// Calls `visit` with every ticket that is within reach both ways and that the caller finds eligible, and
    /// with the squared straight-line distance to it in m², in no particular order.
    ///
    /// In a room that pairs people at once, those within reach of one newcomer are few: they all exclude
    /// each other, and people who do can't stand close together.
    ///
    /// Returns how many tickets were looked at, whether or not anything came of it.
    pub fn for_each_eligible(
        &self,
        place: &Place,
        range: Range,
        mut eligible: impl FnMut(TicketId, &P) -> bool,
        mut visit: impl FnMut(TicketId, &Ticket<P>, f64),
    ) -> usize {
        let from = tree_point(place.ecef());
        let reach_m = tree_range_m(range);
        let mut looked_at = 0;
        let mut pending = vec![self.tree.root()];
        while let Some(node) = pending.pop() {
            for child in node.children() {
                match child {
                    RTreeNode::Parent(node) => {
                        let cover = node.envelope();
                        if cover.distance_min_m(&from) <= reach_m.min(cover.range_max_m()) {
                            pending.push(node);
                        }
                    }
                    RTreeNode::Leaf(entry) => {
                        looked_at += 1;
                        if points_distance_min_m(&entry.point, &from) > reach_m.min(entry.range_m) {
                            continue;
                        }
                        let ticket = &self.tickets[entry.ticket];
                        if !eligible(entry.ticket, &ticket.who) {
                            continue;
                        }
                        let there = ticket.place();
                        if is_within(place, &there, range.min(ticket.range)) {
                            visit(entry.ticket, ticket, there.chord_sq(place));
                        }
                    }
                }
            }
        }
        looked_at
    }

    fn remove_entry(&mut self, entry: &Entry) {
        let removed = self.tree.remove_with_selection_function(TheEntry {
            ticket: entry.ticket,
            cover: entry.envelope(),
        });
        assert!(removed.is_some(), "every ticket has an entry in the tree");
    }

    /// Panics unless the tree holds exactly the tickets and every node covers what is below it. For
    /// tests and fuzzing; O(n).
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        let mut entries = 0;
        check_node(self.tree.root(), &mut |found| {
            entries += 1;
            let ticket = &self.tickets[found.ticket];
            let expected = entry(found.ticket, &ticket.place(), ticket.range);
            assert_eq!(found.envelope(), expected.envelope());
        });
        assert_eq!(entries, self.tickets.len());
    }
}

fn entry(ticket: TicketId, place: &Place, range: Range) -> Entry {
    Entry {
        point: tree_point(place.ecef()),
        range_m: tree_range_m(range),
        ticket,
    }
}

/// Checks that each node's envelope covers its children.
fn check_node(node: &ParentNode<Entry>, visit: &mut impl FnMut(&Entry)) {
    let cover = node.envelope();
    for child in node.children() {
        match child {
            RTreeNode::Leaf(entry) => visit(entry),
            RTreeNode::Parent(node) => check_node(node, visit),
        }
        assert!(
            cover.covers(&child.envelope()),
            "a node covers what is below it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::Position;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(Position::new(lat, lon).unwrap())
    }

    fn km(km: f64) -> Range {
        Range::from_km(km).unwrap()
    }

    fn nearest(room: &WaitingRoom<&'static str>, at: Place, range: Range) -> Option<&'static str> {
        let found = room.nearest_eligible(&at, range, |_, _| true)?;
        Some(room.get(found).unwrap().who)
    }

    #[test]
    fn an_empty_room_has_nobody() {
        let mut room = WaitingRoom::new();
        assert_eq!(nearest(&room, place(0.0, 0.0), Range::PLANET), None);
        let id = room.insert(place(0.0, 0.0), km(1.0), "ann");
        room.remove(id);
        assert!(room.remove(id).is_none());
        assert!(room.is_empty());
        assert_eq!(nearest(&room, place(0.0, 0.0), Range::PLANET), None);
    }

    #[test]
    fn both_ranges_must_reach() {
        let mut room = WaitingRoom::new();
        room.insert(place(0.0, 0.0), km(100.0), "far-reaching");
        room.insert(place(0.0, 0.1), km(1.0), "homebody");
        assert_eq!(
            nearest(&room, place(0.0, 0.2), km(50.0)),
            Some("far-reaching")
        );
        assert_eq!(nearest(&room, place(0.0, 0.2), km(10.0)), None);
        assert_eq!(
            nearest(&room, place(0.0, 0.101), km(10.0)),
            Some("homebody")
        );
    }

    #[test]
    fn at_equal_distance_who_has_waited_longest() {
        let mut room = WaitingRoom::new();
        let first = room.insert(place(1.0, 1.0), km(10.0), "first");
        for _ in 0..100 {
            room.insert(place(1.0, 1.0), km(10.0), "later");
        }
        assert_eq!(nearest(&room, place(1.0, 1.01), km(10.0)), Some("first"));
        // A change in place keeps the turn, even away and back.
        assert!(room.change(first, place(50.0, 50.0), km(5.0)));
        assert_eq!(nearest(&room, place(1.0, 1.01), km(10.0)), Some("later"));
        assert!(room.change(first, place(1.0, 1.0), km(10.0)));
        assert_eq!(nearest(&room, place(1.0, 1.01), km(10.0)), Some("first"));
        room.assert_invariants();
    }

    #[test]
    fn the_caller_can_refuse() {
        let mut room = WaitingRoom::new();
        let near = room.insert(place(0.0, 0.0), km(100.0), "near");
        room.insert(place(0.0, 0.5), km(100.0), "second");
        let found = room.nearest_eligible(&place(0.0, 0.01), km(100.0), |id, _| id != near);
        assert_eq!(room.get(found.unwrap()).unwrap().who, "second");
    }

    #[test]
    fn reach_crosses_the_date_line_and_the_poles() {
        let mut room = WaitingRoom::new();
        room.insert(place(10.0, 179.99), km(10.0), "fiji side");
        room.insert(place(89.99, 0.0), km(10.0), "pole side");
        assert_eq!(
            nearest(&room, place(10.0, -179.99), km(10.0)),
            Some("fiji side")
        );
        assert_eq!(
            nearest(&room, place(89.99, 180.0), km(10.0)),
            Some("pole side")
        );
    }

    /// `rstar` says that implementing `Envelope` is not meant for users, so what the room relies on is
    /// tested: merging on insertion and splits, recomputation on removal.
    #[test]
    fn rstar_keeps_and_shrinks_the_largest_range() {
        let mut room = WaitingRoom::new();
        for i in 0..500 {
            let lon = f64::from(i) * 0.7 - 175.0;
            room.insert(
                place(f64::from(i % 90), lon),
                km(1.0 + f64::from(i % 7)),
                "small",
            );
            room.assert_invariants();
        }
        let wide = room.insert(place(5.0, 5.0), km(5000.0), "wide");
        assert_eq!(room.tree.root().envelope().range_max_m(), 5_000_000.0);
        room.remove(wide);
        room.assert_invariants();
        assert_eq!(room.tree.root().envelope().range_max_m(), 7_000.0);
    }

    #[test]
    fn a_change_in_place_is_found_where_it_is_and_tightened_by_the_next_removal() {
        let mut room = WaitingRoom::new();
        let row = |i: i32| place(0.0, f64::from(i));
        let ids: Vec<_> = (0..5).map(|i| room.insert(row(i), km(9.0), "x")).collect();
        let wide = room.insert(row(2), km(500.0), "wide");
        let root = |room: &WaitingRoom<_>| room.tree.root().envelope();
        let before = root(&room);
        // Within the one node that there is: what it covers stays as it was, though less would do now.
        assert!(room.change(wide, place(0.0, 2.5), km(10.0)));
        assert_eq!(root(&room), before);
        assert_eq!(nearest(&room, place(0.0, 2.51), km(9.0)), Some("wide"));
        assert_eq!(nearest(&room, place(0.0, 2.3), km(99.0)), None);
        room.remove(ids[0]);
        assert_eq!(root(&room).range_max_m(), 10_000.0);
        // Out of it: the node grows.
        assert!(room.change(wide, place(50.0, 2.5), km(600.0)));
        assert_eq!(root(&room).range_max_m(), 600_000.0);
        room.assert_invariants();
    }

    #[test]
    fn rstar_forgets_everything_when_everybody_has_left() {
        let mut room = WaitingRoom::new();
        let ids: Vec<_> = (0..200)
            .map(|i| room.insert(place(0.0, f64::from(i) * 0.01), km(9.0), "x"))
            .collect();
        for id in ids {
            assert!(room.remove(id).is_some());
            room.assert_invariants();
        }
        assert!(room.tree.root().children().is_empty());
        assert_eq!(room.tree.root().envelope(), Cover::new_empty());
    }
}
