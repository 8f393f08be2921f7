//! The lines of a list, once its cells have their places.

use std::collections::BTreeMap;

use super::super::graph::{IN, Link};
use super::super::scene::{Placed, Point, Stroke, Wire};
use super::block::pill;
use super::gap::{PILL, PILL_BELOW, key};
use super::grid::Course;
use super::list::Plan;

/// Adds the lines of a list to its group, and what is written on them.
pub(super) fn trace(plan: &Plan, group: &mut Placed) {
    for index in 0..plan.edges.len() {
        match plan.grid.courses[index] {
            course @ Course::Down(_) => down(plan, index, course, group),
            Course::Back(lane) => back(plan, index, plan.lanes[lane], group),
        }
    }
    let undone: Vec<Vec<Point>> = plan.links.iter().filter_map(|link| undone(plan, *link)).collect();
    group.wires.extend(joined(&undone).into_iter().map(|points| Wire::line(Stroke::Undo, points)));
    let mut heads: Vec<Point> = undone.iter().filter_map(|points| points.last().copied()).collect();
    heads.sort_unstable();
    heads.dedup();
    group.wires.extend(heads.into_iter().map(|(x, y)| Wire::arrow(Stroke::Undo, vec![(x, y + 8), (x, y)])));
}

/// The pieces of some lines, none of them twice: dashes that lie upon others would not look like dashes.
fn joined(lines: &[Vec<Point>]) -> Vec<Vec<Point>> {
    let mut pieces: BTreeMap<(bool, i32), Vec<(i32, i32)>> = BTreeMap::new();
    for pair in lines.iter().flat_map(|points| points.windows(2)) {
        let ((x, y), (other_x, other_y)) = (pair[0], pair[1]);
        let upright = x == other_x;
        let (at, from, to) = if upright { (x, y, other_y) } else { (y, x, other_x) };
        pieces.entry((upright, at)).or_default().push((from.min(to), from.max(to)));
    }
    let mut all = Vec::new();
    for ((upright, at), mut spans) in pieces {
        spans.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut().filter(|(_, end)| *end >= from) {
                Some((_, end)) => *end = to.max(*end),
                None => merged.push((from, to)),
            }
        }
        let points =
            |(from, to)| if upright { vec![(at, from), (at, to)] } else { vec![(from, at), (to, at)] };
        all.extend(merged.into_iter().map(points));
    }
    all
}

fn down(plan: &Plan, index: usize, course: Course, group: &mut Placed) {
    let edge = &plan.edges[index];
    let steps = plan.steps(edge, course);
    let Some((first, start, entered)) = steps.first().copied() else { return };
    let mut points: Vec<Point> = vec![(start, plan.spans[edge.from].1)];
    let mut end = start;
    for (row, x, next) in &steps {
        if let Some(turn) = plan.turns[*row].get(&key(Stroke::Flow, *x)).filter(|_| x != next) {
            points.extend([(*x, *turn), (*next, *turn)]);
        }
        end = *next;
    }
    let (top, _, seen) = plan.spans[edge.to];
    points.push((end, top));
    group.wires.push(Wire { points, stroke: Stroke::Flow, arrow: seen });
    let turn = plan.turns[first].get(&key(Stroke::Flow, start));
    if let (Some(label), Some(turn)) = (plan.label(index), turn) {
        group.children.push(pill(label, entered, turn + PILL_BELOW));
    }
}

fn back(plan: &Plan, index: usize, lane: i32, group: &mut Placed) {
    let edge = &plan.edges[index];
    let ((from_row, from), (to_row, to)) = (plan.grid.places[edge.from], plan.grid.places[edge.to]);
    let (from, to) = (plan.centers[from], plan.centers[to]);
    let leaves = plan.turns[from_row].get(&key(Stroke::Flow, from)).copied();
    let enters = plan.turns[to_row - 1].get(&key(Stroke::Flow, lane)).copied();
    let (Some(leaves), Some(enters)) = (leaves, enters) else { return };
    let points = vec![
        (from, plan.spans[edge.from].1),
        (from, leaves),
        (lane, leaves),
        (lane, enters),
        (to, enters),
        (to, plan.spans[edge.to].0),
    ];
    group.wires.push(Wire::arrow(Stroke::Flow, points));
    if let Some(label) = plan.label(index) {
        group.children.push(pill(label, lane, leaves - PILL - 8));
    }
}

/// The way on which the undoing of one item goes on with that of another.
fn undone(plan: &Plan, link: Link) -> Option<Vec<Point>> {
    let (row, column) = plan.grid.places[link.from];
    let rail = plan.rails[column];
    let (top, _) = plan.chips[link.from]?;
    let (upper, end) = match link.to {
        IN => (rail, plan.bottoms[0]),
        to => (plan.rails[plan.grid.places[to].1], plan.chips[to]?.1),
    };
    let mut points = vec![(rail, top)];
    if upper != rail {
        let turn = *plan.turns[row - 1].get(&key(Stroke::Undo, upper))?;
        points.extend([(rail, turn), (upper, turn)]);
    }
    points.push((upper, end));
    Some(points)
}
