//! The journal: the only truth. One append-only log of events per partition, and what is committed with them.
//!
//! Back ends share one contract ([`Journal`]) and one suite of cases ([`conformance`]): [`memory`] for simulation and
//! tests, [`sqlite`] for one machine, [`postgres`] for many.
//!
#![doc = include_str!("costs.md")]

use std::collections::HashSet;
use std::path::Path;

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::{Prefix, StreamKey, TenantId};

mod check;
pub mod conformance;
mod entry;
mod error;
mod facts;
mod fallback;
mod gather;
pub mod memory;
#[cfg(test)]
mod model;
mod plan;
pub mod postgres;
mod record;
mod retention;
pub mod sqlite;
pub mod transfer;

pub use entry::{Appended, Entry, Fence, Lease};
pub use error::{EntryError, Error};
pub use facts::{Backup, EFFECTS_KEPT, HISTORY, INBOX_KEPT, Info, KEYS_KEPT, Loaded, StreamPage};
pub use record::{
    Accepted, Event, Json, KeyHash, KeyRecord, Message, MessageId, NewEvent, Origin, Outcome, PartitionId,
    Position, Received, Rejected, RejectionKind, Seq, Snapshot, Timer, TimerOp,
};
pub use retention::{Age, Base, Forgotten, OldStreams};

/// What became of one partition's batch.
pub type BatchResult = Result<Vec<Result<Appended, EntryError>>, Error>;

