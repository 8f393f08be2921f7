//! Data, and the flow from task to task.

use serde_json::Value;

use super::*;

/// Runs a definition of pure tasks to its end.
fn output(body: &str, input: Value) -> Value {
    Bed::started(&definition(body), input).output()
}

/// Each case: a body, an input and the output; the first ones are the specification's conformance scenarios.
#[test]
fn pure_tasks_give_their_output() {
    let cases = [
        (
            "do: [{ loopColors: { for: { each: color, in: .colors }, do: [{ mark: { set: { processed: '${ { colors: (.processed.colors + [ $color ]), indexes: (.processed.indexes + [ $index ]) } }' } } }] } }]",
            json!({ "colors": ["red", "green", "blue"] }),
            json!({ "processed": { "colors": ["red", "green", "blue"], "indexes": [0, 1, 2] } }),
        ),
        (
            "do: [{ all: { do: [{ a: { set: { colors: '${ .colors + [\"red\"] }' } } }, { b: { set: { colors: '${ .colors + [\"green\"] }' } } }] } }]",
            json!({}),
            json!({ "colors": ["red", "green"] }),
        ),
        (
            "do: [{ pick: { switch: [{ r: { when: '.color == \"red\"', then: red } }, { g: { when: '.color == \"green\"', then: green } }] } }, { red: { set: { is: red }, then: end } }, { green: { set: { is: green }, then: end } }]",
            json!({ "color": "green" }),
            json!({ "is": "green" }),
        ),
        (
            "do: [{ pick: { switch: [{ r: { when: '.color == \"red\"', then: red } }], then: end } }, { red: { set: { is: red } } }]",
            json!({ "color": "yellow" }),
            json!({ "color": "yellow" }),
        ),
        (
            "do: [{ pick: { switch: [{ r: { when: '.color == \"red\"', then: red } }, { other: { then: custom } }] } }, { red: { set: { is: red } } }, { custom: { set: { colors: '${ .colors + [ $input.color ] }' } } }]",
            json!({ "color": "yellow" }),
            json!({ "colors": ["yellow"] }),
        ),
        (
            "do: [{ r: { set: { c: '${ .c + [1] }' }, then: g } }, { b: { set: { c: '${ .c + [3] }' }, then: end } }, { g: { set: { c: '${ .c + [2] }' }, then: b } }]",
            json!({}),
            json!({ "c": [1, 2, 3] }),
        ),
        (
            "do: [{ a: { input: { from: .user.claims.subject }, set: { playerId: '${ . }' } } }]",
            json!({ "user": { "claims": { "subject": "me" } } }),
            json!({ "playerId": "me" }),
        ),
        ("do: [{ a: { set: { id: 5 }, output: { as: .id } } }]", json!({}), json!(5)),
        ("do: [{ a: { set: { id: 5 }, output: { as: 'null' } } }]", json!({}), json!(null)),
        ("do: [{ a: { set: '${ .x }' } }]", json!({ "x": [1] }), json!([1])),
        (
            "input: { from: .x }\noutput: { as: { got: '${ . }' } }\ndo: [{ a: { set: { y: '${ . }' } } }]",
            json!({ "x": 1 }),
            json!({ "got": { "y": 1 } }),
        ),
        (
            "do: [{ a: { set: { n: 1 }, export: { as: '{ kept: .n, was: $input.x }' } } }, { b: { set: { n: 2 } } }, { c: { set: { at: '${ $context }' } } }]",
            json!({ "x": 7 }),
            json!({ "at": { "kept": 1, "was": 7 } }),
        ),
        ("do: [{ a: { set: { c: '${ $context.x }' } } }]", json!({ "x": 7 }), json!({ "c": 7 })),
        (
            "do: [{ a: { if: .no, set: { n: 1 }, then: end } }, { b: { set: { saw: '${ . }' } } }]",
            json!({ "no": false }),
            json!({ "saw": { "no": false } }),
        ),
        (
            "do: [{ a: { do: [{ b: { set: { n: 1 }, then: exit } }, { c: { set: { n: 2 } } }] } }, { d: { set: { saw: '${ .n }' } } }]",
            json!({}),
            json!({ "saw": 1 }),
        ),
        (
            "do: [{ a: { do: [{ b: { set: { n: 1 }, then: end } }] } }, { d: { set: { n: 2 } } }]",
            json!({}),
            json!({ "n": 1 }),
        ),
        (
            "do: [{ a: { for: { in: .none }, do: [{ b: { set: { n: 1 } } }] } }]",
            json!({ "none": [], "k": 1 }),
            json!({ "none": [], "k": 1 }),
        ),
        (
            "do: [{ a: { for: { in: [{ n: 1 }, { n: 2 }] }, do: [{ b: { set: '${ [.[]?, $item.n] }' } }] } }]",
            json!([]),
            json!([1, 2]),
        ),
        (
            "do: [{ a: { for: { in: '[1, 2, 3, 4]' }, while: '. < 3', do: [{ b: { set: '${ . + $item }' } }] } }]",
            json!(0),
            json!(3),
        ),
        (
            "do: [{ a: { metadata: { parallel: 2 }, for: { each: n, in: . }, do: [{ b: { set: '${ $n * 10 }' } }] } }]",
            json!([1, 2, 3]),
            json!([10, 20, 30]),
        ),
        (
            "do: [{ a: { metadata: { parallel: true }, for: { in: '[]' }, do: [{ b: { set: '${ 1 }' } }] } }]",
            json!(1),
            json!([]),
        ),
        (
            "do: [{ a: { fork: { branches: [{ b: { set: { n: 1 } } }, { c: { if: 'false', set: { n: 2 } } }, { d: { do: [{ e: { set: { n: 3 } } }] } }] } } }]",
            json!("in"),
            json!([{ "n": 1 }, "in", { "n": 3 }]),
        ),
        (
            "do: [{ a: { fork: { compete: true, branches: [{ b: { wait: PT1S } }, { c: { set: { n: 2 } } }] } } }]",
            json!({}),
            json!({ "n": 2 }),
        ),
        (
            "do: [{ a: { call: echo, with: { value: '${ .x }' } } }]",
            json!({ "x": { "y": 1 } }),
            json!({ "y": 1 }),
        ),
        (
            "do: [{ a: { for: { each: o, in: '[1,2]' }, do: [{ b: { for: { each: i, in: '[3,4]' }, do: [{ c: { set: '${ . + [[$o, $i, $index]] }' } }] } }] } }]",
            json!([]),
            json!([[1, 3, 0], [1, 4, 1], [2, 3, 0], [2, 4, 1]]),
        ),
        (
            "do: [{ a: { set: { n: '${ .n + 1 }' } } }, { b: { switch: [{ more: { when: .n < 4, then: a } }] } }]",
            json!({ "n": 0 }),
            json!({ "n": 4 }),
        ),
    ];
    for (body, input, expected) in cases {
        assert_eq!(output(body, input), expected, "{body}");
    }
}

