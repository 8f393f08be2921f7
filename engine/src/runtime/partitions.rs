//! What a node does to take a partition, and to let it go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::hold::{self, Held};
use super::watchdog::Findings;
use super::{Config, Context};
use crate::effect::{Circuits, Dispatcher};
use crate::entity::{Directory, Outbox, Shared};
use crate::journal::{self, Fence, Journal};
use crate::partition::{Holdings, LaneHandle, Owned, Pump, WhileOwned, share_of_backlog};
use crate::projection::index::{Index, Indexer};
use crate::rule::{Follower, Rules};
use crate::supervise::{PartitionSeed, Pulse, Root, ServiceFault, ServiceSpec, Taken};
use crate::telemetry::names;
use crate::timer::Timers;

/// Takes partitions and lets them go, with everything that is done for them.
pub(super) struct Partitions {
    pub(super) holdings: Arc<Holdings>,
    pub(super) directory: Directory,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) index: Arc<dyn Index>,
    pub(super) rules: Option<Arc<Rules>>,
    pub(super) root: Root,
    pub(super) lanes: Vec<LaneHandle>,
    pub(super) circuits: Circuits,
    /// What the watchdog has found.
    pub(super) findings: Findings,
    pub(super) permits: Permits,
    pub(super) config: Config,
    pub(super) cx: Context,
    /// Rises with each partition taken.
    pub(super) takings: AtomicU64,
    /// True while a restored store has not been released.
    pub(super) held: watch::Sender<bool>,
    /// True once the node ends: it takes nothing any more.
    pub(super) closing: AtomicBool,
}

/// How much the services of all partitions may have under way at the same time.
pub(super) struct Permits {
    messages: Arc<Semaphore>,
    effects: Arc<Semaphore>,
    timers: Arc<Semaphore>,
    /// Messages while callers from outside wait.
    few: Arc<Semaphore>,
}

/// How many messages are carried at the same time while callers from outside wait.
const FEW: usize = 32;

impl Permits {
    pub(super) fn new(of_each: usize) -> Self {
        let permits = || Arc::new(Semaphore::new(of_each));
        let few = Arc::new(Semaphore::new(of_each.min(FEW)));
        Self { messages: permits(), effects: permits(), timers: permits(), few }
    }
}

impl Partitions {
    /// Serves a partition that has been taken over.
    pub(super) fn take(&self, taken: Taken) -> Result<(), ServiceFault> {
        let (partition, last) = (taken.lease.fence.partition, taken.lease.last);
        if let Some(before) = self.holdings.get(partition) {
            self.let_go(&[before], "taken anew");
        }
        self.cx.not_before(last);
        if let Some(resumed) = self.journal.info().resumed_at {
            // What is intended from now on is told from what was open in the copy by its time.
            self.cx.not_before(resumed.plus(Duration::from_millis(1)));
        }
        let partitions = self.journal.info().partitions.len();
        let backlog = share_of_backlog(self.config.backlog, partitions);
        let lane = self.lanes[partition as usize % self.lanes.len()].clone();
        let owned = Owned::new(taken, backlog, lane, self.holdings.tenure());
        self.holdings.put(owned.clone());
        self.root.take(PartitionSeed {
            services: self.services(&owned, backlog),
            taking: self.takings.fetch_add(1, Ordering::Relaxed),
            owned,
            directory: self.directory.clone(),
            shared: self.shared.clone(),
        })?;
        metrics::counter!(names::TAKE_OVERS).increment(1);
        metrics::gauge!(names::PARTITIONS_OWNED).increment(1.0);
        Ok(())
    }

    /// Stops serving partitions: from now on nothing of them is answered, done or decided here.
    pub(super) fn let_go(&self, lost: &[Arc<Owned>], reason: &'static str) -> Vec<Fence> {
        if lost.is_empty() {
            return Vec::new();
        }
        lost.iter().for_each(|owned| owned.end());
        let removed = lost.iter().filter(|owned| self.holdings.remove(owned)).count();
        self.directory.evict_lost();
        metrics::counter!(names::STEP_DOWNS, "reason" => reason).increment(removed as u64);
        metrics::gauge!(names::PARTITIONS_OWNED).decrement(removed as f64);
        lost.iter().map(|owned| owned.fence()).collect()
    }

