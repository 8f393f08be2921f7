//! Entities in front of which work waits, for whoever watches whether they get on with it.

use std::sync::Arc;

use serde_json::Value;

use super::directory::Directory;
use super::intake::{Fault, Phase};
use super::loaded::Loaded;
use crate::id::StreamKey;
use crate::partition::Owned;

/// The most of them that are told of at once.
const MOST: usize = 1_024;

/// An entity in front of which work waits.
pub(crate) struct WithWork {
    pub(crate) stream: StreamKey,
    pub(crate) state: &'static str,
    pub(crate) waiting: usize,
    /// How often it has taken work; it gets on where that rises.
    pub(crate) batches: u64,
}

impl Directory {
    /// The entities in front of which work waits, in the order of their keys.
    pub(crate) fn with_work(&self) -> Vec<WithWork> {
        let mut found = Vec::new();
        for cell in self.cells() {
            let inner = cell.lock();
            if !inner.queue.is_empty() {
                let (stream, state) = (cell.key.clone(), inner.phase.name());
                found.push(WithWork { stream, state, waiting: inner.queue.len(), batches: inner.batches });
            }
        }
        found.sort_by(|a, b| a.stream.cmp(&b.stream));
        found.truncate(MOST);
        found
    }

    /// Wakes an entity whose wake-up may have been lost; `false` where it has none to be woken by. Its actor looks at
    /// the queue itself, so that one wake-up too many does nothing.
    pub(crate) fn wake_again(&self, stream: &StreamKey) -> bool {
        let Some(cell) = self.cells().get(stream).map(|cell| Arc::clone(cell.value())) else { return false };
        let mut inner = cell.lock();
        match &mut inner.phase {
            Phase::Active { actor, awake, .. } => {
                *awake = true;
                actor.wake();
                true
            }
            Phase::Dormant | Phase::Starting => {
                inner.phase = Phase::Starting;
                drop(inner);
                cell.owned.hosts().activate(cell.clone());
                true
            }
            Phase::BackingOff | Phase::Removed => false,
        }
    }

    /// Reads a stream's state without bringing it to life.
    pub(crate) async fn peek(&self, owned: &Owned, stream: &StreamKey) -> Result<Option<Value>, Fault> {
        let loaded = Loaded::load(self.shared(), owned, stream).await?;
        Ok(loaded.machine.view())
    }

    /// Loses the wake-up of an entity: what comes next waits, though its actor sleeps.
    #[cfg(test)]
    pub(crate) fn lose_wake_up(&self, stream: &StreamKey) {
        let cell = self.cells().get(stream).expect("it is alive").clone();
        match &mut cell.lock().phase {
            Phase::Active { awake, .. } => *awake = true,
            _ => panic!("it has no actor"),
        }
    }
}
