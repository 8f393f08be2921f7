use std::sync::{Arc, Mutex as StdMutex};

use tempfile::TempDir;

use async_trait::async_trait;
use uuid::Uuid;

use super::files::Files;
use super::writer::{PARTITION, Writer};
use super::*;
use crate::clock::Timestamp;
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::conformance::{Backend, CASES, same_answers};
use crate::journal::memory::{MemoryJournal, MemoryStore};
use crate::journal::{Entry, Error, Fence, Journal, Position, Seq};

mod backup;
mod faults;
mod forget;
mod index;
mod newest;
mod transfer;

/// What becomes of the next commits.
#[derive(Debug, Default)]
pub(super) struct Sabotage(StdMutex<Vec<Failing>>);

#[derive(Debug, Clone, Copy)]
enum Failing {
    /// It commits, and its answer is an error.
    LostAnswer,
    /// It fails, and its connection with it.
    Lost,
}

impl Sabotage {
    fn next(&self, failing: Failing) {
        self.0.lock().unwrap().push(failing);
    }

    pub(super) async fn commit(&self, writer: &mut Writer) -> Result<(), sqlx::Error> {
        let next = self.0.lock().unwrap().pop();
        match next {
            None => writer.commit().await,
            Some(Failing::LostAnswer) => {
                writer.commit().await?;
                Err(sqlx::Error::WorkerCrashed)
            }
            Some(Failing::Lost) => {
                writer.give_up().await;
                Err(sqlx::Error::WorkerCrashed)
            }
        }
    }
}

struct Sqlite {
    dir: TempDir,
    options: SqliteOptions,
}

impl Sqlite {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), options: SqliteOptions::default() }
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open_with(self.dir.path(), self.options).await.unwrap())
    }
}

#[tokio::test]
async fn every_conformance_case_holds() {
    for (name, case) in CASES {
        println!("{name}");
        case(Arc::new(Sqlite::new())).await;
    }
}

#[tokio::test]
async fn every_conformance_case_holds_when_every_append_is_merged_at_once() {
    for (name, case) in CASES {
        println!("{name}");
        let options = SqliteOptions { merge_at: 0, merge_cap: 0 };
        case(Arc::new(Sqlite { options, ..Sqlite::new() })).await;
    }
}

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Journal> {
        MemoryJournal::open(&self.0)
    }
}

#[tokio::test]
async fn random_operations_have_the_same_answers_as_in_memory() {
    for seed in 0..8 {
        let memory = Arc::new(Memory(MemoryStore::new(seed)));
        // Some merge at every upkeep, some never.
        let options =
            SqliteOptions { merge_at: if seed % 3 == 0 { usize::MAX } else { 0 }, ..Default::default() };
        same_answers(seed, 120, memory, Arc::new(Sqlite { options, ..Sqlite::new() })).await;
    }
}