    /// Lets go on what is held here, where another node has released the store.
    pub(super) async fn look_for_release(&self) -> Result<(), journal::Error> {
        if *self.held.borrow() && !hold::is_held(&*self.journal).await? {
            tracing::warn!("the restored store was released by another node");
            self.held.send_replace(false);
        }
        Ok(())
    }

    /// True once the node ends.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// What has rules look at the events of a partition, where there are rules.
    fn follower(&self, owned: &Arc<Owned>) -> Option<ServiceSpec> {
        let follower = Follower {
            directory: self.directory.clone(),
            journal: self.journal.clone(),
            owned: owned.clone(),
            catalog: self.shared.catalog.clone(),
            rules: self.rules.clone()?,
            pulse: Pulse::new(self.cx.clone()),
            cx: self.cx.clone(),
        };
        let (pulse, own, held) = (follower.pulse.clone(), owned.clone(), self.held.subscribe());
        let follow =
            move || WhileOwned::new(own.clone(), Held { held: held.clone(), service: follower.clone() });
        Some(ServiceSpec::new("rules", follow).within(&pulse, self.config.wedged_after))
    }

    /// What is kept running for a partition.
    fn services(&self, owned: &Arc<Owned>, backlog: usize) -> Vec<ServiceSpec> {
        let Self { directory, journal, index, cx, permits, config, .. } = self;
        let limit = config.wedged_after;
        let outbox = Outbox::new(directory.clone(), journal.clone(), owned.clone());
        let messages = Pump::new(Arc::new(outbox), permits.messages.clone(), backlog, cx.clone());
        let admission = self.shared.admission.clone();
        let messages = messages.giving_way(permits.few.clone(), move || admission.is_busy());
        let (circuits, own) = (self.circuits.clone(), owned.clone());
        let dispatcher = Dispatcher::new(circuits, directory.clone(), journal.clone(), own, cx.clone());
        let effects = Pump::new(Arc::new(dispatcher), permits.effects.clone(), backlog, cx.clone());
        let timers = Timers::new(
            directory.clone(),
            journal.clone(),
            owned.clone(),
            permits.timers.clone(),
            backlog,
            cx.clone(),
        );
        let indexer = Indexer::new(
            directory.clone(),
            journal.clone(),
            owned.clone(),
            index.clone(),
            self.shared.catalog.clone(),
            cx.clone(),
        );
        let (index_pulse, own) = (indexer.pulse().clone(), owned.clone());
        let indexer = move || WhileOwned::new(own.clone(), indexer.clone());
        let pulses = [messages.pulse().clone(), effects.pulse().clone(), timers.pulse().clone()];
        let (own, held) = (owned.clone(), self.held.subscribe());
        let messages =
            move || WhileOwned::new(own.clone(), Held { held: held.clone(), service: messages.again() });
        let (own, held) = (owned.clone(), self.held.subscribe());
        let effects =
            move || WhileOwned::new(own.clone(), Held { held: held.clone(), service: effects.again() });
        let (own, held) = (owned.clone(), self.held.subscribe());
        let timers =
            move || WhileOwned::new(own.clone(), Held { held: held.clone(), service: timers.clone() });
        let feeds = [owned.clone(), owned.clone(), owned.clone(), owned.clone()];
        let [for_messages, for_effects, for_timers, for_index] = feeds;
        [
            ServiceSpec::new("outbox", messages)
                .within(&pulses[0], limit)
                .depth(move || for_messages.feeds().messages.len()),
            ServiceSpec::new("effects", effects)
                .within(&pulses[1], limit)
                .depth(move || for_effects.feeds().effects.len()),
            ServiceSpec::new("timers", timers)
                .within(&pulses[2], limit)
                .depth(move || for_timers.feeds().timers.len()),
            ServiceSpec::new("index", indexer)
                .within(&index_pulse, limit)
                .depth(move || for_index.feeds().changes.len()),
        ]
        .into_iter()
        .chain(self.follower(owned))
        .collect()
    }
}
