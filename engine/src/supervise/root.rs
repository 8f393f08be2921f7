//! The node's root supervisor: keeps the services running, and ends the process when it cannot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use serde::Serialize;

use super::policy::{Intensity, Verdict};
use super::service::{Begin, Maker, Service, ServiceActor, ServiceFault};
use crate::clock::Timestamp;
use crate::runtime::{Config, Context};
use crate::telemetry::names;

/// A service to be kept running.
pub struct ServiceSpec {
    name: &'static str,
    make: Maker,
}

impl ServiceSpec {
    /// Names a service and says how to make it.
    pub fn new<S: Service>(name: &'static str, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        Self { name, make: Arc::new(move || Box::new(make())) }
    }
}

/// How a service is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: &'static str,
    /// `running`, `restarting` or `ended`.
    pub state: &'static str,
    /// How often it was restarted.
    pub restarts: u64,
    /// The last fault, and when.
    pub last_fault: Option<(Timestamp, String)>,
}

type Board = Arc<Mutex<BTreeMap<&'static str, ServiceStatus>>>;

/// The way to the root supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Root {
    actor: ActorRef<RootMsg>,
    board: Board,
}

enum RootMsg {
    Add(ServiceSpec),
    Start(&'static str),
}

struct RootActor;

struct RootState {
    specs: BTreeMap<&'static str, (Maker, Intensity)>,
    fresh: Intensity,
    children: BTreeMap<ActorId, &'static str>,
    board: Board,
    cx: Context,
}

impl Root {
    /// Starts the root supervisor and the services, in their order.
    ///
    /// # Errors
    ///
    /// When an actor cannot be started.
    pub async fn start(specs: Vec<ServiceSpec>, config: &Config, cx: Context) -> Result<Self, ServiceFault> {
        let board = Board::default();
        let fresh = Intensity::new(config.restart_intensity, config.restart_window);
        let state =
            RootState { specs: BTreeMap::new(), fresh, children: BTreeMap::new(), board: board.clone(), cx };
        let spawned = Actor::spawn(None, RootActor, state).await;
        let (actor, _) = spawned.map_err(|e| ServiceFault::fatal(e.to_string()))?;
        let root = Self { actor, board };
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
        self.actor.send_message(RootMsg::Add(spec)).map_err(|e| ServiceFault::fatal(e.to_string()))
    }

    /// How the services are.
    pub fn services(&self) -> Vec<ServiceStatus> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The cell that further supervisors are linked to.
    pub(crate) fn cell(&self) -> ActorCell {
        self.actor.get_cell()
    }

    /// Ends the services and everything below.
    pub async fn stop(&self, patience: Duration) {
        self.actor.get_cell().stop_children(Some("shutdown".to_owned()));
        let ended = self.actor.get_cell().kill_and_wait(Some(patience)).await;
        if ended.is_err() {
            tracing::warn!("the root supervisor did not end in time");
        }
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
        let name = match message {
            RootMsg::Start(name) => name,
            RootMsg::Add(spec) => {
                state.specs.insert(spec.name, (spec.make, state.fresh.clone()));
                spec.name
            }
        };
        let Some((make, _)) = state.specs.get(name) else { return Ok(()) };
        let spawned = Actor::spawn_linked(None, ServiceActor, make.clone(), myself.get_cell()).await;
        let (child, _): (ActorRef<Begin>, _) = spawned.map_err(|e| e.to_string())?;
        state.children.insert(child.get_id(), name);
        state.note(name, "running", None);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => {
                let fatal = error.downcast_ref::<ServiceFault>().is_some_and(ServiceFault::is_fatal);
                state.faulted(&myself, who.get_id(), error.to_string(), fatal);
            }
            SupervisionEvent::ActorTerminated(who, _, _) => {
                if let Some(name) = state.children.remove(&who.get_id()) {
                    state.note(name, "ended", None);
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl RootState {
    fn note(&self, name: &'static str, state: &'static str, fault: Option<String>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = board.entry(name);
        let status = entry.or_insert(ServiceStatus { name, state, restarts: 0, last_fault: None });
        status.state = state;
        if let Some(fault) = fault {
            status.restarts += 1;
            status.last_fault = Some((self.cx.now(), fault));
        }
    }

    fn faulted(&mut self, myself: &ActorRef<RootMsg>, who: ActorId, reason: String, fatal: bool) {
        let Some(name) = self.children.remove(&who) else {
            self.cx.exit(1, format!("a supervisor failed: {reason}"));
            return;
        };
        self.note(name, "restarting", Some(reason.clone()));
        let Some((_, intensity)) = self.specs.get_mut(name) else { return };
        let verdict = intensity.fault(self.cx.monotonic());
        match verdict {
            Verdict::Restart(wait) if !fatal => {
                tracing::warn!(
                    service = name,
                    reason,
                    wait_ms = wait.as_millis() as u64,
                    "a service faulted"
                );
                metrics::counter!(names::RESTARTS, "child" => name).increment(1);
                let (root, cx) = (myself.clone(), self.cx.clone());
                self.cx.spawn("restart", async move {
                    cx.sleep(cx.jitter(wait)).await;
                    // The root is only gone when the node is ending.
                    let _ = root.send_message(RootMsg::Start(name));
                });
            }
            Verdict::Restart(_) | Verdict::GiveUp => {
                self.cx.exit(1, format!("service `{name}` cannot be kept running: {reason}"));
            }
        }
    }
}
