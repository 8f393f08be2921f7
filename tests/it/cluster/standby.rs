//! The stand-by: it says who owns, and takes over with everything that was under way.

use promptsales_tests::{Readiness, Stopwatch, until};
use reqwest::Method;
use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, LEASE_MS, PARTITIONS, metric, record, recording};
use crate::steps::{brief, define, ended, start, text, waiting};

#[tokio::test]
async fn a_standby_says_where_the_owner_is_and_follows_one_that_ends_at_once() {
    let _alone = ALONE.lock().await;
    // Nobody waits for a lease to run out here.
    let cluster = Cluster::new().with_lease(30_000);
    let (mut owner, standby) = cluster.pair().await;
    let token = owner.server.http.post(&recording("ana"), &json!({ "activity": "a", "score": 1 })).await;
    let token = token.headers["x-consistency-token"].clone();
    let asked = [
        (Method::POST, recording("ana"), Some(r#"{ "activity": "b", "score": 1 }"#.to_owned())),
        (Method::GET, "/api/v1/leads/~ana".to_owned(), None),
        (Method::GET, "/api/v1/leads?limit=3".to_owned(), None),
        (Method::GET, "/api/v1/runs".to_owned(), None),
        (Method::POST, "/api/v1/campaigns/launch".to_owned(), Some(brief().to_string())),
    ];
    for (method, path, body) in asked {
        let headers = [("x-consistency-token", token.as_str())];
        let answer = standby.server.http.send(method, &path, &headers, body).await.expect("it answers");
        assert_eq!(answer.headers.get("location"), Some(&format!("{}{path}", owner.server.url)), "{path}");
        assert_eq!(text(&answer.body, "owner"), owner.server.url);
        assert_eq!(answer.problem(421), "not_owner", "{path}");
    }
    let begun = Stopwatch::start();
    assert_eq!(owner.server.terminate().await, Some(0));
    standby.server.until_owner(PARTITIONS).await;
    println!("{} ms from the signal to the end of a graceful hand-over", begun.ms());
    let lead = standby.server.http.get("/api/v1/leads/~ana").await.ok();
    assert_eq!(lead["version"], json!(1));
}

#[tokio::test]
async fn runs_go_on_at_the_standby_after_the_owner_is_killed() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new().with_lease(2_000).with_sandbox(json!({ "latencyMs": 700 }));
    let (mut owner, standby) = cluster.pair().await;
    define(&owner.server, "slow", "do: [{ w: { wait: PT2S } }, { a: { set: { done: true } } }]").await;
    let waits = start(&owner.server, "slow", &json!({})).await;
    waiting(&owner.server, &waits, "timer").await;
    let launched = owner.server.http.post("/api/v1/campaigns/launch", &brief()).await.ok();
    let launch = text(&launched, "runId").to_owned();
    waiting(&owner.server, &launch, "call").await;
    let lead = record(&owner.server, "ana", "before").await;
    let begun = Stopwatch::start();
    owner.server.kill().await;
    standby.server.until_owner(PARTITIONS).await;
    let took = begun.ms();
    println!("{took} ms from the kill to a stand-by that serves everything, at a lease of 2000 ms");
    assert!(took < 10_000, "{took} ms");
    let shown = standby.server.http.get("/api/v1/leads/~ana").await.ok();
    assert_eq!((&shown["id"], &shown["version"]), (&lead["id"], &json!(1)));
    assert_eq!(record(&standby.server, "ana", "before").await, lead, "the key is known here too");
    for run in [waits, launch] {
        let ended = ended(&standby.server, &run).await;
        assert_eq!(ended["status"], json!("completed"), "{ended}");
    }
    assert_eq!(cluster.books().repeated, [], "nothing was done twice outside");
    owner.server.restart().await;
    assert_eq!(owner.server.until_standby().await, standby.server.url);
    assert_eq!(metric(&standby.server, "promptsales_take_overs_total").await, 64.0);
}

#[tokio::test]
async fn whoever_owns_owns_everything() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (one, two) = futures_util::join!(cluster.join(), cluster.join());
    for round in 0..3 {
        let whole = || async {
            let both = [one.server.readiness().await, two.server.readiness().await];
            let owns = |of: &Readiness| *of == Readiness::Owner(PARTITIONS);
            let stands_by = |of: &Readiness| matches!(of, Readiness::Standby(Some(_)));
            (both.iter().any(owns) && both.iter().any(stands_by)).then_some(())
        };
        until("one owner and one stand-by", whole).await;
        // Everything becomes free at the same moment, as after an outage.
        cluster.sql("UPDATE promptsales.partition SET owner = NULL, epoch = epoch + 1");
        promptsales_tests::pause(LEASE_MS / 10 * round).await;
        cluster.sql("UPDATE promptsales.partition SET owner = NULL, epoch = epoch + 1 WHERE id % 2 = 0");
    }
}
