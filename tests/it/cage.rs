//! The cage of expressions in the running server. Every expression of the engine's own suite is sent to it: none takes
//! it down, holds up what others do, or leaves anything behind that a person would have to see to.

use std::cell::Cell;

use futures_util::StreamExt;
use futures_util::stream;
use promptsales_tests::{Server, Settings, Stopwatch, pause};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::steps::{define, items, run, start, text};

/// The expressions, which the unit tests of the cage hold.
const SUITE: &str = include_str!("../../engine/src/workflow/expression/tests/hostile.json");
/// Hostile requests under way at the same time.
const AT_ONCE: usize = 6;
/// How long anything of the others may take, in a debug build on a busy machine.
const PATIENCE_MS: u128 = 10_000;
/// What the type of an error begins with that the specification names.
const STANDARD: &str = "https://open-workflow-specification.org/spec/1.0.0/errors/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    machine: Vec<String>,
    recursive: Vec<String>,
    refused: Vec<Group>,
    heights: Vec<usize>,
    towers: Vec<Tower>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    input: Value,
    #[serde(default)]
    times: Option<usize>,
    sources: Vec<String>,
}

/// A source made of parts that are repeated, with the number of the repetition in them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tower {
    before: String,
    open: String,
    middle: String,
    close: String,
    after: String,
}

impl Tower {
    fn source(&self, height: usize) -> String {
        let numbered =
            |part: &str, i: usize| part.replace("<i>", &i.to_string()).replace("<i+1>", &(i + 1).to_string());
        let repeated = |part: &str| -> String { (0..height).map(|i| numbered(part, i)).collect() };
        let after = self.after.replace("<n>", &height.to_string());
        [self.before.clone(), repeated(&self.open), self.middle.clone(), repeated(&self.close), after]
            .concat()
    }
}

/// What has to become of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its definition is refused.
    Refused,
    /// Its definition is refused, or its run ends in an error.
    Fails,
    /// The same, or its run completes.
    Ends,
}

/// Where it stands in a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Set,
    If,
    When,
    In,
    Export,
    Output,
}

const ELSEWHERE: [Place; 5] = [Place::If, Place::When, Place::In, Place::Export, Place::Output];

struct Case {
    source: String,
    input: Value,
    place: Place,
    fate: Fate,
}

/// Every expression in a `set`, and one of each few in another place too.
fn cases() -> Vec<Case> {
    let suite: Suite = serde_json::from_str(SUITE).expect("the suite can be read");
    let mut cases = Vec::new();
    let mut add = |source: &str, input: &Value, fate| {
        let more = (cases.len() % 8 == 0).then(|| ELSEWHERE[cases.len() / 8 % ELSEWHERE.len()]);
        for place in [Some(Place::Set), more].into_iter().flatten() {
            cases.push(Case { source: source.to_owned(), input: input.clone(), place, fate });
        }
    };
    for source in suite.machine.iter().chain(&suite.recursive) {
        add(source, &Value::Null, Fate::Refused);
    }
    for Group { name, input, times, sources } in suite.refused {
        let input = match (times, &input) {
            (Some(times), Value::String(text)) => json!(text.repeat(times)),
            (None, _) => input,
            (Some(_), _) => panic!("`{name}` repeats what is no text"),
        };
        sources.iter().for_each(|source| add(source, &input, Fate::Fails));
    }
    let towers =
        suite.heights.iter().flat_map(|height| suite.towers.iter().map(|tower| tower.source(*height)));
    cases.extend(towers.map(|source| Case { source, input: json!({}), place: Place::Set, fate: Fate::Ends }));
    cases
}

/// A workflow with the expression in its place, over the field `value` of the run's input.
fn definition(name: &str, case: &Case) -> Value {
    let code = format!("${{ {} }}", case.source);
    let mut task = match case.place {
        Place::Set => json!({ "set": { "x": code } }),
        Place::If => json!({ "if": code, "set": { "x": 1 } }),
        Place::When => json!({ "switch": [{ "hit": { "when": code, "then": "end" } }] }),
        Place::In => json!({ "for": { "each": "x", "in": code }, "do": [{ "a": { "set": { "x": 1 } } }] }),
        Place::Export => json!({ "set": "${ . }", "export": { "as": code } }),
        Place::Output => json!({ "set": "${ . }", "output": { "as": code } }),
    };
    task["input"] = json!({ "from": "${ .value }" });
    json!({
        "document": { "dsl": "1.0.3", "namespace": "cage", "name": name, "version": "1.0.0" },
        "do": [{ "hostile": task }],
    })
}

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    Refused,
    Faulted,
    Completed,
}

