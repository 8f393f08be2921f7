//! The watchdog for progress: looks for what should have gone on by now and did not, shows it, and gives it a nudge
//! where that can do no harm.
//!
//! It reads the oldest page of each table, a few partitions at a time, and beside the lanes. A nudge lets a feed be
//! read again from the journal, or wakes an actor: what is under way already is not begun twice by it.

mod look;
mod overdue;
mod restarts;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

pub(super) use overdue::Findings;
pub use overdue::{Overdue, OverdueKind};

use self::overdue::Place;
use self::restarts::Restarts;
use super::partitions::Partitions;
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::PartitionId;
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// Partitions that one look takes in.
const PARTITIONS: usize = 8;

/// The service that does it.
#[derive(Clone)]
pub(super) struct Watchdog {
    partitions: Arc<Partitions>,
    pub(super) pulse: Pulse,
    restarts: Restarts,
    /// The partition that the next look begins with.
    turn: usize,
    /// Messages of each partition as they stood in the outbox when they were first seen.
    messages: BTreeMap<(PartitionId, u64), Timestamp>,
    /// Entities that had work when they were first seen with as many batches done.
    waiting: BTreeMap<StreamKey, (u64, Timestamp)>,
    /// Where the walk over the runs goes on, and the runs found on this walk.
    walk: runs::Walk,
}

impl Watchdog {
    pub(super) fn new(partitions: Arc<Partitions>) -> Self {
        Self {
            pulse: Pulse::new(partitions.cx.clone()),
            partitions,
            restarts: Restarts::default(),
            turn: 0,
            messages: BTreeMap::new(),
            waiting: BTreeMap::new(),
            walk: runs::Walk::default(),
        }
    }

    /// Looks at what is owned, some of it at a time.
    async fn look(&mut self) {
        let owned = self.partitions.holdings.all();
        let numbers: Vec<_> = owned.iter().map(|owned| owned.partition()).collect();
        let findings = self.partitions.findings.clone();
        findings.keep(&numbers);
        self.messages.retain(|(partition, _), _| numbers.contains(partition));
        for _ in 0..PARTITIONS.min(owned.len()) {
            let of = &owned[self.turn % owned.len()];
            self.turn = self.turn.wrapping_add(1);
            match self.partition(of).await {
                Ok(found) => findings.replace(Place::Partition(of.partition()), found),
                Err(error) => tracing::warn!(%error, "a partition could not be looked at"),
            }
        }
        findings.replace(Place::Entities, self.entities());
        if !owned.is_empty() {
            match self.runs().await {
                Ok(Some(found)) => findings.replace(Place::Runs, found),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "runs could not be looked at"),
            }
        }
        findings.measure();
    }
}

#[async_trait]
impl Service for Watchdog {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let (cx, config) = (self.partitions.cx.clone(), self.partitions.config.clone());
        let (pulse, mut held) = (self.pulse.clone(), self.partitions.held.subscribe());
        let mut due: Instant = cx.monotonic() + config.watchdog;
        loop {
            cx.sleep(config.upkeep.min(config.watchdog)).await;
            let _round = pulse.begin();
            self.restarts.look(&self.partitions);
            if *held.borrow_and_update() || cx.monotonic() < due {
                continue;
            }
            self.look().await;
            due = cx.monotonic() + config.watchdog;
        }
    }
}

/// Counts a nudge.
fn nudged(kind: OverdueKind) {
    metrics::counter!(names::NUDGES, "kind" => kind.name()).increment(1);
}
