//! Commands: what a key counts for, what is answered, and what can be read afterwards.

use futures_util::future::join_all;
use promptsales_tests::{Answer, Server, Settings, pause};
use reqwest::Method;
use serde_json::{Value, json};

use crate::steps::{every, items, text};

fn activity(score: i32) -> Value {
    json!({ "activity": "opened", "score": score })
}

async fn lead(server: &Server, id: &str) -> Value {
    server.http.get(&format!("/api/v1/leads/{id}")).await.ok()
}

/// What an answer says, without what differs from request to request.
fn said(answer: &Answer) -> (u16, &Value) {
    (answer.status, &answer.body)
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn a_key_counts_once_also_over_a_crash() {
    let mut server = Server::start(Settings::default()).await;
    let path = "/api/v1/leads/~k-1/commands/record-activity";
    let first = server.http.post_keyed(path, "key", &activity(5)).await;
    let again = server.http.post_keyed(path, "key", &activity(5)).await;
    assert_eq!((first.status, &first.body["version"]), (200, &json!(1)), "{}", first.body);
    assert_eq!(said(&first), said(&again));
    assert_eq!((replayed(&first), replayed(&again)), (false, true));
    let other = server.http.post_keyed(path, "key", &activity(6)).await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
    let elsewhere =
        server.http.post_keyed("/api/v1/leads/~k-2/commands/record-activity", "key", &activity(6)).await;
    assert_eq!(elsewhere.ok()["version"], json!(1), "a key counts for its own path");
    server.http.post(path, &activity(1)).await.ok();
    server.kill().await;
    server.restart().await;
    let after = server.http.post_keyed(path, "key", &activity(5)).await;
    assert_eq!((said(&after), replayed(&after)), (said(&first), true));
    assert_eq!(
        server.http.post_keyed(path, "key", &activity(6)).await.problem(422),
        "idempotency_key_reused"
    );
    let lead = lead(&server, "~k-1").await;
    assert_eq!(
        (&lead["version"], &lead["score"], &lead["externalKey"]),
        (&json!(2), &json!(6), &json!("k-1"))
    );
}

#[tokio::test]
async fn twenty_at_once_under_one_key_count_once() {
    let server = Server::start(Settings::default()).await;
    for (path, body) in [
        ("/api/v1/leads/~many/commands/record-activity", activity(3)),
        ("/api/v1/leads", json!({ "email": "ana@example.com" })),
    ] {
        let all = join_all((0..20).map(|_| server.http.post_keyed(path, "one key", &body))).await;
        for answer in &all {
            assert_eq!(said(answer), said(&all[0]), "{path}");
        }
        assert_eq!(all.iter().filter(|answer| !replayed(answer)).count(), 1, "{path}");
        let id = text(&all[0].body, "id");
        assert_eq!(lead(&server, id).await["version"], json!(1), "{path}");
    }
    assert_eq!(every(&server, "/api/v1/leads").await.len(), 2);
}

#[tokio::test]
async fn what_is_created_under_a_key_keeps_its_id_over_a_crash() {
    let mut server = Server::start(Settings::default()).await;
    let ana = json!({ "email": "ana@example.com", "name": "Ana" });
    let first = server.http.post_keyed("/api/v1/leads", "signup-1", &ana).await;
    let id = text(&first.body, "id").to_owned();
    let location = Some(format!("/api/v1/leads/{id}"));
    assert_eq!((first.status, first.headers.get("location").cloned()), (201, location.clone()));
    let other = server.http.post_keyed("/api/v1/leads", "signup-2", &ana).await;
    assert_ne!(other.body["id"], json!(id), "another key is another lead");
    let draft = json!({ "name": "Otoño", "externalKey": "erp/7" });
    let campaign = server.http.post_keyed("/api/v1/campaigns", "signup-1", &draft).await;
    assert_eq!(campaign.status, 201, "a key counts for its own path: {}", campaign.body);
    server.kill().await;
    server.restart().await;
    let again = server.http.post_keyed("/api/v1/leads", "signup-1", &ana).await;
    assert_eq!((said(&again), replayed(&again)), (said(&first), true));
    assert_eq!(again.headers.get("location").cloned(), location);
    let reused =
        server.http.post_keyed("/api/v1/leads", "signup-1", &json!({ "email": "b@example.com" })).await;
    assert_eq!(reused.problem(422), "idempotency_key_reused");
    assert_eq!(every(&server, "/api/v1/leads").await.len(), 2);
    let by_key = server.http.get("/api/v1/campaigns/~erp%2F7").await.ok();
    assert_eq!(by_key["id"], campaign.body["id"]);
    let keyed = server.http.post("/api/v1/campaigns", &draft).await;
    assert_eq!(
        (keyed.status, &keyed.body["events"]),
        (201, &json!([])),
        "the same draft again changes nothing"
    );
}

#[tokio::test]
async fn a_rejection_stays_what_it_was() {
    let mut server = Server::start(Settings::default()).await;
    server
        .http
        .post("/api/v1/leads/~ana/commands/register", &json!({ "email": "ana@example.com" }))
        .await
        .ok();
    let register = "/api/v1/leads/~ana/commands/register";
    let other = json!({ "email": "other@example.com" });
    let refused = server.http.post_keyed(register, "r-1", &other).await;
    assert_eq!((refused.status, refused.code()), (409, "lead_already_registered"));
    let qualify = "/api/v1/leads/~later/commands/qualify";
    let missing = server.http.post_keyed(qualify, "r-2", &json!({})).await;
    assert_eq!((missing.status, missing.code()), (404, "not_found"));
    let body = json!({ "to": "lost" });
    let stage = "/api/v1/leads/~ana/commands/move-stage";
    let reason = server.http.post_keyed(stage, "r-3", &body).await;
    assert_eq!((reason.status, reason.code()), (409, "stage_reason_needed"));
    let garbage = server.http.post_keyed(stage, "r-4", &json!({ "to": "space" })).await;
    assert_eq!((garbage.status, garbage.code()), (422, "invalid_command"));
    // What was refused would be accepted by now.
    server.http.post("/api/v1/leads/~later/commands/record-activity", &activity(1)).await.ok();
    server.http.post(stage, &json!({ "to": "lost", "reason": "moved away" })).await.ok();
    server.kill().await;
    server.restart().await;
    for (path, key, body, before) in [
        (register, "r-1", other, refused),
        (qualify, "r-2", json!({}), missing),
        (stage, "r-3", body, reason),
        (stage, "r-4", json!({ "to": "space" }), garbage),
    ] {
        let again = server.http.post_keyed(path, key, &body).await;
        assert_eq!(said(&again), said(&before), "{path}");
    }
    assert_eq!(lead(&server, "~ana").await["version"], json!(2));
    assert_eq!(lead(&server, "~later").await["version"], json!(1));
    assert_eq!(lead(&server, "~later").await["stage"], json!("new"));
}

#[tokio::test]
async fn a_write_answers_with_a_token_that_reads_accept() {
    let server = Server::start(Settings::default()).await;
    let stranger = Server::start(Settings::default()).await;
    let written = server.http.post("/api/v1/leads/~t/commands/record-activity", &activity(1)).await;
    let token = written.headers["x-consistency-token"].clone();
    let read = async |path: &str, token: &str| {
        let sent = server.http.send(Method::GET, path, &[("x-consistency-token", token)], None).await;
        sent.expect("the server answers")
    };
    for path in ["/api/v1/leads/~t", "/api/v1/leads", "/api/v1/runs"] {
        assert_eq!(read(path, &token).await.status, 200, "{path}");
    }
    let one = read("/api/v1/leads/~t", &token).await;
    assert_eq!(one.headers["etag"], "\"1\"");
    assert!(one.headers.contains_key("x-consistency-token"));
    let foreign = stranger.http.post("/api/v1/leads/~t/commands/record-activity", &activity(1)).await;
    let foreign = &foreign.headers["x-consistency-token"];
    for wrong in [foreign.as_str(), "1", "a.b.c", "", "ñ"] {
        assert_eq!(read("/api/v1/leads/~t", wrong).await.problem(400), "invalid_parameter", "`{wrong}`");
    }
    let second = server.http.post("/api/v1/leads/~t/commands/record-activity", &activity(1)).await;
    assert_ne!(second.headers["x-consistency-token"], token);
    assert_eq!(read("/api/v1/leads/~t", &token).await.headers["etag"], "\"2\"");
}

#[tokio::test]
async fn an_entity_can_be_read_as_it_was() {
    let server = Server::start(Settings::default()).await;
    let mut moments = Vec::new();
    for score in 1..=3 {
        server.http.post("/api/v1/leads/~was/commands/record-activity", &activity(score)).await.ok();
        let now = lead(&server, "~was").await;
        moments.push((text(&now, "updatedAt").to_owned(), now));
        pause(5).await;
    }
    for (at, then) in &moments {
        assert_eq!(&lead(&server, &format!("~was?at={at}")).await, then);
    }
    let far = "2100-01-01T00:00:00Z";
    assert_eq!(lead(&server, &format!("~was?at={far}")).await, moments[2].1);
    let before = server.http.get("/api/v1/leads/~was?at=2020-01-01T00:00:00%2B06:00").await;
    assert_eq!(before.problem(404), "not_found");
}

#[tokio::test]
async fn events_carry_their_whole_envelope() {
    let mut server = Server::start(Settings::default()).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("x-request-id", "req-7"), ("x-correlation-id", "order-9"), ("traceparent", trace)];
    let path = "/api/v1/leads/~e/commands/record-activity";
    let sent = server.http.send(Method::POST, path, &headers, Some(activity(4).to_string())).await.unwrap();
    assert_eq!(sent.headers["x-request-id"], "req-7");
    server.http.post(path, &activity(5)).await.ok();
    let before = server.http.get("/api/v1/leads/~e/events").await.ok();
    server.kill().await;
    server.restart().await;
    let after = server.http.get("/api/v1/leads/~e/events").await.ok();
    assert_eq!(before, after);
    let (events, id) = (items(&after), text(&sent.body, "id"));
    let first = &events[0];
    assert_eq!((events.len(), &after["next"]), (2, &Value::Null));
    let expected = json!({
        "stream": id, "seq": 1, "type": "activity-recorded", "version": 1, "tenant": "default",
        "causationId": "req-7", "correlationId": "order-9", "traceparent": trace, "principal": "dev",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&first[field], value, "{field}");
    }
    assert_eq!(first["data"]["score"], json!(4));
    assert!(first["slot"].is_u64() && text(first, "time").ends_with('Z'), "{first}");
    assert!(events[1]["position"].as_u64() > first["position"].as_u64());
    assert_eq!((&events[1]["seq"], &events[1]["causationId"]), (&json!(2), &events[1]["correlationId"]));
    let paged = server.http.get("/api/v1/leads/~e/events?limit=1").await.ok();
    let next = format!("/api/v1/leads/~e/events?limit=1&cursor={}", text(&paged, "next"));
    assert_eq!(items(&server.http.get(&next).await.ok()), &events[1..]);
}

