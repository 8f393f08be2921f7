use proptest::prelude::*;

use super::*;
use crate::workflow::check::check;
use crate::workflow::definition::parse_iso;
use crate::workflow::fixtures::{actions, definition, saga};

mod children;
mod signals;

/// Plays the one scenario of a text, twice: it must come out the same.
fn played(source: &str, scenario: &str) -> Report {
    let checked = check(source, &actions()).unwrap_or_else(|e| panic!("{:#?}", e.problems));
    let scenarios = read(scenario).unwrap_or_else(|e| panic!("{e}"));
    let definition = Arc::new(checked.definition);
    let report = play(&definition, &actions(), &scenarios[0]);
    assert_eq!(report, play(&definition, &actions(), &scenarios[0]), "the same again");
    report
}

fn passes(source: &str, scenario: &str) -> Report {
    let report = played(source, scenario);
    assert!(report.passed(), "{report:#?}");
    report
}

/// The failures, a line each.
fn failures(source: &str, scenario: &str) -> Vec<String> {
    let failures = played(source, scenario).failures;
    failures.iter().map(|f| format!("{}: {} / {}", f.what, f.expected, f.actual)).collect()
}

const THING: &str = "thing_01h455vb4pex5vsknk084sn02q";

#[test]
fn results_come_from_the_script_and_the_last_one_repeats() {
    let body = "
do:
  - each:
      for: { each: n, in: '${ [\"a\", \"b\", \"c\"] }' }
      do:
        - open: { call: thing.open, with: { name: '${ $n }' }, export: { as: '${ [$context[]?] + [.name] }' } }
  - tell: { call: mail.send, with: { name: me }, output: { as: '${ { sent: ., names: $context } }' } }";
    let scenario = format!(
        "
name: every call has its result
actions:
  thing.open:
    - output: {{ id: {THING}, name: first }}
    - {{ output: {{ id: {THING}, name: '${{ \"\\(.name) \\($n)\" }}' }}, takes: PT1M }}
  tell: [{{ output: done }}]
  mail.send: [{{ error: {{ code: never_asked }} }}]
expect:
  status: completed
  output: {{ names: [first, b 2, c 3] }}
  outputIs: {{ sent: done, names: [first, b 2, c 3] }}
  tasks: [each, open, open, tell]
  tasksAre: [each, open, '/do/0/each[1]/do/0/open', /do/0/each/do/0/open, tell]
  calls:
    - {{ action: thing.open, arguments: {{ name: a }} }}
    - {{ action: thing.open, task: open, arguments: {{ name: c }} }}
    - {{ task: tell }}
  never: [thing.book]
  duration: PT2M
  within: PT2M"
    );
    let mistaken = failures(&definition(body), &scenario);
    assert_eq!(mistaken.len(), 1, "{mistaken:?}");
    assert!(mistaken[0].starts_with("expect.never: "), "{mistaken:?}");
    let report = passes(&definition(body), &scenario.replace("  never: [thing.book]\n", ""));
    assert_eq!((report.status.as_str(), report.duration.as_str()), ("completed", "PT2M"));
    assert!(report.trace.iter().any(|line| line.starts_with("PT2M") && line.contains("completes")));
}

#[test]
fn a_saga_is_undone_in_the_script_too() {
    let body = "
do:
  - a: { call: thing.open, with: { name: a } }
  - b: { call: thing.book, with: { name: b } }
  - c: { call: thing.open, with: { name: c } }";
    let scenario = |error: &str, undone: &str| {
        format!(
            "
name: the third fails
actions:
  a: [{{ output: {{ id: {THING}, name: a }} }}]
  b: [{{ output: {{ paid: true }} }}]
  c: [{{ error: {{ {error} }} }}]
undo:
  thing.book: [{{ error: {{ code: busy, status: 503 }} }}, {{ takes: PT3S }}]
expect:
  status: compensated
  error: {{ code: no_way, status: 409, detail: really, title: no way }}
  compensated: {undone}
  duration: PT4S"
        )
    };
    let refused = scenario("code: no_way, status: 409, detail: not really", "[b, a]");
    passes(&saga(body), &refused);
    let unknown = scenario("code: no_way, status: 409, detail: not really, unknown: true", "[c, b, a]");
    passes(&saga(body), &unknown);
    let wrong = failures(&saga(body), &scenario("code: other, status: 409", "[a, b]"));
    let expected = [
        "error.code: no_way / \"urn:promptsales:error:other\"",
        "error.title: no way / \"other\"",
        "error.detail: a text with `really` in it / null",
        "compensated: [a, b] / [b, a]",
    ];
    assert_eq!(wrong, expected);
}

