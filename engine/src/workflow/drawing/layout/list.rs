//! A list of tasks: sizes and places of the cells of its grid.

use std::collections::BTreeMap;

use super::super::graph::{Edge, Graph, IN, Item, Label, Link, Undo};
use super::super::scene::{Placed, Stroke, What, Wire};
use super::block::{block, pill_width};
use super::gap::{Gap, Hop, Key, key};
use super::grid::{Course, Grid, grid};
use super::trace::trace;

/// Between columns.
const COLUMNS: i32 = 32;
/// Half the width of a column that only ways run through.
const WAY: i32 = 12;
/// The width of a lane that leads back.
const LANE: i32 = 22;
/// The size of what says how a task is undone.
const CHIP: (i32, i32) = (160, 36);
/// The space at the left and at the right of it.
const ASIDE: (i32, i32) = (22, 10);
/// The width at the right of a column that has some.
const ZONE: i32 = CHIP.0 + ASIDE.0 + ASIDE.1;

/// A list whose cells have their places.
pub(super) struct Plan {
    pub(super) grid: Grid,
    pub(super) edges: Vec<Edge>,
    /// The links that are drawn.
    pub(super) links: Vec<Link>,
    /// The middle of each column.
    pub(super) centers: Vec<i32>,
    /// Where the ways back of a saga run, at the right of each column.
    pub(super) rails: Vec<i32>,
    /// The middle of each lane.
    pub(super) lanes: Vec<i32>,
    /// The upper edge of each row.
    pub(super) tops: Vec<i32>,
    /// The lower edge of each row.
    pub(super) bottoms: Vec<i32>,
    /// The heights at which ways turn below each row.
    pub(super) turns: Vec<BTreeMap<Key, i32>>,
    /// The upper and lower edge of each item, and whether it can be seen.
    pub(super) spans: Vec<(i32, i32, bool)>,
    /// The upper and lower edge of each chip.
    pub(super) chips: Vec<Option<(i32, i32)>>,
}

/// Lays out an item that stands alone, with what says how it is undone beside it.
pub(super) fn cell(mut item: Item) -> Placed {
    let undo = item.undo.take();
    let inner = block(item);
    let Some(undo) = undo else { return inner };
    let (wide, high, port) = (inner.width + ZONE, inner.height.max(CHIP.1), inner.port);
    let mut cell = Placed::new(What::Group, wide, high);
    cell.port = port;
    let (chip, wire) = beside(undo, inner.width, inner.width + ASIDE.0 + CHIP.0 / 2, 0, inner.height);
    cell.children.extend([inner, chip]);
    cell.wires.push(wire);
    cell
}

/// Lays out a list.
pub(super) fn list(mut graph: Graph) -> Placed {
    let grid = grid(&graph);
    let undos: Vec<Option<Undo>> = graph.items.iter_mut().map(|item| item.undo.take()).collect();
    let blocks: Vec<Placed> = graph.items.drain(..).map(block).collect();
    let links = open_links(&graph, &grid, &undos);
    let mut plan = Plan {
        grid,
        edges: graph.edges,
        links,
        centers: Vec::new(),
        rails: Vec::new(),
        lanes: Vec::new(),
        tops: Vec::new(),
        bottoms: Vec::new(),
        turns: Vec::new(),
        spans: Vec::new(),
        chips: Vec::new(),
    };
    let width = plan.across(&blocks, &undos);
    plan.down(&blocks, &undos);
    let height = plan.bottoms.last().copied().unwrap_or(0);
    let mut group = Placed::new(What::Group, width, height);
    group.port = plan.centers[0];
    for (index, (block, undo)) in blocks.into_iter().zip(undos).enumerate() {
        let (row, column) = plan.grid.places[index];
        let (x, y) = (plan.centers[column] - block.port, plan.tops[row]);
        if let Some(undo) = undo {
            let (chip, wire) = beside(undo, x + block.width, plan.rails[column], y, block.height);
            group.children.push(chip);
            group.wires.push(wire);
        }
        group.children.push(block.placed(x, y));
    }
    trace(&plan, &mut group);
    group
}

/// What says how a task is undone, and the line to it. `right` is the right edge of the task.
fn beside(undo: Undo, right: i32, rail: i32, top: i32, height: i32) -> (Placed, Wire) {
    let (left, y) = (rail - CHIP.0 / 2, chip_top(top, height));
    let level = y + CHIP.1 / 2;
    let chip = Placed::new(What::Chip(undo), CHIP.0, CHIP.1).placed(left, y);
    (chip, Wire::line(Stroke::Undo, vec![(right, level), (left, level)]))
}

fn chip_top(top: i32, height: i32) -> i32 {
    top + ((height - CHIP.1) / 2).clamp(0, 14)
}

/// The links whose way up is free: no other chip stands in it.
fn open_links(graph: &Graph, grid: &Grid, undos: &[Option<Undo>]) -> Vec<Link> {
    let mut by_column: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, _) in undos.iter().enumerate().filter(|(_, undo)| undo.is_some()) {
        by_column.entry(grid.places[index].1).or_default().push(grid.places[index].0);
    }
    let is_open = |link: &&Link| {
        let (lower, own) = grid.places[link.from];
        let (upper, column) = if link.to == IN { (0, own) } else { grid.places[link.to] };
        let rows = by_column.get(&column);
        rows.is_none_or(|rows| !rows.iter().any(|row| (upper + 1..lower).contains(row)))
    };
    graph.links.iter().filter(is_open).copied().collect()
}

