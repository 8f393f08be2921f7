use std::fmt::Write as _;

use super::*;
use crate::workflow::fixtures::{actions, definition};

fn problems(source: &str) -> Vec<Problem> {
    match check(source, &actions()) {
        Ok(checked) => checked.warnings,
        Err(refused) => refused.problems,
    }
}

/// Each case: what stands behind the head, the pointer that must be named, and a part of the message.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("do: []", "/do", "no tasks"),
    ("do: {}", "/do", "expected a list"),
    ("do: [{ a: { do: [] } }]", "/do/0/a/do", "no tasks"),
    ("{}", "", ""),
    ("do: [{ a: { set: { x: 1 } } }]\nschedule: { cron: '99 0 * * *' }", "/schedule/cron", "not a cron"),
    ("do: [{ a: { set: { x: 1 } } }]\nschedule: {}", "/schedule", "one kind"),
    ("do: [{ a: { set: { x: 1 } } }]\nschedule: { every: PT1S, after: PT1S }", "/schedule", "one kind"),
    ("do: [{ a: { set: { x: 1 } } }]\nschedule: { every: PT0.1S }", "/schedule/every", "once a second"),
    (
        "do: [{ a: { set: { x: 1 } } }]\nschedule: { on: { any: [], until: 'true' } }",
        "/schedule/on/until",
        "no `until`",
    ),
    ("do: [{ a: { set: { x: 1 } } }]\nextra: 1", "/extra", "not a field"),
    ("do: [{ a: { set: { x: 1 } } }]\nevaluate: { mode: lax }", "/evaluate/mode", "not supported"),
    ("do: [{ a: { set: { x: 1 } } }]\nevaluate: { language: js }", "/evaluate/language", "not supported"),
    ("do: [{ a: { set: { x: 1 } } }]\nuse: { secrets: a }", "/use/secrets", "expected a list"),
    ("do: [{ a: { set: { x: 1 } } }]\nuse: { catalogs: {} }", "/use/catalogs", "not supported"),
    (
        "do: [{ a: { set: { x: 1 } } }]\nuse: { authentications: { a: { basic: { use: s } } } }",
        "/use/authentications/a/basic",
        "not declared",
    ),
    (
        "do: [{ a: { set: { x: 1 } } }]\nuse: { authentications: { a: { certificate: {} } } }",
        "/use/authentications/a",
        "certificate",
    ),
    (
        "do: [{ a: { set: { x: 1 } } }]\nuse: { extensions: [ { e: { extend: call } } ] }",
        "/use/extensions/0/e",
        "no tasks",
    ),
    (
        "do: [{ a: { set: { x: 1 } } }]\nuse: { extensions: [ { e: { extend: calls, after: [ { b: { wait: PT1S } } ] } } ] }",
        "/use/extensions/0/e/extend",
        "cannot be extended",
    ),
    ("do: [{ a: {} }]", "/do/0/a", "does not say what it does"),
    ("do: [{ a: { set: { x: 1 }, zap: 1 } }]", "/do/0/a/zap", "not a field"),
    ("do: [{ a: { set: { x: 1 }, call: echo } }]", "/do/0/a/set", "not a field"),
    ("do: [{ a: { set: plain } }]", "/do/0/a/set", "plain text"),
    ("do: [{ a: { set: { x: 1 } }, b: { set: { x: 1 } } }]", "/do/0", "one name"),
    ("do: [{ 'a/b': { set: { x: 1 } } }]", "/do/0", "name cannot be used"),
    ("do: [{ a: { set: { x: 1 } } }, { a: { set: { x: 1 } } }]", "/do/1/a", "stands twice"),
    ("do: [{ a: { set: { x: '${ .a | }' } } }]", "/do/0/a/set/x", "does not compile"),
    ("do: [{ a: { set: { x: '${ $nope }' } } }]", "/do/0/a/set/x", "does not compile"),
    ("do: [{ a: { if: $input.x, set: { x: 1 } } }]", "/do/0/a/if", "does not compile"),
    ("do: [{ a: { set: { x: 1 }, output: { as: $output } } }]", "/do/0/a/output/as", "does not compile"),
    ("do: [{ a: { set: { x: 1 }, then: nowhere } }]", "/do/0/a/then", "no task `nowhere`"),
    (
        "do: [{ a: { do: [{ b: { set: { x: 1 }, then: a } }] } }]",
        "/do/0/a/do/0/b/then",
        "stands in another list",
    ),
    (
        "do: [{ a: { emit: { event: { with: { source: x } } } } }]",
        "/do/0/a/emit/event/with",
        "`type` is missing",
    ),
    (
        "do: [{ a: { emit: { event: { with: { type: x, Sub: y } } } } }]",
        "/do/0/a/emit/event/with/Sub",
        "no name of an attribute",
    ),
    ("do: [{ a: { run: { shell: { command: ls } } } }]", "/do/0/a/run/shell", "not supported"),
    ("do: [{ a: { run: { script: { code: x } } } }]", "/do/0/a/run/script", "not supported"),
    ("do: [{ a: { run: { container: { image: x } } } }]", "/do/0/a/run/container", "not supported"),
    ("do: [{ a: { run: { workflow: { namespace: x } } } }]", "/do/0/a/run/workflow", "`name` is missing"),
    ("do: [{ a: { call: grpc, with: {} } }]", "/do/0/a/call", "over `grpc`"),
    ("do: [{ a: { call: asyncapi, with: {} } }]", "/do/0/a/call", "over `asyncapi`"),
    ("do: [{ a: { call: http, with: { method: get } } }]", "/do/0/a/with", "`endpoint` is missing"),
    (
        "do: [{ a: { call: http, with: { method: get, endpoint: 'file:///etc/passwd' } } }]",
        "/do/0/a/with/endpoint",
        "no address",
    ),
    (
        "do: [{ a: { call: http, with: { method: get, endpoint: { uri: 'https://a.example', authentication: none } } } }]",
        "/do/0/a/with/endpoint/authentication",
        "no `none`",
    ),
    (
        "do: [{ a: { call: mcp, with: { method: tools/call, transport: { stdio: { command: x } } } } }]",
        "/do/0/a/with/transport/stdio",
        "not supported",
    ),
    ("do: [{ a: { call: 'echo:9.0.0@default', with: { value: 1 } } }]", "/do/0/a/call", "no version"),
    ("do: [{ a: { call: 'log:1.0.0@global' } }]", "/do/0/a/call", "catalog"),
    ("do: [{ a: { call: 'https://example.com/f.yaml' } }]", "/do/0/a/call", "cannot be fetched"),
    ("do: [{ a: { call: thing.opne, with: { name: x } } }]", "/do/0/a/call", "no action"),
    ("do: [{ a: { call: thing.open } }]", "/do/0/a/with", "`name` is missing"),
    ("do: [{ a: { call: thing.open, with: { name: 5 } } }]", "/do/0/a/with/name", "string"),
    ("do: [{ a: { call: thing.open, with: { name: x, colour: blue } } }]", "/do/0/a/with/colour", ""),
    (
        "do: [{ a: { call: thing.open, with: { name: '${ .x }', sise: 1 } } }]",
        "/do/0/a/with/sise",
        "no argument",
    ),
    (
        "do: [{ a: { call: thing.open, with: { name: x }, metadata: { compensate: { call: nope } } } }]",
        "/do/0/a/metadata/compensate/call",
        "no action",
    ),
    (
        "do: [{ a: { call: thing.open, with: { name: x }, metadata: { compensate: later } } }]",
        "/do/0/a/metadata/compensate",
        "expected a mapping",
    ),
    ("do: [{ a: { wait: soon } }]", "/do/0/a/wait", "ISO 8601"),
    ("do: [{ a: { wait: { seconds: -1 } } }]", "/do/0/a/wait/seconds", "not a count"),
    ("do: [{ a: { wait: P1M } }]", "/do/0/a/wait", "not fixed"),
    ("do: [{ a: { listen: { to: { all: [] } } } }]", "/do/0/a/listen/to/all", "no filters"),
    ("do: [{ a: { listen: { to: {} } } }]", "/do/0/a/listen/to", "one strategy"),
    ("do: [{ a: { listen: { to: { one: { with: {} } } } } }]", "/do/0/a/listen/to/one/with", "no attribute"),
    (
        "do: [{ a: { listen: { to: { one: { with: { type: x } }, until: 'true' } } } }]",
        "/do/0/a/listen/to/until",
        "belongs to `any`",
    ),
    (
        "do: [{ a: { for: { each: '1x', in: .x }, do: [{ b: { set: { x: 1 } } }] } }]",
        "/do/0/a/for/each",
        "variable",
    ),
    (
        "do: [{ a: { for: { each: input, in: .x }, do: [{ b: { set: { x: 1 } } }] } }]",
        "/do/0/a/for/each",
        "itself",
    ),
    (
        "do: [{ a: { metadata: { parallel: true }, for: { in: .x }, while: .y, do: [{ b: { set: { x: 1 } } }] } }]",
        "/do/0/a/while",
        "no `while`",
    ),
    (
        "do: [{ a: { metadata: { parallel: 0 }, for: { in: .x }, do: [{ b: { wait: PT1S } }] } }]",
        "/do/0/a/metadata/parallel",
        "",
    ),
    (
        "do: [{ a: { metadata: { parallel: 3 }, wait: PT1S } }]",
        "/do/0/a/metadata/parallel",
        "`for` task only",
    ),
    ("do: [{ a: { metadata: { saga: true }, wait: PT1S } }]", "/do/0/a/metadata/saga", "only a `do`"),
    ("do: [{ a: { raise: { error: gone } } }]", "/do/0/a/raise/error", "no `gone`"),
    ("do: [{ a: { raise: { error: { type: x } } } }]", "/do/0/a/raise/error", "`status` is missing"),
    ("do: [{ a: { try: [{ b: { wait: PT1S } }] } }]", "/do/0/a", "`catch` is missing"),
    (
        "do: [{ a: { try: [{ b: { wait: PT1S } }], catch: { retry: { backoff: {} } } } }]",
        "/do/0/a/catch/retry/backoff",
        "not one of its kinds",
    ),
    ("do: [{ a: { timeout: long, wait: PT1S } }]", "/do/0/a/timeout", "no `long`"),
    (
        "do: [{ a: { input: { schema: { format: avro, document: {} } }, wait: PT1S } }]",
        "/do/0/a/input/schema/format",
        "avro",
    ),
    (
        "do: [{ a: { input: { schema: { document: { type: 5 } } }, wait: PT1S } }]",
        "/do/0/a/input/schema/document",
        "JSON Schema",
    ),
    ("do: [{ a: { switch: [{ b: { when: .x } }] } }]", "/do/0/a/switch/0/b", "`then` is missing"),
    (
        "do: [{ a: { switch: [{ b: { then: end } }, { c: { then: end } }] } }]",
        "/do/0/a/switch/1/c",
        "two default",
    ),
    (
        "do: [{ a: { fork: { branches: [{ b: { wait: PT1S, then: c } }, { c: { wait: PT1S } }] } } }]",
        "/do/0/a/fork/branches/0/b/then",
        "cannot leave",
    ),
];

