//! Functions, extensions, secrets, attempts and the loose mode.

use super::*;
use crate::workflow::check::check;
use crate::workflow::definition::{SECRET_CLOSES, SECRET_OPENS};
use crate::workflow::fixtures::actions;

fn output(body: &str, input: Value) -> Value {
    Bed::started(&definition(body), input).output()
}

#[test]
fn a_function_takes_its_arguments_as_its_input() {
    let body = "
use:
  functions:
    add:
      input: { schema: { document: { type: object, required: [a, b] } } }
      set: { sum: '${ .a + .b }', whole: '${ . }' }
    twice:
      do:
        - once: { call: add, with: { a: '${ .n }', b: '${ .n }' } }
        - pick: { set: '${ .sum }' }
do:
  - one: { call: twice, with: { n: '${ .x }' }, output: { as: '{ got: ., from: $input }' } }
  - two: { call: add, with: { a: '${ .got }', b: 1 }, output: { as: .sum } }";
    assert_eq!(output(body, json!({ "x": 4 })), json!(9));
    let bed = Bed::started(&definition(&body.replace("b: 1", "c: 1")), json!({ "x": 4 }));
    assert!(bed.error()["type"].as_str().unwrap().ends_with("/validation"), "{}", bed.error());
}

#[test]
fn functions_that_call_themselves_are_refused() {
    for functions in ["a: { call: a }", "a: { call: b }, b: { do: [ { x: { call: a } } ] }"] {
        let source =
            definition(&format!("use: {{ functions: {{ {functions} }} }}\ndo: [{{ s: {{ call: a }} }}]"));
        let problems = check(&source, &actions()).unwrap_err().problems;
        assert!(problems.iter().any(|p| p.message.contains("calls itself")), "{problems:#?}");
    }
}

#[test]
fn what_is_wrong_in_a_function_is_said_where_it_stands() {
    let source = definition(
        "use: { functions: { a: { set: { x: '${ $zap }' } } } }\ndo: [{ s: { call: a } }, { t: { call: a } }]",
    );
    let problems = check(&source, &actions()).unwrap_err().problems;
    let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/use/functions/a/set/x"]);
}

const LOGGING: &str = "
use:
  extensions:
    - log:
        extend: set
        before: [ { b: { set: { seen: '${ $task.reference }' }, export: { as: '$context + { before: (($context.before // []) + [$task.reference + \" \" + $task.name]) }' } } } ]
        after: [ { a: { set: { any: 1 }, export: { as: '$context + { after: (($context.after // []) + [$task.name]) }' } } } ]
";

#[test]
fn extensions_stand_around_tasks_and_leave_the_data_alone() {
    let body = format!(
        "{LOGGING}\ndo: [{{ one: {{ set: {{ n: '${{ .x + 1 }}' }} }} }}, {{ two: {{ set: {{ n: '${{ .n + 1 }}' }} }} }}]\noutput: {{ as: '{{ out: ., seen: $context }}' }}"
    );
    let found = output(&body, json!({ "x": 1 }));
    assert_eq!(found["out"], json!({ "n": 3 }));
    assert_eq!(found["seen"]["before"], json!(["/do/0/one one", "/do/1/two two"]));
    assert_eq!(found["seen"]["after"], json!(["one", "two"]));
}

#[test]
fn an_extension_may_take_the_place_of_a_task() {
    let body = |when: &str| {
        format!(
            "
use:
  extensions:
    - mock:
        extend: call
        when: {when}
        before: [ {{ m: {{ set: {{ mocked: true }}, then: exit }} }} ]
do:
  - c: {{ call: echo, with: {{ value: real }} }}
  - after: {{ set: {{ got: '${{ . }}' }} }}"
        )
    };
    assert_eq!(
        output(&body("'$task.with.value == \"real\"'"), json!({})),
        json!({ "got": { "mocked": true } })
    );
    assert_eq!(output(&body("'$task.call == \"other\"'"), json!({})), json!({ "got": "real" }));
}

#[test]
fn a_switch_that_is_extended_leads_where_it_did() {
    let body = "
use: { extensions: [ { log: { extend: all, after: [ { a: { wait: PT1S } } ] } } ] }
do:
  - choose: { switch: [ { big: { when: '.n > 3', then: large } }, { small: { then: end } } ] }
  - never: { set: { n: never } }
  - large: { set: { n: large } }";
    let mut bed = Bed::started(&definition(body), json!({ "n": 5 }));
    bed.tick();
    bed.tick();
    assert_eq!(bed.output(), json!({ "n": "large" }));
    let source = definition(&body.replace("then: large", "then: nowhere"));
    assert!(check(&source, &actions()).is_err(), "a target that is not there is found behind an extension");
}

