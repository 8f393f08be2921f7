//! Moving a store with the real binary: from a folder into PostgreSQL, and back.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use promptsales_tests::{Postgres, Server, Settings, binary, database_of, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::told;
use crate::steps::{brief, define, done, ended, every, promptsales, start, text, waiting};

const LEADS: &str = "/api/v1/leads/~x/commands/record-activity";

fn path(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a folder can be made"))
}

fn activity() -> Value {
    json!({ "activity": "opened", "score": 3 })
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).expect("the file is there")
}

/// Exports a database as soon as the leases in it have run out.
async fn export(url: &str, out: &Path) -> Value {
    let words = ["export", "--database-url", url, "--out", path(out), "--json"];
    until("the end of the leases", || async {
        let (code, out, error) = promptsales(&words).await;
        assert!(code == 0 || error.contains("stop every server first"), "{error}");
        (code == 0).then(|| serde_json::from_str(&out).expect("it prints JSON"))
    })
    .await
}

/// What clients have seen of a store, and what is under way in it.
struct Seen {
    lead: Value,
    campaign: (String, Value),
    leads: Vec<Value>,
    runs: Vec<Value>,
    sleeper: String,
}

impl Seen {
    /// Fills a store.
    async fn fill(server: &Server) -> Self {
        let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
        for n in 0..30 {
            server.http.post(&format!("/api/v1/leads/~{n}/commands/record-activity"), &activity()).await.ok();
        }
        let lead = server.http.post_keyed(LEADS, "once", &activity()).await.ok();
        assert_eq!(ended(server, text(&launched, "runId")).await["status"], "completed");
        let campaign = format!("/api/v1/campaigns/{}", text(&launched, "campaignId"));
        let state = server.http.get(&campaign).await.ok();
        define(server, "sleep", "do: [{ w: { wait: PT3S } }, { a: { set: { done: true } } }]").await;
        let sleeper = start(server, "sleep", &json!({})).await;
        waiting(server, &sleeper, "timer").await;
        let (leads, runs) = (every(server, "/api/v1/leads").await, every(server, "/api/v1/runs").await);
        Self { lead, campaign: (campaign, state), leads, runs, sleeper }
    }

    /// The store is held and has everything; released, it goes on.
    async fn goes_on(&self, server: &Server) {
        until("the partitions", || async {
            (server.http.get(&self.campaign.0).await.status == 200).then_some(())
        })
        .await;
        let ready = server.http.get("/readyz").await;
        assert_eq!((ready.status, &ready.body["status"]), (503, &json!("held")));
        assert_eq!(server.http.post(LEADS, &activity()).await.problem(503), "held");
        assert_eq!(server.http.get(&self.campaign.0).await.ok(), self.campaign.1);
        assert_eq!(every(server, "/api/v1/leads").await, self.leads, "in the same order");
        assert_eq!(every(server, "/api/v1/runs").await, self.runs, "in the same order");
        done(&["release", "--server", &server.url, "--why", "it was moved"]).await;
        until("readiness", || async { (server.http.get("/readyz").await.status == 200).then_some(()) }).await;
        let again = server.http.post_keyed(LEADS, "once", &activity()).await;
        assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
        assert_eq!(again.body, self.lead);
        let run = ended(server, &self.sleeper).await;
        assert_eq!((&run["status"], &run["output"]["done"]), (&json!("completed"), &json!(true)), "{run}");
    }
}

