//! The service itself: probes, description, start, end, and the commands that need no server.

use std::collections::BTreeSet;
use std::path::Path;

use promptsales_tests::{Server, Settings, binary, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::steps::{brief, define, ended, every, start, text, waiting};

/// Runs the binary to its end: its exit code, and what it wrote.
async fn promptsales(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    command.args(args).kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PROMPTSALES_")) {
        command.env_remove(name);
    }
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), command.output()).await;
    let ended = ended.expect("it ends at once").expect("the binary can be run");
    let told = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8_lossy(&told).into_owned())
}

fn in_folder<'a>(command: &'a str, folder: &'a Path) -> Vec<&'a str> {
    vec![
        command,
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        folder.to_str().expect("a path in Unicode"),
    ]
}

#[tokio::test]
async fn probes_and_metrics_answer() {
    let server = Server::start(Settings::default()).await;
    for path in ["/healthz", "/api/health", "/api/v1/health"] {
        assert_eq!(server.http.get(path).await.ok(), json!({ "status": "ok" }), "{path}");
    }
    let ready = server.http.get("/readyz").await.ok();
    assert_eq!((text(&ready, "status"), &ready["partitions"]), ("ready", &json!([0])));
    let activity = json!({ "activity": "opened", "score": 1 });
    server.http.post("/api/v1/leads/~m/commands/record-activity", &activity).await.ok();
    server.http.post("/api/v1/leads/~m/commands/move-stage", &json!({ "to": "lost" })).await;
    let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
    ended(&server, text(&launched, "runId")).await;
    // Gauges are set once a second.
    let metrics = until("the gauges", || async {
        let metrics = server.http.get("/metrics").await;
        assert!(metrics.headers["content-type"].starts_with("text/plain; version=0.0.4"));
        let text = metrics.body.as_str().unwrap().to_owned();
        text.contains("promptsales_live_actors").then_some(text)
    })
    .await;
    for name in [
        "promptsales_commit_seconds",
        "promptsales_commit_entries",
        "promptsales_commands_total{kind=\"lead\",outcome=\"accepted\"}",
        "promptsales_commands_total{kind=\"lead\",outcome=\"rejected\"}",
        "promptsales_live_actors",
        "promptsales_activations_total",
        "promptsales_effects_total",
        "promptsales_effect_calls_total",
        "http_requests_inflight",
        "http_request_seconds",
        "route=\"/api/v1/{kind}/{id}/commands/{command}\"",
    ] {
        assert!(metrics.contains(name), "`{name}` is not among the metrics:\n{metrics}");
    }
    assert!(!metrics.contains("~m"), "no key of a caller is a label");
}

#[tokio::test]
async fn the_description_tells_of_everything_that_is_served() {
    let server = Server::start(Settings::default()).await;
    let document = server.http.get("/openapi.json").await.ok();
    assert_eq!(text(&document, "openapi"), "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = text(operation, "operationId");
            assert!(ids.insert(id.to_owned()), "`{id}` is there twice");
            assert!(
                !text(operation, "summary").is_empty() && operation["responses"]["default"].is_object(),
                "{id}"
            );
            let within = path.split('/').filter(|part| part.starts_with('{')).count();
            let named =
                operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path").count();
            assert_eq!(within, named, "{id}");
            let asked = path.replace("{id}", "x").replace("{name}", "x").replace("{v}", "1.0.0");
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = (method == Method::POST).then(|| "[".to_owned());
            // A stream would go on for ever; behind no place of its own it does not begin.
            let answer =
                server.http.send(method, &asked, &[("last-event-id", "nowhere")], body).await.unwrap();
            assert!(
                !["no_such_route", "method_not_allowed", "unknown_command"].contains(&answer.code()),
                "{id}"
            );
        }
    }
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/api/v1/campaigns/launch",
        "/api/v1/leads",
        "/api/v1/leads/{id}",
        "/api/v1/leads/{id}/events",
        "/api/v1/leads/{id}/commands/record-activity",
        "/api/v1/campaigns/{id}/commands/launch",
        "/api/v1/content-jobs/{id}/commands/approve",
        "/api/v1/workflows",
        "/api/v1/workflows/{name}/versions/{v}",
        "/api/v1/workflows/{name}/runs",
        "/api/v1/runs",
        "/api/v1/runs/{id}/tasks",
        "/api/v1/runs/{id}/signals/{name}",
        "/api/v1/supervision",
    ] {
        assert!(paths.contains_key(path), "`{path}` is not described");
    }
    let unknown = server.http.post("/api/v1/leads/~x/commands/none", &json!({})).await.body;
    let known = text(&unknown, "detail").split("there are: ").nth(1).unwrap().to_owned();
    for command in known.split(", ") {
        let post = &document["paths"][format!("/api/v1/leads/{{id}}/commands/{command}")]["post"];
        assert!(post["requestBody"]["content"]["application/json"]["schema"].is_object(), "{command}");
    }
}

