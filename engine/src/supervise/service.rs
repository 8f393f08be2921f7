//! Services: the long-running parts of a node, each run by the same ractor wrapper.

use std::sync::Arc;

use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef};

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

    /// A fault that no restart cures: the process has to end.
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
