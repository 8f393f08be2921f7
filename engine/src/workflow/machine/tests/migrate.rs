//! Editing what is live: each edit with runs before it, at it, and past it, that stay on their version or follow.

use super::world::World;
use super::*;
use crate::id::StreamId;
use crate::journal::Outcome;

/// A wait, with a task on either side.
const BASE: &str = "do: [{ first: { listen: { to: { one: { with: { type: go } } } } } }, { rest: { wait: { hours: 2 } } }, { last: { set: { n: 1 } } }]";

fn version(version: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: flow, version: '{version}' }}\n{body}")
}

/// Runs of the first version before the wait, at it, and past it.
struct Live {
    world: World,
    before: StreamId,
    at: StreamId,
    past: StreamId,
}

fn live(base: &str, edited: &str) -> Live {
    let mut world = World::new(&[version("1.0.0", base), version("2.0.0", edited)]);
    let [before, at, past] = [(); 3].map(|()| world.start_version("flow", "1.0.0", json!({})));
    for run in [past, at] {
        world.command(run, "signal", &json!({ "name": "go" }));
        world.settle();
        if run == past {
            world.tick();
        }
    }
    assert_eq!([before, at, past].map(|run| world.status(run)), ["waiting", "waiting", "completed"]);
    Live { world, before, at, past }
}

fn migrate(world: &mut World, run: StreamId, body: &Value) -> Result<Value, String> {
    let outcome = world.command(run, "migrate", body);
    world.settle();
    match outcome {
        Outcome::Accepted(accepted) => Ok(accepted.reply.value()),
        Outcome::Rejected(rejected) => Err(rejected.code.to_string()),
    }
}

impl Live {
    /// Both open runs follow; the one that has ended does not.
    fn follow(&mut self) {
        for run in [self.before, self.at] {
            let answer =
                migrate(&mut self.world, run, &json!({ "version": "2.0.0", "reason": "edited" })).unwrap();
            assert_eq!((&answer["from"], &answer["version"]), (&json!("1.0.0"), &json!("2.0.0")));
            assert_eq!(self.world.view(run)["version"], "2.0.0");
        }
        assert_eq!(migrate(&mut self.world, self.past, &json!({})).unwrap_err(), "run_ended");
    }

    /// How long the run at the wait still waits, in minutes.
    fn left(&self) -> i64 {
        let until = self.world.view(self.at)["waitingFor"][0]["until"].as_str().unwrap().to_owned();
        (until.parse::<crate::clock::Timestamp>().unwrap().ms() - self.world.now.ms()) / 60_000
    }

    /// Lets both open runs go to their ends, and gives what they put out.
    fn outputs(&mut self) -> [Value; 2] {
        self.world.command(self.before, "signal", &json!({ "name": "go" }));
        self.world.settle();
        for _ in 0..20 {
            if [self.before, self.at].iter().all(|run| self.world.status(*run) == "completed") {
                break;
            }
            self.world.tick();
        }
        [self.before, self.at].map(|run| self.world.output(run))
    }
}

#[test]
fn runs_that_stay_on_their_version_do_what_it_says() {
    let mut live = live(BASE, "do: [{ other: { set: { n: 2 } } }]");
    assert_eq!(live.outputs(), [json!({ "n": 1 }), json!({ "n": 1 })]);
}

#[test]
fn a_delay_that_is_shortened_or_lengthened_counts_from_its_beginning() {
    for (hours, left) in [("1", 60), ("6", 360)] {
        let mut live = live(BASE, &BASE.replace("hours: 2", &format!("hours: {hours}")));
        live.follow();
        assert_eq!(live.left(), left, "{hours} hours");
        live.outputs();
    }
    // One that would have been over by now is over at once, and not before.
    let mut live = live(BASE, &BASE.replace("hours: 2", "minutes: 1"));
    live.world.now = live.world.now.plus(std::time::Duration::from_secs(3_600));
    live.follow();
    assert_eq!(live.left(), 0);
    assert_eq!(live.outputs(), [json!({ "n": 1 }), json!({ "n": 1 })]);
}

#[test]
fn tasks_that_are_added_ahead_or_behind_are_run_by_those_who_come_to_them() {
    let ahead = BASE.replace("{ rest:", "{ extra: { set: { extra: 1 }, export: { as: . } } }, { rest:");
    let ahead = ahead.replace("set: { n: 1 }", "set: { n: 1, extra: '${ $context.extra }' }");
    let mut one = live(BASE, &ahead);
    one.follow();
    assert_eq!(one.outputs(), [json!({ "n": 1, "extra": 1 }), json!({ "n": 1, "extra": null })]);
    let behind = BASE
        .replace("{ last:", "{ extra: { set: { extra: 1 } } }, { last:")
        .replace("{ n: 1 }", "{ n: '${ .extra }' }");
    let mut two = live(BASE, &behind);
    two.follow();
    assert_eq!(two.outputs(), [json!({ "n": 1 }), json!({ "n": 1 })]);
}

