//! What people do to runs.

use super::*;

#[test]
fn a_paused_run_begins_nothing_new_and_loses_nothing() {
    let body = "do: [{ a: { call: thing.book, with: { name: x } } }, { w: { wait: PT5S } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("pause", json!({})).unwrap();
    bed.command("pause", json!({})).unwrap();
    assert_eq!(bed.status(), "suspended");
    assert_eq!(bed.waits(), ["resume ", "call /do/0/a"], "what is under way goes on");
    bed.ok("reserve");
    assert_eq!(bed.waits(), ["resume "]);
    assert_eq!((bed.status().as_str(), bed.open()), ("suspended", Vec::<&str>::new()));
    bed.command("resume", json!({})).unwrap();
    bed.command("resume", json!({})).unwrap();
    assert_eq!((bed.status().as_str(), bed.open()), ("running", vec!["pay"]));
    bed.ok("pay");
    bed.tick();
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_timer_that_came_due_while_paused_fires_at_resume() {
    let mut bed = Bed::started(&definition("do: [{ w: { wait: PT5S } }]"), json!({}));
    let due = bed.timers["wait:/do/0/w"];
    bed.command("pause", json!({})).unwrap();
    assert!(bed.timers.is_empty());
    bed.now = due.plus(std::time::Duration::from_secs(60));
    bed.fire("wait:/do/0/w", due);
    assert_eq!(bed.status(), "suspended", "it was on its way when the run was paused");
    bed.command("resume", json!({})).unwrap();
    assert_eq!(bed.timers["wait:/do/0/w"], due);
    bed.tick();
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_signal_while_paused_is_heard_at_resume() {
    let body = "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("pause", json!({})).unwrap();
    bed.command("signal", json!({ "name": "go", "data": 1 })).unwrap();
    assert_eq!(bed.status(), "suspended");
    bed.command("resume", json!({})).unwrap();
    assert_eq!(bed.output(), json!([1]));
}

#[test]
fn cancel_ends_a_run_in_every_state() {
    let call = "{ call: thing.open, with: { name: x } }";
    let cases = [
        "{ a: { wait: PT1H } }".to_owned(),
        "{ a: { listen: { to: { one: { with: { type: go } } } } } }".to_owned(),
        format!("{{ a: {call} }}"),
        format!("{{ a: {{ for: {{ in: '[1,2]' }}, do: [{{ b: {call} }}] }} }}"),
        format!("{{ a: {{ fork: {{ branches: [{{ b: {call} }}, {{ c: {{ wait: PT1H }} }}] }} }} }}"),
        "{ a: { try: [{ b: { raise: { error: { type: x, status: 1 } } } }], catch: { retry: { delay: PT1H } } } }".to_owned(),
    ];
    for task in cases {
        for pause in [false, true] {
            let mut bed = Bed::started(&definition(&format!("do: [{task}]")), json!({}));
            if pause {
                bed.command("pause", json!({})).unwrap();
            }
            bed.command("cancel", json!({})).unwrap();
            assert_eq!(bed.status(), "cancelled", "{task}");
            assert!(bed.timers.is_empty());
            assert_eq!(bed.command("cancel", json!({})).unwrap_err().code, "run_ended");
        }
    }
}

#[test]
fn cancel_of_a_paused_saga_undoes_it() {
    let body = "do: [{ a: { call: thing.open, with: { name: x } } }, { w: { wait: PT1H } }]";
    let mut bed = Bed::started(&saga(body), json!({}));
    bed.ok("open");
    bed.command("pause", json!({})).unwrap();
    bed.command("cancel", json!({})).unwrap();
    bed.ok("close");
    assert_eq!(bed.status(), "cancelled");
}

#[test]
fn an_unwinding_can_be_paused() {
    let body = "do: [{ a: { call: thing.open, with: { name: x } } }, { b: { call: thing.open, with: { name: y } } }, { w: { wait: PT1H } }]";
    let mut bed = Bed::started(&saga(body), json!({}));
    bed.ok("open");
    bed.ok("open");
    bed.command("cancel", json!({})).unwrap();
    bed.command("pause", json!({})).unwrap();
    bed.ok("close");
    assert_eq!((bed.status().as_str(), bed.open()), ("suspended", Vec::<&str>::new()));
    bed.command("resume", json!({})).unwrap();
    bed.ok("close");
    assert_eq!(bed.status(), "cancelled");
}

#[test]
fn commands_that_do_not_fit_are_refused() {
    let mut bed = Bed::new(&definition("do: [{ w: { wait: PT1H } }]"));
    assert_eq!(bed.command("cancel", json!({})).unwrap_err().code, "not_found");
    assert_eq!(bed.command("explode", json!({})).unwrap_err().code, "invalid_command");
    bed.start(json!({}));
    let again = bed.command("start", json!({ "workflow": "example" })).unwrap_err();
    assert_eq!(again.code, "run_exists");
    assert_eq!(bed.command("pause", json!({ "now": 1 })).unwrap_err().code, "invalid_command");
}

#[test]
fn starting_answers_the_run_and_its_status() {
    let mut bed = Bed::new(&definition("do: [{ w: { set: { x: 1 } } }]"));
    let reply =
        bed.command("start", json!({ "workflow": "example", "version": "0.1.0", "cause": "rule" })).unwrap();
    assert_eq!(reply["status"], "completed");
    assert_eq!(reply["runId"], bed.view()["id"]);
    assert_eq!(bed.view()["cause"], "rule");
}

#[test]
fn a_run_whose_definition_is_missing_holds_still_and_loses_nothing() {
    let body = "do: [{ a: { call: thing.book, with: { name: x } } }, { w: { wait: PT5S } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.lose_definition();
    assert_eq!(bed.status(), "needs-attention");
    assert_eq!(bed.command("cancel", json!({})).unwrap_err().code, "definition_missing");
    bed.ok("reserve");
    assert_eq!(bed.open(), Vec::<&str>::new());
    assert_eq!(bed.due_in("yield"), 60_000);
    bed.tick();
    assert_eq!(bed.due_in("yield"), 60_000, "it looks again");
    bed.find_definition();
    assert_eq!(bed.tick(), "yield");
    bed.ok("pay");
    bed.lose_definition();
    bed.tick();
    assert_eq!(bed.due_in("wait:/do/1/w"), 60_000);
    bed.find_definition();
    bed.tick();
    assert_eq!(bed.status(), "completed");
}
