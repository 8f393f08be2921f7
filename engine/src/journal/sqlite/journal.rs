//! The journal itself: its parts, how it is opened and closed, and the contract's face over them.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, RwLock};
use uuid::Uuid;

use super::SqliteOptions;
use super::error::unavailable;
use super::files::{self, Files, Identity};
use super::forget::Wish;
use super::index;
use super::readers::Readers;
use super::tail::Tail;
use super::upkeep::Sweeps;
use super::writer::{PARTITION, Unsettled, Writer};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::gather::Gather;
use crate::journal::transfer::{Beside, Cursor, Part};
use crate::journal::{
    Age, Appended, Backup, Base, Entry, EntryError, Error, Event, Fence, Forgotten, Info, Journal, KeyHash,
    KeyRecord, Lease, Loaded, Message, OldStreams, PartitionId, Position, Seq, StreamPage, Timer,
};

/// How many batches of streams are brought to life at once.
const LOADS: usize = 2;

/// The streams that one batch brings to life at most.
const LOADED_TOGETHER: usize = 64;

/// The streams that one commit forgets at most.
const FORGOTTEN_TOGETHER: usize = 64;

/// A journal in a data directory.
#[derive(Debug)]
pub struct SqliteJournal {
    info: Info,
    pub(super) options: SqliteOptions,
    pub(super) files: Files,
    pub(super) writer: Mutex<Writer>,
    /// The writer was left half-way: see [`Writer`].
    pub(super) unsettled: AtomicBool,
    pub(super) tail: Tail,
    pub(super) readers: Readers,
    pub(super) loads: Gather<StreamKey, Result<Loaded, Error>>,
    pub(super) forgets: Gather<Wish, Result<Forgotten, Error>>,
    pub(super) index: Mutex<Option<SqliteConnection>>,
    /// Held by whoever reads the tail and the index several times in one view. What a merge has moved from the one to
    /// the other is forgotten between views: to one that began before it ended, it would be in neither.
    pub(super) views: RwLock<()>,
    pub(super) keeper: Mutex<Option<SqliteConnection>>,
    pub(super) sweeps: Sweeps,
    lock: StdMutex<Option<File>>,
    #[cfg(test)]
    pub(super) sabotage: super::tests::Sabotage,
}

