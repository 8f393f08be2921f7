//! Ways where they are many, and where extensions stand around a task.

use super::super::draw;
use super::super::graph::{Body, Graph};
use super::{check_document, compiled, graph, has, long, texts};
use crate::workflow::fixtures::{actions, definition};

/// The cases of a switch, each with its condition.
fn cases(count: usize, then: impl Fn(usize) -> String) -> String {
    let cases: Vec<String> =
        (0..count).map(|n| format!("{{ c{n}: {{ when: '${{.}}', then: {} }} }}", then(n))).collect();
    format!("[{}]", cases.join(","))
}

/// Draws a list, which must be small, and gives its texts.
fn drawn(list: &str) -> Vec<String> {
    let definition = compiled(&definition(&format!("do: {list}")));
    let svg = draw(&definition, &actions(), None);
    assert!(svg.len() < 1_000_000, "{}", svg.len());
    check_document(&svg);
    texts(&svg).0
}

#[test]
fn cases_that_are_too_many_are_counted() {
    let to_each = cases(5_000, |n| format!("t{}", n % 500));
    let tasks = long(500, "{ wait: PT1S }");
    let tasks = tasks.trim_start_matches('[');
    let texts = drawn(&format!("[{{ s: {{ switch: {to_each} }} }}, {tasks}"));
    // The next task and 40 lines, 20 marks; 10 cases to each of 500 tasks.
    assert!(has(&texts, "→ 4390 more cases"));
    assert!(has(&texts, "→ t60") && !has(&texts, "→ t61"));
}

#[test]
fn many_switches_stay_small() {
    let switch = |n: usize| cases(20, |case| format!("s{}", (n * 31 + case * 7) % 300));
    let all: Vec<String> = (0..300).map(|n| format!("{{ s{n}: {{ switch: {} }} }}", switch(n))).collect();
    let definition = compiled(&definition(&format!("do: [{}]", all.join(","))));
    let svg = draw(&definition, &actions(), None);
    assert!(svg.len() < 4_000_000, "{}", svg.len());
}

#[test]
fn cases_that_go_to_one_place_share_their_way() {
    let to_end = cases(5_000, |_| "end".to_owned());
    let texts = drawn(&format!("[{{ in: {{ do: [{{ s: {{ switch: {to_end} }} }}] }} }}]"));
    assert_eq!(texts.iter().filter(|text| *text == "End of the run").count(), 1);
    let back = cases(100, |_| "t0".to_owned());
    let graph =
        graph(&definition(&format!("do: [{{ t0: {{ wait: PT1S }} }}, {{ s: {{ switch: {back} }} }}]")));
    let marks = graph.items.iter().filter(|item| matches!(item.body, Body::Mark(_)));
    assert_eq!(marks.count(), 2, "all on one line, and the marks of the start and the end");
}

const EXTENDED: &str = "
use:
  extensions:
    - note: { extend: KIND, before: [{ n: { set: { a: 1 } } }], after: [{ m: { set: { a: 2 } } }] }
do:
  - first: { set: { b: 1 } }
  - s: TASK
  - skipped: { set: { b: 2 } }
  - last: { set: { b: 3 } }";

fn extended(kind: &str, task: &str) -> Graph {
    let graph = graph(&definition(&EXTENDED.replace("KIND", kind).replace("TASK", task)));
    assert!(graph.items.len() > 5);
    graph
}

/// The ways of an item: where to, and what is written on them.
fn ways(graph: &Graph, from: usize) -> Vec<(usize, &str)> {
    let edges = graph.edges.iter().filter(|edge| edge.from == from);
    edges.map(|edge| (edge.to, edge.label.as_ref().map_or("", |label| label.text.as_str()))).collect()
}

#[test]
fn an_extended_task_leads_where_its_own_says() {
    let switch = "{ switch: [{ back: { when: '${ .x }', then: first } }, { over: { then: last } }, \
                   { stop: { when: '${ .y }', then: end } }] }";
    let outer = extended("switch", switch);
    assert_eq!(ways(&outer, 3), [(2, "back"), (5, "over")]);
    let Body::List(_, inner) = &outer.items[3].body else { panic!("no list") };
    // Before, the task itself, behind; and the end of the run.
    assert_eq!(ways(inner, 3), [(4, "back · over"), (5, "stop")]);
    let raise = extended("raise", "{ raise: { error: { type: 'urn:no', status: 409 } } }");
    assert_eq!(ways(&raise, 3), []);
    let attempt = "{ try: [{ a: { set: { c: 1 } } }], catch: { then: last } }";
    let attempt = extended("try", attempt);
    assert_eq!(ways(&attempt, 3), [(4, ""), (5, "caught")]);
}
