//! The journal itself: its parts, how it is opened and closed, and the contract's face over them.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::desk::{Desk, STANDING, Standing};
use super::error::unavailable;
use super::infos::Infos;
use super::pool::Pool;
use super::session::Param;
use super::target::Target;
use super::upkeep::Sweeps;
use super::{
    PostgresOptions, beside, forget, import, look_up, nodes, read, restore, retention, schema, search, tls,
    transfer, upkeep, write,
};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::gather::Gather;
use crate::journal::transfer::{Beside, Cursor, Part};
use crate::journal::{
    Age, Base, BatchResult, Entry, Error, Event, Fence, Forgotten, Info, Journal, KeyHash, KeyRecord, Lease,
    Loaded, Message, OldStreams, PartitionId, Position, Seq, StreamPage, Timer,
};

/// The streams that one statement forgets at most.
const FORGOTTEN_TOGETHER: usize = 64;

/// The statements that are not put together.
const STATEMENTS: &[&str] = &[
    look_up::HEADS,
    look_up::TAKEN,
    read::LOAD,
    read::STREAM,
    read::LOG,
    read::OLDEST,
    read::NEWEST,
    read::KEY,
    read::TAKEN,
    retention::BASE,
    retention::TRIM,
    retention::OLD,
    retention::SHAPES,
    forget::FORGET,
    forget::FORGOTTEN,
    forget::SETTLED,
    forget::MAKE_WAY,
    beside::TIMERS,
    beside::MESSAGES,
    beside::OPEN_EFFECTS,
    beside::EFFECT,
    beside::MESSAGE_TO,
    transfer::KEYS,
    transfer::RECEIVED,
    transfer::TIMERS,
    transfer::MESSAGES,
    transfer::OPEN_EFFECTS,
    transfer::ENDED_EFFECTS,
    transfer::BASES,
    transfer::SNAPSHOTS,
    import::FOUND,
    import::IS_USED,
    import::IDENTIFY,
    import::BEGIN_LOG,
    import::CLAIM,
    import::OWN,
    import::NOTE,
    import::COUNT,
    import::END,
    restore::LIVE,
    restore::BEGIN,
    restore::FENCE,
    upkeep::KEYS,
    upkeep::EFFECTS,
    upkeep::INBOX,
    upkeep::STARTS,
    nodes::BEAT,
    nodes::PARTITIONS,
    nodes::RELEASE,
    search::MARK,
    search::KINDS,
    search::ENTRIES,
    search::FIELDS,
    search::MARKED,
    search::NUMBER,
];

/// A journal in a database.
#[derive(Debug)]
pub struct PostgresJournal {
    pub(super) infos: Infos,
    pub(super) options: PostgresOptions,
    /// For appends and what they need to know.
    pub(super) writers: Pool,
    /// For everything else.
    pub(super) readers: Pool,
    /// For leases, which nothing else may hold up.
    pub(super) nodes: Pool,
    pub(super) loads: Gather<StreamKey, Result<Loaded, Error>>,
    pub(super) forgets: Gather<forget::Wish, Result<Forgotten, Error>>,
    pub(super) desks: BTreeMap<PartitionId, Desk>,
    pub(super) sweeps: Sweeps,
    is_closed: AtomicBool,
}

