//! The directory: which entities are alive on this node, and the way to each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use tokio::sync::oneshot;

use super::admission::Admitted;
use super::intake::{Answer, Cell, Dedup, Delivery, Fault, Inner, Phase, Work};
use super::trim::{Kept, Trim};
use super::{Admission, Catalog, Input, Overload, View};
use crate::entity::host::HostRef;
use crate::hashing::Hashing;
use crate::id::StreamKey;
use crate::journal::{self, Journal, Origin};
use crate::partition::{Holdings, LaneError, Owned};
use crate::runtime::{Config, Context};
use crate::supervise::Notices;

/// How long an answer is waited for once the partition is lost.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What every host needs, once for the node.
pub(crate) struct Shared {
    pub(crate) catalog: Catalog,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) holdings: Arc<Holdings>,
    pub(crate) config: Config,
    pub(crate) admission: Arc<Admission>,
    pub(crate) cx: Context,
    pub(crate) notices: Notices,
}

impl Shared {
    /// Says that a partition is not this node's any more.
    pub(crate) fn not_owner(&self, owned: &Owned) -> Fault {
        self.holdings.not_owner(owned.partition()).into()
    }

    /// What a caller is told where the journal failed.
    pub(crate) fn failed(&self, owned: &Owned, error: &journal::Error) -> Fault {
        match error {
            journal::Error::Fenced { .. } => self.not_owner(owned),
            journal::Error::Regressed { .. } => {
                owned.found_regressed();
                error.clone().into()
            }
            journal::Error::Unknown { .. }
            | journal::Error::Unavailable { .. }
            | journal::Error::Corrupt { .. }
            | journal::Error::Trimmed { .. }
            | journal::Error::InUse { .. } => error.clone().into(),
        }
    }
}

/// The way to every entity. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Places>);

pub(crate) struct Places {
    cells: DashMap<StreamKey, Arc<Cell<HostRef>>, Hashing>,
    waiting: AtomicUsize,
    open: AtomicBool,
    pub(crate) shared: Arc<Shared>,
}

/// A read on its way.
pub(super) type Asked = (Arc<Owned>, oneshot::Receiver<Result<Option<View>, Fault>>);