#[test]
fn a_secret_is_a_mark_until_it_is_sent() {
    let body = "use: { secrets: [ shop ] }\ndo: [{ m: { set: { key: '${ \"Bearer \\($secrets.shop.token)\" }' } } }]";
    let found = output(body, json!({}));
    assert_eq!(found, json!({ "key": format!("Bearer {SECRET_OPENS}shop.token{SECRET_CLOSES}") }));
    for (expression, message) in
        [("$secrets.other.x", "not declared"), ("$secrets | keys", "cannot be computed")]
    {
        let source = definition(&format!(
            "use: {{ secrets: [ shop ] }}\ndo: [{{ m: {{ set: {{ x: '${{ {expression} }}' }} }} }}]"
        ));
        let problems = check(&source, &actions()).unwrap_err().problems;
        assert!(problems.iter().any(|p| p.message.contains(message)), "{expression}: {problems:#?}");
    }
}

#[test]
fn a_mark_that_comes_from_outside_is_none() {
    let mark = format!("{SECRET_OPENS}shop.token{SECRET_CLOSES}");
    let input = json!({ "x": mark, &mark: [1] });
    let found = output("do: [{ m: { set: '${ . }' } }]", input).to_string();
    assert!(!found.contains(SECRET_CLOSES) && !found.contains(SECRET_OPENS), "{found}");
    assert!(found.contains("\u{fffd}secret:shop.token\u{fffd}"), "{found}");
    let body = "do: [{ m: { call: mail.send, with: { name: x } } }, { s: { listen: { to: { one: { with: { type: go } } } }, output: { as: '[$input, .]' } } }]";
    let mut bed = Bed::started(&definition(body), json!({}));
    bed.end("send", super::bed::Ending::Ok(json!({ "answer": mark })));
    bed.command("signal", json!({ "name": "go", "data": mark })).unwrap();
    let found = bed.output().to_string();
    assert!(!found.contains(SECRET_CLOSES) && found.matches("secret:shop.token").count() == 2, "{found}");
    let given = "use: { secrets: [k] }\ndo: [{ r: { run: { workflow: { namespace: test, name: other, input: { k: '${ $secrets.k }' } } } } }]";
    let problems = check(&definition(given), &actions()).unwrap_err().problems;
    assert!(problems.iter().any(|p| p.message.contains("not handed to another run")), "{problems:#?}");
}

#[test]
fn each_attempt_of_a_retry_may_have_its_own_time() {
    let body = "do: [{ t: { try: [{ w: { wait: '${ .long }' } }], catch: { errors: { with: { status: 408 } }, retry: { delay: PT1S, limit: { attempt: { count: 2, duration: PT5S } } }, do: [{ s: { set: { gave: up } } }] } } }]";
    let mut bed = Bed::started(&definition(body), json!({ "long": "PT1H" }));
    let mut fired = Vec::new();
    while bed.status() != "completed" {
        fired.push(bed.tick().split(':').next().unwrap().to_owned());
    }
    assert_eq!(fired, ["attempt", "retry", "attempt", "retry", "attempt"]);
    assert_eq!(bed.output(), json!({ "gave": "up" }));
    let mut quick = Bed::started(&definition(body), json!({ "long": "PT1S" }));
    quick.tick();
    assert_eq!(quick.output(), json!({ "long": "PT1S" }));
    assert!(quick.timers.is_empty());
}

#[test]
fn in_the_loose_mode_what_can_be_evaluated_is() {
    let body = "evaluate: { mode: loose }\ndo: [{ a: { set: { x: .n + 1, y: plain text, z: .n.deep, w: '${ .n }' } } }]";
    assert_eq!(output(body, json!({ "n": 1 })), json!({ "x": 2, "y": "plain text", "z": ".n.deep", "w": 1 }));
    let body = "
use: { secrets: [k] }
evaluate: { mode: loose }
do: [{ a: { set: { x: '.n # a note', y: $secrets.k } } }]";
    let mark = format!("{SECRET_OPENS}k{SECRET_CLOSES}");
    assert_eq!(output(body, json!({ "n": 1 })), json!({ "x": 1, "y": mark }));
}

#[test]
fn retry_policies_errors_and_timeouts_are_shared_by_name() {
    let body = "
use:
  errors: { shut: { type: 'https://a.example/shut', status: 503 } }
  retries: { twice: { delay: PT1S, backoff: { exponential: {} }, limit: { attempt: { count: 2 } } } }
  timeouts: { short: { after: PT10S } }
do:
  - t: { try: [{ r: { raise: { error: shut } } }], catch: { retry: twice, do: [{ w: { timeout: short, wait: PT1H } }] } }";
    let mut bed = Bed::started(&definition(body), json!({}));
    assert_eq!(bed.due_in("retry:/do/0/t"), 1_000);
    bed.tick();
    assert_eq!(bed.due_in("retry:/do/0/t"), 2_000);
    bed.tick();
    assert_eq!(bed.due_in("timeout:/do/0/t/catch/do/0/w"), 10_000);
    bed.tick();
    assert_eq!(bed.error()["status"], 408);
}
