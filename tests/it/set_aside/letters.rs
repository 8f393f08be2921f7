//! Dead letters: a signal that brings its run down, since the run waits in a task that its definition has not.

use promptsales_tests::{Server, Settings, damage, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::steps::{define, done, ended, items, promptsales, run, start, text, waiting};

const WAITING: &str = "/do/0/poisoned";
const ASTRAY: &str = "/do/0/poisonee";
const LETTERS: &str = "/api/v1/dead-letters";

/// A server with runs that wait for a signal which brings them down.
async fn poisoned(runs: usize) -> (Server, Vec<String>) {
    let mut server = Server::start(Settings::default()).await;
    let listen = "listen: { to: { one: { with: { type: go } } } }";
    define(
        &server,
        "hearing",
        &format!("do: [{{ poisoned: {{ {listen} }} }}, {{ then: {{ set: {{ n: 1 }} }} }}]"),
    )
    .await;
    let mut started = Vec::new();
    for _ in 0..runs {
        let id = start(&server, "hearing", &json!({})).await;
        waiting(&server, &id, "signal").await;
        started.push(id);
    }
    change(&mut server, WAITING, ASTRAY).await;
    (server, started)
}

/// Changes what is stored, between two lives of the server.
async fn change(server: &mut Server, from: &str, to: &str) {
    assert_eq!(server.terminate().await, Some(0));
    damage(server.folder(), from, to);
    server.restart().await;
}

/// Sends the signal; gives the id of the dead letter that it becomes.
async fn signal(server: &Server, run: &str) -> String {
    let answer = server.http.post(&format!("/api/v1/runs/{run}/signals/go"), &json!({ "n": 7 })).await;
    let letter = text(&answer.body["errors"], "deadLetter").to_owned();
    assert_eq!(answer.problem(500), "dead_lettered");
    letter
}

async fn letter(server: &Server, id: &str) -> Value {
    server.http.get(&format!("{LETTERS}/{id}")).await.ok()
}

async fn settled(server: &Server, id: &str) -> Value {
    until("the answer to a retry", || async {
        let letter = letter(server, id).await;
        (letter["status"] == "retried").then_some(letter)
    })
    .await
}

async fn act(server: &Server, id: &str, verb: &str, why: &str) -> promptsales_tests::Answer {
    server.http.post(&format!("{LETTERS}/{id}/{verb}"), &json!({ "why": why })).await
}

#[tokio::test]
async fn a_poison_command_is_set_aside_with_everything_that_tells_why() {
    let (server, runs) = poisoned(2).await;
    let id = signal(&server, &runs[0]).await;
    let shown = letter(&server, &id).await;
    assert_eq!((text(&shown, "target"), text(&shown, "kind")), (runs[0].as_str(), "runs"));
    assert_eq!((text(&shown, "input"), &shown["strikes"]), ("signal", &json!(3)));
    assert_eq!(shown["body"], json!({ "name": "go", "data": { "n": 7 } }));
    assert!(text(&shown, "cause").contains("stands in the definition"), "{shown}");
    let backtrace = text(&shown, "backtrace");
    assert!(backtrace.contains(".rs:") && backtrace.contains("promptsales_engine::"), "{backtrace}");
    assert_eq!((text(&shown, "status"), text(&shown["sender"], "principal")), ("open", "dev"));
    let list = server.http.get(LETTERS).await.ok();
    assert_eq!(items(&list).len(), 1);
    assert_eq!((&items(&list)[0]["id"], &items(&list)[0]["backtrace"]), (&json!(id), &Value::Null));
    // The run goes on, and so does everything else; nothing is quarantined.
    assert_eq!(run(&server, &runs[0]).await["status"], json!("waiting"));
    for other in 0..3 {
        let path = format!("/api/v1/leads/~l{other}/commands/record-activity");
        server.http.post(&path, &json!({ "activity": "opened", "score": 1 })).await.ok();
    }
    assert_eq!(items(&server.http.get("/api/v1/quarantine").await.ok()), [] as [Value; 0]);
    for (query, count) in [
        ("kind=runs", 1),
        ("kind=leads", 0),
        ("cause=STANDS%20in", 1),
        ("cause=elsewhere", 0),
        ("since=2100-01-01T00:00:00Z", 0),
        ("until=2100-01-01T00:00:00Z", 1),
        ("status=discarded", 0),
        ("status=all", 1),
    ] {
        let page = server.http.get(&format!("{LETTERS}?{query}")).await.ok();
        assert_eq!(items(&page).len(), count, "{query}");
    }
}

#[tokio::test]
async fn a_retry_while_still_poison_is_another_letter_and_one_when_mended_goes_on() {
    let (mut server, runs) = poisoned(1).await;
    let first = signal(&server, &runs[0]).await;
    assert_eq!(act(&server, &first, "retry", " ").await.problem(422), "no_reason");
    act(&server, &first, "retry", "a try").await.ok();
    let shown = settled(&server, &first).await;
    assert_eq!(text(&shown["answer"], "rejected"), "dead_lettered");
    assert_eq!((text(&shown["act"], "by"), text(&shown["act"], "why")), ("dev", "a try"));
    let open = server.http.get(LETTERS).await.ok();
    let second = text(&items(&open)[0], "id").to_owned();
    assert_ne!((items(&open).len(), &second), (0, &first));
    change(&mut server, ASTRAY, WAITING).await;
    let again = act(&server, &first, "retry", "it is closed").await;
    assert_eq!(text(&again.body["errors"]["act"], "why"), "a try");
    assert_eq!(again.problem(409), "dead_letter_closed");
    // Two operators, and the same one twice under one key.
    let path = format!("{LETTERS}/{second}/retry");
    let why = json!({ "why": "the store is mended" });
    let late = json!({ "why": "I am late" });
    let (one, other) =
        tokio::join!(server.http.post_keyed(&path, "press", &why), server.http.post(&path, &late),);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.body, other.body);
    let pressed = server.http.post_keyed(&path, "press", &why).await;
    assert_eq!((pressed.status, &pressed.body), (one.status, &one.body));
    let run = ended(&server, &runs[0]).await;
    assert_eq!(run["status"], json!("completed"), "{run}");
    let shown = settled(&server, &second).await;
    assert_eq!(shown["answer"]["rejected"], Value::Null);
    let events = server.http.get(&format!("/api/v1/runs/{}/journal?limit=100", runs[0])).await.ok();
    let signals = items(&events).iter().filter(|event| event["type"] == "signal-received");
    assert_eq!(signals.filter(|event| event["principal"] == "dev").count(), 1, "{events}");
}

