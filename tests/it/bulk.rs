//! Acts on many runs: each is a run of its own.

use futures_util::future::join_all;
use promptsales_tests::{Dice, Server, Settings, pause, until};
use serde_json::{Value, json};

use crate::steps::{define, done, ended, every, promptsales, run, start, text, waiting};

const BULK: &str = "/api/v1/runs/bulk";
const LISTEN: &str = "listen: { to: { one: { with: { type: go } } } }";

/// Starts runs that listen for `go` twice, so many that they fill more than one page.
async fn begin_many(server: &Server, workflow: &str, count: usize) -> Vec<String> {
    define(server, workflow, &format!("do: [{{ a: {{ {LISTEN} }} }}, {{ b: {{ {LISTEN} }} }}]")).await;
    let mut ids = Vec::new();
    for from in (0..count).step_by(50) {
        let some = (from..count.min(from + 50))
            .map(|n| async move { start(server, workflow, &json!({ "n": n })).await });
        ids.extend(join_all(some).await);
    }
    ids
}

/// Starts an act, and gives the run's id.
async fn act(server: &Server, body: &Value) -> String {
    let started = server.http.post(BULK, body).await;
    assert_eq!(started.status, 202, "{}", started.body);
    text(&started.body, "runId").to_owned()
}

async fn statuses(server: &Server, query: &str) -> Vec<String> {
    let runs = every(server, &format!("/api/v1/runs?{query}")).await;
    runs.iter().map(|run| text(run, "status").to_owned()).collect()
}

#[tokio::test]
async fn every_run_that_is_meant_is_acted_on_and_no_other() {
    let server = Server::start(Settings::default()).await;
    let ids = begin_many(&server, "many", 230).await;
    let others = begin_many(&server, "others", 3).await;
    let body = json!({ "act": "cancel", "filter": { "workflow": "many" }, "reason": "no need" });
    let first = server.http.post_keyed(BULK, "once", &body).await;
    let again = server.http.post_keyed(BULK, "once", &body).await;
    assert_eq!(first.body["runId"], again.body["runId"]);
    let bulk = ended(&server, text(&first.body, "runId")).await;
    assert_eq!(bulk["output"], json!({ "act": "cancel", "done": 230, "refused": 0, "refusals": [] }));
    assert_eq!(bulk["attributes"], json!({ "act": "cancel", "done": 230, "refused": 0 }));
    assert_eq!((&bulk["workflow"], &bulk["cause"]), (&json!("act-on-runs"), &json!("no need")));
    assert!(statuses(&server, "workflow=many").await.iter().all(|status| status == "cancelled"));
    assert!(statuses(&server, "workflow=others").await.iter().all(|status| status == "waiting"));
    let found = every(&server, "/api/v1/runs?workflow=act-on-runs&attr.act=cancel&attr.done.from=200").await;
    assert_eq!(found.len(), 1);
    // Who has ended is not meant; whoever names their status means them.
    let none = ended(&server, &act(&server, &body).await).await;
    assert_eq!((&none["output"]["done"], &none["output"]["refused"]), (&json!(0), &json!(0)));
    let mut body = body;
    body["filter"]["status"] = json!("cancelled");
    let refused = ended(&server, &act(&server, &body).await).await;
    assert_eq!((&refused["output"]["done"], &refused["output"]["refused"]), (&json!(0), &json!(230)));
    let refusals = refused["output"]["refusals"].as_array().expect("a list");
    assert_eq!((refusals.len(), &refusals[0]["code"]), (100, &json!("run_ended")));
    // All are meant but the one that asks.
    let body = json!({ "act": "pause", "all": true });
    let paused = server.http.post(&format!("{BULK}?wait=30"), &body).await;
    assert_eq!((paused.status, &paused.body["output"]["done"]), (202, &json!(3)), "{}", paused.body);
    for id in &others {
        assert_eq!(run(&server, id).await["status"], json!("suspended"));
    }
    let events = every(&server, &format!("/api/v1/runs/{}/events", ids[0])).await;
    assert!(events.iter().any(|event| text(event, "type").ends_with("cancelled.v1")), "{events:?}");
}

#[tokio::test]
async fn an_act_under_way_counts_once_for_each_run_over_kill_9() {
    let mut server = Server::start(Settings::default()).await;
    let mut dice = Dice::new("an act on many runs", 4);
    let ids = begin_many(&server, "many", 420).await;
    let body =
        json!({ "act": "signal", "with": { "name": "go", "data": 1 }, "filter": { "workflow": "many" } });
    let bulk = act(&server, &body).await;
    for _ in 0..3 {
        pause(dice.roll(150)).await;
        server.kill().await;
        server.restart().await;
    }
    let bulk = ended(&server, &bulk).await;
    assert_eq!(bulk["output"]["done"], json!(420), "{bulk}");
    // Each has heard it once: the first of its two waits is over, and the second goes on.
    let now: Vec<Value> = join_all(ids.iter().map(|id| run(&server, id))).await;
    for run in now {
        assert_eq!(text(&run["waitingFor"][0], "task"), "/do/1/b", "{run}");
    }
}

