//! Events: `emit`, and `listen` in each of its forms.

use super::world::World;
use super::*;

fn one(name: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '0.1.0' }}\n{body}")
}

fn world(body: &str) -> World {
    World::new(&[one("a", body)])
}

fn event(kind: &str, id: u64, data: Value) -> Value {
    json!({ "specversion": "1.0", "id": id.to_string(), "source": "/test", "type": kind, "data": data })
}

#[test]
fn what_one_run_emits_another_hears() {
    let listening = "do: [{ l: { listen: { to: { one: { with: { type: greeted } } } } } }]";
    let emitting = "do: [{ e: { emit: { event: { with: { type: greeted, source: 'https://a.example', data: { hello: '${ .name }' } } } } } }]";
    let mut world = World::new(&[one("a", listening), one("b", emitting)]);
    let a = world.start("a", json!({}));
    assert_eq!(world.status(a), "waiting");
    let b = world.start("b", json!({ "name": "Ana" }));
    let sent = world.output(b);
    for name in ["id", "specversion", "time", "source", "type", "data"] {
        assert!(!sent[name].is_null(), "{name}: {sent}");
    }
    assert_eq!(sent["data"], json!({ "hello": "Ana" }));
    assert_eq!(world.output(a), json!([{ "hello": "Ana" }]));
    assert!(world.names(b).contains(&"event-emitted"));
    assert!(
        world.topics().iter().all(|topic| topic["listeners"].as_array().unwrap().is_empty()),
        "all are forgotten"
    );
}

#[test]
fn an_event_that_comes_before_the_listener_is_not_lost_and_counts_once() {
    let body = "do: [{ w: { wait: PT1S } }, { a: { listen: { to: { one: { with: { type: x } } } } } }, { b: { listen: { to: { one: { with: { type: x } } } }, output: { as: '[$input, .]' } } }]";
    let mut world = world(body);
    world.event(&event("x", 0, json!("before the run")));
    world.now = world.now.plus(std::time::Duration::from_millis(1));
    let run = world.start("a", json!({}));
    world.event(&event("x", 1, json!(1)));
    world.tick();
    assert_eq!(world.status(run), "waiting", "the second listener does not take the same event");
    world.event(&event("x", 2, json!(2)));
    assert_eq!(world.output(run), json!([[1], [2]]));
}

#[test]
fn filters_look_at_attributes_and_data() {
    let cases = [
        ("{ type: x, source: /test }", true),
        ("{ type: x, source: /other }", false),
        ("{ type: 'x|y' }", true),
        ("{ type: '[yz]' }", false),
        ("{ source: '/te.*' }", true),
        ("{ type: x, data: '${ .n > 3 }' }", true),
        ("{ type: x, data: '${ .n > 30 }' }", false),
        ("{ type: x, data: '${ .n | error }' }", false),
        ("{ type: x, id: '${ $input.id }' }", true),
        ("{ type: x, id: '${ $input.no }' }", false),
        ("{ type: x, subject: none }", false),
        ("{ type: x, source: '/test?a=(1' }", false),
    ];
    for (with, taken) in cases {
        let mut world =
            world(&format!("do: [{{ l: {{ listen: {{ to: {{ one: {{ with: {with} }} }} }} }} }}]"));
        let run = world.start("a", json!({ "id": "7" }));
        world.event(&event("x", 7, json!({ "n": 5 })));
        assert_eq!(world.status(run) == "completed", taken, "{with}");
    }
}

#[test]
fn all_waits_for_each_filter_once_in_any_order() {
    let body = "do: [{ l: { listen: { to: { all: [ { with: { type: x } }, { with: { type: y } } ] }, read: envelope }, output: { as: 'map(.type)' } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    world.event(&event("y", 1, json!({})));
    world.event(&event("y", 2, json!({})));
    assert_eq!(world.status(run), "waiting");
    world.event(&event("x", 3, json!({})));
    assert_eq!(world.output(run), json!(["y", "x"]));
}

