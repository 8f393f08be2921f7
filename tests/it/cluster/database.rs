//! The database that the nodes share goes away, and comes back: with everything, or as it was earlier.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use promptsales_tests::{Answer, Dice, Postgres, Readiness, pause, until};
use reqwest::Method;
use serde_json::{Value, json};

use super::ALONE;
use super::fixture::{Cluster, Member, PARTITIONS, activity, metric, record, recording};
use super::load::Load;

/// Waits until one of two nodes owns everything; gives it, and the other.
async fn owner_of<'a>(one: &'a Member, two: &'a Member) -> (&'a Member, &'a Member) {
    until("one owner", || async {
        let owns = async |member: &Member| member.server.readiness().await == Readiness::Owner(PARTITIONS);
        match (owns(one).await, owns(two).await) {
            (true, false) => Some((one, two)),
            (false, true) => Some((two, one)),
            (true, true) | (false, false) => None,
        }
    })
    .await
}

#[tokio::test]
async fn a_database_that_crashes_under_load_costs_nothing_that_was_acknowledged() {
    let _alone = ALONE.lock().await;
    let mut dice = Dice::new("database restarts", 12);
    let cluster = Cluster::on(Arc::new(Postgres::start()));
    let (one, two) = cluster.pair().await;
    let load = Load::of(&[&one.server, &two.server]);
    let postgres = cluster.postgres.clone();
    let crashes = async {
        let crash = move || postgres.crash(2, Duration::from_millis(900), Duration::from_millis(100));
        let handle = std::thread::spawn(crash);
        while !handle.is_finished() {
            pause(50).await;
        }
        owner_of(&one, &two).await;
        let before = load.acknowledged();
        until("work after the crashes", || async { (load.acknowledged() > before + 20).then_some(()) }).await;
        load.stop();
    };
    join(load.work(6, &mut dice), crashes).await;
    let (owner, _) = owner_of(&one, &two).await;
    load.prove(&owner.server.http, "database restarts").await;
    for member in [&one, &two] {
        assert!(member.server.pid().is_some(), "it lives");
        assert_eq!(metric(&member.server, "promptsales_journal_regressions_total").await, 0.0);
    }
}

async fn read_with(member: &Member, token: &str) -> Answer {
    let headers = [("x-consistency-token", token)];
    let sent = member.server.http.send(Method::GET, "/api/v1/leads/~ana", &headers, None).await;
    sent.expect("it answers")
}

#[tokio::test]
async fn a_database_that_went_back_in_time_is_claimed_anew_under_a_new_history() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::on(Arc::new(Postgres::start()));
    let (one, two) = cluster.pair().await;
    record(&one.server, "ana", "first").await;
    cluster.postgres.stop("fast");
    cluster.postgres.copy_to("older");
    cluster.postgres.launch();
    let (owner, _) = owner_of(&one, &two).await;
    record(&owner.server, "ana", "second").await;
    let (owner, _) = owner_of(&one, &two).await;
    let seen = owner.server.http.get("/api/v1/leads/~ana").await;
    let token = seen.headers["x-consistency-token"].clone();
    assert_eq!(read_with(owner, &token).await.ok()["version"], json!(2));
    let history = owner.server.http.get("/readyz").await.ok()["history"].clone();
    // Each has heard of every epoch by now.
    pause(1_000).await;
    let epochs = cluster.epochs();
    cluster.postgres.stop("immediate");
    cluster.postgres.restore("older");
    cluster.postgres.launch();

    let anew = || async {
        let (owner, _) = owner_of(&one, &two).await;
        let ready = owner.server.http.get("/readyz").await;
        (ready.status == 200 && ready.body["history"] != history).then_some(())
    };
    until("a new history", anew).await;
    let (owner, other) = owner_of(&one, &two).await;
    // Who first hears of the database when the other has claimed everything anew finds nothing amiss.
    let counted =
        [owner, other].map(|member| metric(&member.server, "promptsales_journal_regressions_total"));
    let counted = futures_util::future::join_all(counted).await;
    assert!(counted.contains(&1.0) && counted.iter().all(|count| *count <= 1.0), "{counted:?}");
    let now = cluster.epochs();
    assert!(now.iter().zip(&epochs).all(|(now, before)| now > before), "{epochs:?} then {now:?}");
    assert_eq!(read_with(owner, &token).await.problem(400), "invalid_parameter");
    assert_eq!(lead_of(&one, &two).await["version"], json!(1), "as the database has it");
    record_at_owner(&one, &two, "third").await;
    assert_eq!(lead_of(&one, &two).await["version"], json!(2));
    let (owner, other) = owner_of(&one, &two).await;
    let readyz = owner.server.http.get("/readyz").await.ok();
    assert_ne!(readyz["history"], history);
    assert_eq!(other.server.until_standby().await, owner.server.url);
}

/// The lead, as whoever owns it now has it: on a busy machine that may change at any time.
async fn lead_of(one: &Member, two: &Member) -> Value {
    until("the lead", || async {
        let (owner, _) = owner_of(one, two).await;
        let answer = owner.server.http.get("/api/v1/leads/~ana").await;
        (answer.status == 200).then_some(answer.body)
    })
    .await
}

async fn record_at_owner(one: &Member, two: &Member, what: &str) {
    until("the record", || async {
        let (owner, _) = owner_of(one, two).await;
        let sent = owner.server.http.post_keyed(&recording("ana"), what, &activity(what)).await;
        (sent.status == 200).then_some(())
    })
    .await;
}
