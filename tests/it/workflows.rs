//! Workflows: registered, checked, and run by each type of task.

use promptsales_tests::{Server, Settings};
use serde_json::{Value, json};

use crate::steps::{
    brief, define, done, ended, every, promptsales, register, run, start, tasks, text, waiting,
};

fn source(name: &str, version: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '{version}' }}\n{body}")
}

const ONE: &str = "do: [{ a: { set: { n: 1 } } }]";

#[tokio::test]
async fn a_version_without_the_task_that_a_run_waits_in_does_not_touch_the_run() {
    let mut server = Server::start(Settings::default()).await;
    let listen = "listen: { to: { one: { with: { type: go } } } }";
    let waits = format!("do: [{{ w: {{ {listen} }} }}, {{ a: {{ set: {{ version: 1 }} }} }}]");
    register(&server, &source("edited", "1.0.0", &waits)).await.ok();
    let id = start(&server, "edited", &json!({})).await;
    waiting(&server, &id, "signal").await;
    register(&server, &source("edited", "2.0.0", "do: [{ a: { set: { version: 2 } } }]")).await.ok();
    server.kill().await;
    server.restart().await;
    let waits = waiting(&server, &id, "signal").await;
    assert_eq!((text(&waits, "version"), text(&waits["waitingFor"][0], "task")), ("1.0.0", "/do/0/w"));
    server.http.post(&format!("/api/v1/runs/{id}/signals/go"), &json!({})).await.ok();
    assert_eq!(ended(&server, &id).await["output"], json!({ "version": 1 }));
    let next = start(&server, "edited", &json!({})).await;
    assert_eq!(ended(&server, &next).await["output"], json!({ "version": 2 }));
}

#[tokio::test]
async fn a_definition_is_registered_once_for_each_version() {
    let mut server = Server::start(Settings::default()).await;
    let yaml = register(&server, &source("greet", "1.0.0", ONE)).await;
    assert_eq!(
        (yaml.status, &yaml.body),
        (201, &json!({ "name": "greet", "version": "1.0.0", "warnings": [] }))
    );
    assert_eq!(yaml.headers["location"], "/api/v1/workflows/greet/versions/1.0.0");
    assert!(yaml.headers.contains_key("x-consistency-token"));
    let document = json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "greet-json", "version": "2.1.0" },
        "do": [{ "a": { "set": { "n": 1 }, "then": "end" } }, { "b": { "set": { "n": 2 } } }],
    });
    let json = server.http.post("/api/v1/workflows", &document).await;
    assert_eq!((json.status, text(&json.body, "version")), (201, "2.1.0"), "{}", json.body);
    let warning = &json.body["warnings"][0];
    assert_eq!(
        (text(warning, "severity"), text(warning, "pointer")),
        ("warning", "/do/1/b"),
        "{}",
        json.body
    );
    let again = register(&server, &source("greet", "1.0.0", ONE)).await;
    assert_eq!((again.status, &again.body), (201, &yaml.body));
    let other = register(&server, &source("greet", "1.0.0", "do: [{ a: { set: { n: 2 } } }]")).await;
    assert_eq!(other.problem(409), "version_taken");
    for (version, n) in [("1.10.0", 10), ("1.9.0", 9)] {
        let body = format!("do: [{{ a: {{ set: {{ n: {n} }} }} }}]");
        register(&server, &source("greet", version, &body)).await.ok();
    }
    for _ in 0..2 {
        let listed = every(&server, "/api/v1/workflows").await;
        let of =
            |name: &str| listed.iter().find(|w| w["name"] == name).map(|w| text(w, "version").to_owned());
        let versions = ["greet", "greet-json", "launch-campaign"].map(of);
        assert_eq!(versions.map(Option::unwrap_or_default), ["1.10.0", "2.1.0", "1.1.0"]);
        let shown = server.http.get("/api/v1/workflows/greet").await.ok();
        assert_eq!(
            (text(&shown, "version"), &shown["definition"]["do"][0]["a"]["set"]["n"]),
            ("1.10.0", &json!(10))
        );
        let mut versions: Vec<&str> =
            shown["versions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        versions.sort_unstable();
        assert_eq!(versions, ["1.0.0", "1.10.0", "1.9.0"]);
        let first = server.http.get("/api/v1/workflows/greet/versions/1.0.0").await.ok();
        assert_eq!(first["definition"]["do"][0]["a"]["set"]["n"], json!(1));
        let latest = server.http.post("/api/v1/workflows/greet/runs?wait=10", &json!({})).await.ok();
        let pinned =
            server.http.post("/api/v1/workflows/greet/runs?wait=10&version=1.0.0", &json!({})).await.ok();
        assert_eq!((&latest["output"], &pinned["output"]), (&json!({ "n": 10 }), &json!({ "n": 1 })));
        server.kill().await;
        server.restart().await;
    }
}

