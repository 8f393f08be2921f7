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
/// Bytes of events after which a snapshot is due, however few they are: what comes after it has to be loaded too.
const MOST_SINCE: usize = 4 * 1024 * 1024;
/// How many bytes of snapshots may be written for a byte of events.
const SNAPSHOT_BYTES: usize = 4;

pub(super) struct Loaded {
    pub(super) kind: &'static str,
    pub(super) machine: Box<dyn Machine>,
    pub(super) head: Seq,
    pub(super) position: Position,
    pub(super) received: HashMap<MessageId, Outcome>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pace: Pace,
}

/// When the next snapshot is due.
#[derive(Debug, Default)]
struct Pace {
    /// The last event in a snapshot.
    seq: Seq,
    /// Bytes of that snapshot.
    bytes: usize,
    /// Bytes of the events since.
    since: usize,
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
        let (events, mut pace) = (stored.events, Pace::default());
        let mut older = None;
        if let Some(snapshot) = &stored.snapshot {
            let taken = machine.restore(snapshot).map_err(|e| Fault::Refused { reason: e.to_string() })?;
            pace.kept(snapshot);
            if !taken {
                machine = (kind.machine)(key);
                pace = Pace::default();
                let base = shared.journal.base(key).await.map_err(failed)?;
                older = Some(match &base {
                    Some(base) => restored(&mut *machine, base)?,
                    None => 0,
                });
            }
        }
        pace.since = events.iter().map(|event| event.body.data.text().len()).sum();
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
        machine.committed(stored.head);
        let created_at = stored.created_at.unwrap_or_default();
        Ok(Self {
            kind: kind.kind.name,
            machine,
            head: stored.head,
            position: stored.last.map_or(0, |(position, _)| position),
            received: stored.received.into_iter().map(|r| (r.id, r.outcome)).collect(),
            created_at,
            updated_at: stored.last.map_or(created_at, |(_, at)| at),
            pace,
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
            self.machine.committed(self.head);
        }
        self.position = appended.position;
        self.received.extend(received.into_iter().map(|r| (r.id, r.outcome)));
    }

    /// Adds a snapshot to an entry if it is time for one.
    pub(super) fn keep_snapshot(&mut self, entry: &mut Entry, every: u64) {
        let seq = self.head + entry.events.len() as u64;
        self.pace.since += entry.events.iter().map(|event| event.data.text().len()).sum::<usize>();
        if self.pace.is_due(seq, every) {
            self.put_snapshot(entry, seq);
        }
    }

    /// Adds a snapshot of the state as it is to an entry without events, unless there is one.
    pub(super) fn keep_last_state(&mut self, entry: &mut Entry) {
        if self.head > self.pace.seq {
            self.put_snapshot(entry, self.head);
        }
    }

    /// The last event that a kept state holds.
    pub(super) fn state_kept(&self) -> Seq {
        self.pace.seq
    }

    fn put_snapshot(&mut self, entry: &mut Entry, seq: Seq) {
        if let Some((version, data)) = self.machine.snapshot() {
            let snapshot = Snapshot { seq, version, data };
            self.pace.kept(&snapshot);
            entry.snapshot = Some(snapshot);
        }
    }
}

impl Pace {
    fn kept(&mut self, snapshot: &Snapshot) {
        *self = Self { seq: snapshot.seq, bytes: snapshot.data.text().len(), since: 0 };
    }

    /// True after so many events, or so many bytes of them, once they have the bytes to be worth it: otherwise a large
    /// state would be written over and over for small changes.
    fn is_due(&self, seq: Seq, every: u64) -> bool {
        let are_many = seq - self.seq >= every || self.since >= MOST_SINCE;
        are_many && self.since.saturating_mul(SNAPSHOT_BYTES) >= self.bytes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Json;

    /// How many bytes of snapshots an entity writes in so many events, each of which makes its state larger.
    fn written(events: u64, every: u64) -> usize {
        let (mut pace, mut written) = (Pace::default(), 0);
        for seq in 1..=events {
            pace.since += 100;
            if pace.is_due(seq, every) {
                let data = Json::from(&serde_json::json!("x".repeat(seq as usize * 100)));
                written += data.text().len();
                pace.kept(&Snapshot { seq, version: 1, data });
            }
        }
        written
    }

    #[test]
    fn a_state_that_grows_is_written_about_as_much_as_what_it_grows_by() {
        let bytes = written(10_000, 200);
        assert!((1_000_000..5_500_000).contains(&bytes), "{bytes} for 1,000,000 bytes of events");
    }

    #[test]
    fn a_small_state_is_kept_every_so_many_events() {
        let mut pace = Pace::default();
        pace.kept(&Snapshot { seq: 100, version: 1, data: Json::null() });
        pace.since = 1_000;
        assert!(!pace.is_due(299, 200) && pace.is_due(300, 200));
    }

    #[test]
    fn a_few_large_events_are_enough() {
        let mut pace = Pace::default();
        pace.kept(&Snapshot { seq: 100, version: 1, data: Json::null() });
        pace.since = MOST_SINCE - 1;
        assert!(!pace.is_due(102, 200));
        pace.since = MOST_SINCE;
        assert!(pace.is_due(102, 200));
        pace.bytes = MOST_SINCE * SNAPSHOT_BYTES + 1;
        assert!(!pace.is_due(102, 200), "not where the state is much larger");
    }
}
