//! The index can be thrown away, be old, or be another's: the reads are the same.

use std::path::PathBuf;

use sqlx::Connection;

use super::*;
use crate::journal::conformance::same_state;

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
