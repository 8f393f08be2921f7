//! What a [`MemoryStore`](super::MemoryStore) holds, and how an entry changes it: the contract as plain code.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::audit::Audit;
use super::roster::Roster;
use crate::clock::Timestamp;
use crate::effect::{Effect, EffectKey, EffectOp, EffectOutcome, EffectState};
use crate::id::{Prefix, StreamId, StreamKey, TenantId};
use crate::journal::check::{check_entry, check_snapshot, refused, step_effect};
use crate::journal::{
    Appended, Base, Entry, EntryError, Error, Event, Fence, KeyHash, KeyRecord, Lease, Message, MessageId,
    PartitionId, Position, Received, Seq, Snapshot, TimerOp,
};
use crate::partition::Owner;
use crate::testkit::sabotage::{self, Sabotage};

/// Everything that is on stable storage.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) partitions: BTreeMap<PartitionId, Partition>,
    pub(super) streams: BTreeMap<StreamKey, Stream>,
    /// The streams of each kind, by the order of their first events.
    pub(super) kinds: BTreeMap<(TenantId, Prefix), BTreeMap<u64, StreamId>>,
    pub(super) keys: BTreeMap<KeyHash, (Timestamp, KeyRecord)>,
    /// Every timer, by partition, due time, the stream's number and name.
    pub(super) timers: BTreeMap<(PartitionId, Timestamp, u64, String), StreamKey>,
    pub(super) outbox: BTreeMap<u64, (PartitionId, Message)>,
    pub(super) effects: BTreeMap<u64, LedgerRow>,
    pub(super) open_effects: BTreeSet<u64>,
    pub(super) effect_numbers: BTreeMap<EffectKey, u64>,
    pub(super) message_numbers: BTreeMap<MessageId, u64>,
    /// Streams that were forgotten, until whoever else knows them has been told.
    pub(super) forgotten: BTreeMap<u64, (PartitionId, StreamKey)>,
    pub(super) roster: Roster,
    pub(super) audit: Audit,
    /// Gives numbers to streams, kind cursors, messages and effects; never falls.
    counter: u64,
}

/// One partition's log and who may write it.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// What is kept of it.
    pub(super) log: Vec<Event>,
    pos: Position,
    pub(super) epoch: u64,
    pub(super) incarnation: Option<Uuid>,
    /// The node that took it over under a lease.
    pub(super) owner: Option<Owner>,
    last: Timestamp,
}

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// What is kept of them.
    pub(super) events: Vec<Event>,
    pub(super) head: Seq,
    pub(super) base: Option<Base>,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) received: Vec<(Timestamp, Received)>,
    pub(super) received_ids: BTreeSet<MessageId>,
    pub(super) timers: BTreeMap<String, Timestamp>,
    pub(super) number: u64,
}

/// One effect of the ledger.
#[derive(Debug)]
pub(super) struct LedgerRow {
    pub(super) partition: PartitionId,
    pub(super) effect: Effect,
    pub(super) ended: Option<Timestamp>,
}

impl Disk {
    pub(super) fn new(partitions: u32) -> Self {
        Self { partitions: (0..partitions).map(|id| (id, Partition::default())).collect(), ..Self::default() }
    }

    pub(super) fn take_over(&mut self, partition: PartitionId, incarnation: Uuid) -> Result<Lease, Error> {
        let Some(row) = self.partitions.get_mut(&partition) else {
            return Err(Error::Unavailable { reason: format!("there is no partition {partition}") });
        };
        row.epoch += 1;
        row.incarnation = Some(incarnation);
        row.owner = None;
        let fence = Fence { partition, epoch: row.epoch, incarnation };
        Ok(Lease { fence, position: row.pos, last: row.last })
    }

    /// Commits a batch; `sabotage` names an entry that is refused whatever it holds.
    pub(super) fn append(
        &mut self,
        fence: Fence,
        batch: &[Entry],
        sabotage: Option<usize>,
    ) -> Result<Vec<Result<Appended, EntryError>>, Error> {
        if !self.holds(&fence) && !sabotage::is_on(Sabotage::FenceRemoved) {
            return Err(Error::Fenced { partition: fence.partition });
        }
        let newest = self.partitions.get(&fence.partition).map_or(0, |row| row.epoch);
        self.audit.appended(&fence, newest);
        let one = |(at, entry): (usize, &Entry)| match sabotage {
            Some(guilty) if guilty == at => Err(refused(entry, "a fault that a test injected".to_owned())),
            Some(_) | None => self.commit(fence.partition, entry),
        };
        Ok(batch.iter().enumerate().map(one).collect())
    }

