//! `try`: catching, trying again, and taking calls up again.

use super::bed::{Ending, Id};
use super::*;

fn retried(task: &str, policy: &str) -> String {
    definition(&format!("do: [{{ t: {{ try: [{{ a: {task} }}], catch: {{ retry: {policy} }} }} }}]"))
}

const OPEN: &str = "{ call: thing.open, with: { name: x } }";
const BOOK: &str = "{ call: thing.book, with: { name: x } }";

#[test]
fn a_caught_error_without_a_handler_is_dropped() {
    let body = "do: [{ t: { try: [{ a: { raise: { error: { type: x, status: 404 } } } }], catch: { errors: { with: { status: 404 } } } } }]";
    assert_eq!(Bed::started(&definition(body), json!({ "k": 1 })).output(), json!({ "k": 1 }));
}

#[test]
fn what_is_not_meant_goes_on_outward() {
    let cases = [
        "errors: { with: { status: 500 } }",
        "errors: { with: { type: y } }",
        "errors: { with: { title: T, status: 404 } }",
        "when: $error.status == 500",
        "exceptWhen: $error.status == 404",
        "as: e, when: $e.title == \"T\"",
    ];
    for catch in cases {
        let body = format!(
            "do: [{{ t: {{ try: [{{ a: {{ raise: {{ error: {{ type: x, status: 404 }} }} }} }}], catch: {{ {catch} }} }} }}]"
        );
        let bed = Bed::started(&definition(&body), json!({}));
        assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("faulted", &json!(404)), "{catch}");
    }
}

#[test]
fn a_handler_sees_the_error_and_says_where_to_go_on() {
    let body = "
do:
  - t:
      try: [{ a: { raise: { error: { type: x, status: 404, title: Gone } } } }]
      catch: { as: e, do: [{ h: { set: { title: '${ $e.title }', at: '${ $e.instance }' } } }], then: c }
  - b: { set: { no: 1 } }
  - c: { set: { saw: '${ . }' } }";
    let bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.output(), json!({ "saw": { "title": "Gone", "at": "/do/0/t/try/0/a" } }));
}

#[test]
fn an_error_in_a_handler_is_not_caught_again() {
    let body = "do: [{ t: { try: [{ a: { raise: { error: { type: x, status: 404 } } } }], catch: { do: [{ h: { raise: { error: { type: y, status: 500 } } } }] } } }]";
    assert_eq!(Bed::started(&definition(body), json!({})).error()["status"], 500);
}

#[test]
fn the_wait_grows_as_the_policy_says() {
    let cases = [
        ("{ delay: PT3S, limit: { attempt: { count: 3 } } }", vec![3_000, 3_000, 3_000]),
        ("{ delay: PT3S, backoff: { constant: {} }, limit: { attempt: { count: 2 } } }", vec![3_000, 3_000]),
        (
            "{ delay: PT3S, backoff: { linear: {} }, limit: { attempt: { count: 3 } } }",
            vec![3_000, 6_000, 9_000],
        ),
        (
            "{ delay: PT3S, backoff: { exponential: {} }, limit: { attempt: { count: 4 } } }",
            vec![3_000, 6_000, 12_000, 24_000],
        ),
        ("{ delay: PT3S, limit: { duration: PT7S } }", vec![3_000, 3_000]),
        ("{ limit: { attempt: { count: 1 } } }", vec![1]),
        ("{ limit: { attempt: { count: 0 } } }", vec![]),
    ];
    for (policy, waits) in cases {
        let mut bed =
            Bed::started(&retried("{ raise: { error: { type: x, status: 503 } } }", policy), json!({}));
        let mut found = Vec::new();
        while bed.status() != "faulted" {
            assert_eq!(bed.waits(), ["retry /do/0/t"], "{policy}");
            found.push(bed.due_in("retry:/do/0/t"));
            bed.tick();
        }
        assert_eq!(found, waits, "{policy}");
        let attempts = waits.len() + 1;
        assert_eq!(bed.tasks()[0].1, format!("faulted {attempts}"), "{policy}");
    }
}

#[test]
fn jitter_stays_in_its_range_and_is_the_same_each_time() {
    let policy = "{ delay: PT1S, jitter: { from: PT1S, to: PT3S }, limit: { attempt: { count: 8 } } }";
    let run = || {
        let mut bed =
            Bed::started(&retried("{ raise: { error: { type: x, status: 503 } } }", policy), json!({}));
        let mut found = Vec::new();
        while bed.status() != "faulted" {
            found.push(bed.due_in("retry:/do/0/t"));
            bed.tick();
        }
        found
    };
    let first = run();
    assert_eq!(first, run());
    assert!(first.iter().all(|ms| (2_000..=4_000).contains(ms)), "{first:?}");
    assert!(first.windows(2).any(|pair| pair[0] != pair[1]), "{first:?}");
}

#[test]
fn a_retry_has_conditions_of_its_own() {
    let policy = "{ when: $error.status == 503, delay: PT1S, limit: { attempt: { count: 5 } } }";
    let mut bed = Bed::started(&retried(OPEN, policy), json!({}));
    bed.no("open");
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("faulted", &json!(409)));
}

