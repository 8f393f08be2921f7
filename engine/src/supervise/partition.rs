//! The supervisor of a partition: keeps its services running, and starts, restarts and quarantines its hosts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};

use super::board::{Board, Scope};
use super::nursery::{Fate, Nursery};
use super::policy::{Intensity, Policy, Verdict};
use super::service::{Key, ServiceFault, ServiceSpec};
use crate::entity::{Directory, Host, HostFault, HostRef, HostSeed, IntakeCell, Phase, Shared};
use crate::partition::Owned;
use crate::telemetry::names;

type Place = Arc<IntakeCell<HostRef>>;

/// The way to ask for an actor of a partition. Cheap to clone; it outlives the supervisor.
#[derive(Clone)]
pub(crate) struct HostSupervisorHandle(Arc<Mutex<Way>>);

enum Way {
    /// There is no supervisor yet, or not for now; these are waiting for it.
    Waiting(Vec<Place>),
    Open(ActorRef<PartitionMsg>),
}

impl HostSupervisorHandle {
    pub(crate) fn unset() -> Self {
        Self(Arc::new(Mutex::new(Way::Waiting(Vec::new()))))
    }

    /// Asks for an actor for an entity; it belongs to the supervisor, whoever asked.
    pub(crate) fn activate(&self, place: Place) {
        let mut way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *way {
            Way::Waiting(places) => places.push(place),
            Way::Open(actor) => {
                // One that has just gone leaves what waits to the one after it, which looks for it.
                let _ = actor.send_message(PartitionMsg::Activate(place));
            }
        }
    }

    /// Leads to a supervisor from now on, and asks it for what has waited.
    fn open(&self, actor: &ActorRef<PartitionMsg>) {
        let mut way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Way::Waiting(places) = std::mem::replace(&mut *way, Way::Open(actor.clone())) {
            for place in places {
                // It is the supervisor itself that asks.
                let _ = actor.send_message(PartitionMsg::Activate(place));
            }
        }
    }
}

/// What a partition's supervisor is started with, at every restart.
pub(crate) struct PartitionSeed {
    pub(crate) owned: Arc<Owned>,
    /// Rises with each partition taken.
    pub(crate) taking: u64,
    pub(crate) services: Vec<ServiceSpec>,
    pub(crate) directory: Directory,
    pub(crate) shared: Arc<Shared>,
}

impl PartitionSeed {
    pub(super) fn scope(&self) -> Scope {
        Scope::Partition(self.owned.partition(), self.taking)
    }
}

pub(crate) enum PartitionMsg {
    Activate(Place),
    Start(Key),
}

struct PartitionActor;

/// What the supervisor knows of its children.
pub(super) struct PartitionSupervisor {
    seed: Arc<PartitionSeed>,
    services: Nursery,
    hosts: HashMap<ActorId, Place>,
    policy: Policy,
}

impl PartitionSupervisor {
    pub(super) fn new(seed: Arc<PartitionSeed>, policy: Policy, board: Board) -> Self {
        let services = Nursery::new(seed.scope(), policy, board, seed.shared.cx.clone());
        Self { seed, services, hosts: HashMap::new(), policy }
    }

    /// Starts it under the root.
    pub(super) async fn spawn(
        self,
        root: ActorCell,
    ) -> Result<(ActorRef<PartitionMsg>, JoinHandle<()>), SpawnErr> {
        Actor::spawn_linked(None, PartitionActor, self, root).await
    }
}

impl Actor for PartitionActor {
    type Msg = PartitionMsg;
    type State = PartitionSupervisor;
    type Arguments = PartitionSupervisor;

