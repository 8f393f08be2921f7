//! The owner that is stopped, or cut off: it serves nothing once another may own, and stands by when it is back.

use futures_util::future::join;
use promptsales_tests::{Dice, Readiness, Stopwatch, pause, until};
use serde_json::json;

use super::ALONE;
use super::fixture::{Cluster, LEASE_MS, PARTITIONS, activity, metric, record, recording};
use super::load::Load;

#[tokio::test]
async fn an_owner_that_was_stopped_past_its_lease_answers_nothing_and_stands_by() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("stopped owner", 11);
    let cluster = Cluster::new();
    let (old, mut new) = cluster.pair().await;
    record(&old.server, "ana", "first").await;
    let load = Load::of(&[&old.server, &new.server]);
    let script = async {
        pause(700).await;
        old.server.signal("STOP").await;
        new.server.until_owner(PARTITIONS).await;
        record(&new.server, "ana", "second").await;
        // They wait in its sockets, and are the first that it sees.
        let read = old.server.http.get("/api/v1/leads/~ana");
        let asked = activity("third");
        let path = recording("ana");
        let write = old.server.http.post_keyed(&path, "third", &asked);
        let go_on = async {
            pause(200).await;
            old.server.signal("CONT").await;
        };
        let (read, write, ()) = futures_util::join!(read, write, go_on);
        for answer in [read, write] {
            assert_ne!(answer.body["owner"], json!(old.server.url), "it does not send anybody to itself");
            assert_eq!(answer.problem(421), "not_owner");
        }
        assert_eq!(old.server.until_standby().await, new.server.url);
        pause(300).await;
        load.stop();
    };
    join(load.work(6, &mut dice), script).await;
    load.prove(&new.server.http, "stopped past its lease").await;
    assert!(metric(&old.server, "promptsales_step_downs_total").await >= 64.0);
    let lead = new.server.http.get("/api/v1/leads/~ana").await.ok();
    assert_eq!(lead["version"], json!(2));
    new.server.kill().await;
    old.server.until_owner(PARTITIONS).await;
    record(&old.server, "ana", "third").await;
    load.prove(&old.server.http, "stopped past its lease, taken back").await;
}

#[tokio::test]
async fn an_owner_that_is_cut_off_stops_serving_before_its_lease_has_run_out() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (old, new) = cluster.pair().await;
    record(&old.server, "ana", "first").await;
    let begun = Stopwatch::start();
    old.proxy.cut_off();
    let (mut reads, mut refused) = (0, 0);
    while refused < 20 {
        let sent = begun.ms();
        let read = old.server.http.get("/api/v1/leads/~ana").await;
        match read.status {
            200 => {
                assert!(sent < u128::from(LEASE_MS), "a read that was sent {sent} ms after the cut");
                reads += 1;
            }
            421 => refused += 1,
            other => panic!("{other}: {}", read.body),
        }
        pause(10).await;
    }
    println!("{reads} reads were answered within the lease; the last refusal came after {} ms", begun.ms());
    assert_eq!(old.server.readiness().await, Readiness::NotReady, "it says so, and in time");
    new.server.until_owner(PARTITIONS).await;
    record(&new.server, "ana", "second").await;
    let read = old.server.http.get("/api/v1/leads/~ana").await;
    assert_eq!(read.problem(421), "not_owner");
    old.proxy.connect_again();
    assert_eq!(old.server.until_standby().await, new.server.url);
    assert_eq!(new.server.readiness().await, Readiness::Owner(PARTITIONS));
    new.proxy.cut_off();
    old.server.until_owner(PARTITIONS).await;
    let lead = old.server.http.get("/api/v1/leads/~ana").await.ok();
    assert_eq!(lead["version"], json!(2));
    new.proxy.connect_again();
    assert_eq!(new.server.until_standby().await, old.server.url);
}

#[tokio::test]
async fn a_command_at_an_owner_that_is_cut_off_is_answered_before_long() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::new();
    let (old, new) = cluster.pair().await;
    record(&old.server, "ana", "first").await;
    old.proxy.cut_off();
    let begun = Stopwatch::start();
    // Without a key there is nothing to look up before the append.
    let answer = old.server.http.post(&recording("ana"), &activity("late")).await;
    println!("{} ms to the answer {}", begun.ms(), answer.code());
    assert!(begun.ms() < 8_000, "it waited {} ms for {}", begun.ms(), answer.body);
    assert_eq!(answer.problem(503), "outcome_unknown");
    new.server.until_owner(PARTITIONS).await;
    record(&new.server, "ana", "second").await;
    old.proxy.connect_again();
    old.server.until_standby().await;
    let late = || async {
        let lead = new.server.http.get("/api/v1/leads/~ana").await.ok();
        assert_eq!(lead["version"], json!(2), "what was under way is fenced");
        (metric(&old.server, "promptsales_commit_failures_total").await > 0.0).then_some(())
    };
    until("the end of the append that was under way", late).await;
}
