//! What an operator does about what was set aside. Each act is a commit, with who and why.

use std::sync::Arc;
use std::time::Duration;

use super::Node;
use super::node::Command;
use crate::codec;
use crate::entity::{Answer, Dedup, Fault};
use crate::id::{StreamId, StreamKey};
use crate::journal::{self, Event, Origin, Outcome};
use crate::supervise::{DeadLetterCommand, Quarantine, QuarantineCommand, Quarantined};
use crate::telemetry::names;

/// How long an act waits until what it is about stands in the journal.
const JOURNALLED: Duration = Duration::from_secs(2);

/// What an operator does about one thing: why, as who, and what makes it count once.
#[derive(Debug, Clone)]
pub struct Act {
    /// Why.
    pub why: String,
    /// Who, and in which request.
    pub origin: Arc<Origin>,
    /// What makes it count once.
    pub dedup: Dedup,
}

impl Node {
    /// The entities and runs that are quarantined in what this node owns, in the order of their keys.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let owned = self.0.partitions.holdings.all();
        let mut all: Vec<_> =
            owned.iter().filter(|owned| owned.serves()).flat_map(|owned| owned.asides().all()).collect();
        all.sort_by(|a, b| a.stream.cmp(&b.stream));
        all
    }

    /// The quarantine of one entity; `None` if it is not set aside.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`].
    pub fn quarantine_of(&self, stream: &StreamKey) -> Result<Option<Quarantined>, Fault> {
        Ok(self.owned(stream)?.asides().get(stream).map(|aside| aside.of))
    }

    /// Everything that the journal holds of an entity's quarantines: set aside and released, by whom and why.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn quarantine_history(&self, stream: &StreamKey) -> Result<Vec<Event>, journal::Error> {
        let register = Quarantine::register(stream.slot());
        let mut events = self.events(&register, 0, usize::MAX).await?;
        events.retain(|event| speaks_of(event, stream));
        Ok(events)
    }

    /// Releases an entity: it is tried again when it is next wanted, with its faults forgotten.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been released.
    pub async fn release(&self, stream: &StreamKey, act: Act) -> Result<Answer, Fault> {
        let owned = self.owned(stream)?;
        let journalled = tokio::time::timeout(JOURNALLED, owned.asides().until_journalled(stream));
        let late = |_| Fault::Unavailable { reason: "its quarantine is not in the journal yet".to_owned() };
        let aside = journalled.await.map_err(late)?;
        let (tenant, id, why) = (stream.tenant.clone(), stream.id, act.why.clone());
        let command = QuarantineCommand::Release { tenant, id, why };
        let register = Quarantine::register(stream.slot());
        let answer = self.act(register.clone(), &command, act, "release").await?;
        // What the register says counts, also where this answer was given before, or the first one was lost.
        if let Some(aside) = aside
            && !self.stands(&register, stream).await?
        {
            owned.asides().remove(stream, aside.since);
            owned.feeds().changes.push(stream);
        }
        Ok(answer)
    }

    /// Sends the command of a dead letter again, once.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been sent.
    pub async fn retry_letter(&self, letter: StreamKey, act: Act) -> Result<Answer, Fault> {
        let command = DeadLetterCommand::Retry { why: act.why.clone() };
        self.act(letter, &command, act, "retry").await
    }

    /// Lets a dead letter go.
    ///
    /// # Errors
    ///
    /// [`Fault`]; only after [`Fault::Unknown`] may it have been let go.
    pub async fn discard_letter(&self, letter: StreamKey, act: Act) -> Result<Answer, Fault> {
        let command = DeadLetterCommand::Discard { why: act.why.clone() };
        self.act(letter, &command, act, "discard").await
    }

    async fn act<C: serde::Serialize + Sync>(
        &self,
        stream: StreamKey,
        command: &C,
        act: Act,
        name: &'static str,
    ) -> Result<Answer, Fault> {
        let written = codec::write_named(command);
        let (command, body) = written.map_err(|e| Fault::Refused { reason: e.message })?;
        let Act { origin, dedup, .. } = act;
        let command = Command { stream, name: command.into(), body, external_key: None, origin, dedup };
        let answer = self.command(command).await?;
        if matches!(answer.outcome, Outcome::Accepted(_)) && !answer.replayed {
            metrics::counter!(names::OPERATOR_ACTS, "act" => name).increment(1);
        }
        Ok(answer)
    }

    /// True if a stream is set aside as its register tells.
    async fn stands(&self, register: &StreamKey, stream: &StreamKey) -> Result<bool, Fault> {
        let view = self.read(register).await?;
        Ok(view.is_some_and(|view| view.state.value()["open"].get(stream.to_string()).is_some()))
    }
}

fn speaks_of(event: &Event, stream: &StreamKey) -> bool {
    #[derive(serde::Deserialize)]
    struct Of {
        tenant: crate::id::TenantId,
        id: StreamId,
    }
    event.body.data.read::<Of>().is_ok_and(|of| of.tenant == stream.tenant && of.id == stream.id)
}