impl Directory {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Places {
            cells: DashMap::default(),
            waiting: AtomicUsize::new(0),
            open: AtomicBool::new(true),
            shared,
        }))
    }

    /// Trims or deletes a stream that has been quiet for as long as it says, or else as its kind does.
    pub(crate) async fn trim(
        &self,
        owned: &Arc<Owned>,
        stream: &StreamKey,
        kept: Kept,
    ) -> Result<Trim, Fault> {
        super::trim::trim(self, owned, stream, kept).await
    }

    /// Delivers an input from outside and waits for its answer, if there is room for it under the load there is.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been carried out.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the input is still taken in; nobody hears the answer.
    pub async fn deliver(
        &self,
        stream: &StreamKey,
        input: Input,
        origin: Arc<Origin>,
        dedup: Dedup,
    ) -> Result<Answer, Fault> {
        if !self.0.open.load(Ordering::Acquire) {
            return Err(Fault::ShuttingDown);
        }
        let Shared { admission, holdings, cx, .. } = &*self.0.shared;
        let admitted = admission.admit(&stream.tenant, &holdings.of(stream)?)?;
        let begun = cx.monotonic();
        let answer = self.send(stream, input, origin, dedup, Some(admitted)).await;
        if !matches!(answer, Err(Fault::Overloaded { .. })) {
            admission.answered(begun);
        }
        answer
    }

    /// The same for what an operator does, which is taken in under any load.
    pub(crate) async fn deliver_in_any_case(
        &self,
        stream: &StreamKey,
        input: Input,
        origin: Arc<Origin>,
        dedup: Dedup,
    ) -> Result<Answer, Fault> {
        if !self.0.open.load(Ordering::Acquire) {
            return Err(Fault::ShuttingDown);
        }
        self.send(stream, input, origin, dedup, None).await
    }

    /// The same for work of the node's own, which goes on under any load, and while the node drains.
    pub(crate) async fn deliver_within(
        &self,
        stream: &StreamKey,
        input: Input,
        origin: Arc<Origin>,
        dedup: Dedup,
    ) -> Result<Answer, Fault> {
        self.send(stream, input, origin, dedup, None).await
    }

    async fn send(
        &self,
        stream: &StreamKey,
        input: Input,
        origin: Arc<Origin>,
        dedup: Dedup,
        admitted: Option<Admitted>,
    ) -> Result<Answer, Fault> {
        let (answer, heard) = oneshot::channel();
        let delivery = Delivery { input, origin, dedup, answer, strikes: 0, cause: None, admitted };
        let owned = self.put(stream, Work::Deliver(Box::new(delivery)))?;
        self.hear(&owned, heard, || Fault::Unknown).await?.map_err(|_| Fault::Unknown)?
    }

    /// The published view of an entity; see [`view`](super::view) for why it may be answered.
    pub(super) fn shown(&self, stream: &StreamKey) -> Option<View> {
        let cell = self.0.cells.get(stream)?;
        let view = cell.lock().shown(self.0.shared.cx.monotonic())?;
        // In this order: by now it may be another's, and have changed.
        cell.owned.serves().then_some(view)
    }

    /// Puts a read into an entity's intake.
    pub(super) fn ask(&self, stream: &StreamKey) -> Result<Asked, Fault> {
        let (answer, heard) = oneshot::channel();
        Ok((self.put(stream, Work::Read(answer))?, heard))
    }

    /// Waits for the answer to a read.
    pub(super) async fn told(&self, (owned, heard): Asked) -> Result<Option<View>, Fault> {
        let lost = || self.0.shared.not_owner(&owned);
        self.hear(&owned, heard, lost).await?.map_err(|_| Fault::Unknown)?
    }

    /// What a caller is told whose entry was not appended.
    pub(crate) fn append_failed(&self, owned: &Owned, error: &LaneError) -> Fault {
        match error {
            LaneError::Entry(e) => Fault::Refused { reason: e.to_string() },
            LaneError::Gone => Fault::Unknown,
            LaneError::Journal(e) => self.0.shared.failed(owned, e),
        }
    }

    /// Waits for an answer. Where the partition is lost meanwhile, that is not for as long as a store that does not
    /// answer may take: what is under way goes on, and its caller is told `lost`.
    pub(crate) async fn hear<F: Future>(
        &self,
        owned: &Owned,
        heard: F,
        lost: impl FnOnce() -> Fault,
    ) -> Result<F::Output, Fault> {
        if owned.is_for_life() {
            return Ok(heard.await);
        }
        let mut heard = std::pin::pin!(heard);
        match owned.while_owned(&mut heard).await {
            Some(answered) => Ok(answered),
            None => tokio::time::timeout(LAST_WORD, heard).await.map_err(|_| lost()),
        }
    }

    pub(super) fn put(&self, stream: &StreamKey, work: Work) -> Result<Arc<Owned>, Fault> {
        let shared = &self.0.shared;
        if self.0.waiting.load(Ordering::Relaxed) >= shared.config.intake_total {
            return Err(shared.admission.refuse(Overload::NodeIntakeFull));
        }
        let is_own = matches!(&work, Work::Deliver(delivery) if delivery.admitted.is_none());
        let mut work = Some(work);
        loop {
            let owned = shared.holdings.of(stream)?;
            let cell = self.cell(stream, &owned, || is_own || shared.admission.room.take())?;
            let mut inner = cell.lock();
            // Whoever clears away what is lost comes after it was ended: what is put in before that is found then.
            if cell.owned.ended() {
                drop(inner);
                self.evict(&cell);
                continue;
            }
            if matches!(inner.phase, Phase::Removed) {
                continue;
            }
            if inner.queue.len() >= shared.config.intake_per_entity {
                drop(inner);
                return Err(shared.admission.refuse(Overload::EntityIntakeFull));
            }
            inner.queue.extend(work.take());
            self.0.waiting.fetch_add(1, Ordering::Relaxed);
            self.wake(&cell, &mut inner);
            return Ok(owned);
        }
    }

    /// Makes sure that somebody will look at the queue.
    fn wake(&self, cell: &Arc<Cell<HostRef>>, inner: &mut Inner<HostRef>) {
        match &mut inner.phase {
            Phase::Dormant => {
                inner.phase = Phase::Starting;
                cell.owned.hosts().activate(cell.clone());
            }
            Phase::Active { actor, awake, .. } if !*awake => {
                *awake = true;
                actor.wake();
            }
            Phase::Active { .. } | Phase::Starting | Phase::BackingOff => {}
            Phase::Removed => {}
        }
    }

    /// The place of an entity; a new one where there `is_room`.
    fn cell(
        &self,
        stream: &StreamKey,
        owned: &Arc<Owned>,
        is_room: impl FnOnce() -> bool,
    ) -> Result<Arc<Cell<HostRef>>, Fault> {
        if let Some(cell) = self.0.cells.get(stream) {
            return Ok(cell.clone());
        }
        let now = self.0.shared.cx.monotonic();
        match self.0.cells.entry(stream.clone()) {
            Entry::Occupied(there) => Ok(there.get().clone()),
            Entry::Vacant(place) => {
                super::quarantine::check(owned, stream)?;
                if !is_room() {
                    return Err(self.0.shared.admission.refuse(Overload::Memory));
                }
                let cell = Arc::new(Cell::new(stream.clone(), owned.clone(), now));
                Ok(place.insert(cell).clone())
            }
        }
    }

    /// Takes the place of an entity out of the directory, whatever its phase.
    pub(super) fn forget(&self, cell: &Arc<Cell<HostRef>>) {
        self.0.cells.remove_if(&cell.key, |_, held| Arc::ptr_eq(held, cell));
    }

    pub(super) fn cells(&self) -> &DashMap<StreamKey, Arc<Cell<HostRef>>, Hashing> {
        &self.0.cells
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Counts pieces of work as no longer waiting.
    pub(crate) fn answered(&self, count: usize) {
        self.0.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Takes an entity without an actor and without work out of the directory.
    pub(crate) fn remove(&self, key: &StreamKey) {
        self.0.cells.remove_if(key, |_, cell| {
            let mut inner = cell.lock();
            let empty = inner.queue.is_empty() && matches!(inner.phase, Phase::Dormant);
            if empty {
                inner.phase = Phase::Removed;
            }
            empty
        });
    }

    /// Clears away every entity whose partition is lost: its actor ends, and what waits for it is answered.
    pub(crate) fn evict_lost(&self) {
        let lost = self.0.cells.iter().filter(|cell| cell.owned.ended());
        let mut lost: Vec<_> = lost.map(|cell| cell.value().clone()).collect();
        lost.sort_by(|a, b| a.key.cmp(&b.key));
        for cell in lost {
            self.evict(&cell);
        }
    }

    /// Asks anew for the actors of a partition whose supervisor has gone and taken them with it.
    pub(crate) fn revive(&self, owned: &Arc<Owned>) {
        let mut of_it: Vec<_> = self.0.cells.iter().map(|cell| cell.value().clone()).collect();
        of_it.retain(|cell| Arc::ptr_eq(&cell.owned, owned));
        of_it.sort_by(|a, b| a.key.cmp(&b.key));
        for cell in of_it {
            let mut inner = cell.lock();
            match inner.phase {
                Phase::Starting | Phase::Active { .. } | Phase::BackingOff => {
                    inner.phase = Phase::Starting;
                    drop(inner);
                    owned.hosts().activate(cell.clone());
                }
                Phase::Dormant | Phase::Removed => {}
            }
        }
    }

    fn evict(&self, cell: &Arc<Cell<HostRef>>) {
        let mut inner = cell.lock();
        let phase = std::mem::replace(&mut inner.phase, Phase::Removed);
        let waiting = std::mem::take(&mut inner.queue);
        drop(inner);
        self.forget(cell);
        if let Phase::Active { actor, .. } = phase {
            actor.rest();
        }
        self.refuse(waiting, &self.0.shared.not_owner(&cell.owned));
    }

    /// Answers work that was taken in and will not be done.
    pub(crate) fn refuse(
        &self,
        work: impl IntoIterator<Item = Work, IntoIter: ExactSizeIterator>,
        fault: &Fault,
    ) {
        let work = work.into_iter();
        self.answered(work.len());
        super::intake::refuse_all(work, fault);
    }

    /// Stops taking in work from outside.
    pub(crate) fn close(&self) {
        self.0.open.store(false, Ordering::Release);
    }

    /// The number of pieces of work that wait or are being worked on.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }
}
