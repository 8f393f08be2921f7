use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::journal::conformance::{Backend, CASES};

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

/// A journal whose index is merged after every append.
struct Merging(Arc<SqliteJournal>);

#[async_trait]
impl Journal for Merging {
    fn info(&self) -> &Info {
        self.0.info()
    }

    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        self.0.take_over(partition, incarnation).await
    }

    async fn append(&self, fence: Fence, batch: &[Entry]) -> Result<append::Answers, Error> {
        let answers = self.0.append(fence, batch).await?;
        self.0.maintain(batch.first().map_or_else(Timestamp::default, |entry| entry.at)).await?;
        Ok(answers)
    }

    async fn load(&self, stream: &StreamKey) -> Result<Loaded, Error> {
        self.0.load(stream).await
    }

    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error> {
        self.0.read_stream(stream, after, limit).await
    }

    async fn read_log(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.0.read_log(partition, after, limit).await
    }

    async fn list_streams(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        self.0.list_streams(tenant, prefix, after, newest_first, limit).await
    }

    async fn find_key(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        self.0.find_key(key).await
    }

    async fn due_timers(
        &self,
        partition: PartitionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        self.0.due_timers(partition, until, limit).await
    }

    async fn outbox(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error> {
        self.0.outbox(partition, after, limit).await
    }

    async fn open_effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error> {
        self.0.open_effects(partition, after, limit).await
    }

    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.0.find_effect(key).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.0.maintain(now).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

struct MergingSqlite(Sqlite);

#[async_trait]
impl Backend for MergingSqlite {
    async fn open(&self) -> Arc<dyn Journal> {
        let options = SqliteOptions { merge_at: 0, ..SqliteOptions::default() };
        Arc::new(Merging(Arc::new(SqliteJournal::open_with(self.0.dir.path(), options).await.unwrap())))
    }
}

#[tokio::test]
async fn every_conformance_case_holds_when_the_index_is_merged_all_the_time() {
    for (name, case) in CASES {
        println!("{name}");
        case(Arc::new(MergingSqlite(Sqlite::new()))).await;
    }
}