#[tokio::test]
async fn what_failed_is_retried_and_what_ended_is_started_again() {
    let server = Server::start(Settings::default()).await;
    let fails = "do: [{ a: { raise: { error: { type: 'urn:test:boom', status: 500 } } } }]";
    define(&server, "fails", fails).await;
    let mut failed = Vec::new();
    for n in 0..3 {
        failed.push(start(&server, "fails", &json!({ "n": n })).await);
    }
    for id in &failed {
        assert_eq!(ended(&server, id).await["status"], json!("faulted"));
    }
    let filter = json!({ "workflow": "fails" });
    let skip =
        json!({ "act": "skip", "with": { "output": { "ok": true } }, "filter": filter, "reason": "seen to" });
    let skipped = ended(&server, &act(&server, &skip).await).await;
    assert_eq!(skipped["output"]["done"], json!(3));
    for id in &failed {
        let run = run(&server, id).await;
        assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!({ "ok": true })));
    }
    let restart = json!({ "act": "restart", "filter": filter, "reason": "once more" });
    let restarted = ended(&server, &act(&server, &restart).await).await;
    assert_eq!(restarted["output"]["done"], json!(3), "those that it started are not meant: {restarted}");
    let mut inputs: Vec<_> = every(&server, "/api/v1/runs?workflow=fails&status=faulted").await;
    inputs.sort_by_key(|run| run["input"]["n"].as_u64());
    assert_eq!(
        inputs.iter().map(|run| run["input"]["n"].clone()).collect::<Vec<_>>(),
        [0, 1, 2].map(Value::from)
    );
    assert!(
        text(&inputs[0], "cause").ends_with(": once more") && text(&inputs[0], "cause").contains(&failed[0])
    );
}

#[tokio::test]
async fn an_act_can_be_held_and_goes_on() {
    let server = Server::start(Settings::default()).await;
    begin_many(&server, "many", 420).await;
    let bulk = act(&server, &json!({ "act": "pause", "filter": { "workflow": "many" } })).await;
    server.http.post(&format!("/api/v1/runs/{bulk}/pause"), &json!({})).await.ok();
    let held = until("the held act", || async {
        let now = run(&server, &bulk).await;
        (now["status"] == "suspended").then_some(now)
    })
    .await;
    assert!(held["endedAt"].is_null());
    server.http.post(&format!("/api/v1/runs/{bulk}/resume"), &json!({})).await.ok();
    assert_eq!(ended(&server, &bulk).await["output"]["done"], json!(420));
    assert_eq!(statuses(&server, "workflow=many&status=suspended").await.len(), 420);
}

#[tokio::test]
async fn an_act_that_means_nothing_is_refused_by_name() {
    let server = Server::start(Settings::default()).await;
    for (body, code, said) in [
        (json!({ "act": "cancel" }), "invalid_body", "`filter`: say which runs are meant"),
        (json!({ "act": "burn", "all": true }), "invalid_body", "burn"),
        (json!({ "act": "cancel", "all": true, "colour": 1 }), "invalid_body", "colour"),
        (
            json!({ "act": "cancel", "filter": { "state": "x" } }),
            "invalid_body",
            "`state`: there is no such filter",
        ),
        (json!({ "act": "cancel", "filter": { "since": "x" } }), "invalid_body", "`since`"),
        (json!({ "act": "move", "all": true }), "invalid_body", "`with`: missing field `to`"),
        (json!({ "act": "pause", "all": true, "with": { "timers": "x" } }), "invalid_body", "`timers`"),
    ] {
        let refused = server.http.post(BULK, &body).await;
        let detail = text(&refused.body, "detail").to_owned();
        assert!(detail.contains(said), "{body}: {detail}");
        assert_eq!(refused.problem(422), code);
    }
    assert_eq!(
        server
            .http
            .post(&format!("{BULK}?wait=x"), &json!({ "act": "pause", "all": true }))
            .await
            .problem(400),
        "invalid_parameter"
    );
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 0);
    // The same started as a workflow says so too, and does nothing.
    let run = start(&server, "act-on-runs", &json!({ "act": "cancel", "filter": { "state": "x" } })).await;
    let run = ended(&server, &run).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(400)), "{run}");
}

#[tokio::test]
async fn the_command_line_acts_on_many_and_waits() {
    let server = Server::start(Settings::default()).await;
    let ids = begin_many(&server, "many", 3).await;
    let words = ["run", "bulk", "signal", "--where", "workflow=many", "--with", r#"{"name":"go"}"#];
    let ended = done(&[&words[..], &["--server", &server.url]].concat()).await;
    assert_eq!((&ended["status"], &ended["output"]["done"]), (&json!("completed"), &json!(3)));
    waiting(&server, &ids[0], "signal").await;
    let words = ["run", "list", "--where", "workflow=many", "--where", "status=waiting,running"];
    let listed = done(&[&words[..], &["--server", &server.url]].concat()).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    let words = ["run", "bulk", "cancel", "--server", &server.url, "--json"];
    let (code, _, error) = promptsales(&words).await;
    assert!(code == 2 && error.contains("--where"), "{code}: {error}");
    let refused = ["--where", "workflow=many", "--where", "status=waiting", "--with", r#"{"a":1}"#];
    let (code, _, error) = promptsales(&[&words[..], &refused[..]].concat()).await;
    assert!(code == 1 && error.contains("unknown field `a`"), "{code}: {error}");
}
