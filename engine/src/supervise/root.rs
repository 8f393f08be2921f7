//! The node's root supervisor: keeps the services and the supervisors of the partitions running, and ends the process
//! when it cannot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use super::board::{Board, PartitionStatus, Scope, ServiceStatus, Wedged};
use super::nursery::{Fate, Nursery};
use super::partition::{PartitionSeed, PartitionSupervisor};
use super::policy::{Intensity, Policy, Verdict};
use super::service::{Key, ServiceFault, ServiceSpec};
use crate::runtime::{Config, Context};
use crate::telemetry::names;

/// By how much longer the window of a partition's restarts is than that of its children's.
const PARTITION_WINDOWS: u32 = 5;

/// Half of the least wait before a partition is restarted, which jitter leaves: so that the hosts ended with it have let go of their entities.
const SETTLING: Duration = Duration::from_millis(10);

/// The way to the root supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Root {
    actor: ActorRef<RootMsg>,
    board: Board,
    /// True once everything below is being ended in good order.
    ending: Arc<AtomicBool>,
}

enum RootMsg {
    Add(ServiceSpec),
    Start(Key),
    Take(Arc<PartitionSeed>),
    StartPartition(Scope),
}

struct RootActor;

struct RootState {
    services: Nursery,
    partitions: BTreeMap<Scope, (Arc<PartitionSeed>, Intensity)>,
    supervisors: BTreeMap<ActorId, Scope>,
    /// By which services and hosts of a partition are restarted.
    policy: Policy,
    board: Board,
    ending: Arc<AtomicBool>,
    cx: Context,
}

impl Root {
    /// Starts the root supervisor and the services, in their order. Where the supervisor itself ends, the process does.
    ///
    /// # Errors
    ///
    /// When an actor cannot be started.
    pub async fn start(specs: Vec<ServiceSpec>, config: &Config, cx: Context) -> Result<Self, ServiceFault> {
        let (board, ending) = (Board::new(cx.clone()), Arc::<AtomicBool>::default());
        let policy = Policy::new(config.restart_intensity, config.restart_window);
        let state = RootState {
            services: Nursery::new(Scope::Node, policy, board.clone(), cx.clone()),
            partitions: BTreeMap::new(),
            supervisors: BTreeMap::new(),
            policy,
            board: board.clone(),
            ending: ending.clone(),
            cx: cx.clone(),
        };
        let spawned = Actor::spawn(None, RootActor, state).await;
        let (actor, ended) = spawned.map_err(|e| ServiceFault::fatal(e.to_string()))?;
        let (watched, every) = (cx.clone(), config.upkeep);
        cx.spawn("root's end", async move {
            // A node that ends in good order drops this task before the root.
            let _ = ended.await;
            watched.exit(1, "the root supervisor ended");
        });
        let root = Self { actor, board, ending };
        cx.spawn("pulse", watch_pulses(root.board.clone(), every, cx.clone()));
        for spec in specs {
            root.add(spec)?;
        }
        Ok(root)
    }

    /// Starts one more service.
    ///
    /// # Errors
    ///
    /// When the supervisor is gone.
    pub fn add(&self, spec: ServiceSpec) -> Result<(), ServiceFault> {
        self.tell(RootMsg::Add(spec))
    }

    /// Starts the supervisor of a partition with its services. It ends by itself when the partition is lost.
    ///
    /// # Errors
    ///
    /// When the supervisor is gone.
    pub(crate) fn take(&self, seed: PartitionSeed) -> Result<(), ServiceFault> {
        self.tell(RootMsg::Take(Arc::new(seed)))
    }

    fn tell(&self, message: RootMsg) -> Result<(), ServiceFault> {
        self.actor.send_message(message).map_err(|e| ServiceFault::fatal(e.to_string()))
    }

    /// How the services are that are not of a partition.
    pub fn services(&self) -> Vec<ServiceStatus> {
        self.board.services()
    }

    /// How the supervisors of the partitions are, with their services.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        self.board.partitions()
    }

    /// Ends the services and everything below.
    pub async fn stop(&self, patience: Duration) {
        self.ending.store(true, Ordering::Relaxed);
        for child in self.board.children_of_root() {
            child.stop(Some("shutdown".to_owned()));
        }
        kill_below(&self.actor.get_cell());
        let ended = self.actor.get_cell().kill_and_wait(Some(patience)).await;
        if ended.is_err() {
            tracing::warn!("the root supervisor did not end in time");
        }
    }
}

/// Looks for services that do not get on with their work, for as long as the node lives.
async fn watch_pulses(board: Board, every: Duration, cx: Context) {
    loop {
        cx.sleep(every).await;
        for wedged in board.end_wedged() {
            match wedged {
                Wedged::Ended(service) => {
                    tracing::error!(service, "a service does not get on with its work and is ended");
                    metrics::counter!(names::WEDGED, "child" => service).increment(1);
                }
                Wedged::Stuck(service, reason) => {
                    cx.exit(1, format!("service `{service}` cannot be ended: {reason}"));
                }
            }
        }
    }
}

