//! The events that a topic keeps.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::journal::Json;

/// Events that a topic keeps.
pub(super) const MOST_KEPT: usize = 1_000;

/// Bytes of the events that a topic keeps.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// How long a topic keeps an event.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) event: Json,
}

/// Events in the order of their numbers, bounded by number, bytes and age. The newest is kept, however large.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shelf {
    events: VecDeque<Kept>,
    /// The bytes of all of them.
    bytes: usize,
}

impl Shelf {
    /// The events, the oldest first.
    pub(super) fn events(&self) -> &VecDeque<Kept> {
        &self.events
    }

    /// How many events go if one more comes.
    pub(super) fn leaving(&self, event: &Json, at: Timestamp) -> usize {
        let horizon = at.ms() - KEPT_FOR.as_millis() as i64;
        let mut bytes = self.bytes + event.text().len();
        let mut count = self.events.len() + 1;
        let goes = |kept: &&Kept| {
            let goes = count > MOST_KEPT || bytes > MOST_BYTES || kept.at.ms() < horizon;
            count -= 1;
            bytes -= kept.event.text().len();
            goes
        };
        self.events.iter().take_while(goes).count()
    }

    /// Adds an event, and gives how many went for it.
    pub(super) fn push(&mut self, kept: Kept) -> usize {
        let leaving = self.leaving(&kept.event, kept.at);
        let gone: usize = self.events.drain(..leaving).map(|kept| kept.event.text().len()).sum();
        self.bytes = self.bytes - gone + kept.event.text().len();
        self.events.push_back(kept);
        leaving
    }
}

impl From<VecDeque<Kept>> for Shelf {
    fn from(events: VecDeque<Kept>) -> Self {
        let bytes = events.iter().map(|kept| kept.event.text().len()).sum();
        Self { events, bytes }
    }
}

impl Serialize for Shelf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.events.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shelf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        VecDeque::deserialize(deserializer).map(Self::from)
    }
}
