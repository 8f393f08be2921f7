//! What a commit set off, handed to the services that carry it out.
//!
//! A feed is a hint and never the truth: everything in it also stands in the journal. Where more comes than a feed
//! may hold, it forgets the rest and says so, and its service reads on from the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::clock::Timestamp;
use crate::effect::{Effect, EffectOp};
use crate::id::StreamKey;
use crate::journal::{Entry, Message, Position, Timer, TimerOp};

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

/// The timers of a partition that are due soonest, in the order in which they are due.
#[derive(Debug)]
pub struct TimerFeed {
    inner: Mutex<Timers>,
    wake: Notify,
    limit: usize,
}

#[derive(Debug, Default)]
struct Timers {
    due: BTreeSet<Timer>,
    by_name: BTreeMap<(StreamKey, String), Timestamp>,
    /// Handed out and not yet taken in by their streams.
    firing: BTreeSet<Timer>,
    /// Every timer due before this moment is held here; the others stand in the journal only.
    horizon: Timestamp,
    /// While the journal is read: the timers taken in meanwhile, and the names set or cleared. What it tells of them is
    /// older.
    taken_in: Option<BTreeSet<Timer>>,
    changed: BTreeSet<(StreamKey, String)>,
}

impl Timers {
    fn note_changed(&mut self, stream: &StreamKey, name: &str) {
        if self.taken_in.is_some() {
            self.changed.insert((stream.clone(), name.to_owned()));
        }
    }

    fn remove(&mut self, stream: &StreamKey, name: &str) {
        let key = (stream.clone(), name.to_owned());
        if let Some(due) = self.by_name.remove(&key) {
            self.due.remove(&Timer { due, stream: key.0, name: key.1 });
        }
    }

    fn insert(&mut self, timer: Timer, limit: usize) {
        self.remove(&timer.stream, &timer.name);
        if timer.due >= self.horizon {
            return;
        }
        self.by_name.insert((timer.stream.clone(), timer.name.clone()), timer.due);
        self.due.insert(timer);
        if self.due.len() > limit
            && let Some(last) = self.due.pop_last()
        {
            self.horizon = last.due;
            self.by_name.remove(&(last.stream, last.name));
        }
    }
}

impl TimerFeed {
    fn new(limit: usize) -> Self {
        Self { inner: Mutex::new(Timers::default()), wake: Notify::new(), limit }
    }

    fn set(&self, timer: Timer) {
        let mut timers = self.lock();
        timers.note_changed(&timer.stream, &timer.name);
        timers.insert(timer, self.limit);
        drop(timers);
        self.wake.notify_one();
    }

    fn clear(&self, stream: &StreamKey, name: &str) {
        let mut timers = self.lock();
        timers.note_changed(stream, name);
        timers.remove(stream, name);
    }

    /// Opens the horizon: from now on timers due before it are kept as they are set.
    pub fn open(&self, horizon: Timestamp) {
        self.lock().horizon = horizon;
    }

    /// Begins to fill it from the journal: from now until [`filled`](Self::filled) it is noted what changes meanwhile.
    pub fn begin_filling(&self, horizon: Timestamp) {
        let mut timers = self.lock();
        (timers.horizon, timers.taken_in) = (horizon, Some(BTreeSet::new()));
        timers.changed.clear();
    }

    /// Notes that everything read from the journal has been loaded.
    pub fn filled(&self) {
        let mut timers = self.lock();
        timers.taken_in = None;
        timers.changed.clear();
    }

    /// Adds a timer read from the journal, unless it has been set anew, cleared or taken in since.
    pub fn load(&self, timer: Timer) {
        let mut timers = self.lock();
        let name = (timer.stream.clone(), timer.name.clone());
        let is_older = timers.changed.contains(&name)
            || timers.taken_in.as_ref().is_some_and(|taken| taken.contains(&timer));
        let known = timers.by_name.contains_key(&name);
        if !known && !is_older && !timers.firing.contains(&timer) {
            timers.insert(timer, self.limit);
        }
    }

    /// Takes the first timer if it is due, otherwise says when the next one or the horizon is.
    pub fn next(&self, now: Timestamp) -> Result<Timer, Timestamp> {
        let mut timers = self.lock();
        match timers.due.first() {
            Some(first) if first.due <= now => {
                let timer = timers.due.pop_first().expect("the set has a first element");
                timers.by_name.remove(&(timer.stream.clone(), timer.name.clone()));
                timers.firing.insert(timer.clone());
                Ok(timer)
            }
            Some(first) => Err(first.due.min(timers.horizon)),
            None => Err(timers.horizon),
        }
    }

    /// Notes that a timer which was handed out has been taken in.
    pub fn fired(&self, timer: &Timer) {
        let mut timers = self.lock();
        timers.firing.remove(timer);
        if let Some(taken) = &mut timers.taken_in {
            taken.insert(timer.clone());
        }
    }

    /// Takes a timer back that was handed out and of which it is not known whether it was taken in: the journal has to
    /// be read again, where it stands only if it was not.
    pub fn not_fired(&self, timer: &Timer) {
        self.lock().firing.remove(timer);
        self.mark_stale();
    }

    /// Notes that timers may have been set of which nothing is known here: the journal has to be read again.
    pub fn mark_stale(&self) {
        self.lock().horizon = Timestamp::default();
        self.wake.notify_one();
    }

    /// Forgets what is held and does not say so, as a lost hint would.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        let mut timers = self.lock();
        timers.due.clear();
        timers.by_name.clear();
    }

    /// Every timer due before this moment is held here.
    pub fn horizon(&self) -> Timestamp {
        self.lock().horizon
    }

    /// Waits until a timer has been set.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// The number of timers that were handed out and are not taken in yet.
    pub fn firing(&self) -> usize {
        self.lock().firing.len()
    }

    /// The number of timers held.
    pub fn len(&self) -> usize {
        self.lock().due.len()
    }

    /// True if no timer is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
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
            position: watch::channel(position).0,
        }
    }

    /// Notes that a commit may have set things off of which nothing is known here: the journal has to be read again.
    pub(crate) fn mark_stale(&self) {
        self.messages.mark_overflow();
        self.effects.mark_overflow();
        self.timers.mark_stale();
    }

    /// Hands on what a committed entry set off.
    pub(super) fn committed(&self, entry: Entry) {
        for op in entry.timers {
            match op {
                TimerOp::Set { name, due } => {
                    self.timers.set(Timer { due, stream: entry.stream.clone(), name })
                }
                TimerOp::Clear { name } => self.timers.clear(&entry.stream, &name),
                TimerOp::Fired { .. } => {}
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