#[tokio::test]
async fn a_key_counts_once_for_registrations_too() {
    let server = Server::start(Settings::default()).await;
    let send = async |source: String| {
        let headers = [("idempotency-key", "one")];
        server.http.send(reqwest::Method::POST, "/api/v1/workflows", &headers, Some(source)).await.unwrap()
    };
    let first = send(source("keyed", "1.0.0", ONE)).await;
    let again = send(source("keyed", "1.0.0", ONE)).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(send(source("keyed", "1.0.1", ONE)).await.problem(422), "idempotency_key_reused");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_definition_is_said_at_once() {
    let server = Server::start(Settings::default()).await;
    let body = "
do:
  - a: { call: no.such-action }
  - b: { set: { x: '${ .a | nonsense( }' } }
  - c: { sett: { x: 1 } }
  - d: { set: { x: 1 }, then: nowhere }
  - e: { call: brief.check, with: { brif: 1 } }
  - f: { wait: soon }";
    let refused = register(&server, &source("wrong", "1.0.0", body)).await;
    assert_eq!((refused.status, refused.code()), (422, "invalid_definition"));
    let problems = refused.body["errors"].as_array().unwrap();
    for pointer in ["/do/0/a", "/do/1/b", "/do/2/c", "/do/3/d", "/do/4/e", "/do/5/f"] {
        let found = problems.iter().find(|problem| text(problem, "pointer").starts_with(pointer));
        let found = found.unwrap_or_else(|| panic!("nothing at {pointer}: {}", refused.body));
        assert!(!text(found, "message").is_empty() && !text(found, "fix").is_empty(), "{found}");
        let line = 4 + pointer[4..5].parse::<u64>().unwrap();
        assert_eq!(found["line"], line, "{found}");
        assert!(found["column"].as_u64().unwrap() > 3, "{found}");
    }
    assert_eq!(server.http.get("/api/v1/workflows/wrong").await.problem(404), "not_found");
}

/// Names, bodies, inputs and outputs.
fn programs() -> Vec<(&'static str, &'static str, Value, Value)> {
    vec![
        (
            "set",
            "do: [{ a: { set: { sum: '${ .x + .y }', t: plain } } }]",
            json!({ "x": 1, "y": 2 }),
            json!({ "sum": 3, "t": "plain" }),
        ),
        (
            "switch",
            "do: [{ s: { switch: [{ big: { when: .n > 9, then: big } }, { other: { then: small } }] } }, { big: { set: { is: big }, then: end } }, { small: { set: { is: small } } }]",
            json!({ "n": 3 }),
            json!({ "is": "small" }),
        ),
        (
            "for",
            "do: [{ f: { for: { each: x, at: i, in: .all }, do: [{ a: { set: { got: '${ (.got // []) + [$x * 10 + $i] }' } } }] } }]",
            json!({ "all": [1, 2, 3] }),
            json!({ "got": [10, 21, 32] }),
        ),
        (
            "parallel",
            "do: [{ f: { metadata: { parallel: 2 }, for: { each: x, in: .all }, do: [{ w: { wait: PT0.05S } }, { a: { set: '${ $x * 2 }' } }] } }]",
            json!({ "all": [1, 2, 3] }),
            json!([2, 4, 6]),
        ),
        (
            "fork",
            "do: [{ f: { fork: { branches: [{ a: { set: { n: 1 } } }, { b: { do: [{ w: { wait: PT0.05S } }, { c: { set: { n: 2 } } }] } }] } } }]",
            json!({}),
            json!([{ "n": 1 }, { "n": 2 }]),
        ),
        (
            "race",
            "do: [{ f: { fork: { compete: true, branches: [{ slow: { wait: PT1H } }, { fast: { set: { won: fast } } }] } } }]",
            json!({}),
            json!({ "won": "fast" }),
        ),
        (
            "retry",
            "do: [{ t: { try: [{ a: { raise: { error: { type: x, status: 503, title: Busy } } } }], catch: { errors: { with: { status: 503 } }, retry: { delay: PT0.02S, limit: { attempt: { count: 3 } } }, do: [{ h: { set: { gaveUp: '${ $error.title }' } } }] } } }]",
            json!({}),
            json!({ "gaveUp": "Busy" }),
        ),
        (
            "wait",
            "do: [{ w: { wait: { milliseconds: 20 } } }, { a: { set: { waited: true } } }]",
            json!({}),
            json!({ "waited": true }),
        ),
        (
            "call",
            "do: [{ c: { call: brief.check, with: { brief: '${ . }' }, output: { as: .approval } } }]",
            brief(),
            json!("automatic"),
        ),
        (
            "data",
            "input: { from: .in }\noutput: { as: '{ out: . }' }\ndo: [{ a: { set: { n: '${ .n }' }, export: { as: '{ kept: .n }' } } }, { b: { set: '${ $context }' } }]",
            json!({ "in": { "n": 7 } }),
            json!({ "out": { "kept": 7 } }),
        ),
    ]
}

#[tokio::test]
async fn each_type_of_task_gives_its_output() {
    let server = Server::start(Settings::default()).await;
    for (name, body, input, expected) in programs() {
        define(&server, name, body).await;
        let ran = server.http.post(&format!("/api/v1/workflows/{name}/runs?wait=30"), &input).await;
        assert_eq!((ran.status, &ran.body["status"]), (202, &json!("completed")), "{name}: {}", ran.body);
        assert_eq!(ran.body["output"], expected, "{name}");
        let run = run(&server, text(&ran.body, "runId")).await;
        assert_eq!((&run["input"], &run["output"]), (&input, &expected), "{name}");
    }
}

#[tokio::test]
async fn an_error_that_nobody_catches_ends_a_run() {
    let server = Server::start(Settings::default()).await;
    let body = "do: [{ a: { raise: { error: { type: 'https://example.com/full', status: 409, title: Full, detail: '${ \"no room for \\(.n)\" }' } } } }]";
    define(&server, "full", body).await;
    let ran = server.http.post("/api/v1/workflows/full/runs?wait=30", &json!({ "n": 3 })).await;
    let error = json!({
        "type": "https://example.com/full", "status": 409, "title": "Full", "detail": "no room for 3",
        "instance": "/do/0/a",
    });
    assert_eq!((&ran.body["status"], &ran.body["error"]), (&json!("faulted"), &error), "{}", ran.body);
    assert!(ran.body.get("output").is_none());
    let tasks = tasks(&server, text(&ran.body, "runId")).await;
    assert_eq!(tasks[0]["status"], json!("faulted"));
}

#[tokio::test]
async fn every_action_has_a_page() {
    let server = Server::start(Settings::default()).await;
    let actions = promptsales_workflows::actions::register().expect("no action is there twice");
    let first = server.http.get("/api/v1/actions?limit=5").await.ok();
    assert_eq!((first["items"].as_array().map(Vec::len), first["next"].is_null()), (Some(5), false));
    let listed = every(&server, "/api/v1/actions").await;
    assert_eq!(listed.len(), actions.iter().count());
    for (action, listed) in actions.iter().zip(&listed) {
        assert_eq!(
            (listed["name"].as_str(), &listed["compensates"]),
            (Some(action.name), &json!(action.compensates))
        );
        let shown = server.http.get(&format!("/api/v1/actions/{}", action.name)).await.ok();
        assert_eq!((&shown["input"], &shown["output"]), (&action.input, &action.output));
        let effects = shown["effects"].as_array().expect("a list");
        assert_eq!(
            effects.len(),
            action.effects.len(),
            "each call outside is of a connector that there is: {shown}"
        );
        assert!(effects.iter().all(|effect| effect["deadlineMs"].as_u64() > Some(0)), "{shown}");
        let url = format!("{}/api/v1/actions/{}/docs.md", server.url, action.name);
        let page = reqwest::get(url).await.expect("it answers");
        assert_eq!(page.headers()["content-type"], "text/markdown; charset=utf-8");
        let page = page.text().await.expect("a text");
        assert!(
            page.starts_with(&format!("# `{}` {}\n\n{}", action.name, action.version, action.summary)),
            "{page}"
        );
        for field in action.input["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(page.contains(&format!("| `{field}` | ")), "{field}: {page}");
        }
    }
    assert_eq!(server.http.get("/api/v1/actions/ads.burn").await.problem(404), "not_found");
    let words = ["workflow", "actions", "ads.activate", "--server", &server.url];
    assert_eq!(done(&words).await["effects"][0]["onUnknown"], json!("retry"));
    let (code, page, _) = promptsales(&words).await;
    assert!(code == 0 && page.starts_with("# `ads.activate`"), "{page}");
}
