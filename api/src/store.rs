//! Where everything is kept: a folder with SQLite in it, or a PostgreSQL that several nodes share.

use std::sync::Arc;

use anyhow::Context as _;
use promptsales_engine::journal::Journal;
use promptsales_engine::journal::postgres::{PostgresJournal, PostgresOptions};
use promptsales_engine::journal::sqlite::SqliteJournal;
use promptsales_engine::partition::Ownership;

use crate::config::Config;

/// Where everything is kept.
pub struct Store {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The leases, where several nodes share the store.
    pub ownership: Option<Arc<dyn Ownership>>,
}

/// Opens the store that the settings name.
///
/// # Errors
///
/// When it cannot be opened.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let cannot = || format!("cannot use the store in {}", place(config));
    Ok(match &config.database {
        Some(target) => {
            let journal = PostgresJournal::open_target(target, PostgresOptions::default()).await;
            let journal = Arc::new(journal.with_context(cannot)?);
            Store { journal: journal.clone(), ownership: Some(journal) }
        }
        None => {
            let journal = SqliteJournal::open(&config.data_dir).await.with_context(cannot)?;
            Store { journal: Arc::new(journal), ownership: None }
        }
    })
}

/// Opens the journal: in the database where one is named, otherwise in the folder.
///
/// # Errors
///
/// When it cannot be opened.
pub async fn open_journal(config: &Config) -> anyhow::Result<Arc<dyn Journal>> {
    Ok(open_store(config).await?.journal)
}

/// Where the journal is, for people; without the password.
pub fn place(config: &Config) -> String {
    match &config.database {
        Some(target) => target.to_string(),
        None => config.data_dir.display().to_string(),
    }
}
