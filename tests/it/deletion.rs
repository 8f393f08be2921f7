//! Runs that are deleted whole, some time after their end.

use std::path::Path;

use promptsales_tests::{Dice, Postgres, Readiness, Server, Settings, pause, until};
use serde_json::{Value, json};

use crate::steps::{brief, define, done, ended, every, items, register, run, start, text, waiting};

const QUICK: &str = "do: [{ a: { set: { n: 1 } } }]";
const LISTEN: &str = "do: [{ l: { listen: { to: { one: { with: { type: go } } } } } }]";
/// Waits for another run, which may be deleted as soon as it has ended, and then for a signal.
const PARENT: &str = "do:
  - r:
      run: { workflow: { namespace: test, name: quick, version: latest, input: {} } }
      export: { as: '${ . }' }
  - l: { listen: { to: { one: { with: { type: go } } } } }
  - done: { set: { n: '${ $context.n }' } }";

/// Registers a workflow with something in its metadata.
async fn deleting(server: &Server, name: &str, metadata: &str, body: &str) {
    let head =
        format!("dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0', metadata: {{ {metadata} }}");
    let registered = register(server, &format!("document: {{ {head} }}\n{body}")).await;
    assert!([200, 201].contains(&registered.status), "{}", registered.body);
}

/// A server over a folder, or over a database.
async fn served(postgres: Option<&Postgres>, env: &[(&str, &str)]) -> Server {
    let mut settings =
        postgres.map_or_else(Settings::default, |server| Settings::on_database(&server.database(), 900));
    settings.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let server = Server::start(settings).await;
    ready(&server).await;
    server
}

async fn ready(server: &Server) {
    let owns = || async { matches!(server.readiness().await, Readiness::Owner(_)).then_some(()) };
    until("readiness", owns).await;
}

async fn go(server: &Server, run: &str) {
    server.http.post(&format!("/api/v1/runs/{run}/signals/go"), &json!({})).await.ok();
}

/// Waits until a run is not there any more.
async fn gone(server: &Server, run: &str) {
    until("the end of a run's time", || async {
        let answer = server.http.get(&format!("/api/v1/runs/{run}")).await;
        assert!([200, 404].contains(&answer.status), "{}", answer.body);
        (answer.status == 404).then_some(())
    })
    .await;
}

/// The ids in a list of runs.
async fn listed(server: &Server, query: &str) -> Vec<String> {
    let mut ids: Vec<_> = every(server, &format!("/api/v1/runs{query}"))
        .await
        .iter()
        .map(|run| text(run, "id").to_owned())
        .collect();
    ids.sort();
    ids
}