#[test]
fn what_cannot_run_is_refused_with_its_place() {
    for (body, pointer, message) in REFUSALS {
        let found = check(&definition(body), &actions()).map(|_| ()).expect_err(body).problems;
        let hit = found.iter().any(|problem| {
            problem.severity == Severity::Error
                && problem.pointer == *pointer
                && problem.message.contains(message)
                && !problem.fix.is_empty()
        });
        assert!(hit, "{body}: expected `{message}` at `{pointer}`, found {found:#?}");
    }
}

#[test]
fn what_the_specification_has_and_is_not_run_is_a_configuration_error() {
    for (body, pointer) in [
        ("do: [{ a: { run: { shell: { command: ls } } } }]", "/do/0/a/run/shell"),
        ("do: [{ a: { run: { script: { code: x } } } }]", "/do/0/a/run/script"),
        ("do: [{ a: { run: { container: { image: x } } } }]", "/do/0/a/run/container"),
        ("do: [{ a: { call: grpc, with: {} } }]", "/do/0/a/call"),
        ("do: [{ a: { call: asyncapi, with: {} } }]", "/do/0/a/call"),
        (
            "do: [{ a: { call: http, with: { method: get, endpoint: 'file:///etc/passwd' } } }]",
            "/do/0/a/with/endpoint",
        ),
    ] {
        let found = problems(&definition(body));
        let refusal = found.iter().find(|problem| problem.pointer == pointer);
        let refusal = refusal.unwrap_or_else(|| panic!("{body}: nothing at `{pointer}`: {found:#?}"));
        let written = serde_json::to_value(refusal).unwrap();
        let kind = "https://open-workflow-specification.org/spec/1.0.0/errors/configuration";
        assert_eq!(written["type"], kind, "{body}");
    }
    let found = problems(&definition("do: [{ a: { wait: soon } }]"));
    assert!(
        found.iter().all(|problem| problem.kind.is_none()),
        "a slip is no matter of configuration: {found:#?}"
    );
}

