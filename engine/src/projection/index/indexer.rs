//! The service that keeps the index of a partition.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Change, Field, Index};
use crate::codec::read_named;
use crate::entity::{Catalog, Directory, Entity, Fault, FieldsOf, View};
use crate::id::{StreamKey, TenantId, digest, uuid_v8};
use crate::journal::{self, Event, Journal, Position};
use crate::partition::Owned;
use crate::runtime::Context;
use crate::supervise::{Pulse, Quarantine, QuarantineEvent, Service, ServiceFault};

/// Rises whenever what kinds are found by changes: an index that was made by another number is made anew.
const MADE_BY: &str = "1";
/// Entities whose states are read and written at once.
const AT_ONCE: usize = 512;
/// How far the mark may stay behind where nothing has changed that is indexed.
const UNMARKED: u64 = 50_000;
/// How long the mark may stay behind what is written.
const MARKED: Duration = Duration::from_secs(5);
/// How long is waited after a failure.
const REST: Duration = Duration::from_secs(1);

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
        owned.feeds().changes.want(kinds.map(|kind| kind.kind.prefix).collect());
        Self { directory, journal, owned, index, catalog, pulse: Pulse::new(cx.clone()), cx }
    }

    /// Its pulse: it is at work while it reads and writes.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What the index is of: the journal's history, and what kinds are found by.
    fn of(&self) -> Uuid {
        let history = self.journal.info().history.to_string();
        uuid_v8(digest("index", &[&history, MADE_BY]), None)
    }

    /// Writes what entities are by now.
    async fn write(&self, streams: &[StreamKey], mark: Option<Position>) -> Result<(), String> {
        let mut changes: Vec<Change> = Vec::with_capacity(streams.len());
        let views = self.directory.read_each(streams).await;
        for (stream, view) in streams.iter().zip(views) {
            let Some(fields) = self.fields_of(stream) else { continue };
            match found_by(fields, view) {
                Ok(found) => changes.push((stream.clone(), found)),
                Err(Fault::Refused { reason }) => {
                    // It stays as it was, and keeps no other out of the index.
                    tracing::warn!(%stream, reason, "an entity cannot be read for the index");
                }
                Err(fault) => return Err(fault.to_string()),
            }
        }
        self.index.write(self.of(), self.owned.fence(), &changes, mark).await.map_err(failed)
    }

    fn fields_of(&self, stream: &StreamKey) -> Option<FieldsOf> {
        self.catalog.by_prefix(stream.id.prefix()).and_then(|kind| kind.fields)
    }

    /// Brings the index to where the feed begins: reads who has changed behind its mark, or, where there is none, who
    /// there is at all.
    async fn catch_up(&self) -> Result<Position, String> {
        let partition = self.owned.partition();
        let upto = *self.owned.feeds().position.borrow();
        // One that is ahead is of a store that was taken back by hand.
        let mark = self.index.mark(self.of(), partition).await.map_err(failed)?;
        let Some(mut at) = mark.filter(|mark| *mark <= upto) else {
            self.begin().await?;
            self.write(&[], Some(upto)).await?;
            return Ok(upto);
        };
        while at < upto {
            let _beat = self.pulse.begin();
            let events = self.journal.read_log(partition, at, AT_ONCE).await.map_err(failed)?;
            at = events.last().map_or(upto, |event| event.position);
            let mut seen = HashSet::new();
            let streams = events.into_iter().map(changed_by);
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

    /// Takes out what the journal has forgotten, and tells the journal when that stands.
    async fn leave_out(&self) -> Result<(), String> {
        let (partition, fence) = (self.owned.partition(), self.owned.fence());
        loop {
            let _beat = self.pulse.begin();
            let page = self.journal.forgotten(partition, 0, AT_ONCE).await.map_err(failed)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            let last = *last;
            // Whoever has begun again under the same name is written as what it is now.
            let streams: Vec<_> = page.into_iter().map(|(_, stream)| stream).collect();
            self.write(&streams, None).await?;
            self.index.sync().await.map_err(failed)?;
            self.journal.settle_forgotten(fence, last).await.map_err(failed)?;
        }
    }

    /// Writes what has changed by now; gives up to where the index is true then, and whether anything was written.
    async fn follow(&self) -> Result<(Position, bool), String> {
        let feeds = self.owned.feeds();
        feeds.changes.calm();
        let (upto, mut wrote) = (*feeds.position.borrow(), false);
        loop {
            let streams = feeds.changes.take(AT_ONCE);
            if streams.is_empty() {
                feeds.changes.reach(upto);
                return Ok((upto, wrote));
            }
            let _beat = self.pulse.begin();
            self.write(&streams, None).await?;
            wrote = true;
        }
    }

    /// Keeps the index, and writes down now and then how far it is: what has changed since is read again after a fault.
    async fn work(&self) -> Result<(), String> {
        let changes = &self.owned.feeds().changes;
        let (mut marked, mut unmarked, mut due) = (0, false, self.cx.monotonic());
        loop {
            if changes.take_overflow() {
                (marked, unmarked) = (self.catch_up().await?, false);
                changes.reach(marked);
                self.leave_out().await?;
            }
            let left = due.saturating_duration_since(self.cx.monotonic());
            changes.gathered(&self.cx, unmarked.then_some(left)).await;
            let (reached, wrote) = self.follow().await?;
            if wrote && !unmarked {
                due = self.cx.monotonic() + MARKED;
            }
            unmarked |= wrote || reached.saturating_sub(marked) > UNMARKED;
            if unmarked && self.cx.monotonic() >= due {
                let _beat = self.pulse.begin();
                self.write(&[], Some(reached)).await?;
                (marked, unmarked) = (reached, false);
                self.leave_out().await?;
            }
        }
    }
}

#[async_trait]
impl Service for Indexer {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        loop {
            // What one before it had taken, and not written, stands in the journal.
            self.owned.feeds().changes.mark_overflow();
            // What cannot be indexed can be found later, and nothing else depends on it.
            if let Err(error) = self.work().await {
                tracing::warn!(%error, "the index cannot be kept, and is tried again");
            }
            self.cx.sleep(self.cx.jitter(REST)).await;
        }
    }
}

/// What an entity is found by, as it was read; `None` if it is not there.
fn found_by(fields: FieldsOf, read: Result<Option<View>, Fault>) -> Result<Option<Vec<Field>>, Fault> {
    match read {
        Ok(view) => Ok(view.map(|view| fields(Some(&view.state.value())))),
        Err(Fault::Quarantined { .. }) => Ok(Some(fields(None))),
        Err(fault) => Err(fault),
    }
}

/// Who is another one after an event: its own stream, or the one that was set aside or released by it.
fn changed_by(event: Event) -> StreamKey {
    if event.stream.id.prefix() != Quarantine::KIND.prefix {
        return event.stream;
    }
    match read_named(&event.body.name, event.body.data.text()) {
        Ok(
            QuarantineEvent::Quarantined { tenant, id, .. } | QuarantineEvent::Released { tenant, id, .. },
        ) => StreamKey::new(tenant, id),
        Err(_) => event.stream,
    }
}

fn failed(error: journal::Error) -> String {
    error.to_string()
}
