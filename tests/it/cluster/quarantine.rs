//! A poison entity brings no node down after the other: its quarantine goes with the partition.

use promptsales_tests::{Server, until};
use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, PARTITIONS, metric, record};
use crate::steps::text;

/// Damages or mends what is stored of an activity.
fn change(cluster: &Cluster, from: &str, to: &str) {
    let changed = format!(
        "UPDATE promptsales.event SET data = replace(data, '{from}', '{to}') WHERE data LIKE '%{from}%'"
    );
    cluster.sql(&changed);
}

async fn is_refused(server: &Server, path: &str) {
    assert_eq!(server.http.get(path).await.problem(503), "quarantined");
}

#[tokio::test]
async fn a_quarantine_goes_over_to_whoever_owns_next() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (mut first, mut second) = cluster.pair().await;
    let lead = record(&first.server, "ana", "poisoned").await;
    let id = text(&lead, "id").to_owned();
    record(&first.server, "bea", "opened").await;
    change(&cluster, r#""activity":"poisoned""#, r#""activitx":"poisoned""#);
    first.server.kill().await;
    second.server.until_owner(PARTITIONS).await;
    let path = format!("/api/v1/leads/{id}");
    is_refused(&second.server, &path).await;
    let aside = format!("/api/v1/quarantine/{id}");
    until("the journalled quarantine", || async {
        let shown = second.server.http.get(&aside).await.ok();
        (!shown["acts"].as_array()?.is_empty()).then_some(())
    })
    .await;
    record(&second.server, "bea", "clicked").await;
    first.server.restart().await;
    first.server.until_standby().await;
    second.server.kill().await;
    first.server.until_owner(PARTITIONS).await;
    is_refused(&first.server, &path).await;
    assert_eq!(metric(&first.server, "promptsales_activations_total{kind=\"lead\"}").await, 0.0);
    assert_eq!(metric(&first.server, "promptsales_quarantined_total").await, 0.0, "it did not fail here");
    record(&first.server, "bea", "bought").await;
    change(&cluster, r#""activitx":"poisoned""#, r#""activity":"poisoned""#);
    is_refused(&first.server, &path).await;
    let freed = first.server.http.post(&format!("{aside}/release"), &json!({ "why": "mended" })).await.ok();
    assert_eq!(text(&freed, "status"), "live");
    second.server.restart().await;
    second.server.until_standby().await;
    first.server.kill().await;
    second.server.until_owner(PARTITIONS).await;
    assert_eq!(second.server.http.get(&path).await.ok()["version"], json!(1));
    let shown = second.server.http.get(&aside).await.ok();
    assert_eq!((text(&shown, "status"), text(&shown["acts"][1], "why")), ("released", "mended"));
}
