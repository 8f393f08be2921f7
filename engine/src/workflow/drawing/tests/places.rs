//! Properties of every layout: boxes keep apart and inside, and lines go around them.

use proptest::prelude::*;

use super::super::scene::{Placed, What};
use super::super::{draw, layout};
use super::arbitrary::{Dice, source};
use super::{check_document, compiled, scene};
use crate::workflow::fixtures::{actions, definition, saga};

/// A box by its edges: left, top, right, bottom.
type Edges = (i32, i32, i32, i32);

fn edges(placed: &Placed) -> Edges {
    (placed.at.0, placed.at.1, placed.at.0 + placed.width, placed.at.1 + placed.height)
}

fn overlap(a: Edges, b: Edges) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Checks a box and all that is in it.
fn check_places(placed: &Placed) {
    let whole = (0, 0, placed.width, placed.height);
    let inside = |(x, y): (i32, i32)| (0..=placed.width).contains(&x) && (0..=placed.height).contains(&y);
    for (index, child) in placed.children.iter().enumerate() {
        let own = edges(child);
        assert!(inside((own.0, own.1)) && inside((own.2, own.3)), "{:?} is not within {whole:?}", child.what);
        for other in &placed.children[index + 1..] {
            assert!(!overlap(own, edges(other)), "{:?} overlaps {:?}", child.what, other.what);
        }
        check_places(child);
    }
    let boxes: Vec<&Placed> = placed.children.iter().filter(|c| !matches!(c.what, What::Pill(_))).collect();
    for wire in &placed.wires {
        assert!(wire.points.iter().all(|point| inside(*point)), "{wire:?} leaves {whole:?}");
        for pair in wire.points.windows(2) {
            let ((x, y), (other_x, other_y)) = (pair[0], pair[1]);
            assert!(x == other_x || y == other_y, "{wire:?} is slanted");
            let line = (x.min(other_x), y.min(other_y), x.max(other_x), y.max(other_y));
            for boxed in &boxes {
                // The middle of a box, without its border.
                let (left, top, right, bottom) = edges(boxed);
                let core = (left + 1, top + 1, right - 1, bottom - 1);
                let hit = line.0 < core.2
                    && core.0 < line.2.max(line.0 + 1)
                    && line.1 < core.3
                    && core.1 < line.3.max(line.1 + 1);
                assert!(!hit || boxed.height == 0, "{wire:?} crosses {:?} at {:?}", boxed.what, edges(boxed));
            }
        }
    }
}

#[test]
fn examples_keep_their_places() {
    for body in [super::CHOICE, super::SAGA] {
        check_places(&scene(&definition(body)));
        check_places(&scene(&saga(body)));
    }
}

#[test]
fn many_branches_and_many_cases_keep_their_places() {
    let branches: Vec<String> = (0..20).map(|n| format!("{{ b{n}: {{ wait: PT1S }} }}")).collect();
    check_places(&scene(&definition(&format!(
        "do: [{{ f: {{ fork: {{ branches: [{}] }} }} }}]",
        branches.join(",")
    ))));
    let cases: Vec<String> =
        (0..30).map(|n| format!("{{ c{n}: {{ when: '${{ .n == {n} }}', then: t{n} }} }}")).collect();
    let tasks: Vec<String> = (0..30).map(|n| format!("{{ t{n}: {{ wait: PT1S, then: exit }} }}")).collect();
    let body = format!("do: [{{ s: {{ switch: [{}] }} }}, {}]", cases.join(","), tasks.join(","));
    check_places(&scene(&definition(&body)));
}

/// Draws what a seed gives, and checks it.
fn check_seed(seed: u64) {
    let source = source(&mut Dice::new(seed));
    let definition = compiled(&source);
    let graph = super::build::build(&definition, &actions(), None);
    check_places(&layout::arrange(graph));
    check_document(&draw(&definition, &actions(), None));
}

#[test]
fn labels_of_cases_that_lead_to_earlier_tasks_further_down_keep_apart() {
    // Nothing leads to "below", so it stands under what it follows; the switch stands under what jumps to it.
    let body = "
do:
  - first: { wait: PT1S, then: choose }
  - other: { wait: PT1S }
  - fail: { raise: { error: { type: 'urn:no', status: 409 } } }
  - below: { wait: PT1S, then: exit }
  - choose: { switch: [{ again: { when: '${ .a }', then: choose } }, { back: { then: below } }] }";
    check_places(&scene(&definition(body)));
}

#[test]
fn labels_of_cases_keep_apart() {
    check_seed(9_530_433_011_717_437_792);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_lies_upon_anything_else(seed in any::<u64>()) {
        check_seed(seed);
    }
}
