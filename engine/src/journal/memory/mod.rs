//! A journal in memory, for simulation and tests. It models a disk, the processes that open it, and its faults.
//!
//! [`MemoryStore`] is the disk: it survives, and tests steer it. [`MemoryJournal`] is one process's view of it;
//! dropping the view and opening another one is a restart; several that are open at once are nodes that share the
//! store, under leases by the store's own clock. Nothing here knows real time, threads or randomness:
//! latencies are tokio sleeps, so that paused time works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Appended, Entry, EntryError, Error, Event, Fence, Info, Journal, KeyHash, KeyRecord, Lease, Loaded,
    Message, PartitionId, Position, Seq, StreamPage, Timer,
};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::{Prefix, StreamId, StreamKey, TenantId};

mod disk;
mod roster;
mod store;
mod view;

pub use store::{AfterCrash, CrashPoint, Fault, MemoryStore, SyncMode};
pub use view::Link;

use disk::Disk;
use view::View;

/// One process's view of a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryJournal {
    store: MemoryStore,
    info: Info,
    view: Arc<View>,
    closed: AtomicBool,
}

impl MemoryJournal {
    /// Opens a store, as a process does that starts. Views that are open already stay so, until they are fenced.
    pub fn open(store: &MemoryStore) -> Arc<Self> {
        let (info, view) = store.open();
        Arc::new(Self { store: store.clone(), info, view: Arc::new(view), closed: AtomicBool::new(false) })
    }

    /// This process dies now, and no other: what it has under way and is not synced is gone.
    pub fn kill(&self) {
        self.store.kill(&self.view);
    }

    /// Sets how this process reaches the store.
    pub fn set_link(&self, link: Link) {
        self.view.set_link(link);
    }

    /// How this process reaches the store.
    pub fn link(&self) -> Link {
        self.view.link()
    }

    async fn read<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| read(disk)).await
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { reason: "the journal has been closed".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    fn info(&self) -> &Info {
        &self.info
    }

    async fn take_over(&self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| disk.take_over(partition, incarnation)).await?
    }

    async fn append(
        &self,
        fence: Fence,
        batch: &[Entry],
    ) -> Result<Vec<Result<Appended, EntryError>>, Error> {
        self.check_open()?;
        self.store.append(&self.view, fence, batch).await
    }

    async fn load(&self, stream: &StreamKey) -> Result<Loaded, Error> {
        self.read(|disk| {
            let Some(stored) = disk.streams.get(stream) else { return Loaded::default() };
            let seen = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
            Loaded {
                snapshot: stored.snapshot.clone(),
                events: page(&stored.events, seen, usize::MAX),
                head: stored.events.len() as u64,
                received: stored.received.iter().map(|(_, received)| received.clone()).collect(),
            }
        })
        .await
    }

    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error> {
        self.read(|disk| {
            disk.streams.get(stream).map_or_else(Vec::new, |stored| page(&stored.events, after, limit))
        })
        .await
    }

    async fn read_log(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.read(|disk| {
            disk.partitions.get(&partition).map_or_else(Vec::new, |row| page(&row.log, after, limit))
        })
        .await
    }

    async fn list_streams(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, Error> {
        self.read(|disk| {
            let Some(kind) = disk.kinds.get(&(tenant.clone(), prefix)) else {
                return StreamPage { streams: Vec::new() };
            };
            let key = |(cursor, id): (&u64, &StreamId)| (StreamKey::new(tenant.clone(), *id), *cursor);
            let streams = if newest_first {
                kind.range(..after.unwrap_or(u64::MAX)).rev().take(limit).map(key).collect()
            } else {
                kind.range(after.map_or(0, |after| after.saturating_add(1))..).take(limit).map(key).collect()
            };
            StreamPage { streams }
        })
        .await
    }

    async fn find_key(&self, key: &KeyHash) -> Result<Option<KeyRecord>, Error> {
        self.read(|disk| disk.keys.get(key).map(|(_, record)| record.clone())).await
    }

    async fn due_timers(
        &self,
        partition: PartitionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, Error> {
        let first = (partition, Timestamp::from_ms(i64::MIN), 0, String::new());
        self.read(|disk| {
            let of_partition =
                disk.timers.range(first..).take_while(|((id, due, ..), _)| *id == partition && *due <= until);
            let timer = |((_, due, _, name), stream): (&(_, Timestamp, u64, String), &StreamKey)| Timer {
                due: *due,
                stream: stream.clone(),
                name: name.clone(),
            };
            of_partition.take(limit).map(timer).collect()
        })
        .await
    }

    async fn outbox(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Message)>, Error> {
        self.read(|disk| {
            let waiting =
                disk.outbox.range(after.saturating_add(1)..).filter(|(_, (id, _))| *id == partition);
            waiting.take(limit).map(|(number, (_, message))| (*number, message.clone())).collect()
        })
        .await
    }

    async fn open_effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, Error> {
        self.read(|disk| {
            let open = disk.open_effects.range(after.saturating_add(1)..);
            let rows = open.filter_map(|number| disk.effects.get(number).map(|row| (*number, row)));
            let own = rows.filter(|(_, row)| row.partition == partition);
            own.take(limit).map(|(number, row)| (number, row.effect.clone())).collect()
        })
        .await
    }

    async fn find_effect(&self, key: &EffectKey) -> Result<Option<Effect>, Error> {
        self.read(|disk| disk.find_effect(key).cloned()).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<(), Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| disk.maintain(now)).await
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// The events numbered above `after`, where event `n` stands at index `n - 1`.
fn page(events: &[Event], after: u64, limit: usize) -> Vec<Event> {
    let from = usize::try_from(after).unwrap_or(usize::MAX).min(events.len());
    events[from..].iter().take(limit).cloned().collect()
}

#[cfg(test)]
mod tests;
