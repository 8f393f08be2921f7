//! The index can be thrown away, be old, or be another's: the reads are the same.

use std::path::PathBuf;

use futures_util::future::join_all;
use sqlx::Connection;

use super::*;
use crate::id::{Slot, uuid_v7};
use crate::journal::conformance::{everything_of, same_state};

const THING: Prefix = Prefix::new("thing");

fn id(n: u64) -> Uuid {
    uuid_v7(1, Slot::new(7), n)
}

/// The same random history in memory and in SQLite, with a copy of the index after each stretch of it.
async fn history(seed: u64) -> (Arc<Memory>, Arc<Sqlite>, Vec<PathBuf>) {
    let memory = Arc::new(Memory(MemoryStore::new(seed)));
    let options = SqliteOptions { merge_at: 0, ..SqliteOptions::default() };
    let sqlite = Arc::new(Sqlite { options, ..Sqlite::new() });
    let mut copies = Vec::new();
    for stretch in 0..6 {
        same_answers(seed * 100 + stretch, 25, memory.clone(), sqlite.clone()).await;
        let copy = sqlite.dir.path().join(format!("index.{stretch}"));
        std::fs::copy(sqlite.dir.path().join("index.db"), &copy).unwrap();
        copies.push(copy);
    }
    (memory, sqlite, copies)
}

async fn check(memory: &Memory, sqlite: &Sqlite, context: &str) {
    let (memory, sqlite) = (memory.open().await, sqlite.open().await);
    same_state(&*memory, &*sqlite, context).await;
    sqlite.close().await;
}

#[tokio::test]
async fn from_any_watermark_the_reads_are_the_same() {
    for seed in 1..4 {
        let (memory, sqlite, copies) = history(seed).await;
        for copy in copies {
            std::fs::copy(&copy, sqlite.dir.path().join("index.db")).unwrap();
            check(&memory, &sqlite, &format!("seed {seed}, {}", copy.display())).await;
        }
    }
}

#[tokio::test]
async fn trimmed_streams_keep_their_place_in_a_rebuilt_index_and_in_a_copy() {
    let sqlite = Sqlite::new();
    let journal = sqlite.open().await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    let stream = |n: u64| StreamKey::new(TenantId::default_tenant(), crate::id::StreamId::new(THING, id(n)));
    for n in 0..20 {
        for answer in journal.append(fence, &[everything_of(&stream(n), n, 0)]).await.unwrap() {
            answer.unwrap();
        }
    }
    for n in 0..20 {
        let answers = journal.append(fence, &[everything_of(&stream(n), n + 1_000, 1)]).await.unwrap();
        answers[0].as_ref().unwrap();
        assert_eq!(journal.trim(&stream(n), 9).await.unwrap(), 1);
    }
    let list = async |journal: &dyn Journal| {
        let page = journal.list_streams(&TenantId::default_tenant(), THING, None, false, 99).await.unwrap();
        page.streams
    };
    let before = list(&*journal).await;
    assert_eq!(before.len(), 20);
    let copy = sqlite.dir.path().join("copy.db");
    let backup = journal.back_up(&copy).await.unwrap();
    assert_eq!((backup.events, backup.position), (20, 40), "a copy may have gaps");
    journal.close().await;
    for merge_at in [0, 1_000_000] {
        Files::new(sqlite.dir.path()).remove_index().unwrap();
        let options = SqliteOptions { merge_at, ..SqliteOptions::default() };
        let journal = SqliteJournal::open_with(sqlite.dir.path(), options).await.unwrap();
        assert_eq!(list(&journal).await, before, "{merge_at}");
        assert_eq!(journal.load(&stream(3)).await.unwrap().head, 2);
        journal.close().await;
    }
}

#[tokio::test]
async fn an_index_that_does_not_fit_is_rebuilt() {
    let (memory, sqlite, _) = history(7).await;
    let index = sqlite.dir.path().join("index.db");
    std::fs::remove_file(&index).unwrap();
    check(&memory, &sqlite, "missing").await;
    std::fs::write(&index, "no database at all, but long enough to be looked at").unwrap();
    check(&memory, &sqlite, "corrupt").await;
    std::fs::write(&index, "").unwrap();
    check(&memory, &sqlite, "empty").await;
    let (_, other, _) = history(8).await;
    std::fs::copy(other.dir.path().join("index.db"), &index).unwrap();
    check(&memory, &sqlite, "another journal's").await;
    for wrong in
        ["UPDATE mark SET pos = pos + 1000", "UPDATE mark SET key = 100000", "PRAGMA user_version = 77"]
    {
        let mut conn = Files::new(sqlite.dir.path()).open_index().await.unwrap();
        sqlx::raw_sql(wrong).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        check(&memory, &sqlite, wrong).await;
    }
}

#[tokio::test]
async fn merges_that_found_no_room_are_made_up_for_and_seen_by_readers() {
    let dir = TempDir::new().unwrap();
    let options = SqliteOptions { merge_at: usize::MAX, ..SqliteOptions::default() };
    let journal = SqliteJournal::open_with(dir.path(), options).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    let stream = |n: u64| StreamKey::new(TenantId::default_tenant(), crate::id::StreamId::new(THING, id(n)));
    for n in 0..500 {
        journal.append(fence, &[everything_of(&stream(n), n, 0)]).await.unwrap()[0].as_ref().unwrap();
    }
    for _ in 0..3 {
        let mut index = journal.index.lock().await;
        let conn = index.as_mut().unwrap();
        let pages: i64 = sqlx::query_scalar("PRAGMA main.page_count").fetch_one(&mut *conn).await.unwrap();
        let full = sqlx::AssertSqlSafe(format!("PRAGMA main.max_page_count = {pages}"));
        sqlx::query(full).fetch_all(&mut *conn).await.unwrap();
        drop(index);
        assert!(journal.merge().await.is_err(), "there is no room");
    }
    journal.merge().await.unwrap();
    assert_eq!(journal.tail.len(), 0, "it is all in the index now");
    for n in 0..500 {
        assert!(!journal.read_stream(&stream(n), 0, 10).await.unwrap().is_empty(), "stream {n}");
    }
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_loaded_together_while_a_merge_ends_are_whole() {
    let dir = TempDir::new().unwrap();
    let options = SqliteOptions { merge_at: usize::MAX, ..SqliteOptions::default() };
    let journal = SqliteJournal::open_with(dir.path(), options).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    let stream = |n: u64| StreamKey::new(TenantId::default_tenant(), crate::id::StreamId::new(THING, id(n)));
    let add = async |from: u64, seq: u64| {
        let entries: Vec<_> =
            (from..from + 60).map(|n| everything_of(&stream(n), n + seq * 100_000, seq)).collect();
        for answer in journal.append(fence, &entries).await.unwrap() {
            answer.unwrap();
        }
    };
    for round in 0..10 {
        let from = round * 60;
        add(from, 0).await;
        // A part is in the index, and the rest on its way there.
        if round % 2 == 0 {
            journal.merge().await.unwrap();
            add(from, 1).await;
        }
        let wanted = if round % 2 == 0 { 2 } else { 1 };
        let merged = async { journal.merge().await.unwrap() };
        let loads = async {
            for again in 0..4 {
                let keys: Vec<_> = (from..from + 60).map(stream).collect();
                for loaded in join_all(keys.iter().map(|key| journal.load(key))).await {
                    let loaded = loaded.unwrap();
                    assert_eq!(loaded.head, wanted, "round {round}, load {again}");
                    assert!(loaded.last.is_some() && loaded.created_at.is_some());
                }
            }
        };
        tokio::join!(merged, loads);
    }
    journal.close().await;
}
