//! What is forgotten frees its room in the files, and the index loses it though the process dies in between.

use sqlx::{AssertSqlSafe, Connection, Row};

use super::*;
use crate::id::{Slot, StreamId, uuid_v7};
use crate::journal::conformance::everything_of;
use crate::journal::{Forgotten, KEYS_KEPT};

const THING: Prefix = Prefix::new("thing");
const STREAMS: u64 = 200;

fn stream(n: u64) -> StreamKey {
    StreamKey::new(TenantId::default_tenant(), StreamId::new(THING, uuid_v7(1, Slot::new(7), n)))
}

/// An entry with some events, a state, a message taken in and an idempotency key.
fn filled(n: u64) -> Entry {
    let mut entry = everything_of(&stream(n), n, 0);
    let body = entry.events[0].clone();
    entry.events = vec![body; 10];
    entry.snapshot = None;
    (entry.timers, entry.messages, entry.effects) = (Vec::new(), Vec::new(), Vec::new());
    entry
}

/// How many rows there are of what belongs to streams, but for idempotency keys; and of those.
async fn rows(sqlite: &Sqlite) -> (i64, i64) {
    const ROWS: &str = "SELECT (SELECT count(*) FROM main.stream) + (SELECT count(*) FROM main.event)
            + (SELECT count(*) FROM main.inbox) + (SELECT count(*) FROM main.snapshot) + (SELECT count(*) FROM main.base)
            + (SELECT count(*) FROM main.forgotten) + (SELECT count(*) FROM idx.stream)
            + (SELECT count(*) FROM idx.event) + (SELECT count(*) FROM idx.kind),
        (SELECT count(*) FROM main.idem) + (SELECT count(*) FROM idx.key)";
    let mut conn = Files::new(sqlite.dir.path()).open_reader().await.unwrap();
    let row = sqlx::query(ROWS).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    (row.get(0), row.get(1))
}