#[tokio::test]
async fn letters_are_retried_and_discarded_in_bulk_and_from_the_command_line() {
    let (mut server, runs) = poisoned(4).await;
    let mut letters = Vec::new();
    for run in &runs {
        letters.push(signal(&server, run).await);
    }
    let none = server.http.post(&format!("{LETTERS}/discard"), &json!({ "why": "x" })).await;
    assert_eq!(none.problem(422), "invalid_body", "what is meant has to be said");
    let (code, _, error) =
        promptsales(&["deadletter", "discard", "--why", "x", "--server", &server.url]).await;
    assert_eq!(code, 2, "{error}");
    let listed = done(&["deadletter", "list", "--server", &server.url]).await;
    assert_eq!(items(&listed).len(), 4);
    let shown = done(&["deadletter", "show", &letters[0], "--server", &server.url]).await;
    assert!(text(&shown, "backtrace").contains("promptsales"));
    let why = ["--why", "a customer asked", "--server", &server.url];
    done(&[&["deadletter", "discard", &letters[0]], &why[..]].concat()).await;
    let target = ["deadletter", "discard", "--target", &runs[1]];
    let discarded = done(&[&target, &why[..]].concat()).await;
    assert_eq!(discarded, json!({ "done": [letters[1]], "refused": [] }));
    change(&mut server, ASTRAY, WAITING).await;
    let url = server.url.clone();
    let why = ["--why", "mended", "--server", &url];
    let retried =
        done(&[&["deadletter", "retry", "--kind", "runs", "--cause", "definition"], &why[..]].concat()).await;
    assert_eq!(retried, json!({ "done": [letters[2], letters[3]], "refused": [] }));
    for id in &runs[2..] {
        assert_eq!(ended(&server, id).await["status"], json!("completed"));
    }
    for id in &runs[..2] {
        assert_eq!(run(&server, id).await["status"], json!("waiting"));
    }
    for (letter_id, status, reason) in
        [(&letters[0], "discarded", "a customer asked"), (&letters[1], "discarded", "a customer asked")]
    {
        let shown = letter(&server, letter_id).await;
        assert_eq!((text(&shown, "status"), text(&shown["act"], "why")), (status, reason));
    }
    let metrics = server.http.send(Method::GET, "/metrics", &[], None).await.expect("it answers").body;
    let metrics = metrics.as_str().expect("metrics are text");
    assert!(metrics.contains("promptsales_operator_acts_total{act=\"retry\"} 2"), "{metrics}");
}