#[test]
fn a_condition_or_a_task_that_is_changed_ahead_holds_for_those_who_come_to_it() {
    let base = "do: [{ first: { listen: { to: { one: { with: { type: go } } } } } }, { rest: { wait: { hours: 2 } } }, { choose: { switch: [ { a: { when: '1 == 1', then: left } }, { b: { then: right } } ] } }, { left: { set: { n: left }, then: end } }, { right: { set: { n: right } } }]";
    let mut live = live(base, &base.replace("1 == 1", "1 == 2"));
    live.follow();
    assert_eq!(live.outputs(), [json!({ "n": "right" }), json!({ "n": "right" })]);
}

#[test]
fn who_waits_in_a_task_that_is_deleted_must_choose() {
    let edited =
        "do: [{ first: { listen: { to: { one: { with: { type: go } } } } } }, { last: { set: { n: 2 } } }]";
    let mut live = live(BASE, edited);
    assert!(migrate(&mut live.world, live.before, &json!({})).is_ok());
    assert_eq!(migrate(&mut live.world, live.at, &json!({})).unwrap_err(), "must_choose");
    assert_eq!(live.world.view(live.at)["version"], "1.0.0", "it stays where it was");
    let wrong = json!({ "tasks": { "/do/1/rest": "/do/9/none" } });
    assert_eq!(migrate(&mut live.world, live.at, &wrong).unwrap_err(), "must_choose");
    migrate(&mut live.world, live.at, &json!({ "tasks": { "/do/1/rest": "/do/1/last" } })).unwrap();
    assert_eq!(live.world.output(live.at), json!({ "n": 2 }));
    assert_eq!(live.outputs(), [json!({ "n": 2 }), json!({ "n": 2 })]);
}

#[test]
fn a_task_that_is_renamed_or_of_another_type_is_another_task() {
    for edited in [
        BASE.replace("rest:", "pause:"),
        BASE.replace("wait: { hours: 2 }", "listen: { to: { one: { with: { type: late } } } }"),
    ] {
        let mut live = live(BASE, &edited);
        assert_eq!(migrate(&mut live.world, live.at, &json!({})).unwrap_err(), "must_choose");
        let target = if edited.contains("pause") { "/do/1/pause" } else { "/do/1/rest" };
        migrate(&mut live.world, live.at, &json!({ "tasks": { "/do/1/rest": target } })).unwrap();
        assert_eq!(live.world.status(live.at), "waiting");
    }
}

#[test]
fn tasks_that_are_past_may_go_or_change_places() {
    let edited = "do: [{ rest: { wait: { hours: 2 } } }, { last: { set: { n: 1 } } }]";
    let mut live = live(BASE, edited);
    migrate(&mut live.world, live.at, &json!({})).unwrap();
    assert_eq!(migrate(&mut live.world, live.before, &json!({})).unwrap_err(), "must_choose");
    live.world.tick();
    assert_eq!(live.world.output(live.at), json!({ "n": 1 }));
    let reordered = "do: [{ last: { set: { n: 1 } } }, { rest: { wait: { hours: 2 } } }, { first: { listen: { to: { one: { with: { type: go } } } } } }]";
    let mut live = super::migrate::live(BASE, reordered);
    live.follow();
    assert_eq!(live.world.view(live.at)["waitingFor"][0]["task"], "/do/1/rest");
}

#[test]
fn a_listener_listens_to_what_the_new_version_says() {
    let mut live = live(BASE, &BASE.replace("type: go", "type: start"));
    migrate(&mut live.world, live.before, &json!({})).unwrap();
    live.world.event(&json!({ "type": "go", "id": "1", "source": "/s", "specversion": "1.0" }));
    assert_eq!(live.world.view(live.before)["waitingFor"][0]["kind"], "signal");
    live.world.event(&json!({ "type": "start", "id": "2", "source": "/s", "specversion": "1.0" }));
    assert_eq!(live.world.view(live.before)["waitingFor"][0]["kind"], "timer");
}

#[test]
fn a_call_that_was_sent_is_answered_as_it_was() {
    use crate::effect::EffectOutcome;
    use crate::entity::Input;
    use crate::journal::Json;
    let one =
        "do: [{ a: { call: mail.send, with: { name: x } } }, { b: { set: { got: '${ .n }', by: old } } }]";
    let two = "do: [{ z: { set: { n: 0 } } }, { a: { call: echo, with: { value: new } } }, { b: { set: { got: '${ .n }', by: new } } }]";
    let mut world = World::new(&[version("1.0.0", one), version("2.0.0", two)]);
    let run = world.start_version("flow", "1.0.0", json!({}));
    let key = world.effects[0].1.key;
    migrate(&mut world, run, &json!({})).unwrap();
    assert_eq!(world.view(run)["waitingFor"][0]["path"], "/do/1/a", "the mail is still waited for");
    let outcome = EffectOutcome::Confirmed(Json::from(&json!({ "n": 7 })));
    world.give(run, &Input::Effect { key, outcome });
    world.settle();
    assert_eq!(world.output(run), json!({ "got": 7, "by": "new" }));
    assert_eq!(world.effects.len(), 1, "nothing is sent again");
}

