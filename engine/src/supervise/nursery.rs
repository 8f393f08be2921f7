//! What the root and the supervisors of partitions do alike: keep their services running.

use std::collections::BTreeMap;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr};

use super::board::{Board, Scope};
use super::policy::{Intensity, Policy, Verdict};
use super::service::{Begin, Key, ServiceActor, ServiceFault, ServiceSpec};
use crate::runtime::Context;
use crate::telemetry::names;

/// The services of one supervisor.
pub(super) struct Nursery {
    scope: Scope,
    policy: Policy,
    board: Board,
    cx: Context,
    specs: BTreeMap<Key, (ServiceSpec, Intensity)>,
    children: BTreeMap<ActorId, Key>,
}

/// What has become of a child.
pub(super) enum Fate {
    /// It is none of these services.
    Stranger,
    /// It has come to its end.
    Ended,
    /// It faulted, and is to be started again after a while.
    Restart(Key, Duration),
    /// It cannot be kept running: the fault goes upward.
    GiveUp(String),
}

impl Nursery {
    pub(super) fn new(scope: Scope, policy: Policy, board: Board, cx: Context) -> Self {
        let (specs, children) = (BTreeMap::new(), BTreeMap::new());
        Self { scope, policy, board, cx, specs, children }
    }

    /// True if none of its services is running.
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Takes a service on, under a parent.
    pub(super) async fn add(&mut self, spec: ServiceSpec, parent: ActorCell) -> Result<(), SpawnErr> {
        let key = spec.key();
        let intensity = Intensity::new(spec.policy.unwrap_or(self.policy));
        self.specs.insert(key, (spec, intensity));
        self.start(key, parent).await
    }

    /// Starts a service that was taken on.
    pub(super) async fn start(&mut self, key: Key, parent: ActorCell) -> Result<(), SpawnErr> {
        let Some((spec, _)) = self.specs.get(&key) else { return Ok(()) };
        let (child, _): (ActorRef<Begin>, _) =
            Actor::spawn_linked(None, ServiceActor, spec.make.clone(), parent).await?;
        self.children.insert(child.get_id(), key);
        self.board.service_started(self.scope, spec, child.get_cell());
        Ok(())
    }

    /// Decides on a child that failed.
    pub(super) fn failed(&mut self, who: ActorId, error: &ActorProcessingErr) -> Fate {
        let fatal = error.downcast_ref::<ServiceFault>().is_some_and(ServiceFault::is_fatal);
        match self.children.remove(&who) {
            Some(key) => self.faulted(key, error.to_string(), fatal),
            None => Fate::Stranger,
        }
    }

    /// Decides on a child that ended without a fault, or was ended by force.
    pub(super) fn terminated(&mut self, who: ActorId) -> Fate {
        let Some(key) = self.children.remove(&who) else { return Fate::Stranger };
        if let Some(reason) = self.board.take_wedged(self.scope, key) {
            return self.faulted(key, reason, false);
        }
        self.board.service_ended(self.scope, key);
        if self.scope != Scope::Node {
            self.specs.remove(&key);
        }
        Fate::Ended
    }

    fn faulted(&mut self, key: Key, reason: String, fatal: bool) -> Fate {
        let name = key.0;
        self.board.service_faulted(self.scope, key, &reason);
        let Some((_, intensity)) = self.specs.get_mut(&key) else { return Fate::Ended };
        match intensity.fault(self.cx.monotonic()) {
            Verdict::Restart(wait) if !fatal => {
                let wait_ms = wait.as_millis() as u64;
                tracing::warn!(service = name, reason, wait_ms, "a service faulted");
                metrics::counter!(names::RESTARTS, "child" => name).increment(1);
                Fate::Restart(key, wait)
            }
            Verdict::Restart(_) | Verdict::GiveUp => {
                Fate::GiveUp(format!("service `{name}` cannot be kept running: {reason}"))
            }
        }
    }
}
