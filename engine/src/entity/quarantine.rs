//! What the directory does about an entity that keeps failing: it is set aside, and that is journalled.

use std::sync::Arc;

use super::directory::Directory;
use super::host::HostRef;
use super::intake::{Cell, Dedup, Fault, Phase};
use super::{Entity, Input, LiveStatus, again};
use crate::id::StreamKey;
use crate::journal::{Origin, PartitionId};
use crate::partition::{Carried, Owned};
use crate::supervise::{Quarantine, QuarantineCommand, Quarantined};
use crate::telemetry::names;

impl Directory {
    /// Sets an entity aside: from now on it is not brought to life, and what waits for it is refused.
    pub(crate) fn quarantine(&self, cell: &Arc<Cell<HostRef>>, cause: String) {
        let mut inner = cell.lock();
        if matches!(inner.phase, Phase::Removed) {
            return;
        }
        let (stream, since) = (cell.key.clone(), self.shared().cx.now());
        let aside = Quarantined { stream, cause, restarts: inner.restarts, since };
        tracing::error!(stream = %cell.key, cause = aside.cause, "an entity was quarantined");
        metrics::counter!(names::QUARANTINED).increment(1);
        // Whoever finds the place gone looks here before making another.
        cell.owned.asides().add(aside.clone());
        cell.owned.feeds().changes.push(&cell.key);
        inner.phase = Phase::Removed;
        let waiting = std::mem::take(&mut inner.queue);
        drop(inner);
        self.forget(cell);
        self.refuse(waiting, &fault(&aside));
        // A register that fails is set aside in memory alone.
        if cell.key.id.prefix() != Quarantine::KIND.prefix {
            let (directory, owned) = (self.clone(), cell.owned.clone());
            self.shared().cx.spawn("quarantine", async move {
                owned.while_owned(directory.journal_aside(&owned, &aside)).await;
            });
        }
    }

    /// Writes into its register that an entity is set aside; tries until that stands, or the partition is lost.
    async fn journal_aside(&self, owned: &Owned, aside: &Quarantined) {
        let Quarantined { stream, cause, restarts, .. } = aside;
        let (tenant, id) = (stream.tenant.clone(), stream.id);
        let command = QuarantineCommand::SetAside { tenant, id, cause: cause.clone(), restarts: *restarts };
        let Ok((name, body)) = crate::codec::write_named(&command) else { return };
        let origin = Arc::new(Origin::root(&format!("quarantine:{id}"), "system"));
        for tries in 0.. {
            let name = name.clone().into();
            let input = Input::Command { name, body: body.clone(), external_key: None };
            let register = Quarantine::register(stream.slot());
            match self.deliver_within(&register, input, origin.clone(), Dedup::None).await {
                Ok(_) => break,
                Err(fault) => {
                    let Carried::Again(wait) = again(&fault, tries) else { break };
                    let cx = &self.shared().cx;
                    cx.sleep(cx.jitter(wait)).await;
                }
            }
        }
        owned.asides().journalled(stream);
    }

    /// How the quarantined entities are that this node owns.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = LiveStatus> {
        let owned = self.shared().holdings.all();
        let status = |(partition, aside): (PartitionId, Quarantined)| LiveStatus {
            kind: self.kind_of(&aside.stream),
            id: aside.stream.id,
            tenant: aside.stream.tenant,
            partition,
            state: "quarantined",
            mailbox: 0,
            restarts: aside.restarts,
            last_fault: Some(aside.cause),
            quarantined_since: Some(aside.since),
            uptime_ms: None,
        };
        let asides = |owned: Arc<Owned>| {
            let partition = owned.partition();
            owned.asides().all().into_iter().map(move |aside| (partition, aside))
        };
        owned.into_iter().flat_map(asides).map(status)
    }
}

/// Makes sure that a stream is not quarantined.
pub(super) fn check(owned: &Owned, stream: &StreamKey) -> Result<(), Fault> {
    owned.asides().get(stream).map_or(Ok(()), |aside| Err(fault(&aside.of)))
}

/// What is answered for an entity that is set aside.
pub(crate) fn fault(aside: &Quarantined) -> Fault {
    let Quarantined { stream, cause, since, .. } = aside;
    Fault::Quarantined { stream: stream.clone(), cause: cause.clone(), since: *since }
}
