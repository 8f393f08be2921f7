//! A node: journal, lane, entities, timers, outbox and effects, put together and supervised.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Config, Context};
use crate::clock::Timestamp;
use crate::effect::{Connectors, Dispatcher};
use crate::entity::{Answer, Catalog, Dedup, Directory, Fault, Input, LiveStatus, Outbox, Shared, View};
use crate::id::{Prefix, StreamKey, TenantId};
use crate::journal::{self, Event, Journal, Json, Origin, Position, Seq, StreamPage};
use crate::partition::{Feeds, Pump, lane};
use crate::supervise::{Root, Service, ServiceFault, ServiceSpec, ServiceStatus, spawn_host_supervisor};
use crate::telemetry::names;
use crate::timer::Timers;

/// What a node is made of.
pub struct NodeSeed {
    /// The store.
    pub journal: Arc<dyn Journal>,
    /// The kinds that it hosts.
    pub catalog: Catalog,
    /// The ways to the outside.
    pub connectors: Connectors,
    /// The limits.
    pub config: Config,
    /// Time, chance, tasks and exit.
    pub cx: Context,
}

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

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be taken over.
    #[error("the journal cannot be taken over")]
    Journal(#[from] journal::Error),
    /// An actor cannot be started.
    #[error("the supervisors cannot be started")]
    Supervision(#[from] ServiceFault),
}

/// The whole supervision tree as data.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Tree {
    /// The node's services.
    pub services: Vec<ServiceStatus>,
    /// The live entities and runs.
    pub entities: Vec<LiveStatus>,
}

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Parts>);

struct Parts {
    directory: Directory,
    journal: Arc<dyn Journal>,
    catalog: Catalog,
    feeds: Arc<Feeds>,
    root: Root,
    config: Config,
    cx: Context,
}

/// The partition of a store that has only one.
const PARTITION: journal::PartitionId = 0;

impl Node {
    /// Takes the journal over and starts everything.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(seed: NodeSeed) -> Result<Self, StartError> {
        let NodeSeed { journal, catalog, connectors, config, cx } = seed;
        super::panics::install_hook();
        let lease = journal.take_over(PARTITION, cx.uuid()).await?;
        cx.not_before(lease.last);
        let feeds = Arc::new(Feeds::new(config.backlog, lease.position));
        let (queue, batch) = (config.lane_queue, config.lane_batch);
        let (handle, make_lane) = lane(journal.clone(), lease.fence, feeds.clone(), queue, batch, cx.clone());
        let root = Root::start(vec![ServiceSpec::new("lane", make_lane)], &config, cx.clone()).await?;
        let shared = Arc::new(Shared {
            catalog: catalog.clone(),
            journal: journal.clone(),
            lane: handle.clone(),
            config: config.clone(),
            cx: cx.clone(),
        });
        let directory = spawn_host_supervisor(shared, root.cell()).await?;
        let dispatcher = Dispatcher::new(
            &connectors,
            directory.clone(),
            journal.clone(),
            handle,
            feeds.clone(),
            &config,
            cx.clone(),
        );
        let parts = Parts { directory, journal, catalog, feeds, root, config, cx };
        parts.start_services(dispatcher)?;
        Ok(Self(Arc::new(parts)))
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been carried out.
    pub async fn command(&self, command: Command) -> Result<Answer, Fault> {
        let input =
            Input::Command { name: command.name, body: command.body, external_key: command.external_key };
        self.0.directory.deliver(&command.stream, input, command.origin, command.dedup).await
    }

