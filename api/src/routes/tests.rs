//! What the edge answers where two nodes share a store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use promptsales_engine::journal::memory::{MemoryJournal, MemoryStore};
use promptsales_engine::runtime::{Config, Context, Leasing};
use promptsales_engine::testkit::{EPOCH, node_address, node_id};
use promptsales_workflows::connectors;
use promptsales_workflows::connectors::sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::edge;
use crate::app::App;
use crate::http::middleware::Edge;

struct Place {
    app: App,
    edge: Edge,
}

async fn start(store: &MemoryStore, number: u64) -> Place {
    let journal = MemoryJournal::open(store);
    let (node, address) = (node_id(number), node_address(number));
    let leasing = Leasing { ownership: journal.clone(), node, address };
    compose(journal, Some(leasing), Config::default(), number).await
}

async fn compose(
    journal: Arc<MemoryJournal>,
    leasing: Option<Leasing>,
    config: Config,
    number: u64,
) -> Place {
    let sandbox = Sandbox::open(None, SandboxConfig::default()).unwrap();
    let cx = Context::simulated(EPOCH, number);
    let outside = connectors::all(sandbox);
    let app = App::compose((journal, None), leasing, outside, config, cx, None).await.unwrap();
    Place { edge: edge(app.clone()), app }
}

impl Place {
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let (status, headers, text) = self.send_for_text(method, path, headers, body).await;
        (status, headers, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn send_for_text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (StatusCode, HeaderMap, String) {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (parts, body) = self.edge.answer(request.body(body).unwrap()).await.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Value) {
        self.send("GET", path, &[], &Value::Null).await
    }
}

const ACTIVITY: &str = "/api/v1/leads/~ana/commands/record-activity";

#[tokio::test(start_paused = true)]
async fn a_standby_sends_callers_to_the_owner_until_it_takes_over() {
    let store = MemoryStore::with_partitions(1, 16);
    let owner = start(&store, 1).await;
    let cx = owner.app.node().cx().clone();
    cx.sleep(Duration::from_secs(1)).await;
    let standby = start(&store, 2).await;
    cx.sleep(Duration::from_secs(1)).await;
    let (status, _, ready) = owner.get("/readyz").await;
    assert_eq!(
        (status, &ready["role"], ready["partitions"].as_array().map(Vec::len)),
        (StatusCode::OK, &json!("owner"), Some(16))
    );
    let (status, _, ready) = standby.get("/readyz").await;
    assert_eq!(
        (status.as_u16(), &ready["code"], &ready["owner"]),
        (503, &json!("standby"), &json!("http://node-1"))
    );
    assert_eq!(standby.get("/healthz").await.0, StatusCode::OK);

    let activity = json!({ "activity": "opened", "score": 1 });
    let (status, headers, _) = owner.send("POST", ACTIVITY, &[], &activity).await;
    assert_eq!(status, StatusCode::OK);
    let token = headers["x-consistency-token"].to_str().unwrap().to_owned();
    let (status, headers, problem) = standby.send("POST", ACTIVITY, &[], &activity).await;
    assert_eq!(
        (status.as_u16(), &problem["code"], &problem["owner"]),
        (421, &json!("not_owner"), &json!("http://node-1"))
    );
    assert_eq!(headers["location"], format!("http://node-1{ACTIVITY}"));
    for path in ["/api/v1/leads/~ana", "/api/v1/leads", "/api/v1/runs", "/api/v1/workflows"] {
        assert_eq!(standby.get(path).await.0.as_u16(), 421, "{path}");
    }
    let with_token = [("x-consistency-token", token.as_str())];
    let read = |place: &Place| {
        let edge = place.edge.clone();
        let place = Place { app: place.app.clone(), edge };
        async move { place.send("GET", "/api/v1/leads/~ana", &with_token, &Value::Null).await.0.as_u16() }
    };
    assert_eq!((read(&owner).await, read(&standby).await), (200, 421));

    let define = json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "late", "version": "1.0.0" },
        "do": [{ "set": { "set": { "a": 1 } } }],
    });
    let (status, _, answer) = owner.send("POST", "/api/v1/workflows", &[], &define).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    assert!(owner.app.stop().await);
    cx.sleep(Duration::from_secs(1)).await;
    assert_eq!((standby.get("/readyz").await.0, read(&standby).await), (StatusCode::OK, 200));
    let (status, _, run) = standby.send("POST", "/api/v1/workflows/late/runs?wait=5", &[], &json!({})).await;
    assert_eq!((status.as_u16(), &run["status"]), (202, &json!("completed")), "{run}");
}

