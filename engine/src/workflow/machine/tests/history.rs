//! What tasks were given and gave, told a part of the tasks at a time.

use super::super::{Payload, TaskHistory};
use super::*;
use crate::journal::Event;
use crate::workflow::run::read_event;

/// The longest payload that stands inline in what is told in parts.
const LONGEST: usize = 16;

fn fold(mut history: TaskHistory, events: &[Event]) -> TaskHistory {
    for event in events {
        history.apply(&read_event(event).unwrap(), event.at).unwrap();
    }
    history
}

/// Checks that a list told in parts, each folded on from where the one before ended, is the list told at once; and
/// that nothing changes once it is settled.
pub(super) fn agrees_in_parts(events: &[Event]) {
    let whole = fold(TaskHistory::new(0..usize::MAX, LONGEST), events);
    let all = whole.list().items();
    let step = (all.len() / 4).max(2);
    let (mut cut, mut rest) = (TaskHistory::new(0..0, LONGEST), events);
    for begin in (0..all.len()).step_by(step) {
        let end = begin + step;
        let mut part = cut.turned(begin..end, LONGEST);
        let (mut next, mut settled) = (None, None);
        for (read, event) in rest.iter().enumerate() {
            part.apply(&read_event(event).unwrap(), event.at).unwrap();
            if next.is_none() && part.list().begun() == end {
                next = Some((part.turned(end..end, LONGEST), read + 1));
            }
            if settled.is_none() && part.list().begun() > end && part.is_settled() {
                settled = Some(part.list().items().to_vec());
            }
        }
        let expected = &all[begin..all.len().min(end)];
        assert_eq!(part.list().items(), expected);
        assert!(settled.is_none_or(|settled| settled == expected), "what is settled does not change");
        if let Some((fold, read)) = next {
            (cut, rest) = (fold, &rest[read..]);
        }
    }
}

/// The tasks with what they were given and gave; of what is long its length.
fn told(bed: &Bed, longest: usize) -> Vec<(String, Value, Value)> {
    let shown = |payload: &Option<Payload>| match payload {
        None => Value::Null,
        Some(Payload::Inline(value)) => (**value).clone(),
        Some(Payload::Claimed { bytes }) => json!(format!("{bytes} bytes")),
    };
    let history = fold(TaskHistory::new(0..usize::MAX, longest), &bed.events);
    let items = history.list().items().iter();
    items.map(|item| (item.name.clone(), shown(&item.input), shown(&item.output))).collect()
}

fn row(name: &str, input: Value, output: Value) -> (String, Value, Value) {
    (name.to_owned(), input, output)
}

#[test]
fn tasks_tell_what_they_were_given_and_gave() {
    let body = "
do:
  - shape: { input: { from: '${ .a }' }, set: { b: '${ .n + 1 }' }, output: { as: '${ { b, c: 3 } }' } }
  - no: { if: 'false', set: { z: 1 } }
  - each: { for: { each: x, in: '${ [10, 20] }' }, do: [{ add: { set: { sum: '${ (.sum // 0) + $x }' } } }] }
  - group: { do: [{ stop: { set: { done: true }, then: end } }] }";
    let bed = Bed::started(&definition(body), json!({ "a": { "n": 1 } }));
    let shaped = json!({ "b": 2, "c": 3 });
    let expected = [
        row("shape", json!({ "n": 1 }), shaped.clone()),
        row("no", shaped.clone(), shaped.clone()),
        row("each", shaped.clone(), json!({ "sum": 30 })),
        row("add", shaped, json!({ "sum": 10 })),
        row("add", json!({ "sum": 10 }), json!({ "sum": 30 })),
        row("group", json!({ "sum": 30 }), json!(null)),
        row("stop", json!({ "sum": 30 }), json!({ "done": true })),
    ];
    assert_eq!(told(&bed, 1_000), expected);
    let short = told(&bed, 11);
    assert_eq!(short[0], row("shape", json!({ "n": 1 }), json!("13 bytes")));
}

#[test]
fn attempts_keep_the_number_of_their_task_and_its_last_output() {
    let body = "
do:
  - t:
      try:
        - first: { set: { n: 1 } }
        - fails: { raise: { error: { type: x, status: 503 } } }
      catch: { retry: { delay: PT1S, limit: { attempt: { count: 2 } } } }";
    let mut bed = Bed::started(&definition(body), json!({}));
    let numbers = |bed: &Bed| {
        let history = fold(TaskHistory::new(1..3, 100), &bed.events);
        let items = history.list().items().iter();
        let all: Vec<_> = items.map(|item| (item.number, item.name.clone(), item.attempts)).collect();
        assert!(!history.is_settled(), "another attempt, or a person, begins them again");
        all
    };
    bed.tick();
    let expected = [(2, "first".to_owned(), 2), (3, "fails".to_owned(), 2)];
    assert_eq!(numbers(&bed), expected);
    bed.tick();
    let history = fold(TaskHistory::new(1..3, 100), &bed.events);
    let [first, fails] = history.list().items() else { panic!("two are kept") };
    assert_eq!((first.attempts, fails.attempts), (3, 3));
    assert!(first.error.is_none() && fails.error.as_ref().is_some_and(|error| error.kind == "x"));
}

#[test]
fn what_a_person_gives_a_task_is_its_input() {
    let body = "do: [{ w: { wait: PT1H } }, { a: { set: { x: '${ .n }' } } }]";
    let mut bed = Bed::started(&definition(body), json!({ "n": 1 }));
    bed.command("patch", json!({ "task": "/do/0/w", "input": { "n": 2 } })).unwrap();
    bed.command("skip", json!({ "task": "/do/0/w", "output": { "n": 3 } })).unwrap();
    let expected =
        [row("w", json!({ "n": 2 }), json!({ "n": 3 })), row("a", json!({ "n": 3 }), json!({ "x": 3 }))];
    assert_eq!(told(&bed, 1_000), expected);
}

#[test]
fn a_part_of_a_long_run_is_settled_before_the_run_ends() {
    let body = "do: [{ each: { for: { each: x, in: '${ [range(100)] }' }, do: [{ a: { set: { n: '${ $x }' } } }] } }, { w: { wait: PT1H } }]";
    let bed = Bed::started(&definition(body), json!({}));
    let settled =
        |window: std::ops::Range<usize>| fold(TaskHistory::new(window, 100), &bed.events).is_settled();
    assert!(settled(0..10) && settled(10..20), "the loop is over");
    let inside = &bed.events[..bed.events.len() / 2];
    let settled = |window: std::ops::Range<usize>| fold(TaskHistory::new(window, 100), inside).is_settled();
    assert!(!settled(0..10) && settled(10..20), "the loop is under way");
}

#[test]
fn what_can_be_undone_is_not_settled() {
    let body = "do: [{ a: { call: thing.open, with: { name: x } } }, { w: { wait: PT1H } }]";
    let mut bed = Bed::started(&saga(body), json!({}));
    bed.ok("open");
    let history = fold(TaskHistory::new(0..1, 100), &bed.events);
    assert!(history.list().items()[0].ended_at.is_some() && !history.is_settled());
    bed.command("cancel", json!({})).unwrap();
    bed.ok("close");
    let history = fold(TaskHistory::new(0..1, 100), &bed.events);
    let shown = json!(history.list().items()[0]);
    assert_eq!(
        (&shown["status"], &shown["number"], history.is_settled()),
        (&json!("compensated"), &json!(1), true)
    );
}
