//! Garbage: every mistake of a client is answered as a problem with a stable code, and nothing comes of it.

use promptsales_tests::{Answer, Server, Settings, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::steps::{define, every, run, start, waiting};

const NO_LEAD: &str = "lead_01h455vb4pex5vsknk084sn02q";
const NO_RUN: &str = "run_01h455vb4pex5vsknk084sn02q";

/// The status, the code and a word of the detail that a mistake is answered with.
type Wanted<'a> = (u16, &'a str, &'a str);

#[track_caller]
fn refused(what: &str, answer: &Answer, (status, code, detail): Wanted<'_>) {
    let header = |name: &str| answer.headers.get(name).cloned().unwrap_or_default();
    assert_eq!((answer.status, answer.code()), (status, code), "{what}: {}", answer.body);
    assert_eq!(header("content-type"), "application/problem+json", "{what}");
    assert!(!header("x-request-id").is_empty(), "{what}: no request id");
    assert_eq!(answer.body["status"], json!(status), "{what}");
    assert!(!answer.body["title"].as_str().unwrap_or_default().is_empty(), "{what}: {}", answer.body);
    let said = answer.body["detail"].as_str().unwrap_or_default();
    assert!(said.contains(detail), "{what}: `{detail}` is not named in `{said}`");
}

/// How much there is of everything.
async fn census(server: &Server) -> Vec<usize> {
    let mut counts = Vec::new();
    for path in ["leads", "campaigns", "content-jobs", "runs", "workflows"] {
        counts.push(every(server, &format!("/api/v1/{path}")).await.len());
    }
    counts
}

async fn send(server: &Server, method: &str, path: &str, body: Option<&str>) -> Answer {
    let method: Method = method.parse().expect("a method");
    let sent = server.http.send(method, path, &[], body.map(str::to_owned)).await;
    sent.expect("the server answers")
}

const ACTIVITY: &str = "/api/v1/leads/~g/commands/record-activity";
const RUNS: &str = "/api/v1/workflows/launch-campaign/runs";

/// Paths, bodies that make no sense there, and their answers.
const BODIES: &[(&str, &str, Wanted<'_>)] = &[
    ("/api/v1/leads", "{", (400, "malformed_json", "line 1")),
    ("/api/v1/leads", "[]", (400, "malformed_json", "object")),
    ("/api/v1/leads", "\"text\"", (400, "malformed_json", "object")),
    ("/api/v1/leads", "{} {}", (400, "malformed_json", "trailing")),
    ("/api/v1/leads", "{\"email\":\"a@b.example\"\0}", (400, "malformed_json", "")),
    ("/api/v1/leads", "", (422, "lead_without_identity", "email")),
    ("/api/v1/leads", "{}", (422, "lead_without_identity", "externalKey")),
    ("/api/v1/leads", r#"{"email":5}"#, (422, "invalid_command", "`email`")),
    ("/api/v1/leads", r#"{"email":"nobody"}"#, (422, "invalid_command", "`email`")),
    ("/api/v1/leads", r#"{"phone":"12"}"#, (422, "invalid_command", "`phone`")),
    ("/api/v1/leads", r#"{"email":"a@b.example","nope":1}"#, (422, "invalid_command", "`nope`")),
    (
        "/api/v1/leads",
        r#"{"email":"a@b.example","email":"c@d.example"}"#,
        (422, "invalid_command", "`email`"),
    ),
    ("/api/v1/leads", r#"{"email":"a@b.example","name":"a\u0000b"}"#, (422, "invalid_command", "`name`")),
    ("/api/v1/leads", r#"{"email":"a@b.example","tags":[7]}"#, (422, "invalid_command", "`tags[0]`")),
    (
        "/api/v1/leads",
        r#"{"email":"a@b.example","attributes":{"n":1e999}}"#,
        (422, "invalid_command", "`attributes"),
    ),
    (
        "/api/v1/leads",
        r#"{"email":"a@b.example","attributes":{"n":"\ud800"}}"#,
        (422, "invalid_command", "`attributes"),
    ),
    ("/api/v1/leads", r#"{"externalKey":5}"#, (422, "invalid_body", "`externalKey`")),
    ("/api/v1/leads", r#"{"externalKey":""}"#, (422, "invalid_body", "`externalKey`")),
    ("/api/v1/leads", r#"{"externalKey":"a\u0000b"}"#, (422, "invalid_body", "`externalKey`")),
    (ACTIVITY, r#"{"activity":"opened"}"#, (422, "invalid_command", "`score`")),
    (ACTIVITY, r#"{"activity":"opened","score":"5"}"#, (422, "invalid_command", "`score`")),
    (ACTIVITY, r#"{"activity":"opened","score":1.5}"#, (422, "invalid_command", "`score`")),
    (ACTIVITY, r#"{"activity":"opened","score":99999999999}"#, (422, "invalid_command", "`score`")),
    (ACTIVITY, r#"{"activity":"opened","score":1000001}"#, (422, "score_out_of_bounds", "`score`")),
    (ACTIVITY, r#"{"activity":"","score":1}"#, (422, "invalid_command", "`activity`")),
    ("/api/v1/campaigns", "{}", (422, "invalid_command", "`name`")),
    ("/api/v1/campaigns/launch", "{}", (422, "invalid_command", "`name`")),
    ("/api/v1/campaigns/launch", "[]", (400, "malformed_json", "object")),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x"}"#,
        (422, "brief_incomplete", "targetAudience, campaignMessage, channels, budget"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","channels":["smoke"]}"#,
        (422, "invalid_command", "`channels[0]`"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","budget":{"amountMinor":-1,"currency":"USD"}}"#,
        (422, "invalid_command", "`budget"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","budget":{"amountMinor":1,"currency":"ZZZ"}}"#,
        (422, "invalid_command", "`budget"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","landingUrl":"ftp://x"}"#,
        (422, "invalid_command", "`landingUrl`"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","locales":["no such language"]}"#,
        (422, "invalid_command", "`locales[0]`"),
    ),
    (
        "/api/v1/campaigns/launch",
        r#"{"name":"x","startDate":"soon"}"#,
        (422, "invalid_command", "`startDate`"),
    ),
    ("/api/v1/workflows", "", (422, "invalid_definition", "")),
    ("/api/v1/workflows", "nonsense", (422, "invalid_definition", "mapping")),
    ("/api/v1/workflows", "a: [", (422, "invalid_definition", "YAML")),
    ("/api/v1/workflows", "{}", (422, "invalid_definition", "document")),
    (RUNS, "[]", (400, "malformed_json", "object")),
    (RUNS, "{}", (422, "invalid_input", "campaignId")),
    (RUNS, r#"{"campaignId":7}"#, (422, "invalid_input", "campaignId")),
    (RUNS, r#"{"campaignId":"cmp_x","extra":1}"#, (422, "invalid_input", "extra")),
    (RUNS, r#"{"campaignId":1e999}"#, (422, "invalid_body", "campaignId")),
    (RUNS, r#"{"campaignId":"\ud800"}"#, (422, "invalid_body", "campaignId")),
];

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused() {
    let server = Server::start(Settings::default()).await;
    let before = census(&server).await;
    for (path, body, wanted) in BODIES {
        refused(&format!("POST {path} {body}"), &send(&server, "POST", path, Some(body)).await, *wanted);
    }
    let long = format!(r#"{{"externalKey":"{}"}}"#, "k".repeat(129));
    let answer = send(&server, "POST", "/api/v1/leads", Some(&long)).await;
    refused("a long key", &answer, (422, "invalid_body", "`externalKey`"));
    assert_eq!(census(&server).await, before, "something came of it");
}

/// Methods and paths that lead nowhere, and their answers.
const ADDRESSES: &[(&str, &str, Wanted<'_>)] = &[
    ("GET", "/nowhere", (404, "no_such_route", "/nowhere")),
    ("GET", "/api/v1/leads/", (404, "no_such_route", "/api/v1/leads/")),
    ("GET", "/api/v1/unicorns", (404, "no_such_route", "unicorns")),
    ("POST", "/api/v1/unicorns", (404, "no_such_route", "unicorns")),
    ("GET", "/api/v1/definitions/x", (404, "no_such_route", "definitions")),
    ("GET", "/api/v1/%FF", (400, "invalid_id", "kind")),
    ("GET", "/api/v1/leads/%FF", (400, "invalid_id", "id")),
    ("GET", "/api/v1/leads/lead_7", (400, "invalid_id", "lead_7")),
    ("GET", "/api/v1/leads/7", (400, "invalid_id", "7")),
    ("GET", "/api/v1/leads/{campaign}", (400, "invalid_id", "lead_")),
    ("GET", "/api/v1/leads/{lead}", (404, "not_found", NO_LEAD)),
    ("GET", "/api/v1/leads/{lead}/events", (404, "not_found", NO_LEAD)),
    ("GET", "/api/v1/leads/~", (400, "invalid_id", "~")),
    ("GET", "/api/v1/leads/~%20", (400, "invalid_id", "~")),
    ("GET", "/api/v1/leads/~a%00b", (400, "invalid_id", "U+0000")),
    ("GET", "/api/v1/leads/~{long}", (400, "invalid_id", "128")),
    ("POST", "/api/v1/leads/~a%00b/commands/record-activity", (400, "invalid_id", "U+0000")),
    ("POST", "/api/v1/leads/{lead}/commands/explode", (404, "unknown_command", "explode")),
    ("POST", "/api/v1/leads/{lead}/commands/qualify", (404, "not_found", NO_LEAD)),
    ("POST", "/api/v1/campaigns/{lead}/commands/pause", (400, "invalid_id", "cmp_")),
    ("POST", "/api/v1/workflows/none/runs", (404, "not_found", "none")),
    ("POST", "/api/v1/workflows/launch-campaign/runs?version=9.9.9", (404, "not_found", "9.9.9")),
    ("GET", "/api/v1/workflows/none", (404, "not_found", "none")),
    ("GET", "/api/v1/workflows/launch-campaign/versions/0.0.1", (404, "not_found", "0.0.1")),
    ("GET", "/api/v1/runs/{run}", (404, "not_found", NO_RUN)),
    ("GET", "/api/v1/runs/{lead}", (400, "invalid_id", "run_")),
    ("GET", "/api/v1/runs/{run}/tasks", (404, "not_found", NO_RUN)),
    ("GET", "/api/v1/runs/{run}/events", (404, "not_found", NO_RUN)),
    ("POST", "/api/v1/runs/{run}/signals/go", (404, "not_found", NO_RUN)),
    ("POST", "/api/v1/runs/{run}/pause", (404, "not_found", NO_RUN)),
    ("POST", "/api/v1/runs/{run}/cancel", (404, "not_found", NO_RUN)),
    ("POST", "/api/v1/runs/{run}/explode", (404, "no_such_route", "explode")),
    ("DELETE", "/api/v1/leads", (405, "method_not_allowed", "DELETE")),
    ("PUT", "/api/v1/leads/{lead}", (405, "method_not_allowed", "PUT")),
    ("POST", "/healthz", (405, "method_not_allowed", "POST")),
    ("GET", "/api/v1/campaigns/launch/commands/x/y", (404, "no_such_route", "")),
];

#[tokio::test]
async fn addresses_that_lead_nowhere_are_refused() {
    let server = Server::start(Settings::default()).await;
    let before = census(&server).await;
    let of = |path: &str| {
        let path = path.replace("{lead}", NO_LEAD).replace("{run}", NO_RUN);
        path.replace("{campaign}", &NO_LEAD.replace("lead", "cmp")).replace("{long}", &"k".repeat(129))
    };
    for (method, path, wanted) in ADDRESSES {
        let path = of(path);
        let body = (*method == "POST").then_some("{}");
        refused(&format!("{method} {path}"), &send(&server, method, &path, body).await, *wanted);
    }
    assert_eq!(census(&server).await, before, "something came of it");
}

#[tokio::test]
async fn parameters_and_headers_that_cannot_be_used_are_refused() {
    let server = Server::start(Settings::default()).await;
    let runs = "/api/v1/workflows/launch-campaign/runs";
    let cases = [
        ("GET", "/api/v1/leads?limit=0".to_owned(), "limit"),
        ("GET", "/api/v1/leads?limit=101".to_owned(), "limit"),
        ("GET", "/api/v1/leads?limit=-1".to_owned(), "limit"),
        ("GET", "/api/v1/leads?limit=many".to_owned(), "limit"),
        ("GET", "/api/v1/leads?limit=1&limit=2".to_owned(), "limit"),
        ("GET", "/api/v1/leads?cursor=7".to_owned(), "cursor"),
        ("GET", "/api/v1/leads?cursor=pzz".to_owned(), "cursor"),
        ("GET", "/api/v1/leads?cursor=pffffffffffffffffff".to_owned(), "cursor"),
        ("GET", "/api/v1/leads?cursor=%00".to_owned(), "cursor"),
        ("GET", "/api/v1/leads/~k?at=yesterday".to_owned(), "at"),
        ("GET", "/api/v1/leads/~k?at=2026-02-30T00:00:00Z".to_owned(), "at"),
        ("GET", "/api/v1/leads/~k/events?limit=x".to_owned(), "limit"),
        ("GET", "/api/v1/runs?since=now".to_owned(), "since"),
        ("GET", "/api/v1/runs?limit=x".to_owned(), "limit"),
        ("GET", "/api/v1/workflows?cursor=x".to_owned(), "cursor"),
        ("POST", format!("{runs}?wait=61"), "wait"),
        ("POST", format!("{runs}?wait=-1"), "wait"),
        ("POST", format!("{runs}?wait=soon"), "wait"),
    ];
    for (method, path, name) in cases {
        let answer = send(&server, method, &path, (method == "POST").then_some("{}")).await;
        refused(&format!("{method} {path}"), &answer, (400, "invalid_parameter", name));
    }
    let (long, path) = ("k".repeat(256), "/api/v1/leads/~h/commands/record-activity");
    let headers = [
        ("idempotency-key", long.as_str()),
        ("idempotency-key", ""),
        ("idempotency-key", "ñ"),
        ("traceparent", long.as_str()),
        ("x-correlation-id", long.as_str()),
    ];
    let body = json!({ "activity": "opened", "score": 1 }).to_string();
    for (name, value) in headers {
        let sent = server.http.send(Method::POST, path, &[(name, value)], Some(body.clone())).await;
        refused(name, &sent.expect("the server answers"), (400, "invalid_parameter", name));
    }
    let widest = "k".repeat(255);
    let sent = server.http.send(Method::POST, path, &[("idempotency-key", &widest)], Some(body)).await;
    assert_eq!(sent.unwrap().ok()["version"], json!(1), "nothing came of the others");
}

#[tokio::test]
async fn what_is_too_large_or_too_deep_is_refused() {
    let server = Server::start(Settings::default()).await;
    let before = census(&server).await;
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    for path in ["/api/v1/leads", "/api/v1/campaigns/launch", "/api/v1/workflows"] {
        // The server may close the connection before all of it has been sent.
        if let Ok(answer) = server.http.send(Method::POST, path, &[], Some(large.clone())).await {
            refused(path, &answer, (413, "body_too_large", "1048576"));
        }
    }
    define(&server, "hold", "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]").await;
    let held = start(&server, "hold", &json!({})).await;
    for levels in [200, 100_000] {
        let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let maps = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        let open = "[".repeat(levels);
        for path in [
            "/api/v1/leads".to_owned(),
            "/api/v1/leads/~deep/commands/record-activity".to_owned(),
            "/api/v1/campaigns/launch".to_owned(),
            "/api/v1/workflows/hold/runs".to_owned(),
            format!("/api/v1/runs/{held}/signals/go"),
        ] {
            for inside in [&lists, &maps, &open] {
                let body = format!(r#"{{"email":"d@example.com","attributes":{inside}}}"#);
                let answer = send(&server, "POST", &path, Some(&body)).await;
                assert!([400, 422].contains(&answer.status), "{path}: {}", answer.status);
                assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
            }
        }
        for source in [&lists, &maps, &open] {
            let answer = send(&server, "POST", "/api/v1/workflows", Some(source)).await;
            refused("a deep definition", &answer, (422, "invalid_definition", ""));
        }
    }
    assert_eq!(run(&server, &held).await["status"], json!("waiting"));
    let mut after = census(&server).await;
    after[3] -= 1;
    after[4] -= 1;
    assert_eq!(after, before, "something came of it");
}

#[tokio::test]
async fn what_is_taken_in_can_be_read_again_after_a_restart() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "hold", "do: [{ a: { listen: { to: { one: { with: { type: go } } } } } }]").await;
    let deep = |levels: usize| -> Value {
        serde_json::from_str(&format!("{}{}", "[".repeat(levels), "]".repeat(levels))).unwrap()
    };
    let held = start(&server, "hold", &json!({ "x": deep(60) })).await;
    let lead = json!({ "externalKey": "deep", "attributes": { "x": deep(60) } });
    server.http.post("/api/v1/leads", &lead).await.ok();
    server.kill().await;
    server.restart().await;
    waiting(&server, &held, "signal").await;
    server.http.post(&format!("/api/v1/runs/{held}/signals/go"), &json!({ "x": deep(60) })).await.ok();
    let shown = server.http.get("/api/v1/leads/~deep").await.ok();
    assert_eq!(shown["attributes"], lead["attributes"]);
    server.kill().await;
    server.restart().await;
    let ended = run(&server, &held).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!([{ "x": deep(60) }])));
}

/// A connection on which bytes are sent as they are.
async fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").expect("an address behind its scheme");
    TcpStream::connect(address).await.expect("the server listens")
}

fn request(path: &str, key: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nidempotency-key: {key}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

async fn answered(mut stream: TcpStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let read = stream.read(&mut bytes).await.expect("the connection holds");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn a_client_that_stalls_is_given_up_and_hinders_nobody() {
    let server = Server::start(Settings::default()).await;
    let path = "/api/v1/leads/~stall/commands/record-activity";
    let half = request(path, "half", 400, r#"{"activity":"op"#);
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&server).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let mut garbage = connect(&server).await;
    garbage.write_all(b"\0\x16\x03 not http at all\r\n\r\n").await.unwrap();
    assert!(answered(garbage).await.starts_with("HTTP/1.1 400"));
    drop(stalled.split_off(1));
    let done = server.http.post(path, &json!({ "activity": "opened", "score": 1 })).await;
    assert_eq!(done.ok()["version"], json!(1), "half a body is no command");
    let late = answered(stalled.remove(0)).await;
    assert!(late.starts_with("HTTP/1.1 408") && late.contains("body_timeout"), "{late}");
    assert_eq!(server.http.get("/api/v1/leads/~stall").await.ok()["version"], json!(1));
}

#[tokio::test]
async fn a_command_counts_once_though_its_client_is_gone() {
    let server = Server::start(Settings::default()).await;
    let path = "/api/v1/leads/~gone/commands/record-activity";
    let body = json!({ "activity": "opened", "score": 1 });
    let sent = body.to_string();
    for n in 0..20 {
        let mut stream = connect(&server).await;
        let text = request(path, &format!("gone-{n}"), sent.len(), &sent);
        stream.write_all(text.as_bytes()).await.unwrap();
        drop(stream);
    }
    until("every command", || async {
        let lead = server.http.get("/api/v1/leads/~gone").await;
        (lead.body["version"] == json!(20)).then_some(())
    })
    .await;
    // Who got no answer asks again under the same key.
    let mut versions = std::collections::BTreeSet::new();
    for n in 0..20 {
        let again = server.http.post_keyed(path, &format!("gone-{n}"), &body).await.ok();
        versions.insert(again["version"].as_u64());
    }
    assert_eq!(versions.len(), 20, "each was a command of its own");
    let lead = server.http.get("/api/v1/leads/~gone").await.ok();
    assert_eq!((&lead["version"], &lead["score"]), (&json!(20), &json!(20)));
}

#[tokio::test]
async fn a_client_that_has_said_all_is_answered() {
    let server = Server::start(Settings::default()).await;
    let sent = json!({ "activity": "opened", "score": 1 }).to_string();
    for n in 1..=10 {
        let mut stream = connect(&server).await;
        let path = "/api/v1/leads/~half/commands/record-activity";
        stream.write_all(request(path, &format!("half-{n}"), sent.len(), &sent).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = answered(stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("\"version\":{n},")),
            "{answer}"
        );
    }
}
