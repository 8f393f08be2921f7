//! Through PgBouncer in transaction mode: nothing is state of a session.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::conformance::{CASES, SEVERAL};
use promptsales_engine::journal::postgres::PostgresJournal;
use promptsales_tests::{PgBouncer, Postgres};

use super::conformance::Database;
use super::fixture::{PARTITIONS, head, made, open, own};

#[tokio::test]
async fn every_conformance_case_holds_behind_a_pooler() {
    let server = Postgres::shared();
    let pooler = PgBouncer::start(&server, 3);
    let cases = CASES.iter().map(|case| (case, 1)).chain(SEVERAL.iter().map(|case| (case, 5)));
    let cases = cases.map(|((name, case), partitions)| {
        let database = Database::behind(&server, &pooler, partitions);
        async move {
            println!("{name}");
            case(Arc::new(database)).await;
        }
    });
    futures_util::stream::iter(cases).buffer_unordered(4).collect::<Vec<_>>().await;
}

/// Appends to its own streams of one partition.
async fn append_many(journal: &PostgresJournal, fence: promptsales_engine::journal::Fence) {
    let part = u64::from(fence.partition);
    for round in 0..40_u64 {
        let batch: Vec<_> = (0..5).map(|n| made(part + n * u64::from(PARTITIONS), round)).collect();
        let answers = journal.append(fence, &batch).await.expect("it can be used");
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(head(journal, part).await, round + 1);
    }
}

#[tokio::test]
async fn many_sessions_share_few_connections() {
    let server = Postgres::shared();
    let pooler = PgBouncer::start(&server, 2);
    let url = server.database().replace(&server.port().to_string(), &pooler.port().to_string());
    // Every statement of either may come over either connection, between any two of the other.
    let (one, two) = (open(&url).await, open(&url).await);
    let fences = own(&one, 1).await;
    let theirs = two.take_over(3, uuid::Uuid::from_u128(2)).await.expect("it can be taken over").fence;
    let ours = join_all(fences[..3].iter().map(|fence| append_many(&one, *fence)));
    futures_util::join!(ours, append_many(&two, theirs));
    for id in 0..PARTITIONS {
        let log = one.read_log(id, 0, usize::MAX).await.expect("it can be read");
        assert_eq!(log.len(), 200);
    }
}
