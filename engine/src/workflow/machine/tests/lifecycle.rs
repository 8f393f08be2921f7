//! The lifecycle events of the specification.

use super::super::{Lifecycle, RunEvent};
use super::*;
use crate::codec;

fn lifecycle(bed: &Bed) -> Vec<String> {
    let mut fold = Lifecycle::new(bed.events[0].stream.id, "test");
    let mut found = Vec::new();
    for event in &bed.events {
        let read = codec::read_named::<RunEvent>(&event.body.name, event.body.data.text()).unwrap();
        for (kind, data) in fold.apply(&read, event.at) {
            let name = kind.strip_prefix("io.serverlessworkflow.").unwrap().strip_suffix(".v1").unwrap();
            let about = data["task"].as_str().unwrap_or_default();
            assert!(data["workflow"].is_string() != data["name"].is_string(), "{kind}: {data}");
            found.push(format!("{name} {about}").trim_end().to_owned());
        }
    }
    found
}

#[test]
fn a_run_tells_of_itself_and_its_tasks() {
    let body = "do: [{ a: { do: [{ b: { set: { x: 1 } } }] } }, { l: { listen: { to: { one: { with: { type: go } } } } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.command("pause", json!({})).unwrap();
    bed.command("resume", json!({})).unwrap();
    bed.command("signal", json!({ "name": "go" })).unwrap();
    assert_eq!(
        lifecycle(&bed),
        [
            "workflow.started",
            "task.created /do/0/a",
            "task.started /do/0/a",
            "task.created /do/0/a/do/0/b",
            "task.started /do/0/a/do/0/b",
            "task.completed /do/0/a/do/0/b",
            "task.completed /do/0/a",
            "task.created /do/1/l",
            "task.started /do/1/l",
            "workflow.correlation-started",
            "workflow.suspended",
            "task.suspended /do/1/l",
            "workflow.resumed",
            "task.resumed /do/1/l",
            "workflow.correlation-completed",
            "task.completed /do/1/l",
            "workflow.completed",
        ]
    );
}

#[test]
fn what_is_cut_short_is_cancelled_and_what_fails_is_faulted() {
    let body = "do: [{ t: { try: [{ f: { fork: { branches: [{ w: { wait: PT1H } }, { e: { raise: { error: { type: x, status: 500 } } } }] } } }], catch: { retry: { delay: PT1S, limit: { attempt: { count: 1 } } } } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.tick();
    let found = lifecycle(&bed);
    let count = |name: &str| found.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(count("task.retried /do/0/t"), 1);
    assert_eq!(count("task.cancelled /do/0/t/try/0/f/fork/branches/0/w"), 2);
    assert_eq!(count("task.faulted"), 5, "{found:#?}");
    assert_eq!(found.last().unwrap(), "workflow.faulted");
    let begun = count("task.started");
    assert_eq!(
        begun,
        count("task.completed") + count("task.faulted") + count("task.cancelled"),
        "each ends once"
    );
}
