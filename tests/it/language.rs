//! The workflow language against the real server: events, other workflows, services, schedules, drawings, and what
//! people can do to runs.

use promptsales_tests::{Asked, Server, Service, Settings, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::steps::{ended, every, register, send_event, start, text, waiting};

fn source(name: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}\n{body}")
}

async fn served(sources: &[(&str, &str)]) -> Server {
    let server = Server::start(Settings::default()).await;
    for (name, body) in sources {
        register(&server, &source(name, body)).await.ok();
    }
    server
}

const LISTENS: &str = "do: [{ l: { listen: { to: { one: { with: { type: paid }, correlate: { order: { from: .data.order, expect: '${ .id }' } } } } } } }]";

#[tokio::test]
async fn an_event_from_outside_comes_to_the_run_that_waits_for_it_once_over_kill_9() {
    let mut server = served(&[("buys", LISTENS)]).await;
    let mut runs = Vec::new();
    for n in 0..5 {
        runs.push(start(&server, "buys", &json!({ "id": format!("o-{n}") })).await);
    }
    // This one comes before the run that waits for it listens: it is started behind a wait.
    register(&server, &source("waits", &LISTENS.replace("do: [", "do: [{ w: { wait: { seconds: 1 } } }, ")))
        .await
        .ok();
    let late = start(&server, "waits", &json!({ "id": "early" })).await;
    send_event(&server, "paid", "0", json!({ "order": "early" })).await;
    for n in [3, 1] {
        send_event(&server, "paid", &n.to_string(), json!({ "order": format!("o-{n}"), "n": n })).await;
    }
    server.kill().await;
    server.restart().await;
    for n in [3, 1] {
        // What is sent again is recognised.
        send_event(&server, "paid", &n.to_string(), json!({ "order": format!("o-{n}"), "n": 99 })).await;
        let run = ended(&server, &runs[n]).await;
        assert_eq!(run["output"], json!([{ "order": format!("o-{n}"), "n": n }]));
    }
    assert_eq!(ended(&server, &late).await["output"], json!([{ "order": "early" }]));
    for n in [0, 2, 4] {
        waiting(&server, &runs[n], "signal").await;
    }
}

#[tokio::test]
async fn one_run_emits_what_another_hears_and_runs_a_third() {
    let hears = "do: [{ l: { listen: { to: { any: [ { with: { type: step } } ], until: { one: { with: { type: done } } } } }, foreach: { item: e, do: [ { d: { run: { workflow: { namespace: test, name: doubles, input: { n: '${ $e }' } } } } } ] } } }]";
    let emits = "do: [{ f: { for: { each: n, in: '[1,2,3]' }, do: [ { e: { emit: { event: { with: { type: step, data: '${ $n }' } } } } } ] } }]";
    let ends = "do: [{ d: { emit: { event: { with: { type: done } } } } }]";
    let doubles = "do: [{ s: { set: '${ .n * 2 }' } }]";
    let server = served(&[("hears", hears), ("emits", emits), ("ends", ends), ("doubles", doubles)]).await;
    let hearing = start(&server, "hears", &json!({})).await;
    waiting(&server, &hearing, "signal").await;
    let emitting = start(&server, "emits", &json!({})).await;
    ended(&server, &emitting).await;
    let sorted = |outputs: Vec<Option<i64>>| {
        let mut found: Vec<_> = outputs.into_iter().map(|n| n.expect("it is a number")).collect();
        found.sort_unstable();
        found
    };
    // The end is told only now: what is not seen to when it is heard is left.
    let runs = until("three runs", || async {
        let runs = every(&server, "/api/v1/runs?workflow=doubles&status=completed").await;
        (runs.len() >= 3).then_some(runs)
    })
    .await;
    assert_eq!(sorted(runs.iter().map(|run| run["output"].as_i64()).collect()), [2, 4, 6]);
    until("three rounds", || async {
        let tasks = every(&server, &format!("/api/v1/runs/{hearing}/tasks")).await;
        let done = tasks.iter().filter(|task| task["type"] == "run" && task["status"] == "completed");
        (done.count() == 3).then_some(())
    })
    .await;
    let ending = start(&server, "ends", &json!({})).await;
    assert_eq!(ended(&server, &ending).await["output"]["type"], "done");
    let run = ended(&server, &hearing).await;
    let outputs = run["output"].as_array().expect("it is a list");
    assert_eq!(sorted(outputs.iter().map(Value::as_i64).collect()), [2, 4, 6], "{run}");
    let events = every(&server, &format!("/api/v1/runs/{emitting}/events")).await;
    assert_eq!(text(&events[0], "type"), "io.serverlessworkflow.workflow.started.v1");
    assert_eq!(
        text(events.last().expect("it is there"), "type"),
        "io.serverlessworkflow.workflow.completed.v1"
    );
}

