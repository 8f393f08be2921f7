//! Following what a node commits, what its supervisors do, and what does not go on.

use tokio::sync::broadcast;

use super::{Node, Overdue};
use crate::effect::{Effect, EffectKey, Policy};
use crate::id::StreamKey;
use crate::journal::{self, Message};
use crate::projection::{Start, Tail, TailError, Wanted};
use crate::supervise::Notice;
use crate::workflow::action::{ActionInfo, CallTerms};

impl Node {
    /// Follows the journal: every partition, or the one that a stream belongs to, as far as events are `wanted`.
    ///
    /// # Errors
    ///
    /// [`TailError`]; [`TailError::NotOwner`] where this node does not own everything that is to be followed: its
    /// owner knows first what is committed.
    pub fn tail(&self, start: &Start, of: Option<&StreamKey>, wanted: Wanted) -> Result<Tail, TailError> {
        let partitions = &self.0.partitions;
        let followed = match of {
            Some(stream) => vec![self.info().partition_of(stream)],
            None => self.info().partitions.clone(),
        };
        Tail::new(partitions.journal.clone(), partitions.holdings.clone(), start, &followed, wanted)
    }

    /// What should have gone on by now and did not, as the watchdog found it at its last looks.
    pub fn overdue(&self) -> Vec<Overdue> {
        self.0.partitions.findings.all()
    }

    /// How far an effect of a stream is, as far as the journal holds it, and how it is called.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn effect(&self, key: &EffectKey) -> Result<Option<(Effect, Policy)>, journal::Error> {
        let partitions = &self.0.partitions;
        let Some(effect) = partitions.journal.find_effect(key).await? else { return Ok(None) };
        let circuit = partitions.circuits.get(effect.connector.as_ref());
        let policy = circuit.map(|circuit| circuit.connector.policy(&effect.operation)).unwrap_or_default();
        Ok(Some((effect, policy)))
    }

    /// How the calls outside that an action declares are made; of connectors that there are not, nothing is told.
    pub fn call_terms(&self, action: &ActionInfo) -> Vec<CallTerms> {
        let terms = |(connector, operation): &(&'static str, &'static str)| {
            let found = self.0.partitions.circuits.get(connector)?;
            let (connector, operation) = (*connector, *operation);
            Some(CallTerms { connector, operation, policy: found.connector.policy(operation) })
        };
        action.effects.iter().filter_map(terms).collect()
    }

    /// Finds the message on its way to a stream that waited longest: what is not there yet may be about to be.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn message_to(&self, stream: &StreamKey) -> Result<Option<Message>, journal::Error> {
        self.0.partitions.journal.message_to(stream).await
    }

    /// Watches what supervisors restart from now on. Whoever is far behind misses some, and is told how many.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.partitions.shared.notices.watch()
    }
}
