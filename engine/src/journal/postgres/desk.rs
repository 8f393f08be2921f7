//! What this process knows of a partition that it owns. Whoever holds the book appends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use tokio::sync::Mutex;
use tokio_postgres::Row;
use uuid::Uuid;

use super::row::{get, int, uint};
use crate::clock::Timestamp;
use crate::journal::plan::{Heads, Mark};
use crate::journal::{Error, Fence, Lease, PartitionId, Position};

/// The numbers that each partition gives out from a range of its own.
const RANGE_BITS: u32 = 40;

/// The columns of [`Standing`], in its order.
pub(super) const STANDING: &str =
    "p.id, p.epoch, p.incarnation, p.pos, p.commits, p.streams, p.numbers, p.last";

/// A partition's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) partition: PartitionId,
    pub(super) epoch: u64,
    pub(super) incarnation: Uuid,
    pub(super) pos: Position,
    pub(super) commits: u64,
    pub(super) streams: u64,
    pub(super) numbers: u64,
    pub(super) last: i64,
}

impl Standing {
    /// Reads the columns of [`STANDING`].
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            partition: get::<i32>(row, 0)?.cast_unsigned(),
            epoch: uint(row, 1)?,
            incarnation: get(row, 2)?,
            pos: uint(row, 3)?,
            commits: uint(row, 4)?,
            streams: uint(row, 5)?,
            numbers: uint(row, 6)?,
            last: get(row, 7)?,
        })
    }

    pub(super) fn fence(&self) -> Fence {
        Fence { partition: self.partition, epoch: self.epoch, incarnation: self.incarnation }
    }

    pub(super) fn lease(&self) -> Lease {
        Lease { fence: self.fence(), position: self.pos, last: Timestamp::from_ms(self.last) }
    }

    /// Behind what the partition's next plan begins.
    pub(super) fn mark(&self) -> Mark {
        Mark { pos: self.pos, stream: self.base() + self.streams, key: 0 }
    }

    /// The number before the first that the partition gives out.
    pub(super) fn base(&self) -> u64 {
        u64::from(self.partition) << RANGE_BITS
    }

    /// True if the row cannot have come after the one that is known.
    pub(super) fn is_before(&self, known: &Self) -> bool {
        self.epoch < known.epoch
            || (self.epoch == known.epoch
                && (self.incarnation != known.incarnation
                    || self.commits < known.commits
                    || self.pos < known.pos))
    }
}

/// A partition, as it is known here.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) partition: PartitionId,
    pub(super) book: Arc<Mutex<Book>>,
    /// The last append was left before its answer: whether it stands has to be found out before anything else.
    pub(super) in_doubt: AtomicBool,
    /// The database went back in time, and the partition has not been taken over anew since.
    pub(super) has_regressed: AtomicBool,
    /// The greatest epoch and commits that have been seen.
    seen: StdMutex<(u64, u64)>,
}

/// What is known of a partition's row and its streams.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The row after the last append whose answer is known; `None` where the partition is somebody else's.
    pub(super) standing: Option<Standing>,
    pub(super) heads: Heads,
}

impl Desk {
    pub(super) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            book: Arc::default(),
            in_doubt: AtomicBool::new(false),
            has_regressed: AtomicBool::new(false),
            seen: StdMutex::default(),
        }
    }

    /// The partition's number as the database has it.
    pub(super) fn id(&self) -> i32 {
        self.partition.cast_signed()
    }

    /// True where the database went back in time, and the partition has not been taken over anew since.
    pub(super) fn is_lost(&self) -> bool {
        self.has_regressed.load(Ordering::Acquire)
    }

    /// Notes how far the row has been seen.
    pub(super) fn see(&self, epoch: u64, commits: u64) {
        let mut seen = self.lock_seen();
        *seen = (*seen).max((epoch, commits));
    }

    /// Forgets how far the row has been seen but for its epoch: it has been taken over anew.
    pub(super) fn see_anew(&self, epoch: u64, commits: u64) {
        *self.lock_seen() = (epoch, commits);
        self.has_regressed.store(false, Ordering::Release);
    }

    /// The numbers that its streams can have, with the one before the first.
    pub(super) fn numbers(&self) -> std::ops::Range<u64> {
        let base = u64::from(self.partition) << RANGE_BITS;
        base..base + (1 << RANGE_BITS) + 1
    }

    /// The epoch and commits up to which the row has been seen.
    pub(super) fn seen(&self) -> (u64, u64) {
        *self.lock_seen()
    }

    /// The least epoch that the next owner must have, as the database may have forgotten some.
    pub(super) fn least_epoch(&self) -> i64 {
        int(self.seen().0 + 1)
    }

    fn lock_seen(&self) -> MutexGuard<'_, (u64, u64)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Takes up the row as the database has it. What was known of the streams may be old.
    pub(super) fn adopt(&mut self, desk: &Desk, standing: Standing) {
        desk.see(standing.epoch, standing.commits);
        self.heads.clear();
        self.standing = Some(standing);
    }
}

/// Marks a partition as in doubt when it is dropped before the answer is known.
pub(super) struct Doubt<'a>(Option<&'a Desk>);

impl<'a> Doubt<'a> {
    pub(super) fn until_known(desk: &'a Desk) -> Self {
        Self(Some(desk))
    }

    pub(super) fn known(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(desk) = self.0 {
            desk.in_doubt.store(true, Ordering::Release);
        }
    }
}