    async fn pre_start(
        &self,
        myself: ActorRef<PartitionMsg>,
        mut state: PartitionSupervisor,
    ) -> Result<PartitionSupervisor, ActorProcessingErr> {
        let seed = state.seed.clone();
        // What one before it has left undone stands in the journal.
        seed.owned.feeds().mark_stale();
        for spec in &seed.services {
            state.services.add(spec.clone(), myself.get_cell()).await?;
        }
        seed.owned.hosts().open(&myself);
        seed.directory.revive(&seed.owned);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<PartitionMsg>,
        message: PartitionMsg,
        state: &mut PartitionSupervisor,
    ) -> Result<(), ActorProcessingErr> {
        let place = match message {
            PartitionMsg::Activate(place) => place,
            PartitionMsg::Start(key) => {
                state.services.start(key, myself.get_cell()).await?;
                return Ok(());
            }
        };
        let due = matches!(place.lock().phase, Phase::Starting | Phase::BackingOff);
        if due {
            let PartitionSeed { directory, shared, .. } = &*state.seed;
            let seed = HostSeed { cell: place.clone(), directory: directory.clone(), shared: shared.clone() };
            let (child, _) = Actor::spawn_linked(None, Host, seed, myself.get_cell()).await?;
            state.hosts.insert(child.get_id(), place);
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<PartitionMsg>,
        event: SupervisionEvent,
        state: &mut PartitionSupervisor,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => match state.hosts.remove(&who.get_id()) {
                Some(place) => {
                    let known = matches!(error.downcast_ref(), Some(HostFault::Panicked { .. }));
                    let guilty = if known { Guilty::Input } else { Guilty::Nobody };
                    state.host_faulted(&myself, &place, guilty, error.to_string());
                }
                None => {
                    let fate = state.services.failed(who.get_id(), &error);
                    state.act(&myself, fate)?;
                }
            },
            SupervisionEvent::ActorTerminated(who, _, _) => {
                if state.hosts.remove(&who.get_id()).is_none() {
                    let fate = state.services.terminated(who.get_id());
                    state.act(&myself, fate)?;
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        if state.seed.owned.ended() && state.services.is_empty() && state.hosts.is_empty() {
            myself.stop(Some("the partition is lost".to_owned()));
        }
        Ok(())
    }
}

/// Who is to blame for a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guilty {
    /// What the entity was taking in: it has a strike, and is set aside after a few.
    Input,
    /// Nothing that is known.
    Nobody,
}

impl PartitionSupervisor {
    /// Restarts a service, or fails because of it.
    fn act(&self, myself: &ActorRef<PartitionMsg>, fate: Fate) -> Result<(), ServiceFault> {
        match fate {
            Fate::Restart(key, wait) => self.later(myself, wait, PartitionMsg::Start(key)),
            Fate::GiveUp(reason) => return Err(ServiceFault::passing(reason)),
            Fate::Ended | Fate::Stranger => {}
        }
        Ok(())
    }

    fn host_faulted(&self, myself: &ActorRef<PartitionMsg>, place: &Place, guilty: Guilty, reason: String) {
        let PartitionSeed { directory, shared, .. } = &*self.seed;
        let mut inner = place.lock();
        if matches!(inner.phase, Phase::Removed) {
            return;
        }
        inner.last_fault = Some(reason.clone());
        inner.restarts += 1;
        let intensity = inner.intensity.get_or_insert_with(|| Intensity::new(self.policy));
        let wait = match (intensity.fault(shared.cx.monotonic()), guilty) {
            (Verdict::GiveUp, Guilty::Nobody) => {
                drop(inner);
                directory.quarantine(place, reason);
                return;
            }
            (Verdict::GiveUp, Guilty::Input) => intensity.longest_wait(),
            (Verdict::Restart(wait), _) => wait,
        };
        let wait_ms = wait.as_millis() as u64;
        tracing::warn!(stream = %place.key, reason, wait_ms, "an entity faulted and is restarted");
        metrics::counter!(names::RESTARTS, "child" => "entity").increment(1);
        inner.phase = Phase::BackingOff;
        drop(inner);
        self.later(myself, wait, PartitionMsg::Activate(place.clone()));
    }

    fn later(&self, myself: &ActorRef<PartitionMsg>, wait: Duration, message: PartitionMsg) {
        let (supervisor, cx) = (myself.clone(), self.seed.shared.cx.clone());
        self.seed.shared.cx.spawn("restart", async move {
            cx.sleep(cx.jitter(wait)).await;
            // A supervisor that is gone is replaced by one that starts everything itself.
            let _ = supervisor.send_message(message);
        });
    }
}
