//! Calls of actions.

use super::bed::Ending;
use super::*;

const OPEN: &str =
    "do: [{ a: { call: thing.open, with: { name: '${ .n }' } } }, { b: { set: { id: '${ .id }' } } }]";

#[test]
fn a_call_sends_its_steps_and_completes() {
    let mut bed = Bed::started(&definition(OPEN), json!({ "n": "x" }));
    assert_eq!((bed.status().as_str(), bed.waits()), ("running", vec!["call /do/0/a".to_owned()]));
    let sent = bed.ok("open");
    assert_eq!(sent.body["name"], "x");
    assert!(bed.output()["id"].as_str().unwrap().starts_with("thing_"));
}

#[test]
fn a_call_of_several_steps_takes_them_in_turn() {
    let body = "do: [{ a: { call: thing.book, with: { name: x } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.ok("reserve");
    assert_eq!(bed.open(), ["pay"]);
    bed.end("pay", Ending::Ok(json!(5)));
    assert_eq!(bed.output(), json!({ "paid": 5 }));
    assert_eq!(bed.history, ["reserve", "pay"]);
}

#[test]
fn a_rejection_is_an_error_of_the_task() {
    let mut bed = Bed::started(&definition(OPEN), json!({ "n": "x" }));
    bed.no("open");
    assert_eq!(bed.status(), "faulted");
    let error = bed.error();
    assert_eq!((&error["type"], &error["status"]), (&json!("urn:promptsales:error:no_way"), &json!(409)));
    assert_eq!(error["instance"], "/do/0/a");
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let body = "do: [{ a: { call: thing.book, with: { name: x } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    let sent = bed.ok("reserve");
    let events = bed.events.len();
    bed.answer(&sent, &Ending::Ok(json!(null)));
    assert_eq!((bed.events.len(), bed.open()), (events, vec!["pay"]));
    let sent = bed.ok("pay");
    bed.answer(&sent, &Ending::Ok(json!(null)));
    assert_eq!(bed.status(), "completed");
}

#[test]
fn iterations_of_a_call_have_ids_of_their_own() {
    let body = "do: [{ a: { metadata: { parallel: 2 }, for: { in: '[1,2,3]' }, do: [{ b: { call: thing.open, with: { name: x } } }] } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.open(), ["open", "open"]);
    let second = bed.sent[1].clone();
    bed.sent.remove(1);
    bed.answer(&second, &Ending::Ok(json!(null)));
    assert_eq!(bed.open(), ["open", "open"], "the third takes the place of the second");
    bed.ok("open");
    bed.ok("open");
    let output = bed.output();
    let ids: std::collections::BTreeSet<_> =
        output.as_array().unwrap().iter().map(|o| o["id"].as_str()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_task_visited_again_calls_anew() {
    let body = "do: [{ a: { call: echo, with: { value: '${ . + 1 }' } } }, { o: { call: thing.open, with: { name: x }, output: { as: $input } } }, { b: { switch: [{ more: { when: . < 2, then: a } }] } }]";
    let mut bed = Bed::started(&definition(body), json!(0));
    bed.ok("open");
    bed.ok("open");
    assert_eq!(bed.output(), json!(2));
}

#[test]
fn a_late_answer_to_a_cancelled_call_is_taken_and_ignored() {
    let mut bed = Bed::started(&definition(OPEN), json!({ "n": "x" }));
    bed.command("cancel", json!({})).unwrap();
    assert_eq!(bed.status(), "cancelled");
    let events = bed.events.len();
    bed.ok("open");
    assert_eq!(bed.events.len(), events);
}

#[test]
fn the_first_branch_wins_and_the_others_are_cancelled() {
    let body = "do: [{ r: { fork: { compete: true, branches: [{ a: { call: thing.open, with: { name: a } } }, { b: { call: mail.send, with: { name: b } } }] } } }, { c: { wait: PT1S } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.end("send", Ending::Ok(json!("sent")));
    assert_eq!(bed.waits(), ["timer /do/1/c"]);
    bed.ok("open");
    bed.tick();
    assert_eq!(bed.output(), json!("sent"));
    assert_eq!(bed.tasks()[1], ("/do/0/r/fork/branches/0/a".to_owned(), "cancelled 1".to_owned()));
}

#[test]
fn a_faulted_branch_cancels_the_others() {
    let body = "do: [{ r: { fork: { branches: [{ a: { call: thing.open, with: { name: a } } }, { b: { wait: PT1H } }] } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.no("open");
    assert_eq!(bed.status(), "faulted");
    assert_eq!(bed.tasks()[2], ("/do/0/r/fork/branches/1/b".to_owned(), "cancelled 1".to_owned()));
    assert!(bed.timers.is_empty());
}

#[test]
fn the_end_in_a_branch_ends_the_run() {
    let body = "do: [{ r: { fork: { branches: [{ a: { do: [{ x: { set: { n: 1 }, then: end } }] } }, { b: { wait: PT1H } }] } } }, { c: { wait: PT1S } }]";
    let bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.output(), json!({ "n": 1 }));
    let found = bed.tasks();
    let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert!(found.contains(&("/do/0/r", "completed 1")), "{found:?}");
    assert!(found.contains(&("/do/0/r/fork/branches/1/b", "cancelled 1")), "{found:?}");
}
