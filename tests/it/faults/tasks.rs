//! kill -9 after any task of a run that uses every task type.

use std::collections::{BTreeMap, BTreeSet};

use promptsales_tests::{Dice, Server, Service, Settings, long_runs, pause, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::ALONE;
use crate::every::crash::{DOUBLES, EVERYTHING, outline};
use crate::steps::{ended, every, register, send_event};

const STARTED: &str = "io.serverlessworkflow.task.started.v1";

/// What came of a run, without what is its own.
#[derive(Debug, PartialEq)]
struct Came {
    status: Value,
    output: Value,
    lifecycle: Value,
    /// What was asked of the service, each once, and what is there in the end.
    asked: BTreeSet<String>,
    there: BTreeMap<String, bool>,
}

/// Starts a run by an event, and has it hear another one.
async fn begin(server: &Server, id: &str) -> String {
    send_event(server, "everything.start", &format!("{id} starts"), json!({ "id": id })).await;
    let run = until("the run", || async {
        let runs = every(server, "/api/v1/runs?workflow=everything").await;
        let own = |run: &&Value| run["input"][0]["data"]["id"] == id;
        runs.iter().find(own).and_then(|run| run["id"].as_str().map(str::to_owned))
    });
    let run = run.await;
    send_event(server, "everything.go", &format!("{id} goes on"), json!({ "id": id, "n": 7 })).await;
    run
}

async fn lifecycle(server: &Server, run: &str) -> Vec<(String, Value)> {
    let events = every(server, &format!("/api/v1/runs/{run}/events")).await;
    let told = |event: &Value| (event["type"].as_str().unwrap_or_default().to_owned(), event["data"].clone());
    events.iter().map(told).collect()
}

async fn tasks_begun(server: &Server, run: &str) -> usize {
    lifecycle(server, run).await.iter().filter(|(kind, _)| kind == STARTED).count()
}

/// The tasks whose own tasks go on side by side.
async fn side_by_side(server: &Server, run: &str) -> BTreeSet<String> {
    let journal = every(server, &format!("/api/v1/runs/{run}/journal")).await;
    let parts = journal.iter().filter(|event| {
        event["type"] == "fork-started"
            || event["type"] == "loop-started" && !event["data"]["parallel"].is_null()
    });
    parts.filter_map(|event| event["data"]["path"].as_str().map(str::to_owned)).collect()
}

/// Waits for the end of a run, and tells what came of it.
async fn came(server: &Server, service: &Service, run: &str, id: &str) -> Came {
    let state = ended(server, run).await;
    let plain = |value: &Value| -> Value {
        serde_json::from_str(&value.to_string().replace(id, "ID")).expect("it is JSON still")
    };
    let lifecycle = outline(&lifecycle(server, run).await, &side_by_side(server, run).await);
    let (mut asked, mut there) = (BTreeSet::new(), BTreeMap::new());
    for request in service.asked() {
        let Some((method, path)) = request.what.split_once(&format!(" /{id}/")) else { continue };
        asked.insert(format!("{method} {path}"));
        there.insert(path.to_owned(), method == "PUT");
    }
    Came { status: state["status"].clone(), output: plain(&state["output"]), lifecycle, asked, there }
}

#[tokio::test]
async fn a_kill_9_after_any_task_changes_nothing() {
    let _alone = ALONE.lock().await;
    let service = Service::start(|_, _| (StatusCode::OK, json!({ "ok": true })));
    let mut server = Server::start(Settings::default()).await;
    for source in [DOUBLES, &EVERYTHING.replace("SHOP", &service.url)] {
        register(&server, source).await.ok();
    }
    let whole = begin(&server, "whole").await;
    let expected = came(&server, &service, &whole, "whole").await;
    let tasks = tasks_begun(&server, &whole).await;
    assert_eq!((expected.status.as_str(), expected.output["heard"].as_u64()), (Some("completed"), Some(7)));
    assert_eq!(expected.there.get("booking"), Some(&false), "{expected:?}");

    let mut dice = Dice::new("a_kill_9_after_any_task_changes_nothing", 5);
    for round in 0..if long_runs() { 100 } else { 10 } {
        let (id, after) = (format!("killed-{round}"), 1 + dice.roll(tasks as u64) as usize);
        let run = begin(&server, &id).await;
        while tasks_begun(&server, &run).await < after {
            pause(1).await;
        }
        server.kill().await;
        server.restart().await;
        let found = came(&server, &service, &run, &id).await;
        assert_eq!(found, expected, "after {after} of {tasks} tasks");
    }
}
