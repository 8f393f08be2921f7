//! Circuits in front of services: one that is down holds back no calls to another.

use promptsales_tests::{Server, Service, Settings, Stopwatch, free_port, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::steps::{define, ended, run, start, text};

/// Less than the time for which an open circuit lets nothing through, and much more than a call takes.
const WELL_WITHIN_MS: u128 = 4_000;

#[tokio::test]
async fn a_service_that_is_down_holds_back_no_calls_to_another() {
    let service = Service::start(|number, _| (StatusCode::OK, json!({ "number": number })));
    let alive = service.url.strip_prefix("http://").expect("it is local").to_owned();
    let dead = format!("127.0.0.1:{}", free_port());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let secrets = folder.path().join("secrets.yaml");
    std::fs::write(&secrets, format!("dead: {{ url: 'http://{dead}/x' }}\n")).expect("it can be written");
    let env = vec![("PROMPTSALES_SECRETS".to_owned(), secrets.display().to_string())];
    let server = Server::start(Settings { env, ..Settings::default() }).await;
    let call = |host: &str| {
        format!("do: [{{ c: {{ call: http, with: {{ method: get, endpoint: {{ uri: '{host}' }} }} }} }}]")
    };
    define(&server, "alive", &call(&format!("http://{alive}/x"))).await;
    let secret = format!("use: {{ secrets: [ dead ] }}\n{}", call("${ $secrets.dead.url }"));
    define(&server, "dead", &secret).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(start(&server, "dead", &json!({})).await);
    }
    until("an open circuit", || async {
        let metrics = server.http.get("/metrics").await.body;
        let is_open = "promptsales_circuits_open{connector=\"http\"} 1";
        metrics.as_str().is_some_and(|text| text.contains(is_open)).then_some(())
    })
    .await;
    for number in 0..20 {
        let watch = Stopwatch::start();
        let ran = server.http.post("/api/v1/workflows/alive/runs?wait=30", &json!({})).await.ok();
        assert_eq!(ran["output"], json!({ "number": number }), "{ran}");
        assert!(watch.ms() < WELL_WITHIN_MS, "{} ms", watch.ms());
    }
    let held = run(&server, &waiting[0]).await;
    assert!(held["endedAt"].is_null(), "it waits for the circuit: {held}");
    let metrics = server.http.get("/metrics").await.body.to_string();
    assert!(!metrics.contains(&dead) && !server.log().contains(&dead), "where it goes is secret");
}

#[tokio::test]
async fn a_service_that_comes_back_is_called_again() {
    let port = free_port();
    let server = Server::start(Settings::default()).await;
    let body = format!(
        "do: [{{ c: {{ call: http, with: {{ method: get, endpoint: 'http://127.0.0.1:{port}/x' }} }} }}]"
    );
    define(&server, "calls", &body).await;
    let mut runs = Vec::new();
    for _ in 0..8 {
        runs.push(start(&server, "calls", &json!({})).await);
    }
    let open = |count: u32| format!("promptsales_circuits_open{{connector=\"http\"}} {count}");
    let shows = async |what: String| {
        until(&what, || async {
            let metrics = server.http.get("/metrics").await.body;
            metrics.as_str().is_some_and(|text| text.contains(&what)).then_some(())
        })
        .await;
    };
    shows(open(1)).await;
    let _service = Service::at(port, |_, _| (StatusCode::OK, json!("back")));
    for run in &runs {
        let ended: Value = ended(&server, run).await;
        assert_eq!((text(&ended, "status"), &ended["output"]), ("completed", &json!("back")), "{ended}");
    }
    shows(open(0)).await;
}
