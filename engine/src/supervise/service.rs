//! Services: the long-running parts of a node, each run by the same ractor wrapper.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::policy::Policy;
use super::pulse::Pulse;

/// A fault of a service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct ServiceFault {
    reason: String,
    fatal: bool,
}

impl ServiceFault {
    /// A fault that a restart may cure.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), fatal: false }
    }

    /// A fault that no restart cures: it goes upward at once.
    pub fn fatal(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), fatal: true }
    }

    /// True if no restart cures it.
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }
}

/// A long-running part of a node: a writer, the timers, a dispatcher.
///
/// Its state lives outside it (in queues and the journal), so that a fresh one can go on where it faulted.
#[async_trait]
pub trait Service: Send + 'static {
    /// Runs until there is nothing more to do: its queue was closed for good.
    ///
    /// # Errors
    ///
    /// A fault; the supervisor decides on it. A panic counts as a fault that may pass.
    ///
    /// # Cancel safety
    ///
    /// Must bear being dropped at any await.
    async fn run(&mut self) -> Result<(), ServiceFault>;
}

/// Makes a service, at its start and at every restart.
pub(super) type Maker = Arc<dyn Fn() -> Box<dyn Service> + Send + Sync>;

/// Says how much waits for a service.
pub(super) type Depth = Arc<dyn Fn() -> usize + Send + Sync>;

/// A service to be kept running. Cheap to clone.
#[derive(Clone)]
pub struct ServiceSpec {
    pub(super) name: &'static str,
    pub(super) number: Option<u32>,
    pub(super) make: Maker,
    pub(super) policy: Option<Policy>,
    pub(super) depth: Option<Depth>,
    pub(super) pulse: Option<(Pulse, Duration)>,
}

impl ServiceSpec {
    /// Names a service and says how to make it.
    pub fn new<S: Service>(name: &'static str, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let make: Maker = Arc::new(move || Box::new(make()));
        Self { name, number: None, make, policy: None, depth: None, pulse: None }
    }

    /// Makes it one of several services of its name.
    #[must_use]
    pub fn number(self, number: u32) -> Self {
        Self { number: Some(number), ..self }
    }

    /// Restarts it by a policy of its own instead of the one of its supervisor.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Says how much waits for it.
    #[must_use]
    pub fn depth(self, depth: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { depth: Some(Arc::new(depth)), ..self }
    }

    /// Demands that no piece of its work takes longer than a limit; where one does, the service is wedged, and is
    /// ended and restarted.
    #[must_use]
    pub fn within(self, pulse: &Pulse, limit: Duration) -> Self {
        Self { pulse: Some((pulse.clone(), limit)), ..self }
    }

    pub(super) fn key(&self) -> Key {
        (self.name, self.number)
    }
}

/// What a service is known by to its supervisor: its name, and its number where there may be several.
pub(super) type Key = (&'static str, Option<u32>);

/// The one ractor wrapper around services.
pub(super) struct ServiceActor;

pub(super) struct Begin;

impl Actor for ServiceActor {
    type Msg = Begin;
    type State = Box<dyn Service>;
    type Arguments = Maker;

    async fn pre_start(
        &self,
        myself: ActorRef<Begin>,
        make: Maker,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_message(Begin)?;
        Ok(make())
    }

    async fn handle(
        &self,
        myself: ActorRef<Begin>,
        Begin: Begin,
        service: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        service.run().await?;
        myself.stop(Some("done".to_owned()));
        Ok(())
    }
}