#[test]
fn any_takes_the_first_or_until_a_condition_or_an_event() {
    let any = "any: [ { with: { type: x } }, { with: { type: y } } ]";
    let cases = [
        (format!("{{ {any} }}"), json!([1])),
        (format!("{{ {any}, until: '( . | length ) > 2' }}"), json!([1, 2, 3])),
        (format!("{{ {any}, until: {{ one: {{ with: {{ type: stop }} }} }} }}"), json!([1, 2, 3, 4])),
        (
            format!(
                "{{ {any}, until: {{ all: [ {{ with: {{ type: stop }} }}, {{ with: {{ type: end }} }} ] }} }}"
            ),
            json!([1, 2, 3, 4, 5]),
        ),
        ("{ any: [] }".to_owned(), json!([0])),
        ("{ any: [], until: 'length == 3' }".to_owned(), json!([0, 1, 2])),
    ];
    for (to, expected) in cases {
        let mut world = world(&format!("do: [{{ l: {{ listen: {{ to: {to} }} }} }}]"));
        let run = world.start("a", json!({}));
        let sent =
            [("z", 0), ("x", 1), ("y", 2), ("x", 3), ("x", 4), ("stop", 9), ("y", 5), ("end", 9), ("x", 6)];
        for (at, (kind, n)) in sent.into_iter().enumerate() {
            world.event(&event(kind, at as u64, json!(n)));
        }
        assert_eq!(world.output(run), expected, "{to}");
    }
}

#[test]
fn correlated_events_come_to_their_run_alone() {
    let body = "do: [{ l: { listen: { to: { one: { with: { type: paid }, correlate: { order: { from: .data.order, expect: '${ .id }' } } } } } } }]";
    let mut world = world(body);
    let runs: Vec<_> = (0..5).map(|n| world.start("a", json!({ "id": format!("o-{n}") }))).collect();
    world.event(&event("paid", 1, json!({ "order": "o-9" })));
    world.event(&event("paid", 2, json!({ "other": 1 })));
    world.event(&event("paid", 3, json!({ "order": "o-3" })));
    let done: Vec<_> = runs.iter().map(|run| world.status(*run) == "completed").collect();
    assert_eq!(done, [false, false, false, true, false]);
    assert_eq!(world.output(runs[3]), json!([{ "order": "o-3" }]));
    // Nobody else was bothered.
    assert_eq!(world.events[&runs[0]].len(), world.events[&runs[4]].len());
}

#[test]
fn without_an_expectation_the_first_event_sets_it() {
    let body = "do: [{ l: { listen: { to: { all: [ { with: { type: t }, correlate: { room: { from: .room } } }, { with: { type: h }, correlate: { room: { from: .room } } } ] } } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    let reading = |kind: &str, id: u64, room: u64| {
        let mut event = event(kind, id, json!(room));
        event["room"] = json!(room);
        event
    };
    world.event(&event("t", 1, json!("no room")));
    world.event(&reading("t", 2, 1));
    world.event(&reading("h", 3, 2));
    assert_eq!(world.status(run), "waiting");
    world.event(&reading("h", 4, 1));
    assert_eq!(world.output(run), json!([1, 1]));
}

#[test]
fn foreach_takes_one_event_after_the_other() {
    let body = "do: [{ l: { listen: { to: { any: [ { with: { type: x } } ], until: { one: { with: { type: stop } } } } }, foreach: { item: it, at: i, do: [ { w: { wait: PT1S } }, { s: { set: { n: '${ $it }', at: '${ $i }', was: '${ . }' } } } ], output: { as: '.n * 10 + .at' } } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    for n in 1..=3 {
        world.event(&event("x", n, json!(n)));
    }
    assert_eq!(world.view(run)["waitingFor"][0]["kind"], "timer", "the first is at work, the others wait");
    world.event(&event("stop", 9, json!({})));
    world.event(&event("x", 10, json!(10)));
    for _ in 0..3 {
        assert_ne!(world.status(run), "completed");
        world.tick();
    }
    assert_eq!(world.output(run), json!([10, 21, 32]));
}

#[test]
fn foreach_without_tasks_reshapes() {
    let body = "do: [{ l: { listen: { to: { any: [ { with: { type: x } } ], until: 'length == 2' } }, foreach: { output: { as: '{ got: $item }' } } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    world.event(&event("x", 1, json!(1)));
    world.event(&event("x", 2, json!(2)));
    assert_eq!(world.output(run), json!([{ "got": 1 }, { "got": 2 }]));
}

