//! What a [`MemoryStore`](super::MemoryStore) sees of the invariants as entries are committed.

use std::collections::VecDeque;
use std::time::Duration;

use super::MemoryStore;
use super::disk::Disk;
use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::{Entry, Fence, INBOX_KEPT, Message, TimerOp};

/// The messages that are remembered.
const MESSAGES: usize = 32;

/// Something that should never be committed, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Somebody wrote to a partition that another had taken over.
    Epoch(String),
    /// A timer was taken in before it was due.
    Early(String),
    /// A timer was taken in too long after it was due, with nothing in its way.
    Late(String),
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Audit {
    wrong: Option<Wrong>,
    /// From when on timers are to be punctual, and how late they may be.
    punctual: Option<(Timestamp, Duration)>,
    /// The last messages, and when each was sent.
    messages: VecDeque<(Timestamp, Message)>,
}

impl Audit {
    pub(super) fn first_wrong(&self) -> Option<&Wrong> {
        self.wrong.as_ref()
    }

    pub(super) fn expect_punctual_timers(&mut self, from: Timestamp, bound: Duration) {
        self.punctual = Some((from, bound));
    }

    /// A batch is being committed in a partition whose newest epoch is `newest`.
    pub(super) fn appended(&mut self, fence: &Fence, newest: u64) {
        if fence.epoch != newest {
            let Fence { partition, epoch, .. } = fence;
            self.note(Wrong::Epoch(format!(
                "partition {partition} was written to under epoch {epoch} after epoch {newest} had begun"
            )));
        }
    }

    /// An entry changes a timer.
    pub(super) fn timer(&mut self, entry: &Entry, op: &TimerOp) {
        let TimerOp::Fired { name, due } = op else { return };
        let (stream, at) = (&entry.stream, entry.at);
        if at < *due {
            self.note(Wrong::Early(format!("timer `{name}` of {stream}, due {due}, was taken in at {at}")));
        }
        if let Some((from, bound)) = self.punctual
            && *due >= from
            && at.since(*due) > bound
        {
            self.note(Wrong::Late(format!("timer `{name}` of {stream}, due {due}, was taken in at {at}")));
        }
    }

    /// A message is on its way.
    pub(super) fn sent(&mut self, message: &Message, at: Timestamp) {
        self.messages.push_back((at, message.clone()));
        if self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
    }

    /// One of the last messages, unless it was sent so long ago that its receiver may soon forget it.
    pub(super) fn recent(&self, which: usize, now: Timestamp) -> Option<&Message> {
        let (at, message) = self.messages.get(which.checked_rem(self.messages.len())?)?;
        (now.since(*at) < INBOX_KEPT / 2).then_some(message)
    }

    /// The first one tells enough.
    fn note(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert(wrong);
    }
}

impl MemoryStore {
    /// The first thing that was seen to be wrong with a commit.
    pub fn first_wrong(&self) -> Option<Wrong> {
        self.with_disk(|disk| disk.audit.first_wrong().cloned())
    }

    /// From this moment of the engine's time on, timers are to fire within a bound.
    pub fn expect_punctual_timers(&self, from: Timestamp, bound: Duration) {
        self.with_disk(|disk| disk.audit.expect_punctual_timers(from, bound));
    }

    /// What was to be done by a moment and still stands in the tables, one line each.
    pub fn left_over(&self, now: Timestamp) -> Vec<String> {
        self.with_disk(|disk| disk.left_over(now))
    }

    /// A message that was sent not long ago, and which its receiver still recognises; `which` chooses.
    pub fn recent_message(&self, which: usize, now: Timestamp) -> Option<Message> {
        self.with_disk(|disk| disk.recent_message(which, now))
    }
}

impl Disk {
    /// What was to be done by a moment and still stands in the tables.
    fn left_over(&self, now: Timestamp) -> Vec<String> {
        let due = self.timers.iter().filter(|((_, due, ..), _)| *due <= now);
        let timers = due.map(|((_, due, _, name), stream)| format!("timer `{name}` of {stream}, due {due}"));
        let messages = self.outbox.values().map(|(_, message)| {
            format!("message `{}` from {} to {}", message.command, message.from, message.to)
        });
        let open = self.open_effects.iter().filter_map(|number| self.effects.get(number));
        let effects = open.map(|row| format!("effect {} of {}", row.effect.key, row.effect.stream));
        timers.chain(messages).chain(effects).collect()
    }

    /// A message that was sent not long ago and which its receiver recognises.
    fn recent_message(&self, which: usize, now: Timestamp) -> Option<Message> {
        let message = self.audit.recent(which, now)?;
        let to = StreamKey::new(message.from.tenant.clone(), message.to);
        let is_known = self.streams.get(&to).is_some_and(|to| to.received_ids.contains(&message.id));
        (is_known || self.message_numbers.contains_key(&message.id)).then(|| message.clone())
    }
}
