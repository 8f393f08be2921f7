//! Ids and digests that follow from their parts.

use std::fmt;

use uuid::Uuid;

use super::{Prefix, Slot, StreamId};

/// A secret of one journal, under which derived ids are hashed, so that they cannot be guessed from outside.
#[derive(Clone, Copy)]
pub struct IdSecret([u8; 32]);

impl IdSecret {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes parts into 128 bits; each part is length-prefixed, so that no two lists of parts collide.
    pub fn digest(&self, purpose: &str, parts: &[&str]) -> [u8; 16] {
        hash(blake3::Hasher::new_keyed(&self.0), purpose, parts)
    }

    /// Derives the id that parts always lead to, with a slot of its own or a given one.
    pub fn derive(&self, prefix: Prefix, slot: Option<Slot>, purpose: &str, parts: &[&str]) -> StreamId {
        StreamId::new(prefix, uuid_v8(self.digest(purpose, parts), slot))
    }
}

impl fmt::Debug for IdSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSecret(..)")
    }
}

/// Hashes parts that are no secret into 128 bits, for message ids and effect keys.
pub fn digest(purpose: &str, parts: &[&str]) -> [u8; 16] {
    hash(blake3::Hasher::new(), purpose, parts)
}

/// Makes a UUIDv8 of 128 bits, with a given slot or the one that the bits hold.
pub fn uuid_v8(bits: [u8; 16], slot: Option<Slot>) -> Uuid {
    let mut bytes = bits;
    if let Some(slot) = slot {
        let [high, low] = slot.get().to_be_bytes();
        bytes[6] = high;
        bytes[7] = low;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// Makes a UUIDv7 of a time in milliseconds, a slot, and 62 random bits.
pub fn uuid_v7(ms: u64, slot: Slot, random: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(slot.get() | 0x7000).to_be_bytes());
    bytes[8..].copy_from_slice(&random.to_be_bytes());
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

fn hash(mut hasher: blake3::Hasher, purpose: &str, parts: &[&str]) -> [u8; 16] {
    for part in std::iter::once(&purpose).chain(parts) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bits = [0; 16];
    hasher.finalize_xof().fill(&mut bits);
    bits
}
