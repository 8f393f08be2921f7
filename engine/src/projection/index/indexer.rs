//! The service that keeps the index of a partition.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::{Change, Index};
use crate::entity::{Catalog, Directory, Fault, FieldsOf};
use crate::hashing::Hashing;
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::{self, Journal, Position};
use crate::partition::Owned;
use crate::runtime::Context;
use crate::supervise::{Pulse, Service, ServiceFault};

/// How long changes are gathered: who changes several times meanwhile is written once.
const GATHERED: Duration = Duration::from_secs(1);
/// Entities whose states are read and written at once.
const AT_ONCE: usize = 512;
/// How long is waited where nothing changes.
const IDLE: Duration = Duration::from_secs(10);
/// How far the mark may stay behind where nothing has changed that is indexed.
const UNMARKED: u64 = 50_000;
/// How long the mark may stay behind what is written.
const MARKED: Duration = Duration::from_secs(5);
/// How long is waited after a failure.
const REST: Duration = Duration::from_secs(1);
/// Changes that are kept in memory; what comes beyond them is read from the journal again.
const MOST: usize = 100_000;

/// Who has changed since the index was last written. It is a hint and never the truth, as every feed.
#[derive(Debug)]
pub(crate) struct Changes {
    inner: Mutex<Gathered>,
    wake: Notify,
    hurry: Notify,
    /// Up to where the index is true.
    mark: watch::Sender<Position>,
}

#[derive(Debug)]
struct Gathered {
    kinds: Vec<Prefix>,
    /// In the order in which they changed first, so that new ones get their numbers in the order of their coming.
    queue: VecDeque<StreamKey>,
    queued: HashSet<StreamKey, Hashing>,
    overflowed: bool,
    /// True while somebody waits for the index.
    urgent: bool,
}

impl Changes {
    pub(crate) fn new() -> Self {
        let inner = Gathered {
            kinds: Vec::new(),
            queue: VecDeque::new(),
            queued: HashSet::default(),
            overflowed: true,
            urgent: false,
        };
        Self {
            inner: Mutex::new(inner),
            wake: Notify::new(),
            hurry: Notify::new(),
            mark: watch::channel(0).0,
        }
    }