#[test]
fn heads_that_are_wrong_are_refused() {
    let cases = [
        ("dsl: '0.9.0', namespace: a, name: b, version: '1.0.0'", "/document/dsl"),
        ("dsl: '1.0.3', namespace: a, name: 'b c', version: '1.0.0'", "/document/name"),
        ("dsl: '1.0.3', namespace: a, name: b, version: '1.0'", "/document/version"),
        ("dsl: '1.0.3', namespace: a, name: b, version: 1.0", "/document/version"),
        ("dsl: '1.0.3', name: b, version: '1.0.0'", "/document"),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { saga: 1 }",
            "/document/metadata/saga",
        ),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { retention: 30 days }",
            "/document/metadata/retention",
        ),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { retention: '${ .x }' }",
            "/document/metadata/retention",
        ),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { retention: { months: 1 } }",
            "/document/metadata/retention/months",
        ),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { deleteAfter: P1M }",
            "/document/metadata/deleteAfter",
        ),
        (
            "dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: { deleteAfter: P1D, retention: { days: 2 } }",
            "/document/metadata/deleteAfter",
        ),
    ];
    for (head, pointer) in cases {
        let found = problems(&format!("document: {{ {head} }}\ndo: [{{ a: {{ wait: PT1S }} }}]"));
        assert!(found.iter().any(|p| p.pointer == pointer), "{head}: {found:#?}");
    }
}

