//! Ownership: which node may serve which partition, where several nodes share one store.
//!
//! A node heartbeats for itself, not per partition. Whether a lease has run out is decided by the store's clock
//! alone; a node stops serving before its lease can have run out on its own monotonic clock, counted from the moment
//! *before* it sent the heartbeat that was answered. A take-over is a compare-and-set on the partition's epoch.

use std::cmp::Reverse;
use std::collections::BTreeMap;
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
    /// How long the owner's lease still holds by the store's clock, unless it is renewed; zero where there is none.
    pub left: Duration,
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
    /// out of the answer. Of two claims for the same at the same time, one gets all. Waits for what the owner before has under way in them, and fences it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; some may have been taken over, of which the next heartbeat tells.
    async fn claim(&self, member: &Member, wanted: &[Standing]) -> Result<Vec<Lease>, Error>;

    /// Gives partitions up at once, so that others need not wait for the lease to run out. Those whose fence does not
    /// hold any more are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    async fn release(&self, fences: &[Fence]) -> Result<(), Error>;
}

/// Chooses from how the partitions stand those that a node takes over.
///
/// One node owns everything, and the others stand by: an entity's messages reach what its own node owns, and nothing
/// else. So the free ones are for whoever leads; where nodes share partitions out, this is the place that does it.
pub fn wanted(standings: &[Standing], member: &Member) -> Vec<Standing> {
    match leader(standings) {
        Some(node) if node != member.node => Vec::new(),
        Some(_) | None => standings.iter().filter(|standing| standing.free).cloned().collect(),
    }
}

/// Chooses from how the partitions stand those that a node gives up, as another one leads.
pub fn unwanted(standings: &[Standing], member: &Member) -> Vec<PartitionId> {
    let own = |standing: &&Standing| {
        let Some(owner) = &standing.owner else { return false };
        (owner.node, owner.incarnation) == (member.node, member.incarnation)
    };
    match leader(standings) {
        Some(node) if node != member.node => {
            standings.iter().filter(own).map(|standing| standing.partition).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// The node that owns most of what is not free; of two, the one with the smaller id.
fn leader(standings: &[Standing]) -> Option<Uuid> {
    let mut counts = BTreeMap::<Uuid, usize>::new();
    for standing in standings.iter().filter(|standing| !standing.free) {
        if let Some(owner) = &standing.owner {
            *counts.entry(owner.node).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(node, count)| (*count, Reverse(*node))).map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: u128) -> Member {
        let (node, incarnation) = (Uuid::from_u128(node), Uuid::from_u128(node + 10));
        Member { node, incarnation, address: String::new(), lease: Duration::from_secs(1) }
    }

    /// Partitions by their owners: 0 for nobody, negative where the lease has run out.
    fn standings(owners: &[i32]) -> Vec<Standing> {
        let standing = |(partition, owner): (u32, &i32)| {
            let Member { node, incarnation, address, .. } = member(owner.unsigned_abs().into());
            let owner_row = (*owner != 0).then_some(Owner { node, incarnation, address });
            Standing { partition, epoch: 1, owner: owner_row, free: *owner <= 0, left: Duration::ZERO }
        };
        (0..).zip(owners).map(standing).collect()
    }

    fn chosen(owners: &[i32], node: u128) -> (Vec<PartitionId>, Vec<PartitionId>) {
        let (standings, member) = (standings(owners), member(node));
        let wanted = wanted(&standings, &member).into_iter().map(|standing| standing.partition);
        (wanted.collect(), unwanted(&standings, &member))
    }

    #[test]
    fn one_node_owns_everything() {
        assert_eq!(chosen(&[0, 0, 0], 1), (vec![0, 1, 2], vec![]), "nobody owns anything");
        assert_eq!(chosen(&[-2, -2, 0], 1), (vec![0, 1, 2], vec![]), "the owner is gone");
        assert_eq!(chosen(&[1, 1, 0], 1), (vec![2], vec![]), "the owner lacks one");
        assert_eq!(chosen(&[1, 1, 0], 2), (vec![], vec![]), "the stand-by waits");
        assert_eq!(chosen(&[1, 2, 1], 1), (vec![], vec![]), "who owns most keeps it");
        assert_eq!(chosen(&[1, 2, 1], 2), (vec![], vec![1]), "who owns less gives it up");
        assert_eq!(chosen(&[1, 2, 0], 1), (vec![2], vec![]), "of two, the first goes before");
        assert_eq!(chosen(&[1, 2, 0], 2), (vec![], vec![1]));
        assert_eq!(chosen(&[-1, 2, -1], 1), (vec![], vec![0, 2]), "what has lapsed is given up");
    }
}
