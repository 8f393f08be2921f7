//! The supervision tree as data.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Node;
use crate::entity::LiveStatus;
use crate::supervise::{PartitionStatus, ServiceStatus};

/// The whole supervision tree: the root, its services, the supervisors of partitions, and what is alive below them.
#[derive(Debug, Clone, Serialize)]
pub struct Tree {
    /// The root.
    pub node: NodeStatus,
    /// The services that are not of a partition.
    pub services: Vec<ServiceStatus>,
    /// The supervisors of the partitions that are owned here, each with its services.
    pub partitions: Vec<PartitionStatus>,
    /// The live entities and runs, and the quarantined ones, in the order of their ids.
    pub entities: Vec<LiveStatus>,
}

/// How the node is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// `node`.
    pub kind: &'static str,
    /// The log that it serves.
    pub id: String,
    /// `running`, `standby` (it owns nothing), `held` (the store was restored and has not been released) or `ending`.
    pub state: &'static str,
    /// Commands and reads that wait or are being worked on.
    pub mailbox: usize,
    /// How long it has been running, in milliseconds.
    pub uptime_ms: u64,
}

impl Node {
    /// The supervision tree as data.
    pub fn tree(&self) -> Tree {
        let partitions = &self.0.partitions;
        Tree {
            node: self.status(),
            services: partitions.root.services(),
            partitions: partitions.root.partitions(),
            entities: partitions.directory.live(),
        }
    }

    fn status(&self) -> NodeStatus {
        let partitions = &self.0.partitions;
        let state = match () {
            () if partitions.closing.load(Ordering::Acquire) => "ending",
            () if partitions.holdings.all().is_empty() => "standby",
            () if self.is_held() => "held",
            () => "running",
        };
        let uptime = partitions.cx.monotonic().duration_since(self.0.started).as_millis();
        NodeStatus {
            kind: "node",
            id: self.info().log.to_string(),
            state,
            mailbox: partitions.directory.waiting(),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
        }
    }
}
