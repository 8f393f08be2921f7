//! How long commits take, for whoever has to know how fast the store is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// How long the shortest commit is remembered, at least and at most twice.
const REMEMBERED: Duration = Duration::from_secs(10);
const NONE: u64 = u64::MAX;

/// The times of the commits of all lanes, in microseconds.
pub struct CommitTimes {
    base: Instant,
    last: AtomicU64,
    /// The shortest of this period, and of the one before.
    shortest: AtomicU64,
    before: AtomicU64,
    period: AtomicU64,
}

impl CommitTimes {
    /// Times of which none is known yet.
    pub fn new(now: Instant) -> Self {
        let none = || AtomicU64::new(NONE);
        let (last, period) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { base: now, last, shortest: none(), before: none(), period }
    }

    /// Notes a commit.
    pub(crate) fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(NONE - 1);
        self.last.store(time, Relaxed);
        self.shortest.fetch_min(time, Relaxed);
    }

    /// How long the last one took.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_micros(self.last.load(Relaxed))
    }

    /// How long the shortest one took lately; zero where there was none. One caller at a time.
    pub(crate) fn shortest(&self, now: Instant) -> Duration {
        let period = now.duration_since(self.base).as_secs() / REMEMBERED.as_secs();
        if self.period.swap(period, Relaxed) != period {
            self.before.store(self.shortest.swap(NONE, Relaxed), Relaxed);
        }
        match self.shortest.load(Relaxed).min(self.before.load(Relaxed)) {
            NONE => Duration::ZERO,
            shortest => Duration::from_micros(shortest),
        }
    }
}
