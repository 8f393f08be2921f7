//! Entries: what one stream commits at once, and why one is not taken.

use super::{KeyRecord, Message, MessageId, NewEvent, Position, Received, Seq, Snapshot, TimerOp};
use crate::clock::Timestamp;
use crate::effect::EffectOp;
use crate::id::StreamKey;

/// Everything that one stream commits at once. All of it stands, or nothing.
///
/// What is in it belongs to its stream, and names hold no U+0000; otherwise it is [`EntryError::Refused`], as it is
/// where a message is taken in twice, sent twice, or an effect intended twice; one
/// that ended without it being known how may be intended again.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The stream.
    pub stream: StreamKey,
    /// The number of its last event before this entry; checked. `None` only where there are no events, and then
    /// nothing is checked.
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

/// Why one entry of a batch was not taken. The others stand.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EntryError {
    /// The stream is not where the entry expected it.
    #[error("stream `{stream}` stands at {actual}, not at {expected}")]
    Conflict {
        /// The stream.
        stream: StreamKey,
        /// What the entry expected.
        expected: Seq,
        /// Where the stream stands.
        actual: Seq,
    },
    /// The idempotency key has been used already.
    #[error("an idempotency key of stream `{stream}` has been used already")]
    KeyTaken {
        /// The stream.
        stream: StreamKey,
    },
    /// The database refuses this entry for itself.
    #[error("the database refused an entry of stream `{stream}`: {reason}")]
    Refused {
        /// The stream.
        stream: StreamKey,
        /// What it said.
        reason: String,
    },
}
