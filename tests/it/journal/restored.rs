//! A database that PostgreSQL's own tools restored: marked, it is held and sends nothing again.

use std::path::Path;
use std::sync::Arc;

use promptsales_engine::journal::Journal;
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions};
use promptsales_tests::{Postgres, Server, Settings, database_of, pause, until};
use promptsales_workflows::connectors::sandbox::SandboxReport;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::steps::{brief, done, ended, items, promptsales, text};

fn settings(url: &str) -> Settings {
    let env = [("PROMPTSALES_DATABASE_URL", url), ("PROMPTSALES_LEASE_MS", "800")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Settings { sandbox: Some(json!({ "latencyMs": 700 })), env, ..Settings::default() }
}

async fn server_over(url: &str) -> Server {
    let server = Server::start(settings(url)).await;
    until("the partitions", || async { (server.http.get("/readyz").await.status == 200).then_some(()) })
        .await;
    server
}

fn has_open_effects(postgres: &Postgres, url: &str) -> bool {
    postgres.sql(database_of(url), "SELECT count(*) FROM promptsales.effect WHERE phase = 0") != "0"
}

fn book(folder: &Path) -> std::path::PathBuf {
    folder.join("sandbox.jsonl")
}

/// Marks a copy as soon as the leases that were copied with it have run out.
async fn mark(url: &str) -> Value {
    let words = ["restore", "--mark", "--database-url", url, "--json"];
    until("the end of the leases", || async {
        let (code, out, error) = promptsales(&words).await;
        assert!(code == 0 || error.contains("stop every server first"), "{error}");
        (code == 0).then(|| serde_json::from_str(&out).expect("it prints JSON"))
    })
    .await
}

/// Serves a marked copy beside the book of the outside; nothing moves in it before it is released.
async fn goes_on_after_release(url: &str, old: &Path, run: &str) {
    let leads = "/api/v1/leads/~b/commands/record-activity";
    let activity = json!({ "activity": "opened", "score": 3 });
    let folder = Arc::new(TempDir::new().expect("a folder can be made"));
    std::fs::copy(book(old), book(folder.path())).expect("the outside remembers");
    let mut server = Server::over(folder, settings(url)).await;
    until("the partitions", || async {
        (server.http.get("/api/v1/leads/~b").await.status == 200).then_some(())
    })
    .await;
    let ready = server.http.get("/readyz").await;
    assert_eq!((ready.status, &ready.body["status"]), (503, &json!("held")));
    assert_eq!(server.http.post(leads, &activity).await.problem(503), "held");
    assert_eq!(server.http.get("/api/v1/leads/~b").await.ok()["score"], 3);
    let held = done(&["held", "--server", &server.url]).await;
    let open = items(&held).len();
    assert!(open > 0, "content was being written when the copy was made");
    pause(1_500).await;
    assert_eq!(items(&done(&["held", "--server", &server.url]).await).len(), open, "nothing moves");
    server.kill().await;
    server.restart().await;
    until("the partitions", || async {
        (server.http.get("/api/v1/leads/~b").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.http.get("/readyz").await.status, 503, "the hold outlasts a restart");

    done(&["release", "--server", &server.url, "--why", "the platforms were looked at"]).await;
    until("readiness", || async { (server.http.get("/readyz").await.status == 200).then_some(()) }).await;
    let again = server.http.post_keyed(leads, "once", &activity).await;
    assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
    assert_eq!(ended(&server, run).await["status"], "completed");
    let report = SandboxReport::read(&book(server.folder())).expect("the sandbox has its file");
    assert_eq!(report.repeated, [], "nothing was done twice outside");
}

#[tokio::test]
async fn a_marked_copy_is_held_and_sends_nothing_again() {
    let postgres = Arc::new(Postgres::start());
    let url = postgres.database();
    let mut server = server_over(&url).await;
    let activity = json!({ "activity": "opened", "score": 3 });
    server.http.post_keyed("/api/v1/leads/~b/commands/record-activity", "once", &activity).await.ok();
    let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
    let run = text(&launched, "runId");
    until("an open effect", || async { has_open_effects(&postgres, &url).then_some(()) }).await;
    let dumped = postgres.restore_dump(&url);
    // It takes a while, and work is to be under way at its end.
    let copier = postgres.clone();
    let base = std::thread::spawn(move || copier.restore_base_copy());
    while !base.is_finished() {
        server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
        pause(200).await;
    }
    let base = base.join().expect("the copy was made");
    let copied = url.replace(&postgres.port().to_string(), &base.port().to_string());
    let (code, _, error) = promptsales(&["restore", "--mark", "--database-url", &url]).await;
    assert!(code == 1 && error.contains("stop every server first"), "{error}");
    let (code, _, error) = promptsales(&["restore", "--mark", "--database-url", &postgres.database()]).await;
    assert!(code == 1 && error.contains("no store"), "{error}");
    assert_eq!(ended(&server, run).await["status"], "completed");
    assert_eq!(server.http.get("/readyz").await.status, 200, "the refusal changed nothing");
    server.terminate().await;

    for copy in [dumped, copied] {
        let marked = mark(&copy).await;
        let marked = &marked["marked"];
        assert_ne!(marked["history"], marked["from"]);
        assert!(marked["events"].as_u64() > Some(0) && marked["partitions"] == 64, "{marked}");
        goes_on_after_release(&copy, server.folder(), run).await;
    }
}

#[tokio::test]
async fn a_history_that_a_restore_began_is_told_from_one_that_went_back_in_time() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let open = || PostgresJournal::open(&url, PostgresOptions::default());
    let journal = open().await.expect("it can be opened");
    assert_eq!(journal.info().resumed_at, None);
    let (log, first) = (journal.info().log, journal.info().history);
    journal.close().await;
    let words = ["restore", "--mark", "--database-url", &url];
    let marked = done(&words).await["marked"].clone();
    assert_eq!(marked["from"], json!(first));
    let journal = open().await.expect("it can be opened");
    assert_eq!((journal.info().log, json!(journal.info().history)), (log, marked["history"].clone()));
    assert_eq!(json!(journal.info().resumed_at), marked["resumedAt"]);
    assert!(journal.info().starts_held);
    assert!(marked["resumedAt"].is_number() || marked["resumedAt"].is_string(), "{marked}");
    journal.close().await;
}