#[test]
fn descriptors_tell_where_an_expression_is() {
    let body = "do: [{ here: { set: { t: '${ [$task.name, $task.reference, $task.definition.set.x, $task.input] }', x: 1, w: '${ [$workflow.definition.document.name, $workflow.input, $workflow.startedAt.epoch.seconds, ($workflow.id | startswith(\"run_\"))] }', r: '${ $runtime.name }' } } }]";
    let output = output(body, json!({ "k": 1 }));
    assert_eq!(output["t"], json!(["here", "/do/0/here", 1, { "k": 1 }]));
    assert_eq!(output["w"], json!(["example", { "k": 1 }, 1_763_796_000, true]));
    assert_eq!(output["r"], "promptsales");
}

#[test]
fn errors_carry_type_status_and_place() {
    let cases = [
        ("do: [{ a: { set: { x: '${ .a.b }' } } }]", json!({ "a": 1 }), "expression", 400, "/do/0/a"),
        ("do: [{ a: { if: .a.b, set: { x: 1 } } }]", json!({ "a": 1 }), "expression", 400, "/do/0/a"),
        (
            "do: [{ a: { input: { schema: { document: { type: string } } }, set: { x: 1 } } }]",
            json!({}),
            "validation",
            400,
            "/do/0/a",
        ),
        (
            "do: [{ a: { output: { schema: { document: { type: string } } }, set: { x: 1 } } }]",
            json!({}),
            "validation",
            400,
            "/do/0/a",
        ),
        (
            "do: [{ a: { export: { as: '1', schema: { document: { type: string } } }, set: { x: 1 } } }]",
            json!({}),
            "validation",
            400,
            "/do/0/a",
        ),
        (
            "output: { schema: { document: { type: string } } }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
            "validation",
            400,
            "/do",
        ),
        (
            "do: [{ a: { for: { in: .x }, do: [{ b: { set: { x: 1 } } }] } }]",
            json!({ "x": 1 }),
            "expression",
            400,
            "/do/0/a",
        ),
        (
            "do: [{ a: { fork: { branches: [{ b: { set: { x: '${ error }' } } }, { c: { wait: PT1S } }] } } }]",
            json!({}),
            "expression",
            400,
            "/do/0/a/fork/branches/0/b",
        ),
        (
            "do: [{ a: { call: thing.open, with: { name: '${ 5 }' } } }]",
            json!({}),
            "validation",
            400,
            "/do/0/a",
        ),
        (
            "input: { from: .a.b }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({ "a": 1 }),
            "expression",
            400,
            "/do",
        ),
    ];
    for (body, input, kind, status, instance) in cases {
        let bed = Bed::started(&definition(body), input);
        assert_eq!(bed.status(), "faulted", "{body}");
        let error = bed.error();
        assert!(error["type"].as_str().unwrap().ends_with(&format!("errors/{kind}")), "{body}: {error}");
        assert_eq!((&error["status"], &error["instance"]), (&json!(status), &json!(instance)), "{body}");
    }
}

