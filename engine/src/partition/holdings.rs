//! What a node owns: the table from partition to what is held of it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::owned::{Owned, Serving};
use crate::id::StreamKey;
use crate::journal::{Info, PartitionId};

/// This node does not own what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the partition belongs to another node")]
pub struct NotOwner {
    /// Where the owner can be reached, as far as known.
    pub address: Option<String>,
}

/// The partitions that this node owns, and who owns the others. Looked up for every command.
pub struct Holdings {
    info: Info,
    places: Vec<RwLock<Option<Arc<Owned>>>>,
    owners: RwLock<BTreeMap<PartitionId, String>>,
    tenure: Arc<Serving>,
    changed: watch::Sender<u64>,
}

impl Holdings {
    /// A table in which nothing is owned.
    pub fn new(info: &Info, tenure: Arc<Serving>) -> Self {
        let last = info.partitions.iter().max().map_or(0, |id| *id as usize);
        Self {
            info: info.clone(),
            places: (0..=last).map(|_| RwLock::new(None)).collect(),
            owners: RwLock::default(),
            tenure,
            changed: watch::channel(0).0,
        }
    }

    /// What this node owns for a stream, and may serve now.
    ///
    /// # Errors
    ///
    /// [`NotOwner`].
    pub fn of(&self, stream: &StreamKey) -> Result<Arc<Owned>, NotOwner> {
        self.serving(self.info.partition_of(stream))
    }

    /// What this node owns of a partition, and may serve now.
    ///
    /// # Errors
    ///
    /// [`NotOwner`].
    pub fn serving(&self, partition: PartitionId) -> Result<Arc<Owned>, NotOwner> {
        let held = self.get(partition).filter(|owned| owned.serves());
        held.ok_or_else(|| self.not_owner(partition))
    }

    /// What this node holds of a partition.
    pub fn get(&self, partition: PartitionId) -> Option<Arc<Owned>> {
        let place = self.places.get(partition as usize)?;
        place.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that this node holds, in the order of the partitions.
    pub fn all(&self) -> Vec<Arc<Owned>> {
        let held = |place: &RwLock<Option<_>>| place.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.places.iter().filter_map(held).collect()
    }

    /// Says that a partition is another's, and whose.
    pub fn not_owner(&self, partition: PartitionId) -> NotOwner {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        NotOwner { address: owners.get(&partition).cloned() }
    }

    /// Says that this node owns nothing, and who owns most of the rest.
    pub fn owns_nothing(&self) -> NotOwner {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        let mut counts = BTreeMap::<&String, usize>::new();
        for address in owners.values() {
            *counts.entry(address).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        NotOwner { address: most.map(|(address, _)| address.clone()) }
    }

    /// Until when this node may serve.
    pub fn tenure(&self) -> &Arc<Serving> {
        &self.tenure
    }

    /// Tells of every change of what is owned.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn put(&self, owned: Arc<Owned>) {
        if let Some(place) = self.places.get(owned.partition() as usize) {
            *place.write().unwrap_or_else(PoisonError::into_inner) = Some(owned);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes a partition out of the table; `false` if it was not there, or has been taken over anew.
    pub(crate) fn remove(&self, owned: &Arc<Owned>) -> bool {
        let Some(place) = self.places.get(owned.partition() as usize) else { return false };
        let mut place = place.write().unwrap_or_else(PoisonError::into_inner);
        let there = place.as_ref().is_some_and(|held| Arc::ptr_eq(held, owned));
        if there {
            *place = None;
        }
        drop(place);
        self.changed.send_modify(|count| *count += 1);
        there
    }

    /// Notes who owns what this node does not.
    pub(crate) fn note_owners(&self, owners: BTreeMap<PartitionId, String>) {
        *self.owners.write().unwrap_or_else(PoisonError::into_inner) = owners;
    }
}
