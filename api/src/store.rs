//! Where everything is kept: a folder with SQLite in it, or a PostgreSQL that several nodes share.

use std::sync::Arc;

use anyhow::Context as _;
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions, Target};
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::partition::Ownership;
use promptsales_engine::projection::index::{Index, SqliteIndex};

use crate::config::Config;

/// Where everything is kept.
pub struct Store {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// What entities are found by.
    pub index: Arc<dyn Index>,
    /// The leases, where several nodes share the store.
    pub ownership: Option<Arc<dyn Ownership>>,
}

/// Opens the store that the settings name.
///
/// # Errors
///
/// When it cannot be opened.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    Ok(match &config.database {
        Some(target) => {
            let journal = open_postgres(config, target).await?;
            Store { journal: journal.clone(), index: journal.clone(), ownership: Some(journal) }
        }
        None => {
            let journal = open_journal(config).await?;
            let index = SqliteIndex::open(&config.data_dir).await.with_context(|| cannot(config))?;
            Store { journal, index: Arc::new(index), ownership: None }
        }
    })
}

/// Opens the journal: in the database where one is named, otherwise in the folder.
///
/// # Errors
///
/// When it cannot be opened.
pub async fn open_journal(config: &Config) -> anyhow::Result<Arc<dyn Journal>> {
    Ok(match &config.database {
        Some(target) => open_postgres(config, target).await?,
        None => Arc::new(SqliteJournal::open(&config.data_dir).await.with_context(|| cannot(config))?),
    })
}

async fn open_postgres(config: &Config, target: &Target) -> anyhow::Result<Arc<PostgresJournal>> {
    let journal = PostgresJournal::open_target(target, PostgresOptions::default()).await;
    Ok(Arc::new(journal.with_context(|| cannot(config))?))
}

fn cannot(config: &Config) -> String {
    format!("cannot use the store in {}", place(config))
}

/// Where the journal is, for people; without the password.
pub fn place(config: &Config) -> String {
    match &config.database {
        Some(target) => target.to_string(),
        None => config.data_dir.display().to_string(),
    }
}