    /// True if a fence holds.
    pub(super) fn holds(&self, fence: &Fence) -> bool {
        let row = self.partitions.get(&fence.partition);
        row.is_some_and(|row| (row.epoch, row.incarnation) == (fence.epoch, Some(fence.incarnation)))
    }

    pub(super) fn find_effect(&self, key: &EffectKey) -> Option<&Effect> {
        self.effect_numbers.get(key).and_then(|number| self.effects.get(number)).map(|row| &row.effect)
    }

    fn commit(&mut self, partition: PartitionId, entry: &Entry) -> Result<Appended, EntryError> {
        let head = self.streams.get(&entry.stream).map_or(0, |stream| stream.head);
        check_entry(entry)?;
        if let Some(expected) = entry.expected.filter(|expected| *expected != head) {
            return Err(EntryError::Conflict { stream: entry.stream.clone(), expected, actual: head });
        }
        self.check_keys(entry)?;
        check_snapshot(entry, head + entry.events.len() as u64)?;
        self.check_uniqueness(entry)?;
        Ok(self.apply(partition, entry))
    }

    fn check_keys(&self, entry: &Entry) -> Result<(), EntryError> {
        let mut fresh = BTreeSet::new();
        if entry.keys.iter().all(|record| !self.keys.contains_key(&record.key) && fresh.insert(record.key)) {
            return Ok(());
        }
        Err(EntryError::KeyTaken { stream: entry.stream.clone() })
    }

    fn check_uniqueness(&self, entry: &Entry) -> Result<(), EntryError> {
        let stream = self.streams.get(&entry.stream);
        let mut fresh = BTreeSet::new();
        let taken_in = |id: &MessageId| stream.is_some_and(|stream| stream.received_ids.contains(id));
        if !entry.received.iter().all(|received| !taken_in(&received.id) && fresh.insert(received.id)) {
            return Err(refused(entry, "a message has been taken in already".to_owned()));
        }
        let mut fresh = BTreeSet::new();
        let waits = |id: &MessageId| self.message_numbers.contains_key(id) && !self.acknowledges(entry, id);
        if !entry.messages.iter().all(|message| !waits(&message.id) && fresh.insert(message.id)) {
            return Err(refused(entry, "a message of this id waits in the outbox already".to_owned()));
        }
        self.check_effects(entry)
    }

    /// An effect may be intended where its key is new, or its stream's and ended without it being known how; each
    /// step of the entry counts for the next one.
    fn check_effects(&self, entry: &Entry) -> Result<(), EntryError> {
        let mut changed: BTreeMap<EffectKey, Effect> = BTreeMap::new();
        for op in &entry.effects {
            let key = match op {
                EffectOp::Intend(effect) => effect.key,
                EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => *key,
            };
            let known = changed.get(&key).or_else(|| self.find_effect(&key)).cloned();
            let own = known.clone().filter(|effect| effect.stream == entry.stream);
            match (op, own) {
                (EffectOp::Intend(effect), own) => {
                    let is_unknown =
                        |own: &Effect| matches!(own.state, EffectState::Ended(EffectOutcome::Unknown(_)));
                    if known.is_some() && !own.as_ref().is_some_and(is_unknown) {
                        let reason = "an effect of this key stands in the ledger already";
                        return Err(refused(entry, reason.to_owned()));
                    }
                    changed.insert(key, (**effect).clone());
                }
                (EffectOp::Dispatch { .. } | EffectOp::End { .. }, Some(mut own)) => {
                    step_effect(&mut own, op);
                    changed.insert(key, own);
                }
                (EffectOp::Dispatch { .. } | EffectOp::End { .. }, None) => {}
            }
        }
        Ok(())
    }

    fn acknowledges(&self, entry: &Entry, id: &MessageId) -> bool {
        entry.acknowledged.contains(id) && self.sender(id).is_some_and(|from| *from == entry.stream)
    }

