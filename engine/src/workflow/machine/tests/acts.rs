//! What people do to runs.

use super::*;

const TWO: &str = "do: [{ a: { set: { x: 1 } } }, { b: { call: thing.open, with: { name: '${ .name // \"n\" }' } } }, { c: { set: { got: '${ .name }' } } }]";

#[test]
fn a_run_that_failed_is_taken_up_where_it_failed() {
    let mut bed = Bed::started(&definition(TWO), json!({}));
    let first = bed.no("open");
    assert_eq!(bed.status(), "faulted");
    assert_eq!(bed.command("pause", json!({})).unwrap_err().code, "run_ended");
    bed.command("retry", json!({ "reason": "the shop is open again" })).unwrap();
    assert_eq!(bed.waits(), ["call /do/1/b"]);
    let second = bed.take("open");
    assert_ne!(first.id, second.id, "what was refused is asked again under a new key");
    bed.answer(&second, &super::bed::Ending::Ok(json!({})));
    assert_eq!(bed.output(), json!({ "got": "n" }));
    let b = bed.tasks().into_iter().find(|(path, _)| path == "/do/1/b").unwrap();
    assert_eq!(b.1, "completed 2");
    assert_eq!(bed.command("retry", json!({})).unwrap_err().code, "run_ended");
}

#[test]
fn a_step_whose_outcome_is_unknown_is_sent_again_under_its_key() {
    let mut bed = Bed::started(&definition("do: [{ m: { call: mail.send, with: { name: x } } }]"), json!({}));
    let first = bed.unknown("send");
    assert_eq!(bed.status(), "faulted");
    bed.command("retry", json!({})).unwrap();
    let asked = bed.take("send");
    assert_eq!((asked.id, asked.doubt), (first.id, false), "a person has decided");
}

#[test]
fn what_was_under_way_beside_the_failure_goes_on() {
    let body = "do: [{ f: { fork: { branches: [ { a: { call: thing.open, with: { name: a } } }, { b: { do: [ { e: { call: mail.send, with: { name: b } } } ] } }, { w: { wait: PT1H } }, { l: { listen: { to: { one: { with: { type: go } } } } } } ] } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.no("send");
    assert_eq!(bed.status(), "faulted");
    assert!(bed.timers.is_empty());
    // The answer that comes meanwhile is not lost.
    bed.ok("open");
    assert_eq!(bed.status(), "faulted");
    bed.command("retry", json!({})).unwrap();
    assert_eq!(
        bed.waits(),
        [
            "timer /do/0/f/fork/branches/2/w",
            "signal /do/0/f/fork/branches/3/l",
            "call /do/0/f/fork/branches/1/b/do/0/e"
        ]
    );
    bed.ok("send");
    bed.command("signal", json!({ "name": "go" })).unwrap();
    bed.tick();
    assert_eq!(bed.status(), "completed");
}

#[test]
fn what_is_caught_or_undone_is_not_kept() {
    let caught = "do: [{ t: { try: [{ m: { call: mail.send, with: { name: x } } }], catch: { errors: { with: { status: 422 } }, do: [{ n: { raise: { error: { type: y, status: 500 } } } }] } } }]";
    let mut bed = Bed::started(&definition(caught), json!({}));
    bed.no("send");
    assert_eq!(bed.error()["type"], "y");
    bed.command("retry", json!({})).unwrap();
    assert_eq!(bed.error()["type"], "y", "the task that failed is the one that raises");
    let mut bed = Bed::started(&saga(TWO), json!({}));
    bed.no("open");
    assert_eq!(bed.status(), "compensated");
    assert_eq!(bed.command("retry", json!({})).unwrap_err().code, "run_ended");
}

#[test]
fn a_failed_or_waiting_task_can_be_skipped() {
    let mut bed = Bed::started(&definition(TWO), json!({}));
    bed.no("open");
    bed.command("skip", json!({ "output": { "name": "by hand" }, "reason": "done by hand" })).unwrap();
    assert_eq!(bed.output(), json!({ "got": "by hand" }));
    let body = "do: [{ w: { wait: PT1H } }, { c: { set: { got: '${ .n }' } } }]";
    let mut bed = Bed::started(&definition(body), json!({ "n": 4 }));
    assert_eq!(bed.command("skip", json!({ "task": "/do/1/c" })).unwrap_err().code, "task_not_active");
    bed.command("skip", json!({ "task": "/do/0/w" })).unwrap();
    assert_eq!(bed.output(), json!({ "got": 4 }));
    assert!(bed.timers.is_empty());
}

#[test]
fn an_answer_that_comes_for_a_skipped_call_changes_nothing() {
    let mut bed = Bed::started(&definition(TWO), json!({}));
    bed.command("skip", json!({ "task": "/do/1/b", "output": { "name": "z" } })).unwrap();
    assert_eq!(bed.output(), json!({ "got": "z" }));
    bed.ok("open");
    assert_eq!(bed.output(), json!({ "got": "z" }));
}

