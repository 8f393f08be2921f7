//! Ownership: which node may serve which partition, where several nodes share one store.
//!
//! A node heartbeats for itself, not per partition. Whether a lease has run out is decided by the store's clock
//! alone; a node stops serving before its lease can have run out on its own monotonic clock, counted from the moment
//! *before* it sent the heartbeat that was answered. A take-over is a compare-and-set on the partition's epoch.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::{Error, Fence, Lease, PartitionId};

/// A node, as it presents itself to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The node's own id, which stays over restarts.
    pub node: Uuid,
    /// This start of its process.
    pub incarnation: Uuid,
    /// Where it can be reached: `http://host:port`.
    pub address: String,
    /// How long its lease holds from each heartbeat.
    pub lease: Duration,
}

/// Who owns a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The owner's id.
    pub node: Uuid,
    /// The start of its process that took the partition over.
    pub incarnation: Uuid,
    /// Where it can be reached.
    pub address: String,
}

/// How a partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub partition: PartitionId,
    /// Its epoch, with which it can be claimed.
    pub epoch: u64,
    /// Who took it over last, if anybody has and has not given it up since.
    pub owner: Option<Owner>,
    /// True if it may be claimed: it has no owner, or the owner's lease has run out by the store's clock, or the owner
    /// is an earlier start of the asking node.
    pub free: bool,
}

/// What a heartbeat found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The node's lease holds for its whole length again.
    Renewed(Vec<Standing>),
    /// A later start of the same node has taken its place: this process must end.
    Replaced,
}

/// The leases of the nodes that share a store.
///
/// # Cancel safety
///
/// Every call may be dropped at any await; it has happened or not.
#[async_trait]
pub trait Ownership: Send + Sync + 'static {
    /// Renews a node's lease, or takes it up, and says how every partition stands, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; whether the lease was renewed is then not known. [`Error::Regressed`], once, where the
    /// store went back in time: every partition is to be dropped and claimed anew, and shows as free until it has been.
    async fn heartbeat(&self, member: &Member) -> Result<Beat, Error>;

    /// Takes over partitions that still are free, or the node's own, and at the epoch they were seen at; others are left
    /// out of the answer. Waits for what the owner before has under way in them, and fences it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; some may have been taken over, of which the next heartbeat tells.
    async fn claim(&self, member: &Member, wanted: &[Standing]) -> Result<Vec<Lease>, Error>;

    /// Gives partitions up, so that others need not wait for the lease to run out. Those whose fence does not hold
    /// any more are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    async fn release(&self, fences: &[Fence]) -> Result<(), Error>;
}

/// Chooses from how the partitions stand those that a node takes over.
///
/// Every free one for now; where nodes share partitions out, this is the place that does it.
pub fn wanted(standings: &[Standing], _: &Member) -> Vec<Standing> {
    standings.iter().filter(|standing| standing.free).cloned().collect()
}