/// A service that says what it was asked, and fails the first so many times.
fn service(fails: usize) -> Service {
    Service::start(move |number, Asked { what, head }| {
        let token = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        let token = token.is_some_and(|token| token.ends_with("s3cr3t"));
        let status = if number < fails { StatusCode::NOT_FOUND } else { StatusCode::OK };
        (status, json!({ "asked": what, "token": token }))
    })
}

#[tokio::test]
async fn a_service_is_called_with_a_secret_that_is_nowhere_to_be_read() {
    let address = service(0).url;
    let folder = tempfile::tempdir().expect("it is there");
    let secrets = folder.path().join("secrets.yaml");
    std::fs::write(&secrets, "shop: { token: s3cr3t }\n").expect("it is there");
    let env = vec![("PROMPTSALES_SECRETS".to_owned(), secrets.display().to_string())];
    let server = Server::start(Settings { env, ..Settings::default() }).await;
    let body = format!(
        "use: {{ secrets: [ shop ] }}\ndo: [{{ c: {{ call: http, with: {{ method: get, endpoint: {{ uri: '{address}/pets/{{petId}}', authentication: {{ bearer: {{ token: '${{ $secrets.shop.token }}' }} }} }}, query: {{ q: '${{ .q }}' }} }} }} }}]"
    );
    register(&server, &source("calls", &body)).await.ok();
    let run = start(&server, "calls", &json!({ "petId": "a b", "q": "x&y" })).await;
    let ended = ended(&server, &run).await;
    assert_eq!(ended["output"], json!({ "asked": "GET /pets/a%20b?q=x%26y", "token": true }), "{ended}");
    let [journal, tasks] = ["journal", "tasks"].map(|list| format!("/api/v1/runs/{run}/{list}"));
    let told = format!("{ended}{:?}{:?}", every(&server, &journal).await, every(&server, &tasks).await);
    assert!(!told.contains("s3cr3t") && !server.log().contains("s3cr3t"));
}

#[tokio::test]
async fn a_run_that_failed_is_retried_or_restarted() {
    let service = service(2);
    let address = &service.url;
    let body = format!(
        "do: [{{ c: {{ call: http, with: {{ method: get, endpoint: '{address}/x' }} }} }}, {{ s: {{ set: {{ done: true }} }} }}]"
    );
    let server = served(&[("calls", &body)]).await;
    let run = start(&server, "calls", &json!({})).await;
    let failed = ended(&server, &run).await;
    assert_eq!((text(&failed, "status"), &failed["error"]["status"]), ("faulted", &json!(404)));
    assert!(text(&failed["error"], "type").ends_with("/errors/communication"));
    let act = async |run: &str, verb: &str, body: Value| {
        server.http.post(&format!("/api/v1/runs/{run}/{verb}"), &body).await
    };
    act(&run, "retry", json!({ "reason": "again" })).await.ok();
    until("the second failure", || async { (service.asked().len() == 2).then_some(()) }).await;
    ended(&server, &run).await;
    act(&run, "retry", json!({})).await.ok();
    until("the end", || async {
        let run = server.http.get(&format!("/api/v1/runs/{run}")).await.ok();
        (run["status"] == "completed").then_some(())
    })
    .await;
    let again = act(&run, "restart", json!({ "reason": "once more" }))
        .await
        .expect(202.try_into().expect("it is there"));
    assert_eq!(ended(&server, text(&again, "runId")).await["output"], json!({ "done": true }));
    assert_eq!(act(&run, "retry", json!({})).await.problem(409), "run_ended");
    assert_eq!(act(&run, "move", json!({ "too": 1 })).await.problem(422), "invalid_command");
    let journal = every(&server, &format!("/api/v1/runs/{run}/journal")).await;
    let reopened = journal.iter().find(|event| event["type"] == "reopened").expect("it is there");
    assert_eq!((text(&reopened["data"], "reason"), text(reopened, "principal")), ("again", "dev"));
}

#[tokio::test]
async fn a_run_is_skipped_moved_patched_and_terminated() {
    let address = service(usize::MAX).url;
    let fails = format!(
        "do: [{{ c: {{ call: http, with: {{ method: get, endpoint: '{address}/x' }} }} }}, {{ s: {{ set: {{ got: '${{ .n }}' }} }} }}]"
    );
    let steps = "do: [{ w: { wait: { hours: 1 } } }, { never: { set: { n: 0 } } }, { last: { set: { got: '${ .n }', more: '${ $context.more }' } } }]";
    let server = served(&[("fails", &fails), ("steps", steps)]).await;
    let act = async |run: &str, verb: &str, body: Value| {
        server.http.post(&format!("/api/v1/runs/{run}/{verb}"), &body).await
    };
    let skipped = start(&server, "fails", &json!({})).await;
    assert_eq!(text(&ended(&server, &skipped).await, "status"), "faulted");
    act(&skipped, "skip", json!({ "output": { "n": 7 }, "reason": "seen to" })).await.ok();
    let run = ended(&server, &skipped).await;
    assert_eq!((text(&run, "status"), &run["output"]), ("completed", &json!({ "got": 7 })));

    let moved = start(&server, "steps", &json!({ "n": 1 })).await;
    waiting(&server, &moved, "timer").await;
    assert_eq!(act(&moved, "move", json!({ "to": "/do/9/gone" })).await.problem(422), "unknown_task");
    act(&moved, "patch", json!({ "context": { "more": true } })).await.ok();
    act(&moved, "move", json!({ "to": "/do/2/last", "input": { "n": 5 } })).await.ok();
    let run = ended(&server, &moved).await;
    assert_eq!(run["output"], json!({ "got": 5, "more": true }), "{run}");

    let over = start(&server, "steps", &json!({})).await;
    waiting(&server, &over, "timer").await;
    act(&over, "terminate", json!({ "reason": "enough" })).await.ok();
    assert_eq!(text(&ended(&server, &over).await, "status"), "cancelled");
    assert_eq!(act(&over, "patch", json!({ "context": {} })).await.problem(409), "run_ended");
}

