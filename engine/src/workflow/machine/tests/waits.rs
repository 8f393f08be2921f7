//! Time and signals.

use super::*;

#[test]
fn a_wait_is_over_when_its_time_has_come() {
    let body = "do: [{ a: { wait: { seconds: 30 } } }, { b: { set: { x: '${ .x + 1 }' } } }]";
    let mut bed = Bed::started(&definition(body), json!({ "x": 1 }));
    assert_eq!((bed.status().as_str(), bed.waits()), ("waiting", vec!["timer /do/0/a".to_owned()]));
    assert_eq!(bed.due_in("wait:/do/0/a"), 30_000);
    bed.tick();
    assert_eq!(bed.output(), json!({ "x": 2 }));
    assert!(bed.timers.is_empty());
}

#[test]
fn a_timer_that_comes_early_or_too_late_does_nothing() {
    let mut bed = Bed::started(&definition("do: [{ a: { wait: PT30S } }, { b: { wait: PT1S } }]"), json!({}));
    let due = bed.timers["wait:/do/0/a"];
    bed.fire("wait:/do/0/a", due);
    assert_eq!(bed.waits(), ["timer /do/0/a"], "early");
    bed.tick();
    bed.fire("wait:/do/0/a", due);
    assert_eq!(bed.waits(), ["timer /do/1/b"], "late");
    bed.tick();
    bed.fire("wait:/do/1/b", due);
    assert_eq!(bed.status(), "completed");
}

#[test]
fn a_wait_may_be_computed() {
    let mut bed = Bed::started(&definition("do: [{ a: { wait: '${ .for }' } }]"), json!({ "for": "PT2M" }));
    assert_eq!(bed.due_in("wait:/do/0/a"), 120_000);
    bed.tick();
    assert_eq!(bed.status(), "completed");
    let bed = Bed::started(&definition("do: [{ a: { wait: '${ .for }' } }]"), json!({ "for": 5 }));
    assert_eq!(bed.status(), "faulted");
}

#[test]
fn a_task_that_takes_too_long_times_out() {
    let body = "do: [{ a: { timeout: { after: PT5S }, do: [{ b: { wait: PT1H } }] } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.due_in("timeout:/do/0/a"), 5_000);
    bed.tick();
    assert_eq!(bed.status(), "faulted");
    assert_eq!((&bed.error()["status"], &bed.error()["instance"]), (&json!(408), &json!("/do/0/a")));
}

#[test]
fn a_task_in_time_leaves_no_timer_behind() {
    let body = "timeout: { after: PT1H }\ndo: [{ a: { timeout: { after: PT5S }, wait: PT1S } }, { b: { wait: PT1S } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.tick();
    assert_eq!(bed.timers.keys().collect::<Vec<_>>(), ["timeout:", "wait:/do/1/b"]);
    bed.tick();
    assert_eq!(bed.status(), "completed");
    assert!(bed.timers.is_empty());
}

#[test]
fn a_run_that_takes_too_long_times_out() {
    let body = "timeout: { after: PT5S }\ndo: [{ a: { wait: PT1H } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.tick();
    assert_eq!((bed.status().as_str(), &bed.error()["status"]), ("faulted", &json!(408)));
}

#[test]
fn a_timeout_can_be_caught_outside() {
    let present = "open-workflow-specification.org/spec/1.0.0/errors";
    for stem in [present, "serverlessworkflow.io/spec/1.0.0/errors", "serverlessworkflow.io/dsl/errors/types"]
    {
        let caught = format!("errors: {{ with: {{ type: 'https://{stem}/timeout' }} }}");
        let body = format!(
            "do: [{{ t: {{ try: [{{ a: {{ timeout: {{ after: PT5S }}, wait: PT1H }} }}], catch: {{ {caught}, \
             do: [{{ late: {{ set: {{ late: '${{ $error.status }}' }} }} }}] }} }} }}]"
        );
        let mut bed = Bed::started(&definition(&body), json!({}));
        bed.tick();
        assert_eq!(bed.output(), json!({ "late": 408 }), "{stem}");
    }
}

fn listen(name: &str) -> String {
    format!("{{ listen: {{ to: {{ one: {{ with: {{ type: {name} }} }} }} }} }}")
}

#[test]
fn a_signal_wakes_its_listener() {
    let body = format!("do: [{{ a: {} }}, {{ b: {{ set: {{ got: '${{ .[0].n }}' }} }} }}]", listen("go"));
    let mut bed = Bed::started(&definition(&body), json!({}));
    assert_eq!((bed.status().as_str(), bed.waits()), ("waiting", vec!["signal /do/0/a".to_owned()]));
    bed.command("signal", json!({ "name": "go", "data": { "n": 4 } })).unwrap();
    assert_eq!(bed.output(), json!({ "got": 4 }));
}

#[test]
fn a_signal_before_its_listener_is_kept_and_counts_once() {
    let body =
        format!("do: [{{ w: {{ wait: PT1S }} }}, {{ a: {} }}, {{ b: {} }}]", listen("go"), listen("go"));
    let mut bed = Bed::started(&definition(&body), json!({}));
    bed.command("signal", json!({ "name": "go", "data": 1 })).unwrap();
    bed.tick();
    assert_eq!(bed.waits(), ["signal /do/2/b"]);
    bed.command("signal", json!({ "name": "go", "data": 2 })).unwrap();
    assert_eq!(bed.output(), json!([2]));
    assert_eq!(bed.names().iter().filter(|name| **name == "signal-consumed").count(), 2);
}

#[test]
fn of_two_listeners_the_first_is_served_first() {
    let body = format!(
        "do: [{{ f: {{ fork: {{ branches: [{{ a: {} }}, {{ b: {} }}] }} }} }}]",
        listen("go"),
        listen("go")
    );
    let mut bed = Bed::started(&definition(&body), json!({}));
    for n in [1, 2] {
        bed.command("signal", json!({ "name": "go", "data": n })).unwrap();
    }
    assert_eq!(bed.output(), json!([[1], [2]]));
}

#[test]
fn signals_nobody_listens_to_and_too_many_are_refused() {
    let body = format!("do: [{{ w: {{ wait: PT1S }} }}, {{ a: {} }}]", listen("go"));
    let mut bed = Bed::started(&definition(&body), json!({}));
    assert_eq!(bed.command("signal", json!({ "name": "stop" })).unwrap_err().code, "unknown_signal");
    for n in 0..100 {
        bed.command("signal", json!({ "name": "go", "data": n })).unwrap();
    }
    assert_eq!(bed.command("signal", json!({ "name": "go" })).unwrap_err().code, "too_many_signals");
    bed.tick();
    assert_eq!(bed.output(), json!([0]));
    assert_eq!(bed.command("signal", json!({ "name": "go" })).unwrap_err().code, "run_ended");
}

#[test]
fn an_envelope_can_be_read() {
    let body = "do: [{ a: { listen: { to: { one: { with: { type: go } } }, read: envelope } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("signal", json!({ "name": "go", "data": 1 })).unwrap();
    let event = &bed.output()[0];
    assert_eq!((&event["type"], &event["data"], &event["id"]), (&json!("go"), &json!(1), &json!("1")));
}