/// Registers the workflow of a case, and runs it where it is taken.
async fn play(server: &Server, number: usize, case: &Case) -> Result<Out, String> {
    let name = format!("hostile-{number}");
    let registered = server.http.post("/api/v1/workflows", &definition(&name, case)).await;
    match (registered.status, registered.code()) {
        (422, "invalid_definition") => return Ok(Out::Refused),
        (201, _) => {}
        (status, _) => return Err(format!("its definition is answered {status}: {}", registered.body)),
    }
    let path = format!("/api/v1/workflows/{name}/runs?wait=30");
    let ran = server.http.post(&path, &json!({ "value": case.input })).await;
    let kind = ran.body["error"]["type"].as_str().unwrap_or_default();
    match (ran.status, ran.body["status"].as_str()) {
        (202, Some("faulted")) if kind.starts_with(STANDARD) => Ok(Out::Faulted),
        (202, Some("completed")) => Ok(Out::Completed),
        (status, _) => Err(format!("its run is answered {status}: {}", ran.body)),
    }
}

/// Plays every case; gives those that came out otherwise than they had to, and how many came out in each way.
async fn attack(server: &Server, cases: &[Case]) -> (Vec<String>, [usize; 3]) {
    let play = |(number, case)| async move { (case, play(server, number, case).await) };
    let mut played = stream::iter(cases.iter().enumerate()).map(play).buffer_unordered(AT_ONCE);
    let (mut wrong, mut counts) = (Vec::new(), [0; 3]);
    while let Some((case, out)) = played.next().await {
        let Case { source, place, fate, .. } = case;
        let fits = match (fate, &out) {
            (_, Err(_)) => false,
            (Fate::Refused, Ok(out)) => *out == Out::Refused,
            (Fate::Fails, Ok(out)) => *out != Out::Completed,
            (Fate::Ends, Ok(_)) => true,
        };
        if let Ok(out) = out {
            counts[out as usize] += 1;
        }
        if !fits {
            wrong.push(format!(
                "{:.80} in {place:?}: {out:?}, not {fate:?}",
                source.escape_debug().to_string()
            ));
        }
    }
    (wrong, counts)
}

/// What others do meanwhile: a command and a run of their own, again and again. Gives how long each pair took.
async fn others(server: &Server, is_over: &Cell<bool>) -> Vec<u128> {
    let mut took = Vec::new();
    while !is_over.get() {
        let number = took.len();
        let watch = Stopwatch::start();
        let path = format!("/api/v1/leads/~calm-{}/commands/record-activity", number % 7);
        server.http.post(&path, &json!({ "activity": "opened", "score": 1 })).await.ok();
        let ran = server.http.post("/api/v1/workflows/calm/runs?wait=30", &json!({ "n": number })).await.ok();
        assert_eq!(
            (&ran["status"], &ran["output"]),
            (&json!("completed"), &json!({ "n": number + 1 })),
            "{ran}"
        );
        took.push(watch.ms());
    }
    took
}

/// Demands that nothing was restarted or set aside.
async fn nothing_is_left(server: &Server) -> Value {
    let tree = server.http.get("/api/v1/supervision?limit=10000").await.ok();
    let mut children: Vec<&Value> =
        ["services", "partitions"].iter().flat_map(|list| list_of(&tree, list)).collect();
    let within = list_of(&tree, "partitions").iter().flat_map(|partition| list_of(partition, "services"));
    children.extend(within);
    assert!(children.len() > 4, "{tree}");
    for child in children.into_iter().chain([&tree["node"]]) {
        assert!(child["restarts"].as_u64().unwrap_or(0) == 0 && child["lastFault"].is_null(), "{child}");
    }
    for entity in list_of(&tree, "entities") {
        assert!(entity["lastFault"].is_null() && entity["state"] != "quarantined", "{entity}");
    }
    for list in ["dead-letters?status=all", "quarantine", "overdue"] {
        let page = server.http.get(&format!("/api/v1/{list}")).await.ok();
        assert_eq!(items(&page), [] as [Value; 0], "{list}");
    }
    tree
}

