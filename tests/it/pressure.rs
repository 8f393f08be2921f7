//! More than the server takes: what is refused says why and when to come back, and nothing grows without a bound.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use promptsales_tests::{Answer, Server, Settings, pause, until};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn server(env: &[(&str, &str)]) -> Server {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Server::start(Settings { env, ..Settings::default() }).await
}

async fn record(server: &Server, key: &str) -> Answer {
    let body = json!({ "activity": "opened", "score": 1 });
    server.http.post(&format!("/api/v1/leads/~{key}/commands/record-activity"), &body).await
}

/// Sends commands all at once, again and again until one is refused; gives the first refused, and how many were taken.
async fn until_refused(server: &Server, at_once: usize, key: impl Fn(usize) -> String) -> (Answer, usize) {
    let mut taken = 0;
    for _ in 0..50 {
        let keys: Vec<_> = (0..at_once).map(&key).collect();
        let answers = join_all(keys.iter().map(|key| record(server, key))).await;
        let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status == 200);
        taken += accepted.len();
        if let Some(first) = refused.into_iter().next() {
            return (first, taken);
        }
    }
    panic!("{taken} commands were taken and none refused");
}

#[track_caller]
fn is_refused_for(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.code()), (429, "overloaded"), "{}", answer.body);
    assert_eq!(answer.body["reason"], reason, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let wait: u32 = answer.headers["retry-after"].parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait} s");
    assert!(answer.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_full_entity_refuses_and_what_it_took_counts_once() {
    let server = server(&[("PROMPTSALES_INTAKE_PER_ENTITY", "1")]).await;
    let (refused, taken) = until_refused(&server, 64, |_| "hot".to_owned()).await;
    is_refused_for(&refused, "entity_intake_full");
    let lead = server.http.get("/api/v1/leads/~hot").await.ok();
    assert_eq!(lead["version"], json!(taken), "what was refused was not done");
    assert_eq!(record(&server, "cold").await.status, 200, "another entity has room");
}

#[tokio::test]
async fn a_full_partition_refuses() {
    let server = server(&[("PROMPTSALES_INTAKE_PER_PARTITION", "2")]).await;
    let (refused, _) = until_refused(&server, 64, |n| format!("p-{n}")).await;
    is_refused_for(&refused, "partition_intake_full");
    assert_eq!(record(&server, "after").await.status, 200, "room comes back");
}

#[tokio::test]
async fn a_tenant_has_its_share_and_the_node_stays_ready() {
    let server = server(&[("PROMPTSALES_TENANT_SHARE", "1")]).await;
    let (refused, _) = until_refused(&server, 256, |n| format!("t-{n}")).await;
    is_refused_for(&refused, "tenant_intake_full");
    let load = until_refused(&server, 256, |n| format!("t-{n}"));
    let probes = async {
        for path in ["/healthz", "/readyz", "/metrics", "/api/v1/supervision", "/api/v1/dead-letters"] {
            assert_eq!(server.http.get(path).await.status, 200, "{path}");
        }
    };
    tokio::join!(load, probes);
    let metrics = server.http.get("/metrics").await;
    let metrics = metrics.body.as_str().expect("text");
    for name in ["reason=\"tenant_intake_full\"", "promptsales_queue_age_seconds"] {
        assert!(metrics.contains(name), "no {name} in {metrics}");
    }
}

#[tokio::test]
async fn beyond_the_connections_only_the_state_of_the_node_is_told() {
    let server = server(&[("PROMPTSALES_CONNECTIONS", "2")]).await;
    let address = server.url.strip_prefix("http://").expect("an address");
    let held = [TcpStream::connect(address).await, TcpStream::connect(address).await];
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/supervision"] {
        assert_eq!(server.http.get(path).await.status, 200, "{path}");
    }
    is_refused_for(&record(&server, "c").await, "connections_full");
    is_refused_for(&server.http.get("/api/v1/leads").await, "connections_full");
    drop(held);
    until("room for a connection", || async { (record(&server, "c").await.status == 200).then_some(()) })
        .await;
}

#[tokio::test]
async fn beyond_the_requests_under_way_more_are_refused_before_their_bodies_are_read() {
    let server = server(&[("PROMPTSALES_REQUESTS", "1")]).await;
    let address = server.url.strip_prefix("http://").expect("an address");
    let head = b"POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    let mut slow = Vec::new();
    // One that comes while another request is under way is refused itself, and holds nothing.
    let refused = loop {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(head).await.expect("it can be sent");
        slow.push(stream);
        assert!(slow.len() < 100, "no request is refused");
        pause(50).await;
        let answer = record(&server, "r").await;
        if answer.status != 200 {
            break answer;
        }
    };
    is_refused_for(&refused, "requests_full");
    assert_eq!(server.http.get("/readyz").await.status, 200);
    drop(slow);
    until("room for a request", || async { (record(&server, "r").await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn slow_clients_are_dropped() {
    let server =
        server(&[("PROMPTSALES_HEAD_TIMEOUT_MS", "300"), ("PROMPTSALES_BODY_TIMEOUT_MS", "300")]).await;
    let address = server.url.strip_prefix("http://").expect("an address");
    let sent = |text: &'static str| async move {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(text.as_bytes()).await.expect("it can be sent");
        let mut told = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut told));
        // Reset or closed: either way the server is rid of it.
        let _ = read.await.expect("the server ends the connection");
        told
    };
    let head = sent("POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nX-Slow").await;
    assert!(!head.contains(" 200 "), "{head}");
    sent("").await;
    let body = sent("POST /api/v1/leads HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").await;
    assert!(body.starts_with("HTTP/1.1 408 ") && body.contains("body_timeout"), "{body}");
}

/// What a process holds that no file backs, in MiB.
fn anonymous_mib(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.pid().expect("the server runs"));
    let status = std::fs::read_to_string(path).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
}

#[tokio::test]
async fn many_more_leads_than_fit_are_served_under_a_memory_limit() {
    const LEADS: usize = 12_000;
    const LIMIT_MIB: u64 = 96;
    let server = server(&[("PROMPTSALES_MEMORY_LIMIT_MIB", &LIMIT_MIB.to_string())]).await;
    let touched = stream::iter(0..LEADS).map(|n| {
        let (http, path) = (&server.http, format!("/api/v1/leads/~m-{n}/commands/record-activity"));
        async move {
            let body = json!({ "activity": "opened ".repeat(20), "score": 1 }).to_string();
            until("the lead", || async {
                let answer =
                    http.send(Method::POST, &path, &[], Some(body.clone())).await.expect("an answer");
                assert!(answer.status == 200 || answer.body["reason"] == "memory", "{}", answer.body);
                (answer.status == 200).then_some(())
            })
            .await;
        }
    });
    let mut touched = touched.buffer_unordered(64).enumerate();
    let mut most = 0;
    while let Some((n, ())) = touched.next().await {
        if n % 50 == 0 {
            most = most.max(anonymous_mib(&server));
        }
    }
    assert!(most <= LIMIT_MIB, "{most} MiB");
    let live = server.http.get("/api/v1/supervision").await.ok()["entities"].as_array().map_or(0, Vec::len);
    assert!(live < LEADS, "{live} are live: nothing went to rest, and this shows nothing");
    for n in (0..LEADS).step_by(1_000) {
        let lead = server.http.get(&format!("/api/v1/leads/~m-{n}")).await.ok();
        assert_eq!(lead["version"], 1);
    }
    assert_eq!(server.http.get("/readyz").await.status, 200);
}