/// A store of events.
///
/// # Contract
///
/// * [`append`](Journal::append) is atomic per entry, and the whole batch is one commit: when it returns, what it
///   took is on stable storage. Entries that are refused for themselves are reported one by one; the rest stands.
/// * Entries of one batch are taken in their order; a later one may expect what an earlier one wrote.
/// * Every append checks the fence in the same commit. Positions are gap-free, from 1, in the order of commit.
/// * Per stream, numbers are gap-free from 1; `expected` is checked.
/// * A [`trim`](Journal::trim) deletes a stream's events before a kept state and nothing else. Numbers and positions
///   of what is gone are not used again: reads of the log have gaps there, and the stream keeps its place in lists.
/// * What is [forgotten](Journal::forget) was never there, but that its numbers and positions are not used again: its
///   keys are free, and the log has gaps where it was.
/// * A repeated idempotency key makes the entry fail with [`EntryError::KeyTaken`].
/// * Reads see every append that returned before they began, and each read is one consistent view.
/// * An append whose answer was lost is resolved by the back end before it answers; only if that cannot be done
///   is it [`Error::Unknown`].
/// * A stream is found under its own tenant only.
/// * JSON comes back as the text that was given, byte for byte.
///
/// # Cancel safety
///
/// Every call may be dropped at any await. An append that is dropped has been committed or not; calls that begin
/// afterwards all see the same of it.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// What identifies the store.
    fn info(&self) -> &Info;

    /// Takes a partition over: its epoch rises, and every earlier fence ends.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also where there is no such partition.
    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error>;

    /// Appends a batch in one commit; the answers stand in the order of the entries.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`], [`Error::Unavailable`] and [`Error::Regressed`] (nothing was committed), or
    /// [`Error::Unknown`].
    async fn append(&self, fence: Fence, batch: &[Entry]) -> BatchResult;

    /// Appends batches to several partitions, each under its own fence, in one commit where the back end can do
    /// that; the answers stand in the order of the batches. Each partition stands or fails by itself: where one
    /// fence does not hold, only that batch is lost. No partition may come twice.
    async fn append_all(&self, batches: &[(Fence, Vec<Entry>)]) -> Vec<BatchResult> {
        fallback::append_each(self, batches).await
    }

    /// Reads what brings a stream to life.
    async fn load(&self, stream: &StreamKey) -> Result<Loaded, Error>;

    /// Reads a stream's events with numbers above `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Trimmed`] where the first of them is before the stream's base.
    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error>;

    /// Reads a partition's events with positions above `after`, at most `limit`.
    async fn read_log(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error>;

    /// Lists the streams of a kind by the age of their first events, at most `limit`, beginning behind the cursor
    /// `after`; with `newest_first` from the newest to the oldest.
    async fn list_streams(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error>;

    /// Reads the base of a stream whose early events are not kept any more.
    async fn base(&self, stream: &StreamKey) -> Result<Option<Base>, Error>;

    /// Makes a stream's newest snapshot its base, and deletes events before it, the earliest `limit` of them; returns
    /// how many. None are left before the base when it is less than `limit`, or the stream is in use.
    async fn trim(&self, stream: &StreamKey, limit: usize) -> Result<usize, Error>;

    /// Looks at streams of a partition behind the cursor `after` (0: from the beginning), at most `limit`, for those of
    /// a kind that have some age.
    async fn old_streams(
        &self,
        partition: PartitionId,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error>;

    /// Lists the shapes of all bases: kind and version of the state, each once.
    async fn base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error>;

    /// Forgets a stream whole in one commit under the owner's fence: every event, state, answer and key of it. It is
    /// kept where its last event is not `head`, or something is under way: a timer, an open effect, or a message from
    /// or to it. What has no events is gone already. The more of it was trimmed before, the shorter is the commit.
    ///
    /// # Errors
    ///
    /// As [`append`](Journal::append).
    async fn forget(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Result<Forgotten, Error>;

    /// Reads the streams that were forgotten and not [settled](Journal::settle_forgotten) since, behind the cursor
    /// `after` (0: from the beginning), oldest first, at most `limit`, each with its own cursor.
    async fn forgotten(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error>;

    /// Takes note that nothing outside the journal knows the forgotten streams up to a cursor any more; without
    /// effect where the fence does not hold.
    async fn settle_forgotten(&self, fence: Fence, upto: u64) -> Result<(), Error>;

    /// Counts the events that forgotten streams had, where the back end has exports by position.
    async fn forgotten_events(&self, _partition: PartitionId) -> Result<u64, Error> {
        Ok(0)
    }

    /// Finds the record of an idempotency key.
    async fn find_key(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error>;

    /// Says which of some idempotency keys are taken.
    async fn taken_keys(&self, keys: &[KeyHash]) -> Result<HashSet<KeyHash>, Error> {
        fallback::find_each(self, keys).await
    }

    /// Reads the timers due at or before a moment, earliest first, at most `limit`.
    async fn due_timers(
        &self,
        partition: PartitionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error>;

    /// Reads the messages waiting in the outbox behind the cursor `after` (0: from the beginning), oldest first, at
    /// most `limit`, each with its own cursor.
    async fn outbox(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error>;

    /// Finds the oldest message on its way to a stream.
    async fn message_to(&self, stream: &StreamKey) -> Result<Option<Message>, Error>;

    /// Reads the effects that have not ended behind the cursor `after` (0: from the beginning), oldest first, at
    /// most `limit`, each with its own cursor.
    async fn open_effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error>;

    /// Finds one effect of the ledger.
    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error>;

    /// Reads what stands beside the events of the whole store, a part at a time, behind the cursor `after`, some
    /// `limit` of them, each with the cursor to go on behind it; none is left when none comes. For exports.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also where the back end has no exports.
    async fn beside(
        &self,
        part: transfer::Part,
        after: transfer::Cursor,
        limit: usize,
    ) -> Result<Vec<(transfer::Cursor, transfer::Beside)>, Error> {
        let reason = format!("{part:?} behind {after:?}, {limit}: this store has no export");
        Err(Error::Unavailable { reason })
    }

    /// Does the upkeep that is due: merges indexes, writes checkpoints, forgets what need not be kept any more
    /// ([`KEYS_KEPT`], [`EFFECTS_KEPT`], [`INBOX_KEPT`]), a bounded piece at a time. To be called every second or so.
    async fn maintain(&self, now: Timestamp) -> Result<(), Error>;

    /// Writes a copy of the whole store, as it is at one moment, into a file that is not there yet, and checks it.
    /// Appends go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where it cannot be written, or the back end has tools of its own for it;
    /// [`Error::Corrupt`] where the copy is not sound, which means that the store is not.
    async fn back_up(&self, to: &Path) -> Result<Backup, Error> {
        let reason =
            format!("nothing was written to {}: the database has its own tools for copies", to.display());
        Err(Error::Unavailable { reason })
    }

    /// Closes the store in good order; calls that come later fail with [`Error::Unavailable`].
    async fn close(&self);
}
