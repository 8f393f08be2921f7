//! What a store is, and what it hands out whole: its identity, streams as they are loaded, pages, copies.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, PartitionId, Position, Received, Seq, Snapshot};
use crate::clock::Timestamp;
use crate::id::{IdSecret, Prefix, SlotMap, StreamKey};

/// How long the record of an idempotency key is kept at least, from its commit.
pub const KEYS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long an effect that has ended stays in the ledger at least, from its end.
pub const EFFECTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the record of a message taken in is kept at least, and while the message is in its sender's outbox.
pub const INBOX_KEPT: Duration = Duration::from_secs(3600);

/// The kind of the streams that tell what became of a history; the id's UUID is the history's.
pub const HISTORY: Prefix = Prefix::new("hist");

/// What identifies a store: where its positions belong.
#[derive(Debug, Clone)]
pub struct Info {
    /// The id of the log; never changes.
    pub log: Uuid,
    /// The id of this history of the log; a restored backup begins a new one.
    pub history: Uuid,
    /// When this history went on from an earlier one that may have gone further; otherwise `None`. What was intended up
    /// to then is settled before it is called again.
    pub resumed_at: Option<Timestamp>,
    /// True if nothing happens in this history until a person releases it.
    pub starts_held: bool,
    /// The secret under which ids are derived.
    pub secret: IdSecret,
    /// The partitions there are.
    pub partitions: Vec<PartitionId>,
    /// Which of them each slot belongs to.
    pub slots: SlotMap,
}

impl Info {
    /// The partition that a stream belongs to.
    pub fn partition_of(&self, stream: &StreamKey) -> PartitionId {
        self.slots.partition(stream.slot())
    }
}

/// What is needed to bring a stream to life.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The last snapshot.
    pub snapshot: Option<Snapshot>,
    /// The events after it (after the first one if there is none).
    pub events: Vec<Event>,
    /// The number of the last event, 0 if there is none.
    pub head: Seq,
    /// Messages taken in and perhaps not yet acknowledged.
    pub received: Vec<Received>,
    /// The time of the first event, also where that is not kept any more.
    pub created_at: Option<Timestamp>,
    /// The position and the time of the last event.
    pub last: Option<(Position, Timestamp)>,
}

impl Loaded {
    /// Notes the first and the last event, as far as they are among the events read.
    pub(super) fn note_ends(&mut self) {
        let first = self.events.first().filter(|event| event.seq == 1);
        self.created_at = self.created_at.or(first.map(|event| event.at));
        self.last = self.events.last().map(|event| (event.position, event.at)).or(self.last);
    }
}

/// A copy of a store, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// The id of the log.
    pub log: Uuid,
    /// The history that was copied.
    pub history: Uuid,
    /// The last position that is in it.
    pub position: Position,
    /// How many events are in it.
    pub events: u64,
    /// The latest time that was committed.
    pub last: Timestamp,
}

/// A page of streams of one kind.
#[derive(Debug, Clone)]
pub struct StreamPage {
    /// The streams that have events, in the order asked for, each with the cursor to go on behind it.
    pub streams: Vec<(StreamKey, u64)>,
}
