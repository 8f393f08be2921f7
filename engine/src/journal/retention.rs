//! What is left of a stream whose early events are not kept any more.

use super::Snapshot;
use crate::clock::Timestamp;
use crate::id::StreamKey;

/// The state that stands in the place of the events before it. The event that it holds last is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The state.
    pub snapshot: Snapshot,
    /// When the stream began.
    pub created_at: Timestamp,
    /// When the last event that the state holds was committed: the horizon.
    pub at: Timestamp,
}

/// What a look at some streams for old events found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldStreams {
    /// The streams that have something to trim.
    pub streams: Vec<StreamKey>,
    /// Behind what to go on; `None` at the end.
    pub next: Option<u64>,
}