#[test]
fn who_is_cancelled_or_timed_out_listens_no_more() {
    let body = "do: [{ l: { timeout: { after: PT1M }, listen: { to: { one: { with: { type: x } } } } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    assert_eq!(world.topics()[0]["listeners"][0]["active"], true);
    world.tick();
    assert_eq!(world.status(run), "faulted");
    assert_eq!(world.topics()[0]["listeners"][0]["active"], false, "it may be taken up again");
    world.command(run, "retry", &json!({}));
    world.settle();
    world.event(&event("x", 1, json!(1)));
    assert_eq!(world.output(run), json!([1]));
    assert_eq!(world.topics()[0]["listeners"], json!([]));
}

#[test]
fn whatever_the_order_of_messages_each_run_hears_each_event_once() {
    let listening = "do: [{ f: { for: { each: n, in: '[1,2,3]' }, do: [ { l: { listen: { to: { one: { with: { type: x } } } }, export: { as: '$context + { heard: (($context.heard // []) + .) }' } } } ] } }]\noutput: { as: '$context.heard | sort' }";
    let emitting = "do: [{ f: { for: { each: n, in: '[1,2,3]' }, do: [ { e: { emit: { event: { with: { type: x, data: '${ $n }' } } } } } ] } }]";
    for seed in 0..200 {
        let mut world = World::new(&[one("a", listening), one("b", emitting)]).shuffled(seed);
        let [a, b] = [world.start("a", json!({})), world.start("a", json!({}))];
        world.start("b", json!({}));
        assert_eq!((world.output(a), world.output(b)), (json!([1, 2, 3]), json!([1, 2, 3])), "seed {seed}");
    }
}

#[test]
fn an_event_that_comes_from_two_topics_counts_once() {
    let body = "do: [{ l: { listen: { to: { any: [{ with: { type: x } }, { with: { source: /test } }], until: '${ length == 2 }' } } } }]";
    let mut world = world(body);
    let run = world.start("a", json!({}));
    world.event(&event("x", 1, json!(1)));
    assert_eq!(world.status(run), "waiting");
    world.event(&event("x", 2, json!(2)));
    assert_eq!(world.output(run), json!([1, 2]));
}

#[test]
fn an_event_that_one_listener_does_not_want_waits_for_the_next() {
    let one_of = |n: u32| {
        format!(
            "{{ listen: {{ to: {{ one: {{ with: {{ type: x, data: '${{ . == {n} }}' }} }} }} }}, output: {{ as: '$input + .' }} }}"
        )
    };
    let body =
        format!("do: [{{ z: {{ set: '${{ [] }}' }} }}, {{ a: {} }}, {{ b: {} }}]", one_of(1), one_of(2));
    let mut world = world(&body);
    let run = world.start("a", json!({}));
    world.event(&event("x", 2, json!(2)));
    world.event(&event("x", 3, json!(3)));
    assert_eq!(world.status(run), "waiting");
    world.event(&event("x", 1, json!(1)));
    assert_eq!(world.output(run), json!([1, 2]));
}

#[test]
fn what_comes_while_the_run_stands_still_or_has_failed_is_taken_later() {
    let listen = "{ l: { listen: { to: { one: { with: { type: x } } } } } }";
    let mut world = world(&format!("do: [{listen}]"));
    let run = world.start("a", json!({}));
    world.command(run, "pause", &json!({}));
    world.event(&event("x", 1, json!(1)));
    assert_eq!(world.status(run), "suspended");
    assert!(!world.names(run).contains(&"signal-consumed"));
    world.command(run, "resume", &json!({}));
    world.settle();
    assert_eq!(world.output(run), json!([1]));
}

#[test]
fn an_event_without_a_type_is_not_sent() {
    let mut world =
        world("do: [{ e: { emit: { event: { with: { type: '${ .missing }', source: /a } } } } }]");
    let run = world.start("a", json!({}));
    assert_eq!(world.status(run), "faulted");
}
