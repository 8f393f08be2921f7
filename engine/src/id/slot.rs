//! Slots: what work is partitioned by.

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
