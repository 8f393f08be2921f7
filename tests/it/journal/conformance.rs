//! Every case of the contract, and the same random operations on PostgreSQL and on the other back ends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use promptsales_engine::id::{Prefix, TenantId};
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::conformance::{
    Backend, CASES, Node, OWNERSHIP, SEVERAL, Town, same_answers,
};
use promptsales_engine::journal::memory::{MemoryJournal, MemoryStore};
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions};
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::projection::index::{self, Index, Search};
use promptsales_tests::{Dice, PgBouncer, Postgres, pause};
use tempfile::TempDir;
use uuid::Uuid;

/// A database of one partition, or of several.
pub(super) struct Database {
    url: String,
    partitions: u32,
}

impl Database {
    fn new(server: &Postgres, partitions: u32) -> Arc<Self> {
        Arc::new(Self { url: server.database(), partitions })
    }

    /// A fresh database that is reached through a pooler.
    pub(super) fn behind(server: &Postgres, pooler: &PgBouncer, partitions: u32) -> Self {
        let url = server.database().replace(&server.port().to_string(), &pooler.port().to_string());
        Self { url, partitions }
    }
}

#[async_trait]
impl Backend for Database {
    async fn open(&self) -> Arc<dyn Journal> {
        let options = PostgresOptions { partitions: self.partitions, ..PostgresOptions::default() };
        Arc::new(PostgresJournal::open(&self.url, options).await.expect("the journal can be opened"))
    }
}

#[tokio::test]
async fn every_conformance_case_holds_in_postgres() {
    let server = Postgres::shared();
    let cases = CASES.iter().map(|(name, case)| {
        let server = server.clone();
        async move {
            println!("{name}");
            case(Database::new(&server, 1)).await;
        }
    });
    futures_util::stream::iter(cases).buffer_unordered(4).collect::<Vec<_>>().await;
    for (name, case) in SEVERAL {
        println!("{name}");
        case(Database::new(&server, 5)).await;
    }
}

/// A database of some partitions that several processes share. Its time passes by itself.
struct Shared(String);

#[async_trait]
impl Town for Shared {
    async fn open(&self) -> Node {
        let journal = Arc::new(super::fixture::open(&self.0).await);
        Node { journal: journal.clone(), ownership: journal }
    }

    async fn pass(&self, duration: Duration) {
        pause(u64::try_from(duration.as_millis()).expect("a short while")).await;
    }
}

#[tokio::test]
async fn every_case_of_ownership_holds_in_postgres() {
    let server = Postgres::shared();
    for (name, case) in OWNERSHIP {
        println!("{name}");
        case(Arc::new(Shared(server.database()))).await;
    }
}

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Arc<dyn Journal> {
        MemoryJournal::open(&self.0)
    }
}

struct Sqlite(TempDir);

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(self.0.path()).await.expect("the journal can be opened"))
    }
}

#[tokio::test]
async fn random_operations_have_the_same_answers_in_postgres_and_in_memory() {
    let server = Postgres::shared();
    let mut dice = Dice::new("postgres and memory", 20);
    for _ in 0..6 {
        let seed = dice.roll(1 << 32);
        println!("seed {seed}");
        let memory = Arc::new(Memory(MemoryStore::new(seed)));
        same_answers(seed, 120, memory, Database::new(&server, 1)).await;
    }
}

#[tokio::test]
async fn random_operations_have_the_same_answers_in_postgres_and_in_sqlite() {
    let server = Postgres::shared();
    let mut dice = Dice::new("postgres and sqlite", 21);
    for _ in 0..4 {
        let seed = dice.roll(1 << 32);
        println!("seed {seed}");
        let sqlite = Arc::new(Sqlite(TempDir::new().expect("a folder can be made")));
        same_answers(seed, 120, sqlite, Database::new(&server, 1)).await;
    }
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let server = Postgres::shared();
    let url = server.database();
    let journal = PostgresJournal::open(&url, PostgresOptions::default()).await.expect("it can be opened");
    let checked = journal.check_statements().await.expect("every statement fits");
    assert!(checked > 15, "{checked} statements");
    assert_eq!(journal.info().partitions.len(), 64);
    journal.close().await;
}

#[tokio::test]
async fn the_index_answers_in_postgres_as_in_memory() {
    let server = Postgres::shared();
    let mut dice = Dice::new("index", 22);
    for _ in 0..3 {
        let seed = dice.roll(1 << 32);
        println!("seed {seed}");
        let url = server.database();
        let journal =
            PostgresJournal::open(&url, PostgresOptions::default()).await.expect("it can be opened");
        let fence = journal.take_over(0, Uuid::from_u128(7)).await.expect("it is free").fence;
        let of = Uuid::from_u128(9);
        index::conformance::same_answers(seed, of, fence, &journal).await;
        let search =
            Search { tenant: TenantId::default_tenant(), prefix: Prefix::new("thing"), tests: Vec::new() };
        let found = journal.find(&search, None, 99).await.expect("searches");
        assert!(!found.is_empty(), "seed {seed}");
        // Who has lost the partition writes nothing any more.
        journal.take_over(0, Uuid::from_u128(8)).await.expect("it is free");
        let gone: Vec<_> = found.iter().map(|(_, stream)| (stream.clone(), None)).collect();
        journal.write(of, fence, &gone, Some(1_000)).await.expect("writes nothing");
        assert_eq!(journal.find(&search, None, 99).await.expect("searches"), found, "seed {seed}");
        assert_ne!(journal.mark(of, 0).await.expect("reads"), Some(1_000));
        journal.close().await;
    }
}
