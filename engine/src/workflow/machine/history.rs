//! What the tasks of a run were given and what they gave: the run's own state, folded beside the list of its tasks.
//!
//! The events hold of a payload only what cannot be derived; the state knows the rest, as it does for the run itself.

use std::ops::Range;

use super::event::RunEvent;
use super::path;
use super::state::RunState;
use super::task::{Payload, json_size};
use super::tasks::TaskList;
use super::terms::Data;
use crate::clock::Timestamp;

/// A fold of a run's events that tells some of its tasks, with what went into them and came out.
#[derive(Debug, Clone)]
pub struct TaskHistory {
    list: TaskList,
    state: Option<RunState>,
    /// The longest payload that is kept, in bytes of JSON text.
    longest: usize,
}

impl TaskHistory {
    /// Begins before the first event; tells the tasks at some places, from 0.
    pub fn new(window: Range<usize>, longest: usize) -> Self {
        Self { list: TaskList::window(window), state: None, longest }
    }

    /// The same fold for another window, none of whose tasks has begun.
    #[must_use]
    pub fn turned(&self, window: Range<usize>, longest: usize) -> Self {
        Self { list: self.list.turned(window), state: self.state.clone(), longest }
    }

    /// The tasks.
    pub fn list(&self) -> &TaskList {
        &self.list
    }

    /// Folds one more event in.
    ///
    /// # Errors
    ///
    /// When the event cannot follow.
    pub fn apply(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), String> {
        let output = self.output_of(event);
        match &mut self.state {
            Some(state) => state.apply(event, at)?,
            None => self.state = Some(RunState::begin(event, at)?),
        }
        let place = self.list.apply(event, at);
        let input = self.input_of(event).or_else(|| match event {
            RunEvent::TaskSkipped { .. } => output.clone(),
            _ => None,
        });
        let patched = match event {
            RunEvent::DataPatched { path: Some(path), .. } => self.list.place(path),
            _ => None,
        };
        let longest = self.longest;
        if let Some(item) = place.or(patched).and_then(|place| self.list.item(place)) {
            let payload = |data: Data| Payload::of(&data, longest);
            item.input = input.map(payload).or(item.input.take());
            item.output = output.map(payload).or(item.output.take());
        }
        Ok(())
    }

    /// True if nothing that comes can change an item.
    pub fn is_settled(&self) -> bool {
        let undoable = |number| self.state.as_ref().is_some_and(|state| state.calls.contains_key(&number));
        self.list.has_ended() && !self.list.calls().any(undoable)
    }

    /// About how many bytes it takes in memory without its items; none if it is more than `most`.
    pub fn size(&self, most: usize) -> Option<usize> {
        let room = most.checked_sub(self.list.size())?;
        json_size(&self.state, room).map(|state| state + self.list.size())
    }

    /// What an event lets out of a task, by the state before it.
    fn output_of(&self, event: &RunEvent) -> Option<Data> {
        let state = self.state.as_ref()?;
        match event {
            RunEvent::TaskCompleted { output: Some(output), .. } => Some(output.clone()),
            RunEvent::TaskCompleted { path, .. } => {
                state.frames.get(path).map(|frame| frame.natural().clone())
            }
            RunEvent::TaskSkipped { path, parent, part, .. } => {
                state.incoming(parent, *part, path::list_of(path))
            }
            _ => None,
        }
    }

    /// What an event gives a task, by the state behind it.
    fn input_of(&self, event: &RunEvent) -> Option<Data> {
        match event {
            RunEvent::TaskStarted { path, .. } | RunEvent::DataPatched { path: Some(path), .. } => {
                let frame = self.state.as_ref()?.frames.get(path)?;
                Some(frame.input.clone())
            }
            _ => None,
        }
    }
}
