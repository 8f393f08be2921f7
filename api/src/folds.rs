//! Folds of runs' events, cut off where a page of a list ended, so that the next page goes on from there.
//!
//! They make reads faster and nothing else: one that is gone is made anew from the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use promptsales_engine::id::StreamKey;
use promptsales_engine::journal::{Event, Position, Seq};
use promptsales_engine::workflow::machine::{Lifecycle, TaskHistory};

/// The most bytes that the cuts of one shelf take, by estimate.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The most bytes of one cut.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;
/// The most cuts of one shelf.
const MOST_CUTS: usize = 512;

/// What there is to go on from.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    /// By the number of tasks that have begun.
    pub(crate) tasks: Shelf<TaskHistory>,
    /// By the number of the last event.
    pub(crate) events: Shelf<Lifecycle>,
}

/// The last event that a fold holds: where a stream was written anew behind a fail-over, the fold is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) seq: Seq,
    position: Position,
}

impl Last {
    /// Of an event.
    pub(crate) fn of(event: &Event) -> Self {
        Self { seq: event.seq, position: event.position }
    }
}

/// A fold up to an event.
#[derive(Debug)]
pub(crate) struct Cut<F> {
    pub(crate) fold: F,
    pub(crate) last: Last,
    /// Its size by estimate.
    pub(crate) bytes: usize,
}

/// Cuts of many streams, of which those unused for longest make room for new ones.
#[derive(Debug)]
pub(crate) struct Shelf<F>(Mutex<Rows<F>>);

#[derive(Debug)]
struct Rows<F> {
    /// By the stream, and how far the fold is.
    cuts: BTreeMap<(StreamKey, u64), Row<F>>,
    bytes: usize,
    turn: u64,
}

#[derive(Debug)]
struct Row<F> {
    cut: Arc<Cut<F>>,
    /// The turn in which it was used last.
    used: u64,
}

impl<F> Default for Shelf<F> {
    fn default() -> Self {
        Self(Mutex::new(Rows { cuts: BTreeMap::new(), bytes: 0, turn: 0 }))
    }
}

impl<F> Shelf<F> {
    /// The cut of a stream that is furthest, and not beyond `far`.
    pub(crate) fn nearest(&self, stream: &StreamKey, far: u64) -> Option<Arc<Cut<F>>> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.turn += 1;
        let turn = rows.turn;
        let own = (stream.clone(), 0)..=(stream.clone(), far);
        let (_, row) = rows.cuts.range_mut(own).next_back()?;
        row.used = turn;
        Some(row.cut.clone())
    }

    /// Keeps a cut.
    pub(crate) fn keep(&self, stream: &StreamKey, far: u64, cut: Cut<F>) {
        if cut.bytes > LARGEST {
            return;
        }
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.turn += 1;
        rows.bytes += cut.bytes;
        let row = Row { cut: Arc::new(cut), used: rows.turn };
        if let Some(old) = rows.cuts.insert((stream.clone(), far), row) {
            rows.bytes -= old.cut.bytes;
        }
        while rows.bytes > MOST_BYTES || rows.cuts.len() > MOST_CUTS {
            let oldest = rows.cuts.iter().min_by_key(|(_, row)| row.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            if let Some(old) = rows.cuts.remove(&key) {
                rows.bytes -= old.cut.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use promptsales_engine::id::{Prefix, Slot, StreamId, TenantId, uuid_v7};

    use super::*;

    fn stream(n: u64) -> StreamKey {
        let id = StreamId::new(Prefix::new("run"), uuid_v7(1_763_796_000_000, Slot::new(7), n));
        StreamKey::new(TenantId::default_tenant(), id)
    }

    fn cut(fold: u64, bytes: usize) -> Cut<u64> {
        Cut { fold, last: Last { seq: fold, position: fold }, bytes }
    }

    #[test]
    fn the_nearest_cut_of_the_stream_is_found() {
        let shelf = Shelf::default();
        for far in [10, 20] {
            shelf.keep(&stream(1), far, cut(far, 100));
        }
        let found = |n, far| shelf.nearest(&stream(n), far).map(|cut| cut.fold);
        assert_eq!([found(1, 9), found(1, 10), found(1, 19)], [None, Some(10), Some(10)]);
        assert_eq!([found(1, u64::MAX), found(2, 20), found(0, 20)], [Some(20), None, None]);
    }

    #[test]
    fn what_was_unused_for_longest_makes_room_and_what_is_too_large_is_not_kept() {
        let shelf = Shelf::default();
        let many = (MOST_BYTES / LARGEST) as u64;
        for far in 1..=many {
            shelf.keep(&stream(1), far, cut(far, LARGEST));
        }
        shelf.nearest(&stream(1), 1);
        shelf.keep(&stream(2), 1, cut(1, LARGEST));
        shelf.keep(&stream(2), 2, cut(2, LARGEST + 1));
        let found = |n, far| shelf.nearest(&stream(n), far).map(|cut| cut.fold);
        assert_eq!(
            [found(1, 1), found(1, 2), found(1, 3), found(2, 2)],
            [Some(1), Some(1), Some(3), Some(1)]
        );
    }
}