    /// Notes that an entity has changed.
    pub(crate) fn push(&self, stream: &StreamKey) {
        let mut inner = self.lock();
        if inner.overflowed || !inner.kinds.contains(&stream.id.prefix()) {
            return;
        }
        if inner.queue.len() >= MOST {
            inner.overflowed = true;
            inner.queue.clear();
            inner.queued.clear();
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

    /// Waits until the index is true up to a position.
    pub(crate) async fn reached(&self, position: Position) {
        if *self.mark.borrow() < position {
            self.lock().urgent = true;
            self.wake.notify_one();
            self.hurry.notify_one();
        }
        // The sender lives as long as this does.
        let _ = self.mark.subscribe().wait_for(|mark| *mark >= position).await;
    }

    /// How many wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Some of those that have changed, and whether these were the last.
    fn take(&self) -> (Vec<StreamKey>, bool) {
        let mut inner = self.lock();
        inner.urgent = false;
        let count = inner.queue.len().min(AT_ONCE);
        let some: Vec<_> = inner.queue.drain(..count).collect();
        for stream in &some {
            inner.queued.remove(stream);
        }
        (some, inner.queue.is_empty())
    }

    /// True once if changes may have been missed; from this call on they are kept again.
    fn take_overflow(&self) -> bool {
        std::mem::take(&mut self.lock().overflowed)
    }

    /// Waits for more changes, for a while or until somebody waits for the index.
    async fn gathered(&self, cx: &Context) {
        tokio::select! {
            () = cx.sleep(GATHERED) => {}
            () = self.hurried() => {}
        }
    }

    /// Waits until somebody waits for the index.
    async fn hurried(&self) {
        while !self.lock().urgent {
            self.hurry.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps the index of a partition.
#[derive(Clone)]
pub(crate) struct Indexer {
    directory: Directory,
    journal: Arc<dyn Journal>,
    owned: Arc<Owned>,
    index: Arc<dyn Index>,
    catalog: Catalog,
    pulse: Pulse,
    cx: Context,
}

impl Indexer {
    pub(crate) fn new(
        directory: Directory,
        journal: Arc<dyn Journal>,
        owned: Arc<Owned>,
        index: Arc<dyn Index>,
        catalog: Catalog,
        cx: Context,
    ) -> Self {
        let kinds = catalog.kinds().iter().filter(|kind| kind.fields.is_some());
        owned.feeds().changes.lock().kinds = kinds.map(|kind| kind.kind.prefix).collect();
        Self { directory, journal, owned, index, catalog, pulse: Pulse::new(cx.clone()), cx }
    }

    /// Its pulse: it is at work while it reads and writes.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Writes what entities are by now.
    async fn write(&self, streams: &[StreamKey], mark: Option<Position>) -> Result<(), String> {
        let mut changes: Vec<Change> = Vec::with_capacity(streams.len());
        let views = self.directory.read_each(streams).await;
        for (stream, view) in streams.iter().zip(views) {
            let Some(fields) = self.fields_of(stream) else { continue };
            match view {
                Ok(view) => {
                    let found = view.map(|view| fields(&view.state.value()));
                    changes.push((stream.clone(), found));
                }
                // It is found by what it was; released, it changes.
                Err(Fault::Quarantined { .. }) => {}
                Err(fault) => return Err(fault.to_string()),
            }
        }
        self.index.write(self.journal.info(), self.owned.fence(), &changes, mark).await.map_err(failed)
    }

    fn fields_of(&self, stream: &StreamKey) -> Option<FieldsOf> {
        self.catalog.by_prefix(stream.id.prefix()).and_then(|kind| kind.fields)
    }

    /// Brings the index to where the feed begins: reads who has changed behind its mark, or, where there is none, who
    /// there is at all.
    async fn catch_up(&self) -> Result<Position, String> {
        let (info, partition) = (self.journal.info(), self.owned.partition());
        let upto = *self.owned.feeds().position.borrow();
        // One that is ahead is of a store that was taken back by hand.
        let mark = self.index.mark(info, partition).await.map_err(failed)?.filter(|mark| *mark <= upto);
        let Some(mut at) = mark else {
            self.begin().await?;
            self.write(&[], Some(upto)).await?;
            return Ok(upto);
        };
        while at < upto {
            let _beat = self.pulse.begin();
            let events = self.journal.read_log(partition, at, AT_ONCE).await.map_err(failed)?;
            at = events.last().map_or(upto, |event| event.position);
            let mut seen = HashSet::new();
            let streams = events.into_iter().map(|event| event.stream);
            let streams: Vec<_> = streams
                .filter(|stream| self.fields_of(stream).is_some() && seen.insert(stream.clone()))
                .collect();
            self.write(&streams, Some(at)).await?;
        }
        Ok(at)
    }

    /// Writes all there are. Without a mark, so that what is broken off begins anew.
    async fn begin(&self) -> Result<(), String> {
        let (tenant, info) = (TenantId::default_tenant(), self.journal.info());
        for kind in self.catalog.kinds().iter().filter(|kind| kind.fields.is_some()) {
            let mut after = None;
            loop {
                let _beat = self.pulse.begin();
                let page = self.journal.list_streams(&tenant, kind.kind.prefix, after, false, AT_ONCE).await;
                let page = page.map_err(failed)?.streams;
                let Some((_, cursor)) = page.last() else { break };
                after = Some(*cursor);
                let streams = page.into_iter().map(|(stream, _)| stream);
                let own = |stream: &StreamKey| info.partition_of(stream) == self.owned.partition();
                self.write(&streams.filter(own).collect::<Vec<_>>(), None).await?;
            }
        }
        Ok(())
    }

    /// Writes what has changed by now; gives up to where the index is true then, and whether anything was written.
    async fn follow(&self) -> Result<(Position, bool), String> {
        let feeds = self.owned.feeds();
        let (upto, mut wrote) = (*feeds.position.borrow(), false);
        loop {
            let (streams, is_last) = feeds.changes.take();
            if !streams.is_empty() {
                let _beat = self.pulse.begin();
                self.write(&streams, None).await?;
                wrote = true;
            }
            if is_last {
                feeds.changes.mark.send_replace(upto);
                return Ok((upto, wrote));
            }
        }
    }

    /// Keeps the index, and writes down now and then how far it is: what has changed since is read again after a fault.
    async fn work(&self) -> Result<(), String> {
        let changes = &self.owned.feeds().changes;
        let (mut marked, mut unmarked, mut due) = (0, false, self.cx.monotonic());
        loop {
            if changes.take_overflow() {
                marked = self.catch_up().await?;
                changes.mark.send_replace(marked);
            }
            let idle = if unmarked { due.saturating_duration_since(self.cx.monotonic()) } else { IDLE };
            tokio::select! {
                () = changes.wake.notified() => changes.gathered(&self.cx).await,
                () = self.cx.sleep(idle) => {}
            }
            let (reached, wrote) = self.follow().await?;
            if wrote && !unmarked {
                due = self.cx.monotonic() + MARKED;
            }
            unmarked |= wrote || reached.saturating_sub(marked) > UNMARKED;
            if unmarked && self.cx.monotonic() >= due {
                let _beat = self.pulse.begin();
                self.write(&[], Some(reached)).await?;
                (marked, unmarked) = (reached, false);
            }
        }
    }
}

#[async_trait]
impl Service for Indexer {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        loop {
            // What cannot be indexed can be found later, and nothing else depends on it.
            if let Err(error) = self.work().await {
                tracing::warn!(%error, "the index cannot be kept, and is tried again");
            }
            self.owned.feeds().changes.mark_overflow();
            self.cx.sleep(self.cx.jitter(REST)).await;
        }
    }
}

fn failed(error: journal::Error) -> String {
    error.to_string()
}
