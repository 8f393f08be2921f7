//! Who has changed since the index of a partition was last written.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::hashing::FastSet;
use crate::id::{Prefix, StreamKey};
use crate::journal::Position;
use crate::runtime::Context;

/// How long changes are gathered: who changes several times meanwhile is written once.
const GATHERED: Duration = Duration::from_secs(1);
/// How long is waited where nothing changes.
const IDLE: Duration = Duration::from_secs(10);
/// Changes that are kept in memory; what comes beyond them is read from the journal again.
const MOST: usize = 100_000;

/// Who has changed since the index was last written. It is a hint and never the truth, as every feed.
#[derive(Debug)]
pub(crate) struct Changes {
    inner: Mutex<Gathered>,
    wake: Notify,
    hurry: Notify,
    true_to: watch::Sender<TrueTo>,
}

/// Up to where the index is true.
#[derive(Debug, Clone, Copy, Default)]
struct TrueTo {
    position: Position,
    /// How many changes had been noted.
    noted: u64,
}

#[derive(Debug, Default)]
struct Gathered {
    kinds: Vec<Prefix>,
    /// In the order in which they changed first, so that new ones get their numbers in the order of their coming.
    queue: VecDeque<StreamKey>,
    queued: FastSet<StreamKey>,
    overflowed: bool,
    /// How many changes have been noted, and how many of them are taken.
    noted: u64,
    taken: u64,
    /// True while somebody waits for the index.
    urgent: bool,
}

impl Changes {
    pub(crate) fn new() -> Self {
        let inner = Gathered { overflowed: true, ..Gathered::default() };
        let (wake, hurry) = (Notify::new(), Notify::new());
        Self { inner: Mutex::new(inner), wake, hurry, true_to: watch::channel(TrueTo::default()).0 }
    }

    /// Notes that an entity has changed.
    pub(crate) fn push(&self, stream: &StreamKey) {
        let mut inner = self.lock();
        if !inner.kinds.contains(&stream.id.prefix()) {
            return;
        }
        inner.noted += 1;
        if inner.overflowed {
            return;
        }
        if inner.queue.len() >= MOST {
            inner.overflowed = true;
        } else if inner.queued.insert(stream.clone()) {
            inner.queue.push_back(stream.clone());
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// Notes that changes may have been missed.
    pub(crate) fn mark_overflow(&self) {
        self.lock().overflowed = true;
        self.wake.notify_one();
    }

    /// Waits until the index is true up to a position, and what has been noted is in it.
    pub(crate) async fn reached(&self, position: Position) {
        let mut true_to = self.true_to.subscribe();
        let noted = self.lock().noted;
        let is_there = move |at: &TrueTo| at.position >= position && at.noted >= noted;
        if is_there(&true_to.borrow()) {
            return;
        }
        self.lock().urgent = true;
        self.wake.notify_one();
        self.hurry.notify_one();
        // The sender lives as long as this does.
        let _ = true_to.wait_for(is_there).await;
    }

    /// How many wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Says of which kinds changes are wanted.
    pub(super) fn want(&self, kinds: Vec<Prefix>) {
        self.lock().kinds = kinds;
    }

    /// Notes that what has been taken is in the index, which is true up to a position.
    pub(super) fn reach(&self, position: Position) {
        let noted = self.lock().taken;
        self.true_to.send_replace(TrueTo { position, noted });
    }

    /// Begins to write: whoever is in a hurry from now on waits for what comes behind that.
    pub(super) fn calm(&self) {
        self.lock().urgent = false;
    }

    /// Takes some of those that have changed; none when there are no more.
    pub(super) fn take(&self, most: usize) -> Vec<StreamKey> {
        let mut inner = self.lock();
        let count = inner.queue.len().min(most);
        let some: Vec<_> = inner.queue.drain(..count).collect();
        for stream in &some {
            inner.queued.remove(stream);
        }
        if some.is_empty() {
            inner.taken = inner.noted;
        }
        some
    }

    /// True once if changes may have been missed; from this call on they are kept again, and what was kept is not
    /// needed: it is read from the journal.
    pub(super) fn take_overflow(&self) -> bool {
        let mut inner = self.lock();
        if inner.overflowed {
            (inner.queue, inner.queued) = (VecDeque::new(), FastSet::default());
            inner.taken = inner.noted;
        }
        std::mem::take(&mut inner.overflowed)
    }

    /// Waits for changes, and then for more of them, for a while or until somebody waits for the index; returns without
    /// any after `most`, or a long time.
    pub(super) async fn gathered(&self, cx: &Context, most: Option<Duration>) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = cx.sleep(most.unwrap_or(IDLE)) => return,
        }
        tokio::select! {
            () = cx.sleep(GATHERED) => {}
            () = self.hurried() => {}
        }
    }

    async fn hurried(&self) {
        while !self.lock().urgent {
            self.hurry.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Slot, StreamId, TenantId, uuid_v7};

    const THING: Prefix = Prefix::new("thing");

    fn stream(prefix: Prefix, n: u64) -> StreamKey {
        StreamKey::new(TenantId::default_tenant(), StreamId::new(prefix, uuid_v7(1, Slot::new(3), n)))
    }

    fn changes() -> Changes {
        let changes = Changes::new();
        changes.want(vec![THING]);
        assert!(changes.take_overflow() && !changes.take_overflow(), "at first nothing is known");
        changes
    }

    #[test]
    fn changes_come_once_and_in_their_order() {
        let changes = changes();
        for n in [2, 1, 2, 3] {
            changes.push(&stream(THING, n));
            changes.push(&stream(Prefix::new("other"), n));
        }
        let taken = [changes.take(2), changes.take(2), changes.take(2)];
        assert_eq!(taken, [vec![stream(THING, 2), stream(THING, 1)], vec![stream(THING, 3)], vec![]]);
        changes.push(&stream(THING, 2));
        changes.mark_overflow();
        changes.push(&stream(THING, 4));
        assert!(changes.take_overflow());
        assert_eq!(changes.take(9), [], "they are read from the journal");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_the_index_hurries_it_and_sees_what_was_noted_before() {
        let (changes, cx) = (changes(), Context::simulated(Default::default(), 1));
        changes.reach(7);
        changes.reached(7).await;
        changes.push(&stream(THING, 1));
        let begun = cx.monotonic();
        let writer = async {
            changes.gathered(&cx, None).await;
            changes.calm();
            while !changes.take(1).is_empty() {
                // It asks while what it waits for is being written.
                cx.sleep(Duration::from_millis(30)).await;
            }
            changes.reach(7);
        };
        let reader = async {
            cx.sleep(Duration::from_millis(100)).await;
            changes.reached(7).await;
            begun.elapsed()
        };
        let ((), waited) = tokio::join!(writer, reader);
        assert_eq!(waited, Duration::from_millis(130));
        // Nobody waits: changes are gathered.
        changes.push(&stream(THING, 2));
        let begun = cx.monotonic();
        changes.gathered(&cx, None).await;
        assert_eq!(begun.elapsed(), GATHERED);
    }
}
