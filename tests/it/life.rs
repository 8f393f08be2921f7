//! The life of versions against the real server: deprecated, rolled back, deleted, and what runs make of it.

use promptsales_tests::{Answer, Server, Settings, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::steps::{done, ended, every, items, promptsales, register, run, start, tasks, text, waiting};

const SAY: &str = "do: [{ say: { set: { n: 1 } } }]";
const LISTEN: &str = "do: [{ go: { listen: { to: { one: { with: { type: go } } } } } }]";

fn source(name: &str, version: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '{version}' }}\n{body}")
}

/// A server with two versions of a workflow, which tell which one they are.
async fn served(body: &str) -> Server {
    let server = Server::start(Settings::default()).await;
    for (version, n) in [("1.0.0", "n: 1"), ("2.0.0", "n: 2")] {
        register(&server, &source("aged", version, &body.replace("n: 1", n))).await.ok();
    }
    server
}

async fn act(server: &Server, version: &str, act: &str) -> Answer {
    server.http.post(&path(version, act), &json!({ "reason": "it is wrong" })).await
}

fn path(version: &str, act: &str) -> String {
    format!("/api/v1/workflows/aged/versions/{version}/{act}")
}

async fn delete(server: &Server, version: &str, headers: &[(&str, &str)]) -> Answer {
    let path = format!("/api/v1/workflows/aged/versions/{version}?reason=old");
    server.http.send(Method::DELETE, &path, headers, None).await.expect("the server answers")
}

async fn begin(server: &Server, query: &str) -> Answer {
    server.http.post(&format!("/api/v1/workflows/aged/runs{query}"), &json!({})).await
}

/// The statuses of the versions, the newest first, and which is the latest.
async fn statuses(server: &Server) -> Value {
    let all = every(server, "/api/v1/workflows/aged/versions").await;
    let latest =
        all.iter().find(|version| version["latest"] == true).map(|version| version["version"].clone());
    let statuses: Vec<_> = all.iter().map(|version| version["status"].clone()).collect();
    json!([statuses, latest])
}

