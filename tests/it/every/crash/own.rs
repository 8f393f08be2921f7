//! Cases of the project's own: every task type, every protocol, and what the examples leave out.

use std::time::Duration;

use serde_json::json;

use super::play::{Case, Step};
use super::service::{Rule, rule};

/// Uses every task type; `SHOP` stands for the address of a service.
pub(crate) const EVERYTHING: &str = include_str!("everything.yaml");

/// What it runs in a run of its own.
pub(crate) const DOUBLES: &str = include_str!("doubles.yaml");

fn head(name: &str, more: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}\n{more}\n")
}

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    vec![everything(), protocols(), undoing(), insisting(), ticking(), repeating()]
}

/// Runs that wait, and a run that has the shipped workflow give a signal to all of them.
pub(super) fn acts_on_many() -> Case {
    let child = "run: { workflow: { namespace: test, name: listener, input: {} }, await: false }";
    let bulk = "run: { workflow: { namespace: promptsales, name: act-on-runs, input: { \
        act: signal, with: { name: go, data: 7 }, filter: { workflow: listener } } } }";
    let source = format!(
        "do: [{{ some: {{ for: {{ in: '[1, 2, 3]' }}, do: [{{ one: {{ {child} }} }}] }} }}, \
         {{ rest: {{ wait: PT10S }} }}, {{ all: {{ {bulk} }} }}]"
    );
    let listener = head("listener", "do: [{ go: { listen: { to: { one: { with: { type: go } } } } } }]");
    let definitions = promptsales_workflows::definitions().iter();
    let mut shipped = definitions.filter(|(name, _)| *name == "act-on-runs").map(|(_, source)| *source);
    let shipped = shipped.next().expect("it is shipped");
    let case = Case::new("acts-on-many", &head("acts-on-many", &source)).beside(&listener).beside(shipped);
    case.start(json!({}))
}

fn everything() -> Case {
    let source = EVERYTHING.replace("SHOP", "https://shop.example");
    let case = Case::new("everything", &source).beside(DOUBLES);
    let case = case.rule(Rule { after_ms: 200, ..rule("/quick") });
    let case = case.event("everything.start", json!({ "id": "e-1" }));
    case.event("everything.go", json!({ "id": "e-2", "n": 0 }))
        .event("everything.go", json!({ "id": "e-1", "n": 7 }))
}

/// Every protocol: what may be repeated, and what may not.
fn protocols() -> Case {
    let agent = "server: 'https://agent.example'";
    let tools = "transport: { http: { endpoint: 'https://tools.example/mcp' } }";
    let source = format!(
        "do: [{{ get: {{ call: http, with: {{ method: get, endpoint: 'https://shop.example' }} }} }}, \
         {{ post: {{ call: http, with: {{ method: post, endpoint: 'https://shop.example', body: {{ n: 1 }} }} }} }}, \
         {{ find: {{ call: openapi, with: {{ document: {{ endpoint: 'https://shop.example/api.json' }}, operationId: find }} }} }}, \
         {{ buy: {{ call: openapi, with: {{ document: {{ endpoint: 'https://shop.example/api.json' }}, operationId: buy }} }} }}, \
         {{ list: {{ call: mcp, with: {{ method: tools/list, {tools} }} }} }}, \
         {{ use: {{ call: mcp, with: {{ method: tools/call, parameters: {{ name: x }}, {tools} }} }} }}, \
         {{ look: {{ call: a2a, with: {{ method: tasks/get, {agent}, parameters: {{ id: t-1 }} }} }} }}, \
         {{ ask: {{ call: a2a, with: {{ method: message/send, {agent}, parameters: {{ message: {{ n: 1 }} }} }} }} }}]"
    );
    let case = Case::new("protocols", &head("protocols", &source));
    case.rule(Rule { harmful: true, ..rule("\"buy\"") }).start(json!({}))
}

/// A saga that is undone: calls that are taken back in the reverse order, one by what is harmful to repeat.
fn undoing() -> Case {
    let call = |method: &str, name: &str| {
        format!("call: http, with: {{ method: {method}, endpoint: 'https://shop.example/{name}' }}")
    };
    let book = |name: &str, method: &str| {
        let (put, back) = (call("put", name), call(method, &format!("{name}/back")));
        format!("{{ {name}: {{ {put}, metadata: {{ compensate: {{ {back} }} }} }} }}")
    };
    let source = format!(
        "document: {{ dsl: '1.0.3', namespace: test, name: undoing, version: '1.0.0', metadata: {{ saga: true }} }}\n\
         do: [{}, {}, {{ boom: {{ raise: {{ error: {{ type: 'urn:test:boom', status: 500, title: boom }} }} }} }}]",
        book("hotel", "delete"),
        book("flight", "post"),
    );
    Case::new("undoing", &source).start(json!({}))
}

/// A call that is harmful to repeat, under a policy that tries again whatever happened.
fn insisting() -> Case {
    let post = "{ call: http, with: { method: post, endpoint: 'https://shop.example' } }";
    let retry = "{ retry: { delay: PT1S, limit: { attempt: { count: 3 } } } }";
    let source = format!("do: [{{ insist: {{ try: [{{ post: {post} }}], catch: {retry} }} }}]");
    Case::new("insisting", &head("insisting", &source)).start(json!({}))
}

/// A run that begins by itself at each hour.
fn ticking() -> Case {
    let put = "{ call: http, with: { method: put, endpoint: 'https://shop.example/tick' } }";
    let source = head("ticking", &format!("schedule: {{ every: {{ hours: 1 }} }}\ndo: [{{ put: {put} }}]"));
    let case = Case::new("ticking", &source);
    case.then(Step::Until(Duration::from_secs(2 * 3_600 + 1_800))).then(Step::Clear)
}

/// A run that follows each end of itself.
fn repeating() -> Case {
    let source = head("repeating", "schedule: { after: { hours: 1 } }\ndo: [{ rest: { wait: PT10M } }]");
    let case = Case::new("repeating", &source);
    case.then(Step::Until(Duration::from_secs(2 * 3_600))).then(Step::Clear)
}