#[test]
fn runs_may_be_deleted_when_their_events_may_go() {
    for (metadata, retention, deletion) in [
        ("deleteAfter: P2D", None, Some(2 * 86_400)),
        ("deleteAfter: PT0S", None, Some(0)),
        ("retention: P1D, deleteAfter: { hours: 24 }", Some(86_400), Some(86_400)),
        ("retention: P1D", Some(86_400), None),
    ] {
        let head =
            format!("dsl: '1.0.3', namespace: a, name: b, version: '1.0.0', metadata: {{ {metadata} }}");
        let source = format!("document: {{ {head} }}\ndo: [{{ a: {{ wait: PT1S }} }}]");
        let definition = check(&source, &actions()).unwrap().definition;
        let seconds = |span: Option<std::time::Duration>| span.map(|span| span.as_secs());
        assert_eq!((seconds(definition.retention), seconds(definition.deletion)), (retention, deletion));
    }
}

#[test]
fn all_problems_are_named_at_once() {
    let body = "
do:
  - a: { call: nope, then: nowhere }
  - b: { set: { x: '${ . | }', y: '${ $zap }' } }
  - c: { emit: {} }
extra: 1";
    let found = problems(&definition(body));
    let mut pointers: Vec<&str> = found.iter().map(|p| p.pointer.as_str()).collect();
    pointers.sort_unstable();
    let expected =
        ["/do/0/a/call", "/do/0/a/then", "/do/1/b/set/x", "/do/1/b/set/y", "/do/2/c/emit", "/extra"];
    assert_eq!(pointers, expected);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let body = "
do:
  - a: { wait: PT1S, then: c }
  - b: { wait: PT1S }
  - c:
      try: [{ d: { call: echo, with: { value: 1 } } }]
      catch: { retry: { delay: PT1S } }";
    let checked = check(&definition(body), &actions()).unwrap();
    let pointers: Vec<&str> = checked.warnings.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/do/1/b", "/do/2/c/catch/retry"]);
}

#[test]
fn a_skipped_task_goes_on_with_the_next() {
    let body = "do: [{ a: { if: .x, set: { x: 1 }, then: end } }, { b: { wait: PT1S } }]";
    assert!(check(&definition(body), &actions()).unwrap().warnings.is_empty());
}

#[test]
fn arguments_with_expressions_pass() {
    let body = "do: [{ a: { call: thing.open, with: { name: '${ .n }', size: '${ .s }', colour: red } } }]";
    assert!(check(&definition(body), &actions()).unwrap().warnings.is_empty());
}

#[test]
fn what_was_probably_meant_is_suggested() {
    let cases = [
        ("do: [{ a: { cal: echo } }]", "/do/0/a/cal", "did you mean `call`?"),
        ("do: [{ a: { wiat: PT1S } }]", "/do/0/a/wiat", "did you mean `wait`?"),
        ("do: [{ a: { wait: PT1S, tehn: end } }]", "/do/0/a/tehn", "did you mean `then`?"),
        ("do: [{ a: { wait: PT1S, then: contineu } }]", "/do/0/a/then", "did you mean `continue`?"),
        (
            "do: [{ first: { wait: PT1S, then: secnod } }, { second: { wait: PT1S } }]",
            "/do/0/first/then",
            "did you mean `second`?",
        ),
        ("do: [{ a: { call: thing.opne } }]", "/do/0/a/call", "did you mean `thing.open`?"),
        ("do: [{ a: { call: thing.open, with: { nmae: x } } }]", "/do/0/a/with/nmae", "did you mean `name`?"),
        ("do: [{ a: { wait: PT1S } }]\nuse: { retrys: {} }", "/use/retrys", "did you mean `retries`?"),
    ];
    for (body, pointer, fix) in cases {
        let found = problems(&definition(body));
        let hit = found.iter().any(|problem| problem.pointer == pointer && problem.fix == fix);
        assert!(hit, "{body}: expected `{fix}`, found {found:#?}");
    }
}

