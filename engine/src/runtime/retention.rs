//! The retention of a node: looks for streams that have been quiet for as long as their kind keeps events, and trims
//! them, a few at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::partitions::Partitions;
use super::{Config, StartError};
use crate::clock::Timestamp;
use crate::entity::{Catalog, Fault, KindInfo};
use crate::id::Prefix;
use crate::journal::{self, Journal, PartitionId};
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// Streams that one look takes in.
const LOOK: usize = 200;
/// Looks of one round, over partitions and kinds in turn.
const LOOKS: usize = 4;

/// The service that does it.
#[derive(Clone)]
pub(super) struct Retention {
    partitions: Arc<Partitions>,
    /// The kinds that keep their events for a time, and how long.
    kinds: Vec<(Prefix, Duration)>,
    /// Where each look goes on.
    cursors: HashMap<(PartitionId, Prefix), u64>,
    /// How many looks there have been.
    turn: usize,
    pub(super) pulse: Pulse,
}

impl Retention {
    /// The service, where any kind keeps its events for a time.
    pub(super) fn new(partitions: &Arc<Partitions>, catalog: &Catalog) -> Option<Self> {
        let kinds = catalog.kinds().iter();
        let kinds: Vec<_> =
            kinds.filter_map(|kind| Some((kind.kind.prefix, kept(&partitions.config, kind)?))).collect();
        let (partitions, pulse) = (partitions.clone(), Pulse::new(partitions.cx.clone()));
        (!kinds.is_empty()).then(|| Self { partitions, kinds, cursors: HashMap::new(), turn: 0, pulse })
    }

    /// Looks at some streams of one kind in one partition.
    async fn look(&mut self) -> Result<(), journal::Error> {
        let Partitions { holdings, journal, directory, cx, .. } = &*self.partitions;
        let owned = holdings.all();
        if owned.is_empty() {
            return Ok(());
        }
        let (prefix, kept) = self.kinds[self.turn / owned.len() % self.kinds.len()];
        let owned = &owned[self.turn % owned.len()];
        self.turn = self.turn.wrapping_add(1);
        let before = Timestamp::from_ms(cx.now().ms().saturating_sub(Timestamp::default().plus(kept).ms()));
        let cursor = self.cursors.entry((owned.partition(), prefix)).or_default();
        let old = journal.old_streams(owned.partition(), prefix, before, *cursor, LOOK).await?;
        *cursor = old.next.unwrap_or(0);
        for stream in old.streams {
            match directory.trim(owned, &stream, before).await {
                Ok(gone) => metrics::counter!(names::EVENTS_TRIMMED).increment(gone as u64),
                Err(Fault::Refused { reason }) => {
                    tracing::warn!(%stream, reason, "a stream cannot be folded, and keeps its events");
                }
                Err(_) => break,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Service for Retention {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        let (cx, pause) = (self.partitions.cx.clone(), self.partitions.config.upkeep);
        let mut held = self.partitions.held.subscribe();
        loop {
            cx.sleep(pause).await;
            if held.wait_for(|held| !held).await.is_err() {
                return Ok(());
            }
            let pulse = self.pulse.clone();
            let _round = pulse.begin();
            for _ in 0..LOOKS {
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "old events could not be looked for");
                    break;
                }
            }
        }
    }
}

/// How long a kind keeps the events of its quiet streams; `None` for ever.
fn kept(config: &Config, kind: &KindInfo) -> Option<Duration> {
    let set = config.retention.iter().find(|(prefix, _)| *prefix == kind.kind.prefix);
    set.map(|(_, kept)| *kept).or(kind.retention)
}

/// Checks that this release can read every state that stands in the place of events.
pub(super) async fn check_bases(journal: &dyn Journal, catalog: &Catalog) -> Result<(), StartError> {
    for (prefix, version) in journal.base_shapes().await? {
        let kind = catalog.by_prefix(prefix);
        if !kind.is_some_and(|kind| kind.shapes.reads_state(version)) {
            return Err(StartError::Bases { prefix, version });
        }
    }
    Ok(())
}
