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
    key: Key,
    make: Maker,
}

/// What a service is known by: its name, the number of its lane or partition, and which taking of the partition.
type Key = (&'static str, Option<u32>, u64);

impl ServiceSpec {
    /// Names a service and says how to make it.
    pub fn new<S: Service>(name: &'static str, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        Self { key: (name, None, 0), make: Arc::new(move || Box::new(make())) }
    }

    /// Makes it one of several services of its name: that of a lane or partition. Where a partition is lost and taken
    /// again, the `taking` tells its services apart from those before.
    #[must_use]
    pub fn of(mut self, number: u32, taking: u64) -> Self {
        self.key = (self.key.0, Some(number), taking);
        self
    }
}

/// How a service is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: &'static str,
    /// The lane or partition that it serves, where there may be several of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// `running`, `restarting` or `ended`.
    pub state: &'static str,
    /// How often it was restarted.
    pub restarts: u64,
    /// The last fault, and when.
    pub last_fault: Option<(Timestamp, String)>,
}

type Board = Arc<Mutex<BTreeMap<Key, ServiceStatus>>>;

/// The way to the root supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Root {
    actor: ActorRef<RootMsg>,
    board: Board,
}

enum RootMsg {
    Add(ServiceSpec),
    Start(Key),
}

struct RootActor;

struct RootState {
    specs: BTreeMap<Key, (Maker, Intensity)>,
    fresh: Intensity,
    children: BTreeMap<ActorId, Key>,
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
        let key = match message {
            RootMsg::Start(key) => key,
            RootMsg::Add(spec) => {
                state.specs.insert(spec.key, (spec.make, state.fresh.clone()));
                spec.key
            }
        };
        let Some((make, _)) = state.specs.get(&key) else { return Ok(()) };
        let spawned = Actor::spawn_linked(None, ServiceActor, make.clone(), myself.get_cell()).await;
        let (child, _): (ActorRef<Begin>, _) = spawned.map_err(|e| e.to_string())?;
        state.children.insert(child.get_id(), key);
        state.note(key, "running", None);
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
                if let Some(key) = state.children.remove(&who.get_id()) {
                    state.ended(key);
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl RootState {
    /// Forgets the service of a partition that is lost; shows any other one as ended.
    fn ended(&mut self, key: Key) {
        match key {
            (_, None, _) => self.note(key, "ended", None),
            (_, Some(_), _) => {
                self.specs.remove(&key);
                self.board.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
        }
    }

    fn note(&self, key: Key, state: &'static str, fault: Option<String>) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, number, _) = key;
        let fresh = ServiceStatus { name, number, state, restarts: 0, last_fault: None };
        let status = board.entry(key).or_insert(fresh);
        status.state = state;
        if let Some(fault) = fault {
            status.restarts += 1;
            status.last_fault = Some((self.cx.now(), fault));
        }
    }

    fn faulted(&mut self, myself: &ActorRef<RootMsg>, who: ActorId, reason: String, fatal: bool) {
        let Some(key) = self.children.remove(&who) else {
            self.cx.exit(1, format!("a supervisor failed: {reason}"));
            return;
        };
        let name = key.0;
        self.note(key, "restarting", Some(reason.clone()));
        let Some((_, intensity)) = self.specs.get_mut(&key) else { return };
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
                    let _ = root.send_message(RootMsg::Start(key));
                });
            }
            Verdict::Restart(_) | Verdict::GiveUp => {
                self.cx.exit(1, format!("service `{name}` cannot be kept running: {reason}"));
            }
        }
    }
}
