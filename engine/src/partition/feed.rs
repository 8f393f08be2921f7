//! What a commit set off, handed to the services that carry it out.
//!
//! A feed is a hint and never the truth: everything in it also stands in the journal. Where more comes than a feed
//! may hold, it forgets the rest and says so, and its service reads on from the journal.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::timers::TimerFeed;
use crate::effect::{Effect, EffectOp};
use crate::journal::{Entry, Message, Position, Timer, TimerOp};
use crate::projection::index::Changes;

/// A bounded queue in front of a table of the journal.
#[derive(Debug)]
pub struct Backlog<T> {
    inner: Mutex<Queue<T>>,
    wake: Notify,
    limit: usize,
    #[cfg(test)]
    losing: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    overflowed: bool,
}

impl<T> Backlog<T> {
    /// What a queue holds at least, however many partitions share a node's limit.
    pub(crate) const LEAST: usize = 128;

    /// A queue of at most `limit` items, which begins with "there may be more in the journal".
    pub fn new(limit: usize) -> Self {
        let queue = Queue { items: VecDeque::new(), overflowed: true };
        Self {
            inner: Mutex::new(queue),
            wake: Notify::new(),
            limit,
            #[cfg(test)]
            losing: false.into(),
        }
    }

    /// Adds an item, or notes that there was no room.
    pub fn push(&self, item: T) {
        #[cfg(test)]
        if self.losing.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let mut queue = self.lock();
        if queue.items.len() < self.limit && !queue.overflowed {
            queue.items.push_back(item);
        } else {
            queue.overflowed = true;
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Takes the first item.
    pub fn pop(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    /// True once if items were forgotten since the last call: the journal has to be read.
    ///
    /// From this call on, what is pushed is kept again, so that a read begun after it misses nothing.
    pub fn take_overflow(&self) -> bool {
        std::mem::take(&mut self.lock().overflowed)
    }

    /// Notes that the journal has to be read again.
    pub fn mark_overflow(&self) {
        self.lock().overflowed = true;
        self.wake.notify_one();
    }

    /// Waits until something may be there.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Wakes the one who waits, because a place has become free.
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Loses what is pushed from now on and does not say so, or keeps it again.
    #[cfg(test)]
    pub(crate) fn lose(&self, losing: bool) {
        self.losing.store(losing, std::sync::atomic::Ordering::Relaxed);
    }

    /// The number of items held.
    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// True if no item is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All feeds of a partition.
#[derive(Debug)]
pub struct Feeds {
    /// Messages to be delivered.
    pub messages: Backlog<Message>,
    /// Effects to be carried out.
    pub effects: Backlog<Effect>,
    /// Timers to fire.
    pub timers: TimerFeed,
    /// Entities whose place in the index may not be true any more.
    pub(crate) changes: Changes,
    /// The last committed position.
    pub position: watch::Sender<Position>,
}

impl Feeds {
    /// Feeds that hold at most `backlog` items each.
    pub fn new(backlog: usize, position: Position) -> Self {
        Self {
            messages: Backlog::new(backlog),
            effects: Backlog::new(backlog),
            timers: TimerFeed::new(backlog),
            changes: Changes::new(),
            position: watch::channel(position).0,
        }
    }

    /// Notes that a commit may have set things off of which nothing is known here: the journal has to be read again.
    pub(crate) fn mark_stale(&self) {
        self.messages.mark_overflow();
        self.effects.mark_overflow();
        self.timers.mark_unknown();
        self.changes.mark_overflow();
    }

    /// Hands on what a committed entry set off.
    pub(super) fn committed(&self, entry: Entry) {
        if !entry.events.is_empty() {
            self.changes.push(&entry.stream);
        }
        for op in entry.timers {
            match op {
                TimerOp::Set { name, due } => {
                    self.timers.set(Timer { due, stream: entry.stream.clone(), name })
                }
                TimerOp::Clear { name } => self.timers.clear(&entry.stream, &name),
                TimerOp::Fired { name, due } => {
                    self.timers.committed(Timer { due, stream: entry.stream.clone(), name });
                }
            }
        }
        for message in entry.messages {
            self.messages.push(message);
        }
        for op in entry.effects {
            match op {
                EffectOp::Intend(effect) => self.effects.push(*effect),
                EffectOp::Dispatch { .. } | EffectOp::End { .. } => {}
            }
        }
    }
}
