//! What a [`MemoryStore`](super::MemoryStore) sees of the invariants as entries are committed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::journal::{Entry, Fence, Message, TimerOp};

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
    messages: VecDeque<Message>,
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
    pub(super) fn sent(&mut self, message: &Message) {
        self.messages.push_back(message.clone());
        if self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
    }

    /// One of the last messages.
    pub(super) fn recent(&self, which: usize) -> Option<&Message> {
        self.messages.get(which.checked_rem(self.messages.len())?)
    }

    /// The first one tells enough.
    fn note(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert(wrong);
    }
}
