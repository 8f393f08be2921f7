//! What is left of a stream whose early events are not kept any more, and what is not.

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

/// Which streams are old. Where a moment is missing, none is for that reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Age {
    /// Those whose last event was committed before this moment and is not the only one that is kept.
    pub trim: Option<Timestamp>,
    /// Those whose last event was committed before this moment.
    pub forget: Option<Timestamp>,
}

impl Age {
    /// The moments in milliseconds; where one is missing, one before all others.
    pub(super) fn bounds(self) -> (i64, i64) {
        let bound = |moment: Option<Timestamp>| moment.map_or(i64::MIN, Timestamp::ms);
        (bound(self.trim), bound(self.forget))
    }
}

/// What came of an attempt to forget a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// It is not there any more.
    Gone,
    /// It stays as it is: something is under way for it, or it has gone on.
    Kept,
}

/// What a look at some streams for old ones found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldStreams {
    /// The streams that have the age.
    pub streams: Vec<StreamKey>,
    /// Behind what to go on; `None` at the end.
    pub next: Option<u64>,
}
