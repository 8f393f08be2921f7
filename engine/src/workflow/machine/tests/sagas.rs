//! Sagas: what was done is undone, last first.

use super::bed::Ending;
use super::*;

const FAIL: &str = "{ fail: { raise: { error: { type: x, status: 500, title: Boom } } } }";

fn open(name: &str) -> String {
    format!("{{ {name}: {{ call: thing.open, with: {{ name: {name} }} }} }}")
}

fn closed(bed: &mut Bed) -> String {
    bed.ok("close").body["name"].as_str().unwrap().to_owned()
}

#[test]
fn an_uncaught_error_undoes_in_reverse_order() {
    let body = format!("do: [{}, {}, {}, {FAIL}]", open("a"), open("b"), open("c"));
    let mut bed = Bed::started(&saga(&body), json!({}));
    for _ in 0..3 {
        bed.ok("open");
    }
    assert_eq!(bed.waits(), ["compensation /do/2/c"]);
    assert_eq!([closed(&mut bed), closed(&mut bed), closed(&mut bed)], ["c", "b", "a"]);
    assert_eq!((bed.status().as_str(), &bed.error()["title"]), ("compensated", &json!("Boom")));
    assert_eq!(bed.tasks()[0], ("/do/0/a".to_owned(), "compensated 1".to_owned()));
}

#[test]
fn a_call_that_changed_nothing_needs_no_undoing() {
    let body = format!("do: [{}, {}]", open("a"), open("b"));
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    bed.no("open");
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.status(), "compensated");
    assert_eq!(bed.history, ["open", "open", "close"]);
}

#[test]
fn a_saga_without_anything_to_undo_ends_at_once() {
    let bed = Bed::started(&saga(&format!("do: [{FAIL}]")), json!({}));
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn a_completed_saga_undoes_nothing() {
    let mut bed = Bed::started(&saga(&format!("do: [{}]", open("a"))), json!({}));
    bed.ok("open");
    assert_eq!(bed.status(), "completed");
    assert_eq!(bed.history, ["open"]);
}

#[test]
fn what_is_under_way_is_settled_before_anything_is_undone() {
    let body = format!(
        "do: [{}, {{ f: {{ fork: {{ branches: [{{ x: {{ call: thing.book, with: {{ name: x }} }} }}, {{ y: {{ call: mail.send, with: {{ name: y }} }} }}] }} }} }}]",
        open("a")
    );
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    bed.no("send");
    assert_eq!(bed.waits(), ["settling /do/1/f/fork/branches/0/x"]);
    bed.ok("reserve");
    assert_eq!(bed.open(), ["release"], "no further step, and undone with what it had done");
    bed.ok("release");
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn a_call_in_flight_that_turns_out_to_have_done_nothing_is_not_undone() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ branches: [{}, {{ y: {{ call: mail.send, with: {{ name: y }} }} }}] }} }} }}]",
        open("x")
    );
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.no("send");
    bed.no("open");
    assert_eq!(bed.status(), "compensated");
    assert_eq!(bed.history, ["open", "send"]);
}

#[test]
fn an_unknown_outcome_is_undone_too() {
    let mut bed = Bed::started(&saga("do: [{ a: { call: thing.book, with: { name: x } } }]"), json!({}));
    bed.ok("reserve");
    bed.unknown("pay");
    bed.ok("refund");
    bed.ok("release");
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("compensated", &json!(504)));
}

