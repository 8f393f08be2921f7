//! A place in the journal: of one history, a position in each partition that is followed.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::journal::{PartitionId, Position};

/// The first byte of the written form.
const FORM: u8 = 1;

/// A place in the journal: everything up to it has been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    history: Uuid,
    places: BTreeMap<PartitionId, Position>,
}

/// What was given is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no cursor")]
pub struct CursorError;

impl Cursor {
    /// A place in a history.
    pub fn new(history: Uuid, places: impl IntoIterator<Item = (PartitionId, Position)>) -> Self {
        Self { history, places: places.into_iter().collect() }
    }

    /// The history that its positions belong to.
    pub fn history(&self) -> Uuid {
        self.history
    }

    /// The last position seen of a partition; `None` where the partition was not followed.
    pub fn position(&self, partition: PartitionId) -> Option<Position> {
        self.places.get(&partition).copied()
    }

    /// The partitions that were followed, in their order, each with the last position seen.
    pub fn places(&self) -> impl Iterator<Item = (PartitionId, Position)> {
        self.places.iter().map(|(partition, position)| (*partition, *position))
    }

    /// Moves on within a partition.
    pub fn advance(&mut self, partition: PartitionId, position: Position) {
        self.places.insert(partition, position);
    }

    /// Its written form: a byte for the form, the history, then for each partition its distance from the one before
    /// and its position, as LEB128 numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + self.places.len() * 5);
        bytes.push(FORM);
        bytes.extend_from_slice(self.history.as_bytes());
        let mut before = 0;
        for (partition, position) in &self.places {
            write_number(&mut bytes, u64::from(partition - before));
            write_number(&mut bytes, *position);
            before = *partition;
        }
        bytes
    }

    /// Reads the written form.
    ///
    /// # Errors
    ///
    /// [`CursorError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CursorError> {
        let (form, rest) = bytes.split_first().ok_or(CursorError)?;
        let (history, mut rest) = rest.split_first_chunk::<16>().ok_or(CursorError)?;
        if *form != FORM {
            return Err(CursorError);
        }
        let (mut places, mut before) = (BTreeMap::new(), 0_u32);
        while !rest.is_empty() {
            let step = u32::try_from(read_number(&mut rest)?).map_err(|_| CursorError)?;
            let partition = before.checked_add(step).ok_or(CursorError)?;
            if places.insert(partition, read_number(&mut rest)?).is_some() {
                return Err(CursorError);
            }
            before = partition;
        }
        Ok(Self { history: Uuid::from_bytes(*history), places })
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, CursorError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(CursorError)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part {
            return Err(CursorError);
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(CursorError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(history: u128, places in proptest::collection::btree_map(any::<u32>(), any::<u64>(), 0..80)) {
            let cursor = Cursor::new(Uuid::from_u128(history), places);
            prop_assert_eq!(Cursor::from_bytes(&cursor.to_bytes()), Ok(cursor));
        }

        #[test]
        fn whatever_is_read_writes_the_same_place(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(cursor) = Cursor::from_bytes(&bytes) {
                prop_assert_eq!(Cursor::from_bytes(&cursor.to_bytes()), Ok(cursor));
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_of_another_form_is_no_cursor() {
        let whole = Cursor::new(Uuid::from_u128(7), [(0, 300), (3, 70_000)]).to_bytes();
        assert_eq!(whole.len(), 17 + 1 + 2 + 1 + 3, "a few bytes for each partition");
        for end in (0..17).chain([18, 19, 21, 22, 23]) {
            assert_eq!(Cursor::from_bytes(&whole[..end]), Err(CursorError), "{end}");
        }
        let mut other = whole;
        other[0] = 2;
        assert_eq!(Cursor::from_bytes(&other), Err(CursorError));
    }
}
