//! The disk as tests hold it: latency, faults, crashes, and what came of it all.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::disk::Disk;
use super::fault::{AfterCrash, CrashPoint, Fault, SyncMode};
use super::view::{Link, View};
use crate::clock::Timestamp;
use crate::id::{IdSecret, SlotMap, StreamKey, digest, uuid_v8};
use crate::journal::{Appended, Entry, EntryError, Error, Event, Fence, Info, PartitionId};
use crate::runtime::Context;

type Answer = Result<Vec<Result<Appended, EntryError>>, Error>;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    /// When the store's time began, unless a test sets it.
    begun: Instant,
    surroundings: Context,
}

#[derive(Debug)]
pub(super) struct State {
    disk: Disk,
    info: Info,
    /// Rises with every crash; a view of an earlier life is dead.
    pub(super) life: u64,
    appends: u64,
    pub(super) latency: Duration,
    sync: SyncMode,
    pub(super) after_crash: AfterCrash,
    faults: VecDeque<Fault>,
    /// Reads of timers that fail before one does not.
    timer_reads_to_fail: u32,
    timer_reads: u64,
    crash: Option<(u64, CrashPoint)>,
    pub(super) held: VecDeque<Held>,
    synced: Vec<(u64, Answer)>,
    next_ticket: u64,
    /// The store's time where a test sets it; otherwise tokio's.
    clock: Option<Duration>,
}

/// An append that is on its way to stable storage.
#[derive(Debug)]
pub(super) struct Held {
    ticket: u64,
    /// The process that waits for it; once that is dead, it is gone.
    pub(super) view: Arc<View>,
    fence: Fence,
    batch: Vec<Entry>,
}

/// How far an append came at once.
enum Begun {
    Done(Answer),
    Later(Duration, Answer),
    Held(u64),
    Died,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&*self.lock()).finish()
    }
}

impl MemoryStore {
    /// Makes an empty disk with one partition. The seed decides the ids of the log and its secret.
    pub fn new(seed: u64) -> Self {
        Self::with_partitions(seed, 1)
    }