#[tokio::test]
async fn a_restart_counts_once_under_a_key_also_when_its_run_has_followed_a_version() {
    let body = "do: [{ w: { wait: { hours: 1 } } }]";
    let server = served(&[("waits", body)]).await;
    let run = start(&server, "waits", &json!({ "n": 1 })).await;
    let path = format!("/api/v1/runs/{run}/restart");
    let first = server.http.post_keyed(&path, "once", &json!({})).await;
    register(&server, &source("waits", body).replace("1.0.0", "2.0.0")).await.ok();
    server.http.post(&format!("/api/v1/runs/{run}/migrate"), &json!({})).await.ok();
    let again = server.http.post_keyed(&path, "once", &json!({})).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let new = format!("/api/v1/runs/{}", text(&first.body, "runId"));
    for (answer, replayed) in [(&first, None), (&again, Some("true"))] {
        assert_eq!(answer.headers.get("location"), Some(&new));
        assert_eq!(answer.headers.get("idempotency-replayed").map(String::as_str), replayed);
    }
    let other = server.http.post_keyed(&path, "once", &json!({ "reason": "another" })).await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
}

#[tokio::test]
async fn runs_begin_by_themselves_over_kill_9_until_the_latest_version_says_otherwise() {
    let mut server =
        served(&[("ticks", "schedule: { every: { seconds: 1 } }\ndo: [{ s: { set: { n: 1 } } }]")]).await;
    let count = async |server: &Server| every(server, "/api/v1/runs?workflow=ticks").await.len();
    until("two runs", || async { (count(&server).await >= 2).then_some(()) }).await;
    server.kill().await;
    server.restart().await;
    let before = count(&server).await;
    until("two more", || async { (count(&server).await >= before + 2).then_some(()) }).await;
    let shown = server.http.get("/api/v1/workflows/ticks").await.ok();
    assert_eq!(shown["schedule"]["active"], true, "{shown}");
    let next = source("ticks", "do: [{ s: { set: { n: 2 } } }]").replace("1.0.0", "2.0.0");
    register(&server, &next).await.ok();
    until("the schedule's end", || async {
        let shown = server.http.get("/api/v1/workflows/ticks").await.ok();
        (shown["schedule"]["active"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_starts_a_run_with_it_as_its_input() {
    let body = "schedule: { on: { one: { with: { type: low, data: '${ .bpm < 60 }' } } } }\ndo: [{ s: { set: { who: '${ $workflow.input[0].data.who }' } } }]";
    let server = served(&[("alarms", body)]).await;
    send_event(&server, "low", "1", json!({ "bpm": 70, "who": "Ana" })).await;
    send_event(&server, "low", "2", json!({ "bpm": 40, "who": "Eva" })).await;
    send_event(&server, "low", "2", json!({ "bpm": 40, "who": "Eva" })).await;
    let runs = until("the run", || async {
        let runs = every(&server, "/api/v1/runs?workflow=alarms&status=completed").await;
        (!runs.is_empty()).then_some(runs)
    })
    .await;
    assert_eq!((runs.len(), &runs[0]["output"]), (1, &json!({ "who": "Eva" })));
}

#[tokio::test]
async fn definitions_and_runs_are_drawn() {
    let server = served(&[("buys", LISTENS)]).await;
    let run = start(&server, "buys", &json!({ "id": "o-1" })).await;
    waiting(&server, &run, "signal").await;
    for path in [
        "/api/v1/workflows/launch-campaign/diagram.svg".to_owned(),
        format!("/api/v1/runs/{run}/diagram.svg"),
    ] {
        let drawn = reqwest::get(format!("{}{path}", server.url)).await.expect("it is there");
        assert_eq!(drawn.headers()["content-type"], "image/svg+xml; charset=utf-8");
        assert!(drawn.text().await.expect("it is there").starts_with("<svg"), "{path}");
    }
}
