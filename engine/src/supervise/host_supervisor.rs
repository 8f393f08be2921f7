//! The supervisor of the hosts of every partition: starts them, restarts them, quarantines them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::policy::{Intensity, LONGEST_WAIT, Verdict};
use super::service::ServiceFault;
use crate::entity::{Directory, Host, HostFault, HostRef, HostSeed, IntakeCell, Phase, Shared};
use crate::telemetry::names;

type Place = Arc<IntakeCell<HostRef>>;

/// The way to ask for an actor. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostSupervisorHandle(Arc<OnceLock<ActorRef<HostSupervisorMsg>>>);

impl HostSupervisorHandle {
    pub(crate) fn unset() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    /// Asks for an actor for an entity; it belongs to the supervisor, whoever asked.
    pub(crate) fn activate(&self, place: Place) {
        if let Some(actor) = self.0.get() {
            // A supervisor that is gone means that the node is ending.
            let _ = actor.send_message(HostSupervisorMsg::Activate(place));
        }
    }
}

pub(crate) enum HostSupervisorMsg {
    Activate(Place),
}

/// The supervisor of the hosts of every partition that the node owns.
struct HostSupervisor;

/// What the supervisor knows of its hosts.
struct HostSupervisorState {
    children: HashMap<ActorId, Place>,
    directory: Directory,
    shared: Arc<Shared>,
}

/// Starts the supervisor under the root and makes the directory that asks it for actors.
///
/// # Errors
///
/// When the actor cannot be started.
pub(crate) async fn spawn_host_supervisor(
    shared: Arc<Shared>,
    root: ActorCell,
) -> Result<Directory, ServiceFault> {
    let handle = HostSupervisorHandle::unset();
    let directory = Directory::new(shared.clone(), handle.clone());
    let state = HostSupervisorState { children: HashMap::new(), directory: directory.clone(), shared };
    let spawned = Actor::spawn_linked(None, HostSupervisor, state, root).await;
    let (actor, _) = spawned.map_err(|e| ServiceFault::fatal(e.to_string()))?;
    handle.0.set(actor).map_err(|_| ServiceFault::fatal("the host supervisor was started twice"))?;
    Ok(directory)
}

impl Actor for HostSupervisor {
    type Msg = HostSupervisorMsg;
    type State = HostSupervisorState;
    type Arguments = HostSupervisorState;

    async fn pre_start(
        &self,
        _: ActorRef<HostSupervisorMsg>,
        state: HostSupervisorState,
    ) -> Result<HostSupervisorState, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<HostSupervisorMsg>,
        message: HostSupervisorMsg,
        state: &mut HostSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let HostSupervisorMsg::Activate(cell) = message;
        let due = matches!(cell.lock().phase, Phase::Starting | Phase::BackingOff);
        if due {
            let seed = HostSeed {
                cell: cell.clone(),
                directory: state.directory.clone(),
                shared: state.shared.clone(),
            };
            let (child, _) = Actor::spawn_linked(None, Host, seed, myself.get_cell()).await?;
            state.children.insert(child.get_id(), cell);
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<HostSupervisorMsg>,
        event: SupervisionEvent,
        state: &mut HostSupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => {
                if let Some(place) = state.children.remove(&who.get_id()) {
                    let known = matches!(error.downcast_ref(), Some(HostFault::Panicked { .. }));
                    let guilty = if known { Guilty::Input } else { Guilty::Nobody };
                    state.faulted(&myself, &place, guilty, error.to_string());
                }
            }
            SupervisionEvent::ActorTerminated(who, _, _) => {
                state.children.remove(&who.get_id());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
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

impl HostSupervisorState {
    fn faulted(&self, myself: &ActorRef<HostSupervisorMsg>, place: &Place, guilty: Guilty, reason: String) {
        let (config, cx) = (&self.shared.config, &self.shared.cx);
        let mut inner = place.lock();
        if matches!(inner.phase, Phase::Removed) {
            return;
        }
        inner.last_fault = Some(reason.clone());
        inner.restarts += 1;
        let fresh = || Intensity::new(config.restart_intensity, config.restart_window);
        let verdict = inner.intensity.get_or_insert_with(fresh).fault(cx.monotonic());
        let wait = match (verdict, guilty) {
            (Verdict::GiveUp, Guilty::Nobody) => {
                drop(inner);
                self.directory.quarantine(place, reason);
                return;
            }
            (Verdict::GiveUp, Guilty::Input) => LONGEST_WAIT,
            (Verdict::Restart(wait), _) => wait,
        };
        let wait_ms = wait.as_millis() as u64;
        tracing::warn!(stream = %place.key, reason, wait_ms, "an entity faulted and is restarted");
        metrics::counter!(names::RESTARTS, "child" => "entity").increment(1);
        inner.phase = Phase::BackingOff;
        drop(inner);
        let (supervisor, cx, place) = (myself.clone(), cx.clone(), place.clone());
        self.shared.cx.spawn("restart", async move {
            cx.sleep(cx.jitter(wait)).await;
            let _ = supervisor.send_message(HostSupervisorMsg::Activate(place));
        });
    }
}
