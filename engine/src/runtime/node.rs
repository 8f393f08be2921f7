//! A node: journal, lane, entities, timers, outbox and effects, put together and supervised.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::hold::{self, History};
use super::keepers::{keep_leases, start_keepers};
use super::partitions::{Partitions, Permits};
use super::retention::check_bases;
use super::seed::{NodeSeed, StartError};
use super::watchdog::Findings;
use super::{Config, Context, past};
use crate::clock::Timestamp;
use crate::effect::Effect;
use crate::entity::{
    Admission, Answer, Catalog, Dedup, Directory, Entity, Fault, Input, Overload, Shared, View,
};
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::{
    self, Backup, Event, Journal, Json, Message, Origin, Outcome, PartitionId, Seq, StreamPage,
};
use crate::partition::{CommitTimes, Holdings, LaneHandle, LaneLimits, Ownership, Serving, lane};
use crate::projection::index::MemoryIndex;
use crate::supervise::{Notices, Pulse, Root, ServiceSpec, redelivered, with_quarantined};

/// How long each part of an ending may take once the drain is over.
const ENDING: Duration = Duration::from_secs(2);

/// How long a probe waits for the journal.
const PROBE: Duration = Duration::from_secs(1);

/// A command for a stream.
#[derive(Debug, Clone)]
pub struct Command {
    /// The stream.
    pub stream: StreamKey,
    /// The command's name.
    pub name: Cow<'static, str>,
    /// The command's fields.
    pub body: Json,
    /// The caller's own key, where the stream was addressed as `~KEY`.
    pub external_key: Option<String>,
    /// What caused it.
    pub origin: Arc<Origin>,
    /// What makes it count once.
    pub dedup: Dedup,
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node(pub(super) Arc<Parts>);

/// A node as its own connectors know it, which must not keep it alive.
#[derive(Clone)]
pub struct WeakNode(Weak<Parts>);

impl WeakNode {
    /// The node, while there is one.
    pub fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(Node)
    }
}

pub(super) struct Parts {
    pub(super) partitions: Arc<Partitions>,
    catalog: Catalog,
    ownership: Option<Arc<dyn Ownership>>,
    pub(super) started: Instant,
    /// A permit for each event from outside that may be under way.
    pub(super) inlet: Semaphore,
}

