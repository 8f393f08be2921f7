//! Steps that several tests take.

use promptsales_tests::{Server, binary, until};
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs the binary; gives its exit code, and what it wrote.
pub(crate) async fn promptsales(words: &[&str]) -> (i32, String, String) {
    let done = Command::new(binary()).args(words).output().await.expect("the binary can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes UTF-8");
    (done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
}

/// Runs a command that is to succeed, and reads the JSON that it prints.
pub(crate) async fn done(words: &[&str]) -> Value {
    let (code, out, error) = promptsales(&[words, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{words:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{words:?}: {e}: {out}"))
}

/// A brief that can be launched: three channels in two languages.
pub(crate) fn brief() -> Value {
    json!({
        "name": "Verano 2026", "targetAudience": "Jóvenes de Costa Rica", "campaignMessage": "Refrescate",
        "channels": ["instagram", "facebook", "tiktok"], "locales": ["es-CR", "en"],
        "budget": { "amountMinor": 100_001, "currency": "USD" },
        "landingUrl": "https://tienda.example/verano",
    })
}

/// The text of a field.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}"))
}

/// The items of a page.
#[track_caller]
pub(crate) fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap_or_else(|| panic!("no page: {page}"))
}

/// Every item of a list, in its order, by its cursors.
pub(crate) async fn every(server: &Server, path: &str) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.http.get(&format!("{path}{joint}limit=100{cursor}")).await.ok();
        all.extend_from_slice(items(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Registers a definition of the name `example`, given what comes after its head.
pub(crate) async fn define(server: &Server, name: &str, body: &str) {
    let source =
        format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}\n{body}");
    register(server, &source).await.ok();
}

/// Registers a definition.
pub(crate) async fn register(server: &Server, source: &str) -> promptsales_tests::Answer {
    let sent =
        server.http.send(reqwest::Method::POST, "/api/v1/workflows", &[], Some(source.to_owned())).await;
    sent.expect("the server answers")
}

/// Starts a run and gives its id.
pub(crate) async fn start(server: &Server, workflow: &str, input: &Value) -> String {
    let started = server.http.post(&format!("/api/v1/workflows/{workflow}/runs"), input).await;
    assert_eq!(started.status, 202, "{}", started.body);
    text(&started.body, "runId").to_owned()
}

/// Sends an event from outside.
pub(crate) async fn send_event(server: &Server, kind: &str, id: &str, data: Value) {
    let event = json!({ "specversion": "1.0", "source": "/shop", "id": id, "type": kind, "data": data });
    let json = [("content-type", "application/cloudevents+json")];
    server
        .http
        .send(reqwest::Method::POST, "/api/v1/events", &json, Some(event.to_string()))
        .await
        .expect("it answers")
        .ok();
}

/// A run as it is.
pub(crate) async fn run(server: &Server, id: &str) -> Value {
    server.http.get(&format!("/api/v1/runs/{id}")).await.ok()
}

/// A run once it has ended.
pub(crate) async fn ended(server: &Server, id: &str) -> Value {
    until("the run's end", || async {
        let run = run(server, id).await;
        (!run["endedAt"].is_null()).then_some(run)
    })
    .await
}

/// A run once it waits for something of a kind.
pub(crate) async fn waiting(server: &Server, id: &str, kind: &str) -> Value {
    until(&format!("a wait for a {kind}"), || async {
        let run = run(server, id).await;
        let waits = run["waitingFor"].as_array().is_some_and(|all| all.iter().any(|w| w["kind"] == kind));
        waits.then_some(run)
    })
    .await
}

/// The tasks of a run.
pub(crate) async fn tasks(server: &Server, id: &str) -> Vec<Value> {
    every(server, &format!("/api/v1/runs/{id}/tasks")).await
}