/// Nothing answers for a run any more.
async fn is_nowhere(server: &Server, id: &str, before: &str) {
    let path = format!("/api/v1/runs/{id}");
    for rest in ["", "/tasks", "/events", "/journal", "/diagram.svg"] {
        let answer = server.http.get(&format!("{path}{rest}")).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{rest}: {}", answer.body);
    }
    let past = server.http.get(&format!("{path}?at={before}")).await;
    assert_eq!(past.problem(404), "not_found");
    for act in ["signals/go", "cancel", "retry", "pause"] {
        let answer = server.http.post(&format!("{path}/{act}"), &json!({})).await;
        assert_eq!(answer.problem(404), "not_found", "{act}");
    }
    for query in ["", "?status=completed", "?workflow=brief"] {
        assert!(!listed(server, query).await.contains(&id.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn a_definition_or_the_node_says_when_a_run_is_deleted() {
    let postgres = Postgres::shared();
    for (database, days) in [(None, None), (None, Some("0")), (Some(&*postgres), Some("0"))] {
        let env: Vec<_> = days.map(|days| ("PROMPTSALES_DELETE_RUNS_DAYS", days)).into_iter().collect();
        let mut server = served(database, &env).await;
        deleting(&server, "brief", "deleteAfter: PT1S", LISTEN).await;
        deleting(&server, "lasting", "deleteAfter: { days: 30 }, retention: PT1S", LISTEN).await;
        deleting(&server, "keeping", "retention: P30D", QUICK).await;
        define(&server, "silent", QUICK).await;
        let [open, short, kept, keeping, silent] = [
            start(&server, "brief", &json!({})).await,
            start(&server, "brief", &json!({})).await,
            start(&server, "lasting", &json!({})).await,
            start(&server, "keeping", &json!({})).await,
            start(&server, "silent", &json!({})).await,
        ];
        for id in [&short, &kept] {
            waiting(&server, id, "signal").await;
            go(&server, id).await;
        }
        let before = text(&ended(&server, &kept).await, "endedAt").to_owned();
        gone(&server, &short).await;
        is_nowhere(&server, &short, &before).await;
        if days.is_some() {
            gone(&server, &silent).await;
        }
        let mut left = vec![open.clone(), kept.clone(), keeping.clone()];
        left.extend(days.is_none().then(|| silent.clone()));
        left.sort();
        pause(2_500).await;
        for _ in 0..2 {
            assert_eq!(listed(&server, "").await, left, "{days:?}");
            assert_eq!(listed(&server, "?workflow=brief,lasting,keeping,silent").await, left, "{days:?}");
            is_nowhere(&server, &short, &before).await;
            assert_eq!(
                server.http.get(&format!("/api/v1/runs/{kept}/journal")).await.problem(410),
                "history_trimmed"
            );
            server.kill().await;
            server.restart().await;
            ready(&server).await;
        }
        let metrics = server.http.get("/metrics").await.body.to_string();
        go(&server, &open).await;
        gone(&server, &open).await;
        is_nowhere(&server, &open, &before).await;
        let name = "promptsales_streams_deleted_total{kind=\\\"run\\\"}";
        let counted = server.http.get("/metrics").await.body.to_string();
        assert!(!metrics.contains(name) && counted.contains(name), "{counted}");
        let path = "/api/v1/workflows/brief/versions/1.0.0";
        let deleted = server.http.send(reqwest::Method::DELETE, path, &[], None).await.expect("it answers");
        assert_eq!(deleted.ok()["status"], "deleted", "no open run is of it");
    }
}

#[tokio::test]
async fn the_key_of_a_deleted_run_is_free_again() {
    let postgres = Postgres::shared();
    for database in [None, Some(&*postgres)] {
        let server = served(database, &[]).await;
        deleting(&server, "quick", "deleteAfter: PT1S", QUICK).await;
        let runs = "/api/v1/workflows/quick/runs?wait=5";
        let mut first = None;
        for _ in 0..3 {
            let begun = server.http.post_keyed(runs, "once", &json!({})).await;
            assert_eq!(begun.headers.get("idempotency-replayed"), None, "{}", begun.body);
            let begun = begun.ok();
            let id = text(&begun, "runId").to_owned();
            assert_eq!(*first.get_or_insert_with(|| id.clone()), id, "the id is made of the key");
            assert_eq!(begun["output"], json!({ "n": 1 }), "{begun}");
            let again = server.http.post_keyed(runs, "once", &json!({})).await;
            assert_eq!(text(&again.ok(), "runId"), id);
            gone(&server, &id).await;
        }
        // What was launched lasts, though its run does not.
        let server = served(database, &[("PROMPTSALES_DELETE_RUNS_DAYS", "0")]).await;
        let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
        gone(&server, text(&launched, "runId")).await;
        let campaign =
            server.http.get(&format!("/api/v1/campaigns/{}", text(&launched, "campaignId"))).await.ok();
        assert_eq!(campaign["effective"], "serving", "{campaign}");
        assert_eq!(items(&server.http.get("/api/v1/quarantine").await.ok()).len(), 0);
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let server = Server::start(Settings::default()).await;
    for (metadata, said) in [
        ("deleteAfter: P1D, retention: P2D", "shorter than `retention`"),
        ("deleteAfter: P1M", ""),
        ("deleteAfter: [1]", ""),
        ("deleteAfter: -PT1S", ""),
        ("deleteAfter: { days: -1 }", ""),
        ("deleteAfter: null", ""),
    ] {
        let head = format!(
            "dsl: '1.0.3', namespace: test, name: wrong, version: '1.0.0', metadata: {{ {metadata} }}"
        );
        let refused = register(&server, &format!("document: {{ {head} }}\n{QUICK}")).await;
        let error = &refused.body["errors"][0];
        assert!(text(error, "pointer").starts_with("/document/metadata/deleteAfter"), "{}", refused.body);
        assert!(text(error, "message").contains(said), "{}", refused.body);
        assert_eq!(refused.problem(422), "invalid_definition");
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    let env = [("PROMPTSALES_KEEP_RUNS_DAYS", "3"), ("PROMPTSALES_DELETE_RUNS_DAYS", "2")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let log = Server::try_over(folder.into(), Settings { env, ..Settings::default() }).await.err();
    assert!(log.expect("it does not start").contains("--delete-runs-days 2 is below"));
}

/// Copies the store, and moves it; gives the runs that the new one has.
async fn moved(mut server: Server) -> Vec<String> {
    let files = tempfile::tempdir().expect("a folder can be made");
    let path = |path: &Path| path.to_str().expect("paths are UTF-8").to_owned();
    let (copy, lines) = (path(&files.path().join("copy")), path(&files.path().join("lines")));
    done(&["backup", "--server", &server.url, "--out", &copy]).await;
    server.terminate().await;
    let exported = done(&["export", "--data-dir", &path(server.folder()), "--out", &lines]).await;
    let (new, restored) = (tempfile::tempdir(), tempfile::tempdir());
    let (new, restored) = (new.expect("a folder can be made"), restored.expect("a folder can be made"));
    let imported = done(&["import", &lines, "--kind", "journal", "--data-dir", &path(new.path())]).await;
    assert_eq!(imported["imported"]["events"], exported["export"]["events"]);
    done(&["restore", &copy, "--data-dir", &path(restored.path())]).await;
    let (one, two) = (
        Server::over(new.into(), Settings::default()).await,
        Server::over(restored.into(), Settings::default()).await,
    );
    let left = listed(&one, "").await;
    assert_eq!(listed(&two, "").await, left);
    for server in [&one, &two] {
        done(&["release", "--server", &server.url, "--why", "it was moved"]).await;
        assert_eq!(
            listed(server, "?workflow=parent,quick,witness").await,
            left,
            "what is found is what is there"
        );
    }
    left
}

#[tokio::test]
async fn kill_9_leaves_no_run_by_half() {
    let postgres = Postgres::shared();
    let mut dice = Dice::new("deletion and kill -9", 31);
    for database in [None, Some(&*postgres)] {
        let mut server = served(database, &[]).await;
        deleting(&server, "quick", "deleteAfter: PT0S", QUICK).await;
        deleting(&server, "parent", "deleteAfter: PT0S", PARENT).await;
        let (mut quick, mut parents) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            for n in 0..12 {
                match n % 6 {
                    5 => parents.push(start(&server, "parent", &json!({})).await),
                    _ => quick.push(start(&server, "quick", &json!({})).await),
                }
            }
            pause(dice.roll(1_500)).await;
            server.kill().await;
            server.restart().await;
            ready(&server).await;
        }
        for id in &quick {
            gone(&server, id).await;
        }
        let open: Vec<_> = parents.split_off(parents.len() / 2);
        for id in &parents {
            waiting(&server, id, "signal").await;
            go(&server, id).await;
        }
        for id in &parents {
            gone(&server, id).await;
        }
        for id in &open {
            let waits = waiting(&server, id, "signal").await;
            assert!(waits["endedAt"].is_null(), "what has not ended stays: {waits}");
        }
        // The children go too, once their parents have heard of them.
        until("the children's end", || async {
            (listed(&server, "").await.len() == open.len()).then_some(())
        })
        .await;
        let mut left = open.clone();
        left.sort();
        assert_eq!(listed(&server, "").await, left);
        until("the index", || async {
            (listed(&server, "?workflow=quick,parent").await == left).then_some(())
        })
        .await;
        for path in ["/api/v1/quarantine", "/api/v1/dead-letters"] {
            assert_eq!(items(&server.http.get(path).await.ok()).len(), 0, "{path}");
        }
        // An output says that the child's was heard.
        deleting(&server, "witness", "deleteAfter: P1D", PARENT).await;
        let witness = start(&server, "witness", &json!({})).await;
        waiting(&server, &witness, "signal").await;
        go(&server, &witness).await;
        assert_eq!(ended(&server, &witness).await["output"], json!({ "n": 1 }));
        assert_eq!(run(&server, &witness).await["status"], Value::from("completed"));
        if database.is_none() {
            left.push(witness);
            left.sort();
            until("the last child's end", || async { (listed(&server, "").await == left).then_some(()) })
                .await;
            assert_eq!(moved(server).await, left);
        }
    }
}