    fn sender(&self, id: &MessageId) -> Option<&StreamKey> {
        let number = self.message_numbers.get(id)?;
        self.outbox.get(number).map(|(_, message)| &message.from)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn apply(&mut self, partition: PartitionId, entry: &Entry) -> Appended {
        if !self.streams.contains_key(&entry.stream) && !entry.is_empty() {
            let number = self.next();
            self.streams.insert(entry.stream.clone(), Stream { number, ..Stream::default() });
        }
        let appended = self.append_events(partition, entry);
        for record in &entry.keys {
            self.keys.insert(record.key, (entry.at, record.clone()));
        }
        if let Some(stream) = self.streams.get_mut(&entry.stream) {
            stream.received_ids.extend(entry.received.iter().map(|received| received.id));
            stream.received.extend(entry.received.iter().map(|received| (entry.at, received.clone())));
            if let Some(snapshot) = &entry.snapshot {
                stream.snapshot = Some(snapshot.clone());
            }
        }
        for op in &entry.timers {
            self.audit.timer(entry, op);
            self.apply_timer(partition, &entry.stream, op);
        }
        self.apply_messages(partition, entry);
        for op in &entry.effects {
            self.apply_effect(partition, entry, op);
        }
        appended
    }

    fn append_events(&mut self, partition: PartitionId, entry: &Entry) -> Appended {
        let begins = self.streams.get(&entry.stream).is_some_and(|stream| stream.head == 0);
        if begins && !entry.events.is_empty() {
            let kind = (entry.stream.tenant.clone(), entry.stream.id.prefix());
            let cursor = self.next();
            self.kinds.entry(kind).or_default().insert(cursor, entry.stream.id);
        }
        let row = self.partitions.entry(partition).or_default();
        if !entry.is_empty() {
            row.last = row.last.max(entry.at);
        }
        let mut seq: Seq = 0;
        if let Some(stream) = self.streams.get_mut(&entry.stream) {
            for body in &entry.events {
                row.pos += 1;
                stream.head += 1;
                let event = Event {
                    position: row.pos,
                    stream: entry.stream.clone(),
                    seq: stream.head,
                    at: entry.at,
                    body: body.clone(),
                };
                stream.events.push(event.clone());
                row.log.push(event);
            }
            seq = stream.head;
        }
        Appended { position: row.pos, seq }
    }

    fn apply_timer(&mut self, partition: PartitionId, key: &StreamKey, op: &TimerOp) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let TimerOp::Fired { name, due } = op
            && stream.timers.get(name) != Some(due)
        {
            return;
        }
        if let Some(due) = stream.timers.remove(op.name()) {
            self.timers.remove(&(partition, due, stream.number, op.name().to_owned()));
        }
        match op {
            TimerOp::Set { name, due } => {
                stream.timers.insert(name.clone(), *due);
                self.timers.insert((partition, *due, stream.number, name.clone()), key.clone());
            }
            TimerOp::Clear { .. } | TimerOp::Fired { .. } => {}
        }
    }

    fn apply_messages(&mut self, partition: PartitionId, entry: &Entry) {
        for id in &entry.acknowledged {
            if self.sender(id).is_some_and(|from| *from == entry.stream)
                && let Some(number) = self.message_numbers.remove(id)
            {
                self.outbox.remove(&number);
            }
        }
        for message in &entry.messages {
            let number = self.next();
            self.message_numbers.insert(message.id, number);
            self.audit.sent(message, entry.at);
            self.outbox.insert(number, (partition, message.clone()));
        }
    }

    fn apply_effect(&mut self, partition: PartitionId, entry: &Entry, op: &EffectOp) {
        let key = match op {
            EffectOp::Intend(effect) => {
                let known = self.effect_numbers.get(&effect.key).copied();
                let number = known.unwrap_or_else(|| self.next());
                self.effect_numbers.insert(effect.key, number);
                let ended = matches!(effect.state, EffectState::Ended(_)).then_some(entry.at);
                if ended.is_none() {
                    self.open_effects.insert(number);
                }
                self.effects.insert(number, LedgerRow { partition, effect: (**effect).clone(), ended });
                return;
            }
            EffectOp::Dispatch { key, .. } | EffectOp::End { key, .. } => key,
        };
        let Some(number) = self.effect_numbers.get(key) else { return };
        let Some(row) = self.effects.get_mut(number).filter(|row| row.effect.stream == entry.stream) else {
            return;
        };
        step_effect(&mut row.effect, op);
        if row.ended.is_none() && matches!(row.effect.state, EffectState::Ended(_)) {
            row.ended = Some(entry.at);
            self.open_effects.remove(number);
        }
    }
}