#[test]
fn a_compensation_is_tried_again_and_then_a_person_is_asked() {
    let body = format!("do: [{}, {FAIL}]", open("a"));
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    let mut keys = std::collections::BTreeSet::new();
    for wait in [1_000, 2_000, 4_000, 8_000] {
        keys.insert(bed.no("close").id.to_string());
        assert_eq!(bed.due_in("undo:1"), wait);
        assert_eq!(bed.tick(), "undo:1");
    }
    keys.insert(bed.no("close").id.to_string());
    assert_eq!(keys.len(), 5, "a rejection is final under its key");
    assert_eq!(
        (bed.status().as_str(), bed.waits()),
        ("needs-attention", vec!["attention /do/0/a".to_owned()])
    );
    let what = bed.view()["waitingFor"][0]["what"].as_str().unwrap().to_owned();
    assert!(what.contains("thing.open") && what.contains("not now"), "{what}");
    bed.command("retry", json!({})).unwrap();
    bed.ok("close");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn what_cannot_be_undone_can_be_skipped() {
    let body = format!("do: [{}, {}, {FAIL}]", open("a"), open("b"));
    let mut bed = Bed::started(&saga(&body), json!({}));
    assert_eq!(bed.command("skip", json!({})).unwrap_err().code, "nothing_to_skip");
    bed.ok("open");
    bed.ok("open");
    while bed.status() != "needs-attention" {
        bed.no("close");
        if !bed.timers.is_empty() {
            bed.tick();
        }
    }
    bed.command("skip", json!({})).unwrap();
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn an_unknown_outcome_of_an_undoing_is_sent_under_the_same_key() {
    let mut bed = Bed::started(
        &saga(&format!("do: [{{ a: {{ call: thing.book, with: {{ name: x }} }} }}, {FAIL}]")),
        json!({}),
    );
    bed.ok("reserve");
    bed.ok("pay");
    let first = bed.unknown("refund");
    bed.tick();
    let second = bed.ok("refund");
    assert_eq!((first.id, first.doubt, second.doubt), (second.id, false, true));
    bed.ok("release");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn an_undoing_of_unknown_outcome_is_done_again_without_a_look_back_where_a_person_asks_for_it() {
    let mut bed = Bed::started(
        &saga(&format!("do: [{{ a: {{ call: thing.book, with: {{ name: x }} }} }}, {FAIL}]")),
        json!({}),
    );
    bed.ok("reserve");
    bed.ok("pay");
    let first = bed.unknown("refund");
    while bed.status() != "needs-attention" {
        bed.tick();
        assert!(bed.unknown("refund").doubt);
    }
    bed.command("retry", json!({})).unwrap();
    let asked = bed.ok("refund");
    assert_eq!((first.id, asked.doubt), (asked.id, false));
}

#[test]
fn retry_is_for_runs_that_need_attention() {
    let mut bed = Bed::started(&saga("do: [{ a: { wait: PT1S } }]"), json!({}));
    assert_eq!(bed.command("retry", json!({})).unwrap_err().code, "nothing_to_retry");
    bed.tick();
    assert_eq!(bed.command("retry", json!({})).unwrap_err().code, "run_ended");
}

#[test]
fn cancel_undoes_a_saga() {
    let body = format!("do: [{}, {}]", open("a"), open("b"));
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    bed.command("cancel", json!({})).unwrap();
    assert_eq!(bed.waits(), ["settling /do/1/b"]);
    bed.command("cancel", json!({})).unwrap();
    bed.ok("open");
    assert_eq!([closed(&mut bed), closed(&mut bed)], ["b", "a"]);
    assert_eq!((bed.status().as_str(), bed.error()), ("cancelled", json!(null)));
}

#[test]
fn a_scope_is_undone_before_its_error_goes_on() {
    let body = format!(
        "do: [{}, {{ t: {{ try: [{{ s: {{ metadata: {{ saga: true }}, do: [{}, {FAIL}] }} }}], catch: {{ do: [{{ h: {{ set: {{ handled: '${{ $error.title }}' }} }} }}] }} }} }}]",
        open("before"),
        open("inside")
    );
    let mut bed = Bed::started(&definition(&body), json!({}));
    bed.ok("open");
    bed.ok("open");
    assert_eq!(closed(&mut bed), "inside");
    assert_eq!(bed.output(), json!({ "handled": "Boom" }));
    assert_eq!(bed.history, ["open", "open", "close"]);
}

#[test]
fn a_scope_that_completed_belongs_to_the_saga_around_it() {
    let scope = format!("{{ s: {{ metadata: {{ saga: true }}, do: [{}] }} }}", open("inside"));
    let mut bed = Bed::started(&saga(&format!("do: [{scope}, {FAIL}]")), json!({}));
    bed.ok("open");
    assert_eq!(closed(&mut bed), "inside");
    assert_eq!(bed.status(), "compensated");
    let mut bed = Bed::started(&definition(&format!("do: [{scope}, {FAIL}]")), json!({}));
    bed.ok("open");
    assert_eq!(
        (bed.status().as_str(), bed.history.len()),
        ("faulted", 1),
        "without one around it, it stands"
    );
}

#[test]
fn a_scope_that_is_cancelled_by_its_neighbour_is_undone() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ branches: [{{ s: {{ metadata: {{ saga: true }}, do: [{}, {{ w: {{ wait: PT1H }} }}] }} }}, {{ y: {{ call: mail.send, with: {{ name: y }} }} }}] }} }} }}]",
        open("a")
    );
    let mut bed = Bed::started(&definition(&body), json!({}));
    bed.ok("open");
    bed.no("send");
    assert_eq!(closed(&mut bed), "a");
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("faulted", &json!(422)));
}

