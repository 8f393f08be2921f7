//! The places inside of a task: its text, and what it holds.

use super::super::graph::{Body, Card, Graph, Item, Label, Mark};
use super::super::scene::{Placed, Stroke, What, Wire};
use super::super::text::{SMALL, width};
use super::gap::PILL;
use super::list;

/// The width of a task without tasks of its own.
const CARD: i32 = 280;
/// The height of a task's name with the space around it.
pub(in super::super) const HEAD: i32 = 36;
/// The height of a line under it.
pub(in super::super) const ROW: i32 = 17;
/// Below the last line.
const FOOT: i32 = 9;
/// Between a frame and what is inside.
const PAD: i32 = 18;
/// Between branches.
const BETWEEN: i32 = 28;
/// The widest row of branches.
const WIDEST: i32 = 1_500;
/// Between what is tried and what is done with errors.
const TO_CATCH: i32 = 84;
/// The height of a bar with the ways to it.
const BAR: i32 = 24;

/// Lays out an item.
pub(super) fn block(item: Item) -> Placed {
    match item.body {
        Body::Gate => Placed::new(What::Group, 0, 0),
        Body::Mark(mark) => sign(mark),
        Body::Task(card) => {
            let height = height(&card);
            Placed::new(What::Task(card), CARD, height)
        }
        Body::List(card, graph) => frame(card, graph),
        Body::Branches(card, branches) => fork(card, branches),
        Body::Try { card, tried, caught, retries } => attempt(card, tried, *caught, retries),
    }
}

/// The width of what is written on a way, with the space around it.
pub(super) fn pill_width(label: &Label) -> i32 {
    (width(&label.text, SMALL) + 20).min(CARD - 8) / 2 * 2
}

/// A label at a place: the middle of its upper edge.
pub(super) fn pill(label: Label, x: i32, y: i32) -> Placed {
    let wide = pill_width(&label);
    Placed::new(What::Pill(label), wide, PILL).placed(x - wide / 2, y)
}

fn sign(mark: Mark) -> Placed {
    let wide = (width(&mark.written(), SMALL) + 44).clamp(84, CARD) / 2 * 2;
    Placed::new(What::Mark(mark), wide, 28)
}

fn height(card: &Card) -> i32 {
    let rows = i32::try_from(card.rows().len()).unwrap_or(0);
    HEAD + rows * ROW + if rows > 0 { FOOT } else { 4 }
}

fn frame(card: Card, graph: Graph) -> Placed {
    let (head, inner) = (height(&card), list::list(graph));
    let wide = (inner.width + 2 * PAD).max(CARD + 2 * PAD) / 2 * 2;
    let mut frame = Placed::new(What::Frame(card, head), wide, head + inner.height);
    let left = (wide - inner.width) / 2;
    frame.port = left + inner.port;
    frame.children.push(inner.placed(left, head));
    frame
}

