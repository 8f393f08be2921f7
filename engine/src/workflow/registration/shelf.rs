//! How the registry of a node learns what is registered: all of it when partitions are taken over, and each change as
//! soon as it is in the journal, whoever waits for the answer.

use std::sync::Arc;

use serde_json::Value;

use super::{Registered, WorkflowDefinition};
use crate::entity::{Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::id::{IdKind, StreamKey, TenantId};
use crate::journal::{self, Event, Journal, Json, Rejected, Seq, Snapshot};
use crate::workflow::action::Actions;
use crate::workflow::versions::Definitions;

/// The catalog's entry of registered workflows, of which a registry learns; their routes are written by hand.
pub fn info(definitions: Arc<Definitions>, actions: Arc<Actions>) -> KindInfo {
    let machine = move |stream: &StreamKey| {
        let (definitions, actions) = (definitions.clone(), actions.clone());
        let shelved = Shelved { typed: Typed::new(), tenant: stream.tenant.clone(), definitions, actions };
        Box::new(shelved) as Box<dyn Machine>
    };
    KindInfo { public: false, machine: Arc::new(machine), ..Typed::<WorkflowDefinition>::info() }
}

/// A registered workflow that tells a registry how it is.
struct Shelved {
    typed: Typed<WorkflowDefinition>,
    tenant: TenantId,
    definitions: Arc<Definitions>,
    actions: Arc<Actions>,
}

impl Machine for Shelved {
    fn step(&mut self, input: &Input, cx: &StepCx<'_>) -> Result<Step, Rejected> {
        self.typed.step(input, cx)
    }

    fn apply(&mut self, event: &Event) -> Result<(), Corruption> {
        self.typed.apply(event)
    }

    fn committed(&mut self, seq: Seq) {
        if let Some(registered) = self.typed.state() {
            put(&self.definitions, &self.tenant, registered, seq, &self.actions);
        }
    }

    fn view(&self) -> Option<Value> {
        self.typed.view()
    }

    fn snapshot(&self) -> Option<(u16, Json)> {
        self.typed.snapshot()
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Corruption> {
        self.typed.restore(snapshot)
    }
}

fn put(into: &Definitions, tenant: &TenantId, registered: &WorkflowDefinition, seq: Seq, actions: &Actions) {
    for (version, problems) in into.load(tenant, registered, seq, actions).err().unwrap_or_default() {
        let name = registered.name();
        tracing::error!(name, version, ?problems, "a definition does not compile any more");
    }
}

/// Reads every registered definition of a tenant into the registry; to be done before runs come to life, which is
/// whenever partitions have been taken over: others may have registered definitions since.
///
/// A version that this build cannot compile any more, or that cannot be read, is reported and left out: its runs are
/// quarantined, the rest goes on.
///
/// # Errors
///
/// When the journal cannot be read.
pub async fn load_definitions(
    journal: &Arc<dyn Journal>,
    tenant: &TenantId,
    actions: &Actions,
    into: &Definitions,
) -> Result<(), journal::Error> {
    let mut after = None;
    loop {
        let page = journal.list_streams(tenant, Registered::PREFIX, after, false, 100).await?.streams;
        let Some((_, cursor)) = page.last() else { return Ok(()) };
        after = Some(*cursor);
        for (stream, _) in &page {
            let (machine, seq) = folded(journal, stream).await?;
            if let Some(registered) = machine.state() {
                put(into, tenant, registered, seq, actions);
            }
        }
    }
}

/// Folds the registrations of a definition, as far as that goes; gives the number of the last event, too.
async fn folded(
    journal: &Arc<dyn Journal>,
    stream: &StreamKey,
) -> Result<(Typed<WorkflowDefinition>, Seq), journal::Error> {
    let (mut machine, mut seq) = (Typed::new(), 0);
    let events = match journal.read_stream(stream, 0, usize::MAX).await {
        Err(journal::Error::Corrupt { reason }) => {
            tracing::error!(%stream, reason, "a definition cannot be read");
            return Ok((machine, seq));
        }
        events => events?,
    };
    for event in &events {
        if let Err(error) = machine.apply(event) {
            tracing::error!(%stream, %error, "a definition cannot be read to its end");
            break;
        }
        seq = event.seq;
    }
    Ok((machine, seq))
}