#[test]
fn a_scope_that_loses_a_race_is_undone_before_the_winner_goes_on() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ compete: true, branches: [{{ s: {{ metadata: {{ saga: true }}, do: [{}, {{ w: {{ wait: PT1H }} }}] }} }}, {{ y: {{ call: mail.send, with: {{ name: y }} }} }}] }} }} }}]",
        open("a")
    );
    let mut bed = Bed::started(&definition(&body), json!({}));
    bed.ok("open");
    bed.end("send", Ending::Ok(json!("won")));
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.output(), json!("won"));
}

#[test]
fn a_loser_stays_in_the_log_of_the_saga_around_the_race() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ compete: true, branches: [{}, {{ y: {{ call: mail.send, with: {{ name: y }} }} }}] }} }} }}, {{ w: {{ wait: PT1H }} }}]",
        open("a")
    );
    let source = saga(&body);
    let mut bed = Bed::started(&source, json!({}));
    bed.ok("send");
    bed.ok("open");
    bed.command("cancel", json!({})).unwrap();
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.status(), "cancelled");
    let mut bed = Bed::started(&source, json!({}));
    bed.ok("send");
    bed.command("cancel", json!({})).unwrap();
    assert_eq!(bed.waits(), ["settling /do/0/f/fork/branches/0/a"]);
    bed.ok("open");
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.status(), "cancelled");
}

#[test]
fn cancel_takes_an_unwinding_over() {
    let body = format!(
        "do: [{}, {{ f: {{ fork: {{ branches: [{{ s: {{ metadata: {{ saga: true }}, do: [{}, {FAIL}] }} }}, {{ y: {{ wait: PT1H }} }}] }} }} }}]",
        open("a"),
        open("b")
    );
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    bed.ok("open");
    assert_eq!(bed.open(), ["close"]);
    bed.command("cancel", json!({})).unwrap();
    assert_eq!(bed.open(), ["close"], "the undoing goes on where it was");
    assert_eq!([closed(&mut bed), closed(&mut bed)], ["b", "a"]);
    assert_eq!(bed.status(), "cancelled");
}

#[test]
fn a_timeout_undoes_a_saga() {
    let source = saga(&format!("timeout: {{ after: PT5S }}\ndo: [{}, {{ w: {{ wait: PT1H }} }}]", open("a")));
    let mut bed = Bed::started(&source, json!({}));
    bed.ok("open");
    bed.tick();
    assert_eq!(closed(&mut bed), "a");
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("compensated", &json!(408)));
}

#[test]
fn a_task_may_say_how_it_is_undone() {
    let calls = "
do:
  - a: { call: thing.open, with: { name: a }, metadata: { compensate: { call: mail.send, with: { name: '${ \"\\(.name) \\($output.name) \\($error.title)\" }' } } } }
  - b: { call: thing.open, with: { name: b }, metadata: { compensate: false } }
  - ";
    let mut bed = Bed::started(&saga(&format!("{calls}{FAIL}")), json!({}));
    bed.ok("open");
    bed.ok("open");
    assert_eq!(bed.ok("send").body["to"], "a a Boom");
    assert_eq!(bed.status(), "compensated");
    assert_eq!(bed.history, ["open", "open", "send"]);
}

#[test]
fn an_attempt_that_failed_is_undone_with_the_others() {
    let body = format!(
        "do: [{{ t: {{ try: [{}, {{ b: {{ call: mail.send, with: {{ name: x }} }} }}], catch: {{ retry: {{ delay: PT1S, limit: {{ attempt: {{ count: 1 }} }} }} }} }} }}]",
        open("a")
    );
    let mut bed = Bed::started(&saga(&body), json!({}));
    bed.ok("open");
    bed.no("send");
    bed.tick();
    bed.ok("open");
    bed.no("send");
    assert_eq!([closed(&mut bed), closed(&mut bed)], ["a", "a"], "both attempts opened something");
    assert_eq!(bed.status(), "compensated");
}

#[test]
fn the_end_in_a_branch_undoes_the_scopes_of_the_others() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ branches: [{{ s: {{ metadata: {{ saga: true }}, do: [{}, {{ w: {{ wait: PT1H }} }}] }} }}, {{ y: {{ call: mail.send, with: {{ name: y }}, then: end }} }}] }} }} }}]",
        open("a")
    );
    let mut bed = Bed::started(&definition(&body), json!({}));
    bed.ok("open");
    bed.end("send", Ending::Ok(json!("done")));
    assert_eq!(closed(&mut bed), "a");
    assert_eq!(bed.output(), json!("done"));
}
