//! What the store remembers: backups, and the hold on what is restored from them.

use std::path::Path;
use std::sync::Arc;

use promptsales_tests::{Postgres, Server, Settings, pause, until};
use promptsales_workflows::connectors::sandbox::SandboxReport;
use serde_json::json;
use tempfile::TempDir;

use crate::steps::{brief, define, done, ended, every, items, promptsales, register, run, start, text};

fn path(path: &Path) -> &str {
    path.to_str().expect("paths are UTF-8")
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a folder can be made"))
}

#[tokio::test]
async fn a_restored_backup_is_held_and_sends_nothing_again() {
    let sandbox = Some(json!({ "latencyMs": 700 }));
    let settings = Settings { sandbox, ..Settings::default() };
    let mut server = Server::start(settings.clone()).await;
    let activity = json!({ "activity": "opened", "score": 3 });
    let leads = "/api/v1/leads/~b/commands/record-activity";
    server.http.post_keyed(leads, "once", &activity).await.ok();
    let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
    let run = text(&launched, "runId");
    pause(100).await;
    let backups = folder();
    let out = backups.path().join("one");
    let made = done(&["backup", "--server", &server.url, "--out", path(&out)]).await;
    assert!(made["backup"]["events"].as_u64() > Some(0), "{made}");
    let (code, _, error) = promptsales(&["backup", "--server", &server.url, "--out", path(&out)]).await;
    assert!(code == 1 && error.contains("not empty"), "{error}");
    assert_eq!(ended(&server, run).await["status"], "completed");
    assert_eq!(
        server.http.post("/api/v1/admin/release", &json!({ "why": "x" })).await.problem(409),
        "not_held"
    );
    server.terminate().await;

    let new = folder();
    let restored = done(&["restore", path(&out), "--data-dir", path(new.path())]).await;
    assert_ne!(restored["restored"]["history"], made["backup"]["history"]);
    let book = |folder: &Path| folder.join("sandbox.jsonl");
    std::fs::copy(book(server.folder()), book(new.path())).expect("the outside remembers");
    let mut server = Server::over(new, settings).await;
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
    assert_eq!(server.http.get("/readyz").await.status, 503, "the hold outlasts a restart");

    done(&["release", "--server", &server.url, "--why", "the platforms were looked at"]).await;
    assert_eq!(server.http.get("/readyz").await.status, 200);
    let again = server.http.post_keyed(leads, "once", &activity).await;
    assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
    assert_eq!(ended(&server, run).await["status"], "completed");
    let report = SandboxReport::read(&book(server.folder())).expect("the sandbox has its file");
    assert_eq!(report.repeated, [], "nothing was done twice outside");
    let again = server.http.post("/api/v1/admin/release", &json!({ "why": "x" })).await;
    assert_eq!(again.problem(409), "already_released");
}

