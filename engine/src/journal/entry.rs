//! What is appended: entries, under a fence.

use uuid::Uuid;

use super::{
    KeyRecord, Message, MessageId, NewEvent, PartitionId, Position, Received, Seq, Snapshot, TimerOp,
};
use crate::clock::Timestamp;
use crate::effect::EffectOp;
use crate::id::StreamKey;

/// The right to append to a partition, checked in every append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The partition.
    pub partition: PartitionId,
    /// Rises with every take-over.
    pub epoch: u64,
    /// The start of the process that took it over.
    pub incarnation: Uuid,
}

/// What a take-over yields.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// The fence to append with.
    pub fence: Fence,
    /// The last position of the partition.
    pub position: Position,
    /// The latest time that was committed; the engine's clock never falls below it.
    pub last: Timestamp,
}

/// Everything that one stream commits at once. All of it stands, or nothing.
///
/// What is in it belongs to its stream, and names hold no U+0000; otherwise it is
/// [`EntryError::Refused`](super::EntryError::Refused), as it is where a message is taken in twice, sent twice, or an
/// effect intended twice; one that ended without it being known how may be intended again.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The stream.
    pub stream: StreamKey,
    /// The number of its last event before this entry; checked. With `None` nothing is checked, and the events come
    /// behind what stands.
    pub expected: Option<Seq>,
    /// The time of the commit.
    pub at: Timestamp,
    /// What happened.
    pub events: Vec<NewEvent>,
    /// Answers to be given again under an idempotency key.
    pub keys: Vec<KeyRecord>,
    /// Messages taken in, with their answers.
    pub received: Vec<Received>,
    /// Timers set and cleared.
    pub timers: Vec<TimerOp>,
    /// Messages sent.
    pub messages: Vec<Message>,
    /// Messages of this stream whose answer it has now taken in; they leave the outbox, before `messages` enter it.
    pub acknowledged: Vec<MessageId>,
    /// Effects intended, and steps of effects' lives, in their order. Steps of effects that are unknown, another
    /// stream's, or ended change nothing; only an end that was unknown may be resolved by another.
    pub effects: Vec<EffectOp>,
    /// A snapshot to keep instead of the one before.
    pub snapshot: Option<Snapshot>,
}

impl Entry {
    /// An entry that commits nothing yet.
    pub fn new(stream: StreamKey, at: Timestamp) -> Self {
        Self {
            stream,
            expected: None,
            at,
            events: Vec::new(),
            keys: Vec::new(),
            received: Vec::new(),
            timers: Vec::new(),
            messages: Vec::new(),
            acknowledged: Vec::new(),
            effects: Vec::new(),
            snapshot: None,
        }
    }

    /// True if there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.keys.is_empty()
            && self.received.is_empty()
            && self.timers.is_empty()
            && self.messages.is_empty()
            && self.acknowledged.is_empty()
            && self.effects.is_empty()
            && self.snapshot.is_none()
    }
}

/// Where an entry's events came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The position of the partition after the entry.
    pub position: Position,
    /// The number of the stream's last event.
    pub seq: Seq,
}
