//! Restarts of services and partitions, told to whoever watches.

use std::collections::BTreeMap;

use super::super::partitions::Partitions;
use crate::supervise::{Child, LastFault, Notice};

/// How often each has been restarted, as far as it was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Restarts(BTreeMap<Child, u64>);

impl Restarts {
    /// Tells of what was restarted since the last look.
    pub(super) fn look(&mut self, partitions: &Partitions) {
        let mut seen = BTreeMap::new();
        let mut note = |child: Child, restarts: u64, fault: Option<LastFault>| {
            if restarts > self.0.get(&child).copied().unwrap_or(0) {
                let (at, fault) = (partitions.cx.now(), fault.map(|fault| fault.reason));
                partitions.shared.notices.tell(Notice { at, child: child.clone(), restarts, fault });
            }
            seen.insert(child, restarts);
        };
        for service in partitions.root.services() {
            note(Child::Service { partition: None, id: service.id }, service.restarts, service.last_fault);
        }
        for partition in partitions.root.partitions() {
            note(Child::Partition(partition.id), partition.restarts, partition.last_fault);
            for service in partition.services {
                let child = Child::Service { partition: Some(partition.id), id: service.id };
                note(child, service.restarts, service.last_fault);
            }
        }
        self.0 = seen;
    }
}
