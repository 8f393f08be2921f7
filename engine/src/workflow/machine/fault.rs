//! How errors go outward until a `try` catches them, a saga unwinds, or the run ends.

use super::event::RunEvent;
use super::path;
use super::terms::{After, Part};
use super::turn::Turn;
use crate::workflow::action::WorkflowError;

/// What a `try` makes of an error.
pub(super) enum Caught {
    /// It goes on with it.
    Yes,
    /// It lets it pass; perhaps as another error, where a condition could not be evaluated.
    No(WorkflowError),
}

impl Turn<'_> {
    /// Raises an error at an active task.
    pub(super) fn fault(&mut self, at: &str, mut error: WorkflowError) {
        if error.instance.is_none() {
            error.instance = Some(if at.is_empty() { "/do".to_owned() } else { path::reference(at) });
        }
        let mut at = at.to_owned();
        loop {
            let calls = self.state.to_unwind(&at);
            if !calls.is_empty() {
                let then = After::Fault { error };
                return self.emit(RunEvent::UnwindingStarted { path: at, calls, then });
            }
            if at.is_empty() {
                return self.fail(error);
            }
            let Some(frame) = self.state.frames.get(&at) else { return };
            let (parent, part) = (frame.parent.clone(), frame.part);
            self.emit(RunEvent::TaskFaulted { path: at, error: error.clone() });
            if part == Part::Body {
                match self.catch(&parent, error) {
                    Caught::Yes => return,
                    Caught::No(passed) => error = passed,
                }
            }
            at = parent;
        }
    }

    /// Ends the run in an error.
    pub(super) fn fail(&mut self, error: WorkflowError) {
        let saga = self.state.frames.get("").is_some_and(|root| root.saga);
        let undone = self.state.to_unwind("").is_empty();
        self.emit(if saga && undone { RunEvent::Compensated { error } } else { RunEvent::Faulted { error } });
    }
}