#[track_caller]
fn list_of<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value[list].as_array().unwrap_or_else(|| panic!("no `{list}` in {value}"))
}

fn process_of(server: &Server) -> String {
    std::fs::read_to_string(server.folder().join("lock")).expect("the lock tells the process")
}

/// Values deeper than any that is taken, as the input of a run.
async fn deep_inputs_are_refused(server: &Server) {
    for depth in [101, 300, 5_000, 200_000] {
        let (open, close) = (r#"[{"a":"#.repeat(depth / 2), "}]".repeat(depth / 2));
        let body = format!(r#"{{"value":{open}1{close}}}"#);
        let sent = server.http.send(Method::POST, "/api/v1/workflows/calm/runs", &[], Some(body)).await;
        let answer = sent.expect("the server answers");
        assert!((400..500).contains(&answer.status), "{depth}: {}", answer.body);
    }
}

#[tokio::test]
async fn hostile_expressions_end_and_hold_nobody_up() {
    let cases = cases();
    let mut server = Server::start(Settings::default()).await;
    define(&server, "calm", "do: [{ a: { set: { n: '${ .n + 1 }' } } }]").await;
    let (process, watch) = (process_of(&server), Stopwatch::start());
    let is_over = Cell::new(false);
    let attacked = async {
        let attacked = attack(&server, &cases).await;
        deep_inputs_are_refused(&server).await;
        is_over.set(true);
        attacked
    };
    let ((wrong, counts), took) = tokio::join!(attacked, others(&server, &is_over));
    assert!(wrong.is_empty(), "{} came out otherwise:\n{}", wrong.len(), wrong.join("\n"));
    let [refused, faulted, completed] = counts;
    assert!(refused > 500 && faulted > 200 && completed > 50, "{counts:?}: the attack shows nothing");
    let longest = took.iter().max().copied().unwrap_or_default();
    assert!(
        took.len() >= 20 && longest < PATIENCE_MS,
        "{} rounds of others, the longest of {longest} ms",
        took.len()
    );
    let up_ms = u128::from(nothing_is_left(&server).await["node"]["uptimeMs"].as_u64().expect("it tells"));
    assert!(process_of(&server) == process && up_ms >= watch.ms() - PATIENCE_MS, "up {up_ms} ms");
    // What was taken can be loaded again.
    server.kill().await;
    server.restart().await;
    let ran = server.http.post("/api/v1/workflows/calm/runs?wait=30", &json!({ "n": 1 })).await.ok();
    assert_eq!(text(&ran, "status"), "completed");
    nothing_is_left(&server).await;
}

#[tokio::test]
async fn a_loop_of_heavy_expressions_holds_nobody_up_and_can_be_ended() {
    let server = Server::start(Settings::default()).await;
    define(&server, "calm", "do: [{ a: { set: { n: '${ .n + 1 }' } } }]").await;
    // Each item takes nearly as much as one expression may, and the whole would take minutes.
    let heavy = "do: [{ f: { for: { in: '[range(5000)]' }, do: [{ a: { set: { n: '${ last(range(100000)) }' } } }] } }]";
    define(&server, "heavy", heavy).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(start(&server, "heavy", &json!({})).await);
    }
    let is_over = Cell::new(false);
    let ended = async {
        pause(1_500).await;
        for id in &runs {
            let run = run(&server, id).await;
            assert!(run["endedAt"].is_null(), "it goes on: {run}");
            server.http.post(&format!("/api/v1/runs/{id}/terminate"), &json!({})).await.ok();
        }
        is_over.set(true);
    };
    let (took, ()) = tokio::join!(others(&server, &is_over), ended);
    let longest = took.iter().max().copied().unwrap_or_default();
    assert!(longest < PATIENCE_MS, "the longest of {} took {longest} ms", took.len());
    for id in &runs {
        assert_eq!(text(&run(&server, id).await, "status"), "cancelled");
    }
    nothing_is_left(&server).await;
}