/// How many pages the journal and its index have.
async fn pages(sqlite: &Sqlite) -> [i64; 2] {
    let mut conn = Files::new(sqlite.dir.path()).open_reader().await.unwrap();
    let mut pages = [0; 2];
    for (place, name) in ["main", "idx"].into_iter().enumerate() {
        let sql = AssertSqlSafe(format!("PRAGMA {name}.page_count"));
        pages[place] = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    pages
}

async fn forget_all(journal: &dyn Journal, fence: Fence, numbers: std::ops::Range<u64>) {
    let forgets = numbers.map(|n| async move { journal.forget(fence, &stream(n), 10).await.unwrap() });
    let forgotten = futures_util::future::join_all(forgets).await;
    assert!(forgotten.iter().all(|each| *each == Forgotten::Gone));
}

async fn settle(journal: &dyn Journal, fence: Fence) {
    while let Some((last, _)) = journal.forgotten(PARTITION, 0, 50).await.unwrap().pop() {
        journal.settle_forgotten(fence, last).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_whose_streams_come_and_go_does_not_grow() {
    let sqlite =
        Sqlite { options: SqliteOptions { merge_at: 0, ..SqliteOptions::default() }, ..Sqlite::new() };
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    let mut sizes = Vec::new();
    for round in 0..8 {
        let numbers = round * STREAMS..(round + 1) * STREAMS;
        let batch: Vec<_> = numbers.clone().map(filled).collect();
        assert!(journal.append(fence, &batch).await.unwrap().iter().all(Result::is_ok));
        journal.maintain(Timestamp::from_ms(0)).await.unwrap();
        // Those of the round before go while these stay.
        if round > 0 {
            forget_all(&*journal, fence, numbers.start - STREAMS..numbers.start).await;
            settle(&*journal, fence).await;
        }
        let latest = batch[batch.len() - 1].at;
        journal.maintain(latest.plus(KEYS_KEPT * 2)).await.unwrap();
        sizes.push(pages(&sqlite).await);
    }
    let (one, last) = (sizes[2], sizes[7]);
    for file in 0..2 {
        assert!(last[file] * 10 <= one[file] * 13, "{sizes:?}");
    }
    forget_all(&*journal, fence, 7 * STREAMS..8 * STREAMS).await;
    settle(&*journal, fence).await;
    // The newest idempotency row stays, so that no number is used twice.
    assert_eq!(rows(&sqlite).await, (0, 2), "nothing is left");
    let copy = sqlite.dir.path().join("copy.db");
    let backup = journal.back_up(&copy).await.unwrap();
    assert_eq!((backup.events, backup.position), (0, 8 * STREAMS * 10));
    journal.close().await;
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(2)).await.unwrap().fence;
    let appended = journal.append(fence, &[filled(1)]).await.unwrap().remove(0).unwrap();
    assert_eq!((appended.seq, appended.position), (10, 8 * STREAMS * 10 + 10));
    journal.close().await;
}

#[tokio::test]
async fn an_index_of_before_leads_to_nothing_and_is_cleared() {
    let options = SqliteOptions { merge_at: 0, ..SqliteOptions::default() };
    let sqlite = Sqlite { options, ..Sqlite::new() };
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    let batch: Vec<_> = (0..4).map(filled).collect();
    assert!(journal.append(fence, &batch).await.unwrap().iter().all(Result::is_ok));
    journal.maintain(Timestamp::from_ms(0)).await.unwrap();
    journal.close().await;
    let index = sqlite.dir.path().join("index.db");
    let before = std::fs::read(&index).unwrap();
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(2)).await.unwrap().fence;
    forget_all(&*journal, fence, 0..3).await;
    // One of them begins anew before the index has lost it.
    let again = journal.append(fence, &[filled(2)]).await.unwrap().remove(0).unwrap();
    assert_eq!(again.seq, 10);
    journal.close().await;
    for name in ["index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(sqlite.dir.path().join(name));
    }
    std::fs::write(&index, before).unwrap();
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(3)).await.unwrap().fence;
    for _ in 0..2 {
        for (n, head) in [(0, 0), (1, 0), (2, 10), (3, 10)] {
            assert_eq!(journal.load(&stream(n)).await.unwrap().head, head, "{n}");
            let read = journal.read_stream(&stream(n), 0, 99).await.unwrap();
            assert_eq!(read.len() as u64, head, "{n}");
        }
        let list = journal.list_streams(&TenantId::default_tenant(), THING, None, true, 9).await.unwrap();
        assert_eq!(
            list.streams.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
            [stream(2), stream(3)]
        );
        journal.maintain(Timestamp::from_ms(0)).await.unwrap();
        settle(&*journal, fence).await;
    }
    // 2 streams of 10 events: their rows and that they took a message in, and what leads to them.
    assert_eq!(rows(&sqlite).await.0, (2 + 20 + 2) + (2 + 20 + 2));
    let begun = journal.append(fence, &[filled(0)]).await.unwrap().remove(0).unwrap();
    assert_eq!(begun.seq, 10, "the name is free");
    journal.close().await;
}

#[tokio::test]
async fn a_commit_that_fails_leaves_a_stream_whole_or_gone() {
    for failing in [Failing::LostAnswer, Failing::Lost] {
        let sqlite = Sqlite::new();
        let journal = SqliteJournal::open_with(sqlite.dir.path(), sqlite.options).await.unwrap();
        let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
        let batch: Vec<_> = (0..3).map(filled).collect();
        assert!(journal.append(fence, &batch).await.unwrap().iter().all(Result::is_ok));
        let tenant = TenantId::default_tenant();
        let listed =
            async || journal.list_streams(&tenant, THING, None, true, 9).await.unwrap().streams.len();
        journal.merge().await.unwrap();
        assert_eq!(listed().await, 3);
        journal.sabotage.next(failing);
        let came = journal.forget(fence, &stream(1), 10).await;
        let is_gone = matches!(failing, Failing::LostAnswer);
        assert_eq!(came.is_ok_and(|came| came == Forgotten::Gone), is_gone, "{failing:?}");
        assert_eq!(journal.load(&stream(1)).await.unwrap().head, if is_gone { 0 } else { 10 });
        assert_eq!(listed().await, if is_gone { 2 } else { 3 });
        assert_eq!(journal.forget(fence, &stream(1), 10).await.unwrap(), Forgotten::Gone, "{failing:?}");
        assert_eq!(journal.forget(fence, &stream(2), 10).await.unwrap(), Forgotten::Gone, "{failing:?}");
        assert_eq!((journal.load(&stream(1)).await.unwrap().head, listed().await), (0, 1));
        let again = journal.append(fence, &[filled(1)]).await.unwrap().remove(0).unwrap();
        assert_eq!((again.seq, again.position), (10, 40), "{failing:?}");
        assert_eq!(listed().await, 2);
        journal.close().await;
    }
}
