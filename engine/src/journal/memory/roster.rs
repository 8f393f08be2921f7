//! Leases over a [`MemoryStore`](super::MemoryStore), by the store's own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::MemoryJournal;
use super::disk::Disk;
use crate::journal::{Error, Fence, Lease};
use crate::partition::{Beat, Member, Owner, Ownership, Standing};

/// The nodes that share the store.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<Uuid, Place>,
    /// Starts of nodes whose place a later one has taken.
    replaced: BTreeSet<Uuid>,
}

/// One node's place.
#[derive(Debug)]
struct Place {
    incarnation: Uuid,
    /// By the store's clock.
    until: Duration,
}

impl Roster {
    /// Renews a lease; `false` if a later start of the node has its place.
    fn renew(&mut self, member: &Member, now: Duration) -> bool {
        if self.replaced.contains(&member.incarnation) {
            return false;
        }
        let place = Place { incarnation: member.incarnation, until: now + member.lease };
        let before = self.members.insert(member.node, place).map(|before| before.incarnation);
        self.replaced.extend(before.filter(|before| *before != member.incarnation));
        true
    }

    /// True while a start of a node has a lease.
    fn holds(&self, node: Uuid, incarnation: Uuid, now: Duration) -> bool {
        let place = self.members.get(&node);
        place.is_some_and(|place| place.incarnation == incarnation && now < place.until)
    }
}

impl Disk {
    fn standings(&self, asking: &Member, now: Duration) -> Vec<Standing> {
        let standing = |(partition, row): (&u32, &super::disk::Partition)| {
            let owner = row.owner.clone();
            let held = |owner: &Owner| {
                let earlier_start = owner.node == asking.node && owner.incarnation != asking.incarnation;
                !earlier_start && self.roster.holds(owner.node, owner.incarnation, now)
            };
            let free = !owner.as_ref().is_some_and(held);
            let until =
                owner.as_ref().and_then(|owner| self.roster.members.get(&owner.node)).map(|of| of.until);
            let left = until.unwrap_or_default().saturating_sub(now);
            Standing { partition: *partition, epoch: row.epoch, owner, free, left }
        };
        self.partitions.iter().map(standing).collect()
    }

    fn heartbeat(&mut self, member: &Member, now: Duration) -> Beat {
        match self.roster.renew(member, now) {
            true => Beat::Renewed(self.standings(member, now)),
            false => Beat::Replaced,
        }
    }

    fn claim(&mut self, member: &Member, wanted: &[Standing], now: Duration) -> Result<Vec<Lease>, Error> {
        let mut leases = Vec::new();
        if !self.roster.holds(member.node, member.incarnation, now) {
            return Ok(leases);
        }
        let standings = self.standings(member, now);
        for wish in wanted {
            let fits =
                |now: &&Standing| now.partition == wish.partition && now.epoch == wish.epoch && now.free;
            let Some(standing) = standings.iter().find(fits) else { continue };
            leases.push(self.take_over(standing.partition, member.incarnation)?);
            let (node, incarnation, address) = (member.node, member.incarnation, member.address.clone());
            if let Some(row) = self.partitions.get_mut(&standing.partition) {
                row.owner = Some(Owner { node, incarnation, address });
            }
        }
        Ok(leases)
    }

    fn release(&mut self, fences: &[Fence]) {
        for fence in fences {
            let holds = self.holds(fence);
            if let Some(row) = self.partitions.get_mut(&fence.partition).filter(|_| holds) {
                (row.owner, row.incarnation) = (None, None);
            }
        }
    }
}

#[async_trait]
impl Ownership for MemoryJournal {
    async fn heartbeat(&self, member: &Member) -> Result<Beat, Error> {
        self.check_open()?;
        self.store.call_at(&self.view, |disk, now| disk.heartbeat(member, now)).await
    }

    async fn claim(&self, member: &Member, wanted: &[Standing]) -> Result<Vec<Lease>, Error> {
        self.check_open()?;
        self.store.call_at(&self.view, |disk, now| disk.claim(member, wanted, now)).await?
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), Error> {
        self.check_open()?;
        self.store.call_at(&self.view, |disk, _| disk.release(fences)).await
    }
}
