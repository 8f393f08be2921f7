//! A stream brought to life: its machine, and what the host has to know beside it.

use std::collections::HashMap;

use super::Machine;
use super::directory::Shared;
use super::intake::Fault;
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{
    self, Appended, Base, Entry, Event, MessageId, Outcome, Position, Received, Seq, Snapshot,
};
use crate::partition::Owned;
use crate::runtime::{Caught, guard};
use crate::telemetry::names;

/// Events that are folded at a time where all of a stream are read.
const PAGE: usize = 1_024;

pub(super) struct Loaded {
    pub(super) kind: &'static str,
    pub(super) machine: Box<dyn Machine>,
    pub(super) head: Seq,
    pub(super) position: Position,
    pub(super) received: HashMap<MessageId, Outcome>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    snapshot_seq: Seq,
}

impl Loaded {
    /// Reads a stream and folds it.
    ///
    /// [`Fault::Refused`] means that what is stored cannot be folded; any other fault may pass.
    pub(super) async fn load(shared: &Shared, owned: &Owned, key: &StreamKey) -> Result<Self, Fault> {
        let kind = shared.catalog.by_prefix(key.id.prefix());
        let kind =
            kind.ok_or_else(|| Fault::Refused { reason: format!("`{}` is of no known kind", key.id) })?;
        metrics::counter!(names::ACTIVATIONS, "kind" => kind.kind.name).increment(1);
        let failed = |error| shared.failed(owned, &error);
        let stored = shared.journal.load(key).await.map_err(failed)?;
        let mut machine = (kind.machine)(key);
        check_size(&stored, shared.config.entity_bytes)?;
        let (events, mut snapshot_seq) = (stored.events, 0);
        let mut older = None;
        if let Some(snapshot) = &stored.snapshot {
            let taken = machine.restore(snapshot).map_err(|e| Fault::Refused { reason: e.to_string() })?;
            snapshot_seq = snapshot.seq;
            if !taken {
                machine = (kind.machine)(key);
                snapshot_seq = 0;
                let base = shared.journal.base(key).await.map_err(failed)?;
                older = Some(match &base {
                    Some(base) => restored(&mut *machine, base)?,
                    None => 0,
                });
            }
        }
        match older {
            None => fold(&mut *machine, &events)?,
            // A snapshot of another shape is made anew from the events before it too, some at a time.
            Some(mut after) => {
                drop(events);
                while after < stored.head {
                    let page = shared.journal.read_stream(key, after, PAGE).await.map_err(failed)?;
                    let Some(last) = page.last() else { break };
                    after = last.seq;
                    fold(&mut *machine, &page)?;
                }
            }
        }
        machine.ready().map_err(|e| Fault::Refused { reason: e.to_string() })?;
        let created_at = stored.created_at.unwrap_or_default();
        Ok(Self {
            kind: kind.kind.name,
            machine,
            head: stored.head,
            position: stored.last.map_or(0, |(position, _)| position),
            received: stored.received.into_iter().map(|r| (r.id, r.outcome)).collect(),
            created_at,
            updated_at: stored.last.map_or(created_at, |(_, at)| at),
            snapshot_seq,
        })
    }

    /// Notes what an append has made true.
    pub(super) fn committed(
        &mut self,
        events: usize,
        at: Timestamp,
        appended: Appended,
        received: Vec<Received>,
    ) {
        if events > 0 {
            if self.head == 0 {
                self.created_at = at;
            }
            self.head = appended.seq;
            self.updated_at = at;
        }
        self.position = appended.position;
        self.received.extend(received.into_iter().map(|r| (r.id, r.outcome)));
    }

    /// Adds a snapshot to an entry if it is time for one.
    pub(super) fn keep_snapshot(&mut self, entry: &mut Entry, every: u64) {
        let seq = self.head + entry.events.len() as u64;
        if seq - self.snapshot_seq < every {
            return;
        }
        if let Some((version, data)) = self.machine.snapshot() {
            self.snapshot_seq = seq;
            entry.snapshot = Some(Snapshot { seq, version, data });
        }
    }
}

fn fold(machine: &mut dyn Machine, events: &[Event]) -> Result<(), Fault> {
    for event in events {
        let folded = guard(|| machine.apply(event));
        let folded = folded.map_err(|caught| panicked(event.seq, &caught))?;
        folded.map_err(|e| Fault::Refused { reason: e.to_string() })?;
    }
    Ok(())
}

/// Refuses what would take more memory than one stream may have.
fn check_size(stored: &journal::Loaded, limit: usize) -> Result<(), Fault> {
    let snapshot = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.data.text().len());
    let bytes = stored.events.iter().fold(snapshot, |sum, event| sum + event.body.data.text().len());
    if bytes <= limit {
        return Ok(());
    }
    let reason =
        format!("it is too big to be loaded: {bytes} bytes of state and events, where {limit} may be");
    Err(Fault::Refused { reason })
}

/// Takes the state in that stands in the place of a stream's early events; returns the number of its last event.
pub(crate) fn restored(machine: &mut dyn Machine, base: &Base) -> Result<Seq, Fault> {
    let refused = |reason| Fault::Refused { reason };
    match machine.restore(&base.snapshot).map_err(|error| refused(error.to_string()))? {
        true => Ok(base.snapshot.seq),
        false => Err(refused(format!(
            "its early events are not kept, and the state in their place has the shape {}, which cannot be read",
            base.snapshot.version
        ))),
    }
}

/// What is told of an event whose fold panicked; where it did stands in the log.
fn panicked(seq: Seq, caught: &Caught) -> Fault {
    let Caught { message, backtrace } = caught;
    tracing::error!(seq, message, backtrace, "the fold of an event panicked");
    Fault::Refused { reason: format!("event {seq} panicked: {message}") }
}