#[test]
fn raised_errors_may_hold_expressions() {
    let body = "
use: { errors: { closed: { type: 'https://example.com/closed', status: 409, title: Closed, detail: '${ \"for \\(.name) by \\($workflow.definition.document.name)\" }' } } }
do: [{ a: { raise: { error: closed } } }]";
    let bed = Bed::started(&definition(body), json!({ "name": "Ann" }));
    let expected = json!({
        "type": "https://example.com/closed", "status": 409, "title": "Closed",
        "detail": "for Ann by example", "instance": "/do/0/a",
    });
    assert_eq!(bed.error(), expected);
}

#[test]
fn an_input_that_does_not_fit_starts_nothing() {
    let body =
        "input: { schema: { document: { type: object, required: [id] } } }\ndo: [{ a: { wait: PT1S } }]";
    let mut bed = Bed::new(&definition(body));
    let refused = bed.command("start", json!({ "workflow": "example", "input": {} })).unwrap_err();
    assert_eq!(refused.code, "invalid_input");
    assert!(bed.events.is_empty());
    let unknown = bed.command("start", json!({ "workflow": "other" })).unwrap_err();
    assert_eq!(unknown.code, "unknown_workflow");
}

#[test]
fn tasks_are_listed_in_the_order_in_which_they_began() {
    let body = "do: [{ a: { if: 'false', set: { x: 1 } } }, { b: { for: { in: '[1, 2]' }, do: [{ c: { set: { x: 1 } } }] } }, { d: { set: { x: '${ error }' } } }, { e: { wait: PT1S } }]";
    let bed = Bed::started(&definition(body), json!({}));
    let found = bed.tasks();
    let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let expected = [
        ("/do/0/a", "skipped 1"),
        ("/do/1/b", "completed 1"),
        ("/do/1/b[0]/do/0/c", "completed 1"),
        ("/do/1/b[1]/do/0/c", "completed 1"),
        ("/do/2/d", "faulted 1"),
    ];
    assert_eq!(found, expected);
}
