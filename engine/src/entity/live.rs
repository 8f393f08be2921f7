//! What is alive on a node, as data.

use std::sync::Arc;

use super::directory::Directory;
use super::host::HostRef;
use super::intake::{Cell, Phase};
use crate::clock::Timestamp;
use crate::id::{StreamId, StreamKey, TenantId};
use crate::journal::PartitionId;

/// How one live entity is.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveStatus {
    /// What kind of entity it is.
    pub kind: &'static str,
    /// Which one it is.
    pub id: StreamId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The partition that it belongs to.
    pub partition: PartitionId,
    /// Where it is in its life on this node.
    pub state: &'static str,
    /// What waits for it.
    pub mailbox: usize,
    /// How often it was restarted since it came to life.
    pub restarts: u32,
    /// What its last fault was.
    pub last_fault: Option<String>,
    /// Since when it is quarantined.
    pub quarantined_since: Option<Timestamp>,
    /// How long it has been alive since its last start, in milliseconds.
    pub uptime_ms: Option<u64>,
}

impl Directory {
    /// The name of a stream's kind; empty where the node does not host it.
    pub(super) fn kind_of(&self, stream: &StreamKey) -> &'static str {
        self.shared().catalog.by_prefix(stream.id.prefix()).map_or("", |kind| kind.kind.name)
    }

    /// How every live entity is, and every quarantined one, in the order of their ids.
    pub fn live(&self) -> Vec<LiveStatus> {
        let now = self.shared().cx.monotonic();
        let status = |cell: &Arc<Cell<HostRef>>| {
            let inner = cell.lock();
            let alive = matches!(inner.phase, Phase::Active { .. });
            let uptime = now.saturating_duration_since(inner.since).as_millis();
            LiveStatus {
                kind: self.kind_of(&cell.key),
                id: cell.key.id,
                tenant: cell.key.tenant.clone(),
                partition: cell.owned.partition(),
                state: inner.phase.name(),
                mailbox: inner.queue.len(),
                restarts: inner.restarts,
                last_fault: inner.last_fault.clone(),
                quarantined_since: None,
                uptime_ms: alive.then(|| u64::try_from(uptime).unwrap_or(u64::MAX)),
            }
        };
        let mut live: Vec<_> = self.cells().iter().map(|cell| status(cell.value())).collect();
        live.extend(self.set_aside());
        live.sort_by(|a, b| (&a.tenant, a.id).cmp(&(&b.tenant, b.id)));
        live
    }
}