/// Ends everything below an actor in the order in which it was started: the library's own order is another one each
/// time, and who is asked first decides what is still done.
fn kill_below(cell: &ActorCell) {
    let mut children = cell.get_children();
    children.sort_by_key(ActorCell::get_id);
    for child in children {
        kill_below(&child);
        child.kill();
    }
}

impl Actor for RootActor {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = RootState;

    async fn pre_start(
        &self,
        _: ActorRef<RootMsg>,
        state: RootState,
    ) -> Result<RootState, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let done = match message {
            RootMsg::Add(spec) => state.services.add(spec, myself.get_cell()).await,
            RootMsg::Start(key) => state.services.start(key, myself.get_cell()).await,
            RootMsg::Take(seed) => {
                let Policy { faults, window, .. } = state.policy;
                let intensity = Intensity::new(Policy::new(faults, window * PARTITION_WINDOWS));
                let scope = seed.scope();
                state.partitions.insert(scope, (seed, intensity));
                state.start_partition(scope, &myself).await
            }
            RootMsg::StartPartition(scope) => state.start_partition(scope, &myself).await,
        };
        done.map_err(|e| e.to_string().into())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        if state.ending.load(Ordering::Relaxed) {
            return Ok(());
        }
        match event {
            SupervisionEvent::ActorFailed(who, error) => match state.supervisors.remove(&who.get_id()) {
                Some(scope) => state.partition_failed(&myself, scope, &error.to_string()),
                None => {
                    let fate = state.services.failed(who.get_id(), &error);
                    state.act(&myself, fate);
                }
            },
            SupervisionEvent::ActorTerminated(who, _, _) => match state.supervisors.remove(&who.get_id()) {
                Some(scope) => state.partition_ended(&myself, scope),
                None => {
                    let fate = state.services.terminated(who.get_id());
                    state.act(&myself, fate);
                }
            },
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl RootState {
    fn act(&self, myself: &ActorRef<RootMsg>, fate: Fate) {
        match fate {
            Fate::Restart(key, wait) => self.later(myself, wait, RootMsg::Start(key)),
            Fate::GiveUp(reason) => self.cx.exit(1, reason),
            Fate::Ended | Fate::Stranger => {}
        }
    }

    async fn start_partition(&mut self, scope: Scope, myself: &ActorRef<RootMsg>) -> Result<(), SpawnErr> {
        let Some((seed, _)) = self.partitions.get(&scope) else { return Ok(()) };
        if seed.owned.ended() {
            self.forget(scope);
            return Ok(());
        }
        let supervisor = PartitionSupervisor::new(seed.clone(), self.policy, self.board.clone());
        let (child, _) = supervisor.spawn(myself.get_cell()).await?;
        self.supervisors.insert(child.get_id(), scope);
        self.board.partition_started(scope, child.get_cell());
        Ok(())
    }

    /// A partition that could not keep a child running, or faulted itself, is restarted with all that is below it.
    fn partition_failed(&mut self, myself: &ActorRef<RootMsg>, scope: Scope, reason: &str) {
        let Some((seed, intensity)) = self.partitions.get_mut(&scope) else { return };
        let partition = seed.owned.partition();
        self.board.partition_faulted(scope, reason);
        match intensity.fault(self.cx.monotonic()) {
            Verdict::Restart(wait) => {
                let wait = wait.max(SETTLING * 2);
                let wait_ms = wait.as_millis() as u64;
                tracing::error!(partition, reason, wait_ms, "a partition's supervisor faulted");
                metrics::counter!(names::RESTARTS, "child" => "partition").increment(1);
                self.later(myself, wait, RootMsg::StartPartition(scope));
            }
            Verdict::GiveUp => {
                self.cx.exit(1, format!("partition {partition} cannot be kept running: {reason}"));
            }
        }
    }

    fn partition_ended(&mut self, myself: &ActorRef<RootMsg>, scope: Scope) {
        match self.partitions.get(&scope) {
            Some((seed, _)) if !seed.owned.ended() => {
                self.partition_failed(myself, scope, "its supervisor was ended");
            }
            Some(_) | None => self.forget(scope),
        }
    }

    fn forget(&mut self, scope: Scope) {
        self.partitions.remove(&scope);
        self.board.partition_ended(scope);
    }

    fn later(&self, myself: &ActorRef<RootMsg>, wait: Duration, message: RootMsg) {
        let (root, cx) = (myself.clone(), self.cx.clone());
        self.cx.spawn("restart", async move {
            cx.sleep(cx.jitter(wait)).await;
            // The root is only gone when the node is ending.
            let _ = root.send_message(message);
        });
    }
}
