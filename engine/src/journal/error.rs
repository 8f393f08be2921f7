//! Why an append or a read failed.

use super::{Base, PartitionId, Seq};
use crate::clock::Timestamp;
use crate::id::StreamKey;

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

/// Why nothing of a batch was taken, or a read failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The partition belongs to somebody else now: step down.
    #[error("the fence of partition {partition} does not hold any more")]
    Fenced {
        /// The partition.
        partition: PartitionId,
    },
    /// It could not be found out whether the batch was committed.
    #[error("it is not known whether the append was committed: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// The store cannot be used now: no room, no connection. Nothing was committed.
    #[error("the journal cannot be used now: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// The database went back in time (it was restored, or a replica that lagged took its place), and may have lost
    /// what it had acknowledged: drop every partition, take them over anew, and load everything again. Nothing was
    /// committed.
    #[error("the database went back in time, as partition {partition} shows")]
    Regressed {
        /// The partition.
        partition: PartitionId,
    },
    /// The events asked for are not kept any more.
    #[error("the events of stream `{stream}` before number {seq} are not kept any more")]
    Trimmed {
        /// The stream.
        stream: StreamKey,
        /// The number of the first event of which it can be told what the state was.
        seq: Seq,
        /// When that was committed: the horizon.
        at: Timestamp,
        /// When the stream began.
        created_at: Timestamp,
    },
    /// What is stored cannot be understood.
    #[error("the journal is corrupt: {reason}")]
    Corrupt {
        /// What was found.
        reason: String,
    },
    /// Another process has the store.
    #[error("the store is in use by another process: {reason}")]
    InUse {
        /// Who, as far as known.
        reason: String,
    },
}

impl Base {
    /// Says that what is asked for is before this base.
    pub(super) fn trimmed(&self, stream: &StreamKey) -> Error {
        let Self { snapshot, created_at, at } = self;
        Error::Trimmed { stream: stream.clone(), seq: snapshot.seq, at: *at, created_at: *created_at }
    }
}