impl PostgresJournal {
    /// Opens the journal in a database, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the URL cannot be understood, the database cannot be reached, its commits would not
    /// be safe, or it belongs to a newer program; [`Error::Corrupt`] when what is there is no journal.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, Error> {
        Self::open_target(&url.parse()?, options).await
    }

    /// Opens the journal in a database whose URL has been understood.
    ///
    /// # Errors
    ///
    /// As [`PostgresJournal::open`].
    pub async fn open_target(target: &Target, options: PostgresOptions) -> Result<Self, Error> {
        schema::migrate(target, &options).await?;
        let journal = Self::open_made(target, options).await?;
        import::refuse_unfinished(&mut journal.readers.get().await?.session).await?;
        Ok(journal)
    }

    /// Opens the journal in a database whose schema is up to date.
    pub(super) async fn open_made(target: &Target, options: PostgresOptions) -> Result<Self, Error> {
        let tls = tls::connector(target)?;
        let pool = |size| Pool::new(target.clone(), tls.clone(), size, (options.connect, options.deadline));
        let (writers, readers) = (pool(options.writers), pool(options.readers));
        let info = schema::read_info(&mut readers.get().await?.session).await?;
        let desks = info.partitions.iter().map(|id| (*id, Desk::new(*id))).collect();
        Ok(Self {
            infos: Infos::new(info),
            options,
            writers,
            readers,
            nodes: pool(2),
            loads: Gather::new(read::LOADS, read::LOADED_TOGETHER),
            forgets: Gather::new(1, FORGOTTEN_TOGETHER),
            desks,
            sweeps: Sweeps::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Has the database check every statement against its schema, without running any; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] with the statement that does not fit, or when the database cannot be reached.
    pub async fn check_statements(&self) -> Result<usize, Error> {
        let claim = format!("{}{STANDING}", nodes::CLAIM);
        let append = write::full_statement();
        let statements: Vec<_> =
            [append.as_str(), claim.as_str()].iter().chain(STATEMENTS).copied().collect();
        let mut lent = self.readers.get().await?;
        for sql in &statements {
            let checked = lent.session.check(sql).await;
            checked.map_err(|failure| {
                unavailable("a statement does not fit the schema", format!("{failure}: {sql}"))
            })?;
        }
        Ok(statements.len())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Fails once the journal has been closed.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(unavailable("the journal", "it has been closed"));
        }
        Ok(())
    }

    /// Takes up a partition that has been taken over.
    pub(super) async fn own(&self, desk: &Desk, row: Standing) {
        let mut book = desk.book.lock().await;
        desk.see_anew(row.epoch, row.commits);
        book.adopt(desk, row);
        desk.in_doubt.store(false, Ordering::Release);
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    fn info(&self) -> &Info {
        self.infos.last()
    }

    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        self.check_open()?;
        let none = || unavailable("a take-over", format!("there is no partition {partition}"));
        let desk = self.desks.get(&partition).ok_or_else(none)?;
        let sql = format!(
            "UPDATE promptsales.partition AS p
            SET epoch = greatest(p.epoch + 1, $3), incarnation = $2, owner = NULL
            WHERE p.id = $1 RETURNING {STANDING}"
        );
        let (id, least) = (partition.cast_signed(), desk.least_epoch());
        let params: [Param<'_>; 3] = [(&id, Type::INT4), (&incarnation, Type::UUID), (&least, Type::INT8)];
        let rows = self.nodes.query(&sql, &params).await?;
        let row = Standing::read(rows.first().ok_or_else(none)?)?;
        self.own(desk, row).await;
        Ok(row.lease())
    }

    async fn append(&self, fence: Fence, batch: &[Entry]) -> BatchResult {
        let mut answers = self.append_batches(&[(fence, batch)]).await;
        answers.pop().unwrap_or(Err(Error::Fenced { partition: fence.partition }))
    }

    async fn append_all(&self, batches: &[(Fence, Vec<Entry>)]) -> Vec<BatchResult> {
        let batches: Vec<_> = batches.iter().map(|(fence, batch)| (*fence, batch.as_slice())).collect();
        self.append_batches(&batches).await
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
        self.log_events(partition, after, limit).await
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
            Some(cursor) => (cursor, u64::MAX),
            None => (0, u64::MAX),
        };
        self.kind_page(tenant, prefix, between, newest_first, limit).await
    }

    async fn base(&self, stream: &StreamKey) -> Result<Option<Base>, Error> {
        self.wait_settled(None).await?;
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
        self.find_old(partition, prefix, age, after, limit).await
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
        self.forgotten_streams(partition, after, limit).await
    }

    async fn settle_forgotten(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        self.settle_streams(fence, upto).await
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
        self.timers(partition, until, limit).await
    }

    async fn outbox(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error> {
        self.messages(partition, after, limit).await
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
        self.effects(partition, after, limit).await
    }

    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.effect(key).await
    }

    async fn beside(&self, part: Part, after: Cursor, limit: usize) -> Result<Vec<(Cursor, Beside)>, Error> {
        self.part(part, after, limit).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.upkeep(now).await
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for pool in [&self.writers, &self.readers, &self.nodes] {
            pool.close();
        }
    }
}