#[test]
fn when_the_retries_are_used_up_the_handler_has_its_turn() {
    let body = "do: [{ t: { try: [{ a: { raise: { error: { type: x, status: 503 } } } }], catch: { retry: { limit: { attempt: { count: 1 } } }, do: [{ h: { set: { handled: true } } }] } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.tick();
    assert_eq!(bed.output(), json!({ "handled": true }));
}

#[test]
fn a_call_that_changed_nothing_is_sent_under_a_new_key() {
    let mut bed =
        Bed::started(&retried(OPEN, "{ delay: PT1S, limit: { attempt: { count: 2 } } }"), json!({}));
    let first = bed.no("open");
    bed.tick();
    let second = bed.ok("open");
    assert_ne!(first.id, second.id);
    assert_eq!(bed.status(), "completed");
    assert_eq!(bed.tasks()[1], ("/do/0/t/try/0/a".to_owned(), "completed 2".to_owned()));
}

#[test]
fn a_step_of_unknown_outcome_is_sent_under_the_same_key() {
    let mut bed =
        Bed::started(&retried(BOOK, "{ delay: PT1S, limit: { attempt: { count: 2 } } }"), json!({}));
    bed.ok("reserve");
    let first = bed.unknown("pay");
    bed.tick();
    let second = bed.ok("pay");
    assert_eq!((first.id, first.doubt, second.doubt), (second.id, false, true), "it is looked back on first");
    assert_eq!(bed.history, ["reserve", "pay", "pay"], "what was done is not done again");
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_call_goes_on_at_the_step_that_failed() {
    let mut bed =
        Bed::started(&retried(BOOK, "{ delay: PT1S, limit: { attempt: { count: 2 } } }"), json!({}));
    bed.ok("reserve");
    let first = bed.end("pay", Ending::Failed);
    bed.tick();
    let second = bed.ok("pay");
    assert!(matches!((first.id, second.id), (Id::Effect(a), Id::Effect(b)) if a != b));
    assert_eq!(bed.history, ["reserve", "pay", "pay"]);
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_call_that_timed_out_is_waited_for_again() {
    let task = "{ timeout: { after: PT5S }, call: thing.open, with: { name: x } }";
    let mut bed =
        Bed::started(&retried(task, "{ delay: PT1S, limit: { attempt: { count: 2 } } }"), json!({}));
    assert_eq!(bed.tick(), "timeout:/do/0/t/try/0/a");
    assert_eq!(bed.tick(), "retry:/do/0/t");
    assert_eq!(bed.history, ["open"], "it is under way already");
    bed.ok("open");
    assert_eq!(bed.status(), "completed");
}

#[test]
fn an_answer_during_the_backoff_is_not_lost() {
    let task = "{ timeout: { after: PT5S }, call: thing.book, with: { name: x } }";
    let mut bed =
        Bed::started(&retried(task, "{ delay: PT1S, limit: { attempt: { count: 2 } } }"), json!({}));
    bed.tick();
    bed.ok("reserve");
    assert_eq!(bed.open(), Vec::<&str>::new(), "it takes no further step by itself");
    bed.tick();
    assert_eq!(bed.history, ["reserve", "pay"]);
    bed.ok("pay");
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_call_that_ended_well_is_called_anew_in_the_next_attempt() {
    let body = "
do:
  - t:
      try:
        - a: { call: mail.send, with: { name: x } }
        - b: { if: '. != \"ready\"', raise: { error: { type: x, status: 503 } } }
      catch: { retry: { delay: PT1S, limit: { attempt: { count: 3 } } } }";
    let mut bed = Bed::started(&definition(body), json!({}));
    let first = bed.end("send", Ending::Ok(json!("not yet")));
    bed.tick();
    let second = bed.end("send", Ending::Ok(json!("ready")));
    assert_ne!(first.id, second.id);
    assert_eq!(bed.output(), json!("ready"));
}

#[test]
fn an_attempt_begins_with_the_input_of_the_try() {
    let body = "do: [{ s: { set: { n: 1 } } }, { t: { try: [{ x: { set: '${ { n: (.n + 1) } }' } }, { a: { call: thing.open, with: { name: '${ .n | tostring }' } } }], catch: { retry: { limit: { attempt: { count: 1 } } } } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.no("open").body["name"], "2");
    bed.tick();
    assert_eq!(bed.ok("open").body["name"], "2");
    assert_eq!(bed.status(), "completed");
}

#[test]
fn cancel_during_a_backoff_ends_the_run() {
    let mut bed =
        Bed::started(&retried(OPEN, "{ delay: PT1H, limit: { attempt: { count: 2 } } }"), json!({}));
    bed.no("open");
    assert_eq!(bed.waits(), ["retry /do/0/t"]);
    bed.command("cancel", json!({ "reason": "enough" })).unwrap();
    assert_eq!((bed.status().as_str(), &bed.view()["reason"]), ("cancelled", &json!("enough")));
    assert!(bed.timers.is_empty());
}
