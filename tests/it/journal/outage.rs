//! The database goes away, and comes back: with everything, or as it was earlier.

use std::time::Duration;

use futures_util::future::join_all;
use promptsales_engine::clock::Timestamp;
use promptsales_engine::journal::postgres::PostgresJournal;
use promptsales_engine::journal::{Error, Fence, Journal};
use promptsales_engine::partition::{Beat, Member, Ownership};
use promptsales_tests::{Postgres, Stopwatch, database_of, pause, until};
use uuid::Uuid;

use super::fixture::{PARTITIONS, head, made, open, own};

/// Appends to one stream again and again, and says how many appends were acknowledged.
async fn append_until_told(journal: &PostgresJournal, fences: &[Fence], n: u64, ms: u128) -> (u64, u64) {
    let place = usize::try_from(n % u64::from(PARTITIONS)).expect("small");
    let begun = Stopwatch::start();
    let (mut acknowledged, mut failed) = (0, 0);
    while begun.ms() < ms {
        match journal.append(fences[place], &[made(n, acknowledged)]).await {
            Ok(answers) => {
                let appended = answers.into_iter().next().expect("an answer").expect("taken");
                assert_eq!(appended.seq, acknowledged + 1, "nothing is lost, and nothing is done twice");
                acknowledged = appended.seq;
            }
            Err(Error::Unavailable { .. }) => {
                failed += 1;
                pause(20).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (acknowledged, failed)
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_database_crashes_under_load() {
    let server = std::sync::Arc::new(Postgres::start());
    let journal = open(&server.database()).await;
    let fences = own(&journal, 1).await;
    let crashes = std::thread::spawn({
        let server = server.clone();
        move || server.crash(3, Duration::from_millis(700), Duration::from_millis(300))
    });
    let done = join_all((0..12).map(|n| append_until_told(&journal, &fences, n, 6_000))).await;
    crashes.join().expect("it crashed and came back");
    assert!(done.iter().any(|(_, failed)| *failed > 0), "it was away: {done:?}");
    for (n, (acknowledged, _)) in (0..).zip(&done) {
        assert!(*acknowledged > 10, "{done:?}");
        assert_eq!(head(&journal, n).await, *acknowledged, "stream {n}");
    }
    for id in 0..PARTITIONS {
        let log = journal.read_log(id, 0, usize::MAX).await.expect("it can be read");
        let positions: Vec<_> = log.iter().map(|event| event.position).collect();
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_database_that_went_back_in_time_is_noticed() {
    let server = Postgres::start();
    let url = server.database();
    let (journal, other) = (open(&url).await, open(&url).await);
    let fences = own(&journal, 1).await;
    for n in 0..8 {
        assert!(journal.append(fences[usize::try_from(n % 4).expect("small")], &[made(n, 0)]).await.is_ok());
    }
    server.stop("fast");
    server.copy_to("older");
    server.launch();
    let first = until("the database", || async { journal.append(fences[1], &[made(1, 1)]).await.ok() }).await;
    assert!(first[0].is_ok(), "{first:?}");
    assert_eq!(head(&other, 1).await, 2);
    other.maintain(Timestamp::from_ms(1)).await.expect("upkeep is possible");
    server.stop("immediate");
    server.restore("older");
    server.launch();

    let (history, others) = (journal.info().history, other.info().history);
    let error = journal.append(fences[1], &[made(1, 2)]).await.expect_err("what it rests on is gone");
    assert!(matches!(error, Error::Regressed { .. }), "{error}");
    let error = journal.append(fences[2], &[made(2, 1)]).await.expect_err("and so with every partition");
    assert!(matches!(error, Error::Regressed { partition: 2 }), "{error}");
    let info = journal.info();
    assert_ne!(info.history, history, "old tokens do not hold");
    assert!(info.resumed_at.is_some(), "what was called and forgotten is settled before it is called again");
    assert!(!info.starts_held, "it goes on at once");
    let error = other.maintain(Timestamp::from_ms(1)).await.expect_err("who only looks on notices it too");
    assert!(matches!(error, Error::Regressed { .. }), "{error}");

    let lease = journal.take_over(1, Uuid::from_u128(2)).await.expect("it can be taken over");
    assert!(lease.fence.epoch > fences[1].epoch);
    assert_eq!(lease.position, 2);
    assert_eq!(head(&journal, 1).await, 1, "as the database has it");
    assert!(journal.append(lease.fence, &[made(1, 1)]).await.expect("it goes on")[0].is_ok());
    let again = own(&journal, 3).await;
    journal.maintain(Timestamp::from_ms(1)).await.expect("all is well again");
    assert!(journal.append(again[2], &[made(2, 1)]).await.expect("it goes on")[0].is_ok());
    other.maintain(Timestamp::from_ms(1)).await.expect("who looks on follows it again");
    server.sql(database_of(&url), "UPDATE promptsales.partition SET epoch = epoch - 1 WHERE id = 3");
    let error = other.maintain(Timestamp::from_ms(1)).await.expect_err("and notices the next time too");
    assert!(matches!(error, Error::Regressed { partition: 3 }), "{error}");
    own(&other, 4).await;
    for each in [&other, &journal] {
        each.maintain(Timestamp::from_ms(1)).await.expect("all is well again");
    }
    assert_eq!(other.info().history, journal.info().history, "one history for all");
    assert_ne!(other.info().history, others);
}

#[tokio::test]
async fn a_node_whose_database_went_back_in_time_claims_its_partitions_anew() {
    let server = Postgres::start();
    let journal = open(&server.database()).await;
    let member = Member {
        node: Uuid::from_u128(1),
        incarnation: Uuid::from_u128(11),
        address: "http://node-1".to_owned(),
        lease: Duration::from_secs(60),
    };
    let beat = async || until("a heartbeat", || async { journal.heartbeat(&member).await.ok() }).await;
    let Beat::Renewed(seen) = beat().await else { panic!("it is the only start") };
    let before = journal.claim(&member, &seen).await.expect("they are free");
    server.stop("fast");
    server.copy_to("older");
    server.launch();
    beat().await;
    assert!(journal.append(before[1].fence, &[made(1, 0)]).await.expect("it owns it")[0].is_ok());
    server.stop("immediate");
    server.restore("older");
    server.launch();
    let told = until("the news", || async {
        match journal.heartbeat(&member).await {
            Err(Error::Unavailable { .. }) => None,
            other => Some(other),
        }
    });
    let told = told.await.expect_err("it is told once");
    assert!(matches!(told, Error::Regressed { .. }), "{told}");
    let Beat::Renewed(seen) = beat().await else { panic!("it is the only start") };
    assert!(seen.iter().all(|standing| standing.free), "all of its own are to be claimed anew");
    let after = journal.claim(&member, &seen).await.expect("they are free");
    assert_eq!(after.len(), before.len());
    assert!(after.iter().zip(&before).all(|(new, old)| new.fence.epoch > old.fence.epoch));
    assert!(journal.append(after[1].fence, &[made(1, 0)]).await.expect("it owns it")[0].is_ok());
    let Beat::Renewed(seen) = beat().await else { panic!("it is the only start") };
    assert!(seen.iter().all(|standing| !standing.free));
}
