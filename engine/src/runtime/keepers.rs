//! The services of a node that are not of a partition, but for the lanes.

use std::sync::Arc;

use uuid::Uuid;

use super::keeper::Keeper;
use super::memory::Memory;
use super::partitions::Partitions;
use super::retention::Retention;
use super::seed::{Leasing, Prepare};
use super::upkeep::Upkeep;
use super::watchdog::Watchdog;
use crate::entity::Catalog;
use crate::partition::Member;
use crate::supervise::{Pulse, Service, ServiceFault, ServiceSpec};

/// How much longer than other services those may be at one piece of work that look after the whole journal.
const UPKEEP_PATIENCE: u32 = 20;

/// Starts what looks after the node as a whole.
pub(super) fn start_keepers(partitions: &Arc<Partitions>, catalog: &Catalog) -> Result<(), ServiceFault> {
    let upkeep = Upkeep::new(partitions.clone());
    keep(partitions, "upkeep", upkeep.pulse.clone(), upkeep)?;
    let watchdog = Watchdog::new(partitions.clone());
    keep(partitions, "watchdog", watchdog.pulse.clone(), watchdog)?;
    if let Some(memory) = Memory::new(partitions) {
        keep(partitions, "memory", memory.pulse.clone(), memory)?;
    }
    if let Some(retention) = Retention::new(partitions, catalog) {
        keep(partitions, "retention", retention.pulse.clone(), retention)?;
    }
    Ok(())
}

fn keep<S: Service + Clone + Sync>(
    partitions: &Arc<Partitions>,
    name: &'static str,
    pulse: Pulse,
    service: S,
) -> Result<(), ServiceFault> {
    let patience = partitions.config.wedged_after * UPKEEP_PATIENCE;
    partitions.root.add(ServiceSpec::new(name, move || service.clone()).within(&pulse, patience))
}

/// Starts the keeper of the leases.
pub(super) fn keep_leases(
    partitions: &Arc<Partitions>,
    leasing: Leasing,
    incarnation: Uuid,
    prepare: Option<Arc<dyn Prepare>>,
) -> Result<(), ServiceFault> {
    let (address, lease) = (leasing.address.clone(), partitions.config.lease);
    let member = Member { node: leasing.node, incarnation, address, lease };
    let for_keeper = partitions.clone();
    let pulse = Pulse::new(partitions.cx.clone());
    let own = pulse.clone();
    let keeper = move || {
        Keeper::new(for_keeper.clone(), leasing.clone(), member.clone(), prepare.clone(), own.clone())
    };
    partitions.root.add(ServiceSpec::new("ownership", keeper).within(&pulse, partitions.config.wedged_after))
}