    /// Reads the state of a stream; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub async fn read(&self, stream: &StreamKey) -> Result<Option<View>, Fault> {
        self.0.directory.read(stream).await
    }

    /// Reads the state of a stream as of a moment; `None` if it did not exist then.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`], and [`Fault::Refused`] where what is stored cannot be folded.
    pub async fn read_at(&self, stream: &StreamKey, at: Timestamp) -> Result<Option<View>, Fault> {
        let events = self.0.journal.read_stream(stream, 0, usize::MAX).await.map_err(Fault::from)?;
        let events: Vec<_> = events.into_iter().take_while(|e| e.at <= at).collect();
        let (Some(kind), Some(first), Some(last)) =
            (self.0.catalog.by_prefix(stream.id.prefix()), events.first(), events.last())
        else {
            return Ok(None);
        };
        let mut machine = (kind.machine)(stream);
        for event in &events {
            machine.apply(event).map_err(|e| Fault::Refused { reason: e.to_string() })?;
        }
        let (seq, created_at, updated_at, position) = (last.seq, first.at, last.at, last.position);
        Ok(machine.view().map(|state| View { seq, created_at, updated_at, state, position }))
    }

    /// Makes sure that the journal can be read.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub async fn probe(&self) -> Result<(), journal::Error> {
        self.0.journal.find_key(&[0; 16]).await.map(|_| ())
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
        self.0.journal.read_stream(stream, after, limit).await
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
        self.0.journal.list_streams(tenant, prefix, after, newest_first, limit).await
    }

    /// Waits until the log has come to a position; `false` if it has not within the patience.
    pub async fn until(&self, position: Position, patience: Duration) -> bool {
        let mut reached = self.0.feeds.position.subscribe();
        let reached = tokio::time::timeout(patience, reached.wait_for(|at| *at >= position)).await;
        reached.is_ok_and(|held| held.is_ok())
    }

    /// The last committed position.
    pub fn position(&self) -> Position {
        *self.0.feeds.position.borrow()
    }

    /// What identifies the journal.
    pub fn info(&self) -> &journal::Info {
        self.0.journal.info()
    }

    /// The kinds that the node hosts.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Time, chance, tasks and exit.
    pub fn cx(&self) -> &Context {
        &self.0.cx
    }

    /// The supervision tree as data.
    pub fn tree(&self) -> Tree {
        Tree { services: self.0.root.services(), entities: self.0.directory.live() }
    }

    /// Releases an entity from quarantine; `false` if it is not there.
    pub fn release(&self, stream: &StreamKey) -> bool {
        self.0.directory.release(stream)
    }

    /// Ends in good order: takes nothing more in, finishes what is under way, closes the journal.
    ///
    /// Returns `false` if something was still under way when the patience for it ran out.
    pub async fn stop(&self) -> bool {
        let (cx, directory) = (&self.0.cx, &self.0.directory);
        directory.close();
        let begun = cx.monotonic();
        while directory.waiting() > 0 && begun.elapsed() < self.0.config.drain {
            cx.sleep(Duration::from_millis(5)).await;
        }
        let drained = directory.waiting() == 0;
        cx.cancel_tasks(Duration::from_secs(2)).await;
        self.0.root.stop(Duration::from_secs(2)).await;
        self.0.journal.close().await;
        drained
    }
}

impl Parts {
    fn start_services(&self, dispatcher: Dispatcher) -> Result<(), ServiceFault> {
        let (config, cx) = (&self.config, &self.cx);
        let outbox = Outbox::new(self.directory.clone(), self.journal.clone(), self.feeds.clone(), PARTITION);
        let messages = Pump::new(Arc::new(outbox), config.deliveries, cx.clone());
        let effects = Pump::new(Arc::new(dispatcher), config.deliveries, cx.clone());
        let (directory, journal, feeds) = (self.directory.clone(), self.journal.clone(), self.feeds.clone());
        let limits = (config.deliveries, config.backlog);
        let timers_cx = cx.clone();
        let timers = move || {
            let (directory, journal, feeds) = (directory.clone(), journal.clone(), feeds.clone());
            Timers::new(directory, journal, feeds, PARTITION, limits, timers_cx.clone())
        };
        let upkeep = Upkeep {
            directory: self.directory.clone(),
            journal: self.journal.clone(),
            every: config.upkeep,
            cx: cx.clone(),
        };
        self.root.add(ServiceSpec::new("outbox", move || messages.again()))?;
        self.root.add(ServiceSpec::new("effects", move || effects.again()))?;
        self.root.add(ServiceSpec::new("timers", timers))?;
        self.root.add(ServiceSpec::new("upkeep", move || upkeep.clone()))
    }
}

/// The upkeep of a node: passivation, the clock's discipline, the journal's indexes.
#[derive(Clone)]
struct Upkeep {
    directory: Directory,
    journal: Arc<dyn Journal>,
    every: Duration,
    cx: Context,
}

#[async_trait]
impl Service for Upkeep {
    async fn run(&mut self) -> Result<(), ServiceFault> {
        loop {
            self.cx.sleep(self.every).await;
            self.directory.passivate_idle();
            let ahead = self.cx.discipline();
            metrics::gauge!(names::CLOCK_OFFSET).set(ahead as f64 / 1_000.0);
            if ahead.abs() > 1_000 {
                tracing::warn!(
                    ahead_ms = ahead,
                    "the machine's clock has been moved; the engine follows slowly"
                );
            }
            let done = self.journal.maintain(self.cx.now()).await;
            done.map_err(|e| ServiceFault::passing(e.to_string()))?;
        }
    }
}