#[test]
fn problems_say_where_in_the_text_they_stand() {
    let source = definition("do:\n  - check:\n      call: thing.opne\n      with: &w { name: x }\nextra: 1");
    let shown: Vec<String> = problems(&source).iter().map(Problem::to_string).collect();
    let expected = [
        "4:7 `/do/0/check/call`: there is no action `thing.opne`; did you mean `thing.open`?",
        "6:1 `/extra`: `extra` is not a field here; remove it, or use one of `document`, `evaluate`, \
         `use`, `schedule`, `input`, `output`, `timeout`, `do`",
    ];
    assert_eq!(shown, expected);
    let written = serde_json::to_value(&problems(&source)[0]).unwrap();
    assert_eq!((&written["line"], &written["column"]), (&4.into(), &7.into()));
}

#[test]
fn what_functions_and_extensions_make_of_a_definition_is_bounded() {
    let call = |name: &str| format!("call: f{name}");
    let chain = |length: usize, calls: usize| {
        let mut text = "use:\n  functions:\n".to_owned();
        for number in 0..length {
            let task = |index: usize| format!("{{ t{index}: {{ {} }} }}", call(&(number + 1).to_string()));
            let tasks: Vec<String> = (0..calls).map(task).collect();
            writeln!(text, "    f{number}: {{ do: [{}] }}", tasks.join(", ")).unwrap();
        }
        writeln!(text, "    f{length}: {{ set: {{ x: 1 }} }}\ndo: [{{ a: {{ call: f0 }} }}]").unwrap();
        definition(&text)
    };
    assert!(check(&chain(3, 10), &actions()).is_ok());
    let said = |source: &str| problems(source).iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    let found = said(&chain(10, 10));
    assert!(found.contains("more than 50000 tasks"), "{found}");
    let found = said(&chain(17, 1));
    assert!(found.contains("more than 16 deep"), "{found}");
    let nested = |depth: usize| {
        let inside =
            (0..depth).fold("{ wait: PT1S }".to_owned(), |task, _| format!("{{ do: [{{ d: {task} }}] }}"));
        let around = "use: { extensions: [{ e: { extend: do, before: [{ b: { set: { x: 1 } } }] } }] }";
        definition(&format!("{around}\ndo: [{{ a: {inside} }}]"))
    };
    assert!(check(&nested(28), &actions()).is_ok(), "{}", said(&nested(28)));
    let deep = (0..9).fold(String::new(), |text, number| {
        let end = if number == 8 { "wait: PT1S".to_owned() } else { call(&(number + 1).to_string()) };
        let inside = (0..20).fold(format!("{{ {end} }}"), |task, _| format!("{{ do: [{{ d: {task} }}] }}"));
        format!("{text}    f{number}: {inside}\n")
    });
    let found = said(&definition(&format!("use:\n  functions:\n{deep}do: [{{ a: {{ call: f0 }} }}]")));
    assert!(found.contains("more than 100 deep"), "{found}");
}

#[test]
fn a_function_has_a_name_that_a_task_can_have() {
    for name in ["f[0]", "f#1", "a/b", "a~b"] {
        let found = problems(&definition(&format!(
            "use: {{ functions: {{ '{name}': {{ set: {{ x: 1 }} }} }} }}\ndo: [{{ a: {{ call: '{name}' }} }}]"
        )));
        assert!(
            found.iter().any(|problem| problem.message == "the name cannot be used"),
            "{name}: {found:#?}"
        );
    }
}

#[test]
fn an_error_is_said_behind_any_number_of_warnings() {
    let mut body = "do:\n  - first: { set: { x: 1 }, then: end }\n".to_owned();
    for number in 0..150 {
        writeln!(body, "  - t{number}: {{ set: {{ x: 1 }}, then: end }}").unwrap();
    }
    body.push_str("  - last: { call: nope }\n");
    let found = problems(&definition(&body));
    assert_eq!(found.len(), 100);
    assert_eq!(found.iter().filter(|problem| problem.severity == Severity::Error).count(), 1);
}

#[test]
fn a_compensation_that_is_wrong_leaves_the_variables_of_loops() {
    let body = "do: [{ l: { for: { in: '[1]' }, do: [
      { a: { call: thing.open, with: { name: x }, metadata: { compensate: { call: grpc } } } },
      { b: { set: { x: '${ $item }' } } }] } }]";
    let found = problems(&definition(body));
    assert_eq!(found.len(), 1, "{found:#?}");
}
