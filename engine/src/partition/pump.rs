//! The pump that carries a partition's outbox: of messages to their streams, of effects to their connectors.
//!
//! It takes what the feed holds, reads the journal where the feed forgot, keeps a bounded number under way, and
//! gives each item one carrier at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Backlog, Owned};
use crate::journal;
use crate::runtime::Context;
use crate::supervise::{Pulse, Service, ServiceFault};

/// How carrying an item went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// It is off the outbox.
    Done,
    /// It is to be tried again after a while.
    Again(Duration),
}

/// What knows how to carry one kind of item.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// What is carried.
    type Item: Clone + Send + Sync + 'static;
    /// What it is known by.
    type Key: Ord + Copy + Send + Sync + 'static;
    /// The name of the service.
    const NAME: &'static str;

    /// The partition that it carries for.
    fn owned(&self) -> &Arc<Owned>;

    /// The feed of items.
    fn feed(&self) -> &Backlog<Self::Item>;

    /// What an item is known by.
    fn key(item: &Self::Item) -> Self::Key;

    /// Reads items from the journal.
    async fn page(&self, after: u64, limit: usize) -> Result<Vec<(u64, Self::Item)>, journal::Error>;

    /// Carries one item; `tries` counts those before. Where it waits for what may take long, it leaves its seat.
    async fn carry(&self, item: &Self::Item, tries: u32, seat: &mut Seat) -> Carried;
}

/// Items read from the journal at once.
const PAGE: usize = 512;

/// The service that keeps a carrier busy.
pub struct Pump<C: Carrier> {
    carrier: Arc<C>,
    under_way: Arc<Mutex<BTreeSet<C::Key>>>,
    permits: Arc<Semaphore>,
    room: Arc<Semaphore>,
    way: Option<Way>,
    pulse: Pulse,
    cx: Context,
}

/// When a pump gives way to what is asked from outside, and how many items it carries at the same time then.
#[derive(Clone)]
struct Way {
    few: Arc<Semaphore>,
    is_busy: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// What an item holds while it is carried.
struct Held {
    _permit: OwnedSemaphorePermit,
    _of_few: Option<OwnedSemaphorePermit>,
}

/// The seat of an item among those under way.
pub struct Seat {
    held: Option<Held>,
    permits: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Seat {
    /// Waits without the seat, so that what waits does not stop the rest, and takes one again. In the seat where too
    /// many wait already: what is not taken in meanwhile stays in the journal.
    pub async fn aside<T>(&mut self, wait: impl Future<Output = T>) -> T {
        match self.room.clone().try_acquire_owned() {
            Ok(_place) => self.left(wait).await,
            Err(_) => wait.await,
        }
    }

    /// Waits as [`Self::aside`] does where there is room for one more that waits, and not at all where there is none.
    pub async fn aside_if_room<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        let _place = self.room.clone().try_acquire_owned().ok()?;
        Some(self.left(wait).await)
    }

    async fn left<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.held = None;
        let waited = wait.await;
        let permit = self.permits.clone().acquire_owned().await.ok();
        self.held = permit.map(|permit| Held { _permit: permit, _of_few: None });
        waited
    }
}

impl<C: Carrier> Pump<C> {
    /// A pump that carries as many items at the same time as there are permits, which pumps may share; beside them as
    /// many as there is room for may wait.
    pub fn new(carrier: Arc<C>, permits: Arc<Semaphore>, room: usize, cx: Context) -> Self {
        let (room, pulse) = (Arc::new(Semaphore::new(room)), Pulse::new(cx.clone()));
        Self { carrier, under_way: Arc::default(), permits, room, way: None, pulse, cx }
    }

    /// Has it carry only as many items as there are permits of the `few` while callers from outside wait: each of
    /// them waits behind every item under way.
    pub fn giving_way(self, few: Arc<Semaphore>, is_busy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { way: Some(Way { few, is_busy: Arc::new(is_busy) }), ..self }
    }

    /// The same pump for a restarted service: what is under way stays known.
    pub fn again(&self) -> Self {
        Self {
            carrier: self.carrier.clone(),
            under_way: self.under_way.clone(),
            permits: self.permits.clone(),
            room: self.room.clone(),
            way: self.way.clone(),
            pulse: self.pulse.clone(),
            cx: self.cx.clone(),
        }
    }

    /// Its pulse: it is at work while it reads the journal.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    async fn start(&self, item: C::Item) {
        let mut of_few = None;
        if let Some(way) = self.way.as_ref().filter(|way| (way.is_busy)()) {
            of_few = way.few.clone().acquire_owned().await.ok();
        }
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let held = Held { _permit: permit, _of_few: of_few };
        let key = C::key(&item);
        let fresh = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        if fresh {
            let place =
                Place { carrier: self.carrier.clone(), under_way: self.under_way.clone(), key, done: false };
            let owned = self.carrier.owned().clone();
            let (permits, room) = (self.permits.clone(), self.room.clone());
            let seat = Seat { held: Some(held), permits, room };
            let carried = carry(place, item, seat, self.cx.clone());
            self.cx.spawn(C::NAME, async move {
                // What is left when the partition is lost stands in the journal, for the next owner.
                owned.while_owned(carried).await;
            });
        }
    }
}

#[async_trait]
impl<C: Carrier> Service for Pump<C> {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        // What one before it had taken from the feed, and not started, stands in the journal.
        self.carrier.feed().mark_overflow();
        let mut cursor = None;
        loop {
            if self.carrier.feed().take_overflow() {
                cursor = Some(0);
            }
            while let Some(item) = self.carrier.feed().pop() {
                self.start(item).await;
            }
            let Some(after) = cursor else {
                self.carrier.feed().changed().await;
                continue;
            };
            let page = self.pulse.during(self.carrier.page(after, PAGE)).await;
            let page = page.map_err(|e| ServiceFault::passing(e.to_string()))?;
            cursor = (page.len() == PAGE).then(|| page.last().map_or(0, |(id, _)| *id));
            for (_, item) in page {
                self.start(item).await;
            }
        }
    }
}

/// The claim on an item; given up on every way out, a panic too.
struct Place<C: Carrier> {
    carrier: Arc<C>,
    under_way: Arc<Mutex<BTreeSet<C::Key>>>,
    key: C::Key,
    done: bool,
}

impl<C: Carrier> Drop for Place<C> {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        if !self.done {
            self.carrier.feed().mark_overflow();
        }
    }
}

async fn carry<C: Carrier>(mut place: Place<C>, item: C::Item, mut seat: Seat, cx: Context) {
    for tries in 0.. {
        match place.carrier.carry(&item, tries, &mut seat).await {
            Carried::Done => break,
            Carried::Again(wait) => seat.left(cx.sleep(cx.jitter(wait))).await,
        }
    }
    place.done = true;
}
