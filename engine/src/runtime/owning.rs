//! What a node says of what it owns.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::Node;
use crate::entity::{Directory, Fault};
use crate::id::StreamKey;
use crate::journal::{Journal, PartitionId, Position};
use crate::partition::Owned;

impl Node {
    /// Waits until partitions have come to positions; `false` if they have not within the patience.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] where a partition is not this node's: it does not know how far it is.
    pub async fn until(&self, marks: &[(PartitionId, Position)], patience: Duration) -> Result<bool, Fault> {
        let holdings = &self.0.partitions.holdings;
        let reached = async {
            for (partition, position) in marks {
                let owned = holdings.serving(*partition)?;
                let mut at = owned.feeds().position.subscribe();
                let reached = owned.while_owned(at.wait_for(|at| at >= position)).await;
                if !matches!(reached, Some(Ok(_))) {
                    return Err(holdings.not_owner(*partition));
                }
            }
            Ok(())
        };
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(not_owner)) => Err(not_owner.into()),
            Err(_) => Ok(false),
        }
    }

    /// The last committed position of every partition that this node owns.
    pub fn positions(&self) -> Vec<(PartitionId, Position)> {
        let position = |owned: &Arc<Owned>| (owned.partition(), *owned.feeds().position.borrow());
        self.0.partitions.holdings.all().iter().filter(|owned| owned.serves()).map(position).collect()
    }

    /// The last committed position of the partition that a stream belongs to, where this node owns it.
    pub fn position(&self, stream: &StreamKey) -> Option<(PartitionId, Position)> {
        let owned = self.0.partitions.holdings.of(stream).ok()?;
        Some((owned.partition(), *owned.feeds().position.borrow()))
    }

    /// Makes sure that this node may serve a stream.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`].
    pub fn check_owner(&self, stream: &StreamKey) -> Result<(), Fault> {
        self.0.partitions.holdings.of(stream).map(|_| ()).map_err(Fault::from)
    }

    /// What this node owns for a stream, and may serve now.
    pub(super) fn owned(&self, stream: &StreamKey) -> Result<Arc<Owned>, Fault> {
        Ok(self.0.partitions.holdings.of(stream)?)
    }

    /// The room that there is for events from outside.
    pub(super) fn inlet_room(&self) -> &Semaphore {
        &self.0.inlet
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.0.partitions.directory
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.0.partitions.journal
    }

    /// Makes sure that this node owns anything.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`], with who owns most.
    pub fn check_any(&self) -> Result<(), Fault> {
        let holdings = &self.0.partitions.holdings;
        if holdings.all().iter().any(|owned| owned.serves()) {
            return Ok(());
        }
        Err(holdings.owns_nothing().into())
    }

    /// Tells of every change of what this node owns.
    pub fn ownership_changes(&self) -> watch::Receiver<u64> {
        self.0.partitions.holdings.changes()
    }
}
