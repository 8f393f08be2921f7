//! The retention of a node: looks for streams that have been quiet for as long as their events are kept, and trims
//! them, a few at a time.
//!
//! How long that is the stream says, or else the configuration for its kind, or else the kind. Streams are looked for
//! by the shortest of these times; what is found too early is left alone until its own time.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::partitions::Partitions;
use super::{Config, StartError};
use crate::clock::Timestamp;
use crate::entity::{Catalog, Fault, KindInfo, ShortestRetention, Trim};
use crate::id::{Prefix, StreamKey};
use crate::journal::{self, Journal, PartitionId};
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// Streams that one look takes in.
const LOOK: usize = 200;
/// Looks of one round, over partitions and kinds in turn.
const LOOKS: usize = 4;

/// The longest that a stream is left alone that was found too early.
const LEFT_ALONE: Duration = Duration::from_secs(3_600);
/// The most streams that are left alone at once; beyond it all are looked at again.
const MOST_LEFT: usize = 200_000;

/// A kind whose streams keep their events for a time.
#[derive(Clone)]
struct Keeping {
    prefix: Prefix,
    /// How long, where the stream does not say it itself.
    kept: Option<Duration>,
    own: Option<ShortestRetention>,
}

impl Keeping {
    /// The shortest time that any stream of the kind keeps its events.
    fn shortest(&self) -> Option<Duration> {
        self.own.as_ref().and_then(|own| own()).into_iter().chain(self.kept).min()
    }
}

/// The service that does it.
#[derive(Clone)]
pub(super) struct Retention {
    partitions: Arc<Partitions>,
    kinds: Vec<Keeping>,
    /// Where each look goes on.
    cursors: HashMap<(PartitionId, Prefix), u64>,
    /// Until when streams are left alone, by a digest of their keys.
    left: HashMap<u64, Timestamp>,
    /// How many looks there have been.
    turn: usize,
    pub(super) pulse: Pulse,
}

impl Retention {
    /// The service, where any kind keeps its events for a time.
    pub(super) fn new(partitions: &Arc<Partitions>, catalog: &Catalog) -> Option<Self> {
        let keeping = |kind: &Arc<KindInfo>| {
            let (kept, own) = (kept(&partitions.config, kind), kind.own_retention.clone());
            Keeping { prefix: kind.kind.prefix, kept, own }
        };
        let kinds = catalog.kinds().iter().map(keeping);
        let kinds: Vec<_> = kinds.filter(|kind| kind.kept.is_some() || kind.own.is_some()).collect();
        let (partitions, pulse) = (partitions.clone(), Pulse::new(partitions.cx.clone()));
        let (cursors, left) = (HashMap::new(), HashMap::new());
        (!kinds.is_empty()).then(|| Self { partitions, kinds, cursors, left, turn: 0, pulse })
    }

    /// Looks at some streams of one kind in one partition.
    async fn look(&mut self) -> Result<(), journal::Error> {
        let Partitions { holdings, journal, directory, cx, .. } = &*self.partitions;
        let owned = holdings.all();
        if owned.is_empty() {
            return Ok(());
        }
        let kind = &self.kinds[self.turn / owned.len() % self.kinds.len()];
        let (prefix, kept, shortest) = (kind.prefix, kind.kept, kind.shortest());
        let owned = &owned[self.turn % owned.len()];
        self.turn = self.turn.wrapping_add(1);
        let Some(shortest) = shortest else { return Ok(()) };
        let now = cx.now();
        let before = Timestamp::from_ms(now.ms().saturating_sub(Timestamp::default().plus(shortest).ms()));
        let cursor = self.cursors.entry((owned.partition(), prefix)).or_default();
        let old = journal.old_streams(owned.partition(), prefix, before, *cursor, LOOK).await?;
        *cursor = old.next.unwrap_or(0);
        for stream in old.streams {
            let key = digest(&stream);
            if self.left.get(&key).is_some_and(|until| *until >= now) {
                continue;
            }
            let longest = now.plus(LEFT_ALONE);
            match directory.trim(owned, &stream, kept).await {
                Ok(Trim::Gone(gone)) => {
                    self.left.remove(&key);
                    metrics::counter!(names::EVENTS_TRIMMED).increment(gone as u64);
                }
                Ok(Trim::NotBefore(due)) => drop(self.left.insert(key, due.min(longest))),
                Ok(Trim::Never) => drop(self.left.insert(key, longest)),
                Err(Fault::Refused { reason }) => {
                    tracing::warn!(%stream, reason, "a stream cannot be folded, and keeps its events");
                }
                Err(_) => break,
            }
        }
        if self.left.len() > MOST_LEFT {
            self.left.clear();
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

fn digest(stream: &StreamKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish()
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
