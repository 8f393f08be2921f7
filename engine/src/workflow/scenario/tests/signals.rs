use super::{failures, passes};
use crate::workflow::fixtures::definition;

const LISTENS: &str = "
do:
  - ask: { listen: { to: { one: { with: { type: answer } } } }, timeout: { after: PT72H } }
  - again: { listen: { to: { one: { with: { type: answer } } } }, output: { as: '${ .[0] }' } }";

#[test]
fn signals_come_at_their_time_or_when_they_are_awaited() {
    let scenario = "
name: both answers come
signals: [{ name: answer, at: PT2H, data: 1 }, { name: answer, data: { by: me } }]
expect: { status: completed, outputIs: { by: me }, duration: PT2H }";
    // The signal without a time comes first: the first task listens to it from the start.
    let early = failures(&definition(LISTENS), scenario);
    assert_eq!(early, ["outputIs: {\"by\":\"me\"} / 1"]);
    passes(&definition(LISTENS), &scenario.replace("{ by: me }, duration", "1, duration"));
}

#[test]
fn signals_without_a_time_reach_listeners_with_several_filters() {
    let listens = |to: &str| definition(&format!("do: [{{ ask: {{ listen: {{ to: {to} }} }} }}]"));
    let scenario = |names: &[&str], data: &str| {
        let signals: Vec<String> =
            names.iter().map(|name| format!("{{ name: {name}, data: {name} }}")).collect();
        let signals = signals.join(", ");
        format!("name: x\nsignals: [{signals}]\nexpect: {{ status: completed, outputIs: {data} }}")
    };
    let all = listens("{ all: [{ with: { type: yes-a } }, { with: { type: yes-b } }] }");
    passes(&all, &scenario(&["yes-b", "yes-a"], "[yes-b, yes-a]"));
    let twice = failures(&all, &scenario(&["yes-a", "yes-a", "yes-b"], "[yes-a, yes-b]"));
    assert_eq!(twice, ["signal `yes-a`: is listened to / no task comes to it"]);
    let any = listens("{ any: [{ with: { type: yes-a } }, { with: { type: yes-b } }] }");
    passes(&any, &scenario(&["yes-b"], "[yes-b]"));
    passes(&listens("{ any: [] }"), &scenario(&["whatever"], "[whatever]"));
    let until = "{ any: [{ with: { type: yes-a } }], until: { one: { with: { type: over } } } }";
    passes(&listens(until), &scenario(&["yes-a", "over"], "[yes-a]"));
    let pattern = listens("{ one: { with: { type: 'yes-.*' } } }");
    passes(&pattern, &scenario(&["yes-c"], "[yes-c]"));
    let other = failures(&pattern, &scenario(&["no"], "[no]"));
    assert!(other.contains(&"signal `no`: is listened to / no task comes to it".to_owned()), "{other:?}");
}

#[test]
fn what_nobody_answers_times_out_or_waits() {
    let scenario = "
name: nobody answers
expect: { status: faulted, error: { type: timeout, status: 408 }, never: [again], duration: PT72H }";
    passes(&definition(LISTENS), scenario);
    let scenario = "
name: one answer is not enough
signals: [{ name: answer }]
expect: { status: waiting, tasksAre: [ask, again] }";
    passes(&definition(LISTENS), scenario);
    let scenario = "
name: too many and too late
signals: [{ name: answer }, { name: answer }, { name: answer }, { name: answer, at: PT1H }]
commands: [{ at: PT2H, command: resume }]
expect: { status: completed }";
    let expected = [
        "signal `answer` at PT1H: is taken / the run has ended before",
        "command `resume` at PT2H: is taken / the run has ended before",
        "signal `answer`: is listened to / no task comes to it",
    ];
    assert_eq!(failures(&definition(LISTENS), scenario), expected);
}