impl Plan {
    /// Gives lanes and columns their places from the left, and returns the width of it all.
    fn across(&mut self, blocks: &[Placed], undos: &[Option<Undo>]) -> i32 {
        let columns = self.grid.columns;
        let (mut left, mut right, mut zone) = (vec![WAY; columns], vec![WAY; columns], vec![0; columns]);
        for (index, block) in blocks.iter().enumerate() {
            let column = self.grid.places[index].1;
            left[column] = left[column].max(block.port);
            right[column] = right[column].max(block.width - block.port);
            if undos[index].is_some() {
                zone[column] = ZONE;
            }
        }
        let mut lane_widths = vec![LANE; self.grid.lanes];
        for (edge, course) in self.edges.iter().zip(&self.grid.courses) {
            let Some(label) = &edge.label else { continue };
            let wide = pill_width(label);
            match course {
                Course::Back(lane) => lane_widths[*lane] = lane_widths[*lane].max(wide + 10),
                Course::Down(_) => {
                    let column = self.entered(edge, *course);
                    left[column] = left[column].max(wide / 2 + 4);
                    right[column] = right[column].max(wide / 2 + 4);
                }
            }
        }
        let mut x: i32 = lane_widths.iter().sum();
        let mut lane = x;
        for wide in lane_widths {
            self.lanes.push(lane - wide / 2);
            lane -= wide;
        }
        x += if x > 0 { 8 } else { 0 };
        for column in 0..columns {
            self.centers.push(x + left[column]);
            x += left[column] + right[column];
            self.rails.push(x + ASIDE.0 + CHIP.0 / 2);
            x += zone[column] + COLUMNS;
        }
        x - COLUMNS
    }

    /// The column in which a way enters the row below its beginning.
    fn entered(&self, edge: &Edge, course: Course) -> usize {
        let (from, to) = (self.grid.places[edge.from], self.grid.places[edge.to]);
        match course {
            Course::Down(column) if to.0 > from.0 + 1 => column,
            Course::Down(_) | Course::Back(_) => to.1,
        }
    }

    /// Gives rows their places from above.
    fn down(&mut self, blocks: &[Placed], undos: &[Option<Undo>]) {
        let mut heights = vec![0; self.grid.rows];
        for (index, block) in blocks.iter().enumerate() {
            let row = self.grid.places[index].0;
            let least = if undos[index].is_some() { CHIP.1 } else { 0 };
            heights[row] = heights[row].max(block.height).max(least);
        }
        let mut gaps: Vec<Gap> = (0..self.grid.rows).map(|_| Gap::default()).collect();
        self.hops(&mut gaps);
        let mut y = 0;
        for (height, gap) in heights.iter().zip(gaps) {
            let (turns, depth) = gap.settle();
            self.tops.push(y);
            self.bottoms.push(y + height);
            let from = y + height;
            self.turns.push(turns.into_iter().map(|(key, turn)| (key, from + turn)).collect());
            y = from + depth;
        }
        for (index, block) in blocks.iter().enumerate() {
            let top = self.tops[self.grid.places[index].0];
            let chip = undos[index].as_ref().map(|_| chip_top(top, block.height));
            self.chips.push(chip.map(|top| (top, top + CHIP.1)));
            self.spans.push((top, top + block.height, block.height > 0));
        }
    }

    /// Puts all pieces of all ways into the gaps.
    fn hops(&self, gaps: &mut [Gap]) {
        for (edge, course) in self.edges.iter().zip(&self.grid.courses) {
            let label = edge.label.as_ref().map(pill_width);
            let ((from_row, from), (to_row, to)) = (self.grid.places[edge.from], self.grid.places[edge.to]);
            let (from, to) = (self.centers[from], self.centers[to]);
            match course {
                Course::Down(_) => {
                    for (row, x, next) in self.steps(edge, *course) {
                        let label = label.filter(|_| row == from_row);
                        gaps[row].add(key(Stroke::Flow, x), Hop { from: x, to: next, label, back: false });
                    }
                }
                Course::Back(lane) => {
                    let lane = self.lanes[*lane];
                    gaps[from_row].add(key(Stroke::Flow, from), Hop { from, to: lane, label, back: true });
                    let into = Hop { from: lane, to, label: None, back: false };
                    gaps[to_row - 1].add(key(Stroke::Flow, lane), into);
                }
            }
        }
        for link in &self.links {
            let (row, column) = self.grid.places[link.from];
            let upper = if link.to == IN { column } else { self.grid.places[link.to].1 };
            let (from, to) = (self.rails[upper], self.rails[column]);
            gaps[row - 1].add(key(Stroke::Undo, from), Hop { from, to, label: None, back: false });
        }
    }

    /// The pieces of a way down: the row above each, and where it begins and ends.
    pub(super) fn steps(&self, edge: &Edge, course: Course) -> Vec<(usize, i32, i32)> {
        let ((from_row, from), (to_row, to)) = (self.grid.places[edge.from], self.grid.places[edge.to]);
        let Course::Down(through) = course else { return Vec::new() };
        let mut x = self.centers[from];
        let mut steps = Vec::new();
        for row in from_row..to_row {
            let next = self.centers[if row + 1 == to_row { to } else { through }];
            steps.push((row, x, next));
            x = next;
        }
        steps
    }

    /// The label of a way, if it has one.
    pub(super) fn label(&self, edge: usize) -> Option<Label> {
        self.edges[edge].label.clone()
    }
}
