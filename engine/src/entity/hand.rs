//! The work that a host has in hand: its count, its name, its span.

use super::Input;
use super::directory::Directory;
use super::intake::Delivery;
use crate::id::StreamKey;
use crate::telemetry::names;

/// The work that a host has in hand: no longer waiting once it is dropped, also where the host is ended in the middle
/// of it.
pub(super) struct Hand {
    directory: Directory,
    count: usize,
}

impl Hand {
    pub(super) fn new(directory: &Directory, count: usize) -> Self {
        Self { directory: directory.clone(), count }
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Notes that some of it waits again, or is counted by whoever took it.
    pub(super) fn give_back(&mut self, count: usize) {
        self.count -= count;
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.directory.answered(self.count);
    }
}

/// The span of one step.
pub(super) fn step_span(stream: &StreamKey, delivery: &Delivery) -> tracing::Span {
    let Delivery { input, origin, .. } = delivery;
    tracing::debug_span!(
        names::SPAN_COMMAND,
        tenant = %stream.tenant,
        stream = %stream.id,
        input = input_name(input),
        causation = %origin.causation,
        correlation = %origin.correlation,
        trace = origin.trace.as_deref(),
    )
}

/// What an input is called in causes and logs.
pub(crate) fn input_name(input: &Input) -> String {
    match input {
        Input::Command { name, .. } => name.to_string(),
        Input::Timer { name, .. } => format!("timer {name}"),
        Input::Reply { id, .. } => format!("reply {id}"),
        Input::Effect { key, .. } => format!("effect {key}"),
    }
}