/// Branches side by side between two bars; where they are too many, in rows.
fn fork(card: Card, branches: Vec<Item>) -> Placed {
    let head = height(&card);
    let mut rows: Vec<(i32, Vec<Placed>)> = Vec::new();
    for branch in branches {
        let cell = list::cell(branch);
        match rows.last_mut() {
            Some((wide, row)) if *wide + BETWEEN + cell.width <= WIDEST => {
                *wide += BETWEEN + cell.width;
                row.push(cell);
            }
            _ => rows.push((cell.width, vec![cell])),
        }
    }
    let side = if rows.len() > 1 { PAD + 14 } else { PAD };
    let widest = rows.iter().map(|(wide, _)| *wide).max().unwrap_or(0);
    let wide = (widest + 2 * side).max(CARD + 2 * PAD) / 2 * 2;
    let mut fork = Placed::new(What::Frame(card, head), wide, 0);
    let port = fork.port;
    let mut y = head + BAR;
    fork.wires.push(Wire::line(Stroke::Flow, vec![(port, head), (port, y)]));
    let (mut tops, mut bottoms) = (Vec::new(), Vec::new());
    for (row_width, row) in rows {
        let deepest = row.iter().map(|cell| cell.height).max().unwrap_or(0);
        let (top, bottom) = (y, y + BAR + deepest + BAR);
        let mut x = (wide - row_width) / 2;
        let (mut left, mut right) = (port, port);
        for cell in row {
            let at = x + cell.port;
            let (upper, lower) = (top + BAR, top + BAR + cell.height);
            fork.wires.push(Wire::arrow(Stroke::Flow, vec![(at, top), (at, upper)]));
            fork.wires.push(Wire::line(Stroke::Flow, vec![(at, lower), (at, bottom)]));
            (left, right) = (left.min(at), right.max(at));
            let step = cell.width + BETWEEN;
            fork.children.push(cell.placed(x, upper));
            x += step;
        }
        for level in [top, bottom] {
            fork.wires.push(Wire::line(Stroke::Bar, vec![(left - 14, level), (right + 14, level)]));
        }
        tops.push((left - 14, top));
        bottoms.push((right + 14, bottom));
        y = bottom + BAR;
    }
    let end = y - BAR;
    fork.wires.extend(joined(&tops, PAD / 2));
    fork.wires.extend(joined(&bottoms, wide - PAD / 2));
    fork.wires.push(Wire::line(Stroke::Flow, vec![(port, end), (port, end + PAD)]));
    fork.height = end + PAD;
    fork
}

/// Joins the bars of several rows at one side.
fn joined(bars: &[(i32, i32)], side: i32) -> Vec<Wire> {
    let pairs = bars.windows(2);
    let line = |pair: &[(i32, i32)]| vec![pair[0], (side, pair[0].1), (side, pair[1].1), pair[1]];
    pairs.map(|pair| Wire::line(Stroke::Flow, line(pair))).collect()
}

/// What is tried at the left, what is done with its errors at the right.
fn attempt(card: Card, tried: Graph, caught: Item, retries: bool) -> Placed {
    let head = height(&card);
    let ends = matches!(caught.body, Body::List(..)) || !retries;
    let inner = list::list(tried);
    let mut tried = Placed::new(What::Tried, inner.width + 2 * PAD, inner.height.max(84));
    tried.port = PAD + inner.port;
    tried.children.push(inner.placed(PAD, 0));
    let caught = block(caught);
    let top = head + PAD;
    let bottom = top + tried.height.max(caught.height);
    let (port, right) = (PAD + tried.port, PAD + tried.width);
    let other = right + TO_CATCH;
    let mut attempt = Placed::new(What::Frame(card, head), other + caught.width + PAD, bottom + 2 * PAD);
    attempt.port = port;
    let end = attempt.height;
    let wires = &mut attempt.wires;
    wires.push(Wire::line(Stroke::Flow, vec![(port, head), (port, top)]));
    wires.push(Wire::line(Stroke::Flow, vec![(port, top + tried.height), (port, end)]));
    wires.push(Wire::arrow(Stroke::Error, vec![(right, top + 20), (other, top + 20)]));
    let middle = right + TO_CATCH / 2;
    let written = |text: &str, hint: &str| Label { text: text.to_owned(), hint: hint.to_owned() };
    attempt.children.push(pill(written("error", "an error of what is tried"), middle, top + 10));
    if retries {
        wires.push(Wire::arrow(Stroke::Error, vec![(other, top + 50), (right, top + 50)]));
        attempt.children.push(pill(written("retry", "it is tried again"), middle, top + 40));
    }
    if ends {
        let (from, level) = (other + caught.port, bottom + PAD);
        let points = vec![(from, top + caught.height), (from, level), (port, level)];
        attempt.wires.push(Wire::line(Stroke::Flow, points));
    }
    attempt.children.push(tried.placed(PAD, top));
    attempt.children.push(caught.placed(other, top));
    attempt
}
