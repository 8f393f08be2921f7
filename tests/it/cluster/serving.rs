//! The product on PostgreSQL: what it does on a folder of its own it does here.

use futures_util::future::join_all;
use promptsales_tests::{PgBouncer, Server};
use serde_json::{Value, json};

use super::ALONE;
use super::fixture::{Cluster, PARTITIONS, activity, recording};
use crate::steps::{brief, ended, every, text, waiting};

/// Launches what needs a person's word, and waits until it waits for that.
async fn launch_to_approval(server: &Server) -> String {
    let mut brief = brief();
    brief["spendLimit"] = json!({ "amountMinor": 100_000, "currency": "USD" });
    let launched = server.http.post_keyed("/api/v1/campaigns/launch", "summer", &brief).await;
    assert_eq!(launched.status, 202, "{}", launched.body);
    let run = text(&launched.body, "runId").to_owned();
    waiting(server, &run, "signal").await;
    run
}

async fn approve(server: &Server, run: &str) {
    let yes = json!({ "approved": true, "by": "Ana" });
    server.http.post_keyed(&format!("/api/v1/runs/{run}/signals/approval"), "ana-1", &yes).await.ok();
    let ended = ended(server, run).await;
    assert_eq!(ended["status"], json!("completed"), "{ended}");
    let path = format!("/api/v1/campaigns/{}", text(&ended["input"], "campaignId"));
    let campaign = server.http.get(&path).await.ok();
    assert_eq!((&campaign["effective"], &campaign["launch"]["by"]), (&json!("serving"), &json!("Ana")));
}

#[tokio::test]
async fn a_launch_waits_for_approval_over_a_crash_and_goes_on() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let mut server = cluster.start(cluster.postgres.port()).await;
    server.until_owner(PARTITIONS).await;
    let run = launch_to_approval(&server).await;
    server.kill().await;
    server.restart().await;
    server.until_owner(PARTITIONS).await;
    waiting(&server, &run, "signal").await;
    approve(&server, &run).await;
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 1);
    assert_eq!(cluster.books().repeated, []);
    assert_eq!(server.terminate().await, Some(0));
    let owned = "SELECT count(*) FROM promptsales.partition WHERE owner IS NOT NULL";
    assert_eq!(cluster.sql(owned), "0", "who ends in good order leaves nothing behind");
}

#[tokio::test]
async fn a_launch_works_through_a_pooler_in_transaction_mode() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let pooler = PgBouncer::start(&cluster.postgres, 4);
    let server = cluster.start(pooler.port()).await;
    server.until_owner(PARTITIONS).await;
    let run = launch_to_approval(&server).await;
    approve(&server, &run).await;
    assert_eq!(cluster.books().repeated, []);
}

#[tokio::test]
async fn a_key_counts_once_and_a_rejection_stays() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let mut server = cluster.start(cluster.postgres.port()).await;
    server.until_owner(PARTITIONS).await;
    let path = recording("many");
    let asked = activity("opened");
    let all = join_all((0..20).map(|_| server.http.post_keyed(&path, "one key", &asked))).await;
    let replayed = |answer: &&promptsales_tests::Answer| answer.headers.contains_key("idempotency-replayed");
    for answer in &all {
        assert_eq!((answer.status, &answer.body), (200, &all[0].body));
    }
    assert_eq!(all.iter().filter(replayed).count(), 19);
    let register = "/api/v1/leads/~many/commands/register";
    let ana = json!({ "email": "ana@example.com" });
    server.http.post_keyed(register, "r-1", &ana).await.ok();
    let other = json!({ "email": "other@example.com" });
    let refused = server.http.post_keyed(register, "r-2", &other).await;
    assert_eq!((refused.status, refused.code()), (409, "lead_already_registered"));
    for round in 0..2 {
        let again = server.http.post_keyed(&path, "one key", &asked).await;
        assert_eq!((again.status, &again.body), (200, &all[0].body), "round {round}");
        assert!(replayed(&&again), "round {round}");
        let reused = server.http.post_keyed(&path, "one key", &activity("other")).await;
        assert_eq!(reused.problem(422), "idempotency_key_reused", "round {round}");
        let again = server.http.post_keyed(register, "r-2", &other).await;
        assert_eq!((again.status, &again.body), (409, &refused.body), "round {round}");
        server.kill().await;
        server.restart().await;
        server.until_owner(PARTITIONS).await;
    }
    let lead: Value = server.http.get("/api/v1/leads/~many").await.ok();
    assert_eq!((&lead["version"], &lead["email"]), (&json!(2), &json!("ana@example.com")));
}