#[tokio::test(start_paused = true)]
async fn a_workflow_and_a_run_of_it_are_drawn() {
    let place = start(&MemoryStore::with_partitions(1, 16), 1).await;
    place.app.node().cx().clone().sleep(Duration::from_secs(1)).await;
    let define = json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "drawn", "version": "1.0.0" },
        "do": [
            { "<first>": { "set": { "a": 1 } } },
            { "ear": { "listen": { "to": { "one": { "with": { "type": "go" } } } } } }
        ],
    });
    let (status, _, answer) = place.send("POST", "/api/v1/workflows", &[], &define).await;
    assert_eq!(status.as_u16(), 201, "{answer}");
    let picture = async |path: &str, tag: &str| {
        place.send_for_text("GET", path, &[("if-none-match", tag)], &Value::Null).await
    };
    let mut tags = Vec::new();
    for path in ["/api/v1/workflows/drawn/diagram.svg", "/api/v1/workflows/drawn/versions/1.0.0/diagram.svg"]
    {
        let (status, headers, svg) = picture(path, "\"other\"").await;
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (200, &"image/svg+xml; charset=utf-8".parse().unwrap())
        );
        assert_eq!(headers["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(
            svg.starts_with("<svg ") && svg.contains("&lt;first&gt;") && !svg.contains("<first>"),
            "{svg}"
        );
        tags.push(headers["etag"].to_str().unwrap().to_owned());
        let (status, headers, svg) = picture(path, &format!("W/\"x\", {}", tags[0])).await;
        assert_eq!((status.as_u16(), svg.len(), &headers["etag"]), (304, 0, &tags[0].parse().unwrap()));
    }
    assert_eq!(tags[0], tags[1]);
    let (_, _, run) = place.send("POST", "/api/v1/workflows/drawn/runs", &[], &json!({})).await;
    let path = format!("/api/v1/runs/{}/diagram.svg", run["runId"].as_str().unwrap());
    place.app.node().cx().clone().sleep(Duration::from_secs(1)).await;
    let (status, headers, svg) = picture(&path, "").await;
    assert_eq!(
        (status.as_u16(), &headers["content-type"]),
        (200, &"image/svg+xml; charset=utf-8".parse().unwrap())
    );
    assert!(svg.contains("waits for go") && svg.contains(">completed</text>"), "{svg}");
    for path in [
        "/api/v1/workflows/none/diagram.svg",
        "/api/v1/workflows/drawn/versions/2.0.0/diagram.svg",
        "/api/v1/runs/run_00000000000000000000000000/diagram.svg",
    ] {
        let (status, _, problem) = place.get(path).await;
        assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("not_found")), "{path}");
    }
    let (status, _, problem) = place.get("/api/v1/runs/nonsense/diagram.svg").await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_id")));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_accepted_is_shown_before_it_has_begun_and_acts_wait_for_it() {
    let store = MemoryStore::new(1);
    let place =
        compose(MemoryJournal::open(&store), None, Config { deliveries: 1, ..Config::default() }, 1).await;
    let brief = json!({
        "name": "Verano", "targetAudience": "todos", "campaignMessage": "hola", "channels": ["tiktok"],
        "budget": { "amountMinor": 100_001, "currency": "USD" },
    });
    let launch = async || place.send("POST", "/api/v1/campaigns/launch", &[], &brief).await.2;
    let run = |launched: &Value| format!("/api/v1/runs/{}", launched["runId"].as_str().unwrap());
    // One message is carried at a time, and its commits take so long that the run of a second launch waits.
    store.set_latency(Duration::from_millis(100));
    launch().await;
    let launched = launch().await;
    let (_, _, pending) = place.get(&run(&launched)).await;
    assert_eq!((&pending["status"], &pending["id"]), (&json!("pending"), &launched["runId"]), "{pending}");
    assert_eq!(pending["input"]["campaignId"], launched["campaignId"]);
    assert_eq!((&pending["workflow"], &pending["startedAt"]), (&json!("launch-campaign"), &Value::Null));
    assert_eq!(pending["waitingFor"][0]["kind"], "start");
    for part in ["tasks", "events", "journal"] {
        let path = format!("{}/{part}", run(&launch().await));
        let (status, _, page) = place.get(&path).await;
        assert_eq!(status.as_u16(), 200, "{part}: {page}");
    }
    let launched = launch().await;
    let cancel = format!("{}/cancel", run(&launched));
    let (status, _, answer) = place.send("POST", &cancel, &[], &json!({})).await;
    assert_eq!(status.as_u16(), 200, "{answer}");
    place.app.node().cx().clone().sleep(Duration::from_secs(600)).await;
    assert_eq!(place.get(&run(&launched)).await.2["status"], "cancelled");

    store.set_latency(Duration::from_secs(20));
    launch().await;
    let cancel = format!("{}/cancel", run(&launch().await));
    let (status, headers, problem) = place.send("POST", &cancel, &[], &json!({})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (429, &json!("overloaded")), "{problem}");
    assert!(headers.contains_key("retry-after"));
}
