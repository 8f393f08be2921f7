//! A throw-away store of the product, in a folder or a database.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::by_hand::scratch;
use super::child::Child;
use super::ledger::Ledger;
use super::machine;
use super::preload::{self, Preload};
use crate::config::{Config, DatabaseUrl, ServeArgs};

const LOG: &str = "journal.db-wal";

/// A store, and what has been put into it.
pub(super) struct Store {
    folder: PathBuf,
    database: Option<DatabaseUrl>,
    /// What the names of its leads begin with.
    pub(super) prefix: String,
    /// What was there before the first server.
    pub(super) preloaded: Preload,
    written: AtomicU64,
}

impl Store {
    pub(super) fn new(folder: PathBuf, database: Option<DatabaseUrl>) -> Self {
        let (preloaded, written) = (Preload::default(), AtomicU64::new(0));
        Self { folder, database, prefix: fresh("bench"), preloaded, written }
    }

    /// What keeps it, for people.
    pub(super) fn engine(&self) -> &'static str {
        if self.database.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    pub(super) fn is_in_database(&self) -> bool {
        self.database.is_some()
    }

    /// Puts events into it, straight through the journal. No server may be running.
    pub(super) async fn fill(&mut self, preload: Preload) -> anyhow::Result<()> {
        if preload.total() == 0 {
            return Ok(());
        }
        let args = ServeArgs {
            dev: true,
            data_dir: Some(self.folder.clone()),
            database_url: self.database.clone(),
            ..ServeArgs::default()
        };
        preload::run(&Config::resolve(args)?, &self.prefix, preload).await?;
        self.preloaded = preload;
        self.wrote(preload.total());
        Ok(())
    }

    /// Starts a server on it, with arguments beside those that it needs.
    pub(super) async fn start(&self, more: &[&str]) -> anyhow::Result<Child> {
        let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"].map(OsString::from);
        let mut args = args.to_vec();
        args.push(self.folder.clone().into_os_string());
        args.extend(more.iter().map(OsString::from));
        let child = Child::start(&args, self.database.as_ref().map(|url| OsStr::new(url.expose()))).await?;
        // Where several can share the store, it listens before it owns anything.
        child.ready().await?;
        Ok(child)
    }

    /// A ledger for the first `keys` of its leads.
    pub(super) fn ledger(&self, keys: u32) -> Arc<Ledger> {
        Arc::new(Ledger::new(self.prefix.clone(), keys))
    }

    /// Notes that so many events have been added.
    pub(super) fn wrote(&self, events: u64) {
        self.written.fetch_add(events, Relaxed);
    }

    /// Events in it, as far as they were acknowledged.
    pub(super) fn events(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Bytes that it takes, indexes included; exact only while no server runs.
    pub(super) async fn size(&self) -> anyhow::Result<u64> {
        match &self.database {
            Some(url) => scratch::size(url.expose()).await,
            None => Ok(machine::size(&self.folder)?),
        }
    }

    /// Bytes of the write-ahead log; `None` where it is the database's affair.
    pub(super) fn log_size(&self) -> Option<u64> {
        if self.database.is_some() {
            return None;
        }
        Some(std::fs::metadata(self.folder.join(LOG)).map_or(0, |meta| meta.len()))
    }
}

/// A name that nothing had before.
pub(super) fn fresh(stem: &str) -> String {
    format!("{stem}-{:016x}", RandomState::new().hash_one(stem))
}
