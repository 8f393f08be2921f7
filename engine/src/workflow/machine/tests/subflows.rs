//! `run: { workflow: ... }`: a run of another workflow.

use super::world::World;
use super::*;

fn one(name: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '0.1.0' }}\n{body}")
}

fn parent(more: &str) -> String {
    one(
        "parent",
        &format!(
            "do: [{{ r: {{ run: {{ workflow: {{ namespace: test, name: child, input: {{ x: '${{ .n }}' }} }}{more} }} }} }}]"
        ),
    )
}

#[test]
fn the_parent_gets_what_the_child_gives() {
    let mut world = World::new(&[
        parent(""),
        one("child", "do: [{ w: { wait: PT1S } }, { s: { set: { y: '${ .x + 1 }' } } }]"),
    ]);
    let run = world.start("parent", json!({ "n": 4 }));
    let waits = world.view(run)["waitingFor"].clone();
    let child = world.others(run)[0];
    assert_eq!(waits[0]["id"], json!(child), "it says which run it waits for: {waits}");
    world.tick();
    assert_eq!(world.output(run), json!({ "y": 5 }));
}

#[test]
fn a_task_that_returns_none_gives_null() {
    let child = one("child", "do: [{ s: { set: { y: 1 } } }]");
    for more in [", return: none", ", return: none, await: false"] {
        let mut world = World::new(&[parent(more), child.clone()]);
        let run = world.start("parent", json!({ "n": 4 }));
        assert_eq!(
            (&world.view(run)["status"], world.output(run)),
            (&json!("completed"), json!(null)),
            "{more}"
        );
    }
}

#[test]
fn the_parent_fails_as_the_child_does() {
    let child = one(
        "child",
        "do: [{ e: { raise: { error: { type: 'https://a.example/gone', status: 410, title: Gone } } } }]",
    );
    let mut world = World::new(&[parent(""), child]);
    let run = world.start("parent", json!({ "n": 4 }));
    let error = world.view(run)["error"].clone();
    assert_eq!(
        (&error["type"], &error["status"], &error["instance"]),
        (&json!("https://a.example/gone"), &json!(410), &json!("/do/0/r"))
    );
}

#[test]
fn a_workflow_that_is_not_there_or_refuses_its_input_is_an_error() {
    let mut world = World::new(&[parent("")]);
    let run = world.start("parent", json!({ "n": 4 }));
    assert!(world.view(run)["error"]["type"].as_str().unwrap().ends_with("/configuration"));
    let strict = one(
        "child",
        "input: { schema: { document: { type: object, required: [z] } } }\ndo: [{ w: { wait: PT1S } }]",
    );
    let mut world = World::new(&[parent(""), strict]);
    let run = world.start("parent", json!({ "n": 4 }));
    assert!(world.view(run)["error"]["type"].as_str().unwrap().ends_with("/validation"));
}

#[test]
fn without_await_the_parent_goes_on_at_once() {
    let mut world = World::new(&[parent(", await: false"), one("child", "do: [{ w: { wait: PT1H } }]")]);
    let run = world.start("parent", json!({ "n": 4 }));
    let child = world.others(run)[0];
    assert_eq!(world.output(run), json!({ "runId": child }));
    assert_eq!(world.status(child), "waiting");
}

#[test]
fn a_child_that_is_not_needed_any_more_is_cancelled() {
    let slow = one("child", "do: [{ w: { wait: PT1H } }]");
    let timed =
        "do: [{ r: { timeout: { after: PT1M }, run: { workflow: { namespace: test, name: child } } } }]";
    let mut world = World::new(&[one("parent", timed), slow.clone()]);
    let run = world.start("parent", json!({}));
    world.tick();
    assert_eq!(
        (world.status(run).as_str(), world.status(world.others(run)[0]).as_str()),
        ("faulted", "cancelled")
    );
    let mut world = World::new(&[
        one("parent", "do: [{ r: { run: { workflow: { namespace: test, name: child } } } }]"),
        slow,
    ]);
    let run = world.start("parent", json!({}));
    world.command(run, "cancel", &json!({}));
    world.settle();
    assert_eq!(
        (world.status(run).as_str(), world.status(world.others(run)[0]).as_str()),
        ("cancelled", "cancelled")
    );
}

#[test]
fn a_saga_settles_its_child_before_it_undoes() {
    let head = "document: { dsl: '1.0.3', namespace: test, name: parent, version: '0.1.0', metadata: { saga: true } }";
    let source = format!(
        "{head}\ndo: [{{ o: {{ call: echo, with: {{ value: 1 }} }} }}, {{ r: {{ run: {{ workflow: {{ namespace: test, name: child }} }} }} }}]"
    );
    let mut world = World::new(&[source, one("child", "do: [{ w: { wait: PT1H } }]")]);
    let run = world.start("parent", json!({}));
    world.command(run, "cancel", &json!({ "reason": "enough" }));
    world.settle();
    assert_eq!(world.status(world.others(run)[0]), "cancelled");
    assert_eq!(world.status(run), "cancelled");
}

#[test]
fn whatever_the_order_of_messages_no_child_is_left_behind() {
    for seed in 0..300 {
        let sources = [
            one(
                "parent",
                "do: [{ f: { fork: { compete: true, branches: [ { a: { run: { workflow: { namespace: test, name: child } } } }, { b: { wait: PT1S } } ] } } }]",
            ),
            one("child", "do: [{ w: { wait: PT1H } }]"),
        ];
        let mut world = World::new(&sources).shuffled(seed);
        let run = world.start("parent", json!({}));
        world.tick();
        assert_eq!(world.status(run), "completed", "seed {seed}");
        assert_eq!(world.status(world.others(run)[0]), "cancelled", "seed {seed}");
    }
}

#[test]
fn whatever_the_order_of_messages_the_parent_hears_of_a_child_that_ends_at_once() {
    for seed in 0..300 {
        let sources = [parent(""), one("child", "do: [{ s: { set: { y: '${ .x + 1 }' } } }]")];
        let mut world = World::new(&sources).shuffled(seed);
        let run = world.start("parent", json!({ "n": 4 }));
        assert_eq!(world.output(run), json!({ "y": 5 }), "seed {seed}");
    }
}

#[test]
fn a_run_that_failed_still_waits_for_the_runs_it_has_started() {
    let parent = "do: [{ f: { fork: { branches: [{ r: { run: { workflow: { namespace: test, name: child } } } }, { e: { do: [{ w: { wait: PT1S } }, { x: { raise: { error: { type: 'https://a.example/x', status: 500 } } } }] } }] } } }]";
    let child = "do: [{ l: { listen: { to: { one: { with: { type: go } } } } } }]";
    for ends_meanwhile in [true, false] {
        let mut world = World::new(&[one("parent", parent), one("child", child)]);
        let run = world.start("parent", json!({}));
        let other = world.others(run)[0];
        world.tick();
        assert_eq!(world.status(run), "faulted");
        assert_eq!(world.status(other), "waiting", "it is not cancelled");
        if ends_meanwhile {
            world.command(other, "signal", &json!({ "name": "go", "data": 1 }));
            world.settle();
        }
        world.command(run, "skip", &json!({ "output": 2 }));
        world.settle();
        if !ends_meanwhile {
            world.command(other, "signal", &json!({ "name": "go", "data": 1 }));
            world.settle();
        }
        assert_eq!(world.status(run), "completed", "{ends_meanwhile}");
    }
}
