//! What drawings show, and that nothing in them lies upon anything else.

use roxmltree::{Document, ParsingOptions};

use super::graph::Graph;
use super::scene::Placed;
use super::{Progress, Wait, build, draw, layout};
use crate::clock::Timestamp;
use crate::workflow::check::check;
use crate::workflow::definition::Definition;
use crate::workflow::fixtures::{actions, definition, saga};
use crate::workflow::machine::{TaskItem, TaskStatus, TaskType};

mod arbitrary;
mod places;
mod ways;

pub(super) fn compiled(source: &str) -> Definition {
    check(source, &actions()).unwrap_or_else(|refused| panic!("{:?}\n{source}", refused.problems)).definition
}

pub(super) fn graph(source: &str) -> Graph {
    build::build(&compiled(source), &actions(), None)
}

pub(super) fn scene(source: &str) -> Placed {
    layout::arrange(graph(source))
}

/// The texts of a drawing: those that are shown, and those for who points at something.
fn texts(svg: &str) -> (Vec<String>, Vec<String>) {
    let document = Document::parse(svg).unwrap();
    let of = |name: &str| {
        let nodes =
            document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)));
        nodes.filter_map(|node| node.text().map(str::to_owned)).collect()
    };
    (of("text"), of("title"))
}

fn shown(body: &str) -> Vec<String> {
    texts(&draw(&compiled(&definition(body)), &actions(), None)).0
}

fn has(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text == wanted)
}

#[test]
fn every_type_of_task_says_what_it_does() {
    let texts = shown(
        "
do:
  - open: { call: thing.open, with: { name: one }, if: '${ .wanted }', timeout: { after: PT2H } }
  - data: { set: { a: 1, b: 2 } }
  - pause: { wait: PT1H30M }
  - hear: { listen: { to: { one: { with: { type: go-on } } } } }
  - each: { for: { each: x, in: '${ .xs }' }, metadata: { parallel: 4 }, do: [{ inner: { set: { c: 3 } } }] }
  - both: { fork: { compete: true, branches: [{ left: { wait: PT1S } }, { right: { wait: PT2S } }] } }
  - attempt:
      try: [{ risk: { call: echo, with: { value: 1 } } }]
      catch:
        errors: { with: { type: 'urn:promptsales:error:gone', status: 404 } }
        retry: { delay: PT3S, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } }
        do: [{ mend: { set: { d: 4 } } }]
  - fail: { raise: { error: { type: 'https://example.com/no', status: 409, title: No } } }",
    );
    for wanted in [
        "open",
        "call · thing.open",
        "only if .wanted",
        "at most 2 hours",
        "set · a, b",
        "wait · 1 hour 30 minutes",
        "listen · waits for go-on",
        "for · each x in .xs",
        "side by side, 4 at once",
        "inner",
        "fork · the first to end wins",
        "left",
        "errors: gone, 404",
        "tries again up to 5 times",
        "after 3 seconds, doubling",
        "mend",
        "raise · No (409)",
        "try",
        "Start",
        "End",
    ] {
        assert!(has(&texts, wanted), "{wanted}: {texts:?}");
    }
}

const CHOICE: &str = "
do:
  - ask: { set: { n: 1 } }
  - choose:
      switch:
        - small: { when: '${ .n < 2 }', then: ask }
        - middle: { when: '${ .n < 3 }', then: last }
        - large: { then: end }
  - never: { set: { a: 1 } }
  - last: { do: [{ out: { set: { a: 2 }, then: exit } }, { halt: { set: { a: 3 }, then: end } }] }";

#[test]
fn cases_and_jumps_are_ways_of_their_own() {
    let graph = graph(&definition(CHOICE));
    let way = |from: usize, to: usize| {
        let found = graph.edges.iter().find(|edge| (edge.from, edge.to) == (from, to));
        found.map(|edge| edge.label.as_ref().map_or("", |label| label.text.as_str()))
    };
    assert_eq!(way(0, 2), Some(""), "the start leads to the first task");
    assert_eq!(way(3, 2), Some("small"), "back");
    assert_eq!(way(3, 5), Some("middle"), "over a task");
    assert_eq!(way(3, 1), Some("large"), "to the end");
    assert_eq!((way(3, 4), way(4, 5), way(5, 1)), (None, Some(""), Some("")));
    let texts = shown(CHOICE);
    assert!(has(&texts, "End of the run") && has(&texts, "middle"), "{texts:?}");
}

const SAGA: &str = "
do:
  - first: { call: thing.open, with: { name: a } }
  - plain: { call: echo, with: { value: 1 } }
  - kept: { call: thing.open, with: { name: b }, metadata: { compensate: false } }
  - other: { call: echo, with: { value: 1 }, metadata: { compensate: { call: thing.book, with: { name: c } } } }
  - inside: { do: [{ deep: { call: thing.book, with: { name: d } } }] }";

#[test]
fn a_saga_shows_what_undoes_its_calls_in_reverse_order() {
    let outer = graph(&saga(SAGA));
    let super::graph::Body::List(card, inner) = &outer.items[2].body else { panic!("no boundary") };
    assert!(card.saga);
    let by: Vec<_> = inner.items.iter().map(|item| item.undo.as_ref().map(|undo| undo.by.as_str())).collect();
    assert_eq!(by, [None, None, Some("thing.open"), None, None, Some("thing.book"), Some("its own calls")]);
    let links: Vec<_> = inner.links.iter().map(|link| (link.from, link.to)).collect();
    assert_eq!(links, [(2, 0), (5, 2), (6, 5)], "from the last to the first, and out");
    let none = graph(&definition(SAGA));
    assert!(!none.undoes() && none.links.is_empty(), "nothing is undone outside of a saga");
}