#[tokio::test]
async fn the_supervision_tree_shows_services_and_entities() {
    let server = Server::start(Settings::default()).await;
    let activity = json!({ "activity": "opened", "score": 1 });
    let lead = server.http.post("/api/v1/leads/~s/commands/record-activity", &activity).await.ok();
    let tree = server.http.get("/api/v1/supervision").await.ok();
    let running = |services: &Value, name: &str| {
        let all = services.as_array().unwrap();
        let service = all.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name} in {tree}"));
        assert_eq!((&service["state"], &service["restarts"]), (&json!("running"), &json!(0)));
        assert!(service["uptimeMs"].is_u64() && service["mailbox"].is_u64(), "{service}");
    };
    ["lane", "upkeep"].iter().for_each(|name| running(&tree["services"], name));
    let partition = &tree["partitions"][0];
    assert_eq!((&partition["id"], &partition["state"]), (&json!(0), &json!("running")));
    ["effects", "outbox", "timers"].iter().for_each(|name| running(&partition["services"], name));
    assert_eq!((&tree["node"]["state"], &tree["node"]["kind"]), (&json!("running"), &json!("node")));
    let entities = tree["entities"].as_array().unwrap();
    let shown = entities.iter().find(|e| e["id"] == lead["id"]).unwrap_or_else(|| panic!("{tree}"));
    assert_eq!(
        (&shown["kind"], &shown["restarts"], &shown["partition"]),
        (&json!("lead"), &json!(0), &json!(0))
    );
    let none = server.http.get("/api/v1/supervision?limit=0").await.ok();
    let idle = none["entityCounts"]["idle"].as_u64();
    assert!(none["entities"] == json!([]) && idle > Some(0), "all are counted: {none}");
    let runs = server.http.get("/api/v1/supervision?kind=run").await.ok();
    assert_eq!(runs["entities"], json!([]));
    assert_eq!(server.http.get("/api/v1/supervision?limit=many").await.problem(400), "invalid_parameter");
}

#[tokio::test]
async fn a_folder_has_one_process() {
    let server = Server::start(Settings::default()).await;
    let (code, told) = promptsales(&in_folder("serve", server.folder())).await;
    assert_eq!(code, Some(1), "{told}");
    let holder = format!("process {} holds", server.pid().unwrap());
    assert!(told.contains(&holder), "{told}");
    assert_eq!(server.http.get("/readyz").await.status, 200);
    let address = server.url.strip_prefix("http://").unwrap();
    let other = tempfile::tempdir().unwrap();
    let args = ["serve", "--dev", "--listen", address, "--data-dir", other.path().to_str().unwrap()];
    let (code, told) = promptsales(&args).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&format!("cannot listen on {address}")), "{told}");
}