#[tokio::test]
async fn a_stopped_store_is_copied_too_and_a_changed_copy_is_refused() {
    let mut server = Server::start(Settings::default()).await;
    for n in 0..20 {
        let activity = json!({ "activity": "opened", "score": n });
        server.http.post(&format!("/api/v1/leads/~{n}/commands/record-activity"), &activity).await.ok();
    }
    let backups = folder();
    let out = backups.path().join("one");
    let data = server.folder().to_owned();
    let (code, _, error) = promptsales(&["backup", "--data-dir", path(&data), "--out", path(&out)]).await;
    assert!(code == 1 && error.contains("in use"), "{error}");
    std::fs::remove_dir_all(&out).expect("the folder is there");
    server.terminate().await;
    done(&["backup", "--data-dir", path(&data), "--out", path(&out)]).await;
    let new = folder();
    let (code, _, error) = promptsales(&["restore", path(&out), "--data-dir", path(&data)]).await;
    assert!(code == 1 && error.contains("not empty"), "{error}");
    let copy = out.join("journal.db");
    let mut bytes = std::fs::read(&copy).expect("the copy is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, &bytes).expect("the copy can be written");
    let (code, _, error) = promptsales(&["restore", path(&out), "--data-dir", path(new.path())]).await;
    assert!(code == 1 && error.contains("changed"), "{error}");
    bytes[middle] ^= 1;
    std::fs::write(&copy, &bytes).expect("the copy can be written");
    done(&["restore", path(&out), "--data-dir", path(new.path())]).await;
    let server = Server::over(new, Settings::default()).await;
    assert_eq!(every(&server, "/api/v1/leads").await.len(), 20);
}

#[tokio::test]
async fn an_ended_run_keeps_its_state_and_loses_its_events_in_time() {
    let postgres = Postgres::shared();
    for database in [None, Some(postgres.database())] {
        let mut env = vec![("PROMPTSALES_KEEP_RUNS_DAYS".to_owned(), "0".to_owned())];
        env.extend(database.map(|url| ("PROMPTSALES_DATABASE_URL".to_owned(), url)));
        let mut server = Server::start(Settings { env, ..Settings::default() }).await;
        let ready = async |server: &Server| {
            until("readiness", || async { (server.http.get("/readyz").await.status == 200).then_some(()) })
                .await;
        };
        ready(&server).await;
        let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
        let run = text(&launched, "runId").to_owned();
        let before = ended(&server, &run).await;
        assert_eq!(before["status"], "completed");
        let events = format!("/api/v1/runs/{run}/journal");
        let gone = until("the end of its events", || async {
            let answer = server.http.get(&events).await;
            (answer.status == 410).then_some(answer)
        })
        .await;
        assert_eq!(gone.body["code"], "history_trimmed");
        let from = format!("{events}?cursor={}", text(&gone.body["errors"], "next"));
        let rest = server.http.get(&from).await.ok();
        assert_eq!(items(&rest).len(), 1, "the last one is there");
        assert_eq!(items(&rest)[0]["seq"], gone.body["errors"]["seq"]);
        assert_eq!(server.http.get(&format!("/api/v1/runs/{run}")).await.ok(), before);
        let campaign = format!("/api/v1/campaigns/{}/events", text(&launched, "campaignId"));
        assert!(every(&server, &campaign).await.len() > 1, "campaigns are kept for ever");
        server.kill().await;
        server.restart().await;
        ready(&server).await;
        assert_eq!(server.http.get(&format!("/api/v1/runs/{run}")).await.ok(), before);
        assert_eq!(server.http.get(&events).await.problem(410), "history_trimmed");
        let listed = every(&server, "/api/v1/runs").await;
        assert!(listed.iter().any(|each| each.to_string().contains(&run)), "{listed:?}");
    }
}

/// Registers a workflow that listens once, whose runs keep their events as long as given.
async fn keeping(server: &Server, name: &str, retention: &str) {
    let head = format!(
        "dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0', metadata: {{ retention: {retention} }}"
    );
    let source = format!(
        "document: {{ {head} }}\ndo: [{{ l: {{ listen: {{ to: {{ one: {{ with: {{ type: go }} }} }} }} }} }}]"
    );
    let registered = register(server, &source).await;
    assert!([200, 201].contains(&registered.status), "{}", registered.body);
}

#[tokio::test]
async fn a_definition_says_how_long_its_runs_keep_their_events() {
    let journal = |run: &str| format!("/api/v1/runs/{run}/journal");
    let go = async |server: &Server, run: &str| {
        server.http.post(&format!("/api/v1/runs/{run}/signals/go"), &json!({})).await.ok();
        ended(server, run).await
    };
    for (days, brief, lasting) in [(None, "PT1S", "{ days: 30 }"), (Some("0"), "PT1S", "P30D")] {
        let env = days.map(|days| ("PROMPTSALES_KEEP_RUNS_DAYS".to_owned(), days.to_owned()));
        let server = Server::start(Settings { env: env.into_iter().collect(), ..Settings::default() }).await;
        keeping(&server, "brief", brief).await;
        keeping(&server, "lasting", lasting).await;
        define(&server, "silent", "do: [{ a: { set: { n: 1 } } }]").await;
        let wrong = "document: { dsl: '1.0.3', namespace: test, name: wrong, version: '1.0.0', metadata: { retention: P1M } }\ndo: [{ a: { set: { n: 1 } } }]";
        let refused = register(&server, wrong).await;
        assert_eq!(refused.body["errors"][0]["pointer"], "/document/metadata/retention");
        refused.problem(422);
        let [open, gone, kept, silent] = [
            start(&server, "brief", &json!({})).await,
            start(&server, "brief", &json!({})).await,
            start(&server, "lasting", &json!({})).await,
            start(&server, "silent", &json!({})).await,
        ];
        ended(&server, &silent).await;
        go(&server, &kept).await;
        let before = go(&server, &gone).await;
        let trimmed = async |run: &str| server.http.get(&journal(run)).await.status == 410;
        until("the end of its events", || async { trimmed(&gone).await.then_some(()) }).await;
        assert_eq!(run(&server, &gone).await, before, "its state stays");
        let tasks = server.http.get(&format!("/api/v1/runs/{gone}/tasks")).await;
        assert_eq!(tasks.problem(410), "history_trimmed");
        if days.is_some() {
            until("the node's own time", || async { trimmed(&silent).await.then_some(()) }).await;
        }
        pause(1_500).await;
        assert!(!trimmed(&open).await, "what has not ended keeps its past");
        assert!(!trimmed(&kept).await, "another definition says otherwise");
        assert_eq!(trimmed(&silent).await, days.is_some(), "without a word the node decides");
        go(&server, &open).await;
        until("the end of its events too", || async { trimmed(&open).await.then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_store_is_exported_and_imported_and_goes_on() {
    let mut server = Server::start(Settings::default()).await;
    let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
    assert_eq!(ended(&server, text(&launched, "runId")).await["status"], "completed");
    let campaign = format!("/api/v1/campaigns/{}", text(&launched, "campaignId"));
    let activity = json!({ "activity": "opened", "score": 3 });
    let leads = "/api/v1/leads/~x/commands/record-activity";
    let lead = server.http.post_keyed(leads, "once", &activity).await.ok();
    let before = server.http.get(&campaign).await.ok();
    let folder_of = server.folder().to_owned();
    let files = folder();
    let file = files.path().join("store.jsonl");
    let words = ["export", "--data-dir", path(&folder_of), "--out", path(&file)];
    let (code, _, error) = promptsales(&words).await;
    assert!(code == 1 && error.contains("promptsales backup"), "{error}");
    let copy = files.path().join("backup");
    done(&["backup", "--server", &server.url, "--out", path(&copy)]).await;
    server.terminate().await;
    let of_copy = files.path().join("copy.jsonl");
    let copied = done(&["export", "--data-dir", path(&copy), "--out", path(&of_copy)]).await;
    let exported = done(&words).await;
    assert_eq!(copied["export"]["events"], exported["export"]["events"]);
    let (code, out, _) = promptsales(&["export", "--data-dir", path(&folder_of), "--since", "3"]).await;
    assert_eq!((code, out.lines().count() as u64 + 1), (0, exported["export"]["events"].as_u64().unwrap()));

    let new = folder();
    let import = ["import", path(&file), "--kind", "journal", "--data-dir", path(new.path())];
    let whole = std::fs::read(&file).expect("the file is there");
    std::fs::write(&file, &whole[..whole.len() - 100]).expect("the file can be written");
    let (code, _, error) = promptsales(&import).await;
    assert!(code == 1 && error.contains("cut off"), "{error}");
    std::fs::write(&file, &whole).expect("the file can be written");
    let imported = done(&import).await;
    assert_eq!(imported["imported"]["events"], exported["export"]["events"]);
    let (code, _, error) = promptsales(&import).await;
    assert!(code == 1 && error.contains("not empty"), "{error}");
    let server = Server::over(new, Settings::default()).await;
    assert_eq!(server.http.get("/readyz").await.body["status"], "held");
    assert_eq!(server.http.get(&campaign).await.ok(), before);
    done(&["release", "--server", &server.url, "--why", "it was moved"]).await;
    let again = server.http.post_keyed(leads, "once", &activity).await;
    assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
    assert_eq!(again.body, lead);
    let more = server.http.post(leads, &activity).await.ok();
    assert_eq!((&more["id"], &more["version"]), (&lead["id"], &json!(2)), "the key leads to the same id");
}
