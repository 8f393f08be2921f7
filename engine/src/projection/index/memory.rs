//! An index in memory, beside a journal in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::{Change, Field, Index, Search};
use crate::id::StreamKey;
use crate::journal::{Error, Fence, PartitionId, Position};

/// An index in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    numbers: BTreeMap<StreamKey, u64>,
    entries: BTreeMap<u64, (StreamKey, Vec<Field>)>,
    marks: BTreeMap<(Uuid, PartitionId), Position>,
    last: u64,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Index for MemoryIndex {
    async fn mark(&self, of: Uuid, partition: PartitionId) -> Result<Option<Position>, Error> {
        Ok(self.lock().marks.get(&(of, partition)).copied())
    }

    async fn write(
        &self,
        of: Uuid,
        fence: Fence,
        changes: &[Change],
        mark: Option<Position>,
    ) -> Result<(), Error> {
        let mut held = self.lock();
        for (stream, fields) in changes {
            let known = held.numbers.get(stream).copied();
            let Some(fields) = fields else {
                known.map(|number| held.entries.remove(&number));
                held.numbers.remove(stream);
                continue;
            };
            let number = known.unwrap_or_else(|| {
                held.last += 1;
                held.last
            });
            held.numbers.insert(stream.clone(), number);
            held.entries.insert(number, (stream.clone(), fields.clone()));
        }
        if let Some(mark) = mark {
            held.marks.insert((of, fence.partition), mark);
        }
        Ok(())
    }

    async fn find(
        &self,
        search: &Search,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, StreamKey)>, Error> {
        let held = self.lock();
        let of_kind =
            |stream: &StreamKey| stream.tenant == search.tenant && stream.id.prefix() == search.prefix;
        let below = held.entries.range(..before.unwrap_or(u64::MAX)).rev();
        let found = below.filter(|(_, (stream, fields))| of_kind(stream) && search.fits(fields));
        Ok(found.take(limit).map(|(number, (stream, _))| (*number, stream.clone())).collect())
    }

    async fn number(&self, stream: &StreamKey) -> Result<Option<u64>, Error> {
        Ok(self.lock().numbers.get(stream).copied())
    }
}
