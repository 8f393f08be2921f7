//! Notices: what supervisors did that stands in no journal, for whoever watches now.

use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::PartitionId;

/// Notices kept for watchers that are behind; what is older they miss.
const KEPT: usize = 1_024;

/// A child was restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When that was seen.
    pub at: Timestamp,
    /// Which.
    pub child: Child,
    /// How often it has been restarted by now.
    pub restarts: u64,
    /// What its last fault was.
    pub fault: Option<String>,
}

/// A child of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    /// A service, by the partition that it is of, and its id there.
    Service {
        /// The partition; `None` where it is of the node.
        partition: Option<PartitionId>,
        /// Its id.
        id: String,
    },
    /// The supervisor of a partition.
    Partition(PartitionId),
    /// The host of an entity or run.
    Entity(StreamKey),
}

/// The way from supervisors to watchers. Cheap to clone; nobody waits for a watcher.
#[derive(Debug, Clone)]
pub(crate) struct Notices(broadcast::Sender<Notice>);

impl Default for Notices {
    fn default() -> Self {
        Self(broadcast::channel(KEPT).0)
    }
}

impl Notices {
    /// Tells whoever watches.
    pub(crate) fn tell(&self, notice: Notice) {
        // Without a watcher there is nobody to tell.
        let _ = self.0.send(notice);
    }

    /// Watches from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Notice> {
        self.0.subscribe()
    }
}