#[test]
fn a_compensation_of_its_own_is_a_call_too() {
    let body = "
do:
  - a:
      call: thing.open
      with: { name: a }
      metadata: { compensate: { call: mail.send, with: { name: '${ $output.name }' } } }
  - b: { raise: { error: { type: gone, status: 410 } } }";
    let scenario = format!(
        "
name: a mail takes it back
actions:
  a: [{{ output: {{ id: {THING}, name: given }} }}]
  mail.send: [{{ output: ok }}]
expect:
  status: compensated
  error: {{ type: gone }}
  calls: [{{ action: thing.open }}, {{ action: mail.send, arguments: {{ name: given }} }}]
  compensated: [a]"
    );
    passes(&saga(body), &scenario);
    let failing = scenario.replace(
        "expect:",
        "undo: { a: [{ error: { code: busy, status: 503 } }, { takes: PT3S }] }\nexpect:",
    );
    passes(&saga(body), &format!("{failing}\n  duration: PT4S"));
}

#[test]
fn retries_take_the_next_result() {
    let body = "
do:
  - risky:
      try: [{ a: { call: mail.send, with: { name: x } } }]
      catch: { retry: { delay: PT10S, backoff: { exponential: {} }, limit: { attempt: { count: 5 } } } }";
    let scenario = "
name: the third attempt works
actions:
  a: [{ error: { code: busy, status: 503 } }, { error: { code: busy, status: 503 } }, { output: sent }]
expect: { status: completed, outputIs: sent, tasks: [a, a, a], duration: PT30S }";
    passes(&definition(body), scenario);
}

#[test]
fn people_hold_and_end_runs() {
    let body = "
do:
  - a: { call: thing.book, with: { name: a } }
  - b: { wait: PT1H }";
    let scenario = "
name: it is held, goes on, and is cancelled
actions: { thing.book: [{ output: {} }] }
commands:
  - { at: PT10M, command: pause }
  - { at: PT40M, command: resume }
  - { at: PT50M, command: cancel, reason: enough }
expect: { status: cancelled, compensated: [a], duration: PT50M }";
    passes(&saga(body), scenario);
    let refused = scenario.replace("command: resume", "command: retry");
    let found = failures(&saga(body), &refused);
    assert!(
        found[0].starts_with("command `retry` at PT40M: is taken / is refused, nothing_to_retry"),
        "{found:?}"
    );
    let held = "
name: it stays held
actions: { thing.book: [{ output: {} }] }
commands: [{ at: PT10M, command: pause }]
expect: { status: suspended, duration: PT10M }";
    passes(&saga(body), held);
}

#[test]
fn actions_without_a_script_are_asked_themselves() {
    let body = "
do:
  - a: { call: echo, with: { value: { x: '${ .n + 1 }' } } }
  - b: { call: mail.send, with: { name: x } }";
    let scenario = "
name: the echo needs no script
input: { n: 1 }
actions: { b: [{ output: '${ .name }' }] }
expect: { status: completed, outputIs: x, calls: [{ action: echo, arguments: { value: { x: 2.0 } } }] }";
    passes(&definition(body), scenario);
    let unscripted = scenario.replace("actions: { b: [{ output: '${ .name }' }] }\n", "");
    let expected =
        ["the call of `mail.send` by `/do/1/b`: a result under `actions` / none, and the action wants to \
                     send `mail.send` outside"];
    assert_eq!(failures(&definition(body), &unscripted), expected);
}

#[test]
fn what_the_action_could_not_give_or_take_is_found() {
    let body = "do: [{ a: { call: thing.open, with: { name: '${ .n }' } } }]";
    let scenario = |output: &str, input: &str| {
        format!(
            "name: x\ninput: {{ n: {input} }}\nactions: {{ a: [{{ output: {output} }}] }}\nexpect: {{ status: completed }}"
        )
    };
    let found = failures(&definition(body), &scenario("{ id: 5, name: x }", "x"));
    assert!(found[0].contains("does not fit its schema at `/id`"), "{found:?}");
    let found = failures(&definition(body), &scenario("'${ error(\"no\") }'", "x"));
    assert!(found[0].contains("expression of the output fails"), "{found:?}");
    let report = played(&definition(body), &scenario("{}", "5"));
    assert_eq!(report.status, "faulted", "{report:#?}");
    assert!(report.trace.iter().any(|line| line.contains("validation (400)")), "{report:#?}");
}

#[test]
fn a_run_that_does_not_start_is_refused() {
    let body = "
input: { schema: { format: json, document: { type: object, required: [a] } } }
do: [{ a: { set: { x: 1 } } }]";
    let scenario = "name: x\nexpect: { status: refused, error: { code: invalid_input }, duration: PT0S }";
    passes(&definition(body), scenario);
}

#[test]
fn a_loop_without_an_end_ends_with_a_clear_failure() {
    for body in ["do: [{ a: { set: { x: 1 }, then: a } }]", "do: [{ a: { wait: PT1M, then: a } }]"] {
        let found = failures(&definition(body), "name: x\nexpect: { status: completed, duration: PT1S }");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("is there a loop without one?") && found[0].contains("/do/0/a#"),
            "{found:?}"
        );
    }
}

