//! A whole store as JSON lines: written, checked, and taken into a new store.
//!
//! The first line says what the store is; a line per event follows, in the order of positions, with its full
//! envelope; then, where the export is whole, what stands beside the events; and last a line with the counts and a
//! BLAKE3 digest of every byte before it, so that a file that was cut off or edited is noticed.
//!
//! A file has one sequence of positions. The logs of a store with several partitions are merged into it by time.
//!
//! A whole export holds the secret that ids are derived under, since the store made of it must lead the same keys to
//! the same ids. Keep it like the store itself.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, KeyRecord, Message, Position, Received, Seq, Snapshot, Timer};
use crate::clock::Timestamp;
use crate::effect::Effect;
use crate::id::{IdSecret, StreamKey};

mod error;
mod export;
mod gaps;
mod import;
mod lines;
mod merge;
mod verify;
mod writer;

pub use error::Error;
pub use export::export;
pub use import::Import;
pub use merge::export_merged;
pub use verify::verify;

/// The version of the form; a later one is refused. The second one has places of events that are not kept any more.
pub const FORMAT: u16 = 2;

/// Events, or things beside them, read at once.
const PAGE: usize = 1_000;

/// What stands beside the events, a table at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The answers given under idempotency keys.
    Keys,
    /// The messages taken in.
    Received,
    /// The timers that are set.
    Timers,
    /// The messages sent and not acknowledged.
    Messages,
    /// The effects that have not ended.
    OpenEffects,
    /// The effects that have ended, with what came of them.
    EndedEffects,
    /// The states that stand in the place of events.
    Bases,
    /// The kept states.
    Snapshots,
}

impl Part {
    /// Every part, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Keys,
        Self::Received,
        Self::Timers,
        Self::Messages,
        Self::OpenEffects,
        Self::EndedEffects,
        Self::Bases,
        Self::Snapshots,
    ];
}

/// Behind what a page of a part begins: two numbers whose meaning is the back end's. The first page has the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64, pub u128);

impl Default for Cursor {
    fn default() -> Self {
        Self(i64::MIN, 0)
    }
}

/// One thing that stands beside the events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Beside {
    /// An answer given under an idempotency key.
    Key {
        /// When it was given.
        at: Timestamp,
        /// The record.
        record: KeyRecord,
    },
    /// A message taken in.
    Received {
        /// When it was taken in.
        at: Timestamp,
        /// By whom.
        stream: StreamKey,
        /// The record.
        received: Received,
    },
    /// A timer that is set.
    Timer(Timer),
    /// A message that waits for its acknowledgement.
    Message(Message),
    /// An effect of the ledger.
    Effect {
        /// The effect.
        effect: Effect,
        /// When it ended.
        ended: Option<Timestamp>,
    },
    /// A state that stands in the place of a stream's early events.
    Base {
        /// Whose.
        stream: StreamKey,
        /// The state.
        snapshot: Snapshot,
        /// When the stream began.
        created_at: Timestamp,
        /// Where; 0 where the store does not tell.
        first: Position,
    },
    /// A kept state.
    Snapshot {
        /// Whose.
        stream: StreamKey,
        /// The state.
        snapshot: Snapshot,
    },
}

/// A line of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Line {
    /// What the store is.
    Header(Header),
    /// An event.
    Event(Event),
    /// The place of an event that is not kept any more.
    Gone(Gone),
    /// What stands beside the events.
    Beside(Beside),
    /// The end.
    Trailer(Trailer),
}

/// The place of an event that is not kept any more. Which of several streams it was of is not always known; then it is
/// one of which it can have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gone {
    /// Its place in the log.
    pub position: Position,
    /// The stream.
    pub stream: StreamKey,
    /// Its number in the stream.
    pub seq: Seq,
    /// When the stream began.
    pub at: Timestamp,
}

/// What an export is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The version of the form.
    pub format: u16,
    /// The id of the log.
    pub log: Uuid,
    /// The history that was exported.
    pub history: Uuid,
    /// Events up to this position were left out; 0 where the export is whole.
    pub since: Position,
    /// The secret that ids are derived under, in hexadecimal; only in a whole export.
    pub secret: Option<String>,
}

impl Header {
    /// The secret that ids are derived under; none where the export is not whole.
    pub(super) fn id_secret(&self) -> Option<IdSecret> {
        let secret = self.secret.as_deref().filter(|_| self.since == 0);
        secret.and_then(|text| blake3::Hash::from_hex(text).ok()).map(|hash| IdSecret::new(*hash.as_bytes()))
    }
}

/// What an export came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trailer {
    /// The last position.
    pub position: Position,
    /// How many events there are.
    pub events: u64,
    /// How many are not kept any more.
    #[serde(default)]
    pub gone: u64,
    /// How many things stand beside them.
    pub beside: u64,
    /// The BLAKE3 digest of every byte before this line, in hexadecimal.
    pub blake3: String,
}

/// Reads and writes 16 bytes as 32 hexadecimal digits.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", u128::from_be_bytes(*bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| text.len() == 32);
        number.map(u128::to_be_bytes).ok_or_else(|| D::Error::custom("not 32 hexadecimal digits"))
    }
}
