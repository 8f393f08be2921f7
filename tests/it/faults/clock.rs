//! The wall clock jumps an hour, either way, under a running server and while it is down.

use promptsales_tests::{Server, Settings, Stopwatch, WallClock, pause, until};
use serde_json::{Value, json};

use super::ALONE;
use super::load::pages;

const HOUR: i64 = 3_600;
/// The wait of the workflow is 2 s; the engine's clock may be slewed by a twentieth while it runs.
const LEAST_MS: u128 = 1_850;
/// What a wait may take with a machine under load; an hour late is far from it.
const MOST_MS: u128 = 15_000;

const WAITS: &str = "
document: { dsl: '1.0.3', namespace: tests, name: waits, version: '1.0.0' }
do:
  - pause:
      wait: PT2S
";

async fn start(server: &Server) -> String {
    let started = server.http.post("/api/v1/workflows/waits/runs", &json!({})).await.ok();
    started["runId"].as_str().expect("the run has an id").to_owned()
}

async fn register(server: &Server) {
    server
        .http
        .send(reqwest::Method::POST, "/api/v1/workflows", &[], Some(WAITS.to_owned()))
        .await
        .expect("the server answers")
        .ok();
}

async fn ended(server: &Server, run: &str) -> Value {
    until("the run's end", || async {
        let run = server.http.get(&format!("/api/v1/runs/{run}")).await.ok();
        (!run["endedAt"].is_null()).then_some(run)
    })
    .await
}

async fn record(server: &Server, n: u64) {
    let body = json!({ "activity": format!("activity {n}"), "score": 1 });
    server.http.post("/api/v1/leads/~one/commands/record-activity", &body).await.ok();
}

async fn times_run_forwards(server: &Server, path: &str) {
    let events = pages(&server.http, &format!("{path}/events")).await;
    let times: Vec<_> =
        events.iter().map(|event| event["time"].as_str().expect("an event has a time")).collect();
    assert!(times.len() > 1 && times.is_sorted(), "times run backwards: {times:?}");
}

fn in_time(waited_ms: u128) {
    println!("a wait of 2 s took {waited_ms} ms");
    assert!((LEAST_MS..MOST_MS).contains(&waited_ms), "a wait of 2 s took {waited_ms} ms");
}

#[tokio::test]
async fn a_clock_that_jumps_moves_no_timer() {
    let _alone = ALONE.lock().await;
    let clock = WallClock::new();
    let server = Server::start(Settings { env: clock.env(), ..Settings::default() }).await;
    register(&server).await;
    for offset in [HOUR, 0, -HOUR, HOUR] {
        record(&server, 1).await;
        let watch = Stopwatch::start();
        let before = start(&server).await;
        pause(300).await;
        clock.set_off_by(offset);
        record(&server, 2).await;
        let after_watch = Stopwatch::start();
        let after = start(&server).await;
        assert_eq!(ended(&server, &before).await["status"], "completed");
        in_time(watch.ms());
        assert_eq!(ended(&server, &after).await["status"], "completed");
        in_time(after_watch.ms());
        times_run_forwards(&server, &format!("/api/v1/runs/{before}")).await;
        times_run_forwards(&server, "/api/v1/leads/~one").await;
    }
}

#[tokio::test]
async fn a_clock_set_back_while_the_server_is_down_holds_no_timer_up() {
    let _alone = ALONE.lock().await;
    let clock = WallClock::new();
    let mut server = Server::start(Settings { env: clock.env(), ..Settings::default() }).await;
    register(&server).await;
    record(&server, 1).await;
    let watch = Stopwatch::start();
    let before = start(&server).await;
    server.kill().await;
    clock.set_off_by(-HOUR);
    server.restart().await;
    record(&server, 2).await;
    let after_watch = Stopwatch::start();
    let after = start(&server).await;
    assert_eq!(ended(&server, &after).await["status"], "completed");
    in_time(after_watch.ms());
    assert_eq!(ended(&server, &before).await["status"], "completed");
    in_time(watch.ms());
    times_run_forwards(&server, &format!("/api/v1/runs/{before}")).await;
    times_run_forwards(&server, "/api/v1/leads/~one").await;
}
