//! Where a benchmark works: a folder and databases of its own, which are gone afterwards.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;

use super::args::Common;
use super::by_hand::scratch;
use super::machine::Machine;
use super::report::Report;
use super::store::{Store, fresh};
use crate::config::DatabaseUrl;

/// The surroundings of a benchmark.
pub(super) struct Site {
    dir: tempfile::TempDir,
    parent: PathBuf,
    /// A server on which databases can be made.
    pub(super) server: Option<DatabaseUrl>,
    databases: Mutex<Vec<String>>,
    progress: ProgressBar,
}

impl Site {
    /// Makes the folder.
    pub(super) fn new(common: &Common) -> anyhow::Result<Self> {
        let parent = common.data_dir.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&parent)?;
        let dir = tempfile::Builder::new().prefix("promptsales-bench-").tempdir_in(&parent)?;
        let progress = ProgressBar::new_spinner();
        progress.enable_steady_tick(Duration::from_millis(250));
        let server = common.database_url.clone();
        Ok(Self { dir, parent, server, databases: Mutex::default(), progress })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Tells a person who watches what is under way.
    pub(super) fn say(&self, what: impl Into<String>) {
        self.progress.set_message(what.into());
    }

    /// Lets something be printed in whole.
    pub(super) fn print(&self, text: &str) {
        self.progress.suspend(|| print!("{text}"));
    }

    /// Names a store in a folder of its own, and makes a database for it where it is to be in one.
    pub(super) async fn store(&self, name: &str, server: Option<&DatabaseUrl>) -> anyhow::Result<Store> {
        let database = match server {
            Some(server) => Some(self.database(server).await?),
            None => None,
        };
        Ok(Store::new(self.dir.path().join(name), database))
    }

    /// The server on which the store's database was made, if it is in one.
    pub(super) fn server_of(&self, store: &Store) -> Option<&DatabaseUrl> {
        self.server.as_ref().filter(|_| store.is_in_database())
    }

    /// Makes an empty database beside the one of the URL, and answers its own URL.
    pub(super) async fn database(&self, server: &DatabaseUrl) -> anyhow::Result<DatabaseUrl> {
        let name = fresh("promptsales_bench").replace('-', "_");
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        scratch::create(server.expose(), &name).await
    }

    /// A report without figures yet.
    pub(super) fn report(&self, benchmark: &'static str) -> Report {
        Report::new(benchmark, Machine::describe(&self.parent))
    }

    /// Removes what the benchmark has made. Its servers must have ended.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        self.progress.finish_and_clear();
        let databases = self.databases.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = &self.server {
            for name in databases {
                scratch::remove(server.expose(), &name).await?;
            }
        }
        Ok(self.dir.close()?)
    }
}