#[test]
fn in_a_saga_a_skipped_call_is_settled_and_undone_all_the_same() {
    let body =
        "do: [{ b: { call: thing.open, with: { name: n } } }, { m: { call: mail.send, with: { name: x } } }]";
    let mut bed = Bed::started(&saga(body), json!({}));
    bed.command("skip", json!({ "task": "/do/0/b" })).unwrap();
    bed.no("send");
    assert_eq!(bed.status(), "running", "what was dispatched is settled first");
    bed.ok("open");
    bed.ok("close");
    assert_eq!((bed.status().as_str(), bed.balance().len()), ("compensated", 0));
}

#[test]
fn data_can_be_patched() {
    let body = "do: [{ e: { set: { a: 1, b: 2 }, export: { as: . } } }, { w: { wait: PT1H } }, { c: { set: { context: '${ $context }', input: '${ . }' } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("patch", json!({ "context": { "b": null, "c": { "d": 3 } }, "reason": "a typo" })).unwrap();
    bed.command("patch", json!({ "task": "/do/1/w", "input": { "n": 7 } })).unwrap();
    assert_eq!(bed.command("patch", json!({})).unwrap_err().code, "nothing_to_patch");
    assert_eq!(bed.command("patch", json!({ "input": 1 })).unwrap_err().code, "nothing_to_patch");
    bed.tick();
    assert_eq!(bed.output(), json!({ "context": { "a": 1, "c": { "d": 3 } }, "input": { "n": 7 } }));
}

#[test]
fn a_run_can_be_moved_to_another_task_of_the_list() {
    let body = "do: [{ a: { do: [{ w: { wait: PT1H } }] } }, { b: { wait: PT2H } }, { c: { set: { got: '${ .n }' } } }]";
    let mut bed = Bed::started(&definition(body), json!({ "n": 4 }));
    bed.command("move", json!({ "to": "/do/1/b" })).unwrap();
    assert_eq!(bed.waits(), ["timer /do/1/b"]);
    bed.command("move", json!({ "to": "/do/0/a" })).unwrap();
    assert_eq!(bed.waits(), ["timer /do/0/a#2/do/0/w"]);
    assert_eq!(bed.command("move", json!({ "to": "/do/9/z" })).unwrap_err().code, "unknown_task");
    bed.command("move", json!({ "to": "/do/2/c", "input": { "n": 5 } })).unwrap();
    assert_eq!(bed.output(), json!({ "got": 5 }));
}

#[test]
fn time_may_stand_still_in_a_pause() {
    let body = "do: [{ w: { wait: PT1H } }]";
    let hour = std::time::Duration::from_secs(3600);
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("pause", json!({ "timers": "freeze", "reason": "the shop is shut" })).unwrap();
    bed.now = bed.now.plus(hour * 5);
    bed.command("resume", json!({})).unwrap();
    assert_eq!(bed.due_in("wait:/do/0/w"), 3_600_000);
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("pause", json!({})).unwrap();
    bed.now = bed.now.plus(hour * 5);
    bed.command("resume", json!({})).unwrap();
    assert_eq!(bed.due_in("wait:/do/0/w"), -4 * 3_600_000, "it is due at once");
}

#[test]
fn a_terminated_run_undoes_nothing() {
    let mut bed = Bed::started(&saga(TWO), json!({}));
    bed.command("terminate", json!({ "reason": "stop" })).unwrap();
    assert_eq!(bed.status(), "cancelled");
    bed.ok("open");
    assert!(bed.open().is_empty());
}

#[test]
fn a_task_that_is_tried_again_has_its_time_anew() {
    let body = "timeout: { after: PT10M }\ndo: [{ w: { timeout: { after: PT5M }, wait: PT1H } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.tick();
    assert_eq!(bed.error()["status"], 408);
    bed.now = bed.now.plus(std::time::Duration::from_secs(3600));
    bed.command("retry", json!({})).unwrap();
    assert_eq!((bed.due_in("timeout:/do/0/w"), bed.due_in("timeout:")), (300_000, 600_000));
    bed.tick();
    assert_eq!(bed.error()["status"], 408);
}

#[test]
fn a_run_that_failed_as_a_whole_has_no_task_to_skip() {
    let mut bed = Bed::started(
        &definition("timeout: { after: PT1S }\ndo: [{ m: { call: mail.send, with: { name: x } } }]"),
        json!({}),
    );
    bed.tick();
    assert_eq!(bed.status(), "faulted");
    assert_eq!(bed.command("skip", json!({})).unwrap_err().code, "nothing_to_skip");
    assert_eq!(bed.status(), "faulted");
}

#[test]
fn what_was_undone_before_the_run_failed_is_not_taken_up() {
    let body = "do: [{ s: { metadata: { saga: true }, do: [{ a: { call: thing.open, with: { name: a } } }, { b: { call: mail.send, with: { name: b } } }] } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.ok("open");
    bed.no("send");
    bed.ok("close");
    assert_eq!(bed.status(), "faulted");
    for act in ["skip", "retry"] {
        assert_eq!(bed.command(act, json!({})).unwrap_err().code, "run_ended", "{act}");
        assert_eq!(bed.status(), "faulted");
    }
}