impl Node {
    /// Starts everything; without leases it has taken every partition over when this returns.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(seed: NodeSeed) -> Result<Self, StartError> {
        super::panics::install_hook();
        let NodeSeed { journal, leasing, prepare, index, rules, catalog, connectors, config, cx } = seed;
        let index = index.unwrap_or_else(|| Arc::new(MemoryIndex::default()));
        let started = cx.monotonic();
        check_bases(&*journal, &catalog).await?;
        let incarnation = cx.uuid();
        let mut leases = Vec::new();
        if leasing.is_none() {
            for partition in &journal.info().partitions {
                leases.push(journal.take_over(*partition, incarnation).await?);
            }
            if let Some(prepare) = &prepare {
                prepare.prepare(&journal).await?;
            }
        }
        let taken = with_quarantined(&*journal, leases).await?;
        let held = watch::channel(hold::is_held(&*journal).await?).0;
        let tenure =
            if leasing.is_none() { Serving::for_life(cx.clone()) } else { Serving::leased(cx.clone()) };
        let times = Arc::new(CommitTimes::new(cx.monotonic()));
        let (lanes, writers) = make_lanes(&journal, &config, &times, &cx);
        let root = Root::start(writers, &config, cx.clone()).await?;
        let holdings = Arc::new(Holdings::new(journal.info(), tenure));
        let shared = Shared {
            catalog: catalog.clone(),
            journal: journal.clone(),
            holdings: holdings.clone(),
            config: config.clone(),
            admission: Arc::new(Admission::new(&config, times, cx.clone())),
            cx: cx.clone(),
            notices: Notices::default(),
        };
        let shared = Arc::new(shared);
        let directory = Directory::new(shared.clone());
        let (circuits, permits) = (connectors.circuits(&config), Permits::new(config.deliveries));
        let (takings, closing) = (AtomicU64::new(0), AtomicBool::new(false));
        let partitions = Arc::new(Partitions {
            holdings,
            directory,
            shared,
            journal,
            index,
            rules,
            root,
            lanes,
            circuits,
            findings: Findings::default(),
            permits,
            config,
            cx,
            takings,
            held,
            closing,
        });
        taken.into_iter().try_for_each(|taken| partitions.take(taken))?;
        start_keepers(&partitions, &catalog)?;
        let ownership = leasing.as_ref().map(|leasing| leasing.ownership.clone());
        if let Some(leasing) = leasing {
            keep_leases(&partitions, leasing, incarnation, prepare)?;
        }
        let inlet = Semaphore::new(partitions.config.inlet_events);
        Ok(Self(Arc::new(Parts { partitions, catalog, ownership, started, inlet })))
    }

    /// The node without keeping it alive.
    pub fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been carried out.
    pub async fn command(&self, command: Command) -> Result<Answer, Fault> {
        if self.is_held() {
            return Err(Fault::Held);
        }
        let Command { stream, name, body, external_key, origin, dedup } = command;
        let input = Input::Command { name, body, external_key };
        self.0.partitions.directory.deliver(&stream, input, origin, dedup).await
    }

    /// Says whether commands would be refused now for the load there is, whatever they are for.
    ///
    /// # Errors
    ///
    /// [`Fault::Overloaded`].
    pub fn check_load(&self) -> Result<(), Fault> {
        self.0.partitions.directory.shared().admission.check()
    }

    /// The fault for a limit that was hit at the edge, counted like those of the node.
    pub fn refuse(&self, reason: Overload) -> Fault {
        self.0.partitions.directory.shared().admission.refuse(reason)
    }

    /// Ends the hold on a restored store, and lets go on what is open in it.
    ///
    /// # Errors
    ///
    /// [`Fault`]; the hold goes on.
    pub async fn release_history(
        &self,
        why: &str,
        origin: Arc<Origin>,
        dedup: Dedup,
    ) -> Result<Answer, Fault> {
        let body = Json::from(&serde_json::json!({ "why": why }));
        let (stream, name) = (History::stream(self.info()), History::CREATE.into());
        let command = Command { stream, name, body, external_key: None, origin, dedup };
        let answer = self.deliver(command).await?;
        if matches!(answer.outcome, Outcome::Accepted(_)) {
            tracing::warn!(history = %self.info().history, why, "the restored store was released");
            self.0.partitions.held.send_replace(false);
        }
        Ok(answer)
    }

    /// True while a restored store has not been released: it takes no commands, and does nothing by itself.
    pub fn is_held(&self) -> bool {
        *self.0.partitions.held.borrow()
    }

    /// Sends a command of an operator, who is heard under any load.
    pub(super) async fn deliver(&self, command: Command) -> Result<Answer, Fault> {
        let Command { stream, name, body, external_key, origin, dedup } = command;
        let input = Input::Command { name, body, external_key };
        self.0.partitions.directory.deliver_in_any_case(&stream, input, origin, dedup).await
    }

    /// Delivers a message once more, as an outbox does that did not hear of the first time.
    pub(crate) async fn redeliver(&self, message: &Message) -> Result<Answer, Fault> {
        let to = StreamKey::new(message.from.tenant.clone(), message.to);
        let (input, origin) = redelivered(message).unwrap_or_else(|| {
            let (name, body) = (message.command.clone(), message.body.clone());
            (Input::Command { name, body, external_key: None }, message.origin.clone())
        });
        let dedup = Dedup::Message(message.id);
        self.0.partitions.directory.deliver_in_any_case(&to, input, origin, dedup).await
    }

    /// Reads the state of a stream; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub async fn read(&self, stream: &StreamKey) -> Result<Option<View>, Fault> {
        self.0.partitions.directory.read(stream).await
    }

    /// Reads the states of several streams, in their order, each for itself; a page of them, not more.
    pub async fn read_each(&self, streams: &[StreamKey]) -> Vec<Result<Option<View>, Fault>> {
        self.0.partitions.directory.read_each(streams).await
    }

    /// Waits until all that the streams of a kind have decided by now is in the journal, or is dropped.
    ///
    /// # Errors
    ///
    /// [`Fault`]; it is not known of all of them.
    pub async fn settled(&self, tenant: &TenantId, prefix: Prefix) -> Result<(), Fault> {
        self.0.partitions.directory.settled(tenant, prefix).await
    }

    /// Reads the state of a stream as of a moment; `None` if it did not exist then.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`], and [`Fault::Refused`] where what is stored cannot be folded.
    pub async fn read_at(&self, stream: &StreamKey, at: Timestamp) -> Result<Option<View>, Fault> {
        let Some(kind) = self.0.catalog.by_prefix(stream.id.prefix()) else { return Ok(None) };
        past::state_at(&self.0.partitions.journal, kind, stream, at).await
    }

    /// Makes sure that the journal can be read, and answers before long.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub async fn probe(&self) -> Result<(), journal::Error> {
        let journal = &self.0.partitions.journal;
        let found = tokio::time::timeout(PROBE, journal.find_key(&[0; 16])).await;
        let late = || journal::Error::Unavailable { reason: format!("no answer within {PROBE:?}") };
        found.map_err(|_| late())?.map(|_| ())
    }

    /// Reads events of a stream with numbers above `after`.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn events(
        &self,
        stream: &StreamKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, journal::Error> {
        self.0.partitions.journal.read_stream(stream, after, limit).await
    }

    /// Lists the effects of a partition that have not ended, oldest first, each with the cursor to go on behind it.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn open_effects(
        &self,
        partition: PartitionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Effect)>, journal::Error> {
        self.0.partitions.journal.open_effects(partition, after, limit).await
    }

    /// Writes a copy of the store as it is now into a file that is not there yet, and checks it.
    ///
    /// # Errors
    ///
    /// As [`Journal::back_up`].
    pub async fn back_up(&self, to: &Path) -> Result<Backup, journal::Error> {
        self.0.partitions.journal.back_up(to).await
    }

    /// Lists streams of a kind by age.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        prefix: Prefix,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<StreamPage, journal::Error> {
        self.0.partitions.journal.list_streams(tenant, prefix, after, newest_first, limit).await
    }

    /// What identifies the journal.
    pub fn info(&self) -> &journal::Info {
        self.0.partitions.journal.info()
    }

    /// The kinds that the node hosts.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Time, chance, tasks and exit.
    pub fn cx(&self) -> &Context {
        &self.0.partitions.cx
    }

    /// Ends in good order: takes nothing more in, finishes what is under way, gives up what it owns, closes the journal.
    ///
    /// Returns `false` if something was still under way when the patience for it ran out.
    pub async fn stop(&self) -> bool {
        let Partitions { cx, directory, config, root, journal, index, holdings, closing, .. } =
            &*self.0.partitions;
        closing.store(true, Ordering::Release);
        directory.close();
        let begun = cx.monotonic();
        while directory.waiting() > 0 && begun.elapsed() < config.drain {
            cx.sleep(Duration::from_millis(5)).await;
        }
        let drained = directory.waiting() == 0;
        cx.cancel_tasks(ENDING).await;
        if let Some(ownership) = &self.0.ownership {
            let fences = self.0.partitions.let_go(&holdings.all(), "released");
            let released = tokio::time::timeout(ENDING, ownership.release(&fences));
            if !fences.is_empty() && !matches!(released.await, Ok(Ok(()))) {
                tracing::warn!("partitions could not be given up; others wait for the lease to run out");
            }
        }
        root.stop(ENDING).await;
        index.close_index().await;
        journal.close().await;
        drained
    }
}

/// Makes the lanes, with the services that write.
fn make_lanes(
    journal: &Arc<dyn Journal>,
    config: &Config,
    times: &Arc<CommitTimes>,
    cx: &Context,
) -> (Vec<LaneHandle>, Vec<ServiceSpec>) {
    let lanes = u32::try_from(config.lanes.max(1)).unwrap_or(u32::MAX);
    let limits =
        LaneLimits { queue: config.lane_queue, batch: config.lane_batch, events: config.lane_events };
    let made = (0..lanes).map(|number| {
        let pulse = Pulse::new(cx.clone());
        let (handle, make) = lane(journal.clone(), limits, pulse.clone(), times.clone(), cx.clone());
        let way = handle.clone();
        let spec =
            ServiceSpec::new("lane", make).within(&pulse, config.wedged_after).depth(move || way.waiting());
        (handle, if lanes > 1 { spec.number(number) } else { spec })
    });
    made.unzip()
}
