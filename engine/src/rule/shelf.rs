//! How the registry of a node learns of rules: all of them when partitions are taken over, and each change as soon as it
//! is in the journal.

use std::sync::Arc;

use serde_json::Value;

use super::entity::{RULE, RegisteredRule};
use super::registry::Rules;
use crate::entity::{Corruption, Input, KindInfo, Machine, Step, StepCx, Typed};
use crate::id::{StreamKey, TenantId};
use crate::journal::{self, Event, Journal, Json, Rejected, Seq, Snapshot};

/// The catalog's entry of rules, of which a registry learns; their routes are written by hand.
pub fn info(rules: Arc<Rules>) -> KindInfo {
    let machine = move |stream: &StreamKey| {
        let (typed, rules, stream) = (Typed::new(), rules.clone(), stream.clone());
        Box::new(Shelved { typed, stream, rules }) as Box<dyn Machine>
    };
    KindInfo { public: false, machine: Arc::new(machine), ..Typed::<RegisteredRule>::info() }
}

/// A rule that tells a registry how it is.
struct Shelved {
    typed: Typed<RegisteredRule>,
    stream: StreamKey,
    rules: Arc<Rules>,
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
            put(&self.rules, &self.stream, registered, seq);
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

fn put(rules: &Rules, stream: &StreamKey, registered: &RegisteredRule, seq: Seq) {
    if let Err(reason) = rules.load(&stream.tenant, stream.id, registered, seq) {
        tracing::error!(%stream, reason, "a published rule cannot be used any more");
    }
}

/// Reads every rule of a tenant into the registry; to be done whenever partitions have been taken over.
///
/// # Errors
///
/// When the journal cannot be read.
pub async fn load_rules(
    journal: &Arc<dyn Journal>,
    tenant: &TenantId,
    rules: &Rules,
) -> Result<(), journal::Error> {
    let mut after = None;
    loop {
        let page = journal.list_streams(tenant, RULE, after, false, 100).await?.streams;
        let Some((_, cursor)) = page.last() else { return Ok(()) };
        after = Some(*cursor);
        for (stream, _) in &page {
            let (mut machine, mut seq) = (Typed::<RegisteredRule>::new(), 0);
            for event in &journal.read_stream(stream, 0, usize::MAX).await? {
                if let Err(error) = machine.apply(event) {
                    tracing::error!(%stream, %error, "a rule cannot be read to its end");
                    break;
                }
                seq = event.seq;
            }
            if let Some(registered) = machine.state() {
                put(rules, stream, registered, seq);
            }
        }
    }
}