#[test]
fn what_is_inside_of_loops_and_attempts_is_found_again() {
    let base = "do: [{ each: { for: { each: n, in: '[1,2]' }, do: [ { t: { try: [ { w: { wait: { hours: 1 } } }, { s: { set: { got: '${ (.got // 0) + $n }' } } } ], catch: {} } } ] } }]";
    let edited = base
        .replace("do: [{ each", "do: [{ zero: { set: { got: 0 } } }, { each")
        .replace("{ t: {", "{ y: { set: '${ . }' } }, { t: {");
    let mut world = World::new(&[version("1.0.0", base), version("2.0.0", &edited)]);
    let run = world.start_version("flow", "1.0.0", json!({}));
    migrate(&mut world, run, &json!({})).unwrap();
    assert_eq!(world.view(run)["waitingFor"][0]["path"], "/do/1/each[0]/do/1/t/try/0/w");
    world.tick();
    world.tick();
    assert_eq!(world.output(run), json!({ "got": 3 }));
}

#[test]
fn it_is_known_beforehand_what_would_become_of_a_run() {
    use crate::workflow::difference::Effect;
    let cases = [
        (BASE.replace("type: go", "type: start"), "must follow", "unaffected"),
        (BASE.replace("n: 1", "n: 2"), "must follow", "must follow"),
        (BASE.replace("rest:", "pause:"), "must follow", "must choose"),
        (BASE.to_owned(), "unaffected", "unaffected"),
    ];
    for (edited, before, at) in cases {
        let live = live(BASE, &edited);
        let found = [live.before, live.at].map(|run| match live.world.effect(run, "2.0.0") {
            Effect::Unaffected => "unaffected",
            Effect::Follows => "must follow",
            Effect::MustChoose { .. } => "must choose",
        });
        assert_eq!(found, [before, at], "{edited}");
    }
}

#[test]
fn tasks_and_lifecycle_events_go_on_under_the_new_pointers() {
    use crate::codec;
    use crate::workflow::machine::{Lifecycle, RunEvent, TaskList};
    let mut live = live(BASE, &BASE.replace("do: [{ first", "do: [{ zero: { set: { n: 0 } } }, { first"));
    live.follow();
    live.outputs();
    let (mut tasks, mut lifecycle, mut completed) =
        (TaskList::new(), Lifecycle::new(live.at, "test"), Vec::new());
    for event in &live.world.events[&live.at] {
        let read = codec::read_named::<RunEvent>(&event.name, event.data.text()).unwrap();
        tasks.apply(&read, live.world.now);
        let made = lifecycle.apply(&read, live.world.now).into_iter();
        let done = made.filter(|(kind, _)| *kind == "io.serverlessworkflow.task.completed.v1");
        completed.extend(done.map(|(_, data)| data["task"].as_str().unwrap().to_owned()));
    }
    assert_eq!(completed, ["/do/0/first", "/do/2/rest", "/do/3/last"]);
    let shown: Vec<_> =
        tasks.items().iter().map(|item| (item.reference.as_str(), item.ended_at.is_some())).collect();
    assert_eq!(shown, [("/do/0/first", true), ("/do/2/rest", true), ("/do/3/last", true)]);
}

#[test]
fn who_may_have_to_undo_a_task_that_is_deleted_must_choose() {
    let undo =
        |text: &str| format!("metadata: {{ compensate: {{ call: echo, with: {{ value: {text} }} }} }}");
    let task = |name: &str| {
        format!("{{ {name}: {{ run: {{ workflow: {{ namespace: test, name: work }} }}, {} }} }}", undo(name))
    };
    let wait = "{ w: { wait: PT1H } }";
    let saga = |version_: &str, body: &str| {
        version(version_, body).replace(" }\ndo", ", metadata: { saga: true } }\ndo")
    };
    let one = saga("1.0.0", &format!("do: [{}, {wait}]", task("a")));
    let two = saga("2.0.0", &format!("do: [{}, {wait}]", task("b")));
    let work = "document: { dsl: '1.0.3', namespace: test, name: work, version: '1.0.0' }\ndo: [{ s: { set: { n: 1 } } }]";
    let mut world = World::new(&[one, two, work.to_owned()]);
    let run = world.start_version("flow", "1.0.0", json!({}));
    assert_eq!(world.status(run), "waiting", "{}", world.view(run));
    assert_eq!(migrate(&mut world, run, &json!({})).unwrap_err(), "must_choose");
    migrate(&mut world, run, &json!({ "tasks": { "/do/0/a": "/do/0/b" } })).unwrap();
}
