//! Events in: each is on stable storage before the answer, and taken once by its source and id.

use futures_util::future::join_all;
use promptsales_tests::{Answer, Server, Settings};
use reqwest::Method;
use serde_json::{Value, json};

const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const ONE: (&str, &str) = ("content-type", "application/cloudevents+json");

fn event(source: &str, id: u64) -> Value {
    json!({ "specversion": "1.0", "source": source, "id": id.to_string(), "type": "page.seen", "data": { "n": id } })
}

async fn send(server: &Server, headers: &[(&str, &str)], body: &Value) -> Answer {
    let sent = server.http.send(Method::POST, "/api/v1/events", headers, Some(body.to_string())).await;
    sent.expect("the server answers")
}

fn counts(answer: &Answer) -> (u16, u64, u64) {
    let count = |name: &str| answer.body[name].as_u64().unwrap_or_else(|| panic!("{}", answer.body));
    (answer.status, count("accepted"), count("duplicates"))
}

#[tokio::test]
async fn a_batch_is_taken_once_whatever_comes_between() {
    let mut server = Server::start(Settings::default()).await;
    let batch: Vec<_> = (0..100).map(|id| event("/shop", id)).collect();
    let body = json!(batch);
    let all = join_all((0..8).map(|_| send(&server, &[BATCH], &body))).await;
    let accepted: u64 = all.iter().map(|answer| counts(answer).1).sum();
    assert_eq!(accepted, 100, "each event counts once, though eight bring it at once");
    assert!(all.iter().all(|answer| answer.status == 200));
    server.kill().await;
    server.restart().await;
    assert_eq!(counts(&send(&server, &[BATCH], &json!(batch)).await), (200, 0, 100));
    let mut more = batch.clone();
    more.push(event("/shop", 100));
    more.push(event("/app", 1));
    more.push(event("/app", 1));
    let taken = send(&server, &[BATCH], &json!(more)).await;
    assert_eq!(counts(&taken), (200, 2, 101), "the same id of another source is another event");
    assert!(taken.headers.contains_key("x-consistency-token"));
    let metrics = server.http.get("/metrics").await;
    let metrics = metrics.body.as_str().unwrap_or_default();
    assert!(metrics.contains("promptsales_events_taken_in_total 2"), "{metrics}");
}

#[tokio::test]
async fn a_key_gives_the_same_answer_and_refuses_other_events() {
    let mut server = Server::start(Settings::default()).await;
    let keyed = [BATCH, ("idempotency-key", "k-1")];
    let (one, other) = (json!([event("/shop", 1), event("/shop", 2)]), json!([event("/shop", 3)]));
    assert_eq!(counts(&send(&server, &keyed, &one).await), (200, 2, 0));
    for _ in 0..2 {
        let again = send(&server, &keyed, &one).await;
        assert_eq!(counts(&again), (200, 2, 0), "the recorded answer");
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(send(&server, &keyed, &other).await.problem(422), "idempotency_key_reused");
        server.kill().await;
        server.restart().await;
    }
    assert_eq!(counts(&send(&server, &[BATCH], &other).await), (200, 1, 0), "nothing of it was taken before");
    let key = [BATCH, ("idempotency-key", "k-2")];
    let at_once = join_all((4..12).map(|id| {
        let (server, key) = (&server, &key);
        async move { send(server, key, &json!([event("/shop", id)])).await.status }
    }));
    let at_once = at_once.await;
    assert_eq!(at_once.iter().filter(|status| **status == 200).count(), 1, "{at_once:?}");
}

#[tokio::test]
async fn one_event_comes_in_structured_or_in_binary_mode() {
    let server = Server::start(Settings::default()).await;
    assert_eq!(counts(&send(&server, &[ONE], &event("/shop", 1)).await), (200, 1, 0));
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "page.seen"),
        ("content-type", "application/json"),
    ];
    assert_eq!(counts(&send(&server, &binary, &json!({ "n": 1 })).await), (200, 0, 1), "the same event");
    assert_eq!(counts(&send(&server, &[BATCH], &json!([])).await), (200, 0, 0));
}

#[tokio::test]
async fn of_a_batch_with_a_bad_event_nothing_is_taken() {
    let server = Server::start(Settings::default()).await;
    let mut wrong = event("/shop", 2);
    wrong["type"] = json!("");
    let refused = send(&server, &[BATCH], &json!([event("/shop", 1), wrong])).await;
    let detail = refused.body["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(refused.problem(422), "invalid_body");
    assert!(detail.contains("event 1") && detail.contains("`type`"), "{detail}");
    assert_eq!(counts(&send(&server, &[ONE], &event("/shop", 1)).await), (200, 1, 0));
    let plain = send(&server, &[("content-type", "application/json")], &event("/shop", 3)).await;
    assert_eq!(plain.problem(415), "unsupported_media_type");
    let many: Vec<_> = (0..1_001).map(|id| event("/shop", id)).collect();
    assert_eq!(send(&server, &[BATCH], &json!(many)).await.problem(422), "invalid_body");
}
