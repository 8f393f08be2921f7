//! Slots: what work is partitioned by.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of slots that ids are spread over.
pub const SLOTS: u16 = 4096;

/// One of the 4,096 slots that work is partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(u16);

impl Slot {
    /// Makes a slot of the low twelve bits of a number.
    pub const fn new(bits: u16) -> Self {
        Self(bits & (SLOTS - 1))
    }

    /// Reads the slot that a UUID carries.
    pub const fn of(uuid: &Uuid) -> Self {
        let bytes = uuid.as_bytes();
        Self(((bytes[6] as u16 & 0x0f) << 8) | bytes[7] as u16)
    }

    /// The slot's number, 0 to 4,095.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Which partition each slot belongs to. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap(Arc<[u32]>);

impl SlotMap {
    /// Spreads the slots over partitions 0 to `partitions - 1`, each a run of slots of about the same length.
    ///
    /// # Panics
    ///
    /// Unless there are 1 to 4,096 partitions.
    pub fn even(partitions: u32) -> Self {
        assert!((1..=u32::from(SLOTS)).contains(&partitions), "{partitions} partitions for {SLOTS} slots");
        let share = |slot: u32| slot * partitions / u32::from(SLOTS);
        Self((0..u32::from(SLOTS)).map(share).collect())
    }

    /// Takes a map as it is stored: the partition of each slot, from slot 0. `None` unless it has every slot.
    pub fn stored(partitions: Vec<u32>) -> Option<Self> {
        (partitions.len() == usize::from(SLOTS)).then(|| Self(partitions.into()))
    }

    /// The partition of a slot.
    pub fn partition(&self, slot: Slot) -> u32 {
        self.0[usize::from(slot.get())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_map_uses_every_partition_alike() {
        for partitions in [1, 2, 3, 64, 1_000, 4_096] {
            let map = SlotMap::even(partitions);
            let mut slots = vec![0_u32; partitions as usize];
            for slot in 0..SLOTS {
                slots[map.partition(Slot::new(slot)) as usize] += 1;
            }
            let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
            assert!(most - least <= 1, "{partitions} partitions have {least} to {most} slots");
        }
    }
}
