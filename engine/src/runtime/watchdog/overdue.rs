//! What should have gone on by now, and did not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::telemetry::names;

/// What kind of thing is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverdueKind {
    /// A timer that is due and has not been taken in.
    Timer,
    /// An effect that should have ended.
    Effect,
    /// A message in the outbox that has not been answered.
    Message,
    /// Work that waits in front of an entity and is not taken.
    Entity,
    /// A run that has not ended and waits for nothing.
    Run,
}

impl OverdueKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Timer, Self::Effect, Self::Message, Self::Entity, Self::Run];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Effect => "effect",
            Self::Message => "message",
            Self::Entity => "entity",
            Self::Run => "run",
        }
    }
}

/// One thing that is overdue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overdue {
    /// What kind of thing.
    pub kind: OverdueKind,
    /// What it is known by.
    pub id: String,
    /// The entity or run that it belongs to.
    pub stream: StreamId,
    /// What it waits for, in words.
    pub waits_for: String,
    /// Since when.
    pub since: Timestamp,
    /// When it should have gone on at the latest.
    pub until: Timestamp,
    /// How long ago that was, in milliseconds.
    pub overdue_ms: u64,
    /// What an operator can do.
    pub hint: String,
}

/// Where what is overdue is looked up: found by the watchdog, by who found it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::runtime) struct Findings(Arc<Mutex<BTreeMap<Place, Vec<Overdue>>>>);

/// A place that is looked at as a whole, and whose findings are replaced together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The tables of a partition.
    Partition(u32),
    /// The entities that are alive.
    Entities,
    /// The runs.
    Runs,
}

impl Findings {
    /// Everything that is overdue, in the order of kinds and ids.
    pub(in crate::runtime) fn all(&self) -> Vec<Overdue> {
        let mut all: Vec<_> = self.lock().values().flatten().cloned().collect();
        all.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        all
    }

    /// Puts what was found in the place of what had been; warns of what is new.
    pub(super) fn replace(&self, place: Place, found: Vec<Overdue>) {
        let mut all = self.lock();
        let before: BTreeSet<_> =
            all.get(&place).into_iter().flatten().map(|of| (of.kind, of.id.clone())).collect();
        for of in found.iter().filter(|of| !before.contains(&(of.kind, of.id.clone()))) {
            let Overdue { kind, id, stream, waits_for, overdue_ms, hint, .. } = of;
            let kind = kind.name();
            tracing::warn!(kind, id, %stream, waits_for, overdue_ms, hint, "something does not go on");
        }
        all.insert(place, found);
    }

    /// Forgets what was found in partitions that are not owned any more; everything where nothing is.
    pub(super) fn keep(&self, partitions: &[u32]) {
        self.lock().retain(|place, _| match place {
            Place::Partition(partition) => partitions.contains(partition),
            Place::Entities | Place::Runs => !partitions.is_empty(),
        });
    }

    /// Shows how many there are in the metrics.
    pub(super) fn measure(&self) {
        let all = self.lock();
        for kind in OverdueKind::ALL {
            let count = all.values().flatten().filter(|of| of.kind == kind).count();
            metrics::gauge!(names::OVERDUE, "kind" => kind.name()).set(count as f64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Vec<Overdue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
