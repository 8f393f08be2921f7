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
