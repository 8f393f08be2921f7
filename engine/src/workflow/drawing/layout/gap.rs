//! The gap between two rows: ways that turn in it have heights of their own, so that none lies upon another.

use std::collections::BTreeMap;

use super::super::scene::Stroke;

/// The height of what is written on a way.
pub(super) const PILL: i32 = 20;
/// From the line on which ways part to what is written on them.
pub(super) const PILL_BELOW: i32 = 6;

/// Above the first turn.
const ABOVE: i32 = 14;
/// Below the last one, with room for an arrow.
const BELOW: i32 = 18;
/// Between turns.
const BETWEEN: i32 = 8;
/// The height of a gap without turns.
const STRAIGHT: i32 = 30;

/// A piece of a way, from the row above to the row below.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) from: i32,
    pub(super) to: i32,
    /// The width of what is written on it, if something is.
    pub(super) label: Option<i32>,
    /// True if it turns into a lane that leads up again.
    pub(super) back: bool,
}

/// What ways are told apart by in a gap: what kind they are of, and where they come in.
pub(super) type Key = (bool, i32);

/// The key of a piece.
pub(super) fn key(stroke: Stroke, from: i32) -> Key {
    (stroke == Stroke::Undo, from)
}

/// Ways that come from one place.
struct Net {
    key: Key,
    downs: Vec<i32>,
    low: i32,
    high: i32,
    labelled: bool,
    bends: bool,
}

/// The pieces in one gap.
#[derive(Default)]
pub(super) struct Gap {
    nets: BTreeMap<Key, Net>,
}

impl Gap {
    /// Adds a piece.
    pub(super) fn add(&mut self, key: Key, hop: Hop) {
        let (low, high) = (hop.from, hop.from);
        let fresh = || Net { key, downs: Vec::new(), low, high, labelled: false, bends: false };
        let net = self.nets.entry(key).or_insert_with(fresh);
        let half = hop.label.filter(|_| !hop.back).map_or(0, |width| width / 2 + 2);
        net.low = net.low.min(hop.to - half);
        net.high = net.high.max(hop.to + half);
        net.labelled |= half > 0;
        net.bends |= hop.from != hop.to || half > 0;
        if !hop.back {
            net.downs.push(hop.to);
        }
    }

    /// Gives every bundle that turns its height, from the upper row, and returns the height of the gap.
    pub(super) fn settle(self) -> (BTreeMap<Key, i32>, i32) {
        let mut waiting: Vec<Net> = self.nets.into_values().filter(|net| net.bends).collect();
        let mut settled: Vec<(Net, i32, i32)> = Vec::new();
        while !waiting.is_empty() {
            // What leaves at a place must turn before anything else arrives there; where that goes in a circle,
            // the first one does.
            let free = waiting.iter().position(|net| !waiting.iter().any(|other| other.is_above(net)));
            let net = waiting.remove(free.unwrap_or(0));
            let near = settled.iter().filter(|(other, _, _)| other.is_above(&net) || other.meets(&net));
            let top = near.map(|(_, _, bottom)| bottom + BETWEEN).max().unwrap_or(ABOVE);
            let bottom = top + if net.labelled { PILL_BELOW + PILL } else { 0 };
            settled.push((net, top, bottom));
        }
        let lowest = settled.iter().map(|(_, _, bottom)| *bottom).max();
        let height = lowest.map_or(STRAIGHT, |bottom| (bottom + BELOW).max(STRAIGHT));
        (settled.into_iter().map(|(net, top, _)| (net.key, top)).collect(), height)
    }
}

impl Net {
    /// True if this leaves where the other arrives.
    fn is_above(&self, other: &Self) -> bool {
        self.key != other.key && other.downs.contains(&self.key.1)
    }

    fn meets(&self, other: &Self) -> bool {
        self.low - 10 < other.high && other.low - 10 < self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: i32, to: i32, label: Option<i32>) -> Hop {
        Hop { from, to, label, back: false }
    }

    #[test]
    fn ways_that_would_lie_upon_each_other_turn_at_heights_of_their_own() {
        let mut gap = Gap::default();
        for (from, to) in [(0, 100), (50, 150), (300, 400)] {
            gap.add(key(Stroke::Flow, from), hop(from, to, None));
        }
        let (heights, _) = gap.settle();
        let of = |from| heights[&key(Stroke::Flow, from)];
        assert!(of(0) != of(50) && of(300) == of(0));
    }

    #[test]
    fn what_leaves_a_place_turns_above_what_arrives_there() {
        let mut gap = Gap::default();
        gap.add(key(Stroke::Flow, 0), hop(0, 100, Some(40)));
        gap.add(key(Stroke::Flow, 100), hop(100, 300, None));
        let (heights, height) = gap.settle();
        assert!(heights[&key(Stroke::Flow, 100)] < heights[&key(Stroke::Flow, 0)]);
        assert!(height > heights[&key(Stroke::Flow, 0)] + PILL);
    }

    #[test]
    fn a_circle_settles_too() {
        let mut gap = Gap::default();
        gap.add(key(Stroke::Flow, 0), hop(0, 100, None));
        gap.add(key(Stroke::Flow, 100), hop(100, 0, None));
        assert_eq!(gap.settle().0.len(), 2);
    }
}