#[tokio::test]
async fn a_deprecated_version_takes_no_new_runs_and_its_open_ones_go_on() {
    let mut server = served(LISTEN).await;
    let open = start(&server, "aged", &json!({})).await;
    waiting(&server, &open, "signal").await;
    let path = path("2.0.0", "deprecate");
    let first = server.http.post_keyed(&path, "k", &json!({ "reason": "it is wrong" })).await;
    let again = server.http.post_keyed(&path, "k", &json!({ "reason": "it is wrong" })).await;
    let said = json!({ "name": "aged", "version": "2.0.0", "status": "deprecated", "latest": "1.0.0" });
    assert_eq!((&first.body, &again.body), (&said, &said));
    assert_eq!(again.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
    for _ in 0..2 {
        assert_eq!(statuses(&server).await, json!([["deprecated", "active"], "1.0.0"]));
        let refused = begin(&server, "?version=2.0.0").await;
        assert_eq!(refused.body["errors"]["latest"], json!("1.0.0"), "{}", refused.body);
        assert!(text(&refused.body, "detail").contains("(it is wrong)"), "{}", refused.body);
        assert_eq!(refused.problem(409), "version_deprecated");
        server.kill().await;
        server.restart().await;
    }
    let shown = server.http.get("/api/v1/workflows/aged").await.ok();
    assert_eq!((&shown["version"], &shown["status"]), (&json!("1.0.0"), &json!("active")));
    let shown = server.http.get("/api/v1/workflows/aged/versions/2.0.0").await.ok();
    assert_eq!((&shown["status"], &shown["change"]["by"]), (&json!("deprecated"), &json!("dev")), "{shown}");
    let restart = format!("/api/v1/runs/{open}/restart");
    assert_eq!(server.http.post(&restart, &json!({})).await.problem(409), "version_deprecated");
    let other = server.http.post(&restart, &json!({ "version": "1.0.0" })).await.ok();
    assert_eq!(run(&server, text(&other, "runId")).await["version"], json!("1.0.0"));
    let migrate = server.http.post(&self::path("2.0.0", "follow"), &json!({})).await;
    assert_eq!(migrate.problem(409), "version_deprecated");
    server.http.post(&format!("/api/v1/runs/{open}/signals/go"), &json!({})).await.ok();
    assert_eq!(ended(&server, &open).await["status"], json!("completed"));
    act(&server, "2.0.0", "restore").await.ok();
    assert_eq!(run(&server, &start(&server, "aged", &json!({})).await).await["version"], json!("2.0.0"));
    assert_eq!(act(&server, "9.0.0", "deprecate").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_run_that_failed_is_not_taken_up_again_in_a_deprecated_version() {
    let boom = "do: [{ a: { raise: { error: { type: 'urn:test:boom', status: 500, title: boom } } } }]";
    let server = served(boom).await;
    let failed = start(&server, "aged", &json!({})).await;
    ended(&server, &failed).await;
    act(&server, "2.0.0", "deprecate").await.ok();
    let retry = format!("/api/v1/runs/{failed}/retry");
    let refused = server.http.post(&retry, &json!({})).await;
    assert!(text(&refused.body, "detail").ends_with("`restart` it in another version, or restore this one"));
    assert_eq!(refused.problem(409), "version_deprecated");
    act(&server, "2.0.0", "restore").await.ok();
    server.http.post(&retry, &json!({})).await.ok();
}

#[tokio::test]
async fn a_rolled_back_version_is_the_latest_for_runs_children_and_schedules() {
    let every_hour = format!("schedule: {{ every: {{ hours: 1 }} }}\n{SAY}");
    let mut server = served(SAY).await;
    register(&server, &source("aged", "3.0.0", &every_hour.replace("n: 1", "n: 3"))).await.ok();
    let parent = |version: &str| {
        format!(
            "do: [{{ run: {{ run: {{ workflow: {{ namespace: test, name: aged, version: '{version}', input: {{}} }} }} }} }}]"
        )
    };
    register(&server, &source("parent", "1.0.0", &parent("latest"))).await.ok();
    register(&server, &source("fixed", "1.0.0", &parent("3.0.0"))).await.ok();
    let output = async |server: &Server, workflow: &str| {
        ended(server, &start(server, workflow, &json!({})).await).await["output"]["n"].clone()
    };
    let scheduled = async |server: &Server| {
        server.http.get("/api/v1/workflows/aged").await.ok()["schedule"]["active"].clone()
    };
    until("the schedule", || async { (scheduled(&server).await == true).then_some(()) }).await;
    let words = ["workflow", "rollback", "aged", "1.0.0", "--reason", "3 is wrong", "--server", &server.url];
    assert_eq!(done(&words).await["latest"], json!("1.0.0"));
    until("the schedule's end", || async { (scheduled(&server).await == false).then_some(()) }).await;
    for _ in 0..2 {
        let found =
            [output(&server, "aged").await, output(&server, "parent").await, output(&server, "fixed").await];
        assert_eq!(json!(found), json!([1, 1, 3]));
        assert_eq!(statuses(&server).await, json!([["active", "active", "active"], "1.0.0"]));
        server.kill().await;
        server.restart().await;
    }
    act(&server, "3.0.0", "promote").await.ok();
    until("the schedule again", || async { (scheduled(&server).await == true).then_some(()) }).await;
    act(&server, "1.0.0", "promote").await.ok();
    register(&server, &source("aged", "1.0.1", SAY)).await.ok();
    assert_eq!(output(&server, "aged").await, json!(1), "3.0.0 is newer, and stands");
    register(&server, &source("aged", "4.0.0", &SAY.replace("n: 1", "n: 4"))).await.ok();
    assert_eq!(output(&server, "aged").await, json!(4));
    act(&server, "3.0.0", "deprecate").await.ok();
    assert_eq!(output(&server, "fixed").await, json!(3), "its definition names the version");
}

#[tokio::test]
async fn a_version_is_deleted_once_no_run_is_open_and_its_runs_can_still_be_read() {
    let mut server = served(LISTEN).await;
    assert_eq!(delete(&server, "2.0.0", &[]).await.problem(409), "version_is_latest");
    let begun = begin(&server, "?version=1.0.0").await.ok();
    let open = text(&begun, "runId").to_owned();
    waiting(&server, &open, "signal").await;
    let key = [("idempotency-key", "once")];
    let refused = delete(&server, "1.0.0", &key).await;
    assert_eq!(
        refused.body["errors"],
        json!({ "open": 1, "runs": [open], "list": "/api/v1/runs?workflow=aged&version=1.0.0" })
    );
    assert_eq!(refused.problem(409), "version_in_use");
    assert_eq!(statuses(&server).await, json!([["active", "active"], "2.0.0"]));
    server.http.post(&format!("/api/v1/runs/{open}/signals/go"), &json!({})).await.ok();
    ended(&server, &open).await;
    assert_eq!(delete(&server, "1.0.0", &key).await.problem(409), "version_in_use", "the answer of the key");
    assert_eq!(statuses(&server).await, json!([["active", "active"], "2.0.0"]));
    let body =
        "do: [{ run: { run: { workflow: { namespace: test, name: aged, version: '1.0.0', input: {} } } } }]";
    register(&server, &source("namer", "1.0.0", body)).await.ok();
    let named = delete(&server, "1.0.0", &[]).await;
    assert_eq!(named.body["errors"]["namedBy"], json!(["namer 1.0.0"]), "{}", named.body);
    let namer = server.http.send(Method::DELETE, "/api/v1/workflows/namer/versions/1.0.0", &[], None).await;
    assert_eq!(namer.expect("it answers").ok()["latest"], Value::Null);
    assert_eq!(server.http.get("/api/v1/workflows/namer").await.problem(404), "not_found");
    let key = [("idempotency-key", "again")];
    for replayed in [None, Some("true")] {
        let deleted = delete(&server, "1.0.0", &key).await;
        assert_eq!(deleted.headers.get("idempotency-replayed").map(String::as_str), replayed);
        let said = json!({ "name": "aged", "version": "1.0.0", "status": "deleted", "latest": "2.0.0" });
        assert_eq!(deleted.ok(), said);
    }
    for _ in 0..2 {
        assert_eq!(statuses(&server).await, json!([["active", "deleted"], "2.0.0"]));
        assert_eq!(begin(&server, "?version=1.0.0").await.problem(409), "version_deleted");
        assert_eq!(act(&server, "1.0.0", "restore").await.problem(409), "version_deleted");
        assert_eq!(register(&server, &source("aged", "1.0.0", LISTEN)).await.problem(409), "version_deleted");
        assert_eq!(run(&server, &open).await["status"], json!("completed"));
        assert_eq!(tasks(&server, &open).await.len(), 1);
        for path in [format!("/api/v1/runs/{open}/diagram.svg"), format!("/api/v1/runs/{open}/events")] {
            assert_eq!(server.http.get(&path).await.status, 200, "{path}");
        }
        let listed = every(&server, "/api/v1/workflows").await;
        assert!(listed.iter().all(|workflow| workflow["name"] != "namer"));
        server.kill().await;
        server.restart().await;
    }
}

#[tokio::test]
async fn a_deletion_over_many_runs_goes_on_by_cursor_and_after_kill_9() {
    let mut server = served(SAY).await;
    for _ in 0..51 {
        let started =
            futures_util::future::join_all((0..100).map(|_| begin(&server, "?version=1.0.0"))).await;
        assert!(started.iter().all(|answer| answer.status == 202));
    }
    let first = delete(&server, "1.0.0", &[]).await;
    assert_eq!((first.status, &first.body["status"]), (202, &json!("retiring")), "{}", first.body);
    let next = text(&first.body, "next").to_owned();
    for _ in 0..2 {
        assert_eq!(statuses(&server).await, json!([["active", "retiring"], "2.0.0"]));
        assert_eq!(begin(&server, "?version=1.0.0").await.problem(409), "version_deleted");
        server.kill().await;
        server.restart().await;
    }
    let goes_on = async |cursor: &str| {
        let path = format!("/api/v1/workflows/aged/versions/1.0.0?cursor={cursor}");
        server.http.send(Method::DELETE, &path, &[], None).await.expect("the server answers")
    };
    let of_another = goes_on("p1.1").await;
    assert_eq!((of_another.status, text(&of_another.body, "next")), (202, next.as_str()), "it begins anew");
    assert_eq!(goes_on(&next).await.ok()["status"], json!("deleted"));
}

#[tokio::test]
async fn a_start_that_races_with_a_deletion_is_refused_or_keeps_the_version() {
    const ROUNDS: usize = 12;
    let server = Server::start(Settings::default()).await;
    register(&server, &source("aged", "9.0.0", LISTEN)).await.ok();
    let (mut gone, mut kept) = (0, 0);
    for round in 0..ROUNDS {
        let version = format!("1.0.{round}");
        register(&server, &source("aged", &version, LISTEN)).await.ok();
        let query = format!("?version={version}");
        // In the first rounds the starts come first, in the last ones the deletion does.
        let late = |n: u64| async move { promptsales_tests::pause(n + 3 * round as u64).await };
        let starts = futures_util::future::join_all((0..20).map(|n| {
            let server = &server;
            let query = &query;
            async move {
                late(n).await;
                begin(server, query).await
            }
        }));
        let deletion = async {
            promptsales_tests::pause((ROUNDS - round) as u64).await;
            delete(&server, &version, &[]).await
        };
        let (started, deleted) = futures_util::join!(starts, deletion);
        let accepted = started.iter().filter(|answer| answer.status == 202).count();
        match deleted.status {
            200 => {
                assert_eq!(accepted, 0, "round {round}: a run of a deleted version was begun");
                gone += 1;
            }
            409 => {
                let life = server.http.get(&format!("/api/v1/workflows/aged/versions/{version}")).await.ok();
                assert_eq!((deleted.code(), &life["status"]), ("version_in_use", &json!("active")));
                assert!(accepted > 0, "round {round}: {}", deleted.body);
                kept += 1;
            }
            other => panic!("{other}: {}", deleted.body),
        }
        for refused in started.iter().filter(|answer| answer.status != 202) {
            assert_eq!((refused.status, refused.code()), (409, "version_deleted"));
        }
    }
    println!("{gone} versions were deleted, {kept} were in use");
}

#[tokio::test]
async fn versions_are_looked_after_from_the_command_line() {
    let server = served(SAY).await;
    let at = ["--server", server.url.as_str()];
    let words = |words: &[&'static str]| [words, &["--reason", "it is wrong"], &at[..]].concat();
    let deprecated = done(&words(&["workflow", "deprecate", "aged", "1.0.0"])).await;
    assert_eq!(deprecated["status"], json!("deprecated"));
    let listed = done(&[&["workflow", "versions", "aged"][..], &at[..]].concat()).await;
    assert_eq!(
        (&items(&listed)[1]["status"], &items(&listed)[1]["change"]["reason"]),
        (&json!("deprecated"), &json!("it is wrong"))
    );
    let (code, table, _) = promptsales(&[&["workflow", "list"][..], &at[..]].concat()).await;
    let head: Vec<_> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!((code, head), (0, vec!["name", "version", "status", "title"]), "{table}");
    done(&words(&["workflow", "restore", "aged", "1.0.0"])).await;
    let (code, _, error) = promptsales(&words(&["workflow", "delete", "aged", "2.0.0"])).await;
    assert!(code == 1 && error.contains("409 (version_is_latest)"), "{code}: {error}");
    assert_eq!(done(&words(&["workflow", "delete", "aged", "1.0.0"])).await["status"], json!("deleted"));
}
