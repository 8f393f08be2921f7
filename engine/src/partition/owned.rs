//! A partition that this node owns: the right to append to it, what its commits set off, and when that ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lane::{LaneError, LaneHandle};
use super::{Backlog, Feeds};
use crate::journal::{Appended, Entry, Fence, PartitionId};
use crate::runtime::Context;
use crate::supervise::{Asides, HostSupervisorHandle, Service, ServiceFault, Taken};

/// Until when a node may serve what it owns, on its own monotonic clock.
pub struct Serving {
    cx: Context,
    base: Instant,
    /// Microseconds after `base`; [`FOR_LIFE`] where nobody else can take anything over.
    until: AtomicU64,
    /// Wakes who keeps the leases, because a partition was found lost.
    found: Notify,
    regressed: AtomicBool,
}

const FOR_LIFE: u64 = u64::MAX;

impl Serving {
    /// Serving without an end: the store belongs to this process alone.
    pub fn for_life(cx: Context) -> Arc<Self> {
        Self::new(cx, FOR_LIFE)
    }

    /// Serving under a lease that has yet to be taken up.
    pub fn leased(cx: Context) -> Arc<Self> {
        Self::new(cx, 0)
    }

    fn new(cx: Context, until: u64) -> Arc<Self> {
        let base = cx.monotonic();
        let (until, regressed) = (AtomicU64::new(until), AtomicBool::new(false));
        Arc::new(Self { cx, base, until, found: Notify::new(), regressed })
    }

    /// True while the node may serve.
    pub fn holds(&self) -> bool {
        match self.until.load(Ordering::Acquire) {
            FOR_LIFE => true,
            until => self.cx.monotonic() < self.base + Duration::from_micros(until),
        }
    }

    /// True where nobody else can take anything over.
    pub fn is_for_life(&self) -> bool {
        self.until.load(Ordering::Acquire) == FOR_LIFE
    }

    /// The moment from which on the node may not serve.
    pub fn until(&self) -> Instant {
        let until = self.until.load(Ordering::Acquire);
        self.base + Duration::from_micros(until.min(u64::from(u32::MAX) * 1_000_000))
    }

    /// Sets the moment from which on the node may not serve.
    pub(crate) fn renew(&self, until: Instant) {
        let micros = until.saturating_duration_since(self.base).as_micros();
        self.until.store(u64::try_from(micros).unwrap_or(FOR_LIFE - 1), Ordering::Release);
    }

    /// Waits until a partition was found lost, or the store to have gone back in time.
    pub(crate) async fn found_lost(&self) {
        self.found.notified().await;
    }

    /// True once if the store was found to have gone back in time since the last call.
    pub(crate) fn take_regressed(&self) -> bool {
        self.regressed.swap(false, Ordering::AcqRel)
    }
}

/// A partition that this node has taken over and not lost since.
pub struct Owned {
    fence: Fence,
    feeds: Feeds,
    lane: LaneHandle,
    serving: Arc<Serving>,
    /// Set before `ended` is: what every command asks must cost no lock.
    lost: AtomicBool,
    ended: CancellationToken,
    since: Instant,
    asides: Asides,
    hosts: HostSupervisorHandle,
    intake: AtomicUsize,
}

impl Owned {
    /// A partition just taken over; its entries go through the lane.
    pub(crate) fn new(taken: Taken, backlog: usize, lane: LaneHandle, serving: &Arc<Serving>) -> Arc<Self> {
        let Taken { lease, quarantined } = taken;
        let (feeds, ended) = (Feeds::new(backlog, lease.position), CancellationToken::new());
        let since = serving.cx.monotonic();
        Arc::new(Self {
            fence: lease.fence,
            feeds,
            lane,
            serving: serving.clone(),
            lost: AtomicBool::new(false),
            ended,
            since,
            asides: Asides::new(quarantined),
            hosts: HostSupervisorHandle::unset(),
            intake: AtomicUsize::new(0),
        })
    }

    /// The partition.
    pub fn partition(&self) -> PartitionId {
        self.fence.partition
    }

    /// The right to append.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// What its commits set off.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// What is quarantined in it.
    pub(crate) fn asides(&self) -> &Asides {
        &self.asides
    }

    /// The way to ask for an actor for one of its entities.
    pub(crate) fn hosts(&self) -> &HostSupervisorHandle {
        &self.hosts
    }

    /// The count of commands from outside that are under way in it.
    pub(crate) fn intake(&self) -> &AtomicUsize {
        &self.intake
    }

    /// When it was taken over.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// True while this node may act and answer for the partition.
    pub fn serves(&self) -> bool {
        // In this order: what has lapsed is ended before the node's lease is renewed.
        self.serving.holds() && !self.ended()
    }

    /// True once it is lost, for good.
    pub fn ended(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// True where nobody else can take it over.
    pub fn is_for_life(&self) -> bool {
        self.serving.is_for_life()
    }

    /// Commits an entry; returns when it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`LaneError`]; only with `Gone` and an unknown journal error may the entry have been committed.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the entry may still be committed.
    pub async fn append(self: &Arc<Self>, entry: Entry) -> Result<Appended, LaneError> {
        self.lane.append(self.clone(), entry).await
    }

    /// Ends it: nothing is answered or done for it any more.
    pub fn end(&self) {
        self.lost.store(true, Ordering::Release);
        self.ended.cancel();
    }

    /// Ends it because its fence was found not to hold; who keeps the leases clears it away.
    pub fn found_fenced(&self) {
        self.end();
        self.serving.found.notify_one();
    }

    /// Ends it because the store was found to have gone back in time; so has every other partition.
    pub fn found_regressed(&self) {
        self.end();
        self.serving.regressed.store(true, Ordering::Release);
        self.serving.found.notify_one();
    }

    /// Runs a future until the partition is lost; `None` if that came first.
    pub async fn while_owned<F: Future>(&self, work: F) -> Option<F::Output> {
        self.ended.run_until_cancelled(work).await
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owned").field("fence", &self.fence).finish_non_exhaustive()
    }
}

/// A service of one partition, which ends when the partition is lost.
pub struct WhileOwned<S> {
    owned: Arc<Owned>,
    service: S,
}

impl<S: Service> WhileOwned<S> {
    /// Ties a service to a partition.
    pub fn new(owned: Arc<Owned>, service: S) -> Self {
        Self { owned, service }
    }
}

#[async_trait]
impl<S: Service> Service for WhileOwned<S> {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let ran = self.owned.ended.run_until_cancelled(self.service.run()).await;
        ran.unwrap_or(Ok(()))
    }
}

/// The share of a node's limit for items in memory that each of its partitions has.
pub(crate) fn share_of_backlog(backlog: usize, partitions: usize) -> usize {
    (backlog / partitions.max(1)).max(backlog.min(Backlog::<()>::LEAST))
}