#[tokio::test]
async fn a_store_grows_into_postgres_and_goes_back() {
    let postgres = Postgres::shared();
    let (mut server, files) = (Server::start(Settings::default()).await, folder());
    let seen = Seen::fill(&server).await;
    server.terminate().await;
    let (first, second, third) =
        (files.path().join("1.jsonl"), files.path().join("2.jsonl"), files.path().join("3.jsonl"));
    let exported = done(&["export", "--data-dir", path(server.folder()), "--out", path(&first)]).await;

    let url = postgres.database();
    let words = ["import", path(&first), "--kind", "journal", "--database-url", &url];
    let imported = done(&words).await;
    assert_eq!(imported["imported"]["events"], exported["export"]["events"]);
    assert_eq!((&imported["imported"]["partitions"], &imported["held"]), (&json!(64), &json!(true)));
    export(&url, &second).await;
    assert_eq!(told(&read(&first)), told(&read(&second)), "nothing is lost, and nothing comes up");
    let mut nodes = Server::start(Settings::on_database(&url, 900)).await;
    seen.goes_on(&nodes).await;
    let more = nodes.http.post(LEADS, &activity()).await.ok();
    assert_eq!(
        (&more["id"], &more["version"]),
        (&seen.lead["id"], &json!(2)),
        "the key leads to the same id"
    );
    let late = files.path().join("late.jsonl");
    let (code, _, error) = promptsales(&["export", "--database-url", &url, "--out", path(&late)]).await;
    assert!(code == 1 && error.contains("stop every server first"), "{error}");
    let (code, _, error) = promptsales(&words).await;
    assert!(code == 1 && error.contains("stop every server first"), "{error}");
    let (code, _, error) = promptsales(&["export", "--database-url", &url, "--since", "3"]).await;
    assert!(code == 1 && error.contains("--since"), "{error}");
    nodes.terminate().await;

    let exported = export(&url, &third).await;
    let (code, _, error) = promptsales(&words).await;
    assert!(code == 1 && error.contains("not empty"), "{error}");
    let back = folder();
    let words = ["import", path(&third), "--kind", "journal", "--data-dir", path(back.path())];
    assert_eq!(done(&words).await["imported"]["events"], exported["export"]["events"]);
    let last = files.path().join("4.jsonl");
    done(&["export", "--data-dir", path(back.path()), "--out", path(&last)]).await;
    assert_eq!(told(&read(&third)), told(&read(&last)));
    let server = Server::over(back, Settings::default()).await;
    assert_eq!(server.http.get("/readyz").await.body["status"], "held");
    done(&["release", "--server", &server.url, "--why", "it was moved back"]).await;
    let again = server.http.post_keyed(LEADS, "once", &activity()).await;
    assert_eq!(again.body, seen.lead, "the first answer");
    let more = server.http.post(LEADS, &activity()).await.ok();
    assert_eq!((&more["id"], &more["version"]), (&seen.lead["id"], &json!(3)));
}

#[tokio::test]
async fn an_import_that_was_killed_is_gone_on_with_and_no_server_starts_before() {
    let postgres = Postgres::shared();
    let files = folder();
    let file = files.path().join("store.jsonl");
    std::fs::write(&file, super::stores::large_file(3_000).await).expect("the file can be written");
    let url = postgres.database();
    let words = ["import", path(&file), "--kind", "journal", "--database-url", &url];
    let mut child = Command::new(binary())
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary can be run");
    let sql = |sql: &str| postgres.sql(database_of(&url), sql);
    let is_made = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('promptsales.import')";
    until("some lines", || async {
        (sql(is_made) == "1" && sql("SELECT count(*) FROM promptsales.import WHERE lines > 0") == "1")
            .then_some(())
    })
    .await;
    let (code, _, error) = promptsales(&words).await;
    assert!(code == 1 && error.contains("another import is under way"), "{error}");
    child.kill().await.expect("it can be killed");
    assert_eq!(sql("SELECT count(*) FROM promptsales.import"), "1", "it was in the middle");
    let log = Server::try_over(folder(), Settings::on_database(&url, 900)).await.err();
    assert!(log.as_deref().is_some_and(|log| log.contains("import that is not done")), "{log:?}");

    sql("UPDATE promptsales.import SET expires = clock_timestamp()");
    let imported = done(&words).await;
    assert!(imported["resumedAtLine"].as_u64() > Some(0), "{imported}");
    let out = files.path().join("again.jsonl");
    export(&url, &out).await;
    assert_eq!(told(&read(&file)), told(&read(&out)));
}
