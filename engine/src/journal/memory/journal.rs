//! The contract's face over the store.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use super::{MemoryJournal, disk};
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey};
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::{
    Age, Appended, Base, Entry, EntryError, Error, Event, Fence, Forgotten, Info, Journal, KeyHash,
    KeyRecord, Lease, Loaded, Message, OldStreams, PartitionId, Position, Seq, StreamPage, Timer,
};

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
            let base = stored.base.as_ref().map(|base| &base.snapshot);
            // A base is of use where somebody has kept an older state since.
            let snapshot = base.into_iter().chain(&stored.snapshot).max_by_key(|kept| kept.seq);
            let seen = snapshot.map_or(0, |snapshot| snapshot.seq);
            let first = stored.events.first().map(|event| event.at);
            Loaded {
                snapshot: snapshot.cloned(),
                events: page(&stored.events, seen, usize::MAX, |event| event.seq),
                head: stored.head,
                received: stored.received.iter().map(|(_, received)| received.clone()).collect(),
                created_at: stored.base.as_ref().map(|base| base.created_at).or(first),
                last: stored.events.last().map(|event| (event.position, event.at)),
            }
        })
        .await
    }

    async fn read_stream(&self, stream: &StreamKey, after: Seq, limit: usize) -> Result<Vec<Event>, Error> {
        self.read(|disk| {
            let Some(stored) = disk.streams.get(stream) else { return Ok(Vec::new()) };
            match &stored.base {
                Some(base) if base.snapshot.seq - 1 > after => Err(base.trimmed(stream)),
                Some(_) | None => Ok(page(&stored.events, after, limit, |event| event.seq)),
            }
        })
        .await?
    }

    async fn read_log(
        &self,
        partition: PartitionId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Event>, Error> {
        self.read(|disk| {
            let row = disk.partitions.get(&partition);
            row.map_or_else(Vec::new, |row| page(&row.log, after, limit, |event| event.position))
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

    async fn base(&self, stream: &StreamKey) -> Result<Option<Base>, Error> {
        self.read(|disk| disk.streams.get(stream).and_then(|stored| stored.base.clone())).await
    }

    async fn trim(&self, stream: &StreamKey, limit: usize) -> Result<usize, Error> {
        self.check_open()?;
        let partition = self.info.partition_of(stream);
        self.store.call(&self.view, |disk| disk.trim(partition, stream, limit)).await
    }

    async fn old_streams(
        &self,
        partition: PartitionId,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> Result<OldStreams, Error> {
        let is_own = |key: &StreamKey| self.info.partition_of(key) == partition;
        self.read(|disk| disk.old_streams(is_own, prefix, age, after, limit)).await
    }

    async fn forget(&self, fence: Fence, stream: &StreamKey, head: Seq) -> Result<Forgotten, Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| disk.forget(fence, stream, head)).await?
    }

    async fn forgotten(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        self.read(|disk| disk.forgotten(partition, after, limit)).await
    }

    async fn settle_forgotten(&self, fence: Fence, upto: u64) -> Result<(), Error> {
        self.check_open()?;
        self.store.call(&self.view, |disk| disk.settle_forgotten(fence, upto)).await
    }

    async fn base_shapes(&self) -> Result<Vec<(Prefix, u16)>, Error> {
        let shape = |(key, stored): (&StreamKey, &disk::Stream)| {
            stored.base.as_ref().map(|base| (key.id.prefix(), base.snapshot.version))
        };
        let shapes = self.read(|disk| disk.streams.iter().filter_map(shape).collect::<BTreeSet<_>>()).await?;
        Ok(shapes.into_iter().collect())
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
        self.store.timer_read()?;
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

    async fn message_to(&self, stream: &StreamKey) -> Result<Option<Message>, Error> {
        self.read(|disk| {
            let mut waiting = disk.outbox.values().map(|(_, message)| message);
            waiting.find(|it| it.to == stream.id && it.from.tenant == stream.tenant).cloned()
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

/// The events numbered above `after`.
fn page(events: &[Event], after: u64, limit: usize, number: impl Fn(&Event) -> u64) -> Vec<Event> {
    let from = events.partition_point(|event| number(event) <= after);
    events[from..].iter().take(limit).cloned().collect()
}
