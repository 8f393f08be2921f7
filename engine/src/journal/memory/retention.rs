//! What goes from a disk in time: what need not be kept, events before a kept state, whole streams.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::Disk;
use crate::clock::Timestamp;
use crate::id::{Prefix, StreamKey};
use crate::journal::{
    Age, Base, EFFECTS_KEPT, Error, Event, Fence, Forgotten, INBOX_KEPT, KEYS_KEPT, OldStreams, PartitionId,
    Position, Seq,
};

impl Disk {
    /// Forgets what need not be kept any more.
    pub(super) fn maintain(&mut self, now: Timestamp) {
        let old = |at: Timestamp, kept| now.since(at) > kept;
        self.keys.retain(|_, (at, _)| !old(*at, KEYS_KEPT));
        let numbers = &mut self.effect_numbers;
        self.effects.retain(|_, row| {
            let keep = row.ended.is_none_or(|at| !old(at, EFFECTS_KEPT));
            if !keep {
                numbers.remove(&row.effect.key);
            }
            keep
        });
        let waiting = &self.message_numbers;
        for stream in self.streams.values_mut() {
            let ids = &mut stream.received_ids;
            stream.received.retain(|(at, received)| {
                let keep = !old(*at, INBOX_KEPT) || waiting.contains_key(&received.id);
                if !keep {
                    ids.remove(&received.id);
                }
                keep
            });
        }
    }

    /// Makes a stream's newest snapshot its base, and deletes the earliest events before it.
    pub(super) fn trim(&mut self, partition: PartitionId, key: &StreamKey, limit: usize) -> usize {
        let Some(stream) = self.streams.get_mut(key) else { return 0 };
        let (first, base) = (stream.events.first(), stream.base.as_ref());
        if let (Some(snapshot), Some(first)) = (&stream.snapshot, first)
            && snapshot.seq > base.map_or(1, |base| base.snapshot.seq)
            && let Some(last) = stream.events.iter().find(|event| event.seq == snapshot.seq)
        {
            let created_at = base.map_or(first.at, |base| base.created_at);
            stream.base = Some(Base { snapshot: snapshot.clone(), created_at, at: last.at });
        }
        let Some(base) = &stream.base else { return 0 };
        let before = stream.events.partition_point(|event| event.seq < base.snapshot.seq).min(limit);
        let gone: BTreeSet<Position> = stream.events.drain(..before).map(|event| event.position).collect();
        if let Some(row) = self.partitions.get_mut(&partition) {
            row.log.retain(|event| !gone.contains(&event.position));
        }
        before
    }

    /// Looks at some streams for those of a kind that have some age.
    pub(super) fn old_streams(
        &self,
        is_own: impl Fn(&StreamKey) -> bool,
        prefix: Prefix,
        age: Age,
        after: u64,
        limit: usize,
    ) -> OldStreams {
        let (trim, forget) = age.bounds();
        let own = self.streams.iter().filter(|(key, stream)| is_own(key) && stream.number > after);
        let by_number: BTreeMap<_, _> = own.map(|(key, stream)| (stream.number, (key, stream))).collect();
        let mut old = OldStreams::default();
        for (number, (key, stream)) in by_number.iter().take(limit) {
            let is_old =
                |last: &Event| last.at.ms() < forget || last.at.ms() < trim && stream.events.len() > 1;
            if key.id.prefix() == prefix && stream.events.last().is_some_and(is_old) {
                old.streams.push((*key).clone());
            }
            old.next = Some(*number).filter(|_| by_number.len() >= limit);
        }
        old
    }

    /// Forgets a stream whole, where it ends with `head` and nothing is under way for it.
    pub(super) fn forget(&mut self, fence: Fence, key: &StreamKey, head: Seq) -> Result<Forgotten, Error> {
        if !self.holds(&fence) {
            return Err(Error::Fenced { partition: fence.partition });
        }
        let Some(stream) = self.streams.get(key).filter(|stream| stream.head > 0) else {
            return Ok(Forgotten::Gone);
        };
        if stream.head != head || !stream.timers.is_empty() || self.is_under_way(key) {
            return Ok(Forgotten::Kept);
        }
        self.streams.remove(key);
        if let Some(row) = self.partitions.get_mut(&fence.partition) {
            row.log.retain(|event| event.stream != *key);
        }
        if let Some(kind) = self.kinds.get_mut(&(key.tenant.clone(), key.id.prefix())) {
            kind.retain(|_, id| *id != key.id);
        }
        self.keys.retain(|_, (_, record)| record.stream != *key);
        let numbers = &mut self.effect_numbers;
        self.effects.retain(|_, row| {
            let keep = row.effect.stream != *key;
            if !keep {
                numbers.remove(&row.effect.key);
            }
            keep
        });
        let number = self.next();
        self.forgotten.insert(number, (fence.partition, key.clone()));
        Ok(Forgotten::Gone)
    }

    /// True while a message is on its way from or to a stream, or an effect of it is open.
    fn is_under_way(&self, key: &StreamKey) -> bool {
        let concerns = |(_, message): &(PartitionId, crate::journal::Message)| {
            message.from == *key || message.to == key.id && message.from.tenant == key.tenant
        };
        let mut open = self.open_effects.iter().filter_map(|number| self.effects.get(number));
        self.outbox.values().any(concerns) || open.any(|row| row.effect.stream == *key)
    }

    pub(super) fn forgotten(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Vec<(u64, StreamKey)> {
        let behind = self.forgotten.range(after.saturating_add(1)..);
        let own = behind.filter(|(_, (id, _))| *id == partition);
        own.take(limit).map(|(number, (_, key))| (*number, key.clone())).collect()
    }

    pub(super) fn settle_forgotten(&mut self, fence: Fence, upto: u64) {
        if self.holds(&fence) {
            self.forgotten.retain(|number, (id, _)| *id != fence.partition || *number > upto);
        }
    }
}