#[test]
fn names_that_are_not_there_are_found_before_it_plays() {
    let body = "do: [{ open: { call: thing.open, with: { name: x } } }, { ask: { listen: { to: { one: { with: { type: go } } } } } }]";
    let scenario = "
name: x
actions: { thing.opne: [{ output: {} }], ope: [{ output: {} }] }
undo: { mail.send: [{}] }
signals: [{ name: stop }]
expect: { tasks: [opne], tasksAre: [ask], never: [/do/1/ask, /do/0/ask], calls: [{ action: thing.open }, { task: aks }] }";
    let found = failures(&definition(body), scenario);
    let expected = [
        "actions: a task of the workflow, or an action that it calls / `ope`; did you mean `open`?",
        "actions: a task of the workflow, or an action that it calls / `thing.opne`; did you mean `thing.open`?",
        "undo: a task of the workflow, or an action that it calls / `mail.send`; there are `ask`, `open`, `thing.open`",
        "signals: a signal that the workflow listens to / `stop`; there are `go`",
        "expect.tasks: a task of the workflow / `opne`; did you mean `open`?",
        "expect.never: a task of the workflow, or an action that it calls / `/do/0/ask`; there are `ask`, `open`, \
         `thing.open`",
        "expect.calls: a task of the workflow / `aks`; did you mean `ask`?",
    ];
    assert_eq!(found, expected);
}

#[test]
fn differences_are_named_at_their_place() {
    let body = "do: [{ a: { set: { x: [{ y: 1, z: 2 }], t: hello } } }, { b: { call: echo, with: { value: 1 } }, output: { as: $input } }]";
    let body = body.replace(" }, output: { as: $input }", ", output: { as: $input } }");
    let scenario = "
name: x
expect:
  status: faulted
  output: { x: [{ y: 3 }] }
  outputIs: { t: hello }
  tasks: [b, a]
  tasksAre: [a]
  never: [echo, b]
  calls: [{ action: echo, arguments: { value: 2 } }]
  compensated: [a]
  duration: PT1S";
    let expected = [
        "status: faulted / completed",
        "output/x/0/y: 3 / 1",
        "outputIs: {\"t\":\"hello\"} / {\"x\":[{\"y\":1,\"z\":2}],\"t\":\"hello\"}",
        "tasks: [b, a], where `a` does not come in its turn / [a, b]",
        "tasksAre: [a] / [a, b]",
        "compensated: [a] / []",
        "never: not `echo` / `/do/1/b`",
        "never: not `b` / `/do/1/b`",
        "calls: `echo` arguments/value: 2 / 1",
        "duration: PT1S / PT0S",
    ];
    assert_eq!(failures(&definition(&body), scenario), expected);
}

#[test]
fn texts_that_are_no_scenarios_are_refused_with_their_place() {
    let cases = [
        ("", "1:1: there are no scenarios"),
        ("name: [", "2:1: the text cannot be read as YAML"),
        ("name: a\nname: b", "2:1: the text cannot be read as YAML: the key `name` stands twice"),
        ("name: a", "scenario 1 (a): missing field `expect`"),
        ("name: a\nexpect: {}", "scenario 1 (a), `expect`: nothing is expected"),
        ("name: a\nexpct: {}", "`expct`: unknown field `expct`"),
        ("name: a\nexpect: { stauts: x }", "`expect.stauts`: unknown field `stauts`"),
        ("name: a\nexpect: { status: done }", "`expect.status`: `done` is not a status"),
        ("name: a\nexpect: { duration: soon }", "`expect.duration`: `soon` is not an ISO 8601 duration"),
        ("name: a\nexpect: { calls: [{ arguments: {} }] }", "`expect.calls[0]`: a call needs"),
        (
            "- name: a\n  expect: { status: waiting }\n- name: b\n  comands: []\n  expect: {}",
            "scenario 2 (b), `comands`",
        ),
        (
            "name: a\nexpect: { status: waiting }\n---\nname: b\nsignals: [{ name: x, att: PT1S }]\nexpect: {}",
            "scenario 2 (b), `signals[0].att`: unknown field `att`, expected one of `name`, `data`, `at`",
        ),
        ("name: a\ncommands: [{ at: PT1S, command: stop }]\nexpect: {}", "unknown variant `stop`"),
        (
            "name: a\nactions: { x: [] }\nexpect: { status: waiting }",
            "`actions.x`: the list of results is empty",
        ),
        (
            "name: a\nactions: { x: [{ error: {} }] }\nexpect: { status: waiting }",
            "`actions.x[0].error`: an error needs",
        ),
        (
            "name: a\nactions: { x: [{ output: 1, error: { code: a } }] }\nexpect: { status: waiting }",
            "`actions.x[0]`: a result has either",
        ),
        (
            "name: a\nactions: { x: [{ output: '${ . | }' }] }\nexpect: { status: waiting }",
            "`actions.x[0].output`",
        ),
        (
            "name: a\nundo: { x: [{ error: { code: a, type: b } }] }\nexpect: { status: waiting }",
            "`undo.x[0].error`",
        ),
        (
            "name: a\nundo: { x: [{ output: 1 }] }\nexpect: { status: waiting }",
            "`undo.x[0]`: undoing gives no",
        ),
    ];
    for (text, part) in cases {
        let error = read(text).map(|_| ()).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn lengths_of_time_are_read_as_they_are_written(ms in 0..10_000_000_000u64) {
        let span = Duration::from_millis(ms);
        prop_assert_eq!(parse_iso(&iso(span)), Ok(span));
    }
}
