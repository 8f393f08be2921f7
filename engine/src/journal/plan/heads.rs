//! A bounded cache of streams' heads, so that appending to a busy stream asks no index.

use super::Head;
use crate::hashing::FastMap;
use crate::id::StreamKey;

/// The heads that either half of the cache keeps at most.
const HALF: usize = 32_768;

/// Two halves: what is used moves to the young one; when that is full, the old one is forgotten and they change.
#[derive(Debug, Default)]
pub(in crate::journal) struct Heads {
    young: FastMap<StreamKey, Head>,
    old: FastMap<StreamKey, Head>,
}

impl Heads {
    pub(in crate::journal) fn get(&self, key: &StreamKey) -> Option<Head> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    pub(in crate::journal) fn put(&mut self, key: StreamKey, head: Head) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, head);
    }

    pub(in crate::journal) fn remove(&mut self, key: &StreamKey) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(in crate::journal) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