#[tokio::test]
async fn lists_page_from_the_newest_on_with_each_once() {
    let server = Server::start(Settings::default()).await;
    let mut made = Vec::new();
    for n in 0..7 {
        let lead = server.http.post("/api/v1/leads", &json!({ "externalKey": format!("p-{n}") })).await.ok();
        made.insert(0, text(&lead, "id").to_owned());
    }
    let (mut path, mut seen) = ("/api/v1/leads?limit=3".to_owned(), Vec::new());
    loop {
        let page = server.http.get(&path).await;
        seen.extend(items(&page.body).iter().map(|lead| text(lead, "id").to_owned()));
        let Some(link) = page.headers.get("link") else {
            assert_eq!(page.body["next"], Value::Null);
            break;
        };
        assert!(items(&page.body).len() == 3 && seen.len() <= 7, "{}", page.body);
        path = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        assert!(path.ends_with(&format!("cursor={}", text(&page.body, "next"))), "{path}");
        // A newcomer stands before all pages to come.
        server.http.post("/api/v1/leads", &json!({ "email": "late@example.com" })).await.ok();
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn names_and_keys_of_any_script_come_back_as_they_were() {
    let server = Server::start(Settings::default()).await;
    let names = ["Ñandú Íñiguez", "李雷", "Zoë 🦊", "محمد", "\u{65}\u{301}te"];
    for (n, name) in names.iter().enumerate() {
        let made =
            server.http.post("/api/v1/leads", &json!({ "externalKey": n.to_string(), "name": name })).await;
        assert_eq!(lead(&server, text(&made.body, "id")).await["name"], json!(name));
    }
    let keys = [
        ("~a%20b", "a b"),
        ("~%C3%B1and%C3%BA", "ñandú"),
        ("~crm%2F47%2F11", "crm/47/11"),
        ("~100%25%3F%23%26", "100%?#&"),
        ("~~~", "~~"),
        ("~%F0%9F%A6%8A", "🦊"),
        ("~+", "+"),
    ];
    for (path, key) in keys {
        let done =
            server.http.post(&format!("/api/v1/leads/{path}/commands/record-activity"), &activity(1)).await;
        let shown = lead(&server, path).await;
        assert_eq!((&shown["externalKey"], &shown["id"]), (&json!(key), &done.body["id"]), "{path}");
        let known = server.http.post("/api/v1/leads", &json!({ "externalKey": key })).await.ok();
        assert_eq!(known["id"], done.body["id"], "the key in a body is the key in a path");
    }
    assert_eq!(every(&server, "/api/v1/leads").await.len(), names.len() + keys.len());
}
