//! The life of versions at a stand-by: what was done to them is known to whoever takes over.

use reqwest::Method;
use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, PARTITIONS};
use crate::steps::{every, register, run, start};

fn source(version: &str) -> String {
    let head = format!("document: {{ dsl: '1.0.3', namespace: test, name: aged, version: '{version}' }}");
    format!("{head}\ndo: [{{ a: {{ set: {{ n: 1 }} }} }}]")
}

#[tokio::test]
async fn what_was_done_to_versions_is_so_at_the_standby_after_the_owner_is_killed() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (mut owner, standby) = cluster.pair().await;
    for version in ["1.0.0", "2.0.0", "3.0.0", "4.0.0"] {
        register(&owner.server, &source(version)).await.ok();
    }
    let path = "/api/v1/workflows/aged/versions";
    let reason = json!({ "reason": "it is wrong" });
    owner.server.http.post(&format!("{path}/2.0.0/promote"), &reason).await.ok();
    owner.server.http.post(&format!("{path}/3.0.0/deprecate"), &reason).await.ok();
    let deleted = owner.server.http.send(Method::DELETE, &format!("{path}/1.0.0"), &[], None).await;
    deleted.expect("it answers").ok();
    let before = every(&owner.server, path).await;
    owner.server.kill().await;
    standby.server.until_owner(PARTITIONS).await;
    assert_eq!(every(&standby.server, path).await, before);
    let latest = start(&standby.server, "aged", &json!({})).await;
    assert_eq!(run(&standby.server, &latest).await["version"], json!("2.0.0"));
    for (version, code) in [("1.0.0", "version_deleted"), ("3.0.0", "version_deprecated")] {
        let path = format!("/api/v1/workflows/aged/runs?version={version}");
        assert_eq!(standby.server.http.post(&path, &json!({})).await.problem(409), code);
    }
}