    /// Makes an empty disk with partitions 0 to `partitions - 1`.
    pub fn with_partitions(seed: u64, partitions: u32) -> Self {
        let seed = seed.to_string();
        let bits = |purpose| digest(purpose, &[&seed]);
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&bits("memory-secret-low"));
        secret[16..].copy_from_slice(&bits("memory-secret-high"));
        let info = Info {
            log: uuid_v8(bits("memory-log"), None),
            history: uuid_v8(bits("memory-history"), None),
            resumed_at: None,
            starts_held: false,
            secret: IdSecret::new(secret),
            partitions: (0..partitions).collect(),
            slots: SlotMap::even(partitions),
        };
        let state = State {
            disk: Disk::new(partitions),
            info,
            life: 0,
            appends: 0,
            latency: Duration::ZERO,
            sync: SyncMode::Always,
            after_crash: AfterCrash::Pends,
            faults: VecDeque::new(),
            timer_reads_to_fail: 0,
            timer_reads: 0,
            crash: None,
            held: VecDeque::new(),
            synced: Vec::new(),
            next_ticket: 0,
            clock: None,
        };
        let surroundings = Context::simulated(Timestamp::default(), 0);
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            begun: surroundings.monotonic(),
            surroundings,
        }))
    }

    /// Makes every append and every call about leases take this long before it is done. Dropped in that time, it does
    /// nothing.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Sets when appends reach stable storage. What is held stays held until the next [`MemoryStore::sync`].
    pub fn set_sync(&self, sync: SyncMode) {
        self.lock().sync = sync;
    }

    /// Sets what the calls of a dead process do; at first they pend.
    pub fn set_after_crash(&self, after_crash: AfterCrash) {
        self.lock().after_crash = after_crash;
    }

    /// Puts a fault behind those that wait already; each append that reaches the store takes one.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Lets the next reads of due timers fail.
    pub fn fail_timer_reads(&self, times: u32) {
        self.lock().timer_reads_to_fail = times;
    }

    /// How often due timers have been read.
    pub fn timer_reads(&self) -> u64 {
        self.lock().timer_reads
    }

    /// Counts a read of due timers, and fails where it is to fail.
    pub(super) fn timer_read(&self) -> Result<(), Error> {
        let mut state = self.lock();
        state.timer_reads += 1;
        let Some(left) = state.timer_reads_to_fail.checked_sub(1) else { return Ok(()) };
        state.timer_reads_to_fail = left;
        Err(Error::Unavailable { reason: "a read of timers that is to fail".to_owned() })
    }

    /// Lets the process die in the append after the next `appends`; 0 is the very next one.
    pub fn crash_after(&self, appends: u64, point: CrashPoint) {
        self.lock().crash = Some((appends, point));
    }

    /// The process dies now: what was not synced is gone, and every open view is dead.
    pub fn crash(&self) {
        self.lock().die();
        self.0.changed.notify_waiters();
    }

    /// Waits until the process that opened the store last has died.
    pub async fn crashed(&self) {
        let life = self.lock().life;
        self.wait(|state| (state.life != life).then_some(())).await;
    }

    /// Brings what is held to stable storage, in order; the appends return.
    pub fn sync(&self) {
        self.lock().sync_held();
        self.0.changed.notify_waiters();
    }

    /// Waits until at least this many appends are held.
    pub async fn held(&self, appends: usize) {
        self.wait(|state| (state.held.len() >= appends).then_some(())).await;
    }

    /// Begins a new history at a moment, as a store does that is restored: whoever opens it next starts held.
    pub fn resume(&self, at: Timestamp) {
        let info = &mut self.lock().info;
        info.history = uuid_v8(digest("memory-history", &[&info.history.to_string()]), None);
        info.resumed_at = Some(at);
        info.starts_held = true;
    }

    /// The number of appends that reached the store, failed ones too.
    pub fn appends(&self) -> u64 {
        self.lock().appends
    }

    /// Every event, by partition and position.
    pub fn events(&self) -> Vec<Event> {
        self.lock().disk.partitions.values().flat_map(|row| row.log.iter().cloned()).collect()
    }

    /// The epoch of every partition.
    pub fn epochs(&self) -> Vec<(PartitionId, u64)> {
        self.lock().disk.partitions.iter().map(|(partition, row)| (*partition, row.epoch)).collect()
    }

    /// What identifies the store.
    pub fn info(&self) -> Info {
        self.lock().info.clone()
    }

    /// The partition that a stream belongs to.
    pub fn partition_of(&self, stream: &StreamKey) -> PartitionId {
        self.lock().info.partition_of(stream)
    }

    /// Forgets the faults and the crash that have been asked for and have not come.
    pub fn forget_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.crash = None;
    }

    /// Sets the store's time, by which leases run out. Until it is first set, it is tokio's.
    pub fn set_clock(&self, now: Duration) {
        self.lock().clock = Some(now);
    }

    /// The store's time.
    pub(super) fn now(&self) -> Duration {
        let set = self.lock().clock;
        set.unwrap_or_else(|| self.0.surroundings.monotonic().saturating_duration_since(self.0.begun))
    }

    pub(super) fn open(&self) -> (Info, View) {
        let state = self.lock();
        (state.info.clone(), View::new(state.life))
    }

    pub(super) fn with_disk<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(&mut self.lock().disk)
    }

    pub(super) async fn append(&self, view: &Arc<View>, fence: Fence, batch: &[Entry]) -> Answer {
        self.alive(view).await?;
        let latency = self.lock().latency;
        if !latency.is_zero() {
            pass(latency).await;
            self.alive(view).await?;
        }
        let link = view.link();
        if let Link::Cut(after) = link {
            pass(after).await;
            return Err(Error::Unknown { reason: "the store cannot be reached".to_owned() });
        }
        if let Some(point) = view.struck() {
            self.lock().commit_until(point, fence, batch);
            self.kill(view);
            return self.died_in_append().await;
        }
        let begun = self.lock().begin(view, fence, batch);
        self.0.changed.notify_waiters();
        if let Link::Deaf(after) = link {
            pass(after).await;
            return Err(Error::Unknown { reason: "the store does not answer".to_owned() });
        }
        match begun {
            Begun::Done(answer) => answer,
            Begun::Later(after, answer) => {
                pass(after).await;
                self.alive(view).await?;
                answer
            }
            Begun::Held(ticket) => self.wait(|state| state.take_synced(ticket, view)).await?,
            Begun::Died => self.died_in_append().await,
        }
    }

    async fn died_in_append(&self) -> Answer {
        let after_crash = self.lock().after_crash;
        match after_crash {
            AfterCrash::Pends => std::future::pending().await,
            AfterCrash::Fails => Err(Error::Unknown { reason: "the process died in the append".to_owned() }),
        }
    }

    /// Waits until the state yields something.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            if let Some(found) = ready(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    /// Wakes whoever waits for something to happen to the store.
    pub(super) fn has_changed(&self) {
        self.0.changed.notify_waiters();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, view: &Arc<View>, fence: Fence, batch: &[Entry]) -> Begun {
        self.appends += 1;
        match self.crash.take() {
            Some((0, point)) => {
                self.commit_until(point, fence, batch);
                self.die();
                return Begun::Died;
            }
            Some((more, point)) => self.crash = Some((more - 1, point)),
            None => {}
        }
        let unknown = || Error::Unknown { reason: "a fault that a test injected".to_owned() };
        match self.faults.pop_front() {
            None if self.sync == SyncMode::Held => Begun::Held(self.hold(view, fence, batch)),
            None => Begun::Done(self.disk.append(fence, batch, None)),
            Some(Fault::Unavailable) => {
                Begun::Done(Err(Error::Unavailable { reason: "a fault that a test injected".to_owned() }))
            }
            Some(Fault::LostAnswer(after)) => Begun::Later(after, self.disk.append(fence, batch, None)),
            Some(Fault::UnknownCommitted) => {
                Begun::Done(self.disk.append(fence, batch, None).and_then(|_| Err(unknown())))
            }
            Some(Fault::UnknownLost) => Begun::Done(Err(unknown())),
            Some(Fault::Regressed) => Begun::Done(Err(Error::Regressed { partition: fence.partition })),
            Some(Fault::Refuse(guilty)) => Begun::Done(self.disk.append(fence, batch, Some(guilty))),
        }
    }

    /// Commits as much of a batch as there is on stable storage where its process dies.
    fn commit_until(&mut self, point: CrashPoint, fence: Fence, batch: &[Entry]) {
        let kept = match point {
            CrashPoint::BeforeCommit => 0,
            CrashPoint::AfterCommit => batch.len(),
            CrashPoint::Torn(entries) => entries.min(batch.len()),
        };
        if kept > 0 {
            // Nobody is left to be told.
            let _ = self.disk.append(fence, &batch[..kept], None);
        }
    }

    fn hold(&mut self, view: &Arc<View>, fence: Fence, batch: &[Entry]) -> u64 {
        self.next_ticket += 1;
        let (ticket, view) = (self.next_ticket, view.clone());
        self.held.push_back(Held { ticket, view, fence, batch: batch.to_vec() });
        self.next_ticket
    }

    fn sync_held(&mut self) {
        while let Some(held) = self.held.pop_front() {
            let answer = self.disk.append(held.fence, &held.batch, None);
            self.synced.push((held.ticket, answer));
        }
    }

    /// The answer to a held append, once it is synced; an error of its own once its process is dead.
    fn take_synced(&mut self, ticket: u64, view: &View) -> Option<Result<Answer, Error>> {
        if !view.lives(self) {
            return match self.after_crash {
                AfterCrash::Pends => None,
                AfterCrash::Fails => Some(Err(Error::Unknown { reason: "the process died".to_owned() })),
            };
        }
        let at = self.synced.iter().position(|(synced, _)| *synced == ticket)?;
        Some(Ok(self.synced.swap_remove(at).1))
    }

    fn die(&mut self) {
        self.life += 1;
        self.crash = None;
        self.held.clear();
        self.synced.clear();
    }
}

/// Lets time pass: on tokio's clock, which tests pause.
pub(super) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
