//! Whose a partition is, and what identifies a store.

use uuid::Uuid;

use super::{PartitionId, Position};
use crate::clock::Timestamp;
use crate::id::IdSecret;

/// What identifies a store: where its positions belong.
#[derive(Debug, Clone)]
pub struct Info {
    /// The id of the log; never changes.
    pub log: Uuid,
    /// The id of this history of the log; a restored backup begins a new one.
    pub history: Uuid,
    /// The secret under which ids are derived.
    pub secret: IdSecret,
    /// The partitions there are.
    pub partitions: Vec<PartitionId>,
}

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
