//! The stream over a take-over.

use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, PARTITIONS};
use crate::steps::{define, start, text};
use crate::stream::{Stream, ask};

#[tokio::test]
async fn a_stream_is_the_owners_and_goes_on_at_the_next_one() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (mut owner, standby) = cluster.pair().await;
    let refused = ask(&standby.server, "?from=beginning", None).await;
    let location = refused.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
    assert_eq!(location, Some(format!("{}/api/v1/stream?from=beginning", owner.server.url)));
    assert_eq!(refused.status(), 421);
    define(&owner.server, "short", "do: [{ a: { set: { n: 1 } } }]").await;
    let mut stream = Stream::open(&owner.server, "?types=io.promptsales.run.", None).await;
    let mut runs = Vec::new();
    for _ in 0..10 {
        runs.push(start(&owner.server, "short", &json!({})).await);
    }
    let mut ended = Vec::new();
    let done = |event: &serde_json::Value| event["type"] == "io.promptsales.run.completed.v1";
    while ended.len() < 4 {
        ended.extend(stream.next().await.filter(done).map(|event| text(&event, "subject").to_owned()));
    }
    let last = stream.last_id.clone();
    drop(stream);
    owner.server.kill().await;
    standby.server.until_owner(PARTITIONS).await;
    let mut stream = Stream::open(&standby.server, "?types=io.promptsales.run.", Some(&last)).await;
    while ended.len() < 10 {
        ended.extend(stream.next().await.filter(done).map(|event| text(&event, "subject").to_owned()));
    }
    ended.sort();
    runs.sort();
    assert_eq!(ended, runs, "each once, over the take-over");
}
