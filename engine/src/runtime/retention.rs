//! The retention of a node: looks for streams that have been quiet for as long as their events are kept, and trims
//! them, a few at a time; and for those that are to be deleted whole by now.
//!
//! How long that is the stream says, or else the configuration for its kind, or else the kind. Streams are looked for
//! by the shortest of these times; what is found too early is left alone until its own time.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::partitions::Partitions;
use super::{Config, StartError};
use crate::clock::Timestamp;
use crate::entity::{Catalog, Fault, Kept, KindInfo, ShortestRetention, Trim};
use crate::id::{Prefix, StreamKey};
use crate::journal::{self, Age, Journal, PartitionId};
use crate::supervise::{Pulse, Service, ServiceFault};
use crate::telemetry::names;

/// Streams that one look takes in.
const LOOK: usize = 200;
/// Looks of one round that find a full page, over partitions and kinds in turn.
const FULL: usize = 4;
/// How many of those that do not cost as much as one that does.
const SHORT: usize = 4;
/// Streams that are trimmed or deleted at the same time.
const TOGETHER: usize = 16;

/// The longest that a stream is left alone that was found too early.
const LEFT_ALONE: Duration = Duration::from_secs(3_600);
/// The most streams that are left alone at once; beyond it all are looked at again.
const MOST_LEFT: usize = 200_000;

/// A kind whose streams are kept for a time.
#[derive(Clone)]
struct Keeping {
    kind: Arc<KindInfo>,
    /// How long, where the stream does not say it itself.
    kept: Kept,
}

impl Keeping {
    /// The times of a kind, where any of its streams has one.
    fn of(config: &Config, kind: &Arc<KindInfo>) -> Option<Self> {
        let set = |times: &[(Prefix, Duration)]| {
            times.iter().find(|(prefix, _)| *prefix == kind.kind.prefix).map(|(_, time)| *time)
        };
        let kept = Kept { events: set(&config.retention).or(kind.retention), whole: set(&config.deletion) };
        let has_own = kind.own_retention.is_some() || kind.own_deletion.is_some();
        (kept != Kept::default() || has_own).then(|| Self { kind: kind.clone(), kept })
    }

    /// Which streams are old by the shortest time that any stream of the kind has; none where there is none.
    fn age(&self, now: Timestamp) -> Option<Age> {
        let before = |own: &Option<ShortestRetention>, node: Option<Duration>| {
            let shortest = own.as_ref().and_then(|own| own()).into_iter().chain(node).min()?;
            Some(Timestamp::from_ms(now.ms().saturating_sub(Timestamp::default().plus(shortest).ms())))
        };
        let trim = before(&self.kind.own_retention, self.kept.events);
        let forget = before(&self.kind.own_deletion, self.kept.whole);
        (trim.is_some() || forget.is_some()).then_some(Age { trim, forget })
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
    /// The service, where any kind is kept for a time.
    pub(super) fn new(partitions: &Arc<Partitions>, catalog: &Catalog) -> Option<Self> {
        let kinds = catalog.kinds().iter().filter_map(|kind| Keeping::of(&partitions.config, kind));
        let kinds: Vec<_> = kinds.collect();
        let (partitions, pulse) = (partitions.clone(), Pulse::new(partitions.cx.clone()));
        let (cursors, left) = (HashMap::new(), HashMap::new());
        (!kinds.is_empty()).then(|| Self { partitions, kinds, cursors, left, turn: 0, pulse })
    }

    /// Looks at partitions and kinds in turn: at each once, or at fewer where there is much to look at.
    async fn round(&mut self) -> Result<(), journal::Error> {
        let mut left = FULL * SHORT;
        let mut short = self.partitions.holdings.all().len() * self.kinds.len();
        while left > 0 && short > 0 {
            if self.look().await? {
                left = left.saturating_sub(SHORT);
            } else {
                (left, short) = (left - 1, short - 1);
            }
        }
        Ok(())
    }

    /// Looks at some streams of one kind in one partition; true if there are more behind them.
    async fn look(&mut self) -> Result<bool, journal::Error> {
        let partitions = self.partitions.clone();
        let owned = partitions.holdings.all();
        if owned.is_empty() {
            return Ok(false);
        }
        let keeping = self.kinds[self.turn / owned.len() % self.kinds.len()].clone();
        let owned = &owned[self.turn % owned.len()];
        self.turn = self.turn.wrapping_add(1);
        let now = partitions.cx.now();
        let Some(age) = keeping.age(now) else { return Ok(false) };
        let (partition, prefix) = (owned.partition(), keeping.kind.kind.prefix);
        let cursor = self.cursors.entry((partition, prefix)).or_default();
        let old = partitions.journal.old_streams(partition, prefix, age, *cursor, LOOK).await?;
        *cursor = old.next.unwrap_or(0);
        let is_full = old.next.is_some();
        let mut due = old.streams;
        due.retain(|stream| self.left.get(&digest(stream)).is_none_or(|until| *until < now));
        for streams in due.chunks(TOGETHER) {
            let trims = streams.iter().map(|stream| partitions.directory.trim(owned, stream, keeping.kept));
            for (stream, came) in streams.iter().zip(join_all(trims).await) {
                if !self.note(&keeping, stream, came, now) {
                    return Ok(is_full);
                }
            }
        }
        if self.left.len() > MOST_LEFT {
            self.left.clear();
        }
        Ok(is_full)
    }

    /// Notes what came of a stream; false where others need not be tried now.
    fn note(
        &mut self,
        keeping: &Keeping,
        stream: &StreamKey,
        came: Result<Trim, Fault>,
        now: Timestamp,
    ) -> bool {
        let (key, longest) = (digest(stream), now.plus(LEFT_ALONE));
        match came {
            Ok(Trim::Gone(gone)) => {
                self.left.remove(&key);
                metrics::counter!(names::EVENTS_TRIMMED).increment(gone as u64);
            }
            Ok(Trim::Deleted) => {
                self.left.remove(&key);
                metrics::counter!(names::STREAMS_DELETED, "kind" => keeping.kind.kind.name).increment(1);
            }
            Ok(Trim::NotBefore(due)) => drop(self.left.insert(key, due.min(longest))),
            // What is set aside stays as it is until somebody has looked at it.
            Ok(Trim::Never) | Err(Fault::Quarantined { .. }) => drop(self.left.insert(key, longest)),
            Err(Fault::Refused { reason }) => {
                tracing::warn!(%stream, reason, "a stream cannot be folded, and is kept");
            }
            Err(_) => return false,
        }
        true
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
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "what is old could not be looked for");
            }
        }
    }
}

fn digest(stream: &StreamKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish()
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
