//! A task of a run as it is shown.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::terms::{Data, TaskType};
use crate::clock::Timestamp;
use crate::workflow::action::WorkflowError;

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskStatus {
    /// At work, or its tasks are.
    Running,
    /// Waiting for a time, a signal, or its next attempt.
    Waiting,
    /// Ended well.
    Completed,
    /// Ended in an error.
    Faulted,
    /// Not run: its condition did not hold.
    Skipped,
    /// Ended before its time.
    Cancelled,
    /// Undone.
    Compensated,
}

/// A task of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem {
    /// Its number in the run, from 1.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// Its JSON pointer in the definition.
    pub reference: String,
    /// Its instance path, without the attempts of the `try`s around it.
    pub path: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: TaskType,
    /// How it stands.
    pub status: TaskStatus,
    /// How often it was begun, or tried.
    pub attempts: u32,
    /// When it began first.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The error that it ended in.
    pub error: Option<WorkflowError>,
    /// Its input as reshaped, where payloads are folded.
    #[serde(skip)]
    pub input: Option<Payload>,
    /// Its output as reshaped, where payloads are folded and it has one.
    #[serde(skip)]
    pub output: Option<Payload>,
}

/// What goes into a task, or comes out.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The value.
    Inline(Data),
    /// The value is left out, since it is long (the pattern of the claim check).
    Claimed {
        /// How long it is, in bytes of JSON text.
        bytes: usize,
    },
}

impl Payload {
    /// The payload of a value that stands inline up to a number of bytes of JSON text.
    pub(super) fn of(data: &Data, most: usize) -> Self {
        match json_size(&**data, usize::MAX) {
            Some(bytes) if bytes > most => Self::Claimed { bytes },
            _ => Self::Inline(data.clone()),
        }
    }

    /// The value, where it stands inline.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Inline(data) => Some(data),
            Self::Claimed { .. } => None,
        }
    }
}

/// How long a value is as JSON text, in bytes; none if it is longer than `most`.
pub(super) fn json_size<T: Serialize>(value: &T, most: usize) -> Option<usize> {
    let mut room = Room { used: 0, most };
    serde_json::to_writer(&mut room, value).ok().map(|()| room.used)
}

/// Counts what is written, as long as there is room.
struct Room {
    used: usize,
    most: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.used += bytes.len();
        if self.used > self.most { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_value_is_left_out_and_measured() {
        let short = Arc::new(json!("á"));
        assert_eq!(Payload::of(&short, 4), Payload::Inline(short.clone()));
        assert_eq!(Payload::of(&short, 3), Payload::Claimed { bytes: 4 });
        assert_eq!(json_size(&vec![1; 1_000], 2_000), None);
        assert_eq!(json_size(&vec![1; 1_000], 2_001), Some(2_001));
    }
}