#[tokio::test]
async fn asked_to_end_it_finishes_what_is_under_way_and_keeps_everything() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "second", "do: [{ w: { wait: PT1S } }, { a: { set: { done: true } } }]").await;
    define(&server, "hour", "do: [{ w: { wait: PT1H } }]").await;
    let sleeping = start(&server, "hour", &json!({})).await;
    let http = server.http.clone();
    let load = async {
        let mut acknowledged = 0_u32;
        loop {
            let body = json!({ "activity": "opened", "score": 1 }).to_string();
            let path = "/api/v1/leads/~load/commands/record-activity";
            match http.send(Method::POST, path, &[], Some(body)).await {
                Ok(answer) if answer.status == 200 => acknowledged += 1,
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
                Err(_) => return acknowledged,
            }
        }
    };
    let slow = server.http.clone();
    let in_flight = async move {
        let body = Some("{}".to_owned());
        slow.send(Method::POST, "/api/v1/workflows/second/runs?wait=20", &[], body).await
    };
    let look = server.http.clone();
    let end = async {
        until("the run under way", || async {
            let runs = look.get("/api/v1/runs?workflow=second").await.ok();
            (runs["items"][0]["status"] == "waiting").then_some(())
        })
        .await;
        server.terminate().await
    };
    let (acknowledged, answered, code) = tokio::join!(load, in_flight, end);
    assert_eq!(code, Some(0), "{}", server.log());
    assert_eq!(answered.expect("it is answered").body["output"], json!({ "done": true }));
    server.restart().await;
    let lead = server.http.get("/api/v1/leads/~load").await.ok();
    assert!(
        lead["score"].as_u64() >= Some(acknowledged.into()) && acknowledged > 0,
        "{acknowledged}: {lead}"
    );
    waiting(&server, &sleeping, "timer").await;
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 2);
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn what_is_not_safe_or_makes_no_sense_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["serve", "--data-dir", path], 1, "--dev"),
        (&["serve", "--dev", "--listen", "0.0.0.0:0", "--data-dir", path], 1, "loopback"),
        (&["serve", "--dev", "--listen", "[::]:0", "--data-dir", path], 1, "loopback"),
        (&["serve", "--dev", "--sandbox", "{", "--data-dir", path], 1, "--sandbox"),
        (&["serve", "--dev", "--sandbox", r#"{"nope":1}"#, "--data-dir", path], 1, "nope"),
        (&["serve", "--dev", "--config", "/nowhere.yaml", "--data-dir", path], 1, "/nowhere.yaml"),
        (&["serve", "--dev", "--log", "a=b=c", "--data-dir", path], 1, "log filter"),
        (&["serve", "--listen", "nowhere"], 2, "--listen"),
        (&["serve", "--no-such-flag"], 2, "--no-such-flag"),
        (&["no-such-command"], 2, "no-such-command"),
        (&[], 2, "Usage"),
        (&["run", "show"], 2, "<ID>"),
        (&["run", "list", "--server", "http://127.0.0.1:9"], 1, "cannot reach http://127.0.0.1:9"),
    ];
    for (args, code, word) in cases {
        let (ended, told) = promptsales(args).await;
        assert_eq!(ended, Some(*code), "{args:?}: {told}");
        assert!(told.contains(word), "{args:?}: `{word}` is not in: {told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was left behind");
}

#[tokio::test]
async fn check_touches_nothing_and_migrate_prepares_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let (code, told) = promptsales(&["check", "--data-dir", data]).await;
    assert_eq!(code, Some(0), "{told}");
    for word in ["campaign", "content-job", "lead", "ads.activate", "launch-campaign 1.1.0", "paths"] {
        assert!(told.contains(word), "`{word}` is not in: {told}");
    }
    assert!(!Path::new(data).exists(), "check has side effects");
    for _ in 0..2 {
        let (code, told) = promptsales(&["migrate", "--data-dir", data]).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("up to date"), "{told}");
    }
    for (args, code) in [(vec!["--version"], 0), (vec!["--help"], 0), (vec!["serve", "--help"], 0)] {
        assert_eq!(promptsales(&args).await.0, Some(code), "{args:?}");
    }
}

#[tokio::test]
async fn a_folder_that_is_damaged_is_named_and_left_alone() {
    let garbage = "this is no database, whatever its name says\n".repeat(500);
    for file in ["journal.db", "sandbox.jsonl"] {
        let mut server = Server::start(Settings::default()).await;
        assert_eq!(server.terminate().await, Some(0));
        let path = server.folder().join(file);
        std::fs::write(&path, &garbage).unwrap();
        let (code, told) = promptsales(&in_folder("serve", server.folder())).await;
        assert_eq!(code, Some(1), "{file}: {told}");
        assert!(
            told.contains("error: ") && told.contains(server.folder().to_str().unwrap()),
            "{file}: {told}"
        );
        assert!(!told.contains("panicked"), "{file}: {told}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage, "{file} was changed");
    }
    let (code, told) = promptsales(&in_folder("serve", Path::new("/proc/nowhere"))).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("/proc/nowhere"), "{told}");
}

#[tokio::test]
async fn a_file_of_settings_is_read_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    let check = async |settings: &str| {
        std::fs::write(&file, settings).unwrap();
        promptsales(&["check", "--config", file.to_str().unwrap()]).await
    };
    let (code, told) =
        check("listen: 127.0.0.1:7000\ndataDir: /srv/sales\nsandbox: { latencyMs: 3 }\n").await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("/srv/sales on 127.0.0.1:7000"), "{told}");
    let (code, told) = check("listn: 127.0.0.1:7000\n").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("listn"), "{told}");
}

/// The rows of a Markdown table, by their cells.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    table.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

#[test]
fn every_error_code_is_explained() {
    let page = include_str!("../golden/errors.md");
    let explained = rows(page);
    let expected: Vec<_> = promptsales_api::http::problem::Code::ALL
        .iter()
        .map(|code| {
            let (name, status, _) = code.parts();
            (name.to_owned(), status.as_u16().to_string())
        })
        .collect();
    let listed: Vec<_> = explained.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(listed, expected, "tests/golden/errors.md lists the codes of `Code::ALL` in their order");
    for row in &explained {
        assert!(row.len() == 3 && row[2].split_whitespace().count() >= 8, "explain `{}`", row[0]);
    }
}