impl SqliteJournal {
    /// Opens the journal in a directory, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] when another process has it, [`Error::Corrupt`] when what is there is no journal,
    /// [`Error::Unavailable`] when the directory cannot be used or commits would not be synced.
    pub async fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, SqliteOptions::default()).await
    }

    /// Opens the journal with options.
    ///
    /// # Errors
    ///
    /// As [`SqliteJournal::open`].
    pub async fn open_with(dir: &Path, options: SqliteOptions) -> Result<Self, Error> {
        Self::open_as(dir, options, None).await
    }

    /// Opens the journal; a new one gets a given identity.
    pub(super) async fn open_as(
        dir: &Path,
        options: SqliteOptions,
        identity: Option<&Identity>,
    ) -> Result<Self, Error> {
        let files = Files::new(dir);
        let lock = files.lock()?;
        let mut conn = files.open_writer().await?;
        files::migrate(&mut conn, identity).await?;
        files.sync_directory()?;
        let info = files::read_info(&mut conn).await?;
        let limit = index::journal_mark(&mut conn).await?;
        let (index, merged) = index::open(&files, &info, limit, options.merge_at).await?;
        let journal = Self {
            info,
            options,
            writer: Mutex::new(Writer::new(files.clone(), conn).await?),
            unsettled: AtomicBool::new(false),
            tail: Tail::new(merged),
            readers: Readers::new(files.clone()),
            loads: Gather::new(LOADS, LOADED_TOGETHER),
            forgets: Gather::new(1, FORGOTTEN_TOGETHER),
            index: Mutex::new(Some(index)),
            views: RwLock::default(),
            keeper: Mutex::new(None),
            sweeps: Sweeps::default(),
            lock: StdMutex::new(Some(lock)),
            files,
            #[cfg(test)]
            sabotage: super::tests::Sabotage::default(),
        };
        journal.catch_up(journal.writer.lock().await.conn().await?).await?;
        Ok(journal)
    }

    /// Waits until memory and file agree, if the last append was dropped half-way.
    pub(super) async fn wait_settled(&self) -> Result<(), Error> {
        if self.unsettled.load(Ordering::Acquire) {
            let mut writer = self.writer.lock().await;
            self.settle(&mut writer).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    fn info(&self) -> &Info {
        &self.info
    }

    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        if partition != PARTITION {
            return Err(unavailable("a take-over", format!("there is no partition {partition}")));
        }
        let mut writer = self.writer.lock().await;
        self.settle(&mut writer).await?;
        let guard = Unsettled::unless_disarmed(&self.unsettled);
        let lease = writer.take_over(incarnation).await?;
        self.catch_up(writer.conn().await?).await?;
        guard.disarm();
        Ok(lease)
    }

    async fn append(
        &self,
        fence: Fence,
        batch: &[Entry],
    ) -> Result<Vec<Result<Appended, EntryError>>, Error> {
        let answers = self.append_batch(fence, batch).await?;
        if self.tail.len() > self.options.merge_cap
            && let Err(error) = self.merge().await
        {
            tracing::warn!(error = %error, "the index cannot be merged; what is committed stands");
        }
        Ok(answers)
    }

    async fn load(&self, stream: &StreamKey) -> Result<Loaded, Error> {
        self.load_stream(stream).await
    }

    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error> {
        self.stream_events(stream, after, limit).await
    }

    async fn read_log(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        if partition != PARTITION {
            return Ok(Vec::new());
        }
        self.log_events(after, limit).await
    }

    async fn list_streams(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        let between = match after {
            Some(cursor) if newest_first => (0, cursor),
            Some(cursor) => (cursor, Position::MAX),
            None => (0, Position::MAX),
        };
        self.kind_page(tenant, prefix, between, newest_first, limit).await
    }

    async fn base(&self, stream: &StreamKey) -> Result<Option<Base>, Error> {
        self.read_base(stream).await
    }

    async fn trim(&self, stream: &StreamKey, limit: usize) -> Result<usize, Error> {
        self.trim_stream(stream, limit).await
    }

    async fn old_streams(
        &self,
        partition: PartitionId,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error> {
        if partition != PARTITION {
            return Ok(OldStreams::default());
        }
        self.find_old(prefix, age, after, limit).await
    }

    async fn base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error> {
        self.find_base_shapes().await
    }

    async fn forget(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Result<Forgotten, Error> {
        self.forget_stream(fence, stream, head).await
    }

    async fn forgotten(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        if partition != PARTITION {
            return Ok(Vec::new());
        }
        self.forgotten_streams(after, limit).await
    }

    async fn settle_forgotten(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        self.settle_streams(fence, upto).await
    }

    async fn forgotten_events(&self, _partition: PartitionId) -> Result<u64, Error> {
        self.count_forgotten().await
    }

    async fn find_key(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        self.key_record(key).await
    }

    async fn taken_keys(&self, keys: &[KeyHash]) -> Result<HashSet<KeyHash>, Error> {
        self.keys_taken(keys).await
    }

    async fn due_timers(
        &self,
        partition: PartitionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        if partition != PARTITION {
            return Ok(Vec::new());
        }
        self.timers(until, limit).await
    }

    async fn outbox(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error> {
        if partition != PARTITION {
            return Ok(Vec::new());
        }
        self.messages(after, limit).await
    }

    async fn message_to(&self, stream: &StreamKey) -> Result<Option<Message>, Error> {
        self.message_on_its_way(stream).await
    }

    async fn open_effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error> {
        if partition != PARTITION {
            return Ok(Vec::new());
        }
        self.effects(after, limit).await
    }

    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.effect(key).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.upkeep(now).await
    }

    async fn beside(&self, part: Part, after: Cursor, limit: usize) -> Result<Vec<(Cursor, Beside)>, Error> {
        self.part(part, after, limit).await
    }

    async fn back_up(&self, to: &Path) -> Result<Backup, Error> {
        self.copy_to(to).await
    }

    async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        writer.close().await;
        for conn in [self.keeper.lock().await.take(), self.index.lock().await.take()].into_iter().flatten() {
            // What they hold is in the files already, or can be rebuilt.
            let _ = conn.close().await;
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