fn item(reference: &str, path: &str, status: TaskStatus, attempts: u32) -> TaskItem {
    let (at, name) = (Timestamp::from_ms(0), reference.rsplit('/').next().unwrap_or_default().to_owned());
    let (reference, path) = (reference.to_owned(), path.to_owned());
    TaskItem {
        number: 1,
        name,
        reference,
        path,
        kind: TaskType::Call,
        status,
        attempts,
        started_at: at,
        ended_at: None,
        error: None,
        input: None,
        output: None,
    }
}

#[test]
fn a_run_shows_states_attempts_counts_and_what_it_waits_for() {
    let source = definition(
        "
do:
  - done: { wait: PT1S }
  - each: { for: { in: '${ .xs }' }, do: [{ one: { call: thing.open, with: { name: a } } }] }
  - ear: { listen: { to: { one: { with: { type: go } } } } }
  - later: { wait: PT1S }",
    );
    let tasks = [
        item("/do/0/done", "/do/0/done", TaskStatus::Completed, 3),
        item("/do/1/each", "/do/1/each", TaskStatus::Completed, 1),
        item("/do/1/each/do/0/one", "/do/1/each[0]/do/0/one", TaskStatus::Completed, 1),
        item("/do/1/each/do/0/one", "/do/1/each[1]/do/0/one", TaskStatus::Faulted, 2),
        item("/do/2/ear", "/do/2/ear", TaskStatus::Waiting, 1),
    ];
    let until = Some("2026-03-01T12:00:00.000Z".to_owned());
    let (task, kind, what) = ("/do/2/ear".to_owned(), "signal".to_owned(), "go".to_owned());
    let waits = [Wait { task, kind, what, until }];
    let svg = draw(&compiled(&source), &actions(), Some(&Progress::new("waiting", &tasks, &waits)));
    let (texts, titles) = texts(&svg);
    for wanted in ["completed, 3 attempts", "waiting", "waits for go", "until 2026-03-01 12:00 UTC"] {
        assert!(has(&texts, wanted), "{wanted}: {texts:?}");
    }
    let counts = "2 times, up to 2 attempts · 1 faulted, 1 completed";
    assert!(titles.iter().any(|title| title.contains(counts)), "{titles:?}");
    let document = Document::parse(&svg).unwrap();
    let classes: Vec<_> = document.descendants().filter_map(|node| node.attribute("class")).collect();
    for class in ["completed", "faulted", "waiting", "unreached"] {
        assert!(classes.contains(&class), "{class}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let long = "x".repeat(128);
    for name in [
        "<script>alert(1)<&script>",
        "\" onload=\"a",
        "'quotes'",
        "😀 emoji 👩‍👩‍👧",
        "שלום עולם",
        "--> &lt; %00",
        &long,
    ] {
        let body = serde_json::json!([{ name: { "set": { name: 1 } } }, { "b": { "listen": { "to": { "one": { "with": { "type": name } } } } } }]);
        let source = definition(&format!("do: {body}"));
        let svg = draw(&compiled(&source), &actions(), None);
        let (_, titles) = texts(&svg);
        assert!(titles.iter().any(|title| title.contains(name)), "{name}: {titles:?}");
        check_document(&svg);
    }
}

/// Well-formed, without scripts, and without a reference to anything outside.
pub(super) fn check_document(svg: &str) {
    let options = ParsingOptions { nodes_limit: 1_000_000, ..ParsingOptions::default() };
    let document = Document::parse_with_options(svg, options).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    for node in root.descendants().filter(roxmltree::Node::is_element) {
        assert!(!["script", "foreignObject", "image", "a"].contains(&node.tag_name().name()));
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            assert!(attribute.name() != "href" || attribute.value().starts_with("#ps-"), "{attribute:?}");
        }
    }
}

/// A list of so many tasks.
fn long(count: usize, task: &str) -> String {
    let tasks: Vec<String> = (0..count).map(|n| format!("{{ t{n}: {task} }}")).collect();
    format!("[{}]", tasks.join(", "))
}

#[test]
fn large_definitions_are_folded() {
    let flat = definition(&format!("do: {}", long(5_000, "{ wait: PT1S }")));
    let svg = draw(&compiled(&flat), &actions(), None);
    assert!(svg.len() < 2_000_000, "{}", svg.len());
    assert!(has(&texts(&svg).0, "4000 tasks more"));
    let inner = long(30, "{ wait: PT1S }");
    let nested = definition(&format!("do: {}", long(100, &format!("{{ do: {inner} }}"))));
    let svg = draw(&compiled(&nested), &actions(), None);
    assert!(svg.len() < 2_000_000, "{}", svg.len());
    assert!(has(&texts(&svg).0, "30 tasks, folded"));
}

#[test]
fn the_same_definition_gives_the_same_bytes() {
    let source = saga(SAGA);
    let [one, other] = [0, 1].map(|_| draw(&compiled(&source), &actions(), None));
    assert_eq!(one, other);
    assert!(one.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", &one[..80]);
}
