//! Bounds: no definition can hold the host up, or grow without end.

use super::super::Limits;
use super::*;

const ENDLESS: &str =
    "do: [{ a: { set: { n: '${ .n + 1 }' } } }, { b: { switch: [{ again: { then: a } }] } }]";

#[test]
fn an_endless_loop_yields_and_ends_at_the_bound_of_the_run() {
    let limits = Limits { ticks: 20, tasks: 100, ..Limits::default() };
    let mut bed = Bed::with(&definition(ENDLESS), limits);
    bed.start(json!({ "n": 0 }));
    let mut yields = 0;
    while bed.status() == "running" {
        assert_eq!(bed.timers.keys().collect::<Vec<_>>(), ["yield"]);
        assert_eq!(bed.due_in("yield"), 1);
        bed.tick();
        yields += 1;
    }
    assert!(yields >= 9, "{yields}");
    assert_eq!(bed.status(), "faulted");
    assert!(bed.error()["detail"].as_str().unwrap().contains("100 tasks"));
}

#[test]
fn a_loop_of_heavy_expressions_yields_after_each_few_and_goes_on() {
    let body = "do: [{ a: { for: { in: '[range(20)]' }, do: [{ b: { set: { n: '${ last(range(50000)) + $item }' } } }] } }]";
    let yields = |fuel: u64| {
        let mut bed = Bed::with(&definition(body), Limits { fuel, ..Limits::default() });
        bed.start(json!({}));
        let mut yields = 0;
        while bed.status() == "running" {
            bed.tick();
            yields += 1;
        }
        assert_eq!((bed.status().as_str(), bed.output()), ("completed", json!({ "n": 50_018 })));
        yields
    };
    let (often, seldom) = (yields(100_000), yields(1_000_000));
    assert!(often > seldom && seldom > 0 && yields(u64::MAX) == 0, "{often} {seldom}");
}

#[test]
fn the_expressions_of_one_task_have_a_bound_together() {
    let cases: Vec<String> =
        (0..50).map(|n| format!("{{ c{n}: {{ when: 'last(range(100000)) < 0', then: end }} }}")).collect();
    let body = format!("do: [{{ s: {{ switch: [{}] }} }}]", cases.join(", "));
    let mut bed = Bed::new(&definition(&body));
    bed.start(json!({}));
    assert_eq!(bed.status(), "faulted");
    assert!(bed.error()["detail"].as_str().unwrap().contains("operations"), "{}", bed.error());
}

#[test]
fn what_a_transition_journals_is_bounded() {
    let limits = Limits { bytes: 10_000, ..Limits::default() };
    let body = "do: [{ a: { for: { in: '[range(20)]' }, do: [{ b: { set: { text: '${ ([range(500)] | map(\"x\") | join(\"\")) + ($item | tostring) }' } } }] } }]";
    let mut bed = Bed::with(&definition(body), limits);
    bed.start(json!({}));
    assert_eq!(bed.status(), "running");
    while bed.status() == "running" {
        bed.tick();
    }
    assert_eq!(bed.status(), "completed");
}

#[test]
fn other_inputs_drive_a_run_that_yielded_too() {
    let limits = Limits { ticks: 5, ..Limits::default() };
    let body = "do: [{ a: { for: { in: '[range(10)]' }, do: [{ b: { set: { n: '${ $item }' } } }] } }, { c: { listen: { to: { one: { with: { type: go } } } } } }]";
    let mut bed = Bed::with(&definition(body), limits);
    bed.start(json!({}));
    bed.command("signal", json!({ "name": "go", "data": 1 })).unwrap();
    bed.command("pause", json!({})).unwrap();
    assert!(bed.timers.is_empty());
    bed.command("resume", json!({})).unwrap();
    while bed.status() == "running" {
        bed.tick();
    }
    assert_eq!(bed.output(), json!([1]));
}

#[test]
fn a_saga_that_passes_its_bound_is_undone() {
    let limits = Limits { tasks: 10, ..Limits::default() };
    let body = "do: [{ o: { call: thing.open, with: { name: x } } }, { a: { set: { n: 1 } } }, { b: { switch: [{ again: { then: a } }] } }]";
    let mut bed = Bed::with(&saga(body), limits);
    bed.start(json!({}));
    bed.ok("open");
    bed.ok("close");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn a_run_whose_data_grows_ends_before_it_is_too_big() {
    let limits = Limits { data: 20_000, ..Limits::default() };
    let grow = "{ a: { set: { all: '${ .all + [([range(200)] | map(\"x\") | join(\"\"))] }' } } }";
    let body = format!(
        "do: [{grow}, {{ w: {{ wait: PT1S }} }}, {{ b: {{ switch: [{{ again: {{ then: a }} }}] }} }}]"
    );
    let mut bed = Bed::with(&definition(&body), limits);
    bed.start(json!({ "all": [] }));
    while bed.status() != "faulted" {
        assert!(bed.events.len() < 1_000, "it goes on for ever");
        bed.tick();
    }
    assert!(bed.error()["detail"].as_str().unwrap().contains("20000 are allowed"), "{}", bed.error());
}

#[test]
fn a_saga_whose_log_grows_too_big_is_undone() {
    let limits = Limits { data: 20_000, ..Limits::default() };
    let open = "{ o: { call: thing.open, with: { name: '${ [range(1000)] | map(\"x\") | join(\"\") }' } } }";
    let body = format!("do: [{open}, {{ b: {{ switch: [{{ again: {{ then: o }} }}] }} }}]");
    let mut bed = Bed::with(&saga(&body), limits);
    bed.start(json!({}));
    let mut opened = 0;
    while bed.open().contains(&"open") {
        assert!(opened < 100, "it goes on for ever");
        bed.ok("open");
        opened += 1;
    }
    for _ in 0..opened {
        bed.ok("close");
    }
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn a_loop_has_a_bound_of_items() {
    let limits = Limits { items: 5, ..Limits::default() };
    let mut bed = Bed::with(
        &definition("do: [{ a: { for: { in: '[range(6)]' }, do: [{ b: { set: { n: 1 } } }] } }]"),
        limits,
    );
    bed.start(json!({}));
    assert!(bed.error()["detail"].as_str().unwrap().contains("6 items"));
}

#[test]
fn an_expression_that_runs_away_fails_its_own_run() {
    let bed = Bed::started(
        &definition("do: [{ a: { set: { n: '${ [range(100000000)] | length }' } } }]"),
        json!({}),
    );
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("faulted", &json!(400)));
}

#[test]
fn a_wide_parallel_loop_keeps_to_its_width() {
    let limits = Limits { parallel: 3, ..Limits::default() };
    let body = "do: [{ a: { metadata: { parallel: true }, for: { in: '[range(7)]' }, do: [{ b: { call: mail.send, with: { name: x } } }] } }]";
    let mut bed = Bed::with(&definition(body), limits);
    bed.start(json!({}));
    for _ in 0..7 {
        assert!(bed.open().len() <= 3);
        bed.ok("send");
    }
    assert_eq!(bed.output().as_array().unwrap().len(), 7);
}
